/** One clock decides: inside the boundary nothing looks at the wall clock but the warden's time, which never goes back. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const CELL = fileURLToPath(new URL('../../src/cell', import.meta.url));
const WALL = /\bDate\.now\b|\bnew Date\(\)|\bDate\(\)|\btimeOrigin\b/;

/** What generators are seeded with besides the kernel's bytes: it decides nothing. */
const SEED = 'entropy.ts';

test('only the warden’s clock reads the wall clock', () => {
  const files = readdirSync(CELL, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(30);
  const readers = files.filter((file) => WALL.test(readFileSync(join(CELL, file), 'utf8')));
  expect(readers.sort()).toEqual([SEED, join('warden', 'clock.ts')]);
});
