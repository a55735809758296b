/**
 * The packed package in a container of Debian-slim: a minimal bookworm, everything read-only but the data, no privileges,
 * credentials as files. There is no container engine in it: mmdebstrap makes the root, unshare and chroot run it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { needs } from '../support/tools.ts';
import { ENV, emptyFolder, npmInstall, pack, ROOT, run } from './support/package.ts';

/** It mounts, and changes its root. */
const NEEDED = needs('root', 'mmdebstrap', 'unshare', 'chroot');
const USER = 1000;
const NODE = '24';
const CONTAINER = join(ROOT, 'test/package/support/container.sh');
const root = join(ROOT, 'build', 'bookworm');
const folder = emptyFolder();
const at = (name: string): string => join(folder, name);
let node: string;

beforeAll(() => {
  makeRoot();
  node = run(ROOT, process.execPath, ['scripts/with-node.mjs', NODE]).trim();
  chmodSync(folder, 0o755);
  for (const name of ['app', 'data', 'secrets']) mkdirSync(at(name));
  for (const file of ['server.mjs', 'package.json'])
    copyFileSync(join(ROOT, 'examples/container', file), at(`app/${file}`));
  npmInstall(at('app'), pack(emptyFolder()));
  chownSync(at('data'), USER, USER);
  secret('keycell.passphrase', 'correct horse battery staple');
  secret('keycell.officer', 'the officer');
  secret('keycell.service', 'the service');
}, 180_000);

/** Kept in build/, as it takes about 15 seconds and never changes here. */
function makeRoot(): void {
  if (existsSync(root)) return;
  const fresh = `${root}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  try {
    run(ROOT, 'mmdebstrap', ['--variant=minbase', 'bookworm', fresh]);
  } catch (error) {
    throw new Error(`no minimal Debian could be made; is mmdebstrap installed?\n${(error as Error).message}`);
  }
  for (const name of ['app', 'data', 'run/secrets']) mkdirSync(join(fresh, name), { recursive: true });
  writeFileSync(join(fresh, 'usr/local/bin/node'), '');
  renameSync(fresh, root);
}

function secret(name: string, text: string): void {
  writeFileSync(at(`secrets/${name}`), text, { mode: 0o400 });
  chownSync(at(`secrets/${name}`), USER, USER);
}

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
});

function start(...command: string[]) {
  const args = [root, node, at('app'), at('data'), at('secrets'), ...command];
  const child = spawn(CONTAINER, args, { stdio: ['ignore', 'pipe', 'pipe'], env: ENV });
  children.push(child);
  let text = '';
  const ended = new Promise<{ code: number | null; text: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, text }));
  });
  const said = (pattern: RegExp) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const add = (chunk: Buffer): void => {
        text += chunk;
        const match = text.match(pattern);
        if (match) resolve(match);
      };
      child.stdout.on('data', add);
      child.stderr.on('data', add);
      ended.then((end) => reject(new Error(`it ended: ${JSON.stringify(end)}`)));
    });
  const over = async (): Promise<{ code: number | null; text: string }> => {
    said(/^\b$/).catch(() => {});
    return ended;
  };
  return { child, said, over };
}

async function serving() {
  const server = start('node', '/app/server.mjs');
  const [, state, port, uid] = await server.said(/^(\w+) on port (\d+), uid (\d+)$/m);
  const call = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  return { ...server, state, uid, call };
}

test('the root is a Debian, and read-only', NEEDED, async () => {
  expect(await start('sh', '-c', '. /etc/os-release; echo $ID $VERSION_CODENAME; id -u').over()).toEqual({
    code: 0,
    text: `debian bookworm\n${USER}\n`,
  });
  for (const path of ['/x', '/app/x', '/run/secrets/x']) {
    expect((await start('sh', '-c', `echo > ${path}`).over()).text).toMatch(/Read-only file system|Permission denied/);
  }
});

test('without an HSM the service says what to do', NEEDED, async () => {
  const { code, text } = await start('node', '/app/server.mjs').over();
  expect([code, text]).toEqual([
    1,
    '/data holds no HSM: is its volume mounted? To make one, run "node server.mjs init" once\n',
  ]);
});

test('it is initialised once, then starts unsealed, signs, and keeps its key over a restart', NEEDED, async () => {
  expect(await start('node', '/app/server.mjs', 'init').over()).toMatchObject({ code: 0 });
  expect(await start('node', '/app/server.mjs', 'init').over()).toMatchObject({
    code: 1,
    text: expect.stringContaining('KEYCELL_ALREADY_INITIALIZED'),
  });
  rmSync(at('secrets/keycell.officer'));

  const keys: Buffer[] = [];
  for (let life = 0; life < 2; life++) {
    const { state, uid, call, child, over } = await serving();
    expect([state, uid]).toEqual(['ready', String(USER)]);
    const health = await call('/health');
    expect([health.status, await health.json()]).toMatchObject([200, { state: 'ready', queued: 0 }]);
    const spki = Buffer.from(await (await call('/key')).arrayBuffer());
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const message = Buffer.from('a message');
    const signature = Buffer.from(await (await call('/sign', { method: 'POST', body: message })).arrayBuffer());
    expect(verify('sha256', message, publicKey, signature)).toBe(true);
    expect((await call('/sign', { method: 'POST', body: Buffer.alloc(70_000) })).status).toBe(400);
    keys.push(spki);

    // One folder, one process: a second container is refused.
    const second = await start('node', '/app/server.mjs').over();
    expect([second.code, second.text.split(':')[0]]).toEqual([1, 'KEYCELL_STORE_LOCKED']);
    child.kill('SIGTERM');
    expect((await over()).code).toBe(0);
  }
  expect(keys[0]!.equals(keys[1]!)).toBe(true);
});

test('with the wrong passphrase, or none, it does not start', NEEDED, async () => {
  secret('keycell.passphrase', 'wrong');
  expect(await start('node', '/app/server.mjs').over()).toMatchObject({
    code: 1,
    text: expect.stringMatching(/^KEYCELL_PASSPHRASE_WRONG/),
  });
  rmSync(at('secrets/keycell.passphrase'));
  const { code, text } = await start('node', '/app/server.mjs').over();
  expect([code, text]).toEqual([1, expect.stringContaining('ENOENT')]);
});
