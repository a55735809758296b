/** JWTs: claims as RFC 7519 validates them, beside npm jose. */
import { runInNewContext } from 'node:vm';
import { decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import {
  type JwtClaims,
  type SignJwtOptions,
  signCompact,
  signJwt,
  type VerifyJwtOptions,
  verifyJwt,
} from '../../dist/jose/index.js';
import { code, ephemeral, refusal } from '../operations/support.ts';
import { JOSE_ALGORITHMS, keyFor, reheaded, utf8 } from './support.ts';

const hsm = ephemeral();
/** Whole seconds, as claims have them. */
const NOW = 1_800_000_000;
const at = (seconds: number): Date => new Date(1000 * seconds);

describe.each(JOSE_ALGORITHMS)('%s', (alg) => {
  test('what we sign, npm jose verifies', async () => {
    const { key, peer } = await keyFor(hsm.session, alg);
    const claims = { iss: 'shop', sub: 'alice', aud: ['player', 'web'], jti: '1', scope: 'play', ü: { a: [1, null] } };
    const token = await signJwt(hsm.session, key, claims, { expiresIn: 60, header: { alg, typ: 'at+jwt' } });
    const { payload, protectedHeader } = await jwtVerify(token, peer, {
      ...{ issuer: 'shop', audience: 'player', subject: 'alice', algorithms: [alg], typ: 'at+jwt', maxTokenAge: 10 },
    });
    expect(payload).toEqual({ ...claims, iat: payload.iat, exp: payload.iat! + 60 });
    expect(Math.abs(payload.iat! - Date.now() / 1000)).toBeLessThan(10);
    expect(protectedHeader.typ).toBe('at+jwt');
  });

  test('what npm jose signs, we verify', async () => {
    const { key, theirs } = await keyFor(hsm.session, alg);
    const token = await new SignJWT({ scope: 'play' })
      .setProtectedHeader({ alg, typ: 'JWT' })
      .setIssuer('shop')
      .setAudience(['player', 'web'])
      .setSubject('alice')
      .setIssuedAt()
      .setNotBefore('0s')
      .setExpirationTime('1m')
      .sign(theirs);
    const options = { issuer: ['x', 'shop'], audience: 'web', subject: 'alice', typ: 'jwt', maxAge: 10 } as const;
    const verified = await verifyJwt(hsm.session, key, token, { ...options, algorithms: [alg], required: ['exp'] });
    expect(verified.claims).toEqual(decodeJwt(token));
    expect(verified.header).toEqual(decodeProtectedHeader(token));
    expect(verified.key).toBe(key);
  });
});

test('npm jose takes no handle for a key, which is why these functions are here', async () => {
  const key = await hsm.session.generateKey({
    ...{ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'], persistent: false },
  });
  const signing = new SignJWT({}).setProtectedHeader({ alg: 'ES256' }).sign(key as never);
  await expect(signing).rejects.toThrow(TypeError);
});

describe('claims against the clock and the options', () => {
  const verdict = async (claims: object, options: VerifyJwtOptions = {}): Promise<string> => {
    const { key } = await keyFor(hsm.session, 'HS256');
    const token = await signCompact(hsm.session, key, utf8(JSON.stringify(claims)));
    try {
      await verifyJwt(hsm.session, key, token, { now: at(NOW), ...options });
      return 'accepted';
    } catch (error) {
      expect((error as { code: string }).code).toBe('KEYCELL_TOKEN_INVALID');
      return (error as Error).message.replace(/ \(.*/, '');
    }
  };
  const ok = 'accepted';
  const expired = 'the token has expired';
  const early = 'the token is not valid yet';

  test.each<[string, object, VerifyJwtOptions, string]>([
    ['nothing asked, nothing said', {}, {}, ok],
    ['exp to come', { exp: NOW + 1 }, {}, ok],
    ['exp now', { exp: NOW }, {}, expired],
    ['exp now, by a fraction', { exp: NOW + 0.5 }, {}, ok],
    ['exp past', { exp: NOW - 1 }, {}, expired],
    ['exp past, within the tolerance', { exp: NOW - 1 }, { clockTolerance: 2 }, ok],
    ['exp past, at the tolerance', { exp: NOW - 2 }, { clockTolerance: 2 }, expired],
    ['exp of 1970', { exp: 0 }, {}, expired],
    ['nbf now', { nbf: NOW }, {}, ok],
    ['nbf to come', { nbf: NOW + 1 }, {}, early],
    ['nbf to come, at the tolerance', { nbf: NOW + 1 }, { clockTolerance: 1 }, ok],
    ['iat to come, not asked', { iat: NOW + 5 }, {}, ok],
    ['iat to come', { iat: NOW + 5 }, { maxAge: 60 }, "the token's iat lies in the future"],
    ['old enough', { iat: NOW - 60 }, { maxAge: 60 }, ok],
    ['too old', { iat: NOW - 61 }, { maxAge: 60 }, 'the token is too old'],
    ['too old, within the tolerance', { iat: NOW - 61 }, { maxAge: 60, clockTolerance: 1 }, ok],
    ['no iat', {}, { maxAge: 60 }, 'the token has no iat'],
    ['issuer', { iss: 'a' }, { issuer: 'a' }, ok],
    ['one of the issuers', { iss: 'a' }, { issuer: ['b', 'a'] }, ok],
    ['another issuer', { iss: 'A' }, { issuer: 'a' }, 'the token has another issuer'],
    ['a longer issuer', { iss: 'a/b' }, { issuer: 'a' }, 'the token has another issuer'],
    ['no issuer', {}, { issuer: 'a' }, 'the token has another issuer'],
    ['subject', { sub: 'a' }, { subject: 'a' }, ok],
    ['another subject', { sub: 'b' }, { subject: 'a' }, 'the token has another subject'],
    ['audience', { aud: 'a' }, { audience: 'a' }, ok],
    ['one of the audiences', { aud: ['b', 'a'] }, { audience: ['c', 'a'] }, ok],
    ['another audience', { aud: ['b'] }, { audience: 'a' }, 'the token has another audience'],
    ['no audience', {}, { audience: 'a' }, 'the token has another audience'],
    ['an empty audience', { aud: [] }, { audience: 'a' }, 'the token has another audience'],
    ['an audience not asked for', { aud: 'a' }, {}, 'the token names an audience, and no audience was asked for'],
    ['what is required', { exp: NOW + 1, x: null }, { required: ['exp', 'x'] }, ok],
    ['what is missing', {}, { required: ['exp'] }, 'the token has no exp'],
    ['what every object inherits is not a claim', {}, { required: ['toString'] }, 'the token has no toString'],
    ['exp as text', { exp: `${NOW + 5}` }, {}, 'exp is not a number'],
    ['exp as null', { exp: null }, {}, 'exp is not a number'],
    ['nbf as text', { nbf: '0' }, {}, 'nbf is not a number'],
    ['iat as a list', { iat: [1] }, {}, 'iat is not a number'],
    ['iss as a list', { iss: ['a'] }, { issuer: 'a' }, 'iss is not a string'],
    ['aud as a number', { aud: 1 }, { audience: '1' }, 'aud is not a string or a list of strings'],
    ['aud with a number', { aud: ['a', 1] }, { audience: 'a' }, 'aud is not a string or a list of strings'],
  ])('%s', async (_, claims, options, expected) => {
    expect(await verdict(claims, options)).toBe(expected);
  });

  test('an expiry beyond all numbers is no number', async () => {
    const { key } = await keyFor(hsm.session, 'HS256');
    const token = await signCompact(hsm.session, key, utf8('{"exp":1e999}'));
    expect((await refusal(() => verifyJwt(hsm.session, key, token))).message).toMatch(/exp is not a number/);
  });
});

test('npm jose comes to the same verdict on times, where both check them', async () => {
  const { key, peer } = await keyFor(hsm.session, 'ES256');
  for (const claims of [
    { exp: NOW - 1 },
    { exp: NOW },
    { exp: NOW + 1 },
    { nbf: NOW },
    { nbf: NOW + 1 },
    { exp: NOW - 3 },
  ]) {
    for (const clockTolerance of [0, 1, 2, 3]) {
      const token = await signJwt(hsm.session, key, claims, { now: at(NOW - 10) });
      const ours = await verifyJwt(hsm.session, key, token, { now: at(NOW), clockTolerance }).then(
        () => true,
        () => false,
      );
      const theirs = await jwtVerify(token, peer, { currentDate: at(NOW), clockTolerance }).then(
        () => true,
        () => false,
      );
      expect([claims, clockTolerance, ours]).toEqual([claims, clockTolerance, theirs]);
    }
  }
});

test('the signature comes first: of a forged token nothing else is said', async () => {
  const { key } = await keyFor(hsm.session, 'HS256');
  const token = await signJwt(hsm.session, key, { exp: 1 });
  const forged = reheaded(token, { alg: 'HS256', typ: 'JWT' });
  expect((await refusal(() => verifyJwt(hsm.session, key, forged))).message).toMatch(/the signature is not valid/);
  for (const payload of ['', 'text', '[]', 'null', '"x"', '{"a":']) {
    const odd = await signCompact(hsm.session, key, utf8(payload));
    expect((await refusal(() => verifyJwt(hsm.session, key, odd))).message).toMatch(/the payload is not/);
  }
});

test('a token of one type does not pass for another', async () => {
  const { key } = await keyFor(hsm.session, 'ES256');
  const access = await signJwt(hsm.session, key, { sub: 'alice' }, { header: { typ: 'at+jwt' } });
  await verifyJwt(hsm.session, key, access, { typ: 'at+jwt' });
  expect(await code(() => verifyJwt(hsm.session, key, access, { typ: 'logout+jwt' }))).toBe('KEYCELL_TOKEN_INVALID');
  const plain = await signJwt(hsm.session, key, { sub: 'alice' });
  expect(decodeProtectedHeader(plain).typ).toBe('JWT');
});

test('times that we write', async () => {
  const { key } = await keyFor(hsm.session, 'ES256');
  const claimsOf = async (claims: JwtClaims, options: SignJwtOptions) =>
    decodeJwt(await signJwt(hsm.session, key, claims, options));
  const now = new Date(1000 * NOW + 999);
  expect(await claimsOf({}, { now })).toEqual({ iat: NOW });
  expect(await claimsOf({}, { now, expiresIn: 60 })).toEqual({ iat: NOW, exp: NOW + 60 });
  expect(await claimsOf({ iat: 5, exp: 6 }, { now })).toEqual({ iat: 5, exp: 6 });
});

test('wrong arguments are refused before anything is signed', async () => {
  const { key } = await keyFor(hsm.session, 'ES256');
  for (const claims of [null, [], 'x', { exp: '1' }, { exp: Number.NaN }, { aud: 1 }, { iss: 1 }, { x: 1n }]) {
    expect(await code(() => signJwt(hsm.session, key, claims as never))).toBe('KEYCELL_INPUT_INVALID');
  }
  const badSigning = [{ expiresIn: -1 }, { expiresIn: '1h' }, { expiresIn: undefined }, { now: 5 }, { exp: 1 }];
  for (const options of badSigning) {
    expect(await code(() => signJwt(hsm.session, key, {}, options as never))).toBe('KEYCELL_INPUT_INVALID');
  }
  expect(await code(() => signJwt(hsm.session, key, { exp: 1 }, { expiresIn: 1 }))).toBe('KEYCELL_INPUT_INVALID');
  const token = await signJwt(hsm.session, key, {});
  const badVerifying = [
    { audiance: 'a' },
    { audience: undefined },
    { issuer: undefined },
    { issuer: [] },
    { issuer: [1] },
    { required: [] },
    { clockTolerance: -1 },
    { clockTolerance: '5s' },
    { maxAge: Number.NaN },
    { now: new Date(Number.NaN) },
  ];
  for (const options of badVerifying) {
    expect(await code(() => verifyJwt(hsm.session, key, token, options as never))).toBe('KEYCELL_INPUT_INVALID');
  }
});

describe('what is signed is what was checked', () => {
  class Claims {
    iss = 'a';
    get exp(): number {
      return 1;
    }
  }
  class Written {
    exp = 1;
    toJSON(): object {
      return { exp: 'evil' };
    }
  }
  const list = (toJSON: () => unknown) => Object.assign(['a'], { toJSON });
  let reads = 0;
  const once = {
    get exp(): unknown {
      return reads++ === 0 ? 1 : 'evil';
    },
  };
  const hidden = Object.defineProperty({ exp: 1 }, 'toJSON', { value: () => ({ exp: 'evil' }) });

  test.each<[string, object]>([
    ['a toJSON', { exp: 1, toJSON: () => ({ exp: 'evil' }) }],
    ['a toJSON that JSON alone sees', hidden],
    ['the toJSON of a class', new Written()],
    ['a getter', once],
    ['the getter of a class, which would be left out', new Claims()],
    ['inherited members, which would be left out', Object.create({ exp: 1 })],
    ['members of a prototype without one', Object.create(Object.create(null, { exp: { value: 1, enumerable: true } }))],
    ['a list of other things', { aud: list(() => 5) }],
    ['a list that is left out', { aud: list(() => undefined) }],
    ['a number that is an object', { exp: Object(5) }],
    ['a number that is none', { exp: Number.POSITIVE_INFINITY }],
    ['a function', { exp: () => 5 }],
    ['nobody', { aud: '' }],
    ['nobody among others', { aud: ['a', ''] }],
    ['a Map', new Map([['exp', 1]])],
  ])('claims with %s are refused', async (_, claims) => {
    const { key } = await keyFor(hsm.session, 'ES256');
    expect(await code(() => signJwt(hsm.session, key, claims as never))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('plain objects of every kind are taken, and read once', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    const foreign = runInNewContext('({ iss: "a", iat: 5, nested: { toJSON: () => 7 } })');
    const bare = Object.assign(Object.create(null), { iss: 'a', iat: 5, nested: 7 });
    const unlisted = Object.defineProperty({ iss: 'a', iat: 5, nested: 7 }, 'unlisted', { value: 1 });
    for (const claims of [foreign, bare, unlisted]) {
      const token = await signJwt(hsm.session, key, claims);
      expect((await verifyJwt(hsm.session, key, token)).claims).toEqual({ iss: 'a', iat: 5, nested: 7 });
    }
  });

  test('a header is held to the same', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    const none = () => ({ alg: 'none' });
    let turns = 0;
    const turning = {
      get kid(): unknown {
        return turns++ < 2 ? 'a' : { b: 1 };
      },
    };
    class Typ {
      get typ(): string {
        return 'at+jwt';
      }
    }
    for (const header of [
      { toJSON: none },
      turning,
      new Typ(),
      Object.create({ typ: 'at+jwt' }),
      null,
      [],
    ] as never[]) {
      expect(await code(() => signJwt(hsm.session, key, {}, { header }))).toBe('KEYCELL_INPUT_INVALID');
      expect(await code(() => signCompact(hsm.session, key, utf8('x'), { header }))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('an empty name is nobody, in a token or in what is asked of one', async () => {
    const { key } = await keyFor(hsm.session, 'ES256');
    const open = (claims: object, options: object) =>
      signCompact(hsm.session, key, utf8(JSON.stringify(claims))).then((token) =>
        code(() => verifyJwt(hsm.session, key, token, options)),
      );
    for (const aud of ['', [''], ['a', '']]) {
      expect(await open({ aud }, { audience: 'a' })).toBe('KEYCELL_TOKEN_INVALID');
    }
    for (const name of ['audience', 'issuer', 'subject', 'required']) {
      for (const value of ['', [''], ['a', '']]) {
        expect([name, value, await open({ aud: 'a' }, { audience: 'a', [name]: value })]).toEqual([
          ...[name, value, 'KEYCELL_INPUT_INVALID'],
        ]);
      }
    }
  });
});

test('an abort and a time limit reach the cell', async () => {
  const { key } = await keyFor(hsm.session, 'ES256');
  const token = await signJwt(hsm.session, key, {});
  const signal = AbortSignal.abort();
  expect(await code(() => signJwt(hsm.session, key, {}, { signal }))).toBe('KEYCELL_ABORTED');
  expect(await code(() => verifyJwt(hsm.session, key, token, { signal }))).toBe('KEYCELL_ABORTED');
  await verifyJwt(hsm.session, key, token, { timeout: 10_000 });
});
