/**
 * The number k of an ECDSA signature, for orders of 256 bits with SHA-256 (P-256, secp256k1).
 *
 * RFC 6979 §3.2: HMAC_DRBG seeded with the private key x and the digest h1, so that k is unique to the
 * pair and needs no randomness. Hedged after draft-irtf-cfrg-det-sigs-with-noise-05 §4: 32 random bytes Z
 * come first, so that equal messages give different signatures and a fault cannot be compared with a
 * clean run; with Z known or repeated it is still as strong as RFC 6979. The draft pads with zeros so that
 * V ‖ 00 ‖ Z and x each end on a block boundary of the hash: x is then mixed into a state that Z has
 * already randomised, never into a known one next to public data.
 * Rejected: k straight from a generator, where one repeated state gives the key away.
 *
 * x is int2octets(x), h1 is bits2octets(h1): reduced mod the order, 32 bytes each (§2.3.4).
 */
import { SHA256 } from "../sha2/hash";
import { HMAC_STATE_SIZE, hmacFinal, hmacInit, hmacRestart, hmacUpdate, hmacWipeScratch } from "../sha2/hmac";
import { NONCE_SCRATCH } from "./scratch";

const LENGTH: u32 = 32;
const BLOCK: u32 = 64;

const STATE: usize = NONCE_SCRATCH;
const K: usize = STATE + HMAC_STATE_SIZE;
/** V and behind it the rest of the input of steps d and f, so that one update takes all. */
const V: usize = K + LENGTH;
const TAG: usize = V + LENGTH;
const PROVIDED: usize = TAG + 1;

/** K = HMAC_K(V ‖ …), then V = HMAC_K(V): each pair of steps of §3.2 is this. */
function update(inputLen: u32): void {
  hmacInit(SHA256, STATE, K, LENGTH);
  hmacUpdate(STATE, V, inputLen);
  hmacFinal(STATE, K);
  hmacInit(SHA256, STATE, K, LENGTH);
  stepV();
}

/** V = HMAC_K(V); STATE is keyed with K. */
function stepV(): void {
  hmacRestart(STATE);
  hmacUpdate(STATE, V, LENGTH);
  hmacFinal(STATE, V);
}

/** Steps a to g. noisePtr 0 gives RFC 6979 as it stands. */
export function nonceInit(xPtr: usize, h1Ptr: usize, noisePtr: usize): void {
  let inputLen = LENGTH + 1 + 2 * LENGTH;
  if (noisePtr == 0) {
    memory.copy(PROVIDED, xPtr, LENGTH);
    memory.copy(PROVIDED + LENGTH, h1Ptr, LENGTH);
  } else {
    inputLen = 3 * BLOCK + LENGTH;
    memory.fill(PROVIDED, 0, inputLen - LENGTH - 1);
    memory.copy(PROVIDED, noisePtr, LENGTH);
    memory.copy(V + 2 * BLOCK, xPtr, LENGTH);
    memory.copy(V + 3 * BLOCK, h1Ptr, LENGTH);
  }
  memory.fill(V, 1, LENGTH);
  memory.fill(K, 0, LENGTH);
  store<u8>(TAG, 0);
  update(inputLen);
  store<u8>(TAG, 1);
  update(inputLen);
}

/** Step h, 1 and 2: the next candidate, 32 bytes; the caller checks its range. */
export function nonceNext(kPtr: usize): void {
  stepV();
  memory.copy(kPtr, V, LENGTH);
}

/** Step h, 3: the candidate would not do. */
export function nonceReject(): void {
  store<u8>(TAG, 0);
  update(LENGTH + 1);
}

/** Zero what K, V and x left in the scratch of HMAC; ecWipe takes care of NONCE_SCRATCH. */
export function nonceWipe(): void {
  hmacWipeScratch();
}
