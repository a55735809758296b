/** A page's snippet, run as pasted: what it prints is what the page shows behind `// →`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `page` is a path below the project; its first `js` block is the snippet. */
export function expectSnippet(page: string): void {
  const [snippet] = readFileSync(join(ROOT, page), 'utf8').matchAll(/```js\n([\s\S]*?)```/g);
  // Inside the project, so that `keycell` is found by its own name, as it is where it is installed.
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'build', 'snippet-'));
  try {
    writeFileSync(join(folder, 'snippet.mjs'), snippet![1]!);
    const printed = execFileSync(process.execPath, ['snippet.mjs'], { cwd: folder, encoding: 'utf8' });
    const shown = [...snippet![1]!.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]);
    expect(shown.length).toBeGreaterThan(0);
    expect(printed.trim().split('\n')).toEqual(shown);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
