/** What a caller waits, and what few callers get of the throughput of many. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { figure, keepInFlight, latencies, median, percentile, race, side } from '../measure.mjs';
import { flying, MESSAGE } from './throughput.mjs';

const signer = async (session) => {
  const message = randomBytes(MESSAGE);
  const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
  return () => session.sign(key, message);
};

export const latency = [
  {
    name: '16 in flight',
    async measure({ session, pace }) {
      const sign = await signer(session);
      const few = { run: () => keepInFlight(sign, 16, 1024), operations: 1024 };
      const times = await race({ '16 in flight': few, '512 in flight': flying(sign) }, pace);
      const share = times['512 in flight'].micros.map((micros, i) => (100 * micros) / times['16 in flight'].micros[i]);
      return [
        { id: 'in-flight', ours: side(times, '16 in flight'), theirs: side(times, '512 in flight'), ...figure(share) },
      ];
    },
  },
  {
    name: 'one idle caller',
    async measure({ session, core, pace }) {
      const sign = await signer(session);
      const worker = new Worker(new URL('./bare-port.mjs', import.meta.url), { workerData: { build: core.build } });
      await once(worker, 'message');
      const bare = () => {
        const answer = once(worker, 'message');
        worker.postMessage(0);
        return answer;
      };
      const rounds = [];
      const samples = Math.max(50, 2 * pace.roundMs);
      try {
        for (let round = -1; round < pace.rounds; round++) {
          const [ours, theirs] = [[], []];
          for (let i = 0; i < samples; i++) {
            ours.push(await idly(sign));
            theirs.push(await idly(bare));
          }
          if (round >= 0) rounds.push({ ours: 1000 * median(ours), theirs: 1000 * median(theirs) });
        }
      } finally {
        await worker.terminate();
      }
      return [
        {
          id: 'idle',
          ours: { name: 'session.sign', micros: median(rounds.map(({ ours }) => ours)) },
          theirs: { name: 'port and kernel', micros: median(rounds.map(({ theirs }) => theirs)) },
          ...figure(rounds.map(({ ours, theirs }) => ours / theirs)),
        },
      ];
    },
  },
  {
    name: '64 in flight, p99 to p50',
    async measure({ session, pace }) {
      const sign = await signer(session);
      const total = Math.max(2000, 40 * pace.roundMs);
      // Half a second, in which V8's compilers want the processors, too.
      await latencies(sign, 64, 60_000);
      const rounds = [];
      for (let round = 0; round < pace.rounds; round++) rounds.push(await latencies(sign, 64, total));
      const at = (share) => 1000 * median(rounds.map((sorted) => percentile(sorted, share)));
      return [
        {
          id: 'tail',
          ours: { name: 'p99', micros: at(0.99) },
          theirs: { name: 'p50', micros: at(0.5) },
          ...figure(rounds.map((sorted) => percentile(sorted, 0.99) / percentile(sorted, 0.5))),
        },
      ];
    },
  },
];

/** Milliseconds of an operation that starts after a pause. */
async function idly(operation) {
  await sleep(1);
  const began = performance.now();
  await operation();
  return performance.now() - began;
}
