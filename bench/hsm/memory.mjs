/** Whether memory grows with the operations done: records of 64 bytes encrypted, every tenth operation a signature. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepInFlight } from '../measure.mjs';
import { IN_FLIGHT, MESSAGE } from './throughput.mjs';

const FIRST = 100_000;

export const memory = [
  {
    name: 'memory',
    long: true,
    async measure({ session, operations }) {
      setFlagsFromString('--expose-gc');
      const gc = runInNewContext('gc');
      const [message, record] = [randomBytes(MESSAGE), randomBytes(64)];
      const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
      const aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] });
      let n = 0;
      const operation = () => (n++ % 10 === 0 ? session.sign(key, message) : session.encrypt(aes, record));
      const after = async (total) => {
        await keepInFlight(operation, IN_FLIGHT, total - n);
        const samples = [];
        for (let i = 0; i < 5; i++) {
          gc();
          await sleep(100);
          samples.push(process.memoryUsage().rss);
        }
        return Math.min(...samples) / 1e6;
      };
      const early = await after(FIRST);
      const late = await after(operations);
      const value = (100 * late) / early;
      const note = `${early.toFixed(1)} MB after ${FIRST} operations, ${late.toFixed(1)} MB after ${operations}; one run`;
      return [{ id: 'memory', value, low: value, high: value, note }];
    },
  },
];
