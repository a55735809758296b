/**
 * Points of P-256 in homogeneous projective coordinates, x = X/Z and y = Y/Z, O = (0 : 1 : 0).
 *
 * The formulas are those of Renes, Costello and Batina, "Complete addition formulas for prime order
 * elliptic curves" (2016), algorithms 4, 5 and 6, for a = -3. Complete: since the group has odd
 * order, they are right for every pair of inputs, also for equal points, opposite points and O. So
 * there is no exceptional case for a secret scalar to run into, and none to prove absent.
 * Rejected: Jacobian coordinates, 15 % fewer products in a base multiplication and 30 % in a
 * doubling, at the price of such proofs for every recoding and table.
 *
 * A point is X, Y, Z of 40 bytes each, an affine point X, Y; all in Montgomery form (field.ts).
 * Every result may overlie an input: a result is written once nothing of the input is needed.
 */
import { ELEMENT, move, pack, unpack, wideMask } from "../mod256";
import { POINT_SCRATCH } from "../scratch";
import {
  FIELD_ONE,
  fieldAdd,
  fieldFromBe,
  fieldInvert,
  fieldIsZero,
  fieldMul,
  fieldNegateIf,
  fieldReduce,
  fieldSqrt,
  fieldSub,
  fieldToBe,
  fieldToLimbs,
  fieldTriple,
} from "./field";

export const X: usize = 0;
export const Y: usize = ELEMENT;
export const Z: usize = 2 * ELEMENT;
export const AFFINE: usize = 2 * ELEMENT;
export const POINT: usize = 3 * ELEMENT;
/** An affine point in a table: reduced and packed. */
export const PACKED: usize = 64;
/** 04 ‖ x ‖ y, SEC 1 §2.3.3. */
export const ENCODED: u32 = 65;
const COMPRESSED: u32 = 33;

// The curve's b and base point (SP 800-186 §3.2.1.3), times R.
const B: usize = memory.data<u32>([
  0x1897bbfb, 0x1cdf6229, 0x018486c4, 0x01732821, 0x1dad59e0, 0x0abf7212, 0x1a06d110, 0x17721d20, 0x008600c3, 0,
]);
export const G: usize = memory.data<u32>([
  0x15228783, 0x0730d418, 0x0db00bcf, 0x057f11fb, 0x0a20eb75, 0x12b77622, 0x0330fdb9, 0x1af4dd57, 0x00120bee, 0,
  0x12aac150, 0x125357ce, 0x0f22e6ef, 0x0e390e86, 0x064b1695, 0x088dd21f, 0x02a97443, 0x02962176, 0x00ae3fe3, 0,
]);

const T0: usize = POINT_SCRATCH;
const T1: usize = T0 + ELEMENT;
const T2: usize = T1 + ELEMENT;
const T3: usize = T2 + ELEMENT;
const T4: usize = T3 + ELEMENT;
const X3: usize = T4 + ELEMENT;
const Y3: usize = X3 + ELEMENT;
const Z3: usize = Y3 + ELEMENT;
const WORK: usize = Z3 + ELEMENT;
const RIGHT: usize = WORK + ELEMENT;

export function pointSetInfinity(r: usize): void {
  memory.fill(r, 0, POINT);
  memory.copy(r + Y, FIELD_ONE, ELEMENT);
}

export function pointFromAffine(r: usize, a: usize): void {
  memory.copy(r, a, AFFINE);
  memory.copy(r + Z, FIELD_ONE, ELEMENT);
}

/** r = p + q: algorithm 4. */
export function pointAdd(r: usize, p: usize, q: usize): void {
  fieldMul(T0, p + X, q + X);
  fieldMul(T1, p + Y, q + Y);
  fieldMul(T2, p + Z, q + Z);
  fieldAdd(T3, p + X, p + Y);
  fieldAdd(T4, q + X, q + Y);
  fieldMul(T3, T3, T4);
  fieldAdd(T4, T0, T1);
  fieldSub(T3, T3, T4);
  fieldAdd(T4, p + Y, p + Z);
  fieldAdd(X3, q + Y, q + Z);
  fieldMul(T4, T4, X3);
  fieldAdd(X3, T1, T2);
  fieldSub(T4, T4, X3);
  fieldAdd(X3, p + X, p + Z);
  fieldAdd(Y3, q + X, q + Z);
  fieldMul(X3, X3, Y3);
  fieldAdd(Y3, T0, T2);
  fieldSub(Y3, X3, Y3);
  fieldMul(Z3, B, T2);
  fieldSub(X3, Y3, Z3);
  fieldTriple(X3, X3);
  fieldSub(Z3, T1, X3);
  fieldAdd(X3, T1, X3);
  fieldMul(Y3, B, Y3);
  fieldTriple(T2, T2);
  finish(r);
}

/** r = p + q for affine q: algorithm 5. */
export function pointAddAffine(r: usize, p: usize, q: usize): void {
  fieldMul(T0, p + X, q + X);
  fieldMul(T1, p + Y, q + Y);
  fieldAdd(T3, q + X, q + Y);
  fieldAdd(T4, p + X, p + Y);
  fieldMul(T3, T3, T4);
  fieldAdd(T4, T0, T1);
  fieldSub(T3, T3, T4);
  fieldMul(T4, q + Y, p + Z);
  fieldAdd(T4, T4, p + Y);
  fieldMul(Y3, q + X, p + Z);
  fieldAdd(Y3, Y3, p + X);
  fieldMul(Z3, B, p + Z);
  fieldSub(X3, Y3, Z3);
  fieldTriple(X3, X3);
  fieldSub(Z3, T1, X3);
  fieldAdd(X3, T1, X3);
  fieldMul(Y3, B, Y3);
  fieldTriple(T2, p + Z);
  finish(r);
}

/** What algorithms 4 and 5 have in common: from step 28 and 21 on. */
function finish(r: usize): void {
  fieldSub(Y3, Y3, T2);
  fieldSub(Y3, Y3, T0);
  fieldTriple(Y3, Y3);
  fieldTriple(T0, T0);
  fieldSub(T0, T0, T2);
  fieldMul(T1, T4, Y3);
  fieldMul(T2, T0, Y3);
  fieldMul(Y3, X3, Z3);
  fieldAdd(r + Y, Y3, T2);
  fieldMul(X3, T3, X3);
  fieldSub(r + X, X3, T1);
  fieldMul(Z3, T4, Z3);
  fieldMul(T1, T3, T0);
  fieldAdd(r + Z, Z3, T1);
}

/** r = 2p: algorithm 6. */
export function pointDouble(r: usize, p: usize): void {
  fieldMul(T0, p + X, p + X);
  fieldMul(T1, p + Y, p + Y);
  fieldMul(T2, p + Z, p + Z);
  fieldMul(T3, p + X, p + Y);
  fieldAdd(T3, T3, T3);
  fieldMul(Z3, p + X, p + Z);
  fieldAdd(Z3, Z3, Z3);
  fieldMul(Y3, B, T2);
  fieldSub(Y3, Y3, Z3);
  fieldTriple(Y3, Y3);
  fieldSub(X3, T1, Y3);
  fieldAdd(Y3, T1, Y3);
  fieldMul(Y3, X3, Y3);
  fieldMul(X3, X3, T3);
  fieldTriple(T2, T2);
  fieldMul(Z3, B, Z3);
  fieldSub(Z3, Z3, T2);
  fieldSub(Z3, Z3, T0);
  fieldTriple(Z3, Z3);
  fieldTriple(T0, T0);
  fieldSub(T0, T0, T2);
  fieldMul(T0, T0, Z3);
  fieldAdd(Y3, Y3, T0);
  fieldMul(T0, p + Y, p + Z);
  fieldAdd(T0, T0, T0);
  fieldMul(Z3, T0, Z3);
  fieldSub(r + X, X3, Z3);
  memory.copy(r + Y, Y3, ELEMENT);
  fieldMul(Z3, T0, T1);
  fieldAdd(Z3, Z3, Z3);
  fieldAdd(r + Z, Z3, Z3);
}

/** 1 if p is O. */
export function pointIsInfinity(p: usize): u32 {
  return fieldIsZero(p + Z);
}

/** r = affine p, p not O; of O it makes (0, 0), which lies off the curve. */
export function pointToAffine(r: usize, p: usize): void {
  fieldInvert(WORK, p + Z);
  fieldMul(r + X, p + X, WORK);
  fieldMul(r + Y, p + Y, WORK);
}

export function affinePack(ptr: usize, a: usize): void {
  fieldReduce(WORK, a + X);
  pack(ptr, WORK);
  fieldReduce(WORK, a + Y);
  pack(ptr + 32, WORK);
}

export function affineUnpack(r: usize, x0: u64, x1: u64, x2: u64, x3: u64, y0: u64, y1: u64, y2: u64, y3: u64): void {
  unpack(r + X, x0, x1, x2, x3);
  unpack(r + Y, y0, y1, y2, y3);
}

/** 04 ‖ x ‖ y of an affine point. */
export function affineToBytes(outPtr: usize, a: usize): void {
  store<u8>(outPtr, 4);
  fieldToBe(outPtr + 1, a + X);
  fieldToBe(outPtr + 33, a + Y);
}

/** r = x^3 - 3x + b */
function curveRight(r: usize, x: usize): void {
  fieldMul(r, x, x);
  fieldMul(r, r, x);
  fieldTriple(WORK, x);
  fieldSub(r, r, WORK);
  fieldAdd(r, r, B);
}

/**
 * Read a public point: 04 ‖ x ‖ y, or 02/03 ‖ x with the parity of y (SEC 1 §2.3.4).
 * 1 if it is a valid public key after SP 800-56A rev. 3 §5.6.2.3.3: not O (no encoding of it is read,
 * and (0, 0) is off the curve), both coordinates below p, on the curve; step 4, n·Q = O, holds for every
 * point of a curve of prime order. Hybrid forms 06 and 07 are refused.
 * A point is public: this branches on its form, though not on its coordinates.
 */
export function affineFromBytes(r: usize, inPtr: usize, len: u32): u32 {
  const form: u32 = len == 0 ? 0 : load<u8>(inPtr);
  if (len == ENCODED && form == 4) {
    const inRangeBit = fieldFromBe(r + X, inPtr + 1) & fieldFromBe(r + Y, inPtr + 33);
    return inRangeBit & onCurve(r);
  }
  if (len == COMPRESSED && (form == 2 || form == 3)) {
    const inRangeBit = fieldFromBe(r + X, inPtr + 1);
    curveRight(RIGHT, r + X);
    fieldSqrt(r + Y, RIGHT);
    // y = 0 would be a point of order 2, which the curve has not; so -y has the other parity.
    fieldToLimbs(WORK, r + Y);
    fieldNegateIf(wideMask((load<u32>(WORK) ^ form) & 1), r + Y);
    return inRangeBit & onCurve(r);
  }
  return 0;
}

function onCurve(a: usize): u32 {
  curveRight(RIGHT, a + X);
  fieldMul(WORK, a + Y, a + Y);
  fieldSub(RIGHT, RIGHT, WORK);
  return fieldIsZero(RIGHT);
}

/** r = mask ? a : r */
export function pointMove(mask: u64, r: usize, a: usize): void {
  move(mask, r, a, POINT);
}
