/**
 * scrypt, the one secret-handling step that is not in the core: hashing threads run it (hasher.ts), which are handed over
 * by whoever starts threads. A secret stays where it was handed over until a hashing thread has zeroed it there; what is
 * derived is copied into linear memory and wiped in one tick.
 */
import type { MessagePort } from 'node:worker_threads';
import { Refusal } from '../../errors.ts';
import type { ScryptParameters } from '../../wire/keyslot.ts';
import type { Arena } from '../arena.ts';
import { type Core, SHA256 } from '../core.ts';
import type { HashJob, HashOutcome, SecretRef } from './protocol.ts';

const DERIVED_SIZE = 32;

interface Hasher {
  readonly port: MessagePort;
  /** Where this thread puts what it derives: nobody else has it. */
  readonly derived: SharedArrayBuffer;
}

interface Waiting {
  readonly job: Omit<HashJob, 'derived'>;
  /** Use what was derived, and settle who waits; undefined where no thread derived it. */
  readonly end: (derived: Uint8Array | undefined) => void;
}

export class Passwords {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #secrets: Uint8Array;
  readonly #idle: Hasher[] = [];
  readonly #busy = new Map<Hasher, Waiting>();
  readonly #waiting: Waiting[] = [];

  constructor(core: Core, work: Arena, secrets: SharedArrayBuffer) {
    this.#core = core;
    this.#work = work;
    this.#secrets = new Uint8Array(secrets);
  }

  /** One more hashing thread is at the other end of this port, until the port closes. */
  attach(port: MessagePort): void {
    const hasher = { port, derived: new SharedArrayBuffer(DERIVED_SIZE) };
    port.on('message', (outcome: HashOutcome) => this.#settle(hasher, outcome));
    port.on('close', () => this.#lose(hasher));
    this.#idle.push(hasher);
    this.#next();
  }

  /**
   * Derive 32 bytes and hand `use` their address; they are wiped when it returns or throws. CELL_LOST where no thread could
   * do it.
   */
  derive<T>(secret: SecretRef, salt: Uint8Array, cost: ScryptParameters, use: (key: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (derived: Uint8Array | undefined): void => {
        try {
          if (derived === undefined) throw new Refusal('KEYCELL_CELL_LOST');
          resolve(this.#placed(derived, use));
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ job: { secret, salt, cost }, end });
      this.#next();
    });
  }

  /** In linear memory while `use` runs. */
  #placed<T>(derived: Uint8Array, use: (key: number) => T): T {
    const mark = this.#work.mark();
    try {
      const key = this.#work.take(DERIVED_SIZE);
      this.#core.bytes.set(derived, key);
      return use(key);
    } finally {
      derived.fill(0);
      this.#core.bytes.fill(0, mark, this.#work.mark());
      this.#work.release(mark);
    }
  }

  /**
   * Are these the same 32 bytes? Compared through HMAC's constant-time check, keyed by themselves: equal keys and messages,
   * equal MACs.
   */
  equal(a: number, b: number): boolean {
    const { call } = this.#core;
    const mac = this.#work.take(32);
    call.hmac(SHA256, a, DERIVED_SIZE, a, 0, mac);
    return call.hmacVerify(SHA256, b, DERIVED_SIZE, b, 0, mac, 32) === 1;
  }

  /** Zero what was handed over: a call may be refused before a thread sees its secret. */
  wipe(refs: readonly SecretRef[]): void {
    for (const { offset, length } of refs) this.#secrets.fill(0, offset, offset + length);
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#idle.length > 0) {
      const hasher = this.#idle.shift()!;
      const waiting = this.#waiting.shift()!;
      this.#busy.set(hasher, waiting);
      hasher.port.postMessage({ ...waiting.job, derived: hasher.derived } satisfies HashJob);
    }
    // Whoever asks has started a thread: where there is none, it could not live.
    if (this.#idle.length > 0 || this.#busy.size > 0) return;
    for (const { end } of this.#waiting.splice(0)) end(undefined);
  }

  /** The thread is given its next job only after what it derived was used and wiped. */
  #settle(hasher: Hasher, outcome: HashOutcome): void {
    const waiting = this.#busy.get(hasher);
    this.#busy.delete(hasher);
    waiting?.end(outcome === 'done' ? new Uint8Array(hasher.derived) : undefined);
    this.#idle.push(hasher);
    this.#next();
  }

  #lose(hasher: Hasher): void {
    new Uint8Array(hasher.derived).fill(0);
    const waiting = this.#busy.get(hasher);
    this.#busy.delete(hasher);
    const at = this.#idle.indexOf(hasher);
    if (at >= 0) this.#idle.splice(at, 1);
    waiting?.end(undefined);
    this.#next();
  }
}
