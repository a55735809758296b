/**
 * The conformance suite: one file for each kind of mechanism, the same questions to every mechanism of that kind, through the
 * public interface. What only one mechanism has to show stands in test/operations and test/core.
 */
import { expect } from 'vitest';
import { HsmError, type HsmErrorCode } from '../../dist/index.js';

const GUARD = 0xa5;
const ROOM = 7;

/** Bytes that differ with length and seed, so that no two inputs of a test are alike. */
export const pattern = (length: number, seed = 0): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 8) * 59 + length * 31 + seed * 101 + 13) & 255);

/** Every length from nothing to two blocks and one byte over. */
export const throughTwoBlocks = (block: number): number[] => Array.from({ length: 2 * block + 2 }, (_, i) => i);

/** An input that lies at an odd place between guard bytes, and the check that a call left all of it as it was. */
export class Framed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #frame: Uint8Array<ArrayBuffer>;
  readonly #before: Uint8Array;

  constructor(content: Uint8Array) {
    this.#frame = new Uint8Array(content.length + 2 * ROOM).fill(GUARD);
    this.#frame.set(content, ROOM);
    this.bytes = this.#frame.subarray(ROOM, ROOM + content.length);
    this.#before = new Uint8Array(this.#frame);
  }

  mustBeUntouched(): void {
    expect(Buffer.compare(this.#frame, this.#before)).toBe(0);
  }
}

/** Inputs of one call, framed; all are checked afterwards, whatever the call did. */
export async function untouched<T>(
  inputs: readonly Uint8Array[],
  call: (...framed: Uint8Array<ArrayBuffer>[]) => Promise<T>,
): Promise<T> {
  const frames = inputs.map((input) => new Framed(input));
  try {
    return await call(...frames.map(({ bytes }) => bytes));
  } finally {
    for (const frame of frames) frame.mustBeUntouched();
  }
}

/** A result has memory of its own, exactly as long as it is: nothing else can be read or changed through it. */
export function mustOwnItsMemory(result: Uint8Array): void {
  expect(result.byteOffset).toBe(0);
  expect(result.buffer.byteLength).toBe(result.length);
}

/** Every way to damage a string of bytes: each byte changed, cut short, longer, empty. */
export function* damaged(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  for (let i = 0; i < bytes.length; i++) {
    const other = new Uint8Array(bytes);
    other[i]! ^= 1 << (i & 7);
    yield other;
  }
  for (const length of [0, 1, bytes.length >> 1, bytes.length - 1]) {
    if (length >= 0 && length < bytes.length) yield new Uint8Array(bytes.subarray(0, length));
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  yield longer;
}

/** The code of the HsmError that a call must end with. */
export async function codeOf(call: () => Promise<unknown>): Promise<HsmErrorCode> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(HsmError);
    return (error as HsmError).code;
  }
  throw new Error('the call was not refused');
}

export const codesOf = (calls: readonly (() => Promise<unknown>)[]): Promise<HsmErrorCode[]> =>
  Promise.all(calls.map(codeOf));

/** What no mechanism takes for bytes; JavaScript can pass them all the same. */
export const NOT_BYTES = [undefined, null, 'text', 7, [1, 2, 3], {}, new ArrayBuffer(4)] as unknown as Uint8Array[];

/** Numbers from 0 to count - 1. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
