/**
 * k·G for up to 32 scalars at a time, with the same operations and addresses for all k. C is a curve, Q its quads.
 *
 * Digits: an odd k below 2^(w·m) is the sum of d_i·2^(w·i), i < m, with all d_i odd and within ±(2^w - 1). With
 * d_i = 2u_i - (2^w - 1) the u_i are the digits of (k + 2^(w·m) - 1)/2: k shifted right by one, and its top bit set. Of an even
 * k, n - k is taken, which is odd, and the point negated. So every window adds an entry of the table, none is zero, and
 * the entries are summed in affine coordinates (affine_tree.ts).
 *
 * When do two points of the tree have the same x? Sums over disjoint sets A and B of windows, as integers a and b, are
 * equal or opposite points if a - b or a + b is a multiple of n. Either is again a sum of odd d_i·2^(w·i), over the
 * windows of both, so it is not 0: the highest outweighs all others. Without the top window it is below n. With it, it
 * could be a small odd multiple of n, and is for few k of the curve: those that come of its digits by other signs in one
 * half of the windows; a test finds them. Nobody meets one by chance or without knowing k; so it is no leak to branch on one, which the
 * whole group then does.
 *
 * Every result is checked to be on the curve: curve_check.ts. A group with a point off it, or with two that met, is done
 * again one by one by complete formulas. A point that is off the curve even then ends the instance, and nothing that was made
 * with it leaves.
 */
import { sumTree } from "./affine_tree";
import { pointWords, rowSize, selectEntries, windows } from "./base_table";
import { areOnCurve } from "./curve_check";
import { fieldNegateIf } from "./field";
import { QUAD, addAffineQuad } from "./jacobian";
import { setOne } from "./lanes";
import { ELEMENT, ONE, complement, move, wideMask } from "./modular";
import { AFFINE, POINT, X, Y, Z, onCurve, pointSetInfinity, pointToAffine } from "./point";
import { GROUP_DIGITS, GROUP_POINTS, GROUP_WORDS, MULTIPLY_SCRATCH } from "./scratch";

/** The most scalars a call of multiplyBaseGroup takes. */
export const GROUP_MOST: u32 = 32;

/** k or n - k, in limbs; the same in native words with eight zero bytes behind. */
const ODD: usize = MULTIPLY_SCRATCH;
const PACKED: usize = ODD + ELEMENT;
const SELECTED: usize = PACKED + 2 * ELEMENT;
const SUM: usize = SELECTED + AFFINE;
const OTHER: usize = SUM + POINT;
const DIGITS: usize = GROUP_DIGITS;
const WORDS: usize = GROUP_WORDS;
const POINTS: usize = GROUP_POINTS;
// One scalar alone: four entries in words and their signs, the lanes' sums, and an entry in quads.
const GATHERED: usize = GROUP_POINTS;
const SIGNS: usize = GATHERED + 16 * 24;
const LANES_SUM: usize = SIGNS + 16;
const LANES_ENTRY: usize = LANES_SUM + 3 * QUAD;

/** How many of so many jobs the next group takes. */
// @ts-ignore: decorator
@inline export function groupOf(left: u32): u32 {
  return left < GROUP_MOST ? left : GROUP_MOST;
}

/** Bytes of points that a call with so many scalars uses. */
// @ts-ignore: decorator
@inline export function groupUsed<C, Q>(count: u32): usize {
  return 3 * windows<C>() * quadsOf(count) * changetype<Q>(0).bytes;
}

// @ts-ignore: decorator
@inline function quadsOf(count: u32): usize {
  return (<usize>count + 3) >> 2;
}

/** The digits u_i of k as bytes, in one lane of 32. */
function recode<C>(lane: usize, k: usize): void {
  const c = changetype<C>(0);
  complement<C>(ODD, k, c.n);
  move(wideMask(load<u32>(k) & 1), ODD, k, c.bytes);
  c.pack(PACKED, ODD);
  store<u64>(PACKED + c.size, 0);
  let bit: usize = 1;
  for (let i: usize = 0; i < windows<C>(); i++) {
    const u = (load<u32>(PACKED + (bit >> 3)) >> <u32>(bit & 7)) & ((1 << <u32>c.window) - 1);
    store<u8>(DIGITS + 32 * i + lane, <u8>u);
    bit += c.window;
  }
  const top = DIGITS + 32 * (windows<C>() - 1) + lane;
  store<u8>(top, load<u8>(top) | (1 << <u8>(c.window - 1)));
}

/** Entries |d_i| of a row for sixteen lanes into WORDS; all ones in the bytes of the lanes where d_i is negative. */
// @ts-ignore: decorator
@inline function selectSixteen<C>(row: usize, digits: usize): v128 {
  const half: u8 = 1 << <u8>(changetype<C>(0).window - 1);
  const u = v128.load(digits);
  const negative = i8x16.eq(v128.and(u, i8x16.splat(half)), i8x16.splat(0));
  // (|d| - 1)/2: u - half, or half - 1 - u.
  selectEntries<C>(WORDS, row, v128.and(v128.xor(u, negative), i8x16.splat(half - 1)));
  return negative;
}

/** The point in the lanes of the q-th quad of WORDS, negated where the mask is set. */
// @ts-ignore: decorator
@inline function quadOfWords<C, Q>(r: usize, q: usize, negative: v128): void {
  const f = changetype<Q>(0);
  const words = WORDS + q * 16 * pointWords<C>();
  f.fromWords(r, words);
  f.fromWords(r + f.bytes, words + 8 * pointWords<C>());
  f.negateIf(negative, r + f.bytes);
}

/**
 * Affine k·G for count scalars, 0 < k < n, of ELEMENT bytes each; results of AFFINE bytes each. The caller wipes the
 * group: groupUsed.
 */
export function multiplyBaseGroup<C, Q>(r: usize, scalars: usize, count: u32): void {
  if (count == 1 ? multiplyByLanes<C, Q>(r, scalars) : multiplyByTree<C, Q>(r, scalars, count)) return;
  for (let i: usize = 0; i < count; i++) multiplyBaseAlone<C, Q>(r + i * AFFINE, scalars + i * ELEMENT);
}

/** 1, or 0 if a result is not to be used: see above. */
function multiplyByTree<C, Q>(r: usize, scalars: usize, count: u32): u32 {
  const f = changetype<Q>(0);
  const quads = quadsOf(count);
  for (let lane: usize = 0; lane < count; lane++) recode<C>(lane, scalars + lane * ELEMENT);
  for (let lane: usize = count; lane < 4 * quads; lane++) recode<C>(lane, ONE);
  const size: usize = 2 * f.bytes;
  let at = POINTS, row = changetype<C>(0).baseTable, digits = DIGITS;
  for (let i: usize = 0; i < windows<C>(); i++) {
    for (let first: usize = 0; first < quads; first += 4) {
      const negative = selectSixteen<C>(row, digits + 4 * first);
      const low = i16x8.extend_low_i8x16_s(negative), high = i16x8.extend_high_i8x16_s(negative);
      quadOfWords<C, Q>(at, 0, i32x4.extend_low_i16x8_s(low));
      if (first + 1 < quads) quadOfWords<C, Q>(at + size, 1, i32x4.extend_high_i16x8_s(low));
      if (first + 2 < quads) quadOfWords<C, Q>(at + 2 * size, 2, i32x4.extend_low_i16x8_s(high));
      if (first + 3 < quads) quadOfWords<C, Q>(at + 3 * size, 3, i32x4.extend_high_i16x8_s(high));
      at += 4 * size;
    }
    at = POINTS + (i + 1) * quads * size;
    row += rowSize<C>();
    digits += 32;
  }
  const okBit = sumTree<C, Q>(POINTS, windows<C>(), quads, at);
  for (let lane: usize = 0; lane < count; lane++) {
    const sum = POINTS + (lane >> 2) * size;
    f.get(r + X, sum, lane & 3);
    f.get(r + Y, sum + f.bytes, lane & 3);
    restoreSign<C>(r + Y, scalars);
    r += AFFINE;
    scalars += ELEMENT;
  }
  return okBit & areOnCurve<C, Q>(POINTS, quads);
}

/** Undo that n - k was taken for an even k. */
function restoreSign<C>(y: usize, k: usize): void {
  const evenBit = (load<u32>(k) & 1) ^ 1;
  fieldNegateIf<C>(wideMask(evenBit), y);
}

/**
 * k·G for one scalar: each lane adds a quarter of the windows, one after the other, in Jacobian coordinates; complete formulas
 * add the lanes and the windows left over. Two points of a lane cannot be equal or opposite, by what is said above: without
 * the top window sums are below n, and the top lane has but windows from three quarters of the way on, so that its sums are
 * multiples of a power of two that no multiple of n below 2^(w·m) has.
 */
function multiplyByLanes<C, Q>(r: usize, k: usize): u32 {
  const c = changetype<C>(0);
  const f = changetype<Q>(0);
  const quarter = windows<C>() >> 2;
  recode<C>(0, k);
  for (let i: usize = 0; i < quarter; i++) {
    for (let lane: usize = 0; lane < 4; lane++) selectLane<C>(lane, lane * quarter + i);
    const entry = i == 0 ? LANES_SUM : LANES_ENTRY;
    f.fromWords(entry, GATHERED);
    f.fromWords(entry + QUAD, GATHERED + 8 * pointWords<C>());
    f.negateIf(v128.load(SIGNS), entry + QUAD);
    if (i == 0) setOne<C, Q>(LANES_SUM + 2 * QUAD);
    else addAffineQuad<Q>(LANES_SUM, LANES_SUM, LANES_ENTRY);
  }
  // Homogeneous: X·Z, Y, Z^3.
  f.square(LANES_ENTRY, LANES_SUM + 2 * QUAD);
  f.mul(LANES_SUM, LANES_SUM, LANES_SUM + 2 * QUAD);
  f.mul(LANES_SUM + 2 * QUAD, LANES_SUM + 2 * QUAD, LANES_ENTRY);
  for (let lane: usize = 0; lane < 4; lane++) {
    const point = lane == 0 ? SUM : OTHER;
    f.get(point + X, LANES_SUM, lane);
    f.get(point + Y, LANES_SUM + QUAD, lane);
    f.get(point + Z, LANES_SUM + 2 * QUAD, lane);
    if (lane > 0) c.addPoints(SUM, SUM, OTHER);
  }
  for (let i: usize = 4 * quarter; i < windows<C>(); i++) addWindow<C, Q>(SUM, i);
  pointToAffine<C>(r, SUM);
  restoreSign<C>(r + Y, k);
  return onCurve<C>(r);
}

/** The entry of window i into one lane of GATHERED, and all ones in that of SIGNS if the digit is negative. */
function selectLane<C>(lane: usize, i: usize): void {
  const negative = selectSixteen<C>(changetype<C>(0).baseTable + i * rowSize<C>(), DIGITS + 32 * i);
  for (let j: usize = 0; j < 16 * pointWords<C>(); j += 16) store<u32>(GATHERED + j + 4 * lane, load<u32>(WORDS + j));
  store<i32>(SIGNS + 4 * lane, i8x16.extract_lane_s(negative, 0));
}

/** r += the entry of window i for the scalar in lane 0, by complete formulas. */
function addWindow<C, Q>(r: usize, i: usize): void {
  const c = changetype<C>(0);
  const f = changetype<Q>(0);
  const negative = selectSixteen<C>(c.baseTable + i * rowSize<C>(), DIGITS + 32 * i);
  quadOfWords<C, Q>(POINTS, 0, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(negative)));
  f.get(SELECTED + X, POINTS, 0);
  f.get(SELECTED + Y, POINTS + f.bytes, 0);
  c.addAffine(r, r, SELECTED);
}

/** r = k·G in projective coordinates by complete formulas, 0 < k < n: window by window from the same table. */
export function multiplyBase<C, Q>(r: usize, k: usize): void {
  recode<C>(0, k);
  pointSetInfinity<C>(r);
  for (let i: usize = 0; i < windows<C>(); i++) addWindow<C, Q>(r, i);
  restoreSign<C>(r + Y, k);
}

/** Affine k·G by complete formulas, 0 < k < n. */
export function multiplyBaseAlone<C, Q>(r: usize, k: usize): void {
  multiplyBase<C, Q>(SUM, k);
  pointToAffine<C>(r, SUM);
  // No k leads here, but a fault that stays.
  if (!onCurve<C>(r)) unreachable();
}
