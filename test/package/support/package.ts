/** The package as npm would publish it, made from dist/ as it is now, and folders that know nothing else of the project. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** What npm set for the run of the tests is not the consumer's. */
export const ENV = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|INIT_CWD$|NODE_(ENV|OPTIONS|PATH)$)/i.test(name)),
);

/** A new folder that is removed when the file's tests are over. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keycell-package-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function run(
  folder: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = ENV,
  timeout = 0,
): string {
  try {
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    return execFileSync(command, args, { cwd: folder, env, encoding: 'utf8', stdio: [...stdio], timeout });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}

export const node = (folder: string, ...args: string[]): string => run(folder, process.execPath, args);

/** The tarball; scripts off, since `dist` is there already. */
export function pack(folder: string): string {
  const [made] = JSON.parse(run(ROOT, 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]));
  return join(folder, made.filename);
}

/** Unpack the tarball where an install would put it, beside links to packages that the project has installed. */
export function unpack(folder: string, ...others: string[]): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'keycell'), { recursive: true });
  run(folder, 'tar', ['xzf', pack(folder), '-C', join(modules, 'keycell'), '--strip-components=1']);
  for (const name of others) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
}

/** A stalled connection is given up and tried again, not waited for. */
const NPM_FLAGS = [
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--prefer-offline',
  '--fetch-timeout=15000',
  '--fetch-retries=2',
  '--fetch-retry-mintimeout=500',
];
/** The same for commands that are not ours to change. */
const NPM_SETTINGS = Object.fromEntries(
  NPM_FLAGS.map((flag) => {
    const [, no, name, value] = /^--(no-)?([\w-]+)=?(.*)$/.exec(flag)!;
    return [`npm_config_${name!.replaceAll('-', '_')}`, value || String(no === undefined)];
  }),
);
const STALLED = 45_000;
const TRIES = 4;

/** The same for what npm itself does not give up. */
function patiently(folder: string, command: string, args: readonly string[], settings = {}): string {
  const env = { ...ENV, npm_config_update_notifier: 'false', ...settings };
  for (let tries = 1; ; tries++) {
    try {
      return run(folder, command, args, env, STALLED);
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}

/** A page's shell, as its reader runs it. */
export const shell = (folder: string, script: string): string =>
  patiently(folder, 'bash', ['-euo', 'pipefail', '-c', script], NPM_SETTINGS);

export const npmInstall = (folder: string, what: string): string =>
  patiently(folder, 'npm', ['install', ...NPM_FLAGS, what]);

/** Another major version of npm, which `build/` keeps for the next run. */
export function npmOf(major: string): (folder: string, ...args: string[]) => string {
  const home = join(ROOT, 'build', `npm-${major}`);
  const program = join(home, 'bin', 'npm-cli.js');
  if (!existsSync(program)) {
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    const fresh = mkdtempSync(join(ROOT, 'build', `npm-${major}-`));
    const [made] = JSON.parse(patiently(fresh, 'npm', ['pack', '--json', ...NPM_FLAGS, `npm@${major}`]));
    run(fresh, 'tar', ['xzf', made.filename, '--strip-components=1']);
    renameSync(fresh, home);
  }
  return (folder, ...args) => patiently(folder, process.execPath, [program, ...args, ...NPM_FLAGS]);
}
