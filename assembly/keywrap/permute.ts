/**
 * One operation of key wrapping, or a batch of them.
 *
 * An operation O says what of a message is W's business: n of a legal length, else 0; start, which writes R[1..n] into
 * out and gives A; and finish, which takes A and judges. R lies at out + 8 for a wrap, at out for an unwrap.
 *
 * A job is five u32, little-endian: ctx, in, inLen, out, and where its result goes. Jobs may name different keys and
 * lengths, in any order: those of one key and equal n go through the bitsliced AES together, eight at a time; of what is
 * left, those of equal n and equally long keys four at a time. Which go together follows contexts and lengths alone,
 * which are public. in may be out of the same job; nothing else of the jobs overlaps.
 */
import { KEYWRAP_SCRATCH } from "../layout";
import { CTX_NR, isExpandedBit } from "../aes/context";
import { prepareDecryption } from "../aes/vpaes_schedule";
import { unwrapInPlace, wrapInPlace } from "./wrap";
import { LANE_A, LANE_R, LANE_SIZE, unwrapLanes, wrapLanes } from "./wrap_lanes";
import { SLICED_SEMIBLOCKS, unwrapSliced, wrapSliced } from "./wrap_sliced";

const JOB_SIZE: usize = 20;
const JOB_IN: usize = 4;
const JOB_IN_LEN: usize = 8;
const JOB_OUT: usize = 12;
const JOB_RESULT: usize = 16;

/** The result of a job that waits; no operation gives it. */
const PENDING: u32 = 0xffffffff;

/** So many messages under one key are faster bitsliced than four at a time. */
const SLICED_FROM: u32 = 5;
const SLICED_LANES: u32 = 8;
const VPAES_LANES: u32 = 4;

const LANES: usize = KEYWRAP_SCRATCH; // 8 · 16
const GATHERED: usize = KEYWRAP_SCRATCH + 128; // 8 · 4, the jobs in the lanes

/** The operation's result; 0, and nothing written, for a length that is none of its or an area without a key. */
export function permuteOne<O>(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  const o = changetype<O>(0);
  const n = o.semiblocks(inLen);
  if (!isExpandedBit(ctxPtr) || n == 0) return 0;
  let A = o.start(inPtr, inLen, outPtr);
  if (o.inverse) {
    prepareDecryption(ctxPtr);
    A = unwrapInPlace(ctxPtr, A, outPtr, n);
  } else {
    A = wrapInPlace(ctxPtr, A, outPtr + 8, n);
  }
  return o.finish(A, inLen, outPtr);
}

/** Each job's result becomes what permuteOne gives. */
export function permuteMany<O>(jobsPtr: usize, count: u32): void {
  const o = changetype<O>(0);
  const end = jobsPtr + count * JOB_SIZE;
  for (let job = jobsPtr; job < end; job += JOB_SIZE) {
    const legal = isExpandedBit(load<u32>(job)) && o.semiblocks(load<u32>(job, JOB_IN_LEN)) != 0;
    setResult(job, legal ? PENDING : 0);
  }
  for (let job = jobsPtr; job < end; job += JOB_SIZE) {
    if (resultOf(job) != PENDING) continue;
    const n = o.semiblocks(load<u32>(job, JOB_IN_LEN));
    if (n < 2 || n > SLICED_SEMIBLOCKS) continue;
    const lanes = gather<O>(job, end, true, SLICED_LANES);
    if (lanes < SLICED_FROM) continue;
    startLanes<O>(lanes);
    if (o.inverse) unwrapSliced(LANES, lanes, n);
    else wrapSliced(LANES, lanes, n);
    finishLanes<O>(lanes);
  }
  for (let job = jobsPtr; job < end; job += JOB_SIZE) {
    if (resultOf(job) != PENDING) continue;
    const n = o.semiblocks(load<u32>(job, JOB_IN_LEN));
    const lanes = gather<O>(job, end, false, VPAES_LANES);
    if (n < 2 || lanes == 1) {
      const inPtr = load<u32>(job, JOB_IN), inLen = load<u32>(job, JOB_IN_LEN);
      setResult(job, permuteOne<O>(load<u32>(job), inPtr, inLen, load<u32>(job, JOB_OUT)));
      continue;
    }
    startLanes<O>(lanes);
    if (o.inverse) unwrapLanes(LANES, lanes, n);
    else wrapLanes(LANES, lanes, n);
    finishLanes<O>(lanes);
  }
  memory.fill(LANES, 0, 160);
}

// @ts-ignore: decorator
@inline function resultOf(job: usize): u32 {
  return load<u32>(load<u32>(job, JOB_RESULT));
}

// @ts-ignore: decorator
@inline function setResult(job: usize, result: u32): void {
  store<u32>(load<u32>(job, JOB_RESULT), result);
}

/** To GATHERED: job and those after it that wait, are as long, and have its key or, if that is not asked for, as many rounds. */
function gather<O>(job: usize, end: usize, oneKey: bool, most: u32): u32 {
  const o = changetype<O>(0);
  const n = o.semiblocks(load<u32>(job, JOB_IN_LEN)), ctxPtr = load<u32>(job), Nr = load<u32>(ctxPtr, CTX_NR);
  let lanes: u32 = 0;
  for (; job < end && lanes < most; job += JOB_SIZE) {
    if (resultOf(job) != PENDING || o.semiblocks(load<u32>(job, JOB_IN_LEN)) != n) continue;
    const other = load<u32>(job);
    if (other != ctxPtr && (oneKey || load<u32>(other, CTX_NR) != Nr)) continue;
    store<u32>(GATHERED + (lanes << 2), <u32>job);
    lanes++;
  }
  return lanes;
}

function startLanes<O>(lanes: u32): void {
  const o = changetype<O>(0);
  for (let i: u32 = 0; i < lanes; i++) {
    const job = <usize>load<u32>(GATHERED + (i << 2)), lane = LANES + i * LANE_SIZE;
    const ctxPtr = load<u32>(job), outPtr = load<u32>(job, JOB_OUT);
    if (o.inverse) prepareDecryption(ctxPtr);
    store<u32>(lane, ctxPtr);
    store<u32>(lane, o.inverse ? outPtr : outPtr + 8, LANE_R);
    store<u64>(lane, o.start(load<u32>(job, JOB_IN), load<u32>(job, JOB_IN_LEN), outPtr), LANE_A);
  }
}

function finishLanes<O>(lanes: u32): void {
  const o = changetype<O>(0);
  for (let i: u32 = 0; i < lanes; i++) {
    const job = <usize>load<u32>(GATHERED + (i << 2)), lane = LANES + i * LANE_SIZE;
    const result = o.finish(load<u64>(lane, LANE_A), load<u32>(job, JOB_IN_LEN), load<u32>(job, JOB_OUT));
    setResult(job, result);
  }
}
