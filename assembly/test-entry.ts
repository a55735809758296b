/** What tests of the arithmetic call and the core does not export; built by those tests alone. */
import { fieldFromBe, fieldIsZero, fieldNegateIf, fieldReduce, fieldToBe } from "./ec/field";
import { ELEMENT, addMod, fromMont, isBelow, reduceOnce, reduceWide, toMont } from "./ec/modular";
import { P256 } from "./ec/p256/curve";
import { P256Quad } from "./ec/p256/quad";
import { P384 } from "./ec/p384/curve";
import { P384Quad } from "./ec/p384/quad";
import {
  affineFromBytes,
  affinePack,
  affineToBytes,
  affineUnpack,
  pointFromAffine,
  pointIsInfinity,
  pointSetInfinity,
  pointToAffine,
} from "./ec/point";
import { scalarFromBe, scalarFromDigest, scalarInvert, scalarInvertMany, scalarMul } from "./ec/scalar";
import { Secp256k1 } from "./ec/secp256k1/curve";
import { Secp256k1Quad } from "./ec/secp256k1/quad";

export { nonceInit, nonceNext, nonceReject } from "./ec/nonce";
export { REPLY, WINDOW } from "./layout";

/** The operations of `run`; the module exports each number as Op.<name>. */
export enum Op {
  fromBe, toBe, packed, montMul, toMont, fromMont, addMod, reduceOnce, reduceWide, isBelowN, isBelowP,
  pInvert, nInvert, fieldMul, fieldAdd, fieldSub, fieldTriple, fieldNegate, fieldInvert, fieldSqrt,
  fieldReduce, fieldIsZero, fieldFromBe, fieldToBe,
  scalarMul, scalarInvert, scalarInvertMany, scalarFromBe, scalarFromDigest,
  addPoints, addAffine, doublePoint, setInfinity, fromAffine, toAffine, isInfinity,
  affineFromBytes, affineToBytes, affinePacked,
}

/** One operation of one curve; r is the result where there is one, and moduli are those of the curve's order. */
export function run(curve: u32, op: u32, r: usize, a: usize, b: usize): u32 {
  if (curve == 1) return runOn<P256>(op, r, a, b);
  if (curve == 2) return runOn<P384>(op, r, a, b);
  return runOn<Secp256k1>(op, r, a, b);
}

/** The operations of `runQuad`. */
export enum QuadOp {
  mul, square, add, sub, tripleSub, subTwice, addWide, subWide, unpack, fromWords, pack, negateIf, set, get,
}

/** One operation on quads; for `set` and `get` a lane is the number b, and for `unpack` a holds four packed numbers. */
export function runQuad(curve: u32, op: u32, r: usize, a: usize, b: usize): void {
  if (curve == 1) runQuadOn<P256Quad>(op, 32, r, a, b);
  else if (curve == 2) runQuadOn<P384Quad>(op, 48, r, a, b);
  else runQuadOn<Secp256k1Quad>(op, 32, r, a, b);
}

export function quadBytes(curve: u32): usize {
  if (curve == 1) return changetype<P256Quad>(0).bytes;
  return curve == 2 ? changetype<P384Quad>(0).bytes : changetype<Secp256k1Quad>(0).bytes;
}

function runQuadOn<Q>(op: u32, size: usize, r: usize, a: usize, b: usize): void {
  const q = changetype<Q>(0);
  switch (op) {
    case QuadOp.mul: q.mul(r, a, b); break;
    case QuadOp.square: q.square(r, a); break;
    case QuadOp.add: q.add(r, a, b); break;
    case QuadOp.sub: q.sub(r, a, b); break;
    case QuadOp.tripleSub: q.tripleSub(r, a, b); break;
    case QuadOp.subTwice: q.subTwice(r, a, b); break;
    case QuadOp.addWide: q.addWide(r, a, b); break;
    case QuadOp.subWide: q.subWide(r, a, b); break;
    case QuadOp.unpack: q.unpack(r, a, a + size, a + 2 * size, a + 3 * size); break;
    case QuadOp.fromWords: q.fromWords(r, a); break;
    case QuadOp.pack: q.pack(r, a); break;
    case QuadOp.negateIf: q.negateIf(v128.load(a), r); break;
    case QuadOp.set: q.set(r, b, a); break;
    case QuadOp.get: q.get(r, a, b); break;
    default: unreachable();
  }
}

export function times3b(r: usize, a: usize): void {
  changetype<Secp256k1>(0).times3b(r, a);
}

function runOn<C>(op: u32, r: usize, a: usize, b: usize): u32 {
  const c = changetype<C>(0);
  switch (op) {
    case Op.fromBe: c.fromBe(r, a); break;
    case Op.toBe: c.toBe(r, a); break;
    case Op.packed: c.pack(b, a); c.unpack(r, b); break;
    case Op.montMul: c.montMul(r, a, b, c.n); break;
    case Op.toMont: toMont<C>(r, a, c.n); break;
    case Op.fromMont: fromMont<C>(r, a, c.n); break;
    case Op.addMod: addMod<C>(r, a, b, c.n); break;
    case Op.reduceOnce: reduceOnce<C>(r, a, c.n); break;
    case Op.reduceWide: reduceWide<C>(r, a, <u32>b, c.nMinus1); break;
    case Op.isBelowN: return isBelow<C>(a, c.n);
    case Op.isBelowP: return isBelow<C>(a, c.p);
    case Op.pInvert: return <u32>c.pInvert;
    case Op.nInvert: return <u32>c.nInvert;
    case Op.fieldMul: c.mul(r, a, b); break;
    case Op.fieldAdd: c.add(r, a, b); break;
    case Op.fieldSub: c.sub(r, a, b); break;
    case Op.fieldTriple: c.triple(r, a); break;
    case Op.fieldNegate: fieldNegateIf<C>(<u64>-1, r); break;
    case Op.fieldInvert: c.invert(r, a); break;
    case Op.fieldSqrt: c.sqrt(r, a); break;
    case Op.fieldReduce: fieldReduce<C>(r, a); break;
    case Op.fieldIsZero: return fieldIsZero<C>(a);
    case Op.fieldFromBe: return fieldFromBe<C>(r, a);
    case Op.fieldToBe: fieldToBe<C>(r, a); break;
    case Op.scalarMul: scalarMul<C>(r, a, b); break;
    case Op.scalarInvert: scalarInvert<C>(r, a); break;
    case Op.scalarInvertMany: scalarInvertMany<C>(r, <u32>b, 2 * ELEMENT, a); break;
    case Op.scalarFromBe: return scalarFromBe<C>(r, a);
    case Op.scalarFromDigest: scalarFromDigest<C>(r, a, <u32>b); break;
    case Op.addPoints: c.addPoints(r, a, b); break;
    case Op.addAffine: c.addAffine(r, a, b); break;
    case Op.doublePoint: c.doublePoint(r, a); break;
    case Op.setInfinity: pointSetInfinity<C>(r); break;
    case Op.fromAffine: pointFromAffine<C>(r, a); break;
    case Op.toAffine: pointToAffine<C>(r, a); break;
    case Op.isInfinity: return pointIsInfinity<C>(a);
    case Op.affineFromBytes: return affineFromBytes<C>(r, a, <u32>b);
    case Op.affineToBytes: affineToBytes<C>(r, a); break;
    case Op.affinePacked: affinePack<C>(b, a); affineUnpack<C>(r, b); break;
    default: unreachable();
  }
  return 0;
}
