/**
 * What a reader does who pastes: a project of their own, the packed package installed in it as the README says, each snippet
 * in a file of TypeScript, and what `tsc --init` writes, unchanged. The snippets of all pages compile; what the compiler made of
 * the README's and the guide's prints what they show, in one folder, as in a first hour. (The others run in examples.test.ts.)
 */
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, test } from 'vitest';
import { ENV, emptyFolder, node, pack, shell } from '../package/support/package.ts';
import { compare, modulesOf, setupOf } from './modules.ts';
import { allPages, ROOT } from './pages.ts';

const run = promisify(execFile);
const COMPILERS = ['typescript-5', 'typescript-6', 'typescript'];
/** What the pages have their reader install besides. */
const OTHERS = ['@types/node', '@opentelemetry/api', 'jose', 'prom-client', '@peculiar/x509', 'reflect-metadata'];

const base = emptyFolder();
const project = join(base, 'project');
const all = allPages();
const pages = all
  .map((page) => ({ path: page.path, modules: modulesOf(page), setup: setupOf(page) }))
  .filter(({ modules }) => modules.length > 0);

function tsc(compiler: string, ...args: string[]): void {
  const name = compiler === 'typescript' ? 'tsc.js' : '_tsc.js';
  node(project, join(ROOT, 'node_modules', compiler, 'lib', name), ...args);
}

beforeAll(() => {
  const install = all[0]!.blocks.find(({ mark }) => mark === 'install')!;
  mkdirSync(join(base, 'keycell'));
  pack(join(base, 'keycell'));
  mkdirSync(project);
  shell(project, install.code);
  for (const name of OTHERS) {
    const path = join(project, 'node_modules', name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), path);
  }
  for (const { modules } of pages)
    for (const { name, code } of modules) writeFileSync(join(project, `${name}.ts`), code);
}, 240_000);

test.each(COMPILERS)('%s compiles all snippets by the defaults of tsc --init', (compiler) => {
  rmSync(join(project, 'tsconfig.json'), { force: true });
  tsc(compiler, '--init');
  tsc(compiler, '--pretty', 'false');
});

const FIRST = /^(README\.md|docs\/guide\/)/;

describe.each(pages.filter(({ path }) => FIRST.test(path)))('$path', ({ modules, setup }) => {
  beforeAll(async () => {
    await run('bash', ['-euo', 'pipefail', '-c', setup], { cwd: project });
  });

  test.each(modules)('prints what it shows ($name)', async ({ name, code }) => {
    const { stdout } = await run(process.execPath, [`${name}.js`], { cwd: project, env: ENV, timeout: 60_000 });
    compare(stdout, code);
  });
});
