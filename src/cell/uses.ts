/** What a batch did, gathered for its entry: one line of counts per session, key and operation. */

interface Use {
  readonly session: string;
  readonly user: string;
  readonly op: string;
  /** The key's id, where there is one. */
  readonly key?: string;
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
    key: string | undefined,
    to: string | undefined,
    refused?: string,
  ): void {
    const name = `${session}/${op}/${key}/${to}`;
    let use = this.#uses.get(name);
    if (use === undefined) {
      use = { session, user, op, ...(key && { key }), ...(to && { to }), done: 0 };
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
