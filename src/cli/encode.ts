/** Bytes as text, written into bytes of our own, since what is written may be a key and a string can't be wiped. */

export const ENCODINGS = ['raw', 'hex', 'base64', 'base64url'] as const;
export type Encoding = (typeof ENCODINGS)[number];

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const STANDARD = new TextEncoder().encode(ALPHABET);
const URL_SAFE = new TextEncoder().encode(ALPHABET.replace('+/', '-_'));
const HEX = new TextEncoder().encode('0123456789abcdef');
const EQUALS = 61;
const LF = 10;
const PEM_LINE = 64;

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

/** The DER of the first block of PEM, or undefined where there is none. The caller wipes it. */
export function fromPem(text: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const view = Buffer.from(text.buffer, text.byteOffset, text.length);
  const begin = view.indexOf('-----BEGIN ');
  const first = begin < 0 ? -1 : view.indexOf('-----', begin + 11);
  const end = first < 0 ? -1 : view.indexOf('-----END ', first + 5);
  if (end < 0) return undefined;
  return fromBase64(text.subarray(first + 5, end));
}

/** What base64 digits stand for; white space, padding and anything else is passed over. */
function fromBase64(text: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = room(Math.floor((3 * text.length) / 4));
  let bits = 0;
  let held = 0;
  let size = 0;
  for (const char of text) {
    const digit = STANDARD.indexOf(char);
    if (digit < 0) continue;
    held = ((held << 6) | digit) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[size++] = (held >> bits) & 255;
  }
  const own = room(size);
  own.set(out.subarray(0, size));
  out.fill(0);
  return own;
}
