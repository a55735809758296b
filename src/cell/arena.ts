/** Bump allocation in a region of linear memory: what one batch takes, the wipe after it gives back. */
import { Refusal } from '../errors.ts';

export class Arena {
  readonly #base: number;
  readonly #size: number;
  #next: number;
  #high: number;

  constructor(base: number, size: number) {
    this.#base = base;
    this.#size = size;
    this.#next = base;
    this.#high = base;
  }

  /** An address of `length` free bytes, aligned to 16. Throws LIMIT_EXCEEDED where the region is full. */
  take(length: number): number {
    const at = (this.#next + 15) & ~15;
    if (length < 0 || at + length > this.#base + this.#size) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
    this.#next = at + length;
    if (this.#next > this.#high) this.#high = this.#next;
    return at;
  }

  /** Where the next take begins, to be given to `release`. */
  mark(): number {
    return this.#next;
  }

  /** Give back all that was taken since `mark`; it stays counted for the wipe. */
  release(mark: number): void {
    this.#next = mark;
  }

  /** Bytes from the base that are in use now. */
  get length(): number {
    return this.#next - this.#base;
  }

  /** Bytes from the base that were ever used since the last reset: what a wipe must cover. */
  get high(): number {
    return this.#high - this.#base;
  }

  reset(): void {
    this.#next = this.#base;
    this.#high = this.#base;
  }
}
