/** encrypt, decrypt and generateDataKey: the envelope (XAES-256-GCM, docs/formats.md §5) and raw AES-GCM. */
import { Refusal } from '../../errors.ts';
import { MECHANISM, type Span } from '../../wire/batch.ts';
import {
  decodeEnvelopeHeader,
  ENVELOPE_HEADER_SIZE,
  ENVELOPE_NONCE_SIZE,
  ENVELOPE_OVERHEAD,
  ENVELOPE_TAG_SIZE,
  encodeEnvelopeHeader,
} from '../../wire/envelope.ts';
import { FormatError } from '../../wire/fields.ts';
import type { Call, OpenKey, Operation } from '../call.ts';

const GCM_IV_SIZE = 12;
const ENVELOPE_KEY_SIZE = 32;
const DATA_KEY_MAX = 4096;

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');

/** Envelope: parts plaintext, aad; result the envelope. AES-GCM: parts plaintext, aad, iv or nothing; results iv, ciphertext. */
export const encrypt: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  const plaintext = call.part(0);
  switch (call.request.mechanism) {
    case MECHANISM.envelope:
      return [sealEnvelope(call, key, plaintext)];
    case MECHANISM['AES-GCM']:
      return encryptGcm(call, key, plaintext);
    default:
      throw new Refusal('KEYCELL_MECHANISM_INVALID');
  }
};

function encryptGcm(call: Call, key: OpenKey, plaintext: Span): Span[] {
  const { core, random } = call.bench;
  const ctx = call.aes(key);
  const aad = call.part(1);
  const given = call.part(2);
  if (key.attributes.callerIv !== given.length > 0) throw new Refusal('KEYCELL_INPUT_INVALID', 'callerIv');
  const iv = call.result(given.length || GCM_IV_SIZE);
  if (given.length > 0) core.bytes.copyWithin(iv.offset, given.offset, given.offset + given.length);
  else random.fill(iv.offset, iv.length);
  const ciphertext = call.result(plaintext.length + ENVELOPE_TAG_SIZE);
  const ok = core.call.gcmSeal(
    ctx,
    iv.offset,
    iv.length,
    aad.offset,
    aad.length,
    plaintext.offset,
    plaintext.length,
    ciphertext.offset,
  );
  if (ok !== 1) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  return [iv, ciphertext];
}

/** The AEAD's associated data, header ‖ the caller's, laid out behind what the reply holds; the caller gives it back. */
function associatedData(call: Call, header: Uint8Array, aad: Span): Span {
  const { core, reply } = call.bench;
  const at = reply.take(header.length + aad.length);
  core.bytes.set(header, at);
  core.bytes.copyWithin(at + header.length, aad.offset, aad.offset + aad.length);
  return { offset: at, length: header.length + aad.length };
}

function envelopeContext(call: Call, key: OpenKey): { ctx: number; derived: number } {
  // Such a key never gets the cell's nonces, and an envelope's nonce is the cell's.
  if (key.attributes.callerIv) throw new Refusal('KEYCELL_INPUT_INVALID', 'callerIv');
  if (key.length !== ENVELOPE_KEY_SIZE) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keySize');
  return { ctx: call.aes(key), derived: call.bench.work.take(call.bench.core.call.AES_CTX_SIZE.value) };
}

/** Part 1 is the associated data. */
function sealEnvelope(call: Call, key: OpenKey, plaintext: Span): Span {
  const { core, reply, random, work } = call.bench;
  const before = work.mark();
  const { ctx, derived } = envelopeContext(call, key);
  const header = encodeEnvelopeHeader({ keyId: key.id, keyVersion: key.attributes.version });
  const envelope = call.result(plaintext.length + ENVELOPE_OVERHEAD);
  const nonce = envelope.offset + ENVELOPE_HEADER_SIZE;
  core.bytes.set(header, envelope.offset);
  random.fill(nonce, ENVELOPE_NONCE_SIZE);
  const mark = reply.mark();
  const aad = associatedData(call, header, call.part(1));
  const ok = core.call.xaesSeal(
    ctx,
    nonce,
    aad.offset,
    aad.length,
    plaintext.offset,
    plaintext.length,
    nonce + ENVELOPE_NONCE_SIZE,
    derived,
  );
  reply.release(mark);
  work.release(before);
  if (ok !== 1) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  return envelope;
}

/** Envelope: parts envelope, aad. AES-GCM: parts ciphertext with tag, aad, iv. Result: the plaintext. */
export const decrypt: Operation = (call) => {
  const key = call.key(0, 'decrypt');
  switch (call.request.mechanism) {
    case MECHANISM.envelope:
      return [openEnvelope(call, key)];
    case MECHANISM['AES-GCM']:
      return [decryptGcm(call, key)];
    default:
      throw new Refusal('KEYCELL_MECHANISM_INVALID');
  }
};

function decryptGcm(call: Call, key: OpenKey): Span {
  const ciphertext = call.part(0);
  const aad = call.part(1);
  const iv = call.part(2);
  if (iv.length === 0) throw new Refusal('KEYCELL_INPUT_INVALID');
  if (ciphertext.length < ENVELOPE_TAG_SIZE) throw failed();
  const ctx = call.aes(key);
  const plaintext = call.result(ciphertext.length - ENVELOPE_TAG_SIZE);
  const ok = call.bench.core.call.gcmOpen(
    ctx,
    iv.offset,
    iv.length,
    aad.offset,
    aad.length,
    ciphertext.offset,
    ciphertext.length,
    plaintext.offset,
  );
  if (ok !== 1) throw failed();
  return plaintext;
}

function openEnvelope(call: Call, key: OpenKey): Span {
  const { core, reply, work } = call.bench;
  const { ctx, derived } = envelopeContext(call, key);
  const envelope = call.part(0);
  const header = core.bytes.slice(envelope.offset, envelope.offset + Math.min(envelope.length, ENVELOPE_HEADER_SIZE));
  try {
    const { keyId, keyVersion } = decodeEnvelopeHeader(
      core.bytes.subarray(envelope.offset, envelope.offset + envelope.length),
    );
    if (keyId !== key.id || keyVersion !== key.attributes.version) throw failed();
  } catch (error) {
    if (error instanceof FormatError) throw failed();
    throw error;
  }
  const plaintext = call.result(envelope.length - ENVELOPE_OVERHEAD);
  const mark = reply.mark();
  const aad = associatedData(call, header, call.part(1));
  const nonce = envelope.offset + ENVELOPE_HEADER_SIZE;
  const sealed = nonce + ENVELOPE_NONCE_SIZE;
  const ok = core.call.xaesOpen(
    ctx,
    nonce,
    aad.offset,
    aad.length,
    sealed,
    plaintext.length + ENVELOPE_TAG_SIZE,
    plaintext.offset,
    derived,
  );
  reply.release(mark);
  work.release(derived);
  if (ok !== 1) throw failed();
  return plaintext;
}

/** Parts: length (4, big-endian), aad. Results: the data key, and its envelope. */
export const generateDataKey: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  const length = call.number(0);
  if (length < 1 || length > DATA_KEY_MAX) throw new Refusal('KEYCELL_INPUT_INVALID');
  const plaintext = call.result(length);
  call.bench.random.fill(plaintext.offset, length);
  return [plaintext, sealEnvelope(call, key, plaintext)];
};
