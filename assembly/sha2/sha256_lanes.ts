/**
 * SHA-256 (FIPS 180-4 §6.2) of four messages at once, one in each lane of a vector of words.
 *
 * Word i of all four lies in one vector, in state and message alike, so that the specification's rounds run as they stand,
 * four at a time; only the way in and out is transposed. Against the scalar form (sha256.ts) a block of one message costs
 * little more than half. Whole blocks only: messages and their
 * ends are for who has them (several.ts, ../ec/nonce_lanes.ts).
 */
import { loadBe32x4, storeBe32 } from "../bytes";
import { SHA256_LANES_SCRATCH } from "../layout";
import { SHA256_K, SHA256_H0 } from "./sha256";

/** Bytes of a state, and of a block of message words. */
export const LANES_STATE: usize = 8 * 16;
export const LANES_BLOCK: usize = 16 * 16;

/** The sixteen words of the schedule that are ahead. */
const W: usize = SHA256_LANES_SCRATCH;

// @ts-ignore: decorator
@inline function rotr(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}

// @ts-ignore: decorator
@inline function S0(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 2), rotr(x, 13)), rotr(x, 22));
}

// @ts-ignore: decorator
@inline function S1(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 6), rotr(x, 11)), rotr(x, 25));
}

// @ts-ignore: decorator
@inline function s0(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 7), rotr(x, 18)), i32x4.shr_u(x, 3));
}

// @ts-ignore: decorator
@inline function s1(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 17), rotr(x, 19)), i32x4.shr_u(x, 10));
}

/** h + Σ1(e) + Ch(e, f, g) + K_t + W_t */
// @ts-ignore: decorator
@inline function first(e: v128, f: v128, g: v128, h: v128, k: usize, w: usize): v128 {
  const kw = i32x4.add(v128.load32_splat(k), v128.load(w));
  return i32x4.add(i32x4.add(i32x4.add(h, kw), v128.xor(g, v128.and(e, v128.xor(f, g)))), S1(e));
}

/** Σ0(a) + Maj(a, b, c) */
// @ts-ignore: decorator
@inline function second(a: v128, b: v128, c: v128): v128 {
  return i32x4.add(S0(a), v128.or(v128.and(a, b), v128.and(c, v128.xor(a, b))));
}

/** W_t+16 in the place of W_t, for t mod 16. */
// @ts-ignore: decorator
@inline function next(t: usize): void {
  const at = W + 16 * t;
  const sum = i32x4.add(v128.load(at), s0(v128.load(W + 16 * ((t + 1) & 15))));
  v128.store(at, i32x4.add(i32x4.add(sum, v128.load(W + 16 * ((t + 9) & 15))), s1(v128.load(W + 16 * ((t + 14) & 15)))));
}

/** r = the state that follows `from` over the block of message words at `block`; r may be from. */
export function compressLanes(r: usize, from: usize, block: usize): void {
  for (let i: usize = 0; i < LANES_BLOCK; i += 16) v128.store(W + i, v128.load(block + i));
  let a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);
  let e = v128.load(from, 64), f = v128.load(from, 80), g = v128.load(from, 96), h = v128.load(from, 112);
  for (let t: usize = 0; t < 64; t += 8) {
    const k = SHA256_K + 4 * t, w = W + 16 * (t & 8);
    h = first(e, f, g, h, k, w); d = i32x4.add(d, h); h = i32x4.add(h, second(a, b, c));
    g = first(d, e, f, g, k + 4, w + 16); c = i32x4.add(c, g); g = i32x4.add(g, second(h, a, b));
    f = first(c, d, e, f, k + 8, w + 32); b = i32x4.add(b, f); f = i32x4.add(f, second(g, h, a));
    e = first(b, c, d, e, k + 12, w + 48); a = i32x4.add(a, e); e = i32x4.add(e, second(f, g, h));
    d = first(a, b, c, d, k + 16, w + 64); h = i32x4.add(h, d); d = i32x4.add(d, second(e, f, g));
    c = first(h, a, b, c, k + 20, w + 80); g = i32x4.add(g, c); c = i32x4.add(c, second(d, e, f));
    b = first(g, h, a, b, k + 24, w + 96); f = i32x4.add(f, b); b = i32x4.add(b, second(c, d, e));
    a = first(f, g, h, a, k + 28, w + 112); e = i32x4.add(e, a); a = i32x4.add(a, second(b, c, d));
    if (t < 48) for (let i = t & 8, end = i + 8; i < end; i++) next(i);
  }
  v128.store(r, i32x4.add(v128.load(from), a));
  v128.store(r, i32x4.add(v128.load(from, 16), b), 16);
  v128.store(r, i32x4.add(v128.load(from, 32), c), 32);
  v128.store(r, i32x4.add(v128.load(from, 48), d), 48);
  v128.store(r, i32x4.add(v128.load(from, 64), e), 64);
  v128.store(r, i32x4.add(v128.load(from, 80), f), 80);
  v128.store(r, i32x4.add(v128.load(from, 96), g), 96);
  v128.store(r, i32x4.add(v128.load(from, 112), h), 112);
}

/** The state before the first block, in every lane. */
export function startLanes(r: usize): void {
  for (let i: usize = 0; i < 8; i++) v128.store(r + 16 * i, v128.load32_splat(SHA256_H0 + 4 * i));
}

/** Message words of one block of each lane, 64 bytes at an address of its own. */
export function loadLanes(words: usize, aPtr: usize, bPtr: usize, cPtr: usize, dPtr: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const a = loadBe32x4(aPtr + i), b = loadBe32x4(bPtr + i), c = loadBe32x4(cPtr + i), d = loadBe32x4(dPtr + i);
    let low = v128.shuffle<u32>(a, b, 0, 4, 1, 5), high = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
    v128.store(words + 4 * i, v128.shuffle<u64>(low, high, 0, 2));
    v128.store(words + 4 * i, v128.shuffle<u64>(low, high, 1, 3), 16);
    low = v128.shuffle<u32>(a, b, 2, 6, 3, 7), high = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
    v128.store(words + 4 * i, v128.shuffle<u64>(low, high, 0, 2), 32);
    v128.store(words + 4 * i, v128.shuffle<u64>(low, high, 1, 3), 48);
  }
}

/** The eight words of one lane of a state, big-endian: a digest. */
export function storeLane(bytes: usize, state: usize, lane: usize): void {
  for (let i: usize = 0; i < 8; i++) storeBe32(bytes + 4 * i, load<u32>(state + 16 * i + 4 * lane));
}

/** The schedule is made of the message. */
export function sha256LanesWipe(): void {
  memory.fill(W, 0, LANES_BLOCK);
}
