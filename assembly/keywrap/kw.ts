/**
 * KW: SP 800-38F §6.2, RFC 3394. Plaintext of n ≥ 2 semiblocks; RFC 3394's one-semiblock case is not in SP 800-38F and
 * is refused, as is the empty one, whose result would not depend on the key.
 *
 * ICV1 is the only redundancy. Unwrapping leaves candidate plaintext in out before ICV1 can be looked at, because W⁻¹
 * yields A last; so the verdict comes before the return and a refused unwrap leaves zeros.
 */
import { isZeroBit64 } from "../ct";
import { WINDOW_SIZE } from "../layout";
import { permuteMany, permuteOne } from "./permute";

const MAX_LEN: u32 = <u32>WINDOW_SIZE;
const ICV1: u64 = 0xa6a6a6a6a6a6a6a6;

// @ts-ignore: decorator
@unmanaged @final class KwWrap {
  // @ts-ignore: decorator
  @inline get inverse(): bool { return false; }

  semiblocks(inLen: u32): u32 {
    return (inLen & 7) != 0 || inLen < 16 || inLen > MAX_LEN - 8 ? 0 : inLen >> 3;
  }

  start(inPtr: usize, inLen: u32, outPtr: usize): u64 {
    memory.copy(outPtr + 8, inPtr, inLen);
    return ICV1;
  }

  finish(A: u64, inLen: u32, outPtr: usize): u32 {
    store<u64>(outPtr, A);
    return 1;
  }
}

// @ts-ignore: decorator
@unmanaged @final class KwUnwrap {
  // @ts-ignore: decorator
  @inline get inverse(): bool { return true; }

  semiblocks(inLen: u32): u32 {
    return (inLen & 7) != 0 || inLen < 24 || inLen > MAX_LEN ? 0 : (inLen >> 3) - 1;
  }

  start(inPtr: usize, inLen: u32, outPtr: usize): u64 {
    const C1 = load<u64>(inPtr);
    memory.copy(outPtr, inPtr + 8, inLen - 8);
    return C1;
  }

  finish(A: u64, inLen: u32, outPtr: usize): u32 {
    const okBit = isZeroBit64(A ^ ICV1);
    if (!okBit) memory.fill(outPtr, 0, inLen - 8);
    return okBit;
  }
}

/** Writes inLen + 8 bytes. 0, and nothing written, unless inLen is a multiple of 8, at least 16. in may be out. */
export function kwWrap(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  return permuteOne<KwWrap>(ctxPtr, inPtr, inLen, outPtr);
}

/**
 * Writes inLen - 8 bytes. 0 for a length that is no multiple of 8 or under 24 (out untouched), or a wrong ICV1 (those
 * bytes of out zeroed). in may be out.
 */
export function kwUnwrap(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  return permuteOne<KwUnwrap>(ctxPtr, inPtr, inLen, outPtr);
}

/** kwWrap of every job (permute.ts). */
export function kwWrapMany(jobsPtr: usize, count: u32): void {
  permuteMany<KwWrap>(jobsPtr, count);
}

/** kwUnwrap of every job (permute.ts). */
export function kwUnwrapMany(jobsPtr: usize, count: u32): void {
  permuteMany<KwUnwrap>(jobsPtr, count);
}
