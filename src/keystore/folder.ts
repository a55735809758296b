/** Making the folder. Node's own recursive mkdir never ends where a file system makes no folders (/proc). */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Make a folder and those above it that are missing, each for its owner alone. Throws what the file system throws. */
export function makeFolder(path: string): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    // Another process may have been faster.
    if (!isFolder(path)) throw error;
  }
}

/** Nothing is there, or something that cannot be looked at: making it will tell. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
