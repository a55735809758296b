/** A process that is done ends by itself, with no `close`: once nothing is under way, and not before. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openHsm } from '../../dist/index.js';
import { runNode, startNode, temporaryFolder } from '../support/child.ts';
import { initialize, login, OFFICER, open, PASSPHRASE, USER } from './support/hsm.ts';

const SCRIPT = 'hsm/support/run-off.mjs';

let made: string;
beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), 'keycell-test-'));
  const hsm = await openHsm({ path: made, workers: 1, create: true });
  await initialize(hsm);
  const admin = await login(hsm, 'officer', OFFICER);
  await admin.createUser({ name: 'alice', role: 'crypto-user', password: USER });
  await hsm.close();
  return () => rmSync(made, { recursive: true, force: true });
});

/** A folder of its own, of an HSM that is closed. */
function closed(): string {
  const path = temporaryFolder();
  cpSync(made, path, { recursive: true });
  return path;
}

/** The next process finds a folder that is free, and whole. */
async function reopened(path: string) {
  const hsm = await open({ path, unseal: () => new TextEncoder().encode(PASSPHRASE) });
  await hsm.check();
  return hsm;
}

test.each([
  ...[
    'nothing',
    'ephemeral',
    'initialize',
    'open',
    'open sealed',
    'unseal',
    'seal',
    'close',
    'check',
    'login',
    'renew',
  ],
  ...['logout', 'sign', 'a lot', 'a new key', 'a new user', 'stream', 'cells that restart'],
])('with %s under way, the process ends when it has settled', async (call) => {
  const path = closed();
  const { stdout, stderr } = await runNode(SCRIPT, path, call);
  expect([stdout, stderr]).toEqual(['settled\n', '']);
  const hsm = await reopened(path);
  if (call === 'nothing' || call === 'a new key') {
    const labels: unknown[] = [];
    for await (const { label } of (await login(hsm)).findKeys()) labels.push(label);
    expect(labels).toEqual(['kept']);
  }
  if (call === 'a new user') await login(hsm, 'bob', 'his password');
});

test('beside a server the process stays, and ends with it', async () => {
  const path = closed();
  const { said, ended } = startNode(SCRIPT, path, 'server');
  const [port] = /\d+/.exec(await said(/port \d+\n/))!;
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/sign`, { headers: { connection: 'close' } });
    expect(await response.text()).toBe('64');
  }
  await fetch(`http://127.0.0.1:${port}/stop`, { headers: { connection: 'close' } });
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
  await reopened(path);
});
