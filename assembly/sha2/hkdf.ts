/**
 * HKDF, RFC 5869: a secret that need not be uniform is extracted into a key by HMAC under a public salt, and the key
 * expanded by HMAC over a chain of blocks.
 *
 * The two steps come as one, since no caller keeps the key between them. An absent salt is an empty one: HMAC fills
 * both up to a block of zeros, so that it equals the HashLen zeros of §2.2. Each block of output feeds the next, so the
 * chain is kept apart from out, whose last block is cut. Lengths and the hash are public; PRK and chain stay in
 * scratch for the batch's wipe. out is written while info is still read: the two must not overlap.
 */
import { HKDF_SCRATCH } from "../layout";
import { MAX_HASH_SIZE, hashSize } from "./hash";
import { hmacFinal, hmacInit, hmacRestart, hmacUpdate } from "./hmac";
import { outputAllowed } from "./kdf";

// Scratch: PRK, then T(i) ‖ i ‖ an HMAC state.
const T: usize = HKDF_SCRATCH;
const COUNTER: usize = T + MAX_HASH_SIZE;
const STATE: usize = COUNTER + 8;

/** 1, or 0, and nothing written, if the hash is unknown or outLen not 1 to 255 digests. */
export function hkdf(
  hashId: u32,
  saltPtr: usize,
  saltLen: u32,
  ikmPtr: usize,
  ikmLen: u32,
  infoPtr: usize,
  infoLen: u32,
  outPtr: usize,
  outLen: u32,
): u32 {
  if (!outputAllowed(hashId, outLen)) return 0;
  const size = hashSize(hashId);
  // §2.2: PRK = HMAC(salt, IKM).
  hmacInit(hashId, STATE, saltPtr, saltLen);
  hmacUpdate(STATE, ikmPtr, ikmLen);
  hmacFinal(STATE, T);
  // §2.3: T(i) = HMAC(PRK, T(i-1) ‖ info ‖ i), T(0) empty; i ≤ 255 fits its byte.
  hmacInit(hashId, STATE, T, size);
  let chainLen: u32 = 0;
  for (let done: u32 = 0, i: u32 = 1; done < outLen; done += size, i++) {
    store<u8>(COUNTER, i);
    hmacRestart(STATE);
    hmacUpdate(STATE, T, chainLen);
    hmacUpdate(STATE, infoPtr, infoLen);
    hmacUpdate(STATE, COUNTER, 1);
    hmacFinal(STATE, T);
    memory.copy(outPtr + done, T, min(outLen - done, size));
    chainLen = size;
  }
  return 1;
}
