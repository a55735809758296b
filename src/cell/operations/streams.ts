/** openStream, encryptSegment, decryptSegment: the stream of docs/formats.md §7, a segment a request. */
import { Refusal } from '../../errors.ts';
import { FLAG, type Span } from '../../wire/batch.ts';
import { FormatError } from '../../wire/fields.ts';
import {
  decodeStreamHeader,
  encodeStreamHeader,
  SEGMENT_TAG_SIZE,
  STREAM_AAD_SIZE,
  STREAM_GRANT_SIZE,
  STREAM_HEADER_SIZE,
  STREAM_NONCE_SIZE,
  type StreamHeader,
  segmentFits,
  segmentNonce,
} from '../../wire/stream.ts';
import type { Call, OpenKey, Operation } from '../call.ts';
import { checkEnvelopeKey } from './encryption.ts';

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');

/** Results: a header with a nonce drawn here, and this session's grant to encrypt under it. */
export const openStream: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  checkEnvelopeKey(key);
  const { random, grants } = call.bench;
  const nonce = random.bytes(STREAM_NONCE_SIZE);
  const header = call.publicResult(encodeStreamHeader({ keyId: key.id, keyVersion: key.attributes.version, nonce }));
  const grant = call.result(STREAM_GRANT_SIZE);
  grants.issue(call.ticket.session, header.offset, grant.offset);
  return [header, grant];
};

/**
 * Parts: plaintext, header, grant, hash of the caller's associated data, the segment's number (4). Flag: last.
 * Result: ciphertext and tag.
 *
 * A caller may ask for the same number twice, with other plaintext: then GCM's nonce repeats, under a key that is this
 * stream's alone. What he learns is the keystream that lay over his own plaintext, and how to forge segments of his own
 * stream, for as long as somebody accepts streams under this key. He was free to encrypt both texts anyhow, and no cell
 * draws this nonce again. To refuse it cells would have to remember every stream's place.
 */
export const encryptSegment: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  const plaintext = call.part(0);
  const header = call.part(1);
  const grant = call.part(2);
  if (header.length !== STREAM_HEADER_SIZE || grant.length !== STREAM_GRANT_SIZE) {
    throw new Refusal('KEYCELL_INPUT_INVALID');
  }
  if (!call.bench.grants.holds(call.ticket.session, header.offset, grant.offset)) {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'stream');
  }
  const sealed = call.result(plaintext.length + SEGMENT_TAG_SIZE);
  const invalid = new Refusal('KEYCELL_INPUT_INVALID');
  const segment = { key, header: ours(call, key, header, invalid), index: call.number(4), aad: call.part(3) };
  if (!segmentFits(plaintext.length, segment.index, call.flag(FLAG.last))) throw invalid;
  if (!crypt(call, 'xaesSeal', segment, plaintext, sealed)) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  return [sealed];
};

/**
 * Parts: ciphertext and tag, header, hash of the caller's associated data, the segment's number (4). Flag: last.
 * Result: the plaintext.
 */
export const decryptSegment: Operation = (call) => {
  const key = call.key(0, 'decrypt');
  const sealed = call.part(0);
  const length = sealed.length - SEGMENT_TAG_SIZE;
  const segment = { key, header: ours(call, key, call.part(1), failed()), index: call.number(3), aad: call.part(2) };
  if (length < 0 || !segmentFits(length, segment.index, call.flag(FLAG.last))) throw failed();
  const plaintext = call.result(length);
  if (!crypt(call, 'xaesOpen', segment, sealed, plaintext)) throw failed();
  return [plaintext];
};

/** The header, if it is one and names this key. */
function ours(call: Call, key: OpenKey, { offset, length }: Span, refusal: Refusal): StreamHeader {
  checkEnvelopeKey(key);
  try {
    const header = decodeStreamHeader(call.bench.core.bytes.subarray(offset, offset + length));
    if (header.keyId !== key.id || header.keyVersion !== key.attributes.version) throw refusal;
    return header;
  } catch (error) {
    if (error instanceof FormatError) throw refusal;
    throw error;
  }
}

interface Segment {
  readonly key: OpenKey;
  readonly header: StreamHeader;
  readonly index: number;
  /** The hash of the caller's associated data. */
  readonly aad: Span;
}

/** Seal or open one segment; false where the kernel refuses. */
function crypt(call: Call, kernel: 'xaesSeal' | 'xaesOpen', segment: Segment, input: Span, output: Span): boolean {
  if (segment.aad.length !== STREAM_AAD_SIZE) throw new Refusal('KEYCELL_INPUT_INVALID');
  const { core, work } = call.bench;
  const ctx = call.aes(segment.key);
  const mark = work.mark();
  const derived = work.take(core.call.AES_CTX_SIZE.value);
  const nonce = work.take(STREAM_NONCE_SIZE + 5);
  core.bytes.set(segmentNonce(segment.header.nonce, segment.index, call.flag(FLAG.last)), nonce);
  const aad = work.take(STREAM_HEADER_SIZE + STREAM_AAD_SIZE);
  core.bytes.set(encodeStreamHeader(segment.header), aad);
  core.bytes.copyWithin(aad + STREAM_HEADER_SIZE, segment.aad.offset, segment.aad.offset + STREAM_AAD_SIZE);
  const aadLen = STREAM_HEADER_SIZE + STREAM_AAD_SIZE;
  const okBit = core.call[kernel](ctx, nonce, aad, aadLen, input.offset, input.length, output.offset, derived);
  work.release(mark);
  return okBit === 1;
}
