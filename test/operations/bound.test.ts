/** kdf: bound. The same keys come of it as the document says, and never two of one secret that are for different things. */
import { createDecipheriv, createHmac } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, AesTemplate, GenericKey, HmacKey, Kdf, Session } from '../../dist/index.js';
import { boundKey } from '../support/purpose.ts';
import { u32 } from '../support/reference.ts';
import { nodePair } from './curves.ts';
import { bytes, ephemeral, nodeUnwrap, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);
const label = 'rows';
const context = '1';
const text = (value: string) => new TextEncoder().encode(value);
const rows = { name: 'bound', hash: 'SHA-256', label: text(label), context: text(context) } as const;
const HASHES = { sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const;

type Base = GenericKey | HmacKey;
const base = (type: 'GENERIC' | 'HMAC' = 'GENERIC'): Promise<Base> =>
  session.importKey({ type, bits: 256, usage: ['derive'], extractable: 'plaintext', persistent: false }, SECRET);
const derive = <const T extends AesTemplate>(from: Base, template: T, kdf: Kdf = rows) =>
  session.deriveKey(from, { mechanism: 'KDF', kdf: kdf as typeof rows }, template) as Promise<AesKey>;

/** Opened by node:crypto, with the key that the document says. */
function open(key: Uint8Array, { iv, ciphertext }: { iv: Uint8Array; ciphertext: Uint8Array }): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(ciphertext.subarray(-16));
  return Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
}

const CIPHER = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: false } as const;
const TITLE = { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' } as const;
const KEK = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], extractable: false, unwrapTemplate: TITLE } as const;

test.each(['GENERIC', 'HMAC'] as const)("the document's vectors, from a %s key", async (type) => {
  const from = await base(type);
  const cipher = await derive(from, CIPHER);
  const sealed = await session.encrypt(cipher, bytes(30), { mechanism: 'AES-GCM' });
  const inputs = { label, context };
  expect(open(boundKey(SECRET, 'sha256', inputs, CIPHER), sealed)).toEqual(Buffer.from(bytes(30)));

  const kek = await derive(from, KEK);
  const title = await session.importKey({ ...TITLE, persistent: false }, bytes(16));
  const blob = await session.wrapKey(kek, title, { mechanism: 'AES-KW' });
  expect(nodeUnwrap('AES-KW', boundKey(SECRET, 'sha256', inputs, KEK), blob)).toEqual(Buffer.from(bytes(16)));
});

describe.each(Object.entries(HASHES))('%s', (node, hash) => {
  test.each([128, 256, 384, 520, 4096])('a key of %i bits, in the clear', async (bits) => {
    const shape = { type: 'HMAC', bits, usage: ['sign', 'verify'], extractable: 'plaintext' } as const;
    const kdf = { name: 'bound', hash, label: text('macs') } as const;
    const key = await session.deriveKey(await base(), { mechanism: 'KDF', kdf }, shape);
    const expected = boundKey(SECRET, node as keyof typeof HASHES, { label: 'macs' }, shape);
    expect(Buffer.from(await session.exportKey(key))).toEqual(expected);
  });
});

test('what is for something else is another key; two halves of one usage, and names and dates, are not', async () => {
  const from = await base();
  const checkValue = async (template: AesTemplate) => (await derive(from, template)).checkValue;
  const same: AesTemplate[] = [
    CIPHER,
    { ...CIPHER, usage: ['decrypt'] },
    { ...CIPHER, notAfter: Date.now() + 60_000, destroyable: false },
    { ...CIPHER, label: 'rows', persistent: true },
  ];
  expect(new Set(await Promise.all(same.map(checkValue))).size).toBe(1);

  const issuer = (point: Uint8Array) =>
    session.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] }, point);
  const { point } = nodePair({ curve: 'P-256' } as Parameters<typeof nodePair>[0]);
  const other: AesTemplate[] = [
    CIPHER,
    { ...CIPHER, usage: [] },
    { ...CIPHER, usage: ['sign', 'verify'] },
    { ...CIPHER, usage: ['encrypt', 'sign'], dualUse: true },
    { ...CIPHER, usage: ['decrypt', 'sign'], dualUse: true },
    { ...CIPHER, dualUse: true },
    { ...CIPHER, callerIv: true },
    { ...CIPHER, extractable: 'wrapped' },
    { ...CIPHER, extractable: 'plaintext' },
    { ...CIPHER, wrapWithTrusted: true },
    KEK,
    { ...KEK, unwrapTemplate: { ...TITLE, usage: ['decrypt'] } },
    { ...KEK, unwrapTemplate: { ...TITLE, bits: 256 } },
    { ...KEK, unwrapTemplate: { ...TITLE, extractable: false } },
    { ...KEK, rewrapPolicy: 'any' },
    { ...KEK, rewrapPolicy: { issuer: await issuer(point) } },
    { ...KEK, rewrapPolicy: { issuer: await issuer(point), proofMaxAge: 60 } },
    { ...KEK, rewrapPolicy: { issuer: await issuer(point), blobs: 'required' } },
  ];
  const values = await Promise.all(other.map(checkValue));
  expect(new Set(values).size).toBe(other.length);
  // The same public key under another id is the same issuer.
  expect(await checkValue({ ...KEK, rewrapPolicy: { issuer: await issuer(point) } })).toBe(values.at(-3));
});

test('what is derived from a key that leaves only under trusted ones is bound so, too, and is another key for it', async () => {
  const template = { type: 'GENERIC', bits: 256, usage: ['derive'], persistent: false } as const;
  const from = await session.importKey({ ...template, wrapWithTrusted: true }, SECRET);
  const key = await derive(from, CIPHER);
  expect(key.wrapWithTrusted).toBe(true);
  const sealed = await session.encrypt(key, bytes(30), { mechanism: 'AES-GCM' });
  const shape = { ...CIPHER, wrapWithTrusted: true };
  expect(open(boundKey(SECRET, 'sha256', { label, context }, shape), sealed)).toEqual(Buffer.from(bytes(30)));
});

test('a standard KDF never gives other bytes silently: it asks for a template, and `bound` for none', async () => {
  const from = await base();
  for (const name of ['hkdf', 'sp800-108', 'concat'] as const) {
    const kdf = { name, hash: 'SHA-256', label: text(label), algorithm: 'x' } as Kdf;
    const error = await refusal(() => derive(from, CIPHER, kdf));
    expect([error.code, error.message]).toEqual(['KEYCELL_PERMISSION_DENIED', expect.stringContaining("'bound'")]);
  }
  const template = { type: 'GENERIC', bits: 256, usage: ['derive'], persistent: false } as const;
  const standard = await session.importKey({ ...template, deriveTemplate: { ...CIPHER, extractable: false } }, SECRET);
  const error = await refusal(() => derive(standard, CIPHER));
  expect([error.code, error.message]).toEqual(['KEYCELL_PERMISSION_DENIED', expect.stringContaining('standard KDF')]);

  const kdf = { name: 'sp800-108', hash: 'SHA-256', label: text(label), context: text(context) } as const;
  const sealed = await session.encrypt(await derive(standard, CIPHER, kdf), bytes(30), { mechanism: 'AES-GCM' });
  const bare = createHmac('sha256', SECRET).update(u32(1)).update(`${label}\0${context}`).update(u32(256)).digest();
  expect(open(bare, sealed)).toEqual(Buffer.from(bytes(30)));
});
