/**
 * Keys of P-256: making them, and the checks of what comes from outside.
 *
 * A private scalar out of range is refused without a branch: the work is done with 1 in its place, and
 * what it gave is masked away, so that neither time nor addresses tell which scalars were refused.
 */
import { maskFromBit64 } from "../../ct";
import { ELEMENT, ONE, addMod, move, reduceWide, toBe } from "../mod256";
import { OPERATION_SCRATCH, ecWipe } from "../scratch";
import { buildBaseTable, multiplyBase } from "./multiply";
import { ENCODED, affineFromBytes, affineToBytes, pointToAffine } from "./point";
import { N, N_MINUS_1, scalarFromBe } from "./scalar";

const D: usize = OPERATION_SCRATCH;
const Q: usize = D + ELEMENT;
const AFFINE_Q: usize = Q + 3 * ELEMENT;
/** 48 bytes: FIPS 186-5 A.2.1 asks for at least 64 bits beyond those of n; 128 leave a bias below 2^-128. */
const SEED: u32 = 48;

/** Build the table of the base point. Everything else here, in ecdsa.ts and ecdh.ts, requires it. */
export function p256Init(): void {
  buildBaseTable();
  ecWipe();
}

/** Read a private scalar; 1 if 0 < d < n, else 0 and d is 1. */
export function privateFromBe(d: usize, scalarPtr: usize): u32 {
  const okBit = scalarFromBe(d, scalarPtr);
  move(~maskFromBit64(okBit), d, ONE, ELEMENT);
  return okBit;
}

/** 32 bytes d to 65 bytes 04 ‖ x ‖ y; 1, or 0 and zeros if d is 0 or not below n. */
export function p256PublicKey(scalarPtr: usize, pointPtr: usize): u32 {
  const okBit = privateFromBe(D, scalarPtr);
  multiplyBase(Q, D);
  pointToAffine(AFFINE_Q, Q);
  affineToBytes(pointPtr, AFFINE_Q);
  const mask: u8 = 0 - <u8>okBit;
  for (let i: u32 = 0; i < ENCODED; i++) store<u8>(pointPtr + i, load<u8>(pointPtr + i) & mask);
  ecWipe();
  return okBit;
}

/** FIPS 186-5 A.2.1: d = (seed mod (n - 1)) + 1 from 48 random bytes, and its point. Returns 1. */
export function p256KeyGenerate(scalarPtr: usize, pointPtr: usize, seedPtr: usize): u32 {
  reduceWide(D, seedPtr, SEED, N_MINUS_1);
  addMod(D, D, ONE, N);
  toBe(scalarPtr, D);
  return p256PublicKey(scalarPtr, pointPtr);
}

/**
 * Full public-key validation (point.ts, affineFromBytes) of 65 or 33 bytes; writes 04 ‖ x ‖ y.
 * 1, or 0 and zeros. out may be in.
 */
export function p256PointValidate(pointPtr: usize, len: u32, outPtr: usize): u32 {
  const okBit = affineFromBytes(AFFINE_Q, pointPtr, len);
  memory.fill(outPtr, 0, ENCODED);
  if (okBit) affineToBytes(outPtr, AFFINE_Q);
  ecWipe();
  return okBit;
}
