/** A process that has no descriptor left: threads cannot be replaced, and what fails for it comes back with it. */
import { expect, test } from 'vitest';
import { runNode } from '../support/child.ts';
import { needs } from '../support/tools.ts';
import { make } from './support/hsm.ts';

test.each(['cell', 'warden'])(
  'without descriptors no %s starts, calls say so, and it serves again with them',
  {
    ...needs('prlimit'),
  },
  async (which) => {
    const { path, hsm } = await make();
    await hsm.close();
    const { stdout } = await runNode('hsm/support/no-threads.mjs', path, which);
    const { during, after, restarts, fatal } = JSON.parse(stdout);
    expect(during).toContain('KEYCELL_CELL_LOST true not-executed');
    for (const said of during) expect(said).toMatch(/^(a result|KEYCELL_CELL_LOST true .*)$/);
    expect(after).toEqual(['a result', 'a result', 'a result', 'ready']);
    expect(fatal).toBe(false);
    // Each try after a longer pause than the one before.
    expect(restarts).toBeLessThan(12);
  },
);
