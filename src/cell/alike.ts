/**
 * What many requests of a batch ask alike is worked out once: the template of the key to be made, and the header that its
 * record has but for id and check value. Only the last of each is remembered: those who ask alike mostly ask in a row.
 */
import type { KeyAttributes } from '../model/attributes.ts';
import type { Origin } from '../model/key.ts';
import type { Span } from '../wire/batch.ts';
import type { Ticket } from '../wire/ticket.ts';
import type { Core } from './core.ts';

/** What a header follows from; members are compared by identity. */
export interface HeaderOf {
  readonly ticket: Ticket;
  readonly wanted: KeyAttributes;
  readonly origin: Origin;
  readonly wrapWithTrusted: boolean;
  readonly parent: KeyAttributes | undefined;
  readonly length: number;
}

export class Alike {
  readonly #core: Core;
  #template: { readonly span: Span; readonly attributes: KeyAttributes } | undefined;
  #header: { readonly of: HeaderOf; readonly bytes: Uint8Array } | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** The template at `span` of the window, as `read` reads it; what `read` throws is not remembered. */
  template(span: Span, read: () => KeyAttributes): KeyAttributes {
    const known = this.#template;
    if (known !== undefined && this.#same(known.span, span)) return known.attributes;
    const attributes = read();
    this.#template = { span, attributes };
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

  /** Public bytes; the batch writes to neither. */
  #same(a: Span, b: Span): boolean {
    if (a.length !== b.length) return false;
    const { bytes, view } = this.#core;
    let i = 0;
    for (; i + 4 <= a.length; i += 4) if (view.getInt32(a.offset + i) !== view.getInt32(b.offset + i)) return false;
    for (; i < a.length; i++) if (bytes[a.offset + i] !== bytes[b.offset + i]) return false;
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
