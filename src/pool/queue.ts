/** The bounded queue of requests that wait for a place: first come first served, a doubly linked list through them. */
import { BATCH_MAX_KEYS, BATCH_MAX_REQUESTS } from '../wire/batch.ts';
import type { Pending } from './pending.ts';

/** Bytes that may wait: four of the largest messages, or thousands of usual ones. */
export const QUEUE_MAX_BYTES = 64 * 1024 * 1024;

export class Queue {
  readonly #limit: number;
  #first: Pending | null = null;
  #last: Pending | null = null;
  count = 0;
  bytes = 0;
  /** The sum of what waits, in the units of cost.ts. */
  cost = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get first(): Pending | null {
    return this.#first;
  }

  admits(size: number): boolean {
    return this.count < this.#limit && this.bytes + size <= QUEUE_MAX_BYTES;
  }

  push(pending: Pending): void {
    this.#insert(pending, this.#last, null);
  }

  /** Back to the front, in their order; they were admitted once, so no bound is asked again. */
  putBack(list: readonly Pending[]): void {
    for (let i = list.length - 1; i >= 0; i--) this.#insert(list[i]!, null, this.#first);
  }

  remove(pending: Pending): void {
    if (pending.previous === null) this.#first = pending.next;
    else pending.previous.next = pending.next;
    if (pending.next === null) this.#last = pending.previous;
    else pending.next.previous = pending.previous;
    pending.previous = null;
    pending.next = null;
    pending.queued = false;
    this.count--;
    this.bytes -= pending.size;
    // Costs are fractions: an empty queue starts from zero again, so that no rounding error builds up.
    this.cost = this.count === 0 ? 0 : this.cost - pending.cost;
  }

  /**
   * The next batch: from the front, until the next request would pass a bound. It never looks past that one, so nothing
   * starves; the first is taken whatever it costs, so what is large goes alone.
   */
  take(budget: number, room: number): Pending[] {
    const batch: Pending[] = [];
    const records = new Set<Uint8Array>();
    let cost = 0;
    let bytes = 0;
    for (let next = this.#first; next !== null; next = this.#first) {
      if (batch.length > 0) {
        if (next.alone || batch[0]!.alone || batch.length === BATCH_MAX_REQUESTS) break;
        if (cost + next.cost > budget || bytes + next.size > room) break;
        let more = 0;
        for (const key of next.request.keys) if (!records.has(key.record)) more++;
        if (records.size + more > BATCH_MAX_KEYS) break;
      }
      this.remove(next);
      batch.push(next);
      for (const key of next.request.keys) records.add(key.record);
      cost += next.cost;
      bytes += next.size;
    }
    return batch;
  }

  #insert(pending: Pending, previous: Pending | null, next: Pending | null): void {
    pending.previous = previous;
    pending.next = next;
    if (previous === null) this.#first = pending;
    else previous.next = pending;
    if (next === null) this.#last = pending;
    else next.previous = pending;
    pending.queued = true;
    this.count++;
    this.bytes += pending.size;
    this.cost += pending.cost;
  }
}
