/**
 * Free descriptors, before what does not survive their lack: Node never loads a module again that failed to load, and lmdb ends
 * the process.
 */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** Throws what the system says (EMFILE, ENFILE) unless so many files can be opened now. */
export function mustHaveDescriptors(count: number): void {
  const taken: number[] = [];
  try {
    while (taken.length < count) taken.push(openSync(devNull, 'r'));
  } catch (error) {
    // Where the permission model forbids this file, nothing is known.
    if (lacksDescriptors(error)) throw error;
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}

export function lacksDescriptors(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}
