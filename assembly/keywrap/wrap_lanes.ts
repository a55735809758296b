/**
 * W and W⁻¹ for up to four messages of one length side by side, each under its own key; the keys have equally many rounds.
 *
 * A lane is {ctx u32, rPtr u32, A u64}. Four always run: those that are not asked for are copies of the first, which load,
 * compute and store the same.
 */
import { be64 } from "../bytes";
import { KEYWRAP_SCRATCH } from "../layout";
import { decryptLanes4, encryptLanes4 } from "../aes/vpaes_lanes";

export const LANE_SIZE: usize = 16;
export const LANE_R: usize = 4;
export const LANE_A: usize = 8;

const BLOCKS: usize = KEYWRAP_SCRATCH + 192; // 64: A ‖ R[i] of each lane

/** W of 1 to 4 lanes at lanesPtr, which has room for 4; n ≥ 2. A is left in the lane, R in its place. */
export function wrapLanes(lanesPtr: usize, lanes: u32, n: u32): void {
  start(lanesPtr, lanes);
  let t: u64 = 1;
  for (let j = 0; j < 6; j++) {
    for (let i: u32 = 0; i < n; i++, t++) {
      loadSemiblocks(lanesPtr, i, 0);
      encryptLanes4(ctxOf(lanesPtr, 0), ctxOf(lanesPtr, 1), ctxOf(lanesPtr, 2), ctxOf(lanesPtr, 3), BLOCKS);
      storeSemiblocks(lanesPtr, i, t);
    }
  }
  finish(lanesPtr);
}

/** W⁻¹, as wrapLanes; the contexts have their decryption keys. */
export function unwrapLanes(lanesPtr: usize, lanes: u32, n: u32): void {
  start(lanesPtr, lanes);
  let t = 6 * <u64>n;
  for (let j = 0; j < 6; j++) {
    for (let i = n; i > 0; i--, t--) {
      loadSemiblocks(lanesPtr, i - 1, t);
      decryptLanes4(ctxOf(lanesPtr, 0), ctxOf(lanesPtr, 1), ctxOf(lanesPtr, 2), ctxOf(lanesPtr, 3), BLOCKS);
      storeSemiblocks(lanesPtr, i - 1, 0);
    }
  }
  finish(lanesPtr);
}

// @ts-ignore: decorator
@inline function ctxOf(lanesPtr: usize, lane: usize): usize {
  return load<u32>(lanesPtr + lane * LANE_SIZE);
}

function start(lanesPtr: usize, lanes: u32): void {
  for (let lane: usize = 0; lane < 4; lane++) {
    const ptr = lanesPtr + lane * LANE_SIZE;
    if (lane >= lanes) v128.store(ptr, v128.load(lanesPtr));
    v128.store(BLOCKS + (lane << 4), i64x2.splat(load<u64>(ptr, LANE_A)));
  }
}

/** A ⊕ t ‖ R[i + 1] of every lane to BLOCKS. Whole vectors are stored, as they will be loaded. */
function loadSemiblocks(lanesPtr: usize, i: u32, t: u64): void {
  const step = i64x2.replace_lane(i64x2.splat(0), 0, be64(t));
  for (let lane: usize = 0; lane < 4; lane++) {
    const A = v128.xor(v128.load(BLOCKS + (lane << 4)), step);
    const rPtr = load<u32>(lanesPtr + lane * LANE_SIZE, LANE_R) + (i << 3);
    v128.store(BLOCKS + (lane << 4), i64x2.replace_lane(A, 1, load<u64>(rPtr)));
  }
}

/** R[i + 1] of every lane from BLOCKS, and t into A. */
function storeSemiblocks(lanesPtr: usize, i: u32, t: u64): void {
  const step = i64x2.replace_lane(i64x2.splat(0), 0, be64(t));
  for (let lane: usize = 0; lane < 4; lane++) {
    const B = v128.load(BLOCKS + (lane << 4));
    store<u64>(load<u32>(lanesPtr + lane * LANE_SIZE, LANE_R) + (i << 3), i64x2.extract_lane(B, 1));
    v128.store(BLOCKS + (lane << 4), v128.xor(B, step));
  }
}

function finish(lanesPtr: usize): void {
  for (let lane: usize = 0; lane < 4; lane++) {
    const ptr = BLOCKS + (lane << 4);
    store<u64>(lanesPtr + lane * LANE_SIZE, load<u64>(ptr), LANE_A);
    v128.store(ptr, i64x2.splat(0));
  }
}
