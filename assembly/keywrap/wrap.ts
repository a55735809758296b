/**
 * W and W⁻¹ of SP 800-38F §6.1, the permutation under both key wraps: six passes over the semiblocks R[1..n], each step
 * one block of AES over A ‖ R[i].
 *
 * The step number t ≤ 6n fits a u64 with room; n is bounded by the i/o window. Semiblocks are handled as the bytes lie,
 * so only t is turned around. Steps chain through A: there is nothing to run side by side in one wrap; for many, see
 * wrap_lanes.ts and wrap_sliced.ts.
 */
import { be64 } from "../bytes";
import { decryptVector, encryptVector } from "../aes/vpaes";

/** W of A ‖ R[1..n], in place over R at rPtr; gives A. For n = 1, where KWP has no W, one block of AES. */
export function wrapInPlace(ctxPtr: usize, A: u64, rPtr: usize, n: u32): u64 {
  if (n == 1) return storeBlock(rPtr, encryptVector(ctxPtr, loadBlock(A, rPtr)));
  const end = rPtr + (<usize>n << 3);
  let t: u64 = 1;
  for (let j = 0; j < 6; j++) {
    for (let ptr = rPtr; ptr < end; ptr += 8, t++) {
      A = storeBlock(ptr, encryptVector(ctxPtr, loadBlock(A, ptr))) ^ be64(t);
    }
  }
  return A;
}

/** W⁻¹ of A ‖ R[1..n], in place over R at rPtr; gives A. ctx has its decryption keys. */
export function unwrapInPlace(ctxPtr: usize, A: u64, rPtr: usize, n: u32): u64 {
  if (n == 1) return storeBlock(rPtr, decryptVector(ctxPtr, loadBlock(A, rPtr)));
  let t = 6 * <u64>n;
  for (let j = 0; j < 6; j++) {
    for (let ptr = rPtr + (<usize>(n - 1) << 3); ptr >= rPtr; ptr -= 8, t--) {
      A = storeBlock(ptr, decryptVector(ctxPtr, loadBlock(A ^ be64(t), ptr)));
    }
  }
  return A;
}

/** A ‖ the semiblock at ptr. */
// @ts-ignore: decorator
@inline export function loadBlock(A: u64, ptr: usize): v128 {
  return i64x2.replace_lane(i64x2.splat(A), 1, load<u64>(ptr));
}

/** The second semiblock of B to ptr; gives the first. */
// @ts-ignore: decorator
@inline export function storeBlock(ptr: usize, B: v128): u64 {
  store<u64>(ptr, i64x2.extract_lane(B, 1));
  return i64x2.extract_lane(B, 0);
}
