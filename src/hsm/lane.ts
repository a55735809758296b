/**
 * A session's way of large work to the queue: so much at a time that the cells stay busy, and no more, however many streams
 * it has. Large work has a line of its own in the queue, and no more than half of the cells' time while small work waits; but
 * what waits there holds memory, and a full queue refuses everyone.
 */
export class Lane {
  readonly #limit: () => number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Run `work` when its turn has come. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#limit()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inside++;
    try {
      return await work();
    } finally {
      // The place goes to who waits longest, without being free in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
