/**
 * Every example runs, against the built package in an empty folder; modules.ts says how a page marks its blocks. Besides,
 * each ```ts block is type-checked, for itself: values it does not declare are in fragments.d.ts. So is all ```js.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compare, MARKS, moduleOf, modulesOf, setupOf } from './modules.ts';
import { allPages, ROOT } from './pages.ts';

const run = promisify(execFile);
const pages = allPages();
/** In JavaScript literals widen to `string`, so only names are checked: nothing here uses what does not exist. */
const NAMES = /\.mjs.*error TS(2304|2305|2339|2353|2551|2552|2554|2559|2561|2724):/;

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
  .map((page) => ({ path: page.path, modules: modulesOf(page), setup: setupOf(page) }))
  .filter((p) => p.modules.length > 0);

describe.each(runnable)('$path', ({ path, modules, setup }) => {
  let own: string;
  beforeAll(async () => {
    own = mkdtempSync(join(folder, `${path.replace(/\W/g, '-')}-`));
    await run('bash', ['-euo', 'pipefail', '-c', setup], { cwd: own });
  });

  test.each(modules)('prints what it shows ($name)', async ({ name, code }) => {
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
