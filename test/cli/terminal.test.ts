/** At a terminal: hidden prompts, questions before what can't be taken back, and nothing binary on the screen. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { fileFolder, SECRETS, Shell } from './support.ts';

const shell = new Shell(fileFolder());
const ENTER = '\r';
const asking = { env: { CREDENTIALS_DIRECTORY: undefined } };

/** What a person sees, without the control sequences that draw it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const seen = (text: string): string => text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');

/** The words of every command and group. */
const leavesOf = (command: Command, path = ''): string[] => [
  path,
  ...command.commands.flatMap((child) => leavesOf(child, `${path} ${child.name()}`)),
];

beforeAll(async () => {
  const made = await shell.terminal(
    'keycell init --user alice --scrypt-log2n 14',
    [
      ['New passphrase for ./hsm', SECRETS.passphrase + ENTER],
      ['The same again', SECRETS.passphrase + ENTER],
      ['New password for alice', SECRETS.alice + ENTER],
      ['The same again', SECRETS.alice + ENTER],
    ],
    asking,
  );
  expect(made, made.stdout).toMatchObject({ code: 0 });
  expect(made.stdout).toContain('Made an HSM');
  await shell.ok(['user', 'add', 'carol', '--new-password-file', 'fresh', '--quiet']);
  for (const secret of Object.values(SECRETS)) expect(made.stdout).not.toContain(secret);
});

test('the prompts set the very secrets that files give', async () => {
  expect((await shell.ok(['check', '--login', '--json'])).json()).toMatchObject({ user: 'alice', role: 'admin' });
});

test('prompts work while stdin and stdout are pipes', async () => {
  const made = await shell.terminal(
    'cat credentials/keycell.passphrase | keycell random 16 --encode hex | cat > drawn',
    [
      ['Passphrase of ./hsm', SECRETS.passphrase + ENTER],
      ['Password of alice', SECRETS.alice + ENTER],
    ],
    asking,
  );
  expect(made, made.stdout).toMatchObject({ code: 0 });
  expect(readFileSync(shell.path('drawn'), 'utf8')).toMatch(/^[0-9a-f]{32}\n$/);
});

test('init as the README prints it asks for the first admin too', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(readme).toMatch(/^npx keycell init +# an HSM in \.\/hsm; asks for a passphrase and the first admin$/m);
  const made = await shell.terminal(
    'mkdir new; cd new; keycell init && keycell status --json && keycell user list --json --user officer',
    [
      ['Name of the first admin', `officer${ENTER}`],
      ['New passphrase for ./hsm', SECRETS.passphrase + ENTER],
      ['The same again', SECRETS.passphrase + ENTER],
      ['New password for officer', SECRETS.officer + ENTER],
      ['The same again', SECRETS.officer + ENTER],
      ['Passphrase of ./hsm', SECRETS.passphrase + ENTER],
      ['Password of officer', SECRETS.officer + ENTER],
    ],
    { env: { ...asking.env, KEYCELL_USER: undefined } },
  );
  expect(made, made.stdout).toMatchObject({ code: 0 });
  expect(made.stdout).toMatch(/"name":"officer","role":"admin"/);
  const nobody = await shell.run(['init', '--path', 'nobody'], { env: { KEYCELL_USER: undefined } });
  expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('--user NAME') });
  expect(readdirSync(shell.folder)).not.toContain('nobody');
});

test('secrets are asked for before an input is typed, and are never shown', async () => {
  const carol = ['--user', 'carol', '--password-file', 'fresh'];
  await shell.ok(['key', 'generate', '--label', 'typed', '--curve', 'P-256', '--quiet', ...carol]);
  const secrets = [
    ['Passphrase of ./hsm', SECRETS.passphrase + ENTER],
    ['Password of carol', SECRETS.fresh + ENTER],
  ] as const;
  const signed = await shell.terminal(
    'keycell sign --user carol --key typed --out typed.sig',
    [...secrets, ['Ctrl-D', 'a message\n\u0004']],
    asking,
  );
  expect(signed, signed.stdout).toMatchObject({ code: 0 });
  for (const secret of Object.values(SECRETS)) expect(signed.stdout).not.toContain(secret);
  const valid = await shell.ok(['verify', '--key', 'typed', '--signature', 'typed.sig', ...carol], {
    input: 'a message\n',
  });
  expect(valid.stdout).toBe('valid\n');

  for (const [script, text] of [
    ['keycell key import --type AES', 'a key would be shown'],
    ['keycell decrypt', 'the input would be typed'],
    ['keycell sign --key typed --prehashed /dev/tty', 'the input would be typed'],
    ['keycell check --passphrase-fd 0', 'a secret would be shown'],
    ['keycell check --passphrase-file /dev/tty', 'a secret would be shown'],
  ] as const) {
    const refused = await shell.terminal(script, []);
    expect(refused, script).toMatchObject({ code: 2, stdout: expect.stringContaining(text) });
  }
});

test('a plaintext goes to the terminal where it is text, or where raw is said', async () => {
  const carol = '--user carol --password-file fresh';
  await shell.bash(`keycell key generate --label shown --type AES --quiet ${carol}
    printf 'gr\\303\\274n\\n' | keycell encrypt --key shown --out text.kc ${carol}
    printf '\\033[31mred' | keycell encrypt --key shown --out red.kc ${carol}
    printf '\\033[31mred' | keycell encrypt --key shown --envelope --out red.env ${carol}`);
  const decrypt = `keycell decrypt ${carol}`;
  const plain = await shell.terminal(`${decrypt} text.kc`, []);
  expect(plain).toMatchObject({ code: 0, stdout: 'grün\r\n' });
  for (const file of ['red.kc', 'red.env']) {
    const refused = await shell.terminal(`${decrypt} ${file}`, []);
    expect(refused).toMatchObject({ code: 2, stdout: expect.stringContaining('--encode raw') });
    expect(refused.stdout).not.toContain('\u001b[31m');
    expect((await shell.terminal(`${decrypt} ${file} --encode raw`, [])).stdout).toBe('\u001b[31mred');
  }
  expect((await shell.terminal(`keycell random 8 ${carol}`, [])).code).toBe(2);
  expect((await shell.terminal(`keycell random 8 --encode raw ${carol}`, [])).code).toBe(0);
});

test('a secret that was not checked has no tick', async () => {
  const wrong = await shell.terminal('keycell check', [['Passphrase of ./hsm', SECRETS.fresh + ENTER]], asking);
  expect(wrong).toMatchObject({ code: 3, stdout: expect.stringContaining('does not open this HSM') });
  expect(wrong.stdout).not.toMatch(/[✔✓√]/);
});

test('lines break between words at the width of the terminal, and no command is broken', async () => {
  const { stdout } = await shell.terminal('stty cols 40; keycell status --path nowhere', []);
  expect(stdout).toContain('`keycell init`');
  expect(stdout.split('\r\n').length).toBeGreaterThan(3);
  for (const line of stdout.split('\r\n')) expect(line.length, line).toBeLessThanOrEqual(40);
});

test('help, demo, bench and tables keep within 80 columns', async () => {
  const commands = leavesOf(createProgram('0'));
  expect(commands.length).toBeGreaterThan(30);
  const helps = commands.map((path) => `keycell ${path} --help`).join('; ');
  const bench = 'keycell bench --cells 1 --seconds 0.02 --only encrypt --quiet';
  const { stdout } = await shell.terminal(`stty cols 80; ${helps}; keycell demo; ${bench}`, []);
  const lines = seen(stdout).split('\r\n');
  expect(lines).toContainEqual(expect.stringMatching(/^encrypt 65536 B +[\d.]+ (ms|µs)( +[\d ]+\/s){3} /));
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  // A command that is broken is still one.
  expect(lines).toContainEqual(expect.stringMatching(/^ {2}\$ keycell .* \\$/));
});

test('a mistyped repetition changes nothing', async () => {
  const made = await shell.terminal(
    'keycell init --path other --user alice --scrypt-log2n 14',
    [
      ['New passphrase', SECRETS.passphrase + ENTER],
      ['The same again', SECRETS.fresh + ENTER],
    ],
    asking,
  );
  expect(made).toMatchObject({ code: 2, stdout: expect.stringContaining('the two answers differ') });
  expect((await shell.ok(['status', '--path', 'other', '--json'])).json()).toMatchObject({ state: 'uninitialized' });
});

test('a question is asked before a key is destroyed, and only yes is yes', async () => {
  await shell.ok(['user', 'add', 'bob', '--new-password-file', 'fresh', '--quiet']);
  const bob = '--user bob --password-file fresh';
  await shell.bash(`keycell key generate --label doomed --extractable plaintext --quiet ${bob}`);
  const kept = await shell.terminal(`keycell key destroy doomed ${bob}`, [['Destroy the key doomed?', ENTER]]);
  expect(kept).toMatchObject({ code: 130 });
  // Neither raw bytes nor a key go to the screen unasked.
  const shown = await shell.terminal(`keycell random 16; keycell key export doomed --encode hex ${bob}`, []);
  expect(seen(shown.stdout)).toMatch(/raw bytes would go to the terminal[\s\S]*a key would be shown on the terminal/);
  const gone = await shell.terminal(`keycell key destroy doomed ${bob}`, [['Destroy the key doomed?', `y${ENTER}`]]);
  expect(gone, gone.stdout).toMatchObject({ code: 0 });
  expect(await shell.bash(`keycell key show doomed ${bob}`)).toMatchObject({ code: 4 });
});
