import { describe, expect, test } from 'vitest';
import { SessionImpl } from '../../dist/hsm/session.js';
import type { Hsm, Session } from '../../dist/index.js';
import {
  bytes,
  CIPHER,
  codeOf,
  errorOf,
  login,
  make,
  OFFICER,
  open,
  PASSPHRASE,
  SIGNING,
  sleep,
  USER,
} from './support/hsm.ts';

describe('roles', () => {
  test('an admin uses no keys', async () => {
    const { admin, alice } = await make();
    const key = await alice.generateKey({ ...CIPHER, label: 'k' });
    const seen = await admin.getKey({ label: 'k' });
    expect(seen.id).toBe(key.id);
    const calls = [
      admin.generateKey(SIGNING),
      admin.importKey(CIPHER, new Uint8Array(32)),
      admin.encrypt(key, bytes('x')),
      admin.generateDataKey(key, { bytes: 32 }),
      admin.exportKey(key),
      admin.destroyKey(key),
    ];
    for (const code of await Promise.all(calls.map(codeOf))) expect(code).toBe('KEYCELL_PERMISSION_DENIED');
    expect((await alice.getKey({ label: 'k' })).id).toBe(key.id);
  });

  test('a crypto-user manages no users but his own password', async () => {
    const { admin, alice, hsm } = await make();
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    const calls = [
      alice.createUser({ name: 'eve', role: 'admin', password: 'e' }),
      alice.removeUser('bob'),
      alice.setPassword('bob', 'mine now'),
      alice.setPassword('officer', 'mine now'),
      alice.listUsers(),
    ];
    for (const code of await Promise.all(calls.map(codeOf))) expect(code).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await codeOf(alice.setAttributes(await alice.generateKey(CIPHER), { trusted: true }))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    const names = (await admin.listUsers()).map(({ name, role }) => `${name} ${role}`).sort();
    expect(names).toEqual(['alice crypto-user', 'bob crypto-user', 'officer admin']);
    await login(hsm, 'bob', 'b');
    await login(hsm, 'officer', OFFICER);
  });

  test('names are one, roles are two, passwords are not empty', async () => {
    const { admin } = await make();
    const create = (user: object) =>
      codeOf(admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b', ...user }));
    expect(await create({ name: 'alice' })).toBe('KEYCELL_USER_CONFLICT');
    expect(await create({ name: '' })).toBe('KEYCELL_INPUT_INVALID');
    expect(await create({ name: 'n'.repeat(65) })).toBe('KEYCELL_INPUT_INVALID');
    expect(await create({ role: 'root' })).toBe('KEYCELL_INPUT_INVALID');
    expect(await create({ password: '' })).toBe('KEYCELL_INPUT_INVALID');
    expect(await create({ password: 7 })).toBe('KEYCELL_INPUT_INVALID');
    expect((await Promise.all([create({}), create({})])).sort()).toEqual(['KEYCELL_USER_CONFLICT', 'a result']);
    expect(await codeOf(admin.removeUser('nobody'))).toBe('KEYCELL_USER_NOT_FOUND');
    expect(await codeOf(admin.setPassword('nobody', 'x'))).toBe('KEYCELL_USER_NOT_FOUND');
  });
});

describe('logins', () => {
  test('an unknown user and a wrong password are the same error, and take about the same time', async () => {
    const { hsm } = await make();
    const timed = async (user: string, password: string) => {
      const start = performance.now();
      const error = await errorOf(login(hsm, user, password));
      return { took: performance.now() - start, error };
    };
    const known = await timed('alice', 'wrong');
    const unknown = await timed('nobody', 'wrong');
    expect(known.error.code).toBe('KEYCELL_LOGIN_FAILED');
    expect(unknown.error.code).toBe('KEYCELL_LOGIN_FAILED');
    expect(unknown.error.message).toBe(known.error.message);
    // Both did the work of scrypt: a refusal without it comes within a few milliseconds.
    expect(Math.min(known.took, unknown.took)).toBeGreaterThan(15);
    expect(await codeOf(login(hsm, 'alice', ''))).toBe('KEYCELL_INPUT_INVALID');
    expect(await codeOf(login(hsm, 'Alice', USER))).toBe('KEYCELL_LOGIN_FAILED');
  });

  test('many at once, right and wrong, each gets its own answer', async () => {
    const { hsm } = await make();
    const logins = Array.from({ length: 12 }, (_, i) => codeOf(login(hsm, 'alice', i % 3 === 0 ? USER : `wrong ${i}`)));
    expect(await Promise.all(logins)).toEqual(
      Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 'a result' : 'KEYCELL_LOGIN_FAILED')),
    );
  });

  test('a session tells who and until when, and renews', async () => {
    const { alice } = await make();
    expect(alice.user).toMatchObject({ name: 'alice', role: 'crypto-user' });
    const before = alice.expiresAt.getTime();
    expect(Math.abs(before - Date.now() - 15 * 60_000)).toBeLessThan(60_000);
    await sleep(20);
    await alice.renew();
    expect(alice.expiresAt.getTime()).toBeGreaterThan(before);
    await alice.random(1);
  });
});

const stolenTickets = new WeakMap<Session, Uint8Array>();

/** A session of the same ticket that does not know that it has ended: what a thief of the ticket has. */
async function thief(session: Session, hsm: Hsm): Promise<Session> {
  let ticket: Uint8Array | undefined;
  const engine = hsm as unknown as { submit: (request: { ticket: Uint8Array }, options: object) => Promise<unknown> };
  const { submit } = engine;
  engine.submit = (request, options) => {
    ticket = request.ticket;
    return submit.call(hsm, request, options);
  };
  await session.random(1);
  engine.submit = submit;
  return withTicket(hsm, ticket!, session);
}

function withTicket(hsm: Hsm, ticket: Uint8Array, session: Session): Session {
  const stolen = new SessionImpl(hsm as never, ticket, session.user) as unknown as Session;
  stolenTickets.set(stolen, ticket);
  return stolen;
}

/** The same ticket at another opening of the HSM. */
const revive = (stolen: Session, hsm: Hsm): Session => withTicket(hsm, stolenTickets.get(stolen)!, stolen);

describe('what ends a session', () => {
  test('close: the warden and the cells refuse the ticket at once', async () => {
    const { hsm, alice } = await make();
    const stolen = await thief(alice, hsm);
    await stolen.random(1);
    await alice.close();
    await alice.close();
    expect(await codeOf(alice.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(alice.renew())).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(stolen.renew())).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(stolen.listUsers())).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(stolen.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    await (await login(hsm)).random(1);
  });

  test('removal of the user: his sessions end, his keys stay, his name is free', async () => {
    const { hsm, admin, alice } = await make();
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    await admin.removeUser('alice');
    expect(await codeOf(alice.renew())).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(alice.sign(key, bytes('m')))).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(login(hsm))).toBe('KEYCELL_LOGIN_FAILED');
    expect((await admin.getKey({ label: 'k' })).id).toBe(key.id);
    await admin.createUser({ name: 'alice', role: 'crypto-user', password: USER });
    // The same name is not the same user.
    const other = await login(hsm);
    expect(await codeOf(other.sign(key, bytes('m')))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await codeOf(other.getKey({ label: 'k' }))).toBe('KEYCELL_KEY_NOT_FOUND');
    await hsm.check();
  });

  test('a new password: the old sessions and the old password end', async () => {
    const { hsm, admin, alice } = await make();
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    const own = await login(hsm);
    await own.setPassword('alice', 'second', { oldPassword: USER });
    expect(await codeOf(alice.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(login(hsm))).toBe('KEYCELL_LOGIN_FAILED');
    const second = await login(hsm, 'alice', 'second');
    await second.sign(key, bytes('m'));
    await admin.setPassword('alice', 'third');
    expect(await codeOf(second.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    const third = await login(hsm, 'alice', 'third');
    await third.sign(key, bytes('m'));
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    await (await login(hsm, 'alice', 'third')).sign(key, bytes('m'));
    expect(await codeOf(login(hsm, 'alice', 'second'))).toBe('KEYCELL_LOGIN_FAILED');
  });

  test('what was ended stays ended when the HSM is sealed and unsealed, or opened again', async () => {
    const { hsm, admin, alice, path } = await make();
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    const stolen = await thief(alice, hsm);
    await alice.close();
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    const bob = await login(hsm, 'bob', 'b');
    await admin.removeUser('bob');
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    expect(await codeOf(stolen.sign(key, bytes('m')))).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(stolen.renew())).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(bob.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    await hsm.close();
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    const later = revive(stolen, back);
    expect(await codeOf(later.sign(key, bytes('m')))).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(later.renew())).toBe('KEYCELL_SESSION_REVOKED');
  });
});

describe('changes of one record at once', () => {
  test('leave a store that is whole: passwords, removals, attributes, destruction', async () => {
    const { hsm, admin, alice, path } = await make();
    for (const name of ['bob', 'carol']) await admin.createUser({ name, role: 'crypto-user', password: 'p' });
    const passwords = await Promise.all(
      ['1', '2', '3']
        .map((password) => codeOf(admin.setPassword('bob', password)))
        .concat([codeOf(admin.removeUser('carol')), codeOf(admin.removeUser('carol'))]),
    );
    expect(passwords.filter((code) => code === 'a result').length).toBeGreaterThanOrEqual(2);
    await hsm.check();

    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    const labels = await Promise.all(['a', 'b', 'c'].map((label) => codeOf(alice.setAttributes(key, { label }))));
    expect(labels.filter((code) => code === 'a result')).toHaveLength(1);
    await hsm.check();
    const last = await Promise.all([
      codeOf(alice.setAttributes(key, { extractable: false, label: 'd' })),
      codeOf(alice.destroyKey(key)),
      codeOf(alice.destroyKey(key)),
    ]);
    expect(last).toContain('a result');
    await hsm.check();
    await hsm.close();
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    await back.check();
  });
});

describe('keys of another', () => {
  test('are not found, whatever is done with them', async () => {
    const { hsm, admin, alice } = await make();
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    const bob = await login(hsm, 'bob', 'b');
    const sign = await alice.generateKey({ ...SIGNING, label: 'sign' });
    const aes = await alice.generateKey({ ...CIPHER, label: 'aes', extractable: 'plaintext' });
    const wrap = await alice.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], label: 'wrap' });
    const session = await alice.generateKey({ ...CIPHER, persistent: false });
    const envelope = await alice.encrypt(aes, bytes('secret'));
    const wrapped = await alice.wrapKey(wrap, aes, { mechanism: 'AES-KW' });
    const calls = [
      bob.sign(sign, bytes('m')),
      bob.verify(sign, new Uint8Array(64), bytes('m')),
      bob.encrypt(aes, bytes('m')),
      bob.decrypt(aes, envelope),
      bob.exportKey(aes),
      bob.wrapKey(wrap, aes, { mechanism: 'AES-KW' }),
      bob.unwrapKey(wrap, wrapped, { type: 'AES', bits: 256, usage: [] }, { mechanism: 'AES-KW' }),
      bob.setAttributes(aes, { label: 'mine' }),
      bob.destroyKey(aes),
      bob.getKey({ id: aes.id }),
      bob.getKey({ label: 'aes' }),
    ];
    for (const code of await Promise.all(calls.map(codeOf))) expect(code).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await codeOf(bob.encrypt(session, bytes('m')))).not.toBe('a result');
    const found: string[] = [];
    for await (const key of bob.findKeys()) found.push(key.id);
    expect(found).toEqual([]);
    // Another owner's label is free.
    const own = await bob.generateKey({ ...CIPHER, label: 'aes' });
    expect((await bob.getKey({ label: 'aes' })).id).toBe(own.id);
    expect(Buffer.from(await alice.decrypt(aes, envelope)).toString()).toBe('secret');
  });
});

describe('secrets on their way in', () => {
  const isZero = (array: Uint8Array) => array.every((byte) => byte === 0);

  test('arrays are wiped where asked, functions’ results always, others left alone', async () => {
    const { hsm, admin, alice } = await make();
    const kept = bytes(USER);
    await (await hsm.login({ user: 'alice', password: kept })).close();
    expect(kept).toEqual(bytes(USER));
    await (await hsm.login({ user: 'alice', password: kept, wipe: true })).close();
    expect(isZero(kept)).toBe(true);
    const given = bytes(USER);
    await (await hsm.login({ user: 'alice', password: async () => given })).close();
    expect(isZero(given)).toBe(true);
    const wrong = bytes('wrong');
    expect(await codeOf(hsm.login({ user: 'alice', password: () => wrong }))).toBe('KEYCELL_LOGIN_FAILED');
    expect(isZero(wrong)).toBe(true);

    const first = bytes('bob');
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: first, wipe: true });
    expect(isZero(first)).toBe(true);
    const second = bytes('bob 2');
    await admin.setPassword('bob', second, { wipe: true });
    expect(isZero(second)).toBe(true);
    await login(hsm, 'bob', 'bob 2');

    const key = new Uint8Array(32).fill(7);
    const template = { ...CIPHER, extractable: 'plaintext' } as const;
    const left = await alice.importKey(template, key);
    expect(key).toEqual(new Uint8Array(32).fill(7));
    const wiped = await alice.importKey(template, key, { wipe: true });
    expect(isZero(key)).toBe(true);
    const fromFunction = new Uint8Array(32).fill(9);
    await alice.importKey(template, () => fromFunction);
    expect(isZero(fromFunction)).toBe(true);
    for (const each of [left, wiped]) expect(await alice.exportKey(each)).toEqual(new Uint8Array(32).fill(7));

    // Wiped too where the cell refuses, or nothing is even sent.
    const short = new Uint8Array(31).fill(1);
    expect(await codeOf(alice.importKey(template, short, { wipe: true }))).toBe('KEYCELL_INPUT_INVALID');
    expect(isZero(short)).toBe(true);
    const unsent = new Uint8Array(32).fill(1);
    const impossible = { ...template, usage: 'all' } as never;
    expect(await codeOf(alice.importKey(impossible, unsent, { wipe: true }))).toBe('KEYCELL_INPUT_INVALID');
    expect(isZero(unsent)).toBe(true);

    await hsm.seal();
    const passphrase = bytes(PASSPHRASE);
    await hsm.unseal(passphrase);
    expect(passphrase).toEqual(bytes(PASSPHRASE));
    await hsm.seal();
    await hsm.unseal(passphrase, { wipe: true });
    expect(isZero(passphrase)).toBe(true);
    await hsm.seal();
    const bad = bytes('wrong');
    expect(await codeOf(hsm.unseal(() => bad))).toBe('KEYCELL_PASSPHRASE_WRONG');
    expect(isZero(bad)).toBe(true);
    const unready = bytes(USER);
    expect(await codeOf(admin.setPassword('nobody', unready, { wipe: true }))).toBe('KEYCELL_SEALED');
    expect(isZero(unready)).toBe(true);
    const late = bytes(USER);
    expect(await codeOf(hsm.login({ user: 'alice', password: late, wipe: true }))).toBe('KEYCELL_SEALED');
    expect(isZero(late)).toBe(true);
  });
});
