/**
 * ECDH: the x of d·Q, SP 800-56A rev. 3 §5.7.1.2 (the cofactor of every curve here is 1). C is a curve, Q its quads.
 *
 * A point is validated in full before d touches it: one off the curve lies in a small group and would leak d modulo its
 * order. With a point of order n and 0 < d < n the product is never O (step 2).
 *
 * Four jobs go side by side (ladder.ts); a job that is refused, and places without a job, work on the base point. One
 * job alone takes the complete formulas, which cost one what the ladder costs four. So does the one d in 2^250 that the
 * ladder can't do: which d that was is told to who can time a single agreement, and he would have had to guess it.
 */
import { maskFromBit64 } from "../ct";
import { fieldIsZero, fieldToBe } from "./field";
import { X as JX, Z } from "./jacobian";
import { privateFromBe } from "./keys";
import { LADDER_USED, ladder, ladderLane } from "./ladder";
import { invertLanes } from "./lanes";
import { ELEMENT, ONE, complement, copy, move, wideMask } from "./modular";
import { multiplyPoint } from "./multiply";
import { AFFINE, X, Y, affineFromBytes, encodedSize, pointToAffine } from "./point";
import { LADDER_SCRATCH, OPERATION_SCRATCH, ecWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;
const LANES: u32 = 4;

const D: usize = OPERATION_SCRATCH;
const POINT: usize = D + ELEMENT;
const PRODUCT: usize = POINT + AFFINE;
const NEGATIVE: usize = PRODUCT + 3 * ELEMENT;
/** One word a lane: 1 if the point is valid, if the scalar is in range, if the ladder could not do it. */
const POINT_OK: usize = NEGATIVE + ELEMENT;
const SCALAR_OK: usize = POINT_OK + 16;
const FAILED: usize = SCALAR_OK + 16;

/**
 * Jobs of {scalar, point, out, result u32}: out = x of d·Q, `size` bytes, and result 1, or zeros and 0 if the
 * point is not valid or d not in range. Which points are refused is public, which scalars is not.
 */
export function agree<C, Q>(jobsPtr: usize, count: u32): void {
  for (let done: u32 = 0; done < count; done += LANES) {
    const jobs = jobsPtr + done * JOB;
    if (count - done == 1) agreeAlone<C>(jobs);
    else agreeFour<C, Q>(jobs, min<u32>(count - done, LANES));
  }
  memory.fill(LADDER_SCRATCH, 0, LADDER_USED);
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

/** Up to four jobs, one a lane. */
function agreeFour<C, Q>(jobs: usize, count: u32): void {
  const q = changetype<Q>(0);
  for (let lane: u32 = 0; lane < LANES; lane++) prepare<C, Q>(lane, lane < count ? jobs + lane * JOB : 0);
  const sum = ladder<C, Q>();
  for (let lane: u32 = 0; lane < LANES; lane++) {
    q.get(POINT, sum + Z, lane);
    const failed = fieldIsZero<C>(POINT);
    store<u32>(FAILED + 4 * lane, failed);
    // Its neighbours share the inversion.
    if (failed) q.set(sum + Z, lane, changetype<C>(0).one);
  }
  invertLanes<C, Q>(sum + Z, sum + Z);
  q.square(sum + Z, sum + Z);
  q.mul(sum + JX, sum + JX, sum + Z);
  for (let lane: u32 = 0; lane < count; lane++) {
    const job = jobs + lane * JOB;
    const pointOk = load<u32>(POINT_OK + 4 * lane);
    if (load<u32>(FAILED + 4 * lane) & pointOk) {
      agreeAlone<C>(job);
      continue;
    }
    q.get(POINT, sum + JX, lane);
    fieldToBe<C>(load<u32>(job, 8), POINT);
    answer<C>(job, pointOk & load<u32>(SCALAR_OK + 4 * lane));
  }
}

/** Read a job into its lane; where there is none, or its point is not valid, the base point stands in, and 1 for d. */
function prepare<C, Q>(lane: u32, job: usize): void {
  const c = changetype<C>(0);
  let pointOk: u32 = 0;
  copy<C>(D, ONE);
  if (job != 0) {
    pointOk = affineFromBytes<C>(POINT, load<u32>(job, 4), encodedSize<C>());
    store<u32>(SCALAR_OK + 4 * lane, privateFromBe<C>(D, load<u32>(job)));
  }
  store<u32>(POINT_OK + 4 * lane, pointOk);
  if (!pointOk) {
    copy<C>(POINT + X, c.gx);
    copy<C>(POINT + Y, c.gy);
  }
  makeOdd<C>(D);
  ladderLane<C, Q>(lane, D, POINT);
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
