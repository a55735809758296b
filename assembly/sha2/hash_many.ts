/**
 * Digests of many messages, which a batch of signatures begins with.
 *
 * SHA-256 takes four at a time where that is faster: four lanes cost as much as 2.2 messages one after the other, and last
 * as long as the longest of them. That follows from the lengths alone, which are public. Rejected: sorting by length, since
 * what one service signs is mostly alike.
 */
import { HASH_MANY_SCRATCH } from "../layout";
import { SHA256, hash } from "./hash";
import { SEVERAL, layMessage, severalWipe, sha256Several } from "./several";
import { SHA256_SIZE } from "./sha256";

// A job: the message, its length, where its digest goes.
const JOB: usize = 3 * 4;
const LEN: usize = 4;
const OUT: usize = 8;

const DIGESTS: usize = HASH_MANY_SCRATCH;

/** Each job's digest is what `hash` gives. */
export function hashMany(hashId: u32, jobsPtr: usize, count: u32): void {
  const end = jobsPtr + count * JOB;
  while (jobsPtr < end) {
    if (hashId == SHA256 && jobsPtr + SEVERAL * JOB <= end && lanesPay(jobsPtr)) {
      four(jobsPtr);
      jobsPtr += SEVERAL * JOB;
    } else {
      hash(hashId, load<u32>(jobsPtr), load<u32>(jobsPtr, LEN), load<u32>(jobsPtr, OUT));
      jobsPtr += JOB;
    }
  }
  memory.fill(DIGESTS, 0, SEVERAL * SHA256_SIZE);
  severalWipe();
}

/** Do the next four last longer one by one, by their blocks? Lengths are below 2^25, and 5 times four of them below 2^30. */
function lanesPay(jobsPtr: usize): bool {
  let all: u32 = 0, longest: u32 = 0;
  for (let i: usize = 0; i < SEVERAL; i++) {
    const blocks = (load<u32>(jobsPtr + i * JOB, LEN) + 72) >> 6;
    all += blocks;
    longest = max(longest, blocks);
  }
  return 5 * all > 11 * longest;
}

function four(jobsPtr: usize): void {
  for (let i: usize = 0; i < SEVERAL; i++) {
    layMessage(i, load<u32>(jobsPtr + i * JOB), load<u32>(jobsPtr + i * JOB, LEN), 0);
  }
  sha256Several(SEVERAL, DIGESTS, SHA256_SIZE);
  for (let i: usize = 0; i < SEVERAL; i++) {
    memory.copy(load<u32>(jobsPtr + i * JOB, OUT), DIGESTS + i * SHA256_SIZE, SHA256_SIZE);
  }
}
