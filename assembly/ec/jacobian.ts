/**
 * Four points side by side in Jacobian coordinates, x = X/Z^2 and y = Y/Z^3, Z = 0 for O. Q is a curve's class of quads
 * (quad.ts) with aIsZero: whether the curve's a is 0, else it is -3.
 *
 * These sums are not complete: where the two points have the same x, Z comes out 0, and stays 0 whatever follows. So
 * nothing is branched on here; who wants the result finds Z = 0 at the end and takes the complete way (point.ts).
 * Against the complete formulas they save 4 of 12 products in a doubling and 3 of 14 in a sum.
 *
 * Doubling: dbl-2001-b and dbl-2009-l of the Explicit-Formulas Database, with 2YZ for a square and three sums, 4M + 4S
 * and 3M + 4S. Sum with an affine point: 8M + 3S, after Cohen, Miyaji and Ono (1998). Double and sum as (p + a) + p:
 * 13M + 5S, since p + a brings p along to its own Z, and points of one Z need but 5M + 2S (Meloni 2007).
 */
import { JACOBIAN_SCRATCH } from "./scratch";

/** The place of a quad of any curve. */
export const QUAD: usize = 256;
export const X: usize = 0;
export const Y: usize = QUAD;
export const Z: usize = 2 * QUAD;
export const AFFINE_QUAD: usize = 2 * QUAD;
export const JACOBIAN_QUAD: usize = 3 * QUAD;

const T0: usize = JACOBIAN_SCRATCH;
const T1: usize = T0 + QUAD;
const T2: usize = T1 + QUAD;
const T3: usize = T2 + QUAD;
const T4: usize = T3 + QUAD;
/** Stays 0: a wipe is all that ever writes here. */
const NOTHING: usize = T4 + QUAD;

/** r = 2p; r may be p. */
export function doubleQuad<Q>(r: usize, p: usize): void {
  const q = changetype<Q>(0);
  q.square(T1, p + Y); // γ
  if (q.aIsZero) {
    q.square(T0, p + X);
    q.tripleSub(T0, T0, NOTHING); // α = 3X²
  } else {
    q.square(T2, p + Z); // δ
    q.addWide(T0, p + X, T2);
    q.tripleSub(T2, p + X, T2);
    q.mul(T0, T0, T2); // α = 3(X - δ)(X + δ)
  }
  q.add(T2, T1, T1); // 2γ
  q.addWide(T3, T2, T2);
  q.mul(T3, p + X, T3); // 4β = 4Xγ
  q.addWide(T4, p + Y, p + Y);
  q.mul(r + Z, T4, p + Z);
  q.square(T1, T0);
  q.subTwice(r + X, T1, T3); // α² - 8β
  q.subWide(T3, T3, r + X);
  q.mul(T3, T0, T3);
  q.square(T2, T2);
  q.subTwice(r + Y, T3, T2); // α(4β - X) - 8γ²
}

/** Of p + a: its Z, which is that of p as (V, U), too; T0 = R² - H³, T1 = R, T3 = V, T4 = U. */
// @ts-ignore: decorator
@inline function beginSum<Q>(r: usize, p: usize, a: usize): void {
  const q = changetype<Q>(0);
  q.square(T0, p + Z);
  q.mul(T1, T0, p + Z);
  q.mul(T0, T0, a + X);
  q.mul(T1, T1, a + Y);
  q.subWide(T0, T0, p + X); // H
  q.subWide(T1, T1, p + Y); // R
  q.mul(r + Z, p + Z, T0);
  q.square(T2, T0); // H²
  q.mul(T3, T2, p + X); // V = X·H²
  q.mul(T2, T2, T0); // H³
  q.mul(T4, T2, p + Y); // U = Y·H³
  q.square(T0, T1);
  q.subWide(T0, T0, T2);
}

/** r = p + a for affine a; r may be p. */
export function addAffineQuad<Q>(r: usize, p: usize, a: usize): void {
  const q = changetype<Q>(0);
  beginSum<Q>(r, p, a);
  q.subTwice(r + X, T0, T3); // R² - H³ - 2V
  q.subWide(T3, T3, r + X);
  q.mul(T3, T1, T3);
  q.sub(r + Y, T3, T4); // R(V - X) - Y·H³
}

/**
 * r = 2p + a for affine a; r may be p. Z comes out 0 where p = a, p = -a or 2p = -a, while 2p = a is no exception.
 */
export function doubleAddAffineQuad<Q>(r: usize, p: usize, a: usize): void {
  const q = changetype<Q>(0);
  beginSum<Q>(r, p, a);
  q.subTwice(T0, T0, T3); // x of p + a: R² - H³ - 2V
  // Now the same again for the two, from p, with both differences negated: E and W for H and R, and Z negated with them.
  q.subWide(T0, T3, T0); // E
  q.mul(T1, T1, T0);
  q.subTwice(T1, T1, T4); // W = R·E - 2U, y of p + a being R·E - U
  q.mul(r + Z, r + Z, T0);
  q.square(T2, T0); // E²
  q.mul(T3, T2, T3); // V·E²
  q.mul(T2, T2, T0); // E³
  q.mul(T4, T2, T4); // U·E³
  q.square(T0, T1);
  q.addWide(T0, T0, T2);
  q.subTwice(r + X, T0, T3); // W² + E³ - 2V·E²
  q.subWide(T3, r + X, T3);
  q.mul(T3, T1, T3);
  q.sub(r + Y, T3, T4); // W(X - V·E²) - U·E³
}
