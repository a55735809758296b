/**
 * ECDSA verification, FIPS 186-5 §6.4.2, for up to 32 signatures at a time. C is a curve, Q its quads.
 *
 * Keys, digests and signatures are public: everything here branches on them and indexes by them, and nothing here may be
 * called with a secret.
 *
 * A key with a table (key_tables.ts) and the base point's give u1·G + u2·Q as a sum of table entries, all sums of the
 * group in one tree (affine_tree.ts). For other keys the ladder makes u2·Q, four at a time, and the tree only u1·G. s is
 * inverted for the whole group at once. What the tree or the ladder can't do, points that meet, goes alone by the complete
 * formulas: who makes signatures for that purpose pays with his own and slows his neighbours in the group.
 *
 * s is neither normalised nor asked to be low: both s and n - s are valid (FIPS 186-5 §6.4.2).
 */
import { PUBLIC_WORK } from "../layout";
import { hashSize } from "../sha2/hash";
import { sumTree } from "./affine_tree";
import { fieldFromBe, fieldIsZero, fieldNegateIf, fieldToLimbs } from "./field";
import { X as JX, Y as JY, Z as JZ, QUAD, addAffineQuad } from "./jacobian";
import { baseKeyTable, keyEntries, keyRowSize, keyTable, keyWindow, keyWindows, startGroup } from "./key_tables";
import { ladder, ladderPair, ladderTables, ladderUsed } from "./ladder";
import { ELEMENT, addMod, complement, copy, isBelow, isEqual, isZero, wideMask } from "./modular";
import { multiplyPoint } from "./multiply";
import { groupUsed, multiplyBase } from "./multiply_base";
import { AFFINE, POINT, X, Y, affineFromBytes, encodedSize, pointIsInfinity, pointToAffine } from "./point";
import { copyQuad } from "./quad";
import { scalarFromBe, scalarFromDigest, scalarInvertMany, scalarMul, scalarReduce } from "./scalar";
import { LADDER_SCRATCH, OPERATION_SCRATCH, ecWipe, groupWipe } from "./scratch";

// A job: four pointers.
const JOB: u32 = 16;
const MOST: u32 = 32;

/** What the group keeps of a signature. */
const R: usize = 0;
const U1: usize = R + ELEMENT;
const U2: usize = U1 + ELEMENT;
const KEY: usize = U2 + ELEMENT;
/** u1 and u2 made odd, in native words with zeros behind, and all ones for each that was even. */
const ODD: usize = KEY + AFFINE;
const EVEN: usize = ODD + 2 * 2 * ELEMENT;
/** The key's table or 0, and the job. */
const TABLE: usize = EVEN + 8;
const JOB_AT: usize = TABLE + 4;
const SIGNATURE: usize = 640;
const SIGNATURES: usize = PUBLIC_WORK;
/** s of all, and the products of their inversion. */
const S: usize = SIGNATURES + <usize>MOST * SIGNATURE;
const PRODUCTS: usize = S + <usize>MOST * ELEMENT;
/** The signatures to sum by tables, then those to sum by the ladder: addresses. */
const KNOWN: usize = PRODUCTS + <usize>MOST * ELEMENT;
const NEW: usize = KNOWN + <usize>MOST * 4;
/** The points of the group, in quads, then what affine_tree.ts needs. */
const POINTS: usize = PUBLIC_WORK + 0x8000;

const T: usize = OPERATION_SCRATCH;
const E: usize = T + ELEMENT;
const Q_AFFINE: usize = E + ELEMENT;
const SUM: usize = Q_AFFINE + AFFINE;
const PRODUCT: usize = SUM + POINT;

/** Jobs of {point, digest, signature, result u32}: result = 1 if the signature r ‖ s is valid, else 0. */
export function verify<C, Q>(hash: u32, jobsPtr: usize, count: u32): void {
  const most: u32 = changetype<C>(0).size == 48 ? 16 : MOST;
  for (let done: u32 = 0; done < count; done += most) {
    verifyGroup<C, Q>(hash, jobsPtr + done * JOB, min<u32>(count - done, most));
  }
  memory.fill(LADDER_SCRATCH, 0, ladderUsed<Q>((min<u32>(count, most) + 3) >> 2));
  groupWipe(groupUsed<C, Q>(1));
  ecWipe();
}

function verifyGroup<C, Q>(hash: u32, jobs: usize, count: u32): void {
  let good: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobs + i * JOB;
    store<u32>(load<u32>(job, 12), 0);
    good += read<C>(hash, job, SIGNATURES + good * SIGNATURE, S + good * ELEMENT);
  }
  if (good == 0) return;
  scalarInvertMany<C>(S, good, ELEMENT, PRODUCTS);
  startGroup();
  let known: u32 = 0, fresh: u32 = 0;
  for (let i: u32 = 0; i < good; i++) {
    const at = SIGNATURES + i * SIGNATURE;
    scalarMul<C>(at + U1, at + U1, S + i * ELEMENT);
    scalarMul<C>(at + U2, at + R, S + i * ELEMENT);
    recode<C>(at, 0, at + U1);
    recode<C>(at, 1, at + U2);
    const table = keyTable<C, Q>(load<u32>(load<u32>(at, JOB_AT)) + 1, at + KEY);
    store<u32>(at, table, TABLE);
    // 0·G has no odd digits.
    if (isZero<C>(at + U1)) verifyAlone<C, Q>(at);
    else if (table != 0) store<u32>(KNOWN + 4 * known++, at);
    else store<u32>(NEW + 4 * fresh++, at);
  }
  if (known > 0) verifyKnown<C, Q>(known);
  if (fresh > 0) verifyNew<C, Q>(fresh);
}

/** r, the key, and e in the place of u1; 1, or 0 if the key or a number is refused. */
function read<C>(hash: u32, job: usize, at: usize, s: usize): u32 {
  const c = changetype<C>(0);
  const signature: usize = load<u32>(job, 8);
  if (affineFromBytes<C>(at + KEY, load<u32>(job), encodedSize<C>()) == 0) return 0;
  if ((scalarFromBe<C>(at + R, signature) & scalarFromBe<C>(s, signature + c.size)) == 0) return 0;
  scalarFromDigest<C>(at + U1, load<u32>(job, 4), hashSize(hash));
  store<u32>(at, <u32>job, JOB_AT);
  return 1;
}

// @ts-ignore: decorator
@inline function decide(at: usize, valid: u32): void {
  store<u32>(load<u32>(load<u32>(at, JOB_AT), 12), valid);
}

/** §6.4.2 by complete formulas. */
function verifyAlone<C, Q>(at: usize): void {
  const c = changetype<C>(0);
  multiplyBase<C, Q>(PRODUCT, at + U1);
  multiplyPoint<C>(SUM, at + U2, at + KEY);
  c.addPoints(SUM, SUM, PRODUCT);
  if (pointIsInfinity<C>(SUM)) return decide(at, 0);
  pointToAffine<C>(Q_AFFINE, SUM);
  decideByX<C>(at, Q_AFFINE);
}

/** Valid if r = x mod n, for the x in an element. */
function decideByX<C>(at: usize, x: usize): void {
  fieldToLimbs<C>(E, x);
  scalarReduce<C>(E, E);
  decide(at, isEqual<C>(E, at + R));
}

/** Number 0 or 1 of a signature: u, or n - u if u is even, in words. */
function recode<C>(at: usize, which: usize, u: usize): void {
  const c = changetype<C>(0);
  const even = (load<u32>(u) & 1) == 0;
  const odd = at + ODD + which * 2 * ELEMENT;
  if (even) complement<C>(T, u, c.n);
  else copy<C>(T, u);
  c.pack(odd, T);
  store<u64>(odd + c.size, 0);
  store<u32>(at + EVEN + 4 * which, even ? -1 : 0);
}

/** Digit i of an odd number, w bits of (u >> 1) + 2^(w·windows - 1): 2·digit - (2^w - 1) is what it counts. */
// @ts-ignore: decorator
@inline function digit<C>(odd: usize, i: usize): u32 {
  const from = i * keyWindow<C>() + 1;
  const bits = (load<u32>(odd + (from >> 3)) >> <u32>(from & 7)) & (2 * <u32>keyEntries<C>() - 1);
  return i == keyWindows<C>() - 1 ? bits | <u32>keyEntries<C>() : bits;
}

/** The signature in lane `lane` of quad `g`; lanes behind the last repeat it. */
// @ts-ignore: decorator
@inline function inLane(list: usize, count: u32, g: usize, lane: usize): usize {
  return load<u32>(list + 4 * min<usize>(4 * g + lane, count - 1));
}

/** Where row i's entry of a signature's digit lies; the mask says whether to negate it. */
// @ts-ignore: decorator
@inline function entryAt<C>(at: usize, which: usize, table: usize, i: usize): usize {
  const u = digit<C>(at + ODD + which * 2 * ELEMENT, i);
  const half = <u32>keyEntries<C>();
  const index = u >= half ? u - half : half - 1 - u;
  return table + i * keyRowSize<C>() + index * 2 * changetype<C>(0).size;
}

// @ts-ignore: decorator
@inline function signOf<C>(at: usize, which: usize, i: usize): i32 {
  const negative = digit<C>(at + ODD + which * 2 * ELEMENT, i) < <u32>keyEntries<C>() ? -1 : 0;
  return negative ^ load<i32>(at + EVEN + 4 * which);
}

/** The terms of one of the two products, for all signatures of a list, from term `term` on. */
function loadTerms<C, Q>(list: usize, count: u32, which: usize, term: usize): void {
  const q = changetype<Q>(0);
  const size: usize = changetype<C>(0).size;
  const quads: usize = (count + 3) >> 2;
  for (let i: usize = 0; i < keyWindows<C>(); i++) {
    for (let g: usize = 0; g < quads; g++) {
      const s0 = inLane(list, count, g, 0), s1 = inLane(list, count, g, 1);
      const s2 = inLane(list, count, g, 2), s3 = inLane(list, count, g, 3);
      const base = baseKeyTable<C>();
      const p0 = entryAt<C>(s0, which, which ? load<u32>(s0, TABLE) : base, i);
      const p1 = entryAt<C>(s1, which, which ? load<u32>(s1, TABLE) : base, i);
      const p2 = entryAt<C>(s2, which, which ? load<u32>(s2, TABLE) : base, i);
      const p3 = entryAt<C>(s3, which, which ? load<u32>(s3, TABLE) : base, i);
      const at = POINTS + ((term + i) * quads + g) * 2 * q.bytes;
      q.unpack(at, p0, p1, p2, p3);
      q.unpack(at + q.bytes, p0 + size, p1 + size, p2 + size, p3 + size);
      let negative = i32x4.splat(signOf<C>(s0, which, i));
      negative = i32x4.replace_lane(negative, 1, signOf<C>(s1, which, i));
      negative = i32x4.replace_lane(negative, 2, signOf<C>(s2, which, i));
      negative = i32x4.replace_lane(negative, 3, signOf<C>(s3, which, i));
      q.negateIf(negative, at + q.bytes);
    }
  }
}

function verifyKnown<C, Q>(count: u32): void {
  const q = changetype<Q>(0);
  const quads: usize = (count + 3) >> 2;
  const terms = 2 * keyWindows<C>();
  loadTerms<C, Q>(KNOWN, count, 0, 0);
  loadTerms<C, Q>(KNOWN, count, 1, keyWindows<C>());
  const ok = sumTree<C, Q>(POINTS, terms, quads, POINTS + terms * quads * 2 * q.bytes);
  for (let i: u32 = 0; i < count; i++) {
    const at = load<u32>(KNOWN + 4 * i);
    if (!ok) {
      verifyAlone<C, Q>(at);
      continue;
    }
    q.get(Q_AFFINE, POINTS + <usize>(i >> 2) * 2 * q.bytes, i & 3);
    decideByX<C>(at, Q_AFFINE);
  }
}

// @ts-ignore: decorator
@inline function verifyNew<C, Q>(count: u32): void {
  const q = changetype<Q>(0);
  const quads: usize = (count + 3) >> 2;
  // A ladder of four costs what two cost by the complete formulas.
  if (count == 1) return verifyAlone<C, Q>(load<u32>(NEW));
  loadTerms<C, Q>(NEW, count, 0, 0);
  const ok = sumTree<C, Q>(POINTS, keyWindows<C>(), quads, POINTS + keyWindows<C>() * quads * 2 * q.bytes);
  if (!ok) {
    for (let i: u32 = 0; i < count; i++) verifyAlone<C, Q>(load<u32>(NEW + 4 * i));
    return;
  }
  for (let i: usize = 0; i < 4 * quads; i++) pairOf<C, Q>(i, inLane(NEW, count, 0, i));
  ladderTables<C, Q>(quads);
  for (let g: usize = 0; g < quads; g++) verifyFour<C, Q>(count, g);
}

/** The signature's u2 and key into a place of the ladder, both negated where u2 is even. */
function pairOf<C, Q>(place: usize, at: usize): void {
  const c = changetype<C>(0);
  copy<C>(T, at + U2);
  copy<C>(Q_AFFINE + X, at + KEY + X);
  copy<C>(Q_AFFINE + Y, at + KEY + Y);
  if (load<i32>(at + EVEN + 4)) {
    complement<C>(T, T, c.n);
    fieldNegateIf<C>(wideMask(1), Q_AFFINE + Y);
  }
  ladderPair<C, Q>(place, T, Q_AFFINE);
}

/** Quad g of the new signatures, whose u1·G stand in POINTS. */
function verifyFour<C, Q>(count: u32, g: usize): void {
  const q = changetype<Q>(0);
  const quads: usize = (<usize>count + 3) >> 2;
  const sum = ladder<C, Q>(g, quads, false);
  const base = POINTS + g * 2 * q.bytes;
  // The points of the tree lie close, those of the ladder in places.
  const place = POINTS + quads * 2 * q.bytes;
  copyQuad<Q>(place + JX, base);
  copyQuad<Q>(place + JY, base + q.bytes);
  addAffineQuad<Q>(sum, sum, place);
  q.square(place, sum + JZ);
  const lanes = min<usize>(4, <usize>count - 4 * g);
  for (let lane: usize = 0; lane < lanes; lane++) {
    const at = inLane(NEW, count, g, lane);
    q.get(T, sum + JZ, lane);
    if (fieldIsZero<C>(T)) {
      verifyAlone<C, Q>(at);
      continue;
    }
    q.get(SUM, sum + JX, lane);
    q.get(PRODUCT, place, lane);
    decide(at, isXOf<C>(SUM, PRODUCT, at + R));
  }
}

/** 1 if X/ZZ mod n = r: r·ZZ or (r + n)·ZZ is X, where r + n is below p. */
function isXOf<C>(x: usize, zz: usize, r: usize): u32 {
  const c = changetype<C>(0);
  c.mul(T, r, c.squareOfR);
  c.mul(T, T, zz);
  c.sub(T, T, x);
  if (fieldIsZero<C>(T)) return 1;
  // r + n < p exactly if r < p - n; the sum of limbs, not reduced.
  sumOf<C>(E, r, c.n);
  if (!isBelow<C>(E, c.p)) return 0;
  c.mul(T, E, c.squareOfR);
  c.mul(T, T, zz);
  c.sub(T, T, x);
  return fieldIsZero<C>(T);
}

/** r = a + b in limbs. */
function sumOf<C>(r: usize, a: usize, b: usize): void {
  const c = changetype<C>(0);
  const limbMask: u32 = (1 << c.limbBits) - 1;
  let carry: u32 = 0;
  copy<C>(r, a);
  for (let i: usize = 0; i < 4 * c.limbs; i += 4) {
    const t = load<u32>(a + i) + load<u32>(b + i) + carry;
    carry = t >> c.limbBits;
    store<u32>(r + i, t & limbMask);
  }
}
