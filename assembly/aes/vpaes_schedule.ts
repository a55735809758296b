/**
 * Key expansion, FIPS 197 §5.2, and the round keys of both directions in the bases that vpaes.ts adds them in.
 *
 * Words are little-endian loads of w[i], so that RotWord is a rotation to the right by 8 and Rcon sits in the low byte.
 * SubWord runs the vector S-box on a splat of the word: no table in memory is ever indexed by a byte of the key. What
 * does decide branches (the key's length, i mod Nk) is public.
 *
 *   encryption:  rk₀ → T(rk₀);  middle → T(rk ⊕ 63);  last → rk ⊕ 63
 *   decryption:  rk_Nr → D(rk ⊕ 63);  middle → D(InvMixColumns(rk) ⊕ 63);  last → rk₀        D = T ∘ A⁻¹
 *
 * The i-th of them, but the last, with its rows as the state has them then: SR⁻ⁱ, and SRⁱ for decryption.
 *
 * The schedule itself stays in the context, for the bitsliced keys. Most keys never decrypt a block (GCM and CTR do not),
 * so decryption keys are made when they are first asked for.
 */
import { lookup } from "../lookup";
import { CTX_DECRYPTION, CTX_DEC_KEYS, CTX_ENC_KEYS, CTX_GHASH_BLOCKS, CTX_GHASH_POWERS, CTX_NR, CTX_W } from "./context";
import { A_OVER_K, DIPT, INV, IPT, SBO, invMixColumns, invertThen, linear, lowNibbles, shiftRowsIndex, table } from "./vpaes";

/** Expands a key of 16, 24 or 32 bytes into ctx. Any other length: 0, and ctx untouched. */
export function aesExpandKey(ctxPtr: usize, keyPtr: usize, keyLen: u32): u32 {
  if (keyLen != 16 && keyLen != 24 && keyLen != 32) return 0;
  const Nk = keyLen >> 2;
  const Nr = Nk + 6;
  const w = ctxPtr + CTX_W;
  expandWords(w, keyPtr, Nk, (Nr + 1) << 2);
  store<u32>(ctxPtr, 0, CTX_GHASH_POWERS);
  store<u32>(ctxPtr, 0, CTX_GHASH_BLOCKS);
  store<u32>(ctxPtr, 0, CTX_DECRYPTION);
  store<u32>(ctxPtr, Nr, CTX_NR);
  const low = lowNibbles(), ilo = table(IPT), ihi = table(IPT + 16);
  const c63 = i8x16.splat(0x63);
  const last = <usize>Nr << 4;
  v128.store(ctxPtr, linear(v128.load(w), ilo, ihi, low), CTX_ENC_KEYS);
  for (let i: u32 = 1; i < Nr; i++) {
    const at = <usize>i << 4;
    const roundKey = linear(v128.xor(v128.load(w + at), c63), ilo, ihi, low);
    v128.store(ctxPtr + at, lookup(roundKey, shiftRowsIndex(0 - i)), CTX_ENC_KEYS);
  }
  v128.store(ctxPtr + last, v128.xor(v128.load(w + last), c63), CTX_ENC_KEYS);
  return 1;
}

/** Makes the decryption keys, unless the context has them already. */
export function prepareDecryption(ctxPtr: usize): void {
  if (load<u32>(ctxPtr, CTX_DECRYPTION)) return;
  const w = ctxPtr + CTX_W;
  const low = lowNibbles(), dlo = table(DIPT), dhi = table(DIPT + 16);
  const c63 = i8x16.splat(0x63);
  const Nr = load<u32>(ctxPtr, CTX_NR);
  const last = <usize>Nr << 4;
  v128.store(ctxPtr, linear(v128.xor(v128.load(w + last), c63), dlo, dhi, low), CTX_DEC_KEYS);
  for (let i: u32 = 1; i < Nr; i++) {
    const at = <usize>i << 4;
    const roundKey = linear(v128.xor(invMixColumns(v128.load(w + last - at)), c63), dlo, dhi, low);
    v128.store(ctxPtr + at, lookup(roundKey, shiftRowsIndex(i)), CTX_DEC_KEYS);
  }
  v128.store(ctxPtr + last, v128.load(w), CTX_DEC_KEYS);
  store<u32>(ctxPtr, 1, CTX_DECRYPTION);
}

/** w[0..words) to wPtr. */
function expandWords(wPtr: usize, keyPtr: usize, Nk: u32, words: u32): void {
  memory.copy(wPtr, keyPtr, Nk << 2);
  let rcon: u32 = 1;
  let phase: u32 = 0; // i mod Nk
  let temp = load<u32>(wPtr + (<usize>(Nk - 1) << 2));
  for (let i = Nk; i < words; i++) {
    if (phase == 0) {
      temp = rotr(subWord(temp), 8) ^ rcon;
      rcon = (rcon << 1) ^ ((rcon >> 7) * 0x11b);
    } else if (Nk > 6 && phase == 4) {
      temp = subWord(temp);
    }
    temp ^= load<u32>(wPtr + (<usize>(i - Nk) << 2));
    store<u32>(wPtr + (<usize>i << 2), temp);
    phase++;
    if (phase == Nk) phase = 0;
  }
}

function subWord(word: u32): u32 {
  const low = lowNibbles();
  const x = linear(i32x4.splat(word), table(IPT), table(IPT + 16), low);
  const s = invertThen(x, table(INV), table(A_OVER_K), low, table(SBO), table(SBO + 16));
  return i32x4.extract_lane(s, 0) ^ 0x63636363;
}
