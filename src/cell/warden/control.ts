/**
 * The control state: what the store as a whole should be. Its digest is the sum modulo 2^256 of a keyed MAC for each
 * record, so that any change updates it, and a record that is missing, altered, put back or added shows.
 */
import { Refusal } from '../../errors.ts';
import { type ControlState, DIGEST_SIZE, decodeControl, encodeControl } from '../../wire/control.ts';
import { FormatError, fromHex, ZERO_ID } from '../../wire/fields.ts';
import { decodeRecordHeader, RECORD_KIND, RECORD_MAX_SECRET, RECORD_TAG_SIZE } from '../../wire/record.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import type { Records } from '../records.ts';
import type { Vault } from '../vault.ts';

const TERM_SIZE = 1 + 16 + 4 + RECORD_TAG_SIZE;
const MODULUS = 1n << 256n;

/**
 * The digest and count of a set of records. Who saw the sums could learn each term from their differences, and look for
 * old records whose terms add up: so the sum leaves the warden only as the secret of the control record.
 */
export class Digest {
  sum: bigint;
  records: number;

  constructor(sum = 0n, records = 0) {
    this.sum = sum;
    this.records = records;
  }

  add(term: bigint): void {
    this.sum = (this.sum + term) % MODULUS;
    this.records++;
  }

  remove(term: bigint): void {
    this.sum = (this.sum - term + MODULUS) % MODULUS;
    this.records--;
  }
}

/** A control record that the store may hold by now, and what is then so. */
interface Proposal {
  readonly digest: Digest;
  readonly sequence: number;
  readonly revokedAt: number;
  readonly admins: number;
}

export class Control {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;
  readonly #records: Records;
  #digest = new Digest();
  #sequence = 0;
  #revokedAt = 0;
  #createdAt = 0;
  #admins = 0;
  #proposal: Proposal | undefined;
  /** The last sequence that was proposed: none is used twice, whatever became of it. */
  #proposed = 0;

  constructor(core: Core, work: Arena, vault: Vault, records: Records) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
    this.#records = records;
  }

  /** Of the last control record that is known to be on the disk. */
  get sequence(): number {
    return this.#sequence;
  }

  begin(now: number): void {
    this.resume({ sum: 0n, records: 0, sequence: 0, revokedAt: 0, createdAt: now, admins: 0 });
  }

  /** Admins who are not locked, by the last control record that is known to be on the disk. */
  get admins(): number {
    return this.#admins;
  }

  /** The state that a control record tells. Throws STORE_CORRUPT where it is not authentic. */
  read(record: Uint8Array): ControlState & { readonly sum: bigint } {
    const mark = this.#work.mark();
    const at = this.#work.take(record.length);
    this.#core.bytes.set(record, at);
    try {
      // Room for any record's secret: that it is the control state's is known only after the tag.
      const secret = this.#work.take(RECORD_MAX_SECRET);
      const header = this.#records.open(at, record.length, secret);
      if (header.kind !== RECORD_KIND.control || header.secretLength !== DIGEST_SIZE) {
        throw new Refusal('KEYCELL_STORE_CORRUPT');
      }
      return { ...decodeControl(header.attributes), sum: this.#number(secret) };
    } catch (error) {
      if (error instanceof Refusal || error instanceof FormatError) throw new Refusal('KEYCELL_STORE_CORRUPT');
      throw error;
    } finally {
      this.#work.release(mark);
    }
  }

  /** Go on from a control record; what the store holds is compared by `matches`. */
  resume(state: Omit<ControlState, 'incarnation' | 'logSequence' | 'logHash'> & { readonly sum: bigint }): void {
    this.#digest = new Digest(state.sum, state.records);
    this.#sequence = state.sequence;
    this.#proposed = state.sequence;
    this.#revokedAt = state.revokedAt;
    this.#createdAt = state.createdAt;
    this.#admins = state.admins;
    this.#proposal = undefined;
  }

  /** The 32 bytes at an address as a number, big-endian. */
  #number(at: number): bigint {
    let number = 0n;
    for (let i = 0; i < DIGEST_SIZE; i += 8) number = (number << 64n) | this.#core.view.getBigUint64(at + i);
    return number;
  }

  matches(found: Digest): boolean {
    return found.sum === this.#digest.sum && found.records === this.#digest.records;
  }

  /** A record's term: HMAC(K(digest), kind ‖ id ‖ revision ‖ tag). */
  term(record: Uint8Array): bigint {
    const { kind, id, revision } = decodeRecordHeader(record);
    const { bytes, view } = this.#core;
    const mark = this.#work.mark();
    const at = this.#work.take(TERM_SIZE);
    const mac = this.#work.take(32);
    bytes[at] = kind;
    bytes.set(fromHex(id, 16), at + 1);
    view.setUint32(at + 17, revision);
    bytes.set(record.subarray(record.length - RECORD_TAG_SIZE), at + 21);
    this.#vault.mac('digest', at, TERM_SIZE, mac);
    const term = this.#number(mac);
    this.#work.release(mark);
    return term;
  }

  /**
   * The next control record, after these changes: so many admins more can log in, or fewer. Nothing advances before `settle`: the state is what the disk holds. Throws
   * STORE_UNAVAILABLE while the last proposal is not settled.
   */
  propose(
    added: readonly Uint8Array[],
    removed: readonly Uint8Array[],
    admins: number,
    log: { readonly seq: number; readonly hash: string },
    revokes: boolean,
  ): Uint8Array<ArrayBuffer> {
    if (this.#proposal !== undefined) throw new Refusal('KEYCELL_STORE_UNAVAILABLE');
    const digest = new Digest(this.#digest.sum, this.#digest.records);
    for (const record of removed) digest.remove(this.term(record));
    for (const record of added) digest.add(this.term(record));
    const sequence = this.#proposed + 1;
    const revokedAt = revokes ? sequence : this.#revokedAt;
    const attributes = encodeControl({
      incarnation: this.#vault.identity.incarnation,
      sequence,
      revokedAt,
      records: digest.records,
      logSequence: log.seq,
      logHash: fromHex(log.hash, 32),
      createdAt: this.#createdAt,
      admins: this.#admins + admins,
    });
    const mark = this.#work.mark();
    const secret = this.#work.take(DIGEST_SIZE);
    for (let i = 0; i < DIGEST_SIZE; i += 8) {
      this.#core.view.setBigUint64(secret + i, BigInt.asUintN(64, digest.sum >> BigInt(8 * (24 - i))));
    }
    const { offset, length } = this.#records.seal(
      { kind: RECORD_KIND.control, id: ZERO_ID, revision: sequence >>> 0, owner: ZERO_ID, attributes },
      secret,
      DIGEST_SIZE,
      this.#work,
    );
    const record = this.#core.bytes.slice(offset, offset + length);
    this.#work.release(mark);
    this.#proposed = sequence;
    this.#proposal = { digest, sequence, revokedAt, admins: this.#admins + admins };
    return record;
  }

  /** The proposal is on the disk, or it is not and never will be. */
  settle(written: boolean): void {
    const proposal = this.#proposal;
    this.#proposal = undefined;
    if (proposal === undefined || !written) return;
    this.#digest = proposal.digest;
    this.#sequence = proposal.sequence;
    this.#revokedAt = proposal.revokedAt;
    this.#admins = proposal.admins;
  }
}
