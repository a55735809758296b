/** A request between `submit` and its one outcome. */
import { HsmError, type HsmErrorCode } from '../errors.ts';
import { type CellRequest, type CellResult, requestSize } from '../wire/batch.ts';
import type { Caller } from './callers.ts';
import { BATCH_COST, costOf, tableShareOf, verifies } from './cost.ts';
import type { Finish, Refused, SubmitOptions } from './pool.ts';
import { releaseAll } from './release.ts';

/** What the request takes in a batch, from where on it is large: 0.1 ms of encryption. */
export const LARGE_SIZE = 32 * 1024;
/** What it costs, from where on it is large however few its bytes are: no signature shall wait in one batch with it. */
const LARGE_COST = 2 * BATCH_COST;

/** A promise's two ends, handed over by one executor that all share: a closure for each would be garbage at once. */
const none = (): void => {};
const taken: { resolve: (value: unknown) => void; reject: (error: unknown) => void } = { resolve: none, reject: none };
const take = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  taken.resolve = resolve;
  taken.reject = reject;
};

/**
 * One object a request, and a link of the queue's list, so that an abort leaves the queue in one step. The parts stay
 * referenced until the outcome: a dead cell's requests are written again for another.
 */
export class Pending {
  readonly request: CellRequest;
  readonly caller: Caller;
  readonly size: number;
  /** What it may cost its cell: cost.ts. */
  cost: number;
  /** What its caller is charged besides, for the table that its verification may earn. */
  tableShare: number;
  /** The same for keys that it is the first of its batch to bring. */
  opening = 0;
  /** Goes in the line of large requests. */
  readonly large: boolean;
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
  /** On the clock of `performance.now()`. */
  readonly deadline: number | undefined;
  /** When it was submitted, on the same clock. */
  readonly since: number;
  /** What the caller holds: of what `finish` makes, or of the CellResult itself. */
  readonly promise: Promise<unknown>;
  /** Cells that died while they worked on it. */
  deaths = 0;
  /** Goes in a batch of its own: it is a suspect, and neighbours shall not suffer. */
  alone = false;
  /** True from the first trip on: whether it was executed is unknown to the caller. */
  sent = false;
  settled = false;
  queued = false;
  previous: Pending | null = null;
  next: Pending | null = null;
  readonly #wipe: boolean;
  readonly #finish: Finish<unknown> | undefined;
  readonly #refused: Refused | undefined;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  /** `lacksTable`: it verifies by a key without one. `since`: when it was submitted, on the clock of `performance.now()`. */
  constructor(
    request: CellRequest,
    caller: Caller,
    options: SubmitOptions,
    finish?: Finish<unknown>,
    lacksTable = true,
    since = performance.now(),
    refused?: Refused,
    size = requestSize(request),
  ) {
    this.request = request;
    this.caller = caller;
    this.since = since;
    this.size = size;
    this.cost = costOf(request, !lacksTable);
    this.tableShare = lacksTable && verifies(request) ? tableShareOf(request) : 0;
    this.large = this.size >= LARGE_SIZE || this.cost >= LARGE_COST;
    this.durable = options.durable === true;
    this.signal = options.signal;
    this.deadline = options.timeout === undefined ? undefined : performance.now() + options.timeout;
    this.#wipe = options.wipe === true;
    this.#finish = finish;
    this.#refused = refused;
    this.promise = new Promise(take);
    this.#resolve = taken.resolve;
    this.#reject = taken.reject;
    // A promise's ends hold on to it, and to its result.
    taken.resolve = none;
    taken.reject = none;
  }

  /** The key that it verifies by got its table while it waited: it costs less. */
  findsTable(): void {
    this.cost = costOf(this.request, true);
    this.tableShare = 0;
  }

  /** The one outcome: what the cell answered. Only the batcher calls this, once. */
  resolve(result: CellResult): void {
    this.#end();
    try {
      if (result.status !== 0 && this.#refused !== undefined) this.#reject(this.#refused(this.request, result));
      else this.#resolve(this.#finish === undefined ? result : this.#finish(result));
    } catch (error) {
      this.#reject(error);
    }
  }

  /** The one outcome: an error. Only the batcher calls this, once. */
  reject(code: HsmErrorCode, cause?: unknown): void {
    this.#end();
    const outcome = this.sent ? 'unknown' : 'not-executed';
    this.#reject(new HsmError(code, undefined, cause === undefined ? { outcome } : { outcome, cause }));
  }

  #end(): void {
    this.settled = true;
    if (this.#wipe) releaseAll(this.request.parts);
  }
}
