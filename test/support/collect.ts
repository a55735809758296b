/** The memory that is in use, without what only waits to be collected. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Bytes in the array buffers that somebody still holds. Buffers of the first collection may be freed in the background; the
 * second waits for that.
 */
export function liveBuffers(): number {
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}
