// Takes a folder's lock again and again and marks its time inside with a file that only one may create.
// argv: folder, rounds, timeout (ms) per round. Prints the rounds won, or what went wrong.
import { closeSync, openSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock } from '../../../dist/keystore/lock.js';

const [folder, rounds, timeout] = process.argv.slice(2);
let won = 0;
let lost = 0;
for (let round = 0; round < Number(rounds); round++) {
  let lock;
  try {
    lock = await acquireLock(folder, { timeout: Number(timeout) });
  } catch (error) {
    if (error.code !== 'KEYCELL_STORE_LOCKED') throw error;
    lost++;
    await sleep(Math.random() * 4);
    continue;
  }
  closeSync(openSync(`${folder}/inside`, 'wx')); // throws EEXIST when somebody else is inside
  await sleep(Math.random() * 3);
  unlinkSync(`${folder}/inside`);
  won++;
  await lock.release();
}
process.stdout.write(JSON.stringify({ won, lost }));
