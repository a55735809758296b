/**
 * The context of one AES key: an area of AES_CTX_SIZE bytes that the caller owns and wipes.
 *
 *      0  Nr             rounds, 10, 12 or 14: public, and 0 in a wiped context
 *      4  ghash powers   how many powers of H have tables: 0, 1 or 4; public, follows message lengths alone
 *     16  encryption round keys, 15 · 16
 *    256  decryption round keys, 15 · 16
 *    496  H, 16
 *    512  tables of H, H², H³, H⁴, 544 each
 *
 * Everything from byte 16 on is as secret as the key.
 */

export const AES_CTX_SIZE: usize = 2688;

export const CTX_NR: usize = 0;
export const CTX_GHASH_POWERS: usize = 4;
export const CTX_ENC_KEYS: usize = 16;
export const CTX_DEC_KEYS: usize = 256;
export const CTX_H: usize = 496;
export const CTX_GHASH_TABLES: usize = 512;

/** 1 if the area holds an expanded key. A wiped context must not pass for a cipher of no rounds. */
export function isExpandedBit(ctxPtr: usize): u32 {
  const Nr = load<u32>(ctxPtr, CTX_NR);
  return u32(Nr == 10 || Nr == 12 || Nr == 14);
}
