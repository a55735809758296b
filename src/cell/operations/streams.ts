/** openStream, encryptSegment, decryptSegment: the stream of docs/formats.md §7, a segment a request. */
import { Refusal } from '../../errors.ts';
import { FLAG, type Span } from '../../wire/batch.ts';
import { FormatError } from '../../wire/fields.ts';
import {
  decodeStreamHeader,
  encodeStreamHeader,
  SEGMENT_AAD_SIZE,
  SEGMENT_IV_SIZE,
  SEGMENT_OVERHEAD,
  SEGMENT_TAG_SIZE,
  STREAM_AAD_SIZE,
  STREAM_GRANT_SIZE,
  STREAM_HEADER_SIZE,
  STREAM_LABEL,
  STREAM_SALT_SIZE,
  segmentFits,
} from '../../wire/stream.ts';
import type { Call, OpenKey, Operation } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { derive } from '../vault.ts';
import { checkEnvelopeKey } from './encryption.ts';

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');
const STREAM_KEY_SIZE = 32;

/** Results: a header with a salt drawn here, and this session's grant to encrypt under it. */
export const openStream: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  checkEnvelopeKey(key);
  const { random, grants } = call.bench;
  const salt = random.bytes(STREAM_SALT_SIZE);
  const header = call.publicResult(encodeStreamHeader({ keyId: key.id, keyVersion: key.attributes.version, salt }));
  const grant = call.result(STREAM_GRANT_SIZE);
  grants.issue(call.ticket.session, header.offset, grant.offset);
  return [header, grant];
};

/**
 * Parts: plaintext, header, grant, hash of the caller's associated data, the segment's number (4). Flag: last.
 * Result: IV, ciphertext and tag.
 *
 * A caller may ask for the same number twice, since cells remember no stream's place. Each call draws an IV of its own, so
 * that the answers give neither keystream nor H away: they are two segments of the caller's own, either of which fits.
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
  const invalid = new Refusal('KEYCELL_INPUT_INVALID');
  checkHeader(call, key, header, invalid);
  const index = call.number(4);
  if (!segmentFits(plaintext.length, index, call.flag(FLAG.last))) throw invalid;
  const sealed = call.result(plaintext.length + SEGMENT_OVERHEAD);
  call.bench.random.fill(sealed.offset, SEGMENT_IV_SIZE);
  const of = { key, header, hash: call.part(3), index, iv: sealed.offset };
  if (!crypt(call, 'gcmSeal', of, plaintext, sealed.offset + SEGMENT_IV_SIZE)) {
    throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  }
  return [sealed];
};

/**
 * Parts: IV, ciphertext and tag, header, hash of the caller's associated data, the segment's number (4). Flag: last.
 * Result: the plaintext.
 */
export const decryptSegment: Operation = (call) => {
  const key = call.key(0, 'decrypt');
  const sealed = call.part(0);
  const header = call.part(1);
  checkHeader(call, key, header, failed());
  const index = call.number(3);
  const length = sealed.length - SEGMENT_OVERHEAD;
  if (length < 0 || !segmentFits(length, index, call.flag(FLAG.last))) throw failed();
  const plaintext = call.result(length);
  const of = { key, header, hash: call.part(2), index, iv: sealed.offset };
  const ciphertext = { offset: sealed.offset + SEGMENT_IV_SIZE, length: length + SEGMENT_TAG_SIZE };
  if (!crypt(call, 'gcmOpen', of, ciphertext, plaintext.offset)) throw failed();
  return [plaintext];
};

/** A segment: its stream (the key, the header, the hash of the caller's associated data), its number, and where its IV is. */
interface Segment {
  readonly key: OpenKey;
  readonly header: Span;
  readonly hash: Span;
  readonly index: number;
  readonly iv: number;
}

/** Seal or open one segment, from `input` to the address `output`; false where the kernel refuses. */
function crypt(call: Call, kernel: 'gcmSeal' | 'gcmOpen', of: Segment, input: Span, output: number): boolean {
  const { core, work } = call.bench;
  const mark = work.mark();
  const ok = core.call[kernel](
    streamContext(call, of.key, of.header, of.hash),
    of.iv,
    SEGMENT_IV_SIZE,
    place(call, of.index),
    SEGMENT_AAD_SIZE,
    input.offset,
    input.length,
    output,
  );
  work.release(mark);
  return ok === 1;
}

/** Throws `refusal` unless these bytes are the header of a stream under this key. */
function checkHeader(call: Call, key: OpenKey, { offset, length }: Span, refusal: Refusal): void {
  checkEnvelopeKey(key);
  try {
    const header = decodeStreamHeader(call.bench.core.bytes.subarray(offset, offset + length));
    if (header.keyId !== key.id || header.keyVersion !== key.attributes.version) throw refusal;
  } catch (error) {
    if (error instanceof FormatError) throw refusal;
    throw error;
  }
}

/** The AES context of the stream's key, in working memory. `hash` is that of the caller's associated data. */
function streamContext(call: Call, key: OpenKey, header: Span, hash: Span): number {
  if (hash.length !== STREAM_AAD_SIZE) throw new Refusal('KEYCELL_INPUT_INVALID');
  const { core, work } = call.bench;
  const context = new Uint8Array(STREAM_HEADER_SIZE + STREAM_AAD_SIZE);
  context.set(core.bytes.subarray(header.offset, header.offset + STREAM_HEADER_SIZE));
  context.set(core.bytes.subarray(hash.offset, hash.offset + STREAM_AAD_SIZE), STREAM_HEADER_SIZE);
  const derived = work.take(STREAM_KEY_SIZE);
  derive(core, work, key.secret, key.length, STREAM_LABEL, context, derived);
  const ctx = work.take(core.call.AES_CTX_SIZE.value);
  if (core.call.aesExpandKey(ctx, derived, STREAM_KEY_SIZE) !== 1) throw new IntegrityError('a key schedule failed');
  return ctx;
}

/** The segment's associated data, in working memory: its number, and whether it is the last. */
function place(call: Call, index: number): number {
  const { core, work } = call.bench;
  const at = work.take(SEGMENT_AAD_SIZE);
  core.view.setUint32(at, index);
  core.bytes[at + 4] = call.flag(FLAG.last) ? 1 : 0;
  return at;
}
