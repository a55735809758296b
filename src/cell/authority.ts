/** Authenticates each request: verifies the lease and the ticket in the cell, by keys that only cells and warden have. */
import { Refusal } from '../errors.ts';
import { monotonic } from '../wire/clock.ts';
import { sameBytes } from '../wire/fields.ts';
import { LEASE_LIFETIME_MS, type Lease, leaseAge, type UserRevocation, voids } from '../wire/lease.ts';
import type { Ticket } from '../wire/ticket.ts';
import type { Core } from './core.ts';
import { checkTicket, openLease, openTicket } from './signed.ts';
import type { Vault } from './vault.ts';

/** So many tickets are remembered as authentic; the oldest makes room. */
const TICKETS_KEPT = 8;

interface KnownTicket {
  readonly bytes: Uint8Array;
  readonly ticket: Ticket;
}

export class Authority {
  readonly #core: Core;
  readonly #vault: Vault;
  readonly #clock: () => number;
  #boot = '';
  #lease: Lease | undefined;
  /** The bytes of `#lease`, so that the same lease is not checked again with every batch: public. */
  #leaseBytes: Uint8Array = new Uint8Array(0);
  /** Tickets of this boot whose MAC was right: not checked again, but for whether they are good now. */
  #tickets: KnownTicket[] = [];
  #endedSessions: ReadonlySet<string> = new Set();
  #revokedUsers: ReadonlyMap<string, UserRevocation> = new Map();
  #now = 0;

  constructor(core: Core, vault: Vault, clock: () => number = monotonic) {
    this.#core = core;
    this.#vault = vault;
    this.#clock = clock;
  }

  /**
   * Take the lease at `at` for the batch in hand, and return the time by which tickets, dates and proofs are judged: the
   * lease's, and what has passed since by the monotonic clock. It never goes back within a boot, and no setting of the wall
   * clock reaches it but through the warden. Throws LEASE_EXPIRED where the lease is forged, older than one seen, or over.
   */
  takeLease(at: number, length: number): number {
    const bytes = this.#core.bytes.subarray(at, at + length);
    const known = this.#vault.identity.boot === this.#boot && sameBytes(bytes, this.#leaseBytes);
    if (!known) this.#accept(bytes, at, length);
    const lease = this.#lease!;
    const age = leaseAge(lease, this.#clock());
    // One that is not issued yet is of another machine's monotonic clock.
    if (Math.abs(age) > LEASE_LIFETIME_MS) throw new Refusal('KEYCELL_LEASE_EXPIRED');
    this.#now = Math.max(this.#now, lease.time + age);
    return this.#now;
  }

  #accept(bytes: Uint8Array, at: number, length: number): void {
    const lease = openLease(this.#core, this.#vault, at, length);
    const last = lease.boot === this.#boot ? this.#lease : undefined;
    if (last !== undefined && (lease.number < last.number || lease.time < last.time)) {
      throw new Refusal('KEYCELL_LEASE_EXPIRED');
    }
    if (last === undefined) {
      this.#tickets = [];
      this.#now = 0;
    }
    this.#boot = lease.boot;
    this.#lease = lease;
    this.#leaseBytes = new Uint8Array(bytes);
    this.#endedSessions = new Set(lease.sessions);
    this.#revokedUsers = new Map(lease.users.map((revoked) => [revoked.user, revoked]));
  }

  /** Read the ticket at `at`, by the lease that was taken. Throws SESSION_EXPIRED or SESSION_REVOKED. */
  readTicket(at: number, length: number): Ticket {
    const ticket = this.#known(at, length) ?? this.#remember(at, length);
    checkTicket(ticket, this.#now, this.#isRevoked(ticket));
    return ticket;
  }

  #isRevoked(ticket: Ticket): boolean {
    if (ticket.ticketEpoch < this.#lease!.ticketEpoch || this.#endedSessions.has(ticket.session)) return true;
    const revoked = this.#revokedUsers.get(ticket.user);
    return revoked !== undefined && voids(revoked, ticket);
  }

  /**
   * All bytes are compared, whatever the first that differs: else the time would tell who guesses at somebody's MAC how
   * far he has come.
   */
  #known(at: number, length: number): Ticket | undefined {
    const { bytes } = this.#core;
    for (const { bytes: known, ticket } of this.#tickets) {
      if (known.length !== length) continue;
      let difference = 0;
      for (let i = 0; i < length; i++) difference |= known[i]! ^ bytes[at + i]!;
      if (difference === 0) return ticket;
    }
    return undefined;
  }

  #remember(at: number, length: number): Ticket {
    const ticket = openTicket(this.#core, this.#vault, at, length);
    if (this.#tickets.length === TICKETS_KEPT) this.#tickets.shift();
    this.#tickets.push({ bytes: this.#core.bytes.slice(at, at + length), ticket });
    return ticket;
  }
}
