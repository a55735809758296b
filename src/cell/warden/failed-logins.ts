/**
 * Failed logins, by name, known or not: after some in a row the name has to wait, longer with each more.
 *
 * They are counted in a table of fixed size, at a place that a salt of this run decides. So a flood of invented names takes
 * no memory and drives nobody's count out, and no name is treated otherwise than another, whether somebody bears it or not.
 * Two names may share a place: who wants to fill all has to hash for hours, and is forgotten faster than that.
 */
import { createHash } from 'node:crypto';
import type { LockoutPolicy } from './protocol.ts';

const PLACES = 65536;
const COUNT_MAX = 255;
/** The first of the short waits that half of the failures bring; each further failure doubles it. Milliseconds. */
const BACK_OFF_MS = 100;

/**
 * Wrong passphrases of logins, with the right password, bring waits of at most a quarter of a minute: the passphrase is the
 * way past a lock, so it has none itself. Who has the password and guesses has about a thousand guesses an hour.
 */
export const WRONG_PASSPHRASES: LockoutPolicy = { after: 4, delay: 1000, longest: 15_000 };

export class FailedLogins {
  readonly #policy: LockoutPolicy;
  readonly #salt: Uint8Array;
  readonly #counts: Uint8Array;
  /** When the wait ends that the last failure brought. */
  readonly #until: Float64Array;
  /** Attempts that came during a wait, and that no entry of the log has told of yet. */
  readonly #untold: Uint32Array;

  /** `places` is a power of two, up to 65 536. */
  constructor(policy: LockoutPolicy, salt: Uint8Array, places = PLACES) {
    this.#policy = policy;
    this.#salt = salt;
    this.#counts = new Uint8Array(places);
    this.#until = new Float64Array(places);
    this.#untold = new Uint32Array(places);
  }

  /** Must this name wait? Times are milliseconds of a clock that never goes back. */
  waits(name: string, now: number): boolean {
    return now < this.#until[this.#placeOf(name)]!;
  }

  /** An attempt that is neither counted nor written down: the name waits. */
  miss(name: string): void {
    this.#untold[this.#placeOf(name)]!++;
  }

  /** How many there were since the last call: for the next entry that tells of this name. */
  takeMissed(name: string): number {
    const place = this.#placeOf(name);
    const missed = this.#untold[place]!;
    this.#untold[place] = 0;
    return missed;
  }

  /** A login failed; gives the milliseconds for which the name is locked, 0 where it only has to wait a moment. */
  failed(name: string, now: number): number {
    const place = this.#placeOf(name);
    const { after, longest } = this.#policy;
    const forgotten = now >= this.#until[place]! + longest;
    const count = forgotten ? 1 : Math.min(this.#counts[place]! + 1, COUNT_MAX);
    const wait = this.#waitAfter(count);
    this.#counts[place] = count;
    this.#until[place] = now + wait;
    return count >= after ? wait : 0;
  }

  /** The right password came, or an admin vouches for the name. */
  forget(name: string): void {
    const place = this.#placeOf(name);
    this.#counts[place] = 0;
    this.#until[place] = Number.NEGATIVE_INFINITY;
  }

  #waitAfter(failures: number): number {
    const { after, delay, longest } = this.#policy;
    if (failures >= after) return Math.min(longest, delay * 2 ** (failures - after));
    const half = Math.ceil(after / 2);
    return failures < half ? 0 : Math.min(delay, BACK_OFF_MS * 2 ** (failures - half));
  }

  #placeOf(name: string): number {
    return createHash('sha256').update(this.#salt).update(name).digest().readUInt16BE(0) % this.#counts.length;
  }
}
