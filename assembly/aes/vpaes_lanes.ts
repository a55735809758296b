/**
 * Vector-permutation AES on several blocks at once.
 *
 * One block is a chain of dependent lookups that leaves most of the processor idle; four independent ones fill it. Each
 * lane has a context of its own, so that a batch may mix keys; their numbers of rounds are equal.
 */
import { CTX_DEC_KEYS, CTX_ENC_KEYS, CTX_NR } from "./context";
import {
  A_OVER_K, DIPT, DSB9, DSBB, DSBD, DSBE, DSBO, INV, IPT, SB1, SB2, SBO, decryptRound, encryptRound, lastRound, linear,
  lowNibbles, rotateIndex, shiftRowsIndex, table,
} from "./vpaes";

/** CIPH_K of two blocks at ptr, in place. */
export function encryptLanes2(ctxPtr: usize, ptr: usize): void {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const u1 = table(SB1), t1 = table(SB1 + 16), u2 = table(SB2), t2 = table(SB2 + 16);
  const Nr = load<u32>(ctxPtr, CTX_NR);
  const ilo = table(IPT), ihi = table(IPT + 16);
  let roundKey = v128.load(ctxPtr, CTX_ENC_KEYS);
  let a = v128.xor(linear(v128.load(ptr), ilo, ihi, low), roundKey);
  let b = v128.xor(linear(v128.load(ptr, 16), ilo, ihi, low), roundKey);
  let key = ctxPtr + CTX_ENC_KEYS + 16;
  for (let i: u32 = 1; i < Nr; i++, key += 16) {
    const r = rotateIndex(i, 1), r2 = rotateIndex(i, 2), r3 = rotateIndex(i, 3);
    roundKey = v128.load(key);
    a = encryptRound(a, roundKey, inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
    b = encryptRound(b, roundKey, inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
  }
  const u = table(SBO), t = table(SBO + 16), shiftRows = shiftRowsIndex(Nr);
  roundKey = v128.load(key);
  v128.store(ptr, lastRound(a, roundKey, inv, aOverK, low, u, t, shiftRows));
  v128.store(ptr, lastRound(b, roundKey, inv, aOverK, low, u, t, shiftRows), 16);
}

/** CIPH_K of four blocks at ptr, in place. */
export function encryptLanes4(aCtx: usize, bCtx: usize, cCtx: usize, dCtx: usize, ptr: usize): void {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const u1 = table(SB1), t1 = table(SB1 + 16), u2 = table(SB2), t2 = table(SB2 + 16);
  const Nr = load<u32>(aCtx, CTX_NR);
  const ilo = table(IPT), ihi = table(IPT + 16);
  let a = v128.xor(linear(v128.load(ptr), ilo, ihi, low), v128.load(aCtx, CTX_ENC_KEYS));
  let b = v128.xor(linear(v128.load(ptr, 16), ilo, ihi, low), v128.load(bCtx, CTX_ENC_KEYS));
  let c = v128.xor(linear(v128.load(ptr, 32), ilo, ihi, low), v128.load(cCtx, CTX_ENC_KEYS));
  let d = v128.xor(linear(v128.load(ptr, 48), ilo, ihi, low), v128.load(dCtx, CTX_ENC_KEYS));
  let at: usize = 16;
  for (let i: u32 = 1; i < Nr; i++, at += 16) {
    const r = rotateIndex(i, 1), r2 = rotateIndex(i, 2), r3 = rotateIndex(i, 3);
    a = encryptRound(a, v128.load(aCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
    b = encryptRound(b, v128.load(bCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
    c = encryptRound(c, v128.load(cCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
    d = encryptRound(d, v128.load(dCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u1, t1, u2, t2, r, r2, r3);
  }
  const u = table(SBO), t = table(SBO + 16), shiftRows = shiftRowsIndex(Nr);
  v128.store(ptr, lastRound(a, v128.load(aCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u, t, shiftRows));
  v128.store(ptr, lastRound(b, v128.load(bCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u, t, shiftRows), 16);
  v128.store(ptr, lastRound(c, v128.load(cCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u, t, shiftRows), 32);
  v128.store(ptr, lastRound(d, v128.load(dCtx + at, CTX_ENC_KEYS), inv, aOverK, low, u, t, shiftRows), 48);
}

/** CIPH⁻¹_K of four blocks at ptr, in place; the contexts have their decryption keys. */
export function decryptLanes4(aCtx: usize, bCtx: usize, cCtx: usize, dCtx: usize, ptr: usize): void {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const ue = table(DSBE), te = table(DSBE + 16), ub = table(DSBB), tb = table(DSBB + 16);
  const ud = table(DSBD), td = table(DSBD + 16), u9 = table(DSB9), t9 = table(DSB9 + 16);
  const Nr = load<u32>(aCtx, CTX_NR);
  const ilo = table(DIPT), ihi = table(DIPT + 16);
  let a = v128.xor(linear(v128.load(ptr), ilo, ihi, low), v128.load(aCtx, CTX_DEC_KEYS));
  let b = v128.xor(linear(v128.load(ptr, 16), ilo, ihi, low), v128.load(bCtx, CTX_DEC_KEYS));
  let c = v128.xor(linear(v128.load(ptr, 32), ilo, ihi, low), v128.load(cCtx, CTX_DEC_KEYS));
  let d = v128.xor(linear(v128.load(ptr, 48), ilo, ihi, low), v128.load(dCtx, CTX_DEC_KEYS));
  let at: usize = 16;
  for (let i: u32 = 1; i < Nr; i++, at += 16) {
    const r = rotateIndex(0 - i, 1), r2 = rotateIndex(0 - i, 2), r3 = rotateIndex(0 - i, 3);
    a = decryptRound(a, v128.load(aCtx + at, CTX_DEC_KEYS), inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, r, r2, r3);
    b = decryptRound(b, v128.load(bCtx + at, CTX_DEC_KEYS), inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, r, r2, r3);
    c = decryptRound(c, v128.load(cCtx + at, CTX_DEC_KEYS), inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, r, r2, r3);
    d = decryptRound(d, v128.load(dCtx + at, CTX_DEC_KEYS), inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, r, r2, r3);
  }
  const u = table(DSBO), t = table(DSBO + 16), shiftRows = shiftRowsIndex(0 - Nr);
  v128.store(ptr, lastRound(a, v128.load(aCtx + at, CTX_DEC_KEYS), inv, aOverK, low, u, t, shiftRows));
  v128.store(ptr, lastRound(b, v128.load(bCtx + at, CTX_DEC_KEYS), inv, aOverK, low, u, t, shiftRows), 16);
  v128.store(ptr, lastRound(c, v128.load(cCtx + at, CTX_DEC_KEYS), inv, aOverK, low, u, t, shiftRows), 32);
  v128.store(ptr, lastRound(d, v128.load(dCtx + at, CTX_DEC_KEYS), inv, aOverK, low, u, t, shiftRows), 48);
}
