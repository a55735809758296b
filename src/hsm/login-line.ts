/**
 * The line of calls that hash a password: as many at once as there are hashing threads, the others wait, and only so many
 * do. Names take turns, so that a flood of one name holds up no other.
 *
 * Everybody waits in one line, which few names keep short. Where it is full, somebody floods: strangers are refused, and
 * those whom the HSM knows find places that are kept for them. So which names are known shows only to who fills the line.
 */
import { busyError, HsmError } from '../errors.ts';

/** Whose call it is: of whoever unseals, of an admin who gives the passphrase, of a user, or of a name that is nobody's. */
export type Caller = 'custodian' | 'admin-with-passphrase' | 'admin' | 'crypto-user' | 'stranger';

export interface Turn {
  readonly caller: Caller;
  /** Turns go round by this. */
  readonly name: string;
}

/** A place in the line, or at a hashing thread: to be left in the end, whether its turn came or not. */
export interface Place {
  /** Resolves when its turn has come. */
  readonly ready: Promise<void>;
  leave(): void;
}

interface Waiting {
  readonly name: string;
  /** How many turns there had been when it came. */
  readonly since: number;
  readonly begin: () => void;
  readonly refuse: (error: HsmError) => void;
}

/** Names that wait in the line of everybody, for each thread: a hash takes a tenth of a second, and more on a busy machine. */
const NAMES_PER_THREAD = 2;
/** Calls of one name that wait there. */
const NAME_MAX = 16;
/** Places kept for each kind of caller, and how many of them one name may take. */
const KEPT_MAX = 256;
const KEPT_NAME_MAX = 64;
/** The same of calls with a passphrase, which takes a third of a second: of those that unseal, and of one admin's logins. */
const CUSTODIANS_MAX = 8;
/** Turns that are remembered: more than names wait in the line of everybody. */
const RECENT_MAX = 32;

export class LoginLine {
  readonly #threads: number;
  readonly #everybody: FairQueue;
  readonly #kept = {
    custodian: new FairQueue(CUSTODIANS_MAX, CUSTODIANS_MAX),
    // Beside those that unseal, not among them: who knows an admin's name could fill their places.
    'admin-with-passphrase': new FairQueue(KEPT_MAX, CUSTODIANS_MAX),
    admin: new FairQueue(KEPT_MAX, KEPT_NAME_MAX),
    'crypto-user': new FairQueue(KEPT_MAX, KEPT_NAME_MAX),
  };
  /** Who is asked first for the next turn: whoever had one goes to the end. So a flood is behind all who do not flood. */
  readonly #order: FairQueue[];
  #inside = 0;
  /** The names that had the last turns, the last one at the end, and how many turns there were. */
  readonly #recent: string[] = [];
  #turns = 0;

  constructor(threads: number) {
    this.#threads = threads;
    this.#everybody = new FairQueue(NAMES_PER_THREAD * threads * NAME_MAX, NAME_MAX, NAMES_PER_THREAD * threads);
    this.#order = [...Object.values(this.#kept), this.#everybody];
  }

  /** Throws BUSY where `enter` would. */
  mustTake(turn: Turn): void {
    if (this.#inside >= this.#threads && this.#queueFor(turn) === undefined) throw busy();
  }

  /** Throws BUSY where there is no place. */
  enter(turn: Turn): Place {
    this.mustTake(turn);
    let inside = this.#inside < this.#threads;
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      if (inside) this.#next();
    };
    if (inside) {
      this.#inside++;
      this.#remember(turn.name);
      return { ready: Promise.resolve(), leave };
    }
    const ready = new Promise<void>((resolve, reject) => {
      const begin = (): void => {
        inside = true;
        resolve();
        // Who left before their turn came has none.
        if (left) this.#next();
      };
      const refuse = (error: HsmError): void => {
        left = true;
        reject(error);
      };
      this.#queueFor(turn)!.add({ name: turn.name, since: this.#turns, begin, refuse });
    });
    // Its caller may still be about to wait for it.
    ready.catch(() => {});
    return { ready, leave };
  }

  /** Nobody who waits gets a turn any more. */
  refuseAll(code: 'KEYCELL_SEALED' | 'KEYCELL_CLOSING' | 'KEYCELL_TAMPERED'): void {
    for (const queue of this.#order) {
      for (let next = queue.take(); next !== undefined; next = queue.take()) next.refuse(new HsmError(code));
    }
  }

  #queueFor({ caller, name }: Turn): FairQueue | undefined {
    const passphrase = caller === 'custodian' || caller === 'admin-with-passphrase';
    if (!passphrase && this.#everybody.takes(name)) return this.#everybody;
    return caller !== 'stranger' && this.#kept[caller].takes(name) ? this.#kept[caller] : undefined;
  }

  /** A thread is free: the place goes to who is next, without being free in between. */
  #next(): void {
    const next = this.#take();
    if (next === undefined) {
      this.#inside--;
      return;
    }
    this.#remember(next.name);
    next.begin();
  }

  #take(): Waiting | undefined {
    for (const [i, queue] of this.#order.entries()) {
      const next = queue.take(this.#lastTurn);
      if (next === undefined) continue;
      this.#order.push(...this.#order.splice(i, 1));
      return next;
    }
    return undefined;
  }

  #remember(name: string): void {
    this.#turns++;
    if (this.#recent.push(name) > RECENT_MAX) this.#recent.shift();
  }

  /** The number of this name's last turn; undefined where it had none of late. */
  readonly #lastTurn = (name: string): number | undefined => {
    const at = this.#recent.lastIndexOf(name);
    return at < 0 ? undefined : this.#turns - this.#recent.length + at;
  };
}

/** Who waits, by name; names take turns. */
class FairQueue {
  readonly #max: number;
  readonly #nameMax: number;
  readonly #namesMax: number;
  readonly #waiting = new Map<string, Waiting[]>();
  #size = 0;

  /** So many calls in all, of one name, and of how many names. */
  constructor(max: number, nameMax: number, namesMax = max) {
    this.#max = max;
    this.#nameMax = nameMax;
    this.#namesMax = namesMax;
  }

  takes(name: string): boolean {
    if (this.#size >= this.#max) return false;
    const waiting = this.#waiting.get(name);
    return waiting === undefined ? this.#waiting.size < this.#namesMax : waiting.length < this.#nameMax;
  }

  add(waiting: Waiting): void {
    const others = this.#waiting.get(waiting.name);
    if (others === undefined) this.#waiting.set(waiting.name, [waiting]);
    else others.push(waiting);
    this.#size++;
  }

  /**
   * The next one: of the name whose last turn is the longest ago. One that had none of late counts as if its turn had been a
   * line's length before it came: behind those who waited longer, or a flood of ever new names would go before everyone else,
   * and before those who had one since, or names that take turns would.
   */
  take(lastTurn: (name: string) => number | undefined = () => undefined): Waiting | undefined {
    let name: string | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [each, [first]] of this.#waiting) {
      const turn = Math.max(lastTurn(each) ?? Number.NEGATIVE_INFINITY, first!.since - this.#namesMax);
      if (turn >= least) continue;
      name = each;
      least = turn;
    }
    if (name === undefined) return undefined;
    const [next, ...others] = this.#waiting.get(name)!;
    this.#waiting.delete(name);
    if (others.length > 0) this.#waiting.set(name, others);
    this.#size--;
    return next;
  }
}

const busy = (): HsmError => busyError('too many logins wait');
