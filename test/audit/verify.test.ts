/** Every alteration is found, and named at the place where it begins. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openAuditLog } from '../../src/audit/file.ts';
import { verifyAuditLog } from '../../src/audit/verify.ts';
import { temporaryFolder } from '../support/child.ts';

const ENTRIES = 11; // so that seq has one digit and two
let whole: Buffer;
let lines: string[];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keycell-test-'));
  const log = await openAuditLog(join(folder, 'audit.log'));
  for (let i = 1; i <= ENTRIES; i++) await log.append([JSON.stringify({ op: 'sign', n: i, s: 'ä"\\u000a' })]);
  await log.close();
  whole = readFileSync(join(folder, 'audit.log'));
  lines = whole.toString().split('\n').slice(0, -1);
  rmSync(folder, { recursive: true });
});

const newPath = () => join(temporaryFolder(), 'audit.log');

test('every single altered byte is found and its line named, by verifying and by opening', async () => {
  const path = newPath();
  let line = 1;
  for (let at = 0; at < whole.length; at++) {
    const original = whole[at] as number;
    for (const flip of [1 << (at % 8), 0xff, original, original ^ 0x0a, original ^ 0x20]) {
      if (flip === 0) continue;
      const altered = Buffer.from(whole);
      altered[at] = original ^ flip;
      writeFileSync(path, altered);
      const verdict = await verifyAuditLog(path);
      expect(verdict, `byte ${at} ^ ${flip}`).toMatchObject({ ok: false, line, seq: line });
      if (at % 3 === 0 || at === whole.length - 1) {
        await expect(openAuditLog(path), `byte ${at} ^ ${flip}`).rejects.toMatchObject({
          code: 'KEYCELL_AUDIT_CORRUPT',
        });
        expect(Buffer.compare(readFileSync(path), altered)).toBe(0);
      }
    }
    if (original === 0x0a) line++;
  }
}, 60_000);

test('inserted and removed bytes are found', async () => {
  const path = newPath();
  for (let at = 0; at < whole.length - 1; at += 7) {
    const line = whole.subarray(0, at).filter((byte) => byte === 0x0a).length + 1;
    for (const insert of ['', ' ', '\n', '{', '\0']) {
      const removed = insert === '' ? 1 : 0;
      writeFileSync(path, Buffer.concat([whole.subarray(0, at), Buffer.from(insert), whole.subarray(at + removed)]));
      // A line feed before a line feed is one behind it as well: the empty line is the bad one.
      const named = insert === '\n' && whole[at] === 0x0a ? line + 1 : line;
      expect(await verifyAuditLog(path), `byte ${at} "${insert}"`).toMatchObject({ ok: false, line: named });
    }
  }
});

test('dropped, doubled, swapped and foreign lines are found where they begin', async () => {
  const path = newPath();
  const verify = (altered: string[]) => {
    writeFileSync(path, altered.map((line) => `${line}\n`).join(''));
    return verifyAuditLog(path);
  };
  for (let i = 0; i < ENTRIES; i++) {
    const line = lines[i] as string;
    if (i < ENTRIES - 1) {
      expect(await verify(lines.toSpliced(i, 1))).toMatchObject({
        ok: false,
        line: i + 1,
        reason: expect.stringContaining(`entry ${i + 2} stands where entry ${i + 1} belongs`),
      });
      expect(await verify(lines.toSpliced(i, 2, lines[i + 1] as string, line))).toMatchObject({
        ok: false,
        line: i + 1,
      });
    }
    expect(await verify(lines.toSpliced(i, 0, line))).toMatchObject({ ok: false, line: i + 2 });
    expect(await verify(lines.toSpliced(i, 0, ''))).toMatchObject({ ok: false, line: i + 1 });
    // An entry whose seq was made to fit still doesn't fit the chain.
    const moved = (lines[(i + 3) % ENTRIES] as string).replace(/^\{"seq":\d+/, `{"seq":${i + 1}`);
    expect(await verify(lines.toSpliced(i, 1, moved))).toMatchObject({ ok: false, line: i + 1 });
  }
  expect(await verify(lines)).toMatchObject({ ok: true, entries: ENTRIES });
  expect(await verify([])).toEqual({ ok: true, entries: 0, head: { seq: 0, hash: '0'.repeat(64) } });
});

test('other spellings of the same JSON are refused', async () => {
  const path = newPath();
  for (const [from, to] of [
    ['{"seq":1,', '{ "seq":1,'],
    ['{"seq":1,', '{"seq":01,'],
    ['{"seq":1,', '{"seq":1.0,'],
    ['{"op"', '{ "op"'],
    ['}}\n', '} }\n'],
    ['}}\n', '}}\r\n'],
  ] as const) {
    writeFileSync(path, whole.toString().replace(from, to));
    expect(await verifyAuditLog(path)).toMatchObject({ ok: false, line: 1 });
  }
  writeFileSync(
    path,
    whole.toString().replace(/"hash":"[0-9a-f]{64}/, (hash) => `"hash":"${hash.slice(8).toUpperCase()}`),
  );
  expect(await verifyAuditLog(path)).toMatchObject({ ok: false, line: 1 });
});

test('bodies are given to their checker, whose verdict is named', async () => {
  const path = newPath();
  writeFileSync(path, whole);
  const seen: number[] = [];
  const good = await verifyAuditLog(path, {
    checkBody: (body, seq) => seen.push(seq) > 0 && JSON.parse(body).n === seq,
  });
  expect(good.ok).toBe(true);
  expect(seen).toEqual(Array.from({ length: ENTRIES }, (_, i) => i + 1));
  const bad = await verifyAuditLog(path, { checkBody: async (_, seq) => seq !== 7 });
  expect(bad).toMatchObject({ ok: false, line: 7, seq: 7, reason: expect.stringContaining('not authentic') });
});

test('a log larger than the window is read in constant memory, with progress', async () => {
  const path = newPath();
  const log = await openAuditLog(path);
  const long = `{"a":"${'y'.repeat(700_000)}"}`;
  for (let i = 0; i < 9; i++) await log.append([long, '{"b":1}']);
  await log.close();
  const progress: number[] = [];
  const verdict = await verifyAuditLog(path, { onProgress: ({ bytes }) => progress.push(bytes) });
  expect(verdict).toMatchObject({ ok: true, entries: 18 });
  expect(progress.length).toBeGreaterThan(2);
  expect(progress.at(-1)).toBe(readFileSync(path).length);

  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(5_000_000, 0x78)]));
  expect(await verifyAuditLog(path)).toMatchObject({ ok: false, line: 19, reason: expect.stringContaining('longer') });
});
