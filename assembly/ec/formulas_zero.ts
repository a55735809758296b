/**
 * Sums of points for a = 0 (secp256k1): Renes, Costello and Batina, "Complete addition formulas for prime order
 * elliptic curves" (2016), algorithms 7, 8 and 9. point.ts says why these.
 *
 * C is a curve whose field multiplies by 3b without a product. Every result may overlie an input: it is written once
 * nothing of the input is needed.
 */
import { ELEMENT, copy } from "./modular";
import { X, Y, Z } from "./point";
import { FORMULA_SCRATCH } from "./scratch";

const T0: usize = FORMULA_SCRATCH;
const T1: usize = T0 + ELEMENT;
const T2: usize = T1 + ELEMENT;
const T3: usize = T2 + ELEMENT;
const T4: usize = T3 + ELEMENT;
const X3: usize = T4 + ELEMENT;
const Y3: usize = X3 + ELEMENT;
const Z3: usize = Y3 + ELEMENT;

/** r = p + q: algorithm 7. */
export function addZero<C>(r: usize, p: usize, q: usize): void {
  const c = changetype<C>(0);
  c.mul(T0, p + X, q + X);
  c.mul(T1, p + Y, q + Y);
  c.mul(T2, p + Z, q + Z);
  c.add(T3, p + X, p + Y);
  c.add(T4, q + X, q + Y);
  c.mul(T3, T3, T4);
  c.add(T4, T0, T1);
  c.sub(T3, T3, T4);
  c.add(T4, p + Y, p + Z);
  c.add(X3, q + Y, q + Z);
  c.mul(T4, T4, X3);
  c.add(X3, T1, T2);
  c.sub(T4, T4, X3);
  c.add(X3, p + X, p + Z);
  c.add(Y3, q + X, q + Z);
  c.mul(X3, X3, Y3);
  c.add(Y3, T0, T2);
  c.sub(Y3, X3, Y3);
  c.times3b(T2, T2);
  finish<C>(r);
}

/** r = p + q for affine q: algorithm 8. */
export function addAffineZero<C>(r: usize, p: usize, q: usize): void {
  const c = changetype<C>(0);
  c.mul(T0, p + X, q + X);
  c.mul(T1, p + Y, q + Y);
  c.add(T3, q + X, q + Y);
  c.add(T4, p + X, p + Y);
  c.mul(T3, T3, T4);
  c.add(T4, T0, T1);
  c.sub(T3, T3, T4);
  c.mul(T4, q + Y, p + Z);
  c.add(T4, T4, p + Y);
  c.mul(Y3, q + X, p + Z);
  c.add(Y3, Y3, p + X);
  c.times3b(T2, p + Z);
  finish<C>(r);
}

/** What algorithms 7 and 8 have in common: from step 19 and 12 on, but for 3b·Z, which is in T2. */
function finish<C>(r: usize): void {
  const c = changetype<C>(0);
  c.triple(T0, T0);
  c.add(Z3, T1, T2);
  c.sub(T1, T1, T2);
  c.times3b(Y3, Y3);
  c.mul(X3, T4, Y3);
  c.mul(T2, T3, T1);
  c.sub(r + X, T2, X3);
  c.mul(Y3, Y3, T0);
  c.mul(T1, T1, Z3);
  c.add(r + Y, T1, Y3);
  c.mul(T0, T0, T3);
  c.mul(Z3, Z3, T4);
  c.add(r + Z, Z3, T0);
}

/** r = 2p: algorithm 9. */
export function doubleZero<C>(r: usize, p: usize): void {
  const c = changetype<C>(0);
  c.mul(T0, p + Y, p + Y);
  c.add(Z3, T0, T0);
  c.add(Z3, Z3, Z3);
  c.add(Z3, Z3, Z3);
  c.mul(T1, p + Y, p + Z);
  c.mul(T2, p + Z, p + Z);
  c.times3b(T2, T2);
  c.mul(X3, T2, Z3);
  c.add(Y3, T0, T2);
  c.mul(Z3, T1, Z3);
  c.triple(T2, T2);
  c.sub(T0, T0, T2);
  c.mul(Y3, T0, Y3);
  c.mul(T1, p + X, p + Y);
  c.add(r + Y, X3, Y3);
  c.mul(X3, T0, T1);
  c.add(r + X, X3, X3);
  copy<C>(r + Z, Z3);
}

/** r = x^3 + b */
export function rightSideZero<C>(r: usize, x: usize): void {
  const c = changetype<C>(0);
  c.mul(r, x, x);
  c.mul(r, r, x);
  c.add(r, r, c.b);
}
