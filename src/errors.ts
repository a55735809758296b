/**
 * Every error, one table. The number is what crosses the boundary in a reply: numbers are never reused.
 * The text says what is wrong and what to do; it never carries a byte of a message or a key.
 */
const TABLE = {
  KEYCELL_BUSY: [1, true, 'too much is waiting: wait for answers before you send more, or open with more workers'],
  KEYCELL_SEALED: [2, false, 'the HSM is sealed: call hsm.unseal(passphrase)'],
  KEYCELL_CLOSING: [3, false, 'the HSM is closing and takes no new work'],
  KEYCELL_ABORTED: [4, false, 'the call was aborted by its signal'],
  KEYCELL_TIMEOUT: [5, true, 'the call ran out of time'],
  KEYCELL_LOGIN_FAILED: [6, false, 'unknown user, wrong password or, where it was given, wrong passphrase'],
  KEYCELL_SESSION_EXPIRED: [7, false, 'the session has expired: renew it in time, or log in again'],
  KEYCELL_SESSION_REVOKED: [8, false, 'the session was closed, or its user removed or changed: log in again'],
  KEYCELL_PERMISSION_DENIED: [9, false, 'policy does not allow this'],
  KEYCELL_KEY_NOT_FOUND: [10, false, 'no such key for this user'],
  KEYCELL_KEY_AMBIGUOUS: [11, false, 'more than one key matches: ask by id'],
  KEYCELL_KEY_CONFLICT: [12, false, 'a key with this label or id exists with other attributes'],
  KEYCELL_MECHANISM_INVALID: [13, false, 'this mechanism does not exist or does not suit the key'],
  KEYCELL_INPUT_INVALID: [14, false, 'an argument has the wrong type, length or encoding'],
  KEYCELL_LIMIT_EXCEEDED: [
    15,
    false,
    'a limit was passed: one message is at most 16 MiB, and docs/reference.md lists the others',
  ],
  KEYCELL_DECRYPT_FAILED: [16, false, 'the ciphertext, wrapped key, tag or associated data is not authentic'],
  KEYCELL_RECORD_CORRUPT: [17, false, 'a sealed record is not authentic: run a check of the store'],
  KEYCELL_STORE_LOCKED: [18, true, 'another process has this folder open'],
  KEYCELL_STORE_CORRUPT: [19, false, 'the store was altered or cut short: restore it from a backup'],
  KEYCELL_STORE_TOO_NEW: [20, false, 'the store was written by a newer version of Keycell: upgrade'],
  KEYCELL_STORE_UNAVAILABLE: [21, true, 'the store could not be read or written'],
  KEYCELL_PASSPHRASE_WRONG: [22, false, 'the passphrase does not open this HSM'],
  KEYCELL_NOT_INITIALIZED: [23, false, 'the folder holds no HSM yet: call hsm.initialize(…)'],
  KEYCELL_ALREADY_INITIALIZED: [24, false, 'the folder holds an HSM already'],
  KEYCELL_AUDIT_UNAVAILABLE: [25, true, 'the log cannot be written, so nothing is served: make room on its disk'],
  KEYCELL_AUDIT_CORRUPT: [26, false, 'the log was altered or cut short: verify it, and keep it as evidence'],
  KEYCELL_LEASE_EXPIRED: [
    27,
    true,
    'the cell has no current lease from the warden: is the machine overloaded, or did the process stand still?',
  ],
  KEYCELL_CELL_LOST: [28, true, 'the cells that took this call died before they answered'],
  KEYCELL_TAMPERED: [29, false, "one of the HSM's own checks failed: it has wiped itself and serves nothing"],
  KEYCELL_USER_NOT_FOUND: [30, false, 'no such user'],
  KEYCELL_USER_CONFLICT: [31, false, 'a user of this name exists'],
  KEYCELL_STORE_TOO_OLD: [
    33,
    false,
    'the store was written by an older version of Keycell, which this one does not read',
  ],
  KEYCELL_TOKEN_INVALID: [32, false, 'this token must not be accepted'],
  KEYCELL_STORE_MISSING: [
    35,
    false,
    'the store that belongs here is missing: is the right volume mounted? Nothing was made; bring the store back, or start in another folder',
  ],
  KEYCELL_AUDIT_MISSING: [
    36,
    false,
    'the log of this HSM is gone: is the right volume mounted? Nothing was made; bring audit.log back, or a copy that is at least as new as the store',
  ],
  KEYCELL_LOGIN_LOCKED: [34, true, 'too many logins with this name failed: wait, or let an admin unlock the user'],
} as const satisfies Record<string, readonly [number, boolean, string]>;

/** Why policy refused, for people; the number is what crosses the boundary. Nothing here depends on a secret. */
export const REASONS = {
  none: [0, ''],
  usage: [1, 'the key does not have this usage'],
  notYet: [2, "the key's notBefore has not come"],
  expired: [3, "the key's notAfter has passed"],
  role: [4, 'the role of this user does not allow it'],
  notExtractable: [5, 'the key is not extractable that way'],
  needsTrusted: [6, 'the key may be wrapped only by a key that an admin marked trusted'],
  template: [7, "the wrapping key's unwrapTemplate does not allow such a key"],
  recipient: [8, "the wrapping key's policy does not allow this recipient"],
  proofMissing: [9, "the wrapping key's policy asks for a proof"],
  proofMalformed: [
    10,
    'the proof is malformed: it is a compact JWS by ES256 or ES384, as its issuer is, with aud, iat, exp and cnf.jkt',
  ],
  proofForged: [11, "the proof's signature is not its issuer's"],
  proofExpired: [12, 'the proof has expired or is not yet valid'],
  proofForeign: [13, 'the proof names another recipient'],
  proofType: [90, "the proof's typ is not keycell-rewrap+jwt: its issuer signed it for something else"],
  proofElsewhere: [91, "the proof's aud is not this HSM"],
  proofTooLong: [92, "the proof is valid for longer than the wrapping key's proofMaxAge"],
  proofUnlimited: [93, "the wrapping key's policy asks for a proof that names the blobs"],
  proofBlob: [94, 'the proof does not name one of the blobs'],
  notDestroyable: [14, 'the key is not destroyable'],
  dualUse: [15, 'these usages together need dualUse: true'],
  tightenOnly: [16, 'attributes are only ever tightened'],
  trustedByAdmin: [17, 'only an admin marks keys as trusted'],
  keySize: [18, 'the key has the wrong size for this'],
  keyType: [19, 'the key has the wrong type for this'],
  noPrivate: [20, 'the key has no private part'],
  callerIv: [21, 'an IV is given exactly with keys made with callerIv'],
  point: [22, 'not a valid public key of this curve'],
  scalar: [23, 'not a valid private key of this curve'],
  encoding: [24, 'the encoding is not one that this release reads'],
  later: [25, 'this comes with a later release'],
  digestSize: [26, "a prehashed message must have the digest's length"],
  header: [27, 'the header may not set members that the cell sets'],
  comesBack: [
    60,
    'what comes back from under that wrapping key could do more than what goes: its template must be within the rights of what it holds',
  ],
  ownCopy: [61, 'a key never wraps itself'],
  bareScalar: [
    95,
    'a bare scalar does not say its curve: name the curve in the unwrapTemplate, or wrap the key as PKCS#8',
  ],
  templateDualUse: [
    62,
    'the usages of a template together need dualUse, which a template cannot have: choose one purpose',
  ],
  templateAny: [63, "a template is 'any' only where the key has dualUse: true"],
  templateMisplaced: [
    64,
    'an unwrapTemplate is for AES keys and patterns that wrap or unwrap, a deriveTemplate for those that derive',
  ],
  nesting: [65, 'templates nest three deep'],
  deriveTemplate: [66, "the base's deriveTemplate, or the algorithm that the KDF names, does not allow such a key"],
  deriveMissing: [
    67,
    'name what may be derived: make the EC key with a deriveTemplate, or name an algorithm of RFC 7518 in the concat KDF',
  ],
  deriveBound: [
    68,
    "without a deriveTemplate a key derives by kdf: { name: 'bound', … } alone, whose bytes depend on what the key is for; for a standard KDF, make the base with a deriveTemplate",
  ],
  deriveNamed: [69, "the base has a deriveTemplate: name a standard KDF, 'bound' is for bases without one"],
  trustUsage: [70, 'only an AES key that wraps or unwraps, and does nothing else, can be trusted, or a public key'],
  trustPolicy: [71, "a key whose rewrapPolicy is 'any' hands on whatever it holds, so it cannot be trusted"],
  trustTemplate: [72, 'the key would give in the clear what is wrapped to it, so it cannot be trusted'],
  trustExtractable: [73, 'the key may be outside already: only one that never was extractable can be trusted'],
  trustOrigin: [
    74,
    'what a key was derived or unwrapped from may be known, so only a key generated here can be trusted',
  ],
  trustImported: [75, 'whoever imported the key may know it: to vouch for them, say acceptImported: true as well'],
  kdfField: [77, 'salt, info, label, context, apu and apv of a KDF have at most 1024 bytes, an algorithm 64'],
  oneIssuer: [76, 'a template names one issuer of proofs, the same for all its patterns'],
  moreExtractable: [28, 'a derived key is never more extractable than its base'],
  usageOfType: [29, 'this type of key cannot have this usage'],
  dates: [30, 'notAfter lies before notBefore'],
  ownSession: [31, 'the key belongs to another session'],
  issuerPrivate: [
    33,
    'the issuer of proofs is a public key: whoever may sign with a private one here could make his own',
  ],
  stream: [40, 'the stream was not opened for encryption in this session'],
  ivSize: [41, 'an IV of AES-CTR, AES-CBC or AES-CBC-HMAC has 16 bytes'],
  noAad: [42, 'AES-CTR and AES-CBC authenticate nothing, associated data neither'],
  curve: [34, 'a key of this curve cannot be used for this'],
  hash: [35, 'a hash is SHA-256, SHA-384 or SHA-512'],
  sessions: [80, 'this user has as many sessions as quotas.sessions allows: close some, or wait until they expire'],
  prefix: [36, 'a key that HKDF derives has at least 128 bits: shorter ones would tell longer ones byte by byte'],
  lastAdmin: [43, 'no other admin could log in then: make or unlock one first'],
  oldPassword: [44, "a user's own new password asks for the old one: give oldPassword"],
  headerLimit: [120, 'a header has at most 8 KiB, 16 levels and 64 members'],
  headersLimit: [121, 'the headers of one call have at most 2 MiB, one that is given once counted for each JWE'],
  blobsLimit: [122, 'the blobs of one call have at most 512 KiB together'],
  ivLimit: [123, 'an IV has at most 1 KiB'],
  randomLimit: [124, 'at most 64 KiB of random bytes come at once'],
  keyAlgorithm: [140, 'RSA, Ed25519 and other keys that are not EC are not offered'],
  keyCurve: [141, 'the key is of a curve that is not offered: P-256, P-384 and secp256k1 are'],
  curveMismatch: [142, 'the key names another curve than its template does'],
  explicitCurve: [
    143,
    'the key spells its curve out in numbers: openssl ec -in key.pem -param_enc named_curve writes it with the name',
  ],
  encryptedKey: [
    144,
    'the key is encrypted under a passphrase: openssl pkey -in key.pem -out plain.pem decrypts it; destroy plain.pem afterwards',
  ],
  severalKeys: [145, 'the PEM holds more than one key: give the one that is meant'],
  privateGiven: [
    146,
    'a private key where a public one belongs: openssl pkey -in key.pem -pubout writes its public half',
  ],
  publicGiven: [147, 'a public key or certificate where a private key belongs'],
  otherPair: [148, 'the public key that comes with the private one is not its own'],
  bareShort: [
    149,
    'a scalar that lacks its leading zeros does not say its curve: write it in full, or with the curve or public key beside it',
  ],
  materialLimit: [150, 'a key that comes in has at most 64 KiB'],
} as const satisfies Record<string, readonly [number, string]>;
export type Reason = keyof typeof REASONS;

const REASON_TEXTS = new Map<number, string>(Object.values(REASONS).map(([number, text]) => [number, text]));

/** What a cell throws inside itself to refuse one request; it crosses the boundary as numbers. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: HsmErrorCode;
  readonly reason: Reason;
  /** Which item of the request's list it refuses, if that. */
  readonly index: number | undefined;

  constructor(code: HsmErrorCode, reason: Reason = 'none', index?: number) {
    super(REASONS[reason][1] || code);
    this.code = code;
    this.reason = reason;
    this.index = index;
  }
}

/**
 * The error of a call that threw while it read what it was given: a caller's getter or proxy may throw whatever it likes, and
 * that is the cause.
 */
export function unreadable(error: unknown, what = 'an argument'): HsmError {
  try {
    if (error instanceof HsmError) return error;
  } catch {
    // A revoked proxy does not even say of what class it is.
  }
  return new HsmError('KEYCELL_INPUT_INVALID', `${what} could not be read`, { cause: error });
}

/** What `step` makes of each item; what it refuses, or fails with, says which one that was. */
export function eachOf<A, B>(items: readonly A[], step: (item: A, index: number) => B): B[] {
  return items.map((item, index) => {
    try {
      return step(item, index);
    } catch (error) {
      if (error instanceof Refusal) throw new Refusal(error.code, error.reason, error.index ?? index);
      throw error instanceof HsmError ? atIndex(error, index) : error;
    }
  });
}

/** The error that a status and reason in a reply stand for; `index` where it is one item's. */
export function errorOf(status: number, reason: number, index?: number): HsmError {
  const code = codeOf(status);
  if (code === undefined) return new HsmError('KEYCELL_TAMPERED', `unknown status ${status}`);
  return atIndex(new HsmError(code, REASON_TEXTS.get(reason) || undefined), index);
}

/** A fresh error as that of an item; as it is where it has an index already. */
export function atIndex(error: HsmError, index: number | undefined): HsmError {
  if (index === undefined || error.index !== undefined) return error;
  return Object.assign(error, { index, message: `${error.message}, at index ${index}` });
}

/** The stable name of an error; programs compare this and never the message. */
export type HsmErrorCode = keyof typeof TABLE;

/** Whether a call that failed may have had an effect. */
export type Outcome = 'not-executed' | 'unknown';

/** The process that has a folder: of KEYCELL_STORE_LOCKED. */
export interface FolderHolder {
  /** Where `elsewhere` is true, a number of that container's or namespace's own. */
  readonly pid: number;
  readonly since?: Date;
  /** It is of another container or pid namespace, which shares the folder. */
  readonly elsewhere: boolean;
}

export interface HsmErrorOptions {
  readonly cause?: unknown;
  readonly holder?: FolderHolder;
  /** `not-executed` unless told: policy and input are checked before anything is done. */
  readonly outcome?: Outcome;
  readonly lossId?: string | undefined;
}

/** The one class of every failure: `code` for programs, `message` for people. */
export class HsmError extends Error {
  override readonly name = 'HsmError';
  readonly code: HsmErrorCode;
  /** True where the same call may succeed later. */
  readonly retryable: boolean;
  readonly outcome: Outcome;
  /**
   * Of AUDIT_MISSING and AUDIT_CORRUPT: the head of the log that would be given up, as `openHsm({ acceptLogLoss })` takes it,
   * once.
   */
  readonly lossId?: string;
  /** Of a call with a list (`signMany`, `rewrapKeys`, keys of a token): which item is at fault, from 0. */
  readonly index?: number;
  /** Of KEYCELL_STORE_LOCKED alone. */
  readonly holder?: FolderHolder;

  constructor(code: HsmErrorCode, detail?: string, options: HsmErrorOptions = {}) {
    const [, retryable, text] = TABLE[code];
    super(
      detail === undefined ? text : `${detail} (${text})`,
      'cause' in options ? { cause: options.cause } : undefined,
    );
    this.code = code;
    this.retryable = retryable;
    this.outcome = options.outcome ?? 'not-executed';
    if (options.lossId !== undefined) this.lossId = options.lossId;
    if (options.holder !== undefined) this.holder = options.holder;
  }
}

/**
 * KEYCELL_BUSY, without a stack trace: refusals come by the ten thousand where somebody floods, on the thread that everyone
 * shares, and a trace would make each cost fifteen times as much.
 */
export function busyError(detail?: string): HsmError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new HsmError('KEYCELL_BUSY', detail);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The number of a code in a reply. */
export const statusOf = (code: HsmErrorCode): number => TABLE[code][0];

const CODES = new Map<number, HsmErrorCode>(
  (Object.keys(TABLE) as HsmErrorCode[]).map((code) => [TABLE[code][0], code]),
);

/** The code of a number in a reply; undefined for a number this version does not know. */
export const codeOf = (status: number): HsmErrorCode | undefined => CODES.get(status);
