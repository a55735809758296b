/**
 * Secrets' arrays, wiped and given back at once.
 *
 * V8 counts what lies outside its heap, and marks the whole heap for every 25 MB or so of new ArrayBuffers, on the main
 * thread and on helpers that take the cells' processors: beside signatures, encryptions of 1 MiB lost a tenth of all by it.
 * An array that nobody will look at again need not wait for the collector. What is transferred to a closed port is detached
 * and freed, and the next copy finds the same memory, still in the caches.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { wipeAll } from '../wire/own.ts';

/** A transfer takes 4 µs, more than shorter arrays cost the collector. */
const LEAST = 32 * 1024;

let nowhere: MessagePort | undefined;

function closedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}

/** Wipe arrays of our own. One that is large and has its ArrayBuffer for itself is detached, and empty afterwards. */
export function releaseAll(parts: readonly Uint8Array[]): void {
  wipeAll(parts);
  for (const { buffer, length } of parts) {
    if (length < LEAST || length !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) continue;
    nowhere ??= closedPort();
    nowhere.postMessage(null, [buffer]);
  }
}
