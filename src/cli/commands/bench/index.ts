/** keycell bench: what this machine can do, for whoever has to size a service. */
import { availableParallelism, cpus } from 'node:os';
import { type Command, Option } from 'commander';
import { type Cli, run } from '../../context.ts';
import { UsageError } from '../../failure.ts';
import { command } from '../../group.ts';
import { seconds, whole } from '../../options.ts';
import { progress } from '../../progress.ts';
import { type Case, makeCases } from './cases.ts';
import { type Load, load } from './load.ts';
import { type Row, table } from './table.ts';

/** How many calls are in flight: one alone tells what a caller waits, the last what the cells can do at most. */
const IN_FLIGHT = [16, 64, 512];
/** V8 compiles the kernels for good while they run. */
const WARM_SHARE = 0.5;

interface Options {
  readonly cells?: number;
  readonly seconds: number;
  readonly only?: string;
}

export function bench(parent: Command): void {
  command(
    parent,
    'bench',
    'Measure what this machine can do: operations a second and what a caller waits, by mechanism, by calls in flight and\n' +
      'by cells, up to one a core; and licences a second.\n\n' +
      'All goes through the public interface, with policy, log and wiping, in an HSM in memory: no folder is touched.\n' +
      'A licence here is what its keys take: verify the proof, re-wrap 4 content keys to a device, sign. JSON and HTTP\n' +
      'of a licence server come on top.',
    ['keycell bench', 'keycell bench --only licence --cells 2', 'keycell bench --json > here.json'],
  )
    .addOption(new Option('--cells <n>', 'only so many cells').argParser(whole))
    .addOption(new Option('--seconds <s>', 'for each figure').argParser(seconds).default(0.5))
    .addOption(new Option('--only <word>', 'only what has this word in its name, as sign, P-384 or licence'))
    .action(run(task));
}

async function task(cli: Cli, options: Options): Promise<void> {
  const cores = availableParallelism();
  if (options.cells === 0) throw new UsageError('--cells is 1 or more');
  const numbers = options.cells === undefined ? Array.from({ length: cores }, (_, i) => i + 1) : [options.cells];
  const machine = { processor: cpus()[0]?.model.trim() ?? 'unknown', cores, node: process.version };
  const say = (text: string) => cli.say(text);
  say(`${machine.processor}, ${cores} cores, Node ${machine.node}; ${options.seconds} s for each figure`);

  const results: { cells: number; rows: readonly Row[] }[] = [];
  for (const cells of numbers) {
    const rows = await measure(cli, cells, options);
    results.push({ cells, rows });
    say(`\n${table(cells, IN_FLIGHT, rows, process.stdout.columns)}`);
  }
  say('\nThe main thread is shared by all cells: a service’s own work on it comes on top.');
  if (cli.json) cli.answer({ ...machine, secondsEach: options.seconds, results }, '');
}

async function measure(cli: Cli, cells: number, { seconds, only }: Options): Promise<Row[]> {
  const { openEphemeralHsm } = await import('../../../index.ts');
  const { hsm, session } = await openEphemeralHsm({ workers: cells });
  try {
    const word = (only ?? '').toLowerCase();
    const cases = (await makeCases(session, hsm.id)).filter(({ name }) => name.toLowerCase().includes(word));
    if (cases.length === 0) throw new UsageError(`nothing that is measured has "${only}" in its name`);
    const bar = await progress(cli, `measurements with ${cells} ${cells === 1 ? 'cell' : 'cells'}`);
    try {
      const rows: Row[] = [];
      for (const [i, each] of cases.entries()) {
        bar.at(i, cases.length);
        rows.push({ name: each.name, loads: await loadsOf(each, 1000 * seconds) });
      }
      return rows;
    } finally {
      bar.end();
    }
  } finally {
    await hsm.close();
  }
}

async function loadsOf({ run, check, operations }: Case, milliseconds: number): Promise<Load[]> {
  await check();
  const most = operations === undefined ? Math.max(...IN_FLIGHT) : 1;
  await load(run, most, WARM_SHARE * milliseconds);
  const loads: Load[] = [];
  for (const inFlight of operations === undefined ? [1, ...IN_FLIGHT] : [1]) {
    loads.push(await load(run, inFlight, milliseconds, operations));
  }
  return loads;
}
