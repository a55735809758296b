/** reencrypt: an envelope from one key to another, without its plaintext on the way. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Session } from '../../dist/index.js';
import { sealEnvelope } from '../support/reference.ts';
import { atOddOffset, bytes, code, ephemeral, refusedAtLast } from './support.ts';

const it = ephemeral();
const rawFrom = bytes(32, 1);
let session: Session;
let from: AesKey;
let to: AesKey;

beforeAll(async () => {
  session = it.session;
  from = await session.importKey({ type: 'AES', bits: 256, usage: ['decrypt'] }, rawFrom);
  to = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt'] }, bytes(32, 2));
});

/** `to` again, by somebody who may read. */
const reader = () =>
  session.importKey(
    { type: 'AES', bits: 256, usage: ['decrypt'], persistent: false, id: to.id, label: 'reader' },
    bytes(32, 2),
  );
const sealed = (plaintext: Uint8Array, aad: Uint8Array, seed = 0) =>
  sealEnvelope(rawFrom, from.id, 1, bytes(24, seed), aad, plaintext);

describe('an envelope', () => {
  test('of every small length opens under the other key, and says the same', async () => {
    const key = await reader();
    await Promise.all(
      Array.from({ length: 258 }, async (_, length) => {
        const plaintext = bytes(length, length);
        const aad = bytes(length % 40, 5);
        const envelope = atOddOffset(sealed(plaintext, aad, length));
        const before = Buffer.from(envelope);
        const out = await session.reencrypt(from, envelope, { to, aad });
        expect(out.length).toBe(envelope.length);
        expect(Buffer.from(out.subarray(8, 24)).toString('hex')).toBe(to.id);
        expect(Buffer.compare(await session.decrypt(key, out, { aad }), plaintext)).toBe(0);
        expect(Buffer.compare(envelope, before)).toBe(0);
      }),
    );
  });

  test('other associated data, the same key again, and 15 MiB', async () => {
    const key = await reader();
    const aad = bytes(7);
    const plaintext = bytes(100);
    const out = await session.reencrypt(from, sealed(plaintext, aad), { to, aad, toAad: bytes(3) });
    expect(Buffer.compare(await session.decrypt(key, out, { aad: bytes(3) }), plaintext)).toBe(0);
    expect(await code(() => session.decrypt(key, out, { aad }))).toBe('KEYCELL_DECRYPT_FAILED');
    const none = await session.reencrypt(from, sealed(plaintext, aad), { to, aad, toAad: new Uint8Array(0) });
    expect(Buffer.compare(await session.decrypt(key, none), plaintext)).toBe(0);
    const both = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] }, bytes(32, 3));
    const first = await session.encrypt(both, plaintext);
    const second = await session.reencrypt(both, first, { to: both });
    expect(Buffer.compare(first, second)).not.toBe(0);
    expect(Buffer.compare(await session.decrypt(both, second), plaintext)).toBe(0);
    for (const bits of [128, 192] as const) {
      const small = await session.importKey({ type: 'AES', bits, usage: ['encrypt', 'decrypt'] }, bytes(bits / 8, 4));
      const moved = await session.reencrypt(both, first, { to: small });
      const nonce = moved.subarray(28, 52);
      expect(Buffer.compare(moved, sealEnvelope(bytes(bits / 8, 4), small.id, 1, nonce, bytes(0), plaintext))).toBe(0);
      expect(Buffer.compare(await session.decrypt(small, moved), plaintext)).toBe(0);
    }
    const large = new Uint8Array(15 << 20).fill(9);
    const moved = await session.reencrypt(from, sealed(large, aad), { to, aad });
    expect(Buffer.compare(await session.decrypt(key, moved, { aad }), large)).toBe(0);
  });
});

describe('is refused', () => {
  test('for damage, as decrypt refuses it', async () => {
    const aad = bytes(4);
    const whole = sealed(bytes(20), aad);
    const attempt = (envelope: Uint8Array, more = { aad }) =>
      code(() => session.reencrypt(from, envelope, { to, ...more }));
    const codes = await Promise.all([
      ...Array.from({ length: whole.length }, (_, i) => {
        const damaged = Buffer.from(whole);
        damaged[i]! ^= 1 << (i & 7);
        return attempt(damaged);
      }),
      ...Array.from({ length: whole.length }, (_, length) => attempt(whole.subarray(0, length))),
      attempt(Buffer.concat([whole, Buffer.of(0)])),
      attempt(whole, { aad: bytes(3) }),
    ]);
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
  });

  test('without both usages, and for callerIv', async () => {
    const envelope = sealed(bytes(5), bytes(0));
    const make = (template: object) => session.generateKey({ type: 'AES', bits: 256, ...template } as never) as never;
    const attempt = async (key: Promise<AesKey> | AesKey, target: Promise<AesKey> | AesKey) => {
      const options = { to: await target };
      const source = await key;
      return code(() => session.reencrypt(source, envelope, options));
    };
    expect(await attempt(to, to)).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await attempt(from, from)).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await attempt(from, make({ usage: ['wrap'] }))).toBe('KEYCELL_PERMISSION_DENIED');
    const ending = await session.generateKey({
      type: 'AES',
      bits: 256,
      usage: ['encrypt'],
      notAfter: Date.now() + 100,
    });
    const over = await refusedAtLast(() => session.reencrypt(from, envelope, { to: ending }));
    expect(over).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED', message: expect.stringContaining('notAfter') });
    expect(await attempt(from, make({ usage: ['encrypt'], callerIv: true }))).toBe('KEYCELL_INPUT_INVALID');
    expect(await attempt(make({ usage: ['decrypt'], callerIv: true }), to)).toBe('KEYCELL_INPUT_INVALID');
    expect(await attempt(make({ usage: ['decrypt'] }), to)).toBe('KEYCELL_DECRYPT_FAILED');
    expect(await code(() => session.reencrypt(from, envelope, {} as never))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await code(() => session.reencrypt(from, envelope, null as never))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.reencrypt(from, 'x' as never, { to }))).toBe('KEYCELL_INPUT_INVALID');
  });
});
