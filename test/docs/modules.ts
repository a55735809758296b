/**
 * The ```js blocks of a page as the modules that they are. The convention, for whoever writes a page:
 *
 * - The ```js blocks of a page, in order, are one module. What they print is what the comments say, line by line:
 *   `// → text`, with … for what differs from run to run. They are JavaScript and, without a change, TypeScript.
 * - A block that begins with an import from keycell begins a new module, which runs after those before it in their folder.
 * - ```js alone is a module of its own, run and compared like the page's.
 * - ```js before is code for a foreign SDK that cannot run here: it must parse.
 * - ```sh install, in README.md, is what the reader has run once, in the project.
 * - ```sh setup is what the reader has run in that folder before the modules.
 */
import { expect } from 'vitest';
import type { Block, Page } from './pages.ts';

export const MARKS = ['', 'alone', 'before'];

export interface Module {
  readonly name: string;
  readonly code: string;
}

/** Blocks as one module in which each line stands where it stands in the page, so that errors name the page's lines. */
export function moduleOf(name: string, blocks: readonly Block[]): Module {
  const lines: string[] = [];
  for (const { line, code } of blocks)
    code.split('\n').forEach((each, i) => {
      lines[line - 1 + i] = each;
    });
  return { name, code: `${Array.from(lines, (each) => each ?? '').join('\n')}\nexport {};\n` };
}

export function modulesOf({ path, blocks }: Page): Module[] {
  const name = path.replace(/\.md$/, '').replaceAll('/', '-');
  const js = blocks.filter(({ language }) => language === 'js');
  const groups: Block[][] = [];
  for (const block of js.filter(({ mark }) => mark === '')) {
    if (groups.length === 0 || /^import .* from 'keycell/.test(block.code)) groups.push([]);
    groups.at(-1)!.push(block);
  }
  groups.push(...js.filter(({ mark }) => mark === 'alone').map((block) => [block]));
  return groups.map((group) => moduleOf(`${name}-line-${group[0]!.line}`, group));
}

/** The shell script that the page's reader has run before its modules. */
export const setupOf = ({ blocks }: Page): string =>
  blocks
    .filter(({ language, mark }) => language === 'sh' && mark === 'setup')
    .map(({ code }) => `${code}\n`)
    .join('');

const shown = (code: string): string[] => [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]!.trim());

/** What is shown as a pattern: … stands for whatever was printed there. */
const pattern = (line: string): RegExp =>
  new RegExp(
    `^${line
      .split('…')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*')}$`,
  );

/** The shown lines that stand for what was printed: the very text that the page shows, wherever it fits. */
export function compare(printed: string, code: string): void {
  const lines = printed === '' ? [] : printed.trimEnd().split('\n');
  const expected = shown(code);
  expect(
    lines.map((line, i) => (expected[i] !== undefined && pattern(expected[i]).test(line) ? expected[i] : line)),
  ).toEqual(expected);
}
