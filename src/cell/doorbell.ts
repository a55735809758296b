/**
 * Watching for the next batch for a moment, where it is likely to come at once, instead of sleeping in the event loop.
 *
 * Waking a thread on another processor of a virtual machine takes 15 µs of the waker's time, and as long again until the
 * sleeper runs: as much as all else that the main thread does for a few signatures. Who signs one message after the other
 * gets a quarter more with it, and 16 in flight a twentieth. Behind many requests the main thread is busy for longer than a
 * watch may last, and has more use for the processor.
 *
 * The bell is the carrier's. Whatever it writes there, a watch ends in time, and batches come by the port alone.
 */

import { availableParallelism } from 'node:os';

/** The longest watch, in ms: the main thread answers a few callers and sends what they ask next within it. */
const WATCH = 0.1;
/** So many batches came within that time, one after the other, before a cell watches: a watch in vain costs others. */
const IN_A_ROW = 4;
/** A batch of more requests keeps the main thread for longer. */
const FEW = 16;

export class Doorbell {
  readonly #bell: Int32Array;
  /** With one processor a watch would take it from the very thread that it waits for. */
  readonly #alone: boolean;
  /** Batches that have come; a ring's number passes 2^31 as this does. */
  #heard = 0;
  #answeredAt = 0;
  #soon = 0;

  /** An Int32 that rises by one with each batch that was sent. */
  constructor(bell: SharedArrayBuffer, processors = availableParallelism()) {
    this.#bell = new Int32Array(bell);
    this.#alone = processors < 2;
  }

  /** A batch has come. */
  heard(): void {
    this.#heard = (this.#heard + 1) | 0;
    this.#soon = performance.now() - this.#answeredAt < WATCH ? this.#soon + 1 : 0;
  }

  /** Its answer, to so many requests, is sent. Returns when the event loop has the next batch, or shall sleep. */
  watch(requests: number): void {
    this.#answeredAt = performance.now();
    if (this.#alone || this.#soon < IN_A_ROW || requests > FEW) return;
    const end = this.#answeredAt + WATCH;
    while (Atomics.load(this.#bell, 0) === this.#heard && performance.now() < end);
  }
}
