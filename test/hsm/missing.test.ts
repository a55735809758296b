/** A folder that has lost the store or the log of its HSM is no new folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLmdbStore } from '../../dist/keystore/lmdb.js';
import { temporaryFolder } from '../support/child.ts';
import { bytes, codeOf, errorOf, initialize, make, open, PASSPHRASE } from './support/hsm.ts';

const unseal = () => bytes(PASSPHRASE);

async function used(): Promise<string> {
  const { path, hsm } = await make();
  await hsm.close();
  return path;
}

test('a used log without its store: refused, nothing is made; with the store again it opens', async () => {
  const path = await used();
  const away = join(temporaryFolder(), 'keycell.mdb');
  renameSync(join(path, 'keycell.mdb'), away);
  rmSync(join(path, 'keycell.mdb-lock'));
  const log = readFileSync(join(path, 'audit.log'));
  for (let i = 0; i < 2; i++) {
    const error = await errorOf(open({ path, unseal }));
    expect(error).toMatchObject({ code: 'KEYCELL_STORE_MISSING', retryable: false, outcome: 'not-executed' });
    expect(error.message).toContain(join(path, 'audit.log'));
    expect(readdirSync(path)).toEqual(['audit.log']);
    expect(readFileSync(join(path, 'audit.log'))).toEqual(log);
  }
  renameSync(away, join(path, 'keycell.mdb'));
  const hsm = await open({ path, unseal });
  await hsm.check();
});

test('a used log beside a store without an HSM, as an older version would have made it', async () => {
  const path = await used();
  rmSync(join(path, 'keycell.mdb'));
  await (await openLmdbStore(path)).close();
  expect(await codeOf(open({ path }))).toBe('KEYCELL_STORE_MISSING');
});

test('a store without its log: refused, no empty log is made; with the log again it opens', async () => {
  const path = await used();
  const log = readFileSync(join(path, 'audit.log'));
  rmSync(join(path, 'audit.log'));
  for (let i = 0; i < 2; i++) {
    const error = await errorOf(open({ path, unseal }));
    expect(error).toMatchObject({ code: 'KEYCELL_AUDIT_MISSING', retryable: false, outcome: 'not-executed' });
    expect(error.message).toMatch(/^The store remembers [1-9]\d* entries, .*audit\.log is missing/);
    expect(existsSync(join(path, 'audit.log'))).toBe(false);
  }
  writeFileSync(join(path, 'audit.log'), log);
  const hsm = await open({ path, unseal });
  await hsm.check();
});

test('what holds nothing yet is a new folder: no files, an empty log, a store that was opened and never initialised', async () => {
  const path = join(temporaryFolder(), 'hsm');
  mkdirSync(path);
  writeFileSync(join(path, 'audit.log'), '');
  for (let i = 0; i < 2; i++) {
    const hsm = await open({ path });
    expect(hsm.state).toBe('uninitialized');
    await hsm.close();
  }
  rmSync(join(path, 'audit.log'));
  await initialize(await open({ path }));
});

test('without leave to create, a folder that has no store stays as it is; one that has opens', async () => {
  const parent = temporaryFolder();
  const nowhere = join(parent, 'not mounted');
  expect(await codeOf(open({ path: nowhere, create: false }))).toBe('KEYCELL_STORE_MISSING');
  expect(existsSync(nowhere)).toBe(false);
  expect(await codeOf(open({ path: parent, create: false }))).toBe('KEYCELL_STORE_MISSING');
  expect(readdirSync(parent)).toEqual([]);
  expect(await codeOf(open({ path: parent, create: 'no' as never }))).toBe('KEYCELL_INPUT_INVALID');
  const hsm = await open({ path: await used(), create: false, unseal });
  expect(hsm.state).toBe('ready');
  // Its making was interrupted: it opens, and stays what it is.
  await (await open({ path: parent })).close();
  const empty = await open({ path: parent, create: false });
  expect([empty.state, await codeOf(initialize(empty)), empty.state]).toEqual([
    'uninitialized',
    'KEYCELL_STORE_MISSING',
    'uninitialized',
  ]);
});

test('another HSM than the one that is named, or none, is refused', async () => {
  const [path, other] = [await used(), await used()];
  const { id } = await open({ path, unseal });
  const error = await errorOf(open({ path: other, unseal, id }));
  expect(error).toMatchObject({ code: 'KEYCELL_STORE_MISSING', retryable: false });
  expect(error.message).toContain(id);
  const empty = temporaryFolder();
  expect(await codeOf(open({ path: empty, id }))).toBe('KEYCELL_STORE_MISSING');
  expect(readdirSync(empty)).toEqual([]);
  for (const wrong of ['', 'x', id.toUpperCase(), 5])
    expect(await codeOf(open({ path: other, id: wrong as never }))).toBe('KEYCELL_INPUT_INVALID');
  const { id: its } = await open({ path: other, unseal });
  expect(its).not.toBe(id);
});
