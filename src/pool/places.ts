/**
 * Memory for a cell's batches, which the next cell takes over from one that ended.
 *
 * Shared memory cannot be given back: it waits for the collector, which does not run for it. 200 HSMs that were opened and
 * closed left 1.5 GB. So what is let go is used again, as long as it is there; nothing but its next user keeps it.
 */
import { PLACE_SIZE } from '../wire/batch.ts';

/** One in work, one that waits at its door: a cell never idles for the main thread, and no more than that is lost to it. */
export const PLACES = 2;

const spare: WeakRef<SharedArrayBuffer>[] = [];

/**
 * The zeroed places of one cell. They are one piece of memory, and so more than the 32 MiB up to which glibc learns to take
 * from its heap what it has seen freed: there all of it would be resident from the start, here only what was written to.
 */
export function takePlaces(): Uint8Array[] {
  const shared = takeShared();
  return Array.from({ length: PLACES }, (_, i) => new Uint8Array(shared, i * PLACE_SIZE, PLACE_SIZE));
}

function takeShared(): SharedArrayBuffer {
  for (let last = spare.pop(); last !== undefined; last = spare.pop()) {
    const shared = last.deref();
    if (shared !== undefined) return shared;
  }
  return new SharedArrayBuffer(PLACES * PLACE_SIZE);
}

/** They are zeroed, and no thread has them any more. */
export function letPlacesGo([place]: readonly Uint8Array[]): void {
  spare.push(new WeakRef(place!.buffer as SharedArrayBuffer));
}
