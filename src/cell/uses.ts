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
    const name = `${session}/${op}/${keys}/${made}/${to}`;
    let use = this.#uses.get(name);
    if (use === undefined) {
      use = {
        session,
        user,
        op,
        ...(keys.length > 0 && { keys }),
        ...(made && { made }),
        ...(to && { to }),
        done: 0,
      };
      this.#uses.set(name, use);
    }
    if (refused === undefined) use.done++;
    else {
      use.refused ??= {};
      use.refused[refused] = (use.refused[refused] ?? 0) + 1;
    }
  }

  list(): readonly Use[] {
    return [...this.#uses.values()];
  }
}
