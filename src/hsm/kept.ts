/**
 * What a session key's handle carries where nobody else sees it: the sealed record, which lives nowhere else. A private
 * field on the handle, an object that is plain and frozen otherwise: a WeakMap from handles to records would say the
 * same, but V8 walks such a table whole in each of its collections, and a service may hold a hundred thousand handles.
 */
import type { KeyAttributes } from '../model/attributes.ts';
import { decodeAttributes } from '../wire/attributes.ts';
import type { SealedKey } from '../wire/batch.ts';
import { fromHex, ID_SIZE } from '../wire/fields.ts';
import { decodeRecordHeader } from '../wire/record.ts';

export class KeptKey implements SealedKey {
  readonly id: string;
  readonly record: Uint8Array;
  /** The index of the HSM that the key is of. */
  readonly home: object;
  #idBytes: Uint8Array | undefined;
  #attributes: KeyAttributes | undefined;

  constructor(id: string, record: Uint8Array, home: object) {
    this.id = id;
    this.record = record;
    this.home = home;
  }

  get idBytes(): Uint8Array {
    this.#idBytes ??= fromHex(this.id, ID_SIZE);
    return this.#idBytes;
  }

  /** Few session keys are asked for them: those that unwrap, or that others are derived from. */
  get attributes(): KeyAttributes {
    this.#attributes ??= decodeAttributes(decodeRecordHeader(this.record).attributes);
    return this.#attributes;
  }
}

/** As a constructor, its object is its argument: the class below adds its private field to that. */
function itself(object: object): object {
  return object;
}
const Itself = itself as unknown as new (object: object) => object;

class Carrier extends Itself {
  #kept: KeptKey | undefined;

  constructor(handle: object, kept: KeptKey) {
    super(handle);
    this.#kept = kept;
  }

  static read(handle: object): KeptKey | undefined {
    return #kept in handle ? handle.#kept : undefined;
  }

  static clear(handle: object): void {
    if (#kept in handle) handle.#kept = undefined;
  }
}

/** Give a handle its record, before it is frozen. */
export const keep = <T extends object>(handle: T, kept: KeptKey): T => new Carrier(handle, kept) as T;
export const keptBy = (handle: object): KeptKey | undefined => Carrier.read(handle);
export const letGo = (handle: object): void => Carrier.clear(handle);
