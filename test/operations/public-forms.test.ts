/** EC public keys in every form that somebody publishes, wherever a call takes one: node's reading, or a refusal. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { compactDecrypt, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HsmError, type PublicKeyInput } from '../../dist/index.js';
import { encryptJwe, verifyJwt } from '../../dist/jose/index.js';
import { needs } from '../support/tools.ts';
import { altered, CURVES, nodePair, type TestCurve } from './curves.ts';
import { element, oid, pem, spki, type Width } from './der.ts';
import { atOddOffset, bytes, code, ephemeral, refusal } from './support.ts';

const it = ephemeral();
const templateOf = ({ curve }: TestCurve) =>
  ({ type: 'EC', class: 'public', curve, usage: ['verify'], persistent: false }) as const;

const folder = mkdtempSync(join(tmpdir(), 'keycell-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A certificate as OpenSSL makes it, for a private key. */
function certificate(key: string, ...more: string[]): string {
  const file = join(folder, 'key.pem');
  writeFileSync(file, key);
  const args = ['req', '-x509', '-new', '-key', file, '-subj', '/O=Film & Söhne/CN=licences', '-utf8', ...more];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

async function refusedWith(c: TestCurve, forms: Record<string, unknown>, message: RegExp): Promise<void> {
  for (const [name, form] of Object.entries(forms)) {
    const error = await refusal(() => it.session.importKey(templateOf(c), form as Uint8Array));
    expect([name, error.code, error.message]).toEqual([name, 'KEYCELL_INPUT_INVALID', expect.stringMatching(message)]);
  }
}

/** Every beginning of the form that is not all of it is refused. */
async function refusedCut(c: TestCurve, form: Buffer): Promise<void> {
  for (let length = 0; length < form.length; length++) {
    const cut = form.subarray(0, length);
    expect([length, await code(() => it.session.importKey(templateOf(c), cut))]).toEqual([
      length,
      'KEYCELL_INPUT_INVALID',
    ]);
  }
}

describe.each(CURVES)('$curve', (c) => {
  const pair = nodePair(c);
  const foreign = CURVES.find(({ curve }) => curve !== c.curve)!;
  const foreignPair = nodePair(foreign);
  const { point, compressed } = pair;
  const privatePem = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  const publicPem = pair.publicKey.export({ format: 'pem', type: 'spki' }) as string;

  async function taken(forms: Record<string, PublicKeyInput>): Promise<void> {
    for (const [name, form] of Object.entries(forms)) {
      const given = form instanceof Uint8Array ? Buffer.from(atOddOffset(form)) : form;
      const key = await it.session.importKey(templateOf(c), given);
      expect([name, Buffer.from(await it.session.exportKey(key))]).toEqual([name, pair.spki]);
      if (form instanceof Uint8Array) expect([name, given]).toEqual([name, Buffer.from(form)]);
    }
  }

  test('SPKI, points, CKA_EC_POINT and JWK', async () => {
    const forms: Record<string, PublicKeyInput> = {
      'a point': point,
      'a compressed point': compressed,
      CKA_EC_POINT: element(4, point),
      'CKA_EC_POINT, compressed': element(4, compressed),
      'CKA_EC_POINT, a longer length': element(4, point, 1),
      'PEM, a string': publicPem,
      'PEM, bytes': Buffer.from(publicPem),
      'PEM, CR LF': publicPem.replaceAll('\n', '\r\n'),
      'PEM, one line': pem('PUBLIC KEY', pair.spki, '\n', 9999),
      'PEM, text around': `The key of our partner -- theirs:\n${publicPem}\nbye\n`,
      'EC PARAMETERS first': Buffer.concat([pem('EC PARAMETERS', oid(c)), Buffer.from(publicPem)]),
      JWK: pair.jwk,
      'JWK of node': pair.publicKey.export({ format: 'jwk' }),
      'JWK, with more': { ...pair.jwk, use: 'sig', alg: 'ES256', key_ops: ['verify'], kid: 'x' },
    };
    for (const width of [0, 1, 2, 3, 4] as Width[]) {
      forms[`SPKI, ${width}`] = spki(oid(c), point, width);
      forms[`SPKI, compressed, ${width}`] = spki(oid(c), compressed, width);
    }
    await taken(forms);
  });

  test('certificates, the key in them', needs('openssl'), async () => {
    const day = certificate(privatePem, '-days', '1');
    const long = certificate(
      privatePem,
      '-days',
      '1',
      '-addext',
      `subjectAltName=${Array.from({ length: 40 }, (_, i) => `DNS:host-${i}.example`)}`,
    );
    const of = (text: string) => new X509Certificate(text);
    // notAfter, the second UTCTime, is in 2001: what it says is not for us to judge.
    const old = Buffer.from(of(day).raw);
    old.write('01', old.indexOf('\x17\x0d', old.indexOf('\x17\x0d') + 1) + 2);
    expect(new Date(new X509Certificate(old).validTo).getFullYear()).toBe(2001);
    for (const text of [day, long]) expect(of(text).publicKey.equals(pair.publicKey)).toBe(true);
    await taken({
      'PEM, a string': day,
      'PEM, bytes': Buffer.from(day),
      DER: of(day).raw,
      'DER, longer': of(long).raw,
      'PEM, longer': long,
      'over already': old,
      'text first': Buffer.from(`subject=O = Film\n${day}`),
    });
    await refusedWith(c, { 'a chain': day + long, 'a key and a certificate': publicPem + day }, /more than one key/);
    await refusedWith(
      c,
      { 'of another curve': certificate(foreignPair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string) },
      /is of/,
    );
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
    const rsaCertificate = certificate(rsa as string);
    await refusedWith(c, { PEM: rsaCertificate, DER: of(rsaCertificate).raw }, /not EC/);
    const { raw } = of(day);
    await refusedCut(c, raw);
  });

  test('private keys and other kinds, in so many words', async () => {
    const encrypted = { cipher: 'aes-256-cbc', passphrase: 'p' };
    await refusedWith(
      c,
      {
        'PKCS#8': pair.pkcs8,
        'SEC 1': pair.sec1,
        'PEM, a string': privatePem,
        'PEM, bytes': Buffer.from(privatePem),
        'beside its public half': privatePem + publicPem,
        encrypted: pair.privateKey.export({ format: 'der', type: 'pkcs8', ...encrypted }),
        'encrypted PEM': pair.privateKey.export({ format: 'pem', type: 'pkcs8', ...encrypted }),
        JWK: pair.privateKey.export({ format: 'jwk' }),
        'an octet sequence': { kty: 'oct', k: 'AAAA' },
      },
      /a private key where a public one belongs.*-pubout/,
    );
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    const ed = generateKeyPairSync('ed25519').publicKey;
    await refusedWith(
      c,
      {
        RSA: rsa.export({ format: 'der', type: 'spki' }),
        'RSA, PEM': rsa.export({ format: 'pem', type: 'spki' }),
        'RSA, PKCS#1, PEM': rsa.export({ format: 'pem', type: 'pkcs1' }),
        'RSA, JWK': rsa.export({ format: 'jwk' }),
        Ed25519: ed.export({ format: 'der', type: 'spki' }),
        'Ed25519, JWK': ed.export({ format: 'jwk' }),
        'no kty': { ...pair.jwk, kty: undefined },
      },
      /not EC/,
    );
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey;
    await refusedWith(
      c,
      { SPKI: p521.export({ format: 'der', type: 'spki' }), JWK: p521.export({ format: 'jwk' }) },
      /of a curve that is not offered/,
    );
    await refusedWith(
      c,
      {
        SPKI: foreignPair.spki,
        PEM: foreignPair.publicKey.export({ format: 'pem', type: 'spki' }),
        JWK: foreignPair.jwk,
      },
      new RegExp(`is of ${foreign.curve}, not ${c.curve}`),
    );
  });

  test('what is none', async () => {
    const hybrid = Buffer.concat([Buffer.of(6 + (point.at(-1)! & 1)), point.subarray(1)]);
    const notOnCurve = Buffer.from(point);
    notOnCurve[5]! ^= 1;
    await refusedWith(
      c,
      {
        hybrid,
        'SPKI of a hybrid point': spki(oid(c), hybrid),
        'SPKI of infinity': spki(oid(c), Buffer.of(0)),
        'SPKI of a cut point': spki(oid(c), point.subarray(0, -1)),
        'explicit parameters': spki(element(0x30, Buffer.of(2, 1, 1)), point),
        'no parameters': spki(Buffer.of(), point),
        'unused bits': Buffer.from(
          pair.spki.toString('hex').replace(`00${point.toString('hex')}`, `01${point.toString('hex')}`),
          'hex',
        ),
        'not on the curve': notOnCurve,
        'not on the curve, CKA_EC_POINT': element(4, notOnCurve),
        'CKA_EC_POINT twice': element(4, element(4, point)),
        'something behind': Buffer.concat([pair.spki, Buffer.of(0)]),
        'something behind a CKA_EC_POINT': Buffer.concat([element(4, point), Buffer.of(0)]),
        'an indefinite length': Buffer.concat([Buffer.of(0x30, 0x80), pair.spki.subarray(2), Buffer.of(0, 0)]),
        'base64 alone': pair.spki.toString('base64'),
        'no base64': publicPem.replace(/\nM./, '\nM!'),
        'padding in the midst': publicPem.replace(/\nM./, '\n=='),
        'no end': publicPem.replace(/-----END.*/, ''),
        'an empty string': '',
        'nothing at all': new Uint8Array(0),
        null: null,
        number: 5,
        function: () => pair.spki,
      },
      /public key|of PEM|the PEM|element|indefinite|unused bits|spells its curve out/,
    );
    const large = Buffer.concat([Buffer.alloc(65_536, 32), Buffer.from(publicPem)]);
    for (const form of [large, large.toString()]) {
      expect(await code(() => it.session.importKey(templateOf(c), form))).toBe('KEYCELL_LIMIT_EXCEEDED');
    }
    for (const form of [pair.spki, element(4, point), Buffer.from(publicPem.trim())]) await refusedCut(c, form);
  });

  test('altered at random, it is refused, or the key that its bytes have', async () => {
    let accepted = 0;
    const change = fc.record({ at: fc.nat(200), remove: fc.nat(1), insert: fc.uint8Array({ maxLength: 2 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(spki(oid(c), point, 2), spki(oid(c), compressed), element(4, compressed)),
        fc.array(change, { minLength: 1, maxLength: 2 }),
        async (seed, changes) => {
          const form = altered(seed, changes);
          try {
            const { jwk } = await it.session.importKey(templateOf(c), form);
            expect(form.includes(Buffer.from(jwk.x, 'base64url'))).toBe(true);
            createPublicKey({ key: { ...jwk }, format: 'jwk' });
            accepted++;
          } catch (error) {
            if (!(error instanceof HsmError)) throw error;
            expect(error.code).toBe('KEYCELL_INPUT_INVALID');
          }
        },
      ),
      { numRuns: 1500 },
    );
    expect(accepted).toBeGreaterThan(5);
  });
});

describe('wherever a public key is taken', () => {
  const pair = nodePair(CURVES[0]);
  let cert = '';
  beforeAll(() => {
    if (!needs('openssl').skip) cert = certificate(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string);
  });
  const forms = (): Record<string, Uint8Array | string> => ({
    SPKI: pair.spki,
    PEM: pair.publicKey.export({ format: 'pem', type: 'spki' }) as string,
    'PEM, bytes': Buffer.from(pair.publicKey.export({ format: 'pem', type: 'spki' }) as string),
    ...(cert !== '' && { certificate: cert }),
  });
  const points = { point: pair.point, CKA_EC_POINT: element(4, pair.point) };

  test('ECDH', async () => {
    const base = await it.session.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false, extractable: 'plaintext' },
      deriveTemplate: { type: 'GENERIC', bits: 256, extractable: 'plaintext' },
    });
    const own = createPrivateKey({ key: Buffer.from(await it.session.exportKey(base)), format: 'der', type: 'pkcs8' });
    const expected = diffieHellman({ privateKey: own, publicKey: pair.publicKey });
    for (const publicKey of Object.values({ ...forms(), ...points })) {
      const derived = await it.session.deriveKey(
        base,
        { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } },
        {
          ...{ type: 'GENERIC', bits: 256, extractable: 'plaintext' },
        },
      );
      expect(Buffer.from(await it.session.exportKey(derived))).toEqual(expected);
    }
    const wrong = nodePair(CURVES[1]).publicKey.export({ format: 'pem', type: 'spki' }) as string;
    const call = () =>
      it.session.deriveKey(base, { mechanism: 'ECDH', publicKey: wrong, kdf: { name: 'none' } }, { type: 'GENERIC' });
    expect((await refusal(call)).message).toMatch(/is of P-384, not P-256/);
  });

  test('the recipients of rewrapKeys', async () => {
    const kek = await it.session.generateKey({
      ...{ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], persistent: false, rewrapPolicy: 'any' },
    });
    const content = bytes(16, 3);
    const key = await it.session.importKey(
      { type: 'AES', bits: 128, usage: ['encrypt', 'decrypt'], extractable: 'wrapped', persistent: false },
      content,
    );
    const blob = await it.session.wrapKey(kek, key, { mechanism: 'AES-KW' });
    for (const spki of Object.values({ ...forms(), ...points })) {
      const [jwe] = await it.session.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', as: 'JWE', to: { spki } });
      expect(Buffer.from((await compactDecrypt(jwe!, pair.privateKey)).plaintext)).toEqual(Buffer.from(content));
    }
  });

  test('jose: tokens are verified, JWEs encrypted', async () => {
    const token = await new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'ES256' }).sign(pair.privateKey);
    for (const form of Object.values(forms())) {
      expect((await verifyJwt(it.session, form, token)).claims.sub).toBe('alice');
      expect((await verifyJwt(it.session, [{ kid: 'x', key: form }], token)).claims.sub).toBe('alice');
      const jwe = await encryptJwe(it.session, form, bytes(5));
      expect(Buffer.from((await compactDecrypt(jwe, pair.privateKey)).plaintext)).toEqual(Buffer.from(bytes(5)));
    }
    // A token's algorithm and its curve follow from the key, so that it must say it.
    for (const form of Object.values(points)) {
      for (const call of [() => verifyJwt(it.session, form, token), () => encryptJwe(it.session, form, bytes(5))]) {
        const error = await refusal(call);
        expect([error.code, error.message]).toEqual([
          'KEYCELL_INPUT_INVALID',
          expect.stringMatching(/does not say its curve/),
        ]);
      }
    }
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'pem', type: 'spki' });
    expect((await refusal(() => verifyJwt(it.session, rsa as string, token))).message).toMatch(/not EC/);
    expect((await refusal(() => verifyJwt(it.session, 'secret', token))).message).toMatch(/not a public key/);
  });
});
