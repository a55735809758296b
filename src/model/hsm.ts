/** The public interface: what `openHsm` gives, embedded or remote. Inputs are Uint8Array, outputs Uint8Array<ArrayBuffer>. */
/// <reference types="node" preserve="true" />
import type { HsmErrorCode } from '../errors.ts';
import type {
  AesCbcHmacKey,
  AesKey,
  Bytes,
  Curve,
  EcKey,
  GenericKey,
  HashName,
  HmacKey,
  Jwk,
  Key,
  KeyOf,
  KeyTemplate,
  KeyType,
  PartialTemplate,
  PublicKeyInput,
} from './key.ts';

/** A secret on its way in: an array is copied and left alone unless `wipe`; a function's result is always wiped. */
export type Secret = Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
/** A password may be a string, at a cost: a string stays in the heap until it is collected. */
export type Password = Secret | string;

/** What every call takes. */
export interface CallOptions {
  /** Aborted: KEYCELL_ABORTED. What still waits is not executed; what a cell has begun ends unseen. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call fails with KEYCELL_TIMEOUT, at most 2^53 - 1; none left (0 or less) fails at once. */
  readonly timeout?: number;
}

/** No HSM in the folder yet; locked; serving; or wiped, since one of its own checks failed. */
export type HsmState = 'uninitialized' | 'sealed' | 'ready' | 'tampered';
/** An admin manages users and trust and uses no keys; a crypto-user makes and uses his own. */
export type Role = 'admin' | 'crypto-user';

/** What one user may take, so that others find room; each a whole number of at least 1. Users of both roles alike. */
export interface Quotas {
  /** Keys in the store, those on their way there among them; beyond it KEYCELL_LIMIT_EXCEEDED. Default 1 000 000. */
  readonly storedKeys?: number;
  /** Sessions that are neither closed nor expired; beyond it `login` fails with KEYCELL_LIMIT_EXCEEDED. Default 1 000. */
  readonly sessions?: number;
  /** Requests that wait for a cell, the warden, the log or the store; beyond it KEYCELL_BUSY. Default ¾ of `queueLimit`. */
  readonly waitingRequests?: number;
}

/** Of both ways to open an HSM. */
export interface EphemeralOptions {
  /** Cells. Default: one less than the available cores, at least 1. */
  readonly workers?: number;
  /** Requests that may wait for a cell before KEYCELL_BUSY. Default 4096. */
  readonly queueLimit?: number;
  /** When failed logins lock a name. */
  readonly lockout?: LockoutOptions;
  /** What one user may take. */
  readonly quotas?: Quotas;
  /** Only for a bundled program: the copied folder `keycell/dist/assets`, with what threads are started from. */
  readonly assets?: string | URL;
}

export interface OpenOptions extends EphemeralOptions {
  /** The HSM's folder: store, log and lock. */
  readonly path: string;
  /**
   * May a new HSM be made where there is none? Without it, folder and store must be there, and `initialize` is refused:
   * KEYCELL_STORE_MISSING, with nothing made. A volume that is not mounted would otherwise get new keys. Default false.
   */
  readonly create?: boolean;
  /** The `id` of the HSM that is expected here: KEYCELL_STORE_MISSING where the folder has another, or none. */
  readonly id?: string;
  /**
   * The log is lost for good, and the HSM shall go on with another: `lossId` of the error that said so. It takes effect once,
   * with the unseal, and the first entry of the new log says what was given up; what is left of the old one is kept beside
   * it. Ignored where the log is whole.
   */
  readonly acceptLogLoss?: string;
  /** Asked once if the HSM is initialised; its result is wiped. What it throws is the cause of a KEYCELL_INPUT_INVALID. */
  readonly unseal?: () => Promise<Uint8Array> | Uint8Array;
  /** Milliseconds to wait for the folder's lock. Default 0. */
  readonly lockTimeout?: number;
}

/**
 * Failed logins of one name in a row, known or not: from half of `after` on it waits a moment, then it is locked, for twice
 * as long with each further failure. A login that succeeds, a new password and `unlockUser` end the count.
 */
export interface LockoutOptions {
  /** Failures that lock the name, 1 to 100. Default 10. */
  readonly after?: number;
  /** Milliseconds of the first lock, 1000 to an hour. Default a minute. */
  readonly delay?: number;
  /** Milliseconds of the longest lock, after which failures are forgotten again: `delay` to a day. Default 15 minutes. */
  readonly longest?: number;
}

export interface InitializeOptions {
  /** What unseals this HSM from now on: with the folder it is everything, and lost, so are the keys. */
  readonly passphrase: Password;
  /** The first user. A name has 1 to 64 characters. */
  readonly admin: { readonly name: string; readonly password: Password };
  /** The cost of the passphrase: log2 of scrypt's N, 14 to 20. Default 17 (about 128 MiB and 0.3 s). */
  readonly scryptLog2N?: number;
  /** Overwrite the arrays given here with zeros, whatever becomes of the call. */
  readonly wipe?: boolean;
}

/** Whom `createUser` makes. */
export interface NewUser {
  /** 1 to 64 characters. */
  readonly name: string;
  readonly role: Role;
  readonly password: Password;
  /** Overwrite the array given here with zeros, whatever becomes of the call. */
  readonly wipe?: boolean;
}

export interface LoginOptions extends CallOptions {
  readonly user: string;
  readonly password: Password;
  /**
   * The HSM's own passphrase: lets the login past a lock that failed logins made, so that nobody keeps an admin out by
   * typing wrong passwords. KEYCELL_LOGIN_FAILED where either is wrong, and for 15 seconds at most after wrong passphrases
   * that came with the right password.
   */
  readonly passphrase?: Password;
  /**
   * Renew the session, and log in again before its twelfth hour and after each unseal, until it is closed: the Session stays,
   * with a new `id`, and so do handles of stored keys; session keys of a login that is over are KEYCELL_SESSION_EXPIRED. Asks
   * for `password` (and `passphrase`) as a function, so that none is kept: KEYCELL_INPUT_INVALID otherwise. What fails is tried
   * again with pauses; after KEYCELL_LOGIN_FAILED no more, and calls are KEYCELL_SESSION_EXPIRED from the session's end on.
   */
  readonly keepAlive?: boolean;
  /** Overwrite the arrays given here with zeros, whatever becomes of the call. */
  readonly wipe?: boolean;
}

/** Counts of values: `counts[i]` of those up to `bounds[i]` (and above the bound before it), the last one of all beyond. */
export interface HistogramStats {
  readonly bounds: readonly number[];
  /** One more than bounds. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export interface CellStats {
  readonly cell: number;
  /** Self-testing; passed, without a master key; taking it; serving; dead and about to be replaced. */
  readonly state: 'starting' | 'ready' | 'provisioning' | 'open' | 'dead';
  /** Milliseconds since this thread of the cell was started. */
  readonly uptime: number;
  /** Batches that this thread answered. */
  readonly batches: number;
  /** Batches with it now: at most two. */
  readonly inside: number;
}

/** What `hsm.stats()` gives: counts since it was opened, and the moment's state. Times are milliseconds. */
export interface HsmStats {
  readonly state: HsmState;
  /** Milliseconds since it was opened. */
  readonly uptime: number;
  /** Keys in the store; 0 unless `ready`. Session keys are not in it. */
  readonly keys: number;
  /** Cells that passed their self-test. */
  readonly cells: number;
  readonly cellList: readonly CellStats[];
  readonly cellRestarts: number;
  readonly wardenRestarts: number;
  /** Age of the warden's last word, which comes once a second; cells refuse one of 5 s. Undefined unless `ready`. */
  readonly leaseAge: number | undefined;
  /**
   * How far the time by which sessions, keys' dates and proofs are judged is ahead of the wall clock, in ms; about 0 unless
   * that was set back since the unseal. Undefined unless `ready`.
   */
  readonly clockAhead: number | undefined;
  /** Requests that wait for a cell, their bytes, how many may wait before KEYCELL_BUSY; and requests that are with one. */
  readonly queued: number;
  readonly queuedBytes: number;
  readonly queueLimit: number;
  readonly inFlight: number;
  /** Requests that a cell answered, refusals among them; and the same by operation: `sign`, `encrypt`, … */
  readonly operations: number;
  readonly byOperation: Readonly<Record<string, number>>;
  /** Requests to cells and calls to the warden (logins, users) that ended in an error; and the same by its code. */
  readonly failures: number;
  readonly failuresByCode: Readonly<Partial<Record<HsmErrorCode, number>>>;
  /** Logins that succeeded. */
  readonly logins: number;
  readonly batches: number;
  /** Batches that a cell had for over a second. */
  readonly slowBatches: number;
  /** Requests in a batch. */
  readonly batchSize: HistogramStats;
  /** From sending a batch to its answer. */
  readonly cellTime: HistogramStats;
  /** From a call to its settlement, of requests that a cell answered: queue, cell and log. */
  readonly requestTime: HistogramStats;
  /** Entries in the log: the sequence number of the last. */
  readonly logEntries: number;
  /** Entries that could not be written yet; while there are any, nothing is served. */
  readonly logBacklog: number;
}

/**
 * What an HSM tells by itself. A listener that throws disturbs nothing here: its error is thrown again on the next tick,
 * as an uncaught exception. Each event is published on a channel of node:diagnostics_channel, too: HsmChannels.
 */
export interface HsmEvents {
  /** The state has changed to this. */
  state: [state: HsmState];
  /** A cell died; `retried` of its requests went back into the queue, and a new one takes its place. */
  'cell-restart': [event: { readonly cell: number; readonly error: Error; readonly retried: number }];
  /** The warden died; a new one takes the master key from a cell. */
  'warden-restart': [event: { readonly error: Error }];
  /** A cell has worked on a batch for over a second, and may still: told once a batch, also where the machine is too busy. */
  'slow-batch': [event: SlowBatch];
  /** A sealed record is not authentic: it was altered or damaged in the store. */
  'record-corrupt': [event: { readonly id: string }];
  /** The HSM is `tampered`: one of its own checks failed. */
  fatal: [event: { readonly error: Error }];
  /**
   * The log cannot be written, or does not lie where it was (`lossId` in the error), so nothing is served; it is tried again
   * every half second.
   */
  'audit-unavailable': [event: { readonly error: Error }];
  /** The log can be written again, and all that waited is. */
  'audit-available': [];
  /** The store was deleted, renamed, replaced, cut or written to by something else, so nothing is served. */
  'store-unavailable': [event: { readonly error: Error }];
  /** The store is back, as it was. */
  'store-available': [];
}

/** How a batch ended: answered; answered, but withheld since its entry could not be logged; lost with its cell. */
export type BatchOutcome = 'answered' | 'withheld' | 'lost';

/** One trip of a batch to a cell. Times are milliseconds. */
export interface BatchReport {
  readonly cell: number;
  /** Requests in it, and how many of each operation. */
  readonly size: number;
  readonly operations: Readonly<Record<string, number>>;
  /** Requests that the cell refused; all, where the batch was lost. */
  readonly failures: number;
  readonly outcome: BatchOutcome;
  /** When it was sent, in milliseconds since 1970. */
  readonly startTime: number;
  /** How long the oldest request in it had waited. */
  readonly queueTime: number;
  /** From sending to the answer, or to the cell's death. */
  readonly cellTime: number;
  /** From the answer until its entry was written. */
  readonly logTime: number;
}

/** A batch that a cell has worked on for over a second: no request that is within its bounds takes so long. */
export interface SlowBatch {
  readonly cell: number;
  /** Requests in it, and how many of each operation. */
  readonly size: number;
  readonly operations: Readonly<Record<string, number>>;
  /** The ids of the users whose requests they are. */
  readonly users: readonly string[];
  /** Milliseconds that the cell has had it, or did. */
  readonly time: number;
}

/** The channels of node:diagnostics_channel and their messages. Without a subscriber none of them costs anything. */
export type HsmChannels = {
  'keycell:batch': BatchReport & { readonly hsm: Hsm };
  'keycell:state': { readonly hsm: Hsm; readonly state: HsmState };
} & {
  [E in Exclude<keyof HsmEvents, 'state'> as `keycell:${E}`]: { readonly hsm: Hsm } & ([] extends HsmEvents[E]
    ? unknown
    : HsmEvents[E][0]);
};

export interface CheckOptions extends CallOptions {
  /** Called every few hundred entries and records; `total` counts both. */
  readonly onProgress?: (progress: { readonly checked: number; readonly total: number }) => void;
}

/** One HSM: a folder, or memory. Calls made while it is not `ready` fail with the code that says why. */
export interface Hsm extends AsyncDisposable {
  /** What it is now; the event `state` tells when it changes. */
  readonly state: HsmState;
  /** 32 hex digits; empty before the HSM is initialised. Proofs for `rewrapKeys` name it: their `aud` is `keycell:` and this. */
  readonly id: string;
  /**
   * Make the master key and the first admin; atomic, ends `ready`.
   * Secrets are copied, the copies wiped; see `wipe`. KEYCELL_ALREADY_INITIALIZED, KEYCELL_INPUT_INVALID.
   */
  initialize(options: InitializeOptions): Promise<void>;
  /**
   * Bring the master key back and compare the whole store with what the HSM remembers; ends `ready`. Where it is ready, the
   * passphrase is only checked. KEYCELL_PASSPHRASE_WRONG, KEYCELL_NOT_INITIALIZED, KEYCELL_STORE_CORRUPT, KEYCELL_BUSY. A
   * function's result is wiped, an array with `wipe`.
   */
  unseal(passphrase: Password, options?: CallOptions & { readonly wipe?: boolean }): Promise<void>;
  /**
   * Wipe the master key from warden and cells; `unseal` brings it back.
   * Work in a cell ends, what waits fails with KEYCELL_SEALED, and every session is over for good.
   */
  seal(): Promise<void>;
  /**
   * A session of 15 minutes, which `renew` extends up to 12 hours after this login. Costs about 0.1 s of scrypt on a thread
   * of its own; as many at once as there are cores but one, at most four. KEYCELL_LOGIN_FAILED for an unknown user, a wrong
   * password and a locked user alike; KEYCELL_LOGIN_LOCKED after too many of those; KEYCELL_BUSY where too many wait.
   */
  login(options: LoginOptions): Promise<Session>;
  /**
   * Refuse new work, let the work in hand end (at most `timeout` ms, default 10 000), flush, wipe. May be called twice. An HSM
   * that is not closed keeps the process only while a call is under way.
   */
  close(options?: { readonly timeout?: number }): Promise<void>;
  /** Counts since it was opened, and the moment's state; about 20 µs. */
  stats(): HsmStats;
  /**
   * Compare log and store with what the HSM remembers; throws what it finds: KEYCELL_AUDIT_CORRUPT, KEYCELL_STORE_CORRUPT.
   * Reads everything once; work goes on, changes of keys and users wait. Gives the number of keys and users, and of entries.
   */
  check(options?: CheckOptions): Promise<{ readonly records: number; readonly logEntries: number }>;
  /** End a cell as a crash would: for failure drills. The work in it is done again by another. */
  killCell(cell?: number): Promise<void>;
  /** Call `listener` at each event of this name. */
  on<E extends keyof HsmEvents>(event: E, listener: (...args: HsmEvents[E]) => void): this;
  /** Call `listener` at the next event of this name. */
  once<E extends keyof HsmEvents>(event: E, listener: (...args: HsmEvents[E]) => void): this;
  /** Take a listener away that `on` or `once` was given. */
  off<E extends keyof HsmEvents>(event: E, listener: (...args: HsmEvents[E]) => void): this;
  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** EC keys sign by ECDSA, HMAC keys by HMAC, AES keys by CMAC (SP 800-38B). All but `hash` is for ECDSA alone, `hash` not for CMAC. */
export interface SignOptions extends CallOptions {
  /** Default p1363: r ‖ s, 64 bytes (P-256, secp256k1) or 96 (P-384). */
  readonly format?: 'p1363' | 'der';
  /**
   * ECDSA: the curve's own unless given: SHA-256, and SHA-384 for P-384. HMAC: SHA-256 unless given, whatever the key's
   * size; HS384 and HS512 ask for theirs.
   */
  readonly hash?: HashName;
  /** The message is the digest already, of the hash's length. */
  readonly prehashed?: boolean;
  /** Default hedged: noise of its own beside RFC 6979, so that neither a bad generator nor a fault gives the key away. */
  readonly nonce?: 'hedged' | 'rfc6979';
}

export interface AadOption {
  /** Associated data: authenticated, not stored, and the same at decryption. Default: none. */
  readonly aad?: Uint8Array;
}
/** The envelope, docs/formats.md §5: no mechanism is named. */
export interface EnvelopeOptions extends CallOptions, AadOption {
  readonly mechanism?: undefined;
}
/** Raw AES-GCM. An `iv` is given exactly with keys made with `callerIv`. */
export interface GcmEncryptOptions extends CallOptions, AadOption {
  readonly mechanism: 'AES-GCM';
  readonly iv?: Uint8Array;
}
export interface GcmDecryptOptions extends CallOptions, AadOption {
  readonly mechanism: 'AES-GCM';
  readonly iv: Uint8Array;
}
export interface ReencryptOptions extends CallOptions, AadOption {
  readonly to: AesKey;
  /** The new envelope's associated data. Default: `aad`. */
  readonly toAad?: Uint8Array;
}
/**
 * SP 800-38A, for peers that need it; CBC with the padding of PKCS#7. Neither is authenticated: whoever can change the
 * ciphertext changes the plaintext unnoticed, so between your own services use the envelope. An `iv` of 16 bytes is given
 * exactly with keys made with `callerIv`; otherwise the cell draws it, for CTR as the first counter block, which counts as
 * a whole.
 */
export interface BlockModeEncryptOptions extends CallOptions {
  readonly mechanism: 'AES-CTR' | 'AES-CBC';
  readonly iv?: Uint8Array;
}
/** AES_CBC_HMAC_SHA2 of RFC 7518 §5.2, for JOSE: the key's size says which of the three. */
export interface CbcHmacEncryptOptions extends CallOptions, AadOption {
  readonly mechanism: 'AES-CBC-HMAC';
}
export interface CbcHmacDecryptOptions extends CallOptions, AadOption {
  readonly mechanism: 'AES-CBC-HMAC';
  /** 16 bytes. */
  readonly iv: Uint8Array;
}

/**
 * AES-CTR needs `encrypt` beside `decrypt`: with an IV of one's choice it is one operation both ways, and any ciphertext
 * decrypts to something. Wrong padding of AES-CBC is KEYCELL_DECRYPT_FAILED, by nature a padding oracle: whoever may try
 * ciphertexts and sees that code decrypts what he has not the key for. Check a MAC over iv and ciphertext first.
 */
export interface BlockModeDecryptOptions extends CallOptions {
  readonly mechanism: 'AES-CTR' | 'AES-CBC';
  readonly iv: Uint8Array;
}

export interface KwOptions extends CallOptions {
  readonly mechanism: 'AES-KW' | 'AES-KWP';
}
/** A blob is iv (12 bytes, drawn by the cell) ‖ ciphertext ‖ tag (16). Not for keys with `callerIv`. */
export interface GcmWrapOptions extends CallOptions, AadOption {
  readonly mechanism: 'AES-GCM';
}
/** Raw keys of any size; EC keys as PKCS#8, which AES-KW cannot carry. RFC 3394, RFC 5649, SP 800-38D. */
export type WrapOptions = KwOptions | GcmWrapOptions;

/**
 * Whom to re-wrap to: a key in this HSM, or a public key from outside with the proof that the policy asks for, a compact JWS
 * of at most 8 KiB that its issuer signed (docs/formats.md §9).
 */
export type Recipient =
  | Key
  | { readonly jwk: Jwk; readonly proof?: string }
  /** SPKI, or any other form of a public key that is bytes or PEM: `PublicKeyInput`. */
  | { readonly spki: Uint8Array | string; readonly proof?: string };

interface RewrapCommon extends CallOptions {
  readonly from: AesKey;
  /** AES-GCM: blobs without associated data. */
  readonly mechanism: 'AES-KW' | 'AES-KWP' | 'AES-GCM';
}
export interface RewrapToKeyOptions extends RewrapCommon {
  readonly to: AesKey;
  readonly as: 'AES-KW' | 'AES-KWP' | 'AES-GCM';
}
export interface RewrapToJweOptions extends RewrapCommon {
  readonly to: Exclude<Recipient, AesKey | HmacKey | GenericKey | AesCbcHmacKey>;
  readonly as: 'JWE';
  /** Members of the protected header besides alg, enc and epk: one object for all, or one a blob (a kid, say). */
  readonly header?: Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[];
}

export type Kdf =
  | { readonly name: 'none' }
  /** The one-step KDF of SP 800-56C as JOSE lays it out (RFC 7518 §4.6.2). */
  | {
      readonly name: 'concat';
      readonly hash: HashName;
      readonly algorithm: string;
      readonly apu?: Uint8Array;
      readonly apv?: Uint8Array;
    }
  /** Counter mode with HMAC, a 32-bit counter first: label ‖ 00 ‖ context ‖ length in bits (32). */
  | { readonly name: 'sp800-108'; readonly hash: HashName; readonly label: Uint8Array; readonly context?: Uint8Array }
  /** RFC 5869. Its output does not depend on how much is asked for, so what it gives has at least 128 bits. */
  | { readonly name: 'hkdf'; readonly hash: HashName; readonly salt?: Uint8Array; readonly info?: Uint8Array }
  /**
   * For an HMAC or GENERIC key without a `deriveTemplate`: `sp800-108` with the derived key's purpose, 32 bytes that follow
   * from its template (docs/formats.md §10), after the context. Another template gives another key.
   */
  | { readonly name: 'bound'; readonly hash: HashName; readonly label: Uint8Array; readonly context?: Uint8Array };

/** ECDH from an EC key with `publicKey`; KDF from an HMAC or GENERIC key. */
export type DeriveOptions = CallOptions &
  (
    | {
        readonly mechanism: 'ECDH';
        readonly publicKey: PublicKeyInput;
        readonly kdf: Kdf;
      }
    | { readonly mechanism: 'KDF'; readonly kdf: Exclude<Kdf, { name: 'none' }> }
  );

/**
 * What `importKey` takes: raw bytes; for EC private keys PKCS#8 (RFC 5958, both versions), SEC 1 (RFC 5915), either in DER or
 * PEM, or the raw scalar, always as bytes; for public ones `PublicKeyInput`. No private key in a string, which nothing can wipe:
 * of a private JWK decode `d`, and give the scalar.
 */
export type KeyMaterial = Secret | PublicKeyInput;

/** What a key must be; a member that is left out matches all. */
export interface KeyFilter {
  readonly id?: string;
  readonly label?: string;
  readonly type?: KeyType;
  readonly curve?: Curve;
  readonly class?: 'secret' | 'private' | 'public';
}

/** The handle that a filter finds: by its type, or by a curve, which only EC keys have. */
export type FoundKey<F> = F extends { readonly curve: Curve } ? EcKey : KeyOf<F>;

/** Keys that `sign` and `verify` take. */
export type SigningKey = EcKey | HmacKey | AesKey;
/** Keys that `deriveKey` takes. */
export type BaseKey = EcKey | HmacKey | GenericKey;

/** A public key to import: usage verify (a signer of others) or derive (a partner of ECDH). */
export type PublicKeyTemplate = Extract<KeyTemplate, { type: 'EC' }> & { readonly class: 'public' };

/** A user, without any secret. */
export interface UserInfo {
  /** 32 hex digits; a name that is given anew has another id. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** An admin locked the user: no password opens a session. */
  readonly locked: boolean;
  readonly createdAt: Date;
}

/** What a login gives: every call carries its ticket, which the cell checks. */
export interface Session extends AsyncDisposable {
  /** 32 hex digits, as in the log; with `keepAlive`, of the last login. */
  readonly id: string;
  readonly user: UserInfo;
  /** When the ticket ends unless it is renewed, by the wall clock as it was at the login or renewal. */
  readonly expiresAt: Date;
  /** A new ticket: 15 minutes from now, but not beyond 12 hours after the login. KEYCELL_SESSION_EXPIRED, KEYCELL_SESSION_REVOKED. */
  renew(options?: CallOptions): Promise<void>;
  /**
   * Revoke the ticket: the warden and the cells refuse it when this resolves. Session keys are of no use any more. Where it
   * fails, the ticket may still be good: call it again.
   */
  close(): Promise<void>;
  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>;

  /**
   * A new random key, made in a cell; stored, unless the template says `persistent: false`.
   * Crypto-users only. KEYCELL_KEY_CONFLICT where its label or id is taken, KEYCELL_PERMISSION_DENIED for usages that need `dualUse`.
   */
  generateKey<const T extends KeyTemplate>(template: T, options?: CallOptions): Promise<KeyOf<T>>;
  /**
   * The key of this label, made if there is none; KEYCELL_KEY_CONFLICT where attributes differ.
   * Calls at the same time meet in one key. Only for keys that are stored.
   */
  ensureKey<const T extends KeyTemplate & { readonly label: string }>(
    template: T,
    options?: CallOptions,
  ): Promise<KeyOf<T>>;
  /** A public key in any form of PublicKeyInput, validated in full (SP 800-56A §5.6.2.3.3). KEYCELL_INPUT_INVALID. */
  importKey(template: PublicKeyTemplate, material: PublicKeyInput, options?: CallOptions): Promise<EcKey>;
  /**
   * A key that exists elsewhere; see KeyMaterial. It is checked against the template: KEYCELL_INPUT_INVALID.
   * The material is copied and the copy wiped; yours is wiped with `wipe: true`, a function's result always.
   */
  importKey<const T extends KeyTemplate>(
    template: T,
    material: Secret,
    options?: CallOptions & { readonly wipe?: boolean },
  ): Promise<KeyOf<T>>;
  /**
   * The raw key, or PKCS#8 (DER) for EC; SPKI for a public key. The result is the caller's to wipe.
   * KEYCELL_PERMISSION_DENIED unless the key is extractable as plaintext.
   */
  exportKey(key: Key, options?: CallOptions): Promise<Bytes>;
  /**
   * The one key that matches: KEYCELL_KEY_NOT_FOUND, KEYCELL_KEY_AMBIGUOUS. A crypto-user sees the stored keys that are his,
   * an admin the names and attributes of all.
   */
  getKey<const F extends KeyFilter>(filter: F, options?: CallOptions): Promise<FoundKey<F>>;
  /**
   * All stored keys that match, as they are when it begins; seen by whom as for `getKey`. `timeout` counts for each key,
   * `signal` ends the whole.
   */
  findKeys<const F extends KeyFilter = KeyFilter>(filter?: F, options?: CallOptions): AsyncIterable<FoundKey<F>>;
  /** Tighten `extractable`, `destroyable`, `wrapWithTrusted`, change the label; `trusted` is an admin's. A new handle. */
  setAttributes<K extends Key>(key: K, attributes: KeyChanges, options?: CallOptions): Promise<K>;
  /** Remove a key from the store, for good (backups aside); KEYCELL_PERMISSION_DENIED where it is not destroyable. */
  destroyKey(key: Key, options?: CallOptions): Promise<void>;

  /**
   * A message in pieces may be of any length for EC keys, whose digest is made as the pieces come; for MACs the pieces are
   * gathered, and KEYCELL_LIMIT_EXCEEDED where they are more than 16 MiB. `signal` and `timeout` hold for the pieces, too; what
   * the iterable throws is the cause of KEYCELL_INPUT_INVALID.
   */
  sign(key: SigningKey, message: Uint8Array | AsyncIterable<Uint8Array>, options?: SignOptions): Promise<Bytes>;
  signMany(key: SigningKey, messages: readonly Uint8Array[], options?: SignOptions): Promise<Bytes[]>;
  /** False for any signature that is not valid, however malformed. */
  verify(
    key: SigningKey,
    signature: Uint8Array,
    message: Uint8Array | AsyncIterable<Uint8Array>,
    options?: SignOptions,
  ): Promise<boolean>;

  /** One self-describing envelope: format, key id, version, XAES-256-GCM under a key derived from this one, of any size. */
  encrypt(key: AesKey, plaintext: Uint8Array, options?: EnvelopeOptions): Promise<Bytes>;
  /** Ciphertext with the tag at its end, and the IV that the cell drew. */
  encrypt(key: AesKey, plaintext: Uint8Array, options: GcmEncryptOptions): Promise<{ iv: Bytes; ciphertext: Bytes }>;
  encrypt(
    key: AesKey,
    plaintext: Uint8Array,
    options: BlockModeEncryptOptions,
  ): Promise<{ iv: Bytes; ciphertext: Bytes }>;
  /** Ciphertext with the tag of 16, 24 or 32 bytes at its end, and the IV that the cell drew. */
  encrypt(
    key: AesCbcHmacKey,
    plaintext: Uint8Array,
    options: CbcHmacEncryptOptions,
  ): Promise<{ iv: Bytes; ciphertext: Bytes }>;
  decrypt(
    key: AesKey,
    ciphertext: Uint8Array,
    options?: EnvelopeOptions | GcmDecryptOptions | BlockModeDecryptOptions,
  ): Promise<Bytes>;
  decrypt(key: AesCbcHmacKey, ciphertext: Uint8Array, options: CbcHmacDecryptOptions): Promise<Bytes>;
  /**
   * Open an envelope under `from` and seal what it holds under `to`, in the cell: the plaintext never leaves it.
   * Asks for `decrypt` of the one and `encrypt` of the other. KEYCELL_DECRYPT_FAILED as `decrypt`.
   */
  reencrypt(from: AesKey, envelope: Uint8Array, options: ReencryptOptions): Promise<Bytes>;
  /**
   * A plaintext of up to 128 TiB as a stream, docs/formats.md §7: 60 bytes, then segments of 64 KiB with 28 bytes each.
   * Chunks may have any size. At most four segments are under way or unread, so a slow reader slows the
   * writer. `timeout` (milliseconds) counts for each segment, `signal` ends the whole.
   */
  encryptStream(key: AesKey, options?: CallOptions & AadOption): TransformStream<Uint8Array, Bytes>;
  /**
   * What `encryptStream` gave, opened. Every chunk that comes out is authentic and in its place; that the stream is whole
   * is known only when it ends without an error. Anything else is KEYCELL_DECRYPT_FAILED. The chunks are the reader's to wipe.
   */
  decryptStream(key: AesKey, options?: CallOptions & AadOption): TransformStream<Uint8Array, Bytes>;
  /**
   * A fresh random key of 1 to 4096 bytes, in the clear and as an envelope that `decrypt` reopens.
   * `plaintext` is the caller's to wipe. Needs `encrypt` and 256 bits.
   */
  generateDataKey(
    key: AesKey,
    options: CallOptions & AadOption & { readonly bytes: number },
  ): Promise<{ plaintext: Bytes; ciphertext: Bytes }>;

  /**
   * A key, encrypted under another: EC keys as PKCS#8, all others raw.
   * KEYCELL_PERMISSION_DENIED unless `key` is extractable, and `wrapping` trusted where `key` asks for that (`wrapWithTrusted`).
   */
  wrapKey(wrapping: AesKey, key: Key, options: WrapOptions): Promise<Bytes>;
  /**
   * The key that a blob holds: a session key unless `persistent`. What the template leaves out comes from the wrapping key's
   * `unwrapTemplate`; KEYCELL_PERMISSION_DENIED where it asks for more than that, KEYCELL_DECRYPT_FAILED for a blob that is
   * not authentic. The key ends when the wrapping key does, and may leave only under trusted keys, unless the wrapping key's
   * `rewrapPolicy` is `'any'`.
   */
  unwrapKey<const T extends PartialTemplate>(
    wrapping: AesKey,
    blob: Uint8Array,
    template: T,
    options: WrapOptions,
  ): Promise<KeyOf<T>>;
  /**
   * Open blobs (at most 4096) and wrap them for another key of this HSM, in one message: no key becomes a key object on the
   * way. All or nothing. KEYCELL_PERMISSION_DENIED unless `to` is trusted or the policy of `from` is `'any'`.
   */
  rewrapKeys(blobs: readonly Uint8Array[], options: RewrapToKeyOptions): Promise<Bytes[]>;
  /**
   * The same for a public key: compact JWEs (RFC 7516; ECDH-ES, A256GCM) whose payload is the raw key, all from one ephemeral
   * agreement. Policy and proof are checked in the same message; the log keeps the recipient's thumbprint.
   * KEYCELL_PERMISSION_DENIED where the policy allows neither the recipient nor, by the proof, one of the blobs.
   */
  rewrapKeys(blobs: readonly Uint8Array[], options: RewrapToJweOptions): Promise<string[]>;
  /**
   * A key from an agreement (ECDH) or from a key (KDF): within the base's `deriveTemplate`, which fills in what the template
   * leaves out, and never more extractable than the base; a session key unless `persistent`. Without a `deriveTemplate`, an
   * EC key derives by the `concat` KDF for an algorithm of RFC 7518, which says what the key is for; an HMAC or GENERIC key by `bound`. KEYCELL_INPUT_INVALID for a public key that is not valid,
   * KEYCELL_PERMISSION_DENIED for any other derivation.
   */
  deriveKey<const T extends PartialTemplate>(base: BaseKey, options: DeriveOptions, template: T): Promise<KeyOf<T>>;

  /** Random bytes from the cell's generator (HMAC_DRBG, SP 800-90A, reseeded from the kernel in each batch), 1 to 65 536. */
  random(bytes: number, options?: CallOptions): Promise<Bytes>;

  /** Admins only. A name has 1 to 64 characters and is one user's: KEYCELL_USER_CONFLICT. */
  createUser(user: NewUser, options?: CallOptions): Promise<UserInfo>;
  /**
   * Admins only. When it resolves, the user is gone from the disk and their sessions have ended; where the store refuses,
   * neither (KEYCELL_STORE_UNAVAILABLE). Their keys stay in the store, and nobody can use them. The
   * last admin who can log in stays: KEYCELL_PERMISSION_DENIED.
   */
  removeUser(name: string, options?: CallOptions): Promise<void>;
  /**
   * A user's own password, for which the old one is asked, or any other user's for an admin; ends the user's sessions.
   * KEYCELL_LOGIN_FAILED for a wrong old password, which counts as a failed login.
   */
  setPassword(
    name: string,
    password: Password,
    options?: CallOptions & { readonly oldPassword?: Password; readonly wipe?: boolean },
  ): Promise<void>;
  /**
   * Admins only: no password opens a session of the user any more, and the sessions that there are end within a second. It
   * outlasts a restart. The last admin who can log in is not locked: KEYCELL_PERMISSION_DENIED.
   */
  lockUser(name: string, options?: CallOptions): Promise<void>;
  /** Admins only: lets a locked user in again, be it by an admin or by failed logins. */
  unlockUser(name: string, options?: CallOptions): Promise<void>;
  /** Admins only. */
  listUsers(options?: CallOptions): Promise<UserInfo[]>;
}

/** What `setAttributes` changes. All but `trusted` is the owner's, and only tightens; `trusted` is an admin's. */
export interface KeyChanges {
  readonly label?: string;
  readonly extractable?: false | 'wrapped';
  readonly destroyable?: false;
  readonly wrapWithTrusted?: true;
  /** Admins: only an AES key that wraps or unwraps and never was extractable, or a public key. */
  readonly trusted?: boolean;
  /** With `trusted: true`: the admin vouches for whoever imported the key. */
  readonly acceptImported?: true;
}
