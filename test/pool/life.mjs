/** A process of its own: open a pool, stay idle, let a late timer that keeps nothing alive close it, and end by itself. */
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
await pool.start();
await pool.unseal(() => {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  return port2;
});
await pool.submit({ op: 'sign', mechanism: 'ECDSA', flags: 0, ticket: new Uint8Array(1), keys: [], parts: [] });
const before = process.cpuUsage();
// Unreferenced: only the pool's own ports keep the process until it fires.
setTimeout(async () => {
  const { user, system } = process.cpuUsage(before);
  process.send({ cpu: (user + system) / 1000 });
  await pool.close(1000);
  process.send({}, () => process.disconnect());
}, 500).unref();
process.channel.unref();
