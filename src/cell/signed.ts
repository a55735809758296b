/** What the warden MACs and then both it and the cells check in the same way: tickets and leases. */
import { Refusal } from '../errors.ts';
import { FormatError } from '../wire/fields.ts';
import { decodeLease, type Lease } from '../wire/lease.ts';
import { decodeTicket, MAC_SIZE, type Ticket } from '../wire/ticket.ts';
import type { Core } from './core.ts';
import type { Vault } from './vault.ts';

interface OfRun {
  readonly hsmId: string;
  readonly incarnation: number;
}

/** Body ‖ MAC at `at`, read, or undefined where it is not authentic, or of another HSM or incarnation. */
function open<T extends OfRun>(
  core: Core,
  vault: Vault,
  purpose: 'ticket' | 'lease',
  at: number,
  length: number,
  decode: (bytes: Uint8Array) => T,
): T | undefined {
  const body = length - MAC_SIZE;
  if (body <= 0 || !vault.hasMac(purpose, at, body, at + body)) return undefined;
  try {
    const opened = decode(core.bytes.subarray(at, at + length));
    const { hsmId, incarnation } = vault.identity;
    return opened.hsmId === hsmId && opened.incarnation === incarnation ? opened : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** The ticket at `at`, whether it is good now or not. Throws SESSION_REVOKED where it is not authentic. */
export function openTicket(core: Core, vault: Vault, at: number, length: number): Ticket {
  const ticket = open(core, vault, 'ticket', at, length, decodeTicket);
  if (ticket === undefined) throw new Refusal('KEYCELL_SESSION_REVOKED');
  return ticket;
}

/** Throws SESSION_EXPIRED or SESSION_REVOKED unless the ticket is good now. */
export function checkTicket(ticket: Ticket, now: number, isRevoked: boolean): void {
  if (isRevoked) throw new Refusal('KEYCELL_SESSION_REVOKED');
  if (now >= ticket.expiresAt) throw new Refusal('KEYCELL_SESSION_EXPIRED');
}

/** The lease at `at`, of this boot; whether it is good now the caller knows. Throws LEASE_EXPIRED. */
export function openLease(core: Core, vault: Vault, at: number, length: number): Lease {
  const lease = open(core, vault, 'lease', at, length, decodeLease);
  if (lease === undefined || lease.boot !== vault.identity.boot) throw new Refusal('KEYCELL_LEASE_EXPIRED');
  return lease;
}
