/** A store that somebody altered below the HSM: each change is found when it is opened, with a code and never as READY. */
import { cpSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openHsm } from '../../dist/index.js';
import { openLmdbStore } from '../../dist/keystore/lmdb.js';
import type { Store } from '../../src/keystore/store.ts';
import { runNode, temporaryFolder } from '../support/child.ts';
import { bytes, CIPHER, errorOf, initialize, login, make, OFFICER, open, PASSPHRASE, SIGNING } from './support/hsm.ts';

const unseal = () => bytes(PASSPHRASE);

/** One HSM for all: its folder is copied for each damage. */
interface Base {
  readonly path: string;
  readonly keys: readonly string[];
  readonly user: string;
  /** The first key's record before its last change. */
  readonly old: Uint8Array;
  readonly foreign: { readonly record: Uint8Array; readonly slot: Uint8Array };
}
let base: Base;

async function recordsOf(path: string): Promise<Map<string, Uint8Array>> {
  const store = await openLmdbStore(path);
  const records = new Map<string, Uint8Array>();
  for await (const [key, record] of store.scan('')) records.set(key, record);
  await store.close();
  return records;
}

beforeAll(async () => {
  const path = mkdtempSync(join(tmpdir(), 'keycell-damage-'));
  const setUp = async (at: string, labels: readonly string[]) => {
    const hsm = await openHsm({ path: at, create: true, workers: 1, unseal });
    if (hsm.state === 'uninitialized') {
      await initialize(hsm);
      const admin = await login(hsm, 'officer', OFFICER);
      await admin.createUser({ name: 'alice', role: 'crypto-user', password: 'p' });
    }
    const alice = await login(hsm, 'alice', 'p');
    const ids: string[] = [];
    for (const label of labels) ids.push((await alice.ensureKey({ ...SIGNING, label })).id);
    return { hsm, alice, ids };
  };
  const own = await setUp(path, ['a', 'b', 'c']);
  await own.hsm.close();
  const [first] = own.ids as [string];
  const old = (await recordsOf(path)).get(`key/${first}`)!;
  const again = await setUp(path, []);
  await again.alice.setAttributes(await again.alice.getKey({ id: first }), { label: 'changed' });
  await again.hsm.close();
  const records = await recordsOf(path);
  const admin = [...records.keys()].filter((key) => key.startsWith('user/'));
  const elsewhere = `${path}-other`;
  const other = await setUp(elsewhere, ['a']);
  await other.hsm.close();
  const foreign = await recordsOf(elsewhere);
  base = {
    path,
    keys: own.ids,
    user: admin[0]!.slice(5),
    old,
    foreign: {
      record: foreign.get(`key/${other.ids[0]}`)!,
      slot: foreign.get('slot/0')!,
    },
  };
  return async () => {
    for (const folder of [path, elsewhere]) rmSync(folder, { recursive: true, force: true });
  };
});

/** A copy of the base, damaged through the store. */
async function damaged(change: (store: Store, path: string) => Promise<void>): Promise<string> {
  const path = temporaryFolder();
  cpSync(base.path, path, { recursive: true });
  const store = await openLmdbStore(path);
  await change(store, path);
  await store.close();
  return path;
}

const key = (n: number): string => `key/${base.keys[n]}`;
const flip = async (store: Store, name: string, at: number): Promise<void> => {
  const record = (await store.get(name))!;
  record[at < 0 ? record.length + at : at]! ^= 1;
  await store.commit({ put: [[name, record]] });
};

test('the base itself is sound', async () => {
  const hsm = await open({ path: await damaged(async () => {}), unseal });
  expect(hsm.state).toBe('ready');
  expect(await hsm.check()).toMatchObject({ records: 5 });
});

describe('records are named', () => {
  // A byte of each field of a key's record: magic, format, kind, hsmId, epoch, id, revision, owner, salt, lengths,
  // attributes, ciphertext, tag.
  test.each([0, 4, 6, 7, 8, 27, 28, 47, 48, 64, 99, 103, 104, 120, -17, -1])('byte %i of a key', async (at) => {
    const path = await damaged((store) => flip(store, key(1), at));
    const hsm = await open({ path });
    const named: string[] = [];
    hsm.on('record-corrupt', ({ id }) => named.push(id));
    const error = await errorOf(hsm.unseal(PASSPHRASE));
    expect(error.code).toBe('KEYCELL_STORE_CORRUPT');
    expect(error.message).toContain(base.keys[1]);
    expect(named).toEqual([base.keys[1]]);
    expect(hsm.state).toBe('sealed');
  });

  test('a byte of a user', async () => {
    const path = await damaged((store) => flip(store, `user/${base.user}`, -20));
    const error = await errorOf(openHsm({ path, workers: 1, unseal }));
    expect([error.code, error.message.includes(base.user)]).toEqual(['KEYCELL_STORE_CORRUPT', true]);
  });

  test('two records swapped: both', async () => {
    const path = await damaged(async (store) => {
      const [one, two] = [await store.get(key(0)), await store.get(key(1))];
      await store.commit({
        put: [
          [key(0), two!],
          [key(1), one!],
        ],
      });
    });
    const error = await errorOf(openHsm({ path, workers: 1, unseal }));
    expect(error.code).toBe('KEYCELL_STORE_CORRUPT');
    expect([0, 1].every((n) => error.message.includes(base.keys[n]!))).toBe(true);
  });

  test('one of another HSM', async () => {
    const path = await damaged(async (store) => {
      const id = Buffer.from(base.foreign.record.subarray(28, 44)).toString('hex');
      await store.commit({ put: [[`key/${id}`, base.foreign.record]] });
    });
    const error = await errorOf(openHsm({ path, workers: 1, unseal }));
    const id = Buffer.from(base.foreign.record.subarray(28, 44)).toString('hex');
    expect([error.code, error.message.includes(id)]).toEqual(['KEYCELL_STORE_CORRUPT', true]);
  });

  test.each([0, 1, 103, 119])('one cut to %i bytes', async (length) => {
    const path = await damaged(async (store) => {
      const record = (await store.get(key(2)))!;
      await store.commit({ put: [[key(2), record.slice(0, length)]] });
    });
    const error = await errorOf(openHsm({ path, workers: 1, unseal }));
    expect([error.code, error.message.includes(base.keys[2]!)]).toEqual(['KEYCELL_STORE_CORRUPT', true]);
  });

  test('a key under a name that is none, and a user’s record among the keys', async () => {
    const path = await damaged(async (store) => {
      const user = (await store.get(`user/${base.user}`))!;
      await store.commit({ put: [[`key/${base.user}`, user]] });
    });
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).message).toContain(base.user);
    const other = await damaged(async (store) => {
      await store.commit({ put: [['key/odd', (await store.get(key(0)))!]] });
    });
    expect((await errorOf(openHsm({ path: other, workers: 1, unseal }))).message).toContain('odd');
  });
});

describe('what is authentic but not as it was', () => {
  test.each<[string, (store: Store) => Promise<void>]>([
    ['a key is missing', (store) => store.commit({ remove: [key(1)] })],
    ['a user is missing', (store) => store.commit({ remove: [`user/${base.user}`] })],
    ['an old revision is back', (store) => store.commit({ put: [[key(0), base.old]] })],
  ])('%s', async (_, change) => {
    const path = await damaged(change);
    const hsm = await open({ path });
    expect((await errorOf(hsm.unseal(PASSPHRASE))).code).toBe('KEYCELL_STORE_CORRUPT');
    expect(hsm.state).toBe('sealed');
    expect((await errorOf(login(hsm, 'alice', 'p'))).code).toBe('KEYCELL_SEALED');
    // It stays so, however often it is tried.
    expect((await errorOf(hsm.unseal(PASSPHRASE))).code).toBe('KEYCELL_STORE_CORRUPT');
  });

  test('a key that was destroyed is back', async () => {
    const { path, hsm, alice } = await make();
    const gone = await alice.generateKey({ ...CIPHER, label: 'gone' });
    const id = `key/${gone.id}`;
    const control = async (): Promise<Uint8Array> => (await recordsOf(path)).get(id)!;
    await hsm.close();
    const record = await control();
    const again = await open({ path, unseal });
    const session = await login(again);
    await session.destroyKey(await session.getKey({ label: 'gone' }));
    await again.close();
    const store = await openLmdbStore(path);
    await store.commit({ put: [[id, record]] });
    await store.close();
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_STORE_CORRUPT');
  });
});

describe('the store’s own', () => {
  test('control record or key slot missing: found before a passphrase is asked for', async () => {
    for (const name of ['control', 'slot/0']) {
      const path = await damaged((store) => store.commit({ remove: [name] }));
      let asked = false;
      const refused = openHsm({
        path,
        workers: 1,
        unseal: () => {
          asked = true;
          return unseal();
        },
      });
      expect((await errorOf(refused)).code).toBe('KEYCELL_STORE_CORRUPT');
      expect(asked).toBe(false);
    }
  });

  test.each([0, 5, 8, 28, 44, 64, 104, 112, 120, 170, 190, -1])('byte %i of the control record', async (at) => {
    const path = await damaged((store) => flip(store, 'control', at));
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_STORE_CORRUPT');
  });

  // Where the log should stand is read in the clear, to open the log with: a change there looks like a log cut short.
  test.each([135, 138])('byte %i of the control record: the log seems to be at fault', async (at) => {
    const path = await damaged((store) => flip(store, 'control', at));
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_AUDIT_CORRUPT');
  });

  test('an old control record with the records of now', async () => {
    const path = temporaryFolder();
    cpSync(base.path, path, { recursive: true });
    const before = (await recordsOf(path)).get('control')!;
    const hsm = await openHsm({ path, workers: 1, unseal });
    const alice = await login(hsm, 'alice', 'p');
    await alice.generateKey({ ...CIPHER, label: 'new' });
    await hsm.close();
    const store = await openLmdbStore(path);
    await store.commit({ put: [['control', before]] });
    await store.close();
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_STORE_CORRUPT');
  });

  test.each([
    [0, 'KEYCELL_STORE_CORRUPT'],
    [4, 'KEYCELL_STORE_CORRUPT'],
    [7, 'KEYCELL_STORE_CORRUPT'],
    // Authenticated by the passphrase alone: a wrong passphrase and a wrong slot cannot be told apart.
    [8, 'KEYCELL_PASSPHRASE_WRONG'],
    [27, 'KEYCELL_PASSPHRASE_WRONG'],
    [30, 'KEYCELL_PASSPHRASE_WRONG'],
    [70, 'KEYCELL_PASSPHRASE_WRONG'],
    [-1, 'KEYCELL_PASSPHRASE_WRONG'],
  ])('byte %i of the key slot: %s', async (at, code) => {
    const path = await damaged((store) => flip(store, 'slot/0', at));
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe(code);
  });

  test('the key slot of another HSM with the same passphrase', async () => {
    const path = await damaged((store) => store.commit({ put: [['slot/0', base.foreign.slot]] }));
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_STORE_CORRUPT');
  });

  test('a store of a newer version, of an older one, and of none', async () => {
    for (const [format, code] of [
      ['keycell-store/3', 'KEYCELL_STORE_TOO_NEW'],
      ['keycell-store/1', 'KEYCELL_STORE_TOO_OLD'],
      ['keycell-store/x', 'KEYCELL_STORE_CORRUPT'],
    ] as const) {
      const path = await damaged(async () => {});
      const db = openLmdb<Buffer, Buffer>({
        path: join(path, 'keycell.mdb'),
        noSubdir: true,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
        maxDbs: 1,
      });
      await db.put(Buffer.from('meta'), Buffer.from(format));
      await db.close();
      expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe(code);
    }
  });

  test.each([0, 0.3, 0.7])('the file cut to %f of its length', async (part) => {
    const path = await damaged(async () => {});
    const file = join(path, 'keycell.mdb');
    truncateSync(file, Math.floor(statSync(file).size * part));
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_STORE_CORRUPT');
  });
});

test.each(['cut', 'filled'])(
  'a store that is %s under a running HSM: found by check, which outlives it',
  async (how) => {
    const { stdout } = await runNode('hsm/support/damage-live.mjs', temporaryFolder(), how);
    const { records, ...after } = JSON.parse(stdout);
    expect([41, 42]).toContain(records);
    expect(after).toEqual({ code: 'KEYCELL_STORE_CORRUPT', state: 'ready' });
  },
);

test('a store altered under a running HSM is found by check', async () => {
  // The HSM's own handle on the store is the only one: another opening of the folder is locked out.
  let store: Store | undefined;
  const path = temporaryFolder();
  const probe = await openLmdbStore(path);
  const prototype = Object.getPrototypeOf(probe) as Store;
  await probe.close();
  const { commit } = prototype;
  prototype.commit = function (this: Store, changes) {
    store = this;
    return commit.call(this, changes);
  };
  onTestFinished(() => {
    prototype.commit = commit;
  });
  const { hsm, alice } = await make({ path });
  const made = await alice.generateKey({ ...SIGNING, label: 'k' });
  expect(await hsm.check()).toMatchObject({ records: 3 });
  const name = `key/${made.id}`;
  const record = (await store!.get(name))!;
  await flip(store!, name, -1);
  const error = await errorOf(hsm.check());
  expect([error.code, error.message.includes(made.id)]).toEqual(['KEYCELL_STORE_CORRUPT', true]);
  await store!.commit({ remove: [name] });
  expect((await errorOf(hsm.check())).code).toBe('KEYCELL_STORE_CORRUPT');
  await store!.commit({ put: [[name, record]] });
  expect(await hsm.check()).toMatchObject({ records: 3 });
});
