/** The lease, docs/formats.md §4: the warden's word, once a second, on time and revocations. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';
import { MAC_SIZE, type Ticket } from './ticket.ts';

const MAGIC = 'KCLS';
const FORMAT = 2;
const FIXED_SIZE = 84;
const TIMES_AT = 60;
const USER_SIZE = 28;
const SESSION_SIZE = 16;
/** How long cells serve on one lease. The warden issues one each second. */
export const LEASE_LIFETIME_MS = 5000;
/** Revocations live as long as a ticket (15 minutes). Users have room of their own, which no number of logouts can take. */
export const REVOKED_USERS_MAX = 2048;
export const ENDED_SESSIONS_MAX = 2048;
/** The largest lease with its MAC. */
export const LEASE_MAX_SIZE = FIXED_SIZE + USER_SIZE * REVOKED_USERS_MAX + SESSION_SIZE * ENDED_SESSIONS_MAX + MAC_SIZE;

/** Which tickets of a user are void: those of user epochs below `epoch`, and those of logins before `before`. */
export interface UserRevocation {
  readonly user: string;
  readonly epoch: number;
  /** Milliseconds of the warden's time. */
  readonly before: number;
}

export interface Lease {
  readonly hsmId: string;
  readonly incarnation: number;
  /** Random, new with each unseal. */
  readonly boot: string;
  /** Rises with each lease of a boot. */
  readonly number: number;
  readonly controlSequence: number;
  /** The warden's time when it issued this: milliseconds since 1970, and never back within a boot. */
  readonly time: number;
  /** The end of this lease, on the clock of `monotonic()`: LEASE_LIFETIME_MS after it was issued. */
  readonly goodUntil: number;
  /** Tickets of older epochs are void. */
  readonly ticketEpoch: number;
  readonly users: readonly UserRevocation[];
  /** Sessions that are over. */
  readonly sessions: readonly string[];
}

/** Milliseconds since the lease was issued, at `now` of `monotonic()`. */
export const leaseAge = ({ goodUntil }: Pick<Lease, 'goodUntil'>, now: number): number =>
  now - (goodUntil - LEASE_LIFETIME_MS);

/** Is the ticket, of the revocation's user, void by it? */
export const voids = ({ epoch, before }: UserRevocation, { userEpoch, loggedInAt }: Ticket): boolean =>
  userEpoch < epoch || loggedInAt < before;

/** What the MAC covers. */
export function encodeLeaseBody(lease: Lease): Uint8Array<ArrayBuffer> {
  const { users, sessions } = lease;
  const writer = new FieldWriter(FIXED_SIZE + USER_SIZE * users.length + SESSION_SIZE * sessions.length)
    .magic(MAGIC)
    .u8(FORMAT)
    .zero(3)
    .id(lease.hsmId)
    .u32(lease.incarnation)
    .id(lease.boot)
    .u64(lease.number)
    .u64(lease.controlSequence)
    .u64(lease.time)
    .u64(lease.goodUntil)
    .u32(lease.ticketEpoch)
    .u16(users.length)
    .u16(sessions.length);
  for (const { user, epoch, before } of users) writer.id(user).u32(epoch).u64(before);
  for (const session of sessions) writer.id(session);
  return writer.bytes;
}

/** The times of a lease alone: a full one lists four thousand ids, which are not read. Throws FormatError. */
export function leaseTimes(bytes: Uint8Array): Pick<Lease, 'time' | 'goodUntil'> {
  const reader = new FieldReader(bytes);
  reader.view(TIMES_AT);
  return { time: reader.u64(), goodUntil: reader.u64() };
}

/** Read body ‖ MAC; the MAC is for the caller to check first. Throws FormatError. */
export function decodeLease(bytes: Uint8Array): Lease {
  const reader = new FieldReader(bytes);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown lease format');
  reader.zero(3);
  const fixed = {
    hsmId: reader.id(),
    incarnation: reader.u32(),
    boot: reader.id(),
    number: reader.u64(),
    controlSequence: reader.u64(),
    time: reader.u64(),
    goodUntil: reader.u64(),
    ticketEpoch: reader.u32(),
  };
  const userCount = reader.u16();
  const sessionCount = reader.u16();
  if (userCount > REVOKED_USERS_MAX || sessionCount > ENDED_SESSIONS_MAX) {
    throw new FormatError('too many revocations');
  }
  const users: UserRevocation[] = [];
  for (let i = 0; i < userCount; i++) users.push({ user: reader.id(), epoch: reader.u32(), before: reader.u64() });
  const sessions: string[] = [];
  for (let i = 0; i < sessionCount; i++) sessions.push(reader.id());
  reader.view(MAC_SIZE);
  reader.end();
  return { ...fixed, users, sessions };
}
