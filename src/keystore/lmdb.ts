/**
 * The default store: one lmdb file in one folder, for one process.
 *
 * lmdb is opened without overlapping sync, so that a transaction is committed only when data and meta page
 * are flushed: one promise instead of three. Commits are grouped here: one transaction is under way, what
 * is committed meanwhile goes into the next.
 *
 * A transaction that the disk refused leaves the file as it was (lmdb writes new pages beside the old ones
 * and the meta page last), but lmdb may refuse all further work, so the environment is opened anew after it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RootDatabase } from 'lmdb';
import { mustHaveDescriptors } from '../descriptors.ts';
import { HsmError } from '../errors.ts';
import { checkLmdbFile, DamagedFile, lmdbFileSteps } from './lmdb-check.ts';
import { loadLmdb } from './lmdb-module.ts';
import { acquireLock, type FolderLock } from './lock.ts';
import { makeOwnerOnly, OWNER_ONLY } from './owner-only.ts';
import { StorePlace } from './place.ts';
import { checkKey, checkPrefix, copyChanges, copyOf, META_KEY, type Store, type StoreChanges } from './store.ts';

const FILE = 'keycell.mdb';
const FORMAT_NAME = 'keycell-store/';
/** 1: Keycell 0.1.0, whose keys have no purpose that binds their secret. */
const FORMAT = 2;
const SCAN_ENTRIES = 128;
/** Pages that are walked in one turn of the event loop: about a millisecond. */
const CHECK_PAGES = 128;
/** What lmdb makes its lock file of: a slot for each of 126 readers, and a head. */
const LOCK_BYTES = 8272;
/** More than a new file of lmdb's has, with its format record. */
const FIRST_BYTES = 64 * 1024;
/** Descriptors that lmdb takes at once: for its lock file, the data, and the meta pages; ours beside it, and one to spare. */
const LMDB_DESCRIPTORS = 5;
const OUR_KEY = /^[\x21-\x7e]{1,200}$/;

type Db = RootDatabase<Buffer, Buffer>;

export interface LmdbOptions {
  /** Milliseconds to wait for another process to let go of the folder; 0 unless given. */
  readonly lockTimeout?: number;
  /** Called under the lock where there is no store yet, before anything is made; what it throws ends the opening. */
  readonly beforeCreate?: () => void;
  /** The folder of a bundled program that has lmdb. */
  readonly assets?: URL | undefined;
}

/**
 * Open the store in `folder`, or create both, under the folder's exclusive lock.
 * Throws KEYCELL_STORE_LOCKED, naming the holder's pid; KEYCELL_STORE_CORRUPT when the file is damaged, cut
 * short or none of ours; KEYCELL_STORE_TOO_OLD and KEYCELL_STORE_TOO_NEW, with nothing written; KEYCELL_STORE_UNAVAILABLE when
 * the disk refuses.
 */
export async function openLmdbStore(folder: string, options: LmdbOptions = {}): Promise<Store> {
  const lock = await acquireLock(folder, { timeout: options.lockTimeout ?? 0 });
  try {
    loadLmdb(options.assets);
    const path = join(folder, FILE);
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      options.beforeCreate?.();
      await create(folder, path);
    }
    const db = await openChecked(path);
    try {
      return new LmdbStore(db, path, lock, new StorePlace(path, openFile(path)));
    } catch (error) {
      await db.close();
      throw error;
    }
  } catch (cause) {
    await lock.release();
    throw cause instanceof HsmError ? cause : unavailable(`The store in ${folder} can't be opened`, cause);
  }
}

/** Make the file under another name first, so that a file of the right name is always a whole store. */
async function create(folder: string, path: string): Promise<void> {
  const fresh = join(folder, 'new.mdb');
  rmSync(fresh, { force: true });
  // lmdb-js ends the process by a SIGSEGV where there is no room for lmdb's first pages.
  makeFile(fresh, FIRST_BYTES);
  truncateSync(fresh);
  const db = await openLmdb(fresh);
  await db.batch(() => {
    db.put(Buffer.from(META_KEY), Buffer.from(`${FORMAT_NAME}${FORMAT}`));
  });
  await db.close();
  renameSync(fresh, path);
  rmSync(`${fresh}-lock`, { force: true });
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A new file of zeros, made here and not by lmdb: only so it is ours alone from the first moment, whatever the umask, and has
 * blocks of its own. Throws ENOSPC.
 */
function makeFile(path: string, bytes: number): void {
  const fd = openSync(path, 'wx', OWNER_ONLY);
  try {
    makeOwnerOnly(fd);
    const zeros = Buffer.alloc(bytes);
    // A disk that takes a part takes nothing the next time, and says why.
    for (let done = 0; done < bytes; ) done += writeSync(fd, zeros, done, bytes - done, done);
  } finally {
    closeSync(fd);
  }
}

/** Look at it before it is opened, since opening a device may do something. */
function openFile(path: string): number {
  if (!statSync(path).isFile()) throw new DamagedFile('it is not a file');
  // O_NONBLOCK lets a pipe that comes in between be refused instead of waited for.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new DamagedFile('it is not a file');
}

const isOurKey = (key: string): boolean => OUR_KEY.test(key);

async function openChecked(path: string): Promise<Db> {
  let fd: number | undefined;
  try {
    fd = openFile(path);
    makeOwnerOnly(fd);
    checkLmdbFile(fd, isOurKey);
  } catch (cause) {
    if (cause instanceof DamagedFile) throw corrupt(path, cause.message, cause);
    throw cause;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  const db = await openLmdb(path);
  try {
    checkFormat(path, db.getBinary(Buffer.from(META_KEY)));
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

/**
 * Options that lmdb's types leave out, and that leave a mark in the file, in a word of which lmdb-check.ts accepts one value.
 * The first would be chosen by LMDB_RESTORE in the environment.
 */
const UNMARKED = { safeRestore: false, trackMetrics: false } as object;

async function openLmdb(path: string): Promise<Db> {
  const { open } = loadLmdb();
  // lmdb maps its lock file too and trusts it; nobody else has it open, since we hold the folder.
  rmSync(`${path}-lock`, { force: true });
  // It has holes as lmdb makes it, and writing into a hole of a map is a SIGBUS where the disk is full.
  makeFile(`${path}-lock`, LOCK_BYTES);
  // lmdb-js ends the process by a SIGSEGV where lmdb could open the first of its files and not the next.
  mustHaveDescriptors(LMDB_DESCRIPTORS);
  return open<Buffer, Buffer>({
    path,
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    compression: false,
    cache: false,
    overlappingSync: false,
    maxDbs: 1,
    ...UNMARKED,
  });
}

function checkFormat(path: string, meta: Buffer | undefined): void {
  const text = meta?.toString('latin1') ?? '';
  const format = /^keycell-store\/([1-9][0-9]{0,8})$/.exec(text)?.[1];
  if (!format) throw corrupt(path, 'its format record is missing or damaged');
  if (Number(format) < FORMAT) {
    throw new HsmError(
      'KEYCELL_STORE_TOO_OLD',
      `The store ${path} was made by Keycell 0.1.0, whose formats this version does not read: make a new HSM and bring its keys over as docs/operations.md says.`,
    );
  }
  if (Number(format) > FORMAT) {
    throw new HsmError(
      'KEYCELL_STORE_TOO_NEW',
      `The store ${path} has format ${format}, this version of Keycell reads up to ${FORMAT}: use a newer Keycell.`,
    );
  }
}

interface Pending {
  readonly changes: ReturnType<typeof copyChanges>;
  readonly resolve: () => void;
  readonly reject: (error: HsmError) => void;
}

class LmdbStore implements Store {
  readonly #path: string;
  readonly #lock: FolderLock;
  readonly #place: StorePlace;
  /** Undefined after a failed commit, until the file is opened anew. */
  #db: Db | undefined;
  #pending: Pending[] = [];
  /** The writer's run; undefined while it is idle. Never rejects. */
  #writing: Promise<void> | undefined;
  #reopening: Promise<Db> | undefined;
  #closed: Promise<void> | undefined;

  constructor(db: Db, path: string, lock: FolderLock, place: StorePlace) {
    this.#db = db;
    this.#path = path;
    this.#lock = lock;
    this.#place = place;
  }

  async get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.#assertOpen();
    checkKey(key);
    const db = await this.#readable();
    return this.#read(() => {
      const value = db.getBinary(Buffer.from(key, 'latin1'));
      return value && copyOf(value);
    });
  }

  /** Reads page by page, so that a slow reader never keeps old pages alive. */
  async *scan(prefix: string): AsyncGenerator<[string, Uint8Array<ArrayBuffer>], void, void> {
    checkPrefix(prefix);
    const end = Buffer.from(`${prefix}\x7f`, 'latin1'); // keys are below 0x7f
    let start = Buffer.from(prefix === '' ? '\x00' : prefix, 'latin1');
    for (;;) {
      this.#assertOpen();
      const db = await this.#readable();
      const page = this.#read(() => {
        const entries: [string, Uint8Array<ArrayBuffer>][] = [];
        for (const { key, value } of db.getRange({ start, end, limit: SCAN_ENTRIES })) {
          entries.push([Buffer.from(key).toString('latin1'), copyOf(value)]);
        }
        return entries;
      });
      for (const entry of page) if (entry[0] !== META_KEY) yield entry;
      const last = page[page.length - 1];
      if (!last || page.length < SCAN_ENTRIES) return;
      start = Buffer.from(`${last[0]}\x00`, 'latin1'); // the smallest key behind it
    }
  }

  commit(changes: StoreChanges): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      this.#pending.push({ changes: copyChanges(changes), resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  /** By reads, as at the opening: what was damaged under lmdb's map would end the process when it is read there. */
  async check(): Promise<void> {
    this.#assertOpen();
    while (this.#writing !== undefined) await this.#writing;
    this.#assertOpen();
    const checking = this.#check();
    // Commits that come meanwhile are written after it.
    this.#writing = checking.then(
      () => this.#write(),
      () => this.#write(),
    );
    await checking;
  }

  async #check(): Promise<void> {
    let fd: number | undefined;
    try {
      fd = openFile(this.#path);
      let pages = 0;
      for (const _ of lmdbFileSteps(fd, isOurKey)) if (++pages % CHECK_PAGES === 0) await nextTurn();
    } catch (cause) {
      if (cause instanceof DamagedFile) throw corrupt(this.#path, cause.message, cause);
      throw unavailable(`The store ${this.#path} can't be read`, cause);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  async verifyPlace(): Promise<void> {
    this.#assertOpen();
    try {
      await this.#place.mustBeThere();
      // After a commit that failed nobody knows which of its pages are written, until the file is opened anew.
      const settled = this.#writing === undefined && this.#db !== undefined && this.#closed === undefined;
      if (settled) this.#place.mustBeUntouched();
    } catch (cause) {
      throw cause instanceof HsmError ? cause : unavailable(`The store ${this.#path} can't be looked at`, cause);
    }
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      try {
        await this.#writing;
        await this.#reopening?.catch(() => {});
        await this.#db?.close();
      } finally {
        this.#db = undefined;
        this.#place.close();
        await this.#lock.release();
      }
    })();
    return this.#closed;
  }

  /** The walk at opening leaves lmdb nothing to complain of: what it finds later was written under it. */
  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw corrupt(this.#path, cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new HsmError('KEYCELL_CLOSING', 'The store is closed; open the HSM again.');
  }

  /** Reading what was cut off under lmdb's map would end the process. */
  async #readable(): Promise<Db> {
    await this.#place.mustBeThere();
    this.#assertOpen();
    return this.#db ?? this.#reopen();
  }

  async #write(): Promise<void> {
    await undefined; // what is committed in this turn of the event loop shares the first transaction
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0);
      try {
        const db = this.#db ?? (await this.#reopen());
        await this.#transact(db, group);
        for (const pending of group) pending.resolve();
      } catch (cause) {
        const error =
          cause instanceof HsmError ? cause : unavailable(`The store ${this.#path} can't be written`, cause);
        // In order: what was committed after a change that failed must not be there without it.
        for (const pending of [...group, ...this.#pending.splice(0)]) pending.reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #transact(db: Db, group: readonly Pending[]): Promise<void> {
    await this.#place.mustBeThere();
    this.#place.mustBeUntouched();
    await this.#batch(db, group);
    this.#place.remember();
    // Whoever opens this path the next time must find what is acknowledged now.
    await this.#place.mustBeThere('unknown');
  }

  async #batch(db: Db, group: readonly Pending[]): Promise<void> {
    try {
      await db.batch(() => {
        for (const { changes } of group) {
          for (const [key, value] of changes.put) db.put(Buffer.from(key, 'latin1'), value as Buffer);
          for (const key of changes.remove) db.remove(Buffer.from(key, 'latin1'));
        }
      });
    } catch (error) {
      const reason = await reasonOf(error);
      this.#db = undefined;
      await db.close().catch(() => {});
      throw reason;
    }
  }

  #reopen(): Promise<Db> {
    this.#reopening ??= this.#place
      .mustBeThere()
      .then(() => openChecked(this.#path))
      .then((db) => {
        this.#db = db;
        this.#place.remember();
        return db;
      })
      .catch((cause) => {
        throw cause instanceof HsmError ? cause : unavailable(`The store ${this.#path} can't be opened`, cause);
      })
      .finally(() => {
        this.#reopening = undefined;
      });
    return this.#reopening;
  }
}

/** lmdb-js rejects with a stand-in and tells the reason by a second promise, which must not go unhandled. */
async function reasonOf(error: unknown): Promise<unknown> {
  const reason = (error as { commitError?: Promise<never> }).commitError;
  if (!(reason instanceof Promise)) return error;
  return reason.catch((cause: unknown) => cause);
}

function corrupt(path: string, reason: string, cause?: unknown): HsmError {
  return new HsmError(
    'KEYCELL_STORE_CORRUPT',
    `The store ${path} is damaged: ${reason}. Nothing was changed; restore the file from a backup.`,
    { cause },
  );
}

function unavailable(what: string, cause: unknown): HsmError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new HsmError('KEYCELL_STORE_UNAVAILABLE', `${what}: ${text}. See to space, permissions and the disk.`, {
    cause,
  });
}
