/**
 * Keys: making them, and the checks of what comes from outside. C is a curve.
 *
 * A private scalar out of range is refused without a branch: the work is done with 1 in its place, and
 * what it gave is masked away, so that neither time nor addresses tell which scalars were refused.
 */
import { maskFromBit64 } from "../ct";
import { ELEMENT, ONE, addMod, move, reduceWide } from "./modular";
import { groupUsed, multiplyBaseGroup } from "./multiply_base";
import { AFFINE, affineFromBytes, affineToBytes, encodedSize } from "./point";
import { scalarFromBe } from "./scalar";
import { OPERATION_SCRATCH, ecWipe, groupWipe } from "./scratch";

const D: usize = OPERATION_SCRATCH;
const AFFINE_Q: usize = D + ELEMENT;
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
  const okBit = privateFromBe<C>(D, scalarPtr);
  multiplyBaseGroup<C, Q>(AFFINE_Q, D, 1);
  affineToBytes<C>(pointPtr, AFFINE_Q);
  const mask: u8 = 0 - <u8>okBit;
  for (let i: u32 = 0; i < encodedSize<C>(); i++) store<u8>(pointPtr + i, load<u8>(pointPtr + i) & mask);
  groupWipe(groupUsed<C, Q>(1));
  ecWipe();
  return okBit;
}

/** FIPS 186-5 A.2.1: d = (seed mod (n - 1)) + 1 from size + 16 random bytes, and its point. Returns 1. */
export function generateKey<C, Q>(scalarPtr: usize, pointPtr: usize, seedPtr: usize): u32 {
  const c = changetype<C>(0);
  reduceWide<C>(D, seedPtr, c.size + SEED_EXTRA, c.nMinus1);
  addMod<C>(D, D, ONE, c.n);
  c.toBe(scalarPtr, D);
  return publicKey<C, Q>(scalarPtr, pointPtr);
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
