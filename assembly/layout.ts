/**
 * The memory map. One module, one memory, fixed at build: 701 pages (43.8 MiB), no heap.
 *
 *   0x0000000  constants    static data that asc places (memory.data); ends below TABLES, a test checks
 *   0x0010000  tables       public precomputation, made once at start; survives wipes
 *   0x0120000  vault        master key, the keys derived from it, generator state; wiped on seal
 *   0x0130000  slots        the keys a batch has opened; wiped after every batch
 *   0x0230000  scratch      working memory of the primitives; wiped after every batch, from EC_SCRATCH on by each user
 *   0x0260000  group        points of many signatures or keys at once; its user wipes what it used, before it returns
 *   0x02b0000  work         what the cell itself needs between two primitives; the part used is wiped after every batch
 *   0x03b0000  i/o window   a copy of the request, then the reply; the part used is wiped after every batch
 *
 * Addresses are absolute and known at build, so that every load has an immediate base and no
 * primitive keeps state in a module global.
 */

export const TABLES: usize = 0x0010000;
export const TABLES_SIZE: usize = 0x110000;

export const VAULT: usize = 0x0120000;
export const VAULT_SIZE: usize = 0x10000;

/** A slot: 512 bytes of raw key, its AES context, and one that encrypts blocks alone, of the key that its envelopes are under. */
export const SLOTS: usize = 0x0130000;
export const SLOT_SIZE: usize = 0x1000;
export const SLOT_COUNT: usize = 256;

export const SCRATCH: usize = 0x0230000;
export const SCRATCH_SIZE: usize = 0x30000;

/** Apart from scratch, since it is too large to be wiped after every small batch: ec/scratch.ts. */
export const GROUP: usize = 0x0260000;
export const GROUP_SIZE: usize = 0x50000;

export const WORK: usize = 0x02b0000;
export const WORK_SIZE: usize = 0x100000;

/** Two halves of 17 MiB: a message of 16 MiB and room for its envelope. */
export const WINDOW: usize = 0x03b0000;
export const WINDOW_SIZE: usize = 0x1100000;
export const REPLY: usize = WINDOW + WINDOW_SIZE;

/** Tables of public keys that verify often (ec/key_tables.ts): behind everything, public, and kept from batch to batch. */
export const KEY_TABLES: usize = REPLY + WINDOW_SIZE;
export const KEY_TABLES_SIZE: usize = 0x4000 + 19 * 0x30000;
/** Where verification works: public too, and not wiped. */
export const PUBLIC_WORK: usize = KEY_TABLES + 0x400000;


// Tables, one area a curve: multiples of its base point, 256 (148 in the plain build), 256 and 576 KiB (ec/base_table.ts).
export const P256_TABLE: usize = TABLES;
export const SECP256K1_TABLE: usize = TABLES + 0x40000;
export const P384_TABLE: usize = TABLES + 0x80000; // to 0x110000

// Vault.
/** Generator state of HMAC_DRBG: K (32) ‖ V (32) ‖ reseed counter (8) ‖ what HMAC makes of K (64). */
export const DRBG_STATE: usize = VAULT;

// Scratch, one area a primitive. An area belongs to one file; a primitive that calls another
// may rely on that its own area is untouched.
export const SHA256_SCRATCH: usize = SCRATCH; // 512 B
export const SHA256_LANES_SCRATCH: usize = SCRATCH + 0x0200; // 512 B
export const HMAC_SCRATCH: usize = SCRATCH + 0x0400; // 1 KiB
export const KDF_SCRATCH: usize = SCRATCH + 0x0800; // 1 KiB
export const DRBG_SCRATCH: usize = SCRATCH + 0x0c00; // 1 KiB
export const AES_SCRATCH: usize = SCRATCH + 0x1000; // 2 KiB
export const KEYWRAP_SCRATCH: usize = SCRATCH + 0x1800; // 5.5 KiB
export const GCM_SCRATCH: usize = SCRATCH + 0x2e00; // 512 B
export const SHA512_SCRATCH: usize = SCRATCH + 0x3000; // 1 KiB
export const HKDF_SCRATCH: usize = SCRATCH + 0x3400; // 1 KiB
export const CTR_SCRATCH: usize = SCRATCH + 0x3800; // 512 B
export const CBC_SCRATCH: usize = SCRATCH + 0x3a00; // 512 B
export const CMAC_SCRATCH: usize = SCRATCH + 0x3c00; // 1 KiB
export const EC_SCRATCH: usize = SCRATCH + 0x4000; // 144 KiB
export const SEVERAL_SCRATCH: usize = SCRATCH + 0x28000; // 2 KiB
export const RECORD_SCRATCH: usize = SCRATCH + 0x28800; // 14 KiB
export const CHECK_VALUE_SCRATCH: usize = SCRATCH + 0x2c000; // 12 KiB
export const SCHEDULE_SCRATCH: usize = SCRATCH + 0x2f000; // 1 KiB
export const HASH_MANY_SCRATCH: usize = SCRATCH + 0x2f400; // 128 B
