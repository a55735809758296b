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

export class Alike {
  readonly #core: Core;
  /** The template that these bytes hold, whichever batch brought them. */
  #bytes = NO_BYTES;
  #template: KeyAttributes | undefined;
  /** The last parent that allowed a child, and that child: neither ever changes. */
  #parent: KeyAttributes | undefined;
  #child: KeyAttributes | undefined;
  /** The header of the last proof, and its algorithm: an issuer's proofs mostly have the same. */
  #proofHeader: string | undefined;
  #proofAlgorithm: string | undefined;
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

  /** May `child` come of `parent`? `check` throws where it may not, by what these two say alone. */
  allowed(
    parent: KeyAttributes,
    child: KeyAttributes,
    check: (parent: KeyAttributes, child: KeyAttributes) => void,
  ): void {
    if (this.#parent === parent && this.#child === child) return;
    check(parent, child);
    this.#parent = parent;
    this.#child = child;
  }

  /** Is `header` one of a proof by `algorithm`? `check` throws where it is not, by what these two say alone. */
  proofHeader(header: string, algorithm: string, check: (header: string, algorithm: string) => void): void {
    if (this.#proofHeader === header && this.#proofAlgorithm === algorithm) return;
    check(header, algorithm);
    this.#proofHeader = header;
    this.#proofAlgorithm = algorithm;
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
