/**
 * Keys: making them, and the checks of what comes from outside. C is a curve.
 *
 * A private scalar out of range is refused without a branch: the work is done with 1 in its place, and
 * what it gave is masked away, so that neither time nor addresses tell which scalars were refused.
 */
import { maskFromBit64 } from "../ct";
import { ELEMENT, ONE, addMod, move, reduceWide } from "./modular";
import { GROUP_MOST, groupOf, groupUsed, multiplyBaseGroup } from "./multiply_base";
import { AFFINE, affineFromBytes, affineToBytes, encodedSize } from "./point";
import { scalarFromBe } from "./scalar";
import { GROUP_OPERATIONS, OPERATION_SCRATCH, ecWipe, groupWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;

const AFFINE_Q: usize = OPERATION_SCRATCH;
/** The scalars of a group, and their points. */
const DS: usize = GROUP_OPERATIONS;
const QS: usize = DS + <usize>GROUP_MOST * ELEMENT;
/** FIPS 186-5 A.2.1 asks for at least 64 bits beyond those of n; 128 leave a bias below 2^-128. */
const SEED_EXTRA: u32 = 16;

/** Read a private scalar; 1 if 0 < d < n, else 0 and d is 1. */
export function privateFromBe<C>(d: usize, scalarPtr: usize): u32 {
  const okBit = scalarFromBe<C>(d, scalarPtr);
  move(~maskFromBit64(okBit), d, ONE, changetype<C>(0).bytes);
  return okBit;
}

/** `size` bytes d to 04 ‖ x ‖ y; 1, or 0 and zeros if d is 0 or not below n. */
export function publicKey<C, Q>(scalarPtr: usize, pointPtr: usize): u32 {
  const okBit = privateFromBe<C>(DS, scalarPtr);
  multiplyBaseGroup<C, Q>(QS, DS, 1);
  affineToBytes<C>(pointPtr, QS);
  const mask: u8 = 0 - <u8>okBit;
  for (let i: u32 = 0; i < encodedSize<C>(); i++) store<u8>(pointPtr + i, load<u8>(pointPtr + i) & mask);
  groupWipe(groupUsed<C, Q>(1));
  ecWipe();
  return okBit;
}

/** FIPS 186-5 A.2.1: d = (seed mod (n - 1)) + 1 from size + 16 random bytes. */
function scalarFromSeed<C>(d: usize, seedPtr: usize): void {
  const c = changetype<C>(0);
  reduceWide<C>(d, seedPtr, c.size + SEED_EXTRA, c.nMinus1);
  addMod<C>(d, d, ONE, c.n);
}

/** A scalar from a seed, and its point. Returns 1. */
export function generateKey<C, Q>(scalarPtr: usize, pointPtr: usize, seedPtr: usize): u32 {
  scalarFromSeed<C>(DS, seedPtr);
  changetype<C>(0).toBe(scalarPtr, DS);
  return publicKey<C, Q>(scalarPtr, pointPtr);
}

/** Jobs of {scalar, point, seed, result u32}: of each, what generateKey makes. */
export function generateKeys<C, Q>(jobsPtr: usize, count: u32): void {
  for (let done: u32 = 0; done < count; done += GROUP_MOST) {
    generateGroup<C, Q>(jobsPtr + done * JOB, groupOf(count - done));
  }
  groupWipe(groupUsed<C, Q>(groupOf(count)));
  ecWipe();
}

function generateGroup<C, Q>(jobsPtr: usize, count: u32): void {
  for (let i: usize = 0, job = jobsPtr; i < count; i++, job += JOB) {
    const d = DS + i * ELEMENT;
    scalarFromSeed<C>(d, load<u32>(job, 8));
    changetype<C>(0).toBe(load<u32>(job), d);
  }
  multiplyBaseGroup<C, Q>(QS, DS, count);
  for (let i: usize = 0, job = jobsPtr; i < count; i++, job += JOB) {
    affineToBytes<C>(load<u32>(job, 4), QS + i * AFFINE);
    store<u32>(load<u32>(job, 12), 1);
  }
}

/**
 * Full public-key validation (point.ts, affineFromBytes) of a full or a compressed point; writes 04 ‖ x ‖ y.
 * 1, or 0 and zeros. out may be in.
 */
export function validatePoint<C>(pointPtr: usize, len: u32, outPtr: usize): u32 {
  const okBit = affineFromBytes<C>(AFFINE_Q, pointPtr, len);
  memory.fill(outPtr, 0, encodedSize<C>());
  if (okBit) affineToBytes<C>(outPtr, AFFINE_Q);
  ecWipe();
  return okBit;
}
