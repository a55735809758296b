/**
 * Inverses modulo a prime M in constant flow: Bernstein and Yang, "Fast constant-time gcd computation and modular
 * inversion" (2019), in the variant whose delta begins at 1/2.
 *
 * A division step takes (delta, f, g), f odd, to (1 - delta, g, (g - f)/2) if delta > 0 and g is odd, else to
 * (1 + delta, f, (g + (g mod 2)·f)/2). Begun with f = M and g = a it ends at g = 0 and f = ±gcd(M, a). Beside them run
 * d and e with d·a = start·f and e·a = start·g mod M, so that at the end start/a = ±d. For 0 <= g <= f < 2^bits
 * (45907·bits + 26313)/19929 steps are enough, 591 for 256 bits and 885 for 384, proved through convex hulls in
 * genproofhd.md of github.com/sipa/safegcd-bounds. Here it is 600 and 900. That g came to 0 is checked all the same.
 *
 * What 30 steps do depends on the lowest 30 bits of f and g alone and is a matrix (u v; q r)/2^30 of integers with
 * |u| + |v|, |q| + |r| <= 2^30. So: 30 steps on single words, then the matrix on whole numbers, which are signed limbs
 * of 30 bits. SIMD lane 0 holds f or d, lane 1 g or e. The steps are one long chain of dependent instructions, the
 * matrix products are not: a processor does those of one batch while it waits for the steps of the next.
 * Rejected: Fermat's a^(M - 2), six to twenty times slower.
 *
 * A modulus is a record in static data, here of M, then start < M, in size/4 + 1 limbs each, then 1/M mod 2^30. With
 * start = R^2 the inverse of a·R comes out as R/a: Montgomery form in, Montgomery form out.
 */
import { INVERT_SCRATCH } from "./scratch";

/** Words of 64 bits, with one of zeros before and behind. */
const WORDS: usize = INVERT_SCRATCH + 8;
/** Limb i of f at FG + 16i and of g eight bytes on; then d and e. Room for sixteen limbs. */
const FG: usize = INVERT_SCRATCH + 64;
const DE: usize = FG + 256;
const LIMB: usize = 16;

const LIMB_BITS: i32 = 30;
const LIMB_MASK: i32 = 0x3fffffff;
/** A batch of steps is made in two halves, and their matrix in two fields above f or g: see divsteps. */
const HALF: i64 = 15;
const UNIT_U: i64 = <i64>1 << 30;
const UNIT_V: i64 = <i64>1 << 47;

/** Columns are kept positive, whose shift needs no sign: what a column gathers is above -2^62. */
const BIAS: i64 = <i64>1 << 62;
/** And less what the bias of the column before carried. */
const NEXT_BIAS: i64 = BIAS - (BIAS >> LIMB_BITS);
/** In memory: Node 24 builds a vector constant anew at each use, which makes an inversion a tenth slower. */
const BIASES: usize = memory.data<i64>([NEXT_BIAS, LIMB_MASK]);

// @ts-ignore: decorator
@inline function limbCount<C>(): usize {
  return (changetype<C>(0).size >> 2) + 1;
}

/** r = start/a mod M, reduced, for a < M; 0 of 0. r may be a. */
export function invert<C>(r: usize, a: usize, m: usize): void {
  const c = changetype<C>(0);
  const limbs = limbCount<C>();
  store<u64>(WORDS - 8, 0);
  c.pack(WORDS, a);
  store<u64>(WORDS + c.size, 0);
  limbsFromWords(FG + 8, c.size);
  for (let i: usize = 0; i < limbs; i++) {
    store<i32>(FG + i * LIMB, load<i32>(m + 4 * i));
    store<i32>(DE + i * LIMB, 0);
    store<i32>(DE + 8 + i * LIMB, load<i32>(m + 4 * (limbs + i)));
  }
  // 20 batches of 30 for 32 bytes, 30 for 48.
  divsteps<C>(5 * c.size / 8, m);
  let g: i32 = 0;
  for (let i: usize = 0; i < limbs; i++) g |= load<i32>(FG + 8 + i * LIMB);
  // No a gets here, so this tells nothing of a. Past it f = ±1, or M if a = 0, since M is prime.
  if (g != 0) unreachable();
  normalize(limbs, m);
  wordsFromLimbs(DE, c.size);
  c.unpack(r, WORDS);
}

/** Word k begins at bit 64k, 4k bits into limb 2k. The pair of limbs beyond the last word is filled too. */
// @ts-ignore: decorator
@inline function limbsFromWords(to: usize, size: u32): void {
  for (let k: u32 = 0; k <= size >> 3; k++) {
    const at = WORDS + 8 * k;
    const pair = (load<u64>(at) << (4 * k)) | (load<u64>(at - 8) >> (64 - 4 * k));
    store<u32>(to + 2 * k * LIMB, <u32>pair & LIMB_MASK);
    store<u32>(to + 2 * k * LIMB, <u32>(pair >> LIMB_BITS) & LIMB_MASK, LIMB);
  }
}

// @ts-ignore: decorator
@inline function wordsFromLimbs(from: usize, size: u32): void {
  for (let k: u32 = 0; k < size >> 3; k++) {
    const at = from + 2 * k * LIMB;
    const low = <u64>load<u32>(at), mid = <u64>load<u32>(at, LIMB), high = <u64>load<u32>(at, 2 * LIMB);
    store<u64>(WORDS + 8 * k, (low >> (4 * k)) | (mid << (30 - 4 * k)) | (high << (60 - 4 * k)));
  }
}

/** The lower coefficient in a row of divsteps, 17 bits with its sign; the half rounds away what lies below. */
// @ts-ignore: decorator
@inline function low(row: i64): i64 {
  return ((row + (UNIT_U >> 1)) << 17) >> 47;
}

/** The upper one. */
// @ts-ignore: decorator
@inline function high(row: i64): i64 {
  return (row + (UNIT_V >> 1)) >> 47;
}

/**
 * Half a batch: a row of the matrix and the number beside it ride in one word, f + u·2^30 + v·2^47 and
 * g + q·2^30 + r·2^47. f and g are the lowest 15 bits, signed; instead of halving g each step doubles f, u and v, so
 * that after i of them bit i of the second word is the lowest of g. |f|, |g| < 2^29 and |u|, |v| <= 2^15 keep apart.
 * zeta is -(delta + 1/2): negating delta is ~zeta.
 *
 * A batch: the first half's matrix takes the lowest 60 bits of f and g to 45 of those between the halves, the second
 * half's those to 30 of what the next batch begins with. So the chain does not wait for the whole numbers, which
 * follow while the first half of the next batch runs. What precedes the first batch is the identity, 2^30/2^30.
 */
// @ts-ignore: decorator
@inline function divsteps<C>(batches: u32, m: usize): void {
  const limbs = limbCount<C>();
  let zeta: i64 = -1;
  let f: i64 = load<i32>(FG), g: i64 = load<i32>(FG, 8);
  let u = UNIT_U, v: i64 = 0, q: i64 = 0, r = UNIT_U;
  for (let half: u32 = 0; half < 2 * batches; half++) {
    let row0 = ((f << 49) >> 49) + UNIT_U;
    let row1 = ((g << 49) >> 49) + UNIT_V;
    for (let top: i64 = 63; top > 63 - HALF; top--) {
      const positiveMask = zeta >> 63;
      const oddMask = (row1 << top) >> 63;
      const swapMask = positiveMask & oddMask;
      const addend = ((row0 ^ positiveMask) - positiveMask) & oddMask;
      row0 = (row0 ^ ((row0 ^ row1) & swapMask)) << 1;
      row1 += addend;
      zeta = (zeta ^ swapMask) - 1;
    }
    if ((half & 1) == 0) {
      update(limbs, u, v, q, r, m);
      f = <i64>load<i32>(FG) + (<i64>load<i32>(FG, LIMB) << LIMB_BITS);
      g = <i64>load<i32>(FG, 8) + (<i64>load<i32>(FG, LIMB + 8) << LIMB_BITS);
      u = 1, v = 0, q = 0, r = 1;
    }
    const u1 = low(row0), v1 = high(row0), q1 = low(row1), r1 = high(row1);
    const nextF = (u1 * f + v1 * g) >> HALF;
    g = (q1 * f + r1 * g) >> HALF;
    f = nextF;
    const nextU = u1 * u + v1 * q, nextV = u1 * v + v1 * r;
    q = q1 * u + r1 * q;
    r = q1 * v + r1 * r;
    u = nextU;
    v = nextV;
  }
  update(limbs, u, v, q, r, m);
}

// @ts-ignore: decorator
@inline function update(limbs: usize, u: i64, v: i64, q: i64, r: i64, m: usize): void {
  const uq = i64x2.splat((u & 0xffffffff) | (q << 32)), vr = i64x2.splat((v & 0xffffffff) | (r << 32));
  updateFG(limbs, uq, vr);
  updateDE(limbs, uq, vr, m);
}

/** The matrix and limb i of both numbers at a: (u·f_i + v·g_i, q·f_i + r·g_i). */
// @ts-ignore: decorator
@inline function column(uq: v128, vr: v128, a: usize): v128 {
  return i64x2.add(
    i64x2.extmul_low_i32x4_s(uq, v128.load32_splat(a)),
    i64x2.extmul_low_i32x4_s(vr, v128.load32_splat(a, 8)),
  );
}

/**
 * (f, g) = matrix·(f, g)/2^30, which is exact. A column is at most 2^60 and a carry. |f| and |g| never grow, and the
 * last limb keeps the sign; the bias above it lies beyond its 32 bits.
 */
// @ts-ignore: decorator
@inline function updateFG(limbs: usize, uq: v128, vr: v128): void {
  const bias = v128.load64_splat(BIASES), mask = v128.load64_splat(BIASES, 8);
  let t = i64x2.add(i64x2.splat(BIAS), column(uq, vr, FG));
  for (let at: usize = FG + LIMB; at < FG + limbs * LIMB; at += LIMB) {
    t = i64x2.add(i64x2.shr_u(t, LIMB_BITS), i64x2.add(bias, column(uq, vr, at)));
    v128.store(at - LIMB, v128.and(t, mask));
  }
  v128.store(FG + (limbs - 1) * LIMB, i64x2.shr_u(t, LIMB_BITS));
}

/**
 * (d, e) = (matrix·(d, e) + (md, me)·M)/2^30, where md and me make the lowest limbs vanish. If d or e is negative, M is
 * first added to it, that is u and q, or v and r, to md and me; then at most 2^30 - 1 is subtracted. From -2M < d, e < M
 * follows |d|, |e| < M, |matrix·(d, e)| < 2^30·M, and so -2M < d, e < M again. |md| < 2^31 keeps columns below
 * 2^60 + 2^61 and a carry.
 */
// @ts-ignore: decorator
@inline function updateDE(limbs: usize, uq: v128, vr: v128, m: usize): void {
  const bias = v128.load64_splat(BIASES), mask = v128.load64_splat(BIASES, 8);
  const end = limbs * LIMB;
  const dNegative = i32x4.shr_s(v128.load32_splat(DE + end - LIMB), 31);
  const eNegative = i32x4.shr_s(v128.load32_splat(DE + 8 + end - LIMB), 31);
  const lifted = i32x4.add(v128.and(uq, dNegative), v128.and(vr, eNegative));
  const lowest = i32x4.add(i32x4.mul(uq, v128.load32_splat(DE)), i32x4.mul(vr, v128.load32_splat(DE, 8)));
  const inverse = v128.load32_splat(m + 8 * limbs);
  const excess = v128.and(i32x4.add(i32x4.mul(inverse, lowest), lifted), i32x4.splat(LIMB_MASK));
  const factors = i32x4.sub(lifted, excess);
  let t = i64x2.add(i64x2.splat(BIAS), column(uq, vr, DE));
  t = i64x2.add(t, i64x2.extmul_low_i32x4_s(factors, v128.load32_splat(m)));
  for (let at: usize = LIMB; at < end; at += LIMB) {
    m += 4;
    const product = i64x2.add(bias, i64x2.extmul_low_i32x4_s(factors, v128.load32_splat(m)));
    t = i64x2.add(i64x2.shr_u(t, LIMB_BITS), i64x2.add(product, column(uq, vr, DE + at)));
    v128.store(DE + at - LIMB, v128.and(t, mask));
  }
  v128.store(DE + end - LIMB, i64x2.shr_u(t, LIMB_BITS));
}

/** d = ±d mod M, the sign that of f: -2M < d < M becomes |d| < M, then ±d, then 0 <= d < M. */
// @ts-ignore: decorator
@inline function normalize(limbs: usize, m: usize): void {
  addIfNegative(limbs, m, load<i32>(FG + (limbs - 1) * LIMB) >> 31);
  addIfNegative(limbs, m, 0);
}

/** d = d + M if d is negative, then -d where the mask is all ones. A sum of limbs is below 2^31 - 1, carries are -2..1. */
// @ts-ignore: decorator
@inline function addIfNegative(limbs: usize, m: usize, negateMask: i32): void {
  const last = (limbs - 1) * LIMB;
  const addMask = load<i32>(DE + last) >> 31;
  let carry: i32 = 0;
  for (let at: usize = DE; at < DE + last; at += LIMB) {
    const t = ((load<i32>(at) + (load<i32>(m) & addMask)) ^ negateMask) - negateMask + carry;
    store<i32>(at, t & LIMB_MASK);
    carry = t >> LIMB_BITS;
    m += 4;
  }
  store<i32>(DE + last, ((load<i32>(DE + last) + (load<i32>(m) & addMask)) ^ negateMask) - negateMask + carry);
}
