/**
 * The two key derivation functions that Keycell speaks, both a 32-bit counter in front of what is hashed.
 *
 * SP 800-108r1 §4.1 keys HMAC with a secret that is already uniform; SP 800-56C §4.1 hashes a shared
 * secret that is not (RFC 7518 §4.6 calls it Concat KDF). The fixed input comes as one string that
 * the caller has laid out, so that the layout (Label ‖ 00 ‖ Context ‖ [L]_32, or the length-prefixed
 * fields of RFC 7518) is decided and reviewed in one place, outside. Rejected: label and context as
 * arguments, which fixes one of several layouts in use and moves no work.
 *
 * Lengths are public. The last block is cut to the leftmost bytes; the cut bytes stay in scratch for
 * the batch's wipe. out is written while the inputs are still read: it must not overlap them.
 */
import { storeBe32 } from "../bytes";
import { KDF_SCRATCH } from "../layout";
import { MAX_HASH_SIZE, hashFinal, hashInit, hashSize, hashUpdate, isHash } from "./hash";
import { hmacFinal, hmacInit, hmacRestart, hmacUpdate } from "./hmac";

// Scratch: the counter ‖ one whole block of output ‖ a hash or HMAC state.
const COUNTER: usize = KDF_SCRATCH;
const BLOCK_OUT: usize = KDF_SCRATCH + 16;
const STATE: usize = BLOCK_OUT + MAX_HASH_SIZE;

/**
 * 1 to 255 blocks of a known hash: far below the 2^32 − 1 that the counters here allow, and the bound that HKDF sets,
 * whose counter is one byte.
 */
// @ts-ignore: decorator
@inline export function outputAllowed(hashId: u32, outLen: u32): bool {
  return isHash(hashId) && outLen - 1 < 255 * hashSize(hashId); // 0 wraps to the largest u32
}

/**
 * SP 800-108r1 §4.1, counter mode, r = 32: K(i) = HMAC(K_IN, [i]_32 ‖ fixed).
 * 1, or 0 if the hash is unknown or outLen not 1 to 255 digests.
 */
export function kdf108(
  hashId: u32,
  keyPtr: usize,
  keyLen: u32,
  fixedPtr: usize,
  fixedLen: u32,
  outPtr: usize,
  outLen: u32,
): u32 {
  if (!outputAllowed(hashId, outLen)) return 0;
  const size = hashSize(hashId);
  hmacInit(hashId, STATE, keyPtr, keyLen);
  for (let done: u32 = 0, i: u32 = 1; done < outLen; done += size, i++) {
    storeBe32(COUNTER, i);
    hmacRestart(STATE);
    hmacUpdate(STATE, COUNTER, 4);
    hmacUpdate(STATE, fixedPtr, fixedLen);
    hmacFinal(STATE, BLOCK_OUT);
    memory.copy(outPtr + done, BLOCK_OUT, min(outLen - done, size));
  }
  return 1;
}

/**
 * SP 800-56Cr2 §4.1, option 1: K(i) = H([i]_32 ‖ Z ‖ FixedInfo).
 * 1, or 0 if the hash is unknown or outLen not 1 to 255 digests.
 */
export function concatKdf(
  hashId: u32,
  zPtr: usize,
  zLen: u32,
  infoPtr: usize,
  infoLen: u32,
  outPtr: usize,
  outLen: u32,
): u32 {
  if (!outputAllowed(hashId, outLen)) return 0;
  const size = hashSize(hashId);
  for (let done: u32 = 0, i: u32 = 1; done < outLen; done += size, i++) {
    storeBe32(COUNTER, i);
    hashInit(hashId, STATE);
    hashUpdate(hashId, STATE, COUNTER, 4);
    hashUpdate(hashId, STATE, zPtr, zLen);
    hashUpdate(hashId, STATE, infoPtr, infoLen);
    hashFinal(hashId, STATE, BLOCK_OUT);
    memory.copy(outPtr + done, BLOCK_OUT, min(outLen - done, size));
  }
  return 1;
}
