/**
 * Sums of many affine points, four sums in the lanes of quads and as many quads of sums as a group has.
 *
 * The points of a sum are added in pairs, the results again, and so on: a tree. In affine coordinates a sum of two
 * points takes one inversion and 2M + 1S:
 *   lambda = (y2 - y1)/(x2 - x1), x3 = lambda^2 - x1 - x2, y3 = lambda·(x1 - x3) - y1
 * and all inversions of a level, over all sums of the group, become one by Montgomery's trick, at 3M each: 5M + 1S a
 * point, where a mixed addition in Jacobian coordinates has 7M + 4S and a complete one 13M.
 *
 * Equal or opposite points (x2 = x1) have no such sum, and spoil all the others: then the product of the differences is
 * 0, which the caller is told. Q are the quads of the curve C.
 */
import { invertLanes } from "./lanes";
import { copyQuad } from "./quad";
import { TREE_SCRATCH } from "./scratch";

/** Quads, in places of 256 bytes: the inverse of what is left of a product, and what addWithInverse takes and uses. */
export const RUNNING: usize = TREE_SCRATCH;
export const LAMBDA: usize = RUNNING + 256;
export const SQUARE: usize = LAMBDA + 256;

/**
 * Reduce `terms` points of each sum to one. Points are pairs x, y of quads: first those of term 0, `quads` of them, then
 * those of term 1 and so on; the results are where term 0 was. Behind the points, `work` has room for terms·quads quads.
 * 1, or 0 if any two points that met had the same x: then all results are worthless.
 */
export function sumTree<C, Q>(points: usize, terms: usize, quads: usize, work: usize): u32 {
  let okBit: u32 = 1;
  while (terms > 1) {
    // Term j meets term j + half, and their sum takes the place of j alone; of an odd number, the last of the lower
    // half meets none and stays.
    const half = (terms + 1) >> 1;
    okBit &= addPairs<C, Q>(points, points + half * quads * 2 * changetype<Q>(0).bytes, (terms - half) * quads, work);
    terms = half;
  }
  return okBit;
}

/** a_i += b_i for count pairs of points; 1, or 0 if any x were equal. */
export function addPairs<C, Q>(a: usize, b: usize, count: usize, work: usize): u32 {
  const q = changetype<Q>(0);
  const size = q.bytes, point: usize = 2 * size;
  // Of each pair the difference, and the product of all differences up to it.
  const pair: usize = 2 * size;
  let at = work;
  q.sub(at, b, a);
  copyQuad<Q>(at + size, at);
  for (let i: usize = 1; i < count; i++) {
    a += point;
    b += point;
    at += pair;
    q.subWide(at, b, a);
    q.mul(at + size, at, at - size);
  }
  const okBit = invertLanes<C, Q>(RUNNING, at + size);
  for (let i: usize = 1; i < count; i++) {
    q.mul(LAMBDA, RUNNING, at - size);
    q.mul(RUNNING, RUNNING, at);
    addWithInverse<Q>(a, a, b);
    a -= point;
    b -= point;
    at -= pair;
  }
  copyQuad<Q>(LAMBDA, RUNNING);
  addWithInverse<Q>(a, a, b);
  return okBit;
}

/** r = a + b, where LAMBDA is 1/(x of b - x of a); r may be a. */
// @ts-ignore: decorator
@inline export function addWithInverse<Q>(r: usize, a: usize, b: usize): void {
  const q = changetype<Q>(0);
  const size = q.bytes;
  q.subWide(SQUARE, b + size, a + size);
  q.mul(LAMBDA, LAMBDA, SQUARE);
  q.square(SQUARE, LAMBDA);
  q.subWide(SQUARE, SQUARE, a);
  q.sub(SQUARE, SQUARE, b);
  finishWithLambda<Q>(r, a);
}

/** r = the point of x SQUARE and of the line through a with slope LAMBDA, negated; r may be a. */
// @ts-ignore: decorator
@inline export function finishWithLambda<Q>(r: usize, a: usize): void {
  const q = changetype<Q>(0);
  const size = q.bytes;
  q.subWide(r, a, SQUARE);
  q.mul(LAMBDA, LAMBDA, r);
  q.sub(r + size, LAMBDA, a + size);
  copyQuad<Q>(r, SQUARE);
}
