import { expect, test } from 'vitest';
import { openCore } from '../support/core.ts';

test('static data ends below the mapped regions', () => {
  const { core } = openCore();
  expect(core['staticEnd']!()).toBeLessThanOrEqual(core['firstRegion']!());
});

test('memory is fixed at build and covers both windows', () => {
  const { core } = openCore();
  expect(core.memory.buffer.byteLength).toBe(701 * 65536);
  expect(core.REPLY.value + core.WINDOW_SIZE.value).toBeLessThanOrEqual(core.memory.buffer.byteLength);
});

test('wipeBatch clears what it is told and leaves the vault; wipeAll clears the vault too', () => {
  const { core, memory } = openCore();
  memory.fill(1, core.VAULT.value);
  core['wipeBatch']!(2, 50, 100, 200);
  const all = (from: number, length: number) => memory.subarray(from, from + length).every((b) => b === 0);
  expect(all(core.SLOTS.value, 2 * core.SLOT_SIZE.value)).toBe(true);
  expect(all(core.WORK.value, 50)).toBe(true);
  expect(all(core.WINDOW.value, 100)).toBe(true);
  expect(all(core.REPLY.value, 200)).toBe(true);
  expect(memory[core.VAULT.value]).toBe(1);
  expect(memory[core.WINDOW.value + 100]).toBe(1);
  core['wipeAll']!();
  expect(all(core.VAULT.value, core.REPLY.value + core.WINDOW_SIZE.value - core.VAULT.value)).toBe(true);
});
