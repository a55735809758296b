/** The sealed record, docs/formats.md §2: the only form in which a key, a user or the control state is ever stored. */
import { ATTRIBUTES_MAX } from '../model/limits.ts';
import { FieldWriter, FormatError, ID_SIZE } from './fields.ts';

export const RECORD_KIND = { key: 1, user: 2, control: 3, sessionKey: 4 } as const;
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];

export const RECORD_FIXED_SIZE = 104;
export const RECORD_KIND_OFFSET = 6;
export const RECORD_ID_OFFSET = 28;
export const RECORD_OWNER_OFFSET = 48;
export const RECORD_SALT_OFFSET = 64;
export const RECORD_SALT_SIZE = 32;
/** Of the attributes, then of the secret. */
export const RECORD_LENGTHS_OFFSET = 96;
export const RECORD_TAG_SIZE = 16;
/** Limits that keep a hostile store from making us allocate. */
export const RECORD_MAX_SECRET = 512;

const MAGIC = 'KCRD';
const MAGIC_NUMBER = 0x4b435244;
const FORMAT = 2;
const SUITE = 1;

export interface RecordHeader {
  readonly kind: RecordKind;
  readonly hsmId: string;
  readonly epoch: number;
  readonly id: string;
  readonly revision: number;
  readonly owner: string;
  readonly salt: Uint8Array;
  readonly attributes: Uint8Array;
  readonly secretLength: number;
}

/** The associated data of the record: everything before the ciphertext. */
export function encodeRecordHeader(header: RecordHeader): Uint8Array<ArrayBuffer> {
  return new FieldWriter(RECORD_FIXED_SIZE + header.attributes.length)
    .magic(MAGIC)
    .u8(FORMAT)
    .u8(SUITE)
    .u8(header.kind)
    .u8(0)
    .id(header.hsmId)
    .u32(header.epoch)
    .id(header.id)
    .u32(header.revision)
    .id(header.owner)
    .raw(header.salt)
    .u32(header.attributes.length)
    .u32(header.secretLength)
    .raw(header.attributes).bytes;
}

/**
 * Read the header of a record. `attributes` and `salt` are views of `record`.
 * Nothing here is authentic until a cell has checked the tag. Throws FormatError.
 */
export function decodeRecordHeader(record: Uint8Array): RecordHeader {
  // Cells read one with every batch: by fixed offsets, all known to be there, instead of field by field.
  if (record.length < RECORD_FIXED_SIZE) throw new FormatError('cut short');
  const bytes = Buffer.from(record.buffer, record.byteOffset, RECORD_FIXED_SIZE);
  if (bytes.readUInt32BE(0) !== MAGIC_NUMBER) throw new FormatError('not a KCRD structure');
  if (bytes[4] !== FORMAT) throw new FormatError('unknown record format');
  if (bytes[5] !== SUITE) throw new FormatError('unknown record suite');
  const kind = bytes[RECORD_KIND_OFFSET]!;
  if (kind < 1 || kind > 4) throw new FormatError('unknown record kind');
  if (bytes[7] !== 0) throw new FormatError('a reserved field is not zero');
  const attributesLength = bytes.readUInt32BE(RECORD_LENGTHS_OFFSET);
  const secretLength = bytes.readUInt32BE(RECORD_LENGTHS_OFFSET + 4);
  if (attributesLength > ATTRIBUTES_MAX || secretLength > RECORD_MAX_SECRET) {
    throw new FormatError('a record is too large');
  }
  const attributesEnd = RECORD_FIXED_SIZE + attributesLength;
  const end = attributesEnd + secretLength + RECORD_TAG_SIZE;
  if (record.length < end) throw new FormatError('cut short');
  if (record.length > end) throw new FormatError('bytes after the end');
  return {
    kind: kind as RecordKind,
    hsmId: bytes.toString('hex', 8, 24),
    epoch: bytes.readUInt32BE(24),
    id: bytes.toString('hex', RECORD_ID_OFFSET, RECORD_ID_OFFSET + ID_SIZE),
    revision: bytes.readUInt32BE(44),
    owner: bytes.toString('hex', RECORD_OWNER_OFFSET, RECORD_OWNER_OFFSET + ID_SIZE),
    salt: record.subarray(RECORD_SALT_OFFSET, RECORD_SALT_OFFSET + RECORD_SALT_SIZE),
    attributes: record.subarray(RECORD_FIXED_SIZE, attributesEnd),
    secretLength,
  };
}
