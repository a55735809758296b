/**
 * Arithmetic modulo p = 2^384 - 2^128 - 2^96 + 2^32 - 1 (FIPS 186-5, SP 800-186 §3.2.1.4).
 *
 * Elements are those of mod384.ts, in Montgomery form with R = 2^392. Since p = -1 mod 2^32, the factor q of a
 * reduction step is the lowest limb itself, and q·p is five shifts: no multiplication.
 *
 * The one invariant: limbs 0-12 below 2^28, value below 2^384 + 2^380. Every function here takes such elements
 * and makes such elements, in any order and number.
 * - mul: a column gathers 14 products below 2^56 and terms of q below 2^49, less than 2^60 in all; the result is
 *   a·b/R + p < 2^376·(1 + 2^-4)^2 + p < 2^384 + 2^380.
 * - sums: what lies at 2^384 and above, at most h = 5, is folded down as h·(2^384 mod p), which leaves less
 *   than 2^384 + 2^366.
 */
import { CHAIN, squareTimes } from "../field";
import { invert } from "../invert";
import { Mod384 } from "../mod384";
import { ELEMENT, copy, reduceOnce } from "../modular";

const P: usize = memory.data<u32>([
  0x0fffffff, 0x0000000f, 0, 0x0ffff000, 0x0ffeffff, 0x0fffffff, 0x0fffffff,
  0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x000fffff,
]);
/** R mod p, which is 1 in Montgomery form. */
const ONE_MONT: usize = memory.data<u32>([
  0x00000100, 0x0ffff000, 0x0fffffff, 0x000fffff, 0x01000000, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
const R2: usize = memory.data<u32>([
  0x00010000, 0x0fe00000, 0x00ffffff, 0, 0x00000002, 0, 0x0ffffe00, 0x00000fff, 0x00020000, 0x00100000, 0, 0, 0, 0,
]);
/** p for invert.ts, begun with R^2: from Montgomery form to Montgomery form. */
const P_INVERT: usize = memory.data<u32>([
  0x3fffffff, 3, 0, 0x3fffffc0, 0x3ffffeff, 0x3fffffff, 0x3fffffff,
  0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x00ffffff,
  0x00010000, 0x3ff80000, 0x000fffff, 0x00800000, 0, 0x38000000, 0x0fffffff,
  0, 2, 4, 0, 0, 0,
  0x3fffffff,
]);

// 4p in limbs of which none is below a limb of a subtrahend: 2^28 is lent down from each to the next.
const LIFT0: i32 = 0x1ffffffc;
const LIFT1: i32 = 0x1000003e;
const LIFT2: i32 = 0x0fffffff;
const LIFT3: i32 = 0x1fffbfff;
const LIFT4: i32 = 0x1ffbfffe;
/** Limbs 5 to 12. */
const LIFT: i32 = 0x1ffffffe;
const LIFT13: i32 = 0x003ffffe;

const MASK: i32 = 0xfffffff;
const LIMB_MASK: i64 = 0xfffffff;

// @ts-ignore: decorator
@inline function limb(a: usize, offset: usize): u64 {
  return <u64>load<u32>(a + offset);
}

/**
 * Store fourteen limbs in 0..2^30 as an element: fold h down by 2^384 = 2^128 + 2^96 - 2^32 + 1, then carry. A
 * limb may be negative before the carry, the whole may not: what replaces h·2^384 is positive.
 */
// @ts-ignore: decorator
@inline function settle(
  r: usize, t0: i32, t1: i32, t2: i32, t3: i32, t4: i32, t5: i32, t6: i32,
  t7: i32, t8: i32, t9: i32, t10: i32, t11: i32, t12: i32, t13: i32,
): void {
  const h = t13 >> 20;
  t0 += h;
  t1 -= h << 4;
  t3 += h << 12;
  t4 += h << 16;
  t13 &= 0xfffff;
  t1 += t0 >> 28;
  t2 += t1 >> 28;
  t3 += t2 >> 28;
  t4 += t3 >> 28;
  t5 += t4 >> 28;
  t6 += t5 >> 28;
  t7 += t6 >> 28;
  t8 += t7 >> 28;
  t9 += t8 >> 28;
  t10 += t9 >> 28;
  t11 += t10 >> 28;
  t12 += t11 >> 28;
  t13 += t12 >> 28;
  store<i32>(r, t0 & MASK);
  store<i32>(r, t1 & MASK, 4);
  store<i32>(r, t2 & MASK, 8);
  store<i32>(r, t3 & MASK, 12);
  store<i32>(r, t4 & MASK, 16);
  store<i32>(r, t5 & MASK, 20);
  store<i32>(r, t6 & MASK, 24);
  store<i32>(r, t7 & MASK, 28);
  store<i32>(r, t8 & MASK, 32);
  store<i32>(r, t9 & MASK, 36);
  store<i32>(r, t10 & MASK, 40);
  store<i32>(r, t11 & MASK, 44);
  store<i32>(r, t12 & MASK, 48);
  store<i32>(r, t13, 52);
}

@unmanaged
export class P384Field extends Mod384 {
  @inline get p(): usize { return P; }
  @inline get pInvert(): usize { return P_INVERT; }
  @inline get one(): usize { return ONE_MONT; }
  @inline get squareOfR(): usize { return R2; }

  /** r = a·b/R; signed, for the negative powers in p. */
  mul(r: usize, a: usize, b: usize): void {
    const b0 = limb(b, 0), b1 = limb(b, 4), b2 = limb(b, 8), b3 = limb(b, 12), b4 = limb(b, 16);
    const b5 = limb(b, 20), b6 = limb(b, 24), b7 = limb(b, 28), b8 = limb(b, 32), b9 = limb(b, 36);
    const b10 = limb(b, 40), b11 = limb(b, 44), b12 = limb(b, 48), b13 = limb(b, 52);
    let t0: i64 = 0, t1: i64 = 0, t2: i64 = 0, t3: i64 = 0, t4: i64 = 0, t5: i64 = 0, t6: i64 = 0;
    let t7: i64 = 0, t8: i64 = 0, t9: i64 = 0, t10: i64 = 0, t11: i64 = 0, t12: i64 = 0;
    for (let i: usize = 0; i < 56; i += 4) {
      const ai = limb(a, i);
      t0 += <i64>(ai * b0);
      const q: i64 = t0 & LIMB_MASK;
      // The column is made divisible by subtracting q; what is left moves down.
      t0 = t1 + <i64>(ai * b1) + (t0 >> 28) + (q << 4); // 2^32 = 2^(28 + 4)
      t1 = t2 + <i64>(ai * b2);
      t2 = t3 + <i64>(ai * b3) - (q << 12); // 2^96 = 2^(3·28 + 12)
      t3 = t4 + <i64>(ai * b4) - (q << 16); // 2^128 = 2^(4·28 + 16)
      t4 = t5 + <i64>(ai * b5);
      t5 = t6 + <i64>(ai * b6);
      t6 = t7 + <i64>(ai * b7);
      t7 = t8 + <i64>(ai * b8);
      t8 = t9 + <i64>(ai * b9);
      t9 = t10 + <i64>(ai * b10);
      t10 = t11 + <i64>(ai * b11);
      t11 = t12 + <i64>(ai * b12);
      t12 = <i64>(ai * b13) + (q << 20); // 2^384 = 2^(13·28 + 20)
    }
    t1 += t0 >> 28;
    t2 += t1 >> 28;
    t3 += t2 >> 28;
    t4 += t3 >> 28;
    t5 += t4 >> 28;
    t6 += t5 >> 28;
    t7 += t6 >> 28;
    t8 += t7 >> 28;
    t9 += t8 >> 28;
    t10 += t9 >> 28;
    t11 += t10 >> 28;
    t12 += t11 >> 28;
    store<u32>(r, <u32>(t0 & LIMB_MASK));
    store<u32>(r, <u32>(t1 & LIMB_MASK), 4);
    store<u32>(r, <u32>(t2 & LIMB_MASK), 8);
    store<u32>(r, <u32>(t3 & LIMB_MASK), 12);
    store<u32>(r, <u32>(t4 & LIMB_MASK), 16);
    store<u32>(r, <u32>(t5 & LIMB_MASK), 20);
    store<u32>(r, <u32>(t6 & LIMB_MASK), 24);
    store<u32>(r, <u32>(t7 & LIMB_MASK), 28);
    store<u32>(r, <u32>(t8 & LIMB_MASK), 32);
    store<u32>(r, <u32>(t9 & LIMB_MASK), 36);
    store<u32>(r, <u32>(t10 & LIMB_MASK), 40);
    store<u32>(r, <u32>(t11 & LIMB_MASK), 44);
    store<u32>(r, <u32>(t12 & LIMB_MASK), 48);
    store<u32>(r, <u32>(t12 >> 28), 52);
  }

  add(r: usize, a: usize, b: usize): void {
    settle(
      r,
      load<i32>(a) + load<i32>(b),
      load<i32>(a, 4) + load<i32>(b, 4),
      load<i32>(a, 8) + load<i32>(b, 8),
      load<i32>(a, 12) + load<i32>(b, 12),
      load<i32>(a, 16) + load<i32>(b, 16),
      load<i32>(a, 20) + load<i32>(b, 20),
      load<i32>(a, 24) + load<i32>(b, 24),
      load<i32>(a, 28) + load<i32>(b, 28),
      load<i32>(a, 32) + load<i32>(b, 32),
      load<i32>(a, 36) + load<i32>(b, 36),
      load<i32>(a, 40) + load<i32>(b, 40),
      load<i32>(a, 44) + load<i32>(b, 44),
      load<i32>(a, 48) + load<i32>(b, 48),
      load<i32>(a, 52) + load<i32>(b, 52),
    );
  }

  /** r = 3a */
  triple(r: usize, a: usize): void {
    settle(
      r,
      3 * load<i32>(a),
      3 * load<i32>(a, 4),
      3 * load<i32>(a, 8),
      3 * load<i32>(a, 12),
      3 * load<i32>(a, 16),
      3 * load<i32>(a, 20),
      3 * load<i32>(a, 24),
      3 * load<i32>(a, 28),
      3 * load<i32>(a, 32),
      3 * load<i32>(a, 36),
      3 * load<i32>(a, 40),
      3 * load<i32>(a, 44),
      3 * load<i32>(a, 48),
      3 * load<i32>(a, 52),
    );
  }

  /** r = a - b, by way of a + 4p - b. */
  sub(r: usize, a: usize, b: usize): void {
    settle(
      r,
      load<i32>(a) + LIFT0 - load<i32>(b),
      load<i32>(a, 4) + LIFT1 - load<i32>(b, 4),
      load<i32>(a, 8) + LIFT2 - load<i32>(b, 8),
      load<i32>(a, 12) + LIFT3 - load<i32>(b, 12),
      load<i32>(a, 16) + LIFT4 - load<i32>(b, 16),
      load<i32>(a, 20) + LIFT - load<i32>(b, 20),
      load<i32>(a, 24) + LIFT - load<i32>(b, 24),
      load<i32>(a, 28) + LIFT - load<i32>(b, 28),
      load<i32>(a, 32) + LIFT - load<i32>(b, 32),
      load<i32>(a, 36) + LIFT - load<i32>(b, 36),
      load<i32>(a, 40) + LIFT - load<i32>(b, 40),
      load<i32>(a, 44) + LIFT - load<i32>(b, 44),
      load<i32>(a, 48) + LIFT - load<i32>(b, 48),
      load<i32>(a, 52) + LIFT13 - load<i32>(b, 52),
    );
  }

  /** r = a^-1, or 0 of 0; the invariant has a below 2p. */
  invert(r: usize, a: usize): void {
    reduceOnce<P384Field>(r, a, P);
    invert<P384Field>(r, r, P_INVERT);
  }

  /**
   * r = a^((p + 1)/4), a root of a if it has one (p = 3 mod 4); the caller squares and compares. The exponent is
   * 255 ones, 0, 32 ones, 63 zeros, 1, 30 zeros.
   */
  sqrt(r: usize, a: usize): void {
    const base = CHAIN, x2 = CHAIN + ELEMENT, x3 = CHAIN + 2 * ELEMENT, x15 = CHAIN + 3 * ELEMENT;
    const x30 = CHAIN + 4 * ELEMENT, x = CHAIN + 5 * ELEMENT, t = CHAIN + 6 * ELEMENT;
    copy<P384Field>(base, a);
    squareTimes<P384Field>(t, base, 1);
    this.mul(x2, t, base);
    squareTimes<P384Field>(t, x2, 1);
    this.mul(x3, t, base);
    squareTimes<P384Field>(t, x3, 3);
    this.mul(x15, t, x3); // 6 ones
    squareTimes<P384Field>(t, x15, 6);
    this.mul(t, t, x15); // 12
    squareTimes<P384Field>(t, t, 3);
    this.mul(x15, t, x3);
    squareTimes<P384Field>(t, x15, 15);
    this.mul(x30, t, x15);
    copy<P384Field>(x, x30);
    for (let ones: u32 = 30; ones < 240; ones *= 2) {
      squareTimes<P384Field>(t, x, ones);
      this.mul(x, t, x);
    }
    squareTimes<P384Field>(t, x, 15);
    this.mul(x, t, x15); // 255
    squareTimes<P384Field>(t, x30, 2);
    this.mul(x30, t, x2); // 32
    squareTimes<P384Field>(t, x, 33);
    this.mul(t, t, x30);
    squareTimes<P384Field>(t, t, 64);
    this.mul(t, t, base);
    squareTimes<P384Field>(r, t, 30);
  }
}
