/** Bad input of every kind gives its code and leaves the HSM working; deadlines, aborts and a full queue; no error tells a secret. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AesKey, type EcKey, HsmError, openEphemeralHsm, type Session } from '../../dist/index.js';
import { bytes, code, ephemeral, nodeWrap, refusal, refusedAtLast } from './support.ts';

const it = ephemeral();
let session: Session;
let aes: AesKey;
let small: AesKey;
let kek: AesKey;
let pair: EcKey;
const raw = bytes(32, 1);
const KW = { mechanism: 'AES-KW' } as const;

beforeAll(async () => {
  session = it.session;
  aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
  small = await session.generateKey({ type: 'AES', bits: 128, usage: ['encrypt', 'decrypt'] });
  kek = await session.importKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' }, raw);
  pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify', 'derive'] });
});

const works = async () => expect(await session.decrypt(aes, await session.encrypt(aes, bytes(3)))).toEqual(bytes(3));
/** Handles that a caller made: each of them is of a key that exists, but for one member. */
function* wrongHandles(of: AesKey | EcKey): Generator<[string, object]> {
  const values = [undefined, null, -1, 1e12, 'text', Symbol.iterator, {}, [], () => 5, new Date(Number.NaN)];
  for (const member of [...Object.keys(of), 'publicKey', 'curve']) {
    for (const value of values) yield [`${member}: ${typeof value}`, { ...of, [member]: value }];
  }
}

const loose = () => session as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;

describe('bad input', () => {
  test('a handle of the caller’s own make, whatever is wrong with it', async () => {
    async function* pieces() {
      yield bytes(3);
    }
    const imported = { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] } as const;
    const other = await session.importKey(imported, pair.publicKey);
    for (const of of [aes, pair, other]) {
      for (const [wrong, key] of wrongHandles(of)) {
        const calls: [string, unknown[]][] = [
          ['sign', [key, bytes(3)]],
          ['sign', [key, pieces()]],
          ['verify', [key, bytes(64), pieces()]],
          ['encrypt', [key, bytes(3)]],
          ['wrapKey', [kek, key, KW]],
          ['exportKey', [key]],
          ['setAttributes', [key, { trusted: true }]],
          ['deriveKey', [key, { mechanism: 'ECDH', publicKey: pair.publicKey, kdf: { name: 'none' } }, {}]],
        ];
        for (const [name, args] of calls) {
          const refused = await loose()
            [name]!.call(session, ...args)
            .catch((error) => error);
          if (refused instanceof Error && !(refused instanceof HsmError))
            throw new Error(`${name} of ${wrong}`, { cause: refused });
        }
      }
    }
  });

  test('wrong types, wherever a value is expected', async () => {
    const wrong = [undefined, null, 5, 'text', true, {}, [], () => 5, Symbol.iterator, 5n, new ArrayBuffer(4), [1, 2]];
    for (const value of wrong) {
      const calls: [string, unknown[]][] = [
        ['sign', [pair, value]],
        ['sign', [value, bytes(3)]],
        ['verify', [pair, value, bytes(3)]],
        ['verify', [pair, bytes(64), value]],
        ['encrypt', [aes, value]],
        ['encrypt', [value, bytes(3)]],
        ['decrypt', [aes, value]],
        ['decrypt', [value, bytes(80)]],
        ['wrapKey', [kek, value, KW]],
        ['wrapKey', [value, aes, KW]],
        ['unwrapKey', [kek, value, { type: 'AES', bits: 128, usage: [] }, KW]],
        ['unwrapKey', [kek, bytes(24), value, KW]],
        ['deriveKey', [value, { mechanism: 'ECDH', publicKey: pair.publicKey, kdf: { name: 'none' } }, {}]],
        ['generateKey', [value]],
        ['importKey', [{ type: 'AES', bits: 128, usage: [] }, value]],
        ['importKey', [value, bytes(16)]],
        ['exportKey', [value]],
        ['destroyKey', [value]],
        ['setAttributes', [value, {}]],
        ['signMany', [pair, [value]]],
      ];
      for (const [name, args] of calls) {
        const found = await code(() => loose()[name]!.call(session, ...args));
        expect([name, found]).toEqual([name, expect.stringMatching(/INPUT_INVALID|KEY_NOT_FOUND|MECHANISM_INVALID/)]);
      }
    }
    for (const value of [null, 5, 'text', true]) {
      const calls: [string, unknown[]][] = [
        ['sign', [pair, bytes(3), value]],
        ['verify', [pair, bytes(64), bytes(3), value]],
        ['encrypt', [aes, bytes(3), value]],
        ['decrypt', [aes, bytes(80), value]],
        ['wrapKey', [kek, aes, value]],
        ['unwrapKey', [kek, bytes(24), { type: 'AES', bits: 128, usage: [] }, value]],
        ['rewrapKeys', [[], value]],
        ['rewrapKeys', [value, { from: kek, mechanism: 'AES-KW', to: { jwk: pair.jwk }, as: 'JWE' }]],
        ['deriveKey', [pair, value, { type: 'AES', bits: 128, usage: [] }]],
        ['generateDataKey', [aes, value]],
        ['setAttributes', [aes, value]],
        ['random', [4, value]],
        ['random', [4, { signal: value }]],
      ];
      for (const [name, args] of calls) {
        const found = await code(() => loose()[name]!.call(session, ...args));
        expect([name, found]).toEqual([name, 'KEYCELL_INPUT_INVALID']);
      }
    }
    await works();
  });

  test('templates with nonsense', async () => {
    const template = { type: 'AES', bits: 128, usage: ['unwrap'] };
    const nonsense: object[] = [
      { type: 'RSA' },
      { type: undefined },
      { bits: 5 },
      { bits: '128' },
      { bits: -128 },
      { bits: Number.NaN },
      { bits: 65664 },
      { usage: undefined },
      { usage: 'unwrap' },
      { usage: ['derive'] },
      { usage: ['toString'] },
      { usage: [null] },
      { label: '' },
      { label: 5 },
      { label: 'x'.repeat(129) },
      { id: 'zz' },
      { id: 5 },
      { id: '0'.repeat(32) },
      { id: 'AB'.repeat(16) },
      { extractable: true },
      { extractable: 'yes' },
      { notBefore: 'x' },
      { notBefore: null },
      { notBefore: -1 },
      { notAfter: new Date(Number.NaN) },
      { notBefore: 10, notAfter: 10 },
      { rewrapPolicy: 5 },
      { rewrapPolicy: {} },
      { rewrapPolicy: 'issuer' },
      { rewrapPolicy: { issuer: null } },
      { rewrapPolicy: { issuer: aes } },
      { unwrapTemplate: null },
      { unwrapTemplate: 5 },
      { unwrapTemplate: { type: 'X' } },
      { unwrapTemplate: { bits: -1 } },
      { unwrapTemplate: { usage: ['x'] } },
      { unwrapTemplate: { extractable: 'x' } },
      { type: 'HMAC', usage: ['sign'], bits: 104 },
      { type: 'HMAC', usage: ['sign'], bits: 4104 },
      { type: 'HMAC', usage: ['sign'], bits: 129 },
      { type: 'GENERIC', usage: [], bits: 0 },
      { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] },
      { type: 'EC', curve: 'P-256', class: 'x', usage: [] },
      { type: 'EC', curve: 'P-521', usage: [] },
      { type: 'EC', usage: [] },
      { type: 'AES', usage: ['sign', 'encrypt'] },
    ];
    for (const each of nonsense) {
      const found = await code(() => session.generateKey({ ...template, ...each } as never));
      expect([each, found]).toEqual([each, expect.stringMatching(/INPUT_INVALID|PERMISSION_DENIED/)]);
    }
    const missing = { ...template, rewrapPolicy: { issuer: { id: 'ab'.repeat(16) } } };
    expect(await code(() => session.generateKey(missing as never))).toBe('KEYCELL_KEY_NOT_FOUND');
    await works();
  });

  test('options that mean nothing are not taken for something else', async () => {
    const ecdh = { mechanism: 'ECDH', publicKey: pair.publicKey } as const;
    const out = await session.generateKey({ type: 'AES', bits: 128, usage: [], extractable: 'wrapped' });
    const target = { type: 'AES', bits: 128, usage: [] };
    const concat = { name: 'concat', hash: 'SHA-256', algorithm: 'A' };
    for (const [name, ...args] of [
      ['sign', pair, bytes(1), { nonce: 'x' }],
      ['sign', pair, bytes(1), { format: 'x' }],
      ['sign', pair, bytes(1), { hash: 'MD5' }],
      ['deriveKey', pair, { ...ecdh, kdf: { ...concat, hash: 'SHA-3' } }, target],
      ['deriveKey', pair, { ...ecdh, kdf: { ...concat, apu: 'abc' } }, target],
      ['deriveKey', pair, { ...ecdh, kdf: { ...concat, algorithm: 5 } }, target],
      ['deriveKey', pair, { ...ecdh, kdf: { name: 'sp800-108', hash: 'SHA-256' } }, target],
      ['deriveKey', pair, { ...ecdh, mechanism: 'X', kdf: concat }, target],
      ['wrapKey', kek, out, { mechanism: 'constructor' }],
      ['encrypt', aes, bytes(1), { mechanism: 'ROT13' }],
      ['setAttributes', aes, { usage: [] }],
      ['setAttributes', aes, { label: '' }],
      ['setAttributes', aes, { trusted: 'yes' }],
      ['rewrapKeys', [], { from: kek, mechanism: 'AES-KW', to: { jwk: pair.jwk, proof: 5 }, as: 'JWE' }],
      ['rewrapKeys', [], { from: kek, mechanism: 'AES-KW', to: null, as: 'JWE' }],
    ] as [string, ...unknown[]][]) {
      const found = await code(() => loose()[name]!.call(session, ...args));
      expect([name, found]).toEqual([name, expect.stringMatching(/INPUT_INVALID|MECHANISM_INVALID/)]);
    }
    await works();
  });

  test('wrong keys, missing usages and keys out of their time', async () => {
    const early = await session.generateKey({
      type: 'AES',
      bits: 256,
      usage: ['encrypt'],
      notBefore: Date.now() + 60_000,
    });
    const late = await session.generateKey({
      type: 'AES',
      bits: 256,
      usage: ['encrypt'],
      notAfter: new Date(Date.now() + 100),
    });
    expect((await refusal(() => session.encrypt(early, bytes(1)))).message).toContain('notBefore');
    const over = await refusedAtLast(() => session.encrypt(late, bytes(1)));
    expect(over).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED', message: expect.stringContaining('notAfter') });
    expect(await code(() => session.encrypt(kek, bytes(1)))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.sign(aes, bytes(1)))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.sign({ ...aes, type: 'GENERIC' } as never, bytes(1)))).toBe(
      'KEYCELL_MECHANISM_INVALID',
    );
    expect(await session.encrypt(small, bytes(1))).toHaveLength(69);
    expect(await code(() => session.encrypt(pair as never, bytes(1)))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.wrapKey(pair as never, aes, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(
      await code(() =>
        session.deriveKey(
          pair,
          { mechanism: 'KDF', kdf: { name: 'sp800-108', hash: 'SHA-256', label: bytes(1) } },
          { type: 'AES', bits: 128, usage: [] },
        ),
      ),
    ).toBe('KEYCELL_MECHANISM_INVALID');
    await works();
  });

  test('more than 16 MiB', async () => {
    const large = new Uint8Array(16 * 1024 * 1024 + 1);
    expect(await code(() => session.encrypt(aes, large))).toBe('KEYCELL_LIMIT_EXCEEDED');
    expect(await code(() => session.sign(pair, large))).toBe('KEYCELL_LIMIT_EXCEEDED');
    const exact = large.subarray(1);
    const envelope = await session.encrypt(aes, exact);
    expect(envelope).toHaveLength(exact.length + 68);
    const both = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    exact.fill(7);
    // What was encrypted comes back, however large.
    const moved = await session.reencrypt(both, await session.encrypt(both, exact), { to: both });
    expect(Buffer.compare(await session.decrypt(both, moved), exact)).toBe(0);
    const gcm = { mechanism: 'AES-GCM' } as const;
    const { iv, ciphertext } = await session.encrypt(both, exact, gcm);
    expect(Buffer.compare(await session.decrypt(both, ciphertext, { ...gcm, iv }), exact)).toBe(0);
    await works();
  });
});

describe('deadlines, aborts, a full queue', () => {
  test('a timeout, before and during', async () => {
    expect(await refusal(() => session.random(4, { timeout: 0 }))).toMatchObject({
      code: 'KEYCELL_TIMEOUT',
      retryable: true,
      outcome: 'not-executed',
    });
    const big = new Uint8Array(8 * 1024 * 1024);
    const slow = Array.from({ length: 4 }, () => session.encrypt(aes, big));
    // They are in the cells by then: one that comes with them goes first.
    await Promise.resolve();
    expect((await refusal(() => session.random(4, { timeout: 1 }))).code).toBe('KEYCELL_TIMEOUT');
    await Promise.all(slow);
    expect(await session.random(4, { timeout: 10_000 })).toHaveLength(4);
  });

  test('a signal, before and during', async () => {
    const reason = new Error('enough');
    const early = await refusal(() => session.random(4, { signal: AbortSignal.abort(reason) }));
    expect(early).toMatchObject({ code: 'KEYCELL_ABORTED', retryable: false, outcome: 'not-executed', cause: reason });
    const controller = new AbortController();
    const call = refusal(() => session.encrypt(aes, new Uint8Array(8 * 1024 * 1024), { signal: controller.signal }));
    controller.abort();
    expect((await call).code).toBe('KEYCELL_ABORTED');
    await works();
  });

  test('BUSY beyond the limit of the queue, and all that was taken is done', async () => {
    const { hsm, session: own } = await openEphemeralHsm({ workers: 1, queueLimit: 4 });
    try {
      const key = await own.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
      const calls = Array.from({ length: 200 }, (_, i) => own.sign(key, bytes(i)));
      const settled = await Promise.allSettled(calls);
      const refused = settled.filter((each) => each.status === 'rejected');
      expect(refused.length).toBeGreaterThan(0);
      expect(refused.length).toBeLessThan(200);
      for (const { reason } of refused)
        expect(reason).toMatchObject({ code: 'KEYCELL_BUSY', retryable: true, outcome: 'not-executed' });
      for (const [i, each] of settled.entries()) {
        if (each.status === 'fulfilled') expect(await own.verify(key, each.value, bytes(i))).toBe(true);
      }
      // signMany sends in waves that fit.
      expect(
        await own.signMany(
          key,
          Array.from({ length: 100 }, (_, i) => bytes(i)),
        ),
      ).toHaveLength(100);
    } finally {
      await hsm.close();
    }
  });

  test('after close, nothing is served', async () => {
    const { hsm, session: own } = await openEphemeralHsm({ workers: 1 });
    await hsm.close();
    expect(await code(() => own.random(4))).toMatch(/CLOSING|SESSION_REVOKED/);
  });
});

test('no error tells a byte of its input', async () => {
  const secret = fc.uint8Array({ minLength: 8, maxLength: 64 });
  const property = fc.asyncProperty(secret, async (input) => {
    const text = Buffer.from(input).toString('base64url');
    const kwp = { mechanism: 'AES-KWP' } as const;
    const template = { type: 'AES', bits: 128, usage: [], extractable: 'plaintext' } as const;
    const failures = await Promise.allSettled([
      session.decrypt(aes, input),
      session.decrypt(small, input, { mechanism: 'AES-GCM', iv: input }),
      session.importKey(
        { type: 'EC', curve: 'P-256', usage: [] },
        input.length === 32 ? new Uint8Array([...input, 1]) : input,
      ),
      session.importKey({ type: 'HMAC', bits: 4096, usage: [] }, input),
      session.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: [] }, input),
      session.unwrapKey(kek, input, template, KW),
      session.unwrapKey(kek, nodeWrap('AES-KWP', raw, input), template, kwp),
      session.sign(pair, new Uint8Array([...input, ...bytes(100)]), { prehashed: true }),
      session.generateKey({ type: 'AES', bits: 128, usage: [text as never] }),
      session.generateKey({ type: 'AES', bits: 128, usage: [], label: text.repeat(40) }),
      session.rewrapKeys([input], { from: kek, mechanism: 'AES-KW', to: { jwk: { ...pair.jwk, x: text } }, as: 'JWE' }),
    ]);
    for (const each of failures) {
      if (each.status === 'fulfilled') throw new Error('a bad input was accepted');
      expect(each.reason).toBeInstanceOf(HsmError);
      const told = `${each.reason.message} ${each.reason.stack} ${String(each.reason.cause ?? '')}`;
      for (const form of [
        Buffer.from(input).toString('hex'),
        Buffer.from(input).toString('base64'),
        text,
        Buffer.from(input).toString('latin1'),
      ]) {
        expect(told.includes(form)).toBe(false);
      }
    }
  });
  await fc.assert(property, { numRuns: 40, endOnFailure: true });
  await works();
});
