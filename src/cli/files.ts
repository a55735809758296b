/** Files and pipes: what a command reads, and what it writes as a whole or not at all. */

import { randomBytes } from 'node:crypto';
import {
  close,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  open,
  openSync,
  read,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  write,
} from 'node:fs';
import { Socket } from 'node:net';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { UsageError } from './failure.ts';

/** One message of the HSM. */
export const INPUT_MAX = 16 * 1024 * 1024;
const CHUNK = 1 << 20;
const PIECE = 1 << 18;
const STDIN = 0;
const NOWHERE = '/dev/null';
const OTHERS = 0o077;
const ROOT = 0;

const openFile = promisify(open);
const closeFile = promisify(close);
const readInto = promisify(read);
const writeFrom = promisify(write);

const isStandard = (path: string | undefined): path is undefined => path === undefined || path === '-';

export type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** All of a file, of stdin for `-` or nothing, or of chunks; in memory of its own, which the caller wipes. */
export async function readInput(from: string | undefined | Chunks, max = INPUT_MAX): Promise<Uint8Array<ArrayBuffer>> {
  let input = bytes(0);
  for await (const chunk of typeof from === 'object' ? from : readChunks(from)) {
    if (input.length + chunk.length > max) {
      throw new UsageError(`the input has more than ${max} bytes`, undefined, { code: 'KEYCELL_LIMIT_EXCEEDED' });
    }
    const longer = bytes(input.length + chunk.length);
    longer.set(input);
    longer.set(chunk, input.length);
    chunk.fill(0);
    input.fill(0);
    input = longer;
  }
  return input;
}

/** A file or stdin, a mebibyte at a time, each in memory of its own. */
async function* readChunks(path: string | undefined): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const room = bytes(CHUNK);
  let filled = 0;
  try {
    for await (const piece of readPieces(isStandard(path) ? STDIN : await openFile(path, 'r'))) {
      for (let at = 0; at < piece.length; ) {
        const part = piece.subarray(at, at + room.length - filled);
        room.set(part, filled);
        at += part.length;
        filled += part.length;
        if (filled < room.length) continue;
        yield copy(room);
        filled = 0;
      }
      piece.fill(0);
    }
    if (filled > 0) yield copy(room.subarray(0, filled));
  } finally {
    room.fill(0);
  }
}

/** As they come; each may be overwritten once the next is asked for. */
async function* readPieces(fd: number): AsyncGenerator<Uint8Array> {
  const stat = fstatSync(fd);
  // A read that blocks a thread, as of a pipe that nobody closes, would keep even process.exit waiting.
  if (stat.isFIFO() || stat.isSocket() || isatty(fd)) {
    yield* fd === STDIN ? process.stdin : isatty(fd) ? new ReadStream(fd) : new Socket({ fd, writable: false });
    return;
  }
  const room = bytes(PIECE);
  try {
    for (;;) {
      const { bytesRead } = await readInto(fd, room, 0, room.length, null);
      if (bytesRead === 0) return;
      yield room.subarray(0, bytesRead);
    }
  } finally {
    if (fd !== STDIN) await closeFile(fd);
  }
}

/** An input whose first bytes have been looked at. */
export interface Ahead extends AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly first: Uint8Array;
  readonly size: number | undefined;
}

export async function ahead(file: string | undefined): Promise<Ahead> {
  const size = sizeOf(file);
  const chunks = readChunks(file);
  const { value, done } = await chunks.next();
  const first = done ? new Uint8Array(0) : value;
  return {
    first,
    size,
    async *[Symbol.asyncIterator]() {
      if (first.length > 0) yield first;
      yield* chunks;
    },
  };
}

/** Stdin can be one input only: what the first takes, the second lacks. */
export function mustBeOneStdin(...paths: readonly (string | undefined)[]): void {
  if (paths.filter((path) => path === '-').length < 2) return;
  throw new UsageError('stdin is named for more than one input', 'name a file for each but one');
}

/** Whether an input is what somebody types, and sees. */
export function isTyped(path: string | undefined): boolean {
  if (isStandard(path)) return isatty(STDIN);
  if (!statSync(path, { throwIfNoEntry: false })?.isCharacterDevice()) return false;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY);
  try {
    return isatty(fd);
  } finally {
    closeSync(fd);
  }
}

/** The size of an input where it is known beforehand: for progress. */
function sizeOf(path: string | undefined): number | undefined {
  const stat = isStandard(path) ? fstatSync(STDIN) : statSync(path);
  return stat.isFile() ? stat.size : undefined;
}

export interface OutputOptions {
  /** Readable by its owner alone. */
  readonly secret?: boolean;
  /** Take the place of a file that exists. */
  readonly replace: boolean;
}

/** Where a result goes. A file gets its name when it is complete; until then, and if anything fails, there is none. */
export interface Output {
  /** The file; undefined for stdout. */
  readonly file: string | undefined;
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

export async function openOutput(path: string | undefined, options: OutputOptions): Promise<Output> {
  if (isStandard(path)) return STDOUT;
  if (options.secret) mustBeOurLink(path);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !options.replace && existing.isFile()) {
    throw exists(path);
  }
  // A pipe or a device can't be renamed into being.
  if (existing !== undefined && !existing.isFile()) {
    if (options.secret) mustBeOurPipe(path, existing);
    return direct(path, options);
  }
  return replacing(existing === undefined ? path : realpathSync(path), path, options);
}

const STDOUT: Output = {
  file: undefined,
  write: (data) =>
    new Promise((resolve, reject) => {
      process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
    }),
  commit: async () => {},
  discard: async () => {},
};

/** Not made if it is gone by now: what a secret would then go into would be a file that others may read. */
async function direct(path: string, { secret }: OutputOptions): Promise<Output> {
  const fd = await openFile(path, constants.O_WRONLY);
  try {
    // What was looked at may have made way for another since.
    if (secret) mustBeOurPipe(path, fstatSync(fd));
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
  const end = () => closeFile(fd);
  return { file: path, write: (data) => writeAll(fd, data), commit: end, discard: end };
}

/**
 * A secret goes into a file of its own, or into a pipe that nobody but its owner, who is us, can read from: one that lies
 * in /tmp under the name we were going to use, or is open to all, has a reader who should not be there. `>(…)` of a shell
 * is such a pipe; the terminal is none, and what goes to /dev/null goes to nobody.
 */
function mustBeOurPipe(path: string, stat: Stats): void {
  if (path === NOWHERE) return;
  const ours = stat.uid === process.geteuid?.();
  if (stat.isFIFO() && ours && (stat.mode & OTHERS) === 0) return;
  const whose = stat.isFIFO() ? (ours ? 'a pipe that others may open' : "somebody else's pipe") : 'no file';
  throw new UsageError(
    `a secret would go to ${path}, which is ${whose}`,
    'name a file, or a pipe made with mkfifo -m 600',
  );
}

/** The name would lead to wherever its owner likes. */
function mustBeOurLink(path: string): void {
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (!link?.isSymbolicLink() || link.uid === process.geteuid?.() || link.uid === ROOT) return;
  throw new UsageError(
    `a secret would go where ${path} leads, which is somebody else's link`,
    'name a file of your own',
  );
}

/** Unfinished files: gone when the command fails or is interrupted. */
const unfinished = new Set<string>();

export function discardUnfinished(): void {
  for (const path of unfinished) rmSync(path, { force: true });
}

function replacing(target: string, shown: string, options: OutputOptions): Output {
  const path = `${target}.${randomBytes(6).toString('hex')}.part`;
  const fd = openSync(path, 'wx', options.secret ? 0o600 : 0o666);
  unfinished.add(path);
  let isOpen = true;
  const end = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  return {
    file: shown,
    write: (data) => writeAll(fd, data),
    commit: async () => {
      fsyncSync(fd);
      end();
      if (options.replace) renameSync(path, target);
      else giveNewName(path, target);
      unfinished.delete(path);
    },
    // Also after a commit, which it leaves alone, or one that failed.
    discard: async () => {
      end();
      rmSync(path, { force: true });
      unfinished.delete(path);
    },
  };
}

/** A rename would take the place of a file that came since we looked; a link, where a file system has them, does not. */
function giveNewName(path: string, target: string): void {
  try {
    linkSync(path, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(target);
    renameSync(path, target);
    return;
  }
  rmSync(path);
}

const exists = (path: string): UsageError =>
  new UsageError(`${path} exists already`, 'nothing was done: choose another name, or --force to replace it', {
    exit: 'conflict',
    code: 'EEXIST',
  });

async function writeAll(fd: number, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; ) at += (await writeFrom(fd, data, at, data.length - at, null)).bytesWritten;
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

function copy(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = bytes(data.length);
  own.set(data);
  return own;
}
