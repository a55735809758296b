/** Who asks, and may he still: leases and tickets, checked in the cell against keys that only cells and warden have. */
import { Refusal } from '../errors.ts';
import { sameBytes } from '../wire/fields.ts';
import type { Lease } from '../wire/lease.ts';
import type { Ticket } from '../wire/ticket.ts';
import type { Core } from './core.ts';
import { checkTicket, openLease, openTicket } from './signed.ts';
import type { Vault } from './vault.ts';

/** A lease is issued once a second; after five without a new one the cell stops serving. */
export const LEASE_LIFETIME = 5000;

/** So many tickets are remembered as authentic; the oldest makes room. */
const TICKETS_KEPT = 8;

interface KnownTicket {
  readonly bytes: Uint8Array;
  readonly ticket: Ticket;
}

export class Authority {
  readonly #core: Core;
  readonly #vault: Vault;
  #boot = '';
  #lease: Lease | undefined;
  /** The bytes of `#lease`, so that the same lease is not checked again with every batch: public. */
  #leaseBytes: Uint8Array = new Uint8Array(0);
  /** Tickets of this boot whose MAC was right: not checked again, but for whether they are good now. */
  #tickets: KnownTicket[] = [];
  #endedSessions = new Set<string>();
  #userEpochs = new Map<string, number>();

  constructor(core: Core, vault: Vault) {
    this.#core = core;
    this.#vault = vault;
  }

  /** Take the lease at `at` for the batch in hand. Throws LEASE_EXPIRED where it is forged, older than one seen, or stale. */
  takeLease(at: number, length: number, now: number): void {
    const bytes = this.#core.bytes.subarray(at, at + length);
    const known = this.#vault.identity.boot === this.#boot && sameBytes(bytes, this.#leaseBytes);
    if (!known) this.#accept(bytes, at, length);
    const age = now - this.#lease!.time;
    if (Math.abs(age) > LEASE_LIFETIME) throw new Refusal('KEYCELL_LEASE_EXPIRED');
  }

  #accept(bytes: Uint8Array, at: number, length: number): void {
    const lease = openLease(this.#core, this.#vault, at, length);
    if (lease.boot === this.#boot && this.#lease !== undefined && lease.number < this.#lease.number) {
      throw new Refusal('KEYCELL_LEASE_EXPIRED');
    }
    if (lease.boot !== this.#boot) this.#tickets = [];
    this.#boot = lease.boot;
    this.#lease = lease;
    this.#leaseBytes = new Uint8Array(bytes);
    this.#endedSessions = new Set(lease.revocations.filter((r) => r.kind === 'session').map((r) => r.id));
    this.#userEpochs = new Map(lease.revocations.flatMap((r) => (r.kind === 'user' ? [[r.id, r.epoch]] : [])));
  }

  /** Read the ticket at `at`. Throws SESSION_EXPIRED or SESSION_REVOKED. */
  readTicket(at: number, length: number, now: number): Ticket {
    const ticket = this.#known(at, length) ?? this.#remember(at, length);
    const { session, user, userEpoch } = ticket;
    checkTicket(ticket, now, this.#endedSessions.has(session) || userEpoch < (this.#userEpochs.get(user) ?? 0));
    return ticket;
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
