/**
 * Quads of P-384 (../quad.ts): fourteen limbs of 28 bits, R = 2^392; the invariant is that of field.ts.
 *
 * In a sum what lies at 2^384 and above, h, is folded down as h·(2^128 + 2^96 - 2^32 + 1) while the limbs carry. For
 * sums of two elements h is within -2..2, so that the value comes out above -2^131 and below 2^384 + 2^131.
 */
import { addLimbs, getLane, negateQuadIf, packElement, setLane, subLimbs } from "../quad";
import { P384Field } from "./field";
import { quadProduct, quadSquare } from "./quad_products";

const BYTES: usize = 224;
const MASK: usize = memory.data<u32>([0xfffffff, 0xfffffff, 0xfffffff, 0xfffffff], 16);

/** Store a limb; what it carries to the next. */
// @ts-ignore: decorator
@inline function put(r: usize, t: v128, mask: v128): v128 {
  v128.store(r, v128.and(t, mask));
  return i32x4.shr_s(t, 28);
}

// @ts-ignore: decorator
@inline function triple(t: v128): v128 {
  return i32x4.add(t, i32x4.add(t, t));
}

/** Limbs of 28 bits from words of 32. */
// @ts-ignore: decorator
@inline function join(low: v128, high: v128, down: i32, up: i32, mask: v128): v128 {
  return v128.and(v128.or(i32x4.shr_u(low, down), i32x4.shl(high, up)), mask);
}

/** Limbs from words 0 to 11 of four numbers. */
// @ts-ignore: decorator
@inline function limbs(
  r: usize, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128, w8: v128, w9: v128, w10: v128,
  w11: v128,
): void {
  const mask = v128.load(MASK);
  v128.store(r, v128.and(w0, mask));
  v128.store(r, join(w0, w1, 28, 4, mask), 16);
  v128.store(r, join(w1, w2, 24, 8, mask), 32);
  v128.store(r, join(w2, w3, 20, 12, mask), 48);
  v128.store(r, join(w3, w4, 16, 16, mask), 64);
  v128.store(r, join(w4, w5, 12, 20, mask), 80);
  v128.store(r, join(w5, w6, 8, 24, mask), 96);
  v128.store(r, v128.and(i32x4.shr_u(w6, 4), mask), 112);
  v128.store(r, v128.and(w7, mask), 128);
  v128.store(r, join(w7, w8, 28, 4, mask), 144);
  v128.store(r, join(w8, w9, 24, 8, mask), 160);
  v128.store(r, join(w9, w10, 20, 12, mask), 176);
  v128.store(r, join(w10, w11, 16, 16, mask), 192);
  v128.store(r, i32x4.shr_u(w11, 12), 208);
}

@unmanaged @final
export class P384Quad {
  @inline get bytes(): usize { return BYTES; }
  @inline get limbBytes(): usize { return 4; }
  @inline get aIsZero(): bool { return false; }

  @inline mul(r: usize, a: usize, b: usize): void { quadProduct(r, a, b); }
  @inline square(r: usize, a: usize): void { quadSquare(r, a); }

  /** r = a + b */
  add(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = i32x4.add(v128.load(a, 208), v128.load(b, 208));
    const h = i32x4.shr_s(top, 20);
    let carry = put(r, i32x4.add(i32x4.add(v128.load(a), v128.load(b)), h), mask);
    carry = put(r + 16, i32x4.add(i32x4.sub(i32x4.add(v128.load(a, 16), v128.load(b, 16)), i32x4.shl(h, 4)), carry), mask);
    carry = put(r + 32, i32x4.add(i32x4.add(v128.load(a, 32), v128.load(b, 32)), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.add(i32x4.add(v128.load(a, 48), v128.load(b, 48)), i32x4.shl(h, 12)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.add(i32x4.add(v128.load(a, 64), v128.load(b, 64)), i32x4.shl(h, 16)), carry), mask);
    carry = put(r + 80, i32x4.add(i32x4.add(v128.load(a, 80), v128.load(b, 80)), carry), mask);
    carry = put(r + 96, i32x4.add(i32x4.add(v128.load(a, 96), v128.load(b, 96)), carry), mask);
    carry = put(r + 112, i32x4.add(i32x4.add(v128.load(a, 112), v128.load(b, 112)), carry), mask);
    carry = put(r + 128, i32x4.add(i32x4.add(v128.load(a, 128), v128.load(b, 128)), carry), mask);
    carry = put(r + 144, i32x4.add(i32x4.add(v128.load(a, 144), v128.load(b, 144)), carry), mask);
    carry = put(r + 160, i32x4.add(i32x4.add(v128.load(a, 160), v128.load(b, 160)), carry), mask);
    carry = put(r + 176, i32x4.add(i32x4.add(v128.load(a, 176), v128.load(b, 176)), carry), mask);
    carry = put(r + 192, i32x4.add(i32x4.add(v128.load(a, 192), v128.load(b, 192)), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 20)), carry), 208);
  }

  /** r = a - b */
  sub(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = i32x4.sub(v128.load(a, 208), v128.load(b, 208));
    const h = i32x4.shr_s(top, 20);
    let carry = put(r, i32x4.add(i32x4.sub(v128.load(a), v128.load(b)), h), mask);
    carry = put(r + 16, i32x4.add(i32x4.sub(i32x4.sub(v128.load(a, 16), v128.load(b, 16)), i32x4.shl(h, 4)), carry), mask);
    carry = put(r + 32, i32x4.add(i32x4.sub(v128.load(a, 32), v128.load(b, 32)), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.add(i32x4.sub(v128.load(a, 48), v128.load(b, 48)), i32x4.shl(h, 12)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.add(i32x4.sub(v128.load(a, 64), v128.load(b, 64)), i32x4.shl(h, 16)), carry), mask);
    carry = put(r + 80, i32x4.add(i32x4.sub(v128.load(a, 80), v128.load(b, 80)), carry), mask);
    carry = put(r + 96, i32x4.add(i32x4.sub(v128.load(a, 96), v128.load(b, 96)), carry), mask);
    carry = put(r + 112, i32x4.add(i32x4.sub(v128.load(a, 112), v128.load(b, 112)), carry), mask);
    carry = put(r + 128, i32x4.add(i32x4.sub(v128.load(a, 128), v128.load(b, 128)), carry), mask);
    carry = put(r + 144, i32x4.add(i32x4.sub(v128.load(a, 144), v128.load(b, 144)), carry), mask);
    carry = put(r + 160, i32x4.add(i32x4.sub(v128.load(a, 160), v128.load(b, 160)), carry), mask);
    carry = put(r + 176, i32x4.add(i32x4.sub(v128.load(a, 176), v128.load(b, 176)), carry), mask);
    carry = put(r + 192, i32x4.add(i32x4.sub(v128.load(a, 192), v128.load(b, 192)), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 20)), carry), 208);
  }

  /** r = 3(a - b): limbs within ±3·2^28 before they carry, h within -4..3. */
  tripleSub(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = triple(i32x4.sub(v128.load(a, 208), v128.load(b, 208)));
    const h = i32x4.shr_s(top, 20);
    let carry = put(r, i32x4.add(triple(i32x4.sub(v128.load(a), v128.load(b))), h), mask);
    carry = put(r + 16, i32x4.add(i32x4.sub(triple(i32x4.sub(v128.load(a, 16), v128.load(b, 16))), i32x4.shl(h, 4)), carry), mask);
    carry = put(r + 32, i32x4.add(triple(i32x4.sub(v128.load(a, 32), v128.load(b, 32))), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.add(triple(i32x4.sub(v128.load(a, 48), v128.load(b, 48))), i32x4.shl(h, 12)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.add(triple(i32x4.sub(v128.load(a, 64), v128.load(b, 64))), i32x4.shl(h, 16)), carry), mask);
    carry = put(r + 80, i32x4.add(triple(i32x4.sub(v128.load(a, 80), v128.load(b, 80))), carry), mask);
    carry = put(r + 96, i32x4.add(triple(i32x4.sub(v128.load(a, 96), v128.load(b, 96))), carry), mask);
    carry = put(r + 112, i32x4.add(triple(i32x4.sub(v128.load(a, 112), v128.load(b, 112))), carry), mask);
    carry = put(r + 128, i32x4.add(triple(i32x4.sub(v128.load(a, 128), v128.load(b, 128))), carry), mask);
    carry = put(r + 144, i32x4.add(triple(i32x4.sub(v128.load(a, 144), v128.load(b, 144))), carry), mask);
    carry = put(r + 160, i32x4.add(triple(i32x4.sub(v128.load(a, 160), v128.load(b, 160))), carry), mask);
    carry = put(r + 176, i32x4.add(triple(i32x4.sub(v128.load(a, 176), v128.load(b, 176))), carry), mask);
    carry = put(r + 192, i32x4.add(triple(i32x4.sub(v128.load(a, 192), v128.load(b, 192))), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 20)), carry), 208);
  }

  /** r = a - 2b: the same bounds, for a wide difference a too. */
  subTwice(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = i32x4.sub(v128.load(a, 208), i32x4.shl(v128.load(b, 208), 1));
    const h = i32x4.shr_s(top, 20);
    let carry = put(r, i32x4.add(i32x4.sub(v128.load(a), i32x4.shl(v128.load(b), 1)), h), mask);
    carry = put(r + 16, i32x4.add(i32x4.sub(i32x4.sub(v128.load(a, 16), i32x4.shl(v128.load(b, 16), 1)), i32x4.shl(h, 4)), carry), mask);
    carry = put(r + 32, i32x4.add(i32x4.sub(v128.load(a, 32), i32x4.shl(v128.load(b, 32), 1)), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.add(i32x4.sub(v128.load(a, 48), i32x4.shl(v128.load(b, 48), 1)), i32x4.shl(h, 12)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.add(i32x4.sub(v128.load(a, 64), i32x4.shl(v128.load(b, 64), 1)), i32x4.shl(h, 16)), carry), mask);
    carry = put(r + 80, i32x4.add(i32x4.sub(v128.load(a, 80), i32x4.shl(v128.load(b, 80), 1)), carry), mask);
    carry = put(r + 96, i32x4.add(i32x4.sub(v128.load(a, 96), i32x4.shl(v128.load(b, 96), 1)), carry), mask);
    carry = put(r + 112, i32x4.add(i32x4.sub(v128.load(a, 112), i32x4.shl(v128.load(b, 112), 1)), carry), mask);
    carry = put(r + 128, i32x4.add(i32x4.sub(v128.load(a, 128), i32x4.shl(v128.load(b, 128), 1)), carry), mask);
    carry = put(r + 144, i32x4.add(i32x4.sub(v128.load(a, 144), i32x4.shl(v128.load(b, 144), 1)), carry), mask);
    carry = put(r + 160, i32x4.add(i32x4.sub(v128.load(a, 160), i32x4.shl(v128.load(b, 160), 1)), carry), mask);
    carry = put(r + 176, i32x4.add(i32x4.sub(v128.load(a, 176), i32x4.shl(v128.load(b, 176), 1)), carry), mask);
    carry = put(r + 192, i32x4.add(i32x4.sub(v128.load(a, 192), i32x4.shl(v128.load(b, 192), 1)), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 20)), carry), 208);
  }

  @inline addWide(r: usize, a: usize, b: usize): void { addLimbs<P384Quad>(r, a, b); }
  @inline subWide(r: usize, a: usize, b: usize): void { subLimbs<P384Quad>(r, a, b); }

  /** Four numbers of 48 bytes in native words, each below 2^384, in Montgomery form. */
  unpack(r: usize, p0: usize, p1: usize, p2: usize, p3: usize): void {
    // Transposed by fours: word i of all four numbers.
    let ab = v128.load(p0), cd = v128.load(p1), ef = v128.load(p2), gh = v128.load(p3);
    let low = v128.shuffle<u32>(ab, cd, 0, 4, 1, 5), high = v128.shuffle<u32>(ef, gh, 0, 4, 1, 5);
    const w0 = v128.shuffle<u64>(low, high, 0, 2), w1 = v128.shuffle<u64>(low, high, 1, 3);
    low = v128.shuffle<u32>(ab, cd, 2, 6, 3, 7), high = v128.shuffle<u32>(ef, gh, 2, 6, 3, 7);
    const w2 = v128.shuffle<u64>(low, high, 0, 2), w3 = v128.shuffle<u64>(low, high, 1, 3);
    ab = v128.load(p0, 16), cd = v128.load(p1, 16), ef = v128.load(p2, 16), gh = v128.load(p3, 16);
    low = v128.shuffle<u32>(ab, cd, 0, 4, 1, 5), high = v128.shuffle<u32>(ef, gh, 0, 4, 1, 5);
    const w4 = v128.shuffle<u64>(low, high, 0, 2), w5 = v128.shuffle<u64>(low, high, 1, 3);
    low = v128.shuffle<u32>(ab, cd, 2, 6, 3, 7), high = v128.shuffle<u32>(ef, gh, 2, 6, 3, 7);
    const w6 = v128.shuffle<u64>(low, high, 0, 2), w7 = v128.shuffle<u64>(low, high, 1, 3);
    ab = v128.load(p0, 32), cd = v128.load(p1, 32), ef = v128.load(p2, 32), gh = v128.load(p3, 32);
    low = v128.shuffle<u32>(ab, cd, 0, 4, 1, 5), high = v128.shuffle<u32>(ef, gh, 0, 4, 1, 5);
    const w8 = v128.shuffle<u64>(low, high, 0, 2), w9 = v128.shuffle<u64>(low, high, 1, 3);
    low = v128.shuffle<u32>(ab, cd, 2, 6, 3, 7), high = v128.shuffle<u32>(ef, gh, 2, 6, 3, 7);
    const w10 = v128.shuffle<u64>(low, high, 0, 2), w11 = v128.shuffle<u64>(low, high, 1, 3);
    limbs(r, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11);
  }

  fromWords(r: usize, words: usize): void {
    limbs(
      r,
      v128.load(words), v128.load(words, 16), v128.load(words, 32), v128.load(words, 48),
      v128.load(words, 64), v128.load(words, 80), v128.load(words, 96), v128.load(words, 112),
      v128.load(words, 128), v128.load(words, 144), v128.load(words, 160), v128.load(words, 176),
    );
  }

  @inline pack(ptr: usize, e: usize): void { packElement<P384Field>(ptr, e); }
  @inline negateIf(mask: v128, q: usize): void { negateQuadIf<P384Quad>(mask, q); }
  @inline set(q: usize, lane: usize, e: usize): void { setLane<P384Field>(q, lane, e); }
  @inline get(e: usize, q: usize, lane: usize): void { getLane<P384Field>(e, q, lane); }
}
