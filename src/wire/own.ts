/** Up to here V8 keeps a typed array's bytes in its own heap, where the collector copies them, unless they are given to it. */
export const ON_HEAP_MAX = 64;

/** A copy outside the V8 heap, in an ArrayBuffer that nothing else lies in: the form of a secret, for whoever wipes it. */
export function ownCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // In one pass over fresh memory; without zeroing it first, as an ArrayBuffer by itself would.
  if (bytes.length > ON_HEAP_MAX) return new Uint8Array(bytes);
  const own = new Uint8Array(new ArrayBuffer(bytes.length));
  own.set(bytes);
  return own;
}
