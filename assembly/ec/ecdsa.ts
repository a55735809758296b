/**
 * ECDSA with digests of SHA-256, SHA-384 or SHA-512: FIPS 186-5 §6.4. C is a curve.
 *
 * Signing treats d, k and k^-1 as secret throughout. It branches in two places on what depends on them,
 * both in signWith and its loop: whether a candidate k is out of range, which tells only of a k that is
 * thrown away, and whether r or s is 0, which are the signature, public if used and thrown away if
 * not. Either happens with a probability below 2^-31 (the first: the n of P-256 lies 2^224 below 2^256, those of
 * P-384 and secp256k1 much nearer) and never to an adversary's order, who would need to know k to choose the digest.
 *
 * Verification handles public data alone but goes the same constant-flow ways: one pair of multiplications
 * to trust and test. Rejected for now: interleaved wNAF, perhaps a fifth faster.
 * s is neither normalised nor asked to be low: both s and n - s are valid (FIPS 186-5 §6.4.2).
 */
import { maskFromBit64 } from "../ct";
import { hashSize } from "../sha2/hash";
import { fieldToLimbs } from "./field";
import { privateFromBe } from "./keys";
import { ELEMENT, isEqual, isZero } from "./modular";
import { multiplyBase, multiplyPoint } from "./multiply";
import { nonceInit, nonceNext, nonceReject, nonceWipe } from "./nonce";
import { POINT, X, affineFromBytes, encodedSize, pointIsInfinity, pointToAffine } from "./point";
import { scalarAdd, scalarFromBe, scalarFromDigest, scalarInvert, scalarMul, scalarReduce } from "./scalar";
import { OPERATION_SCRATCH, ecWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;

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
/** `size` bytes each: int2octets(x), bits2octets(h1), a candidate k. */
const X_BYTES: usize = Q + POINT;
const H_BYTES: usize = X_BYTES + ELEMENT;
const K_BYTES: usize = H_BYTES + ELEMENT;

/**
 * Jobs of {scalar, digest, noise or 0, out}: out = r ‖ s, with k hedged by the noise, or after plain RFC 6979 where
 * the pointer is 0. Scalar and noise have the curve's size, the digest that of the hash. All zeros for a scalar
 * out of range.
 */
export function sign<C>(hash: u32, jobsPtr: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const job = jobsPtr + i * JOB;
    signOne<C>(hash, load<u32>(job), load<u32>(job, 4), load<u32>(job, 8), load<u32>(job, 12));
  }
  nonceWipe();
  ecWipe();
}

function signOne<C>(hash: u32, scalarPtr: usize, digestPtr: usize, noisePtr: usize, outPtr: usize): void {
  const c = changetype<C>(0);
  const okBit = privateFromBe<C>(D, scalarPtr);
  scalarFromDigest<C>(E, digestPtr, hashSize(hash));
  c.toBe(X_BYTES, D);
  c.toBe(H_BYTES, E);
  nonceInit(hash, c.size, X_BYTES, H_BYTES, noisePtr);
  nonceNext(hash, c.size, K_BYTES);
  // RFC 6979 §3.2 step h.3: may branch, see above.
  while (scalarFromBe<C>(K, K_BYTES) == 0 || signWith<C>(outPtr) == 0) {
    nonceReject(hash);
    nonceNext(hash, c.size, K_BYTES);
  }
  maskSignature<C>(okBit, outPtr);
}

/** §6.4.1 steps 4 to 11 for D, E and K; 1, or 0 if r or s came out 0. */
function signWith<C>(outPtr: usize): u32 {
  const c = changetype<C>(0);
  multiplyBase<C>(PRODUCT, K);
  pointToAffine<C>(Q, PRODUCT);
  fieldToLimbs<C>(R, Q + X);
  scalarReduce<C>(R, R); // x < p < 2n
  scalarMul<C>(S, R, D);
  scalarAdd<C>(S, S, E);
  scalarInvert<C>(K, K);
  scalarMul<C>(S, S, K);
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
export function signRaw<C>(hash: u32, scalarPtr: usize, digestPtr: usize, kPtr: usize, outPtr: usize): u32 {
  const inRangeBit = privateFromBe<C>(D, scalarPtr) & privateFromBe<C>(K, kPtr);
  scalarFromDigest<C>(E, digestPtr, hashSize(hash));
  const okBit = signWith<C>(outPtr) & inRangeBit;
  maskSignature<C>(okBit, outPtr);
  ecWipe();
  return okBit;
}
