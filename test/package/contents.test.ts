/** What is in the tarball: all that the exports name, and nothing that leads nowhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, MANIFEST, unpack } from './support/package.ts';

const folder = emptyFolder();
unpack(folder);
const root = join(folder, 'node_modules', 'keycell');
const files = readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));

test('the folders that a user needs, and no others', () => {
  expect([...new Set(files.map((file) => file.split('/')[0]))].sort()).toEqual(
    ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'dist', 'docs', 'package.json'].sort(),
  );
});

test('every export is there', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const targets = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [target] : Object.values(target as Record<string, string>),
  );
  expect(targets.filter((target) => !existsSync(join(root, target)))).toEqual([]);
});

test('no source maps, whose sources would be missing, and no machine paths', () => {
  expect(files.filter((file) => file.endsWith('.map'))).toEqual([]);
  for (const file of files.filter((name) => /\.(m?js|ts|json)$/.test(name))) {
    const text = readFileSync(join(root, file), 'utf8');
    expect([file, /sourceMappingURL=/.test(text)]).toEqual([file, false]);
    expect([file, /["' ]\/(work|home|root|tmp)\//.test(text)]).toEqual([file, false]);
  }
});

test('what is imported is installed with it, or is a peer', () => {
  const { dependencies = {}, optionalDependencies, peerDependencies } = MANIFEST;
  const known = new Set(Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }));
  const strange = files
    // lmdb and Piscina try what they can do without.
    .filter((file) => /\.([mc]?js|d\.ts)$/.test(file) && !/^dist\/assets\/(lmdb\/|piscina|worker)/.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const targets = [...text.matchAll(/(?:^import |^} from |^(?:im|ex)port .* from |import\()["']([^"'\s]+)["']/gm)];
      return targets.map(([, target]) => [file, target!]);
    })
    .filter(([, target]) => !target!.startsWith('.') && !isBuiltin(target!) && !known.has(target!));
  expect(strange).toEqual([]);
});

test('the licences of all that is bundled', () => {
  const text = readFileSync(join(root, 'dist/THIRD-PARTY-LICENSES'), 'utf8');
  const named = [...text.matchAll(/^((?:@[\w-]+\/)?[\w-]+) \d+\.\d+\.\d+\n\n.+/gm)].map((match) => match[1]);
  const bundled = files
    .filter((file) => /\.m?js$/.test(file))
    .flatMap((file) => [
      ...readFileSync(join(root, file), 'utf8').matchAll(/^\/\/ .*node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//gm),
    ])
    .map((match) => match[1]!);
  expect(bundled).toContain('commander');
  expect(bundled.filter((name) => !named.includes(name))).toEqual([]);
});

test('nothing runs when it is installed', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts[hook]).toBeUndefined();
});

test('the copies for bundled programs are of this build', () => {
  for (const file of ['core.wasm', 'core-relaxed.wasm', 'probe.wasm', 'core.sha256']) {
    expect(readFileSync(join(root, 'dist/assets', file)).equals(readFileSync(join(root, 'dist/cell', file)))).toBe(
      true,
    );
  }
});
