/** docs/packaging.md's recipe as it stands: its commands in a project of its own, and what they make where nothing else is. */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ENV, emptyFolder, node, npmInstall, pack, ROOT, run } from './support/package.ts';

const page = readFileSync(join(ROOT, 'docs/packaging.md'), 'utf8');
const [, section] = /## Bundled\n([\s\S]*?)\n## /.exec(page)!;
const [, commands] = /```sh\n([\s\S]*?)```/.exec(section!)!;
const [, opening] = /```ts\n([\s\S]*?)```/.exec(section!)!;

const SERVICE = `
import { openHsm } from 'keycell';
${opening}
const secret = () => new TextEncoder().encode('a passphrase');
if (hsm.state === 'uninitialized') {
  await hsm.initialize({ passphrase: secret(), admin: { name: 'officer', password: secret() }, scryptLog2N: 14 });
  const admin = await hsm.login({ user: 'officer', password: secret() });
  await admin.createUser({ name: 'service', role: 'crypto-user', password: secret() });
} else await hsm.unseal(secret());
const session = await hsm.login({ user: 'service', password: secret() });
const key = await session.ensureKey({ type: 'EC', curve: 'P-256', label: 'k', usage: ['sign', 'verify'] });
const message = new Uint8Array(10);
console.log(hsm.state, await session.verify(key, await session.sign(key, message), message), key.id);
await hsm.close();
`;

test('the folder that the recipe makes runs elsewhere', () => {
  const project = emptyFolder();
  writeFileSync(join(project, 'package.json'), '{ "name": "service", "private": true }');
  npmInstall(project, pack(emptyFolder()));
  mkdirSync(join(project, 'node_modules/.bin'), { recursive: true });
  // Of the project's own version, from here instead of the registry.
  symlinkSync(join(ROOT, 'node_modules/.bin/esbuild'), join(project, 'node_modules/.bin/esbuild'));
  // The first start makes the HSM.
  writeFileSync(join(project, 'service.mjs'), SERVICE.replace("path: './hsm'", "path: './hsm', create: true"));
  run(project, 'bash', ['-euc', commands!], { ...ENV, npm_config_offline: 'true' });

  const elsewhere = emptyFolder();
  cpSync(join(project, 'out'), join(elsewhere, 'app'), { recursive: true });
  rmSync(project, { recursive: true });
  const app = join(elsewhere, 'app');
  const first = node(app, 'service.mjs');
  expect(first).toMatch(/^ready true [0-9a-f]{32}\n$/);
  // The same key after a restart, with the store that is beside it.
  expect(node(app, 'service.mjs')).toBe(first);
});
