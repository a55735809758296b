export { HsmError, type HsmErrorCode, type HsmErrorOptions, type Outcome } from './errors.ts';
export type * from './model/hsm.ts';
export type * from './model/key.ts';

import type { EphemeralOptions, Hsm, OpenOptions, Session } from './model/hsm.ts';

/** Open the HSM of a folder; it is `uninitialized`, `sealed`, or (with `unseal`) `ready`. */
export type OpenHsm = (options: OpenOptions) => Promise<Hsm>;
/** An HSM in memory with one crypto-user logged in: to try it, and for tests. */
export type OpenEphemeralHsm = (options?: EphemeralOptions) => Promise<{ hsm: Hsm; session: Session }>;
