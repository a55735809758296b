/**
 * JSON that means one thing to all who read it, I-JSON (RFC 7493): what is signed must not be read one way by its issuer and
 * another way here. So bytes that are no UTF-8 and two members of one name are refused, of which JSON.parse keeps the last.
 */
import { isAscii } from 'node:buffer';
import type { JsonBounds } from '../model/limits.ts';
import { FormatError } from './fields.ts';
import { jsonExtent } from './json-bounds.ts';

/** A byte order mark is kept, and then no JSON. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The value of a text within these bounds, which are looked at before it is parsed. Throws FormatError. */
export function readJson(text: Buffer, bounds: JsonBounds): unknown {
  const members = jsonExtent(text, bounds);
  if (typeof members !== 'number') throw new FormatError('JSON beyond its bounds');
  let value: unknown;
  try {
    // What is ASCII, as most is, needs no decoder, which takes as long as all the rest.
    value = JSON.parse(isAscii(text) ? text.toString('latin1') : UTF8.decode(text));
  } catch {
    throw new FormatError('not JSON in UTF-8');
  }
  // The value has each name once, however it was written; in the text every member counts.
  if (membersOf(value) !== members) throw new FormatError('two members of one name');
  return value;
}

/** The members of all objects in a value, whose depth is bounded. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const within = Object.values(value);
  return within.reduce((sum: number, each) => sum + membersOf(each), Array.isArray(value) ? 0 : within.length);
}
