/** How the queue is cut into batches. */
import { expect, test } from 'vitest';
import { CURVE } from '../../src/model/algorithms.ts';
import type { Curve } from '../../src/model/key.ts';
import { Callers } from '../../src/pool/callers.ts';
import { BATCH_COST, costOf, LANES, LANES_COST, SPLIT_COST } from '../../src/pool/cost.ts';
import { Pending } from '../../src/pool/pending.ts';
import { Queue } from '../../src/pool/queue.ts';
import { type CellRequest, FLAG } from '../../src/wire/batch.ts';

const ROOM = 1 << 20;
const request = (op: CellRequest['op'], parts: readonly Uint8Array[], flags = 0): CellRequest => ({
  op,
  mechanism: 'none',
  flags,
  ticket: new Uint8Array(0),
  keys: [],
  parts,
});
const toDevice = request('rewrapKeys', [new Uint8Array(116), new Uint8Array(65)], FLAG.jwe);

function queueOf(request: CellRequest, count: number): Queue {
  const queue = new Queue(1000);
  const caller = new Callers().of('a user');
  for (let i = 0; i < count; i++) queue.push(new Pending(request, caller, {}));
  return queue;
}

test('however the queue is cut, what goes in lanes on a curve fills them', () => {
  expect(2 * costOf(toDevice)).toBeGreaterThan(SPLIT_COST);
  expect(queueOf(toDevice, 20).small.take(SPLIT_COST, ROOM)).toHaveLength(LANES);
  expect(queueOf(toDevice, 3).small.take(SPLIT_COST, ROOM)).toHaveLength(3);
  const sign = { ...request('sign', [new Uint8Array(256)]), mechanism: 'ECDSA' } as const;
  for (let signatures = 1; signatures < 40; signatures++) {
    const batch = queueOf(sign, 100).small.take(signatures * costOf(sign), ROOM);
    expect(batch).toHaveLength(LANES * Math.ceil(signatures / LANES));
  }
});

test('a full batch of signatures is of whole groups of the kernel, whatever the message', () => {
  // Each byte also is the number of a curve, where the pool looks for one.
  const signing = (curve: Curve, bytes: number): CellRequest => {
    const record = new Uint8Array(120).fill(CURVE[curve].number);
    return { ...request('sign', [new Uint8Array(bytes)]), mechanism: 'ECDSA', keys: [{ id: '', record }] };
  };
  for (const bytes of [0, 32, 256]) {
    expect(queueOf(signing('P-256', bytes), 100).small.take(BATCH_COST, ROOM)).toHaveLength(64);
    expect(queueOf(signing('P-384', bytes), 100).small.take(BATCH_COST, ROOM)).toHaveLength(32);
  }
});

test('a batch is never beyond its most but for the first request', () => {
  const costly = request('rewrapKeys', [new Uint8Array(116 * 40), new Uint8Array(65)], FLAG.jwe);
  expect(costOf(costly)).toBeGreaterThan(BATCH_COST);
  expect(queueOf(costly, 3).small.take(BATCH_COST, ROOM)).toHaveLength(1);
  const batch = queueOf(toDevice, 100).small.take(BATCH_COST, ROOM);
  expect(batch.length % LANES).toBe(0);
  expect(batch.length * costOf(toDevice)).toBeLessThanOrEqual(LANES_COST);
});

test('what gains nothing from company is split as the queue asks', () => {
  const encrypt = request('encrypt', [new Uint8Array(20_000)]);
  expect(costOf(encrypt)).toBeGreaterThan(SPLIT_COST / 2);
  expect(queueOf(encrypt, 8).small.take(SPLIT_COST, ROOM)).toHaveLength(1);
});
