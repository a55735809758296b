// The products of P-256 by fused multiply-add: what assembly/ec/p256/quad_f48_products.ts says at its head, written out
// column by column. Every number carries its bounds along; one that a float might not hold stops the generator: `check`.

export const FILE = 'assembly/ec/p256/quad_f48_products.ts';

const LIMBS = 6;
const BITS = 48n;
const HALF = 1n << (BITS - 1n);
/** A float between 2^100 and 2^101, or their negatives, is a multiple of 2^48: C lies in the middle. */
const C = 3n << 99n;
const BINADE = { least: 1n << 100n, most: 1n << 101n };
/** What is left of C in the column above, 24·2^48, unless it is subtracted. */
const LEFT = C >> BITS;
const EXACT = 1n << 53n;

/** What a carry leaves; factors may have twice that. The top limb is bounded by what else a number goes through: quad_f48.ts. */
const LIMB = HALF + 64n;
const TOP = 1n << 22n;
const FACTOR_TOP = 1n << 28n;
const TOPS = 3n << 51n;

/** The sign of the C that column k begins with: so that what is left of it in the sums of columns 1 to 6 meets its opposite. */
const SIGNS = [1, -1, -1, 1, -1, 1, 1, 1, 1, 1, 1];
/** Where sums have no room for it. */
const SUBTRACTED = [7, 8, 9, 10];

const CONSTANTS = [
  { name: 'round', value: C, bits: 0x4638000000000000n, says: '3·2^99' },
  { name: 'less', value: C - LEFT, bits: 0x4637ffffffffffe8n, says: '3·2^99 - 24·2^48' },
  { name: 'more', value: C + LEFT, bits: 0x4638000000000018n, says: '3·2^99 + 24·2^48' },
  { name: 'minusLess', value: LEFT - C, bits: 0xc637ffffffffffe8n, says: 'their negatives' },
  { name: 'minusMore', value: -LEFT - C, bits: 0xc638000000000018n, says: '' },
  { name: 'down', bits: 0x3cf0000000000000n, says: '2^-48' },
  { name: 'up16', value: 1n << 16n, bits: 0x40f0000000000000n, says: '2^16' },
  { name: 'minus32', value: -(1n << 32n), bits: 0xc1f0000000000000n, says: '-2^32' },
];

const exactly = (name, value) => ({ name, min: value, max: value });
const within = (name, bound) => ({ name, min: -bound, max: bound });
const constant = (wanted) => {
  const { name, value } = CONSTANTS.find((each) => each.name === wanted || each.value === wanted);
  return exactly(name, value);
};
const magnitude = ({ min, max }) => (max > -min ? max : -min);
const sum = (a, b) => ({ min: a.min + b.min, max: a.max + b.max });
const carriedUp = ({ min, max }) => ({ min: min >> BITS, max: (max >> BITS) + 1n });
const indent = (lines) => lines.map((line) => `  ${line}`).join('\n');

function check(condition, what) {
  if (!condition) throw new Error(`fma-products: ${what}`);
}

/** What column k begins with: its C, less what the C of the column below leaves in this. */
function beginning(k) {
  const left = k === 0 || SUBTRACTED.includes(k) ? 0n : BigInt(SIGNS[k - 1]) * LEFT;
  return constant(BigInt(SIGNS[k]) * C - left);
}

/** A column while it is written: the sum of its products' high parts, on C, and that of their low parts. */
class Column {
  constructor(k, lines) {
    this.k = k;
    this.lines = lines;
    this.high = beginning(k);
  }

  /** low += an integer. */
  add(number) {
    this.lines.push(this.low === undefined ? `low = ${number.name};` : `low = f64x2.add(low, ${number.name});`);
    this.hold(this.low === undefined ? number : sum(this.low, number));
  }

  hold({ min, max }) {
    this.low = { name: 'low', min, max };
    check(magnitude(this.low) < EXACT, `column ${this.k} may reach ${magnitude(this.low)}`);
  }

  /**
   * high += the sum of the products, each rounded to a multiple of 2^48, and low += what was lost. Two products: the first,
   * of a multiple of 2^32, leaves multiples of 2^32 below 2^85, and the second goes with multiples of 2^16.
   */
  multiply(...pairs) {
    const most = pairs.reduce((total, [x, y]) => total + magnitude(x) * magnitude(y), 0n);
    const lost = BigInt(pairs.length) * HALF;
    const next = sum(this.high, within('', most + lost));
    const { min, max } = next.min > 0n ? next : { min: -next.max, max: -next.min };
    check(min >= BINADE.least && max <= BINADE.most, `the high parts of column ${this.k} leave the binade`);
    check(pairs.length === 1 || most < 1n << 85n, `the products with p in column ${this.k}`);
    const over = (addend) => pairs.reduce((so, [x, y]) => `f64x2.relaxed_madd(${x.name}, ${y.name}, ${so})`, addend);
    this.lines.push(`next = ${over(this.high.name)};`);
    this.add(within(over(`f64x2.sub(${this.high.name}, next)`), lost));
    this.lines.push('high = next;');
    this.high = { ...next, name: 'high' };
  }

  /** low = the product of the top limbs, an integer as it stands. */
  multiplyTops(x, y) {
    check(this.low === undefined, 'the top limbs come first');
    this.add(within(`f64x2.mul(${x.name}, ${y.name})`, TOPS));
  }

  /** low += the high parts of the column below. */
  takeUp(below) {
    if (SUBTRACTED.includes(this.k)) {
      this.lines.push('below = f64x2.sub(below, round);');
      below = sum(below, exactly('', -C));
    }
    this.lines.push('low = f64x2.relaxed_madd(below, down, low);');
    this.hold(sum(this.low, carriedUp(below)));
  }
}

/** One pass: two of the four elements. */
function pass(name, square) {
  const at = (array, i) => (i === 0 ? `v128.load(${array})` : `v128.load(${array}, ${32 * i})`);
  const store = (i, value) => (i === 0 ? `v128.store(r, ${value});` : `v128.store(r, ${value}, ${32 * i});`);
  const factor = (array, i) => within(at(array, i), i < LIMBS - 1 ? 2n * LIMB : FACTOR_TOP);
  const lines = CONSTANTS.map(({ name }, i) => `const ${name} = ${at('CONSTANTS', i / 2)};`);
  lines.push(
    `let low: v128, high: v128, next: v128, below: v128, carry: v128, carried: v128${square ? ', twice: v128' : ''};`,
  );
  const q = [];
  let below, carry;
  for (let k = 0; k < 2 * LIMBS - 1; k++) {
    const column = new Column(k, lines);
    for (let i = Math.max(0, k - LIMBS + 1), j = k - i; i < LIMBS && j >= 0; i++, j--) {
      const x = factor('a', i),
        y = factor(square ? 'a' : 'b', j);
      if (square && i > j) break;
      if (i + j === 2 * LIMBS - 2) column.multiplyTops(x, y);
      else if (square && i < j) {
        lines.push(`twice = ${x.name};`, 'twice = f64x2.add(twice, twice);');
        column.multiply([within('twice', 2n * magnitude(x)), y]);
      } else column.multiply([x, y]);
    }
    const terms = [];
    if (q[k - 4] !== undefined) terms.push([q[k - 4], constant('minus32')]);
    if (q[k - 5] !== undefined) terms.push([q[k - 5], constant('up16')]);
    if (terms.length > 0) column.multiply(...terms);
    if (q[k - 4] !== undefined) column.add(q[k - 4]);
    if (k > 0) column.takeUp(below);
    if (q[k - 2] !== undefined) column.add(q[k - 2]);
    below = { ...column.high, name: 'below' };
    if (k < LIMBS) {
      lines.push(`const q${k} = low;`);
      q[k] = { ...column.low, name: `q${k}` };
    } else {
      const i = k - LIMBS;
      if (i > 0) lines.push('carried = carry;');
      lines.push('carry = f64x2.sub(f64x2.add(low, round), round);');
      const limb = 'f64x2.sub(low, carry)';
      lines.push(store(i, i === 0 ? limb : `f64x2.relaxed_madd(carried, down, ${limb})`));
      check(i === 0 || HALF + magnitude(carriedUp(carry)) <= LIMB, `limb ${i}`);
      carry = sum(column.low, within('', HALF));
    }
    lines.push('below = high;');
  }
  // What the last column has is multiples of 2^48 alone, and its C goes.
  lines.push('below = f64x2.add(f64x2.sub(below, round), carry);', store(LIMBS - 1, 'f64x2.mul(below, down)'));
  check(magnitude(carriedUp(sum(sum(below, exactly('', -C)), carry))) < TOP, 'the top limb');
  return [
    `function ${name}(${square ? 'r: usize, a: usize' : 'r: usize, a: usize, b: usize'}): void {`,
    indent(lines),
    '}',
  ].join('\n');
}

export function render() {
  const constants = CONSTANTS.map(({ name, bits, says }) => {
    const hex = `0x${bits.toString(16).padStart(16, '0')}`;
    return `  ${hex}, ${hex}, // ${name}${says === '' ? '' : `: ${says}`}`;
  });
  return `// Made by scripts/generate-products.mjs; change that, or fma-products.mjs there.
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
${constants.join('\n')}
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

${pass('product', false)}

${pass('square', true)}
`;
}
