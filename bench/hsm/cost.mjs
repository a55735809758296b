/** Processor time of a signature through the HSM, beyond what the kernel itself takes: of the process, and of this thread. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { signing } from '../kernels/signatures.mjs';
import { figure, keepInFlight } from '../measure.mjs';
import { IN_FLIGHT, MESSAGE } from './throughput.mjs';

const BATCH = 32;

export const cost = [
  {
    name: 'CPU of a signature',
    async measure({ session, core, pace }) {
      const message = randomBytes(MESSAGE);
      const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
      core.reset();
      const kernel = signing(core)
        .find(({ name }) => name === 'sign P-256')
        .make();
      kernel.check();
      const { run } = kernel.rivals[`Keycell, ${BATCH}`];
      const total = Math.max(2048, Math.round((1000 * pace.roundMs) / 25));
      const whole = () => keepInFlight(() => session.sign(key, message), IN_FLIGHT, total);
      const bare = () => {
        for (let i = 0; i < total; i += BATCH) run();
      };
      await whole();
      bare();
      const [outside, main, all, inside] = [[], [], [], []];
      for (let round = 0; round < pace.rounds; round++) {
        const throughHsm = await cpuOf(whole, total);
        const alone = await cpuOf(bare, total);
        all.push(throughHsm.process);
        inside.push(alone.process);
        outside.push(throughHsm.process - alone.process);
        if (throughHsm.thread !== undefined) main.push(throughHsm.thread);
      }
      const note = `of ${figure(all).value.toFixed(1)} µs in all, ${figure(inside).value.toFixed(1)} in the kernel`;
      const rows = [{ id: 'cpu-outside', ...figure(outside), note }];
      if (main.length > 0) rows.push({ id: 'cpu-main', ...figure(main) });
      return rows;
    },
    missing: { 'cpu-main': 'a thread’s own time is known on Linux and from Node 23.9 on' },
  },
];

/** Microseconds of an operation. */
async function cpuOf(work, operations) {
  const thread = threadMicros();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return {
    process: (user + system) / operations,
    thread: thread === undefined ? undefined : (threadMicros() - thread) / operations,
  };
}

/** Processor time of this thread so far. */
function threadMicros() {
  if (process.threadCpuUsage !== undefined) {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  }
  try {
    // Nanoseconds on a processor, nanoseconds waiting for one, time slices. The main thread bears the process's number.
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1000;
  } catch {
    return undefined;
  }
}
