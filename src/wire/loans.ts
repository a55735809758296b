/**
 * Buffers for large copies, used again. V8 counts what it does not allocate itself, and collects the whole heap for each 32 MiB
 * or so of new ArrayBuffers: with encryptions of 1 MiB beside signatures that was a tenth of the main thread's time, and as
 * much in its helpers.
 */
const LEAST = 64 * 1024;
/** As much is kept for the next copies; what comes back beyond it is left to the collector. */
const KEPT_MAX = 8 * 1024 * 1024;

/** By size, a power of two. */
const kept = new Map<number, ArrayBuffer[]>();
const lent = new WeakSet<ArrayBufferLike>();
let keptBytes = 0;

/** A copy in a buffer that nobody else has, until `giveBack`. */
export function lendCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.length < LEAST || bytes.length > KEPT_MAX) return new Uint8Array(bytes);
  const size = 2 ** Math.ceil(Math.log2(bytes.length));
  let buffer = kept.get(size)?.pop();
  if (buffer === undefined) buffer = new ArrayBuffer(size);
  else keptBytes -= size;
  lent.add(buffer);
  const copy = new Uint8Array(buffer, 0, bytes.length);
  copy.set(bytes);
  return copy;
}

/** Wiped arrays that nobody will look at again; those that were not lent are left alone. */
export function giveBack(parts: readonly Uint8Array[]): void {
  for (const { buffer } of parts) {
    if (!lent.delete(buffer)) continue;
    const size = buffer.byteLength;
    if (keptBytes + size > KEPT_MAX) continue;
    keptBytes += size;
    const same = kept.get(size);
    if (same === undefined) kept.set(size, [buffer as ArrayBuffer]);
    else same.push(buffer as ArrayBuffer);
  }
}
