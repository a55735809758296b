/**
 * Arithmetic modulo p = 2^256 - 2^32 - 977 (SEC 2 §2.4.1).
 *
 * Elements are those of mod256.ts, in Montgomery form with R = 2^261. In q·p all but -977q are shifts, so a
 * reduction step takes two products: q = 977^-1 times the lowest limb, and 977q.
 *
 * The one invariant, as in p256/field.ts: limbs 0-7 below 2^29, value below 2^256 + 2^252.
 * - mul: a·b/R + p < 2^251·(1 + 2^-4)^2 + p < 2^256 + 2^252.
 * - sums: what lies at 2^256 and above, at most h = 22, is folded down as h·(2^32 + 977), which leaves less
 *   than 2^256 + 2^237.
 * Rejected: plain products of 17 columns, folded with 2^261 = 2^37 + 31264. A factor of 15 bits on columns of 62
 * asks for a carry first.
 */
import { CHAIN, squareTimes } from "../field";
import { invert } from "../invert";
import { Mod256 } from "../mod256";
import { ELEMENT, copy, reduceOnce } from "../modular";

const P: usize = memory.data<u32>([
  0x1ffffc2f, 0x1ffffff7, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x00ffffff, 0,
]);
/** R mod p, which is 1 in Montgomery form. */
const ONE_MONT: usize = memory.data<u32>([0x00007a20, 0x00000100, 0, 0, 0, 0, 0, 0, 0, 0]);
const R2: usize = memory.data<u32>([0x1a428400, 0x00f44001, 0x00010000, 0, 0, 0, 0, 0, 0, 0]);
/** p for invert.ts, begun with R^2: from Montgomery form to Montgomery form. */
const P_INVERT: usize = memory.data<u32>([
  0x3ffffc2f, 0x3ffffffb, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x0000ffff,
  0x3a428400, 0x007a2000, 0x00004000, 0, 0, 0, 0, 0, 0,
  0x2ddacacf,
]);
/** 977^-1 mod 2^29 */
const INVERSE_977: i64 = 0x12253531;

// 4p in limbs of which none is below a limb of a subtrahend: 2^29 is lent down from each to the next.
const LIFT0: i32 = 0x3ffff0bc;
const LIFT1: i32 = 0x3fffffde;
/** Limbs 2 to 7. */
const LIFT: i32 = 0x3ffffffe;
const LIFT8: i32 = 0x03fffffe;

const MASK: i32 = 0x1fffffff;
const LIMB_MASK: i64 = 0x1fffffff;

// @ts-ignore: decorator
@inline function limb(a: usize, offset: usize): u64 {
  return <u64>load<u32>(a + offset);
}

/**
 * Store nine limbs in 0..2^31 - 2^26 as an element: fold h down by 2^256 = 2^32 + 977, then carry. The fold
 * adds at most 977·5 and 5·2^3, so that no limb leaves 31 bits.
 */
// @ts-ignore: decorator
@inline function settle(
  r: usize, t0: i32, t1: i32, t2: i32, t3: i32, t4: i32, t5: i32, t6: i32, t7: i32, t8: i32,
): void {
  const h = t8 >> 24;
  t0 += 977 * h;
  t1 += h << 3;
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
export class Secp256k1Field extends Mod256 {
  @inline get p(): usize { return P; }
  @inline get pInvert(): usize { return P_INVERT; }
  @inline get one(): usize { return ONE_MONT; }
  @inline get squareOfR(): usize { return R2; }

  /** r = a·b/R. Columns as in mod256.ts; signed, for the -q·(2^32 + 977) of p. */
  mul(r: usize, a: usize, b: usize): void {
    const b0 = limb(b, 0), b1 = limb(b, 4), b2 = limb(b, 8), b3 = limb(b, 12), b4 = limb(b, 16);
    const b5 = limb(b, 20), b6 = limb(b, 24), b7 = limb(b, 28), b8 = limb(b, 32);
    let t0: i64 = 0, t1: i64 = 0, t2: i64 = 0, t3: i64 = 0, t4: i64 = 0;
    let t5: i64 = 0, t6: i64 = 0, t7: i64 = 0;
    for (let i: usize = 0; i < 36; i += 4) {
      const ai = limb(a, i);
      t0 += <i64>(ai * b0);
      const q: i64 = ((t0 & LIMB_MASK) * INVERSE_977) & LIMB_MASK;
      t0 = t1 + <i64>(ai * b1) + ((t0 - 977 * q) >> 29) - (q << 3); // 2^32 = 2^(29 + 3)
      t1 = t2 + <i64>(ai * b2);
      t2 = t3 + <i64>(ai * b3);
      t3 = t4 + <i64>(ai * b4);
      t4 = t5 + <i64>(ai * b5);
      t5 = t6 + <i64>(ai * b6);
      t6 = t7 + <i64>(ai * b7);
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

  /** r = 21a, three times the b of y^2 = x^3 + 7: in 64 bits, since 21·2^29 leaves 32. h is at most 22. */
  times3b(r: usize, a: usize): void {
    const h = (21 * limb(a, 32)) >> 24;
    let t = 21 * limb(a, 0) + 977 * h;
    store<u32>(r, <u32>(t & <u64>LIMB_MASK));
    t = 21 * limb(a, 4) + (h << 3) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 4);
    t = 21 * limb(a, 8) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 8);
    t = 21 * limb(a, 12) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 12);
    t = 21 * limb(a, 16) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 16);
    t = 21 * limb(a, 20) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 20);
    t = 21 * limb(a, 24) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 24);
    t = 21 * limb(a, 28) + (t >> 29);
    store<u32>(r, <u32>(t & <u64>LIMB_MASK), 28);
    store<u32>(r, <u32>(((21 * limb(a, 32)) & 0xffffff) + (t >> 29)), 32);
    store<u32>(r, 0, 36);
  }

  /** r = a - b, by way of a + 4p - b. */
  sub(r: usize, a: usize, b: usize): void {
    settle(
      r,
      load<i32>(a) + LIFT0 - load<i32>(b),
      load<i32>(a, 4) + LIFT1 - load<i32>(b, 4),
      load<i32>(a, 8) + LIFT - load<i32>(b, 8),
      load<i32>(a, 12) + LIFT - load<i32>(b, 12),
      load<i32>(a, 16) + LIFT - load<i32>(b, 16),
      load<i32>(a, 20) + LIFT - load<i32>(b, 20),
      load<i32>(a, 24) + LIFT - load<i32>(b, 24),
      load<i32>(a, 28) + LIFT - load<i32>(b, 28),
      load<i32>(a, 32) + LIFT8 - load<i32>(b, 32),
    );
  }

  /** r = a^-1, or 0 of 0; the invariant has a below 2p. */
  invert(r: usize, a: usize): void {
    reduceOnce<Secp256k1Field>(r, a, P);
    invert<Secp256k1Field>(r, r, P_INVERT);
  }

  /**
   * r = a^((p + 1)/4), a root of a if it has one (p = 3 mod 4); the caller squares and compares. The exponent is
   * 223 ones, 0, 22 ones, 00001100.
   */
  sqrt(r: usize, a: usize): void {
    const x2 = CHAIN, x22 = CHAIN + ELEMENT, t = CHAIN + 2 * ELEMENT, base = CHAIN + 3 * ELEMENT;
    const x3 = CHAIN + 4 * ELEMENT, x11 = CHAIN + 5 * ELEMENT, x44 = CHAIN + 6 * ELEMENT, x88 = CHAIN + 7 * ELEMENT;
    copy<Secp256k1Field>(base, a);
    squareTimes<Secp256k1Field>(t, base, 1);
    this.mul(x2, t, base);
    squareTimes<Secp256k1Field>(t, x2, 1);
    this.mul(x3, t, base);
    squareTimes<Secp256k1Field>(t, x3, 3);
    this.mul(t, t, x3); // 6 ones
    squareTimes<Secp256k1Field>(t, t, 3);
    this.mul(t, t, x3); // 9
    squareTimes<Secp256k1Field>(t, t, 2);
    this.mul(x11, t, x2);
    squareTimes<Secp256k1Field>(t, x11, 11);
    this.mul(x22, t, x11);
    squareTimes<Secp256k1Field>(t, x22, 22);
    this.mul(x44, t, x22);
    squareTimes<Secp256k1Field>(t, x44, 44);
    this.mul(x88, t, x44);
    squareTimes<Secp256k1Field>(t, x88, 88);
    this.mul(t, t, x88); // 176
    squareTimes<Secp256k1Field>(t, t, 44);
    this.mul(t, t, x44); // 220
    squareTimes<Secp256k1Field>(t, t, 3);
    this.mul(t, t, x3); // 223
    squareTimes<Secp256k1Field>(t, t, 23);
    this.mul(t, t, x22);
    squareTimes<Secp256k1Field>(t, t, 6);
    this.mul(t, t, x2);
    squareTimes<Secp256k1Field>(r, t, 2);
  }
}
