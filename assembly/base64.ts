/**
 * Base64 (RFC 4648 §4) of a secret, as PEM holds it (RFC 7468 §3): padded, with white space anywhere.
 * Where white space and padding stand is public, and all that an address or a branch hangs on; what a digit is, masks find.
 */
import { isZeroBit, lessBit, maskFromBit } from "./ct";

/** 1 if lo ≤ c ≤ hi, else 0, for bytes. */
// @ts-ignore: decorator
@inline function withinBit(c: u32, lo: u32, hi: u32): u32 {
  return (lessBit(c, lo) | lessBit(hi, c)) ^ 1;
}

/**
 * Text to bytes; returns their number, or 0 and zeros for anything else. `out` has room for len bytes, does not overlap `in`, and
 * holds zeros behind the result.
 */
export function base64Decode(inPtr: usize, len: u32, outPtr: usize): u32 {
  let digits: u32 = 0;
  let padding: u32 = 0;
  let badBit: u32 = 0;
  for (let i: u32 = 0; i < len; i++) {
    const c: u32 = load<u8>(inPtr + i);
    const upperBit = withinBit(c, 0x41, 0x5a);
    const lowerBit = withinBit(c, 0x61, 0x7a);
    const numberBit = withinBit(c, 0x30, 0x39);
    const plusBit = isZeroBit(c ^ 0x2b);
    const slashBit = isZeroBit(c ^ 0x2f);
    const padBit = isZeroBit(c ^ 0x3d);
    // Sums, which fit since no two of these bits are set together: of `|` binaryen makes a branch.
    const spaceBit = isZeroBit(c ^ 0x20) + withinBit(c, 0x09, 0x0d);
    const digitBit = upperBit + lowerBit + numberBit + plusBit + slashBit;
    const digit =
      (maskFromBit(upperBit) & (c - 0x41)) |
      (maskFromBit(lowerBit) & (c - 0x61 + 26)) |
      (maskFromBit(numberBit) & (c - 0x30 + 52)) |
      (maskFromBit(plusBit) & 62) |
      (maskFromBit(slashBit) & 63);
    // No digit comes after padding.
    badBit |= (digitBit + padBit + spaceBit) ^ 1 | (digitBit & lessBit(0, padding));
    padding += padBit;
    // White space and padding are written over by what comes next.
    store<u8>(outPtr + digits, <u8>digit);
    digits += digitBit;
  }
  badBit |= lessBit(2, padding) | (isZeroBit((digits + padding) & 3) ^ 1);
  badBit |= isZeroBit(joinDigits(outPtr, digits)) ^ 1;
  const size = (digits * 3) >> 2;
  memory.fill(outPtr + size, 0, len - size);
  if (badBit == 0) return size;
  memory.fill(outPtr, 0, size);
  return 0;
}

/**
 * Digits of six bits, a byte each, to bytes, in place: byte i comes of digits that lie at i and behind. Of `held` at most the
 * low 13 bits are ever read, so what is shifted out above does no harm. Returns the bits left over.
 */
function joinDigits(ptr: usize, digits: u32): u32 {
  let held: u32 = 0;
  let bits: u32 = 0;
  let out: u32 = 0;
  for (let i: u32 = 0; i < digits; i++) {
    held = (held << 6) | load<u8>(ptr + i);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    store<u8>(ptr + out, <u8>(held >> bits));
    out++;
  }
  return held & ((1 << bits) - 1);
}
