/**
 * How many sessions each user has open: tickets that were issued, and are neither logged out, revoked nor expired. It lives
 * as long as its warden: one that replaces another counts what is issued or renewed from then on.
 */
import { Refusal } from '../../errors.ts';
import type { Ticket } from '../../wire/ticket.ts';

type Issued = Pick<Ticket, 'user' | 'session' | 'expiresAt'>;

/** So many are kept before those that expired are looked for. */
const SWEEP_LEAST = 1024;

export class SessionQuota {
  readonly #limit: number;
  /** By user, when each session expires. */
  readonly #open = new Map<string, Map<string, number>>();
  #count = 0;
  #sweepAt = SWEEP_LEAST;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many are kept, some of which may have expired. */
  get size(): number {
    return this.#count;
  }

  /** None is open. */
  clear(): void {
    this.#open.clear();
    this.#count = 0;
    this.#sweepAt = SWEEP_LEAST;
  }

  /** Throws LIMIT_EXCEEDED where the user has as many as a user may have. */
  admit(user: string, now: number): void {
    const sessions = this.#open.get(user);
    if (sessions === undefined || sessions.size < this.#limit) return;
    this.#forgetExpired(user, sessions, now);
    if (sessions.size >= this.#limit) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'sessions');
  }

  /** A ticket was issued, for a new session or for one that goes on. */
  issued({ user, session, expiresAt }: Issued, now: number): void {
    let sessions = this.#open.get(user);
    if (sessions === undefined) {
      sessions = new Map();
      this.#open.set(user, sessions);
    }
    if (!sessions.has(session)) this.#count++;
    sessions.set(session, expiresAt);
    if (this.#count > this.#sweepAt) this.#sweep(now);
  }

  ended({ user, session }: Pick<Ticket, 'user' | 'session'>): void {
    const sessions = this.#open.get(user);
    if (sessions?.delete(session) !== true) return;
    this.#count--;
    if (sessions.size === 0) this.#open.delete(user);
  }

  /** All sessions of a user are over. */
  endedOf(user: string): void {
    this.#count -= this.#open.get(user)?.size ?? 0;
    this.#open.delete(user);
  }

  /** Whatever expired unseen goes at the latest when as much again has come: a step of `issued` costs the same on average. */
  #sweep(now: number): void {
    for (const [user, sessions] of this.#open) this.#forgetExpired(user, sessions, now);
    this.#sweepAt = Math.max(SWEEP_LEAST, 2 * this.#count);
  }

  #forgetExpired(user: string, sessions: Map<string, number>, now: number): void {
    for (const [session, expiresAt] of sessions) {
      if (expiresAt > now) continue;
      sessions.delete(session);
      this.#count--;
    }
    if (sessions.size === 0) this.#open.delete(user);
  }
}
