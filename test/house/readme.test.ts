/** The README's first snippet runs as pasted. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test("the README's snippet runs as pasted", () => {
  const [snippet] = readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/g);
  // Inside the project, so that `keycell` is found by its own name, as it is where it is installed.
  const folder = mkdtempSync(join(ROOT, 'build', 'snippet-'));
  try {
    writeFileSync(join(folder, 'snippet.mjs'), snippet![1]!);
    const printed = execFileSync(process.execPath, ['snippet.mjs'], { cwd: folder, encoding: 'utf8' });
    const shown = [...snippet![1]!.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]);
    expect(printed.trim().split('\n')).toEqual(shown);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
