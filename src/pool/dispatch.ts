/**
 * Which line of the queue sends the next batch, to which cell, and how much of it.
 *
 * While both kinds want cells, large requests have half of them, and small ones the others: no signature waits behind a
 * megabyte, and neither kind's batches push the other's tables out of a cell's cache. Of an odd cell, each kind has half of
 * the time. Taking turns on every cell is rejected: a cell would run dry of signatures behind each large message.
 */
import { BATCH_COST, DOOR_COST, SPLIT_COST } from './cost.ts';
import type { Line, Queue } from './queue.ts';

/** An open cell. */
export interface Seats {
  /** Places that a batch may go to. */
  readonly free: number;
  readonly busy: boolean;
  /** Has it a large request? */
  readonly large: boolean;
  /** Was the last batch sent there? Its code and tables are still in the caches, which halves what a lone caller waits. */
  readonly warm: boolean;
}

export interface Next<S extends Seats> {
  readonly line: Line;
  readonly cell: S;
  /** The most that the batch shall cost. */
  readonly budget: number;
}

/**
 * So far, in the units of cost.ts, large requests may be ahead: some messages of 1 MiB. Then their cells are for small ones, too, as
 * long as those wait and until they have caught up: an operating system that runs the main thread on the small ones'
 * processor leaves them less than half. Kinds that change by every batch would push each other's tables out of the caches.
 */
const LEAD = 32768;

export class Dispatch {
  /** How much more the large ones had of the cells while both kinds were at work. */
  #largeAhead = 0;
  /** Have they had their lead, and not yet lost it? */
  #largeHeld = false;
  #contended = false;

  /** `smallBusy`: small requests are with the cells, or their callers have just had the answer, and will come again. */
  next<S extends Seats>({ small, large }: Queue, cells: readonly S[], smallBusy: boolean): Next<S> | null {
    const largeBusy = large.count > 0 || cells.some((cell) => cell.large);
    this.#contended = largeBusy && (small.count > 0 || smallBusy);
    if (!this.#contended) this.#largeAhead = 0;
    this.#largeHeld = this.#largeAhead > (this.#largeHeld ? 0 : LEAD);
    if (!this.#largeHeld) return this.#of(large, this.#forLarge(cells), 0) ?? this.#of(small, forSmall(cells));
    const next = this.#of(small, forSmall(cells));
    return next !== null || small.cost >= DOOR_COST ? next : this.#of(large, this.#forLarge(cells), 0);
  }

  /** What large requests take beyond their lead was left over by the small ones, and does not count. */
  sent(cost: number, large: boolean): void {
    if (!this.#contended) return;
    if (!large) this.#largeAhead -= cost;
    else if (!this.#largeHeld) this.#largeAhead += cost;
  }

  #forLarge<S extends Seats>(cells: readonly S[]): readonly S[] {
    if (!this.#contended) return cells;
    const having = cells.filter(({ large }) => large);
    const most = (cells.length + (this.#largeAhead < 0 ? 1 : 0)) >> 1;
    if (having.length < most) return cells;
    return having.length === most ? having : [];
  }

  /**
   * To an idle cell whatever there is; to the door of a busy one only what fills a batch, as the rest gathers meanwhile. Of
   * large ones nothing gathers, and while small ones keep all cells busy, one that is cheap would wait for ever: they have
   * no such `door`. Among equals the warm one.
   */
  #of<S extends Seats>(line: Line, cells: readonly S[], door = DOOR_COST): Next<S> | null {
    if (line.count === 0) return null;
    let [free, idle] = [0, 0];
    let best: S | undefined;
    for (const cell of cells) {
      free += cell.free;
      if (!cell.busy) idle++;
      const most = best?.free ?? 0;
      if (cell.free > most || (cell.free > 0 && cell.free === most && cell.warm)) best = cell;
    }
    if (best === undefined || (idle === 0 && line.cost < door)) return null;
    const least = idle > 0 ? SPLIT_COST : DOOR_COST;
    const batches = idle > 0 && line.cost < free * DOOR_COST ? idle : free;
    return { line, cell: best, budget: Math.min(BATCH_COST, Math.max(least, line.cost / batches)) };
  }
}

/** Those without large requests; where more than half of the cells have some, all. */
function forSmall<S extends Seats>(cells: readonly S[]): readonly S[] {
  const without = cells.filter(({ large }) => !large);
  return 2 * without.length < cells.length ? cells : without;
}
