/** However few descriptors a process has left when it opens its first HSM: it is told, and opens with more. */
import { expect, test } from 'vitest';
import { runNode } from '../support/child.ts';
import { needs } from '../support/tools.ts';
import { make } from './support/hsm.ts';

const upTo = (most: number): number[] => Array.from({ length: most + 1 }, (_, i) => i);

test.each([
  // Below 40 nothing is loaded at all.
  ['new', [0, 1, 20, 39, 40, 41, 42]],
  ['loaded', upTo(30)],
] as const)('with few descriptors left, in a %s process', { ...needs('prlimit') }, async (state, counts) => {
  const { path, hsm } = await make({ create: true });
  await hsm.close();
  const outcomes: [number, string, string][] = [];
  // Each opens a folder that the one before it has closed or left.
  for (const left of counts) {
    const { stdout, stderr } = await runNode('hsm/support/few-descriptors.mjs', path, `${left}`, state);
    expect(stderr).toBe('');
    outcomes.push([left, ...(JSON.parse(stdout) as [string, string])]);
  }
  for (const [left, first, second] of outcomes) {
    expect([left, first]).toEqual([
      left,
      expect.stringMatching(/^(opened|KEYCELL_(STORE|AUDIT)_UNAVAILABLE true|KEYCELL_CELL_LOST true)$/),
    ]);
    expect([left, second]).toEqual([left, 'opened']);
  }
  expect(outcomes[0]![1]).toBe('KEYCELL_STORE_UNAVAILABLE true');
});
