/** Tickets and leases: who is logged in, as the cells are told once a second. */
import { Refusal } from '../../errors.ts';
import { encodeLeaseBody, LEASE_LIFETIME_MS, type Lease, leaseAge, type UserRevocation } from '../../wire/lease.ts';
import {
  encodeTicketBody,
  MAC_SIZE,
  SESSION_LIFETIME,
  TICKET_LIFETIME,
  type Ticket,
  type TicketRole,
} from '../../wire/ticket.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import type { Random } from '../random.ts';
import { checkTicket, openLease, openTicket } from '../signed.ts';
import type { Vault } from '../vault.ts';
import { WardenClock } from './clock.ts';
import { type Overflow, Revocations } from './revocations.ts';
import { SessionQuota } from './session-quota.ts';

export class Sessions {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;
  readonly #random: Random;
  readonly #clock: WardenClock;
  readonly #revocations: Revocations;
  readonly #quota: SessionQuota;
  #leases = 0;
  /** When the last lease's life began, by the warden's time, and when it ends, by the monotonic clock. */
  #life = { time: 0, goodUntil: 0 };

  constructor(
    core: Core,
    work: Arena,
    vault: Vault,
    random: Random,
    clock = new WardenClock(),
    quota = Number.POSITIVE_INFINITY,
  ) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
    this.#random = random;
    this.#clock = clock;
    this.#revocations = new Revocations(clock);
    this.#quota = new SessionQuota(quota);
  }

  /** Forget the sessions of an earlier boot. */
  begin(): void {
    this.#clock.begin();
    this.#revocations.begin();
    this.#quota.clear();
    this.#leases = 0;
  }

  /** Go on from the last lease of a warden that died, which is returned. Throws Refusal unless it is of this boot. */
  resume(bytes: Uint8Array): Lease {
    const lease = this.#placed(bytes, (at) => openLease(this.#core, this.#vault, at, bytes.length));
    const now = this.#clock.monotonic();
    this.#clock.resume(lease.time, now - leaseAge(lease, now));
    this.#revocations.resume(lease);
    this.#leases = lease.number;
    return lease;
  }

  /** What `open` wants to know of the moment when a login began. */
  get ticketEpoch(): number {
    return this.#revocations.ticketEpoch;
  }

  /**
   * A new session. `ticketEpoch` is that of the moment at which the user's record was taken to be true. Throws
   * LIMIT_EXCEEDED where the user has as many as a user may have.
   */
  open(
    user: string,
    userEpoch: number,
    role: TicketRole,
    ticketEpoch = this.#revocations.ticketEpoch,
  ): Uint8Array<ArrayBuffer> {
    this.#quota.admit(user, this.#clock.now());
    const { hsmId, incarnation } = this.#vault.identity;
    return this.#issue({
      role,
      hsmId,
      incarnation,
      session: this.#random.id(),
      user,
      userEpoch,
      ticketEpoch,
      expiresAt: this.#clock.now() + TICKET_LIFETIME,
      loggedInAt: this.#revocations.loginTime(),
    });
  }

  /** The ticket's content if it is good now. Throws SESSION_EXPIRED or SESSION_REVOKED. */
  check(bytes: Uint8Array): Ticket {
    const ticket = this.#placed(bytes, (at) => openTicket(this.#core, this.#vault, at, bytes.length));
    checkTicket(ticket, this.#clock.now(), this.#revocations.covers(ticket));
    return ticket;
  }

  renew(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const ticket = this.check(bytes);
    const now = this.#clock.now();
    const expiresAt = Math.min(now + TICKET_LIFETIME, ticket.loggedInAt + SESSION_LIFETIME);
    if (expiresAt <= now) throw new Refusal('KEYCELL_SESSION_EXPIRED');
    return this.#issue({ ...ticket, expiresAt });
  }

  /** The session of a ticket is over. Never refused: Revocations says what ends where there is no room. */
  end(ticket: Ticket): Overflow {
    this.#quota.ended(ticket);
    return this.#counted(this.#revocations.endSession(ticket));
  }

  /** The tickets that a change of users voids, once it is on the disk. */
  endUsers(revocations: readonly UserRevocation[]): Overflow[] {
    const overflows = revocations.map((revocation) => {
      this.#quota.endedOf(revocation.user);
      return this.#counted(this.#revocations.endUser(revocation));
    });
    // An overflow forgets the entries before it, and a login under way may still bring an old record: set them again.
    if (overflows.some((overflow) => overflow !== undefined))
      for (const each of revocations) this.#revocations.endUser(each);
    return overflows;
  }

  /** Nobody knows whether the change is on the disk: until somebody does, nobody uses what it would void. */
  hold(revocations: readonly UserRevocation[]): Overflow {
    return this.#counted(this.#revocations.hold(revocations));
  }

  endAll(): Overflow {
    return this.#counted(this.#revocations.endAll());
  }

  /** Whoever's sessions ended for want of room has room for as many again. */
  #counted(overflow: Overflow): Overflow {
    if (overflow === undefined) return undefined;
    if ('user' in overflow) this.#quota.endedOf(overflow.user);
    else this.#quota.clear();
    return overflow;
  }

  /** The next lease. One that does not `extend` tells of revocations alone: it ends when the last one would have. */
  lease(controlSequence: number, extend = true): Uint8Array<ArrayBuffer> {
    if (extend) {
      const time = this.#clock.now();
      this.#life = { time, goodUntil: this.#clock.readAt + LEASE_LIFETIME_MS };
    }
    const { hsmId, incarnation, boot } = this.#vault.identity;
    const number = ++this.#leases;
    const body = { hsmId, incarnation, boot, number, controlSequence, ...this.#life, ...this.#revocations.list() };
    return this.#sign('lease', encodeLeaseBody(body));
  }

  #issue(ticket: Ticket): Uint8Array<ArrayBuffer> {
    this.#quota.issued(ticket, this.#clock.now());
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
