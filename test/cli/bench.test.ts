/** keycell bench: what it prints and what it writes; how fast this machine is, no test can say. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fileFolder, Shell } from './support.ts';

const shell = new Shell(fileFolder());
const QUICK = ['--cells', '1', '--seconds', '0.02'];

test('every mechanism, alone and in flight, as one document', { timeout: 120_000 }, async () => {
  const before = readdirSync(shell.folder);
  const { stderr, ...told } = await shell.ok(['bench', ...QUICK, '--json']);
  const report = told.json();
  expect(stderr).toBe('');
  expect(report).toMatchObject({ cores: expect.any(Number), node: process.version, secondsEach: 0.02 });
  expect(report.results).toHaveLength(1);
  const [{ cells, rows }] = report.results;
  expect(cells).toBe(1);
  expect(rows.map(({ name }: { name: string }) => name)).toEqual([
    'sign P-256',
    'signMany P-256, 1000 a call',
    'verify P-256',
    'sign P-384',
    'sign secp256k1',
    'HMAC-SHA-256, 256 B',
    'encrypt 64 B',
    'encrypt 1024 B',
    'encrypt 65536 B',
    'wrap 32 B, AES-KW',
    'a licence, 4 keys',
  ]);
  for (const { name, loads } of rows) {
    expect(loads.map(({ inFlight }: { inFlight: number }) => inFlight)).toEqual(
      name.startsWith('signMany') ? [1] : [1, 16, 64, 512],
    );
    for (const { operationsPerSecond, p50Milliseconds, p99Milliseconds } of loads) {
      expect(operationsPerSecond).toBeGreaterThan(0);
      expect(p50Milliseconds).toBeGreaterThan(0);
      expect(p99Milliseconds).toBeGreaterThanOrEqual(p50Milliseconds);
    }
  }
  expect(readdirSync(shell.folder)).toEqual(before);
});

test('for people: a table for each number of cells, of what they asked for', { timeout: 60_000 }, async () => {
  const { stdout } = await shell.ok(['bench', ...QUICK, '--only', 'LICENCE']);
  expect(stdout).toMatch(/^1 cell +one call waits +16 in flight +p99/m);
  expect(stdout).toMatch(/^a licence, 4 keys( +[\d. {2}]+ (?:µs|ms|s)?(?:\/s)?)*/m);
  expect(stdout).not.toContain('sign P-256');
});

test('what is not among the cases, or no number of cells, is said', async () => {
  expect(await shell.run(['bench', ...QUICK, '--only', 'rot13', '--json'])).toMatchObject({ code: 2, stdout: '' });
  expect(await shell.run(['bench', '--cells', '0', '--json'])).toMatchObject({ code: 2, stdout: '' });
  expect(await shell.run(['bench', '--cells', 'all', '--json'])).toMatchObject({ code: 2, stdout: '' });
});
