/** Which cell gets the next batch, of which line, and how much of it. */
import { expect, test } from 'vitest';
import { type Caller, Callers } from '../../src/pool/callers.ts';
import { BATCH_COST, costOf, DOOR_COST, SPLIT_COST } from '../../src/pool/cost.ts';
import { Dispatch } from '../../src/pool/dispatch.ts';
import type { Pending } from '../../src/pool/pending.ts';
import { Queue } from '../../src/pool/queue.ts';
import type { CellRequest } from '../../src/wire/batch.ts';
import { pendingOf } from '../support/pending.ts';

const ROOM = 0x1000000;
const SMALL = 64;
const LARGE = 1 << 20;
const requests = new Map<number, CellRequest>();
function request(bytes: number): CellRequest {
  let made = requests.get(bytes);
  if (made === undefined) {
    const [ticket, parts] = [new Uint8Array(0), [new Uint8Array(bytes)]];
    made = { op: 'encrypt', mechanism: 'AES-GCM', flags: 0, ticket, keys: [], parts };
    requests.set(bytes, made);
  }
  return made;
}

interface Batch {
  readonly requests: readonly Pending[];
  readonly large: boolean;
  readonly count: number;
  readonly cost: number;
}

/** A cell that works on its batches in order, and is asked to finish one. */
class Cell {
  readonly inside: Batch[] = [];
  warm = false;
  get free() {
    return 2 - this.inside.length;
  }
  get busy() {
    return this.inside.length > 0;
  }
  get large() {
    return this.inside.some(({ large }) => large);
  }
}

function pool(workers: number) {
  const queue = new Queue(10_000);
  const dispatch = new Dispatch();
  const callers = new Callers();
  const anybody = callers.of('anybody');
  const cells = Array.from({ length: workers }, () => new Cell());
  const push = (count: number, bytes: number, caller = anybody) => {
    for (let i = 0; i < count; i++) queue.push(pendingOf(request(bytes), caller));
  };
  /** Send all that goes, and say what each cell has then. */
  const flush = () => {
    for (;;) {
      const smallBusy = cells.some(({ inside }) => inside.some(({ large }) => !large));
      const next = dispatch.next(queue, cells, smallBusy);
      if (next === null) break;
      const batch = next.line.take(next.budget, ROOM);
      const cost = batch.reduce((sum, pending) => sum + pending.cost, 0);
      for (const cell of cells) cell.warm = cell === next.cell;
      next.cell.inside.push({ requests: batch, large: batch[0]!.large, count: batch.length, cost });
      dispatch.sent(cost, batch[0]!.large);
    }
    return cells.map(({ inside }) => inside.map(({ large }) => (large ? 'large' : 'small')));
  };
  return { queue, dispatch, callers, cells, push, flush };
}

/** Shares of the cells' time over a while in which both kinds always wait. */
function shares(workers: number) {
  const { cells, push, flush } = pool(workers);
  const had = { small: 0, large: 0 };
  const most = { large: 0 };
  push(2000, SMALL);
  push(8, LARGE);
  flush();
  // The cell whose first batch ends first is the next to end one; callers come again.
  const ends = cells.map(({ inside }) => inside[0]?.cost ?? 0);
  for (let steps = 0; steps < 4000; steps++) {
    const now = Math.min(...ends);
    const at = ends.indexOf(now);
    const batch = cells[at]!.inside.shift()!;
    had[batch.large ? 'large' : 'small'] += batch.cost;
    push(batch.count, batch.large ? LARGE : SMALL);
    flush();
    most.large = Math.max(most.large, cells.filter(({ large }) => large).length);
    cells.forEach(({ inside }, i) => {
      if (i === at || ends[i]! === Number.POSITIVE_INFINITY) {
        ends[i] = inside.length > 0 ? now + inside[0]!.cost : Number.POSITIVE_INFINITY;
      }
    });
  }
  return { large: had.large / (had.large + had.small), most: most.large };
}

test('large and small requests have half of the cells each, and half of the time of an odd one', () => {
  for (const workers of [1, 2, 3, 4, 5, 8]) {
    const { large, most } = shares(workers);
    expect([workers, Math.abs(large - 0.5) < 0.03]).toEqual([workers, true]);
    expect(most).toBe((workers + 1) >> 1);
  }
});

test('without small ones, large ones have all cells; small ones then get theirs as batches end', () => {
  const { cells, push, flush } = pool(2);
  push(8, LARGE);
  expect(flush()).toEqual([
    ['large', 'large'],
    ['large', 'large'],
  ]);
  push(2000, SMALL);
  cells[0]!.inside.shift();
  expect(flush()[0]).toEqual(['large', 'small']);
  cells[0]!.inside.shift();
  expect(flush()[0]).toEqual(['small', 'small']);
  cells[1]!.inside.shift();
  expect(flush()[1]).toEqual(['large', 'large']);
});

test('small ones do not go behind a large one, though none waits, while another cell has no large one', () => {
  const { push, flush } = pool(2);
  push(1, LARGE);
  flush();
  push(2000, SMALL);
  expect(
    flush()
      .map((inside) => inside.join())
      .sort(),
  ).toEqual(['large', 'small,small']);
});

test('an idle cell gets what there is, the door of a busy one only what is worth it', () => {
  const { queue, cells, push, flush } = pool(2);
  push(1, SMALL);
  flush();
  push(1, SMALL);
  expect(flush().map((inside) => inside.length)).toEqual([1, 1]);
  const needed = Math.ceil(DOOR_COST / cells[0]!.inside[0]!.cost);
  push(needed - 1, SMALL);
  flush();
  expect(queue.count).toBe(needed - 1);
  push(1, SMALL);
  expect(
    flush()
      .map((inside) => inside.length)
      .sort(),
  ).toEqual([1, 2]);
  expect(queue.small.cost).toBeLessThan(DOOR_COST / 10);
});

test('few are split over idle cells, many over all places, and none is larger than a batch', () => {
  const sent = (cost: number) => {
    const { cells, push, flush } = pool(2);
    push(Math.ceil(cost / costOf(request(SMALL))), SMALL);
    flush();
    return cells.flatMap(({ inside }) => inside.map((batch) => batch.cost));
  };
  const within = (costs: number[], least: number, most: number) =>
    costs.every((cost) => cost > 0.95 * least && cost <= 1.02 * most);
  expect(sent(SPLIT_COST / 2)).toHaveLength(1);
  const two = sent(4 * SPLIT_COST);
  expect([two.length, within(two, 2 * SPLIT_COST, 2 * SPLIT_COST)]).toEqual([2, true]);
  const four = sent(4 * DOOR_COST + 8);
  expect([four.length, within(four, DOOR_COST, DOOR_COST)]).toEqual([4, true]);
  const full = sent(100 * BATCH_COST);
  expect([full.length, within(full, BATCH_COST, BATCH_COST)]).toEqual([4, true]);
});

test('large ones that are ahead wait until small ones have caught up, unless those leave cells over', () => {
  const { cells, push, flush } = pool(2);
  const ended = (at: number) => {
    const batch = cells[at]!.inside.shift()!;
    push(batch.count, batch.large ? LARGE : SMALL);
    return flush();
  };
  push(2000, SMALL);
  push(8, LARGE);
  flush();
  // Batches end only where large ones are, or, while they are held back, in the first cell.
  const kinds: string[] = [];
  for (let steps = 0; steps < 60; steps++) {
    const at = Math.max(
      0,
      cells.findIndex(({ large }) => large),
    );
    kinds.push(cells[at]!.inside[0]!.large ? 'large' : 'small');
    ended(at);
  }
  const phases = kinds.filter((kind, i) => i > 0 && kind !== kinds[i - 1]);
  expect(phases.filter((kind) => kind === 'small').length).toBeGreaterThan(0);
  expect(phases.length).toBeLessThan(kinds.length / 3);

  const few = pool(2);
  few.push(1, SMALL);
  few.push(8, LARGE);
  few.flush();
  for (let steps = 0; steps < 60; steps++) {
    const at = few.cells.findIndex(({ large }) => large);
    few.cells[at]!.inside.shift();
    few.push(1, LARGE);
    expect(few.flush()[at]).toEqual(['large', 'large']);
  }
});

test('a lone caller meets the cell that worked last; an idle one comes before its door', () => {
  const { cells, push, flush } = pool(3);
  cells[1]!.warm = true;
  for (let i = 0; i < 3; i++) {
    push(1, SMALL);
    expect(flush()).toEqual([[], ['small'], []]);
    cells[1]!.inside.shift();
  }
  push(1, SMALL);
  flush();
  push(1, SMALL);
  expect(flush()).toEqual([['small'], ['small'], []]);
});

test('a large request that costs little is served however many small ones keep the cells busy', () => {
  for (const workers of [1, 2, 3, 4]) {
    const { cells, push, flush } = pool(workers);
    push(2000, SMALL);
    flush();
    push(1, 33 * 1024);
    let batches = 0;
    while (!cells.some(({ large }) => large) && batches < 200) {
      // The cell that began first ends a batch; its callers come again.
      const cell = cells[batches++ % workers]!;
      const batch = cell.inside.shift();
      if (batch !== undefined) push(batch.count, SMALL);
      flush();
    }
    expect([workers, batches < 20]).toEqual([workers, true]);
  }
});

/** What share of the cells' work each user gets, who always have so many of these sizes waiting. */
function userShares(
  workers: number,
  users: Readonly<Record<string, readonly (readonly [count: number, bytes: number])[]>>,
) {
  const { callers, cells, push, flush } = pool(workers);
  const had = new Map<string, number>();
  const names = new Map<Caller, string>();
  for (const [name, loads] of Object.entries(users)) {
    const caller = callers.of(name);
    names.set(caller, name);
    for (const [count, bytes] of loads) push(count, bytes, caller);
  }
  flush();
  const ends = cells.map(({ inside }) => inside[0]?.cost ?? Number.POSITIVE_INFINITY);
  for (let steps = 0; steps < 3000; steps++) {
    const now = Math.min(...ends);
    const at = ends.indexOf(now);
    const batch = cells[at]!.inside.shift()!;
    for (const { caller, cost, large } of batch.requests) {
      const name = names.get(caller)!;
      had.set(name, (had.get(name) ?? 0) + cost);
      push(1, large ? LARGE : SMALL, caller);
    }
    flush();
    cells.forEach(({ inside }, i) => {
      if (i === at || ends[i]! === Number.POSITIVE_INFINITY) {
        ends[i] = inside.length > 0 ? now + inside[0]!.cost : Number.POSITIVE_INFINITY;
      }
    });
  }
  const all = [...had.values()].reduce((sum, cost) => sum + cost);
  return Object.fromEntries([...had].map(([name, cost]) => [name, cost / all]));
}

test('who sends small and large requests gets no more than who sends one kind', () => {
  for (const workers of [2, 4]) {
    const small = userShares(workers, {
      greedy: [
        [4000, SMALL],
        [8, LARGE],
      ],
      other: [[4000, SMALL]],
    });
    expect([workers, small['other']! > 0.45]).toEqual([workers, true]);
    const large = userShares(workers, {
      greedy: [
        [4000, SMALL],
        [8, LARGE],
      ],
      other: [[8, LARGE]],
    });
    expect([workers, large['other']! > 0.45]).toEqual([workers, true]);
  }
});

test('users share large requests as they share small ones', () => {
  const { one, two, three } = userShares(2, { one: [[30, LARGE]], two: [[8, LARGE]], three: [[8, LARGE]] });
  for (const share of [one!, two!, three!]) expect(Math.abs(share - 1 / 3)).toBeLessThan(0.02);
});
