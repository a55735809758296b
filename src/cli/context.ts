/** What every command has: its global options, the way to an HSM and a session, and where its answers go. */
import { readdirSync } from 'node:fs';
import type { Command } from 'commander';
import { HsmError } from '../errors.ts';
import type { Hsm, Session } from '../model/hsm.ts';
import type { AesKey, Key, KeyType } from '../model/key.ts';
import { type Encoding, encode, isPrintable } from './encode.ts';
import { UsageError } from './failure.ts';
import { isTyped, type Output, openOutput } from './files.ts';
import { followHsm, type Log, openLog } from './log.ts';
import { type SecretName, type SecretSource, secretFrom } from './secrets.ts';
import { mustBeWritten } from './stdout.ts';
import { wrap } from './wrap.ts';

export interface GlobalOptions {
  readonly path: string;
  readonly user?: string;
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly passwordFile?: string;
  readonly passwordFd?: number;
  readonly input: boolean;
  readonly wait?: number;
  readonly json?: true;
  readonly quiet?: true;
  readonly verbose?: true;
}

export interface DataOptions {
  readonly out?: string;
  readonly encode?: Encoding;
  readonly force?: boolean;
}

/**
 * What the bytes are. Binary ones, and plaintext that is no text, are not shown on a terminal unless that is said. Plaintext and keys are written readable by the owner
 * alone. Unless forced, a key is not shown, and neither it nor a data key's envelope takes the place of a file.
 */
export type DataKind = 'text' | 'binary' | 'envelope' | 'plaintext' | 'key';

export interface Answer {
  readonly kind: DataKind;
  /** What --json says beside the bytes. */
  readonly document: object;
  /** Where --json puts the bytes in base64 when there is no --out; without it they are secret and go into no JSON. */
  readonly member?: string;
}

const WAIT_SECONDS = 5;

/** A command's task: what commander hands over, behind the context. */
export type Task<A extends unknown[]> = (cli: Cli, ...args: A) => Promise<void>;

/** A task as commander calls it: arguments, options, the command. */
export const run =
  <A extends unknown[]>(task: Task<A>) =>
  async (...given: unknown[]): Promise<void> => {
    const command = given.pop() as Command;
    const options = command.optsWithGlobals<GlobalOptions>();
    const cli = new Cli(options, await openLog(options.verbose === true));
    try {
      await task(cli, ...(given as A));
    } finally {
      cli.end();
    }
  };

export class Cli {
  readonly options: GlobalOptions;
  readonly log: Log;
  /** Asked for before the input was typed; the session that takes them wipes them. */
  #asked: { readonly passphrase: Uint8Array; readonly password: Uint8Array } | undefined;

  constructor(options: GlobalOptions, log: Log) {
    this.options = options;
    this.log = log;
  }

  // The HSM

  /** Open the folder's HSM, `ready` unless `sealed` is enough, and close it in the end. */
  async withHsm<T>(
    use: (hsm: Hsm) => Promise<T>,
    options: { readonly sealed?: true; readonly wait?: number; readonly acceptLogLoss?: string } = {},
  ): Promise<T> {
    const { path } = this.options;
    mustHoldHsm(path);
    const passphrase = options.sealed ? undefined : await this.secret('passphrase', `Passphrase of ${path}`);
    try {
      return await this.#opened(use, passphrase, options);
    } finally {
      passphrase?.fill(0);
    }
  }

  /** Open the HSM and log in as `--user`; both end with the task. The password is wiped after it, or before, unless `keep`. */
  async withSession<T>(
    use: (session: Session, hsm: Hsm, password: Uint8Array) => Promise<T>,
    options: { readonly keep?: boolean } = {},
  ): Promise<T> {
    const { path } = this.options;
    const user = this.user();
    mustHoldHsm(path);
    const { passphrase, password } = this.#asked ?? (await this.#sessionSecrets());
    this.#asked = undefined;
    try {
      return await this.#opened(async (hsm) => {
        const session = await hsm.login({ user, password, wipe: options.keep !== true });
        this.log.debug({ user, session: session.id }, 'logged in');
        const result = await use(session, hsm, password);
        // After a failure the HSM's own end is enough: its tickets are void with the unseal.
        await session.close();
        return result;
      }, passphrase);
    } finally {
      passphrase.fill(0);
      password.fill(0);
    }
  }

  /**
   * For a command with an input, before it reads it: bytes can't be typed, and a key would be seen. Where text is
   * typed, secrets are asked for first: to whoever waits for a hidden prompt, a terminal that silently takes data looks
   * like one, and shows the passphrase. Where the input is a pipe, they come after it, so that of two commands in one
   * pipe only one asks at a time.
   */
  async beforeInput(file: string | undefined, kind: 'text' | 'binary' | 'key'): Promise<void> {
    if (!isTyped(file)) return;
    if (kind === 'key') throw new UsageError('a key would be shown as it is typed', 'name its file, or pipe it in');
    if (kind === 'binary')
      throw new UsageError('the input would be typed, and is no text', 'name a file, or pipe it in');
    this.user();
    mustHoldHsm(this.options.path);
    this.#asked = await this.#sessionSecrets();
    this.note('Now type the input, which is shown; Ctrl-D on a line of its own ends it.');
  }

  /** Let go of what was asked for and not used. */
  end(): void {
    this.#asked?.passphrase.fill(0);
    this.#asked?.password.fill(0);
  }

  async #sessionSecrets(): Promise<{ readonly passphrase: Uint8Array; readonly password: Uint8Array }> {
    const passphrase = await this.secret('passphrase', `Passphrase of ${this.options.path}`);
    try {
      return { passphrase, password: await this.secret('password', `Password of ${this.user()}`) };
    } catch (error) {
      passphrase.fill(0);
      throw error;
    }
  }

  async #opened<T>(
    use: (hsm: Hsm) => Promise<T>,
    passphrase: Uint8Array | undefined,
    { wait = this.wait, acceptLogLoss }: { readonly wait?: number; readonly acceptLogLoss?: string } = {},
  ): Promise<T> {
    const { path } = this.options;
    const { openHsm } = await import('../index.ts');
    const hsm = await openHsm({ path, workers: 1, lockTimeout: wait * 1000, ...(acceptLogLoss && { acceptLogLoss }) });
    try {
      followHsm(hsm, this.log);
      if (passphrase !== undefined) await hsm.unseal(passphrase, { wipe: true });
      return await use(hsm);
    } finally {
      await hsm.close();
      this.log.debug('closed');
    }
  }

  /** Seconds to wait for the folder. */
  get wait(): number {
    return this.options.wait ?? WAIT_SECONDS;
  }

  user(): string {
    const { user } = this.options;
    if (user === undefined || user === '')
      throw new UsageError('no user is named', 'who is it? --user NAME, or KEYCELL_USER');
    return user;
  }

  /** A secret by name, for the caller to wipe. `fresh`: one that is being set, asked for twice. */
  secret(name: SecretName, prompt: string, options: { readonly fresh?: boolean; readonly from?: SecretSource } = {}) {
    const { passphraseFile, passphraseFd, passwordFile, passwordFd, input } = this.options;
    const sources: Record<string, SecretSource> = {
      passphrase: { file: passphraseFile, fd: passphraseFd },
      password: { file: passwordFile, fd: passwordFd },
    };
    const source = options.from ?? sources[name] ?? {};
    return secretFrom(source, { name, prompt, fresh: options.fresh ?? false, input, warn: (text) => this.warn(text) });
  }

  // Answers

  get json(): boolean {
    return this.options.json === true;
  }

  /** The command's answer: one JSON document for programs, or the text. */
  answer(document: unknown, text: string): void {
    process.stdout.write(this.json ? `${JSON.stringify(document)}\n` : text === '' ? '' : `${text}\n`);
  }

  /** A part of a long answer for people. Throws where it can't be read any more: the rest is not worth its work. */
  say(text: string): void {
    mustBeWritten();
    if (!this.json) process.stdout.write(`${wrap(text, process.stdout.columns)}\n`);
  }

  /** One of many lines of an answer, which waits for whoever reads them; throws where nobody does. */
  async line(text: string): Promise<void> {
    mustBeWritten();
    if (process.stdout.write(`${text}\n`)) return;
    await new Promise<void>((resolve, reject) => {
      process.stdout.write('', (error) => (error ? reject(error) : resolve()));
    });
  }

  /** A word beside the answer, for people. */
  note(text: string): void {
    if (!this.json && !this.options.quiet) process.stderr.write(`${wrap(text, process.stderr.columns)}\n`);
  }

  warn(text: string): void {
    if (!this.options.quiet)
      process.stderr.write(
        this.json ? `${JSON.stringify({ warning: text })}\n` : `${wrap(`keycell: ${text}`, process.stderr.columns)}\n`,
      );
  }

  /** Bytes that are the answer: to `--out` or stdout, and wiped. With --json, `describe` says the rest. */
  async data(bytes: Uint8Array, options: DataOptions, { kind, document, member }: Answer): Promise<void> {
    try {
      if (this.json && isStdout(options)) {
        if (member === undefined) throw secretInJson();
        this.answer({ ...document, [member]: Buffer.from(bytes).toString('base64') }, '');
        return;
      }
      const output = await this.output(options, kind);
      const length = await this.send(bytes, output, options.encode ?? 'raw');
      if (this.json) this.answer({ ...document, out: output.file, bytes: length }, '');
    } finally {
      bytes.fill(0);
    }
  }

  /** All of it, encoded, or nothing; gives the bytes written. */
  async send(bytes: Uint8Array, output: Output, encoding: Encoding): Promise<number> {
    const text = encode(bytes, encoding);
    try {
      await output.write(text);
      await output.commit();
    } catch (error) {
      await output.discard();
      throw error;
    } finally {
      text.fill(0);
    }
    return text.length;
  }

  /** Where data goes, which its kind decides. Call it before the work where the work can't be taken back. */
  async output(options: DataOptions, kind: DataKind): Promise<Output> {
    const force = options.force === true;
    const unasked = options.encode === undefined;
    const shown = isStdout(options) && process.stdout.isTTY && !force;
    if (shown) {
      if (kind === 'key') throw new UsageError('a key would be shown on the terminal', 'give --out FILE, or --force');
      if ((kind === 'binary' || kind === 'envelope') && unasked) {
        throw new UsageError('raw bytes would go to the terminal', RAW_ADVICE);
      }
    }
    const output = await openOutput(options.out, {
      secret: kind === 'key' || kind === 'plaintext',
      replace: force || !(kind === 'key' || kind === 'envelope'),
    });
    return shown && kind === 'plaintext' && unasked ? textOnly(output) : output;
  }
}

const RAW_ADVICE = 'give --out FILE or --encode base64, or --encode raw to have them shown all the same';

/** What was encrypted may be text, which a terminal shows, or bytes, which it obeys. */
function textOnly(output: Output): Output {
  return {
    ...output,
    write: async (bytes) => {
      if (!isPrintable(bytes))
        throw new UsageError('the plaintext is not text, and would go to the terminal', RAW_ADVICE);
      await output.write(bytes);
    },
  };
}

export const isStdout = ({ out }: DataOptions): boolean => out === undefined || out === '-';

export const secretInJson = (): UsageError =>
  new UsageError('a secret is not put into JSON', 'give --out FILE: with --json, stdout is for the JSON alone');

/** `openHsm` would make the folder: a mistyped path shall not. */
function mustHoldHsm(path: string): void {
  let files: string[] = [];
  try {
    files = readdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
  }
  if (files.some((file) => file === 'audit.log' || file.endsWith('.mdb'))) return;
  throw new UsageError(`there is no HSM in ${path}`, 'make one with `keycell init`, or name its folder with --path', {
    exit: 'missing',
    code: 'KEYCELL_NOT_INITIALIZED',
  });
}

const ID = /^(id:)?([0-9a-f]{32})$/;

/**
 * A key by its id (32 hex digits), or else by its label, which may be 32 hex digits too: a DRM key id. `id:…` and
 * `label:…` say which of the two it is.
 */
export async function findKey(session: Session, name: string): Promise<Key> {
  const [, only, id] = ID.exec(name) ?? [];
  if (id === undefined) return session.getKey({ label: name.replace(/^label:/, '') });
  try {
    return await session.getKey({ id });
  } catch (error) {
    if (only || !(error instanceof HsmError) || error.code !== 'KEYCELL_KEY_NOT_FOUND') throw error;
  }
  return session.getKey({ label: id });
}

/** A key that must be of one of some types, so that the wrong one is told from a wrong mechanism. */
export async function findKeyOf<T extends KeyType>(session: Session, name: string, ...types: T[]) {
  const key = await findKey(session, name);
  if (!(types as KeyType[]).includes(key.type)) {
    throw new UsageError(`${name} is of type ${key.type}; this takes ${types.join(' or ')}`);
  }
  return key as Extract<Key, { type: T }>;
}

export const findAes = (session: Session, name: string): Promise<AesKey> => findKeyOf(session, name, 'AES');
