/**
 * The hashes by number: 1 SHA-256, 2 SHA-384, 3 SHA-512.
 *
 * A number is public; branching on it is how callers that work with any hash reach the one they mean.
 * Internal callers pass a number that the exported function before them has checked.
 */
import { SHA256_SIZE, sha256, sha256Final, sha256Init, sha256Resume, sha256Update } from "./sha256";
import {
  SHA512_SIZE,
  SHA512_STATE_SIZE,
  sha384,
  sha384Init,
  sha512,
  sha512Final,
  sha512Init,
  sha512Resume,
  sha512Update,
} from "./sha512";

export const SHA256: u32 = 1;
export const SHA384: u32 = 2;
export const SHA512: u32 = 3;

/** Room for the state, the digest and the block of any of them. */
export const HASH_STATE_SIZE: usize = SHA512_STATE_SIZE;
export const MAX_HASH_SIZE: u32 = SHA512_SIZE;
export const MAX_BLOCK_SIZE: u32 = 128;

// @ts-ignore: decorator
@inline export function isHash(hashId: u32): bool {
  return hashId - SHA256 < 3; // 0 wraps to the largest u32
}

/** 32, 48, 64. */
// @ts-ignore: decorator
@inline export function hashSize(hashId: u32): u32 {
  return (hashId + 1) << 4;
}

/** 64, 128, 128. */
// @ts-ignore: decorator
@inline export function blockSize(hashId: u32): u32 {
  return 64 << u32(hashId != SHA256);
}

/** Of what passes from block to block, H: 32, 64, 64. */
// @ts-ignore: decorator
@inline export function chainSize(hashId: u32): u32 {
  return SHA256_SIZE << u32(hashId != SHA256);
}

// @ts-ignore: decorator
@inline export function hashInit(hashId: u32, statePtr: usize): void {
  if (hashId == SHA256) sha256Init(statePtr);
  else if (hashId == SHA384) sha384Init(statePtr);
  else sha512Init(statePtr);
}

/** Go on from H as it stood after one block. */
// @ts-ignore: decorator
@inline export function hashResume(hashId: u32, statePtr: usize, hPtr: usize): void {
  if (hashId == SHA256) sha256Resume(statePtr, hPtr, 64);
  else sha512Resume(statePtr, hPtr, 128);
}

// @ts-ignore: decorator
@inline export function hashUpdate(hashId: u32, statePtr: usize, inPtr: usize, len: u32): void {
  if (hashId == SHA256) sha256Update(statePtr, inPtr, len);
  else sha512Update(statePtr, inPtr, len);
}

/** Writes hashSize bytes; the state is used up. */
// @ts-ignore: decorator
@inline export function hashFinal(hashId: u32, statePtr: usize, outPtr: usize): void {
  if (hashId == SHA256) sha256Final(statePtr, outPtr);
  else sha512Final(statePtr, outPtr, hashSize(hashId));
}

/** The digest of one string; out may overlap in. 0, and nothing written, for a number that is no hash. */
export function hash(hashId: u32, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  if (hashId == SHA256) sha256(inPtr, inLen, outPtr);
  else if (hashId == SHA384) sha384(inPtr, inLen, outPtr);
  else if (hashId == SHA512) sha512(inPtr, inLen, outPtr);
  else return 0;
  return 1;
}
