/**
 * The board: shared memory where the warden posts each lease and the log's keeper posts how far the log is written,
 * so that neither waits for the other's event loop.
 *
 *   0   BigUint64  entries written to the log
 *   8   Uint32     version of the lease, odd while the next one is being written
 *   16  two slots in halves of what is left, each a Uint32 length and a lease; versions 2n lie in slot n mod 2
 *
 * A seqlock with two slots: the last whole lease can always be read, though its warden died while it wrote the next. Who
 * takes over from that one must know every revocation that cells have been told of.
 */
import { LEASE_MAX_SIZE } from './lease.ts';

const SLOTS_AT = 16;
const LENGTH_SIZE = 4;
export const BOARD_SIZE = SLOTS_AT + 2 * ((LENGTH_SIZE + LEASE_MAX_SIZE + 7) & ~7);

const slotOf = (version: number): number => (version >>> 1) & 1;

export class Board {
  readonly #entries: BigUint64Array;
  readonly #version: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #slotSize: number;
  #seen = 0;
  #lease: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(board: SharedArrayBuffer) {
    this.#entries = new BigUint64Array(board, 0, 1);
    this.#version = new Int32Array(board, 8, 1);
    this.#bytes = new Uint8Array(board);
    this.#view = new DataView(board);
    this.#slotSize = ((board.byteLength - SLOTS_AT) >> 4) << 3;
  }

  postEntries(count: number): void {
    Atomics.store(this.#entries, 0, BigInt(count));
  }

  entries(): number {
    return Number(Atomics.load(this.#entries, 0));
  }

  postLease(lease: Uint8Array): void {
    // Odd already where a warden died while it wrote: its successor must not turn the meaning round.
    const writing = Atomics.load(this.#version, 0) | 1;
    Atomics.store(this.#version, 0, writing);
    const next = (writing + 1) | 0;
    const at = SLOTS_AT + this.#slotSize * slotOf(next);
    this.#view.setUint32(at, lease.length);
    this.#bytes.set(lease, at + LENGTH_SIZE);
    Atomics.store(this.#version, 0, next);
  }

  /** The lease as last posted, empty before the first; the same array until a new one is posted. */
  lease(): Uint8Array<ArrayBuffer> {
    for (;;) {
      const version = Atomics.load(this.#version, 0) & ~1;
      if (version === this.#seen) return this.#lease;
      const at = SLOTS_AT + this.#slotSize * slotOf(version);
      const from = at + LENGTH_SIZE;
      const lease = this.#bytes.slice(from, from + Math.min(this.#view.getUint32(at), this.#slotSize));
      // Two posts later its slot is written again: then there is a newer one to read.
      if (((Atomics.load(this.#version, 0) - version) | 0) > 2) continue;
      this.#seen = version;
      // A slice of shared memory is shared no more: the type only cannot say so.
      this.#lease = new Uint8Array(lease);
      return this.#lease;
    }
  }
}
