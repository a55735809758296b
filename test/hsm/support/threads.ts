/** The threads that HSMs of this process start: Node tells of each, so that a test can end one without any door in src. */
import type { Worker } from 'node:worker_threads';
import { until } from './hsm.ts';

const workers: Worker[] = [];
process.on('worker', (worker) => workers.push(worker));

export const started = (): number => workers.length;

/** The warden is the first thread that an HSM starts; `before` is what `started` said then. */
export async function threadAfter(before: number): Promise<Worker> {
  await until(() => workers.length > before);
  return workers[before]!;
}
