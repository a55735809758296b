/** What every store must do, run over each of them. */
import { describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../src/keystore/lmdb.ts';
import { openMemoryStore } from '../../src/keystore/memory.ts';
import type { Store } from '../../src/keystore/store.ts';
import { temporaryFolder } from '../support/child.ts';

const bytes = (...values: number[]) => new Uint8Array(values);

async function all(store: Store, prefix: string): Promise<[string, Uint8Array][]> {
  const entries: [string, Uint8Array][] = [];
  for await (const entry of store.scan(prefix)) entries.push(entry);
  return entries;
}

describe.each([
  ['memory', async () => openMemoryStore()],
  ['lmdb', () => openLmdbStore(temporaryFolder())],
])('the %s store', (_name, open: () => Promise<Store>) => {
  test('gives back what was put, and nothing for what was not', async () => {
    const store = await open();
    expect(await store.get('key/1')).toBeUndefined();
    await store.commit({ put: [['key/1', bytes(1, 2, 3)]] });
    expect(await store.get('key/1')).toEqual(bytes(1, 2, 3));
    await store.commit({ put: [['key/1', bytes(4)]] });
    expect(await store.get('key/1')).toEqual(bytes(4));
    await store.commit({ remove: ['key/1', 'key/never'] });
    expect(await store.get('key/1')).toBeUndefined();
    expect(await all(store, '')).toEqual([]);
    await store.close();
  });

  test('keeps values of all lengths, from empty to beyond many pages', async () => {
    const store = await open();
    const lengths = [0, 1, 2, 257, 1900, 2000, 2048, 4072, 4096, 8169, 32767, 32768, 32769, 100_000, 3_000_000];
    const value = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 0xff);
    await store.commit({ put: lengths.map((length) => [`key/${length}`, value(length)]) });
    for (const length of lengths) {
      const got = await store.get(`key/${length}`);
      expect(got?.length).toBe(length);
      expect(Buffer.compare(got as Uint8Array, value(length))).toBe(0);
    }
    await store.close();
  });

  test('copies on the way in and on the way out', async () => {
    const store = await open();
    const pool = new Uint8Array(64).fill(7);
    const mine = pool.subarray(8, 16);
    const done = store.commit({ put: [['key/a', mine]] });
    pool.fill(0);
    await done;
    const first = await store.get('key/a');
    expect(first).toEqual(new Uint8Array(8).fill(7));
    expect(first?.constructor).toBe(Uint8Array);
    expect(first?.buffer.byteLength).toBe(8);
    first?.fill(9);
    const [entry] = await all(store, 'key/');
    expect(entry?.[1]).toEqual(new Uint8Array(8).fill(7));
    expect(entry?.[1].buffer.byteLength).toBe(8);
    entry?.[1].fill(9);
    expect(await store.get('key/a')).toEqual(new Uint8Array(8).fill(7));
    await store.close();
  });

  test('scans by prefix, in byte order, across many pages', async () => {
    const store = await open();
    const keys = Array.from({ length: 700 }, (_, i) => `key/${((i * 7919) % 700).toString(16)}`);
    await store.commit({ put: keys.map((key, i) => [key, bytes(i & 0xff)]) });
    await store.commit({
      put: [
        ['kez', bytes(1)],
        ['user/1', bytes(1)],
        ['key/~~', bytes(2)],
        ['A', bytes(3)],
      ],
    });
    const expected = [...keys, 'key/~~'].sort();
    expect((await all(store, 'key/')).map(([key]) => key)).toEqual(expected);
    expect((await all(store, '')).map(([key]) => key)).toEqual([...expected, 'kez', 'user/1', 'A'].sort());
    expect(await all(store, 'user/2')).toEqual([]);
    await store.close();
  });

  test('a scan goes on while entries come and go', async () => {
    const store = await open();
    await store.commit({ put: Array.from({ length: 400 }, (_, i) => [`key/${1000 + i}`, bytes(1)]) });
    const seen: string[] = [];
    for await (const [key] of store.scan('key/')) {
      if (seen.length === 10) await store.commit({ remove: ['key/1390'], put: [['key/0', bytes(1)]] });
      seen.push(key);
    }
    expect(new Set(seen).size).toBe(seen.length);
    for (let i = 0; i < 390; i++) expect(seen).toContain(`key/${1000 + i}`);
    expect(seen).not.toContain('key/0');
    await store.close();
  });

  test('commits in the order of the calls, many at once', async () => {
    const store = await open();
    const done: number[] = [];
    await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        await store.commit({
          put: [
            ['control', bytes(i & 0xff, i >> 8)],
            [`key/${i}`, bytes(1)],
          ],
        });
        done.push(i);
        expect(await store.get(`key/${i}`)).toEqual(bytes(1));
      }),
    );
    expect(done).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(await store.get('control')).toEqual(bytes(499 & 0xff, 499 >> 8));
    await store.close();
  });

  test('refuses keys, values and changes that no store must take', async () => {
    const store = await open();
    const bad = ['', 'meta', 'a b', 'ä', 'a\n', '\x7f', 'x'.repeat(201), 7 as unknown as string];
    for (const key of bad) {
      await expect(
        store.commit({
          put: [
            ['key/ok', bytes(1)],
            [key, bytes(1)],
          ],
        }),
      ).rejects.toMatchObject({
        code: 'KEYCELL_INPUT_INVALID',
      });
      await expect(store.commit({ remove: [key] })).rejects.toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
      await expect(store.get(key)).rejects.toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
    }
    const twice = { put: [['key/1', bytes(1)] as const], remove: ['key/1'] };
    await expect(store.commit(twice)).rejects.toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
    const text = { put: [['key/1', 'text' as unknown as Uint8Array] as const] };
    await expect(store.commit(text)).rejects.toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
    expect(await all(store, '')).toEqual([]);
    await store.commit({ put: [['x'.repeat(200), bytes(1)]] });
    expect((await all(store, 'x')).length).toBe(1);
    await store.commit({});
    await store.close();
  });

  test('close finishes what was called, refuses what comes after, and may be called twice', async () => {
    const store = await open();
    const last = store.commit({ put: [['key/last', bytes(1)]] });
    const closing = store.close();
    await expect(store.commit({ put: [['key/late', bytes(1)]] })).rejects.toMatchObject({ code: 'KEYCELL_CLOSING' });
    await Promise.all([last, closing, store.close()]);
    await expect(store.get('key/last')).rejects.toMatchObject({ code: 'KEYCELL_CLOSING' });
    await expect(all(store, '')).rejects.toMatchObject({ code: 'KEYCELL_CLOSING' });
  });
});
