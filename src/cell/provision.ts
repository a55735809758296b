/**
 * Custody of the master key goes from one thread to another over a port of their own: an ephemeral P-256 agreement,
 * a key derived from it, and the master key under AES-256-GCM, so that no plaintext copy lies in a message buffer.
 * That keeps it from bystanders, not from code in this process that poses as a cell.
 *
 *   taker → giver   its public point
 *   giver → taker   its public point, the sealed master key, and which HSM and run it belongs to
 */
import { CURVE } from '../model/algorithms.ts';
import { MASTER_KEY_SIZE } from '../wire/keyslot.ts';
import type { Arena } from './arena.ts';
import { type Core, IntegrityError } from './core.ts';
import type { Random } from './random.ts';
import { derive, type Identity, type Vault } from './vault.ts';

const LABEL = new TextEncoder().encode('keycell/v1/provision');
const SEALED_SIZE = MASTER_KEY_SIZE + 16;
const IV_SIZE = 12;
const { number: P256, size: SCALAR_SIZE, pointSize: POINT_SIZE } = CURVE['P-256'];
/** 128 bits more than a scalar. */
const KEY_SEED_SIZE = SCALAR_SIZE + 16;

export interface Given {
  readonly point: Uint8Array;
  readonly sealed: Uint8Array;
  readonly identity: Identity;
}

/** One side of one transfer; its scalar stays in working memory until `end`. */
export class Transfer {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;
  readonly #scalar: number;
  readonly #mark: number;
  readonly point: Uint8Array<ArrayBuffer>;

  constructor(core: Core, work: Arena, vault: Vault, random: Random) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
    this.#mark = work.mark();
    this.#scalar = work.take(SCALAR_SIZE);
    const point = work.take(POINT_SIZE);
    const seed = work.take(KEY_SEED_SIZE);
    random.fill(seed, KEY_SEED_SIZE);
    if (core.call.ecKeyGenerate(P256, this.#scalar, point, seed) !== 1)
      throw new IntegrityError('key generation failed');
    this.point = core.bytes.slice(point, point + POINT_SIZE);
  }

  /** Seal the master key for the taker whose point this is. */
  give(taker: Uint8Array): Given {
    const ctx = this.#agree(taker, this.point, taker);
    const { identity } = this.#vault;
    const aad = this.#put(identityBytes(identity));
    const sealed = this.#work.take(SEALED_SIZE);
    const iv = this.#put(new Uint8Array(IV_SIZE)).at;
    const { call, bytes } = this.#core;
    if (call.gcmSeal(ctx, iv, IV_SIZE, aad.at, aad.length, this.#vault.master, MASTER_KEY_SIZE, sealed) !== 1) {
      throw new IntegrityError('the master key could not be sealed');
    }
    return { point: this.point, sealed: bytes.slice(sealed, sealed + SEALED_SIZE), identity };
  }

  /** Put the master key that was given into the vault and unlock it. Throws IntegrityError. */
  take(given: Given): void {
    if (given.sealed.length !== SEALED_SIZE) throw new IntegrityError('the master key did not arrive');
    const ctx = this.#agree(given.point, given.point, this.point);
    const aad = this.#put(identityBytes(given.identity));
    const sealed = this.#put(given.sealed).at;
    const iv = this.#put(new Uint8Array(IV_SIZE)).at;
    const { call } = this.#core;
    if (call.gcmOpen(ctx, iv, IV_SIZE, aad.at, aad.length, sealed, SEALED_SIZE, this.#vault.master) !== 1) {
      throw new IntegrityError('the master key did not arrive');
    }
    this.#vault.unlock(given.identity);
  }

  /** Zero what this side took of working memory; on every path. */
  end(): void {
    this.#core.bytes.fill(0, this.#mark, this.#work.mark());
    this.#work.release(this.#mark);
  }

  #put(bytes: Uint8Array): { at: number; length: number } {
    const at = this.#work.take(bytes.length);
    this.#core.bytes.set(bytes, at);
    return { at, length: bytes.length };
  }

  /** The AES context of the key that both sides derive; both points go into it, the giver's first. */
  #agree(peer: Uint8Array, giver: Uint8Array, taker: Uint8Array): number {
    const { call, view } = this.#core;
    if (peer.length !== POINT_SIZE) throw new IntegrityError('not a point');
    const z = this.#work.take(32);
    const ok = this.#work.take(4);
    const job = this.#work.take(16);
    [this.#scalar, this.#put(peer).at, z, ok].forEach((address, i) => {
      view.setUint32(job + 4 * i, address, true);
    });
    call.ecdh(P256, job, 1);
    if (view.getUint32(ok, true) !== 1) throw new IntegrityError('not a point of the curve');
    const key = this.#work.take(32);
    derive(this.#core, this.#work, z, 32, LABEL, Buffer.concat([giver, taker]), key);
    const ctx = this.#work.take(call.AES_CTX_SIZE.value);
    if (call.aesExpandKey(ctx, key, 32) !== 1) throw new IntegrityError('a key schedule failed');
    return ctx;
  }
}

const identityBytes = ({ hsmId, epoch, incarnation, boot }: Identity): Uint8Array =>
  new TextEncoder().encode(`${hsmId}/${epoch}/${incarnation}/${boot}`);
