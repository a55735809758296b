/**
 * ECDH on P-256: the x of d·Q, SP 800-56A rev. 3 §5.7.1.2 (the cofactor is 1).
 *
 * Q is validated in full before d touches it: a point off the curve lies in a small group and would
 * leak d modulo its order. With Q of order n and 0 < d < n the product is never O (step 2).
 */
import { maskFromBit64 } from "../../ct";
import { ELEMENT } from "../mod256";
import { OPERATION_SCRATCH, ecWipe } from "../scratch";
import { fieldToBe } from "./field";
import { privateFromBe } from "./keys";
import { multiplyPoint } from "./multiply";
import { ENCODED, POINT, X, affineFromBytes, pointToAffine } from "./point";

// A job: four pointers.
const JOB: u32 = 16;
const SHARED: usize = 32;

const D: usize = OPERATION_SCRATCH;
const Q: usize = D + ELEMENT;
const PRODUCT: usize = Q + POINT;

/**
 * Jobs of {scalar 32, point 65, out 32, result u32}: out = x of d·Q and result 1, or zeros and 0 if the
 * point is not valid or d not in range. Which points are refused is public, which scalars is not.
 */
export function p256Ecdh(jobsPtr: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const job = jobsPtr + i * JOB;
    store<u32>(load<u32>(job, 12), agree(load<u32>(job), load<u32>(job, 4), load<u32>(job, 8)));
  }
  ecWipe();
}

function agree(scalarPtr: usize, pointPtr: usize, outPtr: usize): u32 {
  if (affineFromBytes(Q, pointPtr, ENCODED) == 0) {
    memory.fill(outPtr, 0, SHARED);
    return 0;
  }
  const okBit = privateFromBe(D, scalarPtr);
  multiplyPoint(PRODUCT, D, Q);
  pointToAffine(Q, PRODUCT);
  fieldToBe(outPtr, Q + X);
  const mask = maskFromBit64(okBit);
  for (let j: usize = 0; j < SHARED; j += 8) store<u64>(outPtr + j, load<u64>(outPtr + j) & mask);
  return okBit;
}
