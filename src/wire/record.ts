/** The sealed record, docs/formats.md §2: the only form in which a key, a user or the control state is ever stored. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

export const RECORD_KIND = { key: 1, user: 2, control: 3, sessionKey: 4 } as const;
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];

export const RECORD_FIXED_SIZE = 104;
export const RECORD_KIND_OFFSET = 6;
export const RECORD_ID_OFFSET = 28;
export const RECORD_SALT_OFFSET = 64;
export const RECORD_SALT_SIZE = 32;
export const RECORD_TAG_SIZE = 16;
/** Limits that keep a hostile store from making us allocate. */
export const RECORD_MAX_ATTRIBUTES = 8192;
export const RECORD_MAX_SECRET = 512;

const MAGIC = 'KCRD';
const FORMAT = 1;
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

export const recordSize = (attributesLength: number, secretLength: number): number =>
  RECORD_FIXED_SIZE + attributesLength + secretLength + RECORD_TAG_SIZE;

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
  const reader = new FieldReader(record);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown record format');
  if (reader.u8() !== SUITE) throw new FormatError('unknown record suite');
  const kind = reader.u8();
  if (kind < 1 || kind > 4) throw new FormatError('unknown record kind');
  reader.zero(1);
  const hsmId = reader.id();
  const epoch = reader.u32();
  const id = reader.id();
  const revision = reader.u32();
  const owner = reader.id();
  const salt = reader.view(RECORD_SALT_SIZE);
  const attributesLength = reader.u32();
  const secretLength = reader.u32();
  if (attributesLength > RECORD_MAX_ATTRIBUTES || secretLength > RECORD_MAX_SECRET) {
    throw new FormatError('a record is too large');
  }
  const attributes = reader.view(attributesLength);
  reader.view(secretLength + RECORD_TAG_SIZE);
  reader.end();
  return { kind: kind as RecordKind, hsmId, epoch, id, revision, owner, salt, attributes, secretLength };
}
