/**
 * Arithmetic modulo n, the order of the base point: C is a curve, c.n its modulus (modular.ts).
 *
 * No n has a form to exploit below its upper half, and a signature needs a few products. Scalars stand reduced and out of Montgomery form between these functions.
 */
import { invert } from "./invert";
import { ELEMENT, addMod, copy, isBelow, isZero, reduceOnce, toMont } from "./modular";
import { SCALAR_SCRATCH } from "./scratch";

const BYTES: usize = SCALAR_SCRATCH;

/** r = a·b mod n: one product loses a factor R, the change of form gives it back, below n·(n + 2n)/R + n < 2n. */
export function scalarMul<C>(r: usize, a: usize, b: usize): void {
  const c = changetype<C>(0);
  c.montMul(r, a, b, c.n);
  toMont<C>(r, r, c.n);
  reduceOnce<C>(r, r, c.n);
}

export function scalarAdd<C>(r: usize, a: usize, b: usize): void {
  addMod<C>(r, a, b, changetype<C>(0).n);
}

/** r = a^-1 mod n, or 0 of 0. */
export function scalarInvert<C>(r: usize, a: usize): void {
  invert<C>(r, a, changetype<C>(0).nInvert);
}

/**
 * a = a^-1 mod n for each of count > 0 scalars, the next `stride` bytes on: one inversion and 3(count - 1) products,
 * after Montgomery. products is room for count elements, which the caller wipes. One 0 among them makes all of them 0:
 * callers check the range first.
 *
 * The forms fall into place: of P_0 = a_0 and P_i = P_(i-1)·a_i/R the inverse I_i as it stands has a_i^-1 =
 * I_i·P_(i-1)/R and I_(i-1) = I_i·a_i/R. Each product is below n/16 + n, montMul's bound with one factor below n.
 */
export function scalarInvertMany<C>(a: usize, count: u32, stride: usize, products: usize): void {
  const c = changetype<C>(0);
  const running = products + <usize>(count - 1) * ELEMENT;
  copy<C>(products, a);
  let at = a, product = products;
  for (let i: u32 = 1; i < count; i++) {
    at += stride;
    c.montMul(product + ELEMENT, product, at, c.n);
    product += ELEMENT;
  }
  reduceOnce<C>(running, running, c.n);
  scalarInvert<C>(running, running);
  for (let i: u32 = 1; i < count; i++) {
    product -= ELEMENT;
    c.montMul(product, running, product, c.n);
    c.montMul(running, running, at, c.n);
    reduceOnce<C>(at, product, c.n);
    at -= stride;
  }
  reduceOnce<C>(a, running, c.n);
}

/** `size` bytes big-endian; 1 if 0 < r < n, else 0 and r is what was there, unreduced. */
export function scalarFromBe<C>(r: usize, bePtr: usize): u32 {
  const c = changetype<C>(0);
  c.fromBe(r, bePtr);
  return isBelow<C>(r, c.n) & (isZero<C>(r) ^ 1);
}

/** r = a mod n for any a < 2^(8·size) < 2n. */
export function scalarReduce<C>(r: usize, a: usize): void {
  reduceOnce<C>(r, a, changetype<C>(0).n);
}

/**
 * A digest mod n: its leftmost 8·size bits, the whole of a shorter one, reduced (FIPS 186-5 §6.4.1 steps 2 and 3,
 * bits2int of RFC 6979 §2.3.2). Every n here has 8·size bits.
 */
export function scalarFromDigest<C>(r: usize, digestPtr: usize, len: u32): void {
  const c = changetype<C>(0);
  if (len >= c.size) {
    c.fromBe(r, digestPtr);
  } else {
    memory.fill(BYTES, 0, c.size - len);
    memory.copy(BYTES + c.size - len, digestPtr, len);
    c.fromBe(r, BYTES);
  }
  scalarReduce<C>(r, r);
}
