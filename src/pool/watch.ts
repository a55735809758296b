/**
 * Deadlines and abort signals of all requests under way: one timer in all, one listener for each distinct signal.
 * A listener a request would cost a walk through the signal's list for each removal; a timer a request, an allocation.
 */
import { background } from '../wire/clock.ts';
import type { Pending } from './pending.ts';

export type WatchEnd = (pending: Pending, code: 'KEYCELL_ABORTED' | 'KEYCELL_TIMEOUT', cause?: unknown) => void;

/** Deadlines this close together, in ms, share a firing. */
const COARSE = 2;
const LONGEST = 0x7fffffff;

interface Watched {
  readonly requests: Set<Pending>;
  readonly listener: () => void;
}

export class Watch {
  readonly #onEnd: WatchEnd;
  readonly #timed = new Set<Pending>();
  readonly #signals = new Map<AbortSignal, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #fires = Number.POSITIVE_INFINITY;

  constructor(onEnd: WatchEnd) {
    this.#onEnd = onEnd;
  }

  add(pending: Pending): void {
    // First, as a caller's signal may throw: then nothing is watched.
    if (pending.signal !== undefined) this.#listen(pending, pending.signal);
    if (pending.deadline === undefined) return;
    this.#timed.add(pending);
    this.#arm(pending.deadline);
  }

  #listen(pending: Pending, signal: AbortSignal): void {
    let watched = this.#signals.get(signal);
    if (watched === undefined) {
      const requests = new Set<Pending>();
      const listener = (): void => {
        for (const one of requests) this.#onEnd(one, 'KEYCELL_ABORTED', signal.reason);
      };
      watched = { requests, listener };
      signal.addEventListener('abort', listener);
      this.#signals.set(signal, watched);
    }
    watched.requests.add(pending);
  }

  remove(pending: Pending): void {
    if (pending.deadline !== undefined) this.#timed.delete(pending);
    const { signal } = pending;
    const watched = signal === undefined ? undefined : this.#signals.get(signal);
    if (signal === undefined || watched === undefined) return;
    watched.requests.delete(pending);
    if (watched.requests.size > 0) return;
    signal.removeEventListener('abort', watched.listener);
    this.#signals.delete(signal);
  }

  /** Forget the timer; it may be armed for a request that ended long before its deadline. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#fires = Number.POSITIVE_INFINITY;
  }

  #arm(deadline: number): void {
    if (deadline >= this.#fires) return;
    clearTimeout(this.#timer);
    this.#fires = deadline;
    const delay = Math.min(Math.max(Math.ceil(deadline - performance.now()), COARSE), LONGEST);
    // The batcher keeps the process alive while anything is pending; this need not.
    this.#timer = background(setTimeout(() => this.#fire(), delay));
  }

  /** The set is bounded by the queue and the places, so looking at all of it is cheaper than keeping it in order. */
  #fire(): void {
    this.#fires = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let nearest = Number.POSITIVE_INFINITY;
    for (const pending of this.#timed) {
      const deadline = pending.deadline!;
      if (deadline <= now) this.#onEnd(pending, 'KEYCELL_TIMEOUT');
      else nearest = Math.min(nearest, deadline);
    }
    this.#arm(nearest);
  }
}
