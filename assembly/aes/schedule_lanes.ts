/**
 * The schedules of four keys of one length at once: FIPS 197 §5.2, word i of every key in one vector, and the round keys as
 * vpaes_schedule.ts makes them.
 *
 * A schedule alone is one chain of S-boxes, each on a vector of which one word is wanted; four keys fill it, and cost little
 * more than one. Round keys are four words of a key, so that they are transposed on the way out.
 *
 * What decides branches (the keys' length, i mod Nk) is public.
 */
import { SCHEDULE_SCRATCH } from "../layout";
import { lookup } from "../lookup";
import { AES_CTX_SIZE, CTX_DECRYPTION, CTX_ENC_KEYS, CTX_GHASH_BLOCKS, CTX_GHASH_POWERS, CTX_NR, CTX_W } from "./context";
import { A_OVER_K, INV, IPT, SBO, invertThen, linear, lowNibbles, shiftRowsIndex, table } from "./vpaes";

/** w[0..60) of all four. */
const W: usize = SCHEDULE_SCRATCH;
const W_SIZE: usize = 60 * 16;

/** Expands four keys of keyLen bytes, 16, 24 or 32, into four contexts, one behind the other. */
export function expandKeys4(ctxPtr: usize, aPtr: usize, bPtr: usize, cPtr: usize, dPtr: usize, keyLen: u32): void {
  const Nk = keyLen >> 2;
  const Nr = Nk + 6;
  for (let at: usize = 0; at < keyLen; at += 4) {
    let word = i32x4.splat(load<u32>(aPtr + at));
    word = i32x4.replace_lane(word, 1, load<u32>(bPtr + at));
    word = i32x4.replace_lane(word, 2, load<u32>(cPtr + at));
    word = i32x4.replace_lane(word, 3, load<u32>(dPtr + at));
    v128.store(W + 4 * at, word);
  }
  expandWords(Nk, (Nr + 1) << 2);
  const low = lowNibbles(), ilo = table(IPT), ihi = table(IPT + 16);
  const c63 = i8x16.splat(0x63);
  for (let i: u32 = 0; i <= Nr; i++) {
    const at = W + (<usize>i << 6);
    const w0 = v128.load(at), w1 = v128.load(at, 16), w2 = v128.load(at, 32), w3 = v128.load(at, 48);
    const low01 = v128.shuffle<u32>(w0, w1, 0, 4, 1, 5), low23 = v128.shuffle<u32>(w2, w3, 0, 4, 1, 5);
    const high01 = v128.shuffle<u32>(w0, w1, 2, 6, 3, 7), high23 = v128.shuffle<u32>(w2, w3, 2, 6, 3, 7);
    const a = v128.shuffle<u64>(low01, low23, 0, 2), b = v128.shuffle<u64>(low01, low23, 1, 3);
    const c = v128.shuffle<u64>(high01, high23, 0, 2), d = v128.shuffle<u64>(high01, high23, 1, 3);
    const place = ctxPtr + (<usize>i << 4);
    v128.store(place, a, CTX_W);
    v128.store(place + AES_CTX_SIZE, b, CTX_W);
    v128.store(place + 2 * AES_CTX_SIZE, c, CTX_W);
    v128.store(place + 3 * AES_CTX_SIZE, d, CTX_W);
    if (i == 0) {
      v128.store(place, linear(a, ilo, ihi, low), CTX_ENC_KEYS);
      v128.store(place + AES_CTX_SIZE, linear(b, ilo, ihi, low), CTX_ENC_KEYS);
      v128.store(place + 2 * AES_CTX_SIZE, linear(c, ilo, ihi, low), CTX_ENC_KEYS);
      v128.store(place + 3 * AES_CTX_SIZE, linear(d, ilo, ihi, low), CTX_ENC_KEYS);
    } else if (i < Nr) {
      const rows = shiftRowsIndex(0 - i);
      v128.store(place, lookup(linear(v128.xor(a, c63), ilo, ihi, low), rows), CTX_ENC_KEYS);
      v128.store(place + AES_CTX_SIZE, lookup(linear(v128.xor(b, c63), ilo, ihi, low), rows), CTX_ENC_KEYS);
      v128.store(place + 2 * AES_CTX_SIZE, lookup(linear(v128.xor(c, c63), ilo, ihi, low), rows), CTX_ENC_KEYS);
      v128.store(place + 3 * AES_CTX_SIZE, lookup(linear(v128.xor(d, c63), ilo, ihi, low), rows), CTX_ENC_KEYS);
    } else {
      v128.store(place, v128.xor(a, c63), CTX_ENC_KEYS);
      v128.store(place + AES_CTX_SIZE, v128.xor(b, c63), CTX_ENC_KEYS);
      v128.store(place + 2 * AES_CTX_SIZE, v128.xor(c, c63), CTX_ENC_KEYS);
      v128.store(place + 3 * AES_CTX_SIZE, v128.xor(d, c63), CTX_ENC_KEYS);
    }
  }
  for (let i: usize = 0; i < 4; i++) {
    const ctx = ctxPtr + i * AES_CTX_SIZE;
    store<u32>(ctx, 0, CTX_GHASH_POWERS);
    store<u32>(ctx, 0, CTX_GHASH_BLOCKS);
    store<u32>(ctx, 0, CTX_DECRYPTION);
    store<u32>(ctx, Nr, CTX_NR);
  }
  memory.fill(W, 0, W_SIZE);
}

/** w[Nk..words) of all four; words are little-endian loads, as in vpaes_schedule.ts. */
function expandWords(Nk: u32, words: u32): void {
  const low = lowNibbles(), ilo = table(IPT), ihi = table(IPT + 16);
  const inv = table(INV), aOverK = table(A_OVER_K), u = table(SBO), t = table(SBO + 16);
  const c63 = i8x16.splat(0x63);
  const back = <usize>Nk << 4;
  let rcon: u32 = 1;
  let phase: u32 = 0; // i mod Nk
  let temp = v128.load(W + back - 16);
  for (let at = W + back, end = W + (<usize>words << 4); at < end; at += 16) {
    if (phase == 0 || (Nk > 6 && phase == 4)) {
      temp = v128.xor(invertThen(linear(temp, ilo, ihi, low), inv, aOverK, low, u, t), c63);
    }
    if (phase == 0) {
      temp = v128.xor(v128.or(i32x4.shr_u(temp, 8), i32x4.shl(temp, 24)), i32x4.splat(rcon));
      rcon = (rcon << 1) ^ ((rcon >> 7) * 0x11b);
    }
    temp = v128.xor(temp, v128.load(at - back));
    v128.store(at, temp);
    phase++;
    if (phase == Nk) phase = 0;
  }
}
