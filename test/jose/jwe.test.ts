/** Compact JWE over a session, against npm jose both ways, the RFCs' own examples, and every bit changed. */
import { createCipheriv, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import type { AesKey, Curve, EcKey, PublicJwk, Session } from '../../dist/index.js';
import { decryptJwe, encryptJwe, type JweAlgorithm, type JweEncryption } from '../../dist/jose/index.js';
import { bytes, code, ephemeral, refusal } from '../operations/support.ts';
import { header, reheaded, text, utf8 } from './support.ts';
import vectors from './vectors.json' with { type: 'json' };

const hsm = ephemeral();
const CURVES: readonly { curve: Curve; node: string }[] = [
  { curve: 'P-256', node: 'prime256v1' },
  { curve: 'P-384', node: 'secp384r1' },
];
const GCM: readonly JweEncryption[] = ['A128GCM', 'A192GCM', 'A256GCM'];
const CBC_HMAC: readonly JweEncryption[] = ['A128CBC-HS256', 'A192CBC-HS384', 'A256CBC-HS512'];
const ENCRYPTIONS = [...GCM, ...CBC_HMAC];
const AGREEMENTS: readonly JweAlgorithm[] = ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW'];
const WRAPS = [128, 192, 256] as const;

interface Pair {
  readonly key: EcKey;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

async function pair(session: Session, { curve, node } = CURVES[0]!): Promise<Pair> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: node });
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const template = { type: 'EC', curve, usage: ['derive'], persistent: false } as const;
  return { key: await session.importKey(template, pkcs8), privateKey, publicKey };
}

const aes = (session: Session, secret: Uint8Array, usage: readonly ('encrypt' | 'decrypt' | 'wrap' | 'unwrap')[]) =>
  session.importKey({ type: 'AES', bits: (8 * secret.length) as 128 | 192 | 256, usage, persistent: false }, secret);

describe.each(CURVES)('ECDH over $curve', (named) => {
  const cases = AGREEMENTS.flatMap((alg) => ENCRYPTIONS.map((enc) => ({ alg, enc })));

  test.each(cases)('$alg, $enc: ours to npm jose, and theirs to us', async ({ alg, enc }) => {
    const { key, privateKey, publicKey } = await pair(hsm.session, named);
    for (const length of [0, 1, 15, 16, 17, 1000]) {
      const ours = await encryptJwe(hsm.session, key, bytes(length), { alg, enc });
      const opened = await compactDecrypt(ours, privateKey);
      expect(Buffer.from(opened.plaintext)).toEqual(Buffer.from(bytes(length)));
      expect(opened.protectedHeader).toMatchObject({ alg, enc, kid: key.kid });
      expect(Object.keys(opened.protectedHeader['epk'] as object)).toEqual(['kty', 'crv', 'x', 'y']);
      const theirs = await new CompactEncrypt(bytes(length)).setProtectedHeader({ alg, enc }).encrypt(publicKey);
      expect((await decryptJwe(hsm.session, key, theirs)).plaintext).toEqual(bytes(length));
    }
  });

  test('the parties that both sides name', async () => {
    const { key, privateKey, publicKey } = await pair(hsm.session, named);
    const apu = utf8('Alice');
    const apv = utf8('Bob');
    const ours = await encryptJwe(hsm.session, key, bytes(9), { apu, apv });
    expect(header(ours)).toMatchObject({ apu: 'QWxpY2U', apv: 'Qm9i' });
    expect(Buffer.from((await compactDecrypt(ours, privateKey)).plaintext)).toEqual(Buffer.from(bytes(9)));
    const theirs = await new CompactEncrypt(bytes(9))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
      .setKeyManagementParameters({ apu, apv })
      .encrypt(publicKey);
    expect((await decryptJwe(hsm.session, key, theirs)).plaintext).toEqual(bytes(9));
  });

  test('to a JWK and to SPKI, from somebody who has no key of his own', async () => {
    const { key, privateKey } = await pair(hsm.session, named);
    const { kid: _, ...bare } = key.jwk;
    for (const recipient of [key.jwk, bare, key.publicKey, { ...key.jwk, use: 'enc' }]) {
      const token = await encryptJwe(hsm.session, recipient, bytes(20));
      expect(Buffer.from((await compactDecrypt(token, privateKey)).plaintext)).toEqual(Buffer.from(bytes(20)));
    }
  });

  test('a JWK that names its algorithm is encrypted to by that', async () => {
    const { key } = await pair(hsm.session, named);
    for (const alg of ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW'] as const) {
      const token = await encryptJwe(hsm.session, { ...key.jwk, alg }, bytes(20));
      expect(header(token)['alg']).toBe(alg);
      expect((await decryptJwe(hsm.session, key, token)).plaintext).toEqual(bytes(20));
      await encryptJwe(hsm.session, { ...key.jwk, alg }, bytes(20), { alg });
      const other = code(() => encryptJwe(hsm.session, { ...key.jwk, alg }, bytes(20), { alg: 'ECDH-ES+A192KW' }));
      expect(await other).toBe('KEYCELL_INPUT_INVALID');
    }
    for (const operations of [[], ['deriveKey'], ['deriveBits', 'deriveKey']]) {
      await encryptJwe(hsm.session, { ...key.jwk, key_ops: operations }, bytes(20));
    }
  });

  test('no two messages share an ephemeral key', async () => {
    const { key } = await pair(hsm.session, named);
    const tokens = await Promise.all(Array.from({ length: 8 }, () => encryptJwe(hsm.session, key, bytes(1))));
    expect(new Set(tokens.map((token) => (header(token)['epk'] as PublicJwk).x)).size).toBe(8);
  });
});

describe('AES keys', () => {
  test.each(WRAPS)('dir with %i bits', async (bits) => {
    const secret = randomBytes(bits / 8);
    const key = await aes(hsm.session, secret, ['encrypt', 'decrypt']);
    const ours = await encryptJwe(hsm.session, key, bytes(33));
    expect(header(ours)).toEqual({ alg: 'dir', enc: `A${bits}GCM`, kid: key.id });
    expect(Buffer.from((await compactDecrypt(ours, secret)).plaintext)).toEqual(Buffer.from(bytes(33)));
    const theirs = await new CompactEncrypt(bytes(33))
      .setProtectedHeader({ alg: 'dir', enc: `A${bits}GCM` })
      .encrypt(secret);
    expect((await decryptJwe(hsm.session, key, theirs)).plaintext).toEqual(bytes(33));
  });

  test.each(WRAPS.flatMap((bits) => ENCRYPTIONS.map((enc) => ({ bits, enc }))))('A$bits KW, $enc', async (each) => {
    const { bits, enc } = each;
    const secret = randomBytes(bits / 8);
    const key = await aes(hsm.session, secret, ['wrap', 'unwrap']);
    const ours = await encryptJwe(hsm.session, key, bytes(33), { enc });
    expect(header(ours)).toEqual({ alg: `A${bits}KW`, enc, kid: key.id });
    expect(Buffer.from((await compactDecrypt(ours, secret)).plaintext)).toEqual(Buffer.from(bytes(33)));
    const theirs = await new CompactEncrypt(bytes(33)).setProtectedHeader({ alg: `A${bits}KW`, enc }).encrypt(secret);
    expect((await decryptJwe(hsm.session, key, theirs)).plaintext).toEqual(bytes(33));
  });
});

describe.each(CBC_HMAC)('%s', (enc) => {
  const bits = Number(enc.slice(-3)) as 256 | 384 | 512;
  const direct = (secret: Uint8Array, usage: readonly ('encrypt' | 'decrypt')[] = ['encrypt', 'decrypt']) =>
    hsm.session.importKey({ type: 'AES-CBC-HMAC', bits, usage, persistent: false }, secret);

  test('dir, at every length over the blocks’ boundaries', async () => {
    const secret = randomBytes(bits / 8);
    const key = await direct(secret);
    for (let length = 0; length <= 67; length++) {
      const ours = await encryptJwe(hsm.session, key, bytes(length));
      expect(header(ours)).toEqual({ alg: 'dir', enc, kid: key.id });
      expect(Buffer.from((await compactDecrypt(ours, secret)).plaintext)).toEqual(Buffer.from(bytes(length)));
      const theirs = await new CompactEncrypt(bytes(length)).setProtectedHeader({ alg: 'dir', enc }).encrypt(secret);
      expect((await decryptJwe(hsm.session, key, theirs)).plaintext).toEqual(bytes(length));
    }
  });

  test.each(['dir', 'A256KW', 'ECDH-ES', 'ECDH-ES+A128KW'] as const)('%s: any byte of it changed', async (alg) => {
    const key =
      alg === 'dir'
        ? await direct(randomBytes(bits / 8))
        : alg === 'A256KW'
          ? await aes(hsm.session, randomBytes(32), ['wrap', 'unwrap'])
          : (await pair(hsm.session)).key;
    const token = await encryptJwe(hsm.session, key, bytes(20), { alg, enc });
    const parts = token.split('.');
    for (const [n, part] of parts.entries()) {
      const raw = Buffer.from(part, 'base64url');
      for (let at = 0; at < raw.length; at++) {
        const changed = Buffer.from(raw);
        changed[at]! ^= 1 << (at % 8);
        const verdict = await code(() =>
          decryptJwe(hsm.session, key, parts.with(n, changed.toString('base64url')).join('.')),
        );
        // A header that is none any more, or names something else, says so; all else is not authentic.
        if (n !== 0 || verdict !== 'KEYCELL_TOKEN_INVALID')
          expect([n, at, verdict]).toEqual([n, at, 'KEYCELL_DECRYPT_FAILED']);
      }
    }
    for (const n of [2, 4]) {
      const short = Buffer.from(parts[n]!, 'base64url').subarray(1).toString('base64url');
      expect(await code(() => decryptJwe(hsm.session, key, parts.with(n, short).join('.')))).toBe(
        'KEYCELL_TOKEN_INVALID',
      );
    }
    for (const length of [0, 1, 15, 16, 31]) {
      const cut = Buffer.from(parts[3]!, 'base64url').subarray(0, length).toString('base64url');
      expect(await code(() => decryptJwe(hsm.session, key, parts.with(3, cut).join('.')))).toBe(
        'KEYCELL_DECRYPT_FAILED',
      );
    }
  });

  test('a key for it is for it alone, in each direction', async () => {
    const key = await direct(randomBytes(bits / 8));
    const token = await encryptJwe(hsm.session, key, bytes(9));
    for (const other of ENCRYPTIONS.filter((each) => each !== enc)) {
      expect(await code(() => encryptJwe(hsm.session, key, bytes(9), { enc: other }))).toBe('KEYCELL_INPUT_INVALID');
      const forged = reheaded(token, { ...header(token), enc: other });
      expect(await code(() => decryptJwe(hsm.session, key, forged))).toBe('KEYCELL_TOKEN_INVALID');
    }
    for (const alg of ['A128KW', 'A192KW', 'A256KW', 'ECDH-ES'] as const) {
      expect(await code(() => encryptJwe(hsm.session, key, bytes(9), { alg }))).toBe('KEYCELL_INPUT_INVALID');
      const forged = reheaded(token, { ...header(token), alg });
      expect(await code(() => decryptJwe(hsm.session, key, forged))).toBe('KEYCELL_TOKEN_INVALID');
    }
    const options = { encryptions: ['A256GCM'] } as const;
    expect(await code(() => decryptJwe(hsm.session, key, token, options))).toBe('KEYCELL_TOKEN_INVALID');
    const reader = await direct(randomBytes(bits / 8), ['decrypt']);
    expect(await code(() => encryptJwe(hsm.session, reader, bytes(9)))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('a KEK whose unwrapTemplate names it opens it, and nothing of AES', async () => {
    const secret = randomBytes(16);
    const unwrapTemplate = { type: 'AES-CBC-HMAC', usage: ['decrypt'], extractable: false } as const;
    const kek = await hsm.session.importKey(
      { type: 'AES', bits: 128, usage: ['unwrap'], unwrapTemplate, persistent: false },
      secret,
    );
    const write = (each: JweEncryption) =>
      new CompactEncrypt(bytes(7)).setProtectedHeader({ alg: 'A128KW', enc: each }).encrypt(secret);
    expect((await decryptJwe(hsm.session, kek, await write(enc))).plaintext).toEqual(bytes(7));
    const gcm = await write('A256GCM');
    expect(await code(() => decryptJwe(hsm.session, kek, gcm))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

const examples = vectors.jwe.filter(({ key }) => key.kty === 'oct' || CURVES.some(({ curve }) => curve === key.crv));

test.each(examples)('the example of $name', async ({ key: jwk, plaintext, compact, compressed }) => {
  const { alg } = header(compact) as { alg: string };
  const usage = alg === 'dir' ? (['decrypt'] as const) : (['unwrap'] as const);
  const key =
    jwk.kty === 'oct' ? await aes(hsm.session, Buffer.from(jwk.k!, 'base64url'), usage) : await recipientOf(jwk);
  if (compressed) {
    expect((await refusal(() => decryptJwe(hsm.session, key, compact))).message).toMatch(/compressed/);
  } else {
    expect(text((await decryptJwe(hsm.session, key, compact)).plaintext)).toBe(plaintext);
  }
});

async function recipientOf(jwk: object): Promise<EcKey> {
  const pkcs8 = createPrivateKey({ key: jwk as never, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' });
  const { crv: curve } = jwk as { crv: Curve };
  return hsm.session.importKey({ type: 'EC', curve, usage: ['derive'], persistent: false }, pkcs8);
}

test('the agreement of RFC 7518 appendix C gives its key', async () => {
  const { bob, epk, apu, apv, enc, key } = vectors.agreement;
  const protectedPart = Buffer.from(JSON.stringify({ alg: 'ECDH-ES', enc, apu, apv, epk })).toString('base64url');
  const iv = Buffer.alloc(12, 7);
  const cipher = createCipheriv('aes-128-gcm', Buffer.from(key, 'base64url'), iv).setAAD(Buffer.from(protectedPart));
  const ciphertext = Buffer.concat([cipher.update('hello Bob'), cipher.final()]);
  const rest = [Buffer.alloc(0), iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  const { plaintext } = await decryptJwe(hsm.session, await recipientOf(bob), [protectedPart, ...rest].join('.'));
  expect(text(plaintext)).toBe('hello Bob');
});

test('what rewrapKeys sends a key of ours, decryptJwe opens', async () => {
  const { key } = await pair(hsm.session);
  const kek = await hsm.session.generateKey({
    ...{ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any', persistent: false },
  });
  const secret = bytes(16, 3);
  const content = await hsm.session.importKey(
    { type: 'AES', bits: 128, usage: [], extractable: 'wrapped', persistent: false },
    secret,
  );
  const blob = await hsm.session.wrapKey(kek, content, { mechanism: 'AES-KW' });
  const [jwe] = await hsm.session.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', to: key, as: 'JWE' });
  expect((await decryptJwe(hsm.session, key, jwe!)).plaintext).toEqual(secret);
});

describe('what is refused', () => {
  const open = (key: EcKey | AesKey, token: string) => code(() => decryptJwe(hsm.session, key, token));

  test('any bit of it changed', async () => {
    const { key } = await pair(hsm.session);
    const token = await encryptJwe(hsm.session, key, bytes(20), { alg: 'ECDH-ES+A256KW' });
    const parts = token.split('.');
    for (const [n, part] of parts.entries()) {
      const raw = Buffer.from(part, 'base64url');
      for (let i = 0; i < raw.length; i += n === 0 ? 7 : 1) {
        const changed = Buffer.from(raw);
        changed[i]! ^= 1;
        const forged = parts.with(n, changed.toString('base64url')).join('.');
        const verdict = await open(key, forged);
        expect(n === 0 ? ['KEYCELL_TOKEN_INVALID', 'KEYCELL_DECRYPT_FAILED'] : ['KEYCELL_DECRYPT_FAILED']).toContain(
          verdict,
        );
      }
    }
  });

  test('another recipient, another party', async () => {
    const [a, b] = [await pair(hsm.session), await pair(hsm.session)];
    const token = await encryptJwe(hsm.session, a.key, bytes(20));
    expect(await open(b.key, token)).toBe('KEYCELL_DECRYPT_FAILED');
    const members = header(token);
    expect(await open(a.key, reheaded(token, { ...members, apu: 'QWxpY2U' }))).toBe('KEYCELL_DECRYPT_FAILED');
  });

  test('an ephemeral key that is no point of the curve', async () => {
    const { key } = await pair(hsm.session);
    const token = await encryptJwe(hsm.session, key, bytes(20));
    const members = header(token) as { epk: PublicJwk };
    const zero = Buffer.alloc(32).toString('base64url');
    const epks = [
      undefined,
      null,
      'x',
      {},
      { ...members.epk, y: members.epk.x },
      { ...members.epk, x: zero, y: zero },
      { ...members.epk, crv: 'P-384' },
      { ...members.epk, kty: 'OKP' },
      { ...members.epk, x: 'AAAA' },
      { ...members.epk, y: undefined },
    ];
    for (const epk of epks) {
      const forged = reheaded(token, { ...members, epk });
      expect(await open(key, forged)).toBe('KEYCELL_TOKEN_INVALID');
    }
  });

  test('algorithms that the key or the caller does not allow', async () => {
    const { key } = await pair(hsm.session);
    const token = await encryptJwe(hsm.session, key, bytes(20));
    const members = header(token);
    const changes = [
      ...['dir', 'A256KW', 'RSA-OAEP', 'PBES2-HS256+A128KW', 'none', 'toString', 5].map((alg) => ({ alg })),
      ...['A128CBC-HS256', 'A128CBC', 'toString', undefined].map((enc) => ({ enc })),
      { zip: 'DEF' },
      { crit: ['x'] },
      { apu: 5 },
      { apu: 'A' },
    ];
    for (const change of changes) {
      expect(await open(key, reheaded(token, { ...members, ...change }))).toBe('KEYCELL_TOKEN_INVALID');
    }
    for (const options of [{ algorithms: ['ECDH-ES+A256KW'] as const }, { encryptions: ['A128GCM'] as const }]) {
      expect(await code(() => decryptJwe(hsm.session, key, token, options))).toBe('KEYCELL_TOKEN_INVALID');
    }
    const allowed = { algorithms: ['ECDH-ES'], encryptions: ['A256GCM'] } as const;
    expect((await decryptJwe(hsm.session, key, token, allowed)).plaintext).toEqual(bytes(20));
  });

  test('parts that are missing, too many, or of another length', async () => {
    const secret = randomBytes(32);
    const key = await aes(hsm.session, secret, ['encrypt', 'decrypt']);
    const token = await encryptJwe(hsm.session, key, bytes(20));
    const parts = token.split('.');
    const forged = [
      '',
      '....',
      parts.slice(0, 4).join('.'),
      `${token}.`,
      parts.with(1, 'AAAA').join('.'),
      parts.with(2, 'AAAA').join('.'),
      parts.with(2, '').join('.'),
      parts.with(4, parts[4]!.slice(0, 16)).join('.'),
      parts.with(4, '').join('.'),
      `${token}=`,
    ];
    for (const each of forged) expect(await open(key, each)).toBe('KEYCELL_TOKEN_INVALID');
    expect(await open(key, 5 as never)).toBe('KEYCELL_INPUT_INVALID');
  });

  test('a content key of another size than enc says, though authentic: the token is at fault, not the caller', async () => {
    const wrapping = await aes(hsm.session, randomBytes(32), ['wrap', 'unwrap']);
    const template = { type: 'AES', usage: ['encrypt'], extractable: 'wrapped', persistent: false } as const;
    for (const bits of WRAPS) {
      const content = await hsm.session.generateKey({ ...template, bits });
      const blob = await hsm.session.wrapKey(wrapping, content, { mechanism: 'AES-KW' });
      for (const enc of GCM.filter((each) => each !== `A${bits}GCM`)) {
        const token = await encryptJwe(hsm.session, wrapping, bytes(20), { enc });
        const forged = token.split('.').with(1, Buffer.from(blob).toString('base64url')).join('.');
        expect(await open(wrapping, forged)).toBe('KEYCELL_TOKEN_INVALID');
      }
    }
  });

  test('recipients and headers that we do not write to', async () => {
    const { key } = await pair(hsm.session);
    const signer = await hsm.session.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'], persistent: false },
    });
    const mac = await hsm.session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
    const to = (recipient: unknown, options: object = {}, plaintext: unknown = bytes(1)) =>
      code(() => encryptJwe(hsm.session, recipient as never, plaintext as never, options));
    const bad: unknown[] = [signer, mac, null, undefined, {}, 'x', bytes(91), { ...key.jwk, use: 'sig' }];
    bad.push({ ...key.jwk, kty: 'RSA' }, { ...key.jwk, crv: 'P-521' }, { ...key.jwk, crv: 'secp256k1' });
    bad.push({ ...key.jwk, y: key.jwk.x });
    for (const alg of ['ES256', 'dir', 'A256KW', 'RSA-OAEP', '', 5, null]) bad.push({ ...key.jwk, alg });
    for (const operations of [['verify'], ['encrypt'], ['deriveKey', 'deriveKey'], 'deriveKey', null]) {
      bad.push({ ...key.jwk, key_ops: operations });
    }
    for (const recipient of bad) expect(await to(recipient)).toBe('KEYCELL_INPUT_INVALID');
    for (const name of ['alg', 'enc', 'epk', 'apu', 'apv', 'zip', 'crit', 'b64']) {
      expect(await to(key, { header: { [name]: 'x' } })).toBe('KEYCELL_INPUT_INVALID');
    }
    const options = [{ alg: 'dir' }, { alg: 'A256KW' }, { alg: 'none' }, { enc: 'A128CBC' }, { encoding: 1 }];
    for (const each of options) expect(await to(key, each)).toBe('KEYCELL_INPUT_INVALID');
    expect(await to(key, {}, 'text')).toBe('KEYCELL_INPUT_INVALID');
    const direct = await aes(hsm.session, randomBytes(32), ['encrypt', 'decrypt']);
    for (const each of [{ enc: 'A128GCM' }, { apu: bytes(1) }, { alg: 'ECDH-ES' }, { alg: 'A128KW' }]) {
      expect(await to(direct, each)).toBe('KEYCELL_INPUT_INVALID');
    }
    expect(await to(direct, { alg: 'A256KW' })).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

test('the plaintext is read when it is given, and left as it was', async () => {
  const { key, privateKey } = await pair(hsm.session);
  const plaintext = bytes(50, 4);
  const token = encryptJwe(hsm.session, key, plaintext, { header: { cty: 'x', kid: undefined } });
  expect(plaintext).toEqual(bytes(50, 4));
  plaintext.fill(0);
  const opened = await compactDecrypt(await token, privateKey);
  expect(Buffer.from(opened.plaintext)).toEqual(Buffer.from(bytes(50, 4)));
  expect(Object.keys(opened.protectedHeader)).toEqual(['alg', 'enc', 'cty', 'epk']);
});
