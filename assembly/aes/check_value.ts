/**
 * Check values of AES keys: the first three bytes of CIPH_K(0), which tell keys apart and nothing of a key.
 * GCM's H is the same block; three bytes of it give no forgery.
 */
import { CHECK_VALUE_SCRATCH } from "../layout";
import { AES_CTX_SIZE } from "./context";
import { expandKeys4 } from "./schedule_lanes";
import { encryptVector } from "./vpaes";
import { encryptLanes4 } from "./vpaes_lanes";
import { aesExpandKey } from "./vpaes_schedule";

/** Words of a job. */
const JOB: usize = 3 * 4;
const CTX: usize = CHECK_VALUE_SCRATCH;
const BLOCKS: usize = CTX + 4 * AES_CTX_SIZE;
const USED: usize = BLOCKS + 4 * 16 - CHECK_VALUE_SCRATCH;

/** A job is three words: a key, its length (16, 24 or 32; any other traps), and where its three bytes go. */
export function aesCheckValues(jobsPtr: usize, count: u32): void {
  for (let left = count; left > 0; ) {
    const four = left >= 4 && areAlike(jobsPtr);
    if (four) checkFour(jobsPtr);
    else checkOne(jobsPtr);
    const done: u32 = four ? 4 : 1;
    jobsPtr += done * JOB;
    left -= done;
  }
  memory.fill(CTX, 0, USED);
}

/** Have four jobs keys of one length? */
function areAlike(jobsPtr: usize): bool {
  const len = lengthOf(jobsPtr);
  return len == lengthOf(jobsPtr + JOB) && len == lengthOf(jobsPtr + 2 * JOB) && len == lengthOf(jobsPtr + 3 * JOB);
}

function checkFour(jobsPtr: usize): void {
  const b = jobsPtr + JOB, c = jobsPtr + 2 * JOB, d = jobsPtr + 3 * JOB;
  expandKeys4(CTX, load<u32>(jobsPtr), load<u32>(b), load<u32>(c), load<u32>(d), lengthOf(jobsPtr));
  for (let i: usize = 0; i < 64; i += 16) v128.store(BLOCKS + i, i64x2.splat(0));
  encryptLanes4(CTX, CTX + AES_CTX_SIZE, CTX + 2 * AES_CTX_SIZE, CTX + 3 * AES_CTX_SIZE, BLOCKS);
  for (let i: usize = 0; i < 4; i++) storeValue(jobsPtr + i * JOB, v128.load(BLOCKS + 16 * i));
}

function checkOne(job: usize): void {
  aesExpandKey(CTX, load<u32>(job), lengthOf(job));
  storeValue(job, encryptVector(CTX, i64x2.splat(0)));
}

function lengthOf(job: usize): u32 {
  const len = load<u32>(job, 4);
  if (len != 16 && len != 24 && len != 32) unreachable();
  return len;
}

function storeValue(job: usize, block: v128): void {
  const out: usize = load<u32>(job, 8);
  v128.store16_lane(out, block, 0);
  v128.store8_lane(out + 2, block, 2);
}
