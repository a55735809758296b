/** Tickets, revocations and leases: who is logged in, as the cells are told once a second. */
import { Refusal } from '../../errors.ts';
import { FormatError } from '../../wire/fields.ts';
import { decodeLease, encodeLeaseBody, LEASE_MAX_REVOCATIONS, type Revocation } from '../../wire/lease.ts';
import {
  decodeTicket,
  encodeTicketBody,
  MAC_SIZE,
  TICKET_LIFETIME,
  type Ticket,
  type TicketRole,
} from '../../wire/ticket.ts';
import type { Arena } from '../arena.ts';
import { type Core, HASH } from '../core.ts';
import type { Random } from '../random.ts';
import type { Purpose, Vault } from '../vault.ts';

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
    if (!this.#authentic('lease', lease)) throw new Refusal('KEYCELL_LEASE_EXPIRED');
    const { boot, number, revocations } = decodeLease(lease);
    if (boot !== this.#vault.identity.boot) throw new Refusal('KEYCELL_LEASE_EXPIRED');
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
    const refuse = () => new Refusal('KEYCELL_SESSION_REVOKED');
    if (!this.#authentic('ticket', bytes)) throw refuse();
    let ticket: Ticket;
    try {
      ticket = decodeTicket(bytes);
    } catch (error) {
      if (error instanceof FormatError) throw refuse();
      throw error;
    }
    const { hsmId, incarnation } = this.#vault.identity;
    if (ticket.hsmId !== hsmId || ticket.incarnation !== incarnation) throw refuse();
    const revoked = this.#revocations.some(({ revocation }) =>
      revocation.kind === 'session'
        ? revocation.id === ticket.session
        : revocation.id === ticket.user && ticket.userEpoch < revocation.epoch,
    );
    if (revoked) throw refuse();
    if (now >= ticket.expiresAt) throw new Refusal('KEYCELL_SESSION_EXPIRED');
    return ticket;
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

  #sign(purpose: Purpose, body: Uint8Array): Uint8Array<ArrayBuffer> {
    const { call, bytes } = this.#core;
    const mark = this.#work.mark();
    const at = this.#work.take(body.length + MAC_SIZE);
    bytes.set(body, at);
    call.hmac(HASH.sha256, this.#vault.key(purpose), 32, at, body.length, at + body.length);
    const signed = bytes.slice(at, at + body.length + MAC_SIZE);
    this.#work.release(mark);
    return signed;
  }

  #authentic(purpose: Purpose, signed: Uint8Array): boolean {
    if (signed.length <= MAC_SIZE) return false;
    const { call, bytes } = this.#core;
    const mark = this.#work.mark();
    const at = this.#work.take(signed.length);
    bytes.set(signed, at);
    const body = signed.length - MAC_SIZE;
    const ok = call.hmacVerify(HASH.sha256, this.#vault.key(purpose), 32, at, body, at + body, MAC_SIZE) === 1;
    this.#work.release(mark);
    return ok;
  }
}
