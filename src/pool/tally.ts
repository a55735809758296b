/** What the pool counts for `stats()`. It stands in the way of every operation, so a count is one add to an array. */
import type { HsmErrorCode } from '../errors.ts';
import type { HistogramStats } from '../model/hsm.ts';
import { OP, type OpName } from '../wire/batch.ts';

/**
 * Counts of values in (0, 2^lowest], (2^lowest, 2^(lowest+1)], … up to 2^highest, and beyond.
 * Bounds that are powers of two are found by counting leading zeros, with no search and no logarithm.
 */
export class Histogram {
  readonly #lowest: number;
  readonly #scale: number;
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(lowest: number, highest: number) {
    this.#lowest = lowest;
    this.#scale = 2 ** -lowest;
    this.#counts = new Float64Array(highest - lowest + 2);
  }

  observe(value: number): void {
    const scaled = value * this.#scale;
    // clz32 takes 32 bits: a value beyond them lies beyond the last bound anyway.
    const bucket = scaled <= 1 ? 0 : 32 - Math.clz32(Math.ceil(Math.min(scaled, 0x7fffffff)) - 1);
    this.#counts[Math.min(bucket, this.#counts.length - 1)]! += 1;
    this.#sum += value;
  }

  snapshot(): HistogramStats {
    const counts = [...this.#counts];
    const bounds = counts.slice(1).map((_, i) => 2 ** (this.#lowest + i));
    return { bounds, counts, count: counts.reduce((sum, count) => sum + count, 0), sum: this.#sum };
  }
}

/** Milliseconds: from 1/16 ms, less than any batch takes, to half a minute. */
const times = (): Histogram => new Histogram(-4, 15);

export class Tally {
  batches = 0;
  slowBatches = 0;
  operations = 0;
  failures = 0;
  readonly #byOperation = new Float64Array(Math.max(...Object.values(OP)) + 1);
  readonly #byCode = new Map<HsmErrorCode, number>();
  readonly batchSize = new Histogram(0, 10);
  readonly cellTime = times();
  readonly requestTime = times();

  /** A cell answered a batch `ms` after it was sent. */
  batch(size: number, ms: number): void {
    this.batches++;
    this.batchSize.observe(size);
    this.cellTime.observe(ms);
  }

  /** A request was answered by its cell, be it with a refusal, `ms` after the call. */
  operation(op: OpName, ms: number): void {
    this.operations++;
    this.#byOperation[OP[op]]! += 1;
    this.requestTime.observe(ms);
  }

  failure(code: HsmErrorCode): void {
    this.failures++;
    this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1);
  }

  byOperation(): Record<OpName, number> {
    const counts = Object.entries(OP).map(([op, number]) => [op, this.#byOperation[number]!]);
    return Object.fromEntries(counts) as Record<OpName, number>;
  }

  byCode(): Partial<Record<HsmErrorCode, number>> {
    return Object.fromEntries(this.#byCode);
  }
}
