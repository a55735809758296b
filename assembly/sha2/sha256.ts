/**
 * SHA-256, FIPS 180-4 §6.2, over pieces.
 *
 * One compression interleaves two independent streams of work: the rounds run on scalars, eight of
 * them bringing a..h back to their own names so that no value is ever moved, and the message
 * schedule runs in vectors, four words a step. Sixteen words of schedule plus round constant wait in
 * scratch as a ring: the rounds read word t, then the step that follows overwrites it with word
 * t + 16. Out-of-order execution overlaps the two. Rejected, each tried: the schedule in scalars,
 * nineteen operations a word against eight, a quarter slower; Σ0 and Σ1 as nested rotations, which
 * save moves and lengthen the chain from e to e, a fifth slower; all 64 rounds unrolled, three times the
 * code for the same speed.
 *
 * All sums are modulo 2^32 by design. Nothing branches or addresses on anything but lengths. The
 * state lives where the caller says, so that several hashes can be under way at once; scratch holds
 * message words between calls and is left to the batch's wipe, or to sha256WipeScratch.
 */
import { be64, copyShort, loadBe32x4 } from "../bytes";
import { lowBytesMask64 } from "../ct";
import { SHA256_SCRATCH } from "../layout";

// State: H, eight native words ‖ the unprocessed tail of the message, up to 63 bytes ‖ message length in bytes.
const TAIL: usize = 32;
const LENGTH: usize = 96;
export const SHA256_STATE_SIZE: usize = 104;
export const SHA256_SIZE: u32 = 32;
const BLOCK: u32 = 64;

/** K_t + W_t for the sixteen rounds ahead. */
const KW: usize = SHA256_SCRATCH;
/** The state of the one-shot form. */
const ONE_SHOT: usize = KW + BLOCK;

// §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
export const SHA256_K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
], 16);

// §5.3.3: the same of the square roots of the first 8 primes.
export const SHA256_H0: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
], 16);

// §4.1.2, in the specification's names.

// @ts-ignore: decorator
@inline function S0(x: u32): u32 {
  return rotr<u32>(x, 2) ^ rotr<u32>(x, 13) ^ rotr<u32>(x, 22);
}

// @ts-ignore: decorator
@inline function S1(x: u32): u32 {
  return rotr<u32>(x, 6) ^ rotr<u32>(x, 11) ^ rotr<u32>(x, 25);
}

/** (x ∧ y) ⊕ (¬x ∧ z) with one operation less. */
// @ts-ignore: decorator
@inline function Ch(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

/** Bits where x and y agree decide; elsewhere z does. The two terms share no bit. */
// @ts-ignore: decorator
@inline function Maj(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (z & (x ^ y));
}

// @ts-ignore: decorator
@inline function s0(x: v128): v128 {
  return v128.xor(
    v128.xor(
      v128.or(i32x4.shr_u(x, 7), i32x4.shl(x, 25)),
      v128.or(i32x4.shr_u(x, 18), i32x4.shl(x, 14)),
    ),
    i32x4.shr_u(x, 3),
  );
}

/**
 * σ1 of the even lanes of xx, whose 64-bit halves each hold one word twice: a 64-bit shift right by
 * less than 32 leaves in the low word its rotation. The odd lanes of the result mean nothing.
 */
// @ts-ignore: decorator
@inline function s1OfPairs(xx: v128): v128 {
  return v128.xor(v128.xor(i64x2.shr_u(xx, 17), i64x2.shr_u(xx, 19)), i32x4.shr_u(xx, 10));
}

/**
 * W_t..W_t+3 out of the sixteen words before them, oldest in x0.
 * W_t = σ1(W_t-2) + W_t-7 + σ0(W_t-15) + W_t-16; the last two words need σ1 of the first two, so
 * σ1 is taken in two steps of two words.
 */
// @ts-ignore: decorator
@inline function nextWords(x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const zero = i32x4.splat(0);
  const sum = i32x4.add(
    i32x4.add(x0, v128.shuffle<u32>(x2, x3, 1, 2, 3, 4)),
    s0(v128.shuffle<u32>(x0, x1, 1, 2, 3, 4)),
  );
  const first = i32x4.add(sum, v128.shuffle<u32>(s1OfPairs(v128.shuffle<u32>(x3, x3, 2, 2, 3, 3)), zero, 0, 2, 4, 4));
  return i32x4.add(first, v128.shuffle<u32>(zero, s1OfPairs(v128.shuffle<u32>(first, first, 0, 0, 1, 1)), 0, 0, 4, 6));
}

/** Absorb whole blocks into H: §6.2.2. */
function compress(statePtr: usize, inPtr: usize, blocks: u32): void {
  for (; blocks > 0; blocks--, inPtr += BLOCK) {
    let X0 = loadBe32x4(inPtr);
    let X1 = loadBe32x4(inPtr + 16);
    let X2 = loadBe32x4(inPtr + 32);
    let X3 = loadBe32x4(inPtr + 48);
    v128.store(KW, i32x4.add(X0, v128.load(SHA256_K)));
    v128.store(KW, i32x4.add(X1, v128.load(SHA256_K, 16)), 16);
    v128.store(KW, i32x4.add(X2, v128.load(SHA256_K, 32)), 32);
    v128.store(KW, i32x4.add(X3, v128.load(SHA256_K, 48)), 48);

    let a = load<u32>(statePtr);
    let b = load<u32>(statePtr, 4);
    let c = load<u32>(statePtr, 8);
    let d = load<u32>(statePtr, 12);
    let e = load<u32>(statePtr, 16);
    let f = load<u32>(statePtr, 20);
    let g = load<u32>(statePtr, 24);
    let h = load<u32>(statePtr, 28);

    for (let kPtr = SHA256_K; kPtr < SHA256_K + 192; kPtr += 64) {
      h += S1(e) + Ch(e, f, g) + load<u32>(KW, 0); d += h; h += S0(a) + Maj(a, b, c);
      g += S1(d) + Ch(d, e, f) + load<u32>(KW, 4); c += g; g += S0(h) + Maj(h, a, b);
      f += S1(c) + Ch(c, d, e) + load<u32>(KW, 8); b += f; f += S0(g) + Maj(g, h, a);
      e += S1(b) + Ch(b, c, d) + load<u32>(KW, 12); a += e; e += S0(f) + Maj(f, g, h);
      X0 = nextWords(X0, X1, X2, X3);
      v128.store(KW, i32x4.add(X0, v128.load(kPtr, 64)), 0);

      d += S1(a) + Ch(a, b, c) + load<u32>(KW, 16); h += d; d += S0(e) + Maj(e, f, g);
      c += S1(h) + Ch(h, a, b) + load<u32>(KW, 20); g += c; c += S0(d) + Maj(d, e, f);
      b += S1(g) + Ch(g, h, a) + load<u32>(KW, 24); f += b; b += S0(c) + Maj(c, d, e);
      a += S1(f) + Ch(f, g, h) + load<u32>(KW, 28); e += a; a += S0(b) + Maj(b, c, d);
      X1 = nextWords(X1, X2, X3, X0);
      v128.store(KW, i32x4.add(X1, v128.load(kPtr, 80)), 16);

      h += S1(e) + Ch(e, f, g) + load<u32>(KW, 32); d += h; h += S0(a) + Maj(a, b, c);
      g += S1(d) + Ch(d, e, f) + load<u32>(KW, 36); c += g; g += S0(h) + Maj(h, a, b);
      f += S1(c) + Ch(c, d, e) + load<u32>(KW, 40); b += f; f += S0(g) + Maj(g, h, a);
      e += S1(b) + Ch(b, c, d) + load<u32>(KW, 44); a += e; e += S0(f) + Maj(f, g, h);
      X2 = nextWords(X2, X3, X0, X1);
      v128.store(KW, i32x4.add(X2, v128.load(kPtr, 96)), 32);

      d += S1(a) + Ch(a, b, c) + load<u32>(KW, 48); h += d; d += S0(e) + Maj(e, f, g);
      c += S1(h) + Ch(h, a, b) + load<u32>(KW, 52); g += c; c += S0(d) + Maj(d, e, f);
      b += S1(g) + Ch(g, h, a) + load<u32>(KW, 56); f += b; b += S0(c) + Maj(c, d, e);
      a += S1(f) + Ch(f, g, h) + load<u32>(KW, 60); e += a; a += S0(b) + Maj(b, c, d);
      X3 = nextWords(X3, X0, X1, X2);
      v128.store(KW, i32x4.add(X3, v128.load(kPtr, 112)), 48);
    }
    for (let half: usize = 0; half < 64; half += 32) {
      h += S1(e) + Ch(e, f, g) + load<u32>(KW + half, 0); d += h; h += S0(a) + Maj(a, b, c);
      g += S1(d) + Ch(d, e, f) + load<u32>(KW + half, 4); c += g; g += S0(h) + Maj(h, a, b);
      f += S1(c) + Ch(c, d, e) + load<u32>(KW + half, 8); b += f; f += S0(g) + Maj(g, h, a);
      e += S1(b) + Ch(b, c, d) + load<u32>(KW + half, 12); a += e; e += S0(f) + Maj(f, g, h);
      d += S1(a) + Ch(a, b, c) + load<u32>(KW + half, 16); h += d; d += S0(e) + Maj(e, f, g);
      c += S1(h) + Ch(h, a, b) + load<u32>(KW + half, 20); g += c; c += S0(d) + Maj(d, e, f);
      b += S1(g) + Ch(g, h, a) + load<u32>(KW + half, 24); f += b; b += S0(c) + Maj(c, d, e);
      a += S1(f) + Ch(f, g, h) + load<u32>(KW + half, 28); e += a; a += S0(b) + Maj(b, c, d);
    }

    store<u32>(statePtr, load<u32>(statePtr) + a);
    store<u32>(statePtr, load<u32>(statePtr, 4) + b, 4);
    store<u32>(statePtr, load<u32>(statePtr, 8) + c, 8);
    store<u32>(statePtr, load<u32>(statePtr, 12) + d, 12);
    store<u32>(statePtr, load<u32>(statePtr, 16) + e, 16);
    store<u32>(statePtr, load<u32>(statePtr, 20) + f, 20);
    store<u32>(statePtr, load<u32>(statePtr, 24) + g, 24);
    store<u32>(statePtr, load<u32>(statePtr, 28) + h, 28);
  }
}

export function sha256Init(statePtr: usize): void {
  sha256Resume(statePtr, SHA256_H0, 0);
}

/** Go on from H as it stood after lenSoFar bytes, a whole number of blocks: how HMAC reuses a keyed state. */
export function sha256Resume(statePtr: usize, hPtr: usize, lenSoFar: u32): void {
  v128.store(statePtr, v128.load(hPtr));
  v128.store(statePtr, v128.load(hPtr, 16), 16);
  store<u64>(statePtr, lenSoFar, LENGTH);
}

/** Absorb len bytes; in must not overlap the state. */
export function sha256Update(statePtr: usize, inPtr: usize, len: u32): void {
  let tailLen = <u32>(load<u64>(statePtr, LENGTH) & (BLOCK - 1));
  store<u64>(statePtr, load<u64>(statePtr, LENGTH) + len, LENGTH);
  if (tailLen > 0) {
    const missing = BLOCK - tailLen;
    if (len < missing) {
      copyShort(statePtr + TAIL + tailLen, inPtr, len);
      return;
    }
    copyShort(statePtr + TAIL + tailLen, inPtr, missing);
    compress(statePtr, statePtr + TAIL, 1);
    inPtr += missing;
    len -= missing;
  }
  compress(statePtr, inPtr, len / BLOCK);
  copyShort(statePtr + TAIL, inPtr + (len & ~(BLOCK - 1)), len & (BLOCK - 1));
}

/** Pad (§5.1.1) and write the 32 bytes of digest. The state is used up; out may be anywhere but in it. */
export function sha256Final(statePtr: usize, outPtr: usize): void {
  const len = load<u64>(statePtr, LENGTH);
  const tailPtr = statePtr + TAIL;
  const tailLen = <u32>(len & (BLOCK - 1));
  // In the word where the message ends: its bytes, the bit behind them, zeros; then words of zeros.
  const end = tailPtr + (tailLen & ~7), bytes = tailLen & 7;
  store<u64>(end, (load<u64>(end) & lowBytesMask64(bytes)) | (<u64>0x80 << (<u64>bytes << 3)));
  for (let at = end + 8; at < tailPtr + BLOCK; at += 8) store<u64>(at, 0);
  if (tailLen >= 56) {
    compress(statePtr, tailPtr, 1);
    for (let at = tailPtr; at < tailPtr + 56; at += 8) store<u64>(at, 0);
  }
  store<u64>(tailPtr + 56, be64(len << 3));
  compress(statePtr, tailPtr, 1);
  v128.store(outPtr, loadBe32x4(statePtr));
  v128.store(outPtr, loadBe32x4(statePtr + 16), 16);
}

/** Zero the message words that the last compression left in scratch. */
export function sha256WipeScratch(): void {
  memory.fill(SHA256_SCRATCH, 0, ONE_SHOT + SHA256_STATE_SIZE - SHA256_SCRATCH);
}

/** SHA-256 of one string; out may overlap in. */
export function sha256(inPtr: usize, inLen: u32, outPtr: usize): void {
  sha256Init(ONE_SHOT);
  sha256Update(ONE_SHOT, inPtr, inLen);
  sha256Final(ONE_SHOT, outPtr);
}
