/**
 * The storage interface: opaque bytes by key, and nothing more.
 *
 * A store is completely untrusted. Authentication and confidentiality lie above it, in the sealed
 * records, so that a backend is only asked to be atomic and durable, and a new one stays small.
 */
import { isUint8Array } from 'node:util/types';
import { HsmError } from '../errors.ts';

/** 'control', 'slot/…', 'user/<hex id>', 'key/<hex id>': printable ASCII, 1 to 200 bytes. 'meta' is the store's own. */
export type StoreKey = string;

/** What one commit changes. A key stands in it at most once. */
export interface StoreChanges {
  readonly put?: ReadonlyArray<readonly [StoreKey, Uint8Array]>;
  readonly remove?: ReadonlyArray<StoreKey>;
}

export interface Store {
  /** The value of a key, as a copy that belongs to the caller. */
  get(key: StoreKey): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /**
   * All entries whose key begins with `prefix`, in byte order of the keys, as copies.
   * Each entry is as it was when it was read: a key that is there from first to last appears exactly
   * once, one that is put or removed during the scan may appear or not.
   */
  scan(prefix: string): AsyncIterable<[key: StoreKey, value: Uint8Array<ArrayBuffer>]>;

  /**
   * Make all changes or none, in the order of the calls; resolves when they are on the disk.
   * Values are copied before the call returns; concurrent commits share flushes. Removing what is not
   * there is no error. Throws KEYCELL_INPUT_INVALID, KEYCELL_CLOSING, KEYCELL_STORE_UNAVAILABLE when
   * the disk refused (the store is then as it was before), and what `verifyPlace` throws.
   */
  commit(changes: StoreChanges): Promise<void>;

  /**
   * Look whether what lies under the store is still sound, so that reading it all harms nobody; commits wait meanwhile.
   * For stores that trust what they read. Throws KEYCELL_STORE_CORRUPT, or KEYCELL_STORE_UNAVAILABLE.
   */
  check?(): Promise<void>;

  /**
   * Look whether the store is still where it was opened, and as its last commit left it. For stores that others can reach.
   * Throws KEYCELL_STORE_MISSING where it was deleted or renamed, KEYCELL_STORE_CORRUPT where it was replaced, cut or written
   * to; KEYCELL_STORE_UNAVAILABLE where that can't be seen.
   */
  verifyPlace?(): Promise<void>;

  /** Finish the commits that were called, refuse new ones, and let go of the file. May be called twice. */
  close(): Promise<void>;
}

export const MAX_KEY_BYTES = 200;
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;
/** The record in which a store keeps its own format; callers neither see nor write it. */
export const META_KEY = 'meta';

const KEY = /^[\x21-\x7e]{1,200}$/;

/** Throw KEYCELL_INPUT_INVALID unless `key` may stand in a store. */
export function checkKey(key: StoreKey): void {
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw new HsmError('KEYCELL_INPUT_INVALID', 'A store key must be 1 to 200 printable ASCII characters.');
  }
  if (key === META_KEY) {
    throw new HsmError('KEYCELL_INPUT_INVALID', 'The store key "meta" belongs to the store; use another.');
  }
}

/** Check a prefix for `scan`; the empty one means everything. */
export function checkPrefix(prefix: string): void {
  if (typeof prefix !== 'string' || (prefix !== '' && !KEY.test(prefix))) {
    throw new HsmError('KEYCELL_INPUT_INVALID', 'A scan prefix must be up to 200 printable ASCII characters.');
  }
}

/** Check the changes and copy their values, so that nothing the caller does later reaches the store. */
export function copyChanges(changes: StoreChanges): {
  put: [StoreKey, Uint8Array<ArrayBuffer>][];
  remove: StoreKey[];
} {
  const seen = new Set<StoreKey>();
  const check = (key: StoreKey) => {
    checkKey(key);
    if (seen.has(key)) throw new HsmError('KEYCELL_INPUT_INVALID', `The commit changes "${key}" twice; name it once.`);
    seen.add(key);
  };
  const put = (changes.put ?? []).map(([key, value]): [StoreKey, Uint8Array<ArrayBuffer>] => {
    check(key);
    if (!isUint8Array(value) || value.length > MAX_VALUE_BYTES) {
      throw new HsmError('KEYCELL_INPUT_INVALID', `The value of "${key}" must be a Uint8Array of at most 16 MiB.`);
    }
    return [key, copyOf(value)];
  });
  const remove = (changes.remove ?? []).map((key) => {
    check(key);
    return key;
  });
  return { put, remove };
}

/** A copy with a buffer of its own, never a view of a pool or a mapped page. */
export function copyOf(value: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(value.length));
  copy.set(value);
  return copy;
}
