/**
 * AES-GCM, SP 800-38D, with the functions of the standard apart: J0 and the tag (§7), inc32 (§6.2), ghash (§6.4, in
 * ghash.ts), gctr (§6.5, in ../aes/ctr32.ts). Tags are 16 bytes, and open compares before it decrypts a
 * single byte.
 *
 * The counter. inc32 wraps mod 2³² by definition. A block would be used twice only if one message took more than
 * 2³² - 2 counters. MAX_LEN allows 17 MiB / 16 + 1 < 2²¹ of them, wherever J0 starts, so no counter block repeats within
 * a message. (Across messages that is the matter of the IV, which is the caller's.)
 *
 * Lengths in bits: 8 · MAX_LEN < 2²⁸, far inside the 64-bit fields.
 */
import { be32, be64 } from "../bytes";
import { equalBit } from "../ct";
import { GCM_SCRATCH, WINDOW_SIZE } from "../layout";
import { isExpandedBit } from "../aes/context";
import { KEYSTREAM_BLOCKS, ctr32Xor, ctr32XorHidden, keystream, wipeStream, xorStream } from "../aes/ctr32";
import { encryptVector } from "../aes/vpaes";
import { ghash, ghashBlock, ghashPrepare } from "./ghash";

/** No single string is longer than one half of the i/o window. */
const MAX_LEN: u32 = <u32>WINDOW_SIZE;
const TAG_LEN: u32 = 16;
/** With the mask of the tag it fills the keystream that is made at a time. */
const SHORT_LEN: u32 = (KEYSTREAM_BLOCKS - 1) << 4;

// ghash.ts has the first 16 bytes of the area.
const TAG: usize = GCM_SCRATCH + 128; // 16
const IV: usize = GCM_SCRATCH + 144; // 16
const STREAM: usize = GCM_SCRATCH + 384; // 128

/**
 * Writes inLen bytes of ciphertext and a tag of 16 to out. 0, and nothing written: an empty IV, a string over MAX_LEN,
 * no key in ctx. in and out are the same address or disjoint; iv and aad are disjoint from out.
 */
export function gcmSeal(
  ctxPtr: usize, ivPtr: usize, ivLen: u32, aadPtr: usize, aadLen: u32, inPtr: usize, inLen: u32, outPtr: usize,
): u32 {
  if (!isExpandedBit(ctxPtr) || ivLen == 0 || ivLen > MAX_LEN || aadLen > MAX_LEN || inLen > MAX_LEN - TAG_LEN) return 0;
  ghashPrepare(ctxPtr, hashedBlocks(ivLen, aadLen, inLen));
  const J0 = deriveJ0(ctxPtr, ivPtr, ivLen);
  const mask = startStream(ctxPtr, J0, inLen);
  finishStream(ctxPtr, J0, ivLen, inPtr, inLen, outPtr);
  v128.store(outPtr + inLen, v128.xor(mask, hashAll(ctxPtr, aadPtr, aadLen, outPtr, inLen)));
  return 1;
}

/**
 * in is ciphertext ‖ tag, inLen the length of both; writes inLen - 16 bytes to out. 0 for a wrong tag or a refused
 * length, and then out is untouched. in and out are the same address or disjoint.
 */
export function gcmOpen(
  ctxPtr: usize, ivPtr: usize, ivLen: u32, aadPtr: usize, aadLen: u32, inPtr: usize, inLen: u32, outPtr: usize,
): u32 {
  if (!isExpandedBit(ctxPtr) || ivLen == 0 || ivLen > MAX_LEN || aadLen > MAX_LEN) return 0;
  if (inLen < TAG_LEN || inLen > MAX_LEN) return 0;
  const len = inLen - TAG_LEN;
  ghashPrepare(ctxPtr, hashedBlocks(ivLen, aadLen, len));
  const J0 = deriveJ0(ctxPtr, ivPtr, ivLen);
  const mask = startStream(ctxPtr, J0, len);
  v128.store(TAG, v128.xor(mask, hashAll(ctxPtr, aadPtr, aadLen, inPtr, len)));
  const okBit = equalBit(TAG, inPtr + len, TAG_LEN);
  v128.store(TAG, i64x2.splat(0)); // of a forged message it would be the right tag
  if (okBit) finishStream(ctxPtr, J0, ivLen, inPtr, len, outPtr);
  else wipeStream(STREAM);
  return okBit;
}

/**
 * CIPH_K(J0), the mask of the tag (§7.1 step 6). A short message's keystream is made together with it, since blocks side
 * by side cost less than one after another.
 */
function startStream(ctxPtr: usize, J0: v128, len: u32): v128 {
  if (len > SHORT_LEN) return encryptVector(ctxPtr, J0);
  keystream(ctxPtr, J0, 1 + ((len + 15) >> 4), STREAM);
  return v128.load(STREAM);
}

/** GCTR_K(inc32(J0), in), with what startStream made. A J0 that was hashed, from an IV that is not 12 bytes, is a secret. */
function finishStream(ctxPtr: usize, J0: v128, ivLen: u32, inPtr: usize, len: u32, outPtr: usize): void {
  if (len > SHORT_LEN) {
    if (ivLen == 12) ctr32Xor(ctxPtr, inc32(J0), inPtr, len, outPtr);
    else ctr32XorHidden(ctxPtr, inc32(J0), inPtr, len, outPtr);
    return;
  }
  xorStream(STREAM + 16, inPtr, len, outPtr);
  wipeStream(STREAM);
}

/** At most 3 · 2²¹ for strings up to MAX_LEN. */
function hashedBlocks(ivLen: u32, aadLen: u32, len: u32): u32 {
  return (ivLen >> 4) + (aadLen >> 4) + (len >> 4);
}

/** The pre-counter block, §7.1 step 2. */
function deriveJ0(ctxPtr: usize, ivPtr: usize, ivLen: u32): v128 {
  if (ivLen != 12) {
    return ghashBlock(ctxPtr, ghash(ctxPtr, i64x2.splat(0), ivPtr, ivLen), lengthBlock(0, ivLen));
  }
  memory.copy(IV, ivPtr, 12);
  const J0 = i32x4.replace_lane(v128.load(IV), 3, be32(1));
  v128.store(IV, i64x2.splat(0));
  return J0;
}

/** inc₃₂, §6.2: the last four bytes + 1 mod 2³², the first twelve untouched. */
function inc32(block: v128): v128 {
  return i32x4.replace_lane(block, 3, be32(be32(i32x4.extract_lane(block, 3)) + 1));
}

/** [len(A)]₆₄ ‖ [len(C)]₆₄, in bits. */
function lengthBlock(aadLen: u32, len: u32): v128 {
  return i64x2.replace_lane(i64x2.splat(be64(<u64>aadLen << 3)), 1, be64(<u64>len << 3));
}

/** S = GHASH_H(A ‖ C ‖ lengths), each string padded to whole blocks: §7.1 step 5. */
function hashAll(ctxPtr: usize, aadPtr: usize, aadLen: u32, cPtr: usize, cLen: u32): v128 {
  let S = ghash(ctxPtr, i64x2.splat(0), aadPtr, aadLen);
  S = ghash(ctxPtr, S, cPtr, cLen);
  return ghashBlock(ctxPtr, S, lengthBlock(aadLen, cLen));
}
