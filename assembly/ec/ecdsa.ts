/**
 * ECDSA signing with digests of SHA-256, SHA-384 or SHA-512: FIPS 186-5 §6.4. C is a curve, Q its quads; verify.ts is the
 * other half.
 *
 * Signing treats d, k and k^-1 as secret throughout. Jobs are done in groups of up to 32, each with the first candidate
 * for its k: what a group shares, base points (multiply_base.ts) and the inverse of all k, costs each of them little. The
 * one branch on what depends on the secrets asks whether a signature came out: whether k was in range, which tells only
 * of a k that is thrown away, and whether r or s is 0, which are the signature, public if used and thrown away if
 * not. A job for which it did not is done again alone. Either happens with a probability below 2^-31 (the first: the n of
 * P-256 lies 2^224 below 2^256, those of P-384 and secp256k1 much nearer) and never to an adversary's order, who would
 * need to know k to choose the digest.
 */
import { maskFromBit64 } from "../ct";
import { SHA256, hashSize } from "../sha2/hash";
import { fieldToLimbs } from "./field";
import { privateFromBe } from "./keys";
import { ELEMENT, isZero } from "./modular";
import { GROUP_MOST, groupOf, groupUsed, multiplyBaseAlone, multiplyBaseGroup } from "./multiply_base";
import { nonceInit, nonceNext, nonceReject, nonceWipe } from "./nonce";
import { nonceLane, nonceLanes, nonceLanesWipe, nonceOfLane } from "./nonce_lanes";
import { AFFINE, X } from "./point";
import { scalarAdd, scalarFromBe, scalarFromDigest, scalarInvert, scalarInvertMany, scalarMul, scalarReduce } from "./scalar";
import { GROUP_OPERATIONS, OPERATION_SCRATCH, ecWipe, groupWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;
/** Nonces that are made side by side. */
const LANES: usize = 4;

const D: usize = OPERATION_SCRATCH;
const K: usize = D + ELEMENT;
const E: usize = K + ELEMENT;
const R: usize = E + ELEMENT;
const S: usize = R + ELEMENT;
const AFFINE_R: usize = S + ELEMENT;
/** `size` bytes each: int2octets(x), bits2octets(h1), a candidate k. */
const X_BYTES: usize = AFFINE_R + AFFINE;
const H_BYTES: usize = X_BYTES + ELEMENT;
const K_BYTES: usize = H_BYTES + ELEMENT;

// Of a group: d, e, k, products of k, and R, one after the other; and of each job two bits: scalar and k in range.
const DS: usize = GROUP_OPERATIONS;
const ES: usize = DS + <usize>GROUP_MOST * ELEMENT;
const KS: usize = ES + <usize>GROUP_MOST * ELEMENT;
const PRODUCTS: usize = KS + <usize>GROUP_MOST * ELEMENT;
const RS: usize = PRODUCTS + <usize>GROUP_MOST * ELEMENT;
const OKS: usize = RS + <usize>GROUP_MOST * AFFINE;

/**
 * Jobs of {scalar, digest, noise or 0, out}: out = r ‖ s, with k hedged by the noise, or after plain RFC 6979 where
 * the pointer is 0. Scalar and noise have the curve's size, the digest that of the hash. All zeros for a scalar
 * out of range.
 */
export function sign<C, Q>(hash: u32, jobsPtr: usize, count: u32): void {
  for (let done: u32 = 0; done < count; done += GROUP_MOST) {
    signGroup<C, Q>(hash, jobsPtr + done * JOB, groupOf(count - done));
  }
  nonceWipe();
  nonceLanesWipe();
  groupWipe(groupUsed<C, Q>(groupOf(count)));
  ecWipe();
}

function signGroup<C, Q>(hash: u32, jobsPtr: usize, count: u32): void {
  const c = changetype<C>(0);
  for (let i: usize = 0; i < count; ) i += firstCandidates<C>(hash, jobsPtr, i, count);
  multiplyBaseGroup<C, Q>(RS, KS, count);
  scalarInvertMany<C>(KS, count, ELEMENT, PRODUCTS);
  for (let i: usize = 0, job = jobsPtr; i < count; i++, job += JOB) {
    const at = i * ELEMENT, okBits = load<u32>(OKS + 4 * i);
    const doneBit = finish<C>(load<u32>(job, 12), RS + i * AFFINE + X, KS + at, DS + at, ES + at);
    // May branch, see above.
    if (doneBit & (okBits >> 1)) maskSignature<C>(okBits & 1, load<u32>(job, 12));
    else signAlone<C, Q>(hash, job);
  }
}

/** d, e, k and the two bits of job i, and of the next three where their nonces go side by side; how many were done. */
function firstCandidates<C>(hash: u32, jobsPtr: usize, i: usize, count: usize): usize {
  const c = changetype<C>(0);
  const job = jobsPtr + i * JOB;
  if (hash == SHA256 && c.size == 32 && i + LANES <= count && sameForm(job)) {
    for (let lane: usize = 0; lane < LANES; lane++) {
      const at = (i + lane) * ELEMENT;
      store<u32>(OKS + 4 * (i + lane), numbers<C>(DS + at, ES + at, hash, job + lane * JOB));
      nonceLane(lane, X_BYTES, H_BYTES, load<u32>(job + lane * JOB, 8));
    }
    nonceLanes(load<u32>(job, 8) != 0);
    for (let lane: usize = 0; lane < LANES; lane++) {
      nonceOfLane(K_BYTES, lane);
      keepCandidate<C>(i + lane);
    }
    return LANES;
  }
  store<u32>(OKS + 4 * i, prepare<C>(DS + i * ELEMENT, ES + i * ELEMENT, hash, job));
  nonceNext(hash, c.size, K_BYTES);
  keepCandidate<C>(i);
  return 1;
}

/** Four jobs of which all have noise, or none. */
// @ts-ignore: decorator
@inline function sameForm(job: usize): bool {
  const hedged = load<u32>(job, 8) != 0;
  for (let lane: usize = 1; lane < LANES; lane++) {
    if ((load<u32>(job + lane * JOB, 8) != 0) != hedged) return false;
  }
  return true;
}

// @ts-ignore: decorator
@inline function keepCandidate<C>(i: usize): void {
  const inRangeBit = privateFromBe<C>(KS + i * ELEMENT, K_BYTES);
  store<u32>(OKS + 4 * i, load<u32>(OKS + 4 * i) | (inRangeBit << 1));
}

/** d and e of a job, and the bytes that its nonce is made of; 1, or 0 and d = 1 if the scalar is out of range. */
function numbers<C>(d: usize, e: usize, hash: u32, job: usize): u32 {
  const c = changetype<C>(0);
  const okBit = privateFromBe<C>(d, load<u32>(job));
  scalarFromDigest<C>(e, load<u32>(job, 4), hashSize(hash));
  c.toBe(X_BYTES, d);
  c.toBe(H_BYTES, e);
  return okBit;
}

/** The same, and the nonces' state. */
function prepare<C>(d: usize, e: usize, hash: u32, job: usize): u32 {
  const okBit = numbers<C>(d, e, hash, job);
  nonceInit(hash, changetype<C>(0).size, X_BYTES, H_BYTES, load<u32>(job, 8));
  return okBit;
}

function signAlone<C, Q>(hash: u32, job: usize): void {
  const c = changetype<C>(0);
  const outPtr = load<u32>(job, 12);
  const okBit = prepare<C>(D, E, hash, job);
  nonceNext(hash, c.size, K_BYTES);
  // RFC 6979 §3.2 step h.3.
  while (scalarFromBe<C>(K, K_BYTES) == 0 || signWith<C, Q>(outPtr) == 0) {
    nonceReject(hash);
    nonceNext(hash, c.size, K_BYTES);
  }
  maskSignature<C>(okBit, outPtr);
}

/** The signature for D, E and K; 1, or 0 if r or s came out 0. */
function signWith<C, Q>(outPtr: usize): u32 {
  multiplyBaseAlone<C, Q>(AFFINE_R, K);
  scalarInvert<C>(K, K);
  return finish<C>(outPtr, AFFINE_R + X, K, D, E);
}

/** §6.4.1 steps 6 to 11, from the x of R and k^-1; 1, or 0 if r or s came out 0. x < p < 2n. */
function finish<C>(outPtr: usize, x: usize, inverse: usize, d: usize, e: usize): u32 {
  const c = changetype<C>(0);
  fieldToLimbs<C>(R, x);
  scalarReduce<C>(R, R);
  scalarMul<C>(S, R, d);
  scalarAdd<C>(S, S, e);
  scalarMul<C>(S, S, inverse);
  c.toBe(outPtr, R);
  c.toBe(outPtr + c.size, S);
  return (isZero<C>(R) | isZero<C>(S)) ^ 1;
}

function maskSignature<C>(okBit: u32, outPtr: usize): void {
  const mask = maskFromBit64(okBit);
  for (let j: u32 = 0; j < 2 * changetype<C>(0).size; j += 8) store<u64>(outPtr + j, load<u64>(outPtr + j) & mask);
}

/**
 * Sign with a given k: for known answers in tests and the self-test alone, never to be reached from a
 * request. 1, or 0 and zeros if d or k is out of range or r or s is 0.
 */
export function signRaw<C, Q>(hash: u32, scalarPtr: usize, digestPtr: usize, kPtr: usize, outPtr: usize): u32 {
  const inRangeBit = privateFromBe<C>(D, scalarPtr) & privateFromBe<C>(K, kPtr);
  scalarFromDigest<C>(E, digestPtr, hashSize(hash));
  const okBit = signWith<C, Q>(outPtr) & inRangeBit;
  maskSignature<C>(okBit, outPtr);
  groupWipe(groupUsed<C, Q>(1));
  ecWipe();
  return okBit;
}
