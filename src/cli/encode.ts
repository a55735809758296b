/** Bytes as text, written into bytes of our own, since what is written may be a key and a string can't be wiped. */
import { isUtf8 } from 'node:buffer';

export const ENCODINGS = ['raw', 'hex', 'base64', 'base64url'] as const;
export type Encoding = (typeof ENCODINGS)[number];

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const STANDARD = new TextEncoder().encode(ALPHABET);
const URL_SAFE = new TextEncoder().encode(ALPHABET.replace('+/', '-_'));
const HEX = new TextEncoder().encode('0123456789abcdef');
const EQUALS = 61;
const LF = 10;
const PEM_LINE = 64;
const UTF8_MAX = 4;

const room = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(length));

/** A copy: raw as it is, the others as a line of text with its line feed. The caller wipes both. */
export function encode(bytes: Uint8Array, encoding: Encoding): Uint8Array<ArrayBuffer> {
  const sizes: Record<Encoding, number> = {
    raw: bytes.length,
    hex: 2 * bytes.length,
    base64: 4 * Math.ceil(bytes.length / 3),
    base64url: Math.ceil((4 * bytes.length) / 3),
  };
  const size = sizes[encoding];
  const out = room(encoding === 'raw' ? size : size + 1);
  if (encoding === 'raw') out.set(bytes);
  else if (encoding === 'hex') writeHex(bytes, out);
  else writeBase64(bytes, out.subarray(0, size), encoding === 'base64' ? STANDARD : URL_SAFE);
  if (encoding !== 'raw') out[size] = LF;
  return out;
}

function writeHex(bytes: Uint8Array, out: Uint8Array): void {
  bytes.forEach((byte, i) => {
    out[2 * i] = HEX[byte >> 4]!;
    out[2 * i + 1] = HEX[byte & 15]!;
  });
}

/** RFC 4648 §4 and §5; what the output has room for beyond the digits is padding. */
function writeBase64(bytes: Uint8Array, out: Uint8Array, alphabet: Uint8Array): void {
  const digits = Math.ceil((4 * bytes.length) / 3);
  for (let i = 0; i < digits; i++) {
    const at = (3 * i) >> 2;
    const pair = (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
    // Digit i begins at bit 6i: 0, 6, 4 or 2 bits into byte `at`.
    out[i] = alphabet[(pair >> (10 - ((6 * i) & 7))) & 63]!;
  }
  out.fill(EQUALS, digits);
}

/** DER as PEM (RFC 7468). */
export function pem(der: Uint8Array, label: string): Uint8Array<ArrayBuffer> {
  const begin = new TextEncoder().encode(`-----BEGIN ${label}-----\n`);
  const end = new TextEncoder().encode(`-----END ${label}-----\n`);
  const line = encode(der, 'base64');
  const text = line.subarray(0, -1);
  const out = room(begin.length + text.length + Math.ceil(text.length / PEM_LINE) + end.length);
  let at = begin.length;
  out.set(begin);
  for (let from = 0; from < text.length; from += PEM_LINE) {
    const part = text.subarray(from, from + PEM_LINE);
    out.set(part, at);
    out[at + part.length] = LF;
    at += part.length + 1;
  }
  out.set(end, at);
  text.fill(0);
  return out;
}

const isSpace = (char: number): boolean => char === 32 || (char >= 9 && char <= 13);
const DEL = 127;
const C1_LEAD = 0xc2;
const C1_END = 0xa0;

/** Whether a terminal shows these bytes and does nothing else: UTF-8 with no control characters but line ends and tabs. */
export function isPrintable(bytes: Uint8Array): boolean {
  const isControl = (char: number, i: number): boolean =>
    (char < 32 && !isSpace(char)) || char === DEL || (bytes[i - 1] === C1_LEAD && char < C1_END);
  return !bytes.some(isControl) && isUtf8(wholeCharacters(bytes));
}

/** A piece of a stream may begin and end inside a character: without that part. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  const continues = (at: number): boolean => (bytes[at]! & 0xc0) === 0x80;
  let begin = 0;
  while (begin < UTF8_MAX - 1 && continues(begin)) begin++;
  let lead = bytes.length - 1;
  while (lead > bytes.length - UTF8_MAX && lead > begin && continues(lead)) lead--;
  const first = bytes[lead] ?? 0;
  const size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : UTF8_MAX;
  return bytes.subarray(begin, lead + size > bytes.length ? lead : bytes.length);
}

const KEY_BYTES: ReadonlySet<number> = new Set([16, 24, 32, 48, 64]);
const EQUALS_MAX = 2;
const CAPITAL_A = 65;
const SMALL_BIT = 0x20;

/**
 * The bytes that text in hex or base64 (either alphabet) stands for, or undefined where it is none. White space is passed
 * over; base64 may lack its padding and nothing else. The caller wipes it.
 */
export function decode(text: Uint8Array, form: 'hex' | 'base64'): Uint8Array<ArrayBuffer> | undefined {
  const scratch = room(text.length);
  try {
    let digits = 0;
    let padding = 0;
    for (const char of text) {
      if (isSpace(char)) continue;
      if (form === 'base64' && char === EQUALS) padding++;
      else if (padding > 0) return undefined;
      else {
        const value = form === 'hex' ? hexDigit(char) : base64Digit(char);
        if (value < 0) return undefined;
        scratch[digits++] = value;
      }
    }
    const whole = form === 'hex' ? digits % 2 === 0 : digits % 4 !== 1 && padding <= EQUALS_MAX;
    if (!whole || (padding > 0 && (digits + padding) % 4 !== 0)) return undefined;
    return join(scratch.subarray(0, digits), form === 'hex' ? 4 : 6);
  } finally {
    scratch.fill(0);
  }
}

/** Digits of some bits each, put side by side; undefined where a bit is left over and set. */
function join(digits: Uint8Array, width: number): Uint8Array<ArrayBuffer> | undefined {
  const out = room((digits.length * width) >> 3);
  let held = 0;
  let bits = 0;
  let size = 0;
  for (const digit of digits) {
    held = ((held << width) | digit) & 0xffff;
    bits += width;
    if (bits < 8) continue;
    bits -= 8;
    out[size++] = (held >> bits) & 255;
  }
  if ((held & ((1 << bits) - 1)) === 0) return out;
  out.fill(0);
  return undefined;
}

/** Capital letters differ from small ones by one bit. */
const hexDigit = (char: number): number => HEX.indexOf(char >= CAPITAL_A ? char | SMALL_BIT : char);

function base64Digit(char: number): number {
  const standard = STANDARD.indexOf(char);
  return standard >= 0 ? standard : URL_SAFE.indexOf(char);
}

/**
 * Whether bytes that should be a key or a digest are its text: hex of at least 16 bytes, or base64 of a length that keys
 * have. Of random bytes, fewer than one key in 2^40 looks so.
 */
export function textForm(bytes: Uint8Array): 'hex' | 'base64' | undefined {
  for (const form of ['hex', 'base64'] as const) {
    const decoded = decode(bytes, form);
    decoded?.fill(0);
    if (decoded && (form === 'hex' ? decoded.length >= 16 : KEY_BYTES.has(decoded.length))) return form;
  }
  return undefined;
}
