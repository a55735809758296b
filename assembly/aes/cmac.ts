/**
 * CMAC, SP 800-38B: CBC-MAC whose last block is masked with a key of its own, K1 if it is whole and K2 if it was filled
 * up, so that no message is the beginning of another.
 *
 * K1 = L·x and K2 = K1·x in GF(2¹²⁸), L = CIPH_K(0¹²⁸). They are as secret as the key, so the reduction is by mask and
 * not by branch; they are computed anew each time, one block of AES, and nothing more to keep and wipe. The length alone
 * decides which of the two is taken.
 */
import { be64 } from "../bytes";
import { equalBit, topBitMask64 } from "../ct";
import { CMAC_SCRATCH, WINDOW_SIZE } from "../layout";
import { isExpandedBit } from "./context";
import { encryptVector } from "./vpaes";

const MAX_LEN: u32 = <u32>WINDOW_SIZE;

// Scratch: the last block, filled up ‖ the mac that verify computes.
const LAST: usize = CMAC_SCRATCH;
const MAC: usize = LAST + 16;

/** K1, §6.1; times x once more it is K2. */
export function cmacSubkey(ctxPtr: usize): v128 {
  return cmacSubkeyOf(encryptVector(ctxPtr, i64x2.splat(0)));
}

/** The same of L = CIPH_K(0¹²⁸), for who computed it beside those of other keys. */
export function cmacSubkeyOf(L: v128): v128 {
  return timesX(L);
}

/** In GF(2¹²⁸) mod x¹²⁸+x⁷+x²+x+1, the first bit of memory being that of x¹²⁷. */
function timesX(v: v128): v128 {
  const high = be64(i64x2.extract_lane(v, 0)), low = be64(i64x2.extract_lane(v, 1));
  const doubledHigh = (high << 1) | (low >> 63);
  const doubledLow = (low << 1) ^ (topBitMask64(high) & 0x87);
  return i64x2.replace_lane(i64x2.splat(be64(doubledHigh)), 1, be64(doubledLow));
}

/** Writes 16 bytes; out may overlap in. 0, and nothing written: a string over MAX_LEN, no key in ctx. */
export function cmac(ctxPtr: usize, inPtr: usize, len: u32, outPtr: usize): u32 {
  if (!isExpandedBit(ctxPtr) || len > MAX_LEN) return 0;
  const K1 = cmacSubkey(ctxPtr);
  const rest = len & 15;
  let whole = len - rest;
  let last: v128;
  if (rest == 0 && len > 0) {
    whole -= 16;
    last = v128.xor(v128.load(inPtr + whole), K1);
  } else {
    v128.store(LAST, i64x2.splat(0));
    memory.copy(LAST, inPtr + whole, rest);
    store<u8>(LAST + rest, 0x80);
    last = v128.xor(v128.load(LAST), timesX(K1));
    v128.store(LAST, i64x2.splat(0));
  }
  let C = i64x2.splat(0);
  for (let at: u32 = 0; at < whole; at += 16) C = encryptVector(ctxPtr, v128.xor(C, v128.load(inPtr + at)));
  v128.store(outPtr, encryptVector(ctxPtr, v128.xor(C, last)));
  return 1;
}

/** 1 if mac is the leftmost macLen bytes of the CMAC, else 0. 8 to 16 bytes: appendix A.2 asks for no less. */
export function cmacVerify(ctxPtr: usize, inPtr: usize, len: u32, macPtr: usize, macLen: u32): u32 {
  if (macLen < 8 || macLen > 16 || !cmac(ctxPtr, inPtr, len, MAC)) return 0;
  const okBit = equalBit(MAC, macPtr, macLen);
  v128.store(MAC, i64x2.splat(0)); // of a forged message it would be the right one
  return okBit;
}
