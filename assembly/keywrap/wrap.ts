/**
 * W and W⁻¹ of SP 800-38F §6.1, the permutation under both key wraps: six passes over the semiblocks R[1..n], each step
 * one block of AES over A ‖ R[i].
 *
 * The step number t ≤ 6n fits a u64 with room; n is bounded by the i/o window. Semiblocks are handled as the bytes lie,
 * so only t is turned around. Steps chain through A: there is nothing to run side by side in one wrap.
 */
import { be64 } from "../bytes";
import { decryptVector, encryptVector } from "../aes/vpaes";

/** W(A ‖ R[1..n]), in place at ptr, 8(n+1) bytes, n ≥ 2. */
export function wrapInPlace(ctxPtr: usize, ptr: usize, n: u32): void {
  let A = load<u64>(ptr);
  let t: u64 = 1;
  for (let j = 0; j < 6; j++) {
    let rPtr = ptr + 8;
    for (let i: u32 = 0; i < n; i++) {
      const B = encryptVector(ctxPtr, i64x2.replace_lane(i64x2.splat(A), 1, load<u64>(rPtr)));
      A = i64x2.extract_lane(B, 0) ^ be64(t);
      store<u64>(rPtr, i64x2.extract_lane(B, 1));
      rPtr += 8;
      t++;
    }
  }
  store<u64>(ptr, A);
}

/** W⁻¹ of A ‖ R[1..n], in place over R at ptr, n ≥ 2; gives A as the bytes lie in memory. */
export function unwrapInPlace(ctxPtr: usize, A: u64, ptr: usize, n: u32): u64 {
  let t = 6 * <u64>n;
  for (let j = 0; j < 6; j++) {
    let rPtr = ptr + (<usize>n << 3);
    for (let i: u32 = 0; i < n; i++) {
      rPtr -= 8;
      const B = decryptVector(ctxPtr, i64x2.replace_lane(i64x2.splat(A ^ be64(t)), 1, load<u64>(rPtr)));
      A = i64x2.extract_lane(B, 0);
      store<u64>(rPtr, i64x2.extract_lane(B, 1));
      t--;
    }
  }
  return A;
}
