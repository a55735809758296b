/** Compact JWS over a session, against npm jose both ways, the RFCs' own examples, and what a forger would try. */
import { CompactSign, compactVerify, createLocalJWKSet, type JSONWebKeySet, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import type { HsmError } from '../../dist/index.js';
import {
  type JwsHeader,
  jwks,
  type PublishedJwk,
  signCompact,
  type VerificationKeys,
  verifyCompact,
} from '../../dist/jose/index.js';
import { bytes, code, ephemeral, refusal } from '../operations/support.ts';
import {
  ALGORITHMS,
  header,
  importPrivate,
  JOSE_ALGORITHMS,
  keyFor,
  nodeVerifies,
  reheaded,
  strangers,
  text,
  utf8,
} from './support.ts';
import vectors from './vectors.json' with { type: 'json' };

const hsm = ephemeral();

describe.each(JOSE_ALGORITHMS)('%s', (alg) => {
  test('what we sign, npm jose verifies', async () => {
    const { key, peer } = await keyFor(hsm.session, alg);
    for (const length of [0, 1, 63, 64, 65, 1000]) {
      const payload = bytes(length, 1);
      const token = await signCompact(hsm.session, key, payload, { header: { alg, cty: 'octet-stream' } });
      const verified = await compactVerify(token, peer, { algorithms: [alg] });
      expect(Buffer.from(verified.payload)).toEqual(Buffer.from(payload));
      expect(verified.protectedHeader).toEqual({ alg, cty: 'octet-stream', kid: header(token)['kid'] });
    }
  });

  test('what npm jose signs, we verify', async () => {
    const { key, theirs } = await keyFor(hsm.session, alg);
    const token = await new CompactSign(bytes(100)).setProtectedHeader({ alg, typ: 'x' }).sign(theirs);
    const options = { algorithms: [alg] };
    const verified = await verifyCompact(hsm.session, key, token, options);
    expect(verified).toEqual({ payload: bytes(100), header: { alg, typ: 'x' }, key });
    const { key: other } = await keyFor(hsm.session, alg);
    expect((await refusal(() => verifyCompact(hsm.session, other, token, options))).message).toMatch(/signature/);
  });
});

describe.each(ALGORITHMS)('%s, beside node:crypto', (alg) => {
  test('both ways', async () => {
    const { key, theirs, peer } = await keyFor(hsm.session, alg);
    for (const length of [0, 1, 100, 1000]) {
      const ours = await signCompact(hsm.session, key, bytes(length), { header: { alg } });
      expect(nodeVerifies(peer, alg, ours)).toBe(true);
      const token = await strangers(theirs, alg, { alg }, bytes(length));
      expect((await verifyCompact(hsm.session, key, token, { algorithms: [alg] })).payload).toEqual(bytes(length));
    }
  });

  test('no bit of it can change', async () => {
    const { key } = await keyFor(hsm.session, alg);
    const token = await signCompact(hsm.session, key, bytes(40), { header: { alg } });
    const [head, body, signature] = token.split('.') as [string, string, string];
    const flip = (part: string, at: number) => {
      const raw = Buffer.from(part, 'base64url');
      raw[at]! ^= 1;
      return raw.toString('base64url');
    };
    const size = Buffer.from(signature, 'base64url').length;
    const forged = [
      ...Array.from({ length: 40 }, (_, i) => [head, flip(body, i), signature]),
      ...[0, size / 2 - 1, size / 2, size - 1].map((i) => [head, body, flip(signature, i)]),
      [head, body, signature.slice(0, -4)],
      [head, body, `${signature}AAAA`],
      [head, body.slice(4), signature],
    ].map((parts) => parts.join('.'));
    for (const token of forged) {
      expect(await code(() => verifyCompact(hsm.session, key, token, { algorithms: [alg] }))).toBe(
        'KEYCELL_TOKEN_INVALID',
      );
    }
  });
});

test.each(vectors.jws)('the example of $name', async ({ key: jwk, payload, compact, header, reproducible }) => {
  const key = await importPrivate(hsm.session, jwk as JWK, ['sign', 'verify']);
  const verified = await verifyCompact(hsm.session, key, compact);
  expect(text(verified.payload)).toBe(payload);
  if (reproducible)
    expect(await signCompact(hsm.session, key, utf8(payload), { header: header as JwsHeader })).toBe(compact);
});

describe('the key decides the algorithm', () => {
  test('an EC public key cannot be taken for an HMAC secret', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    if (key.type !== 'EC') throw new Error('an EC key');
    for (const secret of [key.publicKey, utf8(JSON.stringify(key.jwk))]) {
      const token = await new CompactSign(bytes(10)).setProtectedHeader({ alg: 'HS256' }).sign(secret);
      for (const given of [key, key.jwk, key.publicKey]) {
        const error = await refusal(() => verifyCompact(hsm.session, given, token, { algorithms: ['HS256', 'ES256'] }));
        expect(error.code).toBe('KEYCELL_TOKEN_INVALID');
        expect(error.message).toMatch(/does not allow the algorithm HS256/);
      }
    }
  });

  test.each(['none', 'None', 'RS256', 'ES512', 'EdDSA', 'toString', '__proto__'])('%s is refused', async (alg) => {
    const { key } = await keyFor(hsm.session, 'ES256');
    const token = await signCompact(hsm.session, key, bytes(10));
    for (const forged of [reheaded(token, { alg }), reheaded(token, { alg }).replace(/[^.]*$/, '')]) {
      expect(await code(() => verifyCompact(hsm.session, key, forged))).toBe('KEYCELL_TOKEN_INVALID');
    }
    expect(await code(() => verifyCompact(hsm.session, key, token, { algorithms: [alg] as never }))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
    expect(await code(() => signCompact(hsm.session, key, bytes(1), { header: { alg: alg as never } }))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
  });

  test('only the algorithms that the caller allows', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    const token = await signCompact(hsm.session, key, bytes(10));
    expect(await code(() => verifyCompact(hsm.session, key, token, { algorithms: ['HS256'] }))).toBe(
      'KEYCELL_TOKEN_INVALID',
    );
  });

  test('an HMAC key shorter than the digest signs nothing', async () => {
    const key = await hsm.session.generateKey({
      ...{ type: 'HMAC', bits: 248, usage: ['sign', 'verify'], persistent: false },
    });
    expect(await code(() => signCompact(hsm.session, key, bytes(1)))).toBe('KEYCELL_INPUT_INVALID');
    const long = await hsm.session.generateKey({ ...{ type: 'HMAC', bits: 376, usage: ['sign'], persistent: false } });
    expect(await code(() => signCompact(hsm.session, long, bytes(1), { header: { alg: 'HS384' } }))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
  });

  test('keys of other kinds neither sign nor verify', async () => {
    const aes = await hsm.session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'], persistent: false });
    expect(await code(() => signCompact(hsm.session, aes as never, bytes(1)))).toBe('KEYCELL_INPUT_INVALID');
    const { key } = await keyFor(hsm.session, 'ES256');
    const token = await signCompact(hsm.session, key, bytes(1));
    for (const wrong of [aes, null, undefined, 'key', {}, { kid: 1, key }, { kty: 'oct', k: 'AAAA' }, bytes(91)]) {
      expect(await code(() => verifyCompact(hsm.session, wrong as never, token))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('a key without the usage is refused by the cell', async () => {
    const key = await hsm.session.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false },
    });
    expect(await code(() => signCompact(hsm.session, key, bytes(1)))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

describe('headers', () => {
  test('critical extensions, unencoded payloads and compression are refused, whoever signed them', async () => {
    const { key, theirs } = await keyFor(hsm.session, 'ES256');
    const attempts: Record<string, unknown>[] = [
      { b64: false, crit: ['b64'] },
      { b64: false },
      { b64: 'false' },
      { crit: ['exp'], exp: 1 },
      { crit: [] },
      { zip: 'DEF' },
      { alg: undefined },
      { alg: 5 },
      { kid: 5 },
      { typ: null },
    ];
    for (const members of attempts) {
      const token = await strangers(theirs, 'ES256', { alg: 'ES256', ...members }, bytes(10));
      expect(await code(() => verifyCompact(hsm.session, key, token))).toBe('KEYCELL_TOKEN_INVALID');
    }
    const fine = await strangers(theirs, 'ES256', { alg: 'ES256', b64: true, jku: 'https://x', jwk: {} }, bytes(10));
    expect((await verifyCompact(hsm.session, key, fine)).payload).toEqual(bytes(10));
  });

  test.each([{ crit: ['b64'], b64: false }, { b64: true }, { zip: 'DEF' }, { kid: 5 }, { typ: 5 }, { big: 1n }])(
    'we write no header like %o',
    async (header) => {
      const { key } = await keyFor(hsm.session, 'ES256');
      expect(await code(() => signCompact(hsm.session, key, bytes(1), { header: header as never }))).toBe(
        'KEYCELL_INPUT_INVALID',
      );
    },
  );

  test('typ is compared as RFC 7515 §4.1.9 says', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    const sign = (typ?: string) =>
      signCompact(hsm.session, key, bytes(1), typ === undefined ? {} : { header: { typ } });
    const verdict = async (typ: string | undefined, wanted: string) => {
      const token = await sign(typ);
      return verifyCompact(hsm.session, key, token, { typ: wanted }).then(
        () => 'accepted',
        (error) => error.code,
      );
    };
    expect(await verdict('at+jwt', 'at+jwt')).toBe('accepted');
    expect(await verdict('application/at+jwt', 'AT+JWT')).toBe('accepted');
    expect(await verdict('at+jwt', 'application/at+jwt')).toBe('accepted');
    expect(await verdict('text/at+jwt', 'at+jwt')).toBe('KEYCELL_TOKEN_INVALID');
    expect(await verdict('JWT', 'at+jwt')).toBe('KEYCELL_TOKEN_INVALID');
    expect(await verdict(undefined, 'at+jwt')).toBe('KEYCELL_TOKEN_INVALID');
  });
});

test('what is not a compact JWS is refused as a token', async () => {
  const { key } = await keyFor(hsm.session, 'ES256');
  const token = await signCompact(hsm.session, key, bytes(10));
  const [head, body, signature] = token.split('.') as [string, string, string];
  const b64 = (value: string) => Buffer.from(value).toString('base64url');
  const garbage = [
    '',
    '..',
    'abc',
    `${head}.${body}`,
    `${token}.`,
    `${token}=`,
    `${head}..${signature}`,
    `.${body}.${signature}`,
    ` ${token}`,
    `${head}.${body}.${signature}\n`,
    token.replaceAll('-', '+').replaceAll('_', '/').replace('.', '/.'),
    `${b64('[]')}.${body}.${signature}`,
    `${b64('null')}.${body}.${signature}`,
    `${b64('{"alg":"ES256"')}.${body}.${signature}`,
    `${Buffer.from('7b22616c67223a22ff227d', 'hex').toString('base64url')}.${body}.${signature}`,
    `${b64('\ufeff{"alg":"ES256"}')}.${body}.${signature}`,
  ];
  for (const each of garbage) {
    expect(await code(() => verifyCompact(hsm.session, key, each))).toBe('KEYCELL_TOKEN_INVALID');
  }
  for (const each of [undefined, null, 5, {}, Buffer.from(token)]) {
    expect(await code(() => verifyCompact(hsm.session, key, each as never))).toBe('KEYCELL_INPUT_INVALID');
  }
});

test('a second spelling of the same signature is refused', async () => {
  const { key } = await keyFor(hsm.session, 'HS256');
  const token = await signCompact(hsm.session, key, bytes(10));
  // 32 bytes end in a letter with two bits that decode to nothing.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(token.at(-1)!);
  const twin = token.slice(0, -1) + alphabet[last | 1];
  expect(Buffer.from(twin.split('.')[2]!, 'base64url')).toEqual(Buffer.from(token.split('.')[2]!, 'base64url'));
  expect(twin).not.toBe(token);
  expect(await code(() => verifyCompact(hsm.session, key, twin))).toBe('KEYCELL_TOKEN_INVALID');
});

describe('which key', () => {
  test('kid is the thumbprint, or what the header says, or left out', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    if (key.type !== 'EC') throw new Error('an EC key');
    const kidOf = async (header: { kid?: string | undefined }) =>
      JSON.parse(
        text(Buffer.from((await signCompact(hsm.session, key, bytes(1), { header })).split('.')[0]!, 'base64url')),
      );
    expect(await kidOf({})).toEqual({ alg: 'ES256', kid: key.kid });
    expect(await kidOf({ kid: 'mine' })).toEqual({ alg: 'ES256', kid: 'mine' });
    expect(await kidOf({ kid: undefined })).toEqual({ alg: 'ES256' });
  });

  test('from several, the kid chooses, and nothing else is tried', async () => {
    const [a, b] = [(await keyFor(hsm.session, 'ES256')).key, (await keyFor(hsm.session, 'ES256')).key];
    const token = await signCompact(hsm.session, b, bytes(1));
    expect((await verifyCompact(hsm.session, [a, b], token)).key).toBe(b);
    expect((await refusal(() => verifyCompact(hsm.session, [a], token))).message).toMatch(/kid/);
    const lie = await signCompact(hsm.session, b, bytes(1), {
      header: { kid: header(await signCompact(hsm.session, a, bytes(1)))['kid'] as string },
    });
    expect((await refusal(() => verifyCompact(hsm.session, [a, b], lie))).message).toMatch(/signature/);
    // One key is the key.
    expect((await verifyCompact(hsm.session, b, lie)).key).toBe(b);
  });

  test('without a kid, those that allow the algorithm are tried', async () => {
    const ec = (await keyFor(hsm.session, 'ES256')).key;
    const other = (await keyFor(hsm.session, 'ES256')).key;
    const mac = (await keyFor(hsm.session, 'HS256')).key;
    const token = await signCompact(hsm.session, ec, bytes(1), { header: { kid: undefined } });
    expect((await verifyCompact(hsm.session, [mac, other, ec], token)).key).toBe(ec);
    expect(await code(() => verifyCompact(hsm.session, [mac, other], token))).toBe('KEYCELL_TOKEN_INVALID');
    expect(await code(() => verifyCompact(hsm.session, [], token))).toBe('KEYCELL_TOKEN_INVALID');
  });

  test('public keys from outside: a JWK, SPKI, a set, each under its kid', async () => {
    const { key, theirs } = await keyFor(hsm.session, 'ES256');
    if (key.type !== 'EC') throw new Error('an EC key');
    const token = await new CompactSign(bytes(9)).setProtectedHeader({ alg: 'ES256', kid: 'their name' }).sign(theirs);
    const { kid: _, ...bare } = key.jwk;
    const named = { ...bare, kid: 'their name' };
    for (const keys of [
      key,
      bare,
      key.publicKey,
      [named],
      [{ kid: 'their name', key }],
      [{ kid: 'their name', key: key.publicKey }],
      {
        keys: [
          { kty: 'RSA', n: 'AQ', e: 'AQAB' } as never,
          { ...named, use: 'enc' },
          { ...named, use: 'sig', alg: 'ES256' },
        ],
      },
    ]) {
      expect((await verifyCompact(hsm.session, keys, token)).payload).toEqual(bytes(9));
    }
    for (const keys of [[bare], [key], [{ kid: 'another', key }], { keys: [] }, [{ ...named, alg: 'ES384' }]]) {
      expect(await code(() => verifyCompact(hsm.session, keys, token))).toBe('KEYCELL_TOKEN_INVALID');
    }
    const wrong = { ...named, y: Buffer.alloc(32, 1).toString('base64url') };
    for (const keys of [wrong, [wrong], { ...named, use: 'enc' }, { keys: 'x' }]) {
      expect(await code(() => verifyCompact(hsm.session, keys as never, token))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('a JWK that says that it is for something else: refused alone, passed over in a set', async () => {
    const { key, theirs } = await keyFor(hsm.session, 'ES256');
    if (key.type !== 'EC') throw new Error('an EC key');
    const token = await new CompactSign(bytes(9)).setProtectedHeader({ alg: 'ES256' }).sign(theirs);
    const outcomes = async (said: object) => {
      const jwk = { ...key.jwk, ...said } as PublishedJwk;
      const keys = [jwk, [jwk], { kid: 'x', key: jwk }, { keys: [jwk] }, { keys: [jwk, key.jwk] }];
      const verify = (each: VerificationKeys) => verifyCompact(hsm.session, each, token).then(() => 'works');
      return Promise.all(keys.map((each) => verify(each).catch((error: HsmError) => error.code)));
    };
    for (const said of [{ key_ops: ['verify'] }, { key_ops: ['sign', 'verify'], use: 'sig' }, { alg: 'ES256' }]) {
      expect([said, ...(await outcomes(said))]).toEqual([said, 'works', 'works', 'works', 'works', 'works']);
    }
    for (const said of [
      ...[{ key_ops: [] }, { key_ops: ['sign'] }, { key_ops: ['encrypt'] }, { key_ops: ['deriveBits'] }],
      ...[{ use: 'sig', key_ops: ['deriveKey'] }, { use: 'enc', key_ops: ['verify'] }, { key_ops: 'verify' }],
      ...[{ key_ops: ['verify', 'verify'] }, { key_ops: null }, { use: 'enc' }],
    ]) {
      expect([said, ...(await outcomes(said))]).toEqual([
        ...[said, 'KEYCELL_INPUT_INVALID', 'KEYCELL_INPUT_INVALID', 'KEYCELL_INPUT_INVALID'],
        ...['KEYCELL_TOKEN_INVALID', 'works'],
      ]);
    }
  });

  test('the published set holds public halves alone, and npm jose verifies with it', async () => {
    const { session } = hsm;
    const signer = await session.generateKey({ type: 'EC', curve: 'P-256', label: 'published', usage: ['sign'] });
    await session.generateKey({ type: 'EC', curve: 'P-256', label: 'receiver', usage: ['derive'] });
    await session.generateKey({ type: 'HMAC', bits: 256, label: 'mac', usage: ['sign'] });
    const set = await jwks(session);
    const { kty, crv, x, y, kid } = signer.jwk;
    expect(set.keys).toContainEqual({ kty, crv, x, y, kid, use: 'sig', alg: 'ES256' });
    expect(set.keys.map((key) => key.use).sort()).toEqual(['enc', 'sig']);
    expect((await jwks(session, { label: 'published' })).keys.length).toBe(1);
    const allowed = ['kty', 'crv', 'x', 'y', 'kid', 'use', 'alg'];
    expect(set.keys.flatMap((key) => Object.keys(key)).every((name) => allowed.includes(name))).toBe(true);
    const token = await signCompact(session, signer, bytes(1));
    await compactVerify(token, createLocalJWKSet(set as JSONWebKeySet));
  });
});

test('unknown or undefined options are refused, so that no check is left out unseen', async () => {
  const { key } = await keyFor(hsm.session, 'ES256');
  const token = await signCompact(hsm.session, key, bytes(1));
  for (const options of [{ algorithm: ['ES256'] }, { typ: undefined }, { typ: 5 }, { algorithms: 'ES256' }, null, []]) {
    expect(await code(() => verifyCompact(hsm.session, key, token, options as never))).toBe('KEYCELL_INPUT_INVALID');
  }
  expect(await code(() => signCompact(hsm.session, key, 'text' as never))).toBe('KEYCELL_INPUT_INVALID');
  expect(await code(() => signCompact(hsm.session, key, bytes(1), { header: null as never }))).toBe(
    'KEYCELL_INPUT_INVALID',
  );
});
