/**
 * CBC, SP 800-38A §6.2, with the padding of RFC 5652 §6.3 (PKCS#7): p bytes of value p, p from 1 to 16, so that the
 * whole is blocks.
 *
 * CBC has no integrity, and whoever can tell good padding from bad decrypts with the teller as oracle (Vaudenay,
 * EUROCRYPT 2002). The verdict here is gathered into masks over all sixteen bytes of the last block and is in no branch
 * and no address; even the zeroing of refused plaintext runs always, under the mask. What remains is the answer itself:
 * a caller that tells it on gives the oracle away, so who decrypts CBC should check a MAC first.
 *
 * Decryption runs many blocks at a time, since it chains on ciphertext alone; encryption cannot.
 */
import { isZeroBit, lessBit, maskFromBit } from "../ct";
import { CBC_SCRATCH, WINDOW_SIZE } from "../layout";
import { SLICED_BLOCKS, SLICED_KEYS, SLICED_STATE, slice, sliceKeys, wipeSliced } from "./bitslice";
import { decryptSliced } from "./bitslice_decrypt";
import { CTX_NR, isExpandedBit } from "./context";
import { decryptVector, encryptVector } from "./vpaes";
import { decryptLanes4 } from "./vpaes_lanes";
import { prepareDecryption } from "./vpaes_schedule";

const MAX_LEN: u32 = <u32>WINDOW_SIZE;

/** From so many blocks on the bitsliced AES is faster, its round keys included. */
const SLICED_FROM: u32 = 12;

/** Of what remains after the last whole state, the least that one more state is worth. */
const SLICED_REST: u32 = 6;

const LAST: usize = CBC_SCRATCH; // 16, the padded last block
const GROUP: usize = CBC_SCRATCH + 16; // 64

/**
 * Writes len rounded up to the next multiple of 16, a whole block more where it is one, and returns that count; 0, and
 * nothing written: a string over MAX_LEN - 16, no key in ctx. in and out are the same address or disjoint.
 */
export function cbcEncrypt(ctxPtr: usize, ivPtr: usize, inPtr: usize, len: u32, outPtr: usize): u32 {
  if (!isExpandedBit(ctxPtr) || len > MAX_LEN - 16) return 0;
  const rest = len & 15, whole = len - rest;
  // The rest is taken out before its block may be overwritten.
  memory.fill(LAST, <u8>(16 - rest), 16);
  memory.copy(LAST, inPtr + whole, rest);
  let C = v128.load(ivPtr);
  for (let at: u32 = 0; at < whole; at += 16) {
    C = encryptVector(ctxPtr, v128.xor(C, v128.load(inPtr + at)));
    v128.store(outPtr + at, C);
  }
  v128.store(outPtr + whole, encryptVector(ctxPtr, v128.xor(C, v128.load(LAST))));
  v128.store(LAST, i64x2.splat(0));
  return whole + 16;
}

/**
 * Writes len bytes, the plaintext and its padding, and returns the plaintext's length. -1 for a length that is no
 * multiple of 16 or 0, or no key in ctx (out untouched), and for wrong padding (those bytes of out zeroed).
 * in and out are the same address or disjoint.
 */
export function cbcDecrypt(ctxPtr: usize, ivPtr: usize, inPtr: usize, len: u32, outPtr: usize): i32 {
  if (!isExpandedBit(ctxPtr) || len == 0 || (len & 15) != 0 || len > MAX_LEN) return -1;
  decryptChain(ctxPtr, v128.load(ivPtr), inPtr, len, outPtr);
  const pad = <u32>load<u8>(outPtr + len - 1);
  const okMask = maskFromBit(paddingBit(outPtr + len - 16, pad));
  const keep = i32x4.splat(okMask);
  for (let at: u32 = 0; at < len; at += 16) v128.store(outPtr + at, v128.and(v128.load(outPtr + at), keep));
  return (len - pad) | ~okMask;
}

/** P = CIPH⁻¹_K(C) ⊕ the block of ciphertext before, over len bytes of whole blocks, the first of them after `previous`. */
function decryptChain(ctxPtr: usize, previous: v128, inPtr: usize, len: u32, outPtr: usize): void {
  if (len >= SLICED_FROM << 4) {
    sliceKeys(ctxPtr, 0);
    const Nr = load<u32>(ctxPtr, CTX_NR);
    while (len >= SLICED_REST << 4) {
      const part = min(len, SLICED_BLOCKS << 4);
      memory.copy(SLICED_STATE, inPtr, part);
      slice(SLICED_STATE, SLICED_STATE);
      decryptSliced(SLICED_STATE, SLICED_KEYS, Nr);
      slice(SLICED_STATE, SLICED_STATE);
      previous = chain(SLICED_STATE, previous, inPtr, part, outPtr);
      len -= part, inPtr += part, outPtr += part;
    }
    wipeSliced();
  }
  if (len > 0) prepareDecryption(ctxPtr);
  while (len > 0) {
    const part = min(len, 64);
    memory.copy(GROUP, inPtr, part);
    if (part == 16) v128.store(GROUP, decryptVector(ctxPtr, v128.load(GROUP)));
    else decryptLanes4(ctxPtr, ctxPtr, ctxPtr, ctxPtr, GROUP);
    previous = chain(GROUP, previous, inPtr, part, outPtr);
    len -= part, inPtr += part, outPtr += part;
  }
  memory.fill(GROUP, 0, 64);
}

/** Decrypted blocks to plaintext; gives the last block of ciphertext. From the end to the beginning, since in may be out. */
function chain(blocksPtr: usize, previous: v128, inPtr: usize, len: u32, outPtr: usize): v128 {
  const last = v128.load(inPtr + len - 16);
  for (let at = len - 16; at > 0; at -= 16) {
    v128.store(outPtr + at, v128.xor(v128.load(blocksPtr + at), v128.load(inPtr + at - 16)));
  }
  v128.store(outPtr, v128.xor(v128.load(blocksPtr), previous));
  return last;
}

/** 1 if pad is 1 to 16 and the last pad bytes of the block all are pad; every comparison is of numbers below 256. */
function paddingBit(blockPtr: usize, pad: u32): u32 {
  let wrong = isZeroBit(pad) | lessBit(16, pad);
  for (let i: u32 = 0; i < 16; i++) {
    wrong |= maskFromBit(lessBit(15 - i, pad)) & (<u32>load<u8>(blockPtr + i) ^ pad);
  }
  return isZeroBit(wrong);
}
