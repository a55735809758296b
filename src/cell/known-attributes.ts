/**
 * Attributes that were decoded before, as a batch names the same keys as the last one. They are public, and are compared
 * with those of the record in hand, which was just found authentic: nothing of an older one is believed.
 */
import type { KeyAttributes } from '../model/attributes.ts';
import { decodeAttributes } from '../wire/attributes.ts';
import { sameBytes } from '../wire/fields.ts';

const MOST = 32;

export class KnownAttributes {
  readonly #byId = new Map<string, { readonly bytes: Uint8Array; readonly attributes: KeyAttributes }>();

  /** The attributes that these bytes of this key's record hold. Throws FormatError. */
  of(id: string, bytes: Uint8Array): KeyAttributes {
    const known = this.#byId.get(id);
    if (known !== undefined && sameBytes(known.bytes, bytes)) return known.attributes;
    const attributes = decodeAttributes(bytes);
    if (this.#byId.size === MOST) this.#byId.clear();
    this.#byId.set(id, { bytes: bytes.slice(), attributes });
    return attributes;
  }
}
