/**
 * What numbers modulo M have in common whatever their form: C is a class with the members of Mod256.
 *
 * A form and a curve are classes without instances, and changetype<C>(0) stands for one: its members are
 * resolved when C is put in and take no `this` to run time, so that every curve has its own straight code from
 * one source. Rejected: a record of function pointers, where each product would be an indirect call.
 *
 * A modulus is a record in static data: M, then R^2 mod M, `bytes` each, then -1/M modulo a limb.
 */
import { isZeroBit64, maskFromBit, maskFromBit64, pick, pick64 } from "../ct";

/** The place of an element, whatever its form: room for the widest, so that addresses are constants. */
export const ELEMENT: usize = 64;

/** 1, not in Montgomery form. */
export const ONE: usize = memory.data<u32>([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
export const ZERO: usize = memory.data<u32>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

export function copy<C>(r: usize, a: usize): void {
  const c = changetype<C>(0);
  for (let i: usize = 0; i < c.bytes; i += 8) store<u64>(r + i, load<u64>(a + i));
}

/** r = mask ? a : r, over len bytes, a multiple of 8. */
export function move(mask: u64, r: usize, a: usize, len: usize): void {
  for (let i: usize = 0; i < len; i += 8) store<u64>(r + i, pick64(mask, load<u64>(a + i), load<u64>(r + i)));
}

/** 1 if every limb is 0: a must be reduced. */
export function isZero<C>(a: usize): u32 {
  const c = changetype<C>(0);
  let bits: u64 = 0;
  for (let i: usize = 0; i < c.bytes; i += 8) bits |= load<u64>(a + i);
  return isZeroBit64(bits);
}

/** 1 if a = b: both must be reduced. */
export function isEqual<C>(a: usize, b: usize): u32 {
  const c = changetype<C>(0);
  let bits: u64 = 0;
  for (let i: usize = 0; i < c.bytes; i += 8) bits |= load<u64>(a + i) ^ load<u64>(b + i);
  return isZeroBit64(bits);
}

/** 1 if a < m. The borrow is the sign of a limb difference, which is within 31 bits. */
export function isBelow<C>(a: usize, m: usize): u32 {
  const c = changetype<C>(0);
  let borrow: i32 = 0;
  for (let i: usize = 0; i < 4 * c.limbs; i += 4) borrow = (load<i32>(a + i) - load<i32>(m + i) + borrow) >> c.limbBits;
  return <u32>borrow >> 31;
}

/** Zero the word beside an odd number of limbs: isZero and isEqual read eight bytes at a time. */
// @ts-ignore: decorator
@inline function pad<C>(r: usize): void {
  const c = changetype<C>(0);
  if (c.bytes > 4 * c.limbs) store<u32>(r + 4 * c.limbs, 0);
}

/** r = a - m if a >= m, else a, for a < 2m: the one subtraction that makes a unique. */
export function reduceOnce<C>(r: usize, a: usize, m: usize): void {
  const c = changetype<C>(0);
  const keepMask = maskFromBit(isBelow<C>(a, m));
  const limbMask: u32 = (1 << c.limbBits) - 1;
  let borrow: i32 = 0;
  for (let i: usize = 0; i < 4 * c.limbs; i += 4) {
    const t = load<i32>(a + i) - load<i32>(m + i) + borrow;
    borrow = t >> c.limbBits;
    store<u32>(r + i, pick(keepMask, load<u32>(a + i), <u32>t & limbMask));
  }
  pad<C>(r);
}

/** r = m - a, for a <= m. */
export function complement<C>(r: usize, a: usize, m: usize): void {
  const c = changetype<C>(0);
  const limbMask: u32 = (1 << c.limbBits) - 1;
  let borrow: i32 = 0;
  for (let i: usize = 0; i < 4 * c.limbs; i += 4) {
    const t = load<i32>(m + i) - load<i32>(a + i) + borrow;
    borrow = t >> c.limbBits;
    store<u32>(r + i, <u32>t & limbMask);
  }
  pad<C>(r);
}

/** r = a + b mod m, for a, b < m: the sum is below 2m, which lies within the limbs. */
export function addMod<C>(r: usize, a: usize, b: usize, m: usize): void {
  const c = changetype<C>(0);
  const limbMask: u32 = (1 << c.limbBits) - 1;
  let carry: u32 = 0;
  for (let i: usize = 0; i < 4 * c.limbs; i += 4) {
    const t = load<u32>(a + i) + load<u32>(b + i) + carry;
    carry = t >> c.limbBits;
    store<u32>(r + i, t & limbMask);
  }
  pad<C>(r);
  reduceOnce<C>(r, r, m);
}

/** Into Montgomery form: r = a·R mod M, for a as montMul takes it. */
export function toMont<C>(r: usize, a: usize, m: usize): void {
  const c = changetype<C>(0);
  c.montMul(r, a, m + c.bytes, m);
}

/** Out of it, reduced: (a + q·M)/R <= M for a, q < R, so one subtraction does. */
export function fromMont<C>(r: usize, a: usize, m: usize): void {
  const c = changetype<C>(0);
  c.montMul(r, a, ONE, m);
  reduceOnce<C>(r, r, m);
}

/**
 * r = x mod m for a number x of len bytes big-endian, by Horner's rule, three bytes at a time: r = 2^24·r + d, less m as
 * often as h, what of that lies at 2^(8·size) and above. For m above 2^(8·size)·(1 - 2^-31), as every n is, this leaves
 * less than 2m, since h·(2^(8·size) - m) is below 2^(24 + 8·size - 31). m need not be odd.
 */
export function reduceWide<C>(r: usize, bePtr: usize, len: u32, m: usize): void {
  const c = changetype<C>(0);
  const limbMask: i64 = (1 << c.limbBits) - 1;
  const top: usize = 4 * (c.limbs - 1);
  const topBits: u64 = 8 * c.size - c.limbBits * <u32>(c.limbs - 1);
  memory.fill(r, 0, c.bytes);
  let take = len % 3;
  for (let i: u32 = 0; i < len; ) {
    let carry: i64 = 0;
    for (const end = i + take; i < end; i++) carry = (carry << 8) | <i64>load<u8>(bePtr + i);
    const h = ((<u64>load<u32>(r + top) << 24) | (<u64>load<u32>(r + top - 4) >> (c.limbBits - 24))) >> topBits;
    for (let j: usize = 0; j <= top; j += 4) {
      carry += (<i64>load<u32>(r + j) << 24) - <i64>(h * <u64>load<u32>(m + j));
      store<u32>(r + j, <u32>(carry & limbMask));
      carry >>= c.limbBits;
    }
    reduceOnce<C>(r, r, m);
    take = 3;
  }
}

/** All ones if bit is 1. */
// @ts-ignore: decorator
@inline export function wideMask(bit: u32): u64 {
  return maskFromBit64(<u64>bit);
}
