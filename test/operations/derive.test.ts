/** deriveKey: ECDH on every curve and every KDF with every hash, against node:crypto. */
import { createHash, createHmac, diffieHellman, hkdfSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EcKey, Kdf, Session } from '../../dist/index.js';
import { kdf108, u32 } from '../support/reference.ts';
import { CURVES, HASHES, nodePair, nodePrivate, nodePublic } from './curves.ts';
import { bytes, code, ephemeral, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const plain = { extractable: 'plaintext', persistent: false } as const;
const generic = (bits: number) => ({ type: 'GENERIC', bits, usage: ['derive'], ...plain }) as const;
/** A base says what may be derived: standard bytes, which the tests take out. */
const deriveTemplate = { type: 'GENERIC', extractable: 'plaintext' } as const;
const lengthed = (...fields: Uint8Array[]) => Buffer.concat(fields.flatMap((field) => [u32(field.length), field]));

/** Blocks of a one-step or counter-mode KDF, numbered from 1, cut to the length asked for. */
const blocks = (bits: number, hashSize: number, block: (counter: Buffer) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: Math.ceil(bits / 8 / hashSize) }, (_, i) => block(u32(i + 1)))).subarray(
    0,
    bits / 8,
  );

describe.each(CURVES)('ECDH on $curve', (c) => {
  const theirs = nodePair(c);
  let base: EcKey;
  let z: Buffer;
  beforeAll(async () => {
    base = await session.generateKey({ type: 'EC', curve: c.curve, usage: ['derive'], deriveTemplate, ...plain });
    const privateKey = nodePrivate(await session.exportKey(base));
    z = diffieHellman({ privateKey, publicKey: theirs.publicKey });
    expect(z).toHaveLength(c.size);
  });

  test('raw, from a point, a compressed point, SPKI, JWK and an imported partner', async () => {
    const template = { type: 'EC', curve: c.curve, class: 'public', usage: ['derive'] } as const;
    const partner = await session.importKey(template, theirs.compressed);
    const ours = diffieHellman({ privateKey: theirs.privateKey, publicKey: nodePublic(base.publicKey) });
    expect(ours).toEqual(z);
    for (const publicKey of [
      theirs.point,
      theirs.compressed,
      theirs.spki,
      theirs.jwk,
      partner.publicKey,
      partner.jwk,
    ]) {
      const how = { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } } as const;
      const key = await session.deriveKey(base, how, generic(8 * c.size));
      expect(Buffer.from(await session.exportKey(key))).toEqual(z);
      const aes = { type: 'AES', bits: 256, usage: ['encrypt'], ...plain } as const;
      expect(await code(() => session.deriveKey(base, how, aes))).toBe('KEYCELL_MECHANISM_INVALID');
      for (const bits of [8, 8 * c.size - 8, 8 * c.size + 8, c.size === 32 ? 384 : 256]) {
        expect(await code(() => session.deriveKey(base, how, generic(bits)))).toBe('KEYCELL_INPUT_INVALID');
      }
    }
  });

  test('points of other curves, off the curve, at infinity or of a wrong length', async () => {
    const derive = (publicKey: unknown) =>
      session.deriveKey(
        base,
        { mechanism: 'ECDH', publicKey: publicKey as Uint8Array, kdf: { name: 'none' } },
        generic(8 * c.size),
      );
    const others = CURVES.filter(({ curve }) => curve !== c.curve).map(nodePair);
    const foreign = others.flatMap(({ point, compressed, spki, jwk }) => [point, spki, jwk, compressed]);
    // A compressed point of the other 256-bit curve may by chance be an x of this one: then it is a valid key, and not tried.
    const wrong = foreign.filter((each) => !(each instanceof Uint8Array && each.length === 1 + c.size));
    const altered = Buffer.from(theirs.point);
    altered[40]! ^= 1;
    const overlong = { ...theirs.jwk, x: Buffer.concat([Buffer.of(0), theirs.point.subarray(1, 1 + c.size)]) };
    const prime = Buffer.from(c.noble.Point.Fp.ORDER.toString(16).padStart(2 * c.size, '0'), 'hex');
    for (const bad of [
      ...wrong,
      altered,
      Buffer.of(0),
      Buffer.alloc(0),
      Buffer.alloc(theirs.point.length),
      Buffer.concat([Buffer.of(4), Buffer.alloc(2 * c.size)]),
      Buffer.concat([Buffer.of(4), prime, theirs.point.subarray(1 + c.size)]),
      Buffer.concat([Buffer.of(2), prime]),
      Buffer.concat([Buffer.of(5), theirs.point.subarray(1)]),
      Buffer.concat([Buffer.of(6 + (theirs.point.at(-1)! & 1)), theirs.point.subarray(1)]),
      theirs.point.subarray(1),
      theirs.point.subarray(0, -1),
      Buffer.concat([theirs.point, Buffer.of(0)]),
      Buffer.concat([Buffer.of(4, 0), theirs.point.subarray(1)]),
      Buffer.concat([theirs.spki, Buffer.of(0)]),
      { ...theirs.jwk, crv: others[0]!.jwk.crv },
      { ...theirs.jwk, crv: 'P-521' },
      { ...theirs.jwk, x: overlong.x.toString('base64url') },
      { ...theirs.jwk, x: `${theirs.jwk.x}=` },
      { ...theirs.jwk, y: undefined },
    ]) {
      expect([bad, await code(() => derive(bad))]).toEqual([bad, 'KEYCELL_INPUT_INVALID']);
    }
    expect(await session.exportKey(await derive(theirs.point))).toHaveLength(c.size);
  });

  test.each(HASHES)('concat, SP 800-108 and HKDF with $hash', async (h) => {
    const digest = (...parts: Uint8Array[]) => createHash(h.node).update(Buffer.concat(parts)).digest();
    const mac = (...parts: Uint8Array[]) => createHmac(h.node, z).update(Buffer.concat(parts)).digest();
    for (const bits of [128, 256, 8 * h.size, 8 * h.size + 8, 4096]) {
      const apu = bytes(bits % 7);
      const info = Buffer.concat([lengthed(Buffer.from('A128GCM'), apu, bytes(3)), u32(bits)]);
      const fixed = Buffer.concat([bytes(9), Buffer.of(0), apu, u32(bits)]);
      const cases: [Kdf, Uint8Array][] = [
        [
          { name: 'concat', hash: h.hash, algorithm: 'A128GCM', apu, apv: bytes(3) },
          blocks(bits, h.size, (counter) => digest(counter, z, info)),
        ],
        [
          { name: 'sp800-108', hash: h.hash, label: bytes(9), context: apu },
          blocks(bits, h.size, (counter) => mac(counter, fixed)),
        ],
        [
          { name: 'hkdf', hash: h.hash, salt: bytes(21), info: apu },
          Buffer.from(hkdfSync(h.node, z, bytes(21), apu, bits / 8)),
        ],
        [{ name: 'hkdf', hash: h.hash }, Buffer.from(hkdfSync(h.node, z, Buffer.alloc(0), Buffer.alloc(0), bits / 8))],
      ];
      for (const [kdf, expected] of cases) {
        const how = { mechanism: 'ECDH', publicKey: theirs.spki, kdf } as const;
        const key = await session.deriveKey(base, how, generic(bits));
        expect(Buffer.compare(await session.exportKey(key), expected)).toBe(0);
      }
      if (h.hash === 'SHA-256' && bits === 256) {
        expect(kdf108(z, fixed)).toEqual(blocks(bits, 32, (counter) => mac(counter, fixed)));
      }
    }
  });
});

describe('from secrets', () => {
  test.each(HASHES)('HKDF, concat and SP 800-108 with $hash, of GENERIC and HMAC keys', async (h) => {
    for (const length of [1, 32, 64, 65, 129, 512]) {
      const raw = bytes(length, 4);
      const bases = [await session.importKey({ ...generic(8 * length), deriveTemplate }, raw)];
      if (length >= 14) {
        const hmac = { type: 'HMAC', bits: 8 * length, usage: ['derive'], deriveTemplate, ...plain } as const;
        bases.push((await session.importKey(hmac, raw)) as never);
      }
      const bits = 200;
      const info = Buffer.concat([lengthed(Buffer.from('x'), bytes(0), bytes(0)), u32(bits)]);
      const fixed = Buffer.concat([bytes(70), Buffer.of(0), u32(bits)]);
      const cases: [Exclude<Kdf, { name: 'none' }>, Buffer][] = [
        [
          { name: 'hkdf', hash: h.hash, salt: bytes(200), info: bytes(300) },
          Buffer.from(hkdfSync(h.node, raw, bytes(200), bytes(300), bits / 8)),
        ],
        [
          { name: 'concat', hash: h.hash, algorithm: 'x' },
          blocks(bits, h.size, (counter) => createHash(h.node).update(counter).update(raw).update(info).digest()),
        ],
        [
          { name: 'sp800-108', hash: h.hash, label: bytes(70) },
          blocks(bits, h.size, (counter) => createHmac(h.node, raw).update(counter).update(fixed).digest()),
        ],
      ];
      for (const base of bases) {
        for (const [kdf, expected] of cases) {
          const key = await session.deriveKey(base, { mechanism: 'KDF', kdf }, generic(bits));
          expect(Buffer.from(await session.exportKey(key))).toEqual(expected);
        }
      }
    }
  });

  test('HKDF’s shorter outputs are prefixes of longer ones, so it makes none that can be searched', async () => {
    const common = { type: 'GENERIC', bits: 256, usage: ['derive'] } as const;
    const base = await session.generateKey({ ...common, deriveTemplate: { type: 'GENERIC' } });
    const content = await session.generateKey({ ...common, deriveTemplate: {} });
    const how = { mechanism: 'KDF', kdf: { name: 'hkdf', hash: 'SHA-256', info: bytes(3) } } as const;
    for (const bits of [8, 16, 64, 112, 120]) {
      const short = { type: 'GENERIC', bits, usage: ['derive'] } as const;
      const error = await refusal(() => session.deriveKey(base, how, short));
      expect(error.code).toBe('KEYCELL_INPUT_INVALID');
      expect(error.message).toContain('128');
    }
    expect(await code(() => session.deriveKey(base, how, { type: 'HMAC', bits: 112, usage: ['sign'] }))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
    await session.deriveKey(base, how, { type: 'GENERIC', bits: 128, usage: ['derive'] });
    await session.deriveKey(content, how, { type: 'AES', bits: 128, usage: ['encrypt'] });
  });

  test('the other KDFs give nothing in common for two lengths', async () => {
    const base = await session.importKey({ ...generic(256), deriveTemplate }, bytes(32));
    for (const kdf of [
      { name: 'concat', hash: 'SHA-512', algorithm: 'x' },
      { name: 'sp800-108', hash: 'SHA-512', label: bytes(3) },
    ] as const) {
      const [a, b] = await Promise.all(
        [128, 256].map(async (bits) =>
          session.exportKey(await session.deriveKey(base, { mechanism: 'KDF', kdf }, generic(bits))),
        ),
      );
      expect(Buffer.compare(a!, b!.subarray(0, 16))).not.toBe(0);
    }
  });

  test('hashes and KDFs that there are not', async () => {
    const content = { deriveTemplate: {} } as const;
    const base = await session.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'], ...content });
    const derive = (kdf: unknown) =>
      session.deriveKey(base, { mechanism: 'KDF', kdf: kdf as never }, { type: 'AES', bits: 128, usage: [] });
    for (const [kdf, expected] of [
      [{ name: 'hkdf', hash: 'SHA-1' }, 'KEYCELL_MECHANISM_INVALID'],
      [{ name: 'hkdf' }, 'KEYCELL_MECHANISM_INVALID'],
      [{ name: 'concat', algorithm: 'x' }, 'KEYCELL_MECHANISM_INVALID'],
      [{ name: 'sp800-108', label: bytes(3), hash: 'constructor' }, 'KEYCELL_MECHANISM_INVALID'],
      [{ name: 'pbkdf2', hash: 'SHA-256' }, 'KEYCELL_MECHANISM_INVALID'],
      [{ name: 'none' }, 'KEYCELL_MECHANISM_INVALID'],
      [{ name: 'hkdf', hash: 'SHA-256', salt: 'salt' }, 'KEYCELL_INPUT_INVALID'],
      [{ name: 'hkdf', hash: 'SHA-256', info: [1] }, 'KEYCELL_INPUT_INVALID'],
      [undefined, 'KEYCELL_INPUT_INVALID'],
      ['hkdf', 'KEYCELL_INPUT_INVALID'],
    ] as const) {
      expect([kdf, await code(() => derive(kdf))]).toEqual([kdf, expected]);
    }
  });
});

test('a shared secret serves as a key of the HSM: two cells’ ends agree without showing it', async () => {
  for (const c of CURVES) {
    const [a, b] = await Promise.all(
      [0, 1].map(() => session.generateKey({ type: 'EC', curve: c.curve, usage: ['derive'], deriveTemplate: {} })),
    );
    const kdf = { name: 'hkdf', hash: c.own, info: bytes(4) } as const;
    const aes = (usage: 'encrypt' | 'decrypt') => ({ type: 'AES', bits: 256, usage: [usage] }) as const;
    const enc = await session.deriveKey(a!, { mechanism: 'ECDH', publicKey: b!.jwk, kdf }, aes('encrypt'));
    const dec = await session.deriveKey(b!, { mechanism: 'ECDH', publicKey: a!.publicKey, kdf }, aes('decrypt'));
    expect(enc.checkValue).toBe(dec.checkValue);
    const { iv, ciphertext } = await session.encrypt(enc, bytes(50), { mechanism: 'AES-GCM' });
    expect(await session.decrypt(dec, ciphertext, { mechanism: 'AES-GCM', iv })).toEqual(bytes(50));
  }
});
