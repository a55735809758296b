/**
 * The body of a log entry: JSON text ending in a MAC under the audit key, made where the operation was done.
 * The log outside adds sequence and chain; who rewrites a body there cannot make its MAC.
 */
import type { Span } from '../wire/batch.ts';
import type { Arena } from './arena.ts';
import type { Core } from './core.ts';
import type { Vault } from './vault.ts';

const MAC_MEMBER = ',"mac":"';
const MAC_SIZE = 32;
const MAC_DIGITS = 2 * MAC_SIZE;
const END = '"}';

/**
 * Write a body into `room`, from what was kept back there: `open` is the JSON of its object, ASCII alone, without the brace
 * that ends it.
 */
export function writeEntry(core: Core, room: Arena, vault: Vault, open: string): Span {
  return writeSigned(core, room, vault, open, open.length);
}

/** A body as text. `fields` must be a non-empty object of public values. */
export function makeEntry(core: Core, work: Arena, vault: Vault, fields: Readonly<Record<string, unknown>>): string {
  return signed(core, work, vault, JSON.stringify(fields).slice(0, -1));
}

/** Is this body one that a cell or warden of this HSM made? */
export function entryIsAuthentic(core: Core, work: Arena, vault: Vault, body: string): boolean {
  const at = body.lastIndexOf(MAC_MEMBER);
  return at >= 0 && body === signed(core, work, vault, body.slice(0, at));
}

function signed(core: Core, work: Arena, vault: Vault, open: string): string {
  const mark = work.mark();
  const { offset, length } = writeSigned(core, work, vault, open, Buffer.byteLength(open));
  const body = core.text.toString('utf8', offset, offset + length);
  work.release(mark);
  return body;
}

/** The MAC covers what stands before its member. It is written to the log, so showing it as hex gives nothing away. */
function writeSigned(core: Core, room: Arena, vault: Vault, open: string, covered: number): Span {
  const { text } = core;
  const length = covered + MAC_MEMBER.length + MAC_DIGITS + END.length;
  const offset = room.takeReserved(length);
  const end = offset + covered;
  text.write(open, offset, open.length === covered ? 'latin1' : 'utf8');
  vault.mac('audit', offset, covered, end);
  text.write(`${MAC_MEMBER}${text.toString('hex', end, end + MAC_SIZE)}${END}`, end, 'latin1');
  return { offset, length };
}
