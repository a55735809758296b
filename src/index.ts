/** What the package exports, and the one place that wires the HSM's parts together. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { openAuditLog } from './audit/file.ts';
import type { AuditHead, AuditLog } from './audit/log.ts';
import { memoryAuditLog } from './audit/memory.ts';
import { verifyAuditLog } from './audit/verify.ts';
import { HsmError } from './errors.ts';
import { CONTROL_KEY } from './hsm/commits.ts';
import { HsmImpl, KEYSLOT_KEY } from './hsm/hsm.ts';
import { openLmdbStore } from './keystore/lmdb.ts';
import { openMemoryStore } from './keystore/memory.ts';
import type { Store } from './keystore/store.ts';
import type { EphemeralOptions, Hsm, OpenOptions, Session } from './model/hsm.ts';
import { createCellPool } from './pool/cell-pool.ts';
import { makeBoard, WardenThread } from './pool/warden-thread.ts';
import { decodeControl } from './wire/control.ts';
import { FormatError, toHex } from './wire/fields.ts';
import { decodeRecordHeader } from './wire/record.ts';

export { type AuditFault, type VerifyOptions, verifyAuditLog } from './audit/verify.ts';
export { HsmError, type HsmErrorCode, type HsmErrorOptions, type Outcome } from './errors.ts';
export type * from './model/hsm.ts';
export type * from './model/key.ts';

const LOG_FILE = 'audit.log';
const QUEUE_LIMIT = 4096;

/** Open the HSM of a folder; it is `uninitialized`, `sealed`, or (with `unseal`) `ready`. */
export type OpenHsm = (options: OpenOptions) => Promise<Hsm>;
/** An HSM in memory with one crypto-user logged in: to try it, and for tests. */
export type OpenEphemeralHsm = (options?: EphemeralOptions) => Promise<{ hsm: Hsm; session: Session }>;

/**
 * Open the HSM of a folder, made if it is missing: `uninitialized`, `sealed`, or `ready` where `unseal` gave the passphrase.
 * Throws STORE_LOCKED, STORE_CORRUPT, STORE_TOO_NEW, AUDIT_CORRUPT, PASSPHRASE_WRONG, TAMPERED (a self-test failed).
 */
export const openHsm: OpenHsm = async (options) => {
  const { path, unseal, lockTimeout } = options;
  await mkdir(path, { recursive: true, mode: 0o700 });
  const store = await openLmdbStore(path, lockTimeout === undefined ? {} : { lockTimeout });
  let hsm: HsmImpl;
  try {
    const known = await glance(store);
    const logPath = join(path, LOG_FILE);
    const log = await openAuditLog(logPath, known === undefined ? {} : { expect: known.log });
    const walkLog = (onBody: (body: string) => Promise<void>) => walk(logPath, log, onBody);
    const state = known === undefined ? 'uninitialized' : 'sealed';
    try {
      hsm = assemble(store, log, walkLog, options, state, known?.hsmId ?? '');
    } catch (error) {
      await log.close();
      throw error;
    }
  } catch (error) {
    await store.close();
    throw error;
  }
  try {
    await hsm.start();
    if (unseal !== undefined && hsm.state === 'sealed') await hsm.unseal(async () => unseal());
  } catch (error) {
    await hsm.close({ timeout: 0 }).catch(() => {});
    throw error;
  }
  return hsm;
};

/** An HSM in memory with one crypto-user logged in; it is gone when it is closed. */
export const openEphemeralHsm: OpenEphemeralHsm = async (options = {}) => {
  const log = memoryAuditLog();
  const hsm = assemble(openMemoryStore(), log, async () => log.head.seq, options, 'uninitialized', '');
  try {
    await hsm.start();
    return { hsm, session: await hsm.initializeEphemeral() };
  } catch (error) {
    await hsm.close({ timeout: 0 }).catch(() => {});
    throw error;
  }
};

function assemble(
  store: Store,
  log: AuditLog,
  walkLog: (onBody: (body: string) => Promise<void>) => Promise<number>,
  options: EphemeralOptions,
  state: 'uninitialized' | 'sealed',
  id: string,
): HsmImpl {
  const { workers = Math.max(1, availableParallelism() - 1), queueLimit = QUEUE_LIMIT } = options;
  for (const [name, value] of Object.entries({ workers, queueLimit })) {
    if (!Number.isInteger(value) || value < 1) throw new HsmError('KEYCELL_INPUT_INVALID', `${name} is 1 or more`);
  }
  const { core, digest } = loadCore();
  const { shared, board } = makeBoard();
  return new HsmImpl(
    {
      store,
      log,
      board,
      queueLimit,
      startPool: (sink, lease, events) => createCellPool({ workers, queueLimit, core, digest, sink, lease, events }),
      startWarden: (onDeath) => new WardenThread(core, digest, shared, onDeath),
      walkLog,
    },
    state,
    id,
  );
}

/** The core as it was built, beside this file; each thread checks the digest for itself. */
function loadCore(): { core: Uint8Array; digest: string } {
  const file = (name: string) => readFileSync(new URL(`./cell/${name}`, import.meta.url));
  return { core: file('core.wasm'), digest: file('core.sha256').toString('utf8').trim() };
}

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
  });
  if (report.ok) return report.entries;
  throw new HsmError('KEYCELL_AUDIT_CORRUPT', `line ${report.line}, entry ${report.seq}: ${report.reason}`);
}
