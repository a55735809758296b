/**
 * Multiples of public keys that verify often, and of the base points, so that a verification needs no doublings: for each
 * window i of w bits the odd multiples 1, 3 … 2^w - 1 of 2^(wi)·P, affine and packed, in a slot of KEY_TABLES. A slot holds
 * the 37 windows of 7 bits that cover 256 bits, or the 64 of 6 bits that cover 384.
 *
 * All of it is public. A table costs what some ten verifications cost, and pays a little more back each time: so it is
 * made when a key comes up for the EARNED-th time while it is remembered. Who sends many keys so often makes his own work
 * dearer by a bounded amount, and drives out those used longest ago. Slots 0 to 2 hold the base points and stay.
 */
import { KEY_TABLES, PUBLIC_WORK } from "../layout";
import { addPairs } from "./affine_tree";
import { ELEMENT, copy } from "./modular";
import { AFFINE, POINT, X, Y, Z, pointFromAffine } from "./point";
import { copyQuad } from "./quad";

/** The larger table: P-384, 64 rows of 32 points of 96 bytes. */
const SLOT: usize = 0x30000;
const SLOTS: u32 = 19;
const BASES: u32 = 3;

/** What is known of a slot or remembered of a key: the point's x ‖ y, its curve's size and b, and a count. */
const NAME: usize = 128;
const POINT_AT: usize = 0;
const CURVE_AT: usize = 96;
/** A slot's last use, or how often a remembered key came up. */
const COUNT_AT: usize = 100;
const NAMES: usize = KEY_TABLES;
const REMEMBERED: usize = NAMES + <usize>SLOTS * NAME;
const REMEMBERED_COUNT: u32 = 64;
/** Which of the remembered is forgotten next, and the clock of uses. */
const NEXT: usize = REMEMBERED + <usize>REMEMBERED_COUNT * NAME;
const CLOCK: usize = NEXT + 4;
const TABLES_AT: usize = KEY_TABLES + 0x4000;
const EARNED: u32 = 8;
/** Where the points of verify.ts lie, which come later. */
const WORK: usize = PUBLIC_WORK + 0x8000;

/** Bits of a window: w. */
// @ts-ignore: decorator
@inline export function keyWindow<C>(): usize {
  return changetype<C>(0).size == 48 ? 6 : 7;
}

/** Rows: windows that cover 8·size bits. */
// @ts-ignore: decorator
@inline export function keyWindows<C>(): usize {
  return (8 * <usize>changetype<C>(0).size + keyWindow<C>() - 1) / keyWindow<C>();
}

/** Odd multiples in a row. */
// @ts-ignore: decorator
@inline export function keyEntries<C>(): usize {
  return 1 << (keyWindow<C>() - 1);
}

// @ts-ignore: decorator
@inline export function keyRowSize<C>(): usize {
  return keyEntries<C>() * 2 * <usize>changetype<C>(0).size;
}

// @ts-ignore: decorator
@inline function tableOf(slot: u32): usize {
  return TABLES_AT + <usize>slot * SLOT;
}

/** The table of the base point: the curve's own slot. */
// @ts-ignore: decorator
@inline export function baseKeyTable<C>(): usize {
  return tableOf(changetype<C>(0).slot);
}

export function buildBaseKeyTable<C, Q>(): void {
  const c = changetype<C>(0);
  const base = WORK;
  copy<C>(base + X, c.gx);
  copy<C>(base + Y, c.gy);
  buildTable<C, Q>(baseKeyTable<C>(), base, base + POINT);
}

/** A new group: what it uses from here on is kept until the next. */
export function startGroup(): void {
  store<u32>(CLOCK, load<u32>(CLOCK) + 1);
}

/** True if the name is that of this key: x ‖ y as they were encoded, and the curve's slot. */
function isNamed<C>(name: usize, point: usize): bool {
  const c = changetype<C>(0);
  if (load<u32>(name, CURVE_AT) != c.slot + 1) return false;
  for (let i: usize = 0; i < 2 * <usize>c.size; i += 8) {
    if (load<u64>(name + i) != load<u64>(point + i)) return false;
  }
  return true;
}

function giveName<C>(name: usize, point: usize, count: u32): void {
  const c = changetype<C>(0);
  memory.copy(name + POINT_AT, point, 2 * c.size);
  store<u32>(name, c.slot + 1, CURVE_AT);
  store<u32>(name, count, COUNT_AT);
}

/**
 * The table of a key that was validated, or 0 if it has none. `encoded` is its x ‖ y big-endian, `affine` the point of
 * single elements; the count goes up, and a table may be made.
 */
export function keyTable<C, Q>(encoded: usize, affine: usize): usize {
  const clock = load<u32>(CLOCK);
  let oldest: u32 = BASES;
  for (let slot: u32 = BASES; slot < SLOTS; slot++) {
    const name = NAMES + <usize>slot * NAME;
    if (isNamed<C>(name, encoded)) {
      store<u32>(name, clock, COUNT_AT);
      return tableOf(slot);
    }
    if (load<u32>(name, COUNT_AT) < load<u32>(NAMES + <usize>oldest * NAME, COUNT_AT)) oldest = slot;
  }
  // All tables are this group's: none may go before it is done.
  if (load<u32>(NAMES + <usize>oldest * NAME, COUNT_AT) == clock || !earned<C>(encoded)) return 0;
  giveName<C>(NAMES + <usize>oldest * NAME, encoded, clock);
  buildTable<C, Q>(tableOf(oldest), affine, WORK);
  return tableOf(oldest);
}

/** Count this key; true, and forgotten here, when it has come up often enough. */
function earned<C>(encoded: usize): bool {
  for (let i: u32 = 0; i < REMEMBERED_COUNT; i++) {
    const name = REMEMBERED + <usize>i * NAME;
    if (!isNamed<C>(name, encoded)) continue;
    const count = load<u32>(name, COUNT_AT) + 1;
    store<u32>(name, count, COUNT_AT);
    if (count < EARNED) return false;
    store<u32>(name, 0, CURVE_AT);
    return true;
  }
  const next = load<u32>(NEXT);
  giveName<C>(REMEMBERED + <usize>next * NAME, encoded, 1);
  store<u32>(NEXT, (next + 1) % REMEMBERED_COUNT);
  return false;
}

/** Forget all keys; the base points' tables stay. */
export function forgetKeys(): void {
  memory.fill(NAMES, 0, CLOCK + 4 - NAMES);
  memory.fill(tableOf(BASES), 0, <usize>(SLOTS - BASES) * SLOT);
}

/**
 * Make the table of an affine point. The powers 2^m·P come by doublings and are made affine with one inversion. Then all
 * rows grow together, in the lanes of quads: to the odd multiples below 2^s of a row's 2^(wi)·P the power 2^(s+wi)·P is
 * added, which gives those below 2^(s+1). Multiples below 2^w of one point never meet, since n is far larger.
 */
function buildTable<C, Q>(table: usize, affine: usize, work: usize): void {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  const rows = keyWindows<C>();
  const powers = work;
  const pointsAt = makePowers<C>(powers, affine, rows * keyWindow<C>());
  const quads = (rows + 3) >> 2;
  const point = 2 * q.bytes, column = quads * point;
  const points = (pointsAt + 15) & ~15;
  const other = points + keyEntries<C>() * column;
  loadPowers<C, Q>(points, powers, 0, quads, rows);
  let have: usize = 1;
  for (let s: usize = 1; s < keyWindow<C>(); s++) {
    memory.copy(points + have * column, points, have * column);
    loadPowers<C, Q>(other, powers, s, quads, rows);
    for (let j: usize = 1; j < have; j++) memory.copy(other + j * column, other, column);
    if (!addPairs<C, Q>(points + have * column, other, have * quads, other + have * column)) unreachable();
    have += have;
  }
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < keyEntries<C>(); j++) {
      const from = points + j * column + (i >> 2) * point;
      const to = table + i * keyRowSize<C>() + j * 2 * c.size;
      q.get(powers, from, i & 3);
      q.pack(to, powers);
      q.get(powers, from + q.bytes, i & 3);
      q.pack(to + c.size, powers);
    }
  }
}

/** The affine points 2^m·P, m < count, from `powers` on, ELEMENT apart; returns where they end. */
function makePowers<C>(powers: usize, affine: usize, count: usize): usize {
  const c = changetype<C>(0);
  const end = powers + count * POINT;
  const products = end, inverse = products + count * ELEMENT, one = inverse + ELEMENT;
  pointFromAffine<C>(powers, affine);
  copy<C>(products, powers + Z);
  for (let m: usize = 1; m < count; m++) {
    const at = powers + m * POINT;
    c.doublePoint(at, at - POINT);
    c.mul(products + m * ELEMENT, products + (m - 1) * ELEMENT, at + Z);
  }
  c.invert(inverse, products + (count - 1) * ELEMENT);
  for (let m = count - 1; m > 0; m--) {
    const at = powers + m * POINT;
    c.mul(one, inverse, products + (m - 1) * ELEMENT);
    c.mul(inverse, inverse, at + Z);
    c.mul(at + X, at + X, one);
    c.mul(at + Y, at + Y, one);
  }
  return end;
}

/** Column of quads: of row i the power 2^(wi+s)·P; lanes behind the last row repeat it. */
function loadPowers<C, Q>(column: usize, powers: usize, s: usize, quads: usize, rows: usize): void {
  const q = changetype<Q>(0);
  for (let i: usize = 0; i < 4 * quads; i++) {
    const power = powers + (min(i, rows - 1) * keyWindow<C>() + s) * POINT;
    const at = column + (i >> 2) * 2 * q.bytes;
    q.set(at, i & 3, power + X);
    q.set(at + q.bytes, i & 3, power + Y);
  }
}
