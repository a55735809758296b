/**
 * ECDSA on P-256 with digests of 32 bytes: FIPS 186-5 §6.4.
 *
 * Signing treats d, k and k^-1 as secret throughout. It branches in two places on what depends on them,
 * both in signWith and its loop: whether a candidate k is out of range, which tells only of a k that is
 * thrown away, and whether r or s is 0, which are the signature, public if used and thrown away if
 * not. Either happens with a probability below 2^-31 (the first: n lies 2^224 below 2^256) and never to
 * an adversary's order, who would need to know k to choose the digest.
 *
 * Verification handles public data alone but goes the same constant-flow ways: one pair of multiplications
 * to trust and test. Rejected for now: interleaved wNAF, perhaps a fifth faster.
 * s is neither normalised nor asked to be low: both s and n - s are valid (FIPS 186-5 §6.4.2).
 */
import { maskFromBit64 } from "../../ct";
import { ELEMENT, isEqual, isZero, toBe } from "../mod256";
import { nonceInit, nonceNext, nonceReject, nonceWipe } from "../nonce";
import { OPERATION_SCRATCH, ecWipe } from "../scratch";
import { fieldToLimbs } from "./field";
import { privateFromBe } from "./keys";
import { multiplyBase, multiplyPoint } from "./multiply";
import { ENCODED, POINT, X, affineFromBytes, pointAdd, pointIsInfinity, pointToAffine } from "./point";
import { scalarAdd, scalarFromBe, scalarFromDigest, scalarInvert, scalarMul, scalarReduce } from "./scalar";

// A job: four pointers.
const JOB: u32 = 16;
const SIGNATURE: usize = 64;

const D: usize = OPERATION_SCRATCH;
const K: usize = D + ELEMENT;
const E: usize = K + ELEMENT;
const R: usize = E + ELEMENT;
const S: usize = R + ELEMENT;
const U1: usize = S + ELEMENT;
const U2: usize = U1 + ELEMENT;
const PRODUCT: usize = U2 + ELEMENT;
const SUM: usize = PRODUCT + POINT;
const Q: usize = SUM + POINT;
/** 32 bytes each: int2octets(x), bits2octets(h1), a candidate k. */
const X_BYTES: usize = Q + POINT;
const H_BYTES: usize = X_BYTES + 32;
const K_BYTES: usize = H_BYTES + 32;

/**
 * Jobs of {scalar 32, digest 32, noise 32 or 0, out 64}: out = r ‖ s, with k hedged by the noise, or
 * after plain RFC 6979 where the pointer is 0. All zeros for a scalar out of range.
 */
export function p256Sign(jobsPtr: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const job = jobsPtr + i * JOB;
    signOne(load<u32>(job), load<u32>(job, 4), load<u32>(job, 8), load<u32>(job, 12));
  }
  nonceWipe();
  ecWipe();
}

function signOne(scalarPtr: usize, digestPtr: usize, noisePtr: usize, outPtr: usize): void {
  const okBit = privateFromBe(D, scalarPtr);
  scalarFromDigest(E, digestPtr);
  toBe(X_BYTES, D);
  toBe(H_BYTES, E);
  nonceInit(X_BYTES, H_BYTES, noisePtr);
  nonceNext(K_BYTES);
  // RFC 6979 §3.2 step h.3: may branch, see above.
  while (scalarFromBe(K, K_BYTES) == 0 || signWith(outPtr) == 0) {
    nonceReject();
    nonceNext(K_BYTES);
  }
  maskSignature(okBit, outPtr);
}

/** §6.4.1 steps 4 to 11 for D, E and K; 1, or 0 if r or s came out 0. */
function signWith(outPtr: usize): u32 {
  multiplyBase(PRODUCT, K);
  pointToAffine(Q, PRODUCT);
  fieldToLimbs(R, Q + X);
  scalarReduce(R, R); // x < p < 2n
  scalarMul(S, R, D);
  scalarAdd(S, S, E);
  scalarInvert(K, K);
  scalarMul(S, S, K);
  toBe(outPtr, R);
  toBe(outPtr + 32, S);
  return (isZero(R) | isZero(S)) ^ 1;
}

function maskSignature(okBit: u32, outPtr: usize): void {
  const mask = maskFromBit64(okBit);
  for (let j: usize = 0; j < SIGNATURE; j += 8) store<u64>(outPtr + j, load<u64>(outPtr + j) & mask);
}

/**
 * Sign with a given k: for known answers in tests and the self-test alone, never to be reached from a
 * request. 1, or 0 and zeros if d or k is out of range or r or s is 0.
 */
export function p256SignRaw(scalarPtr: usize, digestPtr: usize, kPtr: usize, outPtr: usize): u32 {
  const inRangeBit = privateFromBe(D, scalarPtr) & privateFromBe(K, kPtr);
  scalarFromDigest(E, digestPtr);
  const okBit = signWith(outPtr) & inRangeBit;
  maskSignature(okBit, outPtr);
  ecWipe();
  return okBit;
}

/** Jobs of {point 65, digest 32, signature 64, result u32}: result = 1 if the signature is valid, else 0. */
export function p256Verify(jobsPtr: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const job = jobsPtr + i * JOB;
    store<u32>(load<u32>(job, 12), verifyOne(load<u32>(job), load<u32>(job, 4), load<u32>(job, 8)));
  }
  ecWipe();
}

/** §6.4.2, after a check of the key. */
function verifyOne(pointPtr: usize, digestPtr: usize, sigPtr: usize): u32 {
  if (affineFromBytes(Q, pointPtr, ENCODED) == 0) return 0;
  if ((scalarFromBe(R, sigPtr) & scalarFromBe(S, sigPtr + 32)) == 0) return 0;
  scalarFromDigest(E, digestPtr);
  scalarInvert(S, S);
  scalarMul(U1, E, S);
  scalarMul(U2, R, S);
  multiplyBase(PRODUCT, U1);
  multiplyPoint(SUM, U2, Q);
  pointAdd(SUM, SUM, PRODUCT);
  if (pointIsInfinity(SUM)) return 0;
  pointToAffine(Q, SUM);
  fieldToLimbs(E, Q + X);
  scalarReduce(E, E);
  return isEqual(E, R);
}
