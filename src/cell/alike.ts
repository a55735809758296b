/**
 * What many requests ask alike is worked out once: the template of the key to be made, whether a parent allows it, the header
 * that its record has but for id and check value, and the header of a proof. Only the last of each is remembered: those who ask
 * alike mostly ask in a row. All of it is public.
 */
import type { KeyAttributes } from '../model/attributes.ts';
import type { Origin } from '../model/key.ts';
import type { Span } from '../wire/batch.ts';
import type { Ticket } from '../wire/ticket.ts';
import type { Core } from './core.ts';

/** What a header follows from, within a batch; members are compared by identity. */
export interface HeaderOf {
  readonly ticket: Ticket;
  readonly wanted: KeyAttributes;
  readonly origin: Origin;
  readonly wrapWithTrusted: boolean;
  readonly parent: KeyAttributes | undefined;
  readonly length: number;
}

const NO_BYTES = new DataView(new ArrayBuffer(0));

/** The last pair that a check let pass, by what these two say alone. */
class Passed<A, B> {
  #first: A | undefined;
  #second: B | undefined;

  /** `check` throws where they do not pass. */
  mustPass(first: A, second: B, check: (first: A, second: B) => void): void {
    if (this.#first === first && this.#second === second) return;
    check(first, second);
    this.#first = first;
    this.#second = second;
  }
}

export class Alike {
  readonly #core: Core;
  /** The template that these bytes hold, whichever batch brought them. */
  #bytes = NO_BYTES;
  #template: KeyAttributes | undefined;
  /** A wrapping key's attributes, and those of what may come out under it: neither ever changes. */
  readonly unwrapping = new Passed<KeyAttributes, KeyAttributes>();
  /** The header of a proof, and its algorithm: an issuer's proofs mostly have the same. */
  readonly proofHeader = new Passed<string, string>();
  #header: { readonly of: HeaderOf; readonly bytes: Uint8Array } | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** A new batch: a header holds when its key was made. */
  begin(): void {
    this.#header = undefined;
  }

  /** The template at `span` of the window, as `read` reads it; what `read` throws is not remembered. */
  template(span: Span, read: () => KeyAttributes): KeyAttributes {
    if (this.#template !== undefined && this.#isTemplate(span)) return this.#template;
    const attributes = read();
    this.#bytes = new DataView(this.#core.bytes.slice(span.offset, span.offset + span.length).buffer);
    this.#template = attributes;
    return attributes;
  }

  /** The header that follows from this, as `make` makes it. */
  header(of: HeaderOf, make: () => Uint8Array): Uint8Array {
    const known = this.#header;
    if (known !== undefined && sameHeader(known.of, of)) return known.bytes;
    const bytes = make();
    this.#header = { of, bytes };
    return bytes;
  }

  #isTemplate({ offset, length }: Span): boolean {
    if (this.#bytes.byteLength !== length) return false;
    const known = this.#bytes;
    const { view } = this.#core;
    let i = 0;
    for (; i + 4 <= length; i += 4) if (view.getInt32(offset + i) !== known.getInt32(i)) return false;
    for (; i < length; i++) if (view.getInt8(offset + i) !== known.getInt8(i)) return false;
    return true;
  }
}

const sameHeader = (a: HeaderOf, b: HeaderOf): boolean =>
  a.ticket === b.ticket &&
  a.wanted === b.wanted &&
  a.origin === b.origin &&
  a.wrapWithTrusted === b.wrapWithTrusted &&
  a.parent === b.parent &&
  a.length === b.length;
