/** PEM (RFC 7468, RFC 1421): which blocks a text has, told by its armour; what is between is left alone, since it may be secret. */
import { FormatError, formatError } from './fields.ts';

export interface PemBlock {
  readonly label: string;
  /** Where its base64 begins and ends, with the white space around it. */
  readonly from: number;
  readonly to: number;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const BEGIN = ascii('-----BEGIN ');
const END = ascii('-----END ');
const DASHES = ascii('-----');
const ENCRYPTED = ascii('Proc-Type: 4,ENCRYPTED');
const DASH = 0x2d;
const LABEL_MAX = 64;
const LABEL = /^[A-Z0-9]+( [A-Z0-9]+)*$/;

/** Throws FormatError for armour that is broken, and for a block that is encrypted the old way. */
export function pemBlocks(text: Uint8Array): PemBlock[] {
  const blocks: PemBlock[] = [];
  let at = find(text, BEGIN, 0);
  while (at >= 0) {
    const { label, end: from } = labelAt(text, at + BEGIN.length);
    if (holds(text, lineAfter(text, from), ENCRYPTED)) throw formatError('encryptedKey');
    const to = find(text, END, from);
    const closing = to < 0 ? undefined : labelAt(text, to + END.length);
    // Base64 has no dash, so that one within is not of this block.
    if (closing?.label !== label || dashFrom(text, from) !== to) throw new FormatError('a block of PEM has no end');
    blocks.push({ label, from, to });
    at = find(text, BEGIN, closing.end);
  }
  return blocks;
}

/** A label and the dashes behind it. */
function labelAt(text: Uint8Array, from: number): { readonly label: string; readonly end: number } {
  const to = dashFrom(text, from);
  if (to >= 0 && to - from <= LABEL_MAX && holds(text, to, DASHES)) {
    const label = String.fromCharCode(...text.subarray(from, to));
    if (LABEL.test(label)) return { label, end: to + DASHES.length };
  }
  throw new FormatError('a block of PEM has no label');
}

/** Where `word`, which begins with a dash, stands next, or -1: only behind dashes is anything looked at. */
function find(text: Uint8Array, word: Uint8Array, from: number): number {
  for (let at = from; at < text.length; at++) if (text[at] === DASH && holds(text, at, word)) return at;
  return -1;
}

const dashFrom = (text: Uint8Array, from: number): number => text.indexOf(DASH, from);

function holds(text: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (text[at + i] !== word[i]) return false;
  return true;
}

const SPACE = 0x20;
/** Past line ends. */
function lineAfter(text: Uint8Array, from: number): number {
  let at = from;
  while (at < text.length && text[at]! <= SPACE) at++;
  return at;
}
