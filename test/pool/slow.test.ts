/** A batch that a cell has for over a second is told of, once: while it is there, or when it comes back. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { SlowBatch } from '../../src/model/hsm.ts';
import { Batcher } from '../../src/pool/batcher.ts';
import type { CellLink } from '../../src/pool/cell-link.ts';
import type { Pending } from '../../src/pool/pending.ts';
import type { CellRequest } from '../../src/wire/batch.ts';
import { encodeTicketBody, MAC_SIZE } from '../../src/wire/ticket.ts';

let now = 5000;
beforeEach(() => {
  now = 5000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

const ALICE = 'a'.repeat(32);
const BOB = 'b'.repeat(32);
const ticketOf = (user: string): Uint8Array => {
  const of = { role: 'crypto-user', hsmId: '1'.repeat(32), incarnation: 1, session: '2'.repeat(32), user } as const;
  const body = encodeTicketBody({ ...of, userEpoch: 1, ticketEpoch: 1, expiresAt: 1, loggedInAt: 1 });
  return Buffer.concat([body, new Uint8Array(MAC_SIZE)]);
};
const request = (ticket: Uint8Array, bytes: number): CellRequest => ({
  op: 'encrypt',
  mechanism: 'AES-CBC',
  flags: 0,
  ticket,
  keys: [],
  parts: [new Uint8Array(bytes)],
});
/** So dear that each is a batch of its own. */
const DEAR = 200_000;

/** A cell with two places, which answers when it is told to. */
class FakeLink {
  readonly cell = 3;
  readonly state = 'open';
  readonly inside: (readonly Pending[])[] = [];
  answeredAt = 0;
  get free() {
    return 2 - this.inside.length;
  }
  get busy() {
    return this.inside.length > 0;
  }
  send(_: Uint8Array, batch: readonly Pending[]) {
    this.inside.push(batch);
  }
}

function make() {
  const told: SlowBatch[] = [];
  const link = new FakeLink();
  const sink = { written: () => undefined, synced: async () => {} };
  const observer = { wanted: false, ended: () => {}, slow: (batch: SlowBatch) => void told.push(batch) };
  const links = () => [link as unknown as CellLink];
  const batcher = new Batcher(
    sink,
    { cells: 1, queue: 100, perUser: undefined },
    () => new Uint8Array(0),
    links,
    observer,
  );
  const answer = () => {
    const batch = link.inside.shift()!;
    batcher.onReply(batch, { results: batch.map(() => ({ status: 0, reason: 0, parts: [] })), audit: '' });
  };
  return { batcher, told, link, answer };
}

test('a batch that is not answered is told of after a second, with what is in it, and not again', async () => {
  const { batcher, told, answer } = make();
  const both = [batcher.submit(request(ticketOf(ALICE), 32), {}), batcher.submit(request(ticketOf(BOB), 32), {})];
  await Promise.resolve();
  now += 999;
  batcher.checkSlow();
  expect(told).toEqual([]);
  now += 500;
  batcher.checkSlow();
  batcher.checkSlow();
  const expected = { cell: 3, size: 2, operations: { encrypt: 2 }, users: [ALICE, BOB], time: 1499 };
  expect(told).toEqual([expected]);
  now += 10_000;
  answer();
  await Promise.all(both);
  expect(told).toEqual([expected]);
  expect(batcher.tally.slowBatches).toBe(1);
});

test('one that comes back late without having been looked for is told of, too', async () => {
  const { batcher, told, answer } = make();
  const done = batcher.submit(request(ticketOf(ALICE), 32), {});
  await Promise.resolve();
  now += 1001;
  answer();
  await done;
  expect(told).toMatchObject([{ size: 1, users: [ALICE], time: 1001 }]);
});

test('what waits at the door of a busy cell is not slow, and its time begins when its turn comes', async () => {
  const { batcher, told, link, answer } = make();
  const first = batcher.submit(request(ticketOf(ALICE), DEAR), {});
  const second = batcher.submit(request(ticketOf(BOB), DEAR), {});
  await Promise.resolve();
  expect(link.inside.map((batch) => batch.length)).toEqual([1, 1]);
  now += 1500;
  batcher.checkSlow();
  expect(told).toMatchObject([{ users: [ALICE] }]);
  answer();
  await first;
  now += 900;
  batcher.checkSlow();
  answer();
  await second;
  expect(told).toHaveLength(1);
});

test('a ticket that is none names no user', async () => {
  const { batcher, told, answer } = make();
  const done = batcher.submit(request(new Uint8Array(7), 32), {});
  await Promise.resolve();
  now += 1001;
  answer();
  await done;
  expect(told).toMatchObject([{ users: [] }]);
});
