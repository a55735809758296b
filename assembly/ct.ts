/**
 * The only place that makes masks. A `…Bit` is 0 or 1, a `…Mask` is 0 or all ones.
 * Every form here stays arithmetic through `asc -O3` and V8: no comparison of a secret feeds a
 * branch or a `select`. Ternaries, if-assignments and select<T>() do become wasm `select`; never
 * write one on a secret.
 */

/** 0 → 0, 1 → 0xffffffff. */
// @ts-ignore: decorator
@inline export function maskFromBit(bit: u32): u32 {
  return 0 - bit;
}

/** 0 → 0, 1 → all ones. */
// @ts-ignore: decorator
@inline export function maskFromBit64(bit: u64): u64 {
  return 0 - bit;
}

/** 1 if x is 0, else 0: the sign of x | -x is set exactly when x is not 0. */
// @ts-ignore: decorator
@inline export function isZeroBit(x: u32): u32 {
  return ((x | (0 - x)) >> 31) ^ 1;
}

/** 1 if x is 0, else 0. */
// @ts-ignore: decorator
@inline export function isZeroBit64(x: u64): u32 {
  return <u32>((x | (0 - x)) >> 63) ^ 1;
}

/** 1 if a < b, else 0, for a and b below 2^31: the difference is negative exactly then. */
// @ts-ignore: decorator
@inline export function lessBit(a: u32, b: u32): u32 {
  return (a - b) >> 31;
}

/** b where mask is 0, a where it is all ones. */
// @ts-ignore: decorator
@inline export function pick(mask: u32, a: u32, b: u32): u32 {
  return b ^ (mask & (a ^ b));
}

/** b where mask is 0, a where it is all ones. */
// @ts-ignore: decorator
@inline export function pick64(mask: u64, a: u64, b: u64): u64 {
  return b ^ (mask & (a ^ b));
}

/** 1 if the two strings of len bytes are equal, else 0; time depends on len alone. */
export function equalBit(aPtr: usize, bPtr: usize, len: u32): u32 {
  let diff: u32 = 0;
  for (let i: u32 = 0; i < len; i++) diff |= <u32>load<u8>(aPtr + i) ^ <u32>load<u8>(bPtr + i);
  return isZeroBit(diff);
}

/** Byte-wise: all ones where the top bit of the byte is set, else 0. */
// @ts-ignore: decorator
@inline export function topBitMask8x16(v: v128): v128 {
  return i8x16.shr_s(v, 7);
}

/** All ones if the top bit of x is set, else 0. */
// @ts-ignore: decorator
@inline export function topBitMask64(x: u64): u64 {
  return 0 - (x >> 63);
}

/** The low 8·bytes bits set, for bytes in 0–7; a shift by a secret count takes one time on x86-64 and ARM. */
// @ts-ignore: decorator
@inline export function lowBytesMask64(bytes: u32): u64 {
  return (<u64>1 << (<u64>bytes << 3)) - 1;
}
