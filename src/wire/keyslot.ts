/** The key slot, docs/formats.md §6: the master key under a passphrase. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

const MAGIC = 'KCSL';
const FORMAT = 1;
const KDF_SCRYPT = 1;

export const KEYSLOT_HEADER_SIZE = 60;
export const KEYSLOT_SALT_SIZE = 32;
export const MASTER_KEY_SIZE = 32;
export const KEYSLOT_SIZE = KEYSLOT_HEADER_SIZE + MASTER_KEY_SIZE + 16;

export interface ScryptParameters {
  /** N = 2^log2N; p is always 1. */
  readonly log2N: number;
  readonly r: number;
}

export interface KeyslotHeader {
  readonly hsmId: string;
  readonly epoch: number;
  readonly scrypt: ScryptParameters;
  readonly salt: Uint8Array;
}

/** The caps keep a forged slot from asking for gigabytes: at most 1 GiB and a few seconds. */
export function checkScrypt({ log2N, r }: ScryptParameters): void {
  if (log2N < 10 || log2N > 20 || r !== 8) throw new FormatError('scrypt parameters out of range');
}

/** Associated data of the slot: everything before the ciphertext. */
export function encodeKeyslotHeader(header: KeyslotHeader): Uint8Array<ArrayBuffer> {
  checkScrypt(header.scrypt);
  return new FieldWriter(KEYSLOT_HEADER_SIZE)
    .magic(MAGIC)
    .u8(FORMAT)
    .u8(KDF_SCRYPT)
    .u8(header.scrypt.log2N)
    .u8(header.scrypt.r)
    .id(header.hsmId)
    .u32(header.epoch)
    .raw(header.salt).bytes;
}

/** Read a slot; `salt` is a view. Throws FormatError. */
export function decodeKeyslotHeader(slot: Uint8Array): KeyslotHeader {
  const reader = new FieldReader(slot);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown slot format');
  if (reader.u8() !== KDF_SCRYPT) throw new FormatError('unknown key derivation');
  const scrypt = { log2N: reader.u8(), r: reader.u8() };
  checkScrypt(scrypt);
  const header = { hsmId: reader.id(), epoch: reader.u32(), scrypt, salt: reader.view(KEYSLOT_SALT_SIZE) };
  reader.view(MASTER_KEY_SIZE + 16);
  reader.end();
  return header;
}
