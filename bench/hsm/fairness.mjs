/**
 * Signatures while large messages are encrypted. The fair share is max-min: what the encryptions leave over, measured by
 * how far they fall behind what they reach alone, but never less than half.
 */
import { randomBytes } from 'node:crypto';
import { figure } from '../measure.mjs';
import { IN_FLIGHT, MESSAGE } from './throughput.mjs';

const LARGE = 1 << 20;
const LARGE_IN_FLIGHT = 4;

export const fairness = [
  {
    name: 'sign beside large encryptions',
    async measure({ session, pace }) {
      const message = randomBytes(MESSAGE);
      const large = randomBytes(LARGE);
      const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
      const aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] });
      const sign = [() => session.sign(key, message), IN_FLIGHT];
      const encrypt = [() => session.encrypt(aes, large), LARGE_IN_FLIGHT];
      const ms = Math.max(300, 2 * pace.roundMs);
      await rates(ms, sign, encrypt);
      const [losses, kept, taken] = [[], [], []];
      for (let round = 0; round < pace.rounds; round++) {
        const [signAlone] = await rates(ms, sign);
        const [encryptAlone] = await rates(ms, encrypt);
        const [signBeside, encryptBeside] = await rates(ms, sign, encrypt);
        const fair = Math.max(0.5, 1 - encryptBeside / encryptAlone);
        kept.push((100 * signBeside) / signAlone);
        taken.push((100 * encryptBeside) / encryptAlone);
        losses.push(100 * (1 - signBeside / signAlone / fair));
      }
      const percent = (values) => `${figure(values).value.toFixed(0)} %`;
      const note = `signatures at ${percent(kept)} of their rate alone, encryptions of 1 MiB, 4 in flight, at ${percent(taken)} of theirs`;
      return [{ id: 'fairness', ...figure(losses), note }];
    },
  },
];

/** Operations a millisecond of each load, side by side for `ms`. */
async function rates(ms, ...loads) {
  const end = performance.now() + ms;
  const counts = loads.map(() => 0);
  const lane = async (which, operation) => {
    while (performance.now() < end) {
      await operation();
      if (performance.now() < end) counts[which]++;
    }
  };
  await Promise.all(
    loads.flatMap(([operation, inFlight], which) => Array.from({ length: inFlight }, () => lane(which, operation))),
  );
  return counts.map((count) => count / ms);
}
