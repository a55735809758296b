/**
 * Secrets on their way in: from a file descriptor, a file, a systemd credential or a prompt, never an argument or an
 * environment variable, which other processes can read. They are read into memory of their own, and wiped by whoever
 * takes them; a prompt's answer is a string on the way, which stays in the heap until it is collected.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { readSecret } from '../secret-file.ts';
import { encode } from './encode.ts';
import { UsageError } from './failure.ts';
import { ask } from './terminal.ts';

export type SecretName = 'passphrase' | 'password' | 'new-password';

export interface SecretSource {
  readonly file?: string | undefined;
  readonly fd?: number | undefined;
}

export interface SecretOptions {
  readonly name: SecretName;
  /** As people call it: "Passphrase of ./hsm". */
  readonly prompt: string;
  /** A secret that is being set is asked for twice. */
  readonly fresh?: boolean;
  /** False where prompts are switched off. */
  readonly input: boolean;
  readonly warn: (text: string) => void;
}

const O_ACCMODE = 3;

/** The secret of this name, from the first source that is there. Not empty; the caller wipes it. */
export async function secretFrom(source: SecretSource, options: SecretOptions): Promise<Uint8Array<ArrayBuffer>> {
  const secret = await fromSource(source, options);
  if (secret.length === 0) throw new UsageError(`the ${options.name} is empty`);
  return secret;
}

async function fromSource(source: SecretSource, options: SecretOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { name, prompt, fresh = false, input, warn } = options;
  if (source.fd !== undefined && source.file !== undefined) {
    throw new UsageError(`--${name}-fd and --${name}-file are both given`, 'give one of them');
  }
  if (source.fd !== undefined) return readSecret(inherited(source.fd, name));
  if (source.file !== undefined) return readSecretFile(source.file, warn);
  const credential = credentialFile(name);
  if (credential !== undefined) return readSecretFile(credential, () => {});
  if (input) {
    const answer = await ask(prompt, { twice: fresh });
    if (answer !== undefined) return utf8(answer);
  }
  throw new UsageError(
    `no ${name} is given, and there is no terminal to ask on`,
    `give it with --${name}-file FILE, --${name}-fd N, or the systemd credential keycell.${name}`,
  );
}

/** systemd puts credentials into a folder and that folder's name into the environment. */
function credentialFile(name: SecretName): string | undefined {
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined || folder === '') return undefined;
  const file = join(folder, `keycell.${name}`);
  return existsSync(file) ? file : undefined;
}

async function readSecretFile(path: string, warn: (text: string) => void): Promise<Uint8Array<ArrayBuffer>> {
  const fd = openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    mustBeHidden(fd);
    if (stat.isFile() && (stat.mode & 0o077) !== 0) warn(`others may read ${path}: chmod 600 it`);
    return await readSecret(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A descriptor that this process was given. Node has some of its own, at numbers that a mistyped one may hit, and
 * reading them would never end: they are no files, or pipes whose other end is here too.
 */
function inherited(fd: number, name: SecretName): number {
  try {
    fstatSync(fd);
    if (!isOwn(fd)) {
      mustBeHidden(fd);
      return fd;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
  }
  throw new UsageError(`no file is open as descriptor ${fd}`, `for example: keycell … --${name}-fd ${fd} ${fd}<FILE`);
}

function mustBeHidden(fd: number): void {
  if (!isatty(fd)) return;
  throw new UsageError('a secret would be shown as it is typed', 'leave the option out, to be asked for it');
}

function isOwn(fd: number): boolean {
  // Only Linux can tell.
  if (!existsSync('/proc/self/fdinfo')) return false;
  const link = readlinkSync(`/proc/self/fd/${fd}`);
  if (!link.startsWith('pipe:')) return link.startsWith('anon_inode:');
  return readdirSync('/proc/self/fd').some((other) => {
    try {
      return readlinkSync(`/proc/self/fd/${other}`) === link && isWritable(other);
    } catch {
      // The one that listed the folder is closed by now.
      return false;
    }
  });
}

function isWritable(fd: string): boolean {
  const [, flags = '0'] = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
  return (Number.parseInt(flags, 8) & O_ACCMODE) !== 0;
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  const room = new Uint8Array(new ArrayBuffer(3 * text.length));
  const { written } = new TextEncoder().encodeInto(text, room);
  const secret = encode(room.subarray(0, written), 'raw');
  room.fill(0);
  return secret;
}
