/** Files of the folder are for its owner alone: what stands in them is sealed, but who has which keys, and when, is not. */
import { fchmodSync, fstatSync } from 'node:fs';

export const OWNER_ONLY = 0o600;

/**
 * Take away what a umask or an older version gave to others, and give the owner what a umask took.
 * Who is not the file's owner (a volume that a group shares) cannot, nor can a file system without modes: there the file
 * stays as somebody else decided.
 */
export function makeOwnerOnly(fd: number): void {
  if ((fstatSync(fd).mode & 0o777) === OWNER_ONLY) return;
  try {
    fchmodSync(fd, OWNER_ONLY);
  } catch (error) {
    if (!CANNOT.has((error as NodeJS.ErrnoException).code)) throw error;
  }
}

const CANNOT: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP']);
