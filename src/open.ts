/** The one place that wires the HSM's parts together. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beginAuditLog, openAuditLog } from './audit/file.ts';
import type { AuditHead, AuditLog } from './audit/log.ts';
import { memoryAuditLog } from './audit/memory.ts';
import { verifyAuditLog } from './audit/verify.ts';
import { type CoreBuild, chooseBuild } from './cell/builds.ts';
import { lacksDescriptors } from './descriptors.ts';
import { HsmError } from './errors.ts';
import { CONTROL_KEY } from './hsm/commits.ts';
import { HsmImpl, KEYSLOT_KEY, type Parts } from './hsm/hsm.ts';
import { invalid, reading, whole } from './hsm/inputs.ts';
import { MEMBERS, read } from './hsm/members.ts';
import { makeFolder } from './keystore/folder.ts';
import { openLmdbStore } from './keystore/lmdb.ts';
import { openMemoryStore } from './keystore/memory.ts';
import type { Store } from './keystore/store.ts';
import type { EphemeralOptions, Hsm, LockoutOptions, OpenOptions, Quotas, Session } from './model/hsm.ts';
import { createCellPool } from './pool/cell-pool.ts';
import type { ThreadModules } from './pool/pool.ts';
import { makeBoard, WardenThread } from './pool/warden-thread.ts';
import { decodeControl } from './wire/control.ts';
import { FormatError, toHex } from './wire/fields.ts';
import { decodeRecordHeader } from './wire/record.ts';

const LOG_FILE = 'audit.log';
const QUEUE_LIMIT = 4096;
/** Each takes 32 MiB while it hashes a password. */
const HASHING_THREADS_MAX = 4;
const HOUR_MS = 3_600_000;
const STORED_KEYS = 1_000_000;
const SESSIONS = 1000;

export async function openHsm(options: OpenOptions): Promise<Hsm> {
  const own = reading(() => ownOptions(read(options, MEMBERS.openHsm)));
  const { path, unseal, create, id, acceptLogLoss } = own;
  if (create !== undefined && typeof create !== 'boolean') throw invalid('create is true or false');
  if (id !== undefined && !isId(id)) throw invalid("id is an HSM's, 32 hex digits in lower case");
  if (acceptLogLoss !== undefined && !isLossId(acceptLogLoss)) {
    throw invalid("acceptLogLoss is an error's lossId: a number of entries, a hyphen, and 64 hex digits");
  }
  const { lockTimeout = 0 } = own;
  if (typeof lockTimeout !== 'number' || !(lockTimeout >= 0)) {
    throw invalid('lockTimeout is a number of milliseconds, not negative');
  }
  if (unseal !== undefined && typeof unseal !== 'function')
    throw invalid('unseal is a function that returns the passphrase');
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalid('path is the folder of the HSM');
  const hsm = await openFolder(own).catch((cause: unknown) => {
    throw ofFolder(path, cause);
  });
  try {
    await hsm.start();
    if (unseal !== undefined && hsm.state === 'sealed') await hsm.unseal(async () => unseal());
  } catch (error) {
    await hsm.close({ timeout: 0 }).catch(() => {});
    throw error;
  }
  return hsm;
}

async function openFolder(options: OpenOptions): Promise<HsmImpl> {
  const { path, lockTimeout, id, create = false } = options;
  mustHaveWebAssembly();
  const settings = settingsOf(options);
  if (!create && !existsSync(path)) throw missing(path);
  makeFolder(path);
  const logPath = join(path, LOG_FILE);
  const mayCreate = () => {
    mustBeUnused(logPath);
    if (!create || id !== undefined) throw missing(path);
  };
  const assets = folderOf(options.assets);
  const more = { assets, ...(lockTimeout !== undefined && { lockTimeout }) };
  const store = await openLmdbStore(path, { beforeCreate: mayCreate, ...more });
  try {
    const known = await glance(store);
    if (known === undefined) mustBeUnused(logPath);
    if (id !== undefined && known?.hsmId !== id) {
      const has = known === undefined ? 'no HSM' : `the HSM ${known.hsmId}`;
      throw new HsmError('KEYCELL_STORE_MISSING', `${path} has ${has}, not ${id}: is the right volume mounted?`);
    }
    const { log, givenUp } = await openLog(logPath, known?.log, options.acceptLogLoss);
    const walkLog = async (onBody: (body: string) => Promise<void>) => {
      // check() begins with the log, and reads the store after it.
      await store.check?.();
      return walk(logPath, log, onBody);
    };
    const state = known === undefined ? 'uninitialized' : 'sealed';
    try {
      return assemble({ store, log, givenUp, walkLog, create }, settings, state, known?.hsmId ?? '');
    } catch (error) {
      await log.close();
      throw error;
    }
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The log, or another in its place where it is lost, and that loss is accepted. */
async function openLog(
  path: string,
  expect: AuditHead | undefined,
  acceptLogLoss: string | undefined,
): Promise<{ readonly log: AuditLog; readonly givenUp?: AuditHead }> {
  if (expect === undefined) return { log: await openAuditLog(path) };
  try {
    return { log: await openAuditLog(path, { expect }) };
  } catch (error) {
    const accepted = error instanceof HsmError && error.lossId !== undefined && error.lossId === acceptLogLoss;
    if (!accepted) throw error;
    return { log: await beginAuditLog(path, expect), givenUp: expect };
  }
}

/** What the file system said of the folder, as an HsmError; anything else as it is. */
function ofFolder(path: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  const { code, message } = cause;
  if (code === 'EEXIST' || code === 'ENOTDIR') {
    const detail = `path is the folder of the HSM, and ${path} is or leads through a file`;
    return new HsmError('KEYCELL_INPUT_INVALID', detail, { cause });
  }
  const detail = `The folder ${path} can't be opened: ${message}. ${adviceOn(code)}`;
  return new HsmError('KEYCELL_STORE_UNAVAILABLE', detail, { cause });
}

/** An error of a call to the system, or of the permission model that stands before it. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && !(error instanceof HsmError) && ('syscall' in error || 'permission' in error);

function adviceOn(code: string | undefined): string {
  if (lacksDescriptors({ code })) return 'Raise the limit of open files (ulimit -n)';
  if (code === 'ERR_ACCESS_DENIED') return 'Keycell needs to read and write its folder, threads, and the addon of lmdb';
  return 'See to the path, its permissions and the disk';
}

/** Throws INPUT_INVALID: nothing here runs without it. */
function mustHaveWebAssembly(): void {
  if ('WebAssembly' in globalThis) return;
  throw new HsmError('KEYCELL_INPUT_INVALID', 'this process has no WebAssembly: start Node without --jitless');
}

export async function openEphemeralHsm(options: EphemeralOptions = {}): Promise<{ hsm: Hsm; session: Session }> {
  const own = reading(() => ownOptions(read(options, MEMBERS.openEphemeralHsm)));
  mustHaveWebAssembly();
  const settings = settingsOf(own);
  const log = memoryAuditLog();
  const hsm = assemble(
    { store: openMemoryStore(), log, walkLog: async () => log.head.seq, create: true },
    settings,
    'uninitialized',
    '',
  );
  try {
    await hsm.start();
    return { hsm, session: await hsm.initializeEphemeral() };
  } catch (error) {
    await hsm.close({ timeout: 0 }).catch(() => {});
    throw error;
  }
}

interface Settings extends Required<Omit<EphemeralOptions, 'assets'>> {
  readonly quotas: Required<Quotas>;
  readonly lockout: Required<LockoutOptions>;
  readonly hashingThreads: number;
  readonly assets: string | URL | undefined;
}

/** The options with their defaults, before anything is touched. Throws INPUT_INVALID. */
function settingsOf(options: EphemeralOptions): Settings {
  const cores = availableParallelism();
  const { workers = Math.max(1, cores - 1), queueLimit = QUEUE_LIMIT, assets } = options;
  checkCounts({ workers, queueLimit });
  const hashingThreads = Math.max(1, Math.min(cores - 1, HASHING_THREADS_MAX));
  const [lockout, quotas] = [lockoutOf(options.lockout), quotasOf(options, queueLimit)];
  return { workers, queueLimit, hashingThreads, lockout, quotas, assets };
}

function assemble(
  storage: Pick<Parts, 'store' | 'log' | 'givenUp' | 'walkLog' | 'create'>,
  settings: Settings,
  state: 'uninitialized' | 'sealed',
  id: string,
): HsmImpl {
  const { workers, queueLimit, hashingThreads, lockout, quotas, assets } = settings;
  const { core, digest, modules } = locate(assets);
  const { shared, board } = makeBoard();
  return new HsmImpl(
    {
      ...storage,
      board,
      queueLimit,
      hashingThreads,
      quotas,
      startPool: (sink, lease, events) =>
        createCellPool({
          workers,
          queueLimit,
          userQueueLimit: quotas.waitingRequests,
          core,
          digest,
          modules,
          sink,
          lease,
          events,
        }),
      startWarden: (onDeath) =>
        new WardenThread(
          { core, digest, board: shared, hashingThreads, lockout, sessionQuota: quotas.sessions, modules },
          onDeath,
        ),
    },
    state,
    id,
  );
}

/** With bags of our own in it, too. */
function ownOptions<T extends EphemeralOptions>(options: T): T {
  const { lockout, quotas } = options;
  return {
    ...options,
    ...(lockout !== undefined && { lockout: read(lockout, MEMBERS.lockout, 'lockout') }),
    ...(quotas !== undefined && { quotas: read(quotas, MEMBERS.quotas, 'quotas') }),
  };
}

function lockoutOf(options: LockoutOptions = {}): Required<LockoutOptions> {
  const { after = 10, delay = 60_000, longest = 900_000 } = options;
  whole(after, 'lockout.after', 1, 100);
  whole(delay, 'lockout.delay', 1000, HOUR_MS);
  whole(longest, 'lockout.longest', delay, 24 * HOUR_MS);
  return { after, delay, longest };
}

/** Throws INPUT_INVALID, also for a quota that is none: it would be believed to hold. */
function quotasOf({ quotas = {} }: EphemeralOptions, queueLimit: number): Required<Quotas> {
  const known = {
    storedKeys: STORED_KEYS,
    sessions: SESSIONS,
    // The rest is for whoever comes while one user sends all he may.
    waitingRequests: Math.ceil((3 / 4) * queueLimit),
  };
  const all = { ...known, ...defined(quotas) };
  checkCounts(all);
  return all;
}

const defined = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;

function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) whole(value, name, 1);
}

/** The core as it was built, and the threads' modules: beside this file, or in the folder that a bundled program names. */
function locate(assets: string | URL | undefined): CoreBuild & { modules?: ThreadModules } {
  const read = (url: URL) => {
    try {
      return readFileSync(url);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (lacksDescriptors(cause)) {
        throw new HsmError('KEYCELL_STORE_UNAVAILABLE', `${message}. ${adviceOn(code)}`, { cause });
      }
      throw new HsmError('KEYCELL_INPUT_INVALID', `${url.pathname} is missing: is "assets" right?`, { cause });
    }
  };
  const load = (folder: URL) => chooseBuild((name) => read(new URL(name, folder)), process.env['KEYCELL_SIMD']);
  const folder = folderOf(assets);
  if (folder === undefined) return load(new URL('./cell/', import.meta.url));
  const file = (name: string) => new URL(name, folder);
  const modules = {
    cell: file('cell.mjs'),
    thread: file('thread.cjs'),
    warden: file('warden.mjs'),
    hasher: file('hasher.mjs'),
    piscina: folder,
  };
  return { ...load(folder), modules };
}

/** The folder that a bundled program names; undefined where none is needed. Throws INPUT_INVALID. */
function folderOf(assets: string | URL | undefined): URL | undefined {
  if (assets !== undefined) return pathToFileURL(join(pathOf(assets), '/'));
  // In a bundle of CommonJS no module knows where it lies.
  if (import.meta.url === undefined) throw new HsmError('KEYCELL_INPUT_INVALID', 'a bundled program gives "assets"');
  return undefined;
}

/** Also of a URL of another realm. Throws INPUT_INVALID. */
function pathOf(assets: string | URL): string {
  try {
    return typeof assets === 'string' ? resolve(assets) : fileURLToPath(assets);
  } catch (cause) {
    throw new HsmError('KEYCELL_INPUT_INVALID', 'assets is a folder, as a path or a file: URL', { cause });
  }
}

/**
 * An HSM writes to its log before it writes its first record, so what has no store, or one without an HSM, has an empty log.
 * A new HSM over the entries of another could never be checked: they bear the MACs of keys that it does not have.
 * Throws KEYCELL_STORE_MISSING.
 */
function mustBeUnused(logPath: string): void {
  const log = statSync(logPath, { throwIfNoEntry: false });
  // What is no file at all is refused by who opens it.
  if (!log?.isFile() || log.size === 0) return;
  throw new HsmError('KEYCELL_STORE_MISSING', `The log ${logPath} has the entries of an HSM that the folder lacks`);
}

const isLossId = (id: unknown): boolean => typeof id === 'string' && /^[0-9]{1,16}-[0-9a-f]{64}$/.test(id);

const isId = (id: unknown): boolean => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id);

const missing = (path: string): HsmError =>
  new HsmError('KEYCELL_STORE_MISSING', `${path} has no store: is its volume mounted? A new one needs create: true`);

/** What the control record says in the clear: authentic only after the unseal, but enough to open the log with. */
async function glance(store: Store): Promise<{ hsmId: string; log: AuditHead } | undefined> {
  const control = await store.get(CONTROL_KEY);
  const keyslot = await store.get(KEYSLOT_KEY);
  if (control === undefined && keyslot === undefined) return undefined;
  if (control === undefined || keyslot === undefined) {
    throw new HsmError('KEYCELL_STORE_CORRUPT', 'the store lacks its control record or its key slot');
  }
  try {
    const { hsmId, attributes } = decodeRecordHeader(control);
    const { logSequence, logHash } = decodeControl(attributes);
    return { hsmId, log: { seq: logSequence, hash: toHex(logHash) } };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new HsmError('KEYCELL_STORE_CORRUPT', 'the control record is damaged', { cause: error });
  }
}

async function walk(path: string, log: AuditLog, onBody: (body: string) => Promise<void>): Promise<number> {
  await log.sync();
  const expect = log.head;
  const report = await verifyAuditLog(path, {
    expect,
    checkBody: async (body) => {
      await onBody(body);
      return true;
    },
  }).catch((cause: unknown) => {
    if (!isSystemError(cause)) throw cause;
    const code = cause.code === 'ENOENT' ? 'KEYCELL_AUDIT_MISSING' : 'KEYCELL_AUDIT_UNAVAILABLE';
    throw new HsmError(code, cause.message, { cause });
  });
  if (report.ok) return report.entries;
  throw new HsmError('KEYCELL_AUDIT_CORRUPT', `line ${report.line}, entry ${report.seq}: ${report.reason}`);
}
