/** Labels and names of an older version, as the command line shows them: nothing in them reaches the terminal as it is. */
import { beforeAll, expect, test } from 'vitest';
import { openHsm } from '../../dist/index.js';
import { keyLabelled, userNamed } from '../support/unseen.ts';
import { fileFolder, SECRETS, Shell } from './support.ts';

const shell = new Shell(fileFolder());
const LABEL = 'x\nffffffffffffffffffffffffffffffff  forged\u001b[2J\u202eb';
const NAME = 'mallory\nofficer\u009b2J';
let id: string;

beforeAll(async () => {
  await shell.initialize();
  const unseal = () => new TextEncoder().encode(SECRETS.passphrase);
  const hsm = await openHsm({ path: shell.path('hsm'), workers: 1, unseal });
  const alice = await hsm.login({ user: 'alice', password: SECRETS.alice });
  const officer = await hsm.login({ user: 'officer', password: SECRETS.officer });
  id = await keyLabelled(hsm, alice, LABEL);
  await userNamed(hsm, officer, NAME, SECRETS.fresh);
  await hsm.close();
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: none shall be there
const CONTROLS = /[\0-\t\x0b-\x1f\u007f-\u009f\u202a-\u202e]/;

test('a row is one line, and shows what is hidden in it', async () => {
  const { stdout } = await shell.ok(['key', 'list']);
  expect(stdout.trimEnd().split('\n')).toHaveLength(2);
  expect(stdout).toContain('x\\u{000a}ffffffffffffffffffffffffffffffff  forged\\u{001b}[2J\\u{202e}b');
  expect(stdout).not.toMatch(CONTROLS);
  const users = await shell.officer(['user', 'list']);
  expect(users.stdout.trimEnd().split('\n')).toHaveLength(4);
  expect(users.stdout).toContain('mallory\\u{000a}officer\\u{009b}2J');
  expect(users.stdout).not.toMatch(CONTROLS);
});

test('so do show and the words beside an answer; JSON has it as it is', async () => {
  const shows = await shell.ok(['key', 'show', id]);
  expect(shows.stdout).toMatch(/^label +x\\u\{000a\}f/m);
  expect(shows.stdout).not.toMatch(CONTROLS);
  expect((await shell.ok(['key', 'show', id, '--json'])).json().label).toBe(LABEL);
  const lock = await shell.officer(['user', 'lock', NAME]);
  expect(lock.stderr).toContain('mallory\\u{000a}officer\\u{009b}2J is locked');
  expect(lock.stderr).not.toMatch(CONTROLS);
  const missing = await shell.run(['key', 'show', 'a\u202eb\u001b[2J']);
  expect(missing.code).toBe(4);
  expect(missing.stderr).not.toMatch(CONTROLS);
  const destroyed = await shell.ok(['key', 'destroy', id, '--yes']);
  expect(destroyed.stderr).not.toMatch(CONTROLS);
});
