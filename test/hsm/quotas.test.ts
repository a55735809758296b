/** What one user may take: stored keys, sessions, requests that wait. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SessionQuota } from '../../dist/cell/warden/session-quota.js';
import { Commits } from '../../dist/hsm/commits.js';
import type { Engine } from '../../dist/hsm/engine.js';
import { KeyIndex } from '../../dist/hsm/keys.js';
import { type Hsm, HsmError, openEphemeralHsm, type Session } from '../../dist/index.js';
import { FieldReader } from '../../dist/wire/fields.js';
import { CIPHER, codeOf, errorOf, login, make, OFFICER, open, PASSPHRASE, USER } from './support/hsm.ts';

const LIMIT = 'KEYCELL_LIMIT_EXCEEDED';
const bob = async (admin: Session, hsm: Hsm): Promise<Session> => {
  await admin.createUser({ name: 'bob', role: 'crypto-user', password: USER });
  return login(hsm, 'bob');
};

test('quotas are whole numbers of at least 1, and none is made up', async () => {
  const refusal = (quotas: object) => errorOf(openEphemeralHsm({ quotas: quotas as never }));
  for (const value of [0, -1, 1.5, Number.NaN, '5', null]) {
    expect(await refusal({ sessions: value })).toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
  }
  expect((await refusal({ session: 5 })).message).toContain('storedKeys, sessions, waitingRequests');
  expect(await refusal(null as never)).toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
  const { hsm } = await openEphemeralHsm({ workers: 1, quotas: { storedKeys: undefined as never } });
  await hsm.close();
});

describe('stored keys', () => {
  const quotas = { storedKeys: 3 };

  test('a user has so many, however they come; another user has as many', async () => {
    const { alice, admin, hsm } = await make({ quotas });
    const keys = [await alice.generateKey(CIPHER), await alice.importKey(CIPHER, new Uint8Array(32))];
    keys.push(await alice.ensureKey({ ...CIPHER, label: 'third' }));
    const error = await errorOf(alice.generateKey(CIPHER));
    expect(error).toMatchObject({ code: LIMIT, retryable: false });
    expect(error.message).toContain('quotas.storedKeys allows, 3: destroy some first');
    expect(await codeOf(alice.importKey(CIPHER, new Uint8Array(32)))).toBe(LIMIT);
    expect(await codeOf(alice.ensureKey({ ...CIPHER, label: 'fourth' }))).toBe(LIMIT);
    // What is there already, what lives in its handle alone, and changes of what is there are no more keys.
    expect((await alice.ensureKey({ ...CIPHER, label: 'third' })).id).toBe(keys[2]!.id);
    await alice.generateKey({ ...CIPHER, persistent: false });
    await alice.setAttributes(keys[0]!, { label: 'renamed' });
    await (await bob(admin, hsm)).generateKey(CIPHER);

    await alice.destroyKey(keys[1]!);
    await alice.generateKey(CIPHER);
    expect(await codeOf(alice.generateKey(CIPHER))).toBe(LIMIT);
  });

  test('calls at once do not pass it together, and those that fail leave room', async () => {
    const { alice } = await make({ quotas });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => codeOf(alice.generateKey(CIPHER))));
    expect(outcomes.filter((code) => code === 'a result').length).toBe(3);
    expect(outcomes.filter((code) => code === LIMIT).length).toBe(7);
    for await (const key of alice.findKeys({})) await alice.destroyKey(key);

    const given = { ...CIPHER, id: 'ab'.repeat(16) };
    const refused = await Promise.all([
      codeOf(alice.generateKey({ ...CIPHER, usage: ['wrap', 'decrypt'] })),
      codeOf(alice.importKey(CIPHER, new Uint8Array(5))),
      codeOf(alice.generateKey(CIPHER, { signal: AbortSignal.abort() })),
    ]);
    expect(refused).not.toContain('a result');
    await alice.generateKey(given);
    expect(await codeOf(alice.generateKey(given))).toBe('KEYCELL_KEY_CONFLICT');
    for (let i = 0; i < 2; i++) await alice.generateKey(CIPHER);
    expect(await codeOf(alice.generateKey(CIPHER))).toBe(LIMIT);
  });

  test('a commit that fails changes no count', async () => {
    const { alice } = await make({ quotas });
    const key = await alice.generateKey(CIPHER);
    const { commit } = Commits.prototype;
    const commits = vi.spyOn(Commits.prototype, 'commit');
    commits.mockRejectedValue(new HsmError('KEYCELL_STORE_UNAVAILABLE'));
    for (let i = 0; i < 5; i++) expect(await codeOf(alice.generateKey(CIPHER))).toBe('KEYCELL_STORE_UNAVAILABLE');

    // A key whose end fails is there still: nobody takes its place meanwhile.
    let fail = (_: Error): void => {};
    const removing = new Promise<void>((begun) => {
      commits.mockImplementation(function (this: Commits, change) {
        if (change.record !== null) return commit.call(this, change);
        begun();
        return new Promise((_, reject) => {
          fail = reject;
        });
      });
    });
    const ending = codeOf(alice.destroyKey(key));
    await removing;
    const more = await Promise.all([1, 2, 3].map(() => codeOf(alice.generateKey(CIPHER))));
    fail(new HsmError('KEYCELL_STORE_UNAVAILABLE'));
    expect([await ending, ...more.sort()]).toEqual(['KEYCELL_STORE_UNAVAILABLE', LIMIT, 'a result', 'a result']);
    commits.mockRestore();
    expect((await alice.getKey({ id: key.id })).id).toBe(key.id);
    expect(await codeOf(alice.generateKey(CIPHER))).toBe(LIMIT);
  });

  test('they are counted after a seal, after a restart, and anew for a new user of the same name', async () => {
    const { alice, hsm, path } = await make({ quotas });
    for (let i = 0; i < 2; i++) await alice.generateKey(CIPHER);
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    const again = await login(hsm);
    await again.generateKey(CIPHER);
    expect(await codeOf(again.generateKey(CIPHER))).toBe(LIMIT);
    await hsm.close();

    const reopened = await open({ path, quotas: { storedKeys: 2 }, unseal: () => Buffer.from(PASSPHRASE) });
    const officer = await login(reopened, 'officer', OFFICER);
    const third = await login(reopened);
    // Fewer than there are: none is lost, and none comes.
    expect(reopened.stats().keys).toBe(3);
    expect(await codeOf(third.generateKey(CIPHER))).toBe(LIMIT);
    await officer.removeUser('alice');
    await officer.createUser({ name: 'alice', role: 'crypto-user', password: USER });
    const namesake = await login(reopened);
    for (let i = 0; i < 2; i++) await namesake.generateKey(CIPHER);
    expect(await codeOf(namesake.generateKey(CIPHER))).toBe(LIMIT);
  });

  test('what a call holds when all is cleared is not missing from what is counted then', () => {
    const index = new KeyIndex(2);
    const release = index.reserveNew('alice', null, undefined);
    index.clear();
    const held = [index.reserveNew('alice', null, undefined), index.reserveNew('alice', null, undefined)];
    release();
    expect(() => index.reserveNew('alice', null, undefined)).toThrow(/storedKeys/);
    for (const each of held) each();
    index.reserveNew('alice', null, undefined);
  });
});

describe('sessions', () => {
  test('a user has so many at once; logging out makes room, in whatever way', async () => {
    const { alice, admin, hsm } = await make({ quotas: { sessions: 2 } });
    const second = await login(hsm);
    const error = await errorOf(login(hsm));
    expect(error).toMatchObject({ code: LIMIT });
    expect(error.message).toContain('quotas.sessions allows: close some, or wait until they expire');
    // A wrong password learns nothing of it.
    expect(await codeOf(login(hsm, 'alice', 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
    await bob(admin, hsm);
    await alice.renew();
    expect(await codeOf(login(hsm))).toBe(LIMIT);
    await second.close();
    await login(hsm);
    expect(await codeOf(login(hsm))).toBe(LIMIT);
    await admin.setPassword('alice', 'another');
    const both = await Promise.all([1, 2, 3].map(() => codeOf(login(hsm, 'alice', 'another'))));
    expect(both.sort()).toEqual([LIMIT, 'a result', 'a result']);
  });

  test('a seal ends them all', async () => {
    const { hsm } = await make({ quotas: { sessions: 1 } });
    expect(await codeOf(login(hsm))).toBe(LIMIT);
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    await login(hsm);
    expect(await codeOf(login(hsm))).toBe(LIMIT);
  });

  test('one that expired unseen counts no more, and one that is renewed does', () => {
    const quota = new SessionQuota(2);
    const begin = (session: string, now: number) => {
      quota.admit('alice', now);
      quota.issued({ user: 'alice', session, expiresAt: now + 10 }, now);
    };
    const full = (now: number) => expect(() => quota.admit('alice', now)).toThrow(/quotas.sessions/);
    begin('a', 0);
    begin('b', 5);
    full(9);
    quota.issued({ user: 'alice', session: 'a', expiresAt: 19 }, 9);
    full(14);
    begin('c', 15);
    full(18);
    quota.ended({ user: 'alice', session: 'a' });
    quota.ended({ user: 'alice', session: 'a' });
    begin('d', 18);
    full(19);
    quota.endedOf('alice');
    begin('e', 19);
    begin('f', 19);
    full(20);
    quota.clear();
    begin('g', 20);
  });

  test('what expired is forgotten, whoever it was of', () => {
    const quota = new SessionQuota(1000);
    for (let now = 0; now < 50_000; now++) {
      quota.issued({ user: `user ${now % 5000}`, session: `session ${now}`, expiresAt: now + 100 }, now);
    }
    // A hundred are open at a time; no more is kept than comes between two sweeps.
    expect(quota.size).toBeLessThan(2048);
  });
});

describe('what everyone needs', () => {
  test('one session’s streams do not stand before another’s', async () => {
    const { alice, admin, hsm } = await make();
    const message = new Uint8Array(100_000);
    const stream = async (session: Session) => {
      const key = await session.generateKey({ ...CIPHER, persistent: false });
      return async () => {
        const { readable, writable } = session.encryptStream(key);
        const writer = writable.getWriter();
        await Promise.all([writer.write(message), writer.close(), readable.pipeTo(new WritableStream())]);
      };
    };
    const [theirs, own] = [await stream(alice), await stream(await bob(admin, hsm))];
    let ended = 0;
    const flood = Promise.all(Array.from({ length: 300 }, () => theirs().then(() => ended++)));
    await own();
    expect(ended).toBeLessThan(30);
    await flood;
  });

  test('what waits for the store counts as waiting', async () => {
    const { alice, admin, hsm } = await make({ queueLimit: 40, quotas: { waitingRequests: 30 } });
    const other = await bob(admin, hsm);
    let write = (): void => {};
    const slow = new Promise<void>((resolve) => {
      write = resolve;
    });
    const commits = vi.spyOn(Commits.prototype, 'commit').mockReturnValue(slow);
    const calls: Promise<string>[] = [];
    // Each few are answered by a cell before the next: what is refused is refused for what the store has not taken yet.
    for (let i = 0; i < 10; i++) {
      for (let k = 0; k < 5; k++) calls.push(codeOf(alice.generateKey(CIPHER)));
      await other.random(1);
    }
    commits.mockRestore();
    expect(await codeOf(alice.random(1))).toBe('KEYCELL_BUSY');
    write();
    const codes = await Promise.all(calls);
    expect(codes.filter((code) => code === 'a result').length).toBe(30);
    await alice.random(1);
  });

  test('renewals and calls about users count among the requests that wait', async () => {
    const { alice, admin, hsm } = await make({ quotas: { waitingRequests: 2 } });
    const [second, third] = [await login(hsm), await login(hsm)];
    const engine = hsm as unknown as Engine;
    let answer = (): void => {};
    const slow = new Promise<void>((resolve) => {
      answer = resolve;
    });
    onTestFinished(() => {
      vi.restoreAllMocks();
      answer();
    });
    const { ask } = engine;
    vi.spyOn(engine, 'ask').mockImplementation((async (call: never, what: never) => {
      await slow;
      return ask.call(engine, call, what);
    }) as never);
    const under = [codeOf(alice.renew()), codeOf(second.renew())];
    const refused = [third.random(1), alice.random(1), alice.listUsers(), third.removeUser('officer')];
    for (const error of await Promise.all(refused.map(errorOf))) {
      expect(error).toMatchObject({ code: 'KEYCELL_BUSY', retryable: true });
      expect(error.message).toContain('quotas.waitingRequests');
    }
    // Nobody else is held up, and a session can always be renewed, by one call at a time, and closed.
    under.push(codeOf(alice.renew()), codeOf(third.renew()), codeOf(admin.renew()), codeOf(third.close()));
    answer();
    expect(await Promise.all(under)).toEqual(under.map(() => 'a result'));
    vi.restoreAllMocks();
    await alice.renew();
    await second.random(1);
  });

  test('what users’ changes wait for at the store counts, too', async () => {
    const { admin } = await make({ quotas: { waitingRequests: 2 } });
    let write = (): void => {};
    const slow = new Promise<void>((resolve) => {
      write = resolve;
    });
    onTestFinished(() => {
      vi.restoreAllMocks();
      write();
    });
    const commits = vi.spyOn(Commits.prototype, 'commit').mockReturnValue(slow);
    const changes = [admin.lockUser('alice'), admin.setPassword('alice', 'new')];
    await vi.waitFor(() => expect(commits).toHaveBeenCalledTimes(2));
    expect(await codeOf(admin.random(1))).toBe('KEYCELL_BUSY');
    write();
    await Promise.all(changes);
    vi.restoreAllMocks();
    await admin.random(1);
  });

  test('login and renewal read of a lease its times, however many it revokes', async () => {
    const { hsm } = await make();
    for (let i = 0; i < 3; i++) await (await login(hsm)).close();
    const ids = vi.spyOn(FieldReader.prototype, 'id');
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    (hsm as unknown as Engine).wallTime(0);
    expect(hsm.stats().leaseAge).toBeLessThan(5000);
    expect(ids).not.toHaveBeenCalled();
  });

  test('a session has so many calls of the warden under way, and no more', async () => {
    const { alice, admin } = await make();
    const codes = await Promise.all(Array.from({ length: 100 }, () => codeOf(alice.listUsers())));
    expect(codes.filter((code) => code === 'KEYCELL_BUSY').length).toBe(36);
    expect(codes.filter((code) => code === 'KEYCELL_PERMISSION_DENIED').length).toBe(64);
    const others = Promise.all(Array.from({ length: 64 }, () => codeOf(alice.removeUser('officer'))));
    expect((await admin.listUsers()).length).toBe(2);
    expect(new Set(await others)).toEqual(new Set(['KEYCELL_PERMISSION_DENIED']));
  });

  test('a walk over many keys lets others have their turn', async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: 1 });
    await Promise.all(Array.from({ length: 300 }, () => session.generateKey(CIPHER)));
    let turns = 0;
    const count = (): void => {
      turns++;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    let found = 0;
    for await (const _ of session.findKeys()) found++;
    clearImmediate(counting);
    expect([found, turns >= 2]).toEqual([300, true]);
    await hsm.close();
  });

  test('calls for renewal at once are one', async () => {
    const { alice, hsm } = await make();
    const before = hsm.stats().logEntries;
    await Promise.all(Array.from({ length: 500 }, () => alice.renew()));
    expect(hsm.stats().logEntries).toBe(before + 1);
    await alice.renew();
    expect(hsm.stats().logEntries).toBe(before + 2);
  });

  test('a large message that has no room is refused before it is copied', async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: 1 });
    const aes = await session.generateKey({ ...CIPHER, persistent: false });
    const mac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'], persistent: false });
    const large = new Uint8Array(1 << 20);
    const engine = hsm as unknown as Engine;
    const asked = vi.spyOn(engine, 'mustHaveRoom').mockImplementation(() => {
      throw new HsmError('KEYCELL_BUSY');
    });
    const submitted = vi.spyOn(engine, 'submit');
    const calls = [
      session.encrypt(aes, large),
      session.encrypt(aes, new Uint8Array(1), { aad: large }),
      session.decrypt(aes, large),
      session.decrypt(aes, new Uint8Array(1), { aad: large }),
      session.reencrypt(aes, large, { to: aes }),
      session.generateDataKey(aes, { bytes: 32, aad: large }),
      session.sign(mac, large),
      session.verify(mac, new Uint8Array(32), large),
      session.verify(mac, large, new Uint8Array(32)),
    ];
    for (const code of await Promise.all(calls.map(codeOf))) expect(code).toBe('KEYCELL_BUSY');
    expect(asked.mock.calls.map(([, size]) => size)).toEqual(calls.map(() => large.length));
    expect(submitted).not.toHaveBeenCalled();
    asked.mockRestore();
    await session.encrypt(aes, large);
    await hsm.close();
  });
});
