/**
 * HMAC, FIPS 198-1 (RFC 2104), over the hashes of hash.ts, over pieces.
 *
 * The two padded keys fill one block each, so what they leave in H depends on the key alone. The
 * state keeps both as midstates: hmacRestart begins another message under the same key for the price
 * of a copy, which halves the work of a KDF or a generator on short inputs. Rejected: the key itself
 * in the state, two more compressions a message and the key in one place more.
 *
 * Every length and the hash are public; nothing depends on the bytes of key or message but through the hash.
 */
import { copyShort } from "../bytes";
import { equalBit } from "../ct";
import { HMAC_SCRATCH } from "../layout";
import {
  HASH_STATE_SIZE,
  MAX_BLOCK_SIZE,
  MAX_HASH_SIZE,
  SHA256,
  blockSize,
  chainSize,
  hashFinal,
  hashInit,
  hashResume,
  hashSize,
  hashUpdate,
  isHash,
} from "./hash";
import { SHA256_SIZE, sha256Final, sha256Resume, sha256Update, sha256WipeScratch } from "./sha256";
import { sha512WipeScratch } from "./sha512";

// State: a running hash ‖ H after K0 ⊕ ipad ‖ H after K0 ⊕ opad ‖ the hash's number.
const INNER: usize = HASH_STATE_SIZE;
const OUTER: usize = INNER + MAX_HASH_SIZE;
const HASH: usize = OUTER + MAX_HASH_SIZE;
export const HMAC_STATE_SIZE: usize = HASH + 8;

const IPAD: u64 = 0x3636363636363636;
const OPAD: u64 = 0x5c5c5c5c5c5c5c5c;

// Scratch: K0 ‖ inner digest or computed mac ‖ the state of the one-shot forms.
const K0: usize = HMAC_SCRATCH;
const DIGEST: usize = K0 + MAX_BLOCK_SIZE;
const ONE_SHOT: usize = DIGEST + MAX_HASH_SIZE;

/** H after the one block K0 ⊕ pad, to midPtr; K0 is left ⊕ pad. */
function absorbKey(hashId: u32, statePtr: usize, pad: u64, midPtr: usize): void {
  const block = blockSize(hashId);
  for (let i: usize = 0; i < block; i += 8) store<u64>(K0 + i, load<u64>(K0 + i) ^ pad);
  hashInit(hashId, statePtr);
  hashUpdate(hashId, statePtr, K0, block);
  copyShort(midPtr, statePtr, chainSize(hashId));
}

/** Take a key of any length; a key longer than a block stands for its digest (FIPS 198-1 §4, steps 1-3). */
export function hmacInit(hashId: u32, statePtr: usize, keyPtr: usize, keyLen: u32): void {
  const block = blockSize(hashId);
  store<u32>(statePtr, hashId, HASH);
  for (let i: usize = 0; i < block; i += 16) v128.store(K0 + i, i64x2.splat(0));
  if (keyLen <= block) {
    copyShort(K0, keyPtr, keyLen);
  } else {
    hashInit(hashId, statePtr);
    hashUpdate(hashId, statePtr, keyPtr, keyLen);
    hashFinal(hashId, statePtr, K0);
  }
  absorbKey(hashId, statePtr, IPAD, statePtr + INNER);
  absorbKey(hashId, statePtr, IPAD ^ OPAD, statePtr + OUTER);
  hmacRestart(statePtr);
}

/** Begin a new message under the key that hmacInit took. */
export function hmacRestart(statePtr: usize): void {
  hashResume(load<u32>(statePtr, HASH), statePtr, statePtr + INNER);
}

export function hmacUpdate(statePtr: usize, inPtr: usize, len: u32): void {
  hashUpdate(load<u32>(statePtr, HASH), statePtr, inPtr, len);
}

/** Write the mac, hashSize bytes. The state keeps its key: hmacRestart may follow. */
export function hmacFinal(statePtr: usize, outPtr: usize): void {
  const hashId = load<u32>(statePtr, HASH);
  hashFinal(hashId, statePtr, DIGEST);
  hashResume(hashId, statePtr, statePtr + OUTER);
  hashUpdate(hashId, statePtr, DIGEST, hashSize(hashId));
  hashFinal(hashId, statePtr, outPtr);
}

/** Zero what keys and messages left in the scratch of HMAC and of the hashes below it. */
export function hmacWipeScratch(): void {
  memory.fill(HMAC_SCRATCH, 0, ONE_SHOT + HMAC_STATE_SIZE - HMAC_SCRATCH);
  sha256WipeScratch();
  sha512WipeScratch();
}

/** What a key leaves in H of SHA-256, to be kept in its stead: H after K0 ⊕ ipad ‖ H after K0 ⊕ opad, 64 bytes. */
export function hmac256Key(keyPtr: usize, keyLen: u32, midPtr: usize): void {
  hmacInit(SHA256, ONE_SHOT, keyPtr, keyLen);
  hmac256Keep(ONE_SHOT, midPtr);
  hmacWipeScratch();
}

/** The same of the key that a state of SHA-256 has taken. */
export function hmac256Keep(statePtr: usize, midPtr: usize): void {
  copyShort(midPtr, statePtr + INNER, SHA256_SIZE);
  copyShort(midPtr + SHA256_SIZE, statePtr + OUTER, SHA256_SIZE);
}

/** What hmacInit does, from what was kept. */
export function hmac256Take(statePtr: usize, midPtr: usize): void {
  store<u32>(statePtr, SHA256, HASH);
  copyShort(statePtr + INNER, midPtr, SHA256_SIZE);
  copyShort(statePtr + OUTER, midPtr + SHA256_SIZE, SHA256_SIZE);
  sha256Resume(statePtr, midPtr, 64);
}

/** HMAC-SHA-256 of one string under a key that is kept so; out may overlap in. */
export function hmac256(midPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): void {
  sha256Resume(ONE_SHOT, midPtr, 64);
  sha256Update(ONE_SHOT, inPtr, inLen);
  sha256Final(ONE_SHOT, DIGEST);
  sha256Resume(ONE_SHOT, midPtr + SHA256_SIZE, 64);
  sha256Update(ONE_SHOT, DIGEST, SHA256_SIZE);
  sha256Final(ONE_SHOT, outPtr);
}

/** HMAC of one string; out may overlap key or in. 0, and nothing written, for a number that is no hash. */
export function hmac(hashId: u32, keyPtr: usize, keyLen: u32, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  if (!isHash(hashId)) return 0;
  hmacInit(hashId, ONE_SHOT, keyPtr, keyLen);
  hmacUpdate(ONE_SHOT, inPtr, inLen);
  hmacFinal(ONE_SHOT, outPtr);
  return 1;
}

/**
 * 1 if mac is the leftmost macLen bytes of the HMAC, else 0.
 * From half the digest to the whole: RFC 2104 §5 asks for no less.
 */
export function hmacVerify(
  hashId: u32,
  keyPtr: usize,
  keyLen: u32,
  inPtr: usize,
  inLen: u32,
  macPtr: usize,
  macLen: u32,
): u32 {
  if (!isHash(hashId)) return 0;
  const size = hashSize(hashId);
  if (macLen < size >> 1 || macLen > size) return 0;
  hmac(hashId, keyPtr, keyLen, inPtr, inLen, DIGEST);
  return equalBit(DIGEST, macPtr, macLen);
}
