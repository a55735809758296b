/** rewrapKeys: from a wrapping key to trusted keys and to JWEs for recipients outside, opened by jose and by node:crypto alone. */
import { createHash, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, sign } from 'node:crypto';
import { compactDecrypt, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, EcKey, PublicJwk, Session } from '../../dist/index.js';
import { u32 } from '../support/reference.ts';
import { CURVES, nodePair } from './curves.ts';
import { bytes, code, ephemeral, nodeGcmOpen, nodeUnwrap, nodeWrap, refusal } from './support.ts';

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
const jkt = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
let session: Session;
let any: AesKey;
let bound: AesKey;
let issuerKey: EcKey;

beforeAll(async () => {
  session = it.session;
  any = await session.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: 'any' }, raw);
  const issuerSpki = issuer.publicKey.export({ format: 'der', type: 'spki' });
  issuerKey = await session.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] }, issuerSpki);
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
    const past = await session.generateKey({ ...template, notAfter: Date.now() - 1 });
    expect(await code(() => session.rewrapKeys(blobs, { ...common, from: any, to: past }))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
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

describe('proofs', () => {
  const now = Math.floor(Date.now() / 1000);
  const claims = { cnf: { jkt }, exp: now + 300 };
  const encode = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  function jws(payload: unknown, head: unknown = { alg: 'ES256' }, key = issuer.privateKey): string {
    const input = `${encode(head)}.${encode(payload)}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
  const attempt = (proof: string | undefined) =>
    session.rewrapKeys(blobs, { ...common, from: bound, to: proof === undefined ? { jwk } : { jwk, proof } });

  test('a good one is accepted, by jose or by hand, with other claims', async () => {
    const byJose = await new SignJWT({ cnf: { jkt } })
      .setProtectedHeader({ alg: 'ES256' })
      .setExpirationTime('1m')
      .sign(issuer.privateKey);
    // Nothing fixes a typ: the issuer's key is for proofs alone.
    for (const proof of [
      byJose,
      jws(claims),
      jws({ ...claims, nbf: now - 5, sub: 'x' }, { alg: 'ES256', typ: 'JWT', kid: 'k' }),
    ]) {
      const jwes = await attempt(proof);
      expect(Buffer.compare(open(jwes[3]!), contents[3]!)).toBe(0);
    }
  });

  test('every other is refused, with a reason', async () => {
    const good = jws(claims);
    const [head, payload, signature] = good.split('.') as [string, string, string];
    const hs256 = await new SignJWT({ cnf: { jkt } })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1m')
      .sign(new Uint8Array(issuer.publicKey.export({ format: 'der', type: 'spki' })));
    const { exp, ...noExp } = claims;
    const bad: Record<string, string | undefined> = {
      none: undefined,
      empty: '',
      algNone: `${encode({ alg: 'none' })}.${payload}.`,
      algNoneSigned: jws(claims, { alg: 'none' }),
      algMissing: jws(claims, {}),
      algLower: jws(claims, { alg: 'es256' }),
      hs256,
      crit: jws(claims, { alg: 'ES256', crit: ['exp'] }),
      b64: jws(claims, { alg: 'ES256', b64: false }),
      headArray: jws(claims, []),
      headNull: jws(claims, 'null'),
      headText: jws(claims, 'x'),
      noExp: jws(noExp),
      expString: jws({ ...claims, exp: String(exp) }),
      expNull: jws({ ...claims, exp: null }),
      expired: jws({ ...claims, exp: now - 1 }),
      nbfFuture: jws({ ...claims, nbf: now + 100 }),
      nbfString: jws({ ...claims, nbf: '0' }),
      noCnf: jws({ exp }),
      cnfNull: jws({ exp, cnf: null }),
      cnfString: jws({ exp, cnf: jkt }),
      jktArray: jws({ exp, cnf: { jkt: [jkt] } }),
      foreign: jws({ exp, cnf: { jkt: `${jkt.slice(0, -1)}${jkt.endsWith('A') ? 'E' : 'A'}` } }),
      foreignKey: jws(claims, { alg: 'ES256' }, device.privateKey),
      embeddedKey: jws(claims, { alg: 'ES256', jwk }, device.privateKey),
      payloadArray: jws([]),
      payloadText: jws('x'),
      extraDot: `${good}.`,
      leadingDot: `.${good}`,
      fiveParts: `${head}.${payload}.${signature}.x.y`,
      twoParts: `${head}.${payload}`,
      noSignature: `${head}.${payload}.`,
      padded: `${good}==`,
      space: `${good} `,
      newline: `${head}.${payload}.\n${signature}`,
      standardAlphabet: `${head}.${payload}.${signature.slice(0, -2)}+/`,
      nonCanonical: `${head}.${payload}.${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'h'}`,
      otherPayload: `${head}.${encode({ ...claims, exp: exp + 1 })}.${signature}`,
      zeros: `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      derSignature: `${head}.${payload}.${sign('sha256', Buffer.from(`${head}.${payload}`), issuer.privateKey).toString('base64url')}`,
      oversized: jws({ ...claims, pad: 'x'.repeat(17000) }),
    };
    for (const [name, proof] of Object.entries(bad)) {
      const error = await refusal(() => attempt(proof));
      expect([name, error.code]).toEqual([name, 'KEYCELL_PERMISSION_DENIED']);
      expect(error.message).toMatch(/proof/);
    }
    expect(await attempt(good)).toHaveLength(blobs.length);
  });

  test('an issuer on P-384 signs by ES384, and neither stands for the other', async () => {
    const officer = nodePair(CURVES[1]);
    const template = { type: 'EC', curve: 'P-384', class: 'public', usage: ['verify'] } as const;
    const key = await session.importKey(template, officer.spki);
    const kek = { type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: { issuer: key } } as const;
    const from = await session.importKey(kek, raw);
    const jws384 = (head: object, hash = 'sha384', by = officer.privateKey) => {
      const input = `${encode(head)}.${encode(claims)}`;
      const signature = sign(hash, Buffer.from(input), { key: by, dsaEncoding: 'ieee-p1363' });
      return `${input}.${signature.toString('base64url')}`;
    };
    const rewrap = (proof: string, source = from) =>
      session.rewrapKeys(blobs, { ...common, from: source, to: { jwk, proof } });
    const byJose = await new SignJWT({ cnf: { jkt } })
      .setProtectedHeader({ alg: 'ES384' })
      .setExpirationTime('1m')
      .sign(officer.privateKey);
    for (const good of [byJose, jws384({ alg: 'ES384' })]) {
      expect(Buffer.compare(open((await rewrap(good))[2]!), contents[2]!)).toBe(0);
    }
    for (const bad of [
      jws384({ alg: 'ES256' }),
      jws384({ alg: 'ES256' }, 'sha256'),
      jws384({ alg: 'ES384' }, 'sha256'),
      jws384({ alg: 'ES512' }, 'sha512'),
      jws384({ alg: 'ES384' }, 'sha384', nodePair(CURVES[1]).privateKey),
      jws(claims),
      jws(claims, { alg: 'ES384' }),
    ]) {
      expect(await code(() => rewrap(bad))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    expect(await code(() => rewrap(byJose, bound))).toBe('KEYCELL_PERMISSION_DENIED');
    // What comes below such a key may have the same issuer, and no other.
    const below = nodeWrap('AES-KW', raw, bytes(32, 50));
    const unwrapTemplate = { usage: ['unwrap'], rewrapPolicy: { issuer: key } } as const;
    const over = await session.importKey({ ...kek, unwrapTemplate }, raw);
    const make = (rewrapPolicy: { issuer: EcKey }) =>
      session.unwrapKey(over, below, { ...kek, rewrapPolicy }, { mechanism: 'AES-KW' });
    expect((await make({ issuer: key })).rewrapPolicy).toBe('issuer');
    expect(await code(() => make({ issuer: issuerKey }))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('an issuer on secp256k1 is refused when the wrapping key is made', async () => {
    const template = { type: 'EC', curve: 'secp256k1', class: 'public', usage: ['verify'] } as const;
    const key = await session.importKey(template, device256k1.spki);
    const kek = { type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: { issuer: key } } as const;
    expect(await code(() => session.generateKey(kek))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('no bit of a good one may change', async () => {
    const good = Buffer.from(jws(claims));
    const codes = await Promise.all(
      Array.from({ length: good.length }, (_, i) => {
        const other = Buffer.from(good);
        other[i]! ^= 1;
        return code(() => attempt(other.toString('latin1')));
      }),
    );
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_PERMISSION_DENIED']));
  });

  test('the device’s key is not needed to be told apart: a proof for one is none for another', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const otherSpki = other.publicKey.export({ format: 'der', type: 'spki' });
    const call = () =>
      session.rewrapKeys(blobs, { ...common, from: bound, to: { spki: otherSpki, proof: jws(claims) } });
    expect((await refusal(call)).message).toContain('another recipient');
    expect(createPrivateKey(other.privateKey.export({ format: 'pem', type: 'pkcs8' })).asymmetricKeyType).toBe('ec');
  });
});
