// Fills a store until the file size limit that this process runs under stops it, then goes on without the limit.
// argv: folder. Says on stdout, as JSON, what happened.
import { execFileSync } from 'node:child_process';
import { openLmdbStore } from '../../../dist/keystore/lmdb.js';

const store = await openLmdbStore(process.argv[2]);
const value = (fill) => new Uint8Array(3000).fill(fill);
const acknowledged = [];
const count = async () => {
  let entries = 0;
  for await (const [, bytes] of store.scan('key/')) if (bytes.length === 3000) entries++;
  return entries;
};

execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${400 * 1024}:`]);
let failure;
for (let i = 0; !failure && i < 1000; i++) {
  const key = `key/${i}`;
  const result = await store
    .commit({
      put: [
        [key, value(i)],
        [`${key}/b`, value(i)],
      ],
    })
    .catch((error) => error);
  if (result) failure = { name: result.name, code: result.code, outcome: result.outcome, message: result.message };
  else acknowledged.push(key);
}
const pair = await Promise.allSettled([
  store.commit({
    put: [
      ['key/x', value(1)],
      ['key/y', new Uint8Array(300000)],
    ],
  }),
  store.commit({ put: [['key/z', value(1)]] }),
]);
const during = await count();
execFileSync('prlimit', ['--pid', `${process.pid}`, '--fsize=unlimited:']);
await store.commit({
  put: [
    ['key/again', value(9)],
    ['key/again/b', value(9)],
  ],
});
const after = await count();
await store.close();
const reopened = await openLmdbStore(process.argv[2]);
let kept = 0;
for (const key of acknowledged) if ((await reopened.get(key)) && (await reopened.get(`${key}/b`))) kept++;
const stray = (await reopened.get('key/x')) ?? (await reopened.get('key/z'));
await reopened.close();
process.stdout.write(
  JSON.stringify({
    failure,
    acknowledged: acknowledged.length,
    pair: pair.map((each) => each.reason?.code ?? each.status),
    during,
    after,
    kept,
    stray: stray !== undefined,
  }),
);
