// Ends pools at any moment of their start, several hundred times; prints how often. argv: milliseconds.
import { setTimeout as sleep } from 'node:timers/promises';
import { createCellPool } from '../../dist/pool/cell-pool.js';

const end = Date.now() + Number(process.argv[2]);
let ended = 0;
async function again() {
  while (Date.now() < end) {
    const pool = createCellPool({
      workers: 1,
      core: new Uint8Array(new SharedArrayBuffer(2)),
      digest: '',
      worker: new URL('./echo-cell.mjs', import.meta.url),
      lease: () => new Uint8Array(0),
      sink: { written: async () => {}, synced: async () => {} },
      events: { onCellStart() {}, onCellRestart() {}, onFatal() {} },
    });
    pool.start().catch(() => {});
    await sleep(10 + Math.random() * 70);
    await pool.close(0);
    ended++;
  }
}
await Promise.all([again(), again(), again()]);
console.log(ended);
