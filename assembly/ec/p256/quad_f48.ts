/**
 * Quads of P-256 (../quad.ts) as floats: six limbs of 48 bits, R = 2^288. Limb i of elements 0 and 1 lies in one vector, that
 * of 2 and 3 in the next. For machines where a multiplication and an addition are one instruction that rounds once
 * (../../probe.ts): products are 40 % faster than those of integers (quad_f48_products.ts), and differences need no carry.
 *
 * Limbs are integers of either sign. Settled, those below the top are within 2^47 + 2^6; a wide sum or difference of two may
 * be a factor. A product's result is within 2^260.2 in magnitude, and only products bring a number down, sums never: a sum of
 * 2^7 results is within the 2^268 that a factor may have, one of 65 may be squared (quad_f48_products.ts: top limbs of 2^28, and
 * 3·2^51 for their product). Sums like that come only of affine additions, where an x is less two others: 2^l - 1 results after l
 * levels of affine_tree.ts, seven to verify and five for a multiple of the base point, whose x curve_check.ts squares, or after l
 * doublings of odd_multiples.ts, four.
 *
 * A number becomes an integer, or the other way round, by the sum with 3·2^51, whose lowest bits then are the number: exact
 * up to 2^51, and never a conversion, which compiles to branches. No float here is subnormal: all are integers.
 *
 * A table holds x·R + 2^255 + 2^47·(1 + 2^48 + … + 2^192) mod p: less 2^47, and 2^15 at the top, its pieces of 48 bits are
 * limbs of either sign.
 */
import { packElement } from "../quad";
import { QUAD_SCRATCH } from "../scratch";
import { P256Field } from "./field";
import { quadProductF48, quadSquareF48 } from "./quad_f48_products";

const BYTES: usize = 192;
/** The vectors of elements 2 and 3. */
const OTHER: usize = 16;

const CONSTANTS: usize = memory.data<u64>([
  0x4638000000000000, 0x4638000000000000, // 3·2^99: a sum with it is rounded to a multiple of 2^48
  0x3cf0000000000000, 0x3cf0000000000000, // 2^-48
  0x0000ffffffffffff, 0x0000ffffffffffff, // a limb's bits
  0x4330000000000000, 0x4330000000000000, // 2^52, whose lowest bits are those of an integer
  0x4330800000000000, 0x4330800000000000, // 2^52 + 2^47
  0x4330000000008000, 0x4330000000008000, // 2^52 + 2^15
  0x8000000000000000, 0x8000000000000000, // a float's sign
], 16);

/** 3·2^51 in bits. */
const INTEGER: i64 = 0x4338000000000000;
const LIMB_MASK: i64 = 0x0000ffffffffffff;
const ELEMENT_MASK: i64 = 0x1fffffff;
/** From R of single elements to that of quads. */
const SHIFT: i64 = 27;
const SHIFT_MASK: i64 = 0x7ffffff;

/** 2^288 mod p, and what a table adds; in the limbs of field.ts. */
const R_HERE: usize = memory.data<u32>([
  0x00000000, 0x00000008, 0x00000000, 0x00000000, 0x1ffff000, 0x1fffffff, 0x1fffffff, 0x1fdfffff, 0x00ffffff, 0,
]);
const ADDED: usize = memory.data<u32>([
  0x00000000, 0x00040000, 0x00000000, 0x00000100, 0x08000000, 0x00000000, 0x00020000, 0x00000000, 0x00800080, 0,
]);
const PACKING: usize = QUAD_SCRATCH;

// @ts-ignore: decorator
@inline function rounded(t: v128, round: v128): v128 {
  return f64x2.sub(f64x2.add(t, round), round);
}

/** Store six limbs below 2^52, settled: what is above 2^47 goes one up, all at once, and so is less than 2^5 there. */
// @ts-ignore: decorator
@inline function settle(r: usize, t0: v128, t1: v128, t2: v128, t3: v128, t4: v128, t5: v128): void {
  const round = v128.load(CONSTANTS), down = v128.load(CONSTANTS, 16);
  const h0 = rounded(t0, round), h1 = rounded(t1, round), h2 = rounded(t2, round);
  v128.store(r, f64x2.sub(t0, h0));
  v128.store(r, f64x2.relaxed_madd(h0, down, f64x2.sub(t1, h1)), 32);
  v128.store(r, f64x2.relaxed_madd(h1, down, f64x2.sub(t2, h2)), 64);
  const h3 = rounded(t3, round), h4 = rounded(t4, round);
  v128.store(r, f64x2.relaxed_madd(h2, down, f64x2.sub(t3, h3)), 96);
  v128.store(r, f64x2.relaxed_madd(h3, down, f64x2.sub(t4, h4)), 128);
  v128.store(r, f64x2.relaxed_madd(h4, down, t5), 160);
}

// @ts-ignore: decorator
@inline function sum(a: usize, b: usize, offset: usize): v128 {
  return f64x2.add(v128.load(a + offset), v128.load(b + offset));
}

// @ts-ignore: decorator
@inline function difference(a: usize, b: usize, offset: usize): v128 {
  return f64x2.sub(v128.load(a + offset), v128.load(b + offset));
}

// @ts-ignore: decorator
@inline function threefold(a: usize, b: usize, offset: usize): v128 {
  const t = difference(a, b, offset);
  return f64x2.add(t, f64x2.add(t, t));
}

// @ts-ignore: decorator
@inline function lessTwice(a: usize, b: usize, offset: usize): v128 {
  return f64x2.sub(difference(a, b, offset), v128.load(b + offset));
}

// @ts-ignore: decorator
@inline function addHalf(r: usize, a: usize, b: usize): void {
  settle(r, sum(a, b, 0), sum(a, b, 32), sum(a, b, 64), sum(a, b, 96), sum(a, b, 128), sum(a, b, 160));
}

// @ts-ignore: decorator
@inline function subHalf(r: usize, a: usize, b: usize): void {
  settle(
    r,
    difference(a, b, 0), difference(a, b, 32), difference(a, b, 64),
    difference(a, b, 96), difference(a, b, 128), difference(a, b, 160),
  );
}

// @ts-ignore: decorator
@inline function tripleSubHalf(r: usize, a: usize, b: usize): void {
  settle(
    r,
    threefold(a, b, 0), threefold(a, b, 32), threefold(a, b, 64),
    threefold(a, b, 96), threefold(a, b, 128), threefold(a, b, 160),
  );
}

// @ts-ignore: decorator
@inline function subTwiceHalf(r: usize, a: usize, b: usize): void {
  settle(
    r,
    lessTwice(a, b, 0), lessTwice(a, b, 32), lessTwice(a, b, 64),
    lessTwice(a, b, 96), lessTwice(a, b, 128), lessTwice(a, b, 160),
  );
}

/** Limbs of two packed elements, of which vector j has words 2j and 2j + 1 of 32 bits. */
// @ts-ignore: decorator
@inline function unpackHalf(r: usize, w0: v128, w1: v128, w2: v128, w3: v128): void {
  const mask = v128.load(CONSTANTS, 32), integer = v128.load(CONSTANTS, 48);
  const less = v128.load(CONSTANTS, 64), topLess = v128.load(CONSTANTS, 80);
  const t1 = v128.or(i64x2.shr_u(w0, 48), i64x2.shl(w1, 16));
  const t2 = v128.or(i64x2.shr_u(w1, 32), i64x2.shl(w2, 32));
  v128.store(r, f64x2.sub(v128.or(v128.and(w0, mask), integer), less));
  v128.store(r, f64x2.sub(v128.or(v128.and(t1, mask), integer), less), 32);
  v128.store(r, f64x2.sub(v128.or(v128.and(t2, mask), integer), less), 64);
  v128.store(r, f64x2.sub(v128.or(i64x2.shr_u(w2, 16), integer), less), 96);
  v128.store(r, f64x2.sub(v128.or(v128.and(w3, mask), integer), less), 128);
  v128.store(r, f64x2.sub(v128.or(i64x2.shr_u(w3, 48), integer), topLess), 160);
}

// @ts-ignore: decorator
@inline function unpackTwo(r: usize, p: usize, q: usize): void {
  const low = v128.load(p), otherLow = v128.load(q), high = v128.load(p, 16), otherHigh = v128.load(q, 16);
  unpackHalf(
    r,
    v128.shuffle<u64>(low, otherLow, 0, 2), v128.shuffle<u64>(low, otherLow, 1, 3),
    v128.shuffle<u64>(high, otherHigh, 0, 2), v128.shuffle<u64>(high, otherHigh, 1, 3),
  );
}

/** Words 2j and 2j + 1 of elements 0 and 1. */
// @ts-ignore: decorator
@inline function pairs(words: usize, j: usize): v128 {
  return v128.shuffle<u32>(v128.load(words + 32 * j), v128.load(words + 32 * j + 16), 0, 4, 1, 5);
}

/** And of elements 2 and 3. */
// @ts-ignore: decorator
@inline function otherPairs(words: usize, j: usize): v128 {
  return v128.shuffle<u32>(v128.load(words + 32 * j), v128.load(words + 32 * j + 16), 2, 6, 3, 7);
}

// @ts-ignore: decorator
@inline function limbAt(q: usize, lane: usize, i: usize): usize {
  return q + 32 * i + 8 * lane;
}

// @ts-ignore: decorator
@inline function loadLimb(q: usize, lane: usize, i: usize): i64 {
  return reinterpret<i64>(load<f64>(limbAt(q, lane, i)) + reinterpret<f64>(INTEGER)) - INTEGER;
}

// @ts-ignore: decorator
@inline function storeLimb(q: usize, lane: usize, i: usize, t: i64): void {
  store<f64>(limbAt(q, lane, i), reinterpret<f64>(t + INTEGER) - reinterpret<f64>(INTEGER));
}

/** The carry that leaves less than 2^47 in magnitude. */
// @ts-ignore: decorator
@inline function nearest(t: i64): i64 {
  return (t + (<i64>1 << 47)) >> 48;
}

@unmanaged @final
export class P256QuadF48 {
  @inline get bytes(): usize { return BYTES; }
  @inline get limbBytes(): usize { return 8; }

  @inline mul(r: usize, a: usize, b: usize): void { quadProductF48(r, a, b); }
  @inline square(r: usize, a: usize): void { quadSquareF48(r, a); }

  add(r: usize, a: usize, b: usize): void {
    addHalf(r, a, b);
    addHalf(r + OTHER, a + OTHER, b + OTHER);
  }

  sub(r: usize, a: usize, b: usize): void {
    subHalf(r, a, b);
    subHalf(r + OTHER, a + OTHER, b + OTHER);
  }

  tripleSub(r: usize, a: usize, b: usize): void {
    tripleSubHalf(r, a, b);
    tripleSubHalf(r + OTHER, a + OTHER, b + OTHER);
  }

  subTwice(r: usize, a: usize, b: usize): void {
    subTwiceHalf(r, a, b);
    subTwiceHalf(r + OTHER, a + OTHER, b + OTHER);
  }

  addWide(r: usize, a: usize, b: usize): void {
    for (let i: usize = 0; i < BYTES; i += 16) v128.store(r + i, f64x2.add(v128.load(a + i), v128.load(b + i)));
  }

  subWide(r: usize, a: usize, b: usize): void {
    for (let i: usize = 0; i < BYTES; i += 16) v128.store(r + i, f64x2.sub(v128.load(a + i), v128.load(b + i)));
  }

  unpack(r: usize, p0: usize, p1: usize, p2: usize, p3: usize): void {
    unpackTwo(r, p0, p1);
    unpackTwo(r + OTHER, p2, p3);
  }

  fromWords(r: usize, words: usize): void {
    unpackHalf(r, pairs(words, 0), pairs(words, 1), pairs(words, 2), pairs(words, 3));
    unpackHalf(r + OTHER, otherPairs(words, 0), otherPairs(words, 1), otherPairs(words, 2), otherPairs(words, 3));
  }

  pack(ptr: usize, e: usize): void {
    const f = changetype<P256Field>(0);
    f.mul(PACKING, e, R_HERE);
    f.add(PACKING, PACKING, ADDED);
    packElement<P256Field>(ptr, PACKING);
  }

  negateIf(mask: v128, q: usize): void {
    const sign = v128.load(CONSTANTS, 96);
    const here = v128.and(i64x2.extend_low_i32x4_s(mask), sign), other = v128.and(i64x2.extend_high_i32x4_s(mask), sign);
    for (let i: usize = 0; i < BYTES; i += 32) {
      v128.store(q + i, v128.xor(v128.load(q + i), here));
      v128.store(q + i, v128.xor(v128.load(q + i, OTHER), other), OTHER);
    }
  }

  /**
   * An element is x·2^261 in limbs of 29 bits: 27 bits up it is x·R. What then lies at 2^256 and above, h < 2^28, is folded down as
   * h·(2^224 - 2^192 - 2^96 + 1), for a value below 2^256 + 2^252, and the limbs carry.
   */
  set(q: usize, lane: usize, e: usize): void {
    const e0: i64 = load<u32>(e), e1: i64 = load<u32>(e, 4), e2: i64 = load<u32>(e, 8), e3: i64 = load<u32>(e, 12);
    const e4: i64 = load<u32>(e, 16), e5: i64 = load<u32>(e, 20), e6: i64 = load<u32>(e, 24), e7: i64 = load<u32>(e, 28);
    let t5: i64 = (e7 >> 10) | (<i64>load<u32>(e, 32) << 19);
    const h = t5 >> 16;
    t5 &= 0xffff;
    let t0 = ((e0 << 27) & LIMB_MASK) + h;
    let t1 = (e0 >> 21) | (e1 << 8) | ((e2 << 37) & LIMB_MASK);
    let t2 = ((e2 >> 11) | (e3 << 18) | ((e4 << 47) & LIMB_MASK)) - h;
    let t3 = (e4 >> 1) | ((e5 << 28) & LIMB_MASK);
    let t4 = ((e5 >> 20) | (e6 << 9) | ((e7 << 38) & LIMB_MASK)) + (h << 32) - h;
    let carry = nearest(t0);
    t0 -= carry << 48;
    t1 += carry;
    carry = nearest(t1);
    t1 -= carry << 48;
    t2 += carry;
    carry = nearest(t2);
    t2 -= carry << 48;
    t3 += carry;
    carry = nearest(t3);
    t3 -= carry << 48;
    t4 += carry;
    carry = nearest(t4);
    t4 -= carry << 48;
    t5 += carry;
    storeLimb(q, lane, 0, t0);
    storeLimb(q, lane, 1, t1);
    storeLimb(q, lane, 2, t2);
    storeLimb(q, lane, 3, t3);
    storeLimb(q, lane, 4, t4);
    storeLimb(q, lane, 5, t5);
  }

  /**
   * x·R/2^27, which is x·2^261: a step of Montgomery's, with the lowest 27 bits as the factor. A value within 2^268 becomes one
   * above -2^241 and below p + 2^241; p is added, as it may be negative.
   */
  get(e: usize, q: usize, lane: usize): void {
    let t0 = loadLimb(q, lane, 0), t1 = loadLimb(q, lane, 1), t2 = loadLimb(q, lane, 2);
    let t3 = loadLimb(q, lane, 3), t4 = loadLimb(q, lane, 4), t5 = loadLimb(q, lane, 5);
    const low = t0 & SHIFT_MASK;
    t0 -= low;
    t2 += low;
    t4 += low - (low << 32);
    t5 += low << 16;
    t1 += t0 >> 48;
    t2 += t1 >> 48;
    t3 += t2 >> 48;
    t4 += t3 >> 48;
    t5 += t4 >> 48;
    t0 &= LIMB_MASK, t1 &= LIMB_MASK, t2 &= LIMB_MASK, t3 &= LIMB_MASK, t4 &= LIMB_MASK;
    store<u32>(e, <u32>(((t0 >> SHIFT) | (t1 << 21)) & ELEMENT_MASK));
    store<u32>(e, <u32>((t1 >> 8) & ELEMENT_MASK), 4);
    store<u32>(e, <u32>(((t1 >> 37) | (t2 << 11)) & ELEMENT_MASK), 8);
    store<u32>(e, <u32>((t2 >> 18) & ELEMENT_MASK), 12);
    store<u32>(e, <u32>(((t2 >> 47) | (t3 << 1)) & ELEMENT_MASK), 16);
    store<u32>(e, <u32>(((t3 >> 28) | (t4 << 20)) & ELEMENT_MASK), 20);
    store<u32>(e, <u32>((t4 >> 9) & ELEMENT_MASK), 24);
    store<u32>(e, <u32>(((t4 >> 38) | (t5 << 10)) & ELEMENT_MASK), 28);
    store<u32>(e, <u32>(t5 >> 19), 32);
    store<u32>(e, 0, 36);
    const f = changetype<P256Field>(0);
    f.add(e, e, f.p);
  }
}
