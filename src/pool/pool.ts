/** What the facade asks of the cells and the warden, whoever runs them. */
import type { MessagePort } from 'node:worker_threads';
import type { SecretRef, WardenCall, WardenCalls } from '../cell/warden/protocol.ts';
import type { HsmError, HsmErrorCode } from '../errors.ts';
import type { BatchReport, HsmStats, SlowBatch } from '../model/hsm.ts';
import type { CellRequest, CellResult } from '../wire/batch.ts';
import type { Caller } from './callers.ts';

export type { Caller } from './callers.ts';

/** Where a bundled program keeps what threads are started with; each is a file of its own even there. */
export interface ThreadModules {
  readonly cell: URL;
  readonly thread: URL;
  readonly warden: URL;
  readonly hasher: URL;
  /** The folder of piscina.js and its worker script. */
  readonly piscina: URL;
}

/** A request, and the session that it comes from; those that name none count as one user's. */
export interface PoolRequest extends CellRequest {
  readonly caller?: Caller;
}

export interface SubmitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  /**
   * The request's parts are secrets in arrays that the pool now owns: wiped when the request has settled, whatever its end.
   * One that is large and has its ArrayBuffer for itself is detached, too: release.ts.
   */
  readonly wipe?: boolean | undefined;
  /** The entry must be on the disk, not only written, before the result is given (changes of state). */
  readonly durable?: boolean | undefined;
}

/** Makes of a cell's answer what the caller asked for, or throws what the caller is told instead. */
export type Finish<T> = (result: CellResult) => T;
/** The error that a caller is told where the cell refused his request. */
export type Refused = (request: CellRequest, result: CellResult) => Error;

/** Where the cells' entries go: a result is withheld until its batch's entry is written. */
export interface EntrySink {
  /** Undefined where the entry is written already. */
  written(body: string): Promise<void> | undefined;
  /** Resolves when all that was written so far is on the disk. */
  synced(): Promise<void>;
}

export type PoolStats = Omit<
  HsmStats,
  'state' | 'uptime' | 'keys' | 'logins' | 'wardenRestarts' | 'leaseAge' | 'clockAhead' | 'logEntries' | 'logBacklog'
>;

/** Who wants to hear of every batch; nothing is gathered for him while he does not. */
export interface BatchObserver {
  readonly wanted: boolean;
  ended(report: BatchReport): void;
  /** A cell has had this batch for over a second; told once a batch. */
  slow(batch: SlowBatch): void;
}

export interface PoolEvents {
  /** A cell is about to start; it counts its entries in `counter`, which the warden reads. */
  onCellStart(counter: SharedArrayBuffer): void;
  /** A cell died; its requests were queued again (`retried`), `missing` of its entries died with it; a new one takes its place. */
  onCellRestart(cell: number, error: Error, retried: number, missing: number): void;
  /** A cell failed twice to start, or found itself broken: nothing can be served any more. */
  onFatal(error: Error): void;
  readonly observer?: BatchObserver;
}

/** The cells of one HSM. */
export interface CellPool {
  /** Resolves when every cell has passed its self-test. */
  start(): Promise<void>;
  /**
   * One outcome for each request: a result, or an HsmError where no cell took or answered it
   * (BUSY, ABORTED, TIMEOUT, CLOSING, SEALED, CELL_LOST, AUDIT_UNAVAILABLE, LIMIT_EXCEEDED). `finish` saves who wants
   * something made of the result a promise of his own; with `refused`, it sees results of status 0 alone.
   */
  submit<T = CellResult>(
    request: PoolRequest,
    options?: SubmitOptions,
    finish?: Finish<T>,
    refused?: Refused,
  ): Promise<T>;
  /** A request that the facade refuses: counted like the pool's own refusals, its parts wiped where that was asked. */
  refuse(error: HsmError, request: CellRequest, options: SubmitOptions): Promise<never>;
  /** A new session of this user, to be named in its requests. */
  caller(user: string): Caller;
  /** Throws BUSY or LIMIT_EXCEEDED where `submit` would refuse a request with so many bytes: for who has not copied them yet. */
  mustHaveRoom(caller: Caller, size: number): void;
  /** Throws BUSY where this caller's user has as many requests waiting as one user may have. */
  mustHaveShare(caller: Caller): void;
  /** The user was removed. */
  forgetUser(user: string): void;
  /** A failure elsewhere, for the counts. */
  failed(code: HsmErrorCode): void;
  /** Give every cell, and every later one, a port to the warden; resolves when all hold the master key. */
  unseal(connect: () => MessagePort): Promise<void>;
  /** Fail what waits, let batches in cells end, wipe the cells' vaults. */
  seal(): Promise<void>;
  /** Let an open cell give the master key to a new warden over this port. */
  giveMasterKey(port: MessagePort): void;
  /** Terminate a cell's thread, for drills and tests. */
  kill(cell: number): Promise<void>;
  stats(): PoolStats;
  /** Entries that all cells ever made, dead ones included: what the warden compares with the log. */
  entries(): bigint;
  /** Of these, the entries whose cell died before it handed them over: no log can hold them. */
  missingEntries(): bigint;
  /** Refuse new work, let the rest end within `timeout` ms, wipe, end the threads. */
  close(timeout: number): Promise<void>;
}

export interface Answered<C extends WardenCall> {
  readonly answer: WardenCalls[C]['answer'];
  /** For the log; must be on the disk before the answer is used. */
  readonly entries: readonly string[];
}

/** A refusal of the warden, with the entries that it left. */
export class WardenRefusal extends Error {
  readonly error: HsmError;
  readonly entries: readonly string[];

  constructor(error: HsmError, entries: readonly string[]) {
    super(error.message);
    this.error = error;
    this.entries = entries;
  }
}

/** The warden of one HSM. */
export interface WardenLink {
  /** Resolves when the warden has passed its self-test. */
  ready(): Promise<void>;
  /** Rejects with a WardenRefusal, or an HsmError where the warden died. */
  call<C extends WardenCall>(
    call: C,
    ask: WardenCalls[C]['ask'],
    transfer?: readonly MessagePort[],
  ): Promise<Answered<C>>;
  /**
   * Hand secrets over, as many calls at once as there are hashing threads; more are BUSY. `secrets` are wiped, whatever
   * comes of the call. What `ask` throws ends it before anything is handed over.
   */
  callWithSecrets<C extends WardenCall>(
    call: C,
    secrets: readonly Uint8Array[],
    ask: (refs: readonly SecretRef[]) => WardenCalls[C]['ask'],
  ): Promise<Answered<C>>;
  /** End the thread; its memory was wiped by `seal`. */
  end(): Promise<void>;
}
