/** AES-GCM as a wrapping mechanism: iv ‖ ciphertext ‖ tag, against node:crypto both ways, and what it must not open. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Session } from '../../dist/index.js';
import { atOddOffset, bytes, code, ephemeral, nodeGcm, nodeGcmOpen, nodeUnwrap, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
const GCM = { mechanism: 'AES-GCM' } as const;
let session: Session;
beforeAll(() => {
  session = it.session;
});

const nodeSeal = (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, secret: Uint8Array) =>
  Buffer.concat([iv, nodeGcm(key, iv, aad, secret)]);
const nodeOpen = (key: Uint8Array, aad: Uint8Array, blob: Uint8Array) =>
  nodeGcmOpen(key, blob.subarray(0, 12), aad, blob.subarray(12));
const plain = { extractable: 'plaintext' } as const;
const kekOf = (raw: Uint8Array, more: object = {}) =>
  session.importKey(
    {
      type: 'AES',
      bits: (8 * raw.length) as 256,
      usage: ['wrap', 'unwrap'],
      unwrapTemplate: { extractable: 'plaintext' },
      rewrapPolicy: 'any',
      ...more,
    },
    raw,
  );

test('keys of every type and size go out and come in, as node writes and reads them', async () => {
  for (const size of [16, 24, 32]) {
    const raw = bytes(size, size);
    const templates = [
      ...([128, 192, 256] as const).map((bits) => ({ type: 'AES', bits, usage: ['encrypt'] }) as const),
      ...[112, 256, 1000, 4096].map((bits) => ({ type: 'HMAC', bits, usage: ['sign'] }) as const),
      ...[8, 16, 72, 4096].map((bits) => ({ type: 'GENERIC', bits, usage: ['derive'] }) as const),
    ];
    for (const template of templates) {
      const secret = bytes(template.bits / 8, template.bits);
      const key = await session.importKey({ ...template, ...plain }, secret);
      const { type, usage } = template;
      const kek = await kekOf(raw, { unwrapTemplate: { type, usage, ...plain } });
      for (const aad of [bytes(0), bytes(33)]) {
        const blob = await session.wrapKey(kek, key, { ...GCM, aad });
        expect(blob.length).toBe(secret.length + 28);
        expect(nodeOpen(raw, aad, blob).equals(secret)).toBe(true);
        const theirs = atOddOffset(nodeSeal(raw, bytes(12, 9), aad, secret));
        const again = await session.unwrapKey(kek, theirs, { ...template, ...plain }, { ...GCM, aad });
        expect(Buffer.compare(await session.exportKey(again), secret)).toBe(0);
        expect(again.persistent).toBe(false);
      }
    }
    const kek = await kekOf(raw);
    const one = await session.importKey({ type: 'AES', bits: 128, usage: [], ...plain }, bytes(16));
    const ivs = await Promise.all(Array.from({ length: 50 }, () => session.wrapKey(kek, one, GCM)));
    expect(new Set(ivs.map((blob) => Buffer.from(blob.subarray(0, 12)).toString('hex'))).size).toBe(50);
  }
});

test.each(['P-256', 'P-384', 'secp256k1'] as const)('a private key of %s is PKCS#8 in the blob', async (curve) => {
  const raw = bytes(32, 4);
  const template = { type: 'EC', curve, usage: ['sign'] } as const;
  const kek = await kekOf(raw, { unwrapTemplate: template });
  const key = await session.generateKey({ ...template, extractable: 'wrapped' });
  const der = nodeOpen(raw, bytes(0), await session.wrapKey(kek, key, GCM));
  const theirs = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  expect(createPublicKey(theirs).export({ format: 'der', type: 'spki' })).toEqual(Buffer.from(key.publicKey));
  const pair = generateKeyPairSync('ec', { namedCurve: curve });
  const blob = nodeSeal(raw, bytes(12), bytes(0), pair.privateKey.export({ format: 'der', type: 'pkcs8' }));
  const opened = await session.unwrapKey(kek, blob, template, GCM);
  expect(Buffer.from(opened.publicKey)).toEqual(pair.publicKey.export({ format: 'der', type: 'spki' }));
});

test('every flipped bit and truncation, and other associated data, is DECRYPT_FAILED', async () => {
  const raw = bytes(32, 5);
  const kek = await kekOf(raw);
  const aad = bytes(5);
  const template = { type: 'AES', bits: 128, usage: [] } as const;
  const blob = nodeSeal(raw, bytes(12), aad, bytes(16));
  const attempt = (bad: Uint8Array, more: object = { aad }) =>
    code(() => session.unwrapKey(kek, bad, template, { ...GCM, ...more }));
  const codes = await Promise.all([
    ...Array.from({ length: 8 * blob.length }, (_, bit) => {
      const bad = Buffer.from(blob);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      return attempt(bad);
    }),
    ...Array.from({ length: blob.length }, (_, length) => attempt(blob.subarray(0, length))),
    attempt(Buffer.concat([blob, Buffer.of(0)])),
    attempt(blob, {}),
    attempt(blob, { aad: bytes(6) }),
    attempt(new Uint8Array(600)),
    // An empty key, and one too large, rightly sealed.
    attempt(nodeSeal(raw, bytes(12), aad, bytes(0))),
    attempt(nodeSeal(raw, bytes(12), aad, bytes(600))),
  ]);
  expect(new Set(codes)).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
  expect(await attempt(nodeSeal(raw, bytes(12), aad, bytes(32)))).toBe('KEYCELL_INPUT_INVALID');
});

describe('policy', () => {
  const raw = bytes(32, 6);

  test('a key whose IVs the caller chooses does not wrap by GCM: its keystream would be his', async () => {
    const kek = await kekOf(raw, { callerIv: true });
    const key = await session.importKey({ type: 'AES', bits: 128, usage: [], ...plain }, bytes(16));
    expect((await refusal(() => session.wrapKey(kek, key, GCM))).message).toContain('callerIv');
    const blob = nodeSeal(raw, bytes(12), bytes(0), bytes(16));
    const template = { type: 'AES', bits: 128, usage: [] } as const;
    expect(await code(() => session.unwrapKey(kek, blob, template, GCM))).toBe('KEYCELL_INPUT_INVALID');
    await session.wrapKey(kek, key, { mechanism: 'AES-KW' });
    const from = await kekOf(bytes(32, 7));
    const wrapped = nodeWrap('AES-KW', bytes(32, 7), bytes(16));
    expect(await code(() => session.rewrapKeys([wrapped], { from, mechanism: 'AES-KW', to: kek, as: 'AES-GCM' }))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
  });

  test('what decrypts does not unwrap, else a wrapped key would come out as a plaintext', async () => {
    for (const usage of [
      ['unwrap', 'decrypt'],
      ['wrap', 'decrypt'],
      ['unwrap', 'encrypt'],
    ] as const) {
      const template = { type: 'AES', bits: 256, usage } as const;
      expect((await refusal(() => session.generateKey(template))).message).toContain('dualUse');
      await session.generateKey({ ...template, dualUse: true, persistent: false });
    }
    await session.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'encrypt'], persistent: false });
  });

  test('extractable, trusted and template hold as for the others', async () => {
    const kek = await kekOf(raw);
    const stays = await session.generateKey({ type: 'AES', bits: 128, usage: [] });
    expect(await code(() => session.wrapKey(kek, stays, GCM))).toBe('KEYCELL_PERMISSION_DENIED');
    const bound = await session.generateKey({
      type: 'AES',
      bits: 128,
      usage: [],
      extractable: 'wrapped',
      wrapWithTrusted: true,
    });
    expect(await code(() => session.wrapKey(kek, bound, GCM))).toBe('KEYCELL_PERMISSION_DENIED');
    const narrow = await session.importKey({ type: 'AES', bits: 256, usage: ['unwrap'] }, raw);
    const blob = nodeSeal(raw, bytes(12), bytes(0), bytes(16));
    const template = { type: 'AES', bits: 128, usage: [] } as const;
    expect(await code(() => session.unwrapKey(narrow, blob, { ...template, ...plain }, GCM))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    expect((await session.unwrapKey(narrow, blob, template, GCM)).wrapWithTrusted).toBe(true);
    const key = await session.importKey({ type: 'AES', bits: 128, usage: [], ...plain }, bytes(16));
    const mistaken = { mechanism: 'AES-KW', aad: bytes(3) } as never;
    expect(await code(() => session.wrapKey(kek, key, mistaken))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.wrapKey(kek, key, { mechanism: 'AES-CTR' } as never))).toBe(
      'KEYCELL_MECHANISM_INVALID',
    );
  });
});

test('re-wrapping from and to GCM', async () => {
  const [rawFrom, rawTo] = [bytes(32, 8), bytes(16, 9)];
  const from = await kekOf(rawFrom);
  const to: AesKey = await kekOf(rawTo);
  const secrets = [16, 24, 32, 7].map((size) => bytes(size, size));
  const blobs = secrets.map((secret, i) => nodeSeal(rawFrom, bytes(12, i), bytes(0), secret));
  const again = await session.rewrapKeys(blobs, { from, ...GCM, to, as: 'AES-GCM' });
  again.forEach((blob, i) => {
    expect(nodeOpen(rawTo, bytes(0), blob).equals(secrets[i]!)).toBe(true);
  });
  const padded = await session.rewrapKeys(blobs, { from, ...GCM, to, as: 'AES-KWP' });
  padded.forEach((blob, i) => {
    expect(nodeUnwrap('AES-KWP', rawTo, blob).equals(secrets[i]!)).toBe(true);
  });
  const wrapped = secrets.slice(0, 3).map((secret) => nodeWrap('AES-KW', rawFrom, secret));
  const sealed = await session.rewrapKeys(wrapped, { from, mechanism: 'AES-KW', to, as: 'AES-GCM' });
  sealed.forEach((blob, i) => {
    expect(nodeOpen(rawTo, bytes(0), blob).equals(secrets[i]!)).toBe(true);
  });
  blobs[2]![30]! ^= 1;
  expect(await code(() => session.rewrapKeys(blobs, { from, ...GCM, to, as: 'AES-GCM' }))).toBe(
    'KEYCELL_DECRYPT_FAILED',
  );
});
