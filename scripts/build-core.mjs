// Builds the crypto core. `--check` builds it anew and compares its digest with the committed one;
// `--accept` writes the digest of a changed core, which belongs in the same commit as the change.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const DIGEST_FILE = 'assembly/core.sha256';
const OUT_FILE = 'build/core.wasm';

const { error, stderr } = await asc.main(['--config', 'asconfig.json', '--target', 'plain']);
if (error) {
  process.stderr.write(stderr.toString());
  process.exit(1);
}

const binary = readFileSync(OUT_FILE);
const digest = createHash('sha256').update(binary).digest('hex');
const { instance } = await WebAssembly.instantiate(binary, {});
const { staticEnd, firstRegion } = instance.exports;
if (staticEnd() > firstRegion()) {
  console.error(
    `static data ends at ${staticEnd()}, inside the region that begins at ${firstRegion()}: see assembly/layout.ts`,
  );
  process.exit(1);
}

if (process.argv.includes('--accept')) writeFileSync(DIGEST_FILE, `${digest}\n`);
const accepted = readFileSync(DIGEST_FILE, 'utf8').trim();
if (digest !== accepted) {
  console.error(
    `core.wasm is ${digest},\nbut ${DIGEST_FILE} says ${accepted}.\nIf assembly/ was meant to change: node scripts/build-core.mjs --accept`,
  );
  if (process.argv.includes('--check')) process.exit(1);
}

mkdirSync('dist/cell', { recursive: true });
writeFileSync('dist/cell/core.wasm', binary);
writeFileSync('dist/cell/core.sha256', `${digest}\n`);
console.log(`core.wasm  ${binary.length} bytes  sha256 ${digest.slice(0, 16)}…`);
