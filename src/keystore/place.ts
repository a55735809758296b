/**
 * Whether the store's file is still the one that lmdb has mapped, and as lmdb left it. lmdb itself never looks: it goes on
 * writing to a file that was deleted or replaced, and reads what somebody else has written into its own.
 */
import { closeSync, fstatSync } from 'node:fs';
import { HsmError } from '../errors.ts';
import { type FileIdentity, identityOf, placeFault } from './identity.ts';
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
    const fault = await placeFault(this.#path, this.#identity, this.#size);
    if (fault === undefined) return;
    const code = fault.kind === 'missing' ? 'KEYCELL_STORE_MISSING' : 'KEYCELL_STORE_CORRUPT';
    throw new HsmError(code, `The store ${this.#path} was ${fault.what} while the HSM had it open`, { outcome });
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
