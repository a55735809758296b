/** The pool: threads (cells.ts) and batches (batcher.ts) under one life: sealed, open, sealed again, closed. */
import type { MessagePort } from 'node:worker_threads';
import { lacksDescriptors } from '../descriptors.ts';
import { HsmError, type HsmErrorCode } from '../errors.ts';
import type { CellRequest } from '../wire/batch.ts';
import { Batcher } from './batcher.ts';
import { type Caller, Callers } from './callers.ts';
import type { CellLink } from './cell-link.ts';
import { Cells } from './cells.ts';
import type { Pending } from './pending.ts';
import { loadPiscina, type Piscina } from './piscina.ts';
import type {
  CellPool,
  EntrySink,
  Finish,
  PoolEvents,
  PoolRequest,
  PoolStats,
  Refused,
  SubmitOptions,
  ThreadModules,
} from './pool.ts';

export interface CellPoolOptions {
  /** Cells, at least 1. */
  readonly workers: number;
  /** Requests that may wait for a place; default 4096. */
  readonly queueLimit?: number;
  /** Of them, those of one user; default all. */
  readonly userQueueLimit?: number;
  /** The core, and the digest that each cell demands of it. */
  readonly core: Uint8Array;
  readonly digest: string;
  /** The module that a cell's thread runs; its default export is `serve(start)`. */
  readonly worker?: URL;
  /** Of a bundled program. */
  readonly modules?: ThreadModules | undefined;
  /** The lease to send with a batch, asked for each. */
  readonly lease: () => Uint8Array;
  readonly sink: EntrySink;
  readonly events: PoolEvents;
  /** Milliseconds for an answer to provision or seal, and for batches before a seal; then the cell is ended. Default 10 000. */
  readonly answerTimeout?: number;
}

const QUEUE_LIMIT = 4096;
const ANSWER_TIMEOUT = 10_000;
const NO_OPTIONS: SubmitOptions = {};

export function createCellPool(options: CellPoolOptions): CellPool {
  return new Pool(options);
}

type Phase = 'sealed' | 'unsealing' | 'open' | 'sealing' | 'failed';

class Deferred {
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

class Pool implements CellPool {
  readonly #options: CellPoolOptions;
  readonly #batcher: Batcher;
  readonly #callers = new Callers();
  readonly #answerTimeout: number;
  #cells: Cells | undefined;
  #phase: Phase = 'sealed';
  #connect: (() => MessagePort) | undefined;
  /** Cells whose provisioning failed in this unsealing: a second time ends it. */
  readonly #refused = new Set<number>();
  readonly #provisioning = new Map<CellLink, Promise<void>>();
  /** Cells that failed to start twice and more, and are tried again, with growing pauses. */
  readonly #down = new Set<number>();
  #starting: Deferred | undefined;
  #unsealing: Deferred | undefined;
  #sealing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: CellPoolOptions) {
    this.#options = options;
    this.#answerTimeout = options.answerTimeout ?? ANSWER_TIMEOUT;
    this.#batcher = new Batcher(
      options.sink,
      { cells: options.workers, queue: options.queueLimit ?? QUEUE_LIMIT, perUser: options.userQueueLimit },
      options.lease,
      () => this.#cells?.links ?? [],
      options.events.observer,
    );
  }

  start(): Promise<void> {
    if (this.#starting !== undefined) return this.#starting.promise;
    this.#starting = new Deferred();
    if (this.#closing !== undefined) {
      this.#starting.reject(new HsmError('KEYCELL_CLOSING'));
      return this.#starting.promise;
    }
    this.#batcher.begin();
    loadPiscina(this.#options.modules?.piscina).then(
      (piscina) => this.#startCells(piscina),
      (cause: unknown) => {
        const error = lacksDescriptors(cause)
          ? new HsmError('KEYCELL_CELL_LOST', `no cell can be started: ${(cause as Error).message}`, { cause })
          : new HsmError('KEYCELL_INPUT_INVALID', 'piscina could not be loaded: is "assets" right?', { cause });
        this.#starting?.reject(error);
      },
    );
    return this.#starting.promise;
  }

  #startCells(piscina: typeof Piscina): void {
    if (this.#closing !== undefined) return;
    const { workers, core, digest, modules } = this.#options;
    const worker = this.#options.worker ?? modules?.cell ?? new URL('../cell/worker.js', import.meta.url);
    const thread = modules?.thread ?? new URL('./thread.cjs', import.meta.url);
    this.#cells = new Cells(
      { workers, core, digest, worker, thread, piscina },
      {
        onReply: (_link, batch, reply) => this.#batcher.onReply(batch, reply),
        onStart: (link) => this.#options.events.onCellStart(link.counter),
        onReady: (link) => this.#onReady(link),
        onDown: (link, error) => this.#onDown(link, error),
        onDeath: (link, lost, error) => this.#onDeath(link, lost, error),
        onFatal: (error) => this.#onFatal(error),
      },
    );
  }

  submit<T>(
    request: PoolRequest,
    options: SubmitOptions = NO_OPTIONS,
    finish?: Finish<T>,
    refused?: Refused,
  ): Promise<T> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return this.#batcher.refuse(new HsmError(refusal), request, options);
    return this.#batcher.submit(request, options, finish, refused);
  }

  refuse(error: HsmError, request: CellRequest, options: SubmitOptions): Promise<never> {
    return this.#batcher.refuse(error, request, options);
  }

  caller(user: string): Caller {
    return this.#callers.of(user);
  }

  mustHaveShare(caller: Caller): void {
    this.#batcher.mustHaveShare(caller);
  }

  mustHaveRoom(caller: Caller, size: number): void {
    if (this.#refusal() === undefined) this.#batcher.mustHaveRoom(caller, size);
  }

  forgetUser(user: string): void {
    this.#callers.forget(user);
  }

  failed(code: HsmErrorCode): void {
    this.#batcher.tally.failure(code);
  }

  async unseal(connect: () => MessagePort): Promise<void> {
    await this.#sealing;
    if (this.#closing !== undefined) throw new HsmError('KEYCELL_CLOSING');
    if (this.#phase === 'failed') throw new HsmError('KEYCELL_TAMPERED');
    this.#connect = connect;
    if (this.#phase === 'open') return;
    if (this.#unsealing !== undefined) return this.#unsealing.promise;
    const unsealing = new Deferred();
    this.#unsealing = unsealing;
    this.#phase = 'unsealing';
    this.#refused.clear();
    for (const link of this.#links()) if (link.state === 'ready') this.#provision(link);
    this.#progress();
    return unsealing.promise;
  }

  seal(): Promise<void> {
    if (this.#sealing !== undefined) return this.#sealing;
    if (this.#phase === 'failed' || this.#closing !== undefined) return this.#closing ?? Promise.resolve();
    if (this.#phase === 'sealed') return Promise.resolve();
    this.#sealing = this.#seal(new HsmError('KEYCELL_SEALED')).finally(() => {
      this.#sealing = undefined;
    });
    return this.#sealing;
  }

  giveMasterKey(port: MessagePort): void {
    const link = this.#links().find((each) => each.state === 'open');
    if (link === undefined) throw new HsmError('KEYCELL_SEALED', 'no cell holds the master key');
    link.post({ type: 'give', port }, [port]);
  }

  async kill(cell: number): Promise<void> {
    await this.#cells?.kill(cell);
  }

  entries(): bigint {
    return this.#cells?.entries ?? 0n;
  }

  missingEntries(): bigint {
    return this.#cells?.missing ?? 0n;
  }

  stats(): PoolStats {
    const { queued, queuedBytes, inFlight, tally } = this.#batcher;
    const links = this.#links();
    return {
      cells: links.filter((link) => link.wasReady && link.state !== 'dead').length,
      cellList: links.map((link) => link.stats()),
      cellRestarts: this.#cells?.restarts ?? 0,
      queued,
      queuedBytes,
      queueLimit: this.#options.queueLimit ?? QUEUE_LIMIT,
      inFlight,
      operations: tally.operations,
      byOperation: tally.byOperation(),
      failures: tally.failures,
      failuresByCode: tally.byCode(),
      batches: tally.batches,
      slowBatches: tally.slowBatches,
      batchSize: tally.batchSize.snapshot(),
      cellTime: tally.cellTime.snapshot(),
      requestTime: tally.requestTime.snapshot(),
    };
  }

  close(timeout: number): Promise<void> {
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    this.#starting?.promise.catch(() => {});
    this.#starting?.reject(new HsmError('KEYCELL_CLOSING'));
    this.#endUnsealing(new HsmError('KEYCELL_CLOSING'));
    await this.#batcher.idle(timeout);
    this.#batcher.failAll('KEYCELL_CLOSING');
    await this.#stop();
  }

  #stop(): Promise<void> {
    this.#batcher.end();
    this.#connect = undefined;
    this.#stopped ??= this.#cells?.stop() ?? Promise.resolve();
    return this.#stopped;
  }

  /** Why no request is taken now. */
  #refusal(): HsmErrorCode | undefined {
    if (this.#phase === 'failed') return 'KEYCELL_TAMPERED';
    if (this.#closing !== undefined) return 'KEYCELL_CLOSING';
    if (this.#phase !== 'open') return 'KEYCELL_SEALED';
    return this.#down.size < this.#options.workers ? undefined : 'KEYCELL_CELL_LOST';
  }

  #links(): readonly CellLink[] {
    return this.#cells?.links ?? [];
  }

  /** Something came up: is it the last that someone waited for? */
  #progress(): void {
    const links = this.#links();
    if (links.length < this.#options.workers) return;
    if (links.every((link) => link.wasReady && link.state !== 'dead')) this.#starting?.resolve();
    if (this.#phase === 'unsealing' && links.every((link) => link.state === 'open')) {
      this.#phase = 'open';
      this.#unsealing?.resolve();
      this.#unsealing = undefined;
    }
    this.#batcher.flush();
  }

  #onReady(link: CellLink): void {
    this.#down.delete(link.cell);
    if (this.#connect !== undefined) this.#provision(link);
    this.#progress();
  }

  /** Nobody waits for what may be missing for long: threads, memory, descriptors. The others serve, while there are any. */
  #onDown(link: CellLink, cause: Error): void {
    this.#down.add(link.cell);
    const error = new HsmError('KEYCELL_CELL_LOST', 'a cell does not start', { cause });
    this.#starting?.reject(error);
    this.#endUnsealing(error);
    if (this.#down.size === this.#options.workers) this.#batcher.failQueue('KEYCELL_CELL_LOST', cause);
  }

  #provision(link: CellLink): void {
    link.state = 'provisioning';
    const done = this.#bringMasterKey(link).finally(() => this.#provisioning.delete(link));
    this.#provisioning.set(link, done);
  }

  async #bringMasterKey(link: CellLink): Promise<void> {
    try {
      const port = this.#connect!();
      await link.ask({ type: 'provision', port }, 'provisioned', this.#answerTimeout, [port]);
    } catch (error) {
      link.fail(error as Error);
      if (this.#phase === 'unsealing' && this.#refused.has(link.cell)) {
        this.#endUnsealing(new HsmError('KEYCELL_CELL_LOST', 'no master key for a cell', { cause: error }));
      }
      this.#refused.add(link.cell);
      return;
    }
    if (link.state === 'dead') return;
    // A seal that came meanwhile waits for this, and asks the cell next.
    link.state = 'open';
    this.#progress();
  }

  /** Unsealing did not come to its end: no half-open pool stays behind. */
  #endUnsealing(error: HsmError): void {
    if (this.#phase !== 'unsealing') return;
    this.#sealing ??= this.#seal(error).finally(() => {
      this.#sealing = undefined;
    });
  }

  async #seal(reason: HsmError): Promise<void> {
    const unsealing = this.#unsealing;
    this.#unsealing = undefined;
    this.#phase = 'sealing';
    this.#connect = undefined;
    this.#batcher.failQueue('KEYCELL_SEALED');
    unsealing?.reject(reason);
    await this.#batcher.idle(this.#answerTimeout);
    await Promise.all(this.#links().map((link) => this.#sealLink(link)));
    if (this.#phase === 'sealing') this.#phase = 'sealed';
  }

  /** Wipe a cell's vault: by the cell, or with the cell. */
  async #sealLink(link: CellLink): Promise<void> {
    await this.#provisioning.get(link);
    if (link.state !== 'open') return;
    link.state = 'ready';
    if (link.busy) link.fail(new Error(`cell ${link.cell} did not end its batches within ${this.#answerTimeout} ms`));
    else await link.ask({ type: 'seal' }, 'sealed', this.#answerTimeout).catch((error: Error) => link.fail(error));
    if ((link as CellLink).state === 'dead') await this.#cells?.ended(link);
  }

  #onDeath(link: CellLink, lost: readonly (readonly Pending[])[], error: Error): void {
    const over = this.#stopped !== undefined;
    // A closing pool still serves what it took, within its time.
    const refusal = over ? 'KEYCELL_CLOSING' : this.#phase === 'open' ? undefined : this.#refusal();
    const retried = this.#batcher.onLost(lost, refusal, error);
    if (!over) this.#options.events.onCellRestart(link.cell, error, retried, Number(link.missing));
  }

  #onFatal(cause: Error): void {
    if (this.#phase === 'failed' || this.#stopped !== undefined) return;
    this.#phase = 'failed';
    const error = new HsmError('KEYCELL_TAMPERED', undefined, { cause });
    this.#batcher.failAll('KEYCELL_TAMPERED', cause);
    this.#starting?.reject(error);
    this.#unsealing?.reject(error);
    this.#unsealing = undefined;
    this.#stop().catch(() => {});
    this.#options.events.onFatal(error);
  }
}
