/**
 * SHA-512 and SHA-384, FIPS 180-4 §6.4 and §6.5, over pieces.
 *
 * The plan is that of sha256.ts: rounds on scalars, eight of them bringing a..h back to their own
 * names, and beside them the message schedule in vectors, here two words a step. W_t+1 needs no more
 * than W_t-1, so that a vector follows from whole vectors before it and σ1 need not be taken apart.
 * Rejected, tried: the schedule in scalars, a quarter slower. SHA-384 differs in where H starts and in
 * how much of it is given out.
 *
 * All sums are modulo 2^64 by design. The length is kept in bytes, 64 bits of it, and pads as the
 * 128 bits that the standard asks for. Nothing branches or addresses on anything but lengths. The
 * state lives where the caller says; scratch holds message words between calls and is left to the
 * batch's wipe, or to sha512WipeScratch.
 */
import { loadBe64x2, storeBe64 } from "../bytes";
import { SHA512_SCRATCH } from "../layout";

// State: H, eight native words ‖ the unprocessed tail of the message, up to 127 bytes ‖ message length in bytes.
const TAIL: usize = 64;
const LENGTH: usize = 192;
export const SHA512_STATE_SIZE: usize = 200;
export const SHA384_SIZE: u32 = 48;
export const SHA512_SIZE: u32 = 64;
const BLOCK: u32 = 128;

/** K_t + W_t for the sixteen rounds ahead. */
const KW: usize = SHA512_SCRATCH;
/** The state of the one-shot forms. */
const ONE_SHOT: usize = KW + BLOCK;

// §4.2.3: the first 64 bits of the fractional parts of the cube roots of the first 80 primes.
const K: usize = memory.data<u64>([
  0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
  0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
  0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
  0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
  0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
  0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
  0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
  0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
  0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
  0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
  0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
  0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
  0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
  0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
  0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
  0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
  0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
  0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
  0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
  0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
], 16);

// §5.3.5: the same of the square roots of the first 8 primes.
const H0_512: usize = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
], 16);

// §5.3.4: and of the 9th to the 16th.
const H0_384: usize = memory.data<u64>([
  0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
  0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
], 16);

// §4.1.3, in the specification's names.

// @ts-ignore: decorator
@inline function S0(x: u64): u64 {
  return rotr<u64>(x, 28) ^ rotr<u64>(x, 34) ^ rotr<u64>(x, 39);
}

// @ts-ignore: decorator
@inline function S1(x: u64): u64 {
  return rotr<u64>(x, 14) ^ rotr<u64>(x, 18) ^ rotr<u64>(x, 41);
}

/** (x ∧ y) ⊕ (¬x ∧ z) with one operation less. */
// @ts-ignore: decorator
@inline function Ch(x: u64, y: u64, z: u64): u64 {
  return z ^ (x & (y ^ z));
}

/** Bits where x and y agree decide; elsewhere z does. The two terms share no bit. */
// @ts-ignore: decorator
@inline function Maj(x: u64, y: u64, z: u64): u64 {
  return (x & y) ^ (z & (x ^ y));
}

// @ts-ignore: decorator
@inline function s0(x: v128): v128 {
  return v128.xor(
    v128.xor(
      v128.or(i64x2.shr_u(x, 1), i64x2.shl(x, 63)),
      v128.or(i64x2.shr_u(x, 8), i64x2.shl(x, 56)),
    ),
    i64x2.shr_u(x, 7),
  );
}

// @ts-ignore: decorator
@inline function s1(x: v128): v128 {
  return v128.xor(
    v128.xor(
      v128.or(i64x2.shr_u(x, 19), i64x2.shl(x, 45)),
      v128.or(i64x2.shr_u(x, 61), i64x2.shl(x, 3)),
    ),
    i64x2.shr_u(x, 6),
  );
}

/** W_t, W_t+1 = σ1(W_t-2..) + W_t-7.. + σ0(W_t-15..) + W_t-16.. of vectors whose oldest is x0: x4 and x5 hold W_t-7. */
// @ts-ignore: decorator
@inline function nextWords(x0: v128, x1: v128, x4: v128, x5: v128, x7: v128): v128 {
  return i64x2.add(
    i64x2.add(x0, v128.shuffle<u64>(x4, x5, 1, 2)),
    i64x2.add(s0(v128.shuffle<u64>(x0, x1, 1, 2)), s1(x7)),
  );
}

/** Absorb whole blocks into H: §6.4.2. */
function compress(statePtr: usize, inPtr: usize, blocks: u32): void {
  for (; blocks > 0; blocks--, inPtr += BLOCK) {
    let X0 = loadBe64x2(inPtr);
    let X1 = loadBe64x2(inPtr + 16);
    let X2 = loadBe64x2(inPtr + 32);
    let X3 = loadBe64x2(inPtr + 48);
    let X4 = loadBe64x2(inPtr + 64);
    let X5 = loadBe64x2(inPtr + 80);
    let X6 = loadBe64x2(inPtr + 96);
    let X7 = loadBe64x2(inPtr + 112);
    v128.store(KW, i64x2.add(X0, v128.load(K)));
    v128.store(KW, i64x2.add(X1, v128.load(K, 16)), 16);
    v128.store(KW, i64x2.add(X2, v128.load(K, 32)), 32);
    v128.store(KW, i64x2.add(X3, v128.load(K, 48)), 48);
    v128.store(KW, i64x2.add(X4, v128.load(K, 64)), 64);
    v128.store(KW, i64x2.add(X5, v128.load(K, 80)), 80);
    v128.store(KW, i64x2.add(X6, v128.load(K, 96)), 96);
    v128.store(KW, i64x2.add(X7, v128.load(K, 112)), 112);

    let a = load<u64>(statePtr);
    let b = load<u64>(statePtr, 8);
    let c = load<u64>(statePtr, 16);
    let d = load<u64>(statePtr, 24);
    let e = load<u64>(statePtr, 32);
    let f = load<u64>(statePtr, 40);
    let g = load<u64>(statePtr, 48);
    let h = load<u64>(statePtr, 56);

    for (let kPtr = K; kPtr < K + 512; kPtr += 128) {
      h += S1(e) + Ch(e, f, g) + load<u64>(KW, 0); d += h; h += S0(a) + Maj(a, b, c);
      g += S1(d) + Ch(d, e, f) + load<u64>(KW, 8); c += g; g += S0(h) + Maj(h, a, b);
      X0 = nextWords(X0, X1, X4, X5, X7);
      v128.store(KW, i64x2.add(X0, v128.load(kPtr, 128)), 0);
      f += S1(c) + Ch(c, d, e) + load<u64>(KW, 16); b += f; f += S0(g) + Maj(g, h, a);
      e += S1(b) + Ch(b, c, d) + load<u64>(KW, 24); a += e; e += S0(f) + Maj(f, g, h);
      X1 = nextWords(X1, X2, X5, X6, X0);
      v128.store(KW, i64x2.add(X1, v128.load(kPtr, 144)), 16);
      d += S1(a) + Ch(a, b, c) + load<u64>(KW, 32); h += d; d += S0(e) + Maj(e, f, g);
      c += S1(h) + Ch(h, a, b) + load<u64>(KW, 40); g += c; c += S0(d) + Maj(d, e, f);
      X2 = nextWords(X2, X3, X6, X7, X1);
      v128.store(KW, i64x2.add(X2, v128.load(kPtr, 160)), 32);
      b += S1(g) + Ch(g, h, a) + load<u64>(KW, 48); f += b; b += S0(c) + Maj(c, d, e);
      a += S1(f) + Ch(f, g, h) + load<u64>(KW, 56); e += a; a += S0(b) + Maj(b, c, d);
      X3 = nextWords(X3, X4, X7, X0, X2);
      v128.store(KW, i64x2.add(X3, v128.load(kPtr, 176)), 48);
      h += S1(e) + Ch(e, f, g) + load<u64>(KW, 64); d += h; h += S0(a) + Maj(a, b, c);
      g += S1(d) + Ch(d, e, f) + load<u64>(KW, 72); c += g; g += S0(h) + Maj(h, a, b);
      X4 = nextWords(X4, X5, X0, X1, X3);
      v128.store(KW, i64x2.add(X4, v128.load(kPtr, 192)), 64);
      f += S1(c) + Ch(c, d, e) + load<u64>(KW, 80); b += f; f += S0(g) + Maj(g, h, a);
      e += S1(b) + Ch(b, c, d) + load<u64>(KW, 88); a += e; e += S0(f) + Maj(f, g, h);
      X5 = nextWords(X5, X6, X1, X2, X4);
      v128.store(KW, i64x2.add(X5, v128.load(kPtr, 208)), 80);
      d += S1(a) + Ch(a, b, c) + load<u64>(KW, 96); h += d; d += S0(e) + Maj(e, f, g);
      c += S1(h) + Ch(h, a, b) + load<u64>(KW, 104); g += c; c += S0(d) + Maj(d, e, f);
      X6 = nextWords(X6, X7, X2, X3, X5);
      v128.store(KW, i64x2.add(X6, v128.load(kPtr, 224)), 96);
      b += S1(g) + Ch(g, h, a) + load<u64>(KW, 112); f += b; b += S0(c) + Maj(c, d, e);
      a += S1(f) + Ch(f, g, h) + load<u64>(KW, 120); e += a; a += S0(b) + Maj(b, c, d);
      X7 = nextWords(X7, X0, X3, X4, X6);
      v128.store(KW, i64x2.add(X7, v128.load(kPtr, 240)), 112);
    }
    for (let half: usize = 0; half < 128; half += 64) {
      h += S1(e) + Ch(e, f, g) + load<u64>(KW + half, 0); d += h; h += S0(a) + Maj(a, b, c);
      g += S1(d) + Ch(d, e, f) + load<u64>(KW + half, 8); c += g; g += S0(h) + Maj(h, a, b);
      f += S1(c) + Ch(c, d, e) + load<u64>(KW + half, 16); b += f; f += S0(g) + Maj(g, h, a);
      e += S1(b) + Ch(b, c, d) + load<u64>(KW + half, 24); a += e; e += S0(f) + Maj(f, g, h);
      d += S1(a) + Ch(a, b, c) + load<u64>(KW + half, 32); h += d; d += S0(e) + Maj(e, f, g);
      c += S1(h) + Ch(h, a, b) + load<u64>(KW + half, 40); g += c; c += S0(d) + Maj(d, e, f);
      b += S1(g) + Ch(g, h, a) + load<u64>(KW + half, 48); f += b; b += S0(c) + Maj(c, d, e);
      a += S1(f) + Ch(f, g, h) + load<u64>(KW + half, 56); e += a; a += S0(b) + Maj(b, c, d);
    }

    store<u64>(statePtr, load<u64>(statePtr) + a);
    store<u64>(statePtr, load<u64>(statePtr, 8) + b, 8);
    store<u64>(statePtr, load<u64>(statePtr, 16) + c, 16);
    store<u64>(statePtr, load<u64>(statePtr, 24) + d, 24);
    store<u64>(statePtr, load<u64>(statePtr, 32) + e, 32);
    store<u64>(statePtr, load<u64>(statePtr, 40) + f, 40);
    store<u64>(statePtr, load<u64>(statePtr, 48) + g, 48);
    store<u64>(statePtr, load<u64>(statePtr, 56) + h, 56);
  }
}

export function sha512Init(statePtr: usize): void {
  memory.copy(statePtr, H0_512, 64);
  store<u64>(statePtr, 0, LENGTH);
}

export function sha384Init(statePtr: usize): void {
  memory.copy(statePtr, H0_384, 64);
  store<u64>(statePtr, 0, LENGTH);
}

/** Go on from H as it stood after lenSoFar bytes, a whole number of blocks; of either hash. */
export function sha512Resume(statePtr: usize, hPtr: usize, lenSoFar: u32): void {
  memory.copy(statePtr, hPtr, 64);
  store<u64>(statePtr, lenSoFar, LENGTH);
}

/** Absorb len bytes; in must not overlap the state. */
export function sha512Update(statePtr: usize, inPtr: usize, len: u32): void {
  const tailLen = <u32>(load<u64>(statePtr, LENGTH) & (BLOCK - 1));
  store<u64>(statePtr, load<u64>(statePtr, LENGTH) + len, LENGTH);
  if (tailLen > 0) {
    const missing = BLOCK - tailLen;
    if (len < missing) {
      memory.copy(statePtr + TAIL + tailLen, inPtr, len);
      return;
    }
    memory.copy(statePtr + TAIL + tailLen, inPtr, missing);
    compress(statePtr, statePtr + TAIL, 1);
    inPtr += missing;
    len -= missing;
  }
  compress(statePtr, inPtr, len / BLOCK);
  memory.copy(statePtr + TAIL, inPtr + (len & ~(BLOCK - 1)), len & (BLOCK - 1));
}

/** Pad (§5.1.2) and write the leftmost size bytes, 48 or 64. The state is used up; out may be anywhere but in it. */
export function sha512Final(statePtr: usize, outPtr: usize, size: u32): void {
  const len = load<u64>(statePtr, LENGTH);
  const tailPtr = statePtr + TAIL;
  let tailLen = <u32>(len & (BLOCK - 1));
  store<u8>(tailPtr + tailLen++, 0x80);
  if (tailLen > 112) {
    memory.fill(tailPtr + tailLen, 0, BLOCK - tailLen);
    compress(statePtr, tailPtr, 1);
    tailLen = 0;
  }
  memory.fill(tailPtr + tailLen, 0, 112 - tailLen);
  storeBe64(tailPtr + 112, len >> 61);
  storeBe64(tailPtr + 120, len << 3);
  compress(statePtr, tailPtr, 1);
  for (let i: usize = 0; i < size; i += 8) storeBe64(outPtr + i, load<u64>(statePtr + i));
}

/** Zero the message words that the last compression left in scratch. */
export function sha512WipeScratch(): void {
  memory.fill(SHA512_SCRATCH, 0, ONE_SHOT + SHA512_STATE_SIZE - SHA512_SCRATCH);
}

/** SHA-512 of one string; out may overlap in. */
export function sha512(inPtr: usize, inLen: u32, outPtr: usize): void {
  sha512Init(ONE_SHOT);
  sha512Update(ONE_SHOT, inPtr, inLen);
  sha512Final(ONE_SHOT, outPtr, SHA512_SIZE);
}

/** SHA-384 of one string; out may overlap in. */
export function sha384(inPtr: usize, inLen: u32, outPtr: usize): void {
  sha384Init(ONE_SHOT);
  sha512Update(ONE_SHOT, inPtr, inLen);
  sha512Final(ONE_SHOT, outPtr, SHA384_SIZE);
}
