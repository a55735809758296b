/**
 * The context of one AES key: an area of AES_CTX_SIZE bytes that the caller owns and wipes.
 *
 *      0  Nr              rounds, 10, 12 or 14: public, and 0 in a wiped context
 *      4  ghash powers    how many powers of H have tables: 0, 1 or 4; public, follows message lengths alone
 *      8  ghash blocks    how many blocks were hashed, up to the step to 4 powers; public
 *     12  decryption      1 if the decryption round keys were made: public, follows the operations asked for
 *     16  w               the key schedule of FIPS 197 §5.2, 15 · 16
 *    256  encryption round keys, 15 · 16
 *    496  decryption round keys, 15 · 16
 *    736  H, 16
 *    768  tables of H, H², H³, H⁴, 544 each
 *
 * Everything from byte 16 on is as secret as the key.
 */

export const AES_CTX_SIZE: usize = 2944;
/** What suffices for a key that encrypts blocks alone: neither decrypts nor has an H. */
export const AES_ENC_CTX_SIZE: usize = 496;

export const CTX_NR: usize = 0;
export const CTX_GHASH_POWERS: usize = 4;
export const CTX_GHASH_BLOCKS: usize = 8;
export const CTX_DECRYPTION: usize = 12;
export const CTX_W: usize = 16;
export const CTX_ENC_KEYS: usize = 256;
export const CTX_DEC_KEYS: usize = 496;
export const CTX_H: usize = 736;
export const CTX_GHASH_TABLES: usize = 768;

/** 1 if the area holds an expanded key. A wiped context must not pass for a cipher of no rounds. */
export function isExpandedBit(ctxPtr: usize): u32 {
  const Nr = load<u32>(ctxPtr, CTX_NR);
  return u32(Nr == 10 || Nr == 12 || Nr == 14);
}
