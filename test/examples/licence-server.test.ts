/** The example as a whole, in small: it compiles against what the package exports, and its report has nothing to complain of. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../examples/licence-server/report.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const node = (args: string[], env = {}) =>
  run(process.execPath, args, { cwd: root, maxBuffer: 1 << 24, env: { ...process.env, ...env } });

let temporary: string;
let report: Report & { readonly complaints: readonly string[] };

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'keycell-test-'));
  await node(['node_modules/typescript/bin/tsc', '-p', 'examples/tsconfig.json']);
  // A demo that finds fault ends with 1, but says on stdout what it found.
  const { stdout } = await node(['build/examples/licence-server/demo.js', '--quick', '--json'], {
    TMPDIR: temporary,
  }).catch((error) => {
    if (error.stdout) return error as { stdout: string };
    throw error;
  });
  report = JSON.parse(stdout);
}, 110_000);

test('finds nothing to complain of', () => {
  expect(report.complaints).toEqual([]);
});

test('serves every request, through a rotation and the loss of a cell', () => {
  expect(report.run).toMatchObject({ requests: 1000, failed: 0, failures: [], licenceKeys: 2 });
  expect(report.run.keysOpened).toBeGreaterThanOrEqual(1000);
  expect(report.run.samplesDecrypted).toBe(report.run.keysOpened);
  expect(report.rotation.publishedKeys).toBe(2);
  expect(report.rotation.startedAt).toBeGreaterThan(0);
  expect(report.rotation.endedAt).toBeLessThan(1000);
  expect(report.killedCell.restarts).toBeGreaterThan(0);
});

test.each(['keycell', 'node'] as const)('%s refuses entitlements that do not hold', (variant) => {
  const answers = Object.fromEntries(
    report.refused[variant].map(({ entitlement, status, body }) => [entitlement, [status, JSON.parse(body).error]]),
  );
  expect(answers).toEqual({
    forged: [403, 'entitlement refused'],
    expired: [403, 'entitlement refused'],
    foreign: [403, 'entitlement refused'],
    replayed: [403, 'entitlement used before'],
    'one without the kid': [403, 'not entitled to a kid'],
  });
});

test("the thief gets the one title that was paid for, and is refused all else by the HSM's policy, five times", () => {
  expect(report.thief.map(({ refused }) => refused)).toEqual(Array(5).fill('KEYCELL_PERMISSION_DENIED'));
  const attempts = report.thief.map(({ attempt }) => attempt);
  expect(attempts).toContain('re-wrap one title on the proof of another');
  expect(attempts).toContain('slip one in among those paid for');
});

test.runIf(process.platform === 'linux')('no content key lies in memory, by a search that finds what is there', () => {
  expect(report.memory.keycell).toMatchObject({ available: true, copies: 0, keysSearched: report.contentKeys });
  for (const memory of Object.values(report.memory)) expect(memory.available && memory.canary).toBeGreaterThan(0);
});

test('the check of the log names the altered entry', () => {
  expect(report.log.entries).toBeGreaterThan(100);
  expect(report.log.named?.seq).toBe(report.log.alteredEntry);
  expect(report.log.named?.reason).toContain("doesn't match its hash");
});

test('measures both variants, with one key and with four', () => {
  for (const speeds of Object.values(report.speed)) {
    expect(speeds.map(({ keys, failed }) => [keys, failed])).toEqual([
      [1, 0],
      [4, 0],
    ]);
    for (const { perSecond, cpuMs, p50Ms, p99Ms } of speeds) {
      expect(Math.min(perSecond, cpuMs, p50Ms)).toBeGreaterThan(0);
      expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    }
  }
});

test('leaves nothing behind', async () => {
  expect(await readdir(temporary)).toEqual([]);
});

afterAll(() => rmdir(temporary));
