/**
 * `npm run bench`, `npm run bench -- sign wrap`, `npm run bench -- --json`: Keycell through a session, with 512 requests in
 * flight, beside node:crypto's sync and async forms, in one run on the same cores. Each result is checked before it is timed.
 *
 * Two numbers, as one alone misleads: time for each operation, which more cores make shorter, and processor time of the
 * whole process, which they don't. A rival's turn is short and comes round again, so that what else the machine does
 * falls on all.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { openEphemeralHsm } from 'keycell';
import { Bench } from 'tinybench';
import { encryption } from './cases/encryption.mjs';
import { signatures } from './cases/signatures.mjs';
import { wrapping } from './cases/wrapping.mjs';

const IN_FLIGHT = 512;
const ROUNDS = 5;
const ROUND_MS = 250;

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {() => Promise<void>} check Throws where one's result is not the other's.
 * @property {Record<string, () => unknown>} rivals One operation each; 'Keycell' first. A promise is awaited with its wave.
 *
 * @typedef {{ rival: string, micros: number, cpuMicros: number, ratio: number, cpuRatio: number }} Row
 */

const { values: flags, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true });

/** A wave is as many as fly at once: a sync form does them one after the other. @param {() => unknown} operation */
async function wave(operation) {
  const flying = [];
  for (let i = 0; i < IN_FLIGHT; i++) {
    const result = operation();
    if (result instanceof Promise) flying.push(result);
  }
  await Promise.all(flying);
}

/** @param {Case} testCase @returns {Promise<Row[]>} */
async function measure({ check, rivals }) {
  await check();
  const sums = new Map(Object.keys(rivals).map((rival) => [rival, { waves: 0, ms: 0, cpu: 0 }]));
  for (const operation of Object.values(rivals)) for (let i = 0; i < 4; i++) await wave(operation);
  for (let round = 0; round < ROUNDS; round++) {
    const bench = new Bench({ time: ROUND_MS, iterations: 3, warmup: false, throws: true });
    for (const [rival, operation] of Object.entries(rivals)) {
      const sum = sums.get(rival);
      let before = process.cpuUsage();
      const beforeAll = () => {
        before = process.cpuUsage();
      };
      const afterAll = () => {
        const { user, system } = process.cpuUsage(before);
        sum.cpu += user + system;
      };
      bench.add(rival, () => wave(operation), { async: true, beforeAll, afterAll });
    }
    for (const task of await bench.run()) {
      const sum = sums.get(task.name);
      const { result } = task;
      assert(result.state === 'completed');
      sum.waves += task.runs;
      sum.ms += result.latency.mean * task.runs;
    }
  }
  const each = [...sums].map(([rival, { waves, ms, cpu }]) => {
    const operations = waves * IN_FLIGHT;
    return { rival, micros: (1000 * ms) / operations, cpuMicros: cpu / operations };
  });
  const ours = each[0];
  return each.map((row) => ({ ...row, ratio: ours.micros / row.micros, cpuRatio: ours.cpuMicros / row.cpuMicros }));
}

/** @param {string} name @param {Row[]} rows */
function print(name, rows) {
  console.log(`\n${name}`);
  for (const { rival, micros, cpuMicros, ratio, cpuRatio } of rows) {
    const line = `  ${rival.padEnd(22)}${micros.toFixed(2).padStart(9)}${cpuMicros.toFixed(2).padStart(11)}`;
    const against = `${ratio.toFixed(2).padStart(9)} x${cpuRatio.toFixed(2).padStart(9)} x`;
    console.log(rival === 'Keycell' ? line : line + against);
  }
}

const { hsm, session } = await openEphemeralHsm();
try {
  const cases = [];
  for (const make of [signatures, wrapping, encryption]) cases.push(...(await make(session)));
  const chosen = cases.filter(
    ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
  );
  if (chosen.length === 0)
    throw new Error(`nothing is called so; there are: ${cases.map(({ name }) => name).join(', ')}`);

  const about = {
    node: process.version,
    cores: availableParallelism(),
    cells: hsm.stats().cells,
    inFlight: IN_FLIGHT,
  };
  if (!flags.json) {
    console.log(`Node ${about.node}, ${about.cores} cores, ${about.cells} cells, ${IN_FLIGHT} requests in flight.`);
    console.log('µs for each operation; processor µs of the whole process; Keycell’s as a multiple of the rival’s.');
  }
  const results = [];
  for (const chosenCase of chosen) {
    const rows = await measure(chosenCase);
    results.push({ name: chosenCase.name, rows });
    if (!flags.json) print(chosenCase.name, rows);
  }
  if (flags.json) console.log(JSON.stringify({ ...about, results }, undefined, 2));
} finally {
  await hsm.close();
}
