/**
 * `npm run bench`: both tables. `npm run bench -- sign wrap`: the cases whose names contain one of these words.
 * What each flag does stands in USAGE; what the tables hold, in targets.mjs and docs/performance.md.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { HSM_CASES, MISSING, measureHsm } from './hsm/index.mjs';
import { Core } from './kernels/core.mjs';
import { kernelCases, measureKernel } from './kernels/index.mjs';
import { progress } from './progress.mjs';
import { judged, notes, summary, table } from './report.mjs';
import { HSM, KERNELS } from './targets.mjs';

const USAGE = `npm run bench -- [WORD …] [options]

Times Keycell beside its peers, in turns, on this machine; each result is checked before it is timed.
WORD: only the cases whose names contain one of the words, as sign, wrap, licence.

  --kernels         only the crypto core, in this thread, on one core
  --hsm             only the whole HSM, a cell a core
  --list            the cases' names
  --build NAME      the core's build, plain or relaxed, instead of the one that this machine gets
  --quick           a first look in a fraction of the time
  --long            also what takes minutes: memory after ten million operations, 30 s of each flood in starvation
  --operations N    the number of them
  --pkcs11js DIR    the folder whose node_modules has pkcs11js, to run SoftHSM2 as a peer
  --json FILE       write all figures ("-": to stdout, instead of the tables)`;

const PACES = {
  full: {
    kernels: { rounds: 9, roundMs: 60, warmMs: 250 },
    hsm: { rounds: 7, roundMs: 250, warmMs: 500 },
  },
  quick: {
    kernels: { rounds: 3, roundMs: 20, warmMs: 60 },
    hsm: { rounds: 3, roundMs: 60, warmMs: 150 },
  },
};

const { values: flags, positionals: words } = parseArgs({
  options: {
    kernels: { type: 'boolean' },
    hsm: { type: 'boolean' },
    list: { type: 'boolean' },
    build: { type: 'string' },
    quick: { type: 'boolean' },
    long: { type: 'boolean' },
    operations: { type: 'string', default: '10000000' },
    pkcs11js: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
});

// Before anything opens an HSM, which reads it.
if (flags.build !== undefined) process.env.KEYCELL_SIMD = flags.build;

const both = flags.kernels === flags.hsm;
const named = (/** @type {{ name: string }} */ { name }) =>
  words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase()));

/** @param {string} name @param {import('./targets.mjs').Target[]} targets @param {object[]} rows @param {Record<string, string>} missing */
function show(name, targets, { build, rows, missing = {} }) {
  const result = judged(targets, build, rows, missing);
  if (flags.json === '-') return result;
  const more = notes(result);
  console.log(`\n${name}\n\n${table(result)}\n${more === '' ? '' : `\n${more}\n`}\n${summary(result)}`);
  return result;
}

async function main() {
  if (flags.help) return console.log(USAGE);
  const core = new Core(flags.build);
  const kernels = both || flags.kernels ? (await kernelCases(core)).filter(named) : [];
  const hsm = both || flags.hsm ? HSM_CASES.filter(named) : [];
  if (flags.list) return console.log([...kernels, ...hsm].map(({ name }) => name).join('\n'));
  if (kernels.length + hsm.length === 0) throw new Error(`no case is called so: --list names them`);

  const about = {
    node: process.version,
    build: core.build,
    processor: cpus()[0].model.trim(),
    cores: availableParallelism(),
    date: new Date().toISOString(),
  };
  if (flags.json !== '-') {
    console.log(`Node ${about.node}, ${about.build} build of the core, ${about.cores} cores of ${about.processor}.`);
    console.log('Times are of one operation; a figure is the median of its rounds.');
  }
  const paces = flags.quick ? PACES.quick : PACES.full;
  const report = { ...about };

  if (kernels.length > 0) {
    const bar = progress('Kernels', kernels.length);
    const rows = [];
    for (const each of kernels) {
      bar.begin(each.name);
      rows.push(...measureKernel(core, each, paces.kernels));
      bar.done();
      // Timers and signals come through between two cases.
      await new Promise(setImmediate);
    }
    bar.end();
    report.kernels = show('Kernels on one core, against node:crypto', KERNELS, { build: core.build, rows });
  }

  if (hsm.length > 0) {
    const now = hsm.filter(({ long }) => !long || flags.long);
    const bar = progress('HSM', now.length);
    const options = {
      core,
      pace: paces.hsm,
      pkcs11js: flags.pkcs11js,
      operations: Number(flags.operations),
      long: flags.long,
    };
    const rows = await measureHsm(now, options, bar);
    bar.end();
    const missing = words.length === 0 ? Object.assign({}, MISSING, ...hsm.map((each) => each.missing)) : {};
    const name = `Through the whole HSM, ${about.cores} cells, 512 in flight unless said`;
    report.hsm = show(name, HSM, { build: core.build, rows, missing });
  }

  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (flags.json === '-') process.stdout.write(text);
  else if (flags.json !== undefined) writeFileSync(flags.json, text);
}

await main();
