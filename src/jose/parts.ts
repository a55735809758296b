/** The pieces of a compact serialization: strict base64url, JSON objects, and the rules every protected header is held to. */
import { HsmError, unreadable } from '../errors.ts';
import { HEADER_BOUNDS, type JsonBounds, KDF_FIELD_MAX } from '../model/limits.ts';
import { isBytes, lengthOf, plainView } from '../model/values.ts';
import { boundsInWords, jsonExcess } from '../wire/json-bounds.ts';

/** The token is at fault, whoever sent it: malformed, forged, out of date, or meant for somebody else. */
export const refused = (detail: string, cause?: unknown): HsmError =>
  new HsmError('KEYCELL_TOKEN_INVALID', detail, cause === undefined ? {} : { cause });

/** The caller asks for more than there is room for. */
const tooLarge = (detail: string): HsmError => new HsmError('KEYCELL_LIMIT_EXCEEDED', detail);

/** The caller is at fault. */
export const invalid = (detail: string, cause?: unknown): HsmError =>
  new HsmError('KEYCELL_INPUT_INVALID', detail, cause === undefined ? {} : { cause });

/** A copy of a caller's bytes, who may change them while the call runs; in an ArrayBuffer of its own, to be wiped. */
export function bytesOf(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  if (!isBytes(value)) throw invalid(`${what} is a Uint8Array`);
  const view = plainView(value);
  const own = new Uint8Array(new ArrayBuffer(view.length));
  own.set(view);
  return own;
}

export type JsonObject = { readonly [name: string]: unknown };

export const toBase64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');

/** Exactly one text stands for each byte string: padding, stray bits and foreign letters are refused. */
export function fromBase64url(text: unknown, what: string): Uint8Array<ArrayBuffer> {
  if (typeof text !== 'string') throw refused(`${what} is not base64url`);
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  if (toBase64url(bytes) !== text) throw refused(`${what} is not base64url`);
  return bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A caller's object as JSON carries it, copied: own members, which are values. What JSON would read otherwise than it was
 * checked is refused: a `toJSON`, a getter; and so is what JSON would leave out, the inherited members of a class. Throws
 * INPUT_INVALID.
 */
export function plainObject(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw invalid(`${what} is an object`);
  const prototype: unknown = Object.getPrototypeOf(value);
  // Object.prototype, of whichever realm.
  const plain = prototype === null || (isObject(prototype) && Object.hasOwn(prototype, 'isPrototypeOf'));
  if (!plain) throw invalid(`${what} is a plain object, whose members are its own`);
  const members = Object.entries(Object.getOwnPropertyDescriptors(value));
  const hidden = members.find(([name, { value: member }]) => name === 'toJSON' && typeof member === 'function');
  const accessor = hidden ?? members.find(([, descriptor]) => !('value' in descriptor));
  if (accessor !== undefined) throw invalid(`${what} has values alone, and ${accessor[0]} is a function`);
  const listed = members.filter(([, { enumerable }]) => enumerable);
  return Object.fromEntries(listed.map(([name, { value: member }]) => [name, member as unknown]));
}

/** A JSON object out of a token, measured before it is parsed. */
export function readObject(bytes: Uint8Array, what: string, bounds: JsonBounds): JsonObject {
  if (jsonExcess(bytes, bounds) !== undefined) throw refused(`${what} has more than ${boundsInWords(bounds)}`);
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw refused(`${what} is not JSON`, error);
  }
  if (!isObject(value)) throw refused(`${what} is not a JSON object`);
  return value;
}

/** An object as it goes into a token; `faultOf` sees what a reader of the token will. */
export function writeObject(
  value: JsonObject,
  what: string,
  bounds: JsonBounds,
  faultOf: (written: JsonObject) => string | undefined = () => undefined,
): Uint8Array<ArrayBuffer> {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw invalid(`${what} is an object that JSON can carry`, error);
  }
  if (text === undefined || !text.startsWith('{')) throw invalid(`${what} is an object that JSON can carry`);
  const bytes = utf8(text);
  if (jsonExcess(bytes, bounds) !== undefined) throw tooLarge(`${what} may have at most ${boundsInWords(bounds)}`);
  const fault = faultOf(JSON.parse(text) as JsonObject);
  if (fault !== undefined) throw invalid(fault);
  return bytes;
}

/** A token's parts, one for each of `names`; only `mayBeEmpty` may be empty. */
export function split(token: string, names: readonly string[], mayBeEmpty: readonly string[]): string[] {
  if (typeof token !== 'string') throw invalid('a token is a string');
  // One more tells that there are too many; a token of dots would make an array of its length.
  const parts = token.split('.', names.length + 1);
  if (parts.length !== names.length) throw refused(`the token does not have ${names.length} parts`);
  names.forEach((name, i) => {
    if (parts[i] === '' && !mayBeEmpty.includes(name)) throw refused(`the ${name} is empty`);
  });
  return parts;
}

/** The longest header in base64url. */
const HEADER_TEXT_MAX = Math.ceil((4 * HEADER_BOUNDS.bytes) / 3);

export interface ProtectedHeader {
  readonly alg: string;
  readonly enc?: string;
  readonly kid?: string;
  readonly typ?: string;
  readonly cty?: string;
  readonly [name: string]: unknown;
}

/**
 * The protected header, as far as JWS and JWE agree. No extension is understood here, so `crit` is refused whatever it names
 * (RFC 7515 §4.1.11), and with it `b64: false` (RFC 7797 §6), whichever way it is written; so is compression (RFC 8725 §3.6).
 */
export function readHeader(part: string): ProtectedHeader {
  if (part.length > HEADER_TEXT_MAX) throw refused(`the header has more than ${HEADER_BOUNDS.bytes} bytes`);
  const header = readObject(fromBase64url(part, 'the header'), 'the header', HEADER_BOUNDS);
  if ('crit' in header) throw refused('the header has critical extensions (crit)');
  if ('b64' in header && header['b64'] !== true) throw refused('the payload is not encoded (b64)');
  if ('zip' in header) throw refused('the content is compressed (zip)');
  if (typeof header['alg'] !== 'string') throw refused('the header has no alg');
  for (const name of ['enc', 'kid', 'typ', 'cty']) {
    if (name in header && typeof header[name] !== 'string') throw refused(`the header's ${name} is not a string`);
  }
  return header as ProtectedHeader;
}

/** Who sends and who receives (RFC 7518 §4.6.1), of a message to be encrypted: a copy. Throws LIMIT_EXCEEDED. */
export function partyOf(party: Uint8Array | undefined, name: 'apu' | 'apv'): Uint8Array | undefined {
  if (party === undefined) return undefined;
  if (isBytes(party) && lengthOf(party) > KDF_FIELD_MAX) throw tooLarge(`${name} has at most ${KDF_FIELD_MAX} bytes`);
  return bytesOf(party, name);
}

/** The same, out of a token. Throws TOKEN_INVALID. */
export function readParty(header: ProtectedHeader, name: 'apu' | 'apv'): Uint8Array | undefined {
  if (!(name in header)) return undefined;
  const party = fromBase64url(header[name], name);
  if (party.length > KDF_FIELD_MAX) throw refused(`${name} has more than ${KDF_FIELD_MAX} bytes`);
  return party;
}

const NEVER = ['crit', 'b64', 'zip'];

/** The members that a caller adds to a header: none of those that would change what the token means, nor of `reserved`. */
export function checkHeader(given: JsonObject, reserved: readonly string[]): JsonObject {
  const header = plainObject(given, 'header');
  const bad = Object.keys(header).find((name) => NEVER.includes(name) || reserved.includes(name));
  if (bad !== undefined) throw invalid(`header may not set ${bad}`);
  for (const name of ['kid', 'typ', 'cty']) {
    const value = header[name];
    if (value !== undefined && typeof value !== 'string') throw invalid(`the header's ${name} is a string`);
  }
  return header;
}

/**
 * A copy of an options bag with no member but these, and none that is there but undefined: a check that a caller asked for in a misspelt
 * word, or by a setting that is missing, must not be left out without a word.
 */
export function checkOptions<T extends object>(options: T, names: readonly (keyof T & string)[]): T {
  if (!isObject(options)) throw invalid('options is an object');
  const own = Object.entries(options);
  for (const [name, value] of own) {
    if (!(names as readonly string[]).includes(name)) throw invalid(`there is no option ${name}`);
    if (value === undefined) throw invalid(`the option ${name} is undefined`);
  }
  return Object.fromEntries(own) as T;
}

/** What a call gives. What it threw besides, while it read a caller's values, is refused: the session's own errors have codes. */
export async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unreadable(error);
  }
}

/** What the calls below a call take. */
export function callOptions(options: { readonly signal?: AbortSignal; readonly timeout?: number }) {
  const { signal, timeout } = options;
  return { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) };
}
