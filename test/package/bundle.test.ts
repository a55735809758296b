/** A program in one file, made by esbuild, with the copied assets beside it and in them, where it keeps a store, lmdb's binary. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { emptyFolder, node, unpack } from './support/package.ts';

const PROGRAM = `
import { HsmError, openEphemeralHsm, openHsm } from 'keycell';
const assets = process.argv[2] === 'none' ? undefined : process.argv[2];
const message = new TextEncoder().encode('m');
async function use(session) {
  const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  return session.verify(key, await session.sign(key, message), message);
}
async function main() {
  if (process.argv[3] === 'ephemeral') {
    const { hsm, session } = await openEphemeralHsm({ workers: 2, assets });
    const done = await use(session);
    await hsm.killCell(0);
    console.log(done, await use(session));
    return hsm.close();
  }
  const hsm = await openHsm({ path: 'hsm', create: true, workers: 1, assets });
  await hsm.initialize({ passphrase: 'p', admin: { name: 'officer', password: 'q' }, scryptLog2N: 14 });
  const admin = await hsm.login({ user: 'officer', password: 'q' });
  await admin.createUser({ name: 'service', role: 'crypto-user', password: 'r' });
  console.log(hsm.state, await use(await hsm.login({ user: 'service', password: 'r' })));
  await hsm.close();
}
main().catch((error) => console.log(error instanceof HsmError, error.code, error.message));
`;

const BINARY = `@lmdb/lmdb-${process.platform}-${process.arch}`;
const consumer = emptyFolder();
unpack(consumer, BINARY);
writeFileSync(join(consumer, 'program.mjs'), PROGRAM);

describe.each(['esm', 'cjs'] as const)('%s', (format) => {
  const out = emptyFolder();
  const program = format === 'esm' ? 'program.mjs' : 'program.cjs';

  test('one file with its assets is an HSM in memory', async () => {
    await build({
      absWorkingDir: consumer,
      entryPoints: ['program.mjs'],
      outfile: join(out, program),
      bundle: true,
      platform: 'node',
      format,
      logOverride: { 'empty-import-meta': 'silent' },
    });
    mkdirSync(join(out, 'keycell-assets'));
    cpSync(join(consumer, 'node_modules/keycell/dist/assets'), join(out, 'keycell-assets'), { recursive: true });
    // The program's own type shall not matter to the assets.
    writeFileSync(join(out, 'package.json'), '{ "type": "module" }');
    expect(node(out, program, './keycell-assets', 'ephemeral')).toBe('true true\n');
  });

  test("a store needs lmdb's binary, which is named where it is missing", () => {
    expect(node(out, program, './keycell-assets')).toContain(
      `true KEYCELL_INPUT_INVALID The package ${BINARY} is missing`,
    );
    const binary = join(out, 'keycell-assets/node_modules', BINARY);
    cpSync(join(consumer, 'node_modules', BINARY), binary, { recursive: true, dereference: true });
    expect(node(out, program, join(out, 'keycell-assets'))).toBe('ready true\n');
  });

  test('assets that are not there are named', () => {
    expect(node(out, program, './elsewhere', 'ephemeral')).toMatch(
      /^true KEYCELL_INPUT_INVALID .*elsewhere\/(?:probe|core|core-relaxed)\.wasm/,
    );
    expect(node(out, program, 'none', 'ephemeral')).toMatch(/^true KEYCELL_INPUT_INVALID .*"assets"/);
    rmSync(join(out, 'keycell-assets', 'piscina.js'));
    expect(node(out, program, './keycell-assets', 'ephemeral')).toMatch(/^true KEYCELL_INPUT_INVALID piscina/);
  });
});
