/** Of a call that takes a list, the error says which item was at fault. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import type { AesKey, EcKey, HmacKey, PublicJwk, Session } from '../../dist/index.js';
import { signCompact, verifyCompact } from '../../dist/jose/index.js';
import { bytes, ephemeral, nodeGcm, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
const raw = bytes(32, 1);
let session: Session;
let from: AesKey;
let to: AesKey;
let pair: EcKey;
let mac: HmacKey;
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }) as PublicJwk;

beforeAll(async () => {
  session = it.session;
  from = await session.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: 'any' }, raw);
  to = await session.generateKey({ type: 'AES', bits: 256, usage: ['wrap'] });
  pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  mac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] });
});

const BLOBS = 4096;
const good = nodeWrap('AES-KW', raw, bytes(16, 2));
const list = (at: number, bad: unknown, length = BLOBS) =>
  Array.from({ length }, (_, i) => (i === at ? bad : good)) as Uint8Array[];

function damaged(blob: Uint8Array): Uint8Array {
  const own = new Uint8Array(blob);
  own[3]! ^= 1;
  return own;
}

test.each([0, 1, 2047, BLOBS - 1])('rewrapKeys: blob %i of 4096 is not authentic', async (at) => {
  for (const options of [
    { from, to, mechanism: 'AES-KW', as: 'AES-KW' },
    { from, to: { jwk }, mechanism: 'AES-KW', as: 'JWE' },
  ] as const) {
    const blobs = list(at, damaged(good));
    const error = await refusal(() => session.rewrapKeys(blobs, options as never));
    expect(error).toMatchObject({ code: 'KEYCELL_DECRYPT_FAILED', index: at });
    expect(error.message).toMatch(new RegExp(`, at index ${at}$`));
  }
});

test('rewrapKeys: of several, the first; none without a list', async () => {
  const blobs = [good, damaged(good), damaged(good)];
  const error = await refusal(() => session.rewrapKeys(blobs, { from, to, mechanism: 'AES-KW', as: 'AES-KW' }));
  expect(error.index).toBe(1);
  const template = { type: 'AES', bits: 128, usage: ['encrypt'] } as const;
  const alone = await refusal(() => session.unwrapKey(from, damaged(good), template, { mechanism: 'AES-KW' }));
  expect(alone).toMatchObject({ code: 'KEYCELL_DECRYPT_FAILED', index: undefined });
  expect(alone.message).not.toContain('index');
});

test('rewrapKeys: by AES-GCM, a blob of a bad length, one that is none, a key too short for what it holds', async () => {
  const gcm = nodeGcm(raw, bytes(12), new Uint8Array(0), bytes(16, 3));
  const sealed = new Uint8Array([...bytes(12), ...gcm]);
  const blobs = [sealed, sealed, damaged(sealed)];
  const byGcm = await refusal(() => session.rewrapKeys(blobs, { from, to, mechanism: 'AES-GCM', as: 'AES-KW' }));
  expect(byGcm).toMatchObject({ code: 'KEYCELL_DECRYPT_FAILED', index: 2 });
  for (const bad of [bytes(23), new Uint8Array(0), undefined, 'text', 5]) {
    const call = () => session.rewrapKeys(list(7, bad, 9), { from, to, mechanism: 'AES-KW', as: 'AES-KW' });
    expect(await refusal(call)).toMatchObject({ index: 7 });
  }
});

test('rewrapKeys: the header that JSON or JWE does not allow', async () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const three = list(-1, undefined, 3);
  for (const [bad, code] of [
    [circular, 'KEYCELL_INPUT_INVALID'],
    [{ alg: 'none' }, 'KEYCELL_INPUT_INVALID'],
    [{ a: 'x'.repeat(9000) }, 'KEYCELL_LIMIT_EXCEEDED'],
  ] as const) {
    const options = { from, to: { jwk }, mechanism: 'AES-KW', as: 'JWE' } as const;
    const many = await refusal(() => session.rewrapKeys(three, { ...options, header: [{ a: 1 }, { b: 2 }, bad] }));
    expect(many).toMatchObject({ code, index: 2 });
    // One for all of them is nobody's own.
    const one = await refusal(() => session.rewrapKeys(three, { ...options, header: bad }));
    expect(one).toMatchObject({ code, index: undefined });
  }
});

test('signMany: the message that is none, in whichever wave', async () => {
  for (const at of [0, 1500, 2999]) {
    for (const bad of [undefined, 'text', new Uint8Array(17 * 1024 * 1024)]) {
      const messages = list(at, bad, 3000);
      const error = await refusal(() => session.signMany(mac, messages));
      expect(error).toMatchObject({ code: expect.stringMatching(/INPUT_INVALID|LIMIT_EXCEEDED/), index: at });
    }
  }
  const call = await refusal(() => session.signMany(to as never, [bytes(3)]));
  expect(call).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED', index: undefined });
});

test('verifyCompact: the key that is none', async () => {
  const token = await signCompact(session, pair, bytes(3));
  const keys = [pair, { kid: 'x', key: jwk }, bytes(50)];
  const error = await refusal(() => verifyCompact(session, keys, token));
  expect(error).toMatchObject({ code: 'KEYCELL_INPUT_INVALID', index: 2 });
});
