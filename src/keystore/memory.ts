/** A store that lives and ends with the object: for ephemeral HSMs and tests. */
import { HsmError } from '../errors.ts';
import { checkKey, checkPrefix, copyChanges, copyOf, type Store } from './store.ts';

/** Open an empty store in memory. */
export function openMemoryStore(): Store {
  const entries = new Map<string, Uint8Array<ArrayBuffer>>();
  let closed = false;

  const assertOpen = () => {
    if (closed) throw new HsmError('KEYCELL_CLOSING', 'The store is closed; open the HSM again.');
  };

  return {
    async get(key) {
      assertOpen();
      checkKey(key);
      const value = entries.get(key);
      return value && copyOf(value);
    },

    async *scan(prefix) {
      assertOpen();
      checkPrefix(prefix);
      const keys = [...entries.keys()].filter((key) => key.startsWith(prefix)).sort();
      for (const key of keys) {
        assertOpen();
        const value = entries.get(key);
        if (value) yield [key, copyOf(value)];
      }
    },

    async commit(changes) {
      assertOpen();
      const { put, remove } = copyChanges(changes);
      for (const [key, value] of put) entries.set(key, value);
      for (const key of remove) entries.delete(key);
    },

    async close() {
      closed = true;
      entries.clear();
    },
  };
}
