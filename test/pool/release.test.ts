/** Arrays of secrets: all are wiped, and what is large and nobody else's is freed without a collection. */
import { expect, test } from 'vitest';
import { releaseAll } from '../../src/pool/release.ts';
import { wipeAll } from '../../src/wire/own.ts';

const LEAST = 32 * 1024;
const MIB = 1024 * 1024;
const filled = (length: number) => new Uint8Array(length).fill(7);
const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

test('a large array in an ArrayBuffer of its own is detached, a shorter one wiped', () => {
  for (const length of [LEAST, LEAST + 1, MIB]) {
    const own = filled(length);
    const view = new Uint8Array(own.buffer);
    releaseAll([own, view, own]);
    expect([own.length, view.length, own.buffer.byteLength]).toEqual([0, 0, 0]);
    // As on two paths to one end.
    releaseAll([own]);
  }
  for (const length of [0, 1, 64, LEAST - 1]) {
    const own = filled(length);
    releaseAll([own]);
    expect(own.length).toBe(length);
    expect(isZero(own)).toBe(true);
  }
});

test('what lies beside others in a buffer, or in shared memory, is wiped and stays', () => {
  const buffer = filled(LEAST + 16);
  releaseAll([buffer.subarray(8, LEAST + 8)]);
  expect([...buffer.subarray(0, 9)]).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 0]);
  expect([...buffer.subarray(LEAST + 7)]).toEqual([0, 7, 7, 7, 7, 7, 7, 7, 7]);
  const shared = new Uint8Array(new SharedArrayBuffer(LEAST)).fill(7);
  releaseAll([shared]);
  expect(shared.length).toBe(LEAST);
  expect(isZero(shared)).toBe(true);
});

test('wipeAll detaches nothing', () => {
  const bytes = filled(MIB);
  wipeAll([bytes]);
  expect(bytes.length).toBe(MIB);
  expect(isZero(bytes)).toBe(true);
});

test('the memory is free at once', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 100; i++) releaseAll([filled(MIB)]);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
});
