/** What tests of the arithmetic call and the core does not export; built by those tests alone. */
import { P } from "./ec/p256/field";
import { N, N_MINUS_1 } from "./ec/p256/scalar";

export { addMod, fromBe, fromMont, isBelow, montMul, reduceOnce, reduceWide, toBe, toMont } from "./ec/mod256";
export { nonceInit, nonceNext, nonceReject } from "./ec/nonce";
export {
  fieldAdd,
  fieldFromBe,
  fieldInvert,
  fieldIsZero,
  fieldMul,
  fieldReduce,
  fieldSqrt,
  fieldSub,
  fieldToBe,
  fieldTriple,
} from "./ec/p256/field";
export {
  affineFromBytes,
  affineToBytes,
  pointAdd,
  pointAddAffine,
  pointDouble,
  pointFromAffine,
  pointIsInfinity,
  pointSetInfinity,
  pointToAffine,
} from "./ec/p256/point";
export { scalarAdd, scalarFromBe, scalarFromDigest, scalarInvert, scalarMul } from "./ec/p256/scalar";
export { REPLY, WINDOW } from "./layout";

/** Addresses of the moduli. */
export function modulusP(): usize {
  return P;
}
export function modulusN(): usize {
  return N;
}
export function modulusNMinus1(): usize {
  return N_MINUS_1;
}
