/**
 * How large, how deep and of how many members a JSON text is, found by one pass over its bytes before anything parses it.
 * A text of 8 KiB can nest 4000 deep, and what parses, copies or serialises that recurses as deep.
 */
import type { JsonBounds } from '../model/limits.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** The bound that a text in UTF-8 passes, or undefined. */
export function jsonExcess(text: Uint8Array, bounds: JsonBounds): keyof JsonBounds | undefined {
  const extent = jsonExtent(text, bounds);
  return typeof extent === 'number' ? undefined : extent;
}

/**
 * How many members the objects of a text in UTF-8 have together, or the bound that it passes. Whether the text is JSON is not
 * said: outside strings, whose bytes stand for themselves, every bracket opens or closes a level and every colon makes a
 * member, in whatever order they come.
 */
export function jsonExtent(text: Uint8Array, bounds: JsonBounds): number | keyof JsonBounds {
  if (text.length > bounds.bytes) return 'bytes';
  let depth = 0;
  let members = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) {
      if (++depth > bounds.depth) return 'depth';
    } else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) depth--;
    else if (byte === COLON && ++members > bounds.members) return 'members';
  }
  return members;
}

/** The bounds in words: "… has more than 8192 bytes, …". */
export const boundsInWords = ({ bytes, depth, members }: JsonBounds): string =>
  `${bytes} bytes, ${depth} levels and ${members} members`;
