/**
 * From requests to batches and back: sends at once while a place is free, gathers while all are busy.
 *
 * Requests of one tick go together: the first asks for a flush in a microtask, which runs after the calls that stand
 * before it. Only when every free place can be filled whole does it go at once; waiting could gain nothing then.
 * A timer that waits for more (Nagle) is rejected: while the cells work, the queue gathers by itself.
 */
import { busyError, codeOf, HsmError, type HsmErrorCode } from '../errors.ts';
import type { BatchOutcome, BatchReport } from '../model/hsm.ts';
import {
  batchOverhead,
  type CellRequest,
  MAX_KEYS,
  MAX_PARTS,
  PLACE_SIZE,
  partMax,
  requestSize,
} from '../wire/batch.ts';
import { background, foreground } from '../wire/clock.ts';
import { wipeAll } from '../wire/own.ts';
import { decodeTicket } from '../wire/ticket.ts';
import { Caller, CallingUser } from './callers.ts';
import type { CellLink, Reply } from './cell-link.ts';
import { BATCH_COST } from './cost.ts';
import { Dispatch, type Seats } from './dispatch.ts';
import { LARGE_SIZE, Pending } from './pending.ts';
import type { BatchObserver, EntrySink, Finish, PoolRequest, Refused, SubmitOptions } from './pool.ts';
import { Queue } from './queue.ts';
import { releaseAll } from './release.ts';
import { TabledKeys } from './tabled-keys.ts';
import { Tally } from './tally.ts';
import { Watch } from './watch.ts';

/** A microtask by way of a promise: `queueMicrotask` makes an AsyncResource for each. */
const SOON = Promise.resolve();

/**
 * While users share the cells, nothing is sent behind work of more than this, about 8 ms: whatever comes would wait for its
 * end, while another cell might be free sooner. The cell waits for the next batch then, as long as that is copied; a user
 * who is alone is spared it.
 */
const DOOR_MAX = 4 * BATCH_COST;
/** Milliseconds from another user's request on, in which users share the cells. */
const SHARED_WHILE = 10_000;

const USER_BUSY = 'this user has as much waiting as quotas.waitingRequests allows';
/** A batch that takes so long, in ms, is told of: ten times what the dearest request takes. */
const SLOW_MS = 1000;
const SLOW_CHECK_MS = 500;

/** One way of a batch to a cell and back; times on the clock of `performance.now()`. */
interface Trip {
  readonly batch: readonly Pending[];
  readonly link: CellLink;
  readonly sentAt: number;
  /** Is its entry to be on the disk before some of it is answered? */
  readonly durable: boolean;
  answeredAt: number;
  /** Was it told that this takes long? */
  slow: boolean;
}

export class Batcher {
  readonly tally = new Tally();
  readonly #sink: EntrySink;
  readonly #links: () => readonly CellLink[];
  readonly #lease: () => Uint8Array;
  readonly #limit: number;
  readonly #queue: Queue;
  readonly #dispatch = new Dispatch();
  readonly #tabled: TabledKeys;
  readonly #watch: Watch;
  readonly #observer: BatchObserver | undefined;
  /**
   * Batches that are in a cell or wait for their entry in the log: few, so a list. V8's Map and Set leave their old table
   * behind when they make room, with what was in it and a link to the next one; once one of those is old, all that comes
   * after it lives until the next full collection.
   */
  readonly #out: Trip[] = [];
  /** Requests that wait for the log. */
  #unwritten = 0;
  #inFlight = 0;
  /** Batches of small requests that are out, or came back in this turn of the loop. */
  #smallOut = 0;
  #flushAsked = false;
  readonly #flushSoon = (): void => {
    this.#flushAsked = false;
    this.flush();
  };
  /** When this tick's first request came; reading the clock for each would cost as much as all other counting. */
  #tick = 0;
  #lastSent: CellLink | undefined;
  /** Whose request came last. */
  #lastUser: CallingUser | undefined;
  /** Until then, on the clock of `performance.now()`, users share the cells. */
  #sharedUntil = 0;
  readonly #idle: (() => void)[] = [];
  /** Looks for slow batches, and keeps the process while anything is under way: no port or thread does. */
  #look: NodeJS.Timeout | undefined;
  #keeping = false;
  /** Whoever names no session. */
  readonly #nobody = new Caller(new CallingUser());

  constructor(
    sink: EntrySink,
    bounds: { readonly cells: number; readonly queue: number; readonly perUser: number | undefined },
    lease: () => Uint8Array,
    links: () => readonly CellLink[],
    observer?: BatchObserver,
  ) {
    this.#sink = sink;
    this.#links = links;
    this.#lease = lease;
    this.#limit = bounds.queue;
    this.#observer = observer;
    this.#tabled = new TabledKeys(bounds.cells);
    this.#queue = new Queue(bounds.queue, bounds.perUser, this.#tabled);
    this.#watch = new Watch((pending, code, cause) => {
      this.#reject(pending, code, cause);
      this.#checkIdle();
    });
  }

  /** Before the first request. */
  begin(): void {
    // What has been answered is taken first: after a pause of this thread, answers wait.
    this.#look = background(setInterval(() => setImmediate(() => this.checkSlow()), SLOW_CHECK_MS));
  }

  /** After the last one. */
  end(): void {
    clearInterval(this.#look);
  }

  get queued(): number {
    return this.#queue.count;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  submit<T>(request: PoolRequest, options: SubmitOptions, finish?: Finish<T>, refused?: Refused): Promise<T> {
    const caller = request.caller ?? this.#nobody;
    const size = requestSize(request);
    const refusal = this.#refusal(request, caller, size, options);
    if (refusal !== undefined) return this.refuse(refusal, request, options);
    if (!this.#flushAsked) this.#tick = performance.now();
    const lacksTable = this.#tabled.lacks(request);
    const pending = new Pending(request, caller, options, finish, lacksTable, this.#tick, refused, size);
    this.#watch.add(pending);
    if (pending.caller.user !== this.#lastUser) this.#changeUser(pending.caller.user);
    this.#queue.push(pending);
    if (!this.#keeping) this.#keep();
    if (this.#fillsPlaces()) this.flush();
    else if (!this.#flushAsked) {
      this.#flushAsked = true;
      SOON.then(this.#flushSoon);
    }
    return pending.promise as Promise<T>;
  }

  /** Throws what `submit` would say of a request with so many bytes, before anyone has copied them. */
  mustHaveRoom(caller: Caller, size: number): void {
    const refusal = size > PLACE_SIZE ? new HsmError('KEYCELL_LIMIT_EXCEEDED') : this.#busy(caller, size);
    if (refusal === undefined) return;
    this.tally.failure(refusal.code);
    throw refusal;
  }

  /** Throws BUSY where this user has all waiting that one user may have. */
  mustHaveShare(caller: Caller): void {
    if (this.#queue.allows(caller, 0)) return;
    this.tally.failure('KEYCELL_BUSY');
    throw busyError(USER_BUSY);
  }

  /** A refusal before any queueing; the parts are wiped all the same where that was asked. */
  refuse(error: HsmError, request: CellRequest, options: SubmitOptions): Promise<never> {
    this.tally.failure(error.code);
    if (options.wipe === true) releaseAll(request.parts);
    return Promise.reject(error);
  }

  /** Fill free places from the queue. */
  flush(): void {
    // Results pile up while the log is slow: then the queue must fill, and say BUSY.
    while (this.#queue.count > 0 && this.#unwritten < this.#limit && this.#freePlaces() > 0) {
      const next = this.#dispatch.next(this.#queue, this.#seats(), this.#smallOut > 0);
      if (next === null) return;
      const { line, cell, budget } = next;
      this.#send(cell.link, line.take(budget, PLACE_SIZE - batchOverhead(this.#lease())));
    }
  }

  onReply(batch: readonly Pending[], reply: Reply): void {
    const trip = this.#tripOf(batch);
    trip.answeredAt = performance.now();
    this.tally.batch(batch.length, trip.answeredAt - trip.sentAt);
    if (trip.answeredAt - trip.sentAt > SLOW_MS) this.#tellSlow(trip, trip.answeredAt);
    trip.link.answeredAt = trip.answeredAt;
    // The place is free again: the cell shall not wait for the log.
    this.#unwritten += batch.length;
    this.flush();
    // An empty body: nothing was used, so there is nothing to log.
    if (reply.audit === '') {
      this.#give(batch, reply);
      return;
    }
    let written: Promise<void> | undefined;
    try {
      written = this.#sink.written(reply.audit);
    } catch (error) {
      written = Promise.reject(error);
    }
    if (written === undefined && !trip.durable) this.#give(batch, reply);
    else this.#giveWhenLogged(batch, reply, written, trip.durable);
  }

  /** Who asked for the disk waits for it; their neighbours in the batch have no part in that. */
  async #giveWhenLogged(
    batch: readonly Pending[],
    reply: Reply,
    written: Promise<void> | undefined,
    durable: boolean,
  ): Promise<void> {
    let answered = false;
    this.#waitForLog(batch, 1);
    try {
      if (written !== undefined) await written;
      if (durable) {
        this.#answer(batch, reply, false);
        answered = true;
        await this.#sink.synced();
      }
    } catch (error) {
      this.#waitForLog(batch, -1);
      this.#withhold(batch, reply, error, answered);
      return;
    }
    this.#waitForLog(batch, -1);
    this.#give(batch, reply, answered);
  }

  /** Requests wait there, too: by what one user may have waiting, they cannot fill the log's room either. */
  #waitForLog(batch: readonly Pending[], sign: 1 | -1): void {
    for (let i = 0; i < batch.length; i++) batch[i]!.caller.user.waiting += sign;
  }

  /** Tell of batches that a cell has had for too long and may never answer. */
  checkSlow(now = performance.now()): void {
    for (const trip of this.#out) if (trip.answeredAt === 0) this.#tellSlow(trip, now);
  }

  /** Once a batch, by what the cell took for it: one at its door begins when the one before it is answered. */
  #tellSlow(trip: Trip, now: number): void {
    const { batch, link, sentAt } = trip;
    const time = now - Math.max(sentAt, link.answeredAt);
    const waits =
      this.#out.find((each) => each.link === link && each.answeredAt === 0) !== trip && trip.answeredAt === 0;
    if (trip.slow || waits || time < SLOW_MS) return;
    trip.slow = true;
    this.tally.slowBatches++;
    const users = [...new Set(batch.map(({ request }) => userOf(request)))].filter((user) => user !== undefined);
    this.#observer?.slow({ cell: link.cell, size: batch.length, operations: operationsOf(batch), users, time });
  }

  /**
   * A cell died with these batches, oldest first. A cell works on one batch at a time, so only the oldest is suspected:
   * its requests go alone from now on, and one that has met a second death is given up. The others lose nothing.
   * Returns how many go back to the front of the queue; with `refusal`, none does.
   */
  onLost(lost: readonly (readonly Pending[])[], refusal: HsmErrorCode | undefined, error: Error): number {
    const again: Pending[] = [];
    lost.forEach((batch, age) => {
      this.#settled(batch, 'lost');
      for (const pending of batch) {
        if (pending.settled) continue;
        if (age === 0) {
          pending.deaths++;
          pending.alone = true;
        }
        if (pending.deaths === 2) this.#reject(pending, 'KEYCELL_CELL_LOST', error);
        else if (refusal !== undefined) this.#reject(pending, refusal);
        else again.push(pending);
      }
    });
    this.#queue.putBack(again);
    this.#checkIdle();
    this.flush();
    return again.length;
  }

  /** Fail all that waits in the queue. */
  failQueue(code: HsmErrorCode, cause?: unknown): void {
    for (let next = this.#queue.first; next !== null; next = this.#queue.first) this.#reject(next, code, cause);
    this.#checkIdle();
  }

  /** Fail everything; what comes later from cells and log is wiped. */
  failAll(code: HsmErrorCode, cause?: unknown): void {
    this.failQueue(code, cause);
    for (const { batch } of this.#out)
      for (const pending of batch) if (!pending.settled) this.#reject(pending, code, cause);
    this.#watch.stop();
  }

  /** True when nothing is queued, in a cell or before the log; false if that takes longer than `timeout` ms. */
  idle(timeout: number): Promise<boolean> {
    if (this.#isIdle()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout, false);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  #refusal(
    { op, keys, parts }: CellRequest,
    caller: Caller,
    size: number,
    options: SubmitOptions,
  ): HsmError | undefined {
    if (options.signal?.aborted === true) {
      return new HsmError('KEYCELL_ABORTED', undefined, { cause: options.signal.reason });
    }
    if (options.timeout !== undefined && !(options.timeout > 0)) return new HsmError('KEYCELL_TIMEOUT');
    if (keys.length > MAX_KEYS || parts.length > MAX_PARTS) return new HsmError('KEYCELL_INPUT_INVALID');
    if (size >= LARGE_SIZE) {
      if (!this.#fits(size)) return new HsmError('KEYCELL_LIMIT_EXCEEDED');
      for (let p = 0; p < parts.length; p++) {
        if (parts[p]!.length > partMax(op)) return new HsmError('KEYCELL_LIMIT_EXCEEDED');
      }
    }
    return this.#busy(caller, size);
  }

  /** The error where there is no room for so many bytes of this caller. */
  #busy(caller: Caller, size: number): HsmError | undefined {
    if (this.#queue.admits(caller, size)) return undefined;
    // What waits for its microtask only may go now, before anyone is turned away.
    this.flush();
    if (this.#queue.admits(caller, size)) return undefined;
    return busyError(this.#queue.allows(caller, size) ? undefined : USER_BUSY);
  }

  #fits(size: number): boolean {
    return size + batchOverhead(this.#lease()) <= PLACE_SIZE;
  }

  #freePlaces(): number {
    let free = 0;
    for (const link of this.#links()) free += this.#freeOf(link);
    return free;
  }

  /** Places of a cell that a batch may go to now. */
  #freeOf(link: CellLink): number {
    return link.load > DOOR_MAX && performance.now() < this.#sharedUntil ? 0 : link.free;
  }

  #changeUser(user: CallingUser): void {
    if (this.#lastUser !== undefined) this.#sharedUntil = this.#tick + SHARED_WHILE;
    this.#lastUser = user;
  }

  /** Is there a free place, and so much that more could make no batch for one larger? */
  #fillsPlaces(): boolean {
    const { cost } = this.#queue.small;
    if (cost < BATCH_COST) return false;
    const free = this.#freePlaces();
    return free > 0 && cost >= BATCH_COST * free;
  }

  /** The open cells. */
  #seats(): (Seats & { readonly link: CellLink })[] {
    return this.#links()
      .filter(({ state }) => state === 'open')
      .map((link) => ({
        link,
        free: this.#freeOf(link),
        busy: link.busy,
        large: this.#hasLarge(link),
        warm: link === this.#lastSent,
      }));
  }

  #hasLarge(link: CellLink): boolean {
    return this.#out.some((trip) => trip.link === link && trip.answeredAt === 0 && trip.batch[0]!.large);
  }

  #send(link: CellLink, batch: readonly Pending[]): void {
    let cost: number;
    try {
      cost = link.send(this.#lease(), batch);
    } catch (error) {
      // A caller changed or detached an array since. Find out whose it was: each goes alone, and fails alone.
      if (batch.length === 1) {
        this.#reject(batch[0]!, this.#fits(batch[0]!.size) ? 'KEYCELL_INPUT_INVALID' : 'KEYCELL_LIMIT_EXCEEDED', error);
        this.#checkIdle();
      } else {
        for (const pending of batch) pending.alone = true;
        this.#queue.putBack(batch);
      }
      return;
    }
    this.#lastSent = link;
    let durable = false;
    for (let i = 0; i < batch.length; i++) {
      const pending = batch[i]!;
      pending.sent = true;
      if (pending.durable) durable = true;
    }
    const large = batch[0]!.large;
    this.#dispatch.sent(cost, large);
    this.#out.push({ batch, link, sentAt: performance.now(), durable, answeredAt: 0, slow: false });
    this.#inFlight += batch.length;
    if (!large) this.#smallOut++;
  }

  /** `answered`: all but those that asked for the disk. */
  #give(batch: readonly Pending[], reply: Reply, answered = false): void {
    this.#unwritten -= batch.length;
    const { durable } = this.#settled(batch, 'answered', reply);
    if (!answered) this.#answer(batch, reply, false);
    if (durable) this.#answer(batch, reply, true);
    this.#checkIdle();
    this.flush();
  }

  /** Those that asked for the disk, or those that did not. */
  #answer(batch: readonly Pending[], reply: Reply, durable: boolean): void {
    const now = performance.now();
    for (let i = 0; i < batch.length; i++) {
      const pending = batch[i]!;
      if (pending.durable !== durable) continue;
      const result = reply.results[i]!;
      this.#tabled.served(pending.request, result);
      if (pending.settled) wipeAll(result.parts);
      else {
        this.tally.operation(pending.request.op, now - pending.since);
        // A status that this version does not know becomes TAMPERED: errorOf.
        if (result.status !== 0) this.tally.failure(codeOf(result.status) ?? 'KEYCELL_TAMPERED');
        this.#watch.remove(pending);
        pending.resolve(result);
      }
    }
  }

  #withhold(batch: readonly Pending[], reply: Reply, error: unknown, answered: boolean): void {
    this.#unwritten -= batch.length;
    this.#settled(batch, 'withheld', reply);
    const code = error instanceof HsmError ? error.code : 'KEYCELL_AUDIT_UNAVAILABLE';
    for (let i = 0; i < batch.length; i++) {
      const pending = batch[i]!;
      if (answered && !pending.durable) continue;
      wipeAll(reply.results[i]!.parts);
      if (!pending.settled) this.#reject(pending, code, error);
    }
    this.#checkIdle();
    this.flush();
  }

  #reject(pending: Pending, code: HsmErrorCode, cause?: unknown): void {
    if (pending.queued) this.#queue.remove(pending);
    this.#watch.remove(pending);
    this.tally.failure(code);
    pending.reject(code, cause);
  }

  #settled(batch: readonly Pending[], outcome: BatchOutcome, reply?: Reply): Trip {
    const trip = this.#tripOf(batch);
    this.#out.splice(this.#out.indexOf(trip), 1);
    this.#inFlight -= batch.length;
    if (!batch[0]!.large) this.#smallReturned();
    if (this.#observer?.wanted === true) this.#observer.ended(reportOf(batch, trip, outcome, reply));
    return trip;
  }

  /** Callers who have just had their answer come again in this turn of the loop, before large work takes their place. */
  #smallReturned(): void {
    if (this.#queue.large.count === 0) this.#smallOut--;
    else {
      setImmediate(() => {
        this.#smallOut--;
        this.flush();
      });
    }
  }

  #tripOf(batch: readonly Pending[]): Trip {
    return this.#out.find((trip) => trip.batch === batch)!;
  }

  #isIdle(): boolean {
    return this.#queue.count === 0 && this.#out.length === 0;
  }

  /** Of the first request where nothing was under way: 50 ns, with the `unref` after the last. */
  #keep(): void {
    this.#keeping = true;
    if (this.#look !== undefined) foreground(this.#look);
  }

  #checkIdle(): void {
    if (!this.#isIdle()) return;
    this.#keeping = false;
    if (this.#look !== undefined) background(this.#look);
    for (const tell of this.#idle.splice(0)) tell();
  }
}

function operationsOf(batch: readonly Pending[]): Record<string, number> {
  const operations: Record<string, number> = {};
  for (const { request } of batch) operations[request.op] = (operations[request.op] ?? 0) + 1;
  return operations;
}

/** Whose ticket a request carries; undefined for one that is none, which its cell refuses. */
function userOf({ ticket }: CellRequest): string | undefined {
  try {
    return decodeTicket(ticket).user;
  } catch {
    return undefined;
  }
}

function reportOf(batch: readonly Pending[], trip: Trip, outcome: BatchOutcome, reply: Reply | undefined): BatchReport {
  const now = performance.now();
  let oldest = trip.sentAt;
  for (const { since } of batch) oldest = Math.min(oldest, since);
  const answeredAt = outcome === 'lost' ? now : trip.answeredAt;
  return {
    cell: trip.link.cell,
    size: batch.length,
    operations: operationsOf(batch),
    failures: reply === undefined ? batch.length : reply.results.filter((result) => result.status !== 0).length,
    outcome,
    startTime: performance.timeOrigin + trip.sentAt,
    queueTime: trip.sentAt - oldest,
    cellTime: answeredAt - trip.sentAt,
    logTime: now - answeredAt,
  };
}
