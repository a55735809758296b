// Writes the products of four field elements side by side, assembly/ec/<curve>/quad_products.ts: straight code, column by
// column, which no loop of AssemblyScript unrolls. `--check` compares with what is committed.
//
// The elements lie as assembly/ec/quad.ts says: limb i of all four in one vector, least first. An extended multiplication
// takes two of the four, so that a product is done in two passes, and the second joins the halves.
// The relaxed build has P-256's as floats: fma-products.mjs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { FILE as FMA_FILE, render as renderFma } from './fma-products.mjs';

/**
 * q·p without its lowest term, as shifts: q, at `limb` columns further up, by `shift` bits. Where p is -1 modulo a limb,
 * q is the column's lowest limb; else `low` is what -p is there, and q is that limb divided by it.
 */
const FIELDS = [
  {
    curve: 'p256',
    name: 'P-256',
    limbs: 9,
    bits: 29,
    terms: [
      { limb: 3, shift: 9, sign: 'add', says: '2^96' },
      { limb: 6, shift: 18, sign: 'add', says: '2^192' },
      { limb: 7, shift: 21, sign: 'sub', says: '-2^224' },
      { limb: 8, shift: 24, sign: 'add', says: '2^256' },
    ],
  },
  {
    curve: 'p384',
    name: 'P-384',
    limbs: 14,
    bits: 28,
    terms: [
      { limb: 1, shift: 4, sign: 'add', says: '2^32' },
      { limb: 3, shift: 12, sign: 'sub', says: '-2^96' },
      { limb: 4, shift: 16, sign: 'sub', says: '-2^128' },
      { limb: 13, shift: 20, sign: 'add', says: '2^384' },
    ],
  },
  {
    curve: 'secp256k1',
    name: 'secp256k1',
    limbs: 9,
    bits: 29,
    low: {
      value: 977,
      inverse: 0x12253531,
      shifts: [
        [10, 'add'],
        [5, 'sub'],
        [4, 'sub'],
        [0, 'add'],
      ],
    },
    terms: [
      { limb: 1, shift: 3, sign: 'sub', says: '-2^32' },
      { limb: 8, shift: 24, sign: 'add', says: '2^256' },
    ],
  },
];

/** One pass: the columns of a product of two of the four elements, each reduced as soon as it is whole. */
function pass(field, { name, half, square, put }) {
  const { limbs, bits, low, terms } = field;
  const product = (i, j) => `i64x2.extmul_${half}_i32x4_s(${at('a', i)}, ${at(square ? 'a' : 'b', j)})`;
  const lines = [
    `function ${name}(${square ? 'a: usize' : 'a: usize, b: usize'}${half === 'high' ? ', r: usize' : ''}): void {`,
    `  const mask = v128.load(MASK), bias = v128.load(BIAS)${low ? ', inverse = v128.load(INVERSE)' : ''};`,
    '  let t: v128, carry = v128.load(FIRST_BIAS);',
  ];
  for (let k = 0; k < 2 * limbs - 1; k++) {
    const pairs = [];
    for (let i = Math.max(0, k - limbs + 1); i <= Math.min(k, limbs - 1); i++) pairs.push([i, k - i]);
    const sum = square ? squareColumn(pairs, product) : chain(pairs.map(([i, j]) => product(i, j)));
    for (const { limb, shift, sign } of terms.toReversed()) {
      const q = k - limb;
      if (q >= 0 && q < limbs) sum.push(`t = i64x2.${sign}(t, i64x2.shl(q${q}, ${shift}));`);
    }
    lines.push(...sum.map((line) => `  ${line}`), '  carry = i64x2.add(t, carry);');
    if (k < limbs) lines.push(...factor(field, k));
    else lines.push(put(k - limbs, 'v128.and(carry, mask)'));
    if (k < 2 * limbs - 2) lines.push(`  carry = i64x2.add(i64x2.shr_u(carry, ${bits}), bias);`);
    else lines.push(put(limbs - 1, `i64x2.shr_u(carry, ${bits})`));
  }
  return [...lines, '}', ''].join('\n');
}

/** q of column k, and the column less what q·p has there: divisible by 2^bits, or at once without its low bits. */
function factor({ low }, k) {
  if (low === undefined) return [`  const q${k} = v128.and(carry, mask);`];
  return [
    `  t = v128.and(carry, mask);`,
    `  const q${k} = v128.and(i64x2.extmul_low_i32x4_u(v128.shuffle<u32>(t, t, 0, 2, 0, 2), inverse), mask);`,
    ...low.shifts.map(([shift, sign]) => {
      const inverse = sign === 'add' ? 'sub' : 'add';
      return `  carry = i64x2.${inverse}(carry, ${shift === 0 ? `q${k}` : `i64x2.shl(q${k}, ${shift})`});`;
    }),
  ];
}

const at = (array, i) => `v128.load(${array}${i === 0 ? '' : `, ${16 * i}`})`;
const chain = ([first, ...rest]) => [`t = ${first};`, ...rest.map((each) => `t = i64x2.add(t, ${each});`)];

/** Of a_i·a_j and a_j·a_i one is computed. */
function squareColumn(pairs, product) {
  const off = pairs.filter(([i, j]) => i < j);
  const lines = off.length === 0 ? [] : [...chain(off.map(([i, j]) => product(i, j))), 't = i64x2.add(t, t);'];
  const middle = pairs.find(([i, j]) => i === j);
  if (middle === undefined) return lines;
  const term = product(...middle);
  return lines.length === 0 ? [`t = ${term};`] : [...lines, `t = i64x2.add(t, ${term});`];
}

function render(field) {
  const { name, limbs, bits, low, terms } = field;
  const offset = (i) => (i === 0 ? '' : `, ${16 * i}`);
  const keep = (i, value) => `  v128.store(HALF, ${value}${offset(i)});`;
  const join = (i, value) =>
    `  v128.store(r, v128.shuffle<u32>(v128.load(HALF${offset(i)}), ${value}, 0, 2, 4, 6)${offset(i)});`;
  const twice = (value) => `${value}, ${value}`;
  return `// Made by scripts/generate-products.mjs; change that.
/**
 * Products modulo p of ${name}, four at a time: quad.ts.
 *
 * A column gathers at most ${limbs} products of limbs below 2^${bits} in magnitude (the top one may be -1) and ${terms.length} terms of
 * q, in all below 2^62; the bias of 2^63 keeps it above 0, so that a logical shift carries right. What the bias leaves
 * in the column above, 2^${63 - bits}, is taken from that column's own bias. q is the factor that makes the column divisible:
 * ${low ? `the lowest limb divided by ${low.value}, since p = -${low.value}` : 'the lowest limb, since p = -1'} modulo a limb; the rest of q·p is ${terms.map(({ says }) => says).join(', ')} times q.
 * Every limb of r is written when no column to come reads that of a or b, so r may be one of them.
 */
import { QUAD_SCRATCH } from "../scratch";

const MASK: usize = memory.data<u64>([${twice(`0x${((1n << BigInt(bits)) - 1n).toString(16)}`)}], 16);
const FIRST_BIAS: usize = memory.data<u64>([${twice('0x8000000000000000')}], 16);
const BIAS: usize = memory.data<u64>([${twice(`0x${((1n << 63n) - (1n << BigInt(63 - bits))).toString(16)}`)}], 16);
${
  low
    ? `/** ${low.value}^-1 mod 2^${bits} */
const INVERSE: usize = memory.data<u32>([${twice(twice(`0x${low.inverse.toString(16)}`))}], 16);
`
    : ''
}/** The first pass's two results. */
const HALF: usize = QUAD_SCRATCH;

/** r = a·b/R */
export function quadProduct(r: usize, a: usize, b: usize): void {
  productLow(a, b);
  productHigh(a, b, r);
}

/** r = a·a/R */
export function quadSquare(r: usize, a: usize): void {
  squareLow(a);
  squareHigh(a, r);
}

${pass(field, { name: 'productLow', half: 'low', square: false, put: keep })}
${pass(field, { name: 'productHigh', half: 'high', square: false, put: join })}
${pass(field, { name: 'squareLow', half: 'low', square: true, put: keep })}
${pass(field, { name: 'squareHigh', half: 'high', square: true, put: join })}`.trimEnd();
}

const files = new Map(FIELDS.map((field) => [`assembly/ec/${field.curve}/quad_products.ts`, `${render(field)}\n`]));
files.set(FMA_FILE, renderFma());

let stale = false;
for (const [file, text] of files) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  if (process.argv.includes('--check')) {
    console.error(`${file} is not what scripts/generate-products.mjs writes: run it`);
    stale = true;
  } else {
    writeFileSync(file, text);
    console.log(file);
  }
}
if (stale) process.exit(1);
