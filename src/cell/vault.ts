/** The master key and the keys of purposes derived from it, docs/formats.md §1: in the vault region, until the seal. */
import { Refusal } from '../errors.ts';
import { fromHex } from '../wire/fields.ts';
import { MASTER_KEY_SIZE } from '../wire/keyslot.ts';
import { MAC_SIZE } from '../wire/ticket.ts';
import type { Arena } from './arena.ts';
import { type Core, IntegrityError, SHA256 } from './core.ts';

const PURPOSES = ['seal', 'hedge', 'session', 'ticket', 'lease', 'audit', 'digest', 'stream'] as const;
export type Purpose = (typeof PURPOSES)[number];
export const PURPOSE_KEY_SIZE = 32;
const MIDSTATES_SIZE = 64;

/** Which HSM this is, and which run of it. */
export interface Identity {
  readonly hsmId: string;
  readonly epoch: number;
  readonly incarnation: number;
  /** Random, new with each unseal. */
  readonly boot: string;
}

// Behind the generator's state, which assembly/layout.ts puts at the start of the region.
const MASTER = 0x100;
const PURPOSE_KEYS = 0x200;
const PURPOSE_MIDSTATES = 0x400;

export class Vault {
  readonly #core: Core;
  readonly #work: Arena;
  #identity: Identity | undefined;

  constructor(core: Core, work: Arena) {
    this.#core = core;
    this.#work = work;
  }

  get open(): boolean {
    return this.#identity !== undefined;
  }

  get identity(): Identity {
    if (this.#identity === undefined) throw new Refusal('KEYCELL_SEALED');
    return this.#identity;
  }

  /** Where the master key belongs: write it there, then `unlock`. */
  get master(): number {
    return this.#core.call.VAULT.value + MASTER;
  }

  key(purpose: Purpose): number {
    if (this.#identity === undefined) throw new Refusal('KEYCELL_SEALED');
    return this.#core.call.VAULT.value + PURPOSE_KEYS + PURPOSE_KEY_SIZE * PURPOSES.indexOf(purpose);
  }

  /** What HMAC-SHA-256 makes of a purpose's key before any message: as secret as the key. */
  midstates(purpose: Purpose): number {
    if (this.#identity === undefined) throw new Refusal('KEYCELL_SEALED');
    return this.#core.call.VAULT.value + PURPOSE_MIDSTATES + MIDSTATES_SIZE * PURPOSES.indexOf(purpose);
  }

  /** HMAC-SHA-256 under a purpose's key, 32 bytes to `output`. */
  mac(purpose: Purpose, at: number, length: number, output: number): void {
    this.#core.call.hmac256(this.midstates(purpose), at, length, output);
  }

  /** Is this the MAC that `mac` gives? In constant time. */
  hasMac(purpose: Purpose, at: number, length: number, mac: number): boolean {
    const key = this.key(purpose);
    return this.#core.call.hmacVerify(SHA256, key, PURPOSE_KEY_SIZE, at, length, mac, MAC_SIZE) === 1;
  }

  /** Derive the keys of purposes from the master key that lies in its place. */
  unlock(identity: Identity): void {
    this.#identity = identity;
    for (const purpose of PURPOSES) {
      const label = new TextEncoder().encode(`keycell/v1/${purpose}`);
      const context = new Uint8Array(20);
      context.set(fromHex(identity.hsmId, 16));
      new DataView(context.buffer).setUint32(16, identity.epoch);
      derive(this.#core, this.#work, this.master, MASTER_KEY_SIZE, label, context, this.key(purpose));
      this.#core.call.hmac256Key(this.key(purpose), PURPOSE_KEY_SIZE, this.midstates(purpose));
    }
  }

  /** Wipe everything secret; the generator's state with it. */
  lock(): void {
    this.#identity = undefined;
    this.#core.call.wipeAll();
  }
}

/** SP 800-108 with fixed input label ‖ 00 ‖ context ‖ 256 as 32 bits, to 32 bytes at `output`. */
export function derive(
  core: Core,
  work: Arena,
  key: number,
  keyLen: number,
  label: Uint8Array,
  context: Uint8Array,
  output: number,
): void {
  const mark = work.mark();
  const length = label.length + 1 + context.length + 4;
  const fixed = work.take(length);
  core.bytes.set(label, fixed);
  core.bytes[fixed + label.length] = 0;
  core.bytes.set(context, fixed + label.length + 1);
  core.view.setUint32(fixed + length - 4, 256);
  if (core.call.kdf108(SHA256, key, keyLen, fixed, length, output, 32) !== 1)
    throw new IntegrityError('a derivation failed');
  work.release(mark);
}
