/**
 * The warden's time, by which cells and warden judge tickets, dates of keys and proofs. It is the wall clock's, but never
 * goes back within a boot, and never runs slower than the monotonic clock: a ticket of 15 minutes is over when 15 minutes
 * have passed, wherever the wall clock was set meanwhile. A wall clock that was ahead for a moment leaves this time ahead
 * until the next unseal.
 */
import { monotonic } from '../../wire/clock.ts';

export class WardenClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  #time = 0;
  #readAt = 0;

  constructor(wall: () => number = () => Date.now(), clock: () => number = monotonic) {
    this.#wall = wall;
    this.#monotonic = clock;
    this.begin();
  }

  /** A new boot: what the wall clock says now. */
  begin(): void {
    this.resume(0, this.monotonic());
  }

  /** Go on from a time that was read at `readAt` of the monotonic clock. */
  resume(time: number, readAt: number): void {
    this.#time = time;
    this.#readAt = readAt;
  }

  /** Milliseconds since 1970. */
  now(): number {
    const readAt = this.#monotonic();
    this.#time = Math.max(this.#wall(), this.#time + (readAt - this.#readAt));
    this.#readAt = readAt;
    return this.#time;
  }

  /** When `now` was last asked, on the monotonic clock. */
  get readAt(): number {
    return this.#readAt;
  }

  monotonic(): number {
    return this.#monotonic();
  }
}
