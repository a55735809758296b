/** The exported ABI, and nothing else. Pointers and lengths are bytes; a `…Bit` result is 1 for success. */
import { drbgGenerate, drbgInstantiate, drbgReseed } from "./drbg/hmac-drbg";
import {
  ecInit,
  ecKeyGenerate,
  ecKeyGenerateMany,
  ecPointValidate,
  ecPublicKey,
  ecdh,
  ecdsaSign,
  ecdsaSignRaw,
  ecdsaVerify,
} from "./ec/curves";
import { derDecode, derEncode } from "./ec/der";
import { forgetKeys } from "./ec/key_tables";
import {
  EC_SCRATCH,
  GROUP,
  GROUP_SIZE,
  REPLY,
  SCRATCH,
  SCRATCH_SIZE,
  SLOT_COUNT,
  SLOT_SIZE,
  SLOTS,
  TABLES,
  VAULT,
  VAULT_SIZE,
  WINDOW,
  WINDOW_SIZE,
  WORK,
  WORK_SIZE,
} from "./layout";
import { hash } from "./sha2/hash";
import { hashMany } from "./sha2/hash_many";
import { hkdf } from "./sha2/hkdf";
import { hmac, hmac256, hmac256Key, hmacVerify } from "./sha2/hmac";
import { concatKdf, kdf108 } from "./sha2/kdf";
import { sha256 } from "./sha2/sha256";

export { REPLY, SLOT_COUNT, SLOT_SIZE, SLOTS, VAULT, WINDOW, WINDOW_SIZE, WORK, WORK_SIZE };
export { aesDecryptBlock, aesEncryptBlock } from "./aes/block";
export { cbcDecrypt, cbcEncrypt } from "./aes/cbc";
export { cmac, cmacVerify } from "./aes/cmac";
export { aesCheckValues } from "./aes/check_value";
export { AES_CTX_SIZE, AES_ENC_CTX_SIZE } from "./aes/context";
export { aesCtr } from "./aes/ctr";
export { base64Decode } from "./base64";
export { equalBit } from "./ct";
export { aesExpandKey } from "./aes/vpaes_schedule";
export { gcmOpen, gcmSeal } from "./gcm/gcm";
export { xaesOpen, xaesSeal } from "./gcm/xaes";
export { kwUnwrap, kwUnwrapMany, kwWrap, kwWrapMany } from "./keywrap/kw";
export { kwpUnwrap, kwpUnwrapMany, kwpWrap, kwpWrapMany } from "./keywrap/kwp";
export { recordOpen, recordSeal } from "./record/record";

export { hash, hashMany, hmac, hmac256, hmac256Key, hmacVerify, sha256 };
export { concatKdf, hkdf, kdf108 };
export { derDecode, derEncode };
export { ecInit, ecKeyGenerate, ecKeyGenerateMany, ecPointValidate, ecPublicKey };
export { ecdh, ecdsaSign, ecdsaSignRaw, ecdsaVerify };
export { drbgGenerate, drbgInstantiate, drbgReseed };

/** Where the static data ends; the build checks that it lies below the first mapped region. */
export function staticEnd(): usize {
  return __heap_base;
}

export function firstRegion(): usize {
  return TABLES;
}

/**
 * Wipe what one batch leaves: the slots it opened, the scratch, and the used part of work and windows. From EC_SCRATCH on
 * the areas are wiped by those who use them, before they return; doing it again would push 176 KiB through the cache with every batch.
 */
export function wipeBatch(slotsUsed: u32, workLen: u32, requestLen: u32, replyLen: u32): void {
  memory.fill(SLOTS, 0, <usize>slotsUsed * SLOT_SIZE);
  memory.fill(SCRATCH, 0, EC_SCRATCH - SCRATCH);
  memory.fill(WORK, 0, workLen);
  memory.fill(WINDOW, 0, requestLen);
  memory.fill(REPLY, 0, replyLen);
}

/** Wipe everything that is secret: the vault too. The tables of others' public keys go with it. */
export function wipeAll(): void {
  forgetKeys();
  memory.fill(SCRATCH, 0, SCRATCH_SIZE);
  memory.fill(GROUP, 0, GROUP_SIZE);
  memory.fill(VAULT, 0, VAULT_SIZE);
  wipeBatch(<u32>SLOT_COUNT, <u32>WORK_SIZE, <u32>WINDOW_SIZE, <u32>WINDOW_SIZE);
}
