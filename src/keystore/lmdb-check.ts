/**
 * Walk an lmdb file before lmdb maps it.
 *
 * liblmdb trusts its pages: it follows page numbers and offsets through a memory map without looking, so
 * that a file cut short is a SIGBUS and a damaged page a SIGSEGV or an abort(), each the end of the whole
 * process. This reader goes the same ways first, through bounded reads, and refuses whatever would lead
 * outside: both meta pages, both trees (page flags, number, depth, offsets, order of keys, overflow runs),
 * the free lists, every page used once. What it lets pass is well formed, not authentic: the records'
 * seals, checked in the cells, see to that. Rejected: opening in a child process as a trial, which costs
 * more at each start and says nothing of the free lists, which only a writer follows.
 *
 * Layout: liblmdb 0.9.90 as lmdb-js 3.5 builds it (data version 2, 24-byte page header, 64-bit, little
 * endian). A page: pgno u64, txnid u64, pad u16, flags u16, then lower u16 and upper u16, or an overflow
 * run's pages u32; node offsets u16 follow and count from the header's end.
 */
import { fstatSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

const HEADER = 24;
const NODE_HEADER = 8;
const META_BYTES = 144; // of MDB_meta that we read: up to mm_txnid
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;
const BIG_DATA = 1;
const MAX_DEPTH = 32; // CURSOR_STACK
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
/** MDB_INTEGERKEY, and what the environment keeps in the same word: MDB_NOSUBDIR. Another, such as MDB_ENCRYPT, is damage. */
const FREE_TREE_FLAGS = 0x4008;
const MAX_FREE_LIST_BYTES = 64 * 1024 * 1024;

interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  readonly root: number | undefined;
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly txnid: bigint;
  readonly free: Tree;
  readonly main: Tree;
}

/** Why the file can't be given to lmdb. */
export class DamagedFile extends Error {}

function refuse(reason: string): never {
  throw new DamagedFile(reason);
}

/** Read through an open lmdb file and throw DamagedFile at the first thing lmdb could trip over. */
export function checkLmdbFile(fd: number, checkKey: (key: string) => boolean): void {
  for (const _ of lmdbFileSteps(fd, checkKey));
}

/** The same, page by page, for who has other work in between; nobody may write to the file before the last step. */
export function* lmdbFileSteps(fd: number, checkKey: (key: string) => boolean): Generator<undefined, void, void> {
  if (endianness() !== 'LE') return; // the layout of the other byte order is not described here
  const size = fstatSync(fd).size;
  const meta = readMetas(fd, size);
  const length = (meta.lastPage + 1) * meta.pageSize;
  if (size < length) refuse(`it is cut short: ${size} of ${length} bytes are there`);
  yield* new Walker(fd, meta).walk(checkKey);
}

/** Both meta pages must be sound, since either may come to be used; the newer one counts. */
function readMetas(fd: number, size: number): Meta {
  const first = readMeta(fd, 0, size);
  const second = readMeta(fd, first.pageSize, size);
  if (first.pageSize !== second.pageSize) refuse('its two meta pages disagree on the page size');
  return first.txnid >= second.txnid ? first : second;
}

/** What both meta pages say, as bytes: every commit changes one of them. Throws DamagedFile. */
export function metaPages(fd: number): Buffer {
  const both = Buffer.alloc(2 * (HEADER + META_BYTES));
  const half = both.length / 2;
  const { pageSize } = readMeta(fd, 0, fstatSync(fd).size);
  const read = readFully(fd, both.subarray(0, half), 0) + readFully(fd, both.subarray(half), pageSize);
  if (read < both.length) refuse('it is too short to be a store');
  return both;
}

function readMeta(fd: number, offset: number, size: number): Meta {
  const page = Buffer.alloc(HEADER + META_BYTES);
  if (readFully(fd, page, offset) < page.length) refuse('it is too short to be a store');
  if (page.readUInt16LE(18) !== META || page.readUInt32LE(24) !== MAGIC) refuse('it is not an lmdb file');
  const version = page.readUInt32LE(28);
  if (version !== DATA_VERSION) refuse(`its lmdb data version is ${version}, this lmdb reads ${DATA_VERSION}`);
  const free = readTree(page, 48);
  const main = readTree(page, 96);
  const pageSize = page.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 32768 || (pageSize & (pageSize - 1)) !== 0) refuse('its page size is impossible');
  const lastPage = small(page.readBigUInt64LE(144));
  const mapSize = page.readBigUInt64LE(40);
  // Map sizes grow by doubling and the like; one far beyond the file is not lmdb's doing, and mapping it fails.
  if (mapSize > (1n << 40n) + 64n * BigInt(size)) refuse('its map size is impossible');
  if (free.flags !== FREE_TREE_FLAGS || main.flags !== 0) refuse('its trees are of a kind we never make');
  if (lastPage < 1) refuse('its last page lies before its first');
  return { pageSize, lastPage, txnid: page.readBigUInt64LE(152), free, main };
}

function readTree(page: Buffer, at: number): Tree {
  const root = page.readBigUInt64LE(at + 40);
  return {
    flags: page.readUInt16LE(at + 4),
    depth: page.readUInt16LE(at + 6),
    branchPages: small(page.readBigUInt64LE(at + 8)),
    leafPages: small(page.readBigUInt64LE(at + 16)),
    overflowPages: small(page.readBigUInt64LE(at + 24)),
    entries: small(page.readBigUInt64LE(at + 32)),
    root: root === NO_ROOT ? undefined : small(root),
  };
}

/** A count or page number as a number; anything past 2^48 is damage. */
function small(value: bigint): number {
  if (value >= 1n << 48n) refuse('a count in it is impossible');
  return Number(value);
}

function readFully(fd: number, into: Buffer, position: number): number {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

type Kind = 'free' | 'main';

class Walker {
  readonly #fd: number;
  readonly #meta: Meta;
  readonly #used: Uint8Array;
  readonly #freeLists: Buffer[] = [];
  #counts = { branch: 0, leaf: 0, overflow: 0, entries: 0 };
  #lastKey: Buffer | undefined;

  constructor(fd: number, meta: Meta) {
    this.#fd = fd;
    this.#meta = meta;
    this.#used = new Uint8Array(meta.lastPage + 1);
    this.#used[0] = 1;
    this.#used[1] = 1;
  }

  *walk(checkKey: (key: string) => boolean): Generator<undefined, void, void> {
    yield* this.#walkTree('main', this.#meta.main, checkKey);
    yield* this.#walkTree('free', this.#meta.free, () => true);
    for (const list of this.#freeLists) this.#checkFreeList(list);
  }

  *#walkTree(kind: Kind, tree: Tree, checkKey: (key: string) => boolean): Generator<undefined, void, void> {
    this.#counts = { branch: 0, leaf: 0, overflow: 0, entries: 0 };
    this.#lastKey = undefined;
    if (tree.root === undefined) {
      if (tree.depth !== 0) refuse(`its ${kind} tree has no root`);
    } else {
      if (tree.depth < 1 || tree.depth > MAX_DEPTH) refuse(`the depth of its ${kind} tree is impossible`);
      yield* this.#walkPage(kind, tree.root, tree.depth, undefined, checkKey);
    }
    const { branch, leaf, overflow, entries } = this.#counts;
    if (
      branch !== tree.branchPages ||
      leaf !== tree.leafPages ||
      overflow !== tree.overflowPages ||
      entries !== tree.entries
    ) {
      refuse(`its ${kind} tree doesn't have the pages and entries it says`);
    }
  }

  *#walkPage(
    kind: Kind,
    pgno: number,
    depth: number,
    floor: Buffer | undefined,
    checkKey: (key: string) => boolean,
  ): Generator<undefined, void, void> {
    yield;
    const page = this.#readPage(pgno, 1);
    const isLeaf = depth === 1;
    const where = `page ${pgno}`;
    if (page.readUInt16LE(18) !== (isLeaf ? LEAF : BRANCH)) refuse(`${where} is not the kind of page its tree needs`);
    this.#counts[isLeaf ? 'leaf' : 'branch']++;

    const room = page.length - HEADER;
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const nodes = lower >> 1;
    if (lower % 2 !== 0 || lower > upper || upper > room || nodes < (isLeaf ? 1 : 2)) refuse(`${where} is damaged`);

    let floorHere = floor;
    const extents: [from: number, to: number][] = [];
    for (let i = 0; i < nodes; i++) {
      const offset = page.readUInt16LE(HEADER + 2 * i);
      if (offset < upper || offset % 2 !== 0 || offset + NODE_HEADER > room) refuse(`an offset in ${where} is damaged`);
      const at = HEADER + offset;
      const keyEnd = at + NODE_HEADER + page.readUInt16LE(at + 6);
      if (keyEnd > page.length) refuse(`a key in ${where} runs out of its page`);
      const key = page.subarray(at + NODE_HEADER, keyEnd);
      const low = page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x10000;
      const flags = page.readUInt16LE(at + 4);

      const valueBytes = isLeaf ? (flags === BIG_DATA ? 24 : low) : 0;
      extents.push([offset, (keyEnd - HEADER + valueBytes + 1) & ~1]);

      if (!isLeaf) {
        // The first key of a branch page counts as smaller than every other, whatever stands there.
        if (i > 0) {
          if (this.#lastKey && compareKeys(kind, this.#lastKey, key) >= 0)
            refuse(`the keys in ${where} are out of order`);
          if (kind === 'free' && key.length !== 8) refuse(`a key in ${where} has a wrong length`);
          floorHere = key;
        }
        yield* this.#walkPage(kind, low + flags * 0x1_0000_0000, depth - 1, floorHere, checkKey);
        continue;
      }

      if (kind === 'free') {
        if (key.length !== 8) refuse(`a key in ${where} has a wrong length`);
        const txnid = key.readBigUInt64LE();
        if (txnid === 0n || txnid > this.#meta.txnid) refuse(`a free list in ${where} is of a transaction to come`);
      } else if (!checkKey(key.toString('latin1'))) refuse(`a key in ${where} is none of ours`);
      const under = floorHere && compareKeys(kind, floorHere, key) > 0;
      const unordered = this.#lastKey && compareKeys(kind, this.#lastKey, key) >= 0;
      if (under || unordered) refuse(`the keys in ${where} are out of order`);
      this.#lastKey = key;
      this.#counts.entries++;
      this.#checkValue(kind, page, keyEnd, low, flags, where);
    }
    // lmdb keeps its nodes packed against the page's end: a gap or an overlap is a size that was altered.
    extents.sort(([a], [b]) => a - b);
    let expected = upper;
    for (const [from, to] of extents) {
      if (from !== expected) refuse(`the nodes of ${where} don't fit together`);
      expected = to;
    }
    if (expected !== room) refuse(`the nodes of ${where} don't fill it`);
  }

  #checkValue(kind: Kind, page: Buffer, at: number, size: number, flags: number, where: string): void {
    let value: Buffer | undefined;
    if (flags === 0) {
      if (at + size > page.length) refuse(`a value in ${where} runs out of its page`);
      value = page.subarray(at, at + size);
    } else if (flags === BIG_DATA) {
      if (at + 24 > page.length) refuse(`a value in ${where} runs out of its page`);
      const pgno = small(page.readBigUInt64LE(at));
      const pages = small(page.readBigUInt64LE(at + 16));
      if (pages < 1 || HEADER + size > pages * this.#meta.pageSize) refuse(`a long value in ${where} is damaged`);
      const wanted = kind === 'free' ? pages : 0;
      if (wanted * this.#meta.pageSize > MAX_FREE_LIST_BYTES) refuse(`a free list in ${where} is too long`);
      const run = this.#readPage(pgno, pages, kind === 'free');
      if (run.readUInt16LE(18) !== OVERFLOW || run.readUInt32LE(20) !== pages)
        refuse(`page ${pgno} is no overflow page`);
      this.#counts.overflow += pages;
      value = kind === 'free' ? run.subarray(HEADER, HEADER + size) : undefined;
    } else {
      refuse(`a value in ${where} is of a kind we never make`);
    }
    if (kind === 'free') this.#freeLists.push(value!);
  }

  /** Read a page, or a whole run if `whole`, and mark all its pages as used. */
  #readPage(pgno: number, pages: number, whole = true): Buffer {
    if (pgno < 2 || pgno + pages - 1 > this.#meta.lastPage) refuse(`it refers to page ${pgno}, which lies outside`);
    this.#use(pgno, pages);
    const bytes = (whole ? pages : 1) * this.#meta.pageSize;
    const page = Buffer.allocUnsafeSlow(bytes);
    if (readFully(this.#fd, page, pgno * this.#meta.pageSize) < bytes) refuse('it is cut short');
    if (page.readBigUInt64LE(0) !== BigInt(pgno)) refuse(`page ${pgno} is not where it belongs`);
    // A page newer than its snapshot would be taken for one that the next transaction may write in place.
    if (page.readBigUInt64LE(8) > this.#meta.txnid) refuse(`page ${pgno} is of a transaction to come`);
    return page;
  }

  #use(pgno: number, pages: number): void {
    for (let i = pgno; i < pgno + pages; i++) {
      if (this.#used[i]) refuse(`page ${i} is used twice`);
      this.#used[i] = 1;
    }
  }

  /**
   * One record of the free tree, as lmdb-js keeps it: the number of slots, then slots; a page number above
   * zero is a free page, a negative number -n makes the page in the next slot a run of n, zero is a hole.
   * lmdb sorts them itself.
   */
  #checkFreeList(list: Buffer): void {
    if (list.length < 8 || list.length % 8 !== 0) refuse('a free list has a wrong length');
    const slots = list.readBigInt64LE(0);
    if (slots < 0n || slots > BigInt(list.length / 8 - 1)) refuse('a free list is longer than its record');
    let run = 1;
    for (let i = 1; i <= Number(slots); i++) {
      const slot = list.readBigInt64LE(8 * i);
      if (slot <= 0n) {
        if (run !== 1) refuse('a free list has a run without its page');
        if (slot < 0n) run = small(-slot);
        continue;
      }
      const pgno = small(slot);
      if (pgno < 2 || pgno + run - 1 > this.#meta.lastPage) refuse('a free list names pages that lie outside');
      this.#use(pgno, run);
      run = 1;
    }
  }
}

function compareKeys(kind: Kind, a: Buffer, b: Buffer): number {
  if (kind === 'main') return Buffer.compare(a, b);
  const difference = a.readBigUInt64LE() - b.readBigUInt64LE();
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
