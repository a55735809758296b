// Serves until a limit on the size of files stops the log, looks what happens, and goes on without the limit. argv: folder.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openHsm } from '../../../dist/index.js';
import { Board } from '../../../dist/wire/board.js';
import { monotonic } from '../../../dist/wire/clock.js';
import { decodeLease } from '../../../dist/wire/lease.js';

let board;
const { lease } = Board.prototype;
Board.prototype.lease = function () {
  board = this;
  return lease.call(this);
};
const text = (s) => new TextEncoder().encode(s);
const codeOf = (promise) =>
  promise.then(
    () => 'a result',
    (error) => error.code ?? String(error),
  );
const path = process.argv[2];
const prlimit = (limit) => execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${limit}:`]);

const hsm = await openHsm({ path, create: true, workers: 1, unseal: () => text('correct horse battery staple') });
const events = [];
hsm.on('audit-unavailable', ({ error }) => events.push(error.code));
hsm.on('audit-available', () => events.push(`available, ${hsm.stats().logBacklog} waiting`));
const session = await hsm.login({ user: 'alice', password: 'user password' });
const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
// The store's file is larger than the log by far, but it is not written meanwhile.
const limit = statSync(`${path}/audit.log`).size + 1500;
prlimit(limit);
let failed = 'a result';
for (let i = 0; failed === 'a result' && i < 1000; i++) failed = await codeOf(session.sign(key, text(`${i}`)));
const posted = () => decodeLease(board.lease());
const during = [];
// The warden notices, and posts no further lease: the last one runs out.
while (posted().goodUntil >= monotonic()) {
  during.push(await codeOf(session.sign(key, text('no'))));
  await sleep(100);
}
const last = posted().number;
during.push(await codeOf(session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] })));
during.push(await codeOf(hsm.login({ user: 'alice', password: 'user password' })));
const backlog = hsm.stats().logBacklog;
const leases = posted().number - last;
prlimit('unlimited');
while ((await codeOf(session.sign(key, text('yes')))) !== 'a result') await sleep(100);
const first = posted().number;
while (posted().number === first) await sleep(100);
const check = await hsm.check();
const { logEntries } = hsm.stats();
await hsm.close();
process.stdout.write(JSON.stringify({ limit, failed, events, backlog, during, leases, check, logEntries }));
