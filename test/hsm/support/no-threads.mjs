// Takes every descriptor that the process may have, ends a thread, and lets go when its successors have failed to start. argv:
// folder, which thread.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const threads = [];
process.on('worker', (thread) => threads.push(thread));
const { openHsm } = await import('../../../dist/index.js');

const [path, which] = process.argv.slice(2);
const text = (s) => new TextEncoder().encode(s);
const said = (promise) =>
  promise.then(
    () => 'a result',
    (error) => `${error.code} ${error.retryable} ${error.outcome}`,
  );
const hsm = await openHsm({ path, create: true, workers: 1, unseal: () => text('correct horse battery staple') });
const warden = threads[0];
const events = [];
for (const event of ['cell-restart', 'warden-restart', 'fatal']) hsm.on(event, () => events.push(event));
const session = await hsm.login({ user: 'alice', password: 'user password' });
const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'], persistent: false });
const encrypt = () => said(session.encrypt(key, text('x')));
const renew = () => said(session.renew());

execFileSync('prlimit', ['--pid', `${process.pid}`, '--nofile=128:128']);
const held = [];
try {
  for (;;) held.push(openSync('/dev/null', 'r'));
} catch (error) {
  if (error.code !== 'EMFILE') throw error;
}
if (which === 'cell') await hsm.killCell(0);
else await warden.terminate();
const restarts = () => events.filter((event) => event === `${which}-restart`).length;
const call = which === 'cell' ? encrypt : renew;
// Nobody waits for what does not come.
const during = new Set();
while (restarts() < 4) {
  during.add(await call());
  await sleep(20);
}
for (const fd of held) closeSync(fd);
while ((await call()) !== 'a result') await sleep(20);
const after = [await encrypt(), await renew(), await said(hsm.check()), hsm.state];
await hsm.close();
process.stdout.write(
  JSON.stringify({ during: [...during], after, restarts: restarts(), fatal: events.includes('fatal') }),
);
