/** How the queue is cut into batches. */
import { expect, test } from 'vitest';
import { BATCH_COST, costOf, LANES, SPLIT_COST } from '../../src/pool/cost.ts';
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
  for (let i = 0; i < count; i++) queue.push(new Pending(request, {}));
  return queue;
}

test('however the queue is split, what goes in lanes on a curve fills them', () => {
  expect(2 * costOf(toDevice)).toBeGreaterThan(SPLIT_COST);
  expect(queueOf(toDevice, 20).take(SPLIT_COST, ROOM, false)).toHaveLength(LANES);
  expect(queueOf(toDevice, 3).take(SPLIT_COST, ROOM, false)).toHaveLength(3);
});

test('a batch is never beyond its most but for the first request', () => {
  const costly = request('rewrapKeys', [new Uint8Array(116 * 30), new Uint8Array(65)], FLAG.jwe);
  expect(costOf(costly)).toBeGreaterThan(BATCH_COST);
  expect(queueOf(costly, 3).take(BATCH_COST, ROOM, false)).toHaveLength(1);
  const batch = queueOf(toDevice, 100).take(BATCH_COST, ROOM, false);
  expect(batch.length * costOf(toDevice)).toBeLessThanOrEqual(BATCH_COST);
});

test('what gains nothing from company is split as the queue asks', () => {
  const encrypt = request('encrypt', [new Uint8Array(20_000)]);
  expect(costOf(encrypt)).toBeGreaterThan(SPLIT_COST / 2);
  expect(queueOf(encrypt, 8).take(SPLIT_COST, ROOM, false)).toHaveLength(1);
});
