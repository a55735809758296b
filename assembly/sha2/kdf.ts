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
import { hmacFinal, hmacInit, hmacRestart, hmacUpdate } from "./hmac";
import { SHA256_SIZE, sha256Final, sha256Init, sha256Update } from "./sha256";

/** 255 blocks: far below the 2^32 − 1 that the counter allows, and the bound that HKDF sets for the same hash. */
const MAX_OUT: u32 = 255 * SHA256_SIZE;

// Scratch: the counter ‖ one whole block of output ‖ a hash or HMAC state.
const COUNTER: usize = KDF_SCRATCH;
const BLOCK_OUT: usize = KDF_SCRATCH + 16;
const STATE: usize = BLOCK_OUT + SHA256_SIZE;

// @ts-ignore: decorator
@inline function lengthAllowed(outLen: u32): bool {
  return outLen - 1 < MAX_OUT; // 0 wraps to the largest u32
}

// @ts-ignore: decorator
@inline function emit(outPtr: usize, left: u32): void {
  memory.copy(outPtr, BLOCK_OUT, min(left, SHA256_SIZE));
}

/** SP 800-108r1 §4.1, counter mode, r = 32: K(i) = HMAC-SHA-256(K_IN, [i]_32 ‖ fixed). 1, or 0 if outLen is not 1..8160. */
export function kdf108(
  keyPtr: usize,
  keyLen: u32,
  fixedPtr: usize,
  fixedLen: u32,
  outPtr: usize,
  outLen: u32,
): u32 {
  if (!lengthAllowed(outLen)) return 0;
  hmacInit(STATE, keyPtr, keyLen);
  for (let done: u32 = 0, i: u32 = 1; done < outLen; done += SHA256_SIZE, i++) {
    storeBe32(COUNTER, i);
    hmacRestart(STATE);
    hmacUpdate(STATE, COUNTER, 4);
    hmacUpdate(STATE, fixedPtr, fixedLen);
    hmacFinal(STATE, BLOCK_OUT);
    emit(outPtr + done, outLen - done);
  }
  return 1;
}

/** SP 800-56Cr2 §4.1, option 1, SHA-256: K(i) = H([i]_32 ‖ Z ‖ FixedInfo). 1, or 0 if outLen is not 1..8160. */
export function concatKdf(
  zPtr: usize,
  zLen: u32,
  infoPtr: usize,
  infoLen: u32,
  outPtr: usize,
  outLen: u32,
): u32 {
  if (!lengthAllowed(outLen)) return 0;
  for (let done: u32 = 0, i: u32 = 1; done < outLen; done += SHA256_SIZE, i++) {
    storeBe32(COUNTER, i);
    sha256Init(STATE);
    sha256Update(STATE, COUNTER, 4);
    sha256Update(STATE, zPtr, zLen);
    sha256Update(STATE, infoPtr, infoLen);
    sha256Final(STATE, BLOCK_OUT);
    emit(outPtr + done, outLen - done);
  }
  return 1;
}
