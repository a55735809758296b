/**
 * Who asks, as the queue tells them apart: users share the cells, their sessions share what is theirs. Only when a request is
 * served rests on this; what it may do, the cell reads from its ticket.
 */
import { SessionFlow, UserFlow } from './queue.ts';

/** A user with requests, or who had some. */
export class CallingUser {
  /** Requests that wait for a place, for their entry in the log, or for the store. */
  waiting = 0;
  /** Bytes that wait for a place. */
  bytes = 0;
  readonly small = new UserFlow(this);
  readonly large = new UserFlow(this);

  constructor() {
    this.small.beside = this.large;
    this.large.beside = this.small;
  }
}

/** A session: it has one of these, and names it in each of its requests. */
export class Caller {
  readonly user: CallingUser;
  readonly small: SessionFlow;
  readonly large: SessionFlow;

  constructor(user: CallingUser) {
    this.user = user;
    this.small = new SessionFlow(user.small);
    this.large = new SessionFlow(user.large);
  }

  /** What this caller waits for elsewhere, as the store, counts among the requests of theirs that wait. */
  async waitFor<T>(work: Promise<T>): Promise<T> {
    this.user.waiting++;
    try {
      return await work;
    } finally {
      this.user.waiting--;
    }
  }
}

export class Callers {
  readonly #users = new Map<string, CallingUser>();

  /** A new session of this user. */
  of(user: string): Caller {
    let known = this.#users.get(user);
    if (known === undefined) {
      known = new CallingUser();
      this.#users.set(user, known);
    }
    return new Caller(known);
  }

  /** A user who was removed; their sessions may still name their callers, and are refused by the cells. */
  forget(user: string): void {
    this.#users.delete(user);
  }
}
