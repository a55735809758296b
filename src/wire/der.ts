/**
 * X.690 elements of definite length, minimal or not, by their heads alone: what they hold is looked at only where it is asked
 * for, so that the cell reads with it what a secret lies in.
 */
import { FormatError } from './fields.ts';

export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
} as const;

/** A context-specific tag [n], of an element that holds others unless told otherwise. */
export const contextTag = (n: number, constructed = true): number => (constructed ? 0xa0 : 0x80) | n;

const LONG_FORM = 0x80;
/** Lengths are of what fits into a request. */
const LENGTH_BYTES_MAX = 4;

/** The elements between two positions, read in order. Every method throws FormatError where the bytes are otherwise. */
export class Der {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.end = to;
  }

  /** Where the next element begins. */
  get at(): number {
    return this.#at;
  }

  /** How many bytes are left. */
  get length(): number {
    return this.end - this.#at;
  }

  /** The next element's tag; undefined at the end. */
  get next(): number | undefined {
    return this.#at < this.end ? this.#bytes[this.#at] : undefined;
  }

  /** The next element's content, if it has this tag. */
  optional(tag: number): Der | undefined {
    if (this.next !== tag) return undefined;
    this.#at++;
    const length = this.#length();
    if (length > this.length) throw new FormatError('an element is cut short');
    const content = new Der(this.#bytes, this.#at, this.#at + length);
    this.#at = content.end;
    return content;
  }

  /** The next element's content. */
  take(tag: number): Der {
    const content = this.optional(tag);
    if (content === undefined) throw new FormatError('an element is missing or of another type');
    return content;
  }

  /** The content of the one element that there is. */
  only(tag: number): Der {
    const content = this.take(tag);
    this.done();
    return content;
  }

  done(): void {
    if (this.length > 0) throw new FormatError('something follows the last element');
  }

  /** Is this what is left, byte for byte? For what is public. */
  is(bytes: Uint8Array): boolean {
    return this.length === bytes.length && bytes.every((byte, i) => this.#bytes[this.#at + i] === byte);
  }

  /** A copy of what is left: never of a secret. */
  copy(): Uint8Array<ArrayBuffer> {
    // Not by `slice`, which makes a view of a Buffer.
    return new Uint8Array(this.#bytes.subarray(this.#at, this.end));
  }

  /** The bytes of a BIT STRING that has a whole number of them: a copy, never of a secret. */
  wholeBytes(): Uint8Array<ArrayBuffer> {
    if (this.#byte() !== 0) throw new FormatError('a bit string has unused bits');
    return this.copy();
  }

  #byte(): number {
    if (this.length < 1) throw new FormatError('an element is cut short');
    return this.#bytes[this.#at++]!;
  }

  /** X.690 §8.1.3. */
  #length(): number {
    const first = this.#byte();
    if (first < LONG_FORM) return first;
    const count = first - LONG_FORM;
    if (count === 0 || count > LENGTH_BYTES_MAX) throw new FormatError('a length is indefinite, or none at all');
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    return length;
  }
}
