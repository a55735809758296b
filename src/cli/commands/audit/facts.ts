/** What the log's entries say, with the names that they themselves give. */

/** One thing that was done or refused; an entry of a cell has one for each session, keys and operation. */
export interface Fact {
  readonly entry: number;
  readonly at: Date;
  readonly operation: string;
  /** Who did it: an id, or the first admin's name. */
  readonly user: string | undefined;
  /** To whom, where users are managed. */
  readonly about: string | undefined;
  /** Ids: used, and made or changed. */
  readonly keys: readonly string[];
  readonly made: readonly string[];
  /** How often it was done, and refused by code; undefined for what is always one. */
  readonly done: number | undefined;
  readonly refused: Readonly<Record<string, number>> | undefined;
  /** What else the entry has. */
  readonly rest: Readonly<Record<string, unknown>>;
}

type Members = Readonly<Record<string, unknown>>;

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];

/**
 * Reads bodies in their order. Users are named by the entries that they log in with and are made by, so no passphrase is
 * needed for that; sessions are forgotten when they end, so that a long log takes no more memory than its users.
 */
export class LogReader {
  readonly #names = new Map<string, string>();
  readonly #sessions = new Map<string, string>();

  nameOf(user: string): string | undefined {
    return this.#names.get(user);
  }

  /** What the body of an entry says; one that is no JSON says so. */
  read(entry: number, body: string): Fact[] {
    const members = parsed(body);
    if (members === undefined) return [factOf(entry, new Date(Number.NaN), 'unreadable', {})];
    const { at, uses, event, n: _n, mac: _mac, ...rest } = members;
    const time = new Date(typeof at === 'number' ? at : Number.NaN);
    if (Array.isArray(uses)) return uses.filter(isMembers).map((use) => useOf(entry, time, use));
    this.#learn(event, rest);
    const fact = eventOf(entry, time, text(event) ?? 'unreadable', rest, this.#sessions);
    this.#forget(event, rest);
    return [fact];
  }

  #learn(event: unknown, { user, name, session }: Members): void {
    const id = text(user);
    const called = text(name);
    if (id !== undefined && called !== undefined) this.#names.set(id, called);
    const opened = text(session);
    if (event === 'login' && id !== undefined && opened !== undefined) this.#sessions.set(opened, id);
  }

  #forget(event: unknown, { session }: Members): void {
    const ended = text(session);
    if (event === 'logout' && ended !== undefined) this.#sessions.delete(ended);
    // No session outlives the unseal in which it began.
    else if (event === 'unseal') this.#sessions.clear();
  }
}

function parsed(body: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function useOf(entry: number, at: Date, { op, user, keys, made, done, refused, ...rest }: Members): Fact {
  return factOf(entry, at, text(op) ?? 'unreadable', {
    user: text(user),
    keys: texts(keys),
    made: texts(made),
    done: typeof done === 'number' ? done : undefined,
    refused: isMembers(refused) ? (refused as Record<string, number>) : undefined,
    rest,
  });
}

function eventOf(
  entry: number,
  at: Date,
  event: string,
  { caller, user, name: _name, admin, by: _by, ...rest }: Members,
  sessions: ReadonlyMap<string, string>,
): Fact {
  const doer = text(caller);
  const named = text(user);
  return factOf(entry, at, event, {
    user: doer ?? named ?? text(admin) ?? sessions.get(text(rest['session']) ?? ''),
    about: doer === undefined ? undefined : named,
    rest,
  });
}

const factOf = (entry: number, at: Date, operation: string, said: Partial<Fact>): Fact => ({
  entry,
  at,
  operation,
  user: undefined,
  about: undefined,
  keys: [],
  made: [],
  done: undefined,
  refused: undefined,
  rest: {},
  ...said,
});
