import { afterEach, expect, test, vi } from 'vitest';
import { Doorbell } from '../../src/cell/doorbell.ts';

afterEach(() => vi.restoreAllMocks());

/** A door on a clock that each look moves on by a 1024th of a millisecond. */
function make(processors = 2) {
  const bell = new Int32Array(new SharedArrayBuffer(4));
  const door = new Doorbell(bell.buffer as SharedArrayBuffer, processors);
  let now = 0;
  let answered = 0;
  let looks = 0;
  let ringsAt = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    looks++;
    if (looks === ringsAt) Atomics.add(bell, 0, 1);
    now += 2 ** -10;
    return now;
  });
  /** A batch that is sent so many ms after the last answer. How long does the cell look for the next one? */
  return (after: number, { requests = 8, ringAfter = 0 } = {}): number => {
    now = answered + after;
    if (ringsAt === 0) Atomics.add(bell, 0, 1);
    door.heard();
    answered = now;
    looks = 0;
    ringsAt = ringAfter;
    door.watch(requests);
    return looks;
  };
}

const SLEPT = 1;
const WHOLE = 104;

test('a cell watches once four batches came at once, and no longer when one did not', () => {
  const batch = make();
  for (let i = 0; i < 2; i++) {
    for (const after of [10, 0.02, 0.02, 0.02]) expect(batch(after)).toBe(SLEPT);
    for (const after of [0.02, 0.09, 0.09, 0.02]) expect(batch(after)).toBe(WHOLE);
  }
});

test('the bell ends it; it is not for many requests', () => {
  const batch = make();
  for (let i = 0; i < 5; i++) batch(0.02);
  expect(batch(0.02, { requests: 16 })).toBe(WHOLE);
  expect(batch(0.02, { requests: 17 })).toBe(SLEPT);
  expect(batch(0.02, { ringAfter: 30 })).toBe(30);
  expect(batch(0.02, { ringAfter: 1 })).toBe(SLEPT);
});

test('with one processor nobody watches', () => {
  const batch = make(1);
  for (let i = 0; i < 8; i++) expect(batch(0.02)).toBe(SLEPT);
});
