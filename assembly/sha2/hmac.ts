/**
 * HMAC-SHA-256, FIPS 198-1 (RFC 2104), over pieces.
 *
 * The two padded keys fill one block each, so what they leave in H depends on the key alone. The
 * state keeps both as midstates: hmacRestart begins another message under the same key for the price
 * of a copy, which halves the work of a KDF or a generator on short inputs. Rejected: the key itself
 * in the state, two more compressions a message and the key in one place more.
 *
 * Every length is public; nothing depends on the bytes of key or message but through SHA-256.
 */
import { equalBit } from "../ct";
import { HMAC_SCRATCH } from "../layout";
import {
  SHA256_SIZE,
  SHA256_STATE_SIZE,
  sha256Final,
  sha256Init,
  sha256Resume,
  sha256Update,
  sha256WipeScratch,
} from "./sha256";

// State: a running SHA-256 ‖ H after K0 ⊕ ipad ‖ H after K0 ⊕ opad.
const INNER: usize = SHA256_STATE_SIZE;
const OUTER: usize = INNER + SHA256_SIZE;
export const HMAC_STATE_SIZE: usize = OUTER + SHA256_SIZE;
export const HMAC_SIZE: u32 = SHA256_SIZE;

const BLOCK: u32 = 64;
const IPAD: u64 = 0x3636363636363636;
const OPAD: u64 = 0x5c5c5c5c5c5c5c5c;

// Scratch: K0 ‖ inner digest or computed mac ‖ the state of the one-shot forms.
const K0: usize = HMAC_SCRATCH;
const DIGEST: usize = K0 + BLOCK;
const ONE_SHOT: usize = DIGEST + SHA256_SIZE;

/** H after the one block K0 ⊕ pad, to midPtr; K0 is left ⊕ pad. */
function absorbKey(statePtr: usize, pad: u64, midPtr: usize): void {
  for (let i: usize = 0; i < BLOCK; i += 8) store<u64>(K0 + i, load<u64>(K0 + i) ^ pad);
  sha256Init(statePtr);
  sha256Update(statePtr, K0, BLOCK);
  memory.copy(midPtr, statePtr, SHA256_SIZE);
}

/** Take a key of any length; a key longer than a block stands for its digest (FIPS 198-1 §4, steps 1-3). */
export function hmacInit(statePtr: usize, keyPtr: usize, keyLen: u32): void {
  memory.fill(K0, 0, BLOCK);
  if (keyLen <= BLOCK) {
    memory.copy(K0, keyPtr, keyLen);
  } else {
    sha256Init(statePtr);
    sha256Update(statePtr, keyPtr, keyLen);
    sha256Final(statePtr, K0);
  }
  absorbKey(statePtr, IPAD, statePtr + INNER);
  absorbKey(statePtr, IPAD ^ OPAD, statePtr + OUTER);
  hmacRestart(statePtr);
}

/** Begin a new message under the key that hmacInit took. */
export function hmacRestart(statePtr: usize): void {
  sha256Resume(statePtr, statePtr + INNER, BLOCK);
}

export function hmacUpdate(statePtr: usize, inPtr: usize, len: u32): void {
  sha256Update(statePtr, inPtr, len);
}

/** Write the 32 bytes of mac. The state keeps its key: hmacRestart may follow. */
export function hmacFinal(statePtr: usize, outPtr: usize): void {
  sha256Final(statePtr, DIGEST);
  sha256Resume(statePtr, statePtr + OUTER, BLOCK);
  sha256Update(statePtr, DIGEST, SHA256_SIZE);
  sha256Final(statePtr, outPtr);
}

/** Zero what keys and messages left in the scratch of HMAC and of SHA-256 below it. */
export function hmacWipeScratch(): void {
  memory.fill(HMAC_SCRATCH, 0, ONE_SHOT + HMAC_STATE_SIZE - HMAC_SCRATCH);
  sha256WipeScratch();
}

/** HMAC of one string; out may overlap key or in. */
export function hmacSha256(keyPtr: usize, keyLen: u32, inPtr: usize, inLen: u32, outPtr: usize): void {
  hmacInit(ONE_SHOT, keyPtr, keyLen);
  hmacUpdate(ONE_SHOT, inPtr, inLen);
  hmacFinal(ONE_SHOT, outPtr);
}

/**
 * 1 if mac is the leftmost macLen bytes of the HMAC, else 0.
 * 16 to 32 bytes: RFC 2104 §5 asks for no less than half the digest.
 */
export function hmacSha256Verify(
  keyPtr: usize,
  keyLen: u32,
  inPtr: usize,
  inLen: u32,
  macPtr: usize,
  macLen: u32,
): u32 {
  if (macLen < 16 || macLen > SHA256_SIZE) return 0;
  hmacSha256(keyPtr, keyLen, inPtr, inLen, DIGEST);
  return equalBit(DIGEST, macPtr, macLen);
}
