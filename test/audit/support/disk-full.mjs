// Writes a log against a file size limit, then without it. argv: path of the log, 'now' to write at once where that is
// possible. Says on stdout what happened.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { openAuditLog } from '../../../dist/audit/file.js';

const limit = (bytes) => execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${bytes}:`]);
const [, , path, way] = process.argv;
const body = (i) => JSON.stringify({ i, pad: 'x'.repeat(150) });
const log = await openAuditLog(path);
limit(10_000);
const acknowledged = [];
const add = async (bodies) => {
  if (way !== 'now') return log.append(bodies);
  for (const each of bodies) {
    if (!log.appendNow(each)) await log.append([each]);
    acknowledged.push(log.head);
  }
  return log.head;
};
let failure;
for (let i = 0; !failure && i < 1000; i++) {
  const result = await add([body(i), body(i)]).catch((error) => error);
  if (result instanceof Error) {
    failure = { code: result.code, retryable: result.retryable, outcome: result.outcome, message: result.message };
  } else acknowledged.push(result);
}
const size = statSync(path).size;
const head = log.head;
const lastAcknowledged = acknowledged.at(-1);
const pending = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => log.append([body(i)])));
const sync = await log.sync().then(
  () => 'synced',
  (error) => error.code,
);
limit('unlimited');
const again = await add([body(-1)]);
await log.sync();
await log.close();
process.stdout.write(
  JSON.stringify({
    failure,
    acknowledged: lastAcknowledged,
    size,
    head,
    again,
    sync,
    pending: pending.map((each) => each.reason?.code ?? each.status),
  }),
);
