/**
 * GHASH (SP 800-38D §6.4) by nibble tables that live in registers while they are read.
 *
 * Why it works. Multiplication by a fixed H is linear: X · H is the sum over the 32 nibbles of X of nibble · H, each
 * moved to its nibble's place. nibble · H without reduction has 16 bytes + 7 bits at most (a nibble is 4 bits, the low
 * nibble of a byte stands 4 places further on), so 17 bytes. For each byte b of it one table of 16 entries holds byte b
 * of v · H for every nibble v: a swizzle by all the nibbles of X gives byte b of all 16 partial products at once, lane
 * p belonging at byte p + b. Going down from b = 16, the 32-byte sum moves up one byte a step, and byte
 * p + b ≤ 15 + 16 = 31 never leaves it.
 *
 * Blocks share the moving: (Y ⊕ X₁)·H⁴ ⊕ X₂·H³ ⊕ X₃·H² ⊕ X₄·H needs the 17 steps twice and the reduction once.
 *
 * Bits are reflected: the top bit of byte 0 is the coefficient of x⁰, so times x is a shift to the right of the string.
 *
 * Constant-flow: a swizzle's time does not depend on its index; addresses follow lengths alone. Rejected: 64-bit
 * integer multiplication with holes (BearSSL's ctmul64), under a quarter as fast in our prototypes, and Shoup's tables in
 * memory, which leak.
 */
import { lookup } from "../lookup";
import { REVERSE64, reverse64x2 } from "../bytes";
import { GCM_SCRATCH } from "../layout";
import { CTX_GHASH_BLOCKS, CTX_GHASH_POWERS, CTX_GHASH_TABLES, CTX_H } from "../aes/context";
import { encryptVector, lowNibbles } from "../aes/vpaes";

/** 17 pairs of tables: for the high, then for the low nibble. */
const POWER_SIZE: usize = 544;

/**
 * After so many blocks, of one message or of several, the three further powers of H are made: by then their making would
 * have been paid for. At most 3 · 2²¹ blocks a message keep the count from wrapping.
 */
const FOUR_POWERS_FROM: u32 = 48;

const BLOCK: usize = GCM_SCRATCH; // 16, the zero-padded last block

// Row d: the nibbles in which the bit of degree d is set, that is bit 3 - d.
const DEGREE: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255,
  0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255,
  0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255,
], 16);

/** Makes H and the tables that hashing so many blocks will want, unless the context has them already. */
export function ghashPrepare(ctxPtr: usize, blocks: u32): void {
  const tables = ctxPtr + CTX_GHASH_TABLES;
  if (load<u32>(ctxPtr, CTX_GHASH_POWERS) == 0) ghashSetH(ctxPtr, encryptVector(ctxPtr, i64x2.splat(0)));
  if (load<u32>(ctxPtr, CTX_GHASH_POWERS) == 4) return;
  const total = load<u32>(ctxPtr, CTX_GHASH_BLOCKS) + blocks;
  store<u32>(ctxPtr, total, CTX_GHASH_BLOCKS);
  if (total >= FOUR_POWERS_FROM) {
    let power = v128.load(ctxPtr, CTX_H);
    for (let i: usize = 1; i < 4; i++) {
      power = multiply(tables, power);
      v128.store(BLOCK, power);
      makeTables(tables + i * POWER_SIZE, BLOCK);
    }
    memory.fill(BLOCK, 0, 16);
    store<u32>(ctxPtr, 4, CTX_GHASH_POWERS);
  }
}

/** Gives a context its H, CIPH_K(0), with the tables: for who computed it beside those of other keys. */
export function ghashSetH(ctxPtr: usize, H: v128): void {
  v128.store(ctxPtr, H, CTX_H);
  makeTables(ctxPtr + CTX_GHASH_TABLES, ctxPtr + CTX_H);
  store<u32>(ctxPtr, 1, CTX_GHASH_POWERS);
}

/** Byte b of H · x^d straddles bytes b - 1 and b of H; d ≤ 7 keeps it inside that window of 16 bits. */
function makeTables(tablePtr: usize, HPtr: usize): void {
  const d0 = v128.load(DEGREE), d1 = v128.load(DEGREE, 16), d2 = v128.load(DEGREE, 32), d3 = v128.load(DEGREE, 48);
  let window: u32 = 0;
  for (let b: usize = 0; b < 17; b++) {
    window = (window & 0xff) << 8;
    if (b < 16) window |= <u32>load<u8>(HPtr + b);
    const high = v128.xor(
      v128.xor(v128.and(i8x16.splat(<i8>window), d0), v128.and(i8x16.splat(<i8>(window >> 1)), d1)),
      v128.xor(v128.and(i8x16.splat(<i8>(window >> 2)), d2), v128.and(i8x16.splat(<i8>(window >> 3)), d3)),
    );
    const low = v128.xor(
      v128.xor(v128.and(i8x16.splat(<i8>(window >> 4)), d0), v128.and(i8x16.splat(<i8>(window >> 5)), d1)),
      v128.xor(v128.and(i8x16.splat(<i8>(window >> 6)), d2), v128.and(i8x16.splat(<i8>(window >> 7)), d3)),
    );
    v128.store(tablePtr + (b << 5), high);
    v128.store(tablePtr + (b << 5), low, 16);
  }
}

/** GHASH_H continued from Y over a string, padded with zeros to whole blocks. */
export function ghash(ctxPtr: usize, Y: v128, ptr: usize, len: u32): v128 {
  const tables = ctxPtr + CTX_GHASH_TABLES;
  if (load<u32>(ctxPtr, CTX_GHASH_POWERS) == 4) {
    for (; len >= 64; len -= 64, ptr += 64) {
      Y = multiply4(
        tables, v128.xor(Y, v128.load(ptr)), v128.load(ptr, 16), v128.load(ptr, 32), v128.load(ptr, 48),
      );
    }
  }
  for (; len >= 16; len -= 16, ptr += 16) Y = multiply(tables, v128.xor(Y, v128.load(ptr)));
  if (len > 0) {
    v128.store(BLOCK, i64x2.splat(0));
    memory.copy(BLOCK, ptr, len);
    Y = multiply(tables, v128.xor(Y, v128.load(BLOCK)));
    v128.store(BLOCK, i64x2.splat(0));
  }
  return Y;
}

/** GHASH_H continued from Y over one block. */
export function ghashBlock(ctxPtr: usize, Y: v128, block: v128): v128 {
  return multiply(ctxPtr + CTX_GHASH_TABLES, v128.xor(Y, block));
}

// @ts-ignore: decorator
@inline function nibbleProducts(tablePtr: usize, hi: v128, lo: v128): v128 {
  return v128.xor(lookup(v128.load(tablePtr), hi), lookup(v128.load(tablePtr, 16), lo));
}

/** The 16 bytes that follow the first 15 of below ‖ above: above moved up one byte, filled from below. */
// @ts-ignore: decorator
@inline function up(below: v128, above: v128): v128 {
  return i8x16.shuffle(below, above, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

/** Alone, the sum would be one long chain: bytes 8 to 15 of v · H are summed apart from bytes 0 to 7, and moved up by 8 in the end. */
function multiply(tablePtr: usize, X: v128): v128 {
  const low = lowNibbles(), zero = i64x2.splat(0);
  const lo = v128.and(X, low), hi = v128.and(i32x4.shr_u(X, 4), low);
  let P0 = nibbleProducts(tablePtr + 512, hi, lo), P1 = zero;
  let Q0 = zero, Q1 = zero;
  for (let row = tablePtr + 224; row >= tablePtr; row -= 32) {
    P1 = up(P0, P1);
    Q1 = up(Q0, Q1);
    P0 = v128.xor(up(zero, P0), nibbleProducts(row + 256, hi, lo));
    Q0 = v128.xor(up(zero, Q0), nibbleProducts(row, hi, lo));
  }
  const Z0 = v128.xor(Q0, i64x2.shuffle(zero, P0, 0, 2));
  const Z1 = v128.xor(Q1, i64x2.shuffle(P0, P1, 1, 2));
  return reduce(Z0, Z1);
}

/**
 * Two products at a time, since the nibbles of four and both sums do not fit the registers of x86-64, and a sum that is
 * kept in memory waits five cycles at every step. Y is in X1, so that X3 and X4 go first, and wait for nothing.
 */
function multiply4(tablePtr: usize, X1: v128, X2: v128, X3: v128, X4: v128): v128 {
  const low = lowNibbles(), zero = i64x2.splat(0);
  const lo3 = v128.and(X3, low), hi3 = v128.and(i32x4.shr_u(X3, 4), low);
  const lo4 = v128.and(X4, low), hi4 = v128.and(i32x4.shr_u(X4, 4), low);
  let W0 = zero, W1 = zero;
  for (let row = tablePtr + 512; row >= tablePtr; row -= 32) {
    W1 = up(W0, W1);
    W0 = up(zero, W0);
    W0 = v128.xor(W0, v128.xor(nibbleProducts(row + POWER_SIZE, hi3, lo3), nibbleProducts(row, hi4, lo4)));
  }
  const lo1 = v128.and(X1, low), hi1 = v128.and(i32x4.shr_u(X1, 4), low);
  const lo2 = v128.and(X2, low), hi2 = v128.and(i32x4.shr_u(X2, 4), low);
  let Z0 = zero, Z1 = zero;
  for (let row = tablePtr + 2 * POWER_SIZE + 512; row >= tablePtr + 2 * POWER_SIZE; row -= 32) {
    Z1 = up(Z0, Z1);
    Z0 = up(zero, Z0);
    Z0 = v128.xor(Z0, v128.xor(nibbleProducts(row + POWER_SIZE, hi1, lo1), nibbleProducts(row, hi2, lo2)));
  }
  return reduce(v128.xor(Z0, W0), v128.xor(Z1, W1));
}

/**
 * Z0 ‖ Z1 mod x¹²⁸ + x⁷ + x² + x + 1: Z1 · x¹²⁸ = Z1 · (1 + x + x² + x⁷).
 * What the shifts push out at the end of Z1 is a multiple of x¹²⁸ of degree ≤ 6; it is put into Z1 first, and from there
 * reaches degree 13 at most, so once is enough.
 */
// @ts-ignore: decorator
@inline function reduce(Z0: v128, Z1: v128): v128 {
  const reverse = v128.load(REVERSE64), zero = i64x2.splat(0);
  let V = reverse64x2(Z1, reverse);
  // The bits that leave the second word enter the first one; those that leave the first enter the second.
  V = v128.xor(V, i8x16.shuffle(spill(V), zero, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23));
  const carried = i8x16.shuffle(zero, spill(V), 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
  const shifted = v128.xor(v128.xor(i64x2.shr_u(V, 1), i64x2.shr_u(V, 2)), i64x2.shr_u(V, 7));
  return v128.xor(Z0, reverse64x2(v128.xor(v128.xor(V, shifted), carried), reverse));
}

/** What leaves each word when it is shifted to the right by 1, 2 and 7, at the top of the next. */
// @ts-ignore: decorator
@inline function spill(V: v128): v128 {
  return v128.xor(v128.xor(i64x2.shl(V, 63), i64x2.shl(V, 62)), i64x2.shl(V, 57));
}
