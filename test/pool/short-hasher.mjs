import { workerData } from 'node:worker_threads';

workerData.port.on('message', (message) => {
  if (message === 'end') process.exit();
  workerData.port.postMessage('alive');
});
