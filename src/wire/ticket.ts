/** The ticket, docs/formats.md §3: what a login gives, what every request carries, what the cell checks. */
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

export const TICKET_ROLE = { admin: 1, 'crypto-user': 2 } as const;
export type TicketRole = keyof typeof TICKET_ROLE;

export const MAC_SIZE = 32;
/** Milliseconds from issue to expiry; less where the login's own end comes first. */
export const TICKET_LIFETIME = 15 * 60_000;
/** Milliseconds from the login to the end of its last renewal. */
export const SESSION_LIFETIME = 12 * 3_600_000;
export const TICKET_BODY_SIZE = 84;
export const TICKET_SESSION_OFFSET = 28;

const MAGIC = 'KCTK';
const FORMAT = 2;

export interface Ticket {
  readonly role: TicketRole;
  readonly hsmId: string;
  readonly incarnation: number;
  readonly session: string;
  readonly user: string;
  readonly userEpoch: number;
  /** Of the HSM: rises where there are more revocations than a lease has room for, and voids every ticket before. */
  readonly ticketEpoch: number;
  /** Milliseconds of the warden's time. */
  readonly expiresAt: number;
  /** When the session began, by the warden's time; no renewal reaches further than SESSION_LIFETIME from it. */
  readonly loggedInAt: number;
}

/** What the MAC covers. */
export function encodeTicketBody(ticket: Ticket): Uint8Array<ArrayBuffer> {
  return new FieldWriter(TICKET_BODY_SIZE)
    .magic(MAGIC)
    .u8(FORMAT)
    .u8(TICKET_ROLE[ticket.role])
    .zero(2)
    .id(ticket.hsmId)
    .u32(ticket.incarnation)
    .id(ticket.session)
    .id(ticket.user)
    .u32(ticket.userEpoch)
    .u32(ticket.ticketEpoch)
    .u64(ticket.expiresAt)
    .u64(ticket.loggedInAt).bytes;
}

/** Read body ‖ MAC; the MAC is for the caller to check first. Throws FormatError. */
export function decodeTicket(bytes: Uint8Array): Ticket {
  const reader = new FieldReader(bytes);
  reader.magic(MAGIC);
  if (reader.u8() !== FORMAT) throw new FormatError('unknown ticket format');
  const role = reader.u8();
  if (role !== 1 && role !== 2) throw new FormatError('unknown role');
  reader.zero(2);
  const ticket: Ticket = {
    role: role === 1 ? 'admin' : 'crypto-user',
    hsmId: reader.id(),
    incarnation: reader.u32(),
    session: reader.id(),
    user: reader.id(),
    userEpoch: reader.u32(),
    ticketEpoch: reader.u32(),
    expiresAt: reader.u64(),
    loggedInAt: reader.u64(),
  };
  reader.view(MAC_SIZE);
  reader.end();
  return ticket;
}
