/**
 * The number k of an ECDSA signature, for any hash and any order of 8·size bits.
 *
 * RFC 6979 §3.2: HMAC_DRBG seeded with the private key x and the digest h1, so that k is unique to the
 * pair and needs no randomness. Hedged after draft-irtf-cfrg-det-sigs-with-noise-05 §4: `size` random bytes Z
 * come first, so that equal messages give different signatures and a fault cannot be compared with a
 * clean run (a cell draws them once a batch and numbers the signatures in them: what counts is that they
 * differ); with Z known or repeated it is still as strong as RFC 6979. The draft pads with zeros so that
 * V ‖ 00 ‖ Z and x each end on a block boundary of the hash: x is then mixed into a state that Z has
 * already randomised, never into a known one next to public data.
 * Rejected: k straight from a generator, where one repeated state gives the key away.
 *
 * x is int2octets(x), h1 is bits2octets(h1): reduced mod the order, `size` bytes each (§2.3.4).
 */
import { MAX_HASH_SIZE, blockSize, hashSize } from "../sha2/hash";
import { HMAC_STATE_SIZE, hmacFinal, hmacInit, hmacRestart, hmacUpdate, hmacWipeScratch } from "../sha2/hmac";
import { NONCE_SCRATCH } from "./scratch";

const STATE: usize = NONCE_SCRATCH;
const K: usize = STATE + HMAC_STATE_SIZE;
/** V and behind it the rest of the input of steps d and f, so that one update takes all. */
const V: usize = K + MAX_HASH_SIZE;

/** K = HMAC_K(V ‖ tag ‖ …), then V = HMAC_K(V): each pair of steps of §3.2 is this. */
function update(hash: u32, tag: u8, inputLen: u32): void {
  const len = hashSize(hash);
  store<u8>(V + len, tag);
  hmacInit(hash, STATE, K, len);
  hmacUpdate(STATE, V, inputLen);
  hmacFinal(STATE, K);
  hmacInit(hash, STATE, K, len);
  stepV(len);
}

/** V = HMAC_K(V); STATE is keyed with K. */
function stepV(len: u32): void {
  hmacRestart(STATE);
  hmacUpdate(STATE, V, len);
  hmacFinal(STATE, V);
}

/** Steps a to g. noisePtr 0 gives RFC 6979 as it stands. The longest input: 128 + 128 + 48 bytes. */
export function nonceInit(hash: u32, size: u32, xPtr: usize, h1Ptr: usize, noisePtr: usize): void {
  const len = hashSize(hash);
  let xAt = len + 1;
  let h1At = xAt + size;
  if (noisePtr != 0) {
    xAt = wholeBlocks(hash, len + 1 + size);
    h1At = xAt + wholeBlocks(hash, size);
    memory.fill(V, 0, h1At);
    memory.copy(V + len + 1, noisePtr, size);
  }
  memory.copy(V + xAt, xPtr, size);
  memory.copy(V + h1At, h1Ptr, size);
  memory.fill(V, 1, len);
  memory.fill(K, 0, len);
  update(hash, 0, h1At + size);
  update(hash, 1, h1At + size);
}

/** The least multiple of the hash's block that is not below len. */
// @ts-ignore: decorator
@inline function wholeBlocks(hash: u32, len: u32): u32 {
  const block = blockSize(hash);
  return (len + block - 1) & (0 - block);
}

/** Step h, 1 and 2: the next candidate, `size` bytes of as many V as it takes; the caller checks its range. */
export function nonceNext(hash: u32, size: u32, kPtr: usize): void {
  const len = hashSize(hash);
  let at: u32 = 0;
  while (at + len < size) {
    stepV(len);
    memory.copy(kPtr + at, V, len);
    at += len;
  }
  stepV(len);
  memory.copy(kPtr + at, V, size - at);
}

/** Step h, 3: the candidate would not do. */
export function nonceReject(hash: u32): void {
  update(hash, 0, hashSize(hash) + 1);
}

/** Zero what K, V and x left in the scratch of HMAC; ecWipe takes care of NONCE_SCRATCH. */
export function nonceWipe(): void {
  hmacWipeScratch();
}
