/** Quads of P-256 (../quad.ts) as integers: nine limbs of 29 bits, R = 2^261; the invariant is that of field.ts. */
import { addLimbs, getLane, negateQuadIf, packElement, setLane, subLimbs } from "../quad";
import { P256Field } from "./field";
import { quadProduct, quadSquare } from "./quad_products";

const BYTES: usize = 144;
const MASK: usize = memory.data<u32>([0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff], 16);

/**
 * Store nine vectors of limbs within ±2^31 / 2 as a quad: what lies at 2^256 and above, h, is folded down as
 * h·(2^224 - 2^192 - 2^96 + 1), then the limbs carry. For sums of two or three elements h is within -2..3, so that no
 * limb leaves 32 bits, and the value comes out above -2^226 and below 2^256 + 2^226.
 */
// @ts-ignore: decorator
@inline function settle(
  r: usize, t0: v128, t1: v128, t2: v128, t3: v128, t4: v128, t5: v128, t6: v128, t7: v128, t8: v128,
): void {
  const mask = v128.load(MASK);
  const h = i32x4.shr_s(t8, 24);
  t8 = i32x4.sub(t8, i32x4.shl(h, 24));
  t0 = i32x4.add(t0, h);
  t3 = i32x4.sub(t3, i32x4.shl(h, 9));
  t6 = i32x4.sub(t6, i32x4.shl(h, 18));
  t7 = i32x4.add(t7, i32x4.shl(h, 21));
  t1 = i32x4.add(t1, i32x4.shr_s(t0, 29));
  t2 = i32x4.add(t2, i32x4.shr_s(t1, 29));
  t3 = i32x4.add(t3, i32x4.shr_s(t2, 29));
  t4 = i32x4.add(t4, i32x4.shr_s(t3, 29));
  t5 = i32x4.add(t5, i32x4.shr_s(t4, 29));
  t6 = i32x4.add(t6, i32x4.shr_s(t5, 29));
  t7 = i32x4.add(t7, i32x4.shr_s(t6, 29));
  t8 = i32x4.add(t8, i32x4.shr_s(t7, 29));
  v128.store(r, v128.and(t0, mask));
  v128.store(r, v128.and(t1, mask), 16);
  v128.store(r, v128.and(t2, mask), 32);
  v128.store(r, v128.and(t3, mask), 48);
  v128.store(r, v128.and(t4, mask), 64);
  v128.store(r, v128.and(t5, mask), 80);
  v128.store(r, v128.and(t6, mask), 96);
  v128.store(r, v128.and(t7, mask), 112);
  v128.store(r, t8, 128);
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
export class P256QuadI29 {
  @inline get bytes(): usize { return BYTES; }
  @inline get limbBytes(): usize { return 4; }
  @inline get aIsZero(): bool { return false; }

  @inline mul(r: usize, a: usize, b: usize): void { quadProduct(r, a, b); }
  @inline square(r: usize, a: usize): void { quadSquare(r, a); }

  add(r: usize, a: usize, b: usize): void {
    settle(
      r,
      i32x4.add(v128.load(a), v128.load(b)),
      i32x4.add(v128.load(a, 16), v128.load(b, 16)),
      i32x4.add(v128.load(a, 32), v128.load(b, 32)),
      i32x4.add(v128.load(a, 48), v128.load(b, 48)),
      i32x4.add(v128.load(a, 64), v128.load(b, 64)),
      i32x4.add(v128.load(a, 80), v128.load(b, 80)),
      i32x4.add(v128.load(a, 96), v128.load(b, 96)),
      i32x4.add(v128.load(a, 112), v128.load(b, 112)),
      i32x4.add(v128.load(a, 128), v128.load(b, 128)),
    );
  }

  sub(r: usize, a: usize, b: usize): void {
    settle(
      r,
      i32x4.sub(v128.load(a), v128.load(b)),
      i32x4.sub(v128.load(a, 16), v128.load(b, 16)),
      i32x4.sub(v128.load(a, 32), v128.load(b, 32)),
      i32x4.sub(v128.load(a, 48), v128.load(b, 48)),
      i32x4.sub(v128.load(a, 64), v128.load(b, 64)),
      i32x4.sub(v128.load(a, 80), v128.load(b, 80)),
      i32x4.sub(v128.load(a, 96), v128.load(b, 96)),
      i32x4.sub(v128.load(a, 112), v128.load(b, 112)),
      i32x4.sub(v128.load(a, 128), v128.load(b, 128)),
    );
  }

  /** r = 3(a - b): limbs within ±3·2^29 before they carry, h within -4..3. */
  tripleSub(r: usize, a: usize, b: usize): void {
    settle(
      r,
      triple(i32x4.sub(v128.load(a), v128.load(b))),
      triple(i32x4.sub(v128.load(a, 16), v128.load(b, 16))),
      triple(i32x4.sub(v128.load(a, 32), v128.load(b, 32))),
      triple(i32x4.sub(v128.load(a, 48), v128.load(b, 48))),
      triple(i32x4.sub(v128.load(a, 64), v128.load(b, 64))),
      triple(i32x4.sub(v128.load(a, 80), v128.load(b, 80))),
      triple(i32x4.sub(v128.load(a, 96), v128.load(b, 96))),
      triple(i32x4.sub(v128.load(a, 112), v128.load(b, 112))),
      triple(i32x4.sub(v128.load(a, 128), v128.load(b, 128))),
    );
  }

  /** r = a - 2b: the same bounds, for a wide difference a too. */
  subTwice(r: usize, a: usize, b: usize): void {
    settle(
      r,
      i32x4.sub(v128.load(a), i32x4.shl(v128.load(b), 1)),
      i32x4.sub(v128.load(a, 16), i32x4.shl(v128.load(b, 16), 1)),
      i32x4.sub(v128.load(a, 32), i32x4.shl(v128.load(b, 32), 1)),
      i32x4.sub(v128.load(a, 48), i32x4.shl(v128.load(b, 48), 1)),
      i32x4.sub(v128.load(a, 64), i32x4.shl(v128.load(b, 64), 1)),
      i32x4.sub(v128.load(a, 80), i32x4.shl(v128.load(b, 80), 1)),
      i32x4.sub(v128.load(a, 96), i32x4.shl(v128.load(b, 96), 1)),
      i32x4.sub(v128.load(a, 112), i32x4.shl(v128.load(b, 112), 1)),
      i32x4.sub(v128.load(a, 128), i32x4.shl(v128.load(b, 128), 1)),
    );
  }

  @inline addWide(r: usize, a: usize, b: usize): void { addLimbs<P256QuadI29>(r, a, b); }
  @inline subWide(r: usize, a: usize, b: usize): void { subLimbs<P256QuadI29>(r, a, b); }

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

  @inline pack(ptr: usize, e: usize): void { packElement<P256Field>(ptr, e); }
  @inline negateIf(mask: v128, q: usize): void { negateQuadIf<P256QuadI29>(mask, q); }
  @inline set(q: usize, lane: usize, e: usize): void { setLane<P256Field>(q, lane, e); }
  @inline get(e: usize, q: usize, lane: usize): void { getLane<P256Field>(e, q, lane); }
}
