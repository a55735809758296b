/** Opening and sealing records, docs/formats.md §2. Secrets go from record to slot and back without leaving linear memory. */
import { Refusal } from '../errors.ts';
import type { Span } from '../wire/batch.ts';
import { FormatError, fromHex, ID_SIZE } from '../wire/fields.ts';
import {
  decodeRecordHeader,
  encodeRecordHeader,
  RECORD_KIND,
  RECORD_KIND_OFFSET,
  RECORD_SALT_SIZE,
  RECORD_TAG_SIZE,
  type RecordHeader,
  type RecordKind,
} from '../wire/record.ts';
import type { Arena } from './arena.ts';
import type { Core } from './core.ts';
import { JobList, type Kernel, SEAL_JOB } from './jobs.ts';
import type { Random } from './random.ts';
import type { Vault } from './vault.ts';

const SEED_SIZE = 32;
const NO_SALT = new Uint8Array(RECORD_SALT_SIZE);
/** Words of a job of `recordOpen`. */
const OPEN_JOB = 7;
/** The core's word for a context of zeros. */
const NO_CONTEXT = 0;

/** What a secret is sealed with besides itself. */
export interface RecordSpec {
  readonly kind: RecordKind;
  readonly id: string;
  readonly revision: number;
  readonly owner: string;
  readonly attributes: Uint8Array;
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
    const { call, bytes, view } = this.#core;
    const header = this.#header(bytes.subarray(at, at + length));
    const { hsmId, epoch } = this.#vault.identity;
    if (header.hsmId !== hsmId || header.epoch !== epoch) throw new Refusal('KEYCELL_RECORD_CORRUPT');
    const isSession = header.kind === RECORD_KIND.sessionKey;
    if (isSession && session === undefined) throw new Refusal('KEYCELL_RECORD_CORRUPT');
    const headerLen = length - header.secretLength - RECORD_TAG_SIZE;
    const base = this.#base(header.kind);
    const mark = this.#work.mark();
    const context = isSession ? this.#put(fromHex(session!, ID_SIZE)) : NO_CONTEXT;
    const result = this.#work.take(4);
    const job = this.#work.take(4 * OPEN_JOB);
    view.setUint32(job, at, true);
    view.setUint32(job + 4, headerLen, true);
    view.setUint32(job + 8, header.secretLength, true);
    view.setUint32(job + 12, base, true);
    view.setUint32(job + 16, context, true);
    view.setUint32(job + 20, output, true);
    view.setUint32(job + 24, result, true);
    call.recordOpen(job, 1);
    const ok = view.getUint32(result, true);
    this.#work.release(mark);
    if (ok !== 1) throw new Refusal('KEYCELL_RECORD_CORRUPT', isSession ? 'ownSession' : 'none');
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

  /** Seal the secret at `secret` into `output`. The two must not overlap. */
  seal(spec: RecordSpec, secret: number, secretLength: number, output: Arena): Span {
    const header = this.header(spec, secretLength);
    const record = this.place(header, secretLength, output);
    const mark = this.#work.mark();
    const jobs = new JobList(this.#core, SEAL_JOB);
    this.sealLater(jobs, record.offset, header.length, secret, secretLength);
    jobs.run(this.#work, this.kernel);
    this.#work.release(mark);
    return record;
  }

  /** The bytes before the ciphertext, with a zero salt: that is for the kernel. */
  header(spec: RecordSpec, secretLength: number): Uint8Array {
    const { hsmId, epoch } = this.#vault.identity;
    const { kind, id, revision, owner, attributes } = spec;
    return encodeRecordHeader({ kind, hsmId, epoch, id, revision, owner, salt: NO_SALT, attributes, secretLength });
  }

  /** Room for a record that begins with this header. */
  place(header: Uint8Array, secretLength: number, output: Arena): Span {
    const length = header.length + secretLength + RECORD_TAG_SIZE;
    const offset = output.take(length);
    this.#core.bytes.set(header, offset);
    return { offset, length };
  }

  /**
   * A job for `kernel`: seal the record whose header lies at `at`, in what `place` gave. The secret stays where it is until
   * then, outside of the record. `context` is the address of the session's id, for a key that is bound to it.
   */
  sealLater(
    jobs: JobList,
    at: number,
    headerLen: number,
    secret: number,
    secretLength: number,
    context = NO_CONTEXT,
  ): void {
    const base = this.#base(this.#core.bytes[at + RECORD_KIND_OFFSET]!);
    // The salt binds fresh randomness to what is sealed: a repeated generator still gives a new key for a new secret.
    const seed = this.#random.draw(SEED_SIZE);
    jobs.add(at, headerLen, secret, secretLength, seed, base, context);
  }

  readonly kernel: Kernel = (jobs, count) => this.#core.call.recordSeal(this.#vault.midstates('hedge'), jobs, count);

  /** The key that the keys of such records are derived from. */
  #base(kind: number): number {
    return this.#vault.midstates(kind === RECORD_KIND.sessionKey ? 'session' : 'seal');
  }

  #put(bytes: Uint8Array): number {
    const at = this.#work.take(bytes.length);
    this.#core.bytes.set(bytes, at);
    return at;
  }
}
