// `npm run measure:size`: the package as npm would publish it, and an empty folder after it is installed there.
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'keycell-size-'));
const npm = (cwd, ...args) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const sizeOf = (path) => {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
};
const show = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`);

try {
  const [packed] = JSON.parse(npm('.', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder));
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  npm(folder, 'install', '--ignore-scripts', '--no-audit', '--no-fund', packed.filename);
  const modules = join(folder, 'node_modules');
  const native = sizeOf(join(modules, '@lmdb'));
  console.log(`packed ${show(packed.size)}, unpacked ${show(packed.unpackedSize)} in ${packed.entryCount} files`);
  const { packages } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'));
  const all = `${Object.keys(packages).length} packages, ${show(sizeOf(modules))}`;
  console.log(`installed ${all}, of which ${show(native)} are lmdb's binaries`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
