/**
 * Changes of state on their way to the disk: each goes with the next control record in one atomic commit, and changes
 * that come while one is being written go together in the next. A store that fails may have written all the same: the
 * control record is read back, and the warden told what came of it. While the store does not tell, nothing more is written.
 */
import type { AuditHead } from '../audit/log.ts';
import type { WriteOutcome } from '../cell/warden/protocol.ts';
import { HsmError } from '../errors.ts';
import type { Store } from '../keystore/store.ts';
import { type WardenLink, WardenRefusal } from '../pool/pool.ts';
import { background } from '../wire/clock.ts';
import { sameBytes } from '../wire/fields.ts';
import type { Journal } from './journal.ts';
import { isLoss } from './store-watch.ts';

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

/** A group that went to the store, and the control record that went with it. */
interface Write {
  readonly group: readonly Change[];
  readonly control: Uint8Array;
  readonly outcome: WriteOutcome;
  /** What the store said where it did not say that it was done. */
  readonly error: HsmError | undefined;
}

export const CONTROL_KEY = 'control';
/** Bounds one transaction; about 200 KB. */
const GROUP_MAX = 512;
/** While it is unknown what came of a write, the store is asked so often. */
const RETRY_MS = 500;

export class Commits {
  readonly #store: Store;
  readonly #journal: Journal;
  /** The warden, once it holds the state that the store does. */
  readonly #warden: () => Promise<WardenLink>;
  readonly #onLate: (change: Change) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** The change that is with the warden or the store. Never rejects. */
  #writing: Promise<void> = Promise.resolve();
  /** Records that a change replaces or has replaced: whoever starts from one of them would take it out of the digest twice. */
  readonly #superseded = new WeakSet<Uint8Array>();
  /** The last write, where nobody knows whether it is on the disk. */
  #unknown: Write | undefined;
  #retry: NodeJS.Timeout | undefined;

  /** `onLate` hears of each change that is on the disk though its caller was told that nobody knows. */
  constructor(
    store: Store,
    journal: Journal,
    warden: () => Promise<WardenLink>,
    onLate: (change: Change) => void = () => {},
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#warden = warden;
    this.#onLate = onLate;
  }

  /** Resolves when the store stands still, for a warden that goes on from what it holds. */
  still(): Promise<void> {
    return this.#writing;
  }

  /** Begin with what the store holds, all of which is read now: what was unknown is not of interest any more. */
  async begin(): Promise<void> {
    await this.#writing;
    this.forget();
  }

  /** What is unknown is not of interest any more. */
  forget(): void {
    this.#unknown = undefined;
    clearTimeout(this.#retry);
  }

  /**
   * Resolves when the change is on the disk, and what it revokes in force. Throws KEY_CONFLICT where another change came
   * first, and STORE_UNAVAILABLE, with outcome `not-executed` where the store does not hold the change.
   */
  commit(change: Change): Promise<void> {
    const { before } = change;
    if (before !== null && this.#superseded.has(before)) {
      return Promise.reject(new HsmError('KEYCELL_KEY_CONFLICT', 'the record was changed meanwhile'));
    }
    if (before !== null) this.#superseded.add(before);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...change, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Write a control record that knows the log's present head; resolves when everything before it is on the disk, too. */
  flush(): Promise<void> {
    return this.quiet(() => this.#write([]));
  }

  /** The log is lost: write down which head it had, so that no shorter one passes for whole at the next opening. */
  rememberLoss(): Promise<void> {
    return this.quiet(() => this.#write([], this.#journal.head));
  }

  /**
   * Undefined unless it is unknown what became of a write; else resolves when that is known and the directories tell it, or
   * throws STORE_UNAVAILABLE. Who gives a name asks first: what is on the disk may have it already.
   */
  known(): Promise<void> | undefined {
    return this.#unknown === undefined ? undefined : this.quiet(async () => {});
  }

  /** Hold changes back while `task` runs on a store that stands still. */
  async quiet<T>(task: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running;
    const done = this.#warden()
      .then((warden) => this.#clear(warden))
      .then(task);
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
        if (this.#unknown?.group !== group) this.#giveBack(group);
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

  /** The records that a change did not replace can be changed by another. */
  #giveBack(group: readonly Change[]): void {
    for (const { before } of group) if (before !== null) this.#superseded.delete(before);
  }

  async #write(group: readonly Change[], head?: AuditHead): Promise<void> {
    const warden = await this.#warden();
    await this.#clear(warden);
    const writing = this.#writeWith(warden, group, head);
    this.#writing = writing.then(
      () => {},
      () => {},
    );
    const write = await writing;
    if (write.outcome === 'unknown') {
      this.#unknown = write;
      this.#askAgain();
    }
    const settled = this.#settle(warden, write.outcome);
    // What it takes away is gone when the call returns. The warden hears of other changes before it is asked anything else.
    if (write.outcome !== 'written' || group.some(changesUser)) await settled;
    if (write.error !== undefined) throw write.error;
  }

  async #writeWith(warden: WardenLink, group: readonly Change[], head: AuditHead | undefined): Promise<Write> {
    const present = (records: (Uint8Array | null)[]) => records.filter((record) => record !== null);
    const added = present(group.map((c) => c.record));
    const removed = present(group.map((c) => c.before));
    const log = head ?? (await this.#journal.durableHead());
    const { answer } = await warden.call('commit', { added, removed, log }).catch((error) => {
      throw error instanceof WardenRefusal ? error.error : error;
    });
    const { control } = answer;
    try {
      await this.#store.commit({
        put: [...group.flatMap((c) => (c.record === null ? [] : [[c.key, c.record] as const])), [CONTROL_KEY, control]],
        remove: group.flatMap((c) => (c.record === null ? [c.key] : [])),
      });
      return { group, control, outcome: 'written', error: undefined };
    } catch (cause) {
      const outcome = wasLost(cause) ? 'refused' : await this.#readBack(control);
      return { group, control, outcome, error: outcome === 'written' ? undefined : failed(cause, outcome) };
    }
  }

  /**
   * Which control record does the store hold? All of a commit is there, or nothing. That it can be read does not say that it
   * is on the disk: a write that saw it, and that the store acknowledges, does.
   */
  async #readBack(control: Uint8Array): Promise<WriteOutcome> {
    try {
      const found = await this.#store.get(CONTROL_KEY);
      if (found === undefined) return 'unknown';
      if (!sameBytes(found, control)) return 'refused';
      await this.#store.commit({ put: [[CONTROL_KEY, control]] });
      return 'written';
    } catch {
      return 'unknown';
    }
  }

  #askAgain(): void {
    const ask = async (): Promise<void> => {
      await this.known()?.catch(() => {});
      if (this.#unknown !== undefined) this.#askAgain();
    };
    this.#retry = background(setTimeout(ask, RETRY_MS));
  }

  /** Find out what came of the last write. Throws STORE_UNAVAILABLE while the store does not tell. */
  async #clear(warden: WardenLink): Promise<void> {
    if (this.#unknown === undefined) return;
    const { group, control } = this.#unknown;
    const outcome = await this.#readBack(control);
    if (outcome === 'unknown') {
      throw new HsmError('KEYCELL_STORE_UNAVAILABLE', 'it does not tell whether the last change was written');
    }
    this.forget();
    if (outcome === 'written') for (const change of group) this.#onLate(change);
    else this.#giveBack(group);
    await this.#settle(warden, outcome);
  }

  async #settle(warden: WardenLink, outcome: WriteOutcome): Promise<void> {
    const answered = await warden.call('settle', { outcome }).catch(() => undefined);
    // A warden that died is followed by one that began with what the store holds.
    if (answered === undefined) await this.#warden();
    // Evidence of what was not done: it waits for a log that can't be written, nobody waits for it.
    else this.#journal.durableAll(answered.entries).catch(() => {});
  }
}

const changesUser = ({ key }: Change): boolean => key.startsWith('user/');

/** The store was lost before it was written to: what lies there now tells nothing. */
const wasLost = (cause: unknown): boolean => isLoss(cause) && cause.outcome === 'not-executed';

function failed(cause: unknown, outcome: WriteOutcome): HsmError {
  if (cause instanceof HsmError && outcome === 'refused') return cause;
  const options = { cause, outcome: outcome === 'refused' ? 'not-executed' : 'unknown' } as const;
  return new HsmError('KEYCELL_STORE_UNAVAILABLE', undefined, options);
}
