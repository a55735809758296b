/** Big-endian fields over bytes that came from outside: every read is checked against the end. */
import { REASONS, type Reason } from '../errors.ts';

/** What a decoder throws; its caller knows which error code the case deserves. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  /** What of it crosses the boundary. */
  readonly reason: Reason;

  constructor(message: string, reason: Reason = 'encoding') {
    super(message);
    this.reason = reason;
  }
}

/** What cannot be read for this reason. */
export const formatError = (reason: Reason): FormatError => new FormatError(REASONS[reason][1], reason);

export const ID_SIZE = 16;
/** The upper half of 2^53. */
const HIGH_END = 2 ** 21;

/** Reads fixed fields in order. The bytes are a view: copy what must outlive them. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#at;
  }

  #take(length: number): number {
    const from = this.#at;
    if (length > this.#bytes.length - from) throw new FormatError('cut short');
    this.#at = from + length;
    return from;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** A number below 2^53; a larger one is refused. */
  u64(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at);
    if (high >= HIGH_END) throw new FormatError('a number is out of range');
    return high * 2 ** 32 + this.#view.getUint32(at + 4);
  }

  /** A view of the next bytes. */
  view(length: number): Uint8Array {
    const from = this.#take(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** A copy of the next bytes. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.view(length));
  }

  id(): string {
    return toHex(this.view(ID_SIZE));
  }

  magic(expected: string): void {
    const found = this.view(4);
    for (let i = 0; i < 4; i++) {
      if (found[i] !== expected.charCodeAt(i)) throw new FormatError(`not a ${expected} structure`);
    }
  }

  zero(length: number): void {
    const from = this.#take(length);
    for (let at = from; at < from + length; at++) {
      if (this.#bytes[at] !== 0) throw new FormatError('a reserved field is not zero');
    }
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new FormatError('bytes after the end');
  }
}

/** Writes fixed fields in order into an array of exactly the right size. */
export class FieldWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length));
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('not a whole number below 2^53');
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  raw(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  id(hex: string): this {
    return this.raw(fromHex(hex, ID_SIZE));
  }

  magic(text: string): this {
    for (let i = 0; i < 4; i++) this.u8(text.charCodeAt(i));
    return this;
  }

  zero(length: number): this {
    this.#at += length;
    return this;
  }
}

export const ZERO_ID = '0'.repeat(2 * ID_SIZE);

/** Are these public bytes the same? Not for secrets: the time tells how far they agree. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0;

/** Public bytes as hex: ids and hashes, never a secret. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

const isHex = (text: string, length: number): boolean => text.length === 2 * length && /^[0-9a-f]*$/.test(text);

/** Does this text have the form of an id? */
export const isId = (text: string): boolean => isHex(text, ID_SIZE);

/** An id or hash from hex of exactly the right length. */
export function fromHex(hex: string, length: number): Uint8Array<ArrayBuffer> {
  if (!isHex(hex, length)) throw new FormatError(`not ${2 * length} hex digits`);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (digit(hex, 2 * i) << 4) | digit(hex, 2 * i + 1);
  return bytes;
}

/** Of a text that is known to be hex. Cells read ids with every record: six times faster than slices and parseInt. */
function digit(hex: string, at: number): number {
  const code = hex.charCodeAt(at);
  return code < 0x3a ? code - 0x30 : code - 0x57;
}
