/**
 * AES on eight blocks at once, a bit of the state in each register: what both directions share.
 *
 * The layout. Register b holds bit b of all 128 bytes of eight blocks: its byte 4ρ + c is row ρ, column c of the state,
 * and bit j of that byte belongs to block j. So AES becomes Boolean functions of eight registers, and a rotation of rows
 * or columns one permutation of each register's bytes.
 *
 * Fixslicing (A. Adomnicai and T. Peyrin, "Fixslicing AES-like Ciphers", CHES 2021): ShiftRows is never done. After round
 * i the registers hold SR⁻ⁱ of the state; SubBytes does not mind, the round keys are stored as SR⁻ⁱ(rk), and
 * MixColumns becomes SR⁻ⁱ ∘ MixColumns ∘ SRⁱ, in which the step r to the next row of the same column is the step to
 * the next row, i columns on (row 3 goes to row 0, -3i = i columns on, mod 4). i counts mod 4; what is left at the end
 * is SR^Nr, nothing for Nr = 12 and SR² for 10 and 14.
 *
 * Constant-flow: logic on registers; addresses follow the number of rounds. See vpaes.ts for fewer blocks.
 */
import { lookup } from "../lookup";
import { AES_SCRATCH } from "../layout";
import { CTX_NR, CTX_W } from "./context";
import { shiftRowsIndex } from "./vpaes";

/** How many blocks a state has. */
export const SLICED_BLOCKS: u32 = 8;

// Scratch: 15 round keys of 128 bytes ‖ a state of 128. Whoever calls sliceKeys calls wipeSliced in the end.
export const SLICED_KEYS: usize = AES_SCRATCH;
export const SLICED_STATE: usize = SLICED_KEYS + 15 * 128;

const PERMUTE: usize = memory.data<u8>([
  0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, // rows ↔ columns
  0, 1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 11, 14, 15, 12, 13, // SR²
], 16);
const SHIFT_ROWS_2: usize = 16;

// For each i mod 4: r, then r². Byte 4ρ + c takes the byte of row ρ + 1, column c + i.
const ROTATE: usize = memory.data<u8>([
  4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3,
  8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7,
  5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0,
  10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
  6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1,
  8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7,
  7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2,
  10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
], 16);

const MASKS: usize = memory.data<u64>([
  0x5555555555555555, 0x5555555555555555, 0x3333333333333333, 0x3333333333333333, 0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
], 16);

/** The step to the next row after i rounds. */
// @ts-ignore: decorator
@inline export function nextRow(i: u32): v128 {
  return v128.load(ROTATE + (<usize>(i & 3) << 5));
}

/** The step over two rows after i rounds. */
// @ts-ignore: decorator
@inline export function secondRow(i: u32): v128 {
  return v128.load(ROTATE + (<usize>(i & 3) << 5), 16);
}

// @ts-ignore: decorator
@inline export function shiftRows2Index(): v128 {
  return v128.load(PERMUTE + SHIFT_ROWS_2);
}

/**
 * The round keys of ctx from the first'th on to SLICED_KEYS, each in its place. From key 1 on they take the S-box's constant
 * 63 in, which MixColumns and ShiftRows leave unchanged.
 */
export function sliceKeys(ctxPtr: usize, first: u32): void {
  const Nr = load<u32>(ctxPtr, CTX_NR);
  const c63 = i8x16.splat(0x63);
  for (let i = first; i <= Nr; i++) {
    let roundKey = v128.load(ctxPtr + (<usize>i << 4), CTX_W);
    if (i > 0) roundKey = v128.xor(roundKey, c63);
    sliceOne(lookup(roundKey, shiftRowsIndex(0 - i)), SLICED_KEYS + (<usize>i << 7));
  }
}

/** Eight times the same block to a state: every byte is 0 or all ones. */
export function sliceOne(block: v128, statePtr: usize): void {
  const zero = i64x2.splat(0);
  let x = lookup(block, v128.load(PERMUTE));
  for (let at: usize = 128; at > 0; x = i8x16.add(x, x)) {
    at -= 16;
    v128.store(statePtr + at, i8x16.lt_s(x, zero));
  }
}

/** Wipes keys and state. */
export function wipeSliced(): void {
  memory.fill(SLICED_KEYS, 0, 16 * 128);
}

/**
 * Eight blocks of 16 bytes to a state, and a state to eight blocks: the permutation of bytes and the transposition of
 * each 8 × 8 square of bits are inverses of themselves and do not touch each other's order. in may be out.
 */
export function slice(inPtr: usize, outPtr: usize): void {
  const columns = v128.load(PERMUTE);
  let a = lookup(v128.load(inPtr), columns), b = lookup(v128.load(inPtr, 16), columns);
  let c = lookup(v128.load(inPtr, 32), columns), d = lookup(v128.load(inPtr, 48), columns);
  let e = lookup(v128.load(inPtr, 64), columns), f = lookup(v128.load(inPtr, 80), columns);
  let g = lookup(v128.load(inPtr, 96), columns), h = lookup(v128.load(inPtr, 112), columns);
  let mask = v128.load(MASKS);
  let t = crossed(a, b, 1, mask); a = v128.xor(a, i64x2.shl(t, 1)); b = v128.xor(b, t);
  t = crossed(c, d, 1, mask); c = v128.xor(c, i64x2.shl(t, 1)); d = v128.xor(d, t);
  t = crossed(e, f, 1, mask); e = v128.xor(e, i64x2.shl(t, 1)); f = v128.xor(f, t);
  t = crossed(g, h, 1, mask); g = v128.xor(g, i64x2.shl(t, 1)); h = v128.xor(h, t);
  mask = v128.load(MASKS, 16);
  t = crossed(a, c, 2, mask); a = v128.xor(a, i64x2.shl(t, 2)); c = v128.xor(c, t);
  t = crossed(b, d, 2, mask); b = v128.xor(b, i64x2.shl(t, 2)); d = v128.xor(d, t);
  t = crossed(e, g, 2, mask); e = v128.xor(e, i64x2.shl(t, 2)); g = v128.xor(g, t);
  t = crossed(f, h, 2, mask); f = v128.xor(f, i64x2.shl(t, 2)); h = v128.xor(h, t);
  mask = v128.load(MASKS, 32);
  t = crossed(a, e, 4, mask); a = v128.xor(a, i64x2.shl(t, 4)); e = v128.xor(e, t);
  t = crossed(b, f, 4, mask); b = v128.xor(b, i64x2.shl(t, 4)); f = v128.xor(f, t);
  t = crossed(c, g, 4, mask); c = v128.xor(c, i64x2.shl(t, 4)); g = v128.xor(g, t);
  t = crossed(d, h, 4, mask); d = v128.xor(d, i64x2.shl(t, 4)); h = v128.xor(h, t);
  v128.store(outPtr, a);
  v128.store(outPtr, b, 16);
  v128.store(outPtr, c, 32);
  v128.store(outPtr, d, 48);
  v128.store(outPtr, e, 64);
  v128.store(outPtr, f, 80);
  v128.store(outPtr, g, 96);
  v128.store(outPtr, h, 112);
}

/** Where the bits of x that mask << n covers differ from those of y that mask covers. */
// @ts-ignore: decorator
@inline function crossed(x: v128, y: v128, n: i32, mask: v128): v128 {
  return v128.and(v128.xor(i64x2.shr_u(x, n), y), mask);
}
