/**
 * Counter blocks after two rounds, for the bitsliced cipher: they differ in the last byte alone, so that most of two
 * rounds is the same for up to 256 of them. After D. Bernstein and P. Schwabe, "New AES Software Speed Records"
 * (Indocrypt 2008), and J. Park and D. Lee, "FACE: Fast AES CTR mode Encryption Techniques based on the Reuse of Repetitive
 * Data" (CHES 2018).
 *
 * Why it works. What the S-box gives without its constant, which is in the round keys, is 0 for 0, and all that follows it
 * in a round is linear. So a round with some bytes set to 0 and the round of those bytes alone add up to the whole one.
 * Round 1: the last byte of the state is d = S(counter ⊕ k), which MixColumns puts into a column as d, d, 3d, 2d. Never
 * shifted (bitslice.ts), those are the bytes 0, 5, 10 and 15. Round 2: the S-box makes v₀, v₁, v₂, v₃ of them, which come
 * into a column each.
 *
 * Both S-boxes are those of vpaes.ts, a byte of sixteen blocks at once, and in its basis until v. A pack is 32 blocks, four
 * states. Their v are transposed together: as "block" j of slice() go, for each state g, the four v of its block j.
 *
 * Constant-flow: counters are public here; what is made of them and the key stays in registers and at fixed addresses.
 */
import { CTR_SCRATCH } from "../layout";
import { lookup } from "../lookup";
import { slice, sliceOne } from "./bitslice";
import { CTX_ENC_KEYS } from "./context";
import {
  A_OVER_K, INV, IPT, OPT, SB1, SB2, SBO, encryptRound, invertThen, linear, lowNibbles, mapBytes, rotateIndex, table,
} from "./vpaes";

/** Blocks in a pack. */
export const PACK_BLOCKS: u32 = 32;

// ctr32.ts has the first 128 bytes of the area.
const COMMON: usize = CTR_SCRATCH + 128; // 128, a state: what all blocks have in common after two rounds
const V: usize = CTR_SCRATCH + 256; // 128, the pack's v: of state g the byte 4m + g of each register is of v with index m
const BYTES: usize = CTR_SCRATCH + 384; // 5 · 16, each in all lanes: the first key's last byte, then those that d is added to

const CONSTANTS: usize = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, // 0: all but the last byte
  0, 255, 255, 255, 255, 0, 255, 255, 255, 255, 0, 255, 255, 255, 255, 0, // 16: all but those that d is added to
  0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27, // 32: lane 4j + g is block j of state g
  // Of v with index 2ρ - c mod 4, which row ρ of column c gets in round 2, the byte for g = 0: where its factor is 1 or 3,
  // and where it is 2 or 3. The factor is 2, 3, 1, 1 for ρ - c = 0 to 3 mod 4.
  128, 12, 8, 4, 8, 128, 0, 12, 0, 12, 128, 4, 8, 4, 0, 128, // 48
  0, 128, 128, 4, 8, 4, 128, 128, 128, 12, 8, 128, 128, 128, 0, 12, // 64
], 16);

/** Prepares for counter blocks like this one in the first 15 bytes. */
export function startCounters(ctxPtr: usize, block: v128): void {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const u1 = table(SB1), t1 = table(SB1 + 16), u2 = table(SB2), t2 = table(SB2 + 16);
  const key0 = v128.load(ctxPtr, CTX_ENC_KEYS), key1 = v128.load(ctxPtr, CTX_ENC_KEYS + 16);
  let x = v128.and(v128.xor(mapBytes(block, IPT), key0), v128.load(CONSTANTS));
  x = encryptRound(x, key1, inv, aOverK, low, u1, t1, u2, t2, rotateIndex(1, 1), rotateIndex(1, 2), rotateIndex(1, 3));
  v128.store(BYTES, lookup(key0, i8x16.splat(15)));
  for (let m: i32 = 0; m < 4; m++) v128.store(BYTES + 16 + (<usize>m << 4), lookup(x, i8x16.splat(<i8>(5 * m))));
  x = v128.and(x, v128.load(CONSTANTS, 16));
  const noKey = i64x2.splat(0); // encryptSliced adds it
  x = encryptRound(x, noKey, inv, aOverK, low, u1, t1, u2, t2, rotateIndex(2, 1), rotateIndex(2, 2), rotateIndex(2, 3));
  sliceOne(mapBytes(x, OPT), COMMON);
}

/** What differs in a pack whose first block has this last byte, up to 255. What would be past 255 wraps to 0. */
export function startPack(lastByte: u32): void {
  const order = i8x16.add(i8x16.splat(<i8>lastByte), v128.load(CONSTANTS, 32));
  storeV(order, V);
  storeV(i8x16.add(order, i8x16.splat(4)), V + 64);
  slice(V, V);
}

/** The v of sixteen blocks, one after another. */
function storeV(lastBytes: v128, ptr: usize): void {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const x = v128.xor(linear(lastBytes, table(IPT), table(IPT + 16), low), v128.load(BYTES));
  const d = invertThen(x, inv, aOverK, low, table(SB1), table(SB1 + 16));
  const d2 = invertThen(x, inv, aOverK, low, table(SB2), table(SB2 + 16));
  const u = table(SBO), t = table(SBO + 16);
  const v0 = invertThen(v128.xor(v128.load(BYTES, 16), d), inv, aOverK, low, u, t);
  const v1 = invertThen(v128.xor(v128.load(BYTES, 32), d), inv, aOverK, low, u, t);
  const v2 = invertThen(v128.xor(v128.load(BYTES, 48), v128.xor(d, d2)), inv, aOverK, low, u, t);
  const v3 = invertThen(v128.xor(v128.load(BYTES, 64), d2), inv, aOverK, low, u, t);
  const front01 = v128.shuffle<u8>(v0, v1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const front23 = v128.shuffle<u8>(v2, v3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const back01 = v128.shuffle<u8>(v0, v1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const back23 = v128.shuffle<u8>(v2, v3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(ptr, v128.shuffle<u16>(front01, front23, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(ptr, v128.shuffle<u16>(front01, front23, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  v128.store(ptr, v128.shuffle<u16>(back01, back23, 0, 8, 1, 9, 2, 10, 3, 11), 32);
  v128.store(ptr, v128.shuffle<u16>(back01, back23, 4, 12, 5, 13, 6, 14, 7, 15), 48);
}

/** The g'th state of the pack as it is before the key between rounds 2 and 3 is added. */
export function storeState(g: u32, statePtr: usize): void {
  // An index of 128 stays one with its top bit set, since g < 4.
  const once = i8x16.add(v128.load(CONSTANTS, 48), i8x16.splat(<i8>g));
  const twice = i8x16.add(v128.load(CONSTANTS, 64), i8x16.splat(<i8>g));
  const v0 = v128.load(V), v1 = v128.load(V, 16), v2 = v128.load(V, 32), v3 = v128.load(V, 48);
  const v4 = v128.load(V, 64), v5 = v128.load(V, 80), v6 = v128.load(V, 96), v7 = v128.load(V, 112);
  const top = lookup(v7, twice); // a byte doubled mod x⁸+x⁴+x³+x+1
  v128.store(statePtr, add(0, lookup(v0, once), top));
  v128.store(statePtr, add(16, lookup(v1, once), v128.xor(lookup(v0, twice), top)), 16);
  v128.store(statePtr, add(32, lookup(v2, once), lookup(v1, twice)), 32);
  v128.store(statePtr, add(48, lookup(v3, once), v128.xor(lookup(v2, twice), top)), 48);
  v128.store(statePtr, add(64, lookup(v4, once), v128.xor(lookup(v3, twice), top)), 64);
  v128.store(statePtr, add(80, lookup(v5, once), lookup(v4, twice)), 80);
  v128.store(statePtr, add(96, lookup(v6, once), lookup(v5, twice)), 96);
  v128.store(statePtr, add(112, lookup(v7, once), lookup(v6, twice)), 112);
}

/** Register at + 16 of what is common, with once and twice. */
// @ts-ignore: decorator
@inline function add(at: usize, once: v128, twice: v128): v128 {
  return v128.xor(v128.xor(v128.load(COMMON + at), once), twice);
}

/** Wipes what startCounters and startPack made. */
export function wipeCounters(): void {
  memory.fill(COMMON, 0, 128 + 128 + 80);
}
