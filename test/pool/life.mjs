/** A process of its own: open a pool, stay idle, run off the end with requests under way, and end by itself once they are answered. */
import { MessageChannel } from 'node:worker_threads';
import { createCellPool } from '../../dist/pool/cell-pool.js';

const pool = createCellPool({
  workers: 2,
  core: new Uint8Array(new SharedArrayBuffer(2)),
  digest: '',
  worker: new URL('./echo-cell.mjs', import.meta.url),
  sink: { written: async () => {}, synced: async () => {} },
  lease: () => new Uint8Array(77),
  events: { onCellStart() {}, onCellRestart() {}, onFatal() {} },
});
const submit = (text, options) => {
  const parts = [new TextEncoder().encode(text)];
  return pool.submit({ op: 'sign', mechanism: 'ECDSA', flags: 0, ticket: new Uint8Array(1), keys: [], parts }, options);
};
await pool.start();
await pool.unseal(() => {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  return port2;
});
await submit('m');
const before = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, 500));
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1000);
// One that a cell works on, one that dies with its cell and goes to another, one that nobody waits for any more.
submit('sleep:300').then(() => console.log('answered'));
submit('m').then(() => console.log('again'));
submit('sleep:1', { timeout: 1 }).catch(() => {});
await Promise.resolve();
pool.kill(0);
process.on('exit', () => console.log('over'));
