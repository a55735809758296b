/**
 * Sums of points for a = -3 (P-256, P-384): Renes, Costello and Batina, "Complete addition formulas for prime order
 * elliptic curves" (2016), algorithms 4, 5 and 6. point.ts says why these.
 *
 * C is a curve, c.b its b. Every result may overlie an input: it is written once nothing of the input is needed.
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

/** r = p + q: algorithm 4. */
export function addMinus3<C>(r: usize, p: usize, q: usize): void {
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
  c.mul(Z3, c.b, T2);
  c.sub(X3, Y3, Z3);
  c.triple(X3, X3);
  c.sub(Z3, T1, X3);
  c.add(X3, T1, X3);
  c.mul(Y3, c.b, Y3);
  c.triple(T2, T2);
  finish<C>(r);
}

/** r = p + q for affine q: algorithm 5. */
export function addAffineMinus3<C>(r: usize, p: usize, q: usize): void {
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
  c.mul(Z3, c.b, p + Z);
  c.sub(X3, Y3, Z3);
  c.triple(X3, X3);
  c.sub(Z3, T1, X3);
  c.add(X3, T1, X3);
  c.mul(Y3, c.b, Y3);
  c.triple(T2, p + Z);
  finish<C>(r);
}

/** What algorithms 4 and 5 have in common: from step 28 and 21 on. */
function finish<C>(r: usize): void {
  const c = changetype<C>(0);
  c.sub(Y3, Y3, T2);
  c.sub(Y3, Y3, T0);
  c.triple(Y3, Y3);
  c.triple(T0, T0);
  c.sub(T0, T0, T2);
  c.mul(T1, T4, Y3);
  c.mul(T2, T0, Y3);
  c.mul(Y3, X3, Z3);
  c.add(r + Y, Y3, T2);
  c.mul(X3, T3, X3);
  c.sub(r + X, X3, T1);
  c.mul(Z3, T4, Z3);
  c.mul(T1, T3, T0);
  c.add(r + Z, Z3, T1);
}

/** r = 2p: algorithm 6. */
export function doubleMinus3<C>(r: usize, p: usize): void {
  const c = changetype<C>(0);
  c.mul(T0, p + X, p + X);
  c.mul(T1, p + Y, p + Y);
  c.mul(T2, p + Z, p + Z);
  c.mul(T3, p + X, p + Y);
  c.add(T3, T3, T3);
  c.mul(Z3, p + X, p + Z);
  c.add(Z3, Z3, Z3);
  c.mul(Y3, c.b, T2);
  c.sub(Y3, Y3, Z3);
  c.triple(Y3, Y3);
  c.sub(X3, T1, Y3);
  c.add(Y3, T1, Y3);
  c.mul(Y3, X3, Y3);
  c.mul(X3, X3, T3);
  c.triple(T2, T2);
  c.mul(Z3, c.b, Z3);
  c.sub(Z3, Z3, T2);
  c.sub(Z3, Z3, T0);
  c.triple(Z3, Z3);
  c.triple(T0, T0);
  c.sub(T0, T0, T2);
  c.mul(T0, T0, Z3);
  c.add(Y3, Y3, T0);
  c.mul(T0, p + Y, p + Z);
  c.add(T0, T0, T0);
  c.mul(Z3, T0, Z3);
  c.sub(r + X, X3, Z3);
  copy<C>(r + Y, Y3);
  c.mul(Z3, T0, T1);
  c.add(Z3, Z3, Z3);
  c.add(r + Z, Z3, Z3);
}

/** r = x^3 - 3x + b */
export function rightSideMinus3<C>(r: usize, x: usize): void {
  const c = changetype<C>(0);
  c.mul(r, x, x);
  c.mul(r, r, x);
  c.triple(T0, x);
  c.sub(r, r, T0);
  c.add(r, r, c.b);
}
