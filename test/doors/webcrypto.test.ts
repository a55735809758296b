/** `keycell/webcrypto` beside Node's own WebCrypto: the same calls, the same results, the same errors. */
import { webcrypto as node } from 'node:crypto';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SessionCrypto, webcrypto } from '../../dist/doors/webcrypto/index.js';
import type { HsmError } from '../../dist/index.js';
import { atOddOffset, bytes, ephemeral } from '../operations/support.ts';

type CryptoKey = node.CryptoKey;
type CryptoKeyPair = node.CryptoKeyPair;
type KeyUsage = node.KeyUsage;

const hsm = ephemeral();
const theirs = node.subtle;
let crypto: SessionCrypto;
let ours: SessionCrypto['subtle'];
beforeAll(() => {
  crypto = webcrypto(hsm.session);
  ours = crypto.subtle;
});

const CURVES = ['P-256', 'P-384'] as const;
const HASHES = ['SHA-256', 'SHA-384', 'SHA-512'] as const;
const LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 1000];
const raw = (buffer: ArrayBuffer): Buffer => Buffer.from(buffer);

/** The name of a failure; an HsmError stands behind those that the HSM gave. */
async function failure(call: () => Promise<unknown>): Promise<{ name: string; cause: unknown }> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof DOMException)) return { name: (error as Error).constructor.name, cause: undefined };
    return { name: error.name, cause: error.cause };
  }
  throw new Error('the call did not fail');
}
const nameOf = async (call: () => Promise<unknown>): Promise<string> => (await failure(call)).name;

describe.each(CURVES)('ECDSA, %s', (namedCurve) => {
  const ecdsa = { name: 'ECDSA', namedCurve } as const;

  test.each(HASHES)('with %s, both ways', async (hash) => {
    const params = { name: 'ecdsa', hash: { name: hash } };
    const mine = (await ours.generateKey(ecdsa, false, ['sign', 'verify'])) as CryptoKeyPair;
    const other = (await theirs.generateKey(ecdsa, true, ['sign', 'verify'])) as CryptoKeyPair;
    const spki = await ours.exportKey('spki', mine.publicKey);
    const mineThere = await theirs.importKey('spki', spki, ecdsa, true, ['verify']);
    const otherSpki = await theirs.exportKey('spki', other.publicKey);
    const otherHere = await ours.importKey('spki', otherSpki, ecdsa, true, ['verify']);
    for (const length of LENGTHS) {
      const data = atOddOffset(bytes(length));
      const signature = await ours.sign(params, mine.privateKey, data);
      expect(await theirs.verify(params, mineThere, signature, data)).toBe(true);
      expect(await ours.verify(params, mine.publicKey, signature, data)).toBe(true);
      const foreign = await theirs.sign(params, other.privateKey, data);
      expect(await ours.verify(params, otherHere, foreign, data)).toBe(true);
      expect(await ours.verify(params, mine.publicKey, foreign, data)).toBe(false);
    }
    expect(await ours.verify(params, mine.publicKey, new ArrayBuffer(0), bytes(1))).toBe(false);
  });

  test('the shape of a pair', async () => {
    const { privateKey, publicKey } = (await ours.generateKey(ecdsa, false, ['verify', 'sign'])) as CryptoKeyPair;
    expect([privateKey.type, privateKey.extractable, privateKey.usages]).toEqual(['private', false, ['sign']]);
    expect([publicKey.type, publicKey.extractable, publicKey.usages]).toEqual(['public', true, ['verify']]);
    expect(privateKey.algorithm).toEqual({ name: 'ECDSA', namedCurve });
    expect(Object.prototype.toString.call(privateKey)).toBe('[object CryptoKey]');
    expect(JSON.stringify(privateKey)).not.toContain('handle');
  });

  test('public keys in every format, in and out as Node does', async () => {
    const { publicKey } = (await ours.generateKey(ecdsa, false, ['sign', 'verify'])) as CryptoKeyPair;
    const there = await theirs.importKey('spki', await ours.exportKey('spki', publicKey), ecdsa, true, ['verify']);
    for (const format of ['spki', 'raw'] as const) {
      const exported = await ours.exportKey(format, publicKey);
      expect(raw(exported)).toEqual(raw(await theirs.exportKey(format, there)));
      const back = await ours.importKey(format, exported, ecdsa, true, ['verify']);
      expect(raw(await ours.exportKey(format, back))).toEqual(raw(exported));
    }
    const jwk = await ours.exportKey('jwk', publicKey);
    expect(jwk).toEqual(await theirs.exportKey('jwk', there));
    const back = await ours.importKey('jwk', jwk as node.JsonWebKey, ecdsa, true, ['verify']);
    expect(await ours.exportKey('jwk', back)).toEqual(jwk);
  });

  test('private keys as PKCS#8, if they may go', async () => {
    const other = (await theirs.generateKey(ecdsa, true, ['sign', 'verify'])) as CryptoKeyPair;
    const pkcs8 = await theirs.exportKey('pkcs8', other.privateKey);
    const open = await ours.importKey('pkcs8', pkcs8, ecdsa, true, ['sign']);
    expect(raw(await ours.exportKey('pkcs8', open))).toEqual(raw(pkcs8));
    const shut = await ours.importKey('pkcs8', pkcs8, ecdsa, false, ['sign']);
    expect(await nameOf(() => ours.exportKey('pkcs8', shut))).toBe('InvalidAccessError');
    const params = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await ours.sign(params, shut, bytes(9));
    expect(await theirs.verify(params, other.publicKey, signature, bytes(9))).toBe(true);
  });

  test('what is no key is a DataError', async () => {
    const { publicKey } = (await ours.generateKey(ecdsa, false, ['sign', 'verify'])) as CryptoKeyPair;
    const spki = new Uint8Array(await ours.exportKey('spki', publicKey));
    const point = new Uint8Array(await ours.exportKey('raw', publicKey));
    const jwk = (await ours.exportKey('jwk', publicKey)) as node.JsonWebKey;
    const broken = (from: Uint8Array) => from.with(from.length - 1, from.at(-1)! ^ 1);
    const attempts: [string, unknown][] = [
      ['spki', broken(spki)],
      ['spki', point],
      ['spki', spki.subarray(1)],
      ['spki', new Uint8Array(0)],
      ['raw', broken(point)],
      ['raw', spki],
      ['raw', new Uint8Array(0)],
      ['jwk', { ...jwk, y: jwk.x }],
      ['jwk', { ...jwk, crv: 'P-521' }],
      ['jwk', { ...jwk, kty: 'OKP' }],
      ['jwk', { ...jwk, use: 'enc' }],
      ['jwk', { ...jwk, key_ops: ['sign'] }],
      ['jwk', { ...jwk, ext: false }],
    ];
    for (const [format, data] of attempts) {
      const call = (subtle: typeof ours) => () =>
        subtle.importKey(format as 'raw', data as never, ecdsa, true, ['verify']);
      expect([format, data, await nameOf(call(ours))]).toEqual([format, data, 'DataError']);
      expect([format, data, await nameOf(call(theirs))]).toEqual([format, data, 'DataError']);
    }
    expect(await nameOf(() => ours.importKey('pkcs8', spki, ecdsa, true, ['sign']))).toBe('DataError');
  });
});

describe.each(HASHES)('HMAC with %s', (hash) => {
  test('both ways, in every length', async () => {
    const secret = bytes(40, 5);
    const params = { name: 'HMAC', hash } as const;
    const mine = await ours.importKey('raw', secret, params, false, ['sign', 'verify']);
    const there = await theirs.importKey('raw', secret, params, false, ['sign', 'verify']);
    expect(mine.algorithm).toEqual(there.algorithm);
    for (const length of LENGTHS) {
      const data = atOddOffset(bytes(length));
      const mac = await ours.sign('HMAC', mine, data);
      expect(raw(mac)).toEqual(raw(await theirs.sign('HMAC', there, data)));
      expect(await ours.verify('HMAC', mine, mac, data)).toBe(true);
      expect(await ours.verify('HMAC', mine, raw(mac).subarray(1), data)).toBe(false);
    }
  });

  test("a new key has the hash's block, and goes out only if it may", async () => {
    for (const extractable of [true, false]) {
      const mine = (await ours.generateKey({ name: 'HMAC', hash }, extractable, ['sign'])) as CryptoKey;
      const there = (await theirs.generateKey({ name: 'HMAC', hash }, extractable, ['sign'])) as CryptoKey;
      expect([mine.algorithm, mine.usages, mine.extractable]).toEqual([there.algorithm, there.usages, extractable]);
      const out = ours.exportKey('raw', mine);
      if (extractable) expect((await out).byteLength).toBe((await theirs.exportKey('raw', there)).byteLength);
      else expect(await nameOf(() => out)).toBe('InvalidAccessError');
    }
  });
});

interface Cipher {
  readonly params: node.Algorithm & Record<string, unknown>;
}
const IV = bytes(16, 9);
const CIPHERS: readonly Cipher[] = [
  { params: { name: 'AES-GCM', iv: IV.subarray(0, 12) } },
  { params: { name: 'AES-GCM', iv: IV, additionalData: bytes(33), tagLength: 128 } },
  { params: { name: 'AES-GCM', iv: bytes(60, 9).buffer, additionalData: bytes(0) } },
  { params: { name: 'AES-CTR', counter: IV, length: 128 } },
  { params: { name: 'AES-CTR', counter: bytes(16, 0).fill(255, 0, 12), length: 32 } },
  { params: { name: 'AES-CTR', counter: new Uint8Array(16).fill(255), length: 128 } },
  { params: { name: 'AES-CBC', iv: IV } },
];

describe.each(CIPHERS)('$params.name', ({ params }) => {
  test.each([128, 192, 256])('%i bits, both ways', async (length) => {
    const secret = bytes(length / 8, 7);
    const usages: KeyUsage[] = ['encrypt', 'decrypt'];
    const mine = await ours.importKey('raw', secret, params.name, false, usages);
    const there = await theirs.importKey('raw', secret, params.name, false, usages);
    expect(mine.algorithm).toEqual(there.algorithm);
    for (const size of LENGTHS) {
      const data = atOddOffset(bytes(size, 2));
      const sealed = await ours.encrypt(params, mine, data);
      expect(raw(sealed)).toEqual(raw(await theirs.encrypt(params, there, data)));
      expect(raw(await ours.decrypt(params, mine, sealed))).toEqual(Buffer.from(data));
      expect(data).toEqual(bytes(size, 2));
    }
  });

  test('a key made here encrypts and stays', async () => {
    const algorithm = { name: params.name, length: 256 };
    const key = (await ours.generateKey(algorithm, false, ['encrypt', 'decrypt'])) as CryptoKey;
    expect(key.algorithm).toEqual(algorithm);
    expect(raw(await ours.decrypt(params, key, await ours.encrypt(params, key, bytes(50))))).toEqual(
      Buffer.from(bytes(50)),
    );
    expect(await nameOf(() => ours.exportKey('raw', key))).toBe('InvalidAccessError');
  });
});

test('AES-GCM: what is not authentic is an OperationError, and the HSM says why', async () => {
  const key = (await ours.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt', 'decrypt'])) as CryptoKey;
  const params = { name: 'AES-GCM', iv: bytes(12) };
  const sealed = new Uint8Array(await ours.encrypt(params, key, bytes(20)));
  for (let i = 0; i < sealed.length; i++) {
    const { name, cause } = await failure(() => ours.decrypt(params, key, sealed.with(i, sealed[i]! ^ 1)));
    expect([name, (cause as HsmError).code]).toEqual(['OperationError', 'KEYCELL_DECRYPT_FAILED']);
  }
  expect(await nameOf(() => ours.decrypt(params, key, sealed.subarray(0, 10)))).toBe('OperationError');
  expect(await nameOf(() => ours.decrypt({ ...params, additionalData: bytes(1) }, key, sealed))).toBe('OperationError');
  expect(await nameOf(() => ours.encrypt({ ...params, tagLength: 96 }, key, sealed))).toBe('NotSupportedError');
  expect(await nameOf(() => ours.encrypt({ ...params, iv: new Uint8Array(0) }, key, sealed))).toBe('OperationError');
  expect(await nameOf(() => ours.encrypt({ name: 'AES-GCM' }, key, sealed))).toBe('TypeError');
});

describe('AES-KW', () => {
  const usages: KeyUsage[] = ['wrapKey', 'unwrapKey'];

  test('what either side wraps, the other unwraps', async () => {
    const secret = bytes(32, 1);
    const kek = await ours.importKey('raw', secret, 'AES-KW', false, usages);
    const kekThere = await theirs.importKey('raw', secret, 'AES-KW', false, usages);
    const content = bytes(16, 2);
    const key = await ours.importKey('raw', content, 'AES-GCM', true, ['encrypt', 'decrypt']);
    const blob = await ours.wrapKey('raw', key, kek, 'AES-KW');
    const opened = await theirs.unwrapKey('raw', blob, kekThere, 'AES-KW', 'AES-GCM', true, ['encrypt']);
    expect(raw(await theirs.exportKey('raw', opened))).toEqual(Buffer.from(content));
    const back = await ours.unwrapKey('raw', blob, kek, 'AES-KW', 'AES-GCM', false, ['encrypt', 'decrypt']);
    const params = { name: 'AES-GCM', iv: bytes(12) };
    expect(raw(await ours.encrypt(params, back, bytes(9)))).toEqual(
      raw(await theirs.encrypt(params, opened, bytes(9))),
    );
    const mac = { name: 'HMAC', hash: 'SHA-256' } as const;
    const macKey = await ours.unwrapKey('raw', blob, kek, 'AES-KW', mac, false, ['sign']);
    const macThere = await theirs.importKey('raw', content, mac, false, ['sign']);
    expect(raw(await ours.sign('HMAC', macKey, bytes(9)))).toEqual(raw(await theirs.sign('HMAC', macThere, bytes(9))));
  });

  test('a key whose record says "wrapped" goes out under another, and no other way', async () => {
    const kek = (await ours.generateKey({ name: 'AES-KW', length: 256 }, false, usages)) as CryptoKey;
    const handle = await hsm.session.generateKey({
      ...{ type: 'AES', bits: 128, usage: ['encrypt'], callerIv: true, extractable: 'wrapped', persistent: false },
    });
    const key = crypto.key(handle, 'AES-GCM') as CryptoKey;
    expect(key.extractable).toBe(false);
    expect((await ours.wrapKey('raw', key, kek, 'AES-KW')).byteLength).toBe(24);
    expect(await nameOf(() => ours.exportKey('raw', key))).toBe('InvalidAccessError');
  });

  test('what is refused', async () => {
    const kek = (await ours.generateKey({ name: 'AES-KW', length: 128 }, false, usages)) as CryptoKey;
    const shut = (await ours.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt'])) as CryptoKey;
    const open = (await ours.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt'])) as CryptoKey;
    const pair = (await ours.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])) as CryptoKeyPair;
    const wrap = (format: node.KeyFormat, key: CryptoKey, by = kek, algorithm = 'AES-KW') =>
      nameOf(() => ours.wrapKey(format, key, by, algorithm));
    expect(await wrap('raw', shut)).toBe('InvalidAccessError');
    expect(await wrap('jwk', open)).toBe('NotSupportedError');
    expect(await wrap('pkcs8', pair.privateKey)).toBe('NotSupportedError');
    expect(await wrap('raw', pair.publicKey)).toBe('NotSupportedError');
    expect(await wrap('raw', open, open)).toBe('InvalidAccessError');
    expect(await wrap('raw', open, kek, 'AES-GCM')).toBe('NotSupportedError');
    const blob = new Uint8Array(await ours.wrapKey('raw', open, kek, 'AES-KW'));
    const unwrap = (data: Uint8Array, extractable = false) =>
      failure(() => ours.unwrapKey('raw', data, kek, 'AES-KW', 'AES-GCM', extractable, ['encrypt']));
    const forged = await unwrap(blob.with(0, blob[0]! ^ 1));
    expect([forged.name, (forged.cause as HsmError).code]).toEqual(['OperationError', 'KEYCELL_DECRYPT_FAILED']);
    expect((await unwrap(blob.subarray(0, 23))).name).toBe('OperationError');
    // A key of the HSM keeps to its template: what it holds may be wrapped again, and no more.
    const lasting = await hsm.session.generateKey({ type: 'AES', bits: 128, usage: ['wrap', 'unwrap'] });
    const adopted = crypto.key(lasting, 'AES-KW');
    const bound = new Uint8Array(await ours.wrapKey('raw', open, adopted, 'AES-KW'));
    const whole = () => ours.unwrapKey('raw', bound, adopted, 'AES-KW', 'AES-CTR', true, ['encrypt']);
    expect((await failure(whole)).name).toBe('InvalidAccessError');
  });
});

describe.each(CURVES)('ECDH, %s', (namedCurve) => {
  const ecdh = { name: 'ECDH', namedCurve } as const;
  const size = namedCurve === 'P-256' ? 256 : 384;

  /** A pair here and a pair there, and either's public half on the other side. */
  async function partners(extractable: boolean, usages: KeyUsage[]) {
    const mine = (await ours.generateKey(ecdh, extractable, usages)) as CryptoKeyPair;
    const other = (await theirs.generateKey(ecdh, true, ['deriveBits'])) as CryptoKeyPair;
    const point = await ours.exportKey('raw', mine.publicKey);
    const mineThere = await theirs.importKey('raw', point, ecdh, true, []);
    const pointThere = await theirs.exportKey('raw', other.publicKey);
    const otherHere = await ours.importKey('raw', pointThere, ecdh, true, []);
    return { mine, other, mineThere, otherHere };
  }

  test('deriveBits as Node, from a key that may be known', async () => {
    const { mine, other, mineThere, otherHere } = await partners(true, ['deriveBits']);
    expect(otherHere.usages).toEqual([]);
    for (const length of [size, 128, 8, null, 0, 1, 7, 230, size - 1, 1.5, 2 ** 32 + 8]) {
      const a = await ours.deriveBits({ name: 'ECDH', public: otherHere } as never, mine.privateKey, length as number);
      // As Web IDL converts it; a later Node refuses what is out of range instead.
      const least = length === null ? null : length >>> 0;
      const b = await theirs.deriveBits({ name: 'ECDH', public: mineThere }, other.privateKey, least);
      expect(raw(a)).toEqual(raw(b));
    }
    for (const length of [size + 1, size + 8, -8, 2 ** 32 - 1]) {
      const params = { name: 'ECDH', public: otherHere };
      expect(await nameOf(() => ours.deriveBits(params as never, mine.privateKey, length))).toBe('OperationError');
    }
  });

  test('by way of HKDF to the key that Node comes to, without its ever being known here', async () => {
    const { mine, other, mineThere, otherHere } = await partners(false, ['deriveKey']);
    const params = { name: 'ECDH', public: otherHere };
    const middle = await ours.deriveKey(params as never, mine.privateKey, 'HKDF', false, ['deriveKey']);
    const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: bytes(32), info: bytes(5) };
    const aes = { name: 'AES-GCM', length: 256 };
    const key = await ours.deriveKey(hkdf, middle, aes, false, ['encrypt']);
    const agreed = await theirs.deriveBits({ name: 'ECDH', public: mineThere }, other.privateKey, null);
    const middleThere = await theirs.importKey('raw', agreed, 'HKDF', false, ['deriveKey']);
    const keyThere = await theirs.deriveKey(hkdf, middleThere, aes, false, ['decrypt']);
    const gcm = { name: 'AES-GCM', iv: bytes(12) };
    const sealed = await ours.encrypt(gcm, key, bytes(40));
    expect(raw(await theirs.decrypt(gcm, keyThere, sealed))).toEqual(Buffer.from(bytes(40)));
  });

  test('what a key that may not be known agrees on, is not known either', async () => {
    const mine = (await ours.generateKey(ecdh, false, ['deriveBits', 'deriveKey'])) as CryptoKeyPair;
    const params = { name: 'ECDH', public: mine.publicKey };
    const { name, cause } = await failure(() => ours.deriveBits(params as never, mine.privateKey, 256));
    expect([name, (cause as HsmError).code]).toEqual(['InvalidAccessError', 'KEYCELL_PERMISSION_DENIED']);
    const aes = { name: 'AES-GCM', length: 256 };
    const direct = () => ours.deriveKey(params as never, mine.privateKey, aes, false, ['encrypt']);
    expect(await nameOf(direct)).toBe('NotSupportedError');
    const hkdf = await ours.deriveKey(params as never, mine.privateKey, 'HKDF', false, ['deriveKey']);
    expect([hkdf.type, hkdf.algorithm, hkdf.extractable]).toEqual(['secret', { name: 'HKDF' }, false]);
  });

  test('a key of the HSM keeps to its template all the way', async () => {
    const deriveTemplate = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], callerIv: true } as const;
    const template = { type: 'EC', curve: namedCurve, usage: ['derive'], persistent: false } as const;
    const { privateKey } = crypto.keyPair(await hsm.session.generateKey({ ...template, deriveTemplate }), 'ECDH');
    const { publicKey } = (await ours.generateKey(ecdh, false, ['deriveKey'])) as CryptoKeyPair;
    const params = { name: 'ECDH', public: publicKey };
    const middle = await ours.deriveKey(params as never, privateKey, 'HKDF', false, ['deriveKey']);
    expect(crypto.handleOf(middle)).toMatchObject({ type: 'GENERIC', deriveTemplate });
    const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: bytes(32), info: bytes(5) };
    const derive = (name: string, usage: KeyUsage, extractable = false) =>
      ours.deriveKey(hkdf, middle, { name, length: 256 }, extractable, [usage]);
    expect((await derive('AES-GCM', 'encrypt')).algorithm.name).toBe('AES-GCM');
    for (const wider of [
      () => derive('AES-KW', 'unwrapKey'),
      () => derive('AES-GCM', 'encrypt', true),
      () => ours.deriveKey(hkdf, middle, { name: 'HMAC', hash: 'SHA-256', length: 256 }, false, ['sign']),
    ]) {
      const { name, cause } = await failure(wider);
      expect([name, (cause as HsmError).code]).toEqual(['InvalidAccessError', 'KEYCELL_PERMISSION_DENIED']);
    }
  });

  test('partners that do not fit', async () => {
    const mine = (await ours.generateKey(ecdh, true, ['deriveBits'])) as CryptoKeyPair;
    const signer = (await ours.generateKey({ ...ecdh, name: 'ECDSA' }, false, ['sign', 'verify'])) as CryptoKeyPair;
    const there = (await theirs.generateKey(ecdh, true, ['deriveBits'])) as CryptoKeyPair;
    const derive = (key: unknown) =>
      nameOf(() => ours.deriveBits({ name: 'ECDH', public: key } as never, mine.privateKey, 256));
    expect(await derive(signer.publicKey)).toBe('InvalidAccessError');
    expect(await derive(mine.privateKey)).toBe('InvalidAccessError');
    expect(await derive(there.publicKey)).toBe('TypeError');
    expect(await derive(undefined)).toBe('TypeError');
  });
});

describe.each(HASHES)('HKDF with %s', (hash) => {
  const secret = bytes(40, 3);
  const cases = [
    { salt: bytes(0), info: bytes(0) },
    { salt: bytes(200), info: bytes(70) },
  ];

  test.each(cases)('the keys that Node derives', async ({ salt, info }) => {
    const params = { name: 'HKDF', hash, salt, info };
    const mine = await ours.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
    const there = await theirs.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
    expect([mine.algorithm, mine.extractable, mine.usages]).toEqual([there.algorithm, false, ['deriveKey']]);
    for (const length of [128, 192, 256]) {
      const aes = { name: 'AES-GCM', length };
      const gcm = { name: 'AES-GCM', iv: bytes(12) };
      const key = await ours.deriveKey(params, mine, aes, false, ['encrypt']);
      const keyThere = await theirs.deriveKey(params, there, aes, false, ['encrypt']);
      expect(key.algorithm).toEqual(keyThere.algorithm);
      expect(raw(await ours.encrypt(gcm, key, bytes(9)))).toEqual(raw(await theirs.encrypt(gcm, keyThere, bytes(9))));
    }
    const mac = { name: 'HMAC', hash } as const;
    const key = await ours.deriveKey(params, mine, mac, false, ['sign']);
    const keyThere = await theirs.deriveKey(params, there, mac, false, ['sign']);
    expect(key.algorithm).toEqual(keyThere.algorithm);
    expect(raw(await ours.sign('HMAC', key, bytes(9)))).toEqual(raw(await theirs.sign('HMAC', keyThere, bytes(9))));
  });

  test('bits only from a key that may be known', async () => {
    const params = { name: 'HKDF', hash, salt: bytes(1), info: bytes(2) };
    const deriveTemplate = { type: 'GENERIC', usage: [], extractable: 'plaintext' } as const;
    const template = { type: 'GENERIC', bits: 320, usage: ['derive'], deriveTemplate, persistent: false } as const;
    const open = await hsm.session.importKey({ ...template, extractable: 'plaintext' }, secret);
    const there = await theirs.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
    for (const length of [128, 256, 1024]) {
      expect(raw(await ours.deriveBits(params, crypto.key(open, 'HKDF'), length))).toEqual(
        raw(await theirs.deriveBits(params, there, length)),
      );
    }
    // Fewer could be searched for; more than a key of the HSM may have.
    for (const length of [8, 120, 4104]) {
      expect(await nameOf(() => ours.deriveBits(params, crypto.key(open, 'HKDF'), length))).toBe('NotSupportedError');
    }
    for (const member of ['salt', 'info']) {
      const long = { ...params, [member]: bytes(1025) };
      expect(await nameOf(() => ours.deriveBits(long, crypto.key(open, 'HKDF'), 256))).toBe('OperationError');
    }
    const shut = await ours.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
    expect(await nameOf(() => ours.deriveBits(params, shut, 256))).toBe('InvalidAccessError');
    expect(await nameOf(() => ours.deriveBits(params, crypto.key(open, 'HKDF'), null as never))).toBe('OperationError');
  });
});

test('AES-CTR: a counter that runs over in fewer than 128 bits is refused, one that just does not is not', async () => {
  const usages: KeyUsage[] = ['encrypt', 'decrypt'];
  const key = (await ours.generateKey({ name: 'AES-CTR', length: 128 }, false, usages)) as CryptoKey;
  const counter = bytes(16).fill(0xff, 15);
  const encrypt = (length: number, size: number) =>
    nameOf(() => ours.encrypt({ name: 'AES-CTR', counter, length }, key, bytes(size)));
  expect((await ours.encrypt({ name: 'AES-CTR', counter, length: 8 }, key, bytes(16))).byteLength).toBe(16);
  expect(await encrypt(8, 17)).toBe('NotSupportedError');
  expect(await encrypt(1, 33)).toBe('OperationError');
  for (const length of [0, 129, 0.5]) expect(await encrypt(length, 1)).toBe('OperationError');
  // Web IDL cuts a fraction off, and Node does.
  expect((await ours.encrypt({ name: 'AES-CTR', counter, length: 1.5 }, key, bytes(16))).byteLength).toBe(16);
  const short = { name: 'AES-CTR', counter: counter.subarray(1), length: 64 };
  expect(await nameOf(() => ours.encrypt(short, key, bytes(1)))).toBe('OperationError');
});

test('AES-CTR: a key for one way works that way alone', async () => {
  const counter = { name: 'AES-CTR', counter: IV, length: 64 };
  for (const usage of ['encrypt', 'decrypt'] as const) {
    const key = await ours.importKey('raw', bytes(16), 'AES-CTR', false, [usage]);
    const other = usage === 'encrypt' ? 'decrypt' : 'encrypt';
    expect(key.usages).toEqual([usage]);
    expect((await ours[usage](counter, key, bytes(20))).byteLength).toBe(20);
    expect(await nameOf(() => ours[other](counter, key, bytes(20)))).toBe('InvalidAccessError');
  }
});

test('AES-CBC: padding that is not right is an OperationError', async () => {
  const usages: KeyUsage[] = ['encrypt', 'decrypt'];
  const key = (await ours.generateKey({ name: 'AES-CBC', length: 256 }, false, usages)) as CryptoKey;
  const params = { name: 'AES-CBC', iv: IV };
  const sealed = new Uint8Array(await ours.encrypt(params, key, bytes(32)));
  expect(sealed.length).toBe(48);
  expect(await nameOf(() => ours.decrypt(params, key, sealed.subarray(0, 47)))).toBe('OperationError');
  // The last block is all padding, 16 times 16: with this bit changed before it, 16 times 17.
  expect(
    await nameOf(() =>
      ours.decrypt(
        params,
        key,
        sealed.map((byte, i) => (i >= 16 && i < 32 ? byte ^ 1 : byte)),
      ),
    ),
  ).toBe('OperationError');
  expect(await nameOf(() => ours.encrypt({ ...params, iv: IV.subarray(1) }, key, bytes(1)))).toBe('OperationError');
});

describe('keys of the HSM', () => {
  test('a lasting pair, with the usages that its record has', async () => {
    const handle = await hsm.session.ensureKey({
      type: 'EC',
      curve: 'P-256',
      label: 'root',
      usage: ['sign', 'verify'],
    });
    const { privateKey, publicKey } = crypto.keyPair(handle, 'ECDSA');
    expect([privateKey.usages, publicKey.usages]).toEqual([['sign'], ['verify']]);
    expect(crypto.handleOf(privateKey)).toBe(handle);
    const params = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await ours.sign(params, privateKey, bytes(5));
    expect(await hsm.session.verify(handle, new Uint8Array(signature), bytes(5))).toBe(true);
    expect(await ours.verify(params, publicKey, signature, bytes(5))).toBe(true);
    const signs = await hsm.session.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['sign'], persistent: false },
    });
    expect(crypto.keyPair(signs, 'ECDSA').publicKey.usages).toEqual([]);
    const agrees = await hsm.session.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false },
    });
    expect(crypto.keyPair(agrees, 'ECDH').privateKey.usages).toEqual(['deriveKey', 'deriveBits']);
    expect(crypto.keyPair(agrees, 'ECDSA').privateKey.usages).toEqual([]);
  });

  test('a key that does not fit the algorithm', async () => {
    const { session } = hsm;
    const aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'], persistent: false });
    const mac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
    const adopt = (key: unknown, algorithm: unknown) =>
      nameOf(async () => crypto.key(key as never, algorithm as never));
    // The cell draws this key's IVs.
    expect(await adopt(aes, 'AES-GCM')).toBe('InvalidAccessError');
    expect(await adopt(aes, 'HMAC')).toBe('InvalidAccessError');
    expect(await adopt(mac, 'HMAC')).toBe('TypeError');
    expect(await adopt(undefined, 'HMAC')).toBe('InvalidAccessError');
    expect(await adopt(mac, 'RSA-PSS')).toBe('NotSupportedError');
    expect(crypto.key(mac, { name: 'HMAC', hash: 'SHA-256' }).algorithm).toEqual({
      ...{ name: 'HMAC', hash: { name: 'SHA-256' }, length: 256 },
    });
  });

  test('a key of a session that is over', async () => {
    const handle = await hsm.session.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['sign'], persistent: false },
    });
    const { privateKey } = crypto.keyPair(handle, 'ECDSA');
    await hsm.session.destroyKey(handle);
    const { name, cause } = await failure(() => ours.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, bytes(1)));
    expect([name, (cause as HsmError).code]).toEqual(['InvalidAccessError', 'KEYCELL_KEY_NOT_FOUND']);
  });
});

describe('errors by the names that Node gives', () => {
  const ec = { name: 'ECDSA', namedCurve: 'P-256' };
  const gcm = { name: 'AES-GCM', length: 128 };
  type Call = (subtle: typeof ours) => Promise<unknown>;

  test.each<[string, Call]>([
    ['an unknown algorithm', (s) => s.generateKey('ROT13', true, ['sign'])],
    ['no hash', (s) => s.generateKey({ name: 'HMAC' } as never, true, ['sign'])],
    ['no usages', (s) => s.generateKey(ec, true, [])],
    ['only the public usage', (s) => s.generateKey(ec, true, ['verify'])],
    ['a usage of another algorithm', (s) => s.generateKey(ec, true, ['encrypt'])],
    ['a usage that does not exist', (s) => s.generateKey(ec, true, ['swim' as never])],
    ['a size that does not exist', (s) => s.generateKey({ ...gcm, length: 100 }, true, ['encrypt'])],
    ['a key of a size that does not exist', (s) => s.importKey('raw', bytes(17), 'AES-GCM', true, ['encrypt'])],
    ['a key that is empty', (s) => s.importKey('raw', bytes(0), 'AES-GCM', true, ['encrypt'])],
    ['a format that does not exist', (s) => s.importKey('pem' as 'raw', bytes(16), 'AES-GCM', true, ['encrypt'])],
    ['a public key that signs', (s) => s.importKey('raw', bytes(65), ec, true, ['sign'])],
    ['HKDF extractable', (s) => s.importKey('raw', bytes(32), 'HKDF', true, ['deriveKey'])],
    ['data that is text', async (s) => s.digest('SHA-256', 'text' as never)],
    ['a key for something else', async (s) => s.encrypt({ name: 'AES-GCM', iv: bytes(12) }, await mac(s), bytes(1))],
    ['a usage that the key lacks', async (s) => s.verify('HMAC', await mac(s), bytes(32), bytes(1))],
    ['a key that is none', (s) => s.sign('HMAC', {} as never, bytes(1))],
    ['an algorithm that does not sign', async (s) => s.sign('AES-KW', await mac(s), bytes(1))],
  ])('%s', async (_, call) => {
    expect(await nameOf(() => call(ours))).toBe(await nameOf(() => call(theirs)));
  });

  const mac = (subtle: typeof ours) =>
    subtle.importKey('raw', bytes(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);

  test('where the HSM says no and Node would not', async () => {
    expect(await nameOf(() => ours.generateKey(gcm, true, ['encrypt', 'wrapKey']))).toBe('NotSupportedError');
    expect(await nameOf(() => ours.generateKey({ name: 'ECDSA', namedCurve: 'P-521' }, true, ['sign']))).toBe(
      'NotSupportedError',
    );
    const pair = (await ours.generateKey(ec, true, ['sign'])) as CryptoKeyPair;
    expect(await nameOf(() => ours.exportKey('jwk', pair.privateKey))).toBe('NotSupportedError');
    const jwk = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: 'AA' };
    expect(await nameOf(() => ours.importKey('jwk', jwk, ec, true, ['sign']))).not.toBe('');
    expect(await nameOf(() => ours.importKey('jwk', { kty: 'oct', k: 'AAAA' }, 'AES-GCM', true, ['encrypt']))).toBe(
      'NotSupportedError',
    );
  });
});

test('digest, random values and UUIDs are those of Node', async () => {
  for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
    expect(raw(await ours.digest(hash, bytes(100)))).toEqual(raw(await theirs.digest(hash, bytes(100))));
  }
  const array = new Uint8Array(64);
  expect(crypto.getRandomValues(array)).toBe(array);
  expect(array.some((byte) => byte !== 0)).toBe(true);
  expect(crypto.randomUUID()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
});

test("Node's own subtle and npm jose take none of these keys", async () => {
  const { privateKey } = (await ours.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'sign',
  ])) as CryptoKeyPair;
  const params = { name: 'ECDSA', hash: 'SHA-256' };
  await expect(theirs.sign(params, privateKey, bytes(1))).rejects.toThrow(TypeError);
  await expect(new SignJWT({}).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)).rejects.toThrow(TypeError);
  expect(structuredClone(privateKey)).not.toHaveProperty('handle');
});
