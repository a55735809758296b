/**
 * Arithmetic modulo n, the order of the base point of P-256 (SP 800-186 §3.2.1.3), by mod256.ts.
 *
 * n has no form to exploit below its upper half, and a signature needs some 330 products, nearly all in one
 * inversion. Scalars stand reduced and out of Montgomery form between these functions.
 */
import { addMod, fromBe, isBelow, isZero, montMul, montPow, fromMont, reduceOnce, toMont } from "../mod256";

export const N: usize = memory.data<u32>([
  0x1c632551, 0x1dce5617, 0x05e7a13c, 0x0df55b4e, 0x1ffffbce, 0x1fffffff, 0x0003ffff, 0x1fe00000, 0x00ffffff, 0x0e00bc4f,
  0x148d9ef5, 0x0f4e7f75, 0x14c6a651, 0x03f8b765, 0x165861f1, 0x1256d7d8, 0x1c185b23, 0x0d4cab0f, 0x0084b655, 0,
]);
/** n - 1, for key generation; not a modulus for Montgomery, it is even. */
export const N_MINUS_1: usize = memory.data<u32>([
  0x1c632550, 0x1dce5617, 0x05e7a13c, 0x0df55b4e, 0x1ffffbce, 0x1fffffff, 0x0003ffff, 0x1fe00000, 0x00ffffff, 0,
]);
/** n - 2, words of 32 bits. */
const FERMAT: usize = memory.data<u32>([
  0xfc63254f, 0xf3b9cac2, 0xa7179e84, 0xbce6faad, 0xffffffff, 0xffffffff, 0, 0xffffffff,
]);

/** r = a·b mod n: one product loses a factor R, the change of form gives it back. */
export function scalarMul(r: usize, a: usize, b: usize): void {
  montMul(r, a, b, N);
  toMont(r, r, N);
  reduceOnce(r, r, N); // below 2^257·n/R + n < 2n
}

export function scalarAdd(r: usize, a: usize, b: usize): void {
  addMod(r, a, b, N);
}

/** r = a^-1 mod n = a^(n-2), or 0 of 0. */
export function scalarInvert(r: usize, a: usize): void {
  toMont(r, a, N);
  montPow(r, r, FERMAT, N);
  fromMont(r, r, N);
}

/** 32 bytes big-endian; 1 if 0 < r < n, else 0 and r is what was there, unreduced. */
export function scalarFromBe(r: usize, bePtr: usize): u32 {
  fromBe(r, bePtr);
  return isBelow(r, N) & (isZero(r) ^ 1);
}

/** r = a mod n for any a < 2^256 < 2n. */
export function scalarReduce(r: usize, a: usize): void {
  reduceOnce(r, a, N);
}

/** An integer of 32 bytes mod n: bits2int and the reduction of a digest, FIPS 186-5 §6.4.1. */
export function scalarFromDigest(r: usize, digestPtr: usize): void {
  fromBe(r, digestPtr);
  reduceOnce(r, r, N);
}
