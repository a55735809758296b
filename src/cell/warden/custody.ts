/** Custody of the master key: made from the generator, kept in the vault, written down only under a passphrase. */
import { Refusal } from '../../errors.ts';
import { FormatError } from '../../wire/fields.ts';
import {
  decodeKeyslotHeader,
  encodeKeyslotHeader,
  KEYSLOT_HEADER_SIZE,
  KEYSLOT_SALT_SIZE,
  KEYSLOT_SIZE,
  type KeyslotHeader,
  MASTER_KEY_SIZE,
} from '../../wire/keyslot.ts';
import type { Arena } from '../arena.ts';
import { type Core, IntegrityError } from '../core.ts';
import type { Random } from '../random.ts';
import type { Vault } from '../vault.ts';
import type { Passwords } from './passwords.ts';
import type { SecretRef } from './protocol.ts';

const IV_SIZE = 12;

export class Custody {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;
  readonly #random: Random;
  readonly #passwords: Passwords;

  constructor(core: Core, work: Arena, vault: Vault, random: Random, passwords: Passwords) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
    this.#random = random;
    this.#passwords = passwords;
  }

  /** A new master key in its place; the vault is not unlocked by this. */
  make(): void {
    this.#random.fill(this.#vault.master, MASTER_KEY_SIZE);
  }

  /** The master key under a passphrase. */
  async sealSlot(passphrase: SecretRef, hsmId: string, epoch: number, log2N: number): Promise<Uint8Array<ArrayBuffer>> {
    const salt = this.#random.bytes(KEYSLOT_SALT_SIZE);
    const header = encodeKeyslotHeader({ hsmId, epoch, scrypt: { log2N, r: 8 }, salt });
    return this.#passwords.derive(passphrase, salt, { log2N, r: 8 }, (key) => {
      const slot = this.#work.take(KEYSLOT_SIZE);
      this.#core.bytes.set(header, slot);
      const [ctx, iv] = this.#cipher(key);
      const sealed = slot + KEYSLOT_HEADER_SIZE;
      const { master } = this.#vault;
      const { gcmSeal } = this.#core.call;
      if (gcmSeal(ctx, iv, IV_SIZE, slot, KEYSLOT_HEADER_SIZE, master, MASTER_KEY_SIZE, sealed) !== 1) {
        throw new IntegrityError('the master key could not be sealed');
      }
      return this.#core.bytes.slice(slot, slot + KEYSLOT_SIZE);
    });
  }

  /** Put the master key of a slot in its place. Throws PASSPHRASE_WRONG, or STORE_CORRUPT for a slot that is none. */
  openSlot(passphrase: SecretRef, slot: Uint8Array): Promise<KeyslotHeader> {
    return this.#open(passphrase, slot, (sealed) => sealed(this.#vault.master));
  }

  /** Does the passphrase open a slot with this very master key? Throws as `openSlot` does, and leaves everything as it is. */
  async checkSlot(passphrase: SecretRef, slot: Uint8Array): Promise<void> {
    await this.#open(passphrase, slot, (sealed) => {
      const found = this.#work.take(MASTER_KEY_SIZE);
      sealed(found);
      if (!this.#vault.open) throw new Refusal('KEYCELL_SEALED');
      if (!this.#passwords.equal(found, this.#vault.master)) throw new Refusal('KEYCELL_STORE_CORRUPT');
    });
  }

  /** `use` is handed what opens the slot to an address; all but that is wiped after it. */
  async #open(passphrase: SecretRef, slot: Uint8Array, use: (open: (to: number) => void) => void) {
    let header: KeyslotHeader;
    try {
      header = decodeKeyslotHeader(slot);
    } catch (error) {
      if (error instanceof FormatError) throw new Refusal('KEYCELL_STORE_CORRUPT');
      throw error;
    }
    await this.#passwords.derive(passphrase, header.salt, header.scrypt, (key) => {
      const at = this.#work.take(slot.length);
      this.#core.bytes.set(slot, at);
      const [ctx, iv] = this.#cipher(key);
      const sealed = at + KEYSLOT_HEADER_SIZE;
      const length = slot.length - KEYSLOT_HEADER_SIZE;
      const { gcmOpen } = this.#core.call;
      use((to) => {
        if (gcmOpen(ctx, iv, IV_SIZE, at, KEYSLOT_HEADER_SIZE, sealed, length, to) !== 1) {
          throw new Refusal('KEYCELL_PASSPHRASE_WRONG');
        }
      });
    });
    return header;
  }

  #cipher(key: number): [ctx: number, iv: number] {
    const ctx = this.#work.take(this.#core.call.AES_CTX_SIZE.value);
    if (this.#core.call.aesExpandKey(ctx, key, 32) !== 1) throw new IntegrityError('a key schedule failed');
    const iv = this.#work.take(IV_SIZE);
    this.#core.bytes.fill(0, iv, iv + IV_SIZE);
    return [ctx, iv];
  }
}
