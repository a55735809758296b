/**
 * ECDH: the x of d·Q, SP 800-56A rev. 3 §5.7.1.2 (the cofactor of every curve here is 1). C is a curve, Q its quads.
 *
 * A point is validated in full before d touches it: one off the curve lies in a small group and would leak d modulo its
 * order. With a point of order n and 0 < d < n the product is never O (step 2).
 *
 * Up to 32 jobs go side by side (ladder.ts); a job that is refused, and places without a job, work on the base point. One
 * job alone takes the complete formulas, which cost one half of what the ladder costs four.
 */
import { maskFromBit64 } from "../ct";
import { fieldToBe } from "./field";
import { JACOBIAN_QUAD, QUAD, X as JX, Z as JZ } from "./jacobian";
import { privateFromBe } from "./keys";
import { LADDER_MOST, ladder, ladderPair, ladderSum, ladderTables, ladderUsed } from "./ladder";
import { invertLanes } from "./lanes";
import { ELEMENT, ONE, complement, copy, move, wideMask } from "./modular";
import { multiplyPoint } from "./multiply";
import { AFFINE, X, Y, affineFromBytes, encodedSize, pointToAffine } from "./point";
import { copyQuad } from "./quad";
import { LADDER_SCRATCH, OPERATION_SCRATCH, ecWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;

const D: usize = OPERATION_SCRATCH;
const POINT: usize = D + ELEMENT;
const PRODUCT: usize = POINT + AFFINE;
const NEGATIVE: usize = PRODUCT + 3 * ELEMENT;
/** A quad: the inverse of the Z that are left. */
const INVERSE: usize = NEGATIVE + ELEMENT;
/** One word a job: bit 0 if the point is valid, bit 1 if the scalar is in range. */
const VERDICTS: usize = INVERSE + QUAD;

/**
 * Jobs of {scalar, point, out, result u32}: out = x of d·Q, `size` bytes, and result 1, or zeros and 0 if the
 * point is not valid or d not in range. Which points are refused is public, which scalars is not.
 */
export function agree<C, Q>(jobsPtr: usize, count: u32): void {
  for (let done: u32 = 0; done < count; done += LADDER_MOST) {
    const jobs = jobsPtr + done * JOB;
    if (count - done == 1) agreeAlone<C>(jobs);
    else agreeGroup<C, Q>(jobs, min<u32>(count - done, LADDER_MOST));
  }
  memory.fill(LADDER_SCRATCH, 0, ladderUsed<Q>((min<u32>(count, LADDER_MOST) + 3) >> 2));
  ecWipe();
}

/** One job by the complete formulas. */
function agreeAlone<C>(job: usize): void {
  const pointOk = affineFromBytes<C>(POINT, load<u32>(job, 4), encodedSize<C>());
  if (!pointOk) return answer<C>(job, 0);
  const scalarOk = privateFromBe<C>(D, load<u32>(job));
  multiplyPoint<C>(PRODUCT, D, POINT);
  pointToAffine<C>(POINT, PRODUCT);
  fieldToBe<C>(load<u32>(job, 8), POINT + X);
  answer<C>(job, scalarOk);
}

/** Up to 32 jobs, one a lane. */
// @ts-ignore: decorator
@inline function agreeGroup<C, Q>(jobs: usize, count: u32): void {
  const quads: usize = (<usize>count + 3) >> 2;
  for (let i: u32 = 0; i < 4 * quads; i++) prepare<C, Q>(i, i < count ? jobs + i * JOB : 0);
  ladderTables<C, Q>(quads);
  for (let g: usize = 0; g < quads; g++) ladder<C, Q>(g, quads, true);
  makeXAffine<C, Q>(quads);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobs + i * JOB;
    const verdicts = load<u32>(VERDICTS + 4 * i);
    changetype<Q>(0).get(POINT, ladderSum(i >> 2) + JX, i & 3);
    fieldToBe<C>(load<u32>(job, 8), POINT);
    answer<C>(job, verdicts & (verdicts >> 1) & 1);
  }
}

/** Read a job into its place; where there is none, or its point is not valid, the base point stands in, and 1 for a d that is none. */
function prepare<C, Q>(place: usize, job: usize): void {
  const c = changetype<C>(0);
  let pointOk: u32 = 0, scalarOk: u32 = 0;
  copy<C>(D, ONE);
  if (job != 0) {
    pointOk = affineFromBytes<C>(POINT, load<u32>(job, 4), encodedSize<C>());
    scalarOk = privateFromBe<C>(D, load<u32>(job));
  }
  store<u32>(VERDICTS + 4 * place, pointOk | (scalarOk << 1));
  if (!pointOk) {
    copy<C>(POINT + X, c.gx);
    copy<C>(POINT + Y, c.gy);
  }
  makeOdd<C>(D);
  ladderPair<C, Q>(place, D, POINT);
}

/**
 * X/Z^2 in the place of X. All Z share one inversion, after Montgomery: the place of Y takes the product of those up to it.
 * No Z is 0: ladder.ts.
 */
function makeXAffine<C, Q>(quads: usize): void {
  const q = changetype<Q>(0);
  const first = ladderSum(0);
  let sum = first;
  copyQuad<Q>(sum + QUAD, sum + JZ);
  for (let g: usize = 1; g < quads; g++) {
    sum += JACOBIAN_QUAD;
    q.mul(sum + QUAD, sum + JZ, sum + QUAD - JACOBIAN_QUAD);
  }
  if (!invertLanes<C, Q>(INVERSE, sum + QUAD)) unreachable();
  for (; sum > first; sum -= JACOBIAN_QUAD) {
    q.mul(sum + QUAD, INVERSE, sum + QUAD - JACOBIAN_QUAD);
    q.mul(INVERSE, INVERSE, sum + JZ);
    divideByZ<Q>(sum, sum + QUAD);
  }
  divideByZ<Q>(sum, INVERSE);
}

/** X = X·inverse^2 */
// @ts-ignore: decorator
@inline function divideByZ<Q>(sum: usize, inverse: usize): void {
  const q = changetype<Q>(0);
  q.square(inverse, inverse);
  q.mul(sum + JX, sum + JX, inverse);
}

/** d, or n - d if d is even: its multiple has the same x. */
function makeOdd<C>(d: usize): void {
  const c = changetype<C>(0);
  complement<C>(NEGATIVE, d, c.n);
  move(wideMask((load<u32>(d) & 1) ^ 1), d, NEGATIVE, c.bytes);
}

/** The verdict; zeros for an x that shall not be seen. */
function answer<C>(job: usize, ok: u32): void {
  const out: usize = load<u32>(job, 8);
  const mask = maskFromBit64(ok);
  for (let j: usize = 0; j < changetype<C>(0).size; j += 8) store<u64>(out + j, load<u64>(out + j) & mask);
  store<u32>(load<u32>(job, 12), ok);
}
