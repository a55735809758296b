/**
 * What the fields of the curves have in common: C is a field, a form of numbers (Mod256, Mod384) with
 *   p                        the prime, in limbs
 *   one, squareOfR           R mod p and R^2 mod p
 *   mul add sub triple       on elements, in any order and number; mul is a·b/R
 *   invert sqrt              the inverse in the same form, and a power of the element
 * Elements are in Montgomery form and keep the one invariant that the field's own file states.
 */
import { ELEMENT, ONE, ZERO, isBelow, isZero, move, reduceOnce } from "./modular";
import { FIELD_SCRATCH } from "./scratch";

const WORK: usize = FIELD_SCRATCH;
/** For the addition chains of sqrt: nine elements. */
export const CHAIN: usize = WORK + ELEMENT;

/** r = a^(2^count)/R^(2^count - 1) */
export function squareTimes<C>(r: usize, a: usize, count: u32): void {
  const c = changetype<C>(0);
  c.mul(r, a, a);
  for (let i: u32 = 1; i < count; i++) c.mul(r, r, r);
}

/** r = -r where mask is all ones. */
export function fieldNegateIf<C>(mask: u64, r: usize): void {
  const c = changetype<C>(0);
  c.sub(WORK, ZERO, r);
  move(mask, r, WORK, c.bytes);
}

/** The unique representative below p, still in Montgomery form: a·(R mod p)/R + p < 2p. */
export function fieldReduce<C>(r: usize, a: usize): void {
  const c = changetype<C>(0);
  c.mul(r, a, c.one);
  reduceOnce<C>(r, r, c.p);
}

export function fieldIsZero<C>(a: usize): u32 {
  fieldReduce<C>(WORK, a);
  return isZero<C>(WORK);
}

/** `size` bytes big-endian into Montgomery form; 1 if the number was below p, as SP 800-56A §5.6.2.3.3 step 2 asks. */
export function fieldFromBe<C>(r: usize, bePtr: usize): u32 {
  const c = changetype<C>(0);
  c.fromBe(r, bePtr);
  const okBit = isBelow<C>(r, c.p);
  c.mul(r, r, c.squareOfR);
  return okBit;
}

/** The limbs of the number itself, out of Montgomery form: (a + q·p)/R <= p, so one subtraction does. */
export function fieldToLimbs<C>(r: usize, a: usize): void {
  const c = changetype<C>(0);
  c.mul(r, a, ONE);
  reduceOnce<C>(r, r, c.p);
}

export function fieldToBe<C>(bePtr: usize, a: usize): void {
  fieldToLimbs<C>(WORK, a);
  changetype<C>(0).toBe(bePtr, WORK);
}
