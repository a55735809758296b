/**
 * One batch: check the lease, open what is asked for, authorise each request, run equal operations side by side,
 * reply, and leave nothing. A request that is refused never fails its neighbours.
 */
import { REASONS, Refusal, statusOf } from '../errors.ts';
import { decodeAttributes } from '../wire/attributes.ts';
import {
  type ReadBatch,
  readBatch,
  replyBytesOffset,
  type Span,
  type WrittenResult,
  writeReply,
} from '../wire/batch.ts';
import { FormatError } from '../wire/fields.ts';
import { RECORD_KIND, RECORD_KIND_OFFSET } from '../wire/record.ts';
import type { Ticket } from '../wire/ticket.ts';
import { Alike } from './alike.ts';
import { Arena } from './arena.ts';
import { Authority } from './authority.ts';
import { type Bench, Call, type OpenKey, type Outcome } from './call.ts';
import { type Core, IntegrityError } from './core.ts';
import { writeEntry } from './entry.ts';
import { Grants } from './grants.ts';
import { Jobs } from './jobs.ts';
import { KnownAttributes } from './known-attributes.ts';
import { operation } from './operations/index.ts';
import type { Random } from './random.ts';
import { Records } from './records.ts';
import { Uses } from './uses.ts';
import type { Vault } from './vault.ts';

/** Kept back for the batch's entry and its kernels' jobs: what the batch asked for cannot take it. */
export const ENTRY_RESERVE = 0x40000;

const NO_ENTRY: Span = { offset: 0, length: 0 };

/** One request on its way through the batch, and its result. A class for the reason that ReadRequest is one. */
class InHand implements WrittenResult {
  readonly #operation: ReturnType<typeof operation>;
  ticket: Ticket | undefined;
  call: Call | undefined;
  outcome: Outcome | undefined;
  refusal: Refusal | undefined;

  constructor(op: number) {
    this.#operation = operation(op);
    this.ticket = undefined;
    this.call = undefined;
    this.outcome = undefined;
    this.refusal = undefined;
  }

  get op(): string {
    return this.#operation?.name ?? 'unknown';
  }

  /** The operation's next step: what it gives instead of an outcome. */
  next(): Outcome {
    if (typeof this.outcome === 'function') return this.outcome();
    if (this.#operation === undefined) throw new Refusal('KEYCELL_MECHANISM_INVALID');
    return this.#operation.run(this.call!);
  }

  get status(): number {
    return this.refusal === undefined ? 0 : statusOf(this.refusal.code);
  }

  get reason(): number {
    return this.refusal === undefined ? 0 : REASONS[this.refusal.reason][0];
  }

  get index(): number | undefined {
    return this.refusal?.index;
  }

  /** As addresses. */
  get parts(): readonly Span[] {
    const { refusal, outcome } = this;
    if (refusal !== undefined) return NO_PARTS;
    if (outcome === undefined || typeof outcome === 'function') throw new IntegrityError('a request was left undone');
    return outcome;
  }
}

const NO_PARTS: readonly Span[] = [];

const waits = (each: InHand): boolean => each.refusal === undefined && typeof each.outcome === 'function';

export class BatchServer {
  readonly #core: Core;
  readonly #vault: Vault;
  readonly #random: Random;
  readonly #work: Arena;
  readonly #reply: Arena;
  readonly #authority: Authority;
  readonly #records: Records;
  readonly #grants: Grants;
  readonly #known = new KnownAttributes();
  readonly #jobs: Jobs;
  readonly #alike: Alike;
  /** Names this cell in the log. */
  readonly #cell: string;
  #entries = 0;
  #slots = 0;
  /** Of the batch in hand: the time of its lease, carried on. */
  #now = 0;
  /** Did the last batch make an entry for the log? */
  entered = false;
  /** How many requests it had. */
  served = 0;

  constructor(core: Core, vault: Vault, random: Random, work: Arena, cell: string) {
    this.#core = core;
    this.#vault = vault;
    this.#random = random;
    this.#work = work;
    this.#reply = new Arena(core.call.REPLY.value, core.call.WINDOW_SIZE.value, ENTRY_RESERVE);
    this.#authority = new Authority(core, vault);
    this.#records = new Records(core, work, vault, random);
    this.#grants = new Grants(core, work, vault);
    this.#jobs = new Jobs(core, this.#records.kernel);
    this.#alike = new Alike(core);
    this.#cell = cell;
  }

  /** Serve the request of `length` bytes that lies in the window; gives the reply as a view of linear memory, until `wipe`. */
  serve(length: number): Uint8Array {
    const { call } = this.#core;
    const batch = readBatch(this.#core, call.WINDOW.value, length);
    this.served = batch.requests.length;
    this.#reply.take(replyBytesOffset(this.served));
    const inHand = batch.requests.map(({ op }) => new InHand(op));
    const uses = new Uses();
    if (!this.#vault.open) for (const each of inHand) each.refusal = new Refusal('KEYCELL_SEALED');
    else {
      this.#random.beginBatch(batch.requests.length);
      this.#run(batch, inHand);
      this.#count(inHand, uses);
    }
    this.entered = !uses.empty;
    const audit = uses.empty ? NO_ENTRY : this.#entry(uses);
    const reply = call.REPLY.value;
    writeReply(this.#core, reply, this.#reply.length, inHand, audit);
    return this.#core.bytes.subarray(reply, reply + this.#reply.length);
  }

  /** Wipe what a batch used; on every path, and before its reply is announced. */
  wipe(requestLength: number): void {
    this.#core.call.wipeBatch(this.#slots, this.#work.high, requestLength, this.#reply.high);
    this.#random.endBatch();
    this.#jobs.clear();
    this.#slots = 0;
    this.#work.reset();
    this.#reply.reset();
  }

  #run(batch: ReadBatch, inHand: readonly InHand[]): void {
    const core = this.#core;
    try {
      this.#now = this.#authority.takeLease(batch.lease.offset, batch.lease.length);
    } catch (error) {
      for (const each of inHand) each.refusal = asRefusal(error);
      return;
    }
    this.#alike.begin();
    const tickets = batch.tickets.map((span) => attempt(() => this.#authority.readTicket(span.offset, span.length)));
    const sessions = tickets.map((ticket, i) => firstOfSession(tickets, ticket, i));
    const opened: (OpenKey | Refusal)[][] = batch.keys.map(() => []);
    const bench: Bench = {
      core,
      work: this.#work,
      reply: this.#reply,
      random: this.#random,
      records: this.#records,
      grants: this.#grants,
      now: this.#now,
      jobs: this.#jobs,
      alike: this.#alike,
      open: (index, ticket, number) => {
        // A stored key opens alike in every session, and once is enough; one of a session, for that session alone.
        const session = this.#isOfSession(batch.keys[index]!) ? sessions[number]! : 0;
        const key = opened[index]![session] ?? attempt(() => this.#open(batch, index, ticket));
        opened[index]![session] = key;
        if (key instanceof Refusal) throw key;
        return key;
      },
    };

    batch.requests.forEach((request, i) => {
      const each = inHand[i]!;
      const ticket = tickets[request.ticket]!;
      if (ticket instanceof Refusal) {
        each.refusal = ticket;
        return;
      }
      each.ticket = ticket;
      each.call = new Call(bench, request, ticket, batch.tickets[request.ticket]!.offset);
      this.#step(bench.jobs, each);
    });

    // A step may wait again, for what another kernel makes of the first one's results. Records are sealed though none waits.
    let waiting = inHand.filter(waits);
    for (;;) {
      bench.jobs.run(this.#work);
      if (waiting.length === 0) return;
      for (const each of waiting) this.#step(bench.jobs, each);
      waiting = waiting.filter(waits);
    }
  }

  /**
   * A step of a request. One that is refused leaves nothing of what it took: no kernel will read there, and what it began
   * to write, a key perhaps that was about to be sealed, is not in the reply.
   */
  #step(jobs: Jobs, each: InHand): void {
    const reply = this.#reply.mark();
    const work = this.#work.mark();
    try {
      each.outcome = each.next();
      jobs.keep();
    } catch (error) {
      each.refusal = asRefusal(error);
      jobs.drop();
      this.#core.bytes.fill(0, reply, this.#reply.mark());
      this.#core.bytes.fill(0, work, this.#work.mark());
      this.#reply.release(reply);
      this.#work.release(work);
    }
  }

  /** By what the record claims; one that claims what it is not does not open. */
  #isOfSession({ record }: ReadBatch['keys'][number]): boolean {
    return this.#core.bytes[record.offset + RECORD_KIND_OFFSET] === RECORD_KIND.sessionKey;
  }

  /** Open a record into the next slot, and see that it is the key that was asked for. */
  #open(batch: ReadBatch, index: number, ticket: Ticket): OpenKey {
    const { call } = this.#core;
    const { id, record } = batch.keys[index]!;
    if (this.#slots >= call.SLOT_COUNT.value) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
    const secret = call.SLOTS.value + call.SLOT_SIZE.value * this.#slots++;
    const header = this.#records.open(record.offset, record.length, secret, ticket.session);
    const isKey = header.kind === RECORD_KIND.key || header.kind === RECORD_KIND.sessionKey;
    if (!isKey || header.id !== id) throw new Refusal('KEYCELL_RECORD_CORRUPT');
    return {
      id,
      alone: [id],
      kind: header.kind,
      revision: header.revision,
      owner: header.owner,
      // A session key is mostly used once.
      attributes:
        header.kind === RECORD_KIND.key ? this.#known.of(id, header.attributes) : decodeAttributes(header.attributes),
      secret,
      length: header.secretLength,
      context: 0,
      envelopeContext: 0,
      envelopeHeader: undefined,
    };
  }

  #count(inHand: readonly InHand[], uses: Uses): void {
    for (const { op, ticket, call, refusal } of inHand) {
      if (ticket === undefined || call === undefined) continue;
      uses.count(ticket.session, ticket.user, op, call.opened, call.made, call.recipient, call.mark, refusal?.code);
    }
  }

  #entry(uses: Uses): Span {
    this.#entries++;
    const open = `{"at":${this.#now},"by":"${this.#cell}","n":${this.#entries},"uses":${uses.json(this.#core)}`;
    return writeEntry(this.#core, this.#reply, this.#vault, open);
  }
}

/** Which of a batch's tickets was the first of this one's session: a session's key is opened once for it. */
function firstOfSession(tickets: readonly (Ticket | Refusal)[], ticket: Ticket | Refusal, number: number): number {
  if (number === 0 || ticket instanceof Refusal) return number;
  return tickets.findIndex((other) => !(other instanceof Refusal) && other.session === ticket.session);
}

/** A value, or the Refusal that stands in its place; anything else that is thrown ends the cell. */
function attempt<T>(make: () => T): T | Refusal {
  try {
    return make();
  } catch (error) {
    return asRefusal(error);
  }
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof FormatError) return new Refusal('KEYCELL_INPUT_INVALID', error.reason);
  throw error;
}
