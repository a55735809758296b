/** What a batch did, gathered for its entry: one line of counts per session, keys opened and operation. */
import { ID_SIZE, toHex } from '../wire/fields.ts';
import type { Core } from './core.ts';

interface Use {
  readonly session: string;
  readonly user: string;
  readonly op: string;
  /** The ids of the keys that were opened, in the order of the request. */
  readonly keys?: readonly string[];
  /** The ids of the keys that were made or changed. */
  readonly made?: readonly string[];
  /** The thumbprint of an outside recipient. */
  readonly to?: string;
  done: number;
  /** Refused or failed, by code. */
  refused?: Record<string, number>;
}

interface Counted {
  readonly use: Use;
  /** The addresses of the ids of the keys that were made. */
  readonly made: number[];
}

const NO_KEYS: readonly string[] = [];

export class Uses {
  readonly #uses = new Map<string, Counted>();
  /** The last use: requests of a batch are mostly alike, and comparing costs less than making a name. */
  #last: Counted | undefined;

  get empty(): boolean {
    return this.#uses.size === 0;
  }

  count(
    session: string,
    user: string,
    op: string,
    keys: readonly string[],
    made: number | undefined,
    to: string | undefined,
    refused?: string,
  ): void {
    const counted = this.#find(session, user, op, keys, to);
    this.#last = counted;
    const { use } = counted;
    if (refused === undefined) {
      use.done++;
      if (made !== undefined) counted.made.push(made);
    } else {
      use.refused ??= {};
      use.refused[refused] = (use.refused[refused] ?? 0) + 1;
    }
  }

  #find(session: string, user: string, op: string, keys: readonly string[], to: string | undefined): Counted {
    const last = this.#last;
    const use = last?.use;
    const alike = use?.session === session && use.op === op && use.to === to;
    if (alike && sameKeys(use.keys ?? NO_KEYS, keys)) return last!;
    const name = `${session}/${op}/${keys}/${to}`;
    const known = this.#uses.get(name);
    if (known !== undefined) return known;
    const made = { use: newUse(session, user, op, keys, to), made: [] };
    this.#uses.set(name, made);
    return made;
  }

  /** In the order in which each was first seen. `made` is in the order of the requests. */
  list(core: Core): readonly Use[] {
    return Array.from(this.#uses.values(), ({ use, made }) => {
      if (made.length === 0) return use;
      const { done, refused, ...rest } = use;
      return { ...rest, made: idsAt(core, made), done, ...(refused && { refused }) };
    });
  }
}

function newUse(session: string, user: string, op: string, keys: readonly string[], to: string | undefined): Use {
  return { session, user, op, ...(keys.length > 0 && { keys }), ...(to && { to }), done: 0 };
}

/** The ids that lie at these addresses, made hex together. */
function idsAt({ view }: Core, addresses: readonly number[]): string[] {
  const bytes = new Uint8Array(ID_SIZE * addresses.length);
  const ids = new DataView(bytes.buffer);
  addresses.forEach((at, i) => {
    for (let j = 0; j < ID_SIZE; j += 4) ids.setUint32(ID_SIZE * i + j, view.getUint32(at + j));
  });
  const hex = toHex(bytes);
  return addresses.map((_, i) => hex.slice(2 * ID_SIZE * i, 2 * ID_SIZE * (i + 1)));
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
