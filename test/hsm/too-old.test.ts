/**
 * An HSM that 0.1.0 made: refused with what to do, and left as it is. `golden/hsm-0.1.0.json` is one, its files gzipped: an
 * officer, a user, three keys, under a passphrase that is the tests' own.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { open as openLmdb } from 'lmdb';
import { expect, test } from 'vitest';
import { openHsm } from '../../dist/index.js';
import { openLmdbStore } from '../../dist/keystore/lmdb.js';
import { temporaryFolder } from '../support/child.ts';
import { bytes, errorOf, make, PASSPHRASE } from './support/hsm.ts';

const unseal = () => bytes(PASSPHRASE);
const files: Record<string, string> = JSON.parse(
  readFileSync(new URL('../golden/hsm-0.1.0.json', import.meta.url), 'utf8'),
);

function oldHsm(): string {
  const path = join(temporaryFolder(), 'hsm');
  mkdirSync(path, { mode: 0o700 });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(path, name), gunzipSync(Buffer.from(content, 'base64')), { mode: 0o600 });
  }
  // As a crash leaves it: what opens this log cuts it back.
  writeFileSync(join(path, 'audit.log'), '{"half a li', { flag: 'a' });
  return path;
}

/** Everything that is kept in the folder; locks come and go. */
const contentOf = (path: string) =>
  readdirSync(path)
    .filter((name) => !name.includes('lock'))
    .sort()
    .map((name) => [name, readFileSync(join(path, name)).toString('base64'), statSync(join(path, name)).mtimeMs]);

test('is refused with what to do, before anything is written to it', async () => {
  const path = oldHsm();
  const before = contentOf(path);
  expect(before.map(([name]) => name)).toEqual(['audit.log', 'keycell.mdb']);
  for (const options of [{}, { unseal }]) {
    const error = await errorOf(openHsm({ path, workers: 1, ...options }));
    expect(error).toMatchObject({ code: 'KEYCELL_STORE_TOO_OLD', retryable: false, outcome: 'not-executed' });
    expect(error.message).toContain(join(path, 'keycell.mdb'));
    expect(error.message).toContain('0.1.0');
    expect(error.message).toContain('docs/operations.md');
  }
  expect(contentOf(path)).toEqual(before);
});

/** The records of the old store, which says that it has this version's format. */
async function oldRecords(): Promise<{ path: string; records: Map<string, Uint8Array> }> {
  const path = oldHsm();
  const db = openLmdb<Buffer, Buffer>({
    path: join(path, 'keycell.mdb'),
    ...{ noSubdir: true, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false },
  });
  await db.put(Buffer.from('meta'), Buffer.from('keycell-store/2'));
  await db.close();
  const store = await openLmdbStore(path);
  const records = new Map<string, Uint8Array>();
  for await (const [name, record] of store.scan('')) records.set(name, record);
  await store.close();
  return { path, records };
}

test('with a format record that lies, its control record is refused, and the log is left alone', async () => {
  const { path, records } = await oldRecords();
  expect([...records.keys()].map((name) => name.split('/')[0]).sort()).toEqual([
    'control',
    'key',
    'key',
    'key',
    'slot',
    'user',
    'user',
  ]);
  const before = contentOf(path);
  const error = await errorOf(openHsm({ path, workers: 1, unseal }));
  expect([error.code, error.message]).toEqual(['KEYCELL_STORE_CORRUPT', expect.stringContaining('control record')]);
  expect(contentOf(path)).toEqual(before);
});

test.each(['key', 'user'])('a %s of it, put into the store of a new HSM, is refused and named', async (kind) => {
  const { records } = await oldRecords();
  const { path, hsm } = await make();
  await hsm.close();
  const [name, record] = [...records].find(([each]) => each.startsWith(`${kind}/`))!;
  const store = await openLmdbStore(path);
  await store.commit({ put: [[name, record]] });
  await store.close();
  const error = await errorOf(openHsm({ path, workers: 1, unseal }));
  expect([error.code, error.message]).toEqual(['KEYCELL_STORE_CORRUPT', expect.stringContaining(name.split('/')[1]!)]);
});

test('nor does its key slot open a new HSM, though the passphrase is the same', async () => {
  const { records } = await oldRecords();
  const { path, hsm } = await make();
  await hsm.close();
  const store = await openLmdbStore(path);
  await store.commit({ put: [['slot/0', records.get('slot/0')!]] });
  await store.close();
  const error = await errorOf(openHsm({ path, workers: 1, unseal }));
  expect(error.code).toBe('KEYCELL_STORE_CORRUPT');
});
