/** Users: records that hold a verifier of the password, and the check of a login. */
import { Refusal } from '../../errors.ts';
import { USER_NAME_MAX } from '../../model/limits.ts';
import { decodeUser, encodeUser, USER_SALT_SIZE, USER_VERIFIER_SIZE, type UserAttributes } from '../../wire/control.ts';
import { ZERO_ID } from '../../wire/fields.ts';
import { RECORD_KIND, type RecordHeader } from '../../wire/record.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import type { Random } from '../random.ts';
import type { Records } from '../records.ts';
import type { Passwords } from './passwords.ts';
import type { SecretRef } from './protocol.ts';

/** 32 MiB and about 90 ms: the verifier lies under the master key, so this guards only against who has that. */
const COST = { log2N: 15, r: 8 } as const;
const SECRET_SIZE = USER_SALT_SIZE + USER_VERIFIER_SIZE;

export interface OpenUser extends UserAttributes {
  readonly id: string;
  readonly revision: number;
}

export class Users {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #random: Random;
  readonly #records: Records;
  readonly #passwords: Passwords;

  constructor(core: Core, work: Arena, random: Random, records: Records, passwords: Passwords) {
    this.#core = core;
    this.#work = work;
    this.#random = random;
    this.#records = records;
    this.#passwords = passwords;
  }

  /** Read a user's record; RECORD_CORRUPT where it is not authentic. */
  read(record: Uint8Array): OpenUser {
    return this.#withSecret(record, (user) => user);
  }

  /** Open the record, and hand over where its secret lies while `use` runs. */
  #withSecret<T>(record: Uint8Array, use: (user: OpenUser, secret: number) => T): T {
    const mark = this.#work.mark();
    const at = this.#work.take(record.length);
    this.#core.bytes.set(record, at);
    const secret = this.#work.take(SECRET_SIZE);
    try {
      const header: RecordHeader = this.#records.open(at, record.length, secret);
      if (header.kind !== RECORD_KIND.user || header.secretLength !== SECRET_SIZE) {
        throw new Refusal('KEYCELL_RECORD_CORRUPT');
      }
      return use({ ...decodeUser(header.attributes), id: header.id, revision: header.revision }, secret);
    } finally {
      this.#core.bytes.fill(0, mark, this.#work.mark());
      this.#work.release(mark);
    }
  }

  /** A new user's record. */
  make(name: string, role: UserAttributes['role'], password: SecretRef, now: number): Promise<Uint8Array<ArrayBuffer>> {
    if (typeof name !== 'string' || name.length === 0 || name.length > USER_NAME_MAX)
      throw new Refusal('KEYCELL_INPUT_INVALID');
    const user = {
      id: this.#random.id(),
      revision: 1,
      name,
      role,
      epoch: 1,
      createdAt: now,
      scrypt: COST,
      locked: false,
    };
    return this.#seal(user, password);
  }

  /** The record with another password, and an epoch that voids the user's tickets. */
  change(user: OpenUser, password: SecretRef): Promise<Uint8Array<ArrayBuffer>> {
    return this.#seal({ ...user, revision: user.revision + 1, epoch: user.epoch + 1, scrypt: COST }, password);
  }

  /** The record of a user who is locked or let in again, with the same password; a lock voids the user's tickets. */
  relock(record: Uint8Array, locked: boolean): Uint8Array<ArrayBuffer> {
    return this.#withSecret(record, (user, secret) => {
      const epoch = locked ? user.epoch + 1 : user.epoch;
      return this.#write({ ...user, revision: user.revision + 1, epoch, locked }, secret);
    });
  }

  #seal(user: OpenUser, password: SecretRef): Promise<Uint8Array<ArrayBuffer>> {
    const salt = this.#random.bytes(USER_SALT_SIZE);
    return this.#passwords.derive(password, salt, user.scrypt, (verifier) => {
      const { bytes } = this.#core;
      const secret = this.#work.take(SECRET_SIZE);
      bytes.set(salt, secret);
      bytes.copyWithin(secret + USER_SALT_SIZE, verifier, verifier + USER_VERIFIER_SIZE);
      return this.#write(user, secret);
    });
  }

  #write(user: OpenUser, secret: number): Uint8Array<ArrayBuffer> {
    const { offset, length } = this.#records.seal(
      { kind: RECORD_KIND.user, id: user.id, revision: user.revision, owner: ZERO_ID, attributes: encodeUser(user) },
      secret,
      SECRET_SIZE,
      this.#work,
    );
    return this.#core.bytes.slice(offset, offset + length);
  }

  /** Is this the user's password? Without a record (no such user) it takes the same time and is false. */
  verify(record: Uint8Array | null, password: SecretRef): Promise<boolean> {
    if (record === null) return this.#passwords.derive(password, new Uint8Array(USER_SALT_SIZE), COST, () => false);
    const [salt, cost] = this.#withSecret(record, ({ scrypt }, secret) => {
      return [this.#core.bytes.slice(secret, secret + USER_SALT_SIZE), scrypt] as const;
    });
    return this.#passwords.derive(password, salt, cost, (derived) =>
      this.#withSecret(record, (_, secret) => this.#passwords.equal(derived, secret + USER_SALT_SIZE)),
    );
  }
}
