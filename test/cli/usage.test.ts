/** Help, mistakes, and the table of exit codes; most of it without an HSM. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { EXIT, failureOf, tell } from '../../src/cli/failure.ts';
import { createProgram } from '../../src/cli/program.ts';
import { HsmError, type HsmErrorCode } from '../../src/errors.ts';
import { fileFolder, Shell } from './support.ts';

const shell = new Shell(fileFolder());

const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

/** Words as a shell makes them, of what our examples use: quotes, and no more. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3]!);
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** The calls of keycell in the help of a command, without what a shell would take away. */
function examplesOf(command: Command): string[][] {
  const lines = [...helpOf(command).matchAll(/^ {2}\$ (.*)$/gm)].map((match) => match[1]!);
  const calls = lines.flatMap((line) => line.split(/\s(?:\||&&|;)\s|^source <\(|\)$|; /));
  return calls
    .map((call) => words(call.replace(/ \d?[<>] ?\S+/g, '')))
    .filter(([first]) => first === 'keycell')
    .map(([, ...args]) => args);
}

/** What commander says about these words, with nothing done. */
async function parse(args: readonly string[]): Promise<string> {
  const program = createProgram('0');
  for (const command of leaves(program)) command.action(() => {});
  return program.parseAsync(args, { from: 'user' }).then(
    () => 'parsed',
    (error: Error) => `${args.join(' ')}: ${error.message}`,
  );
}

test('every command has examples, and each of them parses', async () => {
  const commands = leaves(createProgram('0'));
  expect(commands.length).toBeGreaterThan(25);
  const all = [];
  for (const command of commands) {
    const examples = examplesOf(command);
    expect(examples.length, command.name()).toBeGreaterThan(0);
    all.push(...examples);
  }
  for (const example of all) expect(await parse(example)).toBe('parsed');
  // The parse that is relied on here does refuse.
  expect(await parse(['sign', '--key', 'x', '--keys', 'x'])).toContain('unknown option');
});

test('no command takes a secret as a value', () => {
  const program = createProgram('0');
  for (const command of [program, ...leaves(program)]) {
    for (const option of command.options) {
      if (/pass|secret|pin/.test(option.long ?? '')) expect(option.long).toMatch(/-(file|fd)$/);
    }
  }
});

test('help tells the exit codes, and docs/cli.md tells the same', async () => {
  const help = (await shell.ok(['--help'])).stdout;
  const docs = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  for (const [code, text] of Object.values(EXIT)) {
    expect(help).toContain(`${code}  ${text}`);
    expect(docs).toMatch(new RegExp(`\\| +${code} +\\| ${text}`));
  }
  const program = createProgram('0');
  for (const command of [...program.commands, ...leaves(program)])
    expect(docs, command.name()).toContain(command.name());
  expect((await shell.ok(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('help comes at once: the HSM is loaded when one is opened', async () => {
  const hook = 'process.on("exit", () => process.stderr.write(Object.keys(require.cache).join("\\n")))';
  shell.write('hook.cjs', hook);
  const env = { NODE_OPTIONS: `--require ${shell.path('hook.cjs')}` };
  // Both are CommonJS, so the hook sees them where they are loaded.
  const loaded = /dist\/assets\/(piscina|lmdb)/;
  expect((await shell.ok(['sign', '--help'], { env })).stderr).not.toMatch(loaded);
  const init = ['init', '--path', 'hooked', '--user', 'officer', '--password-file', 'officer', '--scrypt-log2n', '14'];
  expect((await shell.ok(init, { env })).stderr).toMatch(loaded);
});

test('mistakes end with 2, and say what to do', async () => {
  for (const [args, text] of [
    [[], 'Usage: keycell'],
    [['key'], 'Usage: keycell key'],
    [['sgin'], 'Did you mean sign?'],
    [['sign'], "required option '-k, --key <key>'"],
    [['key', 'generate', '--bits', 'many'], 'whole number'],
    [['key', 'generate', '--curve', 'P-257'], 'Allowed choices are P-256'],
    [['status', 'more'], 'too many arguments'],
  ] as const) {
    const result = await shell.run(args);
    expect(result).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(text) });
    expect(result.stderr).not.toMatch(/\n\s+at /);
  }
  const json = await shell.run(['sgin', '--json']);
  expect(json.error()).toMatchObject({ code: 'USAGE', exit: 2 });
});

test('each error has its exit code, and only a fault of ours ends with 70', () => {
  const exits = (codes: HsmErrorCode[]) => codes.map((code) => failureOf(new HsmError(code)).exit);
  expect(exits(['KEYCELL_DECRYPT_FAILED', 'KEYCELL_AUDIT_CORRUPT', 'KEYCELL_STORE_CORRUPT'])).toEqual([
    'no',
    'no',
    'no',
  ]);
  expect(exits(['KEYCELL_PERMISSION_DENIED', 'KEYCELL_PASSPHRASE_WRONG'])).toEqual(['denied', 'denied']);
  expect(exits(['KEYCELL_BUSY', 'KEYCELL_STORE_LOCKED'])).toEqual(['unavailable', 'unavailable']);
  expect(failureOf(new TypeError('x is not a function'))).toMatchObject({ exit: 'internal', code: 'INTERNAL' });
  const told = JSON.parse(tell(failureOf(new HsmError('KEYCELL_BUSY', undefined, { outcome: 'unknown' })), true));
  expect(told.error).toMatchObject({ code: 'KEYCELL_BUSY', exit: 5, retryable: true, outcome: 'unknown' });
});

test('the demo shows what it claims', async () => {
  const people = await shell.ok(['demo']);
  expect(people.stdout).toMatch(/2\. A signature[\s\S]*"pay 100 to bob".* valid\n.*not valid\n/);
  const tour = (await shell.ok(['demo', '--json'])).json();
  expect(tour).toMatchObject({
    signatureValid: true,
    alteredRefused: true,
    theft: 'KEYCELL_PERMISSION_DENIED',
    altered: { line: expect.any(Number) },
  });
});

test('--verbose logs to stderr as JSON lines, and shows the stack of an error', async () => {
  const missing = await shell.run(['status', '--verbose']);
  expect(missing).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/\n\s+at /) });
  const args = ['init', '--user', 'officer', '--password-file', 'officer', '--scrypt-log2n', '14', '--quiet'];
  const { stdout } = await shell.ok(args);
  expect(stdout).toMatch(/^[0-9a-f]{32}\n$/);
  const logged = (await shell.ok(['status', '--verbose'])).stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(logged.map(({ msg }) => msg)).toEqual(['open', 'closed']);
});
