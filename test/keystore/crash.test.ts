/** Processes killed in mid-work: what was acknowledged is there, and store and log open again. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openAuditLog } from '../../src/audit/file.ts';
import { verifyAuditLog } from '../../src/audit/verify.ts';
import { openLmdbStore } from '../../src/keystore/lmdb.ts';
import { startNode, temporaryFolder } from '../support/child.ts';

test('no acknowledged commit and no acknowledged entry is lost to kill -9', async () => {
  const folder = temporaryFolder();
  const acknowledged = new Set<string>();
  let lastSeq = 0;
  for (let round = 0; round < 12; round++) {
    const { child, said, ended } = startNode('keystore/support/crash.mjs', folder, `${round * 100_000}`);
    // The other three are anywhere in their steps when this one has come so far.
    const steps = 5 + Math.floor(Math.random() * 20);
    await said(`store p/${round * 100_000 + steps}\n`);
    child.kill('SIGKILL');
    const { stdout, signal, stderr } = await ended;
    expect([signal, stderr]).toEqual(['SIGKILL', '']);
    for (const line of stdout.split('\n').slice(0, -1)) {
      const [kind, what] = line.split(' ') as [string, string];
      if (kind === 'store') acknowledged.add(what);
      else lastSeq = Math.max(lastSeq, Number(what));
    }

    const store = await openLmdbStore(folder);
    for (const what of acknowledged) {
      const step = Number(what.slice(what.indexOf('/') + 1));
      expect(await store.get(`a/${what}`)).toEqual(new TextEncoder().encode(`${step}`));
      expect((await store.get(`b/${what}`))?.length).toBe(step % 6000);
    }
    // Both halves of a commit or neither, acknowledged or not.
    const halves = { a: new Set<string>(), b: new Set<string>() };
    for await (const [key] of store.scan('a/')) halves.a.add(key.slice(2));
    for await (const [key] of store.scan('b/')) halves.b.add(key.slice(2));
    expect(halves.a).toEqual(halves.b);
    await store.close();

    const log = await openAuditLog(join(folder, 'audit.log'));
    expect(log.head.seq).toBeGreaterThanOrEqual(lastSeq);
    await log.close();
    expect(await verifyAuditLog(join(folder, 'audit.log'))).toMatchObject({ ok: true, entries: log.head.seq });
    lastSeq = log.head.seq;
  }
  expect(acknowledged.size).toBeGreaterThan(50);
});
