/** One block of AES, as the core exports it. */
import { isExpandedBit } from "./context";
import { decryptVector, encryptVector } from "./vpaes";
import { prepareDecryption } from "./vpaes_schedule";

/** in and out may be the same. Traps on an area that holds no expanded key. */
export function aesEncryptBlock(ctxPtr: usize, inPtr: usize, outPtr: usize): void {
  if (!isExpandedBit(ctxPtr)) unreachable();
  v128.store(outPtr, encryptVector(ctxPtr, v128.load(inPtr)));
}

/** in and out may be the same. Traps on an area that holds no expanded key. */
export function aesDecryptBlock(ctxPtr: usize, inPtr: usize, outPtr: usize): void {
  if (!isExpandedBit(ctxPtr)) unreachable();
  prepareDecryption(ctxPtr);
  v128.store(outPtr, decryptVector(ctxPtr, v128.load(inPtr)));
}
