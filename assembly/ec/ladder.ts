/**
 * k·P for up to 32 pairs of a k and a point P, in the lanes of quads. C is a curve, Q its quads.
 *
 * k is odd: for an even k the caller takes n - k, whose multiple has the same x. With m digits of 5 bits, 5m + 1 no less
 * than the bits of k, k is 32^m and the sum of (2w_i - 31)·32^i, i < m, where the w_i are the lowest m digits of
 * (k + 2^(5m + 1) - 1)/2 = (k >> 1) + 2^(5m). So every digit is odd, and a table of P, 3P … 31P has no entry to leave out.
 * From 16P on, which comes with the table, each digit takes a double and sum, and four doublings before it but the first.
 *
 * No k makes a sum that fails (jacobian.ts). Before a digit d stands s·P with s = 16 or 16 times what stood after the digit
 * before, and behind it 2s + d. What stands behind a digit is k/32^i, made odd: between 0 and n. So s is even, d odd,
 * |d| <= 31, and 0 < s <= (n + 31)/2: s + d and s - d are neither 0 nor a multiple of n, and neither is 2s + d.
 *
 * A secret k is multiplied with the same operations and addresses for every k: a digit selects by reading the whole table and
 * keeping one entry through masks, lane by lane; its sign negates y. For a public k each lane is read where its entry lies.
 */
import { JACOBIAN_QUAD, QUAD, X, Y, Z, doubleAddAffineQuad, doubleQuad } from "./jacobian";
import { ELEMENT } from "./modular";
import { setOne } from "./lanes";
import { oddMultiples } from "./odd_multiples";
import { copyQuad, evenMask, oddMask } from "./quad";
import { LADDER_SCRATCH } from "./scratch";

const WINDOW: usize = 5;
const ENTRIES: usize = 16;

/** The most pairs, and the quads that hold them. */
export const LADDER_MOST: u32 = 32;
const QUADS: usize = 8;

/** The scalars in native words, each with eight bytes of zeros behind: bits above k are read, too. */
const DIGITS: usize = LADDER_SCRATCH;
const SELECTED: usize = DIGITS + 4 * QUADS * ELEMENT;
const SUMS: usize = SELECTED + 2 * QUAD;
/** Columns of points, and what makes them: odd_multiples.ts. */
const TABLE: usize = SUMS + QUADS * JACOBIAN_QUAD;

// @ts-ignore: decorator
@inline function digits<C>(): usize {
  return (8 * <usize>changetype<C>(0).size - 1 + WINDOW - 1) / WINDOW;
}

// @ts-ignore: decorator
@inline function columnSize<Q>(quads: usize): usize {
  return quads * 2 * changetype<Q>(0).bytes;
}

/** Bytes from LADDER_SCRATCH that so many quads of pairs use. */
// @ts-ignore: decorator
@inline export function ladderUsed<Q>(quads: usize): usize {
  return TABLE - LADDER_SCRATCH + (ENTRIES + 1 + ENTRIES / 2 + 1) * columnSize<Q>(quads);
}

/** Pair `place`: k odd, below n, in limbs, and P, an affine point of single elements. */
export function ladderPair<C, Q>(place: usize, k: usize, point: usize): void {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  c.pack(DIGITS + place * ELEMENT, k);
  store<u64>(DIGITS + place * ELEMENT + c.size, 0);
  const at = TABLE + (place >> 2) * 2 * q.bytes;
  q.set(at, place & 3, point);
  q.set(at + q.bytes, place & 3, point + ELEMENT);
}

/** All lanes of so many quads have their pair: make their tables. */
export function ladderTables<C, Q>(quads: usize): void {
  oddMultiples<C, Q>(TABLE, ENTRIES, quads, TABLE + (ENTRIES + 1) * columnSize<Q>(quads));
}

/** X, Y, Z of k·P for the pairs of quad g, at the address that is returned, a quad each QUAD apart. */
export function ladder<C, Q>(g: usize, quads: usize, isSecret: bool): usize {
  const q = changetype<Q>(0);
  const column = columnSize<Q>(quads);
  const table = TABLE + g * 2 * q.bytes, words = DIGITS + 4 * g * ELEMENT;
  const sum = ladderSum(g);
  const power = table + ENTRIES * column;
  copyQuad<Q>(sum + Y, power + q.bytes);
  setOne<C, Q>(sum + Z);
  // Times 1: floats grow with every sum until a product brings them down (p256/quad_f48.ts), and this is about to be squared.
  q.mul(sum + X, power, sum + Z);
  const last = digits<C>() - 1;
  for (let i: isize = last; i >= 0; i--) {
    if (i < <isize>last) for (let j: usize = 1; j < WINDOW; j++) doubleQuad<Q>(sum, sum);
    selectEntries<Q>(table, column, words, i, isSecret);
    doubleAddAffineQuad<Q>(sum, sum, SELECTED);
  }
  return sum;
}

/** Where the result of quad g is; the next behind it. */
// @ts-ignore: decorator
@inline export function ladderSum(g: usize): usize {
  return SUMS + g * JACOBIAN_QUAD;
}

/** w of digit i of a scalar in words: bits 5i+1 .. 5i+5. */
// @ts-ignore: decorator
@inline function digit(words: usize, i: usize): u32 {
  const from = i * WINDOW + 1;
  return (load<u32>(words + (from >> 3)) >> <u32>(from & 7)) & (2 * <u32>ENTRIES - 1);
}

/** SELECTED = the entries of the four lanes' digits i, negated where the digits are. */
function selectEntries<Q>(table: usize, column: usize, words: usize, i: usize, isSecret: bool): void {
  const q = changetype<Q>(0);
  let w = i32x4.splat(digit(words, i));
  w = i32x4.replace_lane(w, 1, digit(words + ELEMENT, i));
  w = i32x4.replace_lane(w, 2, digit(words + 2 * ELEMENT, i));
  w = i32x4.replace_lane(w, 3, digit(words + 3 * ELEMENT, i));
  // 2w - 31 is negative below 16: entry 15 - w, else entry w - 16.
  const negative = i32x4.sub(i32x4.shr_u(w, WINDOW - 1), i32x4.splat(1));
  const wanted = v128.and(v128.xor(w, negative), i32x4.splat(ENTRIES - 1));
  if (isSecret) {
    scan<Q>(table, column, wanted);
  } else {
    gatherVartime<Q>(table + column * i32x4.extract_lane(wanted, 0), 0);
    gatherVartime<Q>(table + column * i32x4.extract_lane(wanted, 1), 1);
    gatherVartime<Q>(table + column * i32x4.extract_lane(wanted, 2), 2);
    gatherVartime<Q>(table + column * i32x4.extract_lane(wanted, 3), 3);
  }
  q.negateIf(negative, SELECTED + Y);
}

/** Read every entry; of each coordinate three vectors at a time, also past the last limb: a place has room for them. */
// @ts-ignore: decorator
@inline function scan<Q>(table: usize, column: usize, wanted: v128): void {
  const q = changetype<Q>(0);
  const size = q.bytes;
  const one = q.limbBytes == 8 ? i64x2.splat(1) : i32x4.splat(1);
  let here = evenMask<Q>(wanted), next = oddMask<Q>(wanted);
  for (let at: usize = 0; at < size; at += 48) {
    let x0 = i32x4.splat(0), x1 = i32x4.splat(0), x2 = i32x4.splat(0);
    let y0 = i32x4.splat(0), y1 = i32x4.splat(0), y2 = i32x4.splat(0);
    let j = i32x4.splat(0);
    for (let entry = table + at, end = entry + ENTRIES * column; entry < end; entry += column) {
      const mask = areEqual<Q>(j, here), between = areEqual<Q>(j, next);
      x0 = v128.or(x0, v128.and(mask, v128.load(entry)));
      x1 = v128.or(x1, v128.and(between, v128.load(entry, 16)));
      x2 = v128.or(x2, v128.and(mask, v128.load(entry, 32)));
      y0 = v128.or(y0, v128.and(mask, v128.load(entry + size)));
      y1 = v128.or(y1, v128.and(between, v128.load(entry + size, 16)));
      y2 = v128.or(y2, v128.and(mask, v128.load(entry + size, 32)));
      j = i32x4.add(j, one);
    }
    v128.store(SELECTED + X + at, x0);
    v128.store(SELECTED + X + at, x1, 16);
    v128.store(SELECTED + X + at, x2, 32);
    v128.store(SELECTED + Y + at, y0);
    v128.store(SELECTED + Y + at, y1, 16);
    v128.store(SELECTED + Y + at, y2, 32);
    const last = here;
    here = next;
    next = last;
  }
}

// @ts-ignore: decorator
@inline function areEqual<Q>(a: v128, b: v128): v128 {
  return changetype<Q>(0).limbBytes == 8 ? i64x2.eq(a, b) : i32x4.eq(a, b);
}

/** One lane of the entry. */
// @ts-ignore: decorator
@inline function gatherVartime<Q>(entry: usize, lane: usize): void {
  const size = changetype<Q>(0).bytes, limb = changetype<Q>(0).limbBytes;
  for (let at = lane * limb; at < size; at += 4 * limb) {
    if (limb == 8) {
      store<u64>(SELECTED + X + at, load<u64>(entry + at));
      store<u64>(SELECTED + Y + at, load<u64>(entry + size + at));
    } else {
      store<u32>(SELECTED + X + at, load<u32>(entry + at));
      store<u32>(SELECTED + Y + at, load<u32>(entry + size + at));
    }
  }
}
