/**
 * Key expansion, FIPS 197 §5.2, and the round keys of both directions in the bases that vpaes.ts adds them in.
 *
 * Words are little-endian loads of w[i], so that RotWord is a rotation to the right by 8 and Rcon sits in the low byte.
 * SubWord runs the vector S-box on a splat of the word: no table in memory is ever indexed by a byte of the key. What
 * does decide branches (the key's length, i mod Nk) is public.
 *
 *   encryption:  rk₀ → T(rk₀);  middle → T(rk ⊕ 63);  last → rk ⊕ 63
 *   decryption:  rk_Nr → D(rk ⊕ 63);  middle → D(InvMixColumns(rk) ⊕ 63);  last → rk₀        D = T ∘ A⁻¹
 */
import { AES_SCRATCH } from "../layout";
import { CTX_DEC_KEYS, CTX_ENC_KEYS, CTX_GHASH_POWERS, CTX_NR } from "./context";
import { A_OVER_K, DIPT, INV, IPT, SBO, invMixColumns, invertThen, linear, lowNibbles, table } from "./vpaes";

const W: usize = AES_SCRATCH; // 60 words of 4 bytes

/** Expands a key of 16, 24 or 32 bytes into ctx. Any other length: 0, and ctx untouched. */
export function aesExpandKey(ctxPtr: usize, keyPtr: usize, keyLen: u32): u32 {
  if (keyLen != 16 && keyLen != 24 && keyLen != 32) return 0;
  const Nk = keyLen >> 2;
  const Nr = Nk + 6;
  expandWords(keyPtr, Nk, (Nr + 1) << 2);
  store<u32>(ctxPtr, 0, CTX_GHASH_POWERS);
  store<u32>(ctxPtr, Nr, CTX_NR);
  const low = lowNibbles();
  const ilo = table(IPT), ihi = table(IPT + 16), dlo = table(DIPT), dhi = table(DIPT + 16);
  const c63 = i8x16.splat(0x63);
  const last = <usize>Nr << 4;
  v128.store(ctxPtr, linear(v128.load(W), ilo, ihi, low), CTX_ENC_KEYS);
  v128.store(ctxPtr + last, v128.load(W), CTX_DEC_KEYS);
  for (let i: usize = 16; i < last; i += 16) {
    const roundKey = v128.load(W + i);
    v128.store(ctxPtr + i, linear(v128.xor(roundKey, c63), ilo, ihi, low), CTX_ENC_KEYS);
    v128.store(ctxPtr + last - i, linear(v128.xor(invMixColumns(roundKey), c63), dlo, dhi, low), CTX_DEC_KEYS);
  }
  const finalKey = v128.xor(v128.load(W + last), c63);
  v128.store(ctxPtr + last, finalKey, CTX_ENC_KEYS);
  v128.store(ctxPtr, linear(finalKey, dlo, dhi, low), CTX_DEC_KEYS);
  memory.fill(W, 0, 240);
  return 1;
}

function expandWords(keyPtr: usize, Nk: u32, words: u32): void {
  memory.copy(W, keyPtr, Nk << 2);
  let rcon: u32 = 1;
  let phase: u32 = 0; // i mod Nk
  let temp = load<u32>(W + (<usize>(Nk - 1) << 2));
  for (let i = Nk; i < words; i++) {
    if (phase == 0) {
      temp = rotr(subWord(temp), 8) ^ rcon;
      rcon = (rcon << 1) ^ ((rcon >> 7) * 0x11b);
    } else if (Nk > 6 && phase == 4) {
      temp = subWord(temp);
    }
    temp ^= load<u32>(W + (<usize>(i - Nk) << 2));
    store<u32>(W + (<usize>i << 2), temp);
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
