/** How the queue is cut into batches. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CURVE } from '../../src/model/algorithms.ts';
import type { Curve } from '../../src/model/key.ts';
import { type Caller, Callers, type CallingUser } from '../../src/pool/callers.ts';
import { BATCH_COST, costOf, LANES, LANES_COST, OPENING, SPLIT_COST } from '../../src/pool/cost.ts';
import type { Pending } from '../../src/pool/pending.ts';
import { Queue } from '../../src/pool/queue.ts';
import { Member, QUANTUM, Turns } from '../../src/pool/turns.ts';
import { type CellRequest, FLAG } from '../../src/wire/batch.ts';
import { packList } from '../../src/wire/list.ts';
import { pendingOf } from '../support/pending.ts';

const ROOM = 1 << 20;
const request = (op: CellRequest['op'], parts: readonly Uint8Array[], flags = 0): CellRequest => ({
  op,
  mechanism: 'none',
  flags,
  ticket: new Uint8Array(0),
  keys: [],
  parts,
});
/** Each byte of the record also is the number of a curve, where the pool looks for one. */
function signingOn(curve: Curve, bytes = 32): CellRequest {
  const record = new Uint8Array(120).fill(CURVE[curve].number);
  return { ...request('sign', [new Uint8Array(bytes)]), mechanism: 'ECDSA', keys: [{ id: '', record }] };
}
const toDevice = request('rewrapKeys', [new Uint8Array(116), new Uint8Array(65)], FLAG.jwe);

function queueOf(request: CellRequest, count: number): Queue {
  const queue = new Queue(1000);
  const caller = new Callers().of('a user');
  for (let i = 0; i < count; i++) queue.push(pendingOf(request, caller));
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
  for (const bytes of [0, 32, 256]) {
    expect(queueOf(signingOn('P-256', bytes), 200).small.take(BATCH_COST, ROOM)).toHaveLength(128);
    expect(queueOf(signingOn('P-384', bytes), 200).small.take(BATCH_COST, ROOM)).toHaveLength(64);
  }
});

test('a batch is never beyond its most but for the first request', () => {
  const blobs = packList(Array.from({ length: 280 }, () => new Uint8Array(40)));
  const costly = request('rewrapKeys', [blobs, new Uint8Array(65)], FLAG.jwe);
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

// Users and sessions

const P256 = signingOn('P-256');
const P384 = signingOn('P-384');
const costly = request('rewrapKeys', [new Uint8Array(116 * 20), new Uint8Array(65)], FLAG.jwe);
const KINDS = [P256, P384, toDevice, costly];
const LARGEST = OPENING + Math.max(...KINDS.map((each) => costOf(each)));

/** Pushes into a queue as sessions of users do, and takes as a cell does. */
class Run {
  readonly queue = new Queue(100_000);
  readonly #callers = new Callers();
  readonly #sessions = new Map<string, Caller>();
  /** What each session has waiting, in its order. */
  readonly waiting = new Map<Caller, Pending[]>();
  readonly charged = new Map<CallingUser, number>();

  session(user: number, session = 0): Caller {
    const name = `${user}/${session}`;
    const caller = this.#sessions.get(name) ?? this.#callers.of(String(user));
    if (!this.#sessions.has(name)) {
      this.#sessions.set(name, caller);
      this.waiting.set(caller, []);
    }
    return caller;
  }

  push(caller: Caller, asked: CellRequest, count = 1): void {
    for (let i = 0; i < count; i++) {
      const pending = pendingOf(asked, caller);
      this.queue.push(pending);
      this.waiting.get(caller)!.push(pending);
    }
  }

  /** Each comes once, and first of its session. */
  take(budget: number = BATCH_COST): Pending[] {
    const batch = this.queue.small.take(budget, ROOM);
    const opened = new Set<Uint8Array>();
    for (const pending of batch) {
      expect(this.waiting.get(pending.caller)!.shift()).toBe(pending);
      this.#charge(pending, 1);
      for (const { record } of pending.request.keys) {
        if (!opened.has(record)) this.#add(pending.caller, OPENING);
        opened.add(record);
      }
    }
    return batch;
  }

  putBack(batch: readonly Pending[]): void {
    this.queue.putBack(batch);
    for (const pending of [...batch].reverse()) {
      this.waiting.get(pending.caller)!.unshift(pending);
      this.#charge(pending, -1);
    }
  }

  abort(caller: Caller, index: number): void {
    const list = this.waiting.get(caller)!;
    if (list.length === 0) return;
    const [gone] = list.splice(index % list.length, 1);
    this.queue.remove(gone!);
  }

  #charge({ caller, cost }: Pending, sign: number): void {
    this.#add(caller, sign * cost);
  }

  #add({ user }: Caller, cost: number): void {
    this.charged.set(user, (this.charged.get(user) ?? 0) + cost);
  }

  backlogged(): CallingUser[] {
    const users = [...this.waiting].filter(([, list]) => list.length > 0).map(([{ user }]) => user);
    return [...new Set(users)];
  }

  /** What the queue counts is what waits. */
  check(): void {
    const all = [...this.waiting.values()].flat();
    const { small } = this.queue;
    expect([small.count, small.bytes, small.cost]).toEqual([
      all.length,
      all.reduce((sum, { size }) => sum + size, 0),
      all.reduce((sum, { cost }) => sum + cost, 0),
    ]);
    for (const { user } of this.waiting.keys()) {
      const own = all.filter(({ caller }) => caller.user === user);
      expect([user.waiting, user.bytes]).toEqual([own.length, own.reduce((sum, { size }) => sum + size, 0)]);
    }
    expect(this.queue.first === null).toBe(all.length === 0);
  }
}

const aKind = fc.nat(KINDS.length - 1).map((kind) => KINDS[kind]!);
const aBudget = fc.constantFrom(SPLIT_COST, 256, 700, BATCH_COST);
const aSession = { user: fc.nat(4), session: fc.nat(2) };

test('whatever comes, goes and comes back, nothing is lost or doubled, and a session’s order stays', () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('push' as const), ...aSession, asked: aKind, count: fc.nat(20) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), budget: aBudget }) },
    fc.record({ kind: fc.constant('putBack' as const) }),
    fc.record({ kind: fc.constant('abort' as const), ...aSession, index: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const run = new Run();
      let last: Pending[] = [];
      for (const each of steps) {
        if (each.kind === 'push') run.push(run.session(each.user, each.session), each.asked, each.count);
        else if (each.kind === 'take') last = run.take(each.budget);
        else if (each.kind === 'putBack') run.putBack(last.splice(0));
        else run.abort(run.session(each.user, each.session), each.index);
        run.check();
      }
      while (run.queue.count > 0) expect(run.take().length).toBeGreaterThan(0);
      run.check();
    }),
    { numRuns: 200 },
  );
});

test('users who wait since the same moment are never further apart than one quantum and one request', () => {
  const users = fc.array(fc.array(fc.array(aKind, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }), {
    minLength: 2,
    maxLength: 5,
  });
  fc.assert(
    fc.property(users, fc.array(aBudget, { minLength: 20, maxLength: 60 }), (asking, budgets) => {
      const run = new Run();
      asking.forEach((sessions, user) => {
        sessions.forEach((kinds, session) => {
          for (let i = 0; i < 30; i++) for (const asked of kinds) run.push(run.session(user, session), asked);
        });
      });
      for (const budget of budgets) {
        run.take(budget);
        const charges = run.backlogged().map((user) => run.charged.get(user) ?? 0);
        expect(Math.max(...charges) - Math.min(...charges)).toBeLessThanOrEqual(QUANTUM + LARGEST);
      }
    }),
    { numRuns: 100 },
  );
});

test('whenever users come, from then on they are charged the same but for twice as much', () => {
  const arrival = fc.record({ ...aSession, asked: aKind, count: fc.integer({ min: 1, max: 60 }), budget: aBudget });
  fc.assert(
    fc.property(fc.array(arrival, { minLength: 10, maxLength: 80 }), (arrivals) => {
      const run = new Run();
      /** By pair: by how much the first was ahead when both began to wait. */
      let since = new Map<string, number>();
      const names = new Map<CallingUser, number>();
      const nameOf = (user: CallingUser) => {
        if (!names.has(user)) names.set(user, names.size);
        return names.get(user)!;
      };
      for (const { user, session, asked, count, budget } of arrivals) {
        run.push(run.session(user, session), asked, count);
        const before = run.backlogged();
        run.take(budget);
        const still = run.backlogged().filter((each) => before.includes(each));
        const next = new Map<string, number>();
        for (const a of still) {
          for (const b of still) {
            if (nameOf(a) >= nameOf(b)) continue;
            const pair = `${nameOf(a)} ${nameOf(b)}`;
            const ahead = (run.charged.get(a) ?? 0) - (run.charged.get(b) ?? 0);
            next.set(pair, since.get(pair) ?? ahead);
            expect(Math.abs(ahead - next.get(pair)!)).toBeLessThanOrEqual(2 * (QUANTUM + LARGEST));
          }
        }
        since = next;
      }
    }),
    { numRuns: 100 },
  );
});

test('two users with many signatures have half of every batch each, whichever came first', () => {
  const run = new Run();
  const [first, second] = [run.session(1), run.session(2)];
  run.push(first, P384, 3000);
  run.take();
  run.push(second, P256, 3000);
  for (let batches = 0; batches < 20; batches++) {
    const costs = { first: 0, second: 0 };
    for (const { caller, cost } of run.take()) costs[caller === first ? 'first' : 'second'] += cost;
    expect(Math.abs(costs.first - costs.second)).toBeLessThanOrEqual(2 * QUANTUM);
  }
});

test('who brings another key each time pays for opening it', () => {
  const run = new Run();
  const [same, ever] = [run.session(1), run.session(2)];
  const [one, small] = [new Uint8Array(120), new Uint8Array(64)];
  const asked = (record: Uint8Array): CellRequest => ({
    ...request('encrypt', [small]),
    ...{ mechanism: 'AES-GCM', keys: [{ id: '', record }] },
  });
  run.push(same, asked(one), 20_000);
  for (let i = 0; i < 20_000; i++) run.push(ever, asked(new Uint8Array(120)));
  const taken = Array.from({ length: 15 }, () => run.take()).flat();
  const cost = costOf(asked(one));
  const of = (caller: Caller) => taken.filter((pending) => pending.caller === caller).length;
  expect(of(same) / of(ever) / ((cost + OPENING) / cost)).toBeCloseTo(1, 1);
});

test('a user’s sessions share what is the user’s, however many they are', () => {
  const run = new Run();
  const many = Array.from({ length: 30 }, (_, session) => run.session(1, session));
  for (const session of many) run.push(session, P256, 100);
  run.push(run.session(2), P256, 1000);
  const taken = Array.from({ length: 15 }, () => run.take()).flat();
  const of = (caller: Caller) => taken.filter((pending) => pending.caller === caller).length;
  const theirs = many.map(of);
  expect(Math.abs(theirs.reduce((sum, count) => sum + count) - of(run.session(2)))).toBeLessThanOrEqual(8);
  expect(Math.max(...theirs) - Math.min(...theirs)).toBeLessThanOrEqual(QUANTUM / costOf(P256));
});

test('who comes new is in the next batch, and first in it; who comes again and again gains nothing by it', () => {
  const run = new Run();
  for (let user = 10; user < 50; user++) run.push(run.session(user), P384, 1000);
  run.take();
  const lone = run.session(1);
  run.push(lone, P256);
  expect(run.take()[0]!.caller).toBe(lone);
  // Two at a time, again when they are served: never more than the others get.
  let [served, others] = [0, 0];
  for (let batches = 0; batches < 400; batches++) {
    while (run.waiting.get(lone)!.length < 100) run.push(lone, P256);
    for (const { caller, cost } of run.take()) {
      if (caller === lone) served += cost;
      else others += cost;
    }
    // Leaves the line between two batches.
    while (run.waiting.get(lone)!.length > 0) run.abort(lone, 0);
  }
  expect(served).toBeLessThanOrEqual(others / 40 + 2 * (QUANTUM + LARGEST));
});

test('what cost much is paid afterwards, by who asked for it', () => {
  const run = new Run();
  const [heavy, light] = [run.session(1), run.session(2)];
  run.push(heavy, costly, 400);
  run.push(light, P256, 10_000);
  for (let batches = 0; batches < 40; batches++) run.take();
  const [a, b] = [heavy, light].map(({ user }) => run.charged.get(user)!);
  expect(Math.abs(a! - b!)).toBeLessThanOrEqual(QUANTUM + LARGEST);
});

test('one user takes no more of the room than a user may, by count and by bytes', () => {
  const queue = new Queue(10, 6);
  const callers = new Callers();
  const [greedy, again, other] = [callers.of('greedy'), callers.of('greedy'), callers.of('other')];
  const push = (caller: Caller, asked = P256) => queue.push(pendingOf(asked, caller));
  for (let i = 0; i < 6; i++) {
    expect(queue.admits(greedy, 100)).toBe(true);
    push(i % 2 === 0 ? greedy : again);
  }
  // Whichever of the user's sessions asks.
  expect([greedy, again, other].map((caller) => queue.admits(caller, 100))).toEqual([false, false, true]);
  expect([queue.allows(greedy, 100), queue.allows(other, 100)]).toEqual([false, true]);
  for (let i = 0; i < 4; i++) push(other);
  // Full for everyone, and not by this user's own fault.
  expect([queue.admits(other, 100), queue.allows(other, 100)]).toEqual([false, true]);

  const large = new Queue(10);
  const sixteen = 16 * 1024 * 1024;
  for (let i = 0; i < 3; i++) large.push(pendingOf(request('encrypt', [new Uint8Array(sixteen - 200)]), greedy));
  expect([large.admits(again, sixteen), large.admits(other, sixteen)]).toEqual([false, true]);
});

test('what costs as much as several batches is large, however few its bytes are', () => {
  const blobs = (count: number) => {
    const list = packList(Array.from({ length: count }, () => new Uint8Array(44)));
    return request('rewrapKeys', [list, new Uint8Array(97)], FLAG.jwe);
  };
  const [few, many] = [blobs(10), blobs(600)].map((asked) => pendingOf(asked, new Callers().of('a user')));
  expect(many!.size).toBeLessThan(32 * 1024);
  expect([few!.large, many!.large]).toEqual([false, true]);
});

test('what was left over long ago is no more than the quantum that anyone has', () => {
  class One extends Member {}
  const [turns, a, b] = [new Turns<One>(), new One(), new One()];
  const served = (member: One) => {
    let cost = 0;
    for (; turns.next() === member; cost += 10) member.balance -= 10;
    return cost;
  };
  turns.add(b);
  turns.add(a);
  a.balance -= QUANTUM - 10;
  turns.remove(a);
  for (let spent = 0; spent < 1000; spent += 10) turns.next()!.balance -= 10;
  turns.add(a);
  expect(served(a)).toBeLessThan(QUANTUM + 10);
});

test('what a lost batch gives back is no more than one quantum, whatever later rounds gave', () => {
  const run = new Run();
  const [lost, other] = [run.session(1), run.session(2)];
  run.push(lost, P256, 1000);
  const batch = run.take();
  run.push(other, P256, 1000);
  // Rounds go by, in which both pay and are given.
  for (let i = 0; i < 20; i++) run.take();
  run.putBack(batch);
  for (const member of [lost.small, lost.user.small, lost.user.large])
    expect(member.balance).toBeLessThanOrEqual(QUANTUM);
});
