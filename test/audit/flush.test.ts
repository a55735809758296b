/** A flush that fails: nothing is promised any more, until what the kernel still has is verified and written again. */
import type * as fs from 'node:fs';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { openAuditLog } from '../../src/audit/file.ts';

const disk = vi.hoisted(() => ({ fails: false }));
// No file system here fails on demand: the one call that does so is put in the way.
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const fdatasync = (fd: number, done: (error: Error | null) => void) =>
    disk.fails ? done(Object.assign(new Error('EIO'), { code: 'EIO' })) : real.fdatasync(fd, done);
  return { ...real, fdatasync };
});

const folder = mkdtempSync(join(tmpdir(), 'keycell-flush-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('refused while the disk fails, and goes on without a gap when it is back', async () => {
  const path = join(folder, 'audit.log');
  const log = await openAuditLog(path);
  await log.append(['{"n":1}']);
  await log.sync();
  await log.append(['{"n":2}', '{"n":3}']);
  disk.fails = true;
  const refused = { code: 'KEYCELL_AUDIT_UNAVAILABLE', outcome: 'unknown', retryable: true };
  await expect(log.sync()).rejects.toMatchObject(refused);
  await expect(log.append(['{"n":4}'])).rejects.toMatchObject(refused);
  expect(log.appendNow('{"n":4}')).toBe(false);
  await expect(log.verifyPlace!()).rejects.toMatchObject(refused);
  disk.fails = false;
  await log.verifyPlace!();
  await log.append(['{"n":4}']);
  await log.sync();
  const { head } = log;
  expect(head.seq).toBe(4);
  await log.close();
  const again = await openAuditLog(path, { expect: head });
  expect(again.head).toEqual(head);
  await again.close();
});

test('closed when the disk is back: nothing is lost; what changed meanwhile is never taken for the log', async () => {
  for (const altered of [false, true]) {
    const path = join(folder, `${altered}.log`);
    const log = await openAuditLog(path);
    await log.append(['{"n":1}', '{"n":2}']);
    disk.fails = true;
    await expect(log.sync()).rejects.toThrow();
    disk.fails = false;
    if (altered) writeFileSync(path, '\0'.repeat(400));
    if (altered) await expect(log.close()).rejects.toMatchObject({ code: 'KEYCELL_AUDIT_UNAVAILABLE' });
    else await log.close();
  }
});
