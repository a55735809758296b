/** The memory that is in use, without what only waits to be collected. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** True when only weak references lead to it, after as many turns of the event loop as its last callbacks may take. */
export async function isForgotten(held: WeakRef<object>): Promise<boolean> {
  for (let turn = 0; turn < 50 && held.deref() !== undefined; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return held.deref() === undefined;
}

/**
 * Bytes in the array buffers that somebody still holds. Buffers of the first collection may be freed in the background; the
 * second waits for that.
 */
export function liveBuffers(): number {
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}
