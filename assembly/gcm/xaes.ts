/**
 * XAES-256-GCM, c2sp.org/XAES-256-GCM: a 192-bit nonce, half of which derives a key, so that random nonces serve for
 * 2⁸⁰ messages.
 *
 * The derivation is SP 800-108 in counter mode over CMAC-AES-256. Both of CMAC's inputs are one whole block, so that
 * CMAC is CIPH_K(M ⊕ K1), K1 the subkey of cmac.ts; computed anew each time, it is one block in three.
 */
import { GCM_SCRATCH } from "../layout";
import { cmacSubkey } from "../aes/cmac";
import { AES_CTX_SIZE, CTX_NR } from "../aes/context";
import { encryptVector } from "../aes/vpaes";
import { aesExpandKey } from "../aes/vpaes_schedule";
import { gcmOpen, gcmSeal } from "./gcm";

const KX: usize = GCM_SCRATCH + 256; // 32
const M: usize = KX + 32; // 16

/** Kx into a context of its own; 0 if ctx holds no 256-bit key. Of ctx the first AES_ENC_CTX_SIZE bytes are used. */
function deriveKx(ctxPtr: usize, noncePtr: usize, subCtxPtr: usize): u32 {
  if (load<u32>(ctxPtr, CTX_NR) != 14) return 0;
  const K1 = cmacSubkey(ctxPtr);
  // M1 = 0x00 ‖ 0x01 ‖ "X" ‖ 0x00 ‖ N[:12]; M2 counts on.
  store<u32>(M, 0x00580100);
  memory.copy(M + 4, noncePtr, 12);
  v128.store(KX, encryptVector(ctxPtr, v128.xor(v128.load(M), K1)));
  store<u32>(M, 0x00580200);
  v128.store(KX, encryptVector(ctxPtr, v128.xor(v128.load(M), K1)), 16);
  const okBit = aesExpandKey(subCtxPtr, KX, 32);
  memory.fill(KX, 0, 48);
  return okBit;
}

/** As gcmSeal, with a nonce of 24 bytes. subCtx is an area of AES_CTX_SIZE for the derived key, wiped before return. */
export function xaesSeal(
  ctxPtr: usize, noncePtr: usize, aadPtr: usize, aadLen: u32, inPtr: usize, inLen: u32, outPtr: usize, subCtxPtr: usize,
): u32 {
  if (!deriveKx(ctxPtr, noncePtr, subCtxPtr)) return 0;
  const okBit = gcmSeal(subCtxPtr, noncePtr + 12, 12, aadPtr, aadLen, inPtr, inLen, outPtr);
  memory.fill(subCtxPtr, 0, AES_CTX_SIZE);
  return okBit;
}

/** As gcmOpen, with a nonce of 24 bytes. subCtx is an area of AES_CTX_SIZE for the derived key, wiped before return. */
export function xaesOpen(
  ctxPtr: usize, noncePtr: usize, aadPtr: usize, aadLen: u32, inPtr: usize, inLen: u32, outPtr: usize, subCtxPtr: usize,
): u32 {
  if (!deriveKx(ctxPtr, noncePtr, subCtxPtr)) return 0;
  const okBit = gcmOpen(subCtxPtr, noncePtr + 12, 12, aadPtr, aadLen, inPtr, inLen, outPtr);
  memory.fill(subCtxPtr, 0, AES_CTX_SIZE);
  return okBit;
}
