/** One file, one secret: to the library and to the command line. */
import { expect, test } from 'vitest';
import { openHsm, secretFile } from '../../dist/index.js';
import { liveBuffers } from '../support/collect.ts';
import { fileFolder, SECRETS, Shell } from './support.ts';

const shell = new Shell(fileFolder());
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test("each one's HSM opens in the other", async () => {
  // Both files end with a newline.
  const unseal = secretFile(shell.path('passphrase'));
  await shell.ok(['init', '--user', 'officer', '--password-file', 'officer', '--scrypt-log2n', '14', '--quiet']);
  const hsm = await openHsm({ path: shell.path('hsm'), create: true, workers: 1, unseal });
  try {
    const session = await hsm.login({ user: 'officer', password: secretFile(shell.path('officer')) });
    await session.createUser({ name: 'alice', role: 'crypto-user', password: secretFile(shell.path('alice')) });
  } finally {
    await hsm.close();
  }
  await shell.ok(['key', 'list', '--passphrase-file', 'passphrase', '--password-file', 'alice']);
});

test('one newline at the end is dropped, at each reading anew', async () => {
  for (const [content, secret] of [
    ['a', 'a'],
    ['a\n', 'a'],
    ['a\r\n', 'a'],
    ['a\n\n', 'a\n'],
    ['a\r', 'a\r'],
    [' a ', ' a '],
    ['\na', '\na'],
  ] as const) {
    expect(text(await secretFile(shell.write('one', content))())).toBe(secret);
  }
  const read = secretFile(shell.write('changing', 'before'));
  (await read()).fill(0);
  expect(text(await read())).toBe('before');
  shell.write('changing', 'after');
  expect(text(await read())).toBe('after');
});

test('a file that is missing, empty or too long is told as an error of ours, without what is in it', async () => {
  const failing = (path: string) => secretFile(path)().catch((error: unknown) => error);
  for (const [path, said] of [
    [shell.path('missing'), 'ENOENT'],
    [shell.folder, 'EISDIR'],
    [shell.write('nothing', '\n'), 'empty'],
    [shell.write('long', SECRETS.alice.repeat(4000)), 'at most 65536 bytes'],
  ] as const) {
    const error = await failing(path);
    expect(error).toMatchObject({ code: 'KEYCELL_INPUT_INVALID', message: expect.stringContaining(said) });
    expect(String(error)).not.toContain(SECRETS.alice);
  }
});

test('a secret lies outside the V8 heap, whose collector would leave copies of it behind', async () => {
  const read = secretFile(shell.write('short', 'sixteen bytes ..'));
  const first = await read();
  const before = liveBuffers();
  const secrets = await Promise.all(Array.from({ length: 500 }, () => read()));
  expect(liveBuffers() - before).toBeGreaterThanOrEqual(secrets.length * first.length);
});
