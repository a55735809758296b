/** What a batch did, gathered for its entry: one line of counts per session, keys opened and operation. */
import { ID_SIZE } from '../wire/fields.ts';
import type { Core } from './core.ts';

interface Use {
  readonly session: string;
  readonly user: string;
  readonly op: string;
  /** The ids of the keys that were opened, in the order of the request. */
  readonly keys: readonly string[];
  /** The thumbprint of an outside recipient. */
  readonly to: string | undefined;
  /** What an admin marked as trusted, or does no more: its own line each. */
  readonly mark: object | undefined;
  done: number;
  /** Refused or failed, by code. */
  refused: Record<string, number> | undefined;
}

interface Counted {
  readonly use: Use;
  /** The addresses of the ids of the keys that were made or changed. */
  readonly made: number[];
}

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
    mark: object | undefined,
    refused?: string,
  ): void {
    const counted = this.#find(session, user, op, keys, to, refused === undefined ? mark : undefined);
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

  #find(
    session: string,
    user: string,
    op: string,
    keys: readonly string[],
    to: string | undefined,
    mark: object | undefined,
  ): Counted {
    const last = this.#last;
    const use = last?.use;
    const alike = use?.session === session && use.op === op && use.to === to && use.mark === mark;
    if (alike && sameKeys(use.keys, keys)) return last!;
    const name = `${session}/${op}/${keys}/${to}${mark === undefined ? '' : `/${this.#uses.size}`}`;
    const known = this.#uses.get(name);
    if (known !== undefined) return known;
    const counted: Counted = { use: { session, user, op, keys, to, mark, done: 0, refused: undefined }, made: [] };
    this.#uses.set(name, counted);
    return counted;
  }

  /**
   * As JSON, in the order in which each was first seen, `made` in the order of the requests. Put together by hand, since
   * nothing in it needs an escape: ids, thumbprints, codes and names of operations.
   */
  json(core: Core): string {
    let list = '';
    for (const { use, made } of this.#uses.values()) list += `${list === '' ? '[' : ','}${jsonOf(core, use, made)}`;
    return `${list}]`;
  }
}

function jsonOf(
  core: Core,
  { session, user, op, keys, to, mark, done, refused }: Use,
  made: readonly number[],
): string {
  let text = `{"session":"${session}","user":"${user}","op":"${op}"`;
  if (keys.length > 0) text += `,"keys":["${keys.join('","')}"]`;
  if (made.length > 0) text += `,"made":["${idsAt(core, made).join('","')}"]`;
  if (to !== undefined) text += `,"to":"${to}"`;
  if (mark !== undefined) text += `,"mark":${JSON.stringify(mark)}`;
  text += `,"done":${done}`;
  return refused === undefined ? `${text}}` : `${text},"refused":${JSON.stringify(refused)}}`;
}

/** The ids that lie at these addresses, made hex together. */
function idsAt({ view }: Core, addresses: readonly number[]): string[] {
  const bytes = Buffer.alloc(ID_SIZE * addresses.length);
  let next = 0;
  for (const at of addresses)
    for (let i = 0; i < ID_SIZE; i += 4) next = bytes.writeInt32BE(view.getInt32(at + i), next);
  const hex = bytes.toString('hex');
  const ids: string[] = [];
  for (let i = 0; i < hex.length; i += 2 * ID_SIZE) ids.push(hex.slice(i, i + 2 * ID_SIZE));
  return ids;
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
