/**
 * The formats of docs/formats.md, written a second time over node:crypto and Buffer, from the document alone.
 * It shares no line with src/wire or assembly, so that agreement means something.
 */
import { createCipheriv, createHash, createHmac, scryptSync } from 'node:crypto';

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
      Buffer.of(1, 1, record.kind, 0),
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
  const salt = hmac(hedge, record.fresh, digest);
  const base = purposeKey(master, record.kind === 4 ? 'session' : 'seal', record.hsmId, record.epoch);
  const context = record.kind === 4 ? unhex(record.session!) : Buffer.alloc(16);
  const fixed = [Buffer.from('keycell/v1/record'), Buffer.of(0), unhex(record.hsmId), Buffer.of(record.kind)];
  const key = kdf108(base, Buffer.concat([...fixed, unhex(record.id), salt, context, u32(256)]));
  return Buffer.concat([header(salt), gcm(key, Buffer.alloc(12), header(salt), record.secret)]);
}

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
  const header = Buffer.concat([Buffer.from('KCEV'), Buffer.of(1, 1, 0, 0), unhex(keyId), u32(keyVersion)]);
  return Buffer.concat([header, nonce, sealXaes(key, nonce, Buffer.concat([header, aad]), plaintext)]);
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
