/** What a batch did, gathered for its entry: one line of counts per session, keys and operation. */

interface Use {
  readonly session: string;
  readonly user: string;
  readonly op: string;
  /** The ids of the keys that were opened, in the order of the request. */
  readonly keys?: readonly string[];
  /** The id of the key that was made or changed. */
  readonly made?: string;
  /** The thumbprint of an outside recipient. */
  readonly to?: string;
  done: number;
  /** Refused or failed, by code. */
  refused?: Record<string, number>;
}

export class Uses {
  readonly #uses = new Map<string, Use>();
  /** The last use: requests of a batch are mostly alike, and comparing costs less than making a name. */
  #last: Use | undefined;

  get empty(): boolean {
    return this.#uses.size === 0;
  }

  count(
    session: string,
    user: string,
    op: string,
    keys: readonly string[],
    made: string | undefined,
    to: string | undefined,
    refused?: string,
  ): void {
    const use = this.#find(session, user, op, keys, made, to);
    this.#last = use;
    if (refused === undefined) use.done++;
    else {
      use.refused ??= {};
      use.refused[refused] = (use.refused[refused] ?? 0) + 1;
    }
  }

  #find(
    session: string,
    user: string,
    op: string,
    keys: readonly string[],
    made: string | undefined,
    to: string | undefined,
  ): Use {
    const last = this.#last;
    const alike = last?.session === session && last.op === op && last.made === made && last.to === to;
    if (alike && sameKeys(last.keys ?? NO_KEYS, keys)) return last;
    const name = `${session}/${op}/${keys}/${made}/${to}`;
    const known = this.#uses.get(name);
    if (known !== undefined) return known;
    const use: Use = {
      session,
      user,
      op,
      ...(keys.length > 0 && { keys }),
      ...(made && { made }),
      ...(to && { to }),
      done: 0,
    };
    this.#uses.set(name, use);
    return use;
  }

  list(): readonly Use[] {
    return [...this.#uses.values()];
  }
}

const NO_KEYS: readonly string[] = [];

const sameKeys = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((key, i) => key === b[i]);
