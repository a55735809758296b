/**
 * Every example runs. The convention, for whoever writes a page:
 *
 * - The ```js blocks of a page, in order, are one module, run against the built package in an empty folder. What they
 *   print is what the comments say, line by line: `// → text`, with … for what differs from run to run.
 * - A block that begins with an import from keycell begins a new module.
 * - ```js alone is a module of its own, run and compared like the page's.
 * - ```js before is code for a foreign SDK that cannot run here: it must parse.
 * - ```ts is type-checked, each block for itself; values it does not declare are in fragments.d.ts. So is all ```js.
 * - Everything else (```sh, plain text) is left to other tests.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allPages, type Block, type Page, ROOT } from './pages.ts';

const run = promisify(execFile);
const pages = allPages();
/** In JavaScript literals widen to `string`, so only names are checked: nothing here uses what does not exist. */
const NAMES = /\.mjs.*error TS(2304|2305|2339|2353|2551|2552|2554|2559|2561|2724):/;
const MARKS = ['', 'alone', 'before'];

interface Module {
  readonly name: string;
  readonly code: string;
}

/** Blocks as one module in which each line stands where it stands in the page, so that errors name the page's lines. */
function moduleOf(name: string, blocks: readonly Block[]): Module {
  const lines: string[] = [];
  for (const { line, code } of blocks)
    code.split('\n').forEach((each, i) => {
      lines[line - 1 + i] = each;
    });
  return { name, code: `${Array.from(lines, (each) => each ?? '').join('\n')}\nexport {};\n` };
}

function modulesOf({ path, blocks }: Page): Module[] {
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
function compare(printed: string, code: string): void {
  const lines = printed === '' ? [] : printed.trimEnd().split('\n');
  const expected = shown(code);
  expect(
    lines.map((line, i) => (expected[i] !== undefined && pattern(expected[i]).test(line) ? expected[i] : line)),
  ).toEqual(expected);
}

let folder: string;
beforeAll(() => {
  // Inside the project, so that `keycell` is found by its own name, as it is where it is installed.
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  folder = mkdtempSync(join(ROOT, 'build', 'docs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('each block is marked in a way that is known', () => {
  const unknown = pages.flatMap(({ path, blocks }) =>
    blocks
      .filter(({ language, mark }) => language === 'js' && !MARKS.includes(mark))
      .map(({ line, mark }) => `${path}:${line} js ${mark}`),
  );
  expect(unknown).toEqual([]);
});

const runnable = pages
  .map((page) => ({ path: page.path, modules: modulesOf(page) }))
  .filter((p) => p.modules.length > 0);

describe.each(runnable)('$path', ({ modules }) => {
  test.each(modules)('prints what it shows ($name)', async ({ name, code }) => {
    const own = mkdtempSync(join(folder, `${name}-`));
    writeFileSync(join(own, `${name}.mjs`), code);
    const { stdout } = await run(process.execPath, [`${name}.mjs`], { cwd: own, encoding: 'utf8', timeout: 60_000 });
    compare(stdout, code);
  });
});

test('what cannot run here parses', async () => {
  for (const { path, blocks } of pages) {
    for (const { mark, line, code } of blocks) {
      if (mark !== 'before') continue;
      await transform(code, { format: 'esm', sourcefile: `${path}:${line}`, logLevel: 'silent' });
    }
  }
});

test('every example uses what the types declare', async () => {
  const types = join(folder, 'types');
  mkdirSync(types);
  for (const page of pages) {
    for (const { name, code } of modulesOf(page)) writeFileSync(join(types, `${name}.mjs`), code);
    for (const block of page.blocks.filter(({ language }) => language === 'ts')) {
      const { name, code } = moduleOf(`${page.path.replace(/\W/g, '-')}-line-${block.line}`, [block]);
      writeFileSync(join(types, `${name}.mts`), code);
    }
  }
  cpSync(join(ROOT, 'test/docs/fragments.d.ts'), join(types, 'fragments.d.ts'));
  const compilerOptions = {
    ...{ target: 'es2023', lib: ['es2023', 'dom'], module: 'nodenext', types: ['node'], noEmit: true },
    // As a newcomer's editor checks JavaScript: strict, but a caught error and a parameter may be anything.
    ...{ allowJs: true, checkJs: true, strict: true, noImplicitAny: false, useUnknownInCatchVariables: false },
    ...{ skipLibCheck: true, moduleDetection: 'force' },
  };
  writeFileSync(join(types, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run(process.execPath, [tsc, '-p', types, '--pretty', 'false'], { cwd: types }).catch(
    (error: { stdout: string }) => error,
  );
  const errors = stdout.split(/\n(?!\s)/).filter((error) => /\.mts|^error/.test(error) || NAMES.test(error));
  expect(errors).toEqual([]);
});
