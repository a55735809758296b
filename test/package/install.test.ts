/** An empty folder, the tarball, npm with scripts ignored: the README's snippet, import, require, and a store on disk. */
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyFolder, node, npmOf, pack, ROOT } from './support/package.ts';

const tarball = pack(emptyFolder());
const STORE = `
  const passphrase = new TextEncoder().encode('a passphrase');
  const hsm = await openHsm({ path: './hsm', create: true, workers: 1, unseal: () => passphrase.slice() });
  if (hsm.state === 'uninitialized') {
    await hsm.initialize({ passphrase, admin: { name: 'officer', password: 'p' }, scryptLog2N: 14 });
    const admin = await hsm.login({ user: 'officer', password: 'p' });
    await admin.createUser({ name: 'service', role: 'crypto-user', password: 'q' });
  }
  const session = await hsm.login({ user: 'service', password: 'q' });
  const key = await session.ensureKey({ type: 'EC', curve: 'P-256', label: 'k', usage: ['sign', 'verify'] });
  const message = new Uint8Array(10);
  console.log(hsm.state, await session.verify(key, await session.sign(key, message), message), key.id);
  await hsm.close();`;

const sizeOf = (path: string): number => {
  const stat = lstatSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : stat.size;
};

describe.each(['11', '12'])('npm %s', (version) => {
  const folder = emptyFolder();
  const npm = npmOf(version);

  test('installs it without running a script, and nothing is built', () => {
    writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }');
    npm(folder, 'install', tarball);
    expect(npm(folder, '--version').trim().split('.')[0]).toBe(version);
    const built = readdirSync(join(folder, 'node_modules'), { recursive: true, encoding: 'utf8' });
    expect(built.filter((file) => /(^|\/)build\/(Release|Debug)$/.test(file))).toEqual([]);
    // Optional peers are the consumer's to install.
    expect(existsSync(join(folder, 'node_modules', 'prom-client'))).toBe(false);
  });

  test('at most 30 packages and 20 MB', () => {
    const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'));
    expect(Object.keys(packages)).toContain('node_modules/keycell');
    expect(Object.keys(packages).length).toBeLessThanOrEqual(30);
    expect(sizeOf(join(folder, 'node_modules'))).toBeLessThanOrEqual(20e6);
  });

  test("the README's snippet runs as pasted", () => {
    const [, snippet] = readFileSync(join(ROOT, 'README.md'), 'utf8').match(/```js\n([\s\S]*?)```/)!;
    writeFileSync(join(folder, 'snippet.mjs'), snippet!);
    const shown = [...snippet!.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]);
    expect(node(folder, 'snippet.mjs').trim().split('\n')).toEqual(shown);
  });

  test('import and require open the same store', () => {
    writeFileSync(join(folder, 'store.mjs'), `import { openHsm } from 'keycell';\n${STORE}`);
    writeFileSync(
      join(folder, 'store.cjs'),
      `const { openHsm, HsmError } = require('keycell');
       (async () => {
         ${STORE}
         const error = await openHsm({ path: './hsm', workers: 0 }).catch((reason) => reason);
         console.log(error instanceof HsmError, error.code);
         console.log(await import('keycell') === require('keycell') || (await import('keycell')).openHsm === openHsm);
       })();`,
    );
    const first = node(folder, 'store.mjs').trim();
    expect(first).toMatch(/^ready true [0-9a-f]{32}$/);
    expect(node(folder, 'store.cjs').trim().split('\n')).toEqual([first, 'true KEYCELL_INPUT_INVALID', 'true']);
  });

  test('an entry whose peer is missing names it', () => {
    writeFileSync(join(folder, 'metrics.mjs'), "import 'keycell/metrics';");
    expect(() => node(folder, 'metrics.mjs')).toThrow(/Cannot find package 'prom-client'/);
  });
});
