/** HMAC and AES-CMAC through `sign` and `verify`, against node:crypto, OpenSSL and published vectors. */

import { execFileSync } from 'node:child_process';
import { createHmac, createSecretKey } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesBits, AesKey, HashName, Session } from '../../dist/index.js';
import { needs } from '../support/tools.ts';
import { HASHES } from './curves.ts';
import { atOddOffset, bytes, code, ephemeral } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const LENGTHS = Array.from({ length: 260 }, (_, i) => i);
const messages = LENGTHS.map((length) => atOddOffset(bytes(length, length)));
const before = messages.map((message) => Buffer.from(message));
const unchanged = () =>
  messages.forEach((message, i) => {
    expect(Buffer.compare(message, before[i]!)).toBe(0);
  });
const all = <T>(call: (message: Uint8Array, i: number) => Promise<T>): Promise<T[]> => Promise.all(messages.map(call));

describe('HMAC', () => {
  test.each(HASHES)('$hash, both ways with node, keys of several sizes, every length', async ({ hash, node, size }) => {
    // A block of SHA-256 is 64 bytes, of the others 128: keys below, at and above each.
    for (const bits of [112, 256, 512, 520, 1024, 1032, 4096]) {
      const raw = bytes(bits / 8, bits);
      const template = { type: 'HMAC', bits, usage: ['sign', 'verify'], persistent: false } as const;
      const key = await session.importKey(template, raw);
      const macs = await all((m) => session.sign(key, m, { hash }));
      macs.forEach((mac, i) => {
        expect(Buffer.from(mac)).toEqual(createHmac(node, raw).update(messages[i]!).digest());
      });
      expect(new Set(await all((m, i) => session.verify(key, macs[i]!, m, { hash })))).toEqual(new Set([true]));
      expect(new Set(await all((m, i) => session.verify(key, macs[(i + 1) % 260]!, m, { hash })))).toEqual(
        new Set([false]),
      );
    }
    const key = await session.generateKey({ type: 'HMAC', bits: 512, usage: ['sign', 'verify'] });
    const mac = await session.sign(key, messages[40]!, { hash });
    // The whole MAC, nothing less or more, and no bit of it otherwise.
    for (let length = 0; length < size; length++) {
      expect(await session.verify(key, mac.subarray(0, length), messages[40]!, { hash })).toBe(false);
    }
    expect(await session.verify(key, Buffer.concat([mac, Buffer.of(0)]), messages[40]!, { hash })).toBe(false);
    for (let bit = 0; bit < 8 * size; bit++) {
      const other = new Uint8Array(mac);
      other[bit >> 3]! ^= 1 << (bit & 7);
      expect(await session.verify(key, other, messages[40]!, { hash })).toBe(false);
    }
    unchanged();
  });

  test('SHA-256 unless told, whatever the key’s size; a MAC by one hash is none by another', async () => {
    for (const bits of [256, 384, 512]) {
      const raw = bytes(bits / 8, 3);
      const key = await session.importKey({ type: 'HMAC', bits, usage: ['sign', 'verify'] }, raw);
      expect(Buffer.from(await session.sign(key, messages[9]!))).toEqual(
        createHmac('sha256', raw).update(messages[9]!).digest(),
      );
      for (const { hash } of HASHES) {
        const mac = await session.sign(key, messages[9]!, { hash });
        for (const other of HASHES) {
          expect(await session.verify(key, mac, messages[9]!, { hash: other.hash })).toBe(other.hash === hash);
        }
      }
    }
  });

  test.each([
    ['HS256', 'SHA-256'],
    ['HS384', 'SHA-384'],
    ['HS512', 'SHA-512'],
  ] as const)('%s is what jose makes and takes', async (alg, hash: HashName) => {
    const raw = bytes(64, 5);
    const key = await session.importKey({ type: 'HMAC', bits: 512, usage: ['sign', 'verify'] }, raw);
    const secret = createSecretKey(raw);
    const theirs = await new CompactSign(bytes(33)).setProtectedHeader({ alg }).sign(secret);
    const [header, payload, mac] = theirs.split('.') as [string, string, string];
    const input = Buffer.from(`${header}.${payload}`);
    expect(await session.verify(key, Buffer.from(mac, 'base64url'), input, { hash })).toBe(true);
    const mine = Buffer.from(await session.sign(key, input, { hash })).toString('base64url');
    expect((await compactVerify(`${header}.${payload}.${mine}`, secret)).protectedHeader.alg).toBe(alg);
  });

  test('what is for ECDSA alone is refused', async () => {
    const key = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] });
    for (const options of [{ prehashed: true }, { format: 'der' }, { nonce: 'hedged' }] as const) {
      expect(await code(() => session.sign(key, bytes(32), options))).toBe('KEYCELL_INPUT_INVALID');
      expect(await code(() => session.verify(key, bytes(32), bytes(32), options))).toBe('KEYCELL_INPUT_INVALID');
    }
    expect(await code(() => session.sign(key, bytes(32), { hash: 'SHA-224' as never }))).toBe(
      'KEYCELL_MECHANISM_INVALID',
    );
  });
});

/** RFC 4493 §4 for AES-128; SP 800-38B's own examples (D.2, D.3) for the others. */
const EXAMPLE = Buffer.from(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  'hex',
);
const VECTORS: readonly [AesBits, string, readonly [number, string][]][] = [
  [
    128,
    '2b7e151628aed2a6abf7158809cf4f3c',
    [
      [0, 'bb1d6929e95937287fa37d129b756746'],
      [16, '070a16b46b4d4144f79bdd9dd04a287c'],
      [40, 'dfa66747de9ae63030ca32611497c827'],
      [64, '51f0bebf7e3b9d92fc49741779363cfe'],
    ],
  ],
  [
    192,
    '8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b',
    [
      [0, 'd17ddf46adaacde531cac483de7a9367'],
      [16, '9e99a7bf31e710900662f65e617c5184'],
      [40, '8a1de5be2eb31aad089a82e6ee908b0e'],
      [64, 'a1d5df0eed790f794d77589659f39a11'],
    ],
  ],
  [
    256,
    '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
    [
      [0, '028962f61b7bf89efc6b551f4667d983'],
      [16, '28a7023f452e8f82bd4bf28d8c37c35c'],
      [40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
      [64, 'e1992190549f6ed5696a2c056c315410'],
    ],
  ],
];

describe('AES-CMAC', () => {
  const make = (bits: AesBits, raw: Uint8Array): Promise<AesKey> =>
    session.importKey({ type: 'AES', bits, usage: ['sign', 'verify'], persistent: false }, raw);

  test.each(VECTORS)('AES-%i: the published examples', async (bits, raw, cases) => {
    const key = await make(bits, Buffer.from(raw, 'hex'));
    for (const [length, mac] of cases) {
      const message = atOddOffset(EXAMPLE.subarray(0, length));
      expect(Buffer.from(await session.sign(key, message)).toString('hex')).toBe(mac);
      expect(await session.verify(key, Buffer.from(mac, 'hex'), message)).toBe(true);
    }
  });

  test.each([128, 192, 256] as const)(
    'AES-%i: as OpenSSL computes it, and every length verifies',
    needs('openssl'),
    async (bits) => {
      const raw = bytes(bits / 8, bits);
      const key = await make(bits, raw);
      const macs = await all((m) => session.sign(key, m));
      for (const length of [0, 1, 15, 16, 17, 31, 32, 33, 48, 255, 259]) {
        const args = ['mac', '-cipher', `AES-${bits}-CBC`, '-macopt', `hexkey:${Buffer.from(raw).toString('hex')}`];
        const theirs = execFileSync('openssl', [...args, '-in', '-', 'CMAC'], { input: messages[length]! });
        expect(Buffer.from(macs[length]!).toString('hex')).toBe(theirs.toString().trim().toLowerCase());
      }
      expect(new Set(await all((m, i) => session.verify(key, macs[i]!, m)))).toEqual(new Set([true]));
      expect(new Set(await all((m, i) => session.verify(key, macs[(i + 1) % 260]!, m)))).toEqual(new Set([false]));
      unchanged();
    },
  );

  test('the whole MAC alone; no bit of it otherwise', async () => {
    const key = await make(128, bytes(16));
    const mac = await session.sign(key, messages[20]!);
    expect(mac).toHaveLength(16);
    for (const wrong of [mac.subarray(0, 15), mac.subarray(0, 8), new Uint8Array(0), Buffer.concat([mac, mac])]) {
      expect(await session.verify(key, wrong, messages[20]!)).toBe(false);
    }
    for (let bit = 0; bit < 128; bit++) {
      const other = new Uint8Array(mac);
      other[bit >> 3]! ^= 1 << (bit & 7);
      expect(await session.verify(key, other, messages[20]!)).toBe(false);
    }
  });

  test('usages decide, a hash means nothing, and a key that also encrypts needs dualUse', async () => {
    const verifier = await session.generateKey({ type: 'AES', bits: 256, usage: ['verify'] });
    expect(await code(() => session.sign(verifier, bytes(3)))).toBe('KEYCELL_PERMISSION_DENIED');
    const key = await make(256, bytes(32));
    for (const options of [{ hash: 'SHA-256' }, { prehashed: true }, { format: 'p1363' }] as const) {
      expect(await code(() => session.sign(key, bytes(32), options))).toBe('KEYCELL_INPUT_INVALID');
    }
    for (const mac of ['sign', 'verify'] as const) {
      for (const cipher of ['encrypt', 'decrypt', 'wrap', 'unwrap'] as const) {
        const template = { type: 'AES', bits: 256, usage: [mac, cipher], persistent: false } as const;
        expect(await code(() => session.generateKey(template))).toBe('KEYCELL_PERMISSION_DENIED');
        expect((await session.generateKey({ ...template, dualUse: true })).usage).toHaveLength(2);
      }
    }
  });
});
