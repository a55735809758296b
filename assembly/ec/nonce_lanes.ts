/**
 * The first candidates for k of four signatures at once, with SHA-256 and scalars of 32 bytes: byte for byte what nonce.ts
 * makes of each. A candidate that is out of range is for nonce.ts to go on from.
 *
 * The steps are those of RFC 6979 §3.2. Every HMAC is two chains of blocks, one begun with K ^ ipad and one with K ^ opad;
 * both are kept while K stays, so a signature takes 20 compressions, or 16 without noise. All lanes have messages of
 * the same form, hedged or plain: the caller sees to it.
 */
import { SHA256_SIZE } from "../sha2/sha256";
import { LANES_BLOCK, LANES_STATE, compressLanes, loadLanes, sha256LanesWipe, startLanes, storeLane } from "../sha2/sha256_lanes";
import { NONCE_LANES_SCRATCH } from "./scratch";

const SIZE: usize = SHA256_SIZE;
/** V ‖ tag ‖ Z ‖ 0 … ‖ x ‖ 0 … ‖ h with its padding: four blocks, or two without noise. */
const MESSAGE: usize = 256;
/** Where parts begin: the hedged form fills each up to a block's end. */
const TAG: usize = SIZE;
const AFTER_TAG: usize = SIZE + 1;
const HEDGED_X: usize = 128;
const HEDGED_H: usize = HEDGED_X + 64;

/** Of each lane, its message in bytes. */
const BYTES: usize = NONCE_LANES_SCRATCH;
/** The same in words, a block after the other; V stands in the first eight of the first. */
const WORDS: usize = BYTES + 4 * MESSAGE;
/** A block of a short message: V or an inner digest, and padding. */
const SHORT: usize = WORDS + 4 * LANES_BLOCK;
const K: usize = SHORT + LANES_BLOCK;
const V: usize = K + LANES_STATE;
/** After K ^ ipad and after K ^ opad. */
const INNER: usize = V + LANES_STATE;
const OUTER: usize = INNER + LANES_STATE;
const STATE: usize = OUTER + LANES_STATE;
const KEY_BLOCK: usize = STATE + LANES_STATE;
/** INNER and OUTER of a K of zeros, the state after 64 bytes of 36 and of 5c: step c begins with that K. */
const ZERO_INNER: usize = memory.data<u32>([
  0xf454dead, 0x9725214f, 0x90daf2a0, 0xdf1228ea, 0x64e5750f, 0xa3924181, 0x824a932b, 0xf8e04e32,
]);
const ZERO_OUTER: usize = memory.data<u32>([
  0xd385480f, 0x7abb6477, 0x37c9c538, 0x5dd82467, 0x8e043a72, 0x753434b0, 0xdeb82818, 0x361d45a6,
]);
const USED: usize = KEY_BLOCK + LANES_BLOCK - NONCE_LANES_SCRATCH;

/** Lay out a lane: int2octets(x), bits2octets(h1), and the noise or 0. */
export function nonceLane(lane: usize, xPtr: usize, h1Ptr: usize, noisePtr: usize): void {
  const message = BYTES + lane * MESSAGE;
  memory.fill(message, 0, MESSAGE);
  let end: usize;
  if (noisePtr != 0) {
    memory.copy(message + AFTER_TAG, noisePtr, SIZE);
    memory.copy(message + HEDGED_X, xPtr, SIZE);
    memory.copy(message + HEDGED_H, h1Ptr, SIZE);
    end = HEDGED_H + SIZE;
  } else {
    memory.copy(message + AFTER_TAG, xPtr, SIZE);
    memory.copy(message + AFTER_TAG + SIZE, h1Ptr, SIZE);
    end = AFTER_TAG + 2 * SIZE;
  }
  // Padding, FIPS 180-4 §5.1.1; before the message the block of K ^ ipad was hashed.
  store<u8>(message + end, 0x80);
  const bits: u32 = 8 * (64 + <u32>end);
  const last = message + ((end + 8) & ~63) + 62;
  store<u8>(last, <u8>(bits >> 8));
  store<u8>(last + 1, <u8>bits);
}

/** Steps b to h, 1 and 2, for all four lanes. */
export function nonceLanes(hedged: bool): void {
  const blocks: usize = hedged ? 4 : 2;
  for (let b: usize = 0; b < blocks; b++) {
    const at = BYTES + 64 * b;
    loadLanes(WORDS + b * LANES_BLOCK, at, at + MESSAGE, at + 2 * MESSAGE, at + 3 * MESSAGE);
  }
  for (let i: usize = 0; i < LANES_STATE; i += 16) {
    v128.store(V + i, i32x4.splat(0x01010101));
    v128.store(INNER + i, v128.load32_splat(ZERO_INNER + (i >> 2)));
    v128.store(OUTER + i, v128.load32_splat(ZERO_OUTER + (i >> 2)));
  }
  padShort();
  step(0, blocks);
  step(1, blocks);
  nextV();
}

/** The candidate of a lane, 32 bytes. */
export function nonceOfLane(kPtr: usize, lane: usize): void {
  storeLane(kPtr, V, lane);
}

/** K = HMAC_K(V ‖ tag ‖ …), then V = HMAC_K(V). */
function step(tag: u32, blocks: usize): void {
  memory.copy(WORDS, V, LANES_STATE);
  // The tag is the first byte of the ninth word, and was 0.
  v128.store(WORDS + LANES_STATE, v128.or(v128.load(WORDS + LANES_STATE), i32x4.splat(tag << 24)));
  compressLanes(STATE, INNER, WORDS);
  for (let b: usize = 1; b < blocks; b++) compressLanes(STATE, STATE, WORDS + b * LANES_BLOCK);
  finish(K);
  keyed();
  nextV();
}

function nextV(): void {
  memory.copy(SHORT, V, LANES_STATE);
  compressLanes(STATE, INNER, SHORT);
  finish(V);
}

/** r = the outer hash of the inner digest in STATE. */
function finish(r: usize): void {
  memory.copy(SHORT, STATE, LANES_STATE);
  compressLanes(r, OUTER, SHORT);
}

/** Behind eight words: the end of a message of a block and 32 bytes, 768 bits. */
function padShort(): void {
  memory.fill(SHORT + LANES_STATE, 0, LANES_STATE);
  v128.store(SHORT + 8 * 16, i32x4.splat(0x80000000));
  v128.store(SHORT + 15 * 16, i32x4.splat(768));
}

/** INNER and OUTER for K: RFC 2104, K of 32 bytes. */
function keyed(): void {
  startLanes(STATE);
  padKey(0x36363636);
  compressLanes(INNER, STATE, KEY_BLOCK);
  padKey(0x5c5c5c5c);
  compressLanes(OUTER, STATE, KEY_BLOCK);
}

function padKey(pad: u32): void {
  const mask = i32x4.splat(pad);
  for (let i: usize = 0; i < LANES_STATE; i += 16) {
    v128.store(KEY_BLOCK + i, v128.xor(v128.load(K + i), mask));
    v128.store(KEY_BLOCK + LANES_STATE + i, mask);
  }
}

export function nonceLanesWipe(): void {
  memory.fill(NONCE_LANES_SCRATCH, 0, USED);
  sha256LanesWipe();
}
