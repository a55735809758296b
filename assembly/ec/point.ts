/**
 * Points in homogeneous projective coordinates, x = X/Z and y = Y/Z, O = (0 : 1 : 0). C is a curve: a field
 * (field.ts) with
 *   n nMinus1                the modulus of its order (modular.ts), and one less
 *   b gx gy                  the curve's b and its base point
 *   baseTable window         where the multiples of that lie, and bits of a digit that chooses one (base_table.ts)
 *   rightSide                x^3 + ax + b
 *   addPoints addAffine doublePoint
 *
 * The sums are the complete formulas of Renes, Costello and Batina (formulas_*.ts): since the groups have odd
 * order, they are right for every pair of inputs, also for equal points, opposite points and O. So there is no
 * exceptional case for a secret scalar to run into, and none to prove absent.
 * Rejected: Jacobian coordinates, 15 % fewer products in a base multiplication and 30 % in a doubling, at the
 * price of such proofs for every recoding and table.
 *
 * A point is X, Y, Z in the place of an element each, an affine point X, Y; all in Montgomery form.
 */
import { fieldFromBe, fieldIsZero, fieldNegateIf, fieldReduce, fieldToBe, fieldToLimbs } from "./field";
import { ELEMENT, copy, wideMask } from "./modular";
import { POINT_SCRATCH } from "./scratch";

export const X: usize = 0;
export const Y: usize = ELEMENT;
export const Z: usize = 2 * ELEMENT;
export const AFFINE: usize = 2 * ELEMENT;
export const POINT: usize = 3 * ELEMENT;

const WORK: usize = POINT_SCRATCH;
const RIGHT: usize = WORK + ELEMENT;

/** Bytes of 04 ‖ x ‖ y, SEC 1 §2.3.3. */
// @ts-ignore: decorator
@inline export function encodedSize<C>(): u32 {
  return 2 * changetype<C>(0).size + 1;
}

export function pointSetInfinity<C>(r: usize): void {
  memory.fill(r, 0, POINT);
  copy<C>(r + Y, changetype<C>(0).one);
}

export function pointFromAffine<C>(r: usize, a: usize): void {
  copy<C>(r + X, a + X);
  copy<C>(r + Y, a + Y);
  copy<C>(r + Z, changetype<C>(0).one);
}

/** 1 if p is O. */
export function pointIsInfinity<C>(p: usize): u32 {
  return fieldIsZero<C>(p + Z);
}

/** r = affine p, p not O; of O it makes (0, 0), which lies off every curve here. */
export function pointToAffine<C>(r: usize, p: usize): void {
  const c = changetype<C>(0);
  c.invert(WORK, p + Z);
  c.mul(r + X, p + X, WORK);
  c.mul(r + Y, p + Y, WORK);
}

/** An affine point as a table holds it: reduced and packed, 2·size bytes. */
export function affinePack<C>(ptr: usize, a: usize): void {
  const c = changetype<C>(0);
  fieldReduce<C>(WORK, a + X);
  c.pack(ptr, WORK);
  fieldReduce<C>(WORK, a + Y);
  c.pack(ptr + c.size, WORK);
}

export function affineUnpack<C>(r: usize, ptr: usize): void {
  const c = changetype<C>(0);
  c.unpack(r + X, ptr);
  c.unpack(r + Y, ptr + c.size);
}

/** 04 ‖ x ‖ y of an affine point. */
export function affineToBytes<C>(outPtr: usize, a: usize): void {
  store<u8>(outPtr, 4);
  fieldToBe<C>(outPtr + 1, a + X);
  fieldToBe<C>(outPtr + 1 + changetype<C>(0).size, a + Y);
}

/**
 * Read a public point: 04 ‖ x ‖ y, or 02/03 ‖ x with the parity of y (SEC 1 §2.3.4).
 * 1 if it is a valid public key after SP 800-56A rev. 3 §5.6.2.3.3: not O (no encoding of it is read,
 * and (0, 0) is off the curve), both coordinates below p, on the curve; step 4, n·Q = O, holds for every
 * point of a curve of prime order. Hybrid forms 06 and 07 are refused.
 * A point is public: this branches on its form, though not on its coordinates.
 */
export function affineFromBytes<C>(r: usize, inPtr: usize, len: u32): u32 {
  const c = changetype<C>(0);
  const form: u32 = len == 0 ? 0 : load<u8>(inPtr);
  if (len == encodedSize<C>() && form == 4) {
    const inRangeBit = fieldFromBe<C>(r + X, inPtr + 1) & fieldFromBe<C>(r + Y, inPtr + 1 + c.size);
    return inRangeBit & onCurve<C>(r);
  }
  if (len == 1 + c.size && (form == 2 || form == 3)) {
    const inRangeBit = fieldFromBe<C>(r + X, inPtr + 1);
    c.rightSide(RIGHT, r + X);
    c.sqrt(r + Y, RIGHT);
    // y = 0 would be a point of order 2, which no curve here has; so -y has the other parity.
    fieldToLimbs<C>(WORK, r + Y);
    fieldNegateIf<C>(wideMask((load<u32>(WORK) ^ form) & 1), r + Y);
    return inRangeBit & onCurve<C>(r);
  }
  return 0;
}

/** 1 if an affine point is on the curve. */
export function onCurve<C>(a: usize): u32 {
  const c = changetype<C>(0);
  c.rightSide(RIGHT, a + X);
  c.mul(WORK, a + Y, a + Y);
  c.sub(RIGHT, RIGHT, WORK);
  return fieldIsZero<C>(RIGHT);
}
