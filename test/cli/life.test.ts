/** From an empty folder to users who log in: init, status, unseal, user, and every way in for a secret. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { startNode } from '../support/child.ts';
import { fileFolder, SECRETS, Shell } from './support.ts';

/** A file's time is that of the last tick. */
const MTIME_GRAIN = 20;
const shell = new Shell(fileFolder());
beforeAll(() => shell.initialize());

test('init tells the id, once', async () => {
  const args = [
    'init',
    '--path',
    'other',
    '--user',
    'root',
    '--password-file',
    'officer',
    '--scrypt-log2n',
    '14',
    '--json',
  ];
  const made = await shell.ok(args);
  expect(made.json()).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    path: 'other',
    state: 'ready',
    admin: 'root',
  });
  expect(made.stderr).toBe('');
  expect(statSync(shell.path('other')).mode & 0o777).toBe(0o700);

  const again = await shell.run(args);
  expect(again).toMatchObject({ code: 6, stdout: '' });
  expect(again.error()).toMatchObject({ code: 'KEYCELL_ALREADY_INITIALIZED', exit: 6 });
});

test('status needs no passphrase, and makes no folder', async () => {
  const status = await shell.ok(['status', '--json'], { env: { CREDENTIALS_DIRECTORY: undefined } });
  expect(status.json()).toMatchObject({ path: './hsm', state: 'sealed', logEntries: expect.any(Number) });
  const people = await shell.ok(['status']);
  expect(people.stdout).toContain(status.json().id);

  mkdirSync(shell.path('empty'));
  for (const folder of ['nowhere', 'empty']) {
    const missing = await shell.run(['status', '--path', folder, '--json']);
    expect(missing.code).toBe(4);
    expect(missing.error()).toMatchObject({
      code: 'KEYCELL_NOT_INITIALIZED',
      advice: expect.stringContaining('keycell init'),
    });
  }
  expect(readdirSync(shell.folder)).not.toContain('nowhere');
  expect(readdirSync(shell.path('empty'))).toEqual([]);
});

test('check tries the passphrase, and with --login the password; nothing stays unsealed', async () => {
  const nobody = { env: { KEYCELL_USER: undefined } };
  expect((await shell.ok(['check', '--json'], nobody)).json()).toMatchObject({ ok: true, opened: true });
  expect((await shell.ok(['check'])).stdout).toMatch(/^the passphrase opens it\nsound: /);
  expect((await shell.ok(['status', '--json'])).json()).toMatchObject({ state: 'sealed' });
  expect((await shell.ok(['check', '--login', '--json'])).json()).toMatchObject({
    ok: true,
    opened: true,
    user: 'alice',
    role: 'crypto-user',
  });
  expect((await shell.ok(['check', '--login'])).stdout).toMatch(/^alice may log in, as crypto-user$/m);

  const wrong = await shell.run(['check', '--passphrase-file', 'fresh', '--json']);
  expect([wrong.code, wrong.stdout]).toEqual([3, '']);
  expect(wrong.error()).toMatchObject({ code: 'KEYCELL_PASSPHRASE_WRONG' });
  const stranger = await shell.run(['check', '--login', '--password-file', 'fresh', '--json']);
  expect([stranger.code, stranger.stdout]).toEqual([3, '']);
  expect(stranger.error()).toMatchObject({ code: 'KEYCELL_LOGIN_FAILED' });
  expect(await shell.run(['check', '--login'], nobody)).toMatchObject({ code: 2 });
});

test('unseal says where it is, and what does its work', async () => {
  const gone = await shell.run(['unseal', '--json']);
  expect(gone.code).toBe(2);
  expect(gone.error().advice).toMatch(/goes on running[\s\S]*`keycell check`[\s\S]*--login/);
});

describe('a secret', () => {
  const none = { env: { CREDENTIALS_DIRECTORY: undefined } };

  test('from file descriptors, which come before credentials', async () => {
    const line = 'keycell check --login --json --passphrase-fd 3 --password-fd 4 3<passphrase 4<alice';
    expect((await shell.bash(line, none)).json()).toMatchObject({ opened: true, user: 'alice' });
    const wrong = await shell.bash('keycell check --login --passphrase-fd 3 3<fresh');
    expect(wrong.code).toBe(3);
    const pipes = 'cat passphrase | keycell check --login --passphrase-fd 0 --password-file <(cat alice) --quiet';
    expect(await shell.bash(pipes, none)).toMatchObject({ code: 0 });
  });

  test('that nobody gave', async () => {
    for (const [args, text] of [
      [['check', '--login'], 'no passphrase is given'],
      [['check', '--login', '--passphrase-fd', '3', '--passphrase-file', 'passphrase'], 'both given'],
      [['check', '--login', '--passphrase-fd', '97'], 'no file is open as descriptor 97'],
      [['check', '--login', '--passphrase-file', 'passphrase'], 'no password is given'],
    ] as const) {
      const result = await shell.run(args, none);
      expect(result.code, result.stderr).toBe(2);
      expect(result.stderr).toContain(text);
    }
    expect(await shell.run(['check', '--login', '--passphrase-file', 'missing'], none)).toMatchObject({ code: 4 });
    const nobody = await shell.run(['key', 'list'], { env: { KEYCELL_USER: undefined } });
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('--user') });
  });

  test("a descriptor of Node's own is not read, which would never end", async () => {
    // Whatever is open below 20 and was not inherited belongs to the process itself.
    const tried = await Promise.all(
      [3, 5, 8].map((fd) => shell.run(['check', '--login', '--passphrase-fd', String(fd)], none)),
    );
    expect(tried.map(({ code }) => code)).toEqual([2, 2, 2]);
  });

  test('loses one newline and nothing else', async () => {
    shell.write('crlf', `${SECRETS.passphrase}\r\n`);
    shell.write('two', `${SECRETS.passphrase}\n\n`);
    shell.write('nothing', '\n');
    const opens = (file: string) =>
      shell.run(['check', '--passphrase-file', file], { env: { KEYCELL_USER: undefined } });
    expect(await opens('crlf')).toMatchObject({ code: 0 });
    expect(await opens('two')).toMatchObject({ code: 3 });
    expect(await opens('nothing')).toMatchObject({ code: 2, stderr: expect.stringContaining('empty') });
  });

  test('as an argument is refused, and not repeated', async () => {
    const result = await shell.run(['check', '--login', '--passphrase=hunter2']);
    expect(result.code).toBe(2);
    expect(result.stderr).not.toContain('hunter2');
    expect(result.stderr).toContain('--passphrase-file');
  });

  test('in a file that others may read brings a warning', async () => {
    const open = await shell.bash(
      'umask 0; cp --no-preserve=mode passphrase loose; keycell check --login --passphrase-file loose',
    );
    expect(open).toMatchObject({ code: 0, stderr: expect.stringContaining('chmod 600') });
  });
});

test('users come, change their password, and go', async () => {
  const added = await shell.officer([
    'user',
    'add',
    'bob',
    '--role',
    'admin',
    '--new-password-file',
    'fresh',
    '--json',
  ]);
  expect(added.json()).toMatchObject({ name: 'bob', role: 'admin' });
  const twice = await shell.officer(['user', 'add', 'bob', '--new-password-file', 'fresh', '--json']);
  expect(twice.code).toBe(6);
  expect(twice.error()).toMatchObject({ code: 'KEYCELL_USER_CONFLICT' });

  const names = (await shell.officer(['user', 'list', '--json']))
    .json()
    .users.map((user: { name: string }) => user.name);
  expect(names).toEqual(['alice', 'bob', 'officer']);
  expect((await shell.officer(['user', 'list'])).stdout).toMatch(/^NAME +ROLE[\s\S]*bob +admin/);
  const forbidden = await shell.run(['user', 'list', '--json']);
  expect(forbidden.code).toBe(3);
  expect(forbidden.error()).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED' });

  const bob = (file: string) => shell.run(['check', '--login', '--user', 'bob', '--password-file', file, '--quiet']);
  await shell.ok(['user', 'passwd', '--user', 'bob', '--password-file', 'fresh', '--new-password-file', 'alice']);
  expect(await bob('alice')).toMatchObject({ code: 0 });
  expect(await shell.officer(['user', 'passwd', 'bob', '--new-password-file', 'fresh'])).toMatchObject({ code: 0 });
  expect(await bob('fresh')).toMatchObject({ code: 0 });

  expect((await shell.officer(['user', 'lock', 'bob', '--json'])).json()).toEqual({ user: 'bob', locked: true });
  expect(await bob('fresh')).toMatchObject({ code: 3 });
  expect((await shell.officer(['user', 'list'])).stdout).toMatch(/bob +admin +yes/);
  const last = await shell.officer(['user', 'lock', 'officer', '--json']);
  expect(last.code).toBe(3);
  expect(last.error()).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED' });
  expect(await shell.officer(['user', 'unlock', 'bob'])).toMatchObject({ code: 0 });
  expect(await bob('fresh')).toMatchObject({ code: 0 });

  expect(await shell.officer(['user', 'remove', 'bob'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--yes'),
  });
  expect((await shell.officer(['user', 'remove', 'bob', '--yes', '--json'])).json()).toEqual({ removed: 'bob' });
  expect(await bob('fresh')).toMatchObject({ code: 3 });
});

test('a folder in use is waited for, and then told by a code of its own', async () => {
  const begin = Date.now();
  const holder = startNode('hsm/support/hold.mjs', shell.path('hsm'));
  await holder.said('open');
  // Who has it, status says: whoever runs a service asks that.
  for (const wait of [[], ['--wait', '0.2']]) {
    const held = await shell.ok(['status', '--json', ...wait]);
    expect(held.json()).toEqual({
      path: './hsm',
      state: 'in use',
      holder: { pid: holder.child.pid, elsewhere: false, since: expect.any(String) },
    });
    const since = new Date(held.json().holder.since).getTime();
    expect(since).toBeGreaterThanOrEqual(begin - MTIME_GRAIN);
    expect(since).toBeLessThanOrEqual(Date.now() + MTIME_GRAIN);
  }
  expect((await shell.ok(['status'])).stdout).toMatch(
    new RegExp(`^holder +process ${holder.child.pid}, since \\d{4}-`, 'm'),
  );
  const busy = await shell.run(['check', '--wait', '0.2', '--json']);
  expect(busy.code).toBe(5);
  expect(busy.error()).toMatchObject({ code: 'KEYCELL_STORE_LOCKED', retryable: true });
  const waiting = shell.run(['status', '--wait', '20']);
  setTimeout(() => holder.child.kill('SIGKILL'), 500);
  expect(await waiting).toMatchObject({ code: 0 });
});
