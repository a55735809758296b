/** The only importer of lmdb, which is loaded with the first store: an HSM in memory runs without its native binary. */
import { requireAsset } from '../assets.ts';
import { HsmError } from '../errors.ts';

type Lmdb = typeof import('lmdb');

const NO_BINARY = /^No native build was found/;

let lmdb: Lmdb | undefined;

/**
 * From `dist/assets`, or the folder of a bundled program; its binary is a package of its own, looked for from there. What was
 * loaded first serves the whole process. Throws INPUT_INVALID where one of them is missing, and EMFILE.
 */
export function loadLmdb(folder?: URL): Lmdb {
  if (lmdb !== undefined) return lmdb;
  try {
    const loaded: Lmdb = requireAsset('./lmdb/index.js', folder);
    lmdb = loaded;
    return loaded;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (NO_BINARY.test(message)) {
      const name = `@lmdb/lmdb-${process.platform}-${process.arch}`;
      const detail = `The package ${name} is missing: install with optional dependencies; a bundled program brings it along`;
      throw new HsmError('KEYCELL_INPUT_INVALID', detail, { cause });
    }
    if (code !== 'MODULE_NOT_FOUND') throw cause;
    throw new HsmError('KEYCELL_INPUT_INVALID', 'lmdb could not be loaded: is "assets" right?', { cause });
  }
}
