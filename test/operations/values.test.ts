/** Values of the wrong type or unit are refused by their member's name: taken for something, they would be taken for the wrong thing. */
import { beforeAll, expect, test } from 'vitest';
import { type EcKey, type Key, openEphemeralHsm, openHsm } from '../../dist/index.js';
import { signJwt, verifyJwt } from '../../dist/jose/index.js';
import { bytes, code, refusal, refusedAtLast, stored } from './support.ts';

const it = stored();
const AES = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], persistent: false } as const;
const KEK = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], persistent: false } as const;
// biome-ignore lint/suspicious/noExplicitAny: callers of JavaScript
type Loose = any;

let pair: EcKey;
beforeAll(async () => {
  pair = await it.alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
});

const make = (members: object): Promise<Key> => it.alice.generateKey({ ...AES, ...members } as Loose);
const refused = async (call: () => unknown, message: string | RegExp) => {
  const error = await refusal(call);
  expect([error.code, error.message]).toEqual(['KEYCELL_INPUT_INVALID', expect.stringMatching(message)]);
};

test('what is true or false is nothing else', async () => {
  const flags = ['callerIv', 'wrapWithTrusted', 'destroyable', 'dualUse', 'persistent'];
  for (const value of ['false', 'no', '', 0, 1, null, {}] as Loose[]) {
    for (const flag of flags) await refused(() => make({ [flag]: value }), `${flag} is true or false`);
    for (const flag of flags.slice(0, 2)) {
      const unwrapTemplate = { [flag]: value };
      await refused(() => it.alice.generateKey({ ...KEK, unwrapTemplate } as Loose), `${flag} is true or false`);
    }
    const prehashed = { prehashed: value };
    await refused(() => it.alice.sign(pair, bytes(32), prehashed), 'prehashed is true or false');
    await refused(() => it.alice.verify(pair, bytes(64), bytes(32), prehashed), 'prehashed is true or false');
    const wipe = { wipe: value };
    const user = { name: 'bob', role: 'crypto-user', password: 'b' } as const;
    for (const call of [
      () => it.alice.importKey(AES, bytes(32), wipe),
      () => it.hsm.login({ user: 'alice', password: 'alice', ...wipe }),
      () => it.hsm.unseal('p', wipe),
      () => it.hsm.initialize({ passphrase: 'p', admin: { name: 'a', password: 'a' }, ...wipe }),
      () => it.admin.createUser({ ...user, ...wipe }),
      () => it.admin.setPassword('alice', 'x', wipe),
    ]) {
      await refused(call, 'wipe is true or false');
    }
  }
  expect((await make({ callerIv: false, destroyable: false, dualUse: undefined })).destroyable).toBe(false);
});

test('a time is in milliseconds, and one at zero is no missing end', async () => {
  const soon = Math.floor(Date.now() / 1000) + 3600;
  for (const member of ['notBefore', 'notAfter']) {
    await refused(() => make({ [member]: soon }), `${member} is in milliseconds`);
    await refused(() => make({ [member]: new Date(soon) }), `${member} is in milliseconds`);
    for (const value of ['2030-01-01', null, -1, 1.5, Number.NaN, new Date(Number.NaN), 10n, {}]) {
      await refused(() => make({ [member]: value }), `${member} is a Date or milliseconds since 1970`);
    }
    expect(await code(() => make({ [member]: Number.POSITIVE_INFINITY }))).toBe('KEYCELL_INPUT_INVALID');
  }
  for (const notAfter of [
    0,
    new Date(0),
    1,
    new Date(1),
    Date.now(),
    Date.now() - 86_400_000,
    new Date(Date.now() - 1),
  ]) {
    await refused(() => make({ notAfter }), 'notAfter is over already');
    await refused(() => it.alice.generateKey({ ...KEK, unwrapTemplate: { notAfter } }), 'notAfter is over already');
    const deep = { type: 'AES', usage: ['unwrap'], unwrapTemplate: { notAfter } } as const;
    await refused(() => it.alice.generateKey({ ...KEK, unwrapTemplate: deep }), 'notAfter is over already');
    const bag = { type: 'AES', bits: 256, usage: ['encrypt'], notAfter } as const;
    await refused(() => it.alice.importKey(bag, new Uint8Array(32)), 'notAfter is over already');
  }
  const key = await make({ notBefore: new Date(0), notAfter: new Date(1000 * soon) });
  expect([key.notBefore, key.notAfter]).toEqual([undefined, new Date(1000 * soon)]);
});

test('a number beyond its bound is told the bound', async () => {
  for (const bits of [65536, 4104, -8, 1.5, '256', Number.NaN] as Loose[]) {
    const usage = ['sign'] as const;
    await refused(() => it.alice.generateKey({ type: 'HMAC', bits, usage }), 'bits is a whole number of at most 4096');
    await refused(() => make({ bits }), 'bits is a whole number of at most 256');
  }
  await refused(() => make({ maxUses: 65536 }), 'maxUses is a whole number of at most 65535');
});

test('a template that was good is refused when its end has come; the key that it made is still found', async () => {
  const template = { ...AES, persistent: true, label: 'ending', notAfter: Date.now() + 300 } as const;
  const key = await it.alice.ensureKey(template);
  await refusedAtLast(() => it.alice.encrypt(key, bytes(1)));
  const { label: _, ...again } = template;
  await refused(() => it.alice.generateKey(again), 'notAfter is over already');
  expect((await it.alice.ensureKey(template)).id).toBe(key.id);
  await it.hsm.seal();
  await it.hsm.unseal('p');
  it.alice = await it.hsm.login({ user: 'alice', password: 'alice' });
  expect((await it.alice.getKey({ label: 'ending' })).notAfter?.getTime()).toBe(template.notAfter);
});

test('every number says its type where that is wrong, and its range where it is outside', async () => {
  const dated = (proofMaxAge: Loose) =>
    it.alice.generateKey({ ...KEK, rewrapPolicy: { issuer: pair, proofMaxAge } } as Loose);
  const uninitialized = { passphrase: 'p', admin: { name: 'a', password: 'a' } };
  const ephemeral = (options: Loose) => openEphemeralHsm(options);
  const numbers: [string, (value: Loose) => unknown, least: number, most: number | undefined][] = [
    ['bytes', (n) => it.alice.random(n), 1, 65536],
    ['bytes', (n) => it.alice.generateDataKey(pair as Loose, { bytes: n }), 1, 4096],
    ['scryptLog2N', (n) => it.hsm.initialize({ ...uninitialized, scryptLog2N: n }), 14, 20],
    ['proofMaxAge, in seconds,', dated, 1, 86400],
    ['workers', (n) => ephemeral({ workers: n }), 1, undefined],
    ['queueLimit', (n) => ephemeral({ queueLimit: n }), 1, undefined],
    ['storedKeys', (n) => ephemeral({ quotas: { storedKeys: n } }), 1, undefined],
    ['sessions', (n) => ephemeral({ quotas: { sessions: n } }), 1, undefined],
    ['waitingRequests', (n) => ephemeral({ quotas: { waitingRequests: n } }), 1, undefined],
    ['lockout.after', (n) => ephemeral({ lockout: { after: n } }), 1, 100],
    ['lockout.delay', (n) => ephemeral({ lockout: { delay: n } }), 1000, 3_600_000],
    ['lockout.longest', (n) => ephemeral({ lockout: { longest: n } }), 60_000, 86_400_000],
  ];
  for (const [name, call, least, most] of numbers) {
    const range = most === undefined ? `${least} or more` : `${least} to ${most}`;
    for (const value of ['5', null, true, 5n, 1.5, Number.NaN, Number.POSITIVE_INFINITY, {}, [5]]) {
      await refused(() => call(value), `^${name} is a whole number, ${range}`);
    }
    await refused(() => call(least - 1), `^${name} is ${range}, not ${least - 1}`);
    if (most !== undefined) await refused(() => call(most + 1), `^${name} is ${range}, not ${most + 1}`);
  }
  for (const [name, call] of [
    ['expiresIn', (n) => signJwt(it.alice, pair, {}, { expiresIn: n })],
    ['maxAge', (n) => verifyJwt(it.alice, pair, 'x', { maxAge: n })],
    ['clockTolerance', (n) => verifyJwt(it.alice, pair, 'x', { clockTolerance: n })],
    ['lockTimeout', (n) => openHsm({ path: it.folder, lockTimeout: n })],
  ] as [string, (value: Loose) => unknown][]) {
    for (const value of ['5', -1, Number.NaN, 5n, {}]) {
      await refused(() => call(value), `^${name} is a number of (milli)?seconds, not negative`);
    }
  }
});
