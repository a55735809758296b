/** Folders and files that are something else, or that the system keeps back: each is an HsmError, and nothing hangs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/child.ts';
import { bytes, codeOf, errorOf, make, open, PASSPHRASE } from './support/hsm.ts';

const unseal = () => bytes(PASSPHRASE);

describe('a path', () => {
  test('that is a file, or leads through one', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, 'not a folder');
    for (const path of [file, join(file, 'deeper')]) {
      const error = await errorOf(open({ path }));
      expect(error).toMatchObject({ code: 'KEYCELL_INPUT_INVALID', retryable: false });
      expect(error.message).toContain(`path is the folder of the HSM, and ${path}`);
      expect(error.cause).toBeInstanceOf(Error);
    }
  });

  test('that no file system takes', async () => {
    expect(await codeOf(open({ path: 'a\0b' }))).toBe('KEYCELL_INPUT_INVALID');
    for (const path of ['/proc/keycell', '/proc/1/keycell/deeper', join(temporaryFolder(), 'x'.repeat(300))]) {
      const error = await errorOf(open({ path }));
      expect(error.code).toBe('KEYCELL_STORE_UNAVAILABLE');
      expect(error.message).toContain(`The folder ${path} can't be opened`);
    }
  });
});

/** What can stand under a name instead of a file. */
const OTHERS: Record<string, (path: string) => unknown> = {
  'a folder': (path) => mkdirSync(path),
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'a socket': async (path) => {
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(path, resolve));
  },
};

describe.each(Object.keys(OTHERS))('%s', (kind) => {
  test('under the name of the store', async () => {
    const path = temporaryFolder();
    await OTHERS[kind]!(join(path, 'keycell.mdb'));
    const error = await errorOf(open({ path }));
    expect(error.code).toBe('KEYCELL_STORE_CORRUPT');
    expect(error.message).toContain('it is not a file');
  });

  test('under the name of the log', async () => {
    const path = temporaryFolder();
    await OTHERS[kind]!(join(path, 'audit.log'));
    const error = await errorOf(open({ path }));
    expect(error.code).toBe('KEYCELL_AUDIT_UNAVAILABLE');
    expect(error.message).toContain(`${join(path, 'audit.log')} can't be opened`);
  });

  test('where the log was, while the HSM is open: found by check', async () => {
    const { path, hsm } = await make();
    const away = join(temporaryFolder(), 'audit.log');
    renameSync(join(path, 'audit.log'), away);
    await OTHERS[kind]!(join(path, 'audit.log'));
    expect(await codeOf(hsm.check())).toBe('KEYCELL_AUDIT_UNAVAILABLE');
    rmSync(join(path, 'audit.log'), { recursive: true });
    expect(await codeOf(hsm.check())).toBe('KEYCELL_AUDIT_MISSING');
    renameSync(away, join(path, 'audit.log'));
    await hsm.check();
    await hsm.close();
    await open({ path, unseal });
  });
});

/** What the script says under a limit of open files. */
function withFewDescriptors(...args: string[]): string[] {
  const script = fileURLToPath(new URL('support/descriptors.mjs', import.meta.url));
  const command = ['-c', 'ulimit -n 100 && exec "$0" "$@"', process.execPath, script, temporaryFolder(), ...args];
  return execFileSync('sh', command, { encoding: 'utf8' }).trim().split('\n');
}

test('a process without descriptors: refused by the system, not ended by it, and it opens when there are some', () => {
  const lines = withFewDescriptors();
  expect(lines.pop()).toBe('opened');
  const outcomes = lines.map((line) => JSON.parse(line) as [number, string]);
  expect(outcomes.map(([left]) => left)).toEqual([0, 1, 2, 3, 4, 5]);
  for (const [, code] of outcomes) expect(code).toMatch(/^KEYCELL_(STORE|AUDIT)_UNAVAILABLE$/);
});

test('modules that could not be loaded for want of a descriptor: refused before Node remembers it', () => {
  expect(withFewDescriptors('first').map((line) => JSON.parse(line))).toEqual([[0, 'KEYCELL_STORE_UNAVAILABLE']]);
});

test.each([
  [['--jitless'], 'KEYCELL_INPUT_INVALID', '--jitless'],
  [['--experimental-permission', '--allow-fs-read=*'], 'KEYCELL_STORE_UNAVAILABLE', 'Keycell needs to'],
])('a Node that may not do what is needed: %o', (flags, code, advice) => {
  const entry = new URL('../../dist/index.js', import.meta.url);
  const program = `
    const { HsmError, openHsm } = await import(${JSON.stringify(entry)});
    const error = await openHsm({ path: process.argv[1], create: true, workers: 1 }).catch((error) => error);
    console.log(JSON.stringify([error instanceof HsmError, error.code, error.message]));`;
  const args = [...flags, '--input-type=module', '-e', program, join(temporaryFolder(), 'hsm')];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  expect(JSON.parse(said)).toEqual([true, code, expect.stringContaining(advice)]);
});
