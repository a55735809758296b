/** The command line as a process of its own, without a terminal unless a test gives it one. Runs against dist/. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What must never be seen in an argument, on a terminal or in an error. */
export const SECRETS = {
  passphrase: 'correct horse battery staple',
  officer: 'tr0ub4dor and three',
  alice: 'alice has a secret',
  fresh: 'a brand new password',
};

export interface Result {
  readonly code: number | null;
  readonly out: Buffer;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: each command has a document of its own
  readonly json: () => any;
  /** What --json says of an error on stderr. */
  readonly error: () => { code: string; exit: number; message: string; advice?: string };
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string | undefined>;
}

/** A folder for the tests of one file, removed after them. */
export function fileFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keycell-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export class Shell {
  readonly folder: string;
  readonly env: Record<string, string | undefined>;

  /** A folder with a file for each secret, `keycell` on the path, and systemd's kind of credentials for alice. */
  constructor(folder: string) {
    this.folder = folder;
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'keycell'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
    chmodSync(join(bin, 'keycell'), 0o755);
    for (const [name, secret] of Object.entries(SECRETS)) this.write(name, `${secret}\n`);
    mkdirSync(join(folder, 'credentials'));
    this.write('credentials/keycell.passphrase', SECRETS.passphrase);
    this.write('credentials/keycell.password', `${SECRETS.alice}\n`);
    this.env = {
      ...process.env,
      PATH: `${bin}:${process.env['PATH']}`,
      KEYCELL_PATH: './hsm',
      KEYCELL_USER: 'alice',
      CREDENTIALS_DIRECTORY: join(folder, 'credentials'),
    };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content, { mode: 0o600 });
    return this.path(name);
  }

  /** keycell with these arguments. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    for (const secret of Object.values(SECRETS)) expect(args.join(' ')).not.toContain(secret);
    return this.#spawn(process.execPath, [MAIN, ...args], options);
  }

  /** The same, which must end with 0. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const result = await this.run(args, options);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    return result;
  }

  /** keycell as the admin. */
  officer(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return this.run([...args, '--user', 'officer', '--password-file', 'officer'], options);
  }

  /** A line or a page of bash, with `keycell` on its path. */
  bash(script: string, options: RunOptions = {}): Promise<Result> {
    return this.#spawn('bash', ['-c', `set -euo pipefail\n${script}`], options);
  }

  /** A line of bash on a terminal of its own; when the terminal shows a text, the answer to it is typed. */
  terminal(script: string, dialogue: readonly (readonly [shown: string, typed: string])[], options: RunOptions = {}) {
    return this.#spawn('script', ['-qefc', script, '/dev/null'], options, dialogue);
  }

  /** Make the HSM, with the admin officer and the user alice. */
  async initialize(): Promise<void> {
    const init = ['init', '--user', 'officer', '--password-file', 'officer', '--scrypt-log2n', '14'];
    await this.ok(init);
    const added = await this.officer(['user', 'add', 'alice', '--new-password-file', 'alice']);
    expect(added, added.stderr).toMatchObject({ code: 0 });
  }

  #spawn(
    file: string,
    args: readonly string[],
    options: RunOptions,
    dialogue: readonly (readonly [string, string])[] = [],
  ): Promise<Result> {
    const { input, env = {} } = options;
    // A session of its own, and with it no controlling terminal: nothing can ask whoever runs the tests.
    const child = spawn(file, args, { cwd: this.folder, env: { ...this.env, ...env }, detached: true });
    const out: Buffer[] = [];
    let stderr = '';
    const questions = [...dialogue];
    let unread = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk);
      unread += chunk.toString();
      const next = questions[0];
      if (next === undefined || !unread.includes(next[0])) return;
      questions.shift();
      unread = '';
      // A prompt draws itself and listens in one tick.
      child.stdin.write(next[1]);
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdin.on('error', () => {});
    if (dialogue.length === 0) child.stdin.end(input);
    return new Promise((resolve, reject) => {
      child.on('error', (error) => reject(new Error(`${file} is needed for this test: ${error.message}`)));
      child.on('close', (code) => {
        for (const secret of Object.values(SECRETS)) expect(stderr).not.toContain(secret);
        const all = Buffer.concat(out);
        const stdout = all.toString();
        resolve({
          code,
          out: all,
          stdout,
          stderr,
          json: () => JSON.parse(stdout),
          error: () => JSON.parse(stderr.trim().split('\n').at(-1)!).error,
        });
      });
    });
  }
}
