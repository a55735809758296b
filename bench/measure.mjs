/**
 * Rivals in turns: a round gives each a short time, then comes the next round, so that what else the machine does falls
 * on all. Ratios are taken within a round, since absolute times drift with the neighbours' load; what is reported is the
 * median over the rounds, and how far they lie apart.
 */
import assert from 'node:assert/strict';
import { Bench } from 'tinybench';

/**
 * @typedef {object} Pace
 * @property {number} rounds
 * @property {number} roundMs A rival's time in a round.
 * @property {number} warmMs Before the first round: V8 compiles a kernel for good only after some thousand calls.
 *
 * @typedef {object} Rival
 * @property {() => unknown} run
 * @property {number} [operations] How many operations one call is; 1 unless given.
 *
 * @typedef {{ micros: number[], cpuMicros: number[] }} Times Microseconds of an operation, one figure a round.
 */

/** Shorter calls are repeated within a sample, or the clock would be what is measured. */
const SAMPLE_MS = 0.1;

/** Synchronous rivals on this thread; a round's figure is the median of its samples. @returns {Record<string, Times>} */
export function raceKernels(/** @type {Record<string, Rival>} */ rivals, /** @type {Pace} */ pace) {
  const entries = Object.entries(rivals).map(([name, { run, operations = 1 }]) => {
    const calls = repeats(run, pace.warmMs);
    const repeated = () => {
      for (let i = 0; i < calls; i++) run();
    };
    return { name, run: calls === 1 ? run : repeated, operations: calls * operations };
  });
  const times = emptyTimes(rivals);
  for (let round = 0; round < pace.rounds; round++) {
    const bench = new Bench({ time: pace.roundMs, iterations: 3, warmup: false, throws: true });
    for (const { name, run } of entries) bench.add(name, () => void run(), { async: false });
    const tasks = bench.runSync();
    tasks.forEach((task, i) => {
      assert(task.result.state === 'completed');
      times[task.name].micros.push((1000 * task.result.latency.p50) / entries[i].operations);
    });
  }
  return times;
}

/** How many calls make a sample, found while warming up. */
function repeats(run, warmMs) {
  const began = performance.now();
  let best = Number.POSITIVE_INFINITY;
  for (let calls = 1, now = began; now - began < warmMs; ) {
    for (let i = 0; i < calls; i++) run();
    const then = now;
    now = performance.now();
    best = Math.min(best, (now - then) / calls);
    if (now - then < SAMPLE_MS) calls *= 2;
  }
  return Math.max(1, Math.ceil(SAMPLE_MS / best));
}

/** Asynchronous rivals, with the processor time of the whole process; a round's figure is the mean: pauses count. */
export async function race(/** @type {Record<string, Rival>} */ rivals, /** @type {Pace} */ pace) {
  const times = emptyTimes(rivals);
  for (const { run } of Object.values(rivals)) await repeatFor(run, pace.warmMs);
  for (let round = 0; round < pace.rounds; round++) {
    const bench = new Bench({ time: pace.roundMs, iterations: 2, warmup: false, throws: true });
    const cpu = {};
    for (const [name, { run }] of Object.entries(rivals)) {
      let before;
      const beforeAll = () => {
        before = process.cpuUsage();
      };
      const afterAll = () => {
        const { user, system } = process.cpuUsage(before);
        cpu[name] = user + system;
      };
      bench.add(name, run, { async: true, beforeAll, afterAll });
    }
    for (const task of await bench.run()) {
      assert(task.result.state === 'completed');
      const { operations = 1 } = rivals[task.name];
      times[task.name].micros.push((1000 * task.result.latency.mean) / operations);
      times[task.name].cpuMicros.push(cpu[task.name] / (task.runs * operations));
    }
  }
  return times;
}

async function repeatFor(run, ms) {
  const end = performance.now() + ms;
  do await run();
  while (performance.now() < end);
}

/** `total` operations with `inFlight` of them at any time; a synchronous operation simply runs `total` times. */
export async function keepInFlight(/** @type {() => unknown} */ operation, inFlight, total) {
  let left = total;
  const lane = async () => {
    while (left-- > 0) await operation();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

/** Latencies in milliseconds, sorted, of `total` operations with `inFlight` at any time. */
export async function latencies(/** @type {() => Promise<unknown>} */ operation, inFlight, total) {
  const found = new Float64Array(total);
  let next = 0;
  await keepInFlight(
    async () => {
      const began = performance.now();
      await operation();
      found[next++] = performance.now() - began;
    },
    inFlight,
    total,
  );
  return found.sort();
}

export const percentile = (sorted, share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];

export function median(/** @type {readonly number[]} */ values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A row's figure out of one a round: the median, the least and the most. */
export function figure(/** @type {readonly number[]} */ values) {
  return { value: median(values), low: Math.min(...values), high: Math.max(...values) };
}

const emptyTimes = (rivals) =>
  Object.fromEntries(Object.keys(rivals).map((name) => [name, { micros: [], cpuMicros: [] }]));
