/**
 * k·P for four pairs of a secret k and a point P, one a lane, with the same operations and addresses for every k.
 * C is a curve, Q its quads.
 *
 * k is odd: for an even k the caller takes n - k, whose multiple has the same x. With B = 4·windows, the bits of k,
 * k is the sum of (2w_i - 15)·16^i, where the w_i are the digits of (k + 2^B - 1)/2 = (k >> 1) + 2^(B-1).
 * So every digit is odd, and a table of the odd multiples P … 15P has no entry to leave out. A digit selects by reading
 * the whole table and keeping one entry through masks, lane by lane; its sign negates y.
 *
 * A sum fails (jacobian.ts) where what stands, m·P, meets the entry d·P, |d| ≤ 15, so m = ±d mod n. As an integer m is a
 * positive multiple of 16 and below 2n/16 + 16 but in the very last sum, so that it is neither then. In the last, k = m + d:
 * m = n - d would be k = n. m = n + d is k = n + 2d, below n for a negative d that makes n + d a multiple of 16: one k, or
 * none. It is found by Z = 0.
 */
import { JACOBIAN_QUAD, QUAD, X, Y, Z, addAffineQuad, copyAffineQuad, doubleQuad } from "./jacobian";
import { ELEMENT } from "./modular";
import { invertLanes, setOne } from "./lanes";
import { copyQuad, evenMask, oddMask, pickQuad } from "./quad";
import { LADDER_SCRATCH } from "./scratch";

const WINDOW: usize = 4;
const ENTRIES: usize = 8;
/** An entry: x and y of four points. */
const ENTRY: usize = 2 * QUAD;

const TABLE: usize = LADDER_SCRATCH;
/** The table's points before they are affine. */
const MULTIPLES: usize = TABLE + ENTRIES * ENTRY;
const PRODUCTS: usize = MULTIPLES + ENTRIES * JACOBIAN_QUAD;
const TWICE: usize = PRODUCTS + ENTRIES * QUAD;
const SUM: usize = TWICE + JACOBIAN_QUAD;
const SELECTED: usize = SUM + JACOBIAN_QUAD;
const INVERSE: usize = SELECTED + ENTRY;
const T: usize = INVERSE + QUAD;
const ZERO_QUAD: usize = T + QUAD;
/** Four scalars in native words, each with eight bytes of zeros behind: bits above k are read, too. */
const DIGITS: usize = ZERO_QUAD + QUAD;
const END: usize = DIGITS + 4 * ELEMENT;

/** Bytes from LADDER_SCRATCH that a multiplication uses. */
export const LADDER_USED: usize = END - LADDER_SCRATCH;

// @ts-ignore: decorator
@inline function windows<C>(): usize {
  return (8 * <usize>changetype<C>(0).size + WINDOW - 1) / WINDOW;
}

/** Lane of the multiplication: k odd, below n, in limbs, and P, an affine point of single elements. */
export function ladderLane<C, Q>(lane: usize, k: usize, point: usize): void {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  c.pack(DIGITS + lane * ELEMENT, k);
  store<u64>(DIGITS + lane * ELEMENT + c.size, 0);
  q.set(TABLE + X, lane, point);
  q.set(TABLE + Y, lane, point + ELEMENT);
}

/** X, Y, Z of k·P at the address that is returned, a quad each QUAD apart; Z = 0 in a lane whose sum failed. */
export function ladder<C, Q>(): usize {
  buildTable<C, Q>();
  const last = windows<C>() - 1;
  lookUp<C, Q>(last, true);
  copyAffineQuad<Q>(SUM, SELECTED);
  setOne<C, Q>(SUM + Z);
  for (let i: isize = last - 1; i >= 0; i--) {
    for (let j: usize = 0; j < WINDOW; j++) doubleQuad<Q>(SUM, SUM);
    lookUp<C, Q>(i, false);
    addAffineQuad<Q>(SUM, SUM, SELECTED);
  }
  return SUM;
}

/**
 * P, 3P … 15P, affine. 2P is doubled once; on the curve where its coordinates without its Z are affine, the isomorphism
 * (x, y) -> (x·Z^2, y·Z^3), the others follow by sums, whose formula knows no a. One inversion brings all back.
 */
function buildTable<C, Q>(): void {
  const q = changetype<Q>(0);
  copyAffineQuad<Q>(TWICE, TABLE);
  setOne<C, Q>(TWICE + Z);
  doubleQuad<Q>(TWICE, TWICE);
  // P over there, and its Z there: 1.
  q.square(T, TWICE + Z);
  q.mul(MULTIPLES + X, TABLE + X, T);
  q.mul(T, T, TWICE + Z);
  q.mul(MULTIPLES + Y, TABLE + Y, T);
  setOne<C, Q>(MULTIPLES + Z);
  for (let j: usize = 1; j < ENTRIES; j++) {
    addAffineQuad<Q>(MULTIPLES + j * JACOBIAN_QUAD, MULTIPLES + (j - 1) * JACOBIAN_QUAD, TWICE);
  }
  // Z here is Z there times that of 2P. Products from the first on, then one inverse peeled backwards, after Montgomery.
  q.mul(PRODUCTS + QUAD, TWICE + Z, MULTIPLES + JACOBIAN_QUAD + Z);
  for (let j: usize = 2; j < ENTRIES; j++) {
    q.mul(T, TWICE + Z, MULTIPLES + j * JACOBIAN_QUAD + Z);
    q.mul(PRODUCTS + j * QUAD, PRODUCTS + (j - 1) * QUAD, T);
  }
  invertLanes<C, Q>(INVERSE, PRODUCTS + (ENTRIES - 1) * QUAD);
  for (let j: usize = ENTRIES - 1; j > 0; j--) {
    const point = MULTIPLES + j * JACOBIAN_QUAD;
    const entry = TABLE + j * ENTRY;
    q.mul(T, TWICE + Z, point + Z);
    if (j > 1) q.mul(SELECTED, INVERSE, PRODUCTS + (j - 1) * QUAD);
    else copyQuad<Q>(SELECTED, INVERSE);
    q.mul(INVERSE, INVERSE, T);
    q.square(T, SELECTED);
    q.mul(entry + X, point + X, T);
    q.mul(T, T, SELECTED);
    q.mul(entry + Y, point + Y, T);
  }
}

/** w of a lane's digit i: bits 4i+1 .. 4i+4 of k; the last takes the bit that (k >> 1) + 2^(B-1) adds. */
// @ts-ignore: decorator
@inline function digit(lane: usize, i: usize, topBit: u32): u32 {
  const from = i * WINDOW + 1;
  return ((load<u32>(DIGITS + lane * ELEMENT + (from >> 3)) >> <u32>(from & 7)) & (2 * <u32>ENTRIES - 1)) | topBit;
}

/** SELECTED = the entries of the four lanes' digits i, negated where the digits are. */
function lookUp<C, Q>(i: usize, last: bool): void {
  const q = changetype<Q>(0);
  const topBit: u32 = last ? <u32>ENTRIES : 0;
  let w = i32x4.splat(digit(0, i, topBit));
  w = i32x4.replace_lane(w, 1, digit(1, i, topBit));
  w = i32x4.replace_lane(w, 2, digit(2, i, topBit));
  w = i32x4.replace_lane(w, 3, digit(3, i, topBit));
  // 2w - 15 is positive from 8 on: entry w - 8, else entry 7 - w.
  const positive = i32x4.neg(i32x4.shr_u(w, WINDOW - 1));
  const wanted = v128.and(v128.xor(w, v128.not(positive)), i32x4.splat(ENTRIES - 1));
  lookUpHalf<Q>(SELECTED + X, TABLE + X, wanted);
  lookUpHalf<Q>(SELECTED + Y, TABLE + Y, wanted);
  q.sub(T, ZERO_QUAD, SELECTED + Y);
  pickQuad<Q>(positive, SELECTED + Y, SELECTED + Y, T);
}

/** One coordinate of the wanted entries; four vectors at a time, also past the last limb: a place has room for them. */
// @ts-ignore: decorator
@inline function lookUpHalf<Q>(r: usize, table: usize, wanted: v128): void {
  const one = i32x4.splat(1);
  for (let at: usize = 0; at < changetype<Q>(0).bytes; at += 64) {
    let v0 = i32x4.splat(0), v1 = i32x4.splat(0), v2 = i32x4.splat(0), v3 = i32x4.splat(0);
    let j = i32x4.splat(0);
    for (let entry = table + at, end = entry + ENTRIES * ENTRY; entry < end; entry += ENTRY) {
      const mask = i32x4.eq(j, wanted), even = evenMask<Q>(mask), odd = oddMask<Q>(mask);
      v0 = v128.or(v0, v128.and(even, v128.load(entry)));
      v1 = v128.or(v1, v128.and(odd, v128.load(entry, 16)));
      v2 = v128.or(v2, v128.and(even, v128.load(entry, 32)));
      v3 = v128.or(v3, v128.and(odd, v128.load(entry, 48)));
      j = i32x4.add(j, one);
    }
    v128.store(r + at, v0);
    v128.store(r + at, v1, 16);
    v128.store(r + at, v2, 32);
    v128.store(r + at, v3, 48);
  }
}
