// Commits to a store and a log until it is killed. Each acknowledged step is written to stdout, which the
// parent keeps, before the next begins. argv: folder, first step.
import { openAuditLog } from '../../../dist/audit/file.js';
import { openLmdbStore } from '../../../dist/keystore/lmdb.js';
import { say } from '../../support/say.mjs';

const [folder, first] = process.argv.slice(2);
const store = await openLmdbStore(folder);
const log = await openAuditLog(`${folder}/audit.log`);
const lane = async (name, log_) => {
  for (let step = Number(first); ; step++) {
    const mark = new TextEncoder().encode(`${step}`);
    if (log_) {
      const { seq } = await log.append([
        JSON.stringify({ lane: name, step }),
        JSON.stringify({ lane: name, half: step }),
      ]);
      say(`log ${seq}\n`);
    } else {
      await store.commit({
        put: [
          [`a/${name}/${step}`, mark],
          [`b/${name}/${step}`, new Uint8Array(step % 6000)],
        ],
      });
      say(`store ${name}/${step}\n`);
    }
  }
};
await Promise.all([lane('p'), lane('q'), lane('r', true), lane('s', true)]);
