/**
 * The board: shared memory where the warden posts each lease and the log's keeper posts how far the log is written,
 * so that neither waits for the other's event loop.
 *
 *   0   BigUint64  entries written to the log
 *   8   Uint32     version of the lease, odd while it is being written
 *   12  Uint32     its length
 *   16  the lease
 */
export const BOARD_SIZE = 65536;
const LEASE_AT = 16;

export class Board {
  readonly #entries: BigUint64Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #seen = 0;
  #lease: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(board: SharedArrayBuffer) {
    this.#entries = new BigUint64Array(board, 0, 1);
    this.#words = new Int32Array(board, 8, 2);
    this.#bytes = new Uint8Array(board);
  }

  postEntries(count: number): void {
    Atomics.store(this.#entries, 0, BigInt(count));
  }

  entries(): number {
    return Number(Atomics.load(this.#entries, 0));
  }

  postLease(lease: Uint8Array): void {
    // Odd already where a warden died while it wrote: its successor must not turn the meaning round.
    const writing = Atomics.load(this.#words, 0) | 1;
    Atomics.store(this.#words, 0, writing);
    this.#words[1] = lease.length;
    this.#bytes.set(lease, LEASE_AT);
    Atomics.store(this.#words, 0, (writing + 1) | 0);
  }

  /** The lease as last posted, empty before the first; the same array until a new one is posted. */
  lease(): Uint8Array<ArrayBuffer> {
    const version = Atomics.load(this.#words, 0);
    if (version === this.#seen || version % 2 !== 0) return this.#lease;
    const lease = this.#bytes.slice(LEASE_AT, LEASE_AT + this.#words[1]!);
    if (Atomics.load(this.#words, 0) !== version) return this.#lease;
    this.#seen = version;
    // A slice of shared memory is shared no more: the type only cannot say so.
    this.#lease = new Uint8Array(lease);
    return this.#lease;
  }
}
