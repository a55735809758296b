/**
 * Changes of state on their way to the disk: each goes with the next control record in one atomic commit, and changes
 * that come while one is being written go together in the next.
 */
import { HsmError } from '../errors.ts';
import type { Store } from '../keystore/store.ts';
import { type WardenLink, WardenRefusal } from '../pool/pool.ts';
import type { Journal } from './journal.ts';

export interface Change {
  readonly key: string;
  /** The record to be there from now on; null to remove. */
  readonly record: Uint8Array | null;
  /** The record that it replaces. */
  readonly before: Uint8Array | null;
}

interface Waiting extends Change {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export const CONTROL_KEY = 'control';
/** Bounds one transaction; about 200 KB. */
const GROUP_MAX = 512;

export class Commits {
  readonly #store: Store;
  readonly #journal: Journal;
  /** The warden, once it holds the state that the store does. */
  readonly #warden: () => Promise<WardenLink>;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** The change that is with the warden or the store. Never rejects. */
  #writing: Promise<void> = Promise.resolve();
  /** Records that a change replaces or has replaced: whoever starts from one of them would take it out of the digest twice. */
  readonly #superseded = new WeakSet<Uint8Array>();
  /** What the warden counted but the store did not take: the next control record takes it back. */
  #undo: Change[] = [];

  constructor(store: Store, journal: Journal, warden: () => Promise<WardenLink>) {
    this.#store = store;
    this.#journal = journal;
    this.#warden = warden;
  }

  /** Resolves when the store stands still, for a warden that goes on from what it holds: nothing is to be taken back then. */
  async begin(): Promise<void> {
    await this.#writing;
    this.#undo = [];
  }

  /** Resolves when the change is on the disk. Throws KEY_CONFLICT where another change came first. */
  commit(change: Change): Promise<void> {
    const { before } = change;
    if (before !== null && this.#superseded.has(before)) {
      return Promise.reject(new HsmError('KEYCELL_KEY_CONFLICT', 'the record was changed meanwhile'));
    }
    if (before !== null) this.#superseded.add(before);
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        if (before !== null) this.#superseded.delete(before);
        reject(error);
      };
      this.#waiting.push({ ...change, resolve, reject: failed });
      this.#running ??= this.#run();
    });
  }

  /** Write a control record that knows the log's present head; resolves when everything before it is on the disk, too. */
  flush(): Promise<void> {
    return this.quiet(() => this.#write([]));
  }

  /** Hold changes back while `task` runs on a store that stands still. */
  async quiet<T>(task: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running;
    const done = task();
    this.#running = done.then(
      () => this.#run(),
      () => this.#run(),
    );
    return done;
  }

  async #run(): Promise<void> {
    // A turn of the loop first: changes of one tick belong together.
    await null;
    while (this.#waiting.length > 0) {
      const group = this.#take();
      try {
        await this.#write(group);
        for (const change of group) change.resolve();
      } catch (error) {
        for (const change of group) change.reject(error as Error);
      }
    }
    this.#running = undefined;
  }

  /** The changes to write next: at most one of each record, since each replaces what the store holds. */
  #take(): Waiting[] {
    const keys = new Set<string>();
    let count = 0;
    for (const { key } of this.#waiting) {
      if (count === GROUP_MAX || keys.has(key)) break;
      keys.add(key);
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(group: readonly Change[]): Promise<void> {
    const warden = await this.#warden();
    const written = this.#writeWith(warden, group);
    this.#writing = written.catch(() => {});
    await written;
  }

  async #writeWith(warden: WardenLink, group: readonly Change[]): Promise<void> {
    const undo = this.#undo;
    const present = (records: (Uint8Array | null)[]) => records.filter((record) => record !== null);
    const added = present([...group.map((c) => c.record), ...undo.map((c) => c.before)]);
    const removed = present([...group.map((c) => c.before), ...undo.map((c) => c.record)]);
    const log = await this.#journal.durableHead();
    const { answer } = await warden.call('commit', { added, removed, log }).catch((error) => {
      throw error instanceof WardenRefusal ? error.error : error;
    });
    this.#undo = [];
    try {
      await this.#store.commit({
        put: [
          ...group.flatMap((c) => (c.record === null ? [] : [[c.key, c.record] as const])),
          [CONTROL_KEY, answer.control],
        ],
        remove: group.flatMap((c) => (c.record === null ? [c.key] : [])),
      });
    } catch (error) {
      this.#undo = [...group];
      if (error instanceof HsmError) throw error;
      throw new HsmError('KEYCELL_STORE_UNAVAILABLE', undefined, { cause: error, outcome: 'unknown' });
    }
  }
}
