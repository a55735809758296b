/** The package as npm would publish it, made from dist/ as it is now, and folders that know nothing else of the project. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
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

export function run(folder: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = ENV): string {
  try {
    return execFileSync(command, args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
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
export const NPM_FLAGS = [
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--prefer-offline',
  '--fetch-timeout=15000',
  '--fetch-retries=4',
  '--fetch-retry-mintimeout=500',
];

export const npmInstall = (folder: string, what: string): string => run(folder, 'npm', ['install', ...NPM_FLAGS, what]);
