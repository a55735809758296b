/**
 * `npm run vectors -- FOLDER…`: every file of Wycheproof's schemas in these folders through an HSM in memory, by its public
 * interface. Prints passed, failed and refused-by-design a file; files of families that have nothing to do with us are named
 * and left. Exit code 1 if a test failed or a file of a known family could not be read, 2 for wrong usage.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { openEphemeralHsm } from 'keycell';
import { familyOf, runFile, Unreadable } from './run.mjs';

const { values: flags, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true });
if (positionals.length === 0) {
  console.error(
    'usage: npm run vectors -- [--json] FOLDER…\n\nA folder of Wycheproof files (testvectors_v1), or single files.',
  );
  process.exit(2);
}

/** @param {string} path @returns {Promise<string[]>} */
async function jsonFiles(path) {
  if ((await stat(path)).isFile()) return [path];
  const names = await readdir(path, { recursive: true });
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(path, name));
}

const reports = [];
const unreadable = [];
const foreign = [];
const files = (await Promise.all(positionals.map(jsonFiles))).flat();
if (files.length === 0) {
  console.error(`No .json files in ${positionals.join(', ')}.`);
  process.exit(2);
}
const showsProgress = process.stderr.isTTY && !flags.json;
const bar = new SingleBar({
  format: '{bar} {value}/{total} files · {file}',
  stream: process.stderr,
  clearOnComplete: true,
});
if (showsProgress) bar.start(files.length, 0, { file: '' });
const { hsm, session } = await openEphemeralHsm();
for (const path of files) {
  const file = relative('.', path);
  try {
    const content = parse(await readFile(path, 'utf8'));
    if (familyOf(content) === undefined) foreign.push({ file, schema: content.schema });
    else reports.push(await runFile(session, file, content));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    unreadable.push({ file, why: error.message });
  }
  if (showsProgress) bar.increment(1, { file });
}
if (showsProgress) bar.stop();
await hsm.close();

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Unreadable(error.message);
  }
}

if (flags.json) console.log(JSON.stringify({ reports, unreadable, foreign }, null, 2));
else print();
process.exitCode = unreadable.length > 0 || reports.some(({ failed }) => failed > 0) ? 1 : 0;

function print() {
  const width = Math.max(4, ...reports.map(({ file }) => file.length));
  const line = (name, passed, failed, refused) =>
    console.log(
      `${String(name).padEnd(width)}  ${String(passed).padStart(7)}  ${String(failed).padStart(7)}  ${String(refused).padStart(7)}`,
    );
  line('file', 'passed', 'failed', 'refused');
  for (const { file, passed, failed, refused, reasons, failures } of reports) {
    line(file, passed, failed, refused);
    for (const [reason, count] of Object.entries(reasons)) console.log(`    ${count} refused by design: ${reason}`);
    for (const { tcId, what } of failures.slice(0, 10)) console.log(`    FAILED test ${tcId}: ${what}`);
    if (failures.length > 10) console.log(`    … and ${failures.length - 10} more`);
  }
  const sum = (of) => reports.reduce((total, report) => total + of(report), 0);
  line(
    `${reports.length} files`,
    sum((r) => r.passed),
    sum((r) => r.failed),
    sum((r) => r.refused),
  );
  if (foreign.length > 0) {
    const schemas = [...new Set(foreign.map(({ schema }) => schema))];
    console.log(`\n${foreign.length} files of other families were left: ${schemas.join(', ')}`);
  }
  for (const { file, why } of unreadable) console.log(`\nUNREADABLE ${file}: ${why}`);
}
