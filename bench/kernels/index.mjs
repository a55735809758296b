/** The kernels' part: a build of the core in this thread, on one core, against node:crypto in its best form. */
import { figure, median, raceKernels } from '../measure.mjs';
import { encryption } from './encryption.mjs';
import { hashes } from './hashes.mjs';
import { agreement, keyGeneration } from './keys.mjs';
import { signing, verifying } from './signatures.mjs';
import { wrapping } from './wrapping.mjs';

/**
 * @typedef {object} Comparison
 * @property {string} id The row's, in targets.mjs.
 * @property {string} ours
 * @property {string[]} [theirs] The peer's forms, of which the fastest counts: the row is a ratio.
 * @property {string} [forward] Our own forward direction: the row is our share of its time.
 * @property {number} [bytes] Of one operation: the row is a rate.
 *
 * @typedef {object} Case
 * @property {string} name
 * @property {() => { rivals: Record<string, import('../measure.mjs').Rival>, compare: Comparison[], check: () => void }} make
 */

/** @param {import('./core.mjs').Core} core @returns {Promise<Case[]>} */
export async function kernelCases(core) {
  return [
    ...signing(core),
    ...verifying(core),
    ...keyGeneration(core),
    ...agreement(core),
    ...(await encryption(core)),
    ...wrapping(core),
    ...hashes(core),
  ];
}

/** @param {import('./core.mjs').Core} core @param {Case} testCase @param {import('../measure.mjs').Pace} pace */
export function measureKernel(core, testCase, pace) {
  core.reset();
  const { rivals, compare, check } = testCase.make();
  check();
  const times = raceKernels(rivals, pace);
  return compare.map((comparison) => row(times, comparison));
}

function row(times, { id, ours, theirs, forward, bytes }) {
  const mine = times[ours].micros;
  const side = (name) => ({ name, micros: median(times[name].micros) });
  if (bytes !== undefined) return { id, ours: side(ours), ...figure(mine.map((micros) => bytes / micros)) };
  if (forward !== undefined) {
    const figures = figure(mine.map((micros, round) => (100 * micros) / times[forward].micros[round]));
    return { id, ours: side(ours), theirs: side(forward), ...figures };
  }
  const best = theirs.map(side).reduce((a, b) => (b.micros < a.micros ? b : a));
  const figures = figure(mine.map((micros, round) => times[best.name].micros[round] / micros));
  const note = theirs.length === 1 ? {} : { note: `the peer is ${best.name}` };
  return { id, ours: side(ours), theirs: best, ...figures, ...note };
}
