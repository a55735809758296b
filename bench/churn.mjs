// What stays resident of HSMs that are opened and closed: `node bench/churn.mjs [times] [workers]`, after `npm run build`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEphemeralHsm, openHsm } from '../dist/index.js';

const [times = '200', workers = '1'] = process.argv.slice(2);
const PASSPHRASE = 'correct horse battery staple';
const path = mkdtempSync(join(tmpdir(), 'keycell-churn-'));
const options = { path, workers: Number(workers) };
const unseal = () => new TextEncoder().encode(PASSPHRASE);

const hsm = await openHsm({ ...options, create: true });
await hsm.initialize({ passphrase: PASSPHRASE, admin: { name: 'officer', password: 'a password' }, scryptLog2N: 14 });
await hsm.close();

const KINDS = {
  'in memory': async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: options.workers });
    await session.random(16);
    await hsm.close();
  },
  'in a folder': async () => {
    const hsm = await openHsm({ ...options, unseal });
    await hsm.close();
  },
};
const MB = (bytes) => Math.round(bytes / 2 ** 20);
try {
  for (const [kind, once] of Object.entries(KINDS)) {
    for (let i = 1; i <= Number(times); i++) {
      await once();
      if (i !== 20 && i % 100 !== 0) continue;
      const { rss, heapTotal } = process.memoryUsage();
      console.log(`${kind}, ${i} times: ${MB(rss)} MiB resident, ${MB(heapTotal)} of them V8's heap`);
    }
  }
} finally {
  rmSync(path, { recursive: true });
}
