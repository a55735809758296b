/**
 * The odd multiples P, 3P, 5P … of many points, side by side in affine coordinates: what ladder.ts selects from.
 *
 * They double: of E, the first `have` of them, and the power W = 2·have·P come the next by W + E, and 2W. All these sums
 * and doublings, over all points, share one inversion, after Montgomery as in affine_tree.ts: a multiple takes 5M + 1S, a
 * doubling 5M + 2S and all together log2(entries) inversions. In Jacobian coordinates, where the results must be made
 * affine yet, a multiple takes 14M + 4S.
 *
 * Of numbers that grow with every sum (p256/quad_f48.ts) the x of kP, k a power of two, is 2k - 1 products' results, and so no x
 * has more than 61, and no difference more than 90.
 *
 * Multiples of P that meet are below 4·entries, far below its order n, and differ; n is odd. So no denominator is 0. Q are
 * the quads of the curve C.
 */
import { LAMBDA, RUNNING, SQUARE, addWithInverse, finishWithLambda } from "./affine_tree";
import { invertLanes, setOne } from "./lanes";
import { ZEROS, copyQuad } from "./quad";
import { TREE_SCRATCH } from "./scratch";

/** 1, for the a of the curve, behind what affine_tree.ts has. */
const ONE: usize = TREE_SCRATCH + 3 * 256;

/**
 * Columns of points, pairs x, y of quads, `quads` of them in each; the points P in column 0. Column j becomes (2j + 1)·P
 * for j < entries, a power of two, and the one behind the last entries·P. Behind that, `work` has room for as many points
 * as half of all columns and one more have.
 */
export function oddMultiples<C, Q>(table: usize, entries: usize, quads: usize, work: usize): void {
  const column = quads * 2 * changetype<Q>(0).bytes;
  const power = table + entries * column;
  setOne<C, Q>(ONE);
  memory.copy(power, table, column);
  grow<C, Q>(table, 0, power, column, true, work);
  for (let have: usize = 1; have < entries; have += have) {
    grow<C, Q>(table, have * column, power, column, have + have < entries, work);
  }
}

/** The points at `table`, `have` bytes of them, and as many behind them by adding the powers, which then may double. */
function grow<C, Q>(table: usize, have: usize, power: usize, column: usize, doubles: bool, work: usize): void {
  const q = changetype<Q>(0);
  const size = q.bytes, point: usize = 2 * size;
  let at = work;
  for (let w = power; doubles && w < power + column; w += point) {
    q.add(at, w + size, w + size);
    at = accumulate<Q>(at, work);
  }
  for (let e: usize = 0; e < have; e += column) {
    for (let g: usize = 0; g < column; g += point) {
      q.sub(at, power + g, table + e + g);
      at = accumulate<Q>(at, work);
    }
  }
  if (!invertLanes<C, Q>(RUNNING, at - size)) unreachable();
  for (let e = have; e > 0; ) {
    e -= column;
    for (let g = column; g > 0; ) {
      g -= point;
      at = peel<Q>(at, work);
      addWithInverse<Q>(table + have + e + g, table + e + g, power + g);
    }
  }
  for (let w = power + column; doubles && w > power; ) {
    w -= point;
    at = peel<Q>(at, work);
    doubleWithInverse<Q>(w);
  }
}

/** Behind a denominator the product of all up to it; where the next goes. */
// @ts-ignore: decorator
@inline function accumulate<Q>(at: usize, first: usize): usize {
  const q = changetype<Q>(0);
  if (at == first) copyQuad<Q>(at + q.bytes, at);
  else q.mul(at + q.bytes, at, at - q.bytes);
  return at + 2 * q.bytes;
}

/** LAMBDA = 1/the denominator before `at`; where that is. */
// @ts-ignore: decorator
@inline function peel<Q>(at: usize, first: usize): usize {
  const q = changetype<Q>(0);
  at -= 2 * q.bytes;
  if (at == first) {
    copyQuad<Q>(LAMBDA, RUNNING);
    return at;
  }
  q.mul(LAMBDA, RUNNING, at - q.bytes);
  q.mul(RUNNING, RUNNING, at);
  return at;
}

/** p = 2p, where LAMBDA is 1/2y: lambda = (3x^2 + a)/2y, and 3x^2 - 3 = 3(x^2 - 1). */
// @ts-ignore: decorator
@inline function doubleWithInverse<Q>(p: usize): void {
  const q = changetype<Q>(0);
  q.square(SQUARE, p);
  q.tripleSub(SQUARE, SQUARE, q.aIsZero ? ZEROS : ONE);
  q.mul(LAMBDA, LAMBDA, SQUARE);
  q.square(SQUARE, LAMBDA);
  q.subTwice(SQUARE, SQUARE, p);
  finishWithLambda<Q>(p, p);
}
