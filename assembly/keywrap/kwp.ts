/**
 * KWP: SP 800-38F §6.3, RFC 5649. S = ICV2 ‖ [len(P)/8]₃₂ ‖ P ‖ zeros to the next semiblock; one block of AES if P fits
 * a semiblock, W otherwise.
 *
 * An unwrap must check three things (ICV2, that the length fits, that the padding is zero), and one that stops at the
 * first tells an attacker which. Here all are gathered into one word that is zero exactly when everything holds:
 *
 *   ICV2 ⊕ upper half of A
 *   pad >> 3, where pad = 8n - Plen mod 2³². Plen in (8(n-1), 8n] gives 0–7. Plen > 8n wraps to at least 8n + 1 ≥ 9.
 *   the last pad mod 8 bytes
 */
import { be64, loadBe64 } from "../bytes";
import { isZeroBit64, lowBytesMask64, maskFromBit } from "../ct";
import { WINDOW_SIZE } from "../layout";
import { permuteMany, permuteOne } from "./permute";

const MAX_LEN: u32 = <u32>WINDOW_SIZE;
const ICV2: u64 = 0xa65959a6;

// @ts-ignore: decorator
@unmanaged @final class KwpWrap {
  // @ts-ignore: decorator
  @inline get inverse(): bool { return false; }

  semiblocks(inLen: u32): u32 {
    return inLen > MAX_LEN - 16 ? 0 : (inLen + 7) >> 3;
  }

  start(inPtr: usize, inLen: u32, outPtr: usize): u64 {
    memory.copy(outPtr + 8, inPtr, inLen);
    memory.fill(outPtr + 8 + inLen, 0, (0 - inLen) & 7);
    return be64((ICV2 << 32) | <u64>inLen);
  }

  finish(A: u64, inLen: u32, outPtr: usize): u32 {
    store<u64>(outPtr, A);
    return ((inLen + 7) & ~7) + 8;
  }
}

// @ts-ignore: decorator
@unmanaged @final class KwpUnwrap {
  // @ts-ignore: decorator
  @inline get inverse(): bool { return true; }

  semiblocks(inLen: u32): u32 {
    return (inLen & 7) != 0 || inLen < 16 || inLen > MAX_LEN ? 0 : (inLen >> 3) - 1;
  }

  start(inPtr: usize, inLen: u32, outPtr: usize): u64 {
    const A = load<u64>(inPtr);
    memory.copy(outPtr, inPtr + 8, inLen - 8);
    return A;
  }

  finish(A: u64, inLen: u32, outPtr: usize): u32 {
    const len = inLen - 8;
    A = be64(A);
    const Plen = <u32>A;
    const pad = len - Plen;
    const padding = loadBe64(outPtr + len - 8) & lowBytesMask64(pad & 7);
    const okBit = isZeroBit64(((A >> 32) ^ ICV2) | <u64>(pad >> 3) | padding);
    if (!okBit) memory.fill(outPtr, 0, len);
    return Plen & maskFromBit(okBit);
  }
}

/** Writes inLen rounded up to 8, + 8 bytes, and returns that count; 0, and nothing written, for an empty or too long input. in may be out. */
export function kwpWrap(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  return permuteOne<KwpWrap>(ctxPtr, inPtr, inLen, outPtr);
}

/**
 * Writes inLen - 8 bytes, the plaintext and its zero padding, and returns the plaintext's length. 0 for a length that is
 * no multiple of 8 or under 16 (out untouched), and for any failed check (those bytes of out zeroed). in may be out.
 */
export function kwpUnwrap(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  return permuteOne<KwpUnwrap>(ctxPtr, inPtr, inLen, outPtr);
}

/** kwpWrap of every job (permute.ts). */
export function kwpWrapMany(jobsPtr: usize, count: u32): void {
  permuteMany<KwpWrap>(jobsPtr, count);
}

/** kwpUnwrap of every job (permute.ts). */
export function kwpUnwrapMany(jobsPtr: usize, count: u32): void {
  permuteMany<KwpUnwrap>(jobsPtr, count);
}
