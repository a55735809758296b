/**
 * The bounded queue of requests that wait for a place: two lines, in each of which users take turns by what they cost, in a
 * user's turn their sessions, and a session's requests come in their order. Large ones stand in a line of their own, since
 * behind one of 16 MiB a signature would wait for 50 ms. Which line goes next, dispatch.ts says.
 */
import { BATCH_MAX_KEYS, BATCH_MAX_REQUESTS, type SealedKey } from '../wire/batch.ts';
import type { Caller } from './callers.ts';
import { BATCH_COST, goesInLanes, LANES, LANES_COST } from './cost.ts';
import type { Pending } from './pending.ts';
import { Member, Turns } from './turns.ts';

/** Bytes that may wait: four of the largest messages, or thousands of usual ones. */
export const QUEUE_MAX_BYTES = 64 * 1024 * 1024;
/** Of them, those of one user: three of the largest messages. */
export const USER_MAX_BYTES = 48 * 1024 * 1024;

const NO_KEYS: readonly SealedKey[] = [];

export class Queue {
  readonly #limit: number;
  readonly #userLimit: number;
  readonly small = new Line();
  readonly large = new Line();

  constructor(limit: number, userLimit = limit) {
    this.#limit = limit;
    this.#userLimit = userLimit;
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
const OWED_BESIDE = 128 * BATCH_COST;

/** A user in a line. */
export class UserFlow extends Member {
  readonly sessions = new Turns<SessionFlow>();
  /** The same user in the other line. */
  beside: UserFlow = this;
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
  readonly #users = new Turns<UserFlow>();
  count = 0;
  bytes = 0;
  cost = 0;

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
    charge(flow, -pending.cost);
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
    this.#count(pending, -1);
    if (flow.first !== null) return;
    const { user } = flow;
    user.sessions.remove(flow);
    if (user.sessions.any === null) this.#users.remove(user);
  }

  /**
   * The next batch: as users and sessions take turns, until the next request would pass a bound. It never looks past that
   * one, so nothing starves; the first is taken whatever it costs, so what is large goes alone. Lanes are filled beyond the
   * budget, since empty ones take as long.
   */
  take(budget: number, room: number): Pending[] {
    const batch: Pending[] = [];
    const records = new Set<Uint8Array>();
    /** The last request's: mostly the same. */
    let keys: readonly SealedKey[] = NO_KEYS;
    let cost = 0;
    let bytes = 0;
    let lanes = 0;
    for (let next = this.#next(); next !== null; next = this.#next()) {
      if (batch.length > 0) {
        if (next.alone || batch[0]!.alone || batch.length === BATCH_MAX_REQUESTS) break;
        const most = lanes % LANES !== 0 && goesInLanes(next.request) ? LANES_COST : budget;
        if (cost + next.cost > most || bytes + next.size > room) break;
        let more = 0;
        for (let k = 0; k < next.request.keys.length; k++) {
          const { record } = next.request.keys[k]!;
          if (record !== keys[k]?.record && !records.has(record)) more++;
        }
        if (records.size + more > BATCH_MAX_KEYS) break;
      }
      charge(flowOf(next), next.cost);
      this.remove(next);
      batch.push(next);
      for (let k = 0; k < next.request.keys.length; k++) {
        const { record } = next.request.keys[k]!;
        if (record !== keys[k]?.record) records.add(record);
      }
      keys = next.request.keys;
      cost += next.cost;
      bytes += next.size;
      if (goesInLanes(next.request)) lanes++;
    }
    return batch;
  }

  #next(): Pending | null {
    return this.#users.next()?.sessions.next()?.first ?? null;
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
    this.#count(pending, 1);
  }

  /** One more, or one less. */
  #count({ size, cost, caller }: Pending, sign: 1 | -1): void {
    this.count += sign;
    this.bytes += sign * size;
    this.cost += sign * cost;
    caller.user.waiting += sign;
    caller.user.bytes += sign * size;
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
