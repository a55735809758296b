/** Proofs before a cell: what it takes, made by jose and by node:crypto alone; and that nothing near it passes. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, EcKey, PublicJwk, RewrapPolicy, Session } from '../../dist/index.js';
import { signJwt } from '../../dist/jose/index.js';
import { claimsFor, digestOf, ES256, ES384, encode, jws, seconds, TYPE } from '../support/proof.ts';
import { CURVES, nodePair } from './curves.ts';
import { bytes, code, ephemeral, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
const raw = bytes(32, 1);
const blobs = [1, 2, 3].map((n) => nodeWrap('AES-KW', raw, bytes(16, n)));
const device = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer384 = nodePair(CURVES[1]);
const { kty, crv, x, y } = device.publicKey.export({ format: 'jwk' });
const jwk = { kty, crv, x, y } as PublicJwk;
const jkt = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
const common = { mechanism: 'AES-KW', as: 'JWE' } as const;
let session: Session;
let issuerKey: EcKey;
let issuerKey384: EcKey;
/** Under the issuer's policy, without and with the duty to name blobs. */
let kek: AesKey;
let strict: AesKey;
let right: ReturnType<typeof claimsFor>;

const publicKey = (curve: 'P-256' | 'P-384' | 'secp256k1', spki: Uint8Array) =>
  session.importKey({ type: 'EC', curve, class: 'public', usage: ['verify'] }, spki);
const kekWith = (rewrapPolicy: RewrapPolicy) =>
  session.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy }, raw);
const spkiOf = (key: KeyObject) => key.export({ format: 'der', type: 'spki' });

beforeAll(async () => {
  session = it.session;
  issuerKey = await publicKey('P-256', spkiOf(issuer.publicKey));
  issuerKey384 = await publicKey('P-384', issuer384.spki);
  kek = await kekWith({ issuer: issuerKey });
  strict = await kekWith({ issuer: issuerKey, blobs: 'required' });
  right = claimsFor(it.hsm.id, jkt);
});

const attempt = (proof: string | undefined, from = kek, which: readonly Uint8Array[] = blobs) =>
  session.rewrapKeys(which, { ...common, from, to: proof === undefined ? { jwk } : { jwk, proof } });

async function refused(proof: string | undefined, from = kek, which: readonly Uint8Array[] = blobs): Promise<string> {
  const error = await refusal(() => attempt(proof, from, which));
  expect([proof, error.code]).toEqual([proof, 'KEYCELL_PERMISSION_DENIED']);
  return error.message;
}
const make = (claims: unknown, head: unknown = ES256, key = issuer.privateKey) => jws(claims, key, head);

test('a right one opens, by jose or by hand, with or without what means nothing here', async () => {
  const byJose = await new SignJWT({ cnf: { jkt } })
    .setProtectedHeader({ alg: 'ES256', typ: TYPE, kid: 'shop-1' })
    .setAudience(`keycell:${it.hsm.id}`)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(issuer.privateKey);
  // An issuer whose key is in an HSM of its own.
  const theirs = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
  const known = await publicKey('P-256', theirs.publicKey);
  const options = { expiresIn: 300, header: { typ: TYPE } };
  const byKeycell = await signJwt(session, theirs, { aud: right.aud, cnf: { jkt } }, options);
  expect(await attempt(byKeycell, await kekWith({ issuer: known }))).toHaveLength(blobs.length);
  const more = { ...right, nbf: right.iat - 5, iss: 'shop', sub: 'x', jti: '1', deep: [[{}]], ratio: 1.5 };
  for (const proof of [byJose, make(right), make(more, { ...ES256, kid: 'k' })]) {
    expect(await attempt(proof)).toHaveLength(blobs.length);
  }
});

describe('another token of the same issuer', () => {
  const hour = { iat: seconds(), exp: seconds() + 3600 };

  test('an access token bound to the device (RFC 9449) is none', async () => {
    const token = { ...hour, iss: 'https://id.example', sub: 'bob', client_id: 'player', cnf: { jkt } };
    for (const aud of ['https://api.example', `keycell:${it.hsm.id}`]) {
      const message = await refused(make({ ...token, aud }, { alg: 'ES256', typ: 'at+jwt' }));
      expect(message).toContain('signed it for something else');
    }
  });

  test('nor is a DPoP proof, an ID token, or a proof of 0.1.0', async () => {
    for (const head of [
      { alg: 'ES256', typ: 'dpop+jwt', jwk },
      { alg: 'ES256', typ: 'JWT' },
      { alg: 'ES256' },
      { alg: 'ES256', typ: `application/${TYPE}` },
    ]) {
      expect(await refused(make(right, head))).toContain('typ');
    }
    await refused(make({ cnf: { jkt }, exp: hour.exp }));
  });

  test('a proof for another HSM is none', async () => {
    for (const aud of [`keycell:${'0'.repeat(32)}`, 'keycell:', it.hsm.id, `keycell:${it.hsm.id.toUpperCase()}`]) {
      expect(await refused(make({ ...right, aud }))).toContain('not this HSM');
    }
    expect(await refused(make({ ...right, aud: [right.aud] }))).toContain('compact JWS');
  });
});

describe('every member', () => {
  test('is there', async () => {
    for (const name of Object.keys(right)) {
      await refused(make(Object.fromEntries(Object.entries(right).filter(([each]) => each !== name))));
    }
    await refused(make(right, { alg: 'ES256' }));
    await refused(make(right, { typ: TYPE }));
  });

  test('is there once, however it is written, and wherever', async () => {
    const text = JSON.stringify(right);
    const name = (each: string) => [each, `\\u00${each.charCodeAt(0).toString(16)}${each.slice(1)}`];
    for (const member of ['aud', 'iat', 'exp', 'cnf', 'blobs', 'x']) {
      for (const written of name(member)) {
        const value = JSON.stringify({ ...right, blobs: [], x: 1 }[member]);
        const twice = `{"${member}":${value},"${written}":${value}}`;
        expect(await refused(make(`${text.slice(0, -1)},${twice.slice(1)}`))).toContain('compact JWS');
      }
    }
    await refused(make(text.replace('"jkt":', `"jkt":"${jkt}","jkt":`)));
    await refused(make({ ...right, exp: right.exp }, `{"alg":"ES256","alg":"ES256","typ":"${TYPE}"}`));
    await refused(make(right, `{"alg":"ES256","typ":"${TYPE}","\\u0074yp":"${TYPE}"}`));
    await refused(make(right, `{"alg":"ES256","typ":"at+jwt","typ":"${TYPE}"}`));
  });

  test('the header has no other', async () => {
    for (const name of ['crit', 'b64', 'jwk', 'jku', 'x5c', 'x5u', 'x5t', 'cty', 'zip', 'nonce', 'x']) {
      const value = name === 'jwk' ? jwk : name === 'crit' ? ['exp'] : name === 'b64' ? false : 'x';
      expect(await refused(make(right, { ...ES256, [name]: value }))).toContain('compact JWS');
    }
    const embedded = make(right, { ...ES256, jwk }, device.privateKey);
    await refused(embedded);
    for (const kid of [1, null, ['k'], {}]) await refused(make(right, { ...ES256, kid }));
  });

  test('has its type', async () => {
    for (const name of Object.keys(right)) {
      for (const value of [null, true, '', [], {}, -1, 0.5, [right.aud]])
        await refused(make({ ...right, [name]: value }));
    }
    for (const name of ['iat', 'exp']) {
      for (const number of ['1e400', '-1', '9007199254740993', `${right.exp}.5`, `"${right.exp}"`]) {
        await refused(make(JSON.stringify({ ...right, [name]: 0 }).replace(`"${name}":0`, `"${name}":${number}`)));
      }
    }
  });
});

test('it is in time, and for no longer than the policy says', async () => {
  const now = seconds();
  const from = (iat: number, age: number, more = {}) => make({ ...right, iat, exp: iat + age, ...more });
  // An hour unless the policy says otherwise; the edges of the clock itself stand in test/model/proof.test.ts.
  expect(await attempt(from(now, 3600))).toHaveLength(blobs.length);
  expect(await refused(from(now, 3601))).toContain('proofMaxAge');
  expect(await refused(from(0, now + 300))).toContain('proofMaxAge');
  expect(await attempt(from(now + 50, 300))).toHaveLength(blobs.length);
  expect(await refused(from(now + 120, 300))).toContain('not yet valid');
  expect(await refused(from(now - 300, 299))).toContain('expired');
  expect(await refused(from(now + 50, -10))).toContain('compact JWS');
  expect(await refused(from(now - 1, 300, { nbf: now + 50 }))).toContain('not yet valid');
  const short = await kekWith({ issuer: issuerKey, proofMaxAge: 60 });
  expect(await attempt(from(now, 60), short)).toHaveLength(blobs.length);
  expect(await refused(from(now, 61), short)).toContain('proofMaxAge');
  const day = await kekWith({ issuer: issuerKey, proofMaxAge: 86_400 });
  expect(await attempt(from(now, 86_400), day)).toHaveLength(blobs.length);
  expect(await refused(from(now, 86_401), day)).toContain('proofMaxAge');
});

describe('to whom', () => {
  test('to the device that it names, alone', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const to = { spki: spkiOf(other.publicKey), proof: make(right) };
    const error = await refusal(() => session.rewrapKeys(blobs, { ...common, from: kek, to }));
    expect(error.message).toContain('another recipient');
    for (const cnf of [
      { jkt: `${jkt.slice(0, -1)}${jkt.endsWith('A') ? 'E' : 'A'}` },
      { jkt: `${jkt}=` },
      { jkt, kid: 'x' },
      { jkt, jwk },
      { jkt: [jkt] },
      { kid: jkt },
      jkt,
      [jkt],
    ]) {
      await refused(make({ ...right, cnf }));
    }
  });
});

describe('blobs', () => {
  const naming = (...which: Uint8Array[]) => make({ ...right, blobs: which.map(digestOf) });

  test('a proof that names some opens those, in any order and number, and no other', async () => {
    const [first, second, third] = blobs as [Buffer, Buffer, Buffer];
    for (const from of [kek, strict]) {
      const proof = naming(first, third);
      for (const which of [[first], [third], [third, first], [first, first, third], []]) {
        expect(await attempt(proof, from, which)).toHaveLength(which.length);
      }
      for (const which of [[second], [first, second], [first, second, third], [third, second, first]]) {
        expect(await refused(proof, from, which)).toContain('does not name one of the blobs');
      }
      expect(await refused(naming(), from, [first])).toContain('does not name one of the blobs');
      // Not even whether a blob is one of this key's is told of one that is not named.
      expect(await refused(proof, from, [bytes(24, 9)])).toContain('does not name');
      expect(await code(() => attempt(naming(bytes(24, 9)), from, [bytes(24, 9)]))).toBe('KEYCELL_DECRYPT_FAILED');
    }
  });

  test('where the policy requires them, a proof without opens nothing', async () => {
    expect(await refused(make(right), strict)).toContain('names the blobs');
    expect(await refused(make({ ...right, Blobs: blobs.map(digestOf), blob: blobs.map(digestOf) }), strict)).toContain(
      'names the blobs',
    );
    expect(await attempt(make(right))).toHaveLength(blobs.length);
  });

  test('they are digests in base64url', async () => {
    const [first] = blobs as [Buffer];
    const digest = digestOf(first);
    for (const value of [
      null,
      digest,
      { 0: digest },
      [`${digest}=`],
      [Buffer.from(digest, 'base64url').toString('hex')],
      [digest, 1],
      [[digest]],
      [first.toString('base64url')],
    ]) {
      expect(await refused(make({ ...right, blobs: value }), strict, [first])).toContain('compact JWS');
    }
  });

  test('4096 of them take one request', async () => {
    const [first, second] = blobs as [Buffer, Buffer];
    const many = Array.from({ length: 4096 }, () => first);
    const proof = naming(first);
    expect(await attempt(proof, strict, many)).toHaveLength(4096);
    expect(await refused(proof, strict, many.with(4095, second))).toContain('does not name one of the blobs');
  });
});

describe('the signature', () => {
  test('is the issuer’s, over these bytes', async () => {
    const good = make(right);
    const [head, payload, signature] = good.split('.') as [string, string, string];
    const der = sign('sha256', Buffer.from(`${head}.${payload}`), issuer.privateKey).toString('base64url');
    const hs256 = await new SignJWT(right)
      .setProtectedHeader({ alg: 'HS256', typ: TYPE })
      .sign(new Uint8Array(spkiOf(issuer.publicKey)));
    for (const [name, proof] of Object.entries({
      none: undefined,
      empty: '',
      algNone: `${encode({ alg: 'none', typ: TYPE })}.${payload}.`,
      algNoneSigned: make(right, { ...ES256, alg: 'none' }),
      algLower: make(right, { ...ES256, alg: 'es256' }),
      hs256,
      headArray: make(right, []),
      headNull: make(right, 'null'),
      headText: make(right, 'x'),
      payloadArray: make([]),
      payloadText: make('x'),
      foreignKey: make(right, ES256, device.privateKey),
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
      otherPayload: `${head}.${encode({ ...right, exp: right.exp + 1 })}.${signature}`,
      otherHead: `${encode({ ...ES256, kid: 'k' })}.${payload}.${signature}`,
      zeros: `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      der: `${head}.${payload}.${der}`,
      json: JSON.stringify({ payload, protected: head, signature }),
    })) {
      expect([name, await refused(proof)]).toEqual([name, expect.stringContaining('proof')]);
    }
    expect(await attempt(good)).toHaveLength(blobs.length);
  });

  test('text is UTF-8, without a mark', async () => {
    const text = Buffer.from(JSON.stringify({ ...right, title: 'ü' }));
    expect(await attempt(make(text))).toHaveLength(blobs.length);
    for (const wrong of [
      Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), text]),
      Buffer.from(text.toString('utf8'), 'latin1'),
      Buffer.from(text.toString('utf8'), 'utf16le'),
    ]) {
      expect(await refused(make(wrong))).toContain('compact JWS');
    }
  });

  test('it has at most 8 KiB, and four levels', async () => {
    const padded = (length: number) => make({ ...right, pad: 'x'.repeat(length) });
    const base = padded(0).length;
    // Three bytes make four letters; the exact edge is met from below.
    const most = Math.floor(((8192 - base) * 3) / 4);
    expect(padded(most).length).toBeGreaterThan(8188);
    expect(await attempt(padded(most))).toHaveLength(blobs.length);
    expect(padded(most + 3).length).toBeGreaterThan(8192);
    expect(await refused(padded(most + 3))).toContain('compact JWS');
    expect(await refused(padded(2_000_000))).toContain('compact JWS');
    expect(await attempt(make({ ...right, deep: [[[]]] }))).toHaveLength(blobs.length);
    expect(await refused(make({ ...right, deep: [[[[]]]] }))).toContain('compact JWS');
    expect(await refused(make(`{"a":${'['.repeat(2900)}${']'.repeat(2900)}}`))).toContain('compact JWS');
    expect(it.hsm.stats().cellRestarts).toBe(0);
  });

  test('an issuer on P-384 signs by ES384, and neither stands for the other', async () => {
    const from = await kekWith({ issuer: issuerKey384 });
    const by384 = (head: object, hash = 'sha384', key = issuer384.privateKey) => jws(right, key, head, hash);
    const byJose = await new SignJWT(right).setProtectedHeader(ES384).sign(issuer384.privateKey);
    for (const good of [byJose, by384(ES384), by384({ ...ES384, kid: 'k' })]) {
      expect(await attempt(good, from)).toHaveLength(blobs.length);
    }
    for (const bad of [
      by384(ES256),
      by384(ES256, 'sha256'),
      by384(ES384, 'sha256'),
      by384({ ...ES384, alg: 'ES512' }, 'sha512'),
      by384(ES384, 'sha384', nodePair(CURVES[1]).privateKey),
      make(right),
      make(right, ES384),
    ]) {
      await refused(bad, from);
    }
    await refused(byJose);
  });

  test('what comes below may have the same issuer, who proves no less, and no other', async () => {
    const below = nodeWrap('AES-KW', raw, bytes(32, 50));
    const policy = { issuer: issuerKey, proofMaxAge: 600, blobs: 'required' } as const;
    const unwrapTemplate = { bits: 256, usage: ['unwrap'], rewrapPolicy: policy } as const;
    const from = await session.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate }, raw);
    const under = (rewrapPolicy?: RewrapPolicy) =>
      session.unwrapKey(
        from,
        below,
        { type: 'AES', bits: 256, usage: ['unwrap'], ...(rewrapPolicy && { rewrapPolicy }) },
        { mechanism: 'AES-KW' },
      );
    const issuerOf = async (rewrapPolicy?: RewrapPolicy) => (await under(rewrapPolicy)).issuer;
    const kid = issuerKey.kid;
    expect(await issuerOf()).toEqual({ id: issuerKey.id, kid, proofMaxAge: 600, blobs: 'required' });
    expect(await issuerOf({ ...policy, proofMaxAge: 60 })).toMatchObject({ kid, proofMaxAge: 60, blobs: 'required' });
    for (const wider of [
      { issuer: issuerKey, proofMaxAge: 600 },
      { ...policy, proofMaxAge: 601 },
      { issuer: issuerKey, blobs: 'required' },
      { ...policy, issuer: issuerKey384 },
      'any',
    ] as const) {
      expect([wider, await code(() => under(wider))]).toEqual([wider, 'KEYCELL_PERMISSION_DENIED']);
    }
    // And the key below asks for what its policy says.
    const inner = await under();
    const blob = nodeWrap('AES-KW', bytes(32, 50), bytes(16, 4));
    expect(await refused(make(right), inner, [blob])).toContain('names the blobs');
    expect(await refused(make({ ...right, blobs: [digestOf(blobs[0]!)] }), inner, [blob])).toContain('does not name');
    expect(await attempt(make({ ...right, blobs: [digestOf(blob)] }), inner, [blob])).toHaveLength(1);
  });

  test('the policy says what it asks for in words that are checked', async () => {
    for (const proofMaxAge of [0, -1, 0.5, 86_401, Number.NaN, '60', null]) {
      const policy = { issuer: issuerKey, proofMaxAge } as RewrapPolicy;
      expect([proofMaxAge, await code(() => kekWith(policy))]).toEqual([proofMaxAge, 'KEYCELL_INPUT_INVALID']);
    }
    for (const named of ['require', true, false, null, []]) {
      const policy = { issuer: issuerKey, blobs: named } as unknown as RewrapPolicy;
      expect([named, await code(() => kekWith(policy))]).toEqual([named, 'KEYCELL_INPUT_INVALID']);
    }
    expect(strict.issuer).toEqual({ id: issuerKey.id, kid: issuerKey.kid, proofMaxAge: 3600, blobs: 'required' });
  });

  test('an issuer on secp256k1 is refused when the wrapping key is made', async () => {
    const key = await publicKey('secp256k1', nodePair(CURVES[2]).spki);
    expect(await code(() => kekWith({ issuer: key }))).toBe('KEYCELL_INPUT_INVALID');
  });
});

describe('near a right one', () => {
  test('no bit may change', async () => {
    const good = Buffer.from(make(right));
    const codes = await Promise.all(
      Array.from({ length: good.length }, (_, i) => {
        const other = Buffer.from(good);
        other[i]! ^= 1;
        return code(() => attempt(other.toString('latin1')));
      }),
    );
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_PERMISSION_DENIED']));
  });

  test('nothing else passes: cut, doubled, moved, put in or in place of it', async () => {
    const good = make({ ...right, blobs: blobs.map(digestOf) }, { ...ES256, kid: 'k' });
    const place = fc.nat(good.length);
    const letters = fc.string({ unit: fc.constantFrom(...'AQgwaz09-_.=+/ \n\u00e9'), minLength: 1, maxLength: 4 });
    const mutation = fc.oneof(
      fc.tuple(place, place).map(([a, b]) => good.slice(0, Math.min(a, b)) + good.slice(Math.max(a, b))),
      fc.tuple(place, letters).map(([a, text]) => good.slice(0, a) + text + good.slice(a)),
      fc.tuple(place, letters).map(([a, text]) => good.slice(0, a) + text + good.slice(a + text.length)),
      fc.tuple(place, place, place).map((cuts) => {
        const [a = 0, b = 0, c = 0] = cuts.sort((p, q) => p - q);
        return good.slice(0, a) + good.slice(b, c) + good.slice(a, b) + good.slice(c);
      }),
      place.map((a) => good.slice(0, a) + good.slice(a).toUpperCase()),
    );
    await fc.assert(
      fc.asyncProperty(mutation, async (other) => {
        fc.pre(other !== good);
        expect(await code(() => attempt(other))).toBe('KEYCELL_PERMISSION_DENIED');
      }),
      { seed: 13, numRuns: 500 },
    );
    expect(await attempt(good)).toHaveLength(blobs.length);
  });
});
