/**
 * Check values of AES keys: the first three bytes of CIPH_K(0), which tell keys apart and nothing of a key.
 * GCM's H is the same block; three bytes of it give no forgery.
 */
import { CHECK_VALUE_SCRATCH } from "../layout";
import { AES_CTX_SIZE } from "./context";
import { encryptVector } from "./vpaes";
import { aesExpandKey } from "./vpaes_schedule";

/** Words of a job. */
const JOB: usize = 3 * 4;
const CTX: usize = CHECK_VALUE_SCRATCH;

/** A job is three words: a key, its length (16, 24 or 32; any other traps), and where its three bytes go. */
export function aesCheckValues(jobsPtr: usize, count: u32): void {
  for (let i: usize = 0; i < count; i++) {
    const job = jobsPtr + i * JOB;
    if (!aesExpandKey(CTX, load<u32>(job), load<u32>(job, 4))) unreachable();
    const block = encryptVector(CTX, i64x2.splat(0));
    const out: usize = load<u32>(job, 8);
    v128.store16_lane(out, block, 0);
    v128.store8_lane(out + 2, block, 2);
  }
  memory.fill(CTX, 0, AES_CTX_SIZE);
}
