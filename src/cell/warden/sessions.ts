/** Tickets, revocations and leases: who is logged in, as the cells are told once a second. */
import { Refusal } from '../../errors.ts';
import { encodeLeaseBody, LEASE_MAX_REVOCATIONS, type Revocation } from '../../wire/lease.ts';
import { encodeTicketBody, MAC_SIZE, TICKET_LIFETIME, type Ticket, type TicketRole } from '../../wire/ticket.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import type { Random } from '../random.ts';
import { checkTicket, openLease, openTicket } from '../signed.ts';
import type { Vault } from '../vault.ts';

const SESSION_LIFETIME = 12 * 3_600_000;

export class Sessions {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;
  readonly #random: Random;
  /** When each revocation may be forgotten: no ticket that it concerns lives longer. */
  #revocations: { readonly until: number; readonly revocation: Revocation }[] = [];
  #leases = 0;

  constructor(core: Core, work: Arena, vault: Vault, random: Random) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
    this.#random = random;
  }

  /** Forget the sessions of an earlier boot. */
  begin(): void {
    this.#revocations = [];
    this.#leases = 0;
  }

  /** Go on from the last lease of a warden that died. Throws Refusal unless it is of this boot. */
  resume(lease: Uint8Array, now: number): void {
    const { number, revocations } = this.#placed(lease, (at) => openLease(this.#core, this.#vault, at, lease.length));
    this.#leases = number;
    this.#revocations = revocations.map((revocation) => ({ until: now + TICKET_LIFETIME, revocation }));
  }

  open(user: string, userEpoch: number, role: TicketRole, now: number): Uint8Array<ArrayBuffer> {
    const { hsmId, incarnation } = this.#vault.identity;
    return this.#issue({
      role,
      hsmId,
      incarnation,
      session: this.#random.id(),
      user,
      userEpoch,
      expiresAt: now + TICKET_LIFETIME,
      renewableUntil: now + SESSION_LIFETIME,
    });
  }

  /** The ticket's content if it is good now. Throws SESSION_EXPIRED or SESSION_REVOKED. */
  check(bytes: Uint8Array, now: number): Ticket {
    const ticket = this.#placed(bytes, (at) => openTicket(this.#core, this.#vault, at, bytes.length));
    checkTicket(ticket, now, this.#isRevoked(ticket));
    return ticket;
  }

  #isRevoked(ticket: Ticket): boolean {
    return this.#revocations.some(({ revocation }) =>
      revocation.kind === 'session'
        ? revocation.id === ticket.session
        : revocation.id === ticket.user && ticket.userEpoch < revocation.epoch,
    );
  }

  renew(bytes: Uint8Array, now: number): Uint8Array<ArrayBuffer> {
    const ticket = this.check(bytes, now);
    const expiresAt = Math.min(now + TICKET_LIFETIME, ticket.renewableUntil);
    if (expiresAt <= now) throw new Refusal('KEYCELL_SESSION_EXPIRED');
    return this.#issue({ ...ticket, expiresAt });
  }

  revoke(revocation: Revocation, now: number): void {
    this.#forget(now);
    if (this.#revocations.length >= LEASE_MAX_REVOCATIONS) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
    this.#revocations.push({ until: now + TICKET_LIFETIME, revocation });
  }

  #forget(now: number): void {
    this.#revocations = this.#revocations.filter(({ until }) => until > now);
  }

  lease(controlSequence: number, now: number): Uint8Array<ArrayBuffer> {
    this.#forget(now);
    const { hsmId, incarnation, boot } = this.#vault.identity;
    const revocations = this.#revocations.map(({ revocation }) => revocation);
    const number = ++this.#leases;
    return this.#sign(
      'lease',
      encodeLeaseBody({ hsmId, incarnation, boot, number, controlSequence, time: now, revocations }),
    );
  }

  #issue(ticket: Ticket): Uint8Array<ArrayBuffer> {
    return this.#sign('ticket', encodeTicketBody(ticket));
  }

  #sign(purpose: 'ticket' | 'lease', body: Uint8Array): Uint8Array<ArrayBuffer> {
    const signed = new Uint8Array(body.length + MAC_SIZE);
    signed.set(body);
    return this.#placed(signed, (at) => {
      this.#vault.mac(purpose, at, body.length, at + body.length);
      return this.#core.bytes.slice(at, at + signed.length);
    });
  }

  /** Do something with these public bytes in linear memory. */
  #placed<T>(bytes: Uint8Array, use: (at: number) => T): T {
    const mark = this.#work.mark();
    try {
      const at = this.#work.take(bytes.length);
      this.#core.bytes.set(bytes, at);
      return use(at);
    } finally {
      this.#work.release(mark);
    }
  }
}
