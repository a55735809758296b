/**
 * W and W⁻¹ of SP 800-38F §6.1, the permutation under both key wraps: six passes over the semiblocks R[1..n], each step
 * one block of AES over A ‖ R[i].
 *
 * Steps chain through A: there is nothing to run side by side in one wrap (for many, see wrap_lanes.ts and
 * wrap_sliced.ts), and what counts is how long A takes through a step. So A and R stay in the basis that vpaes.ts has
 * between rounds: to enter and to leave it is linear, is done once a semiblock instead of once a step, and the last round
 * of one step ends where the first of the next begins. What comes to A in between, the last round key, t and the first
 * round key, waits for it beside R[i].
 *
 * The step number t ≤ 6n fits a u64 with room; n is bounded by the i/o window. Semiblocks are handled as the bytes lie,
 * so only t is turned around.
 */
import { be64 } from "../bytes";
import { lookup } from "../lookup";
import { CTX_DEC_KEYS, CTX_ENC_KEYS, CTX_NR } from "../aes/context";
import {
  DIPT, DOPT, DSB1, IPT, OPT, SB1, decryptRounds, decryptVector, encryptRounds, encryptVector, mapBytes, shiftRowsIndex,
} from "../aes/vpaes";

/** An index with it keeps the first semiblock: a lookup gives 0 where the top bit is set. */
const FIRST_ONLY: usize = memory.data<u64>([0, 0x8080808080808080], 16);

/** W of A ‖ R[1..n], in place over R at rPtr; gives A. For n = 1, where KWP has no W, one block of AES. */
export function wrapInPlace(ctxPtr: usize, A: u64, rPtr: usize, n: u32): u64 {
  if (n == 1) return storeBlock(rPtr, encryptVector(ctxPtr, loadBlock(A, rPtr)));
  const Nr = load<u32>(ctxPtr, CTX_NR), end = rPtr + (<usize>n << 3);
  const shiftRows = shiftRowsIndex(Nr), shiftRowsOfA = v128.or(shiftRows, v128.load(FIRST_ONLY));
  const lastKey = mapBytes(v128.load(ctxPtr + (<usize>Nr << 4), CTX_ENC_KEYS), IPT);
  const keyOfA = block(i64x2.extract_lane(lastKey, 0), 0), keyOfR = i64x2.extract_lane(lastKey, 1);
  const between = v128.xor(keyOfA, v128.load(ctxPtr, CTX_ENC_KEYS));
  mapSemiblocks(rPtr, n, IPT);
  // From here on a is T(A), less the last key and t of the step it comes from.
  let a = v128.xor(mapBytes(block(A, 0), IPT), keyOfA);
  let t: u64 = 0;
  for (let j = 0; j < 6; j++) {
    for (let ptr = rPtr; ptr < end; ptr += 8, t++) {
      const tA = i64x2.extract_lane(mapBytes(block(be64(t), 0), IPT), 0);
      const S = encryptRounds(ctxPtr, Nr, v128.xor(a, v128.xor(between, loadBlock(tA, ptr))), SB1);
      a = lookup(S, shiftRowsOfA);
      store<u64>(ptr, i64x2.extract_lane(lookup(S, shiftRows), 1) ^ keyOfR);
    }
  }
  mapSemiblocks(rPtr, n, OPT);
  return i64x2.extract_lane(mapBytes(v128.xor(a, keyOfA), OPT), 0) ^ be64(t);
}

/** W⁻¹ of A ‖ R[1..n], in place over R at rPtr; gives A. ctx has its decryption keys. */
export function unwrapInPlace(ctxPtr: usize, A: u64, rPtr: usize, n: u32): u64 {
  if (n == 1) return storeBlock(rPtr, decryptVector(ctxPtr, loadBlock(A, rPtr)));
  const Nr = load<u32>(ctxPtr, CTX_NR);
  const shiftRows = shiftRowsIndex(0 - Nr), shiftRowsOfA = v128.or(shiftRows, v128.load(FIRST_ONLY));
  const lastKey = mapBytes(v128.load(ctxPtr + (<usize>Nr << 4), CTX_DEC_KEYS), DIPT);
  const keyOfA = block(i64x2.extract_lane(lastKey, 0), 0), keyOfR = i64x2.extract_lane(lastKey, 1);
  const between = v128.xor(keyOfA, v128.load(ctxPtr, CTX_DEC_KEYS));
  mapSemiblocks(rPtr, n, DIPT);
  // As above; here t belongs to the step that a goes to.
  let a = v128.xor(mapBytes(block(A, 0), DIPT), keyOfA);
  let t = 6 * <u64>n;
  for (let j = 0; j < 6; j++) {
    for (let ptr = rPtr + (<usize>(n - 1) << 3); ptr >= rPtr; ptr -= 8, t--) {
      const tA = i64x2.extract_lane(mapBytes(block(be64(t), 0), DIPT), 0);
      const S = decryptRounds(ctxPtr, Nr, v128.xor(a, v128.xor(between, loadBlock(tA, ptr))), DSB1);
      a = lookup(S, shiftRowsOfA);
      store<u64>(ptr, i64x2.extract_lane(lookup(S, shiftRows), 1) ^ keyOfR);
    }
  }
  mapSemiblocks(rPtr, n, DOPT);
  return i64x2.extract_lane(mapBytes(v128.xor(a, keyOfA), DOPT), 0);
}

/** The linear map at offset, of R[1..n] in place. */
function mapSemiblocks(rPtr: usize, n: u32, offset: usize): void {
  for (const end = rPtr + (<usize>n << 3); rPtr < end; rPtr += 8) {
    store<u64>(rPtr, i64x2.extract_lane(mapBytes(block(load<u64>(rPtr), 0), offset), 0));
  }
}

// @ts-ignore: decorator
@inline function block(first: u64, second: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(first), 1, second);
}

/** A ‖ the semiblock at ptr. */
// @ts-ignore: decorator
@inline export function loadBlock(A: u64, ptr: usize): v128 {
  return block(A, load<u64>(ptr));
}

/** The second semiblock of B to ptr; gives the first. */
// @ts-ignore: decorator
@inline export function storeBlock(ptr: usize, B: v128): u64 {
  store<u64>(ptr, i64x2.extract_lane(B, 1));
  return i64x2.extract_lane(B, 0);
}
