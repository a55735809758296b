import { writeSync } from 'node:fs';

const asleep = new Int32Array(new SharedArrayBuffer(4));

/** Writes to stdout before it returns. A pipe to a parent that is slow to read is full for a while: EAGAIN. */
export function say(text) {
  let left = Buffer.from(text);
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(1, left));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(asleep, 0, 0, 1);
    }
  }
}
