/** Opening and sealing records, docs/formats.md §2. Secrets go from record to slot and back without leaving linear memory. */
import { Refusal } from '../errors.ts';
import { FormatError, fromHex, ID_SIZE, ZERO_ID } from '../wire/fields.ts';
import {
  decodeRecordHeader,
  encodeRecordHeader,
  RECORD_KIND,
  RECORD_SALT_OFFSET,
  RECORD_SALT_SIZE,
  RECORD_TAG_SIZE,
  type RecordHeader,
  type RecordKind,
  recordSize,
} from '../wire/record.ts';
import type { Arena } from './arena.ts';
import { type Core, IntegrityError } from './core.ts';
import type { Random } from './random.ts';
import { derive, type Vault } from './vault.ts';

const LABEL = new TextEncoder().encode('keycell/v1/record');
const RECORD_KEY_SIZE = 32;
const IV_SIZE = 12;

/** What a secret is sealed with besides itself. */
export interface RecordSpec {
  readonly kind: RecordKind;
  readonly id: string;
  readonly revision: number;
  readonly owner: string;
  readonly attributes: Uint8Array;
  /** Session keys only: the session whose key it is. */
  readonly session?: string;
}

export class Records {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;
  readonly #random: Random;

  constructor(core: Core, work: Arena, vault: Vault, random: Random) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
    this.#random = random;
  }

  /**
   * Check a record that lies at `at` and put its secret at `output`. The header's attributes are a view of linear memory.
   * Throws RECORD_CORRUPT for anything that is not authentic, of another HSM, or (session keys) of another session.
   */
  open(at: number, length: number, output: number, session?: string): RecordHeader {
    const { call, bytes } = this.#core;
    const header = this.#header(bytes.subarray(at, at + length));
    const { hsmId, epoch } = this.#vault.identity;
    if (header.hsmId !== hsmId || header.epoch !== epoch) throw new Refusal('KEYCELL_RECORD_CORRUPT');
    const headerLen = length - header.secretLength - RECORD_TAG_SIZE;
    const mark = this.#work.mark();
    const ctx = this.#context(header, session);
    const sealed = at + headerLen;
    const ok = call.gcmOpen(ctx, this.#zeroIv(), IV_SIZE, at, headerLen, sealed, length - headerLen, output);
    this.#work.release(mark);
    if (ok !== 1) {
      throw new Refusal('KEYCELL_RECORD_CORRUPT', header.kind === RECORD_KIND.sessionKey ? 'ownSession' : 'none');
    }
    return header;
  }

  #header(record: Uint8Array): RecordHeader {
    try {
      return decodeRecordHeader(record);
    } catch (error) {
      if (error instanceof FormatError) throw new Refusal('KEYCELL_RECORD_CORRUPT');
      throw error;
    }
  }

  /** Seal the secret at `secret` into `output`; returns the record's length. The two must not overlap. */
  seal(spec: RecordSpec, secret: number, secretLength: number, output: Arena): { offset: number; length: number } {
    const { call, bytes } = this.#core;
    const { hsmId, epoch } = this.#vault.identity;
    const { kind, id, revision, owner, attributes } = spec;
    const header: RecordHeader = {
      kind,
      hsmId,
      epoch,
      id,
      revision,
      owner,
      attributes,
      secretLength,
      salt: new Uint8Array(RECORD_SALT_SIZE),
    };
    const encoded = encodeRecordHeader(header);
    const length = recordSize(attributes.length, secretLength);
    const at = output.take(length);
    const sealed = at + encoded.length;
    bytes.set(encoded, at);
    bytes.copyWithin(sealed, secret, secret + secretLength);

    // The salt binds fresh randomness to what is sealed: a repeated generator still gives a new key for a new secret.
    const mark = this.#work.mark();
    const seed = this.#work.take(64);
    this.#random.fill(seed, 32);
    call.sha256(at, encoded.length + secretLength, seed + 32);
    const salt = at + RECORD_SALT_OFFSET;
    this.#vault.mac('hedge', seed, 64, salt);

    const ctx = this.#context({ ...header, salt: bytes.slice(salt, salt + RECORD_SALT_SIZE) }, spec.session);
    const ok = call.gcmSeal(ctx, this.#zeroIv(), IV_SIZE, at, encoded.length, sealed, secretLength, sealed);
    this.#work.release(mark);
    if (ok !== 1) throw new IntegrityError('a record could not be sealed');
    return { offset: at, length };
  }

  /** The AES context of the key that seals exactly this record. */
  #context(header: RecordHeader, session: string | undefined): number {
    const { call } = this.#core;
    const isSession = header.kind === RECORD_KIND.sessionKey;
    if (isSession && session === undefined) throw new Refusal('KEYCELL_RECORD_CORRUPT');
    const context = new Uint8Array(ID_SIZE + 1 + ID_SIZE + RECORD_SALT_SIZE + ID_SIZE);
    context.set(fromHex(header.hsmId, ID_SIZE));
    context[16] = header.kind;
    context.set(fromHex(header.id, ID_SIZE), 17);
    context.set(header.salt, 33);
    context.set(fromHex(isSession ? session! : ZERO_ID, ID_SIZE), 65);
    const base = this.#vault.key(isSession ? 'session' : 'seal');
    const key = this.#work.take(RECORD_KEY_SIZE);
    derive(this.#core, this.#work, base, 32, LABEL, context, key);
    const ctx = this.#work.take(call.AES_CTX_SIZE.value);
    if (call.aesExpandKey(ctx, key, RECORD_KEY_SIZE) !== 1) throw new IntegrityError('a key schedule failed');
    return ctx;
  }

  #zeroIv(): number {
    const iv = this.#work.take(IV_SIZE);
    this.#core.bytes.fill(0, iv, iv + IV_SIZE);
    return iv;
  }
}
