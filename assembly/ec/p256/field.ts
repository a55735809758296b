/**
 * Arithmetic modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1 (FIPS 186-5, SP 800-186 §3.2.1.3).
 *
 * Elements are those of mod256.ts, in Montgomery form with R = 2^261. Since p = -1 mod 2^96, the
 * factor q of a reduction step is the lowest limb itself, and q·p is four shifts: no multiplication.
 *
 * The one invariant: limbs 0-7 below 2^29, value below 2^256 + 2^252. Every function here takes such
 * elements and makes such elements, in any order and number, so that the point formulas need no
 * analysis of their own:
 * - mul: a·b/R + p < 2^251·(1 + 2^-4)^2 + p < 2^256 + 2^252.
 * - sums: what lies at 2^256 and above, at most h = 5, is folded down as h·(2^256 mod p), which
 *   leaves less than 2^256 + 2^235.
 * Rejected: sums without carry. They save a third of the point formulas' additions, but then every
 * formula needs its own proof that products stay below 2^64.
 */
import { CHAIN, squareTimes } from "../field";
import { invert } from "../invert";
import { Mod256 } from "../mod256";
import { ELEMENT, copy, reduceOnce } from "../modular";

const P: usize = memory.data<u32>([
  0x1fffffff, 0x1fffffff, 0x1fffffff, 0x000001ff, 0, 0, 0x00040000, 0x1fe00000, 0x00ffffff, 0,
]);
/** R mod p, which is 1 in Montgomery form. */
const ONE_MONT: usize = memory.data<u32>([
  0x00000020, 0, 0, 0x1fffc000, 0x1fffffff, 0x1fffffff, 0x1f7fffff, 0x03ffffff, 0, 0,
]);
const R2: usize = memory.data<u32>([
  0x00000c00, 0, 0x1fff0000, 0x1fdfffff, 0x1fbfffff, 0x1fffffff, 0x1fffffff, 0x1ffffffe, 0x00000013, 0,
]);
/** p for invert.ts, begun with R^2: from Montgomery form to Montgomery form. */
const P_INVERT: usize = memory.data<u32>([
  0x3fffffff, 0x3fffffff, 0x3fffffff, 0x0000003f, 0, 0, 0x00001000, 0x3fffc000, 0x0000ffff,
  0x00000c00, 0, 0x3fffc000, 0x3ffbffff, 0x3ffbffff, 0x3fffffff, 0x3f7fffff, 0x04ffffff, 0,
  0x3fffffff,
]);

// 4p in limbs of which none is below a limb of a subtrahend: 2^29 is lent down from each to the next.
const LIFT0: i32 = 0x3ffffffc;
const LIFT1: i32 = 0x3ffffffe;
const LIFT2: i32 = 0x3ffffffe;
const LIFT3: i32 = 0x200007fe;
const LIFT4: i32 = 0x1fffffff;
const LIFT5: i32 = 0x1fffffff;
const LIFT6: i32 = 0x200fffff;
const LIFT7: i32 = 0x3f7fffff;
const LIFT8: i32 = 0x03fffffe;

const MASK: i32 = 0x1fffffff;
const LIMB_MASK: i64 = 0x1fffffff;

// @ts-ignore: decorator
@inline function limb(a: usize, offset: usize): u64 {
  return <u64>load<u32>(a + offset);
}

/**
 * Store nine limbs in 0..2^31 - 2^26 as an element: fold h down by
 * 2^256 = 2^224 - 2^192 - 2^96 + 1, then carry. A limb may be negative before the carry, the whole
 * may not: it was not negative before, and h·2^256 is replaced by less of the same residue.
 */
// @ts-ignore: decorator
@inline function settle(
  r: usize, t0: i32, t1: i32, t2: i32, t3: i32, t4: i32, t5: i32, t6: i32, t7: i32, t8: i32,
): void {
  const h = t8 >> 24;
  t0 += h;
  t3 -= h << 9;
  t6 -= h << 18;
  t7 += h << 21;
  t8 &= 0xffffff;
  t1 += t0 >> 29;
  t2 += t1 >> 29;
  t3 += t2 >> 29;
  t4 += t3 >> 29;
  t5 += t4 >> 29;
  t6 += t5 >> 29;
  t7 += t6 >> 29;
  t8 += t7 >> 29;
  store<i32>(r, t0 & MASK);
  store<i32>(r, t1 & MASK, 4);
  store<i32>(r, t2 & MASK, 8);
  store<i32>(r, t3 & MASK, 12);
  store<i32>(r, t4 & MASK, 16);
  store<i32>(r, t5 & MASK, 20);
  store<i32>(r, t6 & MASK, 24);
  store<i32>(r, t7 & MASK, 28);
  store<i32>(r, t8, 32);
  store<i32>(r, 0, 36);
}

@unmanaged
export class P256Field extends Mod256 {
  @inline get p(): usize { return P; }
  @inline get pInvert(): usize { return P_INVERT; }
  @inline get one(): usize { return ONE_MONT; }
  @inline get squareOfR(): usize { return R2; }

  /** r = a·b/R. Columns as in mod256.ts; signed, for the -q·2^224 of p. */
  mul(r: usize, a: usize, b: usize): void {
    const b0 = limb(b, 0), b1 = limb(b, 4), b2 = limb(b, 8), b3 = limb(b, 12), b4 = limb(b, 16);
    const b5 = limb(b, 20), b6 = limb(b, 24), b7 = limb(b, 28), b8 = limb(b, 32);
    let t0: i64 = 0, t1: i64 = 0, t2: i64 = 0, t3: i64 = 0, t4: i64 = 0;
    let t5: i64 = 0, t6: i64 = 0, t7: i64 = 0;
    for (let i: usize = 0; i < 36; i += 4) {
      const ai = limb(a, i);
      t0 += <i64>(ai * b0);
      const q: i64 = t0 & LIMB_MASK;
      // The column is made divisible by subtracting q; what is left moves down.
      t0 = t1 + <i64>(ai * b1) + (t0 >> 29);
      t1 = t2 + <i64>(ai * b2);
      t2 = t3 + <i64>(ai * b3) + (q << 9); // 2^96 = 2^(3·29 + 9)
      t3 = t4 + <i64>(ai * b4);
      t4 = t5 + <i64>(ai * b5);
      t5 = t6 + <i64>(ai * b6) + (q << 18); // 2^192 = 2^(6·29 + 18)
      t6 = t7 + <i64>(ai * b7) - (q << 21); // 2^224 = 2^(7·29 + 21)
      t7 = <i64>(ai * b8) + (q << 24); // 2^256 = 2^(8·29 + 24)
    }
    t1 += t0 >> 29;
    t2 += t1 >> 29;
    t3 += t2 >> 29;
    t4 += t3 >> 29;
    t5 += t4 >> 29;
    t6 += t5 >> 29;
    t7 += t6 >> 29;
    store<u32>(r, <u32>(t0 & LIMB_MASK));
    store<u32>(r, <u32>(t1 & LIMB_MASK), 4);
    store<u32>(r, <u32>(t2 & LIMB_MASK), 8);
    store<u32>(r, <u32>(t3 & LIMB_MASK), 12);
    store<u32>(r, <u32>(t4 & LIMB_MASK), 16);
    store<u32>(r, <u32>(t5 & LIMB_MASK), 20);
    store<u32>(r, <u32>(t6 & LIMB_MASK), 24);
    store<u32>(r, <u32>(t7 & LIMB_MASK), 28);
    store<u32>(r, <u32>(t7 >> 29), 32);
    store<u32>(r, 0, 36);
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
      load<i32>(a, 20) + LIFT5 - load<i32>(b, 20),
      load<i32>(a, 24) + LIFT6 - load<i32>(b, 24),
      load<i32>(a, 28) + LIFT7 - load<i32>(b, 28),
      load<i32>(a, 32) + LIFT8 - load<i32>(b, 32),
    );
  }

  /** r = a^-1, or 0 of 0; the invariant has a below 2p. */
  invert(r: usize, a: usize): void {
    reduceOnce<P256Field>(r, a, P);
    invert<P256Field>(r, r, P_INVERT);
  }

  /**
   * r = a^((p + 1)/4), a root of a if it has one (p = 3 mod 4); the caller squares and compares. The exponent is
   * 32 ones, 31 zeros, 1, 95 zeros, 1, 94 zeros.
   */
  sqrt(r: usize, a: usize): void {
    const base = CHAIN, x = CHAIN + ELEMENT, t = CHAIN + 2 * ELEMENT;
    copy<P256Field>(base, a);
    copy<P256Field>(x, a);
    for (let ones: u32 = 1; ones < 32; ones *= 2) {
      squareTimes<P256Field>(t, x, ones);
      this.mul(x, t, x);
    }
    squareTimes<P256Field>(t, x, 32);
    this.mul(t, t, base);
    squareTimes<P256Field>(t, t, 96);
    this.mul(t, t, base);
    squareTimes<P256Field>(r, t, 94);
  }
}
