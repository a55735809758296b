/** Derivation: ECDH on every curve, and from shared secrets, by every KDF with every hash. */
import { createHash, createHmac, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { BaseKey, DeriveOptions, EcKey, HashName, Kdf, Session } from '../../dist/index.js';
import { ephemeral } from '../operations/support.ts';
import { u32 } from '../support/reference.ts';
import { codesOf, damaged, NOT_BYTES, pattern, untouched, upTo } from './support.ts';

const it = ephemeral();

const HASHES = [
  { hash: 'SHA-256', node: 'sha256', size: 32 },
  { hash: 'SHA-384', node: 'sha384', size: 48 },
  { hash: 'SHA-512', node: 'sha512', size: 64 },
] as const;
const CURVES = [
  { curve: 'P-256', size: 32 },
  { curve: 'P-384', size: 48 },
  { curve: 'secp256k1', size: 32 },
] as const;

const generic = (length: number) =>
  ({ type: 'GENERIC', bits: 8 * length, usage: ['derive'], extractable: 'plaintext', persistent: false }) as const;
/** A base says what may be derived: standard bytes, which the tests take out. */
const deriveTemplate = { type: 'GENERIC', extractable: 'plaintext' } as const;
const baseOf = (length: number) => ({ ...generic(length), deriveTemplate }) as const;

/** Blocks of a counter-mode KDF, one after another, cut to length. */
const counted = (length: number, block: (counter: Buffer) => Buffer): Buffer => {
  const blocks: Buffer[] = [];
  for (let i = 1; Buffer.concat(blocks).length < length; i++) blocks.push(block(u32(i)));
  return Buffer.concat(blocks).subarray(0, length);
};

interface Method {
  readonly name: string;
  readonly kdf: Exclude<Kdf, { name: 'none' }>;
  readonly size: number;
  /** The shortest key it derives, in bytes: HKDF's shorter ones are the beginnings of its longer ones. */
  readonly least: number;
  /** By another implementation. */
  again(z: Uint8Array, length: number): Buffer;
}

const methods = (hash: HashName, node: string, size: number): Method[] => {
  const [salt, info, label, apu] = [pattern(11, 1), pattern(17, 2), pattern(9, 3), pattern(6, 4)];
  return [
    {
      name: `HKDF ${hash}`,
      kdf: { name: 'hkdf', hash, salt, info },
      size,
      least: 16,
      again: (z, length) => Buffer.from(hkdfSync(node, z, salt, info, length)),
    },
    {
      name: `SP 800-108 ${hash}`,
      kdf: { name: 'sp800-108', hash, label, context: info },
      size,
      least: 1,
      again: (z, length) =>
        counted(length, (counter) => {
          const fixed = [label, Buffer.of(0), info, u32(8 * length)];
          return [counter, ...fixed].reduce((mac, part) => mac.update(part), createHmac(node, z)).digest();
        }),
    },
    {
      name: `concat ${hash}`,
      kdf: { name: 'concat', hash, algorithm: 'A256GCM', apu, apv: info },
      size,
      least: 1,
      again: (z, length) =>
        counted(length, (counter) => {
          const fields = [Buffer.from('A256GCM'), apu, info].flatMap((field) => [u32(field.length), field]);
          const all = [counter, z, ...fields, u32(8 * length)];
          return all.reduce((digest, part) => digest.update(part), createHash(node)).digest();
        }),
    },
  ];
};
const METHODS = HASHES.flatMap(({ hash, node, size }) => methods(hash, node, size));

const derive = async (session: Session, base: BaseKey, how: DeriveOptions, length: number) =>
  Buffer.from(await session.exportKey(await session.deriveKey(base, how, generic(length))));

describe.each(METHODS)('from a shared secret: $name', ({ kdf, size, least, again }) => {
  const how = { mechanism: 'KDF', kdf } as const;
  const z = pattern(29, 7);
  let base: BaseKey;
  beforeAll(async () => {
    base = await it.session.importKey(baseOf(z.length), z);
  });

  test('every length through two blocks, against another implementation', async () => {
    await Promise.all(
      upTo(2 * size + 1).map(async (i) => {
        const deriving = () => derive(it.session, base, how, i + 1);
        if (i + 1 < least) expect(await codesOf([deriving])).toEqual(['KEYCELL_INPUT_INVALID']);
        else expect([i, (await deriving()).equals(again(z, i + 1))]).toEqual([i, true]);
      }),
    );
  });

  test('every length of secret through two blocks', async () => {
    await Promise.all(
      upTo(257).map(async (i) => {
        const secret = pattern(i + 1, 8);
        const key = await it.session.importKey(baseOf(secret.length), secret);
        expect([i, (await derive(it.session, key, how, 32)).equals(again(secret, 32))]).toEqual([i, true]);
      }),
    );
  });

  test('what goes into the KDF stays as it was, and every byte of it counts', async () => {
    const names = Object.keys(kdf).filter(
      (name) => (kdf as unknown as Record<string, unknown>)[name] instanceof Uint8Array,
    );
    const inputs = names.map((name) => (kdf as unknown as Record<string, Uint8Array>)[name]!);
    const expected = again(z, 32);
    const with_ = (given: readonly Uint8Array[]) =>
      derive(
        it.session,
        base,
        {
          mechanism: 'KDF',
          kdf: { ...kdf, ...Object.fromEntries(names.map((name, i) => [name, given[i]])) } as typeof kdf,
        },
        32,
      );
    expect((await untouched(inputs, (...framed) => with_(framed))).equals(expected)).toBe(true);
    for (const [n, input] of inputs.entries()) {
      // HMAC takes a key with zeros behind it for the same key: HKDF's salt is one.
      const differ = [...damaged(input)].filter((bad) => bad.length <= input.length);
      const others = differ.map((bad) => inputs.map((each, i) => (i === n ? bad : each)));
      const keys = await Promise.all(others.map(with_));
      expect(keys.some((key) => key.equals(expected))).toBe(false);
    }
  });

  test('lanes with different secrets do not meet', async () => {
    const secrets = upTo(40).map((i) => pattern(16 + i, i));
    const bases = await Promise.all(secrets.map((secret) => it.session.importKey(baseOf(secret.length), secret)));
    const keys = await Promise.all(bases.map((each, i) => derive(it.session, each, how, 16 + i)));
    keys.forEach((key, i) => {
      expect(key.equals(again(secrets[i]!, 16 + i))).toBe(true);
    });
  });
});

describe.each(CURVES)('ECDH $curve', ({ curve, size }) => {
  const theirs = generateKeyPairSync('ec', { namedCurve: curve });
  const spki = new Uint8Array(theirs.publicKey.export({ format: 'der', type: 'spki' }));
  const own = generateKeyPairSync('ec', { namedCurve: curve });
  const z = diffieHellman({ privateKey: own.privateKey, publicKey: theirs.publicKey });
  const common = { usage: ['derive'], extractable: 'plaintext', persistent: false } as const;
  const template = { type: 'EC', curve, deriveTemplate, ...common } as const;
  const bring = (pair: { privateKey: KeyObject }) =>
    it.session.importKey(template, new Uint8Array(pair.privateKey.export({ format: 'der', type: 'pkcs8' })));
  let base: EcKey;
  beforeAll(async () => {
    base = await bring(own);
  });
  const agree = (publicKey: Uint8Array, kdf: Kdf = { name: 'none' }, length: number = size, by = base) =>
    derive(it.session, by, { mechanism: 'ECDH', publicKey, kdf }, length);

  test('the raw x, and every KDF over it, against another implementation', async () => {
    expect((await agree(spki)).equals(z)).toBe(true);
    await Promise.all(
      METHODS.map(async ({ name, kdf, again }) => {
        expect([name, (await agree(spki, kdf, 40)).equals(again(z, 40))]).toEqual([name, true]);
      }),
    );
  });

  test('the raw x has one length alone', async () => {
    const codes = await codesOf(
      [size - 1, size + 1, 16, 64].map((length) => () => agree(spki, { name: 'none' }, length)),
    );
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('a public key in every encoding; it stays as it was', async () => {
    const point = spki.subarray(spki.length - 2 * size - 1);
    const compressed = new Uint8Array([2 + (point[2 * size]! & 1), ...point.subarray(1, 1 + size)]);
    for (const encoding of [spki, point, compressed]) {
      expect((await untouched([encoding], (given) => agree(given!))).equals(z)).toBe(true);
    }
    const { x, y } = theirs.publicKey.export({ format: 'jwk' });
    const jwk = { kty: 'EC', crv: curve, x: x!, y: y! } as const;
    const how = { mechanism: 'ECDH', publicKey: jwk, kdf: { name: 'none' } } as const;
    expect((await derive(it.session, base, how, size)).equals(z)).toBe(true);
  });

  test('a public key with anything wrong is refused', async () => {
    // A changed coordinate is off the curve but for one x in two where only x is given: here both are.
    const bads = [...damaged(spki), ...damaged(spki.subarray(spki.length - 2 * size - 1)), ...NOT_BYTES];
    const codes = await codesOf(bads.map((bad) => () => agree(bad)));
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('a key of another curve is refused', async () => {
    const foreign = CURVES.filter((other) => other.curve !== curve).map((other) =>
      generateKeyPairSync('ec', { namedCurve: other.curve }).publicKey.export({ format: 'der', type: 'spki' }),
    );
    const codes = await codesOf(foreign.map((other) => () => agree(new Uint8Array(other))));
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('lanes with different keys and faults do not meet', async () => {
    const pairs = upTo(20).map(() => generateKeyPairSync('ec', { namedCurve: curve }));
    const bases = await Promise.all(pairs.map(bring));
    const off = new Uint8Array(spki);
    off[off.length - 1]! ^= 1;
    const found = await Promise.allSettled(
      bases.map((by, i) => agree(i % 3 === 1 ? off : spki, { name: 'none' }, size, by)),
    );
    found.forEach((one, i) => {
      const expected = diffieHellman({ privateKey: pairs[i]!.privateKey, publicKey: theirs.publicKey });
      if (i % 3 === 1) expect(one.status).toBe('rejected');
      else expect(one.status === 'fulfilled' && one.value.equals(expected)).toBe(true);
    });
  });
});
