/** Bump allocation in a region of linear memory: what one batch takes, the wipe after it gives back. */
import { Refusal } from '../errors.ts';

export class Arena {
  readonly #base: number;
  readonly #size: number;
  readonly #reserve: number;
  #next: number;
  #high: number;

  /** `reserve` bytes are kept back for what must fit at the end: see `takeReserved`. */
  constructor(base: number, size: number, reserve = 0) {
    this.#base = base;
    this.#size = size;
    this.#reserve = reserve;
    this.#next = base;
    this.#high = base;
  }

  /** An address of `length` free bytes, aligned to 16. Throws LIMIT_EXCEEDED where the region is full. */
  take(length: number): number {
    return this.#take(length, this.#size - this.#reserve);
  }

  /** The same, from what was kept back, too. */
  takeReserved(length: number): number {
    return this.#take(length, this.#size);
  }

  #take(length: number, size: number): number {
    const at = (this.#next + 15) & ~15;
    if (length < 0 || at + length > this.#base + size) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
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

  /** What was given back since the last call: for a wipe that leaves alone what is still in use. */
  takeFree(): { readonly from: number; readonly to: number } {
    const free = { from: this.#next, to: this.#high };
    this.#high = this.#next;
    return free;
  }

  reset(): void {
    this.#next = this.#base;
    this.#high = this.#base;
  }
}
