/** The only place that loads and stores big-endian. */
import { lookup } from "./lookup";

// @ts-ignore: decorator
@inline export function loadBe32(ptr: usize): u32 {
  return bswap(load<u32>(ptr));
}

// @ts-ignore: decorator
@inline export function storeBe32(ptr: usize, value: u32): void {
  store<u32>(ptr, bswap(value));
}

// @ts-ignore: decorator
@inline export function loadBe64(ptr: usize): u64 {
  return bswap(load<u64>(ptr));
}

// @ts-ignore: decorator
@inline export function storeBe64(ptr: usize, value: u64): void {
  store<u64>(ptr, bswap(value));
}

/** Four big-endian words, word i in lane i. Node's V8 knows this shuffle and builds no constant for it. */
// @ts-ignore: decorator
@inline export function loadBe32x4(ptr: usize): v128 {
  const bytes = v128.load(ptr);
  return v128.shuffle<u8>(bytes, bytes, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** Two big-endian words, word i in lane i. */
// @ts-ignore: decorator
@inline export function loadBe64x2(ptr: usize): v128 {
  const bytes = v128.load(ptr);
  return v128.shuffle<u8>(bytes, bytes, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
}

/** Sixteen bytes as two big-endian words, a lane each: the form in which a shift to the right crosses bytes. */
// @ts-ignore: decorator
@inline export function reverse64x2(v: v128, reverse: v128): v128 {
  return lookup(v, reverse);
}

/** The index that reverse64x2 takes; a caller loads it once, outside its loop. */
export const REVERSE64: usize = memory.data<u8>([7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8], 16);

/**
 * Copy less than some hundred bytes, front to back: from is not below to, or they are disjoint. V8 leaves the module for
 * memory.copy, which takes as long as a hundred bytes here.
 */
export function copyShort(toPtr: usize, fromPtr: usize, len: usize): void {
  for (; len >= 16; len -= 16, toPtr += 16, fromPtr += 16) v128.store(toPtr, v128.load(fromPtr));
  for (; len > 0; len--, toPtr++, fromPtr++) store<u8>(toPtr, load<u8>(fromPtr));
}

/** A number as the bytes lie in memory when it is stored big-endian, and back. */
// @ts-ignore: decorator
@inline export function be32(value: u32): u32 {
  return bswap(value);
}

// @ts-ignore: decorator
@inline export function be64(value: u64): u64 {
  return bswap(value);
}
