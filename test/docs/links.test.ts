/** Relative links and anchors of the documentation lead somewhere. */
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { allPages, anchorsOf, type Page, ROOT, readPage } from './pages.ts';

const pages = [...allPages(), ...['SECURITY.md', 'CHANGELOG.md', 'examples/licence-server/README.md'].map(readPage)];
const byPath = new Map<string, Page>(pages.map((page) => [page.path, page]));

/** Inline links outside of code spans. */
function linksOf({ prose }: Page): { line: number; target: string }[] {
  return prose.flatMap(({ line, text }) =>
    [...text.replace(/`[^`]*`/g, (code) => code.replace(/[[\]()]/g, ' ')).matchAll(/\]\(([^)\s]+)\)/g)].map(
      (match) => ({
        line,
        target: match[1]!,
      }),
    ),
  );
}

test('relative links and anchors resolve', () => {
  const broken: string[] = [];
  let seen = 0;
  for (const page of pages) {
    for (const { line, target } of linksOf(page)) {
      if (/^[a-z]+:/.test(target)) continue;
      seen++;
      const [file, anchor] = target.split('#') as [string, string?];
      const path = file === '' ? page.path : normalize(join(dirname(page.path), file));
      const found = byPath.get(path);
      const resolves =
        existsSync(join(ROOT, path)) && (anchor === undefined || (found !== undefined && anchorsOf(found).has(anchor)));
      if (!resolves) broken.push(`${page.path}:${line} ${target}`);
    }
  }
  expect(broken).toEqual([]);
  expect(seen).toBeGreaterThan(10);
});
