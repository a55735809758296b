/**
 * The threads. Piscina starts and replaces them; it carries no operation. Its task begins a cell, whose end is its thread's
 * end, and one loop here buries it and starts the next. A task as long as the cell's life would keep the process as long.
 *
 * A thread serves one cell once. Piscina would give a thread whose task is over the next task; the balancer below refuses
 * used threads and remembers which cell went to which, so that `end` can terminate exactly that one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { CellLink, type ReplyListener } from './cell-link.ts';
import type { Pending } from './pending.ts';
import type { Piscina } from './piscina.ts';

/** Module, self-test and warm-up of a cell, in ms; a machine under load takes long. */
const START_TIMEOUT = 30_000;
const DRAIN_TIMEOUT = 1_000;
const LONGEST_PAUSE = 5_000;

export interface CellsOptions {
  readonly workers: number;
  readonly core: Uint8Array;
  readonly digest: string;
  /** The module that a cell runs, and what its thread loads to do so. */
  readonly worker: URL;
  readonly thread: URL;
  readonly piscina: typeof Piscina;
}

export interface CellsHost {
  readonly onReply: ReplyListener;
  /** A cell is about to start. */
  onStart(link: CellLink): void;
  onReady(link: CellLink): void;
  /** A cell failed to start, not for the first time in a row: what it wants may be missing for long. */
  onDown(link: CellLink, error: Error): void;
  /** A cell died, its thread is gone, and it had not answered these. */
  onDeath(link: CellLink, lost: readonly (readonly Pending[])[], error: Error): void;
  onFatal(error: Error): void;
}

/**
 * V8 lets a thread's nursery grow to 48 MB where there is work; what a batch leaves dies with it, so a small one serves as
 * well, as long as what lives through a batch is made by constructors: ReadRequest in wire/batch.ts says why. The young
 * generation is three semi-spaces, of 2 MB here.
 */
const NURSERY_MB = 6;

/** What the balancer needs of Piscina's own types. */
interface Task {
  readonly [key: symbol]: unknown;
}
interface Candidate {
  readonly id: number;
  readonly currentUsage: number;
}

/** The thread of a living link; Piscina may have to make one first. */
interface Seat {
  thread: Worker | undefined;
  readonly taken: Promise<void>;
  readonly take: () => void;
}

export class Cells {
  readonly links: CellLink[] = [];
  readonly #options: CellsOptions;
  readonly #host: CellsHost;
  readonly #piscina: Piscina;
  readonly #loops: Promise<void>[] = [];
  readonly #seats = new Map<CellLink, Seat>();
  readonly #used = new WeakSet<Worker>();
  readonly #stop = new AbortController();
  #buriedEntries = 0n;
  #missing = 0n;
  restarts = 0;

  constructor(options: CellsOptions, host: CellsHost) {
    this.#options = options;
    this.#host = host;
    this.#piscina = new options.piscina({
      minThreads: options.workers,
      maxThreads: options.workers,
      // Cells that wait for a thread; never an operation.
      maxQueue: 2 * options.workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxYoungGenerationSizeMb: NURSERY_MB },
      execArgv: [],
      env: {} as never,
      loadBalancer: ((task: Task, workers: Candidate[]) => this.#choose(task, workers)) as never,
    });
    // A thread that dies without a task: its cell has been settled already, or it never had one.
    this.#piscina.on('error', () => {});
    for (let cell = 0; cell < options.workers; cell++) this.#loops.push(this.#keep(cell));
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Entries made by all incarnations that ever were. */
  get entries(): bigint {
    return this.links.reduce((sum, link) => (this.#seats.has(link) ? sum + link.entries : sum), this.#buriedEntries);
  }

  /** Entries that died with their cells before anyone could log them. */
  get missing(): bigint {
    return this.#missing;
  }

  /** End a cell's thread as a crash would; resolves when it is gone. */
  async kill(cell: number): Promise<void> {
    const link = this.links[cell];
    if (link === undefined || link.state === 'dead' || this.#stopping) return;
    link.killed = true;
    await this.ended(link);
  }

  /** Terminate the thread of a link, once it has one. */
  async ended(link: CellLink): Promise<void> {
    const seat = this.#seats.get(link);
    await seat?.taken;
    await seat?.thread?.terminate();
  }

  /** Let the cells that can wipe themselves, then end all threads. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(
      this.links.map((link) =>
        link.busy || link.state === 'starting' ? undefined : link.ask({ type: 'drain' }, 'drained', DRAIN_TIMEOUT),
      ),
    );
    await this.#piscina.destroy();
    await Promise.all(this.#loops);
  }

  async #keep(cell: number): Promise<void> {
    let failedStarts = 0;
    let shortLives = 0;
    while (!this.#stopping) {
      const link = new CellLink(cell, this.#host.onReply, (reason) => this.#host.onFatal(new Error(reason)));
      this.links[cell] = link;
      this.#host.onStart(link);
      this.#run(link);
      link.answer('ready', START_TIMEOUT).then(
        () => {
          if (link.state === 'dead') return;
          link.state = 'ready';
          link.wasReady = true;
          this.#host.onReady(link);
        },
        (error: Error) => link.fail(error),
      );
      const error = await link.died;
      await this.ended(link);
      const lost = link.bury();
      this.#buriedEntries += link.entries;
      this.#missing += link.missing;
      this.#seats.delete(link);
      if (!this.#stopping) this.restarts++;
      this.#host.onDeath(link, lost, error);
      failedStarts = link.wasReady || link.killed ? 0 : failedStarts + 1;
      if (failedStarts > 1 && !this.#stopping) this.#host.onDown(link, error);
      // A cell that dies again and again before it answered anything shall not keep the machine busy.
      shortLives = link.answered > 0 || link.killed ? 0 : shortLives + 1;
      if (shortLives > 1) await this.#pause(Math.min(50 * 2 ** shortLives, LONGEST_PAUSE));
    }
  }

  /** What a cell wants may be missing for good: nobody's process waits for it. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {});
  }

  #run(link: CellLink): void {
    const start = link.startMessage(this.#options.core, this.#options.digest);
    // A symbol is not cloned: it tells the balancer whose task this is and never leaves the thread.
    const task = Object.assign(start, {
      module: this.#options.worker.href,
      [this.#options.piscina.queueOptionsSymbol]: link,
    });
    let take!: () => void;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    this.#seats.set(link, { thread: undefined, taken, take });
    // The file is named here, not above: a module that does not load then fails its task, not Piscina's respawning.
    const run = { filename: this.#options.thread.href, transferList: [start.port] as never };
    this.#piscina.run(task, run).catch((error: Error) => {
      take();
      link.fail(error);
    });
  }

  #choose(task: Task, workers: readonly Candidate[]): Candidate | null {
    const link = task[this.#options.piscina.queueOptionsSymbol] as CellLink;
    const seat = this.#seats.get(link);
    if (seat === undefined) return null;
    for (const candidate of workers) {
      if (candidate.currentUsage > 0) continue;
      const thread = this.#piscina.threads.find((one) => one.threadId === candidate.id);
      if (thread === undefined || this.#used.has(thread)) continue;
      this.#used.add(thread);
      seat.thread = thread;
      seat.take();
      thread.once('error', (error: Error) => link.fail(error));
      thread.once('exit', (code) => link.fail(new Error(`cell ${link.cell} ended with code ${code}`)));
      return candidate;
    }
    return null;
  }
}
