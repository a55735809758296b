// Opens damaged copies of a store and works with whatever opens; what happened goes to stdout, a line each.
// Runs in a process of its own, since what it looks for is the end of the process.
// argv: base folder, work folder, JSON list of damages [{ at, xor }] | { truncate } | { fill, at, bytes }
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { openLmdbStore } from '../../../dist/keystore/lmdb.js';

const [base, work, list] = process.argv.slice(2);
const sound = readFileSync(`${base}/keycell.mdb`);
for (const damage of JSON.parse(readFileSync(list, 'utf8'))) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  let bytes = Buffer.from(sound);
  if (Array.isArray(damage)) for (const { at, xor } of damage) bytes[at] ^= xor;
  else if ('truncate' in damage) bytes = bytes.subarray(0, damage.truncate);
  else bytes.fill(damage.fill, damage.at, Math.min(bytes.length, damage.at + damage.bytes));
  writeFileSync(`${work}/keycell.mdb`, bytes);
  copyFileSync(`${base}/garbage`, `${work}/keycell.mdb-lock`);
  let result = 'ok';
  try {
    const store = await openLmdbStore(work);
    try {
      for await (const [key] of store.scan('')) await store.get(key);
      for (let round = 0; round < 4; round++) {
        const put = Array.from({ length: 12 }, (_, i) => [
          `key/${round * 12 + i}`,
          new Uint8Array(i === 3 ? 9000 : 500),
        ]);
        await store.commit({ put, remove: [`key/${100 + round}`, `key/${200 + round}`] });
      }
      for await (const [key] of store.scan('')) await store.get(key);
    } finally {
      await store.close();
    }
  } catch (error) {
    result = error.code ?? `no code: ${error.stack}`;
  }
  process.stdout.write(`${JSON.stringify(damage)} ${result}\n`);
}
