/** What the store remembers of the log is on the disk before the store is: a loss of power must not look like an attack. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openAuditLog } from '../../src/audit/file.ts';
import type { AuditLog } from '../../src/audit/log.ts';
import { Commits } from '../../src/hsm/commits.ts';
import { Journal } from '../../src/hsm/journal.ts';
import { openMemoryStore } from '../../src/keystore/memory.ts';
import type { WardenLink } from '../../src/pool/pool.ts';
import { makeBoard } from '../../src/pool/warden-thread.ts';
import { temporaryFolder } from '../support/child.ts';

/** The log of a folder, and the last entry that a flush has reached. */
async function watchedLog(): Promise<{ log: AuditLog; onDisk: () => number }> {
  const path = join(temporaryFolder(), 'audit.log');
  const log = await openAuditLog(path);
  let onDisk = 0;
  const watched = Object.create(log, {
    head: { get: () => log.head },
    append: { value: (bodies: readonly string[]) => log.append(bodies) },
    appendNow: { value: (body: string) => log.appendNow(body) },
    close: { value: () => log.close() },
    sync: {
      value: async () => {
        const { seq } = log.head;
        await log.sync();
        onDisk = Math.max(onDisk, seq);
      },
    },
  });
  expect(statSync(path).size).toBe(0);
  return { log: watched, onDisk: () => onDisk };
}

test('a control record remembers no entry that a loss of power could take', async () => {
  const { log, onDisk } = await watchedLog();
  const journal = new Journal(log, makeBoard().board, { onUnavailable: () => {}, onAvailable: () => {} });
  const store = openMemoryStore();
  const remembered: { seq: number; onDisk: number }[] = [];
  // The one thing that a commit asks of its warden: a record that holds the head it was told.
  const warden = {
    call: async (_: string, { log }: { log: { seq: number } }) => {
      remembered.push({ seq: log.seq, onDisk: onDisk() });
      return { answer: { control: new Uint8Array(8) }, entries: [] };
    },
  };
  const commits = new Commits(store, journal, async () => warden as unknown as WardenLink);

  for (let i = 0; i < 20; i++) {
    const used = Array.from({ length: 5 }, (_, n) => journal.written(`{"use":${n}}`));
    await Promise.all([...used, commits.commit({ key: `key/${i}`, record: new Uint8Array(8), before: null })]);
    await commits.flush();
  }
  await journal.close();
  expect(remembered.length).toBe(40);
  expect(remembered.at(-1)!.seq).toBe(100);
  expect(remembered.filter(({ seq, onDisk }) => seq > onDisk)).toEqual([]);
});
