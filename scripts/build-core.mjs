// Builds the crypto core, plain and relaxed, and the probe that chooses. `--check` compares their digests with the
// committed ones; `--accept` writes the digests of a changed core, which belong in the same commit as the change.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const DIGESTS = 'assembly/core.sha256';
const MODULES = [
  { file: 'core.wasm', options: ['--config', 'asconfig.json', '--target', 'plain'] },
  { file: 'core-relaxed.wasm', options: ['--config', 'asconfig.json', '--target', 'relaxed'] },
  { file: 'probe.wasm', options: ['--config', 'assembly/probe.json'] },
];

const digests = [];
mkdirSync('dist/cell', { recursive: true });
for (const { file, options } of MODULES) {
  const { error, stderr } = await asc.main(options);
  if (error) fail(stderr.toString());
  const binary = readFileSync(`build/${file}`);
  checkLayout(file, binary);
  const digest = createHash('sha256').update(binary).digest('hex');
  digests.push(`${digest}  ${file}\n`);
  writeFileSync(`dist/cell/${file}`, binary);
  console.log(`${file.padEnd(17)} ${String(binary.length).padStart(6)} bytes  sha256 ${digest.slice(0, 16)}…`);
}
writeFileSync('dist/cell/core.sha256', digests.join(''));

if (process.argv.includes('--accept')) writeFileSync(DIGESTS, digests.join(''));
const accepted = readFileSync(DIGESTS, 'utf8');
if (digests.join('') !== accepted) {
  console.error(
    `The core is\n${digests.join('')}but ${DIGESTS} says\n${accepted}` +
      'If assembly/ was meant to change: node scripts/build-core.mjs --accept',
  );
  if (process.argv.includes('--check')) process.exit(1);
}

/** Static data must end below the first mapped region. The relaxed build is refused by Node 20, and has the same layout. */
function checkLayout(file, binary) {
  if (!WebAssembly.validate(binary)) return;
  const { staticEnd, firstRegion } = new WebAssembly.Instance(new WebAssembly.Module(binary), {}).exports;
  if (staticEnd === undefined || staticEnd() <= firstRegion()) return;
  fail(`${file}: static data ends at ${staticEnd()}, past ${firstRegion()}, where regions begin: assembly/layout.ts`);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
