// Open an HSM with so many descriptors left, and at last with enough. argv: folder, `first` for a process that has opened none. Prints a line of JSON for each: [left, code].
import { closeSync, openSync } from 'node:fs';
import { HsmError, openHsm } from '../../../dist/index.js';

const path = process.argv[2];
const say = (left, error) =>
  console.log(JSON.stringify([left, error instanceof HsmError ? error.code : `no HsmError: ${error}`]));

async function openWith(left) {
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null'));
  } catch {
    for (let i = 0; i < left; i++) closeSync(held.pop());
  }
  try {
    await openHsm({ path, create: true, workers: 1 });
    throw new Error('it opened');
  } catch (error) {
    say(left, error);
  } finally {
    for (const fd of held) closeSync(fd);
  }
}

if (process.argv[3] === 'first') {
  await openWith(0);
  process.exit(0);
}
await (await openHsm({ path, create: true, workers: 1 })).close();
for (let left = 0; left <= 5; left++) await openWith(left);
await (await openHsm({ path, create: true, workers: 1 })).close();
console.log('opened');
