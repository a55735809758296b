/**
 * The formats of docs/formats.md, written a second time over node:crypto and Buffer, from the document alone.
 * It shares no line with src/wire or assembly, so that agreement means something.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, scryptSync } from 'node:crypto';
import { cmac } from '@noble/ciphers/aes.js';

export const u32 = (n: number): Buffer => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n].map((b) => b & 255));
export const u64 = (n: number): Buffer => Buffer.concat([u32(Math.floor(n / 2 ** 32)), u32(n % 2 ** 32)]);
const unhex = (text: string): Buffer => Buffer.from(text, 'hex');
export const hmac = (key: Uint8Array, ...parts: Uint8Array[]): Buffer =>
  parts.reduce((mac, part) => mac.update(part), createHmac('sha256', key)).digest();

export function kdf108(key: Uint8Array, fixed: Uint8Array): Buffer {
  return hmac(key, u32(1), fixed);
}

export function purposeKey(master: Uint8Array, purpose: string, hsmId: string, epoch: number): Buffer {
  return kdf108(
    master,
    Buffer.concat([Buffer.from(`keycell/v1/${purpose}`), Buffer.of(0), unhex(hsmId), u32(epoch), u32(256)]),
  );
}

export function gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

export interface ReferenceRecord {
  readonly kind: number;
  readonly hsmId: string;
  readonly epoch: number;
  readonly id: string;
  readonly revision: number;
  readonly owner: string;
  readonly attributes: Uint8Array;
  readonly secret: Uint8Array;
  readonly fresh: Uint8Array;
  /** Session keys only. */
  readonly session?: string;
}

export function sealRecord(master: Uint8Array, record: ReferenceRecord): Buffer {
  const header = (salt: Uint8Array) =>
    Buffer.concat([
      Buffer.from('KCRD'),
      Buffer.of(2, 1, record.kind, 0),
      unhex(record.hsmId),
      u32(record.epoch),
      unhex(record.id),
      u32(record.revision),
      unhex(record.owner),
      salt,
      u32(record.attributes.length),
      u32(record.secret.length),
      record.attributes,
    ]);
  const hedge = purposeKey(master, 'hedge', record.hsmId, record.epoch);
  const digest = createHash('sha256')
    .update(header(Buffer.alloc(32)))
    .update(record.secret)
    .digest();
  const salted = header(hmac(hedge, record.fresh, digest));
  const key = recordKey(master, salted, record.session);
  return Buffer.concat([salted, gcm(key, Buffer.alloc(12), salted, record.secret)]);
}

/** What a record with this header is under, as it says itself. */
function recordKey(master: Uint8Array, header: Uint8Array, session?: string): Buffer {
  const [kind, hsmId, epoch] = [header[6]!, header.subarray(8, 24), Buffer.from(header).readUInt32BE(24)];
  const base = purposeKey(master, kind === 4 ? 'session' : 'seal', Buffer.from(hsmId).toString('hex'), epoch);
  const context = kind === 4 ? unhex(session!) : Buffer.alloc(16);
  const fixed = [Buffer.from('keycell/v1/record'), Buffer.of(0), hsmId, Buffer.of(kind), header.subarray(28, 44)];
  return kdf108(base, Buffer.concat([...fixed, header.subarray(64, 96), context, u32(256)]));
}

/** The parts of a record that somebody else sealed. Throws where its tag is wrong. */
export function openRecord(master: Uint8Array, record: Uint8Array, session?: string) {
  const [attributesEnd, tag] = [104 + Buffer.from(record).readUInt32BE(96), record.length - 16];
  const header = record.subarray(0, attributesEnd);
  const key = recordKey(master, header, session);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12)).setAAD(header);
  decipher.setAuthTag(record.subarray(tag));
  return {
    kind: header[6]!,
    id: Buffer.from(header.subarray(28, 44)).toString('hex'),
    owner: Buffer.from(header.subarray(48, 64)).toString('hex'),
    attributes: header.subarray(104),
    secret: Buffer.concat([decipher.update(record.subarray(attributesEnd, tag)), decipher.final()]),
  };
}

/** The check value of an AES key. */
export function checkValue(key: Uint8Array): Buffer {
  const message = Buffer.from('keycell/v1/check');
  return Buffer.from(cmac(message, cmac(message, key))).subarray(0, 3);
}

/** K_e, which the envelopes of an AES key are under. */
export const envelopeKey = (key: Uint8Array): Buffer =>
  kdf108(key, Buffer.concat([Buffer.from('keycell/v1/envelope'), Buffer.of(0), u32(256)]));

/** The key that XAES-256-GCM derives from the first twelve bytes of its nonce. */
export function xaesKey(key: Uint8Array, nonce: Uint8Array): Buffer {
  const ecb = (block: Uint8Array) => createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block);
  const l = BigInt(`0x${ecb(Buffer.alloc(16)).toString('hex')}`) << 1n;
  const k1 = BigInt.asUintN(128, l) ^ (l >> 128n ? 0x87n : 0n);
  const half = (i: number) => {
    const m = BigInt(`0x${Buffer.concat([Buffer.of(0, i, 0x58, 0), nonce.subarray(0, 12)]).toString('hex')}`);
    return ecb(unhex((m ^ k1).toString(16).padStart(32, '0')));
  };
  return Buffer.concat([half(1), half(2)]);
}

export function sealXaes(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  return gcm(xaesKey(key, nonce), nonce.subarray(12), aad, plaintext);
}

export function sealEnvelope(
  key: Uint8Array,
  keyId: string,
  keyVersion: number,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  const header = Buffer.concat([Buffer.from('KCEV'), Buffer.of(2, 1, 0, 0), unhex(keyId), u32(keyVersion)]);
  return Buffer.concat([header, nonce, sealXaes(envelopeKey(key), nonce, Buffer.concat([header, aad]), plaintext)]);
}

export function sealKeyslot(
  master: Uint8Array,
  passphrase: Uint8Array,
  hsmId: string,
  epoch: number,
  log2N: number,
  salt: Uint8Array,
): Buffer {
  const header = Buffer.concat([Buffer.from('KCSL'), Buffer.of(1, 1, log2N, 8), unhex(hsmId), u32(epoch), salt]);
  const key = scryptSync(passphrase, salt, 32, { N: 2 ** log2N, r: 8, p: 1, maxmem: 2 ** 31 });
  return Buffer.concat([header, gcm(key, Buffer.alloc(12), header, master)]);
}
