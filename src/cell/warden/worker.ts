/** The warden's thread: answers calls one message at a time; long ones (scrypt) let others pass. */
import { parentPort, workerData } from 'node:worker_threads';
import { Refusal } from '../../errors.ts';
import { Board } from '../../wire/board.ts';
import { FormatError } from '../../wire/fields.ts';
import { Arena } from '../arena.ts';
import { type Core, IntegrityError, openCore } from '../core.ts';
import { selfTest } from '../selftest.ts';
import type { FromWarden, SecretRef, ToWarden, WardenStart } from './protocol.ts';
import { Warden } from './warden.ts';

const start = workerData as WardenStart;
const port = parentPort!;
const post = (message: FromWarden): void => port.postMessage(message);

const core = opened();
const work = new Arena(core.call.WORK.value, core.call.WORK_SIZE.value);
let warden: Warden;

function opened(): Core {
  try {
    return openCore(start.core, start.digest);
  } catch (error) {
    return fail(error);
  }
}

/** Ends the thread. What fails for want of memory or descriptors may succeed the next time: that is left to the next warden. */
function fail(error: unknown): never {
  if (!(error instanceof IntegrityError)) throw error;
  post({ type: 'broken', reason: error.message });
  process.exit(1);
}

function wipeAndFail(error: unknown): never {
  core.call.wipeAll();
  fail(error);
}

/** What was handed over with a call, wherever in it the secrets are named. */
function secretsOf(ask: ToWarden['ask']): SecretRef[] {
  const { passphrase, password, oldPassword, admin, custody } = ask as {
    readonly passphrase?: SecretRef;
    readonly password?: SecretRef;
    readonly oldPassword?: SecretRef;
    readonly admin?: { readonly password?: SecretRef };
    readonly custody?: { readonly passphrase?: SecretRef };
  };
  const refs = [passphrase, password, oldPassword, admin?.password, custody?.passphrase];
  return refs.filter((ref) => ref !== undefined);
}

/** Leave nothing of a call behind. Before its answer: the next call's secrets lie in the same place. */
function tidy(ask: ToWarden['ask']): void {
  // Its own secrets alone: another call's may lie beside them.
  warden.forgetSecrets(secretsOf(ask));
  // No call keeps anything in the primitives' scratch while it waits, nor in working memory that was given back.
  core.call.wipeBatch(0, 0, 0, 0);
  const free = work.takeFree();
  core.bytes.fill(0, free.from, free.to);
}

async function answer({ id, call, ask }: ToWarden): Promise<void> {
  const entries: string[] = [];
  try {
    const handle = warden[call].bind(warden) as (ask: unknown, entries: string[]) => unknown;
    const value = await handle(ask, entries);
    tidy(ask);
    post({ type: 'answer', id, answer: value, entries });
  } catch (error) {
    tidy(ask);
    if (error instanceof Refusal) {
      const detail = error.reason === 'none' ? undefined : error.message;
      post({ type: 'refusal', id, code: error.code, detail, entries });
    } else if (error instanceof FormatError) {
      post({ type: 'refusal', id, code: 'KEYCELL_INPUT_INVALID', detail: error.message, entries });
    } else wipeAndFail(error);
  }
}

try {
  selfTest(core, work);
  warden = new Warden(core, work, new Board(start.board), start.secrets, start.lockout, start.sessionQuota);
  port.on('message', (message: ToWarden) => void answer(message));
  post({ type: 'ready' });
} catch (error) {
  wipeAndFail(error);
}
