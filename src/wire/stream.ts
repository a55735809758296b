/** The stream, docs/formats.md §7: a header, then segments of 64 KiB, each AES-256-GCM with an IV of its own. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

const MAGIC = 'KCST';
/** Format 1 took IVs from the segment's number, and is refused: a number that came twice gave keystream and H away. */
const FORMAT = 2;
/** AES-256-GCM under a key derived from the header. */
const SUITE_GCM = 1;

/** What K_s is derived with from the key that the header names. */
export const STREAM_LABEL = new TextEncoder().encode('keycell/v1/stream');

export const STREAM_SALT_SIZE = 32;
export const STREAM_HEADER_SIZE = 28 + STREAM_SALT_SIZE;
/** What a session gets with a header that it may encrypt under: HMAC-SHA-256. */
export const STREAM_GRANT_SIZE = 32;
/** The caller's associated data goes into the stream's key as this hash: SHA-256. */
export const STREAM_AAD_SIZE = 32;
/** Plaintext in every segment but the last, which may be short. */
export const SEGMENT_SIZE = 65536;
export const SEGMENT_IV_SIZE = 12;
export const SEGMENT_TAG_SIZE = 16;
/** What a segment has besides its ciphertext. */
export const SEGMENT_OVERHEAD = SEGMENT_IV_SIZE + SEGMENT_TAG_SIZE;
/** A segment's associated data: its number (4), then 01 for the last or 00. */
export const SEGMENT_AAD_SIZE = 5;
/**
 * The number of the last segment that a stream can have: 2^31 of them, 128 TiB. Random IVs serve for 2^32 calls under one key
 * (SP 800-38D §8.3), and a segment goes to a cell twice at most, when the first one dies under it.
 */
export const SEGMENT_LAST = 0x7fff_ffff;

export interface StreamHeader {
  readonly keyId: string;
  readonly keyVersion: number;
  readonly salt: Uint8Array;
}

export function encodeStreamHeader({ keyId, keyVersion, salt }: StreamHeader): Uint8Array<ArrayBuffer> {
  if (salt.length !== STREAM_SALT_SIZE) throw new FormatError('a stream salt has 32 bytes');
  return new FieldWriter(STREAM_HEADER_SIZE)
    .magic(MAGIC)
    .u8(FORMAT)
    .u8(SUITE_GCM)
    .zero(2)
    .id(keyId)
    .u32(keyVersion)
    .raw(salt).bytes;
}

/** Read a header of exactly its length. Throws FormatError. */
export function decodeStreamHeader(bytes: Uint8Array): StreamHeader {
  const reader = new FieldReader(bytes);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown stream format');
  if (reader.u8() !== SUITE_GCM) throw new FormatError('unknown stream suite');
  reader.zero(2);
  const header = { keyId: reader.id(), keyVersion: reader.u32(), salt: reader.copy(STREAM_SALT_SIZE) };
  reader.end();
  return header;
}

/**
 * Has a segment the length that its place asks for? All but the last are full, and only an empty stream ends with an empty
 * segment: so a plaintext has one division, and a stream's length tells its plaintext's.
 */
export function segmentFits(length: number, index: number, last: boolean): boolean {
  if (index > SEGMENT_LAST) return false;
  if (!last) return length === SEGMENT_SIZE && index < SEGMENT_LAST;
  return length <= SEGMENT_SIZE && (length > 0 || index === 0);
}
