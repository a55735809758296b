/** The log as a file: groups, crashes, full disks. */
import { createHash } from 'node:crypto';
import { closeSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openAuditLog } from '../../src/audit/file.ts';
import type { AuditLog } from '../../src/audit/log.ts';
import { memoryAuditLog } from '../../src/audit/memory.ts';
import { verifyAuditLog } from '../../src/audit/verify.ts';
import { runNode, temporaryFolder } from '../support/child.ts';
import { needs } from '../support/tools.ts';

const newPath = () => join(temporaryFolder(), 'audit.log');
const body = (i: number) => JSON.stringify({ op: 'sign', i, text: 'ä€🔑' });

async function logOf(path: string, entries: number): Promise<Buffer> {
  const log = await openAuditLog(path);
  await log.append(Array.from({ length: entries }, (_, i) => body(i)));
  await log.close();
  return readFileSync(path);
}

test('a line is what the format says, and its hash can be computed by anyone', async () => {
  const path = newPath();
  const log = await openAuditLog(path);
  expect(log.head).toEqual({ seq: 0, hash: '0'.repeat(64) });
  const head = await log.append([body(1), body(2)]);
  await log.close();
  const hash = (previous: string, seq: number, text: string) =>
    createHash('sha256').update(`keycell/audit-chain/1\n${previous}\n${seq}\n${text}`, 'utf8').digest('hex');
  const first = hash('0'.repeat(64), 1, body(1));
  const second = hash(first, 2, body(2));
  expect(head).toEqual({ seq: 2, hash: second });
  expect(readFileSync(path, 'utf8')).toBe(
    `{"seq":1,"hash":"${first}","body":${body(1)}}\n{"seq":2,"hash":"${second}","body":${body(2)}}\n`,
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
  for (const line of readFileSync(path, 'utf8').trim().split('\n')) expect(JSON.parse(line).body.op).toBe('sign');
});

test('memory and file make the same chain', async () => {
  const memory = memoryAuditLog();
  const file = await openAuditLog(newPath());
  for (const log of [memory, file]) {
    await log.append([body(1)]);
    await log.append([]);
    await log.append([body(2), body(3)]);
    await log.sync();
  }
  expect(memory.head).toEqual(file.head);
  expect(memory.head.seq).toBe(3);
  for (const log of [memory, file]) {
    await log.close();
    await expect(log.append([body(4)])).rejects.toMatchObject({ code: 'KEYCELL_CLOSING' });
  }
});

test('many appends at once keep their order, share writes, and go on after opening again', async () => {
  const path = newPath();
  for (let round = 0; round < 3; round++) {
    const log = await openAuditLog(path);
    expect(log.recovered).toBeUndefined();
    const heads = await Promise.all(Array.from({ length: 400 }, (_, i) => log.append([body(i), body(-i)])));
    expect(heads.map(({ seq }) => seq)).toEqual(Array.from({ length: 400 }, (_, i) => round * 800 + 2 * i + 2));
    await Promise.all([log.sync(), log.sync(), log.append([]), log.close(), log.close()]);
    expect(await verifyAuditLog(path)).toEqual({ ok: true, entries: (round + 1) * 800, head: heads.at(-1) });
    for (const head of heads.filter((_, i) => i % 50 === 0))
      expect((await verifyAuditLog(path, { expect: head })).ok).toBe(true);
  }
}, 30_000);

test('a body that would break the file is refused and nothing of its call is appended', async () => {
  const log = await openAuditLog(newPath());
  for (const bad of [
    '',
    '{',
    'text',
    '[1]',
    '{}\n',
    '{"a":"\n"}',
    `{"a":"${'x'.repeat(1 << 20)}"}`,
    1 as unknown as string,
  ]) {
    await expect(log.append([body(1), bad])).rejects.toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
  }
  expect(log.head.seq).toBe(0);
  await log.append([`{"a":"${'x'.repeat((1 << 20) - 8)}"}`]);
  await log.close();
});

test('an unfinished last line is cut off, at every byte of the last two lines', async () => {
  const path = newPath();
  const whole = await logOf(path, 4);
  const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1);
  for (let length = ends[1] as number; length <= whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    const lines = ends.filter((end) => end <= length).length;
    const end = lines === 0 ? 0 : (ends[lines - 1] as number);
    const lacksOnlyFeed = ends.includes(length + 1);
    if (length !== end) expect(await verifyAuditLog(path)).toMatchObject({ ok: false, line: lines + 1, offset: end });
    const log = await openAuditLog(path);
    const bytes = length - end;
    expect(log.recovered).toEqual(
      bytes === 0 ? undefined : { offset: end, bytes, action: lacksOnlyFeed ? 'completed' : 'cut' },
    );
    expect(log.head.seq).toBe(lines + (lacksOnlyFeed ? 1 : 0));
    await log.append([body(99)]);
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ ok: true, entries: lines + (lacksOnlyFeed ? 2 : 1) });
  }
});

test('zeros at the end, where a file had grown and its data had not come, are cut off too', async () => {
  const path = newPath();
  const whole = await logOf(path, 3);
  for (const kept of [whole.length, whole.length - 50]) {
    writeFileSync(path, Buffer.concat([whole.subarray(0, kept), Buffer.alloc(300)]));
    const log = await openAuditLog(path);
    expect(log.recovered?.action).toBe('cut');
    expect(log.head.seq).toBe(kept === whole.length ? 3 : 2);
    await log.close();
  }
});

test('what is remembered must be there', async () => {
  const path = newPath();
  const whole = await logOf(path, 5);
  const verdict = await verifyAuditLog(path);
  const head = (verdict as { head: AuditLog['head'] }).head;
  await (await openAuditLog(path, { expect: head })).close();
  await (await openAuditLog(path, { expect: { seq: 0, hash: '0'.repeat(64) } })).close();
  const refused = { code: 'KEYCELL_AUDIT_CORRUPT' };
  const other = { seq: 5, hash: 'f'.repeat(64) };
  await expect(openAuditLog(path, { expect: other })).rejects.toMatchObject(refused);
  await expect(openAuditLog(path, { expect: { ...head, seq: 4 } })).rejects.toMatchObject(refused);
  await expect(openAuditLog(path, { expect: { ...head, seq: 6 } })).rejects.toMatchObject(refused);
  await expect(openAuditLog(path, { expect: { seq: 0, hash: 'f'.repeat(64) } })).rejects.toMatchObject(refused);

  const lastLine = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
  for (const length of [lastLine, lastLine + 20, whole.length - 2, 0]) {
    writeFileSync(path, whole.subarray(0, length));
    await expect(openAuditLog(path, { expect: head })).rejects.toMatchObject(refused);
    expect(statSync(path).size).toBe(length); // the evidence is left as it was
    expect((await verifyAuditLog(path, { expect: head })).ok).toBe(false);
  }
  writeFileSync(path, whole.subarray(0, whole.length - 1));
  const log = await openAuditLog(path, { expect: head });
  expect([log.recovered?.action, log.head]).toEqual(['completed', head]);
  await log.close();
});

test('an entry appended at once is written at once; behind one that is on its way it waits for its turn', async () => {
  const path = newPath();
  const log = await openAuditLog(path);
  expect(log.appendNow(body(0))).toBe(true);
  expect(readFileSync(path, 'utf8')).toContain(`"hash":"${log.head.hash}","body":${body(0)}}\n`);
  const behind = log.append([body(1)]);
  const { head } = log;
  expect(log.appendNow(body(2))).toBe(false);
  expect(log.head).toBe(head);
  await behind;
  expect(log.appendNow(body(2))).toBe(true);
  for (const bad of ['', '{}\n', '[1]', `{"a":"${'x'.repeat(1 << 20)}"}`]) expect(log.appendNow(bad)).toBe(false);
  await log.sync();
  const last = log.head;
  await log.close();
  expect(log.appendNow(body(3))).toBe(false);
  expect(await verifyAuditLog(path)).toEqual({ ok: true, entries: 3, head: last });
  const memory = memoryAuditLog();
  for (let i = 0; i < 3; i++) expect(memory.appendNow(body(i))).toBe(true);
  expect(memory.head).toEqual(last);
});

test.each(['grouped', 'now'])(
  'a full disk (%s) rejects, loses and doubles nothing, and the log goes on when there is room',
  needs('prlimit'),
  async (way) => {
    const path = newPath();
    const result = JSON.parse((await runNode('audit/support/disk-full.mjs', path, way)).stdout);
    expect(result.failure).toMatchObject({
      code: 'KEYCELL_AUDIT_UNAVAILABLE',
      retryable: true,
      outcome: 'not-executed',
    });
    expect(result.failure.message).toContain('EFBIG');
    expect(result.head).toEqual(result.acknowledged);
    expect(result.size).toBeLessThan(10_000); // cut back to the last whole line
    expect(result.size).toBeGreaterThan(9_000);
    expect(result.again.seq).toBeGreaterThan(result.head.seq);
    expect(await verifyAuditLog(path, { expect: result.acknowledged })).toMatchObject({ ok: true, head: result.again });
    const text = readFileSync(path, 'utf8').trim().split('\n');
    const numbers = text.map((line) => JSON.parse(line).body.i as number);
    expect(numbers.slice(0, result.head.seq)).toEqual(Array.from({ length: result.head.seq }, (_, i) => i >> 1));
    expect(numbers.at(-1)).toBe(-1);
  },
);

test('a file that is gone under it: everything pending is rejected, nothing hangs', async () => {
  const path = newPath();
  const log = await openAuditLog(path);
  const head = await log.append([body(1)]);
  const fd = readdirSync('/proc/self/fd').find((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false;
    }
  });
  closeSync(Number(fd));
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => log.append([body(i)])));
  for (const result of results) {
    expect(result).toMatchObject({
      status: 'rejected',
      reason: { code: 'KEYCELL_AUDIT_UNAVAILABLE', outcome: 'unknown' },
    });
  }
  await expect(log.append([body(2)])).rejects.toMatchObject({ code: 'KEYCELL_AUDIT_UNAVAILABLE' });
  await expect(log.sync()).rejects.toMatchObject({ code: 'KEYCELL_AUDIT_UNAVAILABLE' });
  expect(log.head).toEqual(head);
  await log.close().catch(() => {});
  expect(await verifyAuditLog(path)).toMatchObject({ ok: true, head });
});

test('what is no regular file is refused: a log into a device is no log', async () => {
  const folder = temporaryFolder();
  for (const device of ['/dev/full', '/dev/null']) {
    symlinkSync(device, join(folder, device.slice(5)));
    await expect(openAuditLog(join(folder, device.slice(5)))).rejects.toMatchObject({
      code: 'KEYCELL_AUDIT_UNAVAILABLE',
      message: expect.stringContaining('not a regular file'),
    });
  }
  await expect(openAuditLog(folder)).rejects.toMatchObject({ code: 'KEYCELL_AUDIT_UNAVAILABLE' });
  await expect(openAuditLog(join(folder, 'missing', 'audit.log'))).rejects.toMatchObject({
    code: 'KEYCELL_AUDIT_UNAVAILABLE',
  });
});
