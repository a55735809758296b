/** `npm run vectors` over the files beside this project, and over files made to break it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { WYCHEPROOF } from '../support/vectors.ts';

const RUNNER = fileURLToPath(new URL('../../scripts/vectors/index.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'keycell-vectors-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Report {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly refused: number;
  readonly reasons: Record<string, number>;
  readonly failures: { readonly tcId: number; readonly what: string }[];
  readonly acceptable: { readonly accepted: number; readonly rejected: number };
}
interface Result {
  readonly exit: number;
  readonly reports: Report[];
  readonly unreadable: { readonly file: string; readonly why: string }[];
  readonly foreign: { readonly file: string; readonly schema: string }[];
}

const run = (...paths: string[]) =>
  new Promise<{ exit: number; stdout: string; stderr: string }>((resolve) => {
    // The flag for relaxed SIMD on Node 20, where this process has it.
    const flags = process.execArgv.filter((flag) => flag.startsWith('--experimental-wasm'));
    execFile(process.execPath, [...flags, RUNNER, ...paths], { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });

async function vectors(...paths: string[]): Promise<Result> {
  const { exit, stdout } = await run('--json', ...paths);
  return { exit, ...JSON.parse(stdout) };
}

/** A file of the set, changed, in the temporary folder. */
// biome-ignore lint/suspicious/noExplicitAny: the file is broken on purpose
function altered(name: string, change: (content: any) => unknown): string {
  const content = JSON.parse(readFileSync(join(WYCHEPROOF, name), 'utf8'));
  const path = join(folder, `${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(path, JSON.stringify(change(content) ?? content));
  return path;
}

describe('npm run vectors', () => {
  test('every test of the files beside this project passes, or is refused for a reason given', async () => {
    const { exit, reports, unreadable, foreign } = await vectors(WYCHEPROOF);
    const found = Object.fromEntries(
      reports.map(({ file, passed, failed, refused, reasons, acceptable }) => [
        basename(file, '_test.json'),
        { passed, failed, refused, reasons, acceptable },
      ]),
    );
    const nothingOpen = { accepted: 0, rejected: 0 };
    const all = (passed: number) => ({ passed, failed: 0, refused: 0, reasons: {}, acceptable: nothingOpen });
    expect(found).toEqual({
      aes_kwp: all(254),
      aes_wrap: { ...all(165), acceptable: { accepted: 0, rejected: 3 } },
      ecdh_secp256r1: { ...all(612), acceptable: { accepted: 11, rejected: 219 } },
      ecdsa_secp256k1_sha256_p1363: all(252),
      ecdsa_secp256r1_sha256: all(484),
      ecdsa_secp384r1_sha384_p1363: all(280),
      hkdf_sha256: { ...all(83), refused: 3, reasons: { 'a key has at most 4096 bits': 3 } },
      hmac_sha256: { ...all(141), refused: 33, reasons: { 'a MAC is verified whole': 33 } },
    });
    expect({ exit, unreadable, foreign }).toEqual({ exit: 0, unreadable: [], foreign: [] });
  });

  test('a table for people ends with the sums', async () => {
    const { exit, stdout } = await run(join(WYCHEPROOF, 'aes_wrap_test.json'));
    expect(exit).toBe(0);
    expect(stdout).toMatch(/aes_wrap_test\.json +165 +0 +0\n1 files +165 +0 +0\n$/);
  });

  test('an invalid test that is said to be valid fails, and so does a valid one said to be invalid', async () => {
    const swap = altered('ecdsa_secp256r1_sha256_test.json', (content) => {
      const tests = content.testGroups.flatMap((group: { tests: { result: string }[] }) => group.tests);
      tests.find((each: { result: string }) => each.result === 'invalid').result = 'valid';
      tests.findLast((each: { result: string }) => each.result === 'valid').result = 'invalid';
    });
    const { exit, reports } = await vectors(swap);
    expect([exit, reports[0]!.failed]).toEqual([1, 2]);
    expect(reports[0]!.failures.map(({ what }) => what).sort()).toEqual([
      'refused, and must not be',
      'taken, and must not be',
    ]);
  });

  test('a result that differs from the file fails', async () => {
    const other = altered('aes_wrap_test.json', (content) => {
      content.testGroups[0].tests[0].msg = '00'.repeat(16);
    });
    const { exit, reports } = await vectors(other);
    expect([exit, reports[0]!.failures[0]!.what]).toEqual([1, 'another result than the file says']);
  });

  test('a flag that nobody has decided about fails', async () => {
    const open = altered('aes_wrap_test.json', (content) => {
      Object.assign(content.testGroups[0].tests[0], { result: 'acceptable', flags: ['NeverSeen'] });
    });
    const { exit, reports } = await vectors(open);
    expect([exit, reports[0]!.failures[0]!.what]).toEqual([1, 'nothing is decided about the flags NeverSeen']);
  });

  test.each([
    ['no groups', (content: { testGroups: unknown }) => Object.assign(content, { testGroups: null })],
    ['another number of tests', (content: { numberOfTests: number }) => Object.assign(content, { numberOfTests: 1 })],
    [
      'a test without its ciphertext',
      (content: { testGroups: { tests: { ct?: string }[] }[] }) => {
        delete content.testGroups[0]!.tests[0]!.ct;
      },
    ],
    [
      'an unknown result',
      (content: { testGroups: { tests: { result: string }[] }[] }) => {
        content.testGroups[0]!.tests[0]!.result = 'maybe';
      },
    ],
  ])('a file of a known family that cannot be read fails: %s', async (_, change) => {
    const { exit, unreadable } = await vectors(altered('aes_wrap_test.json', change));
    expect([exit, unreadable.length]).toEqual([1, 1]);
  });

  test('what is not JSON fails', async () => {
    const path = join(folder, 'torn.json');
    writeFileSync(path, '{"schema": "aead_test');
    expect((await vectors(path)).exit).toBe(1);
  });

  test('another family is named and left; an algorithm we do not offer is refused by design', async () => {
    const foreign = altered('aes_wrap_test.json', (content) => {
      content.schema = 'eddsa_verify_schema_v1.json';
    });
    const aria = altered('aes_wrap_test.json', (content) => {
      content.algorithm = 'ARIA-WRAP';
    });
    const result = await vectors(foreign, aria);
    expect(result.exit).toBe(0);
    expect(result.foreign.map(({ schema }) => schema)).toEqual(['eddsa_verify_schema_v1.json']);
    expect(result.reports[0]!.reasons).toEqual({ 'the key wrap ARIA-WRAP is not offered': 165 });
  });

  test('no folder is wrong usage, and so is an empty one', async () => {
    expect((await run()).exit).toBe(2);
    const empty = mkdtempSync(join(folder, 'empty-'));
    const { exit, stderr } = await run(empty);
    expect([exit, stderr]).toEqual([2, `No .json files in ${empty}.\n`]);
  });
});
