/** The snippets of README and docs that are whole programs (```js) run as pasted, and print what they say. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const snippets = ['README.md', 'docs/operations.md'].flatMap((file) =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map((match, i) => ({
    file,
    number: i + 1,
    snippet: match[1]!,
  })),
);

test.each(snippets)('$file, program $number', ({ snippet }) => {
  // Inside the project, so that `keycell` is found by its own name, as it is where it is installed.
  const folder = mkdtempSync(join(ROOT, 'build', 'snippet-'));
  try {
    writeFileSync(join(folder, 'snippet.mjs'), snippet);
    const printed = execFileSync(process.execPath, ['snippet.mjs'], { cwd: folder, encoding: 'utf8' });
    const shown = [...snippet.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]);
    expect(printed.split('\n').slice(0, -1)).toEqual(shown);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
