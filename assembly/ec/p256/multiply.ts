/**
 * k·G and k·Q with the same sequence of field operations and addresses for every k.
 *
 * k is recoded into 52 signed digits of radix 32, after Booth: digit i is made of bits 5i-1 .. 5i+4 and lies
 * in -16..16, so tables need only positive multiples. 52·5 = 260 bits hold every k below 2^256: the last
 * window sees only bits 254 and 255 and zeros above, so its digit is not negative and no carry leaves it. A
 * digit selects by reading every entry of its table and keeping one through masks; the sign negates y.
 *
 * Base point: the table holds j·2^(5i)·G, j = 1..16, for each window i, affine: 52 mixed additions and
 * no doubling. 52·16·64 bytes = 52 KiB in TABLES. A wider window of 6 would take 86 KiB and more time
 * reading than it saves adding. Digit 0 has no affine entry; there the sum is computed and not kept.
 * Variable point: 0..16 times Q, projective, O included; five doublings and one addition a window.
 */
import { isZeroBit, maskFromBit64 } from "../../ct";
import { loadBe64 } from "../../bytes";
import { P256_TABLE } from "../../layout";
import { ELEMENT, toBe } from "../mod256";
import { MULTIPLES_SCRATCH, MULTIPLY_SCRATCH } from "../scratch";
import { fieldInvert, fieldMul, fieldNegateIf } from "./field";
import {
  G,
  PACKED,
  POINT,
  Y,
  Z,
  affinePack,
  affineUnpack,
  pointAdd,
  pointAddAffine,
  pointDouble,
  pointFromAffine,
  pointMove,
  pointSetInfinity,
} from "./point";

const WINDOW: usize = 5;
const WINDOWS: usize = 52;
const ENTRIES: usize = 16;
const ROW: usize = ENTRIES * PACKED;

const TABLE: usize = P256_TABLE;

/** 2k in 40 bytes, least first: the lowest bit is the bit -1 of Booth's first digit. */
const DOUBLED: usize = MULTIPLY_SCRATCH;
const SELECTED: usize = DOUBLED + 80;
const SUM: usize = SELECTED + POINT;
const BYTES: usize = SUM + POINT;
const MULTIPLES: usize = MULTIPLES_SCRATCH;

/** k reduced, in limbs. */
function recode(k: usize): void {
  toBe(BYTES, k);
  const w0 = loadBe64(BYTES + 24), w1 = loadBe64(BYTES + 16), w2 = loadBe64(BYTES + 8), w3 = loadBe64(BYTES);
  store<u64>(DOUBLED, w0 << 1);
  store<u64>(DOUBLED, (w1 << 1) | (w0 >> 63), 8);
  store<u64>(DOUBLED, (w2 << 1) | (w1 >> 63), 16);
  store<u64>(DOUBLED, (w3 << 1) | (w2 >> 63), 24);
  store<u64>(DOUBLED, w3 >> 63, 32);
}

/** The six bits from which Booth's digit i comes: bits 5i .. 5i+5 of 2k. */
// @ts-ignore: decorator
@inline function bitsOfDigit(i: usize): u32 {
  const from = i * WINDOW;
  return (load<u32>(DOUBLED + (from >> 3)) >> <u32>(from & 7)) & 63;
}

/** |digit|, 0..16: (u + 1)/2, and 32 less that if the top bit gives it weight -32. */
// @ts-ignore: decorator
@inline function magnitude(u: u32): u32 {
  const signMask: u32 = 0 - (u >> 5);
  return (((u + 1) >> 1) ^ signMask) - signMask + (32 & signMask);
}

/** All ones if j is the digit's magnitude. */
// @ts-ignore: decorator
@inline function entryMask(j: usize, wanted: u32): u64 {
  return maskFromBit64(<u64>isZeroBit(<u32>j ^ wanted));
}

/** SELECTED = entry |digit| of a row, negated if the digit is; for digit 0, (0, 0). */
function selectAffine(row: usize, u: u32): void {
  const wanted = magnitude(u);
  let x0: u64 = 0, x1: u64 = 0, x2: u64 = 0, x3: u64 = 0, y0: u64 = 0, y1: u64 = 0, y2: u64 = 0, y3: u64 = 0;
  for (let j: usize = 1; j <= ENTRIES; j++) {
    const mask = entryMask(j, wanted);
    x0 |= mask & load<u64>(row);
    x1 |= mask & load<u64>(row, 8);
    x2 |= mask & load<u64>(row, 16);
    x3 |= mask & load<u64>(row, 24);
    y0 |= mask & load<u64>(row, 32);
    y1 |= mask & load<u64>(row, 40);
    y2 |= mask & load<u64>(row, 48);
    y3 |= mask & load<u64>(row, 56);
    row += PACKED;
  }
  affineUnpack(SELECTED, x0, x1, x2, x3, y0, y1, y2, y3);
  fieldNegateIf(maskFromBit64(<u64>(u >> 5)), SELECTED + Y);
}

/** r = k·G, k reduced mod n. */
export function multiplyBase(r: usize, k: usize): void {
  recode(k);
  pointSetInfinity(r);
  for (let i: usize = 0; i < WINDOWS; i++) {
    const u = bitsOfDigit(i);
    selectAffine(TABLE + i * ROW, u);
    pointAddAffine(SUM, r, SELECTED);
    pointMove(~entryMask(0, magnitude(u)), r, SUM);
  }
}

/** SELECTED = |digit|·Q, negated if the digit is. */
function selectMultiple(u: u32): void {
  const wanted = magnitude(u);
  memory.fill(SELECTED, 0, POINT);
  for (let j: usize = 0; j <= ENTRIES; j++) {
    const mask = entryMask(j, wanted);
    const entry = MULTIPLES + j * POINT;
    for (let at: usize = 0; at < POINT; at += 8) {
      store<u64>(SELECTED + at, load<u64>(SELECTED + at) | (mask & load<u64>(entry + at)));
    }
  }
  fieldNegateIf(maskFromBit64(<u64>(u >> 5)), SELECTED + Y);
}

/** r = k·Q for an affine point Q of the curve, k reduced mod n. */
export function multiplyPoint(r: usize, k: usize, q: usize): void {
  pointSetInfinity(MULTIPLES);
  pointFromAffine(MULTIPLES + POINT, q);
  for (let j: usize = 2; j <= ENTRIES; j++) pointAddAffine(MULTIPLES + j * POINT, MULTIPLES + (j - 1) * POINT, q);
  recode(k);
  pointSetInfinity(r);
  for (let i: i32 = <i32>WINDOWS - 1; i >= 0; i--) {
    for (let j: usize = 0; j < WINDOW; j++) pointDouble(r, r);
    selectMultiple(bitsOfDigit(i));
    pointAdd(r, r, SELECTED);
  }
}

/**
 * Build the table of the base point. Public; each row is made affine with one inversion, after
 * Montgomery: the products z_1, z_1·z_2, … forwards, then one inverse peeled backwards.
 */
export function buildBaseTable(): void {
  const row = MULTIPLES, products = MULTIPLES + ENTRIES * POINT, inverse = SUM, one = SUM + ELEMENT;
  const base = SELECTED;
  pointFromAffine(base, G);
  for (let i: usize = 0; i < WINDOWS; i++) {
    memory.copy(row, base, POINT);
    memory.copy(products, base + Z, ELEMENT);
    for (let j: usize = 1; j < ENTRIES; j++) {
      pointAdd(row + j * POINT, row + (j - 1) * POINT, base);
      fieldMul(products + j * ELEMENT, products + (j - 1) * ELEMENT, row + j * POINT + Z);
    }
    fieldInvert(inverse, products + (ENTRIES - 1) * ELEMENT);
    for (let j: i32 = <i32>ENTRIES - 1; j >= 0; j--) {
      const point = row + <usize>j * POINT;
      if (j > 0) fieldMul(one, inverse, products + (<usize>j - 1) * ELEMENT);
      else memory.copy(one, inverse, ELEMENT);
      fieldMul(inverse, inverse, point + Z);
      fieldMul(point, point, one);
      fieldMul(point + Y, point + Y, one);
      affinePack(TABLE + i * ROW + <usize>j * PACKED, point);
    }
    for (let j: usize = 0; j < WINDOW; j++) pointDouble(base, base);
  }
}
