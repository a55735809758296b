/** What is in force is what is on the disk: users under a store that fails, lies, or does not tell; and clocks that are set. */
import { describe, expect, test, vi } from 'vitest';
import { SessionImpl } from '../../dist/hsm/session.js';
import type { EcKey, Session } from '../../dist/index.js';
import type { Engine } from '../../src/hsm/engine.ts';
import type { Caller } from '../../src/pool/pool.ts';
import { Faulty } from './support/faulty.ts';
import { bytes, CIPHER, codeOf, errorOf, login, OFFICER, PASSPHRASE, SIGNING, until } from './support/hsm.ts';
import { started, threadAfter } from './support/threads.ts';

const REVOKED = 'KEYCELL_SESSION_REVOKED';
const FAILED = 'KEYCELL_LOGIN_FAILED';
const draws = (session: Session): Promise<string> => codeOf(session.random(1));

/** A session of the same ticket that does not know of a logout. */
async function thief(here: Faulty, session: Session): Promise<Session> {
  let ticket: Uint8Array | undefined;
  const engine = here.hsm as unknown as { submit: (request: { ticket: Uint8Array }, options: object) => unknown };
  const { submit } = engine;
  engine.submit = (request, options) => {
    ticket = request.ticket;
    return submit.call(here.hsm, request, options);
  };
  await session.random(1);
  engine.submit = submit;
  return new SessionImpl(here.hsm as never, ticket!, session.user) as unknown as Session;
}

describe('a store that refuses', () => {
  test('removal, new password, new user: nothing of it is in force, and all of it can be asked again', async () => {
    const here = await Faulty.make();
    const { hsm, admin, alice, store } = here;
    store.fault = 'refuse';
    for (const call of [
      () => admin.removeUser('alice'),
      () => admin.setPassword('alice', 'second'),
      () => admin.createUser({ name: 'bob', role: 'admin', password: 'b' }),
    ]) {
      expect(await errorOf(call())).toMatchObject({ code: 'KEYCELL_STORE_UNAVAILABLE', outcome: 'not-executed' });
    }
    await here.leases(2);
    expect(await draws(alice)).toBe('a result');
    await alice.renew();
    await (await login(hsm)).close();
    expect(await codeOf(login(hsm, 'alice', 'second'))).toBe(FAILED);
    expect(await codeOf(login(hsm, 'bob', 'b'))).toBe(FAILED);
    store.fault = 'none';
    await hsm.check();
    await admin.setPassword('alice', 'second');
    expect(await codeOf(alice.renew())).toBe(REVOKED);
    const again = await login(hsm, 'alice', 'second');
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    await admin.removeUser('alice');
    expect(await codeOf(again.renew())).toBe(REVOKED);
    expect(await draws(again)).toBe(REVOKED);
    await here.reopen();
    await login(here.hsm, 'bob', 'b');
    expect(await codeOf(login(here.hsm, 'alice', 'second'))).toBe(FAILED);
  });

  test('nobody logs in by a record that is not on the disk yet, nor is anybody turned away', async () => {
    const here = await Faulty.make();
    const { hsm, admin, alice, store } = here;
    const held = store.hold();
    const creating = admin.createUser({ name: 'bob', role: 'admin', password: 'b' });
    const open = await held;
    expect(await codeOf(login(hsm, 'bob', 'b'))).toBe(FAILED);
    store.fault = 'refuse';
    open();
    expect(await codeOf(creating)).toBe('KEYCELL_STORE_UNAVAILABLE');
    expect(await codeOf(login(hsm, 'bob', 'b'))).toBe(FAILED);

    store.fault = 'none';
    const heldAgain = store.hold();
    const removing = admin.removeUser('alice');
    const go = await heldAgain;
    await here.leases(2);
    expect(await draws(alice)).toBe('a result');
    await alice.renew();
    const other = await login(hsm);
    go();
    await removing;
    for (const session of [alice, other]) {
      expect(await codeOf(session.renew())).toBe(REVOKED);
      expect(await draws(session)).toBe(REVOKED);
    }
  });
});

describe('a store that says no, and has done it', () => {
  test('what is on the disk is in force and is answered so, and no later change is lost', async () => {
    const here = await Faulty.make();
    const { hsm, admin, alice, store } = here;
    store.fault = 'lie';
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    const bob = await login(hsm, 'bob', 'b');
    await admin.setPassword('alice', 'second');
    expect(await codeOf(alice.renew())).toBe(REVOKED);
    expect(await draws(alice)).toBe(REVOKED);
    expect(await codeOf(login(hsm))).toBe(FAILED);
    const second = await login(hsm, 'alice', 'second');
    const key = await second.generateKey({ ...SIGNING, label: 'kept' });
    await second.destroyKey(await second.generateKey({ ...CIPHER, label: 'gone' }));
    await admin.removeUser('bob');
    expect(await codeOf(bob.renew())).toBe(REVOKED);
    store.fault = 'none';
    await second.generateKey({ ...CIPHER, label: 'later' });
    await hsm.check();
    await here.reopen();
    const back = await login(here.hsm, 'alice', 'second');
    await back.sign((await back.getKey({ label: 'kept' })) as EcKey, bytes('m'));
    expect(await codeOf(back.getKey({ label: 'gone' }))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect((await back.getKey({ id: key.id })).id).toBe(key.id);
    expect(await codeOf(login(here.hsm, 'bob', 'b'))).toBe(FAILED);
  });
});

describe.each(['lie', 'refuse'] as const)('a store that does not tell for a while (%s)', (fault) => {
  test('is believed by nobody: rights that may be gone are not used, nothing else is written, and then the disk decides', async () => {
    const here = await Faulty.make();
    const { hsm, admin, alice, store } = here;
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    const carol = await admin
      .createUser({ name: 'carol', role: 'crypto-user', password: 'c' })
      .then(() => login(hsm, 'carol', 'c'));
    store.fault = fault;
    store.mute = true;
    const unknown = await errorOf(admin.removeUser('alice'));
    expect(unknown).toMatchObject({ code: 'KEYCELL_STORE_UNAVAILABLE', outcome: 'unknown' });
    expect(await codeOf(alice.renew())).toBe(REVOKED);
    expect(await draws(alice)).toBe(REVOKED);
    expect(await codeOf(login(hsm))).toBe(REVOKED);
    expect(await draws(carol)).toBe('a result');
    expect(await errorOf(carol.generateKey({ ...CIPHER, label: 'x' }))).toMatchObject({
      code: 'KEYCELL_STORE_UNAVAILABLE',
      outcome: 'not-executed',
    });
    store.fault = 'none';
    store.mute = false;
    const gone = fault === 'lie';
    // It is asked again and again, without anybody's call.
    await until(async () => (await codeOf(login(hsm))) === (gone ? FAILED : 'a result'));
    if (gone) expect(await codeOf(alice.renew())).toBe(REVOKED);
    else {
      expect(await draws(alice)).toBe('a result');
      await alice.sign(key, bytes('m'));
      await admin.removeUser('alice');
      expect(await codeOf(alice.renew())).toBe(REVOKED);
    }
    await carol.generateKey({ ...CIPHER, label: 'x' });
    await hsm.check();
    await here.reopen();
    expect(await codeOf(login(here.hsm))).toBe(FAILED);
    await (await login(here.hsm, 'carol', 'c')).getKey({ label: 'x' });
  });

  test('a user who is gone leaves nothing behind in the queue', async () => {
    const here = await Faulty.make();
    const { hsm, admin, alice, store } = here;
    const engine = hsm as unknown as Engine;
    const flows = () => engine.caller(alice.user.id).user;
    const before = flows();
    store.fault = fault;
    store.mute = true;
    expect(await errorOf(admin.removeUser('alice'))).toMatchObject({ outcome: 'unknown' });
    store.fault = 'none';
    store.mute = false;
    const gone = fault === 'lie';
    await until(async () => (await codeOf(login(hsm))) === (gone ? FAILED : 'a result'));
    expect(flows() === before).toBe(!gone);
  });

  test('keys follow, too', async () => {
    const here = await Faulty.make();
    const { hsm, alice, store } = here;
    const [old, dear] = [
      await alice.generateKey({ ...CIPHER, label: 'old' }),
      await alice.generateKey({ ...CIPHER, label: 'dear' }),
    ];
    store.fault = fault;
    store.mute = true;
    const calls = [
      alice.destroyKey(old),
      alice.setAttributes(dear, { label: 'renamed' }),
      alice.generateKey({ ...CIPHER, label: 'new' }),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'KEYCELL_STORE_UNAVAILABLE'));
    store.fault = 'none';
    store.mute = false;
    // What may be there already is not made twice.
    await Promise.all([alice.ensureKey({ ...CIPHER, label: 'new' }), alice.generateKey({ ...CIPHER, label: 'after' })]);
    expect(await codeOf(alice.generateKey({ ...CIPHER, label: 'new' }))).toBe('KEYCELL_KEY_CONFLICT');
    const labels: (string | undefined)[] = [];
    for await (const key of alice.findKeys()) labels.push(key.label);
    await hsm.check();
    await here.reopen();
    const onDisk: (string | undefined)[] = [];
    for await (const key of (await login(here.hsm)).findKeys()) onDisk.push(key.label);
    expect(labels.sort()).toEqual(onDisk.sort());
    expect(new Set(labels).size).toBe(labels.length);
  });

  test('a name that may be on the disk is given once', async () => {
    const here = await Faulty.make();
    const { hsm, admin, store } = here;
    store.fault = fault;
    store.mute = true;
    const bob = { name: 'bob', role: 'crypto-user', password: 'b' } as const;
    expect(await errorOf(admin.createUser(bob))).toMatchObject({ outcome: 'unknown' });
    expect(await errorOf(admin.createUser(bob))).toMatchObject({
      code: 'KEYCELL_STORE_UNAVAILABLE',
      outcome: 'not-executed',
    });
    store.fault = 'none';
    store.mute = false;
    expect(await codeOf(admin.createUser(bob))).toBe(fault === 'lie' ? 'KEYCELL_USER_CONFLICT' : 'a result');
    await login(hsm, 'bob', 'b');
    expect(store.names().filter((name) => name.startsWith('user/'))).toHaveLength(3);
    await here.reopen();
    await login(here.hsm, 'bob', 'b');
  });
});

test('a login that is answered after its user was removed leaves nothing behind in the queue either', async () => {
  const { hsm, admin, alice } = await Faulty.make();
  const engine = hsm as unknown as Engine;
  const { askWithSecrets } = engine;
  engine.askWithSecrets = async (...asked) => {
    const answer = await askWithSecrets.apply(engine, asked);
    await admin.removeUser('alice');
    return answer;
  };
  const callers = vi.spyOn(engine, 'caller');
  const session = await login(hsm);
  const [of] = callers.mock.results;
  expect(engine.caller(alice.user.id).user).not.toBe((of!.value as Caller).user);
  expect(await draws(session)).toBe(REVOKED);
});

test('a warden that dies between the disk and its word to the cells: a removed user’s ticket is void all the same', async () => {
  const before = started();
  const here = await Faulty.make();
  const { hsm, admin, alice, store } = here;
  const replaced = new Promise((resolve) => hsm.once('warden-restart', resolve));
  const held = store.hold();
  const removing = admin.removeUser('alice');
  const open = await held;
  await (await threadAfter(before)).terminate();
  await replaced;
  open();
  await removing;
  expect(await codeOf(alice.renew())).toBe(REVOKED);
  expect(await draws(alice)).toBe(REVOKED);
  // Whose sessions the change has ended nobody knows any more: all have.
  expect(await codeOf(admin.renew())).toBe(REVOKED);
  const again = await login(hsm, 'officer', OFFICER);
  expect((await again.listUsers()).map(({ name }) => name)).toEqual(['officer']);
  await hsm.check();
});

describe('the wall clock', () => {
  test('16 minutes forward and back: what was ended stays ended, and dates of keys go on', async () => {
    const here = await Faulty.make();
    const { hsm, admin, alice } = here;
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    const bob = await login(hsm, 'bob', 'b');
    const notAfter = new Date(Date.now() + 8 * 60_000);
    const key = await bob.generateKey({ ...SIGNING, label: 'dated', notAfter });
    await bob.sign(key, bytes('m'));
    const stolen = await thief(here, bob);
    await bob.close();
    await admin.removeUser('alice');
    await here.setClock(16 * 60_000);
    await here.setClock(0);
    for (const session of [alice, stolen]) {
      expect(['KEYCELL_SESSION_REVOKED', 'KEYCELL_SESSION_EXPIRED']).toContain(await draws(session));
      expect(['KEYCELL_SESSION_REVOKED', 'KEYCELL_SESSION_EXPIRED']).toContain(await codeOf(session.renew()));
    }
    // Everybody logs in again: it has been 16 minutes, and the key's end has passed.
    expect(await codeOf(admin.renew())).toBe('KEYCELL_SESSION_EXPIRED');
    const later = await login(hsm, 'bob', 'b');
    expect(await draws(later)).toBe('a result');
    expect(await codeOf(later.sign(key, bytes('m')))).toBe('KEYCELL_PERMISSION_DENIED');
    // Who renews by a timer counts by their own clock.
    expect(Math.abs(later.expiresAt.getTime() - Date.now() - 15 * 60_000)).toBeLessThan(60_000);
    expect(hsm.stats().clockAhead).toBeGreaterThan(15 * 60_000);
    // A new boot takes the clock as it is.
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    await (await login(hsm, 'bob', 'b')).sign(key, bytes('m'));
  });

  test('an hour back: a session ends when its time has passed, and the HSM serves meanwhile', async () => {
    const here = await Faulty.make();
    const { alice } = here;
    const expires = alice.expiresAt.getTime();
    await here.setClock(-3_600_000);
    expect(await draws(alice)).toBe('a result');
    await alice.renew();
    const gained = alice.expiresAt.getTime() - expires;
    expect(gained).toBeGreaterThan(0);
    expect(gained).toBeLessThan(60_000);
    expect(here.hsm.stats().leaseAge).toBeLessThan(3000);
  });
});

test('a logout whose entry can’t be logged is in force, and can be asked again', async () => {
  const here = await Faulty.make();
  const { hsm, alice } = here;
  const stolen = await thief(here, alice);
  const back = new Promise((resolve) => hsm.once('audit-available', () => resolve(undefined)));
  here.logFault = true;
  expect(await errorOf(alice.close())).toMatchObject({ code: 'KEYCELL_AUDIT_UNAVAILABLE', outcome: 'unknown' });
  here.logFault = false;
  await back;
  expect(await draws(stolen)).toBe(REVOKED);
  expect(await codeOf(stolen.renew())).toBe(REVOKED);
  await alice.close();
});
