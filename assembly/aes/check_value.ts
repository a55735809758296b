/**
 * Check values of AES keys, docs/formats.md §2.1: three bytes that tell keys apart, and tell nothing else of them.
 *
 *   K_c   = CMAC(K, "keycell/v1/check")
 *   value = CMAC(K_c, "keycell/v1/check")[0..3)
 *
 * K_c is AES-128's whatever the size of K, and serves for nothing besides. Rejected: CIPH_K(0), which others take (PKCS#11),
 * since it is GCM's H and what CMAC's subkeys are made of; HMAC in place of the first CMAC, as envelopes have it, which
 * would double the cost of a new key, and hide K_c from those whom its value is shown to.
 *
 * The message is one whole block, so that a CMAC is CIPH(message ⊕ K1), K1 the subkey of cmac.ts.
 */
import { CHECK_VALUE_SCRATCH } from "../layout";
import { cmacSubkeyOf } from "./cmac";
import { AES_CTX_SIZE } from "./context";
import { expandKeys4 } from "./schedule_lanes";
import { encryptVector } from "./vpaes";
import { encryptLanes4 } from "./vpaes_lanes";
import { aesExpandKey } from "./vpaes_schedule";

/** Words of a job. */
const JOB: usize = 3 * 4;
/** K_c is of one block. */
const DERIVED_LEN: u32 = 16;
const CTX: usize = CHECK_VALUE_SCRATCH;
const BLOCKS: usize = CTX + 4 * AES_CTX_SIZE;
const USED: usize = BLOCKS + 4 * 16 - CHECK_VALUE_SCRATCH;

/** keycell/v1/check */
const MESSAGE: usize = memory.data<u8>([
  0x6b, 0x65, 0x79, 0x63, 0x65, 0x6c, 0x6c, 0x2f, 0x76, 0x31, 0x2f, 0x63, 0x68, 0x65, 0x63, 0x6b,
], 16);

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
  authenticateFour();
  expandKeys4(CTX, BLOCKS, BLOCKS + 16, BLOCKS + 32, BLOCKS + 48, DERIVED_LEN);
  authenticateFour();
  for (let i: usize = 0; i < 4; i++) storeValue(jobsPtr + i * JOB, v128.load(BLOCKS + 16 * i));
}

/** BLOCKS = the CMACs of MESSAGE under the four contexts. */
function authenticateFour(): void {
  for (let i: usize = 0; i < 64; i += 16) v128.store(BLOCKS + i, i64x2.splat(0));
  encryptLanes4(CTX, CTX + AES_CTX_SIZE, CTX + 2 * AES_CTX_SIZE, CTX + 3 * AES_CTX_SIZE, BLOCKS);
  for (let i: usize = 0; i < 64; i += 16) {
    v128.store(BLOCKS + i, v128.xor(v128.load(MESSAGE), cmacSubkeyOf(v128.load(BLOCKS + i))));
  }
  encryptLanes4(CTX, CTX + AES_CTX_SIZE, CTX + 2 * AES_CTX_SIZE, CTX + 3 * AES_CTX_SIZE, BLOCKS);
}

function checkOne(job: usize): void {
  aesExpandKey(CTX, load<u32>(job), lengthOf(job));
  v128.store(BLOCKS, authenticateOne());
  aesExpandKey(CTX, BLOCKS, DERIVED_LEN);
  storeValue(job, authenticateOne());
}

function authenticateOne(): v128 {
  const K1 = cmacSubkeyOf(encryptVector(CTX, i64x2.splat(0)));
  return encryptVector(CTX, v128.xor(v128.load(MESSAGE), K1));
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
