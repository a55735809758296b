/** What callers hand in to an HSM's own calls: refused with a code, whatever it is, and what they throw becomes a cause. */
import { describe, expect, test } from 'vitest';
import { openEphemeralHsm, openHsm } from '../../dist/index.js';
import { stored } from '../operations/support.ts';
import { temporaryFolder } from '../support/child.ts';
import { errorOf, initialize, open, PASSPHRASE } from './support/hsm.ts';

// biome-ignore lint/suspicious/noExplicitAny: callers of JavaScript
type Loose = any;

const it = stored();

const refused = async (calls: Record<string, () => Promise<unknown>>, message = /./) => {
  for (const [name, call] of Object.entries(calls)) {
    const error = await errorOf(call());
    expect([name, error.code, error.message]).toEqual([name, 'KEYCELL_INPUT_INVALID', expect.stringMatching(message)]);
  }
};
const WRONG = [undefined, null, 5, 'text', true, 5n, Symbol.iterator, () => 5];

describe('what is missing or of the wrong type', () => {
  test('options', async () => {
    const { hsm, admin, folder: path } = it;
    const fresh: Loose = await open({ path: temporaryFolder() });
    for (const wrong of WRONG as Loose[]) {
      await refused(
        {
          openHsm: () => openHsm(wrong),
          initialize: () => fresh.initialize(wrong),
          login: () => hsm.login(wrong),
          createUser: () => admin.createUser(wrong),
        },
        / is an object/,
      );
      await refused({ 'no admin': () => fresh.initialize({ passphrase: 'p', admin: wrong }) }, /admin is an object/);
      if (wrong === undefined) continue;
      await refused(
        {
          openEphemeralHsm: () => openEphemeralHsm(wrong),
          lockout: () => openEphemeralHsm({ lockout: wrong }),
          quotas: () => openEphemeralHsm({ quotas: wrong }),
          unseal: () => hsm.unseal(PASSPHRASE, wrong),
          check: () => hsm.check(wrong),
          close: () => hsm.close(wrong),
          renew: () => admin.renew(wrong),
          setPassword: () => admin.setPassword('officer', 'x', wrong),
          'createUser, too': () => admin.createUser({ name: 'a', role: 'admin', password: 'x' }, wrong),
          getKey: () => admin.getKey(wrong),
          findKeys: async () => {
            for await (const _ of admin.findKeys(wrong));
          },
        },
        / is an object/,
      );
      if (typeof wrong !== 'function') await refused({ unseal: () => openHsm({ path, unseal: wrong }) }, /function/);
      await refused({ 'close in time': () => hsm.close({ timeout: 'soon' as Loose }) }, /milliseconds/);
    }
    expect(fresh.state).toBe('uninitialized');
  });

  test('names, passwords and progress', async () => {
    const { hsm, admin } = it;
    const fresh = await open({ path: temporaryFolder() });
    for (const name of [...WRONG.filter((each) => each !== 'text'), {}, '', 'x'.repeat(65)] as Loose[]) {
      await refused(
        {
          initialize: () => fresh.initialize({ passphrase: 'p', admin: { name, password: 'x' } }),
          createUser: () => admin.createUser({ name, role: 'crypto-user', password: 'x' }),
        },
        /name is a string of 1 to 64/,
      );
    }
    for (const secret of [undefined, null, 5, {}, () => 5, () => undefined, async () => 'text'] as Loose[]) {
      await refused(
        {
          passphrase: () => fresh.initialize({ passphrase: secret, admin: { name: 'a', password: 'x' } }),
          password: () => fresh.initialize({ passphrase: 'p', admin: { name: 'a', password: secret } }),
          unseal: () => hsm.unseal(secret),
          login: () => hsm.login({ user: 'officer', password: secret }),
          createUser: () => admin.createUser({ name: 'a', role: 'crypto-user', password: secret }),
        },
        /a secret is a Uint8Array/,
      );
    }
    for (const user of [undefined, null, 5, {}, () => 'officer'] as Loose[]) {
      await refused({ login: () => hsm.login({ user, password: 'x' }) }, /user is the name/);
    }
    await refused({ check: () => hsm.check({ onProgress: 'often' as Loose }) }, /onProgress is a function/);
    expect(fresh.state).toBe('uninitialized');
  });

  test('what was to be wiped is wiped all the same', async () => {
    const fresh = await open({ path: temporaryFolder() });
    for (const admin of [undefined, null, { name: 5 }, { name: () => {}, password: new Uint8Array(2) }] as Loose[]) {
      const passphrase = Uint8Array.of(1, 2, 3);
      expect((await errorOf(fresh.initialize({ passphrase, admin, wipe: true }))).code).toBe('KEYCELL_INPUT_INVALID');
      expect(passphrase).toEqual(new Uint8Array(3));
    }
  });
});

test('what a function for a secret throws is the cause', async () => {
  const { hsm, admin } = it;
  const cause = new TypeError('the secret store is down');
  const sync = (): Uint8Array => {
    throw cause;
  };
  for (const secret of [sync, async () => sync()]) {
    for (const call of [
      () => hsm.unseal(secret),
      () => hsm.login({ user: 'officer', password: secret }),
      () => hsm.login({ user: 'officer', password: 'x', passphrase: secret }),
      () => admin.createUser({ name: 'a', role: 'crypto-user', password: secret }),
      () => it.alice.importKey({ type: 'AES', bits: 128, usage: [] }, secret),
    ]) {
      const error = await errorOf(call());
      expect(error).toMatchObject({ code: 'KEYCELL_INPUT_INVALID', cause, outcome: 'not-executed' });
      expect(error.message).toContain(cause.message);
    }
  }
});

test('so does the unseal of openHsm, and the folder is free again', async () => {
  const folder = temporaryFolder();
  const first = await open({ path: folder });
  await initialize(first);
  await first.close();
  const cause = new Error('no network');
  const failing = openHsm({
    path: folder,
    workers: 1,
    unseal: () => {
      throw cause;
    },
  });
  expect(await errorOf(failing)).toMatchObject({ code: 'KEYCELL_INPUT_INVALID', cause });
  await (await open({ path: folder })).close();
});
