/** One folder, one process, with real processes. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { acquireLock } from '../../src/keystore/lock.ts';
import { runNode, startNode, temporaryFolder } from '../support/child.ts';

const locked = (pid: number) => ({ code: 'KEYCELL_STORE_LOCKED', message: expect.stringContaining(`process ${pid}`) });

test('a second lock in the same process is refused, through a symlink too', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'real'));
  symlinkSync(join(folder, 'real'), join(folder, 'alias'));
  const lock = await acquireLock(join(folder, 'real'));
  await expect(acquireLock(join(folder, 'real'))).rejects.toMatchObject(locked(process.pid));
  await expect(acquireLock(join(folder, 'alias'))).rejects.toMatchObject(locked(process.pid));
  await lock.release();
  await lock.release();
  expect(readdirSync(join(folder, 'real'))).toEqual([]);
  const again = await acquireLock(join(folder, 'alias'));
  await again.release();
});

test('many at once in one process: one wins', async () => {
  const folder = temporaryFolder();
  for (let round = 0; round < 10; round++) {
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => acquireLock(folder)));
    const winners = results.filter((result) => result.status === 'fulfilled');
    expect(winners.length).toBe(1);
    await winners[0]?.value.release();
  }
});

test('another process is refused, told the pid, and may wait', async () => {
  const folder = temporaryFolder();
  const { child, said } = startNode('keystore/support/hold.mjs', folder);
  await said('held');
  await expect(acquireLock(folder)).rejects.toMatchObject({ ...locked(child.pid as number), retryable: true });
  const begin = performance.now();
  await expect(acquireLock(folder, { timeout: 150 })).rejects.toMatchObject(locked(child.pid as number));
  expect(performance.now() - begin).toBeGreaterThan(149);
  const waiting = acquireLock(folder, { timeout: 20_000 });
  child.kill('SIGKILL');
  await (await waiting).release();
});

test('a holder of another container, whose pid is ours or nobody here has', async () => {
  for (const pid of [process.pid, 2 ** 30]) {
    const folder = temporaryFolder();
    const { said } = startNode('keystore/support/hold-as.mjs', folder, `${pid}`);
    await said('held');
    await expect(acquireLock(folder)).rejects.toMatchObject({
      code: 'KEYCELL_STORE_LOCKED',
      message: expect.stringContaining(`in use by process ${pid} of another container or pid namespace`),
    });
  }
});

test('a holder that is this process, in another thread or by a long path, is told so', async () => {
  const lock = new URL('../../dist/keystore/lock.js', import.meta.url);
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.lock).then(({ acquireLock }) => acquireLock(workerData.folder)).then(() => {
      parentPort.postMessage('held');
      parentPort.on('message', () => {});
    });`;
  for (const folder of [temporaryFolder(), join(temporaryFolder(), 'long'.repeat(40))]) {
    const worker = new Worker(program, { eval: true, workerData: { lock: lock.href, folder } });
    onTestFinished(async () => void (await worker.terminate()));
    await once(worker, 'message');
    await expect(acquireLock(folder)).rejects.toMatchObject({
      code: 'KEYCELL_STORE_LOCKED',
      message: expect.stringContaining(`in use by process ${process.pid}, which is this one`),
    });
  }
});

test('a holder that is stopped still holds; one that is killed does not', async () => {
  const folder = temporaryFolder();
  const { child, said, ended } = startNode('keystore/support/hold.mjs', folder);
  await said('held');
  child.kill('SIGSTOP');
  await expect(acquireLock(folder, { timeout: 100 })).rejects.toMatchObject(locked(child.pid as number));
  child.kill('SIGKILL');
  await ended;
  expect(readdirSync(folder).length).toBeGreaterThan(0); // what it left
  const lock = await acquireLock(folder);
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('several start at once over what a killed holder left: one wins', async () => {
  const folder = temporaryFolder();
  for (let round = 0; round < 6; round++) {
    const contenders = Array.from({ length: 4 }, () => startNode('keystore/support/hold.mjs', folder));
    const outcomes = contenders.map(async ({ said, ended }) => {
      const end = await Promise.race([said('held').then(() => 'held'), ended.then(({ stdout }) => stdout.trim())]);
      return end;
    });
    const results = await Promise.all(outcomes);
    expect(results.sort()).toEqual(['KEYCELL_STORE_LOCKED', 'KEYCELL_STORE_LOCKED', 'KEYCELL_STORE_LOCKED', 'held']);
    for (const { child } of contenders) child.kill('SIGKILL');
    await Promise.all(contenders.map(({ ended }) => ended));
  }
});

test('never two inside at once, over many rounds of several processes', async () => {
  const folder = temporaryFolder();
  const racers = [0, 0, 2000, 2000].map((timeout) => runNode('keystore/support/race.mjs', folder, '120', `${timeout}`));
  const results = (await Promise.all(racers)).map(({ stdout }) => JSON.parse(stdout) as { won: number; lost: number });
  expect(results.reduce((sum, { won }) => sum + won, 0)).toBeGreaterThan(50);
  for (const { won, lost } of results) expect(won + lost).toBe(120);
});

test('a folder whose path is longer than a socket address', async () => {
  const folder = join(temporaryFolder(), 'long'.repeat(40), 'longer'.repeat(30));
  const lock = await acquireLock(folder);
  await expect(acquireLock(folder)).rejects.toMatchObject(locked(process.pid));
  await lock.release();
  await (await acquireLock(folder)).release();
});

test('a folder that can not be made', async () => {
  await expect(acquireLock('/dev/null/keycell')).rejects.toMatchObject({ code: 'KEYCELL_STORE_UNAVAILABLE' });
});
