/** The messages between the warden and the thread that started it. Secrets lie in the shared buffer, never in a message. */
import type { MessagePort } from 'node:worker_threads';
import type { HsmErrorCode } from '../../errors.ts';
import type { ScryptParameters } from '../../wire/keyslot.ts';
import type { TicketRole } from '../../wire/ticket.ts';

/** Room for the secrets of one call: two at most. */
export const SECRETS_SIZE = 8192;
export { SECRET_MAX } from '../../model/limits.ts';

export interface WardenStart {
  readonly core: Uint8Array;
  readonly digest: string;
  /** Where passphrases and passwords are handed over; they are zeroed there as soon as scrypt is through with them. */
  readonly secrets: SharedArrayBuffer;
  /** Where the current lease is posted, and where the log's length comes back. */
  readonly board: SharedArrayBuffer;
  readonly lockout: LockoutPolicy;
  /** Sessions that one user may have open. */
  readonly sessionQuota: number;
}

/** When failed logins lock a name: docs/operations.md. Times are milliseconds. */
export interface LockoutPolicy {
  /** So many failures in a row lock the name. */
  readonly after: number;
  /** The first lock; each further failure doubles it. */
  readonly delay: number;
  /** No lock is longer. */
  readonly longest: number;
}

/** What a hashing thread is started with. */
export interface HasherStart {
  /** To the warden. */
  readonly port: MessagePort;
  readonly secrets: SharedArrayBuffer;
}

/** From the warden to a hashing thread. */
export interface HashJob {
  readonly secret: SecretRef;
  readonly salt: Uint8Array;
  readonly cost: ScryptParameters;
  /** Where the derived key goes: the warden's, and never sent to another thread. */
  readonly derived: SharedArrayBuffer;
}

/** Back to the warden; `failed` where there was no memory for it. */
export type HashOutcome = 'done' | 'failed';

/** A secret in the shared buffer. */
export interface SecretRef {
  readonly offset: number;
  readonly length: number;
}

/** Sealed records that came or went, and where the log stood when they did. */
export interface StateChange {
  readonly added: readonly Uint8Array[];
  readonly removed: readonly Uint8Array[];
  readonly log: { readonly seq: number; readonly hash: string };
}

/** Is a change on the disk? `refused`: it is not, and will not be. */
export type WriteOutcome = 'written' | 'refused' | 'unknown';

/** What the warden can be asked. Every answer may bring entries for the log, which must be on the disk before it is used. */
export interface WardenCalls {
  initialize: {
    ask: {
      readonly passphrase: SecretRef;
      readonly admin: { readonly name: string; readonly password: SecretRef };
      readonly log2N: number;
    };
    answer: { readonly keyslot: Uint8Array; readonly user: Uint8Array };
  };
  /** An HSM without passphrase or store, and a session of a crypto-user. */
  initializeEphemeral: { ask: Record<never, never>; answer: { readonly ticket: Uint8Array } };
  /**
   * Open the slot and the control record; PASSPHRASE_WRONG or STORE_CORRUPT. The scan comes next. Whoever has the passphrase
   * may give the log up whose head the control record names: the first entry of the next one says so.
   */
  unseal: {
    ask: {
      readonly passphrase: SecretRef;
      readonly keyslot: Uint8Array;
      readonly control: Uint8Array;
      readonly givenUp?: { readonly seq: number; readonly hash: string };
    };
    answer: { readonly hsmId: string };
  };
  /** Does the passphrase open the slot, and is it this HSM's? PASSPHRASE_WRONG or STORE_CORRUPT; nothing changes. */
  checkPassphrase: {
    ask: { readonly passphrase: SecretRef; readonly keyslot: Uint8Array };
    answer: Record<never, never>;
  };
  /** All records but the control's, in pieces: each is opened. Gives each one's id, or null where it is not authentic. */
  scan: {
    ask: { readonly records: readonly Uint8Array[]; readonly first: boolean };
    answer: { readonly authentic: readonly (string | null)[] };
  };
  /** Is what was scanned what the control state says? */
  compare: { ask: Record<never, never>; answer: { readonly matches: boolean } };
  /** The same at unsealing: ends `ready`, or in STORE_CORRUPT where records are missing or too many. */
  scanned: { ask: { readonly log: number }; answer: { readonly records: number } };
  seal: { ask: Record<never, never>; answer: Record<never, never> };

  login: {
    ask: {
      /** What the caller typed; failures of a user who exists are counted under the name in their record. */
      readonly name: string;
      readonly user: Uint8Array | null;
      readonly password: SecretRef;
      /** Lets the login past a lock that failures made. */
      readonly custody?: { readonly passphrase: SecretRef; readonly keyslot: Uint8Array };
    };
    answer: { readonly ticket: Uint8Array };
  };
  renew: { ask: { readonly ticket: Uint8Array }; answer: { readonly ticket: Uint8Array } };
  logout: { ask: { readonly ticket: Uint8Array }; answer: Record<never, never> };
  /** Is this ticket good, and of this role? */
  authorize: { ask: { readonly ticket: Uint8Array; readonly role: TicketRole }; answer: Record<never, never> };
  createUser: {
    ask: {
      readonly ticket: Uint8Array;
      readonly name: string;
      readonly role: TicketRole;
      readonly password: SecretRef;
    };
    answer: { readonly user: Uint8Array };
  };
  removeUser: { ask: { readonly ticket: Uint8Array; readonly user: Uint8Array }; answer: Record<never, never> };
  setPassword: {
    ask: {
      readonly ticket: Uint8Array;
      readonly user: Uint8Array;
      readonly password: SecretRef;
      /** Checked where it is given, and asked for where the user is the caller. */
      readonly oldPassword?: SecretRef;
    };
    answer: { readonly user: Uint8Array };
  };
  /** Lock a user, or let them in again: the record as it is now. */
  lockUser: {
    ask: { readonly ticket: Uint8Array; readonly user: Uint8Array; readonly locked: boolean };
    answer: { readonly user: Uint8Array };
  };

  /** The control record to be written together with a change. The state advances by `settle`; until then no other is given. */
  commit: { ask: StateChange; answer: { readonly control: Uint8Array } };
  /**
   * What became of the last control record that was given, as far as the store tells. What it revokes is in force from then
   * on, and while it is unknown.
   */
  settle: { ask: { readonly outcome: WriteOutcome }; answer: Record<never, never> };
  /** How many of these bodies were not made by a cell or warden of this HSM. */
  checkEntries: { ask: { readonly bodies: readonly string[] }; answer: { readonly forged: number } };

  /** Give the master key to whoever is at the other end, once. */
  provision: { ask: { readonly port: MessagePort }; answer: Record<never, never> };
  /** Take the master key from a cell: this warden replaces one that died. */
  adopt: {
    ask: { readonly port: MessagePort; readonly control: Uint8Array; readonly lease: Uint8Array; readonly log: number };
    answer: Record<never, never>;
  };
  /** One more hashing thread is at the other end. */
  hasher: { ask: { readonly port: MessagePort }; answer: Record<never, never> };
  /** Count the entries of a cell by its own counter. */
  watch: { ask: { readonly counter: SharedArrayBuffer }; answer: Record<never, never> };
  /** A cell died: so many of its entries never came out of it. */
  lost: { ask: { readonly cell: number; readonly entries: number }; answer: Record<never, never> };
}

export type WardenCall = keyof WardenCalls;

export type ToWarden = {
  [C in WardenCall]: { readonly id: number; readonly call: C; readonly ask: WardenCalls[C]['ask'] };
}[WardenCall];

export type FromWarden =
  | { readonly type: 'ready' }
  | { readonly type: 'broken'; readonly reason: string }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown; readonly entries: readonly string[] }
  | {
      readonly type: 'refusal';
      readonly id: number;
      readonly code: HsmErrorCode;
      readonly detail: string | undefined;
      readonly entries: readonly string[];
    };
