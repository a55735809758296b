/**
 * Whether the store's file is still the one that lmdb has mapped, and as lmdb left it. lmdb itself never looks: it goes on
 * writing to a file that was deleted or replaced, and reads what somebody else has written into its own.
 */
import { closeSync, fstatSync } from 'node:fs';
import { HsmError } from '../errors.ts';
import { type FileIdentity, identityOf, lookFor } from './identity.ts';
import { DamagedFile, metaPages } from './lmdb-check.ts';

export class StorePlace {
  readonly #path: string;
  readonly #fd: number;
  readonly #identity: FileIdentity;
  #size = 0;
  /** They say which commit is the newest: an older copy that is written over the file has others. */
  #metas: Buffer = Buffer.alloc(0);

  /** `fd` is of the file that lmdb has mapped, and belongs to this from here on. */
  constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
    try {
      this.#identity = identityOf(fd);
      this.remember();
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** The file is as it should be: a commit has just ended. */
  remember(): void {
    this.#size = fstatSync(this.#fd).size;
    this.#metas = metaPages(this.#fd);
  }

  /** The same file under the same path. Throws STORE_MISSING or STORE_CORRUPT, or what the file system throws. */
  async mustBeThere(outcome: 'not-executed' | 'unknown' = 'not-executed'): Promise<void> {
    // A commit that comes meanwhile makes it longer.
    const size = this.#size;
    const found = await lookFor(this.#path, this.#identity);
    const lost = (code: 'KEYCELL_STORE_MISSING' | 'KEYCELL_STORE_CORRUPT', what: string): HsmError =>
      new HsmError(code, `The store ${this.#path} was ${what} while the HSM had it open`, { outcome });
    if (found === 'missing') throw lost('KEYCELL_STORE_MISSING', 'deleted or renamed');
    if (found === 'replaced') throw lost('KEYCELL_STORE_CORRUPT', 'replaced by another file');
    if (found < size) throw lost('KEYCELL_STORE_CORRUPT', `cut to ${found} of ${size} bytes`);
  }

  /** Nobody else has written to it since the last commit; for when none is under way. Throws STORE_CORRUPT. */
  mustBeUntouched(): void {
    try {
      if (metaPages(this.#fd).equals(this.#metas)) return;
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
    }
    throw new HsmError('KEYCELL_STORE_CORRUPT', `The store ${this.#path} was written to by something else`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
