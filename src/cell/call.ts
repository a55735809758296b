/** One request in hand: what an operation may reach, and the only way it reaches keys. */
import { Refusal } from '../errors.ts';
import { HASH } from '../model/algorithms.ts';
import type { KeyAttributes } from '../model/attributes.ts';
import type { HashName, Usage } from '../model/key.ts';
import { checkUse } from '../model/policy.ts';
import { flaggedHash, type ReadRequest, type Span } from '../wire/batch.ts';
import { ENVELOPE_LABEL } from '../wire/envelope.ts';
import { FormatError, ID_SIZE } from '../wire/fields.ts';
import { readList } from '../wire/list.ts';
import { RECORD_ID_OFFSET, RECORD_KIND, RECORD_KIND_OFFSET } from '../wire/record.ts';
import { TICKET_SESSION_OFFSET, type Ticket } from '../wire/ticket.ts';
import type { Alike } from './alike.ts';
import type { Arena } from './arena.ts';
import { type Core, IntegrityError } from './core.ts';
import type { Grants } from './grants.ts';
import type { Jobs } from './jobs.ts';
import type { Random } from './random.ts';
import type { Records } from './records.ts';
import { derive } from './vault.ts';

/** A key opened for this batch: its raw bytes lie at `secret` in a slot, with room for a key schedule behind. */
export interface OpenKey {
  readonly id: string;
  /** The list of this id, for all requests that open no other key. */
  readonly alone: readonly string[];
  readonly kind: number;
  readonly revision: number;
  readonly owner: string;
  readonly attributes: KeyAttributes;
  readonly secret: number;
  readonly length: number;
  /** The AES context, expanded at first use. */
  context: number;
  /** The context of the key that its envelopes are under, derived at first use. */
  envelopeContext: number;
  envelopeHeader: Uint8Array | undefined;
}

/** What all requests of a batch share. */
export interface Bench {
  readonly core: Core;
  readonly work: Arena;
  readonly reply: Arena;
  readonly random: Random;
  readonly records: Records;
  readonly grants: Grants;
  readonly now: number;
  /** Jobs that wait for one run of a batch kernel. */
  readonly jobs: Jobs;
  readonly alike: Alike;
  /** The batch's key of this index, for its ticket of this number. */
  open(index: number, ticket: Ticket, number: number): OpenKey;
}

/** An operation gives its results, or, when it waits for a batch kernel, the step that goes on afterwards. */
export type Outcome = readonly Span[] | (() => Outcome);
export type Operation = (call: Call) => Outcome;

export const SLOT_CONTEXT = 512;
const ENVELOPE_KEY_SIZE = 32;
const NO_CONTEXT = new Uint8Array(0);
const NO_KEYS: readonly string[] = [];

/** By number, from 1; two bits of flags hold no other. */
const HASH_NAMES = Object.keys(HASH) as HashName[];

export class Call {
  readonly bench: Bench;
  readonly request: ReadRequest;
  readonly ticket: Ticket;
  /** For the log: the keys that were opened, where the id of the key that was made lies, and the outside recipient. */
  opened: readonly string[] = NO_KEYS;
  made: number | undefined;
  recipient: string | undefined;
  /** For the log: what an admin vouched for, or does no more. */
  mark: object | undefined;
  readonly #ticketAt: number;

  constructor(bench: Bench, request: ReadRequest, ticket: Ticket, ticketAt: number) {
    this.bench = bench;
    this.request = request;
    this.ticket = ticket;
    this.#ticketAt = ticketAt;
  }

  flag(bit: number): boolean {
    return (this.request.flags & bit) !== 0;
  }

  /** The hash that the request names, or undefined for the key's own. */
  hash(): HashName | undefined {
    const number = flaggedHash(this.request.flags);
    return number === 0 ? undefined : HASH_NAMES[number - 1];
  }

  /** The nth part of the request, as an address. Throws INPUT_INVALID where it is missing. */
  part(n: number): Span {
    const part = this.request.part(n);
    if (part === undefined) throw new Refusal('KEYCELL_INPUT_INVALID');
    return part;
  }

  /** A public part as bytes: a copy. Never for secrets. */
  publicPart(n: number): Uint8Array<ArrayBuffer> {
    const { offset, length } = this.part(n);
    return this.bench.core.bytes.slice(offset, offset + length);
  }

  /** The items of a list that a part holds, as addresses. */
  list(n: number): Span[] {
    const { offset, length } = this.part(n);
    try {
      return readList(this.bench.core.bytes.subarray(offset, offset + length)).map((item) => ({
        offset: offset + item.offset,
        length: item.length,
      }));
    } catch (error) {
      if (error instanceof FormatError) throw new Refusal('KEYCELL_INPUT_INVALID');
      throw error;
    }
  }

  /** A part that is a number: 4 bytes, big-endian. */
  number(n: number): number {
    const { offset, length } = this.part(n);
    if (length !== 4) throw new Refusal('KEYCELL_INPUT_INVALID');
    return this.bench.core.view.getUint32(offset);
  }

  /** Does the request name an nth key? */
  has(n: number): boolean {
    return n < this.request.keyCount;
  }

  /** The nth key that the request names, opened, for this use. The owner's alone; an admin uses no keys. */
  key(n: number, usage: Usage): OpenKey {
    const key = this.ownKey(n);
    checkUse(key.attributes, usage, this.bench.now);
    return key;
  }

  /** The nth key, whatever its usages: to export, wrap or destroy it. */
  ownKey(n: number): OpenKey {
    if (this.ticket.role !== 'crypto-user') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    const key = this.anyKey(n);
    if (key.owner !== this.ticket.user) throw new Refusal('KEYCELL_KEY_NOT_FOUND');
    return key;
  }

  /** The nth key, whosoever it is: for what an admin may do. */
  anyKey(n: number): OpenKey {
    const index = this.request.key(n);
    if (index === undefined) throw new Refusal('KEYCELL_INPUT_INVALID');
    const key = this.bench.open(index, this.ticket, this.request.ticket);
    const first = this.opened[0];
    // Neither pushed nor spread where there are one or two: an array that grows takes room for seventeen.
    if (first === undefined) this.opened = key.alone;
    else this.opened = this.opened.length === 1 ? [first, key.id] : [...this.opened, key.id];
    return key;
  }

  /** The key's AES context, in its slot. */
  aes(key: OpenKey): number {
    if (key.attributes.type !== 'AES') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
    if (key.context === 0) {
      const at = key.secret + SLOT_CONTEXT;
      if (this.bench.core.call.aesExpandKey(at, key.secret, key.length) !== 1) {
        throw new Refusal('KEYCELL_RECORD_CORRUPT');
      }
      key.context = at;
    }
    return key.context;
  }

  /**
   * The AES context of K_e, docs/formats.md §5, in the key's slot behind its own. HMAC derives it, so that whoever may have
   * the key's block cipher on blocks of their choice, as by CTR or CMAC, has no way to it. It encrypts blocks, and nothing else.
   */
  envelopeContext(key: OpenKey): number {
    if (key.envelopeContext === 0) {
      const { core, work } = this.bench;
      const at = key.secret + SLOT_CONTEXT + core.call.AES_CTX_SIZE.value;
      const mark = work.mark();
      const derived = work.take(ENVELOPE_KEY_SIZE);
      derive(core, work, key.secret, key.length, ENVELOPE_LABEL, NO_CONTEXT, derived);
      if (core.call.aesExpandKey(at, derived, ENVELOPE_KEY_SIZE) !== 1) {
        throw new IntegrityError('a key schedule failed');
      }
      work.release(mark);
      key.envelopeContext = at;
    }
    return key.envelopeContext;
  }

  /** Room in the reply for public or secret results alike. */
  result(length: number): Span {
    return { offset: this.bench.reply.take(length), length };
  }

  /** A result of public bytes that were made here. */
  publicResult(bytes: Uint8Array): Span {
    const span = this.result(bytes.length);
    this.bench.core.bytes.set(bytes, span.offset);
    return span;
  }

  /**
   * The record of a key with this header: in the store's form, or bound to the caller's session. The batch's last kernel seals
   * it; until then the secret stays where it is. `id` is the address of an id that the header has not got yet.
   */
  sealKey(header: Uint8Array, secret: number, length: number, id?: number): Span {
    const { core, records, reply, jobs } = this.bench;
    const record = records.place(header, length, reply);
    this.made = record.offset + RECORD_ID_OFFSET;
    if (id !== undefined) core.bytes.copyWithin(this.made, id, id + ID_SIZE);
    const isSession = header[RECORD_KIND_OFFSET] === RECORD_KIND.sessionKey;
    const context = isSession ? this.#ticketAt + TICKET_SESSION_OFFSET : undefined;
    records.sealLater(jobs.seals, record.offset, header.length, secret, length, context);
    return record;
  }
}
