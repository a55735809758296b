/**
 * A hashing thread: scrypt (RFC 7914) for the warden, and nothing else. It is a thread of its own, since a flood of logins
 * on libuv's four would keep the log from its disk. The secret is read where the caller handed it over and zeroed there;
 * the derived key goes to memory that the warden made, which no other thread has.
 */
import { scryptSync } from 'node:crypto';
import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import { workerData } from 'node:worker_threads';
import type { HasherStart, HashJob, HashOutcome } from './protocol.ts';

const DERIVED_SIZE = 32;
/** Node refuses what passes its own bound, 32 MiB, unless told. */
const MEMORY_MAX = 2 ** 30 + 2 ** 21;
/** Cells go first where the cores are all busy; a hash still gets about a tenth of one. */
const NICE = 10;

const { port, secrets } = workerData as HasherStart;
serve(port, new Uint8Array(secrets));

function serve(from: MessagePort, shared: Uint8Array): void {
  stepBack();
  from.on('message', (job: HashJob) => from.postMessage(hash(shared, job)));
}

/** On Linux a nice value is the calling thread's; elsewhere it would be the whole process's. */
function stepBack(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, NICE);
  } catch {
    // Forbidden here: signatures wait a little longer while passwords are hashed.
  }
}

function hash(shared: Uint8Array, { secret, salt, cost, derived }: HashJob): HashOutcome {
  const at = shared.subarray(secret.offset, secret.offset + secret.length);
  try {
    const key = scryptSync(at, salt, DERIVED_SIZE, { N: 2 ** cost.log2N, r: cost.r, p: 1, maxmem: MEMORY_MAX });
    new Uint8Array(derived).set(key);
    key.fill(0);
    return 'done';
  } catch {
    // No memory for it now: the caller may try again.
    return 'failed';
  } finally {
    at.fill(0);
  }
}
