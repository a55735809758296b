/** The stream, docs/formats.md §7: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over XAES-256-GCM, in segments of 64 KiB. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

const MAGIC = 'KCST';
const FORMAT = 1;
/** XAES-256-GCM of C2SP; a segment's nonce is the stream's, then the segment's number and whether it is the last. */
const SUITE_XAES = 1;

export const STREAM_NONCE_SIZE = 19;
export const STREAM_HEADER_SIZE = 28 + STREAM_NONCE_SIZE;
/** What a session gets with a header that it may encrypt under: HMAC-SHA-256. */
export const STREAM_GRANT_SIZE = 32;
/** The associated data of every segment is the header, then this hash of the caller's: SHA-256. */
export const STREAM_AAD_SIZE = 32;
/** Plaintext in every segment but the last, which may be short. */
export const SEGMENT_SIZE = 65536;
export const SEGMENT_TAG_SIZE = 16;
/** Segments are numbered by 32 bits: 256 TiB a stream. */
export const SEGMENT_LAST = 0xffff_ffff;

export interface StreamHeader {
  readonly keyId: string;
  readonly keyVersion: number;
  readonly nonce: Uint8Array;
}

export function encodeStreamHeader({ keyId, keyVersion, nonce }: StreamHeader): Uint8Array<ArrayBuffer> {
  if (nonce.length !== STREAM_NONCE_SIZE) throw new FormatError('a stream nonce has 19 bytes');
  return new FieldWriter(STREAM_HEADER_SIZE)
    .magic(MAGIC)
    .u8(FORMAT)
    .u8(SUITE_XAES)
    .zero(2)
    .id(keyId)
    .u32(keyVersion)
    .raw(nonce).bytes;
}

/** Read a header of exactly its length. Throws FormatError. */
export function decodeStreamHeader(bytes: Uint8Array): StreamHeader {
  const reader = new FieldReader(bytes);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown stream format');
  if (reader.u8() !== SUITE_XAES) throw new FormatError('unknown stream suite');
  reader.zero(2);
  const header = { keyId: reader.id(), keyVersion: reader.u32(), nonce: reader.copy(STREAM_NONCE_SIZE) };
  reader.end();
  return header;
}

/** The nonce of a segment for XAES-256-GCM: 24 bytes. */
export function segmentNonce(nonce: Uint8Array, index: number, last: boolean): Uint8Array<ArrayBuffer> {
  return new FieldWriter(STREAM_NONCE_SIZE + 5)
    .raw(nonce)
    .u32(index)
    .u8(last ? 1 : 0).bytes;
}

/**
 * Has a segment the length that its place asks for? All but the last are full, and only an empty stream ends with an empty
 * segment: so a plaintext has one division, and a stream's length tells its plaintext's.
 */
export function segmentFits(length: number, index: number, last: boolean): boolean {
  if (!last) return length === SEGMENT_SIZE && index < SEGMENT_LAST;
  return length <= SEGMENT_SIZE && (length > 0 || index === 0);
}
