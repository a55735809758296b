/**
 * SHA-256 and HMAC-SHA-256 of up to four messages, of any lengths, side by side.
 *
 * A lane whose message is over goes on hashing what is of no use, and its state was taken aside before: messages of one
 * length cost least, others are right as well. Where a message ends it is padded in scratch (FIPS 180-4 §5.1.1); its
 * whole blocks are read where they lie. One or two messages go through the scalar form, two of which cost less than
 * four lanes.
 *
 * Nothing branches or addresses on anything but the lengths, and how many messages there are.
 */
import { copyShort, storeBe32 } from "../bytes";
import { SEVERAL_SCRATCH } from "../layout";
import { hmac256 } from "./hmac";
import { SHA256_SIZE, sha256 } from "./sha256";
import { LANES_BLOCK, LANES_STATE, compressLanes, loadLanes, sha256LanesWipe, startLanes, storeLane } from "./sha256_lanes";

/** The most messages at a time. */
export const SEVERAL: u32 = 4;
/** From so many on the lanes are faster. */
const LANES_FROM: u32 = 3;

// Of each message: its address, its length, its key as hmac256Key made it; then of its lane: how many blocks are read where
// they lie, how many there are in all.
const MESSAGES: usize = SEVERAL_SCRATCH;
const MESSAGE: usize = 32;
const LEN: usize = 4;
const KEY: usize = 8;
const WHOLE: usize = 12;
const BLOCKS: usize = 16;
/** Of each lane the end of its message, padded: a block or two. */
const ENDS: usize = MESSAGES + 4 * MESSAGE;
const END: usize = 128;
const WORDS: usize = ENDS + 4 * END;
const STATE: usize = WORDS + LANES_BLOCK;
/** The states after the last block of each lane's message. */
const FINAL: usize = STATE + LANES_STATE;
const USED: usize = FINAL + LANES_STATE - SEVERAL_SCRATCH;

/** Message i, which stays where it is until it was hashed. keyPtr is for HMAC alone. */
export function layMessage(i: usize, ptr: usize, len: u32, keyPtr: usize): void {
  const message = MESSAGES + i * MESSAGE;
  store<u32>(message, <u32>ptr);
  store<u32>(message, len, LEN);
  store<u32>(message, <u32>keyPtr, KEY);
}

/** The digests of the first n messages, to out, out + stride and so on; they overlap no message. */
export function sha256Several(n: u32, outPtr: usize, stride: usize): void {
  if (n < LANES_FROM) {
    for (let i: usize = 0; i < n; i++) {
      const message = MESSAGES + i * MESSAGE;
      sha256(load<u32>(message), load<u32>(message, LEN), outPtr + i * stride);
    }
    return;
  }
  startLanes(STATE);
  absorb(n, 0);
  storeFinal(n, outPtr, stride);
}

/** The MACs of the first n messages, each under its own key; to out, out + stride and so on, where no message is. */
export function hmac256Several(n: u32, outPtr: usize, stride: usize): void {
  if (n < LANES_FROM) {
    for (let i: usize = 0; i < n; i++) {
      const message = MESSAGES + i * MESSAGE;
      hmac256(load<u32>(message, KEY), load<u32>(message), load<u32>(message, LEN), outPtr + i * stride);
    }
    return;
  }
  keyed(n, 0);
  absorb(n, 64);
  for (let i: usize = 0; i < LANES_STATE; i += 16) {
    v128.store(WORDS + i, v128.load(FINAL + i));
    v128.store(WORDS + LANES_STATE + i, i32x4.splat(0));
  }
  // The end of a message of a block and 32 bytes, 768 bits.
  v128.store(WORDS + 8 * 16, i32x4.splat(0x80000000));
  v128.store(WORDS + 15 * 16, i32x4.splat(768));
  keyed(n, SHA256_SIZE);
  compressLanes(FINAL, STATE, WORDS);
  storeFinal(n, outPtr, stride);
}

/** A lane that has no message repeats the first one. */
// @ts-ignore: decorator
@inline function messageOf(lane: usize, n: u32): usize {
  return lane < n ? MESSAGES + lane * MESSAGE : MESSAGES;
}

/** STATE = what each lane's key left in H; `at` is 0 for the inner hash, and 32 for the outer. */
function keyed(n: u32, at: usize): void {
  for (let lane: usize = 0; lane < 4; lane++) {
    const h = <usize>load<u32>(messageOf(lane, n), KEY) + at;
    for (let i: usize = 0; i < 8; i++) store<u32>(STATE + 16 * i + 4 * lane, load<u32>(h + 4 * i));
  }
}

/** FINAL = the states that follow STATE over the messages; `before` bytes of each were hashed already, whole blocks. */
function absorb(n: u32, before: u32): void {
  let blocks: u32 = 0;
  for (let lane: usize = 0; lane < 4; lane++) blocks = max(blocks, layEnd(lane, messageOf(lane, n), before));
  for (let b: u32 = 0; b < blocks; b++) {
    loadLanes(WORDS, blockOf(0, b), blockOf(1, b), blockOf(2, b), blockOf(3, b));
    compressLanes(STATE, STATE, WORDS);
    for (let lane: usize = 0; lane < 4; lane++) {
      if (load<u32>(MESSAGES + lane * MESSAGE, BLOCKS) == b + 1) takeLane(lane);
    }
  }
}

/** Pad the end of a lane's message; gives the number of its blocks. Memory is under 2²⁹ bytes, so 32 bits hold its length. */
function layEnd(lane: usize, message: usize, before: u32): u32 {
  const ptr: usize = load<u32>(message), len = load<u32>(message, LEN);
  const end = ENDS + lane * END;
  const whole = len >> 6, rest = len & 63;
  for (let i: usize = 0; i < END; i += 16) v128.store(end + i, i64x2.splat(0));
  copyShort(end, ptr + (whole << 6), rest);
  store<u8>(end + rest, 0x80);
  // The bit and the length's eight bytes want a block of their own behind more than 55 bytes.
  const blocks: u32 = 1 + ((rest + 8) >> 6);
  storeBe32(end + (<usize>blocks << 6) - 4, (before + len) << 3);
  const own = MESSAGES + lane * MESSAGE;
  store<u32>(own, <u32>ptr);
  store<u32>(own, whole, WHOLE);
  store<u32>(own, whole + blocks, BLOCKS);
  return whole + blocks;
}

/** Where a lane's block b lies; behind the last one, any. */
function blockOf(lane: usize, b: u32): usize {
  const message = MESSAGES + lane * MESSAGE;
  const whole = load<u32>(message, WHOLE);
  if (b >= whole) return ENDS + lane * END + (<usize>min(b - whole, 1) << 6);
  return <usize>load<u32>(message) + (<usize>b << 6);
}

function takeLane(lane: usize): void {
  for (let i: usize = 4 * lane; i < LANES_STATE; i += 16) store<u32>(FINAL + i, load<u32>(STATE + i));
}

function storeFinal(n: u32, outPtr: usize, stride: usize): void {
  for (let i: usize = 0; i < n; i++) storeLane(outPtr + i * stride, FINAL, i);
}

/** Zero what messages and keys left; that of the scalar form is for its own functions. */
export function severalWipe(): void {
  memory.fill(SEVERAL_SCRATCH, 0, USED);
  sha256LanesWipe();
}
