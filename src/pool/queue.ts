/**
 * The bounded queue of requests that wait for a place: two lines, each first come first served, a doubly linked list
 * through its requests. Large ones stand in a line of their own, since behind one of 16 MiB a signature would wait for
 * 50 ms. Which of them goes next, dispatch.ts says.
 */
import { BATCH_MAX_KEYS, BATCH_MAX_REQUESTS, type SealedKey } from '../wire/batch.ts';
import { goesInLanes, LANES, LANES_COST } from './cost.ts';
import type { Pending } from './pending.ts';

/** Bytes that may wait: four of the largest messages, or thousands of usual ones. */
export const QUEUE_MAX_BYTES = 64 * 1024 * 1024;

/** What the request takes in a batch, from where on it is large: 0.1 ms of encryption. */
const LARGE_SIZE = 32 * 1024;

const NO_KEYS: readonly SealedKey[] = [];

export const isLarge = (pending: Pending): boolean => pending.size >= LARGE_SIZE;

export class Queue {
  readonly #limit: number;
  readonly small = new Line();
  readonly large = new Line();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.small.count + this.large.count;
  }

  get bytes(): number {
    return this.small.bytes + this.large.bytes;
  }

  get first(): Pending | null {
    return this.small.first ?? this.large.first;
  }

  admits(size: number): boolean {
    return this.count < this.#limit && this.bytes + size <= QUEUE_MAX_BYTES;
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
    return isLarge(pending) ? this.large : this.small;
  }
}

export class Line {
  first: Pending | null = null;
  #last: Pending | null = null;
  count = 0;
  bytes = 0;
  cost = 0;

  push(pending: Pending): void {
    this.#insert(pending, this.#last, null);
  }

  putBack(pending: Pending): void {
    this.#insert(pending, null, this.first);
  }

  remove(pending: Pending): void {
    if (pending.previous === null) this.first = pending.next;
    else pending.previous.next = pending.next;
    if (pending.next === null) this.#last = pending.previous;
    else pending.next.previous = pending.previous;
    pending.previous = null;
    pending.next = null;
    pending.queued = false;
    this.count--;
    this.bytes -= pending.size;
    this.cost -= pending.cost;
  }

  /**
   * The next batch: from the front, until the next request would pass a bound. It never looks past that one, so nothing
   * starves; the first is taken whatever it costs, so what is large goes alone. Lanes are filled beyond the budget, since
   * empty ones take as long.
   */
  take(budget: number, room: number): Pending[] {
    const batch: Pending[] = [];
    const records = new Set<Uint8Array>();
    /** The last request's: mostly the same. */
    let keys: readonly SealedKey[] = NO_KEYS;
    let cost = 0;
    let bytes = 0;
    let lanes = 0;
    for (let next = this.first; next !== null; next = this.first) {
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

  #insert(pending: Pending, previous: Pending | null, next: Pending | null): void {
    pending.previous = previous;
    pending.next = next;
    if (previous === null) this.first = pending;
    else previous.next = pending;
    if (next === null) this.#last = pending;
    else next.previous = pending;
    pending.queued = true;
    this.count++;
    this.bytes += pending.size;
    this.cost += pending.cost;
  }
}
