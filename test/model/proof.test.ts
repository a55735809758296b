/** What a proof must say and may say, member by member and each limit at its edge: pure functions, with a clock of our own. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Reason, Refusal } from '../../src/errors.ts';
import { checkProofClaims, checkProofHeader } from '../../src/model/proof.ts';
import { digestOf, ES256, TYPE } from '../support/proof.ts';

const hsmId = '00112233445566778899aabbccddeeff';
const recipient = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
const other = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
const NOW = 1_764_511_200;
const digests = [digestOf(Buffer.from('one')), digestOf(Buffer.from('two'))];
const right = { aud: `keycell:${hsmId}`, iat: NOW - 100, exp: NOW + 200, cnf: { jkt: recipient } };
const policy = { proofMaxAge: 3600, blobs: false };

/** Why it is refused, or what it names. */
function reasonOf(check: () => unknown): unknown {
  try {
    return check();
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
    expect((error as Refusal).code).toBe('KEYCELL_PERMISSION_DENIED');
    return (error as Refusal).reason;
  }
}
const header = (value: unknown, alg = 'ES256') => reasonOf(() => checkProofHeader(value, alg));
const claims = (value: unknown, of = policy, now = 1000 * NOW) =>
  reasonOf(() => checkProofClaims(value, of, { hsmId, recipient, now }));

const without = (name: string) => Object.fromEntries(Object.entries(right).filter(([each]) => each !== name));

describe('the header', () => {
  test('is alg, typ and perhaps kid', () => {
    expect(header(ES256)).toBeUndefined();
    expect(header({ ...ES256, kid: 'a' })).toBeUndefined();
    expect(header({ ...ES256, alg: 'ES384' }, 'ES384')).toBeUndefined();
  });

  test.each<[string, unknown, Reason]>([
    ['an access token', { alg: 'ES256', typ: 'at+jwt' }, 'proofType'],
    ['a DPoP proof', { alg: 'ES256', typ: 'dpop+jwt', jwk: {} }, 'proofType'],
    ['a JWT', { alg: 'ES256', typ: 'JWT' }, 'proofType'],
    ['no typ', { alg: 'ES256' }, 'proofType'],
    ['typ as a media type', { alg: 'ES256', typ: `application/${TYPE}` }, 'proofType'],
    ['typ in capitals', { alg: 'ES256', typ: TYPE.toUpperCase() }, 'proofType'],
    ['typ as a list', { alg: 'ES256', typ: [TYPE] }, 'proofType'],
    ['no alg', { typ: TYPE }, 'proofMalformed'],
    ['alg none', { ...ES256, alg: 'none' }, 'proofMalformed'],
    ['alg of another curve', { ...ES256, alg: 'ES384' }, 'proofMalformed'],
    ['alg in small letters', { ...ES256, alg: 'es256' }, 'proofMalformed'],
    ['alg as a list', { ...ES256, alg: ['ES256'] }, 'proofMalformed'],
    ['kid a number', { ...ES256, kid: 1 }, 'proofMalformed'],
    ['kid null', { ...ES256, kid: null }, 'proofMalformed'],
    ['kid an object', { ...ES256, kid: {} }, 'proofMalformed'],
    ['an array', [], 'proofMalformed'],
    ['null', null, 'proofMalformed'],
    ['text', 'x', 'proofMalformed'],
    ...[
      'crit',
      'b64',
      'jwk',
      'jku',
      'x5c',
      'x5u',
      'x5t',
      'x5t#S256',
      'cty',
      'zip',
      'nonce',
      'Kid',
      'x',
      '__proto__',
    ].map((name): [string, unknown, Reason] => [
      `with ${name}`,
      JSON.parse(`{"alg":"ES256","typ":"${TYPE}","${name}":"x"}`),
      'proofMalformed',
    ]),
  ])('%s is refused', (_, value, reason) => {
    expect(header(value)).toBe(reason);
  });
});

describe('the claims', () => {
  test('are aud, iat, exp and cnf, and what means nothing here', () => {
    expect(claims(right)).toBeUndefined();
    expect(claims({ ...right, nbf: NOW, jti: 'x', sub: 'y', iss: 'z', kids: ['k'], deep: [[{}]] })).toBeUndefined();
    expect(claims({ ...right, blobs: digests })).toEqual(new Set(digests));
    expect(claims({ ...right, blobs: [] })).toEqual(new Set());
  });

  test.each(['aud', 'iat', 'exp', 'cnf'])('none without %s', (name) => {
    expect(claims(without(name))).toBe('proofMalformed');
    for (const value of [null, true, '', [], {}, ['x']]) {
      expect([value, claims({ ...right, [name]: value })]).toEqual([value, expect.stringMatching(/^proof(M|E)/)]);
    }
  });

  test('of an object', () => {
    for (const value of [null, [], 'x', 5, [right]]) expect(claims(value)).toBe('proofMalformed');
  });

  test('aud is this HSM, as one string', () => {
    const aud = (value: unknown) => claims({ ...right, aud: value });
    expect(aud([right.aud])).toBe('proofMalformed');
    expect(aud({ [right.aud]: 1 })).toBe('proofMalformed');
    for (const value of [
      hsmId,
      'keycell:',
      `keycell:${hsmId.toUpperCase()}`,
      `KEYCELL:${hsmId}`,
      `keycell:${hsmId} `,
      `keycell:${'0'.repeat(32)}`,
      'https://api.example',
    ]) {
      expect([value, aud(value)]).toEqual([value, 'proofElsewhere']);
    }
  });

  test('iat is at most a minute ahead', () => {
    const at = (iat: number, now = 1000 * NOW) => claims({ ...right, iat, exp: iat + 300 }, policy, now);
    expect([at(NOW + 60), at(NOW + 61)]).toEqual([undefined, 'proofExpired']);
    expect([at(NOW + 60, 1000 * NOW - 1), at(NOW + 60, 1000 * NOW)]).toEqual(['proofExpired', undefined]);
  });

  test('it ends with exp, to the millisecond', () => {
    const at = (now: number) => claims(right, policy, now);
    expect([at(1000 * right.exp - 1), at(1000 * right.exp)]).toEqual([undefined, 'proofExpired']);
  });

  test('from iat to exp is no longer than the policy allows', () => {
    for (const proofMaxAge of [1, 300, 3600, 86_400]) {
      const lasting = (age: number) => claims({ ...right, iat: NOW, exp: NOW + age }, { proofMaxAge, blobs: false });
      expect([lasting(proofMaxAge), lasting(proofMaxAge + 1)]).toEqual([undefined, 'proofTooLong']);
    }
    // Back-dating gains nothing: it is the same length.
    expect(claims({ ...right, iat: 0 })).toBe('proofTooLong');
    expect(claims({ ...right, exp: Number.MAX_SAFE_INTEGER })).toBe('proofTooLong');
  });

  test('exp lies after iat', () => {
    expect(claims({ ...right, iat: NOW + 30, exp: NOW + 30 })).toBe('proofMalformed');
    expect(claims({ ...right, iat: NOW + 30, exp: NOW + 20 })).toBe('proofMalformed');
    expect(claims({ ...right, iat: NOW + 30, exp: NOW + 31 })).toBeUndefined();
  });

  test('nbf is not passed over, nor given a minute', () => {
    const nbf = (value: unknown) => claims({ ...right, nbf: value });
    expect([nbf(NOW), nbf(NOW + 1)]).toEqual([undefined, 'proofExpired']);
    expect([nbf(String(NOW)), nbf(null), nbf(0.5), nbf(-1)]).toEqual(Array(4).fill('proofMalformed'));
  });

  test.each(['iat', 'exp', 'nbf'])('%s is a whole number of seconds, not negative', (name) => {
    for (const text of ['1e400', '-1e400', '-1', '9007199254740993', '1e30', `${NOW}.5`, `"${NOW}"`, 'true', '[1]']) {
      const value = JSON.parse(text);
      expect([text, claims({ ...right, [name]: value })]).toEqual([text, 'proofMalformed']);
    }
    expect(claims({ ...right, [name]: Number.NaN })).toBe('proofMalformed');
  });

  test('cnf is jkt alone', () => {
    const cnf = (value: unknown) => claims({ ...right, cnf: value });
    for (const value of [
      {},
      recipient,
      [recipient],
      { jkt: [recipient] },
      { jkt: null },
      { kid: recipient },
      { jkt: recipient, kid: 'x' },
      { jkt: recipient, jwk: {} },
      { jkt: recipient, 'x5t#S256': 'x' },
      { jkt: recipient, JKT: recipient },
    ]) {
      expect([value, cnf(value)]).toEqual([value, 'proofMalformed']);
    }
    for (const jkt of [other, '', `${recipient}=`, recipient.toLowerCase(), `${recipient} `]) {
      expect([jkt, cnf({ jkt })]).toEqual([jkt, 'proofForeign']);
    }
  });

  test('blobs are digests as base64url writes them, and nothing else', () => {
    const blobs = (value: unknown) => claims({ ...right, blobs: value });
    const [one = ''] = digests;
    const last = one.slice(0, -1);
    for (const value of [
      null,
      one,
      { 0: one },
      [null],
      [[one]],
      [''],
      [`${one}=`],
      [one.slice(1)],
      [`${one}A`],
      [`${last}B`],
      [one.replaceAll('-', '+').replaceAll('_', '/').replace(/^./, '+')],
      [Buffer.from(one, 'base64url').toString('hex')],
      [one, 5],
    ]) {
      expect([value, blobs(value)]).toEqual([value, 'proofMalformed']);
    }
  });

  test('blobs are there where the policy requires them', () => {
    const required = { proofMaxAge: 3600, blobs: true };
    expect(claims(right, required)).toBe('proofUnlimited');
    expect(claims({ ...right, Blobs: digests, blob: digests }, required)).toBe('proofUnlimited');
    expect(claims({ ...right, blobs: digests }, required)).toEqual(new Set(digests));
  });

  test('what an object inherits counts for nothing', () => {
    expect(claims(JSON.parse(`{"__proto__":${JSON.stringify(right)}}`))).toBe('proofMalformed');
    expect(claims({ ...right, cnf: JSON.parse(`{"__proto__":{"jkt":"${recipient}"}}`) })).toBe('proofMalformed');
    const blobs = JSON.parse(`{"__proto__":{"blobs":${JSON.stringify(digests)}}}`);
    expect(claims({ ...right, ...blobs }, { proofMaxAge: 3600, blobs: true })).toBe('proofUnlimited');
  });

  test('no other value of a member passes, whatever it is', () => {
    const member = fc.constantFrom('aud', 'cnf', 'iat', 'exp', 'blobs', 'nbf');
    fc.assert(
      fc.property(member, fc.jsonValue({ maxDepth: 3 }), (name, value) => {
        const inTime = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
        // As a number these can be right: their edges are above.
        if (inTime && ['iat', 'exp', 'nbf'].includes(name)) return;
        if (name === 'blobs' && Array.isArray(value) && value.length === 0) return;
        expect(claims({ ...right, [name]: value })).toMatch(/^proof/);
      }),
      { seed: 13, numRuns: 2000 },
    );
  });
});
