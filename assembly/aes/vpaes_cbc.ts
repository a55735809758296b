/**
 * CBC decryption over whole blocks, four in flight.
 *
 * Unlike encryption, it chains on ciphertext alone, so that blocks are independent: see vpaes_ctr.ts for why four.
 */
import { CTX_DEC_KEYS, CTX_NR } from "./context";
import {
  A_OVER_K, DIPT, DSB9, DSBB, DSBD, DSBE, DSBO, INV, decryptRound, invShiftRowsIndex, lastRound, linear, lowNibbles,
  rotateIndex, table,
} from "./vpaes";

/**
 * P = CIPH⁻¹_K(C) ⊕ the block of ciphertext before, for groups of 64 bytes, the first of them after `previous`. Gives
 * the last block of ciphertext. in and out: the same or disjoint, since each group is read before it is written.
 */
export function cbcDecrypt64(ctxPtr: usize, previous: v128, inPtr: usize, outPtr: usize, groups: u32): v128 {
  const inv = table(INV), aOverK = table(A_OVER_K), low = lowNibbles();
  const ue = table(DSBE), te = table(DSBE + 16), ub = table(DSBB), tb = table(DSBB + 16);
  const ud = table(DSBD), td = table(DSBD + 16), u9 = table(DSB9), t9 = table(DSB9 + 16);
  const invShiftRows = invShiftRowsIndex(), r = rotateIndex();
  const lastKey = ctxPtr + (<usize>load<u32>(ctxPtr, CTX_NR) << 4);
  for (; groups > 0; groups--) {
    const ilo = table(DIPT), ihi = table(DIPT + 16);
    const firstKey = v128.load(ctxPtr, CTX_DEC_KEYS);
    let a = v128.xor(linear(v128.load(inPtr), ilo, ihi, low), firstKey);
    let b = v128.xor(linear(v128.load(inPtr, 16), ilo, ihi, low), firstKey);
    let c = v128.xor(linear(v128.load(inPtr, 32), ilo, ihi, low), firstKey);
    let d = v128.xor(linear(v128.load(inPtr, 48), ilo, ihi, low), firstKey);
    for (let key = ctxPtr + 16; key < lastKey; key += 16) {
      const roundKey = v128.load(key, CTX_DEC_KEYS);
      a = decryptRound(a, roundKey, inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, invShiftRows, r);
      b = decryptRound(b, roundKey, inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, invShiftRows, r);
      c = decryptRound(c, roundKey, inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, invShiftRows, r);
      d = decryptRound(d, roundKey, inv, aOverK, low, ue, te, ub, tb, ud, td, u9, t9, invShiftRows, r);
    }
    const u = table(DSBO), t = table(DSBO + 16);
    const roundKey = v128.load(lastKey, CTX_DEC_KEYS);
    a = v128.xor(lastRound(a, roundKey, inv, aOverK, low, u, t, invShiftRows), previous);
    b = v128.xor(lastRound(b, roundKey, inv, aOverK, low, u, t, invShiftRows), v128.load(inPtr));
    c = v128.xor(lastRound(c, roundKey, inv, aOverK, low, u, t, invShiftRows), v128.load(inPtr, 16));
    d = v128.xor(lastRound(d, roundKey, inv, aOverK, low, u, t, invShiftRows), v128.load(inPtr, 32));
    previous = v128.load(inPtr, 48);
    v128.store(outPtr, a);
    v128.store(outPtr, b, 16);
    v128.store(outPtr, c, 32);
    v128.store(outPtr, d, 48);
    inPtr += 64;
    outPtr += 64;
  }
  return previous;
}
