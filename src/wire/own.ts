/** Arrays of our own: outside the V8 heap, in an ArrayBuffer that nothing else lies in. The form of a secret, for whoever wipes it. */
import { lengthOf } from '../model/values.ts';

/** Up to here V8 keeps a typed array's bytes in its own heap, where the collector copies them, unless they are given to it. */
export const ON_HEAP_MAX = 64;

export function ownBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

export function ownCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = lengthOf(bytes);
  // In one pass over fresh memory; without zeroing it first, as an ArrayBuffer by itself would.
  if (length > ON_HEAP_MAX) return new Uint8Array(bytes);
  const own = ownBytes(length);
  own.set(bytes);
  return own;
}

/** Zero bytes that were somebody's secret; of an array that was detached, nothing is left to wipe. */
export function wipeAll(parts: readonly Uint8Array[]): void {
  for (const part of parts) if (part.length > 0) part.fill(0);
}
