/** rewrapKeys: from a wrapping key to trusted keys and to JWEs for recipients outside, opened by jose and by node:crypto alone. */
import { createHash, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { compactDecrypt } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, PublicJwk, Session } from '../../dist/index.js';
import { u32 } from '../support/reference.ts';
import { CURVES, nodePair } from './curves.ts';
import { bytes, code, ephemeral, nodeGcmOpen, nodeUnwrap, nodeWrap, refusal, refusedAtLast } from './support.ts';

const it = ephemeral();
const raw = bytes(32, 1);
const contents = Array.from({ length: 9 }, (_, i) => bytes(16 + 8 * (i % 3), i));
const blobs = contents.map((content) => nodeWrap('AES-KW', raw, content));
const device = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { kty, crv, x, y } = device.publicKey.export({ format: 'jwk' });
const jwk = { kty, crv, x, y } as PublicJwk;
const device384 = nodePair(CURVES[1]);
const device256k1 = nodePair(CURVES[2]);
const spki = device.publicKey.export({ format: 'der', type: 'spki' });
let session: Session;
let any: AesKey;
let bound: AesKey;

beforeAll(async () => {
  session = it.session;
  any = await session.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: 'any' }, raw);
  const issuerSpki = issuer.publicKey.export({ format: 'der', type: 'spki' });
  const issuerKey = await session.importKey(
    { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] },
    issuerSpki,
  );
  bound = await session.importKey(
    { type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: { issuer: issuerKey } },
    raw,
  );
});

const header = (jwe: string) => JSON.parse(Buffer.from(jwe.split('.')[0]!, 'base64url').toString());

/** RFC 7516 and RFC 7518 §4.6 over node:crypto alone. */
function open(jwe: string, privateKey = device.privateKey): Buffer {
  const [head, encrypted, iv, ciphertext, tag] = jwe.split('.') as [string, string, string, string, string];
  expect(encrypted).toBe('');
  const publicKey = createPublicKey({ key: header(jwe).epk, format: 'jwk' });
  const z = diffieHellman({ privateKey, publicKey });
  const info = [u32(7), Buffer.from('A256GCM'), u32(0), u32(0), u32(256)];
  const cek = createHash('sha256')
    .update(Buffer.concat([u32(1), z, ...info]))
    .digest();
  const part = (text: string) => Buffer.from(text, 'base64url');
  return nodeGcmOpen(cek, part(iv), Buffer.from(head), Buffer.concat([part(ciphertext), part(tag)]));
}

const common = { mechanism: 'AES-KW', as: 'JWE' } as const;

describe('to a recipient outside', () => {
  test.each([
    ['jwk', { jwk }],
    ['spki', { spki }],
  ] as const)('{ %s }: jose and node open each; one epk, fresh IVs', async (_, to) => {
    const headers = contents.map((_, i) => ({ kid: `content-${i}`, typ: 'x' }));
    const jwes = await session.rewrapKeys(blobs, { ...common, from: any, to, header: headers });
    for (const [i, jwe] of jwes.entries()) {
      expect(Buffer.compare(open(jwe), contents[i]!)).toBe(0);
      const opened = await compactDecrypt(jwe, device.privateKey);
      expect(Buffer.compare(opened.plaintext, contents[i]!)).toBe(0);
      expect(opened.protectedHeader).toMatchObject({ alg: 'ECDH-ES', enc: 'A256GCM', kid: `content-${i}`, typ: 'x' });
    }
    expect(new Set(jwes.map((jwe) => header(jwe).epk.x)).size).toBe(1);
    expect(new Set(jwes.map((jwe) => jwe.split('.')[2])).size).toBe(jwes.length);
    const [again] = await session.rewrapKeys(blobs.slice(0, 1), { ...common, from: any, to, header: { kid: 'one' } });
    expect(header(again!).epk.x).not.toBe(header(jwes[0]!).epk.x);
    expect(header(again!).kid).toBe('one');
  });

  test.each(['jwk', 'spki'] as const)(
    '{ %s } on P-384: the ephemeral key is on the recipient’s curve',
    async (form) => {
      const to = form === 'jwk' ? { jwk: device384.jwk } : { spki: device384.spki };
      const jwes = await session.rewrapKeys(blobs, { ...common, from: any, to, header: { kid: 'one' } });
      for (const [i, jwe] of jwes.entries()) {
        expect(header(jwe).epk.crv).toBe('P-384');
        expect(Buffer.compare(open(jwe, device384.privateKey), contents[i]!)).toBe(0);
        const opened = await compactDecrypt(jwe, device384.privateKey);
        expect(Buffer.compare(opened.plaintext, contents[i]!)).toBe(0);
      }
      const template = { type: 'EC', curve: 'P-384', class: 'public', usage: ['derive'] } as const;
      const key = await session.importKey(template, device384.spki);
      const [again] = await session.rewrapKeys(blobs.slice(0, 1), { ...common, from: any, to: key });
      expect(Buffer.compare(open(again!, device384.privateKey), contents[0]!)).toBe(0);
    },
  );

  test('secp256k1 is no curve of ECDH-ES, and a point of it none of another', async () => {
    const template = { type: 'EC', curve: 'secp256k1', class: 'public', usage: ['derive'] } as const;
    const key = await session.importKey(template, device256k1.spki);
    for (const to of [{ jwk: device256k1.jwk }, { spki: device256k1.spki }, key]) {
      const error = await refusal(() => session.rewrapKeys(blobs, { ...common, from: any, to }));
      expect(error.code).toBe('KEYCELL_MECHANISM_INVALID');
      expect(error.message).toContain('curve');
    }
    for (const spki of [device256k1.point, Buffer.concat([device384.point, Buffer.of(0)]), bytes(97)]) {
      expect(await code(() => session.rewrapKeys(blobs, { ...common, from: any, to: { spki } }))).toBe(
        'KEYCELL_INPUT_INVALID',
      );
    }
  });

  test('to an EC key in the HSM, and from AES-KWP', async () => {
    const template = { type: 'EC', curve: 'P-256', usage: ['derive'] } as const;
    const key = await session.importKey(template, device.privateKey.export({ format: 'der', type: 'pkcs8' }));
    const padded = contents.map((content) => nodeWrap('AES-KWP', raw, content));
    const jwes = await session.rewrapKeys(padded, { from: any, mechanism: 'AES-KWP', to: key, as: 'JWE' });
    jwes.forEach((jwe, i) => {
      expect(Buffer.compare(open(jwe), contents[i]!)).toBe(0);
    });
    const past = await session.generateKey({ ...template, notAfter: Date.now() + 100 });
    const over = await refusedAtLast(() => session.rewrapKeys(blobs, { ...common, from: any, to: past }));
    expect(over).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED', message: expect.stringContaining('notAfter') });
  });

  test('a header sets no member that is the cell’s', async () => {
    for (const name of ['alg', 'enc', 'epk', 'apu', 'apv', 'zip', 'crit', 'b64']) {
      const call = () => session.rewrapKeys(blobs, { ...common, from: any, to: { jwk }, header: { [name]: 'x' } });
      expect(await code(call)).toBe('KEYCELL_INPUT_INVALID');
    }
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const bad of [[], 5, 'x', null, circular, { big: 5n }, [{}, {}], { long: 'x'.repeat(9000) }]) {
      const call = () => session.rewrapKeys(blobs, { ...common, from: any, to: { jwk }, header: bad as never });
      if (Array.isArray(bad) && bad.length === 0) expect(await call()).toHaveLength(blobs.length);
      else expect(await code(call)).toMatch(/INPUT_INVALID|LIMIT_EXCEEDED/);
    }
  });
});

describe('inside', () => {
  test('to a wrapping key by AES-KW and AES-KWP, where any may receive', async () => {
    const target = bytes(16, 77);
    const to = await session.importKey({ type: 'AES', bits: 128, usage: ['wrap'] }, target);
    for (const as of ['AES-KW', 'AES-KWP'] as const) {
      const out = await session.rewrapKeys(blobs, { from: any, mechanism: 'AES-KW', to, as });
      out.forEach((blob, i) => {
        expect(Buffer.compare(nodeUnwrap(as, target, blob), contents[i]!)).toBe(0);
      });
    }
    expect(await code(() => session.rewrapKeys(blobs, { from: bound, mechanism: 'AES-KW', to, as: 'AES-KW' }))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    for (const as of ['AES-CBC', 'toString', undefined] as never[]) {
      expect(await code(() => session.rewrapKeys(blobs, { from: any, mechanism: 'AES-KW', to, as }))).toBe(
        'KEYCELL_MECHANISM_INVALID',
      );
    }
  });

  test('one bad blob refuses all', async () => {
    for (let bad = 0; bad < blobs.length; bad++) {
      const list = blobs.map((blob, i) => (i === bad ? Buffer.from(blob).fill(0, 3, 4) : blob));
      list[bad]![3]! ^= blobs[bad]![3] === 0 ? 1 : 0;
      expect(await code(() => session.rewrapKeys(list, { ...common, from: any, to: { jwk } }))).toBe(
        'KEYCELL_DECRYPT_FAILED',
      );
    }
    expect(await session.rewrapKeys(blobs, { ...common, from: any, to: { jwk } })).toHaveLength(blobs.length);
    expect(await session.rewrapKeys([], { ...common, from: any, to: { jwk } })).toEqual([]);
  });
});
