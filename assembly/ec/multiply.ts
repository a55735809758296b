/**
 * k·Q for any point, with the same sequence of field operations and addresses for every k. C is a curve.
 *
 * k is recoded into signed digits of radix 32, after Booth: digit i is made of bits 5i-1 .. 5i+4 and lies in -16..16,
 * so the table needs only 0..16 times Q, projective, O included. There are 8·size/5 + 1 digits, 52 or 77: the last begins
 * at bit 255 or 380, and its weight of sign falls on a bit above k, which is 0. So it is not negative and no carry leaves
 * it. A digit selects by reading every entry and keeping one through masks; the sign negates y. Each digit takes five
 * doublings and one addition.
 */
import { isZeroBit, maskFromBit64 } from "../ct";
import { fieldNegateIf } from "./field";
import { ELEMENT } from "./modular";
import { POINT, Y, pointFromAffine, pointSetInfinity } from "./point";
import { MULTIPLES_SCRATCH, MULTIPLY_SCRATCH } from "./scratch";

const WINDOW: usize = 5;
const ENTRIES: usize = 16;

// @ts-ignore: decorator
@inline function digits<C>(): usize {
  return (8 * <usize>changetype<C>(0).size) / WINDOW + 1;
}

/** k in native words, with eight zero bytes before and behind: bit -1 and those above k are read too. */
const DIGITS: usize = MULTIPLY_SCRATCH;
const SELECTED: usize = DIGITS + ELEMENT;
const MULTIPLES: usize = MULTIPLES_SCRATCH;

/** k reduced, in limbs. */
function recode<C>(k: usize): void {
  const c = changetype<C>(0);
  store<u64>(DIGITS, 0);
  c.pack(DIGITS + 8, k);
  store<u64>(DIGITS + 8 + c.size, 0);
}

/** The six bits from which Booth's digit i comes: bits 5i-1 .. 5i+4 of k. */
// @ts-ignore: decorator
@inline function bitsOfDigit(i: usize): u32 {
  const from = i * WINDOW + 63;
  return (load<u32>(DIGITS + (from >> 3)) >> <u32>(from & 7)) & 63;
}

/** |digit|, 0..16: (u + 1)/2, and 32 less that if the top bit gives it weight -32. */
// @ts-ignore: decorator
@inline function magnitude(u: u32): u32 {
  const signMask: u32 = 0 - (u >> 5);
  return (((u + 1) >> 1) ^ signMask) - signMask + (32 & signMask);
}

/** All ones if j is the digit's magnitude. */
// @ts-ignore: decorator
@inline function entryMask(j: usize, wanted: u32): u64 {
  return maskFromBit64(<u64>isZeroBit(<u32>j ^ wanted));
}

/** SELECTED = |digit|·Q, negated if the digit is. */
function selectMultiple<C>(u: u32): void {
  const wanted = magnitude(u);
  for (let at: usize = 0; at < POINT; at += 64) {
    let v0 = i64x2.splat(0), v1 = i64x2.splat(0), v2 = i64x2.splat(0), v3 = i64x2.splat(0);
    let entry = MULTIPLES + at;
    for (let j: usize = 0; j <= ENTRIES; j++) {
      const mask = i64x2.splat(entryMask(j, wanted));
      v0 = v128.or(v0, v128.and(mask, v128.load(entry)));
      v1 = v128.or(v1, v128.and(mask, v128.load(entry, 16)));
      v2 = v128.or(v2, v128.and(mask, v128.load(entry, 32)));
      v3 = v128.or(v3, v128.and(mask, v128.load(entry, 48)));
      entry += POINT;
    }
    v128.store(SELECTED + at, v0);
    v128.store(SELECTED + at, v1, 16);
    v128.store(SELECTED + at, v2, 32);
    v128.store(SELECTED + at, v3, 48);
  }
  fieldNegateIf<C>(maskFromBit64(<u64>(u >> 5)), SELECTED + Y);
}

/** r = k·Q for an affine point Q of the curve, k reduced mod n. */
export function multiplyPoint<C>(r: usize, k: usize, q: usize): void {
  const c = changetype<C>(0);
  pointSetInfinity<C>(MULTIPLES);
  pointFromAffine<C>(MULTIPLES + POINT, q);
  for (let j: usize = 2; j <= ENTRIES; j++) c.addAffine(MULTIPLES + j * POINT, MULTIPLES + (j - 1) * POINT, q);
  recode<C>(k);
  pointSetInfinity<C>(r);
  for (let i: i32 = <i32>digits<C>() - 1; i >= 0; i--) {
    for (let j: usize = 0; j < WINDOW; j++) c.doublePoint(r, r);
    selectMultiple<C>(bitsOfDigit(i));
    c.addPoints(r, r, SELECTED);
  }
}
