/** What an operator sees: statistics that agree with what was done, events, and the same on diagnostics channels. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type HsmChannels, openEphemeralHsm } from '../../dist/index.js';
import { Histogram } from '../../src/pool/tally.ts';
import { bytes, CIPHER, codeOf, login, make, PASSPHRASE, SIGNING, until } from '../hsm/support/hsm.ts';
import { temporaryFolder } from '../support/child.ts';

function listen<C extends keyof HsmChannels>(name: C): HsmChannels[C][] {
  const heard: HsmChannels[C][] = [];
  const listener = (message: unknown) => heard.push(message as HsmChannels[C]);
  subscribe(name, listener);
  onTestFinished(() => void unsubscribe(name, listener));
  return heard;
}

describe('histograms', () => {
  test('every value is counted under the first bound that is not below it', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 2 ** 20, noNaN: true })), (values) => {
        const histogram = new Histogram(-4, 15);
        for (const value of values) histogram.observe(value);
        const { bounds, counts, count, sum } = histogram.snapshot();
        expect([bounds[0], bounds.at(-1), counts.length]).toEqual([1 / 16, 32768, bounds.length + 1]);
        const edges = [...bounds, Number.POSITIVE_INFINITY];
        const expected = edges.map(
          (edge, i) => values.filter((value) => value <= edge && value > (edges[i - 1] ?? -1)).length,
        );
        expect(counts).toEqual(expected);
        expect(count).toBe(values.length);
        expect(sum).toBeCloseTo(
          values.reduce((a, b) => a + b, 0),
          3,
        );
      }),
    );
  });

  test('bounds belong to their bucket, and nothing is too large', () => {
    const histogram = new Histogram(0, 10);
    for (const value of [0, 1, 1.5, 2, 3, 4, 1024, 1025, 2 ** 40, Number.POSITIVE_INFINITY]) histogram.observe(value);
    expect(histogram.snapshot().counts).toEqual([2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 1, 3]);
  });
});

describe('stats', () => {
  test('agree with what was done', async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: 2, queueLimit: 100 });
    onTestFinished(() => hsm.close());
    const key = await session.generateKey(SIGNING);
    const aes = await session.generateKey(CIPHER);
    await Promise.all(Array.from({ length: 40 }, () => session.sign(key, bytes('m'))));
    const envelope = await session.encrypt(aes, bytes('m'));
    envelope[envelope.length - 1]! ^= 1;
    expect(await codeOf(session.decrypt(aes, envelope))).toBe('KEYCELL_DECRYPT_FAILED');
    expect(await codeOf(session.random(1, { signal: AbortSignal.abort() }))).toBe('KEYCELL_ABORTED');
    const flood = await Promise.allSettled(Array.from({ length: 2000 }, () => session.encrypt(aes, bytes('m'))));
    const busy = flood.filter((one) => one.status === 'rejected').length;
    expect(busy).toBeGreaterThan(0);

    const stats = hsm.stats();
    const encrypted = 2001 - busy;
    expect(stats.byOperation).toMatchObject({ sign: 40, generateKey: 2, encrypt: encrypted, decrypt: 1, random: 0 });
    expect(stats.operations).toBe(Object.values(stats.byOperation).reduce((a, b) => a + b, 0));
    expect(stats.failuresByCode).toEqual({ KEYCELL_DECRYPT_FAILED: 1, KEYCELL_ABORTED: 1, KEYCELL_BUSY: busy });
    expect(stats.failures).toBe(2 + busy);
    expect(stats.requestTime.count).toBe(stats.operations);
    expect(stats.batchSize).toMatchObject({ count: stats.batches, sum: stats.operations });
    expect(stats.cellTime.count).toBe(stats.batches);
    expect(stats.cellTime.sum).toBeGreaterThan(0);
    expect(stats.requestTime.sum / stats.operations).toBeLessThan(stats.uptime);
    expect(stats.cellList.map(({ cell, state, inside }) => [cell, state, inside])).toEqual([
      [0, 'open', 0],
      [1, 'open', 0],
    ]);
    expect(stats.cellList.reduce((sum, { batches }) => sum + batches, 0)).toBe(stats.batches);
    expect(stats).toMatchObject({ state: 'ready', cells: 2, queued: 0, queuedBytes: 0, queueLimit: 100, inFlight: 0 });
    expect(stats).toMatchObject({ keys: 2, cellRestarts: 0, wardenRestarts: 0, logBacklog: 0 });
    expect(stats.leaseAge).toBeLessThan(5000);
    expect(Math.abs(stats.clockAhead!)).toBeLessThan(1000);
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats);
  });

  test('count logins, those refused among the failures, and keys; nothing is left of a sealed HSM', async () => {
    const { hsm, alice } = await make();
    await alice.generateKey({ ...CIPHER, label: 'k' });
    expect(await codeOf(login(hsm, 'alice', 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
    expect(await codeOf(login(hsm, 'nobody', 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
    expect(hsm.stats()).toMatchObject({ logins: 2, keys: 1, failuresByCode: { KEYCELL_LOGIN_FAILED: 2 } });
    await hsm.seal();
    expect(hsm.stats()).toMatchObject({
      state: 'sealed',
      keys: 0,
      leaseAge: undefined,
      clockAhead: undefined,
      logins: 2,
    });
    expect(hsm.stats().cellList).toMatchObject([{ cell: 0, state: 'ready' }]);
    expect(await codeOf(hsm.unseal('wrong'))).toBe('KEYCELL_PASSPHRASE_WRONG');
    expect(hsm.stats().failuresByCode.KEYCELL_PASSPHRASE_WRONG).toBe(1);
    await hsm.unseal(PASSPHRASE);
    await hsm.close();
    expect(await codeOf(alice.random(1))).toBe('KEYCELL_CLOSING');
    expect(hsm.stats().failuresByCode.KEYCELL_CLOSING).toBe(1);
  });

  test('work of a cell that dies is counted once', async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: 2 });
    onTestFinished(() => hsm.close());
    const key = await session.generateKey(SIGNING);
    const signatures = Array.from({ length: 300 }, () => session.sign(key, bytes('m')));
    const restarted = new Promise((resolve) => hsm.once('cell-restart', resolve));
    await signatures[0];
    await hsm.killCell(0);
    await Promise.all(signatures);
    await restarted;
    expect(hsm.stats()).toMatchObject({ byOperation: { sign: 300 }, failures: 0, cellRestarts: 1 });
    await until(() => hsm.stats().cellList.every(({ state }) => state === 'open'));
    const [first, second] = hsm.stats().cellList;
    expect(first!.uptime).toBeLessThan(second!.uptime);
  });
});

describe('events and channels', () => {
  test('each batch is told of, with its trip', async () => {
    const heard = listen('keycell:batch');
    const opened = performance.now();
    const { hsm, session } = await openEphemeralHsm({ workers: 1 });
    onTestFinished(() => hsm.close());
    const aes = await session.generateKey(CIPHER);
    const before = Date.now();
    const envelope = await session.encrypt(aes, bytes('m'));
    await Promise.allSettled([session.decrypt(aes, envelope), session.decrypt(aes, envelope.subarray(1))]);
    expect(heard.map(({ operations, size, failures, outcome, cell }) => [operations, size, failures, outcome, cell]))
      // biome-ignore format: a table
      .toEqual([
      [{ generateKey: 1 }, 1, 0, 'answered', 0],
      [{ encrypt: 1 }, 1, 0, 'answered', 0],
      [{ decrypt: 2 }, 2, 1, 'answered', 0],
    ]);
    for (const { hsm: whose, queueTime, cellTime, logTime } of heard) {
      expect(whose).toBe(hsm);
      for (const time of [queueTime, cellTime, logTime]) expect(time).toBeGreaterThanOrEqual(0);
      expect(queueTime + cellTime + logTime).toBeLessThan(performance.now() - opened);
    }
    // Both clocks tell whole milliseconds or parts of them, and one may be slewed.
    expect(heard[1]!.startTime).toBeGreaterThan(before - 100);
    expect(heard[1]!.startTime).toBeLessThan(Date.now() + 100);
    // Counts and times, and nothing of a key, a message or a caller.
    const { hsm: _, operations, outcome, ...numbers } = heard[2]!;
    expect(Object.values(numbers).every((value) => typeof value === 'number')).toBe(true);
  });

  test('a batch that is lost with its cell is told of as lost, and again when it is done', async () => {
    const heard = listen('keycell:batch');
    const restarts = listen('keycell:cell-restart');
    const { hsm, session } = await openEphemeralHsm({ workers: 1 });
    onTestFinished(() => hsm.close());
    const key = await session.generateKey(SIGNING);
    heard.length = 0;
    // Batches that are sent when the thread has its order to end, and before anybody knows that it has: none is answered.
    const killed = hsm.killCell(0);
    await Promise.resolve();
    const signatures = Array.from({ length: 60 }, () => session.sign(key, bytes('m')));
    await killed;
    await Promise.all(signatures);
    const lost = heard.filter(({ outcome }) => outcome === 'lost');
    expect(lost.length).toBeGreaterThan(0);
    const requests = (outcome: string) =>
      heard.reduce((sum, batch) => (batch.outcome === outcome ? sum + batch.size : sum), 0);
    expect(requests('answered')).toBe(60);
    expect(restarts.map(({ hsm: whose, cell, retried }) => [whose === hsm, cell, retried])).toEqual([
      [true, 0, requests('lost')],
    ]);
  });

  test('states are told on both', async () => {
    const heard = listen('keycell:state');
    const { hsm } = await make({ path: temporaryFolder() });
    await hsm.seal();
    expect(heard.map(({ state }) => state)).toEqual(['ready', 'sealed']);
    expect(heard.every(({ hsm: whose }) => whose === hsm)).toBe(true);
  });

  test('a listener that throws does not keep the HSM from its work', async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: 1 });
    const thrown: unknown[] = [];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException');
      for (const other of others) process.on('uncaughtException', other);
    });
    hsm.on('state', () => {
      throw new Error('a fault of the listener');
    });
    await hsm.seal();
    expect(hsm.state).toBe('sealed');
    expect(await codeOf(session.random(1))).toBe('KEYCELL_SEALED');
    await hsm.close();
    await until(() => thrown.length > 0);
    expect(String(thrown[0])).toContain('a fault of the listener');
  });
});
