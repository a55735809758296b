// Made by scripts/generate-products.mjs; change that, or fma-products.mjs there.
/**
 * Products modulo p of P-256 by fused multiply-add, four at a time: quad_f48.ts. After N. Emmart, "Faster modular
 * exponentiation using double precision floating point arithmetic on the GPU" (2018).
 *
 * The exact product of two limbs has up to 98 bits. Added to C = 3·2^99, which is rounded once, it comes out as C and the
 * nearest multiple of 2^48; subtracted from that before, what is left of the product is at most 2^47, and exact as well. A
 * column's high parts gather on one C. The next column takes them up, times 2^-48, with C as 24·2^48 among them: a
 * multiple of 2^48, so the column after that begins with 24 less, and its own sign of C keeps sums from growing by it.
 *
 * Montgomery with R = 2^288: since p = -1 modulo 2^96, the factor q of a column is the column itself, whatever its size, and
 * leaves nothing of it. The rest of q·p is 2^96, 2^192, -2^224 and 2^256 times q, which are 1 two and four columns up, -2^32
 * four and 2^16 five up.
 *
 * Factors have limbs within 2^48 + 2^7, and top ones within 2^28, whose product is within 3·2^51; results have limbs within
 * 2^47 + 2^6, and a top one within 2^22. The
 * generator carries the bounds of all numbers along. All of them are integers or a constant here, so that none is ever subnormal:
 * those take another time than others on some processors. Limb i of two elements is read for the last time in column
 * i + 5, and written after column i + 6: r may be a or b.
 */

const CONSTANTS: usize = memory.data<u64>([
  0x4638000000000000, 0x4638000000000000, // round: 3·2^99
  0x4637ffffffffffe8, 0x4637ffffffffffe8, // less: 3·2^99 - 24·2^48
  0x4638000000000018, 0x4638000000000018, // more: 3·2^99 + 24·2^48
  0xc637ffffffffffe8, 0xc637ffffffffffe8, // minusLess: their negatives
  0xc638000000000018, 0xc638000000000018, // minusMore
  0x3cf0000000000000, 0x3cf0000000000000, // down: 2^-48
  0x40f0000000000000, 0x40f0000000000000, // up16: 2^16
  0xc1f0000000000000, 0xc1f0000000000000, // minus32: -2^32
], 16);

/** r = a·b/R */
export function quadProductF48(r: usize, a: usize, b: usize): void {
  product(r, a, b);
  product(r + 16, a + 16, b + 16);
}

/** r = a·a/R */
export function quadSquareF48(r: usize, a: usize): void {
  square(r, a);
  square(r + 16, a + 16);
}

function product(r: usize, a: usize, b: usize): void {
  const round = v128.load(CONSTANTS);
  const less = v128.load(CONSTANTS, 16);
  const more = v128.load(CONSTANTS, 32);
  const minusLess = v128.load(CONSTANTS, 48);
  const minusMore = v128.load(CONSTANTS, 64);
  const down = v128.load(CONSTANTS, 80);
  const up16 = v128.load(CONSTANTS, 96);
  const minus32 = v128.load(CONSTANTS, 112);
  let low: v128, high: v128, next: v128, below: v128, carry: v128, carried: v128;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(b), round);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(b), f64x2.sub(round, next));
  high = next;
  const q0 = low;
  below = high;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(b, 32), minusMore);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(b, 32), f64x2.sub(minusMore, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 32), v128.load(b), f64x2.sub(high, next)));
  high = next;
  low = f64x2.relaxed_madd(below, down, low);
  const q1 = low;
  below = high;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(b, 64), minusLess);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(b, 64), f64x2.sub(minusLess, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 32), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 32), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 64), v128.load(b), f64x2.sub(high, next)));
  high = next;
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q0);
  const q2 = low;
  below = high;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(b, 96), more);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(b, 96), f64x2.sub(more, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 64), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 32), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 32), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 96), v128.load(b), f64x2.sub(high, next)));
  high = next;
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q1);
  const q3 = low;
  below = high;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(b, 128), minusMore);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(b, 128), f64x2.sub(minusMore, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 64), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 32), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 32), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 128), v128.load(b), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q0, minus32, high);
  low = f64x2.add(low, f64x2.relaxed_madd(q0, minus32, f64x2.sub(high, next)));
  high = next;
  low = f64x2.add(low, q0);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q2);
  const q4 = low;
  below = high;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(b, 160), more);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(b, 160), f64x2.sub(more, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 64), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 32), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 32), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 160), v128.load(b), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 160), v128.load(b), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q0, up16, f64x2.relaxed_madd(q1, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q0, up16, f64x2.relaxed_madd(q1, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q1);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q3);
  const q5 = low;
  below = high;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 160), less);
  low = f64x2.relaxed_madd(v128.load(a, 32), v128.load(b, 160), f64x2.sub(less, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 64), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 32), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 32), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q1, up16, f64x2.relaxed_madd(q2, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q1, up16, f64x2.relaxed_madd(q2, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q2);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q4);
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.sub(low, carry));
  below = high;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 160), round);
  low = f64x2.relaxed_madd(v128.load(a, 64), v128.load(b, 160), f64x2.sub(round, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 64), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q2, up16, f64x2.relaxed_madd(q3, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q2, up16, f64x2.relaxed_madd(q3, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q3);
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q5);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 32);
  below = high;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 160), round);
  low = f64x2.relaxed_madd(v128.load(a, 96), v128.load(b, 160), f64x2.sub(round, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q3, up16, f64x2.relaxed_madd(q4, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q3, up16, f64x2.relaxed_madd(q4, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q4);
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 64);
  below = high;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 160), round);
  low = f64x2.relaxed_madd(v128.load(a, 128), v128.load(b, 160), f64x2.sub(round, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 160), v128.load(b, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q4, up16, f64x2.relaxed_madd(q5, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q4, up16, f64x2.relaxed_madd(q5, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q5);
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 96);
  below = high;
  low = f64x2.mul(v128.load(a, 160), v128.load(b, 160));
  next = f64x2.relaxed_madd(q5, up16, round);
  low = f64x2.add(low, f64x2.relaxed_madd(q5, up16, f64x2.sub(round, next)));
  high = next;
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 128);
  below = high;
  below = f64x2.add(f64x2.sub(below, round), carry);
  v128.store(r, f64x2.mul(below, down), 160);
}

function square(r: usize, a: usize): void {
  const round = v128.load(CONSTANTS);
  const less = v128.load(CONSTANTS, 16);
  const more = v128.load(CONSTANTS, 32);
  const minusLess = v128.load(CONSTANTS, 48);
  const minusMore = v128.load(CONSTANTS, 64);
  const down = v128.load(CONSTANTS, 80);
  const up16 = v128.load(CONSTANTS, 96);
  const minus32 = v128.load(CONSTANTS, 112);
  let low: v128, high: v128, next: v128, below: v128, carry: v128, carried: v128, twice: v128;
  next = f64x2.relaxed_madd(v128.load(a), v128.load(a), round);
  low = f64x2.relaxed_madd(v128.load(a), v128.load(a), f64x2.sub(round, next));
  high = next;
  const q0 = low;
  below = high;
  twice = v128.load(a);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 32), minusMore);
  low = f64x2.relaxed_madd(twice, v128.load(a, 32), f64x2.sub(minusMore, next));
  high = next;
  low = f64x2.relaxed_madd(below, down, low);
  const q1 = low;
  below = high;
  twice = v128.load(a);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 64), minusLess);
  low = f64x2.relaxed_madd(twice, v128.load(a, 64), f64x2.sub(minusLess, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 32), v128.load(a, 32), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 32), v128.load(a, 32), f64x2.sub(high, next)));
  high = next;
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q0);
  const q2 = low;
  below = high;
  twice = v128.load(a);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 96), more);
  low = f64x2.relaxed_madd(twice, v128.load(a, 96), f64x2.sub(more, next));
  high = next;
  twice = v128.load(a, 32);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(twice, v128.load(a, 64), f64x2.sub(high, next)));
  high = next;
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q1);
  const q3 = low;
  below = high;
  twice = v128.load(a);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 128), minusMore);
  low = f64x2.relaxed_madd(twice, v128.load(a, 128), f64x2.sub(minusMore, next));
  high = next;
  twice = v128.load(a, 32);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(twice, v128.load(a, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 64), v128.load(a, 64), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 64), v128.load(a, 64), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q0, minus32, high);
  low = f64x2.add(low, f64x2.relaxed_madd(q0, minus32, f64x2.sub(high, next)));
  high = next;
  low = f64x2.add(low, q0);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q2);
  const q4 = low;
  below = high;
  twice = v128.load(a);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 160), more);
  low = f64x2.relaxed_madd(twice, v128.load(a, 160), f64x2.sub(more, next));
  high = next;
  twice = v128.load(a, 32);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(twice, v128.load(a, 128), f64x2.sub(high, next)));
  high = next;
  twice = v128.load(a, 64);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(twice, v128.load(a, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q0, up16, f64x2.relaxed_madd(q1, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q0, up16, f64x2.relaxed_madd(q1, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q1);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q3);
  const q5 = low;
  below = high;
  twice = v128.load(a, 32);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 160), less);
  low = f64x2.relaxed_madd(twice, v128.load(a, 160), f64x2.sub(less, next));
  high = next;
  twice = v128.load(a, 64);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(twice, v128.load(a, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 96), v128.load(a, 96), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 96), v128.load(a, 96), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q1, up16, f64x2.relaxed_madd(q2, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q1, up16, f64x2.relaxed_madd(q2, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q2);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q4);
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.sub(low, carry));
  below = high;
  twice = v128.load(a, 64);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 160), round);
  low = f64x2.relaxed_madd(twice, v128.load(a, 160), f64x2.sub(round, next));
  high = next;
  twice = v128.load(a, 96);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(twice, v128.load(a, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q2, up16, f64x2.relaxed_madd(q3, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q2, up16, f64x2.relaxed_madd(q3, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q3);
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  low = f64x2.add(low, q5);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 32);
  below = high;
  twice = v128.load(a, 96);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 160), round);
  low = f64x2.relaxed_madd(twice, v128.load(a, 160), f64x2.sub(round, next));
  high = next;
  next = f64x2.relaxed_madd(v128.load(a, 128), v128.load(a, 128), high);
  low = f64x2.add(low, f64x2.relaxed_madd(v128.load(a, 128), v128.load(a, 128), f64x2.sub(high, next)));
  high = next;
  next = f64x2.relaxed_madd(q3, up16, f64x2.relaxed_madd(q4, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q3, up16, f64x2.relaxed_madd(q4, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q4);
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 64);
  below = high;
  twice = v128.load(a, 128);
  twice = f64x2.add(twice, twice);
  next = f64x2.relaxed_madd(twice, v128.load(a, 160), round);
  low = f64x2.relaxed_madd(twice, v128.load(a, 160), f64x2.sub(round, next));
  high = next;
  next = f64x2.relaxed_madd(q4, up16, f64x2.relaxed_madd(q5, minus32, high));
  low = f64x2.add(low, f64x2.relaxed_madd(q4, up16, f64x2.relaxed_madd(q5, minus32, f64x2.sub(high, next))));
  high = next;
  low = f64x2.add(low, q5);
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 96);
  below = high;
  low = f64x2.mul(v128.load(a, 160), v128.load(a, 160));
  next = f64x2.relaxed_madd(q5, up16, round);
  low = f64x2.add(low, f64x2.relaxed_madd(q5, up16, f64x2.sub(round, next)));
  high = next;
  below = f64x2.sub(below, round);
  low = f64x2.relaxed_madd(below, down, low);
  carried = carry;
  carry = f64x2.sub(f64x2.add(low, round), round);
  v128.store(r, f64x2.relaxed_madd(carried, down, f64x2.sub(low, carry)), 128);
  below = high;
  below = f64x2.add(f64x2.sub(below, round), carry);
  v128.store(r, f64x2.mul(below, down), 160);
}
