/**
 * How the warden counts the log: every entry of a cell raises the cell's counter, every entry of the warden its own.
 * What was counted two ticks ago must be written by now; where it is not, no further lease is posted, and five seconds
 * later the cells serve nothing: a log that cannot be written stops the HSM, whatever the facade does.
 */
export class EntryCount {
  #counters: BigUint64Array[] = [];
  /** Entries that the log held at the start, and those of the warden since; less those that died with a cell. */
  #own = 0;
  #previous: readonly [earlier: number, later: number] = [0, 0];

  begin(logged: number): void {
    this.#own = logged - this.#fromCells();
    this.#previous = [logged, logged];
  }

  watch(counter: SharedArrayBuffer): void {
    this.#counters.push(new BigUint64Array(counter));
  }

  add(entries: number): void {
    this.#own += entries;
  }

  #fromCells(): number {
    return this.#counters.reduce((sum, counter) => sum + Number(Atomics.load(counter, 0)), 0);
  }

  /** Called once a second: is everything that was counted two ticks ago in a log of this many entries? */
  tick(logged: number): boolean {
    const [earlier, later] = this.#previous;
    this.#previous = [later, this.#own + this.#fromCells()];
    return logged >= earlier;
  }
}
