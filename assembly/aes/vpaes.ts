/**
 * AES (FIPS 197) by vector permutation: the S-box as lookups of nibbles in registers, all sixteen bytes at once.
 *
 * Why it works. After M. Hamburg, "Accelerating AES with Vector Permute Instructions" (CHES 2009). Let
 * F = GF(2⁴) mod z⁴+z+1 and let ζ satisfy ζ² = aζ + a with a = z, which is irreducible over F. A byte of the
 * state is k + iζ, k its low and i its high nibble. With j = i + k, and ∞ = 1/0:
 *
 *      io = 1/(1/i + a/k) + j          jo = 1/(1/j + a/k) + i
 *
 * Multiplied out both have the numerator N = k² + aik + ai², the norm of k + iζ; the denominators are k + ai and
 * (1+a)k + ai. So 1/io and 1/jo are two independent F-linear forms of the inverse, conj(k + iζ)/N, and every
 * GF(2)-linear map of the inverse is U[io] ⊕ V[jo] for two tables of sixteen bytes: the S-box, the S-box times 2, and
 * for decryption the inverse times 14, 11, 13 and 9 each cost two lookups.
 *
 * Infinity is 0x80. A lookup gives 0 where the top bit of the index is set, so 1/∞ = 0 costs nothing; 0x80 ⊕ nibble is
 * still ∞. So every index is a nibble or has its top bit set, which is what lookup asks for.
 * The one case where two infinities meet is i = k = 0, where the sum 0 looks up ∞ again and both outputs are 0: right,
 * since AES defines the inverse of 0 as 0.
 *
 * The state stays in the tower's basis between rounds. Encryption holds T(x), where T is the isomorphism from AES's
 * field (its x goes to 0x1c); decryption holds T(A⁻¹(x ⊕ 63)), A the matrix of the S-box, so that the inversion comes
 * first. Round keys are stored in the basis of the state they are added to, with the constant 63 taken in: it passes
 * MixColumns unchanged because the coefficients of a row sum to 1. IPT and DIPT lead into these bases, OPT and DOPT out of
 * them; DSB1 is the inverse that stays inside, as SB1 does. test/core/aes-tables.test.ts derives every table from
 * these sentences.
 *
 * MixColumns, with r the rotation of a column by one byte, is 2A ⊕ r(3A) ⊕ r²(A) ⊕ r³(A), and InvMixColumns is
 * 14A ⊕ r(11A) ⊕ r²(13A) ⊕ r³(9A): as many lookups as in Horner's form, but side by side, and one block alone waits for
 * each. ShiftRows is never done: after round i the register holds SR⁻ⁱ of the state, the round keys are stored so, and r
 * becomes SR⁻ⁱ ∘ r ∘ SRⁱ, to the next row i columns on (bitslice.ts has the argument). At the end SR^Nr is left: SR² or
 * nothing. Decryption holds SRⁱ, and its r is i columns back.
 *
 * Constant-flow: a lookup works on registers, and its time does not depend on the index. Rejected: tables in memory
 * indexed by state bytes (they leak through the cache) and bitslicing (faster in bulk, but it pays for eight blocks even
 * where key wrapping or a short message has one).
 */
import { topBitMask8x16 } from "../ct";
import { lookup } from "../lookup";
import { CTX_DEC_KEYS, CTX_ENC_KEYS, CTX_NR } from "./context";

const VPAES: usize = memory.data<u8>([
  0x80, 0x01, 0x09, 0x0e, 0x0d, 0x0b, 0x07, 0x06, 0x0f, 0x02, 0x0c, 0x05, 0x0a, 0x04, 0x03, 0x08, // 0 INV
  0x80, 0x02, 0x01, 0x0f, 0x09, 0x05, 0x0e, 0x0c, 0x0d, 0x04, 0x0b, 0x0a, 0x07, 0x08, 0x06, 0x03, // 16 A_OVER_K
  0x00, 0x01, 0x1c, 0x1d, 0x2d, 0x2c, 0x31, 0x30, 0x27, 0x26, 0x3b, 0x3a, 0x0a, 0x0b, 0x16, 0x17, // 32 IPT_LO
  0x00, 0x86, 0xfd, 0x7b, 0x8e, 0x08, 0x73, 0xf5, 0x77, 0xf1, 0x8a, 0x0c, 0xf9, 0x7f, 0x04, 0x82, // 48 IPT_HI
  0x00, 0xc3, 0x4f, 0x0c, 0xfc, 0x7c, 0x43, 0x80, 0xcf, 0x33, 0x3f, 0x70, 0xbf, 0xb3, 0xf0, 0x8c, // 64 SB1_U
  0x00, 0xe6, 0x72, 0xb7, 0xe5, 0xc6, 0xc5, 0x23, 0x51, 0xb4, 0x03, 0x71, 0x20, 0x97, 0x52, 0x94, // 80 SB1_T
  0x00, 0x7c, 0x20, 0xcf, 0x92, 0x01, 0xef, 0x93, 0xb3, 0x21, 0xee, 0xce, 0x7d, 0xb2, 0x5d, 0x5c, // 96 SB2_U
  0x00, 0xd1, 0xe5, 0xf7, 0xe6, 0x25, 0x12, 0xc3, 0x26, 0xc0, 0x37, 0xd2, 0xf4, 0x03, 0x11, 0x34, // 112 SB2_T
  0x00, 0xcb, 0xd7, 0xb0, 0x21, 0x8d, 0x67, 0xac, 0x7b, 0x5a, 0xea, 0x3d, 0x46, 0xf6, 0x91, 0x1c, // 128 SBO_U
  0x00, 0x9f, 0x61, 0x16, 0xc2, 0x2a, 0x77, 0xe8, 0x89, 0x4b, 0x5d, 0x3c, 0xb5, 0xa3, 0xd4, 0xfe, // 144 SBO_T
  0x00, 0xb5, 0xdc, 0x69, 0xdb, 0x6e, 0x07, 0xb2, 0x14, 0xa1, 0xc8, 0x7d, 0xcf, 0x7a, 0x13, 0xa6, // 160 DIPT_LO
  0x00, 0xa7, 0xa8, 0x0f, 0xed, 0x4a, 0x45, 0xe2, 0xd1, 0x76, 0x79, 0xde, 0x3c, 0x9b, 0x94, 0x33, // 176 DIPT_HI
  0x00, 0xeb, 0xa6, 0xb9, 0x7b, 0x8f, 0x1f, 0xf4, 0x52, 0x29, 0x90, 0x36, 0x64, 0xdd, 0xc2, 0x4d, // 192 DSBE_U
  0x00, 0xfd, 0xdf, 0x65, 0x9d, 0xda, 0xba, 0x47, 0x98, 0x05, 0x60, 0xbf, 0x27, 0x42, 0xf8, 0x22, // 208 DSBE_T
  0x00, 0xc2, 0x4d, 0xeb, 0xdd, 0xb9, 0xa6, 0x64, 0x29, 0xf4, 0x1f, 0x52, 0x7b, 0x90, 0x36, 0x8f, // 224 DSBB_U
  0x00, 0xf8, 0x22, 0xfd, 0x42, 0x65, 0xdf, 0x27, 0x05, 0x47, 0xba, 0x98, 0x9d, 0x60, 0xbf, 0xda, // 240 DSBB_T
  0x00, 0x7c, 0x1b, 0x3d, 0x15, 0x4f, 0x26, 0x5a, 0x41, 0x54, 0x69, 0x72, 0x33, 0x0e, 0x28, 0x67, // 256 DSBD_U
  0x00, 0x77, 0xb2, 0xb0, 0xb6, 0xc3, 0x02, 0x75, 0xc7, 0x71, 0xc1, 0x73, 0xb4, 0x04, 0x06, 0xc5, // 272 DSBD_T
  0x00, 0x27, 0xbf, 0x47, 0xda, 0x05, 0xf8, 0xdf, 0x60, 0xba, 0xfd, 0x42, 0x22, 0x65, 0x9d, 0x98, // 288 DSB9_U
  0x00, 0x01, 0x8c, 0x2e, 0xa8, 0x0b, 0xa2, 0xa3, 0x2f, 0x87, 0xa9, 0x25, 0x0a, 0x24, 0x86, 0x8d, // 304 DSB9_T
  0x00, 0x3b, 0xe4, 0xc8, 0x03, 0x14, 0x2c, 0x17, 0xf3, 0xf0, 0x38, 0xdc, 0x2f, 0xe7, 0xcb, 0xdf, // 320 DSBO_U
  0x00, 0x24, 0x91, 0x19, 0x23, 0x8f, 0x88, 0xac, 0x3d, 0x1e, 0x07, 0x96, 0xab, 0xb2, 0x3a, 0xb5, // 336 DSBO_T
  0x00, 0x01, 0x5c, 0x5d, 0xe0, 0xe1, 0xbc, 0xbd, 0x50, 0x51, 0x0c, 0x0d, 0xb0, 0xb1, 0xec, 0xed, // 352 OPT_LO
  0x00, 0xb2, 0xb5, 0x07, 0x3a, 0x88, 0x8f, 0x3d, 0xac, 0x1e, 0x19, 0xab, 0x96, 0x24, 0x23, 0x91, // 368 OPT_HI
  0x00, 0x1f, 0xb2, 0xad, 0xab, 0xb4, 0x19, 0x06, 0x36, 0x29, 0x84, 0x9b, 0x9d, 0x82, 0x2f, 0x30, // 384 DOPT_LO
  0x00, 0xa3, 0xfe, 0x5d, 0xd4, 0x77, 0x2a, 0x89, 0xe8, 0x4b, 0x16, 0xb5, 0x3c, 0x9f, 0xc2, 0x61, // 400 DOPT_HI
  0x00, 0x72, 0x4f, 0x28, 0x69, 0x7c, 0x67, 0x15, 0x5a, 0x33, 0x1b, 0x54, 0x0e, 0x26, 0x41, 0x3d, // 416 DSB1_U
  0x00, 0x73, 0xc3, 0x06, 0xc1, 0x77, 0xc5, 0xb6, 0x75, 0xb4, 0xb2, 0x71, 0x04, 0x02, 0xc7, 0xb0, // 432 DSB1_T
], 16);

// Offsets in VPAES.
export const INV: usize = 0;
export const A_OVER_K: usize = 16;
export const IPT: usize = 32;
export const SB1: usize = 64;
export const SB2: usize = 96;
export const SBO: usize = 128;
export const DIPT: usize = 160;
export const DSBE: usize = 192;
export const DSBB: usize = 224;
export const DSBD: usize = 256;
export const DSB9: usize = 288;
export const DSBO: usize = 320;
export const OPT: usize = 352;
export const DOPT: usize = 384;
export const DSB1: usize = 416;

const LOW_NIBBLES: usize = memory.data<u64>([0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f], 16);

// For each i mod 4: r, r², r³ after i rounds. Of rⁿ byte 4c + ρ takes row ρ + n of column c + ni.
const ROTATE: usize = memory.data<u8>([
  1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12,
  2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
  3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,
  5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0,
  10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
  15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10,
  9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4,
  2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
  11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6,
  13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8,
  10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
  7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2,
], 16);

// SRⁱ, i mod 4: byte 4c + ρ takes column c + iρ of its row.
const SHIFT_ROWS: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11,
  0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7,
  0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3,
], 16);

// A v128 constant in the code is built anew at every use, so that constants come from memory into locals.
// @ts-ignore: decorator
@inline export function table(offset: usize): v128 {
  return v128.load(VPAES + offset);
}

// @ts-ignore: decorator
@inline export function lowNibbles(): v128 {
  return v128.load(LOW_NIBBLES);
}

/** SRⁱ; -i is its inverse. */
// @ts-ignore: decorator
@inline export function shiftRowsIndex(i: u32): v128 {
  return v128.load(SHIFT_ROWS + (<usize>(i & 3) << 4));
}

/** SR⁻ⁱ ∘ rⁿ ∘ SRⁱ, n = 1, 2, 3. */
// @ts-ignore: decorator
@inline export function rotateIndex(i: u32, n: usize): v128 {
  return v128.load(ROTATE - 16 + <usize>(i & 3) * 48 + (n << 4));
}

/** A GF(2)-linear map of bytes, given by its images of the low and of the high nibble. */
// @ts-ignore: decorator
@inline export function linear(x: v128, lo: v128, hi: v128, low: v128): v128 {
  return v128.xor(
    lookup(lo, v128.and(x, low)),
    lookup(hi, v128.and(i32x4.shr_u(x, 4), low)),
  );
}

/** The linear map of bytes whose two tables begin at offset. */
// @ts-ignore: decorator
@inline export function mapBytes(x: v128, offset: usize): v128 {
  return linear(x, table(offset), table(offset + 16), lowNibbles());
}

/** The inversion, then the linear map that u and t hold. */
// @ts-ignore: decorator
@inline export function invertThen(x: v128, inv: v128, aOverK: v128, low: v128, u: v128, t: v128): v128 {
  const k = v128.and(x, low);
  const i = v128.and(i32x4.shr_u(x, 4), low);
  const j = v128.xor(i, k);
  const ak = lookup(aOverK, k);
  const io = v128.xor(lookup(inv, v128.xor(lookup(inv, i), ak)), j);
  const jo = v128.xor(lookup(inv, v128.xor(lookup(inv, j), ak)), i);
  return v128.xor(lookup(u, io), lookup(t, jo));
}

/** SubBytes, MixColumns, AddRoundKey. */
// @ts-ignore: decorator
@inline export function encryptRound(
  x: v128, roundKey: v128, inv: v128, aOverK: v128, low: v128, u1: v128, t1: v128, u2: v128, t2: v128,
  r: v128, r2: v128, r3: v128,
): v128 {
  const k = v128.and(x, low);
  const i = v128.and(i32x4.shr_u(x, 4), low);
  const j = v128.xor(i, k);
  const ak = lookup(aOverK, k);
  const io = v128.xor(lookup(inv, v128.xor(lookup(inv, i), ak)), j);
  const jo = v128.xor(lookup(inv, v128.xor(lookup(inv, j), ak)), i);
  const A = v128.xor(lookup(u1, io), lookup(t1, jo));
  const A2 = v128.xor(lookup(u2, io), lookup(t2, jo));
  const A3 = v128.xor(A2, A);
  return v128.xor(v128.xor(v128.xor(A2, roundKey), lookup(A3, r)), v128.xor(lookup(A, r2), lookup(A, r3)));
}

/** The last round has no MixColumns, and leaves the tower's basis and what is left of ShiftRows. */
// @ts-ignore: decorator
@inline export function lastRound(
  x: v128, roundKey: v128, inv: v128, aOverK: v128, low: v128, u: v128, t: v128, shiftRows: v128,
): v128 {
  return v128.xor(lookup(invertThen(x, inv, aOverK, low, u, t), shiftRows), roundKey);
}

/** CIPH_K of one block, in the byte order of memory. */
export function encryptVector(ctxPtr: usize, block: v128): v128 {
  const Nr = load<u32>(ctxPtr, CTX_NR);
  const x = v128.xor(mapBytes(block, IPT), v128.load(ctxPtr, CTX_ENC_KEYS));
  const S = lookup(encryptRounds(ctxPtr, Nr, x, SBO), shiftRowsIndex(Nr));
  return v128.xor(S, v128.load(ctxPtr + (<usize>Nr << 4), CTX_ENC_KEYS));
}

/**
 * The rounds between the first round key, which x has, and the last one. What comes out lacks SR^Nr, and is in the basis
 * that the S-box at `last` gives.
 */
// @ts-ignore: decorator
@inline export function encryptRounds(ctxPtr: usize, Nr: u32, x: v128, last: usize): v128 {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const u1 = table(SB1), t1 = table(SB1 + 16), u2 = table(SB2), t2 = table(SB2 + 16);
  let key = ctxPtr + CTX_ENC_KEYS + 16;
  for (let i: u32 = 1; i < Nr; i++, key += 16) {
    const r = rotateIndex(i, 1), r2 = rotateIndex(i, 2), r3 = rotateIndex(i, 3);
    x = encryptRound(x, v128.load(key), inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
  }
  return invertThen(x, inv, aOverK, low, table(last), table(last + 16));
}

/** InvSubBytes, InvMixColumns, AddRoundKey: the equivalent inverse cipher, FIPS 197 §5.3.5. */
// @ts-ignore: decorator
@inline export function decryptRound(
  x: v128, roundKey: v128, inv: v128, aOverK: v128, low: v128, ue: v128, te: v128, ub: v128, tb: v128,
  ud: v128, td: v128, u9: v128, t9: v128, r: v128, r2: v128, r3: v128,
): v128 {
  const k = v128.and(x, low);
  const i = v128.and(i32x4.shr_u(x, 4), low);
  const j = v128.xor(i, k);
  const ak = lookup(aOverK, k);
  const io = v128.xor(lookup(inv, v128.xor(lookup(inv, i), ak)), j);
  const jo = v128.xor(lookup(inv, v128.xor(lookup(inv, j), ak)), i);
  // The one that is not rotated can wait.
  const N = v128.xor(lookup(u9, io), lookup(t9, jo)), D = v128.xor(lookup(ud, io), lookup(td, jo));
  const B = v128.xor(lookup(ub, io), lookup(tb, jo)), E = v128.xor(lookup(ue, io), lookup(te, jo));
  return v128.xor(v128.xor(lookup(D, r2), lookup(N, r3)), v128.xor(lookup(B, r), v128.xor(E, roundKey)));
}

/** CIPH⁻¹_K of one block; ctx has its decryption keys. */
export function decryptVector(ctxPtr: usize, block: v128): v128 {
  const Nr = load<u32>(ctxPtr, CTX_NR);
  const x = v128.xor(mapBytes(block, DIPT), v128.load(ctxPtr, CTX_DEC_KEYS));
  const S = lookup(decryptRounds(ctxPtr, Nr, x, DSBO), shiftRowsIndex(0 - Nr));
  return v128.xor(S, v128.load(ctxPtr + (<usize>Nr << 4), CTX_DEC_KEYS));
}

/** As encryptRounds; what comes out lacks SR^-Nr. */
// @ts-ignore: decorator
@inline export function decryptRounds(ctxPtr: usize, Nr: u32, x: v128, last: usize): v128 {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const ue = table(DSBE), te = table(DSBE + 16), ub = table(DSBB), tb = table(DSBB + 16);
  const ud = table(DSBD), td = table(DSBD + 16), u9 = table(DSB9), t9 = table(DSB9 + 16);
  let key = ctxPtr + CTX_DEC_KEYS + 16;
  for (let i: u32 = 1; i < Nr; i++, key += 16) {
    const r = rotateIndex(0 - i, 1), r2 = rotateIndex(0 - i, 2), r3 = rotateIndex(0 - i, 3);
    x = decryptRound(x, v128.load(key), inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, r, r2, r3);
  }
  return invertThen(x, inv, aOverK, low, table(last), table(last + 16));
}

/** InvMixColumns of a round key in AES's own basis: MixColumns after a ⊕ 4(a ⊕ r²(a)), FIPS 197 §5.3.3. */
export function invMixColumns(a: v128): v128 {
  const r = rotateIndex(0, 1);
  const a2 = lookup(a, rotateIndex(0, 2));
  const b = v128.xor(a, xtime(xtime(v128.xor(a, a2))));
  const b2 = xtime(b);
  const inner = v128.xor(b, lookup(b, r));
  const outer = v128.xor(v128.xor(b2, b), lookup(inner, r));
  return v128.xor(b2, lookup(outer, r));
}

/** Each byte times x mod x⁸+x⁴+x³+x+1. */
function xtime(a: v128): v128 {
  return v128.xor(i8x16.add(a, a), v128.and(topBitMask8x16(a), i8x16.splat(0x1b)));
}
