/**
 * Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } (RFC 3279 §2.2.3), for r and s of `size` bytes, 32 or 48.
 *
 * Strict DER (X.690 §8.3, §10.1): of all the ways to write a signature one is read, so that a signature
 * cannot be altered into another that still verifies. Two integers below 2^384 take at most 2·(2 + 49)
 * bytes, so every length is one byte below 0x80 and long forms are refused with the rest.
 * Signatures are public: this branches on them.
 */
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/** Write one integer, shortest form; returns its length. */
function encodeInteger(size: u32, inPtr: usize, outPtr: usize): u32 {
  let skip: u32 = 0;
  while (skip < size - 1 && load<u8>(inPtr + skip) == 0) skip++;
  const pad: u32 = load<u8>(inPtr + skip) >> 7; // a leading 1 would mean negative
  const len = size - skip + pad;
  store<u8>(outPtr, INTEGER);
  store<u8>(outPtr, <u8>len, 1);
  store<u8>(outPtr, 0, 2);
  memory.copy(outPtr + 2 + pad, inPtr + skip, size - skip);
  return 2 + len;
}

/** r ‖ s, 2·size bytes, to DER, 8 to 72 or 104 bytes; returns the length. in and out must not overlap. */
export function derEncode(size: u32, sigPtr: usize, outPtr: usize): u32 {
  const rLen = encodeInteger(size, sigPtr, outPtr + 2);
  const sLen = encodeInteger(size, sigPtr + size, outPtr + 2 + rLen);
  store<u8>(outPtr, SEQUENCE);
  store<u8>(outPtr, <u8>(rLen + sLen), 1);
  return 2 + rLen + sLen;
}

/** Read one integer in 1..2^(8·size) - 1 into `size` bytes; returns its length with tag, or 0. */
function decodeInteger(size: u32, inPtr: usize, available: u32, outPtr: usize): u32 {
  if (available < 3 || load<u8>(inPtr) != INTEGER) return 0;
  const len: u32 = load<u8>(inPtr, 1);
  if (len == 0 || len > size + 1 || len + 2 > available) return 0;
  const first: u32 = load<u8>(inPtr, 2);
  if (first >= 0x80) return 0; // negative
  let skip: u32 = 0;
  if (first == 0) {
    // Zero itself is refused, and a leading 0 that does not keep the sign.
    if (len == 1 || load<u8>(inPtr, 3) < 0x80) return 0;
    skip = 1;
  }
  const held = len - skip;
  if (held > size) return 0;
  memory.fill(outPtr, 0, size - held);
  memory.copy(outPtr + size - held, inPtr + 2 + skip, held);
  return 2 + len;
}

/**
 * DER to r ‖ s, 2·size bytes; 1, or 0 and zeros for anything but the one right encoding of two integers in
 * 1..2^(8·size) - 1. That they are below n is for verification to ask. in and out must not overlap.
 */
export function derDecode(size: u32, inPtr: usize, len: u32, outPtr: usize): u32 {
  const okBit = decodePair(size, inPtr, len, outPtr);
  if (okBit == 0) memory.fill(outPtr, 0, 2 * size);
  return okBit;
}

function decodePair(size: u32, inPtr: usize, len: u32, outPtr: usize): u32 {
  if (len < 2 || load<u8>(inPtr) != SEQUENCE) return 0;
  const body: u32 = load<u8>(inPtr, 1);
  if (body >= 0x80 || body + 2 != len) return 0;
  const rLen = decodeInteger(size, inPtr + 2, body, outPtr);
  if (rLen == 0) return 0;
  const sLen = decodeInteger(size, inPtr + 2 + rLen, body - rLen, outPtr + size);
  return <u32>(sLen != 0 && rLen + sLen == body);
}
