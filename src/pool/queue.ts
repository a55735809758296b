/**
 * The bounded queue of requests that wait for a place: two lines, in each of which users take turns by what they cost, in a
 * user's turn their sessions, and a session's requests come in their order. Large ones stand in a line of their own, since
 * behind one of 16 MiB a signature would wait for 50 ms. Which line goes next, dispatch.ts says.
 */
import { BATCH_MAX_KEYS, BATCH_MAX_REQUESTS, type SealedKey } from '../wire/batch.ts';
import type { Caller, CallingUser } from './callers.ts';
import { BATCH_COST, goesInLanes, LANES, LANES_COST, OPENING } from './cost.ts';
import type { Pending } from './pending.ts';
import { TabledKeys } from './tabled-keys.ts';
import { Member, QUANTUM, Turns } from './turns.ts';

/** Bytes that may wait: four of the largest messages, or thousands of usual ones. */
export const QUEUE_MAX_BYTES = 64 * 1024 * 1024;
/** Of them, those of one user: three of the largest messages. */
export const USER_MAX_BYTES = 48 * 1024 * 1024;

const NO_KEYS: readonly SealedKey[] = [];

export class Queue {
  readonly #limit: number;
  readonly #userLimit: number;
  readonly small: Line;
  readonly large: Line;

  constructor(limit: number, userLimit = limit, tabled = new TabledKeys(1)) {
    this.#limit = limit;
    this.#userLimit = userLimit;
    this.small = new Line(tabled);
    this.large = new Line(tabled);
  }

  get count(): number {
    return this.small.count + this.large.count;
  }

  get bytes(): number {
    return this.small.bytes + this.large.bytes;
  }

  get first(): Pending | null {
    return this.small.any ?? this.large.any;
  }

  admits(caller: Caller, size: number): boolean {
    return this.count < this.#limit && this.bytes + size <= QUEUE_MAX_BYTES && this.allows(caller, size);
  }

  /** Has this user left of what one user may take? */
  allows({ user }: Caller, size: number): boolean {
    return user.waiting < this.#userLimit && user.bytes + size <= USER_MAX_BYTES;
  }

  push(pending: Pending): void {
    this.#lineOf(pending).push(pending);
  }

  /** Back to the front, in their order; they were admitted once, so no bound is asked again. */
  putBack(list: readonly Pending[]): void {
    for (let i = list.length - 1; i >= 0; i--) this.#lineOf(list[i]!).putBack(list[i]!);
  }

  remove(pending: Pending): void {
    this.#lineOf(pending).remove(pending);
  }

  #lineOf(pending: Pending): Line {
    return pending.large ? this.large : this.small;
  }
}

/**
 * What a user owes in one line for what they had by the other, at most: one of the largest messages. More would keep them
 * waiting for what they had while nobody else wanted it.
 */
const OWED_BESIDE = 64 * BATCH_COST;

/** A user in a line. */
export class UserFlow extends Member {
  readonly user: CallingUser;
  readonly sessions = new Turns<SessionFlow>();
  /** The same user in the other line. */
  beside: UserFlow = this;

  constructor(user: CallingUser) {
    super();
    this.user = user;
  }
}

/** A session in a line: its requests, first come first served, a doubly linked list through them. */
export class SessionFlow extends Member {
  readonly user: UserFlow;
  first: Pending | null = null;
  last: Pending | null = null;

  constructor(user: UserFlow) {
    super();
    this.user = user;
  }
}

export class Line {
  readonly #tabled: TabledKeys;
  readonly #users = new Turns<UserFlow>();
  count = 0;
  bytes = 0;
  cost = 0;

  constructor(tabled: TabledKeys) {
    this.#tabled = tabled;
  }

  /** Some request of the line; null where it is empty. */
  get any(): Pending | null {
    return this.#users.any?.sessions.any?.first ?? null;
  }

  push(pending: Pending): void {
    const flow = flowOf(pending);
    this.#insert(flow, pending, flow.last, null);
  }

  /** It goes first of its session, and what it was charged is given back. */
  putBack(pending: Pending): void {
    const flow = flowOf(pending);
    this.#insert(flow, pending, null, flow.first);
    giveBack(flow, chargeOf(pending));
    pending.opening = 0;
  }

  remove(pending: Pending): void {
    const flow = flowOf(pending);
    if (pending.previous === null) flow.first = pending.next;
    else pending.previous.next = pending.next;
    if (pending.next === null) flow.last = pending.previous;
    else pending.next.previous = pending.previous;
    pending.previous = null;
    pending.next = null;
    pending.queued = false;
    this.#count(flow, -1, -pending.size, -pending.cost);
    if (flow.first === null) this.#leave(flow);
  }

  /**
   * The next batch: as users and sessions take turns, until the next request would pass a bound. It never looks past that
   * one, so nothing starves; the first is taken whatever it costs, so what is large goes alone. Lanes are filled beyond the
   * budget, since empty ones take as long.
   */
  take(budget: number, room: number): Pending[] {
    const batch = new Batch(budget, room);
    for (let flow = this.#next(); flow !== null; flow = this.#next()) if (!this.#takeTurn(flow, batch)) break;
    return batch.requests;
  }

  /** As many requests of the session as its turn pays for: one after the other costs little then. False: no more has room. */
  #takeTurn(flow: SessionFlow, batch: Batch): boolean {
    const { user } = flow;
    const most = Math.min(flow.balance, user.balance);
    let [count, cost, bytes, charged] = [0, 0, 0, 0];
    let next = flow.first;
    while (next !== null && charged < most) {
      if (next.tableShare > 0) this.#reprice(next);
      if (!batch.take(next)) break;
      charged += chargeOf(next);
      count++;
      cost += next.cost;
      bytes += next.size;
      const { next: after } = next;
      next.next = null;
      next.queued = false;
      next = after;
    }
    flow.first = next;
    if (next === null) flow.last = null;
    else next.previous = null;
    charge(flow, charged);
    this.#count(flow, -count, -bytes, -cost);
    if (next === null) this.#leave(flow);
    return next === null || charged >= most;
  }

  /** Of many that came at once by a new key, the first earn the table that the others find. */
  #reprice(next: Pending): void {
    if (this.#tabled.lacks(next.request)) return;
    this.cost -= next.cost;
    next.findsTable();
    this.cost += next.cost;
  }

  #next(): SessionFlow | null {
    return this.#users.next()?.sessions.next() ?? null;
  }

  #insert(flow: SessionFlow, pending: Pending, previous: Pending | null, next: Pending | null): void {
    if (flow.first === null) {
      if (flow.user.sessions.any === null) this.#users.add(flow.user);
      flow.user.sessions.add(flow);
    }
    pending.previous = previous;
    pending.next = next;
    if (previous === null) flow.first = pending;
    else previous.next = pending;
    if (next === null) flow.last = pending;
    else next.previous = pending;
    pending.queued = true;
    this.#count(flow, 1, pending.size, pending.cost);
  }

  /** A session without requests. */
  #leave(flow: SessionFlow): void {
    const { user } = flow;
    user.sessions.remove(flow);
    if (user.sessions.any === null) this.#users.remove(user);
  }

  #count({ user: { user } }: SessionFlow, count: number, bytes: number, cost: number): void {
    this.count += count;
    this.bytes += bytes;
    this.cost += cost;
    user.waiting += count;
    user.bytes += bytes;
  }
}

/** A batch that is being gathered, within its bounds. */
class Batch {
  readonly requests: Pending[] = [];
  readonly #budget: number;
  #room: number;
  readonly #records = new Set<Uint8Array>();
  /** The last request's: mostly the same. */
  #keys: readonly SealedKey[] = NO_KEYS;
  /** With the keys that it opens, but for those of its first request, as no batch is without. */
  #cost = 0;
  #lanes = 0;
  #alone = false;

  constructor(budget: number, room: number) {
    this.#budget = budget;
    this.#room = room;
  }

  /** True if it fits, and is in; after the first that does not, there is no other. */
  take(next: Pending): boolean {
    const { length } = this.requests;
    if (length > 0 && (next.alone || this.#alone || length === BATCH_MAX_REQUESTS)) return false;
    const opening = OPENING * this.#open(next.request.keys);
    const cost = this.#cost + next.cost + (length > 0 ? opening : 0);
    const lanes = goesInLanes(next.request);
    if (length > 0) {
      const most = lanes && this.#lanes % LANES !== 0 ? LANES_COST : this.#budget;
      if (cost > most || next.size > this.#room || this.#records.size > BATCH_MAX_KEYS) return false;
    }
    next.opening = opening;
    this.#alone = next.alone;
    this.#cost = cost;
    this.#room -= next.size;
    if (lanes) this.#lanes++;
    this.requests.push(next);
    return true;
  }

  /** How many of these keys the batch did not have before. */
  #open(keys: readonly SealedKey[]): number {
    const before = this.#records.size;
    for (let k = 0; k < keys.length; k++) {
      const { record } = keys[k]!;
      if (record !== this.#keys[k]?.record) this.#records.add(record);
    }
    this.#keys = keys;
    return this.#records.size - before;
  }
}

const flowOf = ({ large, caller }: Pending): SessionFlow => (large ? caller.large : caller.small);

/** In both lines: whoever sends small and large requests shall not have a share of each kind's cells. */
function charge(flow: SessionFlow, cost: number): void {
  const { user } = flow;
  flow.balance -= cost;
  user.balance -= cost;
  const { beside } = user;
  if (beside.balance > -OWED_BESIDE) beside.balance -= cost;
}

/** Later rounds may have paid for it meanwhile: nobody has more than one quantum for that. What is owed beside stays so. */
function giveBack(flow: SessionFlow, cost: number): void {
  for (const member of [flow, flow.user]) member.balance = Math.min(QUANTUM, member.balance + cost);
}

/** What its caller pays for it, once it is in a batch. */
const chargeOf = ({ cost, tableShare, opening }: Pending): number => cost + tableShare + opening;
