/**
 * Counter mode with a counter of 32 bits, by whichever AES is fastest for so many blocks.
 *
 * The counter is the last four bytes of the block, big-endian: inc32 of SP 800-38D §6.2, so the other twelve bytes never
 * change. A counter that wraps does so mod 2³²; the callers' length limit keeps it unique.
 */
import { be32 } from "../bytes";
import { CTR_SCRATCH } from "../layout";
import { PACK_BLOCKS, startCounters, startPack, storeState, wipeCounters } from "./bitslice_counters";
import { SLICED_BLOCKS, SLICED_KEYS, SLICED_STATE, slice, sliceKeys, wipeSliced } from "./bitslice";
import { encryptSliced } from "./bitslice_encrypt";
import { CTX_NR } from "./context";
import { encryptVector } from "./vpaes";
import { encryptLanes2, encryptLanes4 } from "./vpaes_lanes";

/** How many blocks of keystream are made at a time. */
export const KEYSTREAM_BLOCKS: u32 = 8;

/** From so many blocks on the bitsliced AES is faster, its round keys included. */
const SLICED_FROM: u32 = 12;

/** Of what remains after the last whole state, the least that one more state is worth. */
const SLICED_REST: u32 = 6;

/** The rounds before are made for many blocks at once: bitslice_counters.ts. */
const FIRST_ROUND: u32 = 3;

const STREAM: usize = CTR_SCRATCH; // 128

/**
 * out = in ⊕ CIPH_K(ICB), CIPH_K(inc32(ICB)), …, len bytes: GCTR of SP 800-38D §6.5. in and out are the same address or
 * disjoint. The counter is public: the work is cut where its last byte wraps.
 */
export function ctr32Xor(ctxPtr: usize, ICB: v128, inPtr: usize, len: u32, outPtr: usize): void {
  let counter = be32(i32x4.extract_lane(ICB, 3));
  if (len >= SLICED_FROM << 4) {
    sliceKeys(ctxPtr, FIRST_ROUND - 1);
    const Nr = load<u32>(ctxPtr, CTX_NR);
    let started = false;
    while (len >= SLICED_REST << 4) {
      const lastByte = counter & 0xff;
      if (!started || lastByte == 0) startCounters(ctxPtr, i32x4.replace_lane(ICB, 3, be32(counter)));
      started = true;
      startPack(lastByte);
      let blocks = min(PACK_BLOCKS, 256 - lastByte);
      for (let g: u32 = 0; blocks > 0 && len >= SLICED_REST << 4; g++) {
        storeState(g, SLICED_STATE);
        encryptSliced(SLICED_STATE, SLICED_KEYS, FIRST_ROUND, Nr);
        slice(SLICED_STATE, SLICED_STATE);
        const now = min(blocks, SLICED_BLOCKS), part = min(len, now << 4);
        xorStream(SLICED_STATE, inPtr, part, outPtr);
        blocks -= now, counter += now;
        len -= part, inPtr += part, outPtr += part;
      }
    }
    wipeSliced();
    wipeCounters();
  }
  ctr32XorHidden(ctxPtr, i32x4.replace_lane(ICB, 3, be32(counter)), inPtr, len, outPtr);
}

/** As ctr32Xor, for a counter that may be secret. */
export function ctr32XorHidden(ctxPtr: usize, ICB: v128, inPtr: usize, len: u32, outPtr: usize): void {
  let counter = be32(i32x4.extract_lane(ICB, 3));
  while (len > 0) {
    const part = min(len, KEYSTREAM_BLOCKS << 4);
    keystream(ctxPtr, i32x4.replace_lane(ICB, 3, be32(counter)), (part + 15) >> 4, STREAM);
    xorStream(STREAM, inPtr, part, outPtr);
    len -= part, inPtr += part, outPtr += part;
    counter += KEYSTREAM_BLOCKS;
  }
  wipeStream(STREAM);
}

/** The first `blocks` blocks of keystream, up to KEYSTREAM_BLOCKS, to an area of that size, of which the rest may be overwritten. */
export function keystream(ctxPtr: usize, ICB: v128, blocks: u32, streamPtr: usize): void {
  storeCounters(ICB, be32(i32x4.extract_lane(ICB, 3)), blocks, streamPtr);
  for (; blocks > 2; blocks = max(blocks, 4) - 4, streamPtr += 64) {
    encryptLanes4(ctxPtr, ctxPtr, ctxPtr, ctxPtr, streamPtr);
  }
  if (blocks == 2) encryptLanes2(ctxPtr, streamPtr);
  else if (blocks == 1) v128.store(streamPtr, encryptVector(ctxPtr, v128.load(streamPtr)));
}

function storeCounters(ICB: v128, counter: u32, blocks: u32, ptr: usize): void {
  for (let i: u32 = 0; i < blocks; i++, ptr += 16) v128.store(ptr, i32x4.replace_lane(ICB, 3, be32(counter + i)));
}

/** out = in ⊕ stream. in and out: the same or disjoint, since each block is read before it is written. */
export function xorStream(streamPtr: usize, inPtr: usize, len: u32, outPtr: usize): void {
  for (; len >= 16; len -= 16, streamPtr += 16, inPtr += 16, outPtr += 16) {
    v128.store(outPtr, v128.xor(v128.load(inPtr), v128.load(streamPtr)));
  }
  for (; len > 0; len--, streamPtr++, inPtr++, outPtr++) store<u8>(outPtr, load<u8>(inPtr) ^ load<u8>(streamPtr));
}

/** Wipes an area of KEYSTREAM_BLOCKS blocks. */
export function wipeStream(streamPtr: usize): void {
  memory.fill(streamPtr, 0, KEYSTREAM_BLOCKS << 4);
}
