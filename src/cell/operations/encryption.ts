/** encrypt, decrypt, reencrypt and generateDataKey: the envelope (XAES-256-GCM, docs/formats.md §5) and raw AES-GCM. */
import { Refusal } from '../../errors.ts';
import { DATA_KEY_MAX, IV_MAX } from '../../model/limits.ts';
import { MECHANISM, type Span } from '../../wire/batch.ts';
import {
  ENVELOPE_HEADER_SIZE,
  ENVELOPE_NONCE_SIZE,
  ENVELOPE_OVERHEAD,
  ENVELOPE_TAG_SIZE,
  encodeEnvelopeHeader,
} from '../../wire/envelope.ts';
import { sameBytes } from '../../wire/fields.ts';
import type { Call, OpenKey, Operation } from '../call.ts';
import { decryptBlocks, encryptBlocks } from './blockmodes.ts';
import { decryptCbcHmac, encryptCbcHmac } from './cbc-hmac.ts';

const GCM_IV_SIZE = 12;

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');

/** Envelope: parts plaintext, aad; result the envelope. AES-GCM: parts plaintext, aad, iv or nothing; results iv, ciphertext. */
export const encrypt: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  const plaintext = call.part(0);
  switch (call.request.mechanism) {
    case MECHANISM.envelope:
      return [sealEnvelope(call, key, plaintext, call.part(1))];
    case MECHANISM['AES-GCM']:
      return encryptGcm(call, key, plaintext);
    case MECHANISM['AES-CTR']:
    case MECHANISM['AES-CBC']:
      return encryptBlocks(call, key);
    case MECHANISM['AES-CBC-HMAC']:
      return encryptCbcHmac(call, key);
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
  if (given.length > IV_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'ivLimit');
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

/**
 * Envelopes and streams are under keys derived from this one, of 256 bits whatever its size. The cell draws their nonces:
 * they are not for keys with callerIv.
 */
export function checkEnvelopeKey(key: OpenKey): void {
  if (key.attributes.type !== 'AES') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  if (key.attributes.callerIv) throw new Refusal('KEYCELL_INPUT_INVALID', 'callerIv');
}

/** The header that this key's envelopes have. */
function headerOf(key: OpenKey): Uint8Array {
  key.envelopeHeader ??= encodeEnvelopeHeader({ keyId: key.id, keyVersion: key.attributes.version });
  return key.envelopeHeader;
}

function sealEnvelope(call: Call, key: OpenKey, plaintext: Span, aad: Span): Span {
  checkEnvelopeKey(key);
  const envelope = call.result(plaintext.length + ENVELOPE_OVERHEAD);
  sealAt(call, key, envelope, plaintext, aad);
  return envelope;
}

/** Seal into `envelope`, which has the right length; the plaintext may lie where its ciphertext goes. */
function sealAt(call: Call, key: OpenKey, envelope: Span, plaintext: Span, aad: Span): void {
  const { core, reply, random, work } = call.bench;
  const ctx = call.envelopeContext(key);
  const header = headerOf(key);
  const nonce = envelope.offset + ENVELOPE_HEADER_SIZE;
  core.bytes.set(header, envelope.offset);
  random.fill(nonce, ENVELOPE_NONCE_SIZE);
  const marks = [reply.mark(), work.mark()] as const;
  const associated = associatedData(call, header, aad);
  const ok = core.call.xaesSeal(
    ctx,
    nonce,
    associated.offset,
    associated.length,
    plaintext.offset,
    plaintext.length,
    nonce + ENVELOPE_NONCE_SIZE,
    work.take(core.call.AES_CTX_SIZE.value),
  );
  reply.release(marks[0]);
  work.release(marks[1]);
  if (ok !== 1) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
}

/** Envelope: parts envelope, aad. AES-GCM: parts ciphertext with tag, aad, iv. Result: the plaintext. */
export const decrypt: Operation = (call) => {
  const key = call.key(0, 'decrypt');
  switch (call.request.mechanism) {
    case MECHANISM.envelope:
      return [openEnvelope(call, key)];
    case MECHANISM['AES-GCM']:
      return [decryptGcm(call, key)];
    case MECHANISM['AES-CTR']:
    case MECHANISM['AES-CBC']:
      return [decryptBlocks(call, key)];
    case MECHANISM['AES-CBC-HMAC']:
      return [decryptCbcHmac(call, key)];
    default:
      throw new Refusal('KEYCELL_MECHANISM_INVALID');
  }
};

function decryptGcm(call: Call, key: OpenKey): Span {
  const ciphertext = call.part(0);
  const aad = call.part(1);
  const iv = call.part(2);
  if (iv.length === 0) throw new Refusal('KEYCELL_INPUT_INVALID');
  if (iv.length > IV_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'ivLimit');
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

/** The length of the plaintext, once the header is the one of this key. Throws DECRYPT_FAILED. */
function checkEnvelope(call: Call, key: OpenKey, { offset, length }: Span): number {
  checkEnvelopeKey(key);
  const header = call.bench.core.bytes.subarray(offset, offset + ENVELOPE_HEADER_SIZE);
  if (length < ENVELOPE_OVERHEAD || !sameBytes(header, headerOf(key))) throw failed();
  return length - ENVELOPE_OVERHEAD;
}

/** Open an envelope that `checkEnvelope` has passed; the plaintext goes to `output`. */
function openAt(call: Call, key: OpenKey, envelope: Span, aad: Span, output: number): void {
  const { core, reply, work } = call.bench;
  const ctx = call.envelopeContext(key);
  const marks = [reply.mark(), work.mark()] as const;
  const associated = associatedData(call, headerOf(key), aad);
  const nonce = envelope.offset + ENVELOPE_HEADER_SIZE;
  const ok = core.call.xaesOpen(
    ctx,
    nonce,
    associated.offset,
    associated.length,
    nonce + ENVELOPE_NONCE_SIZE,
    envelope.length - ENVELOPE_HEADER_SIZE - ENVELOPE_NONCE_SIZE,
    output,
    work.take(core.call.AES_CTX_SIZE.value),
  );
  reply.release(marks[0]);
  work.release(marks[1]);
  if (ok !== 1) throw failed();
}

function openEnvelope(call: Call, key: OpenKey): Span {
  const plaintext = call.result(checkEnvelope(call, key, call.part(0)));
  openAt(call, key, call.part(0), call.part(1), plaintext.offset);
  return plaintext;
}

/**
 * Keys: from, to. Parts: envelope, its aad, the new one's aad. Result: the new envelope.
 *
 * It asks for both usages, decrypt and encrypt, and for nothing besides: who has both could open and seal by himself, so
 * no other attribute would hold him back. The plaintext lies in the reply only where the new ciphertext covers it.
 */
export const reencrypt: Operation = (call) => {
  const from = call.key(0, 'decrypt');
  const to = call.key(1, 'encrypt');
  checkEnvelopeKey(to);
  const length = checkEnvelope(call, from, call.part(0));
  const envelope = call.result(length + ENVELOPE_OVERHEAD);
  const plaintext = { offset: envelope.offset + ENVELOPE_HEADER_SIZE + ENVELOPE_NONCE_SIZE, length };
  openAt(call, from, call.part(0), call.part(1), plaintext.offset);
  sealAt(call, to, envelope, plaintext, call.part(2));
  return [envelope];
};

/** Parts: length (4, big-endian), aad. Results: the data key, and its envelope. */
export const generateDataKey: Operation = (call) => {
  const key = call.key(0, 'encrypt');
  const length = call.number(0);
  if (length < 1 || length > DATA_KEY_MAX) throw new Refusal('KEYCELL_INPUT_INVALID');
  const plaintext = call.result(length);
  call.bench.random.fill(plaintext.offset, length);
  return [plaintext, sealEnvelope(call, key, plaintext, call.part(1))];
};
