/**
 * The batch: requests and replies of one trip to a cell, in a fixed binary layout (little-endian, 0.1 µs an operation).
 * Both lie in a place, a SharedArrayBuffer of one cell and its batcher; every offset counts from the start of the place.
 *
 *   request   header 32 | tickets 8 each | keys 24 each | requests 56 each | bytes
 *   reply     header 32 | results 32 each | bytes
 *
 * A carrier may change shared bytes at any time, so the cell reads only its own copy, and trusts no offset in it.
 */
import { MESSAGE_MAX } from '../model/limits.ts';
import { FormatError, fromHex, ID_SIZE, isId } from './fields.ts';
import { ON_HEAP_MAX, ownCopy } from './own.ts';

export const OP = {
  sign: 1,
  verify: 2,
  encrypt: 3,
  decrypt: 4,
  wrapKey: 5,
  unwrapKey: 6,
  rewrapKeys: 7,
  deriveKey: 8,
  generateKey: 9,
  importKey: 10,
  exportKey: 11,
  random: 12,
  generateDataKey: 13,
  setAttributes: 14,
  destroyKey: 15,
  openStream: 16,
  encryptSegment: 17,
  decryptSegment: 18,
  reencrypt: 19,
} as const;
export type OpName = keyof typeof OP;

export const MECHANISM = {
  none: 0,
  ECDSA: 1,
  HMAC: 2,
  envelope: 3,
  'AES-GCM': 4,
  'AES-KW': 5,
  'AES-KWP': 6,
  ECDH: 7,
  KDF: 8,
  'AES-CMAC': 9,
  'AES-CTR': 10,
  'AES-CBC': 11,
  'AES-CBC-HMAC': 12,
} as const;
export type MechanismName = keyof typeof MECHANISM;

/** Which key derivation a deriveKey asks for. */
export const KDF = { none: 0, concat: 1, 'sp800-108': 2, hkdf: 3, bound: 4 } as const;

/** Bits of a request's flags. The highest two are the number of its hash (model/algorithms.ts), or 0 for the key's own. */
export const FLAG = {
  der: 1,
  prehashed: 2,
  rfc6979: 4,
  jwe: 8,
  wrapAsKwp: 16,
  wrapAsGcm: 32,
  last: 64,
  acceptImported: 128,
} as const;

const HASH_SHIFT = 14;
/** The flags that ask for the hash of this number … */
export const hashFlag = (hash: number): number => hash << HASH_SHIFT;
/** … and the number that flags ask for. */
export const flaggedHash = (flags: number): number => flags >>> HASH_SHIFT;

const REQUEST_MAGIC = 0x3151434b; // "KCQ1"
const REPLY_MAGIC = 0x3152434b; // "KCR1"
const HEADER_SIZE = 32;
const TICKET_ENTRY = 8;
const KEY_ENTRY = 24;
const REQUEST_ENTRY = 56;
const RESULT_ENTRY = 32;
/** A request names at most this many keys. */
export const MAX_KEYS = 3;
export const MAX_PARTS = 5;
export const MAX_RESULT_PARTS = 3;
const NO_KEY = 0xffff;
/** Limits of one batch: the cell has this many slots for opened keys. */
export const BATCH_MAX_KEYS = 240;
export const BATCH_MAX_REQUESTS = 1024;
/** A place: a message of 16 MiB and room for its frame; equal to WINDOW_SIZE of assembly/layout.ts. */
export const PLACE_SIZE = 0x1100000;
/** What is opened may be longer by what sealing adds, so that the largest message comes back. */
const SEALED_MAX = MESSAGE_MAX + 128;

/** A key as a request names it: the id the caller asked for, and the record that the carrier found for it. */
export interface SealedKey {
  readonly id: string;
  /** The same id as bytes, where they are at hand. */
  readonly idBytes?: Uint8Array;
  readonly record: Uint8Array;
}

/** One request as the facade makes it. What the parts are, each operation of src/cell/operations says. */
export interface CellRequest {
  readonly op: OpName;
  readonly mechanism: MechanismName;
  readonly flags: number;
  readonly ticket: Uint8Array;
  readonly keys: readonly SealedKey[];
  readonly parts: readonly Uint8Array[];
}

export interface CellResult {
  /** 0, or the number of an error code. */
  readonly status: number;
  readonly reason: number;
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  /** Of a refusal: which item of the request's list it is for. */
  readonly index?: number | undefined;
}

const align = (offset: number): number => (offset + 7) & ~7;

/** The most that a request adds to a batch, in bytes. */
export function requestSize({ ticket, keys, parts }: CellRequest): number {
  let size = REQUEST_ENTRY + TICKET_ENTRY + align(ticket.length);
  for (let k = 0; k < keys.length; k++) size += KEY_ENTRY + align(keys[k]!.record.length);
  for (let p = 0; p < parts.length; p++) size += align(parts[p]!.length);
  return size;
}

/** The most that a part of this operation may hold. */
export const partMax = (op: OpName): number => (op === 'decrypt' || op === 'reencrypt' ? SEALED_MAX : MESSAGE_MAX);

/** The least room that a batch takes besides its requests. */
export const batchOverhead = (lease: Uint8Array): number => HEADER_SIZE + align(lease.length) + 64;

const NO_ID = new Uint8Array(ID_SIZE);
/** An id that is none becomes one that no record has: the cell refuses that request, and its neighbours go on. */
const idBytes = (id: string): Uint8Array => (isId(id) ? fromHex(id, ID_SIZE) : NO_ID);

/** The views that reading and writing a place take: made once for a place that serves many batches. */
export class PlaceView {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  readonly text: Buffer;
  readonly words: BigUint64Array;

  constructor(place: Uint8Array) {
    this.bytes = place;
    this.data = new DataView(place.buffer, place.byteOffset, place.length);
    this.words = new BigUint64Array(place.buffer, place.byteOffset, place.length >> 3);
    this.text = Buffer.from(place.buffer, place.byteOffset, place.length);
  }
}

/** What several requests share, each once. Few are there, and most requests bring what the one before them brought. */
class Shared<T> {
  readonly items: T[] = [];
  readonly #names: Uint8Array[] = [];
  #index: Map<Uint8Array, number> | undefined;
  #last = -1;

  /** Its number; `item` goes in where the name is new. */
  put(name: Uint8Array, item: T): number {
    let found = this.#find(name);
    if (found < 0) {
      found = this.items.length;
      this.items.push(item);
      this.#names.push(name);
      this.#index?.set(name, found);
    }
    this.#last = found;
    return found;
  }

  #find(name: Uint8Array): number {
    const names = this.#names;
    if (this.#last >= 0 && names[this.#last] === name) return this.#last;
    if (names.length <= SEARCHED_MAX) return names.indexOf(name);
    this.#index ??= new Map(names.map((each, i) => [each, i]));
    return this.#index.get(name) ?? -1;
  }
}
/** Up to so many, a search from the front is quicker than a map. */
const SEARCHED_MAX = 8;

/**
 * Lay a batch into a place; tickets and records that several requests share are written once.
 * The caller has seen to it by requestSize and BATCH_MAX_… that it fits. Returns the length used.
 */
export function writeBatch(
  place: Uint8Array,
  lease: Uint8Array,
  requests: readonly CellRequest[],
  view = new PlaceView(place),
): number {
  const { data } = view;
  const tickets = new Shared<Uint8Array>();
  const keys = new Shared<SealedKey>();
  for (let i = 0; i < requests.length; i++) {
    const request = requests[i]!;
    tickets.put(request.ticket, request.ticket);
    for (let k = 0; k < request.keys.length; k++) keys.put(request.keys[k]!.record, request.keys[k]!);
  }
  const ticketsAt = HEADER_SIZE;
  const keysAt = ticketsAt + TICKET_ENTRY * tickets.items.length;
  const requestsAt = keysAt + KEY_ENTRY * keys.items.length;
  let at = align(requestsAt + REQUEST_ENTRY * requests.length);
  const put = (entry: number, bytes: Uint8Array): void => {
    data.setUint32(entry, at, true);
    data.setUint32(entry + 4, bytes.length, true);
    place.set(bytes, at);
    at = align(at + bytes.length);
  };
  put(8, lease);
  for (let i = 0; i < tickets.items.length; i++) put(ticketsAt + TICKET_ENTRY * i, tickets.items[i]!);
  for (let i = 0; i < keys.items.length; i++) {
    const key = keys.items[i]!;
    const entry = keysAt + KEY_ENTRY * i;
    put(entry, key.record);
    place.set(key.idBytes ?? idBytes(key.id), entry + 8);
  }
  for (let i = 0; i < requests.length; i++) {
    const request = requests[i]!;
    const named = request.keys.length;
    const entry = requestsAt + REQUEST_ENTRY * i;
    data.setUint8(entry, OP[request.op]);
    data.setUint8(entry + 1, MECHANISM[request.mechanism]);
    data.setUint16(entry + 2, request.flags, true);
    data.setUint16(entry + 4, tickets.put(request.ticket, request.ticket), true);
    for (let k = 0; k < MAX_KEYS; k++) {
      const index = k < named ? keys.put(request.keys[k]!.record, request.keys[k]!) : NO_KEY;
      data.setUint16(entry + 6 + 2 * k, index, true);
    }
    const count = request.parts.length;
    data.setUint32(entry + 12, count, true);
    // A free place is zero, and so are the entries of parts that are not there.
    for (let p = 0; p < count; p++) put(entry + 16 + 8 * p, request.parts[p]!);
  }
  data.setUint32(0, REQUEST_MAGIC, true);
  data.setUint32(4, at, true);
  data.setUint32(16, tickets.items.length, true);
  data.setUint32(20, keys.items.length, true);
  data.setUint32(24, requests.length, true);
  data.setUint32(28, 0, true);
  return at;
}

/**
 * Zero the first bytes of a place, and up to seven more. By words: V8 stores single bytes in shared memory one by one, which
 * takes four times as long.
 */
export function clearPlace({ words }: PlaceView, length: number): void {
  words.fill(0n, 0, Math.ceil(length / 8));
}

/** The length a batch claims to have: what the cell copies, at most a place. Throws FormatError. */
export function batchLength({ data }: PlaceView): number {
  const length = data.getUint32(4, true);
  if (length < HEADER_SIZE || length > data.byteLength) throw new FormatError('a batch has no proper length');
  return length;
}

/** A range of the cell's memory. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** Where a cell reads a batch and writes its reply. */
export interface CellMemory {
  readonly view: DataView;
  readonly text: Buffer;
}

/** The cell's own copy of a batch, `size` bytes at `base`. */
class BatchCopy {
  readonly view: DataView;
  readonly base: number;
  readonly size: number;

  constructor(view: DataView, base: number, size: number) {
    this.view = view;
    this.base = base;
    this.size = size;
  }

  /** The range that an entry names. Throws FormatError unless it lies in the batch. */
  span(entry: number): Span {
    const offset = this.view.getUint32(entry, true);
    const length = this.view.getUint32(entry + 4, true);
    if (offset + length > this.size) throw new FormatError('a batch points outside itself');
    return { offset: this.base + offset, length };
  }
}

/**
 * A request as the cell reads it. Its lists stay where they are written, in the cell's own copy of the batch, which nobody
 * changes while the batch is served.
 *
 * A class, as all that lives as long as its batch: V8 counts how many objects of a literal survive a collection, and one in
 * the middle of a large batch finds that all do. From then on it makes them in the old space, where they keep alive, and
 * promote, whatever they point to: half of a batch's garbage, until the next full collection.
 */
export class ReadRequest {
  readonly op: number;
  readonly mechanism: number;
  readonly flags: number;
  readonly ticket: number;
  readonly keyCount: number;
  readonly partCount: number;
  readonly #batch: BatchCopy;
  readonly #entry: number;

  /** Throws FormatError on any number or range that the batch does not have. */
  constructor(batch: BatchCopy, entry: number, tickets: number, keys: number) {
    const { view } = batch;
    this.#batch = batch;
    this.#entry = entry;
    this.op = view.getUint8(entry);
    this.mechanism = view.getUint8(entry + 1);
    this.flags = view.getUint16(entry + 2, true);
    this.ticket = view.getUint16(entry + 4, true);
    this.partCount = view.getUint32(entry + 12, true);
    if (this.ticket >= tickets || this.partCount > MAX_PARTS) throw new FormatError('a request is malformed');
    let named = 0;
    for (; named < MAX_KEYS; named++) {
      const index = view.getUint16(entry + 6 + 2 * named, true);
      if (index === NO_KEY) break;
      if (index >= keys) throw new FormatError('a request is malformed');
    }
    this.keyCount = named;
    for (let p = 0; p < this.partCount; p++) batch.span(entry + 16 + 8 * p);
  }

  /** Which of the batch's keys the nth is. */
  key(n: number): number | undefined {
    return n < this.keyCount ? this.#batch.view.getUint16(this.#entry + 6 + 2 * n, true) : undefined;
  }

  /** The nth part, checked once more, as it is read once more. */
  part(n: number): Span | undefined {
    return n < this.partCount ? this.#batch.span(this.#entry + 16 + 8 * n) : undefined;
  }
}

export interface ReadBatch {
  readonly lease: Span;
  readonly tickets: readonly Span[];
  readonly keys: readonly { readonly id: string; readonly record: Span }[];
  readonly requests: readonly ReadRequest[];
}

/**
 * Parse the cell's own copy of a batch, `size` bytes at `base`; ranges come out as addresses. Lists are made as long as they
 * get: one that grows takes room for seventeen. Throws FormatError on any offset or count that is out of bounds.
 */
export function readBatch({ view, text }: CellMemory, base: number, size: number): ReadBatch {
  if (size < HEADER_SIZE) throw new FormatError('a batch is cut short');
  if (view.getUint32(base, true) !== REQUEST_MAGIC) throw new FormatError('not a batch');
  const batch = new BatchCopy(view, base, size);
  const ticketCount = view.getUint32(base + 16, true);
  const keyCount = view.getUint32(base + 20, true);
  const requestCount = view.getUint32(base + 24, true);
  if (ticketCount > BATCH_MAX_REQUESTS || keyCount > BATCH_MAX_KEYS || requestCount > BATCH_MAX_REQUESTS) {
    throw new FormatError('a batch is too large');
  }
  const ticketsAt = base + HEADER_SIZE;
  const keysAt = ticketsAt + TICKET_ENTRY * ticketCount;
  const requestsAt = keysAt + KEY_ENTRY * keyCount;
  if (requestsAt + REQUEST_ENTRY * requestCount > base + size) throw new FormatError('a batch is cut short');
  const tickets = new Array<Span>(ticketCount);
  for (let i = 0; i < ticketCount; i++) tickets[i] = batch.span(ticketsAt + TICKET_ENTRY * i);
  const keys = new Array<ReadBatch['keys'][number]>(keyCount);
  for (let i = 0; i < keyCount; i++) {
    const entry = keysAt + KEY_ENTRY * i;
    keys[i] = { record: batch.span(entry), id: text.toString('hex', entry + 8, entry + 8 + ID_SIZE) };
  }
  const requests = new Array<ReadRequest>(requestCount);
  for (let i = 0; i < requestCount; i++) {
    requests[i] = new ReadRequest(batch, requestsAt + REQUEST_ENTRY * i, ticketCount, keyCount);
  }
  return { lease: batch.span(base + 8), tickets, keys, requests };
}

/** The room that a reply's header and results take; results' bytes follow. */
export const replyBytesOffset = (requests: number): number => align(HEADER_SIZE + RESULT_ENTRY * requests);

export interface WrittenResult {
  readonly status: number;
  readonly reason: number;
  /** Where the result's bytes lie already, as addresses. */
  readonly parts: readonly Span[];
  readonly index?: number | undefined;
}

/** Write the header and results of a reply at `base`, whose bytes lie behind them already. */
export function writeReply(
  { view }: Pick<CellMemory, 'view'>,
  base: number,
  length: number,
  results: readonly WrittenResult[],
  audit: Span,
): void {
  view.setUint32(base, REPLY_MAGIC, true);
  view.setUint32(base + 4, length, true);
  view.setUint32(base + 8, audit.length === 0 ? 0 : audit.offset - base, true);
  view.setUint32(base + 12, audit.length, true);
  view.setUint32(base + 16, results.length, true);
  for (let i = 0; i < results.length; i++) {
    const { status, reason, parts, index } = results[i]!;
    const entry = base + HEADER_SIZE + RESULT_ENTRY * i;
    view.setUint16(entry, status, true);
    view.setUint16(entry + 2, reason, true);
    view.setUint32(entry + 4, parts.length, true);
    // A refusal has no parts: where the first would be stands which item it is for, counted from 1.
    if (status !== 0) view.setUint32(entry + 8, index === undefined ? 0 : index + 1, true);
    for (let p = 0; p < parts.length; p++) {
      view.setUint32(entry + 8 + 8 * p, parts[p]!.offset - base, true);
      view.setUint32(entry + 12 + 8 * p, parts[p]!.length, true);
    }
  }
}

/** Operations of which no result is a secret. */
const PUBLIC_RESULTS: ReadonlySet<OpName> = new Set<OpName>([
  'sign',
  'verify',
  'encrypt',
  'wrapKey',
  'rewrapKeys',
  'encryptSegment',
  'reencrypt',
]);
/** Operations that give a sealed record, which the facade keeps. */
const RECORD_RESULTS: ReadonlySet<OpName> = new Set<OpName>([
  'unwrapKey',
  'deriveKey',
  'generateKey',
  'importKey',
  'setAttributes',
]);

/**
 * Records of session keys live in their handles. An ArrayBuffer for each costs more than all else on a handle's way, so
 * they lie side by side; a slab is kept by any handle that is left of it, so it is small.
 */
const SLAB_SIZE = 8192;
let slab = new Uint8Array(0);
let slabUsed = 0;

function recordCopy(place: Uint8Array, offset: number, size: number): Uint8Array<ArrayBuffer> {
  if (slabUsed + size > slab.length) {
    slab = new Uint8Array(Math.max(SLAB_SIZE, size));
    slabUsed = 0;
  }
  const copy = slab.subarray(slabUsed, slabUsed + size);
  copy.set(place.subarray(offset, offset + size));
  slabUsed += size;
  return copy;
}

/** How the results of an operation are copied. */
type Copy = (place: Uint8Array, offset: number, size: number) => Uint8Array<ArrayBuffer>;

/** An array of its own, as callers may transfer its buffer; outside the V8 heap, as it can be a secret. */
const secretCopy: Copy = (place, offset, size) => ownCopy(place.subarray(offset, offset + size));

const publicCopy: Copy = (place, offset, size) =>
  size <= ON_HEAP_MAX
    ? (place.slice(offset, offset + size) as Uint8Array<ArrayBuffer>)
    : secretCopy(place, offset, size);

const copyOf = (op: OpName): Copy =>
  RECORD_RESULTS.has(op) ? recordCopy : PUBLIC_RESULTS.has(op) ? publicCopy : secretCopy;

const NO_PARTS: readonly Uint8Array<ArrayBuffer>[] = [];

/**
 * Read the reply to these requests. `length` tells how much of the place to zero afterwards. The entry for the log is
 * ASCII, as all that a cell puts into one.
 * Throws FormatError on a length, count or offset out of bounds.
 */
export function readReply(
  place: Uint8Array,
  requests: readonly { readonly op: OpName }[],
  { data, text } = new PlaceView(place),
): { results: CellResult[]; audit: string; length: number } {
  if (data.getUint32(0, true) !== REPLY_MAGIC) throw new FormatError('not a reply');
  const length = data.getUint32(4, true);
  const count = data.getUint32(16, true);
  if (length > place.length || replyBytesOffset(count) > length) throw new FormatError('a reply has no proper length');
  if (count !== requests.length) throw new FormatError('a reply answers other requests');
  const end = (offset: number, size: number): number => {
    if (offset + size > length) throw new FormatError('a reply points outside itself');
    return offset + size;
  };
  let last: OpName | undefined;
  let copy = secretCopy;
  const part = (entry: number): Uint8Array<ArrayBuffer> => {
    const offset = data.getUint32(entry, true);
    const size = data.getUint32(entry + 4, true);
    end(offset, size);
    return copy(place, offset, size);
  };
  /** Lists made with what goes in: one that grows takes room for seventeen. */
  const partsAt = (entry: number, count: number): readonly Uint8Array<ArrayBuffer>[] => {
    if (count === 0) return NO_PARTS;
    if (count === 1) return [part(entry)];
    return count === 2 ? [part(entry), part(entry + 8)] : [part(entry), part(entry + 8), part(entry + 16)];
  };
  const indexAt = (entry: number): number | undefined => {
    const nth = data.getUint32(entry, true);
    return nth === 0 ? undefined : nth - 1;
  };
  const results = new Array<CellResult>(count);
  for (let i = 0; i < count; i++) {
    const { op } = requests[i]!;
    if (op !== last) copy = copyOf(op);
    last = op;
    const entry = HEADER_SIZE + RESULT_ENTRY * i;
    const parts = partsAt(entry + 8, Math.min(data.getUint32(entry + 4, true), MAX_RESULT_PARTS));
    const status = data.getUint16(entry, true);
    const reason = data.getUint16(entry + 2, true);
    results[i] = status === 0 ? { status, reason, parts } : { status, reason, parts, index: indexAt(entry + 8) };
  }
  const auditAt = data.getUint32(8, true);
  return { results, audit: text.toString('latin1', auditAt, end(auditAt, data.getUint32(12, true))), length };
}
