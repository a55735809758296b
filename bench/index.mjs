/**
 * `npm run bench`: all of it. `npm run bench -- sign wrap`: what is called so. `--kernels`, `--hsm`: one table.
 * Every rival's result is checked before it is timed. See README.md beside this file.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Core } from './kernels/core.mjs';
import { kernelCases, measureKernel } from './kernels/index.mjs';
import { progress } from './progress.mjs';
import { judged, notes, summary, table } from './report.mjs';
import { KERNELS } from './targets.mjs';

const { values: flags, positionals } = parseArgs({
  options: {
    kernels: { type: 'boolean' },
    build: { type: 'string' },
    quick: { type: 'boolean' },
    json: { type: 'string' },
  },
  allowPositionals: true,
});

const PACE = flags.quick ? { rounds: 3, roundMs: 20, warmMs: 60 } : { rounds: 9, roundMs: 60, warmMs: 250 };
const chosen = (/** @type {{ name: string }[]} */ cases) =>
  cases.filter(({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)));

const core = new Core(flags.build);
const rows = [];
const cases = chosen(await kernelCases(core));
const bar = progress('Kernels', cases.length);
for (const each of cases) {
  bar.begin(each.name);
  rows.push(...measureKernel(core, each, PACE));
  bar.done();
}
bar.end();
const result = judged(KERNELS, core.build, rows);
console.log(`Node ${process.version}, ${core.build} build, ${availableParallelism()} x ${cpus()[0].model}`);
console.log(table(result));
console.log(notes(result));
console.log(summary(result));
if (flags.json) writeFileSync(flags.json, JSON.stringify(result, undefined, 2));
