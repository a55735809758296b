/** The least that a signature in another thread can cost: a message there, the kernel, a message back. */
import { parentPort, workerData } from 'node:worker_threads';
import { Core } from '../kernels/core.mjs';
import { signing } from '../kernels/signatures.mjs';

const core = new Core(workerData.build);
const kernel = signing(core)
  .find(({ name }) => name === 'sign P-256')
  .make();
kernel.check();
const { run } = kernel.rivals['Keycell, 1'];
for (let i = 0; i < 3000; i++) run();
parentPort.on('message', (place) => {
  run();
  parentPort.postMessage(place);
});
parentPort.postMessage('ready');
