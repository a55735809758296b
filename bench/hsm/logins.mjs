/** A flood of wrong logins, each under another name so that none is locked out: what it does to signatures, and to a right login. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { figure, latencies, median, percentile } from '../measure.mjs';
import { MESSAGE } from './throughput.mjs';

const IN_FLIGHT = 16;
/** Clients that type wrong passwords, and how long each waits before the next: far more than can be hashed. */
const FLOODERS = 64;
const PAUSE_MS = 10;

export const logins = [
  {
    name: 'a flood of wrong logins',
    async measure({ hsm, session, login, pace }) {
      const message = randomBytes(MESSAGE);
      const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
      const sign = () => session.sign(key, message);
      const total = Math.max(10_000, 100 * pace.roundMs);
      const tail = async () => 1000 * percentile(await latencies(sign, IN_FLIGHT, total), 0.99);
      await tail();
      const [alone, beside, delays] = [[], [], []];
      for (let round = 0; round < pace.rounds; round++) {
        alone.push(await tail());
        const flood = startFlood(hsm);
        try {
          beside.push(await tail());
          delays.push(1000 * (await timed(login)));
        } finally {
          await flood.end();
        }
      }
      return [
        {
          id: 'login-tail',
          ours: { name: 'p99 beside it', micros: median(beside) },
          theirs: { name: 'p99 alone', micros: median(alone) },
          ...figure(beside.map((micros, round) => micros / alone[round])),
        },
        { id: 'login-delay', ...figure(delays) },
      ];
    },
  },
];

function startFlood(hsm) {
  let over = false;
  const flooder = async () => {
    while (!over) {
      await hsm.login({ user: randomBytes(8).toString('hex'), password: 'wrong' }).catch(() => {});
      await sleep(PAUSE_MS);
    }
  };
  const flooders = Array.from({ length: FLOODERS }, flooder);
  return {
    async end() {
      over = true;
      await Promise.all(flooders);
    },
  };
}

/** Milliseconds of a login: the flood stands before it. */
async function timed(login) {
  const began = performance.now();
  const session = await login();
  const took = performance.now() - began;
  await session.close();
  return took;
}
