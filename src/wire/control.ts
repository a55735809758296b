/** What the control record and the user records say, docs/formats.md §2.2 and §2.3. */
import { USER_NAME_MAX } from '../model/limits.ts';
import { asInteger, asString, pack, unpack } from './codec.ts';
import { FieldReader, FieldWriter, FormatError } from './fields.ts';
import { checkScrypt, type ScryptParameters } from './keyslot.ts';

const CONTROL_VERSION = 1;
const CONTROL_SIZE = 84;
export const DIGEST_SIZE = 32;
const USER_VERSION = 1;
const USER_MEMBERS = 7;
/** A user's secret: scrypt salt ‖ verifier. */
export const USER_SALT_SIZE = 16;
export const USER_VERIFIER_SIZE = 32;

/** What must be one for the whole HSM, sealed anew with every change. The digest over the records is the record's secret. */
export interface ControlState {
  readonly incarnation: number;
  /** Rises with every change. */
  readonly sequence: number;
  /** Sealed records in the store besides this one. */
  readonly records: number;
  /** The log must hold this entry. */
  readonly logSequence: number;
  readonly logHash: Uint8Array;
  readonly createdAt: number;
  /** The sequence of the last change that ended sessions: a user was removed or locked, or has a new password. */
  readonly revokedAt: number;
  /** Admins who are not locked: never none, once there was one. */
  readonly admins: number;
}

export function encodeControl(state: ControlState): Uint8Array<ArrayBuffer> {
  return new FieldWriter(CONTROL_SIZE)
    .u8(CONTROL_VERSION)
    .zero(3)
    .u32(state.incarnation)
    .u64(state.sequence)
    .u64(state.records)
    .u64(state.logSequence)
    .raw(state.logHash)
    .u64(state.createdAt)
    .u64(state.revokedAt)
    .u32(state.admins).bytes;
}

/** Throws FormatError. */
export function decodeControl(bytes: Uint8Array): ControlState {
  const reader = new FieldReader(bytes);
  if (reader.u8() !== CONTROL_VERSION) throw new FormatError('unknown version of the control state');
  reader.zero(3);
  const state = {
    incarnation: reader.u32(),
    sequence: reader.u64(),
    records: reader.u64(),
    logSequence: reader.u64(),
    logHash: reader.copy(32),
    createdAt: reader.u64(),
    revokedAt: reader.u64(),
    admins: reader.u32(),
  };
  reader.end();
  return state;
}

export interface UserAttributes {
  readonly name: string;
  readonly role: 'admin' | 'crypto-user';
  /** Rises with each password change and each lock; tickets of older epochs are void. */
  readonly epoch: number;
  readonly createdAt: number;
  readonly scrypt: ScryptParameters;
  /** An admin locked the user: no password opens a session. */
  readonly locked: boolean;
}

export function encodeUser(user: UserAttributes): Uint8Array<ArrayBuffer> {
  return pack([
    USER_VERSION,
    user.name,
    user.role === 'admin' ? 1 : 2,
    user.epoch,
    user.createdAt,
    user.scrypt.log2N * 256 + user.scrypt.r,
    user.locked,
  ]);
}

/** Throws FormatError. */
export function decodeUser(bytes: Uint8Array): UserAttributes {
  const [version, name, role, epoch, createdAt, cost, locked] = unpack(bytes, USER_MEMBERS);
  if (version !== USER_VERSION) throw new FormatError('unknown version of a user');
  if (role !== 1 && role !== 2) throw new FormatError('unknown role');
  const scrypt = { log2N: asInteger(cost, 0xffff) >> 8, r: asInteger(cost, 0xffff) & 255 };
  checkScrypt(scrypt);
  if (typeof locked !== 'boolean') throw new FormatError('a user is locked or is not');
  return {
    name: asString(name, USER_NAME_MAX),
    role: role === 1 ? 'admin' : 'crypto-user',
    epoch: asInteger(epoch, 0xffffffff),
    createdAt: asInteger(createdAt),
    scrypt,
    locked,
  };
}
