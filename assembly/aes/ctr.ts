/**
 * CTR, SP 800-38A §6.5, whose counter is the whole block as a big-endian number mod 2¹²⁸ (appendix B.1).
 *
 * The kernel below counts as GCM does, mod 2³² in the last four bytes. MAX_LEN allows 17 MiB / 16 < 2²¹ blocks, so
 * those four bytes wrap at most once in a message: the blocks up to the wrap are one run of the kernel, those after it
 * another, whose first counter carries into the bytes before. Counters are public.
 */
import { be32, be64 } from "../bytes";
import { WINDOW_SIZE } from "../layout";
import { isExpandedBit } from "./context";
import { ctr32Xor } from "./ctr32";

const MAX_LEN: u32 = <u32>WINDOW_SIZE;

/**
 * Encrypts and decrypts alike; writes len bytes. 0, and nothing written: a string over MAX_LEN, no key in ctx.
 * in and out are the same address or disjoint. That no counter comes twice under one key is the caller's to see to.
 */
export function aesCtr(ctxPtr: usize, ivPtr: usize, inPtr: usize, len: u32, outPtr: usize): u32 {
  if (!isExpandedBit(ctxPtr) || len > MAX_LEN) return 0;
  const T1 = v128.load(ivPtr);
  const untilWrap = ((<u64>1 << 32) - <u64>be32(i32x4.extract_lane(T1, 3))) << 4;
  const first = <u32>min(<u64>len, untilWrap);
  ctr32Xor(ctxPtr, T1, inPtr, first, outPtr);
  if (first < len) ctr32Xor(ctxPtr, addBlocks(T1, first >> 4), inPtr + first, len - first, outPtr + first);
  return 1;
}

/** The counter + n mod 2¹²⁸: a sum of 64 bits is less than a summand exactly when it wrapped. */
function addBlocks(counter: v128, n: u64): v128 {
  const low = be64(i64x2.extract_lane(counter, 1)) + n;
  const high = be64(i64x2.extract_lane(counter, 0)) + u64(low < n);
  return i64x2.replace_lane(i64x2.splat(be64(high)), 1, be64(low));
}
