/**
 * Numbers modulo any odd M, 2^255 < M < 2^256, and Montgomery multiplication with R = 2^261.
 *
 * An element is nine limbs of 29 bits, least first, as u32 in 40 bytes (the tenth word is padding).
 * 29 bits are what makes it fit: a column of a product gathers 9 products a_i·b_j and 9 products
 * q_i·m_j, and 18·(2^29-1)^2 plus a carry below 2^35 stays under 2^63. No carry is needed until the
 * whole product stands. 9·29 = 261 leaves R = 2^261 > 31M, so that results need no final
 * subtraction: for a, b < 2^257, (a·b + q·M)/R < 2^253 + M < 2^257 again.
 * Rejected: 8 limbs of 32 bits, whose columns overflow 64 bits and need a carry in each step.
 *
 * A modulus is a record in static data: M in nine limbs and -1/M mod 2^29 in the tenth word, then
 * R^2 mod M. This file serves the scalars of P-256 and secp256k1; a prime of special form does
 * better with its own reduction (p256/field.ts).
 */
import { isZeroBit64, maskFromBit, maskFromBit64, pick, pick64 } from "../ct";
import { loadBe64, storeBe64 } from "../bytes";
import { POW_SCRATCH } from "./scratch";

export const ELEMENT: usize = 40;
export const LIMB_MASK: u64 = 0x1fffffff;
/** Where in the record of a modulus R^2 mod M stands. */
const R2: usize = ELEMENT;
const INVERSE: usize = 36;

/** 1, not in Montgomery form. */
export const ONE: usize = memory.data<u32>([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

const POWERS: usize = POW_SCRATCH;
const RUNNING: usize = POW_SCRATCH + 16 * ELEMENT;

/** Four words of 64 bits, least first, into limbs. */
// @ts-ignore: decorator
@inline function split(r: usize, w0: u64, w1: u64, w2: u64, w3: u64): void {
  store<u32>(r, <u32>(w0 & LIMB_MASK));
  store<u32>(r, <u32>((w0 >> 29) & LIMB_MASK), 4);
  store<u32>(r, <u32>(((w0 >> 58) | (w1 << 6)) & LIMB_MASK), 8);
  store<u32>(r, <u32>((w1 >> 23) & LIMB_MASK), 12);
  store<u32>(r, <u32>(((w1 >> 52) | (w2 << 12)) & LIMB_MASK), 16);
  store<u32>(r, <u32>((w2 >> 17) & LIMB_MASK), 20);
  store<u32>(r, <u32>(((w2 >> 46) | (w3 << 18)) & LIMB_MASK), 24);
  store<u32>(r, <u32>((w3 >> 11) & LIMB_MASK), 28);
  store<u32>(r, <u32>(w3 >> 40), 32);
  store<u32>(r, 0, 36);
}

// @ts-ignore: decorator
@inline function limb(a: usize, offset: usize): u64 {
  return <u64>load<u32>(a + offset);
}

/** Word i of 64 bits of a number below 2^256 in limbs. */
// @ts-ignore: decorator
@inline function word0(a: usize): u64 {
  return limb(a, 0) | (limb(a, 4) << 29) | (limb(a, 8) << 58);
}
// @ts-ignore: decorator
@inline function word1(a: usize): u64 {
  return (limb(a, 8) >> 6) | (limb(a, 12) << 23) | (limb(a, 16) << 52);
}
// @ts-ignore: decorator
@inline function word2(a: usize): u64 {
  return (limb(a, 16) >> 12) | (limb(a, 20) << 17) | (limb(a, 24) << 46);
}
// @ts-ignore: decorator
@inline function word3(a: usize): u64 {
  return (limb(a, 24) >> 18) | (limb(a, 28) << 11) | (limb(a, 32) << 40);
}

/** 32 bytes big-endian into limbs; any value. */
export function fromBe(r: usize, bePtr: usize): void {
  split(r, loadBe64(bePtr + 24), loadBe64(bePtr + 16), loadBe64(bePtr + 8), loadBe64(bePtr));
}

/** A number below 2^256 as 32 bytes big-endian. */
export function toBe(bePtr: usize, a: usize): void {
  const w0 = word0(a), w1 = word1(a), w2 = word2(a), w3 = word3(a);
  storeBe64(bePtr + 24, w0);
  storeBe64(bePtr + 16, w1);
  storeBe64(bePtr + 8, w2);
  storeBe64(bePtr, w3);
}

/** The form of tables: 32 bytes in native words, a number below 2^256. */
export function pack(ptr: usize, a: usize): void {
  store<u64>(ptr, word0(a));
  store<u64>(ptr, word1(a), 8);
  store<u64>(ptr, word2(a), 16);
  store<u64>(ptr, word3(a), 24);
}

export function unpack(r: usize, w0: u64, w1: u64, w2: u64, w3: u64): void {
  split(r, w0, w1, w2, w3);
}

/** r = mask ? a : r, over len bytes, a multiple of 8. */
export function move(mask: u64, r: usize, a: usize, len: usize): void {
  for (let i: usize = 0; i < len; i += 8) store<u64>(r + i, pick64(mask, load<u64>(a + i), load<u64>(r + i)));
}

/** 1 if every limb is 0: a must be reduced. */
export function isZero(a: usize): u32 {
  let bits: u64 = 0;
  for (let i: usize = 0; i < ELEMENT; i += 8) bits |= load<u64>(a + i);
  return isZeroBit64(bits);
}

/** 1 if a = b: both must be reduced. */
export function isEqual(a: usize, b: usize): u32 {
  let bits: u64 = 0;
  for (let i: usize = 0; i < ELEMENT; i += 8) bits |= load<u64>(a + i) ^ load<u64>(b + i);
  return isZeroBit64(bits);
}

/** 1 if a < m. The borrow is the sign of a limb difference, which is within 31 bits. */
export function isBelow(a: usize, m: usize): u32 {
  let borrow: i32 = 0;
  for (let i: usize = 0; i < 36; i += 4) borrow = (load<i32>(a + i) - load<i32>(m + i) + borrow) >> 29;
  return <u32>borrow >> 31;
}

/** r = a - m if a >= m, else a, for a < 2m: the one subtraction that makes a unique. */
export function reduceOnce(r: usize, a: usize, m: usize): void {
  const keepMask = maskFromBit(isBelow(a, m));
  let borrow: i32 = 0;
  for (let i: usize = 0; i < 36; i += 4) {
    const t = load<i32>(a + i) - load<i32>(m + i) + borrow;
    borrow = t >> 29;
    store<u32>(r + i, pick(keepMask, load<u32>(a + i), <u32>t & <u32>LIMB_MASK));
  }
  store<u32>(r, 0, 36);
}

/** r = a + b mod m, for a, b < m. */
export function addMod(r: usize, a: usize, b: usize, m: usize): void {
  let carry: u32 = 0;
  for (let i: usize = 0; i < 36; i += 4) {
    const t = load<u32>(a + i) + load<u32>(b + i) + carry;
    carry = t >> 29;
    store<u32>(r + i, t & <u32>LIMB_MASK);
  }
  store<u32>(r, 0, 36);
  reduceOnce(r, r, m); // 2m < 2^257 lies within the nine limbs: no carry is lost
}

/**
 * r = a·b/R mod M, below 2^257 if a and b are (see above for the columns and the bound).
 * Row by row: t gathers a_i·b, then q·M makes its lowest limb divisible by 2^29 and the columns
 * move down by one.
 */
export function montMul(r: usize, a: usize, b: usize, m: usize): void {
  const b0 = limb(b, 0), b1 = limb(b, 4), b2 = limb(b, 8), b3 = limb(b, 12), b4 = limb(b, 16);
  const b5 = limb(b, 20), b6 = limb(b, 24), b7 = limb(b, 28), b8 = limb(b, 32);
  const inverse = limb(m, INVERSE);
  let t0: u64 = 0, t1: u64 = 0, t2: u64 = 0, t3: u64 = 0, t4: u64 = 0;
  let t5: u64 = 0, t6: u64 = 0, t7: u64 = 0, t8: u64 = 0;
  for (let i: usize = 0; i < 36; i += 4) {
    const ai = limb(a, i);
    t0 += ai * b0;
    const q = ((t0 & LIMB_MASK) * inverse) & LIMB_MASK;
    t0 = (t0 + q * limb(m, 0)) >> 29;
    t0 += t1 + ai * b1 + q * limb(m, 4);
    t1 = t2 + ai * b2 + q * limb(m, 8);
    t2 = t3 + ai * b3 + q * limb(m, 12);
    t3 = t4 + ai * b4 + q * limb(m, 16);
    t4 = t5 + ai * b5 + q * limb(m, 20);
    t5 = t6 + ai * b6 + q * limb(m, 24);
    t6 = t7 + ai * b7 + q * limb(m, 28);
    t7 = t8 + ai * b8 + q * limb(m, 32);
    t8 = 0;
  }
  t1 += t0 >> 29;
  t2 += t1 >> 29;
  t3 += t2 >> 29;
  t4 += t3 >> 29;
  t5 += t4 >> 29;
  t6 += t5 >> 29;
  t7 += t6 >> 29;
  t8 = t7 >> 29;
  store<u32>(r, <u32>(t0 & LIMB_MASK));
  store<u32>(r, <u32>(t1 & LIMB_MASK), 4);
  store<u32>(r, <u32>(t2 & LIMB_MASK), 8);
  store<u32>(r, <u32>(t3 & LIMB_MASK), 12);
  store<u32>(r, <u32>(t4 & LIMB_MASK), 16);
  store<u32>(r, <u32>(t5 & LIMB_MASK), 20);
  store<u32>(r, <u32>(t6 & LIMB_MASK), 24);
  store<u32>(r, <u32>(t7 & LIMB_MASK), 28);
  store<u32>(r, <u32>t8, 32);
  store<u32>(r, 0, 36);
}

/** Into Montgomery form: r = a·R mod M, for a < 2^257. */
export function toMont(r: usize, a: usize, m: usize): void {
  montMul(r, a, m + R2, m);
}

/** Out of it, reduced: (a + q·M)/R <= M for a < 2^257 and q < R, so one subtraction does. */
export function fromMont(r: usize, a: usize, m: usize): void {
  montMul(r, a, ONE, m);
  reduceOnce(r, r, m);
}

/**
 * r = a^e in Montgomery form. The exponent, eight words of 32 bits, least first, is a public constant
 * (M - 2 for Fermat's inverse), so that its digits of four bits may choose the table entry.
 */
export function montPow(r: usize, a: usize, exponentPtr: usize, m: usize): void {
  toMont(POWERS, ONE, m);
  for (let i: usize = 1; i < 16; i++) montMul(POWERS + i * ELEMENT, POWERS + (i - 1) * ELEMENT, a, m);
  memory.copy(RUNNING, POWERS, ELEMENT);
  for (let i: i32 = 63; i >= 0; i--) {
    for (let j = 0; j < 4; j++) montMul(RUNNING, RUNNING, RUNNING, m);
    const digit = (load<u32>(exponentPtr + ((<usize>i >> 3) << 2)) >> ((<u32>i & 7) << 2)) & 15;
    montMul(RUNNING, RUNNING, POWERS + <usize>digit * ELEMENT, m);
  }
  memory.copy(r, RUNNING, ELEMENT);
}

/**
 * r = x mod m for a number x of len bytes big-endian, one bit at a time: r = 2r + bit, and m is
 * subtracted where it fits. For moduli that need not be odd and inputs longer than m; rare and slow.
 */
export function reduceWide(r: usize, bePtr: usize, len: u32, m: usize): void {
  memory.fill(r, 0, ELEMENT);
  for (let i: u32 = 0; i < len; i++) {
    const byte: u32 = load<u8>(bePtr + i);
    for (let bit: i32 = 7; bit >= 0; bit--) {
      let carry: u32 = (byte >> bit) & 1;
      for (let j: usize = 0; j < 36; j += 4) {
        const t = (load<u32>(r + j) << 1) | carry;
        carry = t >> 29;
        store<u32>(r + j, t & <u32>LIMB_MASK);
      }
      reduceOnce(r, r, m); // 2r + 1 < 2m
    }
  }
}

/** All ones if bit is 1. */
// @ts-ignore: decorator
@inline export function wideMask(bit: u32): u64 {
  return maskFromBit64(<u64>bit);
}
