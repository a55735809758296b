/**
 * KW: SP 800-38F §6.2, RFC 3394. Plaintext of n ≥ 2 semiblocks; RFC 3394's one-semiblock case is not in SP 800-38F and
 * is refused, as is the empty one, whose result would not depend on the key.
 *
 * ICV1 is the only redundancy. Unwrapping leaves candidate plaintext in out before ICV1 can be looked at, because W⁻¹
 * yields A last; so the verdict comes before the return and a refused unwrap leaves zeros.
 */
import { isZeroBit64 } from "../ct";
import { WINDOW_SIZE } from "../layout";
import { isExpandedBit } from "../aes/context";
import { prepareDecryption } from "../aes/vpaes_schedule";
import { unwrapInPlace, wrapInPlace } from "./wrap";

const MAX_LEN: u32 = <u32>WINDOW_SIZE;
const ICV1: u64 = 0xa6a6a6a6a6a6a6a6;

/** Writes inLen + 8 bytes. 0, and nothing written, unless inLen is a multiple of 8, at least 16. in may be out. */
export function kwWrap(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  if (!isExpandedBit(ctxPtr) || (inLen & 7) != 0 || inLen < 16 || inLen > MAX_LEN - 8) return 0;
  memory.copy(outPtr + 8, inPtr, inLen);
  store<u64>(outPtr, ICV1);
  wrapInPlace(ctxPtr, outPtr, inLen >> 3);
  return 1;
}

/**
 * Writes inLen - 8 bytes. 0 for a length that is no multiple of 8 or under 24 (out untouched), or a wrong ICV1 (those
 * bytes of out zeroed). in may be out.
 */
export function kwUnwrap(ctxPtr: usize, inPtr: usize, inLen: u32, outPtr: usize): u32 {
  if (!isExpandedBit(ctxPtr) || (inLen & 7) != 0 || inLen < 24 || inLen > MAX_LEN) return 0;
  prepareDecryption(ctxPtr);
  const len = inLen - 8;
  const C1 = load<u64>(inPtr);
  memory.copy(outPtr, inPtr + 8, len);
  const A = unwrapInPlace(ctxPtr, C1, outPtr, len >> 3);
  const okBit = isZeroBit64(A ^ ICV1);
  if (!okBit) memory.fill(outPtr, 0, len);
  return okBit;
}
