/**
 * Whether memory grows with the operations done: records of 64 bytes encrypted, every tenth operation a signature. The note
 * says what of it is the nursery of this thread, which V8 lets grow with any program's work, up to 32 MB on Node 20 and 64 on
 * Node 26, and takes back when it likes.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepInFlight } from '../measure.mjs';
import { IN_FLIGHT, MESSAGE } from './throughput.mjs';

const FIRST = 100_000;

/** Megabytes: the process, and of it this thread's nursery. */
function memoryNow() {
  const { physical_space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  return { all: process.memoryUsage.rss() / 1e6, nursery: physical_space_size / 1e6 };
}

const told = ({ all, nursery }) => `${all.toFixed(1)} MB, ${nursery.toFixed(1)} of them this thread’s nursery,`;

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
          samples.push(memoryNow());
        }
        return samples.reduce((least, each) => (each.all < least.all ? each : least));
      };
      const early = await after(FIRST);
      const late = await after(operations);
      const value = (100 * late.all) / early.all;
      const note = `${told(early)} after ${FIRST} operations, ${told(late)} after ${operations}; one run`;
      return [{ id: 'memory', value, low: value, high: value, note }];
    },
  },
];
