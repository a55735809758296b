/**
 * A stream that is worked on a segment at a time, several at once, and comes out in order.
 *
 * A writable and a readable end, as CompressionStream has them, and not a TransformStream made from a transformer: that
 * one says neither when its reader is gone (before transformer.cancel) nor when it wants more, so one large chunk would
 * become as many results in memory. Here at most WINDOW segments are under way or unread, whatever comes in.
 */
import { HsmError } from '../errors.ts';
import type { Bytes } from '../model/key.ts';
import { notThere } from '../model/values.ts';
import { ownBytes } from '../wire/own.ts';
import { SEGMENT_LAST } from '../wire/stream.ts';
import { invalid, onAbort, viewOf } from './inputs.ts';

/** Enough for one stream to fill the places of two cells; half a mebibyte of memory. */
const WINDOW = 4;

/** What is done with the input's bytes. */
export interface Coder {
  /** Bytes of the input before its segments. */
  readonly headerSize: number;
  /** Bytes of the input in every segment but the last. */
  readonly segmentSize: number;
  /** The input's header has come: what stands before the first result, if anything does. */
  begin(header: Uint8Array, signal: AbortSignal): Promise<Bytes> | undefined;
  /** Work on a segment; its bytes are wiped when this settles. */
  segment(bytes: Uint8Array, index: number, last: boolean, signal: AbortSignal): Promise<Bytes>;
  /** The error of an input that ends within its header. */
  cutShort(): HsmError;
}

export class SegmentStream {
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #coder: Coder;
  readonly #header: Uint8Array;
  #headerFilled = 0;
  #begun = false;
  /** The segment that is being gathered. A full one waits for one more byte: it could be the last. */
  #held: Uint8Array = ownBytes(0);
  #filled = 0;
  #index: number;
  /** Results under way or unread, oldest first. */
  #results: Promise<Bytes>[] = [];
  #ended = false;
  /** A segment failed: the writer learns it at once, the reader when he has read what stands before. */
  #broken: { readonly error: unknown } | undefined;
  /** Nothing more goes in or out. */
  #over = false;
  #wake = (): void => {};
  #changed = this.#nextChange();
  #output!: ReadableStreamDefaultController<Bytes>;
  #input!: WritableStreamDefaultController;
  /** For requests under way when the stream is given up. */
  readonly #abandon = new AbortController();
  readonly #signal: AbortSignal | undefined;
  #forget = (): void => {};
  readonly #onAbort = (): void => this.#fail(aborted(this.#signal?.reason));

  constructor(coder: Coder, signal: AbortSignal | undefined, firstIndex = 0) {
    this.#coder = coder;
    this.#signal = signal;
    this.#index = firstIndex;
    this.#header = new Uint8Array(coder.headerSize);
    this.readable = new ReadableStream<Bytes>(
      {
        start: (controller) => {
          this.#output = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => this.#fail(reason),
      },
      // Nothing is taken out before somebody reads it.
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#input = controller;
        // `abort` below is called only after the write in hand has ended, and that may wait for the reader.
        const { signal: given } = controller as unknown as { readonly signal: AbortSignal }; // not in @types/node 20
        given.addEventListener('abort', () => this.#fail(given.reason, true));
      },
      write: (chunk) => this.#guarded(() => this.#write(chunk)),
      close: () => this.#guarded(() => this.#close()),
      abort: (reason) => this.#fail(reason, true),
    });
    this.#forget = onAbort(signal, this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#broken === undefined) this.#fail(error);
      throw error;
    }
  }

  async #write(chunk: Uint8Array): Promise<void> {
    const bytes = viewOf(chunk);
    const { length: size } = bytes;
    const fromHeader = Math.min(this.#header.length - this.#headerFilled, size);
    this.#header.set(bytes.subarray(0, fromHeader), this.#headerFilled);
    this.#headerFilled += fromHeader;
    if (this.#headerFilled < this.#header.length) return;
    this.#begin();
    for (let at = fromHeader; at < size; ) {
      if (this.#filled === this.#coder.segmentSize) await this.#submit(false);
      if (this.#held.length === 0) this.#held = ownBytes(this.#coder.segmentSize);
      const length = Math.min(this.#coder.segmentSize - this.#filled, size - at);
      this.#held.set(still(bytes, at, at + length), this.#filled);
      this.#filled += length;
      at += length;
    }
  }

  async #close(): Promise<void> {
    if (this.#headerFilled < this.#header.length) throw this.#coder.cutShort();
    this.#begin();
    await this.#submit(true);
    this.#ended = true;
    this.#change();
    await Promise.all(this.#results);
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const first = this.#coder.begin(this.#header, this.#abandon.signal);
    if (first !== undefined) this.#push(first);
  }

  /** Give the gathered segment to the coder, as soon as there is room for its result. */
  async #submit(last: boolean): Promise<void> {
    while (this.#results.length >= WINDOW && !this.#over && this.#broken === undefined) await this.#changed;
    if (this.#broken !== undefined) throw this.#broken.error;
    if (this.#over) throw aborted(undefined);
    if (this.#index > SEGMENT_LAST || (!last && this.#index === SEGMENT_LAST)) {
      throw new HsmError('KEYCELL_LIMIT_EXCEEDED', 'a stream has at most 2^31 segments');
    }
    const bytes = this.#held.subarray(0, this.#filled);
    this.#held = ownBytes(0);
    this.#filled = 0;
    const work = this.#coder.segment(bytes, this.#index++, last, this.#abandon.signal);
    this.#push(work.finally(() => bytes.fill(0)));
  }

  #push(result: Promise<Bytes>): void {
    this.#results.push(result);
    result.catch((error) => {
      if (this.#over || this.#broken !== undefined) return;
      this.#broken = { error };
      this.#held.fill(0);
      this.#input.error(error);
      this.#change();
    });
    this.#change();
  }

  /** Somebody reads: give him the oldest result, or the end. */
  async #pull(): Promise<void> {
    for (;;) {
      while (this.#results.length === 0 && !this.#ended && !this.#over) await this.#changed;
      if (this.#over) return;
      const oldest = this.#results[0];
      if (oldest === undefined) {
        this.#finish();
        this.#output.close();
        return;
      }
      let bytes: Bytes;
      try {
        bytes = await oldest;
      } catch (error) {
        this.#fail(error);
        return;
      }
      // Given up meanwhile: `#fail` has seen to it that the bytes are wiped.
      if (this.#over) return;
      this.#results.shift();
      this.#change();
      if (bytes.length > 0) {
        this.#output.enqueue(bytes);
        return;
      }
    }
  }

  /**
   * The end of both sides, at once; what was gathered or not yet read is wiped. A writable that is being aborted ends by
   * itself: Node 20 takes it amiss if its controller is told of an error meanwhile.
   */
  #fail(error: unknown, aborting = false): void {
    if (this.#over) return;
    this.#finish();
    this.#abandon.abort(error);
    this.#held.fill(0);
    for (const result of this.#results) result.then((bytes) => bytes.fill(0)).catch(() => {});
    this.#results = [];
    this.#output.error(error);
    if (!aborting) this.#input.error(error);
    this.#change();
  }

  #finish(): void {
    this.#over = true;
    this.#forget();
  }

  #change(): void {
    const wake = this.#wake;
    this.#changed = this.#nextChange();
    wake();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A part of a chunk that its writer may have detached or shortened while it waited: the rest would be missing in silence. */
function still(chunk: Uint8Array, from: number, to: number): Uint8Array {
  let part: Uint8Array;
  try {
    part = chunk.subarray(from, to);
  } catch (error) {
    throw notThere(error);
  }
  if (part.length !== to - from) throw invalid('a chunk was cut short before it was written');
  return part;
}

const aborted = (cause: unknown): HsmError =>
  new HsmError('KEYCELL_ABORTED', undefined, { outcome: 'unknown', ...(cause !== undefined && { cause }) });
