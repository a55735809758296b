/**
 * The log as the facade keeps it: nothing is answered before its entry is written, and while the log cannot be written
 * nothing is served. Entries that could not be written wait, in order, and go first when there is room again.
 */
import type { AuditHead, AuditLog } from '../audit/log.ts';
import { HsmError } from '../errors.ts';
import type { EntrySink } from '../pool/pool.ts';
import type { Board } from '../wire/board.ts';
import { keepLooking } from './looking.ts';

export interface JournalEvents {
  onUnavailable(error: Error): void;
  /** All that waited is written. */
  onAvailable(): void;
}

export class Journal implements EntrySink {
  readonly #log: AuditLog;
  readonly #board: Board;
  readonly #events: JournalEvents;
  #backlog: string[] = [];
  #failure: Error | undefined;
  readonly #endLooking: () => void;
  #closed = false;
  /** Entries of the backlog that are being written again. */
  #retried = 0;

  constructor(log: AuditLog, board: Board, events: JournalEvents) {
    this.#log = log;
    this.#board = board;
    this.#events = events;
    board.postEntries(log.head.seq);
    this.#endLooking = keepLooking(() => this.#look());
  }

  get head(): AuditHead {
    return this.#log.head;
  }

  /**
   * A head that is on the disk, for who remembers it elsewhere: one that was only written is gone when the machine loses
   * power, and the log that is left would look cut short.
   */
  async durableHead(): Promise<AuditHead> {
    const { head } = this.#log;
    await this.synced();
    return head;
  }

  /** AUDIT_UNAVAILABLE while entries wait; AUDIT_MISSING or AUDIT_CORRUPT while the log is not where it was. */
  get refusal(): HsmError | undefined {
    return this.#failure === undefined ? undefined : this.#unavailable('not-executed');
  }

  /** The log is not where it was, or not as it was. */
  get isLost(): boolean {
    return this.#failure instanceof HsmError && this.#failure.lossId !== undefined;
  }

  /** How many wait. */
  get backlog(): number {
    return this.#backlog.length + this.#retried;
  }

  written(body: string): Promise<void> | undefined {
    if (this.#failure !== undefined || !this.#log.appendNow(body)) return this.append([body]);
    this.#board.postEntries(this.#log.head.seq);
    return undefined;
  }

  /** Entries that must be on the disk before their answer is used. */
  async durableAll(bodies: readonly string[]): Promise<void> {
    if (bodies.length === 0) return;
    await this.append(bodies);
    await this.synced();
  }

  async append(bodies: readonly string[]): Promise<void> {
    if (this.#failure !== undefined) {
      this.#backlog.push(...bodies);
      throw this.#unavailable('unknown');
    }
    try {
      await this.#log.append(bodies);
    } catch (error) {
      this.#backlog.push(...bodies);
      this.#fail(error as Error);
      throw this.#unavailable('unknown');
    }
    this.#board.postEntries(this.#log.head.seq);
  }

  async synced(): Promise<void> {
    try {
      await this.#log.sync();
    } catch (error) {
      this.#fail(error as Error);
      throw this.#unavailable('unknown');
    }
  }

  #unavailable(outcome: 'unknown' | 'not-executed'): HsmError {
    const cause = this.#failure;
    if (!this.isLost) return new HsmError('KEYCELL_AUDIT_UNAVAILABLE', undefined, { cause, outcome });
    const { code, lossId } = cause as HsmError;
    return new HsmError(code, undefined, { cause, outcome, lossId });
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined || this.#closed) return;
    this.#failure = error;
    this.#events.onUnavailable(error);
  }

  /** A full disk may have become a log that is gone: calls are told what is in the way now. */
  #failAgain(error: Error): void {
    const wasLost = this.isLost;
    this.#failure = error;
    if (this.isLost && !wasLost) this.#events.onUnavailable(error);
  }

  /** Where the log lies while it can be written, and whether it can be again. */
  async #look(): Promise<void> {
    try {
      if (this.#failure === undefined) await this.#log.verifyPlace?.();
      else await this.#writeBacklog();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  async #writeBacklog(): Promise<void> {
    let waiting = this.#backlog;
    this.#backlog = [];
    this.#retried = waiting.length;
    try {
      await this.#log.verifyPlace?.();
      if (waiting.length > 0) await this.#log.append(waiting);
      // They are in the log, whatever becomes of the flush: once more would be twice.
      waiting = [];
      await this.#log.sync();
    } catch (error) {
      this.#backlog = [...waiting, ...this.#backlog];
      this.#failAgain(error as Error);
      return;
    } finally {
      this.#retried = 0;
    }
    this.#board.postEntries(this.#log.head.seq);
    // What came meanwhile is not lost: another turn of the timer takes it, and only then is the log open again.
    if (this.#backlog.length > 0) return;
    this.#failure = undefined;
    this.#events.onAvailable();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#endLooking();
    await this.#log.close();
  }
}
