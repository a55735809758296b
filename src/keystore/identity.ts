/** Which file lies under a path: an open file goes on being written to after it was deleted, renamed or replaced. */
import { fstatSync } from 'node:fs';
import { stat } from 'node:fs/promises';

export interface FileIdentity {
  readonly device: bigint;
  readonly inode: bigint;
}

/** Of an open file. Throws what the file system throws. */
export function identityOf(fd: number): FileIdentity {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { device: dev, inode: ino };
}

/**
 * Is the file of this identity still under its path? Its size where it is, in bytes; `missing` where nothing lies there,
 * `replaced` where another file does. Throws what the file system throws.
 */
export async function lookFor(path: string, { device, inode }: FileIdentity): Promise<number | 'missing' | 'replaced'> {
  try {
    const { dev, ino, size } = await stat(path, { bigint: true });
    return dev === device && ino === inode ? Number(size) : 'replaced';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw error;
  }
}
