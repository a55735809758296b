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

export interface PlaceFault {
  /** `missing` where nothing lies there; else something else does, or less. */
  readonly kind: 'missing' | 'corrupt';
  readonly what: string;
}

/**
 * What was done to the file of this identity, which lay under `path` and had `size` bytes; undefined where it is still there,
 * and no shorter. Throws what the file system throws.
 */
export async function placeFault(
  path: string,
  { device, inode }: FileIdentity,
  size: number,
): Promise<PlaceFault | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    if (found.dev !== device || found.ino !== inode) return { kind: 'corrupt', what: 'replaced by another file' };
    if (found.size < size) return { kind: 'corrupt', what: `cut to ${found.size} of ${size} bytes` };
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing', what: 'deleted or renamed' };
    throw error;
  }
}
