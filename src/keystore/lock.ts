/**
 * One folder, one process: an exclusive lock that the kernel lets go of when its holder dies.
 *
 * A contender binds and listens on a unix socket, moves it to a claim of a name that nobody ever uses
 * again, and then looks at the other claims in the folder. It holds the lock when no other claim is
 * alive, which `connect` tells: the kernel refuses as soon as the listening process is gone, however it
 * ended, and accepts while it lives, even stopped or busy.
 *
 * Why two can't hold it: both made their claim before they looked, so the later of the two saw the
 * other's. Why a stale lock is no race: a dead claim is deleted under its own unique name, so that
 * nobody deletes a lock that was taken a moment ago, which is what happens to lock files that share one
 * name. Why nothing is guessed: pids are reused and mean nothing in another container's namespace; here
 * the pid stands in the claim's name for the message only.
 *
 * When several claim at once, the smallest name waits and the others withdraw, so that one of them wins.
 * A claim that has won says so by a second name ("held"); the claim itself is never renamed, since a
 * directory listing may miss a file that is moved while it reads.
 *
 * Bound: the folder is on a local file system. A socket's listener is not seen from another machine.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HsmError } from '../errors.ts';
import { makeFolder } from './folder.ts';
import { OWNER_ONLY } from './owner-only.ts';

export interface FolderLock {
  /** Let the folder go. May be called twice. */
  release(): Promise<void>;
}

/** The longest path that fits into sockaddr_un on every system we know, with its closing zero. */
const SOCKET_PATH_BYTES = 103;
/** How much longer than its timeout a contender waits for rivals to agree; one of them may be stopped. */
const UNDECIDED_MS = 2000;
/** A socket that never became a claim is swept after this time, when nobody can be about to move it. */
const ABANDONED_MS = 60_000;
/** Of /proc/net/unix: address, references, protocol, flags, type, state, inode, path. */
const SOCKET_INODE_COLUMN = 6;
const CLAIM = /^lock-(\d+)-[0-9a-f]{16}$/;

/**
 * Take the exclusive lock of a folder, which is created if it is missing.
 * `timeout`: milliseconds to wait for a holder to let go, 0 unless given.
 * Throws KEYCELL_STORE_LOCKED, naming the holder's pid, and whether that is of another container; KEYCELL_STORE_UNAVAILABLE when no lock can be made there.
 */
export async function acquireLock(folder: string, options: { timeout?: number } = {}): Promise<FolderLock> {
  const deadline = performance.now() + (options.timeout ?? 0);
  let claim: Claim | undefined;
  try {
    makeFolder(folder);
    for (;;) {
      claim ??= await Claim.make(folder);
      const rivals = await livingRivals(folder, claim.name);
      if (rivals.length === 0) return claim.hold();

      const holder = rivals.find((rival) => rival.held);
      const first = rivals.every((rival) => (claim as Claim).name < rival.name);
      if (holder || !first) {
        await claim.release();
        claim = undefined;
      }
      const late = performance.now() - deadline;
      if (holder && late >= 0) throw lockedBy(holder, folder);
      if (late >= UNDECIDED_MS) throw lockedBy(rivals[0] as Rival, folder);
      // Jitter, so that contenders don't meet again in step; withdrawn claims are gone within milliseconds.
      await sleep(holder ? 20 + Math.random() * 20 : 2 + Math.random() * 8);
    }
  } catch (cause) {
    await claim?.release();
    if (cause instanceof HsmError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new HsmError(
      'KEYCELL_STORE_UNAVAILABLE',
      `The folder ${folder} can't be locked (${text}). It must be writable and on a local file system.`,
      { cause },
    );
  }
}

function lockedBy(rival: Rival, folder: string): HsmError {
  const { pid } = rival;
  const elsewhere = isElsewhere(rival);
  const where = elsewhere
    ? ' of another container or pid namespace, which shares this folder'
    : pid === process.pid
      ? ', which is this one'
      : '';
  const since = statSync(join(folder, rival.name), { throwIfNoEntry: false })?.mtime;
  return new HsmError(
    'KEYCELL_STORE_LOCKED',
    `The folder ${folder} is in use by process ${pid}${where}. ` +
      'One folder serves one process: stop the other, or give lockTimeout to wait for it.',
    { holder: { pid, elsewhere, ...(since !== undefined && { since }) } },
  );
}

/** Containers that share a volume have pids of their own: a number that fits here may be somebody else there. */
function isElsewhere({ name, pid }: Rival): boolean {
  if (pid === process.pid) return !isOurSocket(name);
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // It listens, so it lives, though not among the processes that are seen from here.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/**
 * Does this process, in whichever of its threads or copies of this module, listen at a claim? Linux lists sockets by the path
 * they were bound to, and a process's descriptors by their inode. Elsewhere there are no pid namespaces to be told apart.
 */
function isOurSocket(name: string): boolean {
  if (process.platform !== 'linux') return true;
  try {
    // Connections to the claim, which are closed at once, stand there with its path, too.
    const rows = readFileSync('/proc/net/unix', 'latin1')
      .split('\n')
      .filter((line) => line.endsWith(`new-${name}`));
    return rows.some((row) => holdsSocket(row.trim().split(/\s+/)[SOCKET_INODE_COLUMN]!));
  } catch {
    // Without /proc nothing but the number speaks for either.
    return true;
  }
}

function holdsSocket(inode: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `socket:[${inode}]`;
    } catch {
      return false; // closed since, such as the one that read the list
    }
  });
}

/** A listening socket under its unique name. */
class Claim {
  readonly name: string;
  readonly #folder: string;
  readonly #server: Server;
  #released: Promise<void> | undefined;

  private constructor(folder: string, name: string, server: Server) {
    this.#folder = folder;
    this.name = name;
    this.#server = server;
  }

  static async make(folder: string): Promise<Claim> {
    const name = `lock-${process.pid}-${randomBytes(8).toString('hex')}`;
    const server = createServer((socket) => socket.destroy());
    // Listening before the claim can be seen: a socket that is bound but doesn't listen yet looks dead.
    const short = socketPath(folder, `new-${name}`);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(short.path, resolve);
      });
    } finally {
      short.close();
    }
    server.unref();
    server.on('error', () => {}); // a failed accept changes nothing: the kernel goes on answering
    const claim = new Claim(folder, name, server);
    try {
      chmodSync(join(folder, `new-${name}`), OWNER_ONLY);
      renameSync(join(folder, `new-${name}`), join(folder, name));
    } catch (error) {
      await claim.release();
      throw error;
    }
    return claim;
  }

  hold(): FolderLock {
    linkSync(join(this.#folder, this.name), join(this.#folder, `${this.name}.held`));
    sweepAbandoned(this.#folder);
    return { release: () => this.release() };
  }

  release(): Promise<void> {
    this.#released ??= new Promise((resolve) => {
      removeClaim(this.#folder, this.name);
      this.#server.close(() => resolve());
    });
    return this.#released;
  }
}

interface Rival {
  readonly name: string;
  readonly pid: number;
  readonly held: boolean;
}

/** The claims of others that are alive; dead ones are swept away. */
async function livingRivals(folder: string, own: string): Promise<Rival[]> {
  const names = readdirSync(folder);
  const claims = names.filter((name) => CLAIM.test(name) && name !== own);
  const rivals = await Promise.all(
    claims.map(async (name): Promise<Rival | undefined> => {
      const alive = await isListening(folder, name);
      if (alive === undefined) return undefined;
      if (!alive) {
        removeClaim(folder, name);
        return undefined;
      }
      return { name, pid: Number(CLAIM.exec(name)?.[1]), held: names.includes(`${name}.held`) };
    }),
  );
  return rivals.filter((rival) => rival !== undefined);
}

/** True while somebody listens, false when nobody ever will again, undefined when the claim is gone. */
function isListening(folder: string, name: string): Promise<boolean | undefined> {
  const short = socketPath(folder, name);
  return new Promise((resolve, reject) => {
    const socket = connect(short.path);
    const over = () => {
      socket.destroy();
      short.close();
    };
    socket.once('connect', () => {
      over();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      over();
      // That we have no descriptor left says nothing of them.
      if (error.code === 'EMFILE' || error.code === 'ENFILE') reject(error);
      // Whatever else goes wrong (no permission, a full backlog) is no proof of death.
      else resolve(error.code === 'ECONNREFUSED' ? false : error.code === 'ENOENT' ? undefined : true);
    });
  });
}

function sweepAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith('new-lock-')) continue;
    const path = join(folder, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > ABANDONED_MS) rmSync(path, { force: true });
  }
}

/** The claim's own name goes last, so that what is left of a sweep that was cut short can be swept again. */
function removeClaim(folder: string, name: string): void {
  for (const file of [`new-${name}`, `${name}.held`, name]) rmSync(join(folder, file), { force: true });
}

/** A path short enough for a socket address: on Linux a long folder is reached through its open descriptor. */
function socketPath(folder: string, name: string): { path: string; close(): void } {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES || process.platform !== 'linux') return { path, close: () => {} };
  const fd = openSync(folder, 'r');
  let open = true;
  return {
    path: `/proc/self/fd/${fd}/${name}`,
    close: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}
