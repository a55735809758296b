// Opens a folder for the first time in this process with so many descriptors left, and again with enough. argv: folder, left,
// `loaded` to have Keycell's own modules loaded before. Prints what came of both, as JSON.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { HsmError, openEphemeralHsm, openHsm } from '../../../dist/index.js';

const [path, left, loaded] = process.argv.slice(2);
const PASSPHRASE = 'correct horse battery staple';
const open = () => openHsm({ path, workers: 1, unseal: () => new TextEncoder().encode(PASSPHRASE) });
const told = (error) =>
  error instanceof HsmError ? `${error.code} ${error.retryable}` : `no HsmError: ${error?.stack}`;
const opened = async (hsm) => {
  await hsm.check();
  await hsm.close();
  return 'opened';
};

if (loaded === 'loaded') await (await openEphemeralHsm({ workers: 1 })).hsm.close();
execFileSync('prlimit', ['--pid', `${process.pid}`, '--nofile=128:128']);
const held = [];
try {
  for (;;) held.push(openSync('/dev/null'));
} catch {
  for (let i = 0; i < Number(left); i++) closeSync(held.pop());
}
const first = await open().catch(told);
for (const fd of held) closeSync(fd);
const said = typeof first === 'string' ? first : await opened(first).catch(told);
console.log(JSON.stringify([said, await open().then(opened).catch(told)]));
