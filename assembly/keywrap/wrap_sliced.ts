/**
 * W and W⁻¹ for up to eight messages of one length under one key, bitsliced.
 *
 * The messages are transposed once and stay so through all 6n steps: state i is A ‖ R[i] of all eight. A step takes A
 * from the state of the step before and R from its own, which it then replaces. In the layout of aes/bitslice.ts A is
 * columns 0 and 1 of every row, two bytes of four. t ≤ 6 · SLICED_SEMIBLOCKS = 240 is one byte, the last of A: row 3 of
 * column 1, bit b of it in register b, the same for all messages.
 */
import { be64 } from "../bytes";
import { KEYWRAP_SCRATCH } from "../layout";
import { SLICED_KEYS, slice, sliceKeys, wipeSliced } from "../aes/bitslice";
import { decryptSliced } from "../aes/bitslice_decrypt";
import { encryptSliced } from "../aes/bitslice_encrypt";
import { CTX_NR } from "../aes/context";
import { LANE_A, LANE_R, LANE_SIZE } from "./wrap_lanes";

/** The longest message that is taken: 320 bytes. */
export const SLICED_SEMIBLOCKS: u32 = 40;

const STATES: usize = KEYWRAP_SCRATCH + 512; // 40 · 128

// By a bit of t: nothing, or the last byte of A.
const LAST_BYTE: usize = memory.data<u32>([0, 0, 0, 0, 0, 0, 0, 0x0000ff00], 16);

/** W of 1 to 8 lanes under one ctx; n from 2 to SLICED_SEMIBLOCKS. A is left in the lane, R in its place. */
export function wrapSliced(lanesPtr: usize, lanes: u32, n: u32): void {
  const Nr = start(lanesPtr, lanes, n);
  let before = STATES;
  let t: u32 = 0;
  for (let j = 0; j < 6; j++) {
    for (let i: u32 = 0; i < n; i++, t++) {
      const state = STATES + (<usize>i << 7);
      join(before, t, state);
      encryptSliced(state, SLICED_KEYS, 1, Nr);
      before = state;
    }
  }
  finish(lanesPtr, lanes, n, before, t);
}

/** W⁻¹, as wrapSliced. */
export function unwrapSliced(lanesPtr: usize, lanes: u32, n: u32): void {
  const Nr = start(lanesPtr, lanes, n);
  let before = STATES;
  let t = 6 * n;
  for (let j = 0; j < 6; j++) {
    for (let i = n; i > 0; i--, t--) {
      const state = STATES + (<usize>(i - 1) << 7);
      join(before, t, state);
      decryptSliced(state, SLICED_KEYS, Nr);
      before = state;
    }
  }
  finish(lanesPtr, lanes, n, before, 0);
}

/**
 * Keys and states; every state holds A, so that the first step may take it from any. Lanes that are not asked for are
 * zero, as finish leaves them. Gives Nr.
 */
function start(lanesPtr: usize, lanes: u32, n: u32): u32 {
  const ctxPtr = <usize>load<u32>(lanesPtr);
  sliceKeys(ctxPtr, 0);
  for (let i: u32 = 0; i < n; i++) {
    const state = STATES + (<usize>i << 7);
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const lanePtr = lanesPtr + lane * LANE_SIZE;
      const R = load<u64>(<usize>load<u32>(lanePtr, LANE_R) + (<usize>i << 3));
      v128.store(state + (lane << 4), i64x2.replace_lane(i64x2.splat(load<u64>(lanePtr, LANE_A)), 1, R));
    }
    slice(state, state);
  }
  return load<u32>(ctxPtr, CTX_NR);
}

/** The state becomes A ⊕ t ‖ R: A of the state before, R its own. A is every other pair of bytes. */
function join(before: usize, t: u32, state: usize): void {
  for (let at: usize = 0; at < 128; at += 16, t >>= 1) {
    const A = v128.xor(v128.load(before + at), v128.load(LAST_BYTE + (<usize>(t & 1) << 4)));
    v128.store(state + at, v128.shuffle<u16>(A, v128.load(state + at), 0, 9, 2, 11, 4, 13, 6, 15));
  }
}

function finish(lanesPtr: usize, lanes: u32, n: u32, last: usize, t: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const state = STATES + (<usize>i << 7);
    slice(state, state);
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const R = load<u64>(state + (lane << 4), 8);
      store<u64>(<usize>load<u32>(lanesPtr + lane * LANE_SIZE, LANE_R) + (<usize>i << 3), R);
    }
  }
  for (let lane: u32 = 0; lane < lanes; lane++) {
    store<u64>(lanesPtr + lane * LANE_SIZE, load<u64>(last + (lane << 4)) ^ be64(t), LANE_A);
  }
  memory.fill(STATES, 0, <usize>n << 7);
  wipeSliced();
}
