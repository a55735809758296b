/** Buffers that are lent for large copies: nobody shares one, and only what was lent comes back. */
import { expect, test } from 'vitest';
import { giveBack, lendCopy } from '../../src/wire/loans.ts';

const MIB = 1024 * 1024;
const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

test('a copy has the bytes and nothing else, whatever its length', () => {
  for (const length of [0, 1, 65, 65_535, 65_536, 65_537, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1]) {
    const bytes = filled(length, 7);
    for (let again = 0; again < 2; again++) {
      const copy = lendCopy(bytes);
      expect(Buffer.compare(copy, bytes)).toBe(0);
      copy.fill(0);
      giveBack([copy]);
    }
    expect(bytes.every((byte) => byte === 7)).toBe(true);
  }
});

test('a buffer is used again once it was given back, and by one at a time', () => {
  const out = [lendCopy(filled(MIB, 1)), lendCopy(filled(MIB, 2))];
  const buffers = new Set(out.map(({ buffer }) => buffer));
  expect(buffers.size).toBe(2);
  giveBack(out);
  // Twice is once.
  giveBack(out);
  const next = [1, 2, 3].map((value) => lendCopy(filled(MIB - 5, value)));
  expect(new Set(next.map(({ buffer }) => buffer)).size).toBe(3);
  expect(next.filter(({ buffer }) => buffers.has(buffer)).length).toBe(2);
  expect(next.map((copy) => [copy[0], copy[MIB - 6]])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  giveBack(next);
});

test('what was not lent is not kept, and no more than 8 MiB of what was', () => {
  const own = filled(MIB, 0);
  giveBack([own]);
  const out = Array.from({ length: 20 }, (_, i) => lendCopy(filled(MIB, i)));
  expect(out.some(({ buffer }) => buffer === own.buffer)).toBe(false);
  const buffers = new Set(out.map(({ buffer }) => buffer));
  giveBack(out);
  const again = Array.from({ length: 20 }, (_, i) => lendCopy(filled(MIB, i)));
  expect(again.filter(({ buffer }) => buffers.has(buffer)).length).toBeLessThanOrEqual(8);
  giveBack(again);
});
