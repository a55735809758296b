/** What the lmdb store does when its file, its disk or its process fails. */
import { randomBytes, randomInt } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openLmdbStore } from '../../src/keystore/lmdb.ts';
import { runNode, temporaryFolder } from '../support/child.ts';
import { needs } from '../support/tools.ts';

const bytes = (...values: number[]) => new Uint8Array(values);
const corrupt = (reason = '') => ({ code: 'KEYCELL_STORE_CORRUPT', message: expect.stringContaining(reason) });

/** A store with branch pages, long values and free pages in it. */
async function sampleStore(folder: string): Promise<void> {
  const store = await openLmdbStore(folder);
  for (let round = 0; round < 12; round++) {
    const put = Array.from({ length: 25 }, (_, i): [string, Uint8Array] => [
      `key/${round * 25 + i}`,
      new Uint8Array(i === 5 ? 6000 : 200).fill(i),
    ]);
    const remove = round > 2 ? Array.from({ length: 8 }, (_, i) => `key/${(round - 3) * 25 + i}`) : [];
    await store.commit({ put, remove });
  }
  await store.close();
}

test('keeps everything over a close, and holds its folder until then', async () => {
  const folder = temporaryFolder();
  const store = await openLmdbStore(folder);
  await store.commit({ put: [['key/1', bytes(1)]] });
  await expect(openLmdbStore(folder)).rejects.toMatchObject({
    code: 'KEYCELL_STORE_LOCKED',
    message: expect.stringContaining(`process ${process.pid}`),
  });
  symlinkSync(folder, `${folder}-alias`);
  await expect(openLmdbStore(`${folder}-alias`)).rejects.toMatchObject({ code: 'KEYCELL_STORE_LOCKED' });
  rmSync(`${folder}-alias`);
  const waiting = openLmdbStore(folder, { lockTimeout: 10_000 });
  await store.close();
  const again = await waiting;
  expect(await again.get('key/1')).toEqual(bytes(1));
  await again.close();
});

test('a value that was given belongs to the caller, whatever the file does later', async () => {
  const store = await openLmdbStore(temporaryFolder());
  await store.commit({
    put: [
      ['key/big', new Uint8Array(50_000).fill(1)],
      ['key/small', bytes(1)],
    ],
  });
  const big = await store.get('key/big');
  const small = await store.get('key/small');
  for (let i = 0; i < 20; i++) {
    await store.commit({
      put: [
        ['key/big', new Uint8Array(50_000).fill(2)],
        ['key/small', bytes(2)],
      ],
    });
    await store.get('key/big');
  }
  await store.close();
  expect(Buffer.compare(big as Uint8Array, new Uint8Array(50_000).fill(1))).toBe(0);
  expect(small).toEqual(bytes(1));
});

test('concurrent commits share flushes', async () => {
  const folder = temporaryFolder();
  const store = await openLmdbStore(folder);
  const db = open({ path: join(folder, 'keycell.mdb'), overlappingSync: false });
  const transactions = () => (db.getStats() as { lastTxnId: number }).lastTxnId;
  const begin = transactions();
  for (let i = 0; i < 20; i++) await store.commit({ put: [['control', bytes(i)]] });
  expect(transactions() - begin).toBe(20);
  await Promise.all(Array.from({ length: 2000 }, (_, i) => store.commit({ put: [[`key/${i}`, bytes(1)]] })));
  expect(transactions() - begin - 20).toBeLessThan(200);
  await db.close();
  await store.close();
});

test('a file of another format, without its format record, or with a foreign one, is refused and left alone', async () => {
  const folder = temporaryFolder();
  await sampleStore(folder);
  const rewrite = async (meta: string | undefined) => {
    const db = open<Buffer, Buffer>({
      path: join(folder, 'keycell.mdb'),
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
    });
    if (meta === undefined) await db.remove(Buffer.from('meta'));
    else await db.put(Buffer.from('meta'), Buffer.from(meta));
    await db.close();
  };
  const file = () => readFileSync(join(folder, 'keycell.mdb'));
  for (const newer of ['keycell-store/3', 'keycell-store/10']) {
    await rewrite(newer);
    const before = file();
    await expect(openLmdbStore(folder)).rejects.toMatchObject({ code: 'KEYCELL_STORE_TOO_NEW' });
    expect(Buffer.compare(file(), before)).toBe(0);
  }
  await rewrite('keycell-store/1');
  const before = file();
  await expect(openLmdbStore(folder)).rejects.toMatchObject({
    code: 'KEYCELL_STORE_TOO_OLD',
    message: expect.stringMatching(/keycell\.mdb was made by Keycell 0\.1\.0.*docs\/operations\.md/),
  });
  expect(Buffer.compare(file(), before)).toBe(0);
  for (const foreign of [undefined, '', 'keycell-store/', 'keycell-store/0', 'keycell-store/02', 'other/2']) {
    await rewrite(foreign);
    await expect(openLmdbStore(folder)).rejects.toMatchObject(corrupt('format record'));
  }
  await rewrite('keycell-store/2');
  const store = await openLmdbStore(folder);
  expect(await store.get('key/299')).toBeDefined();
  await store.close();
});

test('a file that is not a store at all', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'keycell.mdb');
  for (const content of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(65536), randomBytes(65536)]) {
    writeFileSync(path, content);
    await expect(openLmdbStore(folder)).rejects.toMatchObject(corrupt());
    expect(Buffer.compare(readFileSync(path), content)).toBe(0);
  }
  rmSync(path);
  mkdirSync(path);
  await expect(openLmdbStore(folder)).rejects.toMatchObject(corrupt('not a file'));
  rmSync(path, { recursive: true });
  writeFileSync(join(folder, 'new.mdb'), 'what a crash while making the store left');
  await (await openLmdbStore(folder)).close();
  expect(existsSync(join(folder, 'new.mdb'))).toBe(false);
});

test("lmdb's lock file has no holes, whose filling under a map would end the process on a full disk", async () => {
  const folder = temporaryFolder();
  const store = await openLmdbStore(folder);
  const { size, blocks } = statSync(join(folder, 'keycell.mdb-lock'));
  // Whole pages for whatever lmdb makes of it: a larger file, of another lmdb, would have a hole behind ours.
  expect(size).toBe(8272);
  expect(512 * blocks).toBeGreaterThanOrEqual(size);
  await store.close();
});

test('a file that was cut short says so', async () => {
  const folder = temporaryFolder();
  await sampleStore(folder);
  truncateSync(join(folder, 'keycell.mdb'), statSync(join(folder, 'keycell.mdb')).size - 1);
  await expect(openLmdbStore(folder)).rejects.toMatchObject(corrupt('cut short'));
});

test('the file is the same kind of file whatever lmdb reads from the environment', async () => {
  const folder = temporaryFolder();
  vi.stubEnv('LMDB_RESTORE', 'safe');
  onTestFinished(() => void vi.unstubAllEnvs());
  await sampleStore(folder);
  await (await openLmdbStore(folder)).close();
  vi.unstubAllEnvs();
  await (await openLmdbStore(folder)).close();
});

test('a check of the open store: commits wait and come after it, damage is told, and nothing more is read', async () => {
  const folder = temporaryFolder();
  await sampleStore(folder);
  const store = await openLmdbStore(folder);
  const order: string[] = [];
  await Promise.all([
    store.commit({ put: [['key/before', bytes(1)]] }).then(() => order.push('before')),
    store.check?.().then(() => order.push('check')),
    store.check?.().then(() => order.push('check')),
    store.commit({ put: [['key/during', bytes(2)]] }).then(() => order.push('during')),
  ]);
  expect(order.filter((step) => step === 'check')).toHaveLength(2);
  expect(await store.get('key/before')).toEqual(bytes(1));
  expect(await store.get('key/during')).toEqual(bytes(2));
  await store.check?.();
  truncateSync(join(folder, 'keycell.mdb'), 8192);
  await expect(store.check?.()).rejects.toMatchObject(corrupt('cut short'));
  rmSync(join(folder, 'keycell.mdb'));
  await expect(store.check?.()).rejects.toMatchObject({ code: 'KEYCELL_STORE_UNAVAILABLE' });
  await store.close();
  await expect(store.check?.()).rejects.toMatchObject({ code: 'KEYCELL_CLOSING' });
});

test('no damage ends the process: each is refused, or the store works', async () => {
  const base = temporaryFolder();
  await sampleStore(base);
  writeFileSync(join(base, 'garbage'), randomBytes(9000)); // for lmdb's lock file
  const size = statSync(join(base, 'keycell.mdb')).size;
  const sound = readFileSync(join(base, 'keycell.mdb'));
  const list: unknown[] = [];
  const flip = (at: number, bit = randomInt(8)) => list.push([{ at, xor: 1 << bit }]);
  const pages = size / 4096;
  for (const page of [0, 1]) {
    for (let at = 16; at < 160; at++) flip(page * 4096 + at); // every byte of both meta pages
    // Every flag: of the page, of both trees and, in the free tree's word, of the environment.
    for (const at of [18, 19, 52, 53, 100, 101]) for (let bit = 0; bit < 8; bit++) flip(page * 4096 + at, bit);
  }
  for (let page = 2; page < pages; page++) {
    for (let i = 0; i < 6; i++) flip(page * 4096 + randomInt(24)); // headers
    for (let i = 0; i < 3; i++) flip(page * 4096 + 24 + randomInt(80)); // offsets, free lists
    const upper = sound.readUInt16LE(page * 4096 + 22);
    if (upper < 4064) for (let i = 0; i < 4; i++) flip(page * 4096 + 24 + upper + randomInt(Math.min(8, 4072 - upper)));
  }
  for (let i = 0; i < 60; i++) {
    list.push({ truncate: randomInt(size) });
    list.push({ fill: randomInt(2) * 255, at: randomInt(size), bytes: randomInt(6000) });
    list.push(Array.from({ length: 1 + randomInt(8) }, () => ({ at: randomInt(size), xor: 1 + randomInt(255) })));
  }
  list.push([]); // none: works
  writeFileSync(join(base, 'list.json'), JSON.stringify(list));

  const work = temporaryFolder();
  const { stdout } = await runNode('keystore/support/damage.mjs', base, work, join(base, 'list.json'));
  const lines = stdout.trim().split('\n');
  expect(lines.length).toBe(list.length);
  const results = lines.map((line) => line.slice(line.indexOf(' ') + 1));
  expect(new Set(results)).toEqual(new Set(['ok', 'KEYCELL_STORE_CORRUPT']));
  expect(results[results.length - 1]).toBe('ok');
  for (const [i, damage] of list.entries()) if ('truncate' in (damage as object)) expect(results[i]).not.toBe('ok');
});

test('a full disk refuses the commit, whole, and the store goes on when there is room', needs('prlimit'), async () => {
  const { stdout } = await runNode('keystore/support/disk-full.mjs', temporaryFolder());
  const result = JSON.parse(stdout);
  expect(result.failure).toMatchObject({
    name: 'HsmError',
    code: 'KEYCELL_STORE_UNAVAILABLE',
    outcome: 'not-executed',
    message: expect.stringContaining('File too large'),
  });
  expect(result.acknowledged).toBeGreaterThan(20);
  expect(result.pair).toEqual(['KEYCELL_STORE_UNAVAILABLE', 'KEYCELL_STORE_UNAVAILABLE']);
  expect(result.during).toBe(2 * result.acknowledged);
  expect(result.after).toBe(2 * result.acknowledged + 2);
  expect(result.kept).toBe(result.acknowledged);
  expect(result.stray).toBe(false);
});

test('a copy of a sound file opens elsewhere', async () => {
  const [from, to] = [temporaryFolder(), temporaryFolder()];
  await sampleStore(from);
  copyFileSync(join(from, 'keycell.mdb'), join(to, 'keycell.mdb'));
  const store = await openLmdbStore(to);
  let entries = 0;
  for await (const _ of store.scan('key/')) entries++;
  expect(entries).toBe(300 - 9 * 8);
  await store.close();
});
