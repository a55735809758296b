/**
 * scrypt (RFC 7914), the one secret-handling step that is not in the core: node:crypto runs it on its thread pool, one at
 * a time, so that 128 MiB and a third of a second never delay a signature. It reads the secret where it was handed over,
 * which is zeroed as soon as scrypt has its own copy, and its result is copied into linear memory and wiped in one tick.
 */
import { scrypt } from 'node:crypto';
import type { ScryptParameters } from '../../wire/keyslot.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import type { SecretRef } from './protocol.ts';

const KEY_SIZE = 32;
/** Node refuses what passes its own bound, 32 MiB, unless told. */
const MEMORY_MAX = 2 ** 30 + 2 ** 21;

export class Passwords {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #secrets: Uint8Array;
  #last: Promise<unknown> = Promise.resolve();

  constructor(core: Core, work: Arena, secrets: SharedArrayBuffer) {
    this.#core = core;
    this.#work = work;
    this.#secrets = new Uint8Array(secrets);
  }

  /** Derive 32 bytes and hand `use` their address; they are wiped when it returns or throws. */
  async derive<T>(secret: SecretRef, salt: Uint8Array, cost: ScryptParameters, use: (key: number) => T): Promise<T> {
    const turn = this.#last.catch(() => {}).then(() => this.#scrypt(secret, salt, cost));
    this.#last = turn;
    const derived = await turn;
    const mark = this.#work.mark();
    const key = this.#work.take(KEY_SIZE);
    this.#core.bytes.set(derived, key);
    derived.fill(0);
    try {
      return use(key);
    } finally {
      this.#core.bytes.fill(0, mark, this.#work.mark());
      this.#work.release(mark);
    }
  }

  #scrypt(secret: SecretRef, salt: Uint8Array, { log2N, r }: ScryptParameters): Promise<Uint8Array> {
    const at = this.#secrets.subarray(secret.offset, secret.offset + secret.length);
    return new Promise((resolve, reject) => {
      try {
        const options = { N: 2 ** log2N, r, p: 1, maxmem: MEMORY_MAX };
        scrypt(at, salt, KEY_SIZE, options, (error, key) => (error ? reject(error) : resolve(key)));
      } finally {
        at.fill(0);
      }
    });
  }

  /** Zero what was handed over: a call may be refused before scrypt sees its secret. */
  wipe(refs: readonly SecretRef[]): void {
    for (const { offset, length } of refs) this.#secrets.fill(0, offset, offset + length);
  }
}
