/**
 * Who may not any more: what each lease tells the cells. An entry ends by the monotonic clock, when no ticket that it
 * concerns can be good any more.
 *
 * There is always room for one more. A user's entry subsumes those of their sessions. Where logouts have used up the room of
 * sessions, all sessions end of whoever logs out; or of the user who has logged out more often, where there is one. So of N
 * users who log out, each has an Nth of the room, whatever the others do. Where the room of users is used up, too, the ticket
 * epoch rises, and with it the sessions of the whole HSM end.
 */
import { ENDED_SESSIONS_MAX, type Lease, REVOKED_USERS_MAX, type UserRevocation, voids } from '../../wire/lease.ts';
import { TICKET_LIFETIME, type Ticket } from '../../wire/ticket.ts';
import type { WardenClock } from './clock.ts';

/** What ended besides what was asked for: every session of one user, or every session there is. */
export type Overflow = { readonly user: string } | { readonly ticketEpoch: number } | undefined;

interface EndedSession {
  /** Undefined where another warden ended it: a lease does not say whose it was. */
  readonly ticket: Ticket | undefined;
  readonly until: number;
}

interface RevokedUser extends UserRevocation {
  readonly until: number;
}

export class Revocations {
  readonly #clock: WardenClock;
  readonly #users = new Map<string, RevokedUser>();
  readonly #sessions = new Map<string, EndedSession>();
  /** In force while nobody knows whether the change that they come of is on the disk. */
  #held: readonly UserRevocation[] = [];
  #ticketEpoch = 1;
  /** No login is dated before this: it would be among those that an entry of its user ends. */
  #loginsFrom = 0;

  constructor(clock: WardenClock) {
    this.#clock = clock;
  }

  get ticketEpoch(): number {
    return this.#ticketEpoch;
  }

  /** A new boot: tickets of an earlier one are void by its incarnation. */
  begin(): void {
    this.#users.clear();
    this.#sessions.clear();
    this.#held = [];
    this.#ticketEpoch = 1;
    this.#loginsFrom = 0;
  }

  /** Go on from what a warden that died told the cells. How old its entries were it did not say: each begins anew. */
  resume({ users, sessions, ticketEpoch }: Lease): void {
    this.begin();
    const until = this.#end();
    for (const revoked of users) this.#users.set(revoked.user, { ...revoked, until });
    for (const session of sessions) this.#sessions.set(session, { ticket: undefined, until });
    this.#ticketEpoch = ticketEpoch;
    this.#loginsFrom = Math.max(0, ...users.map(({ before }) => before));
  }

  /** The time of a login that succeeds now. */
  loginTime(): number {
    return Math.max(this.#clock.now(), this.#loginsFrom);
  }

  covers(ticket: Ticket): boolean {
    const { user } = ticket;
    const revoked = this.#users.get(user);
    return (
      ticket.ticketEpoch < this.#ticketEpoch ||
      this.#sessions.has(ticket.session) ||
      (revoked !== undefined && voids(revoked, ticket)) ||
      this.#held.some((held) => held.user === user && voids(held, ticket))
    );
  }

  endSession(ticket: Ticket): Overflow {
    this.#forget();
    if (this.#sessions.size >= ENDED_SESSIONS_MAX) {
      const user = this.#busiest(ticket.user);
      const overflow = this.#endLogins(user) ?? { user };
      if (this.covers(ticket)) return overflow;
      this.#sessions.set(ticket.session, { ticket, until: this.#end() });
      return overflow;
    }
    this.#sessions.set(ticket.session, { ticket, until: this.#end() });
    return undefined;
  }

  /** End tickets of a user, as the revocation tells. */
  endUser(revocation: UserRevocation): Overflow {
    this.#forget();
    const known = this.#users.get(revocation.user);
    const overflow = known === undefined && this.#users.size >= REVOKED_USERS_MAX ? this.endAll() : undefined;
    const entry = { ...join(known, revocation), until: this.#end() };
    this.#users.set(entry.user, entry);
    for (const [session, { ticket }] of this.#sessions) {
      if (ticket?.user === entry.user && voids(entry, ticket)) this.#sessions.delete(session);
    }
    return overflow;
  }

  /** End every session of the HSM. */
  endAll(): Overflow {
    this.#ticketEpoch++;
    this.#users.clear();
    this.#sessions.clear();
    return { ticketEpoch: this.#ticketEpoch };
  }

  /** Put these in force, in place of those held before. */
  hold(revocations: readonly UserRevocation[]): Overflow {
    this.#held = revocations;
    const users = new Set(this.#users.keys());
    for (const { user } of revocations) users.add(user);
    // They go into the lease beside the others, whose room is the same.
    return users.size > REVOKED_USERS_MAX ? this.endAll() : undefined;
  }

  /** For the next lease. */
  list(): Pick<Lease, 'ticketEpoch' | 'users' | 'sessions'> {
    this.#forget();
    const users = new Map<string, UserRevocation>(this.#users);
    for (const held of this.#held) users.set(held.user, join(users.get(held.user), held));
    return { ticketEpoch: this.#ticketEpoch, users: [...users.values()], sessions: [...this.#sessions.keys()] };
  }

  /** End the sessions that a user has so far; those that begin later are good. */
  #endLogins(user: string): Overflow {
    this.#loginsFrom = this.loginTime() + 1;
    return this.endUser({ user, epoch: 0, before: this.#loginsFrom });
  }

  /** The user with most of the ended sessions: `next`, who ends another, unless somebody has more. */
  #busiest(next: string): string {
    const counts = new Map<string, number>([[next, 1]]);
    for (const { ticket } of this.#sessions.values()) {
      if (ticket !== undefined) counts.set(ticket.user, (counts.get(ticket.user) ?? 0) + 1);
    }
    let busiest = next;
    let most = counts.get(next)!;
    for (const [user, count] of counts) {
      if (count <= most) continue;
      busiest = user;
      most = count;
    }
    return busiest;
  }

  /** When what is revoked now may be forgotten. */
  #end(): number {
    return this.#clock.monotonic() + TICKET_LIFETIME;
  }

  #forget(): void {
    const now = this.#clock.monotonic();
    for (const [user, { until }] of this.#users) if (until <= now) this.#users.delete(user);
    for (const [session, { until }] of this.#sessions) if (until <= now) this.#sessions.delete(session);
  }
}

const join = (known: UserRevocation | undefined, { user, epoch, before }: UserRevocation): UserRevocation => ({
  user,
  epoch: Math.max(epoch, known?.epoch ?? 0),
  before: Math.max(before, known?.before ?? 0),
});
