/** The entries beside the HSM's own load no more than they need, by `import` and by `require`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Everything that loading a built file loads: files below dist, and packages. */
function loadedBy(entry: string): string[] {
  const loaded = new Set([entry]);
  for (const file of loaded) {
    if (!file.endsWith('.js')) continue;
    const text = readFileSync(join(ROOT, file), 'utf8');
    const statements = /^(?:import|export)\s[^;'"]*?from\s+['"]([^'"]+)['"]|\bimport\s*\(?['"]([^'"]+)['"]/gm;
    for (const [, named, bare] of text.matchAll(statements)) {
      const from = (named ?? bare)!;
      loaded.add(from.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), from)) : from);
    }
  }
  return [...loaded];
}

test.each([
  ['./jose', 'jose', ['decryptJwe', 'encryptJwe', 'jwks', 'signCompact', 'signJwt', 'verifyCompact', 'verifyJwt']],
  ['./webcrypto', 'doors/webcrypto', ['webcrypto']],
])('%s', (name, room, names) => {
  const loaded = loadedBy(relative(ROOT, resolve(ROOT, exports[name].default)));
  expect(loaded.length).toBeGreaterThan(5);
  const foreign = loaded.filter((file) => !file.startsWith(`dist/${room}/`));
  const parsers = ['json-bounds', 'public-key', 'encodings', 'der', 'pem', 'fields'].map(
    (file) => `dist/wire/${file}.js`,
  );
  const leaves = [
    'dist/errors.js',
    'dist/model/limits.js',
    'dist/model/values.js',
    'dist/model/algorithms.js',
    'node:crypto',
    'node:util',
    ...parsers,
  ];
  expect(foreign.filter((file) => !leaves.includes(file))).toEqual([]);

  const entry = `keycell${name.slice(1)}`;
  const print = '.then((entry) => console.log(Object.keys(entry).sort().join()))';
  for (const load of [`import('${entry}')`, `Promise.resolve(require('${entry}'))`]) {
    const printed = execFileSync(process.execPath, ['-e', load + print], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    expect(printed.trim()).toBe(names.join());
  }
});
