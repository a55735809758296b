/**
 * The operations of all curves, by number: where a number becomes a class. The cell has checked both numbers;
 * one that names no curve or hash is a fault of ours and ends the instance.
 *
 * `size` is that of a scalar and of a coordinate, 32, 48 or 32 bytes; a point is 04 ‖ x ‖ y. What each operation
 * takes and gives stands with its function in keys.ts, ecdsa.ts and ecdh.ts.
 */
import { isHash } from "../sha2/hash";
import { agree } from "./ecdh";
import { sign, signRaw } from "./ecdsa";
import { buildBaseKeyTable } from "./key_tables";
import { generateKey, generateKeys, publicKey, validatePoint } from "./keys";
import { buildBaseTable } from "./base_table";
import { P256 } from "./p256/curve";
import { P256Quad } from "./p256/quad";
import { P384 } from "./p384/curve";
import { P384Quad } from "./p384/quad";
import { ecWipe } from "./scratch";
import { verify } from "./verify";
import { Secp256k1 } from "./secp256k1/curve";
import { Secp256k1Quad } from "./secp256k1/quad";

const P256_NUMBER: u32 = 1;
const P384_NUMBER: u32 = 2;
const SECP256K1_NUMBER: u32 = 3;

/** Build the tables of the base points; everything else here requires them. */
export function ecInit(): void {
  buildBaseTable<P256, P256Quad>();
  buildBaseKeyTable<P256, P256Quad>();
  buildBaseTable<P384, P384Quad>();
  buildBaseKeyTable<P384, P384Quad>();
  buildBaseTable<Secp256k1, Secp256k1Quad>();
  buildBaseKeyTable<Secp256k1, Secp256k1Quad>();
  ecWipe();
}

export function ecPublicKey(curve: u32, scalarPtr: usize, pointPtr: usize): u32 {
  if (curve == P256_NUMBER) return publicKey<P256, P256Quad>(scalarPtr, pointPtr);
  if (curve == P384_NUMBER) return publicKey<P384, P384Quad>(scalarPtr, pointPtr);
  if (curve != SECP256K1_NUMBER) unreachable();
  return publicKey<Secp256k1, Secp256k1Quad>(scalarPtr, pointPtr);
}

export function ecKeyGenerate(curve: u32, scalarPtr: usize, pointPtr: usize, seedPtr: usize): u32 {
  if (curve == P256_NUMBER) return generateKey<P256, P256Quad>(scalarPtr, pointPtr, seedPtr);
  if (curve == P384_NUMBER) return generateKey<P384, P384Quad>(scalarPtr, pointPtr, seedPtr);
  if (curve != SECP256K1_NUMBER) unreachable();
  return generateKey<Secp256k1, Secp256k1Quad>(scalarPtr, pointPtr, seedPtr);
}

export function ecKeyGenerateMany(curve: u32, jobsPtr: usize, count: u32): void {
  if (curve == P256_NUMBER) return generateKeys<P256, P256Quad>(jobsPtr, count);
  if (curve == P384_NUMBER) return generateKeys<P384, P384Quad>(jobsPtr, count);
  if (curve != SECP256K1_NUMBER) unreachable();
  return generateKeys<Secp256k1, Secp256k1Quad>(jobsPtr, count);
}

export function ecPointValidate(curve: u32, pointPtr: usize, len: u32, outPtr: usize): u32 {
  if (curve == P256_NUMBER) return validatePoint<P256>(pointPtr, len, outPtr);
  if (curve == P384_NUMBER) return validatePoint<P384>(pointPtr, len, outPtr);
  if (curve != SECP256K1_NUMBER) unreachable();
  return validatePoint<Secp256k1>(pointPtr, len, outPtr);
}

export function ecdsaSign(curve: u32, hash: u32, jobsPtr: usize, count: u32): void {
  if (!isHash(hash)) unreachable();
  if (curve == P256_NUMBER) return sign<P256, P256Quad>(hash, jobsPtr, count);
  if (curve == P384_NUMBER) return sign<P384, P384Quad>(hash, jobsPtr, count);
  if (curve != SECP256K1_NUMBER) unreachable();
  return sign<Secp256k1, Secp256k1Quad>(hash, jobsPtr, count);
}

export function ecdsaSignRaw(
  curve: u32,
  hash: u32,
  scalarPtr: usize,
  digestPtr: usize,
  kPtr: usize,
  outPtr: usize,
): u32 {
  if (!isHash(hash)) unreachable();
  if (curve == P256_NUMBER) return signRaw<P256, P256Quad>(hash, scalarPtr, digestPtr, kPtr, outPtr);
  if (curve == P384_NUMBER) return signRaw<P384, P384Quad>(hash, scalarPtr, digestPtr, kPtr, outPtr);
  if (curve != SECP256K1_NUMBER) unreachable();
  return signRaw<Secp256k1, Secp256k1Quad>(hash, scalarPtr, digestPtr, kPtr, outPtr);
}

export function ecdsaVerify(curve: u32, hash: u32, jobsPtr: usize, count: u32): void {
  if (!isHash(hash)) unreachable();
  if (curve == P256_NUMBER) return verify<P256, P256Quad>(hash, jobsPtr, count);
  if (curve == P384_NUMBER) return verify<P384, P384Quad>(hash, jobsPtr, count);
  if (curve != SECP256K1_NUMBER) unreachable();
  return verify<Secp256k1, Secp256k1Quad>(hash, jobsPtr, count);
}

export function ecdh(curve: u32, jobsPtr: usize, count: u32): void {
  if (curve == P256_NUMBER) return agree<P256, P256Quad>(jobsPtr, count);
  if (curve == P384_NUMBER) return agree<P384, P384Quad>(jobsPtr, count);
  if (curve != SECP256K1_NUMBER) unreachable();
  return agree<Secp256k1, Secp256k1Quad>(jobsPtr, count);
}
