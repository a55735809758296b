/**
 * ECDH: the x of d·Q, SP 800-56A rev. 3 §5.7.1.2 (the cofactor of every curve here is 1).
 *
 * Q is validated in full before d touches it: a point off the curve lies in a small group and would
 * leak d modulo its order. With Q of order n and 0 < d < n the product is never O (step 2).
 */
import { maskFromBit64 } from "../ct";
import { fieldToBe } from "./field";
import { privateFromBe } from "./keys";
import { ELEMENT } from "./modular";
import { multiplyPoint } from "./multiply";
import { AFFINE, X, affineFromBytes, encodedSize, pointToAffine } from "./point";
import { OPERATION_SCRATCH, ecWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;

const D: usize = OPERATION_SCRATCH;
const Q: usize = D + ELEMENT;
const PRODUCT: usize = Q + AFFINE;

/**
 * Jobs of {scalar, point, out, result u32}: out = x of d·Q, `size` bytes, and result 1, or zeros and 0 if the
 * point is not valid or d not in range. Which points are refused is public, which scalars is not.
 */
export function agree<C>(jobsPtr: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const job = jobsPtr + i * JOB;
    store<u32>(load<u32>(job, 12), agreeOne<C>(load<u32>(job), load<u32>(job, 4), load<u32>(job, 8)));
  }
  ecWipe();
}

function agreeOne<C>(scalarPtr: usize, pointPtr: usize, outPtr: usize): u32 {
  const size = changetype<C>(0).size;
  if (affineFromBytes<C>(Q, pointPtr, encodedSize<C>()) == 0) {
    memory.fill(outPtr, 0, size);
    return 0;
  }
  const okBit = privateFromBe<C>(D, scalarPtr);
  multiplyPoint<C>(PRODUCT, D, Q);
  pointToAffine<C>(Q, PRODUCT);
  fieldToBe<C>(outPtr, Q + X);
  const mask = maskFromBit64(okBit);
  for (let j: usize = 0; j < size; j += 8) store<u64>(outPtr + j, load<u64>(outPtr + j) & mask);
  return okBit;
}
