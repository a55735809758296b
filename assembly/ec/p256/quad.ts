/**
 * Quads of P-256 (../quad.ts): floats in the relaxed build, whose machine has the fused multiply-add they need, else integers.
 * Which is known when the core is compiled, and nothing of the other remains.
 */
import { P256QuadF48 } from "./quad_f48";
import { P256QuadI29 } from "./quad_i29";

// @ts-ignore: decorator
@inline function f48(): P256QuadF48 {
  return changetype<P256QuadF48>(0);
}

// @ts-ignore: decorator
@inline function i29(): P256QuadI29 {
  return changetype<P256QuadI29>(0);
}

@unmanaged @final
export class P256Quad {
  @inline get bytes(): usize { return ASC_FEATURE_RELAXED_SIMD ? f48().bytes : i29().bytes; }
  @inline get limbBytes(): usize { return ASC_FEATURE_RELAXED_SIMD ? f48().limbBytes : i29().limbBytes; }
  @inline get aIsZero(): bool { return false; }

  @inline mul(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().mul(r, a, b);
    else i29().mul(r, a, b);
  }

  @inline square(r: usize, a: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().square(r, a);
    else i29().square(r, a);
  }

  @inline add(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().add(r, a, b);
    else i29().add(r, a, b);
  }

  @inline sub(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().sub(r, a, b);
    else i29().sub(r, a, b);
  }

  @inline tripleSub(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().tripleSub(r, a, b);
    else i29().tripleSub(r, a, b);
  }

  @inline subTwice(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().subTwice(r, a, b);
    else i29().subTwice(r, a, b);
  }

  @inline addWide(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().addWide(r, a, b);
    else i29().addWide(r, a, b);
  }

  @inline subWide(r: usize, a: usize, b: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().subWide(r, a, b);
    else i29().subWide(r, a, b);
  }

  @inline unpack(r: usize, p0: usize, p1: usize, p2: usize, p3: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().unpack(r, p0, p1, p2, p3);
    else i29().unpack(r, p0, p1, p2, p3);
  }

  @inline fromWords(r: usize, words: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().fromWords(r, words);
    else i29().fromWords(r, words);
  }

  @inline pack(ptr: usize, e: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().pack(ptr, e);
    else i29().pack(ptr, e);
  }

  @inline negateIf(mask: v128, q: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().negateIf(mask, q);
    else i29().negateIf(mask, q);
  }

  @inline set(q: usize, lane: usize, e: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().set(q, lane, e);
    else i29().set(q, lane, e);
  }

  @inline get(e: usize, q: usize, lane: usize): void {
    if (ASC_FEATURE_RELAXED_SIMD) f48().get(e, q, lane);
    else i29().get(e, q, lane);
  }
}
