/** Encryption, wrapping and the life of keys through the public interface, against node:crypto, at every small length and with odd offsets. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Bytes, KeyPattern, Session } from '../../dist/index.js';
import { sealEnvelope } from '../support/reference.ts';
import { atOddOffset, bytes, code, ephemeral, nodeGcm, nodeGcmOpen, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const LENGTHS = Array.from({ length: 258 }, (_, i) => i);
const messages = LENGTHS.map((length) => atOddOffset(bytes(length, length)));
const before = messages.map((message) => Buffer.from(message));
const unchanged = () =>
  messages.forEach((message, i) => {
    expect(Buffer.compare(message, before[i]!)).toBe(0);
  });
const all = <T>(call: (message: Uint8Array, i: number) => Promise<T>): Promise<T[]> => Promise.all(messages.map(call));

describe('encryption', () => {
  test('envelopes are those of docs/formats.md at every length', async () => {
    const raw = bytes(32, 1);
    const key = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] }, raw);
    const aads = LENGTHS.map((i) => atOddOffset(bytes(257 - i, 3)));
    const envelopes = await all((m, i) => session.encrypt(key, m, { aad: aads[i]! }));
    envelopes.forEach((envelope, i) => {
      const nonce = envelope.subarray(28, 52);
      const expected = sealEnvelope(raw, key.id, 1, nonce, aads[i]!, messages[i]!);
      expect(Buffer.compare(envelope, expected)).toBe(0);
    });
    expect(new Set(envelopes.map((e) => Buffer.from(e.subarray(28, 52)).toString('hex'))).size).toBe(258);
    const opened = await all((_, i) => session.decrypt(key, atOddOffset(envelopes[i]!), { aad: aads[i]! }));
    opened.forEach((m, i) => {
      expect(Buffer.compare(m, messages[i]!)).toBe(0);
    });
    unchanged();
  });

  test.each([128, 192, 256] as const)('AES-%i-GCM both ways with node, IVs from the cell', async (bits) => {
    const raw = bytes(bits / 8, bits);
    const key = await session.importKey({ type: 'AES', bits, usage: ['encrypt', 'decrypt'] }, raw);
    const aad = bytes(21);
    const sealed = await all((m) => session.encrypt(key, m, { mechanism: 'AES-GCM', aad }));
    sealed.forEach(({ iv, ciphertext }, i) => {
      expect(iv).toHaveLength(12);
      expect(Buffer.compare(nodeGcmOpen(raw, iv, aad, ciphertext), messages[i]!)).toBe(0);
    });
    const theirs = messages.map((m, i) => nodeGcm(raw, bytes(12, i), aad, m));
    const opened = await all((_, i) =>
      session.decrypt(key, theirs[i]!, { mechanism: 'AES-GCM', iv: bytes(12, i), aad }),
    );
    opened.forEach((m, i) => {
      expect(Buffer.compare(m, messages[i]!)).toBe(0);
    });
    const call = () => session.encrypt(key, bytes(1), { mechanism: 'AES-GCM', iv: bytes(12) });
    expect(await code(call)).toBe('KEYCELL_INPUT_INVALID');
  });

  test('callerIv: the caller’s IV of any length and never the cell’s, nor an envelope', async () => {
    const raw = bytes(32, 4);
    const key = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], callerIv: true }, raw);
    for (const length of [1, 8, 12, 16, 60]) {
      const iv = bytes(length, length);
      const { ciphertext } = await session.encrypt(key, bytes(40), { mechanism: 'AES-GCM', iv });
      expect(Buffer.compare(ciphertext, nodeGcm(raw, iv, new Uint8Array(0), bytes(40)))).toBe(0);
    }
    expect(await code(() => session.encrypt(key, bytes(4), { mechanism: 'AES-GCM' }))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.encrypt(key, bytes(4)))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.generateDataKey(key, { bytes: 16 }))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('data keys reopen', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    for (const size of [1, 16, 32, 4096]) {
      const { plaintext, ciphertext } = await session.generateDataKey(key, { bytes: size, aad: bytes(5) });
      expect(plaintext).toHaveLength(size);
      expect(await session.decrypt(key, ciphertext, { aad: bytes(5) })).toEqual(plaintext);
    }
    for (const size of [0, 4097, 1.5, Number.NaN]) {
      expect(await code(() => session.generateDataKey(key, { bytes: size }))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('every truncation and every flipped bit is DECRYPT_FAILED without detail', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    const envelope = await session.encrypt(key, bytes(9), { aad: bytes(2) });
    const { iv, ciphertext } = await session.encrypt(key, bytes(9), { mechanism: 'AES-GCM' });
    const everyFault = (whole: Uint8Array) => [
      ...Array.from({ length: 8 * whole.length }, (_, bit) => {
        const altered = new Uint8Array(whole);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        return altered;
      }),
      ...Array.from({ length: whole.length }, (_, length) => whole.slice(0, length)),
      new Uint8Array([...whole, 0]),
    ];
    const failures = await Promise.all([
      ...everyFault(envelope).map((bad) => refusal(() => session.decrypt(key, bad, { aad: bytes(2) }))),
      ...everyFault(ciphertext).map((bad) => refusal(() => session.decrypt(key, bad, { mechanism: 'AES-GCM', iv }))),
      refusal(() => session.decrypt(key, envelope, { aad: bytes(3) })),
      refusal(() => session.decrypt(key, envelope)),
    ]);
    expect(new Set(failures.map((each) => each.code))).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
    expect(new Set(failures.map((each) => each.message)).size).toBe(1);
    expect(await session.decrypt(key, envelope, { aad: bytes(2) })).toEqual(bytes(9));
  });
});

describe('wrapping', () => {
  const raw = bytes(24, 8);
  let kek: AesKey;
  const kekFor = (unwrapTemplate: KeyPattern) =>
    session.importKey(
      { type: 'AES', bits: 192, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any', unwrapTemplate, persistent: false },
      raw,
    );
  beforeAll(async () => {
    kek = await kekFor({ extractable: 'plaintext' });
  });

  test('keys of every type and many lengths go out and in as node wraps them', async () => {
    const templates = [
      ...([128, 192, 256] as const).map((bits) => ({ type: 'AES', bits, usage: ['encrypt'] }) as const),
      ...Array.from({ length: 40 }, (_, i) => ({ type: 'GENERIC', bits: 8 * (i + 1), usage: ['derive'] }) as const),
      ...[112, 256, 4096].map((bits) => ({ type: 'HMAC', bits, usage: ['sign'] }) as const),
    ];
    for (const template of templates) {
      const material = bytes(template.bits / 8, template.bits);
      const key = await session.importKey({ ...template, extractable: 'plaintext', persistent: false }, material);
      const kek = await kekFor({ type: template.type, usage: template.usage, extractable: 'plaintext' });
      for (const mechanism of ['AES-KW', 'AES-KWP'] as const) {
        if (mechanism === 'AES-KW' && (template.bits % 64 !== 0 || template.bits < 128)) {
          expect(await code(() => session.wrapKey(kek, key, { mechanism }))).toBe('KEYCELL_MECHANISM_INVALID');
          continue;
        }
        const blob = await session.wrapKey(kek, key, { mechanism });
        expect(Buffer.compare(blob, nodeWrap(mechanism, raw, material))).toBe(0);
        const again = await session.unwrapKey(
          kek,
          atOddOffset(blob),
          { ...template, extractable: 'plaintext' },
          { mechanism },
        );
        expect(again.persistent).toBe(false);
        expect(await session.exportKey(again)).toEqual(material);
      }
    }
  });

  test('every flipped bit and truncation of a blob is DECRYPT_FAILED', async () => {
    for (const mechanism of ['AES-KW', 'AES-KWP'] as const) {
      const blob = nodeWrap(mechanism, raw, bytes(16));
      const faults = [
        ...Array.from({ length: 8 * blob.length }, (_, bit) => {
          const altered = new Uint8Array(blob);
          altered[bit >> 3]! ^= 1 << (bit & 7);
          return altered;
        }),
        ...Array.from({ length: blob.length }, (_, length) => blob.subarray(0, length)),
        new Uint8Array(600),
      ];
      const template = { type: 'AES', bits: 128, usage: [] } as const;
      const codes = await Promise.all(
        faults.map((bad) => code(() => session.unwrapKey(kek, bad, template, { mechanism }))),
      );
      expect(new Set(codes)).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
      expect((await session.unwrapKey(kek, blob, template, { mechanism })).bits).toBe(128);
    }
  });
});

test('what comes later is refused as such', async () => {
  const error = await refusal(() => session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'], maxUses: 3 }));
  expect(error.code).toBe('KEYCELL_MECHANISM_INVALID');
  expect(error.message).toContain('later');
});

describe('import, export and the life of keys', () => {
  test('secrets: wiped where asked, a function’s always, and left alone otherwise', async () => {
    const template = { type: 'AES', bits: 128, usage: [], extractable: 'plaintext', persistent: false } as const;
    const kept = bytes(16);
    const wiped = bytes(16);
    const given = bytes(16);
    const keys = [
      await session.importKey(template, kept),
      await session.importKey(template, wiped, { wipe: true }),
      await session.importKey(template, async () => given),
    ];
    for (const key of keys) expect(await session.exportKey(key)).toEqual(bytes(16));
    expect([kept, wiped, given]).toEqual([bytes(16), new Uint8Array(16), new Uint8Array(16)]);
    expect(await code(() => session.importKey(template, bytes(15)))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('an input changed right after the call does not matter', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    const pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
    const changed = <T>(call: (input: Bytes) => Promise<T>): Promise<T> => {
      const input = bytes(50);
      const result = call(input);
      input.fill(0);
      return result;
    };
    expect(await session.decrypt(key, await changed((m) => session.encrypt(key, m)))).toEqual(bytes(50));
    expect(await session.verify(pair, await changed((m) => session.sign(pair, m)), bytes(50))).toBe(true);
    const envelope = await session.encrypt(key, bytes(7), { aad: bytes(50) });
    expect(await changed((aad) => session.decrypt(key, envelope, { aad }))).toEqual(bytes(7));
    const made = await changed((m) =>
      session.importKey({ type: 'GENERIC', bits: 400, usage: [], extractable: 'plaintext' }, m),
    );
    expect(await session.exportKey(made)).toEqual(bytes(50));
  });

  test('ensureKey makes one key, whoever asks and how often', async () => {
    const template = {
      type: 'AES',
      bits: 256,
      label: 'one',
      usage: ['unwrap', 'wrap'],
      unwrapTemplate: { usage: ['decrypt', 'encrypt'] },
    } as const;
    const keys = await Promise.all(Array.from({ length: 20 }, () => session.ensureKey(template)));
    expect(new Set(keys.map((key) => key.id)).size).toBe(1);
    expect((await session.ensureKey(template)).id).toBe(keys[0]!.id);
    expect(await code(() => session.ensureKey({ ...template, bits: 128 }))).toBe('KEYCELL_KEY_CONFLICT');
    expect(await code(() => session.generateKey(template))).toBe('KEYCELL_KEY_CONFLICT');
    const mixed = await Promise.allSettled(
      [128, 256].map((bits) => session.ensureKey({ type: 'AES', bits: bits as 128, label: 'two', usage: [] })),
    );
    expect(mixed.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((mixed.find((each) => each.status === 'rejected') as PromiseRejectedResult).reason.code).toBe(
      'KEYCELL_KEY_CONFLICT',
    );
  });

  test('found, changed, destroyed; stale handles name nothing', async () => {
    const key = await session.generateKey({
      type: 'HMAC',
      bits: 256,
      label: 'mac',
      usage: ['sign'],
      extractable: 'plaintext',
      id: 'ab'.repeat(16),
    });
    expect(key).toMatchObject({ id: 'ab'.repeat(16), local: true, neverExtractable: false });
    expect((await session.getKey({ label: 'mac', type: 'HMAC' })).id).toBe(key.id);
    expect(await code(() => session.getKey({ label: 'mac', type: 'AES' }))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await code(() => session.getKey({}))).toBe('KEYCELL_KEY_AMBIGUOUS');
    const changed = await session.setAttributes(key, { label: 'mac2', extractable: 'wrapped' });
    expect(changed).toMatchObject({ label: 'mac2', extractable: 'wrapped' });
    // The old handle names the same key, and the key's record decides.
    expect(await code(() => session.exportKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    const found = [];
    for await (const each of session.findKeys({ type: 'HMAC' })) found.push(each.label);
    expect(found).toEqual(['mac2']);
    await session.destroyKey(changed);
    for (const stale of [key, changed])
      expect(await code(() => session.sign(stale, bytes(1)))).toBe('KEYCELL_KEY_NOT_FOUND');
    const short = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
    await session.destroyKey(short);
    expect(await code(() => session.sign(short, bytes(1)))).toBe('KEYCELL_KEY_NOT_FOUND');
  });

  test('random bytes', async () => {
    expect(await session.random(65536)).toHaveLength(65536);
    expect(Buffer.compare(await session.random(32), await session.random(32))).not.toBe(0);
    for (const bad of [0, 65537, -1, 1.5, '4' as never])
      expect(await code(() => session.random(bad))).toBe('KEYCELL_INPUT_INVALID');
  });
});
