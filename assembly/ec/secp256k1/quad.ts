/**
 * Quads of secp256k1 (../quad.ts): nine limbs of 29 bits, R = 2^261; the invariant is that of field.ts.
 *
 * In a sum what lies at 2^256 and above, h, is folded down as h·(2^32 + 977) while the limbs carry. For sums of two
 * elements h is within -2..2, so that the value comes out above -2^35 and below 2^256 + 2^35.
 */
import { addLimbs, getLane, negateQuadIf, packElement, setLane, subLimbs } from "../quad";
import { Secp256k1Field } from "./field";
import { quadProduct, quadSquare } from "./quad_products";

const BYTES: usize = 144;
const MASK: usize = memory.data<u32>([0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff], 16);
const TIMES_977: usize = memory.data<u32>([977, 977, 977, 977], 16);

/** Store a limb; what it carries to the next. */
// @ts-ignore: decorator
@inline function put(r: usize, t: v128, mask: v128): v128 {
  v128.store(r, v128.and(t, mask));
  return i32x4.shr_s(t, 29);
}

// @ts-ignore: decorator
@inline function triple(t: v128): v128 {
  return i32x4.add(t, i32x4.add(t, t));
}

/** Limbs of 29 bits from words of 32. */
// @ts-ignore: decorator
@inline function join(low: v128, high: v128, down: i32, up: i32, mask: v128): v128 {
  return v128.and(v128.or(i32x4.shr_u(low, down), i32x4.shl(high, up)), mask);
}

/** Limbs from words 0 to 7 of four numbers. */
// @ts-ignore: decorator
@inline function limbs(
  r: usize, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128,
): void {
  const mask = v128.load(MASK);
  v128.store(r, v128.and(w0, mask));
  v128.store(r, join(w0, w1, 29, 3, mask), 16);
  v128.store(r, join(w1, w2, 26, 6, mask), 32);
  v128.store(r, join(w2, w3, 23, 9, mask), 48);
  v128.store(r, join(w3, w4, 20, 12, mask), 64);
  v128.store(r, join(w4, w5, 17, 15, mask), 80);
  v128.store(r, join(w5, w6, 14, 18, mask), 96);
  v128.store(r, join(w6, w7, 11, 21, mask), 112);
  v128.store(r, i32x4.shr_u(w7, 8), 128);
}

@unmanaged @final
export class Secp256k1Quad {
  @inline get bytes(): usize { return BYTES; }
  @inline get limbBytes(): usize { return 4; }
  @inline get aIsZero(): bool { return true; }

  @inline mul(r: usize, a: usize, b: usize): void { quadProduct(r, a, b); }
  @inline square(r: usize, a: usize): void { quadSquare(r, a); }

  /** r = a + b */
  add(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = i32x4.add(v128.load(a, 128), v128.load(b, 128));
    const h = i32x4.shr_s(top, 24);
    let carry = put(r, i32x4.add(i32x4.add(v128.load(a), v128.load(b)), i32x4.mul(h, v128.load(TIMES_977))), mask);
    carry = put(r + 16, i32x4.add(i32x4.add(i32x4.add(v128.load(a, 16), v128.load(b, 16)), i32x4.shl(h, 3)), carry), mask);
    carry = put(r + 32, i32x4.add(i32x4.add(v128.load(a, 32), v128.load(b, 32)), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.add(v128.load(a, 48), v128.load(b, 48)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.add(v128.load(a, 64), v128.load(b, 64)), carry), mask);
    carry = put(r + 80, i32x4.add(i32x4.add(v128.load(a, 80), v128.load(b, 80)), carry), mask);
    carry = put(r + 96, i32x4.add(i32x4.add(v128.load(a, 96), v128.load(b, 96)), carry), mask);
    carry = put(r + 112, i32x4.add(i32x4.add(v128.load(a, 112), v128.load(b, 112)), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 24)), carry), 128);
  }

  /** r = a - b */
  sub(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = i32x4.sub(v128.load(a, 128), v128.load(b, 128));
    const h = i32x4.shr_s(top, 24);
    let carry = put(r, i32x4.add(i32x4.sub(v128.load(a), v128.load(b)), i32x4.mul(h, v128.load(TIMES_977))), mask);
    carry = put(r + 16, i32x4.add(i32x4.add(i32x4.sub(v128.load(a, 16), v128.load(b, 16)), i32x4.shl(h, 3)), carry), mask);
    carry = put(r + 32, i32x4.add(i32x4.sub(v128.load(a, 32), v128.load(b, 32)), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.sub(v128.load(a, 48), v128.load(b, 48)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.sub(v128.load(a, 64), v128.load(b, 64)), carry), mask);
    carry = put(r + 80, i32x4.add(i32x4.sub(v128.load(a, 80), v128.load(b, 80)), carry), mask);
    carry = put(r + 96, i32x4.add(i32x4.sub(v128.load(a, 96), v128.load(b, 96)), carry), mask);
    carry = put(r + 112, i32x4.add(i32x4.sub(v128.load(a, 112), v128.load(b, 112)), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 24)), carry), 128);
  }

  /** r = 3(a - b): limbs within ±3·2^29 before they carry, h within -4..3. */
  tripleSub(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = triple(i32x4.sub(v128.load(a, 128), v128.load(b, 128)));
    const h = i32x4.shr_s(top, 24);
    let carry = put(r, i32x4.add(triple(i32x4.sub(v128.load(a), v128.load(b))), i32x4.mul(h, v128.load(TIMES_977))), mask);
    carry = put(r + 16, i32x4.add(i32x4.add(triple(i32x4.sub(v128.load(a, 16), v128.load(b, 16))), i32x4.shl(h, 3)), carry), mask);
    carry = put(r + 32, i32x4.add(triple(i32x4.sub(v128.load(a, 32), v128.load(b, 32))), carry), mask);
    carry = put(r + 48, i32x4.add(triple(i32x4.sub(v128.load(a, 48), v128.load(b, 48))), carry), mask);
    carry = put(r + 64, i32x4.add(triple(i32x4.sub(v128.load(a, 64), v128.load(b, 64))), carry), mask);
    carry = put(r + 80, i32x4.add(triple(i32x4.sub(v128.load(a, 80), v128.load(b, 80))), carry), mask);
    carry = put(r + 96, i32x4.add(triple(i32x4.sub(v128.load(a, 96), v128.load(b, 96))), carry), mask);
    carry = put(r + 112, i32x4.add(triple(i32x4.sub(v128.load(a, 112), v128.load(b, 112))), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 24)), carry), 128);
  }

  /** r = a - 2b: the same bounds, for a wide difference a too. */
  subTwice(r: usize, a: usize, b: usize): void {
    const mask = v128.load(MASK);
    const top = i32x4.sub(v128.load(a, 128), i32x4.shl(v128.load(b, 128), 1));
    const h = i32x4.shr_s(top, 24);
    let carry = put(r, i32x4.add(i32x4.sub(v128.load(a), i32x4.shl(v128.load(b), 1)), i32x4.mul(h, v128.load(TIMES_977))), mask);
    carry = put(r + 16, i32x4.add(i32x4.add(i32x4.sub(v128.load(a, 16), i32x4.shl(v128.load(b, 16), 1)), i32x4.shl(h, 3)), carry), mask);
    carry = put(r + 32, i32x4.add(i32x4.sub(v128.load(a, 32), i32x4.shl(v128.load(b, 32), 1)), carry), mask);
    carry = put(r + 48, i32x4.add(i32x4.sub(v128.load(a, 48), i32x4.shl(v128.load(b, 48), 1)), carry), mask);
    carry = put(r + 64, i32x4.add(i32x4.sub(v128.load(a, 64), i32x4.shl(v128.load(b, 64), 1)), carry), mask);
    carry = put(r + 80, i32x4.add(i32x4.sub(v128.load(a, 80), i32x4.shl(v128.load(b, 80), 1)), carry), mask);
    carry = put(r + 96, i32x4.add(i32x4.sub(v128.load(a, 96), i32x4.shl(v128.load(b, 96), 1)), carry), mask);
    carry = put(r + 112, i32x4.add(i32x4.sub(v128.load(a, 112), i32x4.shl(v128.load(b, 112), 1)), carry), mask);
    v128.store(r, i32x4.add(i32x4.sub(top, i32x4.shl(h, 24)), carry), 128);
  }

  @inline addWide(r: usize, a: usize, b: usize): void { addLimbs<Secp256k1Quad>(r, a, b); }
  @inline subWide(r: usize, a: usize, b: usize): void { subLimbs<Secp256k1Quad>(r, a, b); }

  /** Four numbers of 32 bytes in native words, each below 2^256, in Montgomery form. */
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
    limbs(r, w0, w1, w2, w3, w4, w5, w6, w7);
  }

  fromWords(r: usize, words: usize): void {
    limbs(
      r,
      v128.load(words), v128.load(words, 16), v128.load(words, 32), v128.load(words, 48),
      v128.load(words, 64), v128.load(words, 80), v128.load(words, 96), v128.load(words, 112),
    );
  }

  @inline pack(ptr: usize, e: usize): void { packElement<Secp256k1Field>(ptr, e); }
  @inline negateIf(mask: v128, q: usize): void { negateQuadIf<Secp256k1Quad>(mask, q); }
  @inline set(q: usize, lane: usize, e: usize): void { setLane<Secp256k1Field>(q, lane, e); }
  @inline get(e: usize, q: usize, lane: usize): void { getLane<Secp256k1Field>(e, q, lane); }
}
