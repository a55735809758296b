/** What the package exports. What an open HSM is made of is loaded when one is opened: importing this is cheap. */
import { devNull } from 'node:os';
import { lacksDescriptors, mustHaveDescriptors } from './descriptors.ts';
import { HsmError } from './errors.ts';
import type { EphemeralOptions, Hsm, OpenOptions, Session } from './model/hsm.ts';

export { type AuditFault, type VerifyOptions, verifyAuditLog } from './audit/verify.ts';
export { type FolderHolder, HsmError, type HsmErrorCode, type HsmErrorOptions, type Outcome } from './errors.ts';
export type * from './model/hsm.ts';
export type * from './model/key.ts';

/** Open the HSM of a folder; it is `uninitialized`, `sealed`, or (with `unseal`) `ready`. */
export type OpenHsm = (options: OpenOptions) => Promise<Hsm>;
/** An HSM in memory with one crypto-user logged in: to try it, and for tests. */
export type OpenEphemeralHsm = (options?: EphemeralOptions) => Promise<{ hsm: Hsm; session: Session }>;

/** More than are open at once while all of Keycell's modules load: 29 were seen. */
const LOAD_DESCRIPTORS = 40;
const loaded = new Set<unknown>();

/**
 * What failed to load once Node never loads again in the same process: so nothing is, unless there are descriptors. Throws
 * STORE_UNAVAILABLE without; and INPUT_INVALID, as a program without its files does, where something else failed, a permission.
 */
async function loadBy<T>(load: () => Promise<T>): Promise<T> {
  try {
    if (!loaded.has(load)) mustHaveDescriptors(LOAD_DESCRIPTORS);
    const module = await load();
    loaded.add(load);
    return module;
  } catch (cause) {
    if (!(cause instanceof Error) || !('syscall' in cause)) throw cause;
    if (lacksDescriptors(cause) && 'path' in cause && cause.path === devNull) {
      const detail = `Keycell needs ${LOAD_DESCRIPTORS} files to load: ${cause.message}. Raise the limit of open files (ulimit -n)`;
      throw new HsmError('KEYCELL_STORE_UNAVAILABLE', detail, { cause });
    }
    const detail = `Keycell's own modules can't be loaded: ${cause.message}. Mend that, and start the process anew`;
    throw new HsmError('KEYCELL_INPUT_INVALID', detail, { cause });
  }
}

const OPEN = () => import('./open.ts');
const SECRET_FILE = () => import('./secret-file.ts');

/**
 * Open the HSM of a folder, made if it is missing: `uninitialized`, `sealed`, or `ready` where `unseal` gave the passphrase.
 * Throws STORE_LOCKED, STORE_CORRUPT, STORE_MISSING, STORE_TOO_OLD, STORE_TOO_NEW, AUDIT_CORRUPT, AUDIT_MISSING,
 * PASSPHRASE_WRONG, TAMPERED (a self-test failed).
 */
export const openHsm: OpenHsm = async (options) => (await loadBy(OPEN)).openHsm(options);

/** A secret that a file holds, to pass as `unseal`, `passphrase` or `password`. */
export type SecretFile = (path: string) => () => Promise<Uint8Array>;

/**
 * A secret that a file holds, to pass as `unseal`, `passphrase` or `password`: it is read at each use, and wiped after it.
 * One newline (LF or CRLF) at the end is dropped, as the command line does, so that both open the same HSM; at most 64 KiB.
 * What it gives throws INPUT_INVALID where the file can't be read, or is empty.
 */
export const secretFile: SecretFile = (path) => async () => (await loadBy(SECRET_FILE)).readSecretFile(path);

/** An HSM in memory with one crypto-user logged in; it is gone when it is closed. */
export const openEphemeralHsm: OpenEphemeralHsm = async (options) => (await loadBy(OPEN)).openEphemeralHsm(options);
