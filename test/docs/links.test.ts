/** Relative links and anchors of the documentation lead somewhere, and the files and scripts that it names exist. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { allPages, anchorsOf, type Page, ROOT, readPage } from './pages.ts';

const pages = [
  ...allPages(),
  ...['SECURITY.md', 'CHANGELOG.md', 'examples/licence-server/README.md', 'examples/container/README.md'].map(readPage),
];
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

test('the files and scripts that the pages name exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  // What has changed since, the changelog goes on naming.
  const named = pages
    .filter(({ path }) => path !== 'CHANGELOG.md')
    .flatMap(({ path, text }) => [
      ...[...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => ({ path, name: name!, exists: name! in scripts })),
      ...[...text.matchAll(/`((?:test|src|docs|examples|scripts|bench|assembly)\/[\w./-]+)`/g)].map(([, name]) => ({
        path,
        name: name!,
        exists: existsSync(join(ROOT, name!)),
      })),
    ]);
  expect(named.filter(({ exists }) => !exists)).toEqual([]);
  expect(named.length).toBeGreaterThan(20);
});
