/**
 * Counter mode with a counter of 32 bits, four blocks in flight.
 *
 * One block of vpaes is a chain of dependent lookups that leaves most of the processor idle; four independent blocks
 * fill it. The counter is the last four bytes of the block, big-endian: inc32 of SP 800-38D §6.2, so the other twelve
 * bytes never change.
 */
import { be32 } from "../bytes";
import { CTR_SCRATCH } from "../layout";
import { CTX_ENC_KEYS, CTX_NR } from "./context";
import {
  A_OVER_K, INV, IPT, SB1, SB2, SBO, encryptRound, encryptVector, lastRound, linear, lowNibbles, rotateIndex,
  shiftRowsIndex, table,
} from "./vpaes";

const REST: usize = CTR_SCRATCH; // 64, the last group

/**
 * ctr32Xor over groups of 64 bytes. in and out: the same or disjoint, since each group is read before it is written. A
 * counter that wraps does so mod 2³²; the caller's length limit keeps it unique.
 */
function ctrXor64(ctxPtr: usize, ICB: v128, inPtr: usize, outPtr: usize, groups: u32): void {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const u1 = table(SB1), t1 = table(SB1 + 16), u2 = table(SB2), t2 = table(SB2 + 16);
  const shiftRows = shiftRowsIndex(), r = rotateIndex();
  const lastKey = ctxPtr + (<usize>load<u32>(ctxPtr, CTX_NR) << 4);
  let counter = be32(i32x4.extract_lane(ICB, 3));
  for (; groups > 0; groups--) {
    const ilo = table(IPT), ihi = table(IPT + 16);
    const firstKey = v128.load(ctxPtr, CTX_ENC_KEYS);
    let a = v128.xor(linear(withCounter(ICB, counter), ilo, ihi, low), firstKey);
    let b = v128.xor(linear(withCounter(ICB, counter + 1), ilo, ihi, low), firstKey);
    let c = v128.xor(linear(withCounter(ICB, counter + 2), ilo, ihi, low), firstKey);
    let d = v128.xor(linear(withCounter(ICB, counter + 3), ilo, ihi, low), firstKey);
    for (let key = ctxPtr + 16; key < lastKey; key += 16) {
      const roundKey = v128.load(key, CTX_ENC_KEYS);
      a = encryptRound(a, roundKey, inv, aOverK, low, u1, t1, u2, t2, shiftRows, r);
      b = encryptRound(b, roundKey, inv, aOverK, low, u1, t1, u2, t2, shiftRows, r);
      c = encryptRound(c, roundKey, inv, aOverK, low, u1, t1, u2, t2, shiftRows, r);
      d = encryptRound(d, roundKey, inv, aOverK, low, u1, t1, u2, t2, shiftRows, r);
    }
    const u = table(SBO), t = table(SBO + 16);
    const roundKey = v128.load(lastKey, CTX_ENC_KEYS);
    a = lastRound(a, roundKey, inv, aOverK, low, u, t, shiftRows);
    b = lastRound(b, roundKey, inv, aOverK, low, u, t, shiftRows);
    c = lastRound(c, roundKey, inv, aOverK, low, u, t, shiftRows);
    d = lastRound(d, roundKey, inv, aOverK, low, u, t, shiftRows);
    a = v128.xor(a, v128.load(inPtr));
    b = v128.xor(b, v128.load(inPtr, 16));
    c = v128.xor(c, v128.load(inPtr, 32));
    d = v128.xor(d, v128.load(inPtr, 48));
    v128.store(outPtr, a);
    v128.store(outPtr, b, 16);
    v128.store(outPtr, c, 32);
    v128.store(outPtr, d, 48);
    inPtr += 64;
    outPtr += 64;
    counter += 4;
  }
}

// @ts-ignore: decorator
@inline function withCounter(ICB: v128, counter: u32): v128 {
  return i32x4.replace_lane(ICB, 3, be32(counter));
}

/**
 * out = in ⊕ CIPH_K(ICB), CIPH_K(inc32(ICB)), …, len bytes: GCTR of SP 800-38D §6.5. in and out are the same address or
 * disjoint. The last incomplete group goes through scratch, so that no byte past out's end is touched.
 */
export function ctr32Xor(ctxPtr: usize, ICB: v128, inPtr: usize, len: u32, outPtr: usize): void {
  const groups = len >> 6, rest = len & 63, whole = len - rest;
  ctrXor64(ctxPtr, ICB, inPtr, outPtr, groups);
  if (rest == 0) return;
  const next = i32x4.replace_lane(ICB, 3, be32(be32(i32x4.extract_lane(ICB, 3)) + (groups << 2)));
  memory.copy(REST, inPtr + whole, rest);
  if (rest <= 16) v128.store(REST, v128.xor(v128.load(REST), encryptVector(ctxPtr, next)));
  else ctrXor64(ctxPtr, next, REST, REST, 1);
  memory.copy(outPtr + whole, REST, rest);
  memory.fill(REST, 0, 64);
}
