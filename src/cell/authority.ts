/** Who asks, and may he still: leases and tickets, checked in the cell against keys that only cells and warden have. */
import { Refusal } from '../errors.ts';
import { FormatError } from '../wire/fields.ts';
import { decodeLease, type Lease } from '../wire/lease.ts';
import { decodeTicket, MAC_SIZE, type Ticket } from '../wire/ticket.ts';
import { type Core, HASH } from './core.ts';
import type { Purpose, Vault } from './vault.ts';

/** A lease is issued once a second; after five without a new one the cell stops serving. */
export const LEASE_LIFETIME = 5000;

export class Authority {
  readonly #core: Core;
  readonly #vault: Vault;
  #boot = '';
  #lease: Lease | undefined;
  /** The bytes of `#lease`, so that the same lease is not checked again with every batch: public. */
  #leaseBytes: Uint8Array = new Uint8Array(0);
  #endedSessions = new Set<string>();
  #userEpochs = new Map<string, number>();

  constructor(core: Core, vault: Vault) {
    this.#core = core;
    this.#vault = vault;
  }

  /** Take the lease at `at` for the batch in hand. Throws LEASE_EXPIRED where it is forged, older than one seen, or stale. */
  takeLease(at: number, length: number, now: number): void {
    const bytes = this.#core.bytes.subarray(at, at + length);
    const known = this.#vault.identity.boot === this.#boot && equal(bytes, this.#leaseBytes);
    if (!known) this.#accept(bytes, at, length);
    const age = now - this.#lease!.time;
    if (Math.abs(age) > LEASE_LIFETIME) throw new Refusal('KEYCELL_LEASE_EXPIRED');
  }

  #accept(bytes: Uint8Array, at: number, length: number): void {
    const refuse = () => new Refusal('KEYCELL_LEASE_EXPIRED');
    if (!this.#authentic('lease', at, length)) throw refuse();
    const lease = decoded(() => decodeLease(bytes), refuse);
    const { hsmId, incarnation, boot } = this.#vault.identity;
    if (boot !== this.#boot) {
      this.#boot = boot;
      this.#lease = undefined;
    }
    if (lease.hsmId !== hsmId || lease.incarnation !== incarnation || lease.boot !== boot) throw refuse();
    if (this.#lease !== undefined && lease.number < this.#lease.number) throw refuse();
    this.#lease = lease;
    this.#leaseBytes = new Uint8Array(bytes);
    this.#endedSessions = new Set(lease.revocations.filter((r) => r.kind === 'session').map((r) => r.id));
    this.#userEpochs = new Map(lease.revocations.flatMap((r) => (r.kind === 'user' ? [[r.id, r.epoch]] : [])));
  }

  /** Read the ticket at `at`. Throws SESSION_EXPIRED or SESSION_REVOKED. */
  readTicket(at: number, length: number, now: number): Ticket {
    const refuse = () => new Refusal('KEYCELL_SESSION_REVOKED');
    if (!this.#authentic('ticket', at, length)) throw refuse();
    const ticket = decoded(() => decodeTicket(this.#core.bytes.subarray(at, at + length)), refuse);
    const { hsmId, incarnation } = this.#vault.identity;
    if (ticket.hsmId !== hsmId || ticket.incarnation !== incarnation) throw refuse();
    if (this.#endedSessions.has(ticket.session)) throw refuse();
    if (ticket.userEpoch < (this.#userEpochs.get(ticket.user) ?? 0)) throw refuse();
    if (now >= ticket.expiresAt) throw new Refusal('KEYCELL_SESSION_EXPIRED');
    return ticket;
  }

  #authentic(purpose: Purpose, at: number, length: number): boolean {
    if (length <= MAC_SIZE) return false;
    const body = length - MAC_SIZE;
    return this.#core.call.hmacVerify(HASH.sha256, this.#vault.key(purpose), 32, at, body, at + body, MAC_SIZE) === 1;
  }
}

function decoded<T>(decode: () => T, refuse: () => Refusal): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof FormatError) throw refuse();
    throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
