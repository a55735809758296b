/**
 * Are many affine points on the curve? A product or a table gone wrong, by a fault or by somebody's hand, gives a point that
 * almost never is, and a signature made with it leads to the key.
 *
 * What each lane has of y^2 - (x^3 + ax + b) must be 0. So is then, quad after quad, their polynomial in the base point's x;
 * if any is not, that is 0 for one in 2^256 at most of the errors that don't know of it. C is a curve, Q its quads.
 */
import { fieldIsZero } from "./field";
import { QUAD } from "./jacobian";
import { setOne } from "./lanes";
import { copyQuad } from "./quad";
import { CHECK_SCRATCH } from "./scratch";

const THREE: usize = CHECK_SCRATCH;
const B: usize = THREE + QUAD;
const POWER: usize = B + QUAD;
const SUM: usize = POWER + QUAD;
const RIGHT: usize = SUM + QUAD;
const T: usize = RIGHT + QUAD;
const LANE: usize = T + QUAD;

/** 1 if all points are on the curve: pairs x, y of quads, one behind the other. */
export function areOnCurve<C, Q>(points: usize, quads: usize): u32 {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  setOne<C, Q>(T);
  q.add(THREE, T, T);
  q.add(THREE, THREE, T);
  for (let lane: usize = 0; lane < 4; lane++) {
    q.set(B, lane, c.b);
    q.set(POWER, lane, c.gx);
  }
  error<Q>(SUM, points);
  for (let i: usize = 1; i < quads; i++) {
    points += 2 * q.bytes;
    error<Q>(T, points);
    q.mul(SUM, SUM, POWER);
    q.add(SUM, SUM, T);
  }
  let okBit: u32 = 1;
  for (let lane: usize = 0; lane < 4; lane++) {
    q.get(LANE, SUM, lane);
    okBit &= fieldIsZero<C>(LANE);
  }
  return okBit;
}

/** r = y^2 - x·(x^2 + a) - b */
// @ts-ignore: decorator
@inline function error<Q>(r: usize, point: usize): void {
  const q = changetype<Q>(0);
  q.square(RIGHT, point);
  if (!q.aIsZero) q.subWide(RIGHT, RIGHT, THREE);
  q.mul(RIGHT, RIGHT, point);
  q.square(r, point + q.bytes);
  q.subWide(r, r, RIGHT);
  q.sub(r, r, B);
}
