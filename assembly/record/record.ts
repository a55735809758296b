/**
 * Records, docs/formats.md §2: each is sealed under a key of its own, which is derived from its header and its salt.
 *
 *   salt = HMAC(hedge, seed ‖ SHA-256(header with a zero salt ‖ secret))
 *   K    = KDF(base, "keycell/v1/record" ‖ 00 ‖ hsmId ‖ kind ‖ id ‖ salt ‖ context ‖ 256), SP 800-108r1 §4.1
 *   AES-256-GCM under K, with a zero IV (K is used once), the header as associated data
 *
 * A record is some hundred bytes, of which hashing takes more than encrypting: so four go side by side, and HMAC keys come
 * as the midstates that hmac256Key makes of them. Rejected: one call for each step, which crossed from JavaScript and back
 * a dozen times a record, and computed every HMAC key anew.
 *
 * Lengths are public. What a caller says of a record must be what its header says; only he knows the kinds and their keys.
 */
import { AES_CTX_SIZE } from "../aes/context";
import { expandKeys4 } from "../aes/schedule_lanes";
import { encryptLanes4 } from "../aes/vpaes_lanes";
import { aesExpandKey } from "../aes/vpaes_schedule";
import { gcmOpen, gcmSeal } from "../gcm/gcm";
import { ghashSetH } from "../gcm/ghash";
import { RECORD_SCRATCH } from "../layout";
import { hmacWipeScratch } from "../sha2/hmac";
import { SHA256_SIZE } from "../sha2/sha256";
import { SEVERAL, hmac256Several, layMessage, severalWipe, sha256Several } from "../sha2/several";

// A header's fields.
const KIND: usize = 6;
const HSM_ID: usize = 8;
const ID: usize = 28;
const SALT: usize = 64;

const DIGEST: usize = SHA256_SIZE;
const TAG: u32 = 16;
const IV: u32 = 12;

/** Words of a job. */
const SEAL_JOB: usize = 7 * 4;
const OPEN_JOB: usize = 7 * 4;

/** [i]₃₂ ‖ label ‖ 00 ‖ hsmId ‖ kind ‖ id ‖ salt ‖ context ‖ [L]₃₂: what the KDF hashes. */
const FIXED_PREFIX: usize = memory.data<u8>([
  0, 0, 0, 1, 0x6b, 0x65, 0x79, 0x63, 0x65, 0x6c, 0x6c, 0x2f, 0x76, 0x31, 0x2f, 0x72, 0x65, 0x63, 0x6f, 0x72, 0x64, 0,
], 16);
const FIXED_HSM_ID: usize = 22;
const FIXED_KIND: usize = FIXED_HSM_ID + 16;
const FIXED_ID: usize = FIXED_KIND + 1;
const FIXED_SALT: usize = FIXED_ID + 16;
const FIXED_CONTEXT: usize = FIXED_SALT + 32;
const FIXED_BITS: usize = FIXED_CONTEXT + 16;
const FIXED_LEN: u32 = <u32>FIXED_BITS + 4;

const ZERO_IV: usize = memory.data(16, 16);

// Scratch, of each of four jobs: seed ‖ digest, the fixed input, K, H, and the AES context.
const SEED: usize = RECORD_SCRATCH;
const FIXED: usize = SEED + 4 * 64;
const FIXED_STRIDE: usize = 112;
const K: usize = FIXED + 4 * FIXED_STRIDE;
const K_SIZE: usize = 32;
const H: usize = K + 4 * K_SIZE;
const CTX: usize = H + 4 * 16;
const USED: usize = CTX + 4 * AES_CTX_SIZE - RECORD_SCRATCH;
/** From so many on four schedules side by side are faster. */
const LANES_FROM: u32 = 3;

/**
 * Seal records. A job is seven words: the header, with room behind for secret and tag; its length; the secret and its
 * length; 32 fresh random bytes; the base key, as hmac256Key made it; the context, 16 bytes, or 0 for zeros. Writes the header's salt,
 * ciphertext and tag. hedgePtr is the key of the salts, made in the same way.
 */
export function recordSeal(hedgePtr: usize, jobsPtr: usize, count: u32): void {
  for (let left = count; left > 0; ) {
    const n = min(left, SEVERAL);
    for (let i: usize = 0; i < n; i++) layDigest(i, jobsPtr + i * SEAL_JOB);
    sha256Several(n, SEED + DIGEST, 64);
    for (let i: usize = 0; i < n; i++) laySeed(i, jobsPtr + i * SEAL_JOB, hedgePtr);
    // Into the fixed inputs, and from there into the headers.
    hmac256Several(n, FIXED + FIXED_SALT, FIXED_STRIDE);
    for (let i: usize = 0; i < n; i++) {
      const job = jobsPtr + i * SEAL_JOB;
      memory.copy(<usize>load<u32>(job) + SALT, FIXED + i * FIXED_STRIDE + FIXED_SALT, SHA256_SIZE);
      layFixed(i, load<u32>(job), load<u32>(job, 20), load<u32>(job, 24));
    }
    makeContexts(n);
    for (let i: usize = 0; i < n; i++) sealOne(i, jobsPtr + i * SEAL_JOB);
    jobsPtr += n * SEAL_JOB;
    left -= n;
  }
  wipe();
}

/**
 * Open records. A job is seven words: the record; the lengths of its header and its secret; the base key; the context; where
 * the secret goes; where the result goes, u32: 1, or 0 for a record that is not authentic, and then no secret is written.
 */
export function recordOpen(jobsPtr: usize, count: u32): void {
  for (let left = count; left > 0; ) {
    const n = min(left, SEVERAL);
    for (let i: usize = 0; i < n; i++) {
      const job = jobsPtr + i * OPEN_JOB;
      layFixed(i, load<u32>(job), load<u32>(job, 12), load<u32>(job, 16));
    }
    makeContexts(n);
    for (let i: usize = 0; i < n; i++) openOne(i, jobsPtr + i * OPEN_JOB);
    jobsPtr += n * OPEN_JOB;
    left -= n;
  }
  wipe();
}

/** Header and secret one behind the other, as they are hashed and encrypted. */
function layDigest(i: usize, job: usize): void {
  const header: usize = load<u32>(job), headerLen = load<u32>(job, 4), secretLen = load<u32>(job, 12);
  v128.store(header + SALT, i64x2.splat(0));
  v128.store(header + SALT + 16, i64x2.splat(0));
  memory.copy(header + headerLen, load<u32>(job, 8), secretLen);
  layMessage(i, header, headerLen + secretLen, 0);
}

function laySeed(i: usize, job: usize, hedgePtr: usize): void {
  const seed: usize = load<u32>(job, 16), at = SEED + i * 64;
  v128.store(at, v128.load(seed));
  v128.store(at + 16, v128.load(seed, 16));
  layMessage(i, at, 64, hedgePtr);
}

function layFixed(i: usize, header: usize, basePtr: usize, contextPtr: usize): void {
  const fixed = FIXED + i * FIXED_STRIDE;
  v128.store(fixed, v128.load(FIXED_PREFIX));
  v128.store(fixed + 6, v128.load(FIXED_PREFIX, 6));
  v128.store(fixed + FIXED_HSM_ID, v128.load(header + HSM_ID));
  store<u8>(fixed + FIXED_KIND, load<u8>(header + KIND));
  v128.store(fixed + FIXED_ID, v128.load(header + ID));
  v128.store(fixed + FIXED_SALT, v128.load(header + SALT));
  v128.store(fixed + FIXED_SALT + 16, v128.load(header + SALT + 16));
  let context = i64x2.splat(0);
  if (contextPtr != 0) context = v128.load(contextPtr);
  v128.store(fixed + FIXED_CONTEXT, context);
  store<u32>(fixed + FIXED_BITS, 0x00010000);
  layMessage(i, fixed, FIXED_LEN, basePtr);
}

/** K of the first n jobs, from the fixed inputs that are laid, and their AES contexts. */
function makeContexts(n: u32): void {
  hmac256Several(n, K, K_SIZE);
  if (n < LANES_FROM) {
    for (let i: usize = 0; i < n; i++) aesExpandKey(CTX + i * AES_CTX_SIZE, K + i * K_SIZE, K_SIZE);
    return;
  }
  // The fourth of three is a key of whatever K held, and is not used.
  expandKeys4(CTX, K, K + K_SIZE, K + 2 * K_SIZE, K + 3 * K_SIZE, K_SIZE);
  for (let i: usize = 0; i < 64; i += 16) v128.store(H + i, i64x2.splat(0));
  encryptLanes4(CTX, CTX + AES_CTX_SIZE, CTX + 2 * AES_CTX_SIZE, CTX + 3 * AES_CTX_SIZE, H);
  for (let i: usize = 0; i < n; i++) ghashSetH(CTX + i * AES_CTX_SIZE, v128.load(H + 16 * i));
}

function sealOne(i: usize, job: usize): void {
  const header: usize = load<u32>(job), headerLen = load<u32>(job, 4), secretLen = load<u32>(job, 12);
  const sealed = header + headerLen, ctx = CTX + i * AES_CTX_SIZE;
  // Refused are lengths alone that no record has; a secret must not stay behind as it is.
  if (!gcmSeal(ctx, ZERO_IV, IV, header, headerLen, sealed, secretLen, sealed)) unreachable();
}

function openOne(i: usize, job: usize): void {
  const header: usize = load<u32>(job), headerLen = load<u32>(job, 4), secretLen = load<u32>(job, 8);
  const sealed = header + headerLen, ctx = CTX + i * AES_CTX_SIZE;
  const output: usize = load<u32>(job, 20), result: usize = load<u32>(job, 24);
  store<u32>(result, gcmOpen(ctx, ZERO_IV, IV, header, headerLen, sealed, secretLen + TAG, output));
}

function wipe(): void {
  memory.fill(RECORD_SCRATCH, 0, USED);
  severalWipe();
  hmacWipeScratch();
}
