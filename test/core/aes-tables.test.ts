import { expect, test } from 'vitest';
import { openCore } from '../support/core.ts';

// Derives the tables of assembly/aes/vpaes.ts from the field definitions in its opening comment.

const NIBBLES = Array.from({ length: 16 }, (_, n) => n);
const BYTES = Array.from({ length: 256 }, (_, n) => n);

/** Product of polynomials over GF(2), reduced by `modulus`. */
function multiply(x: number, y: number, modulus: number): number {
  const degree = 31 - Math.clz32(modulus);
  let product = 0;
  for (let bit = 0; bit < degree; bit++) if ((y >> bit) & 1) product ^= x << bit;
  for (let bit = 2 * degree - 2; bit >= degree; bit--) if ((product >> bit) & 1) product ^= modulus << (bit - degree);
  return product;
}
const mul16 = (x: number, y: number) => multiply(x, y, 0b10011);
const mul256 = (x: number, y: number) => multiply(x, y, 0x11b);
const inv16 = (x: number) => NIBBLES.find((y) => mul16(x, y) === 1) ?? 0;
const inv256 = (x: number) => BYTES.find((y) => mul256(x, y) === 1) ?? 0;
const a = 2;

/** (k + iζ)(k' + i'ζ) with ζ² = aζ + a. */
function mulTower(x: number, y: number): number {
  const top = mul16(a, mul16(x >> 4, y >> 4));
  return ((mul16(x & 15, y >> 4) ^ mul16(x >> 4, y & 15) ^ top) << 4) | (mul16(x & 15, y & 15) ^ top);
}
const root = 0x1c;
const powers = [1];
for (let n = 1; n <= 8; n++) powers.push(mulTower(powers[n - 1]!, root));

const sumOfBits = (x: number, images: number[]) =>
  images.reduce((sum, image, bit) => sum ^ ((x >> bit) & 1 ? image : 0), 0);
const inverseOf = (f: (x: number) => number) => {
  const table = new Map(BYTES.map((x) => [f(x), x]));
  return (y: number) => table.get(y)!;
};
const T = (x: number) => sumOfBits(x, powers);
const fromTower = inverseOf(T);
const A = (x: number) => [0, 1, 2, 3, 4].reduce((sum, n) => sum ^ (((x << n) | (x >> (8 - n))) & 0xff), 0);
const inverseA = inverseOf(A);

/** From u = 1/io = (k + ai)/N and t = 1/jo = ((1+a)k + ai)/N to the inverse ((k + ai) + iζ)/N: i/N = (u + (u+t)/a)/a. */
const inverseFrom = (u: number, t: number) => u | (mul16(inv16(a), u ^ mul16(inv16(a), u ^ t)) << 4);

const input = (f: (x: number) => number) => [...NIBBLES.map((n) => f(n)), ...NIBBLES.map((n) => f(n << 4))];
const output = (f: (x: number) => number) => [
  ...NIBBLES.map((n) => f(inverseFrom(inv16(n), 0))),
  ...NIBBLES.map((n) => f(inverseFrom(0, inv16(n)))),
];
const decryption = (c: number) => output((x) => T(inverseA(mul256(c, fromTower(x)))));

const tables = Uint8Array.from([
  ...NIBBLES.map((n) => (n ? inv16(n) : 0x80)),
  ...NIBBLES.map((n) => (n ? mul16(a, inv16(n)) : 0x80)),
  ...input(T),
  ...output((x) => T(A(fromTower(x)))),
  ...output((x) => T(mul256(2, A(fromTower(x))))),
  ...output((x) => A(fromTower(x))),
  ...input((x) => T(inverseA(x))),
  ...[14, 11, 13, 9].flatMap(decryption),
  ...output((x) => fromTower(x)),
  ...input(fromTower),
  ...input((x) => A(fromTower(x))),
  ...decryption(1),
]);

test('X² + aX + a has no root in F, and AES’s polynomial vanishes at the image of x', () => {
  expect(NIBBLES.filter((x) => (mul16(x, x) ^ mul16(a, x) ^ a) === 0)).toEqual([]);
  expect(powers[8]! ^ powers[4]! ^ powers[3]! ^ powers[1]! ^ 1).toBe(0);
});

test('the map is an isomorphism of fields', () => {
  for (const x of BYTES) for (const y of [2, 3, 0x53, 0xca, 0xff]) expect(T(mul256(x, y))).toBe(mulTower(T(x), T(y)));
});

test('the lookups give the S-box of FIPS 197 §5.1.1 for every byte', () => {
  const at = (row: number, index: number) => (index > 15 ? 0 : tables[row * 16 + index]!);
  for (const x of BYTES) {
    const w = at(2, x & 15) ^ at(3, x >> 4);
    const [k, i] = [w & 15, w >> 4];
    const j = i ^ k;
    const io = at(0, at(0, i) ^ at(1, k)) ^ j;
    const jo = at(0, at(0, j) ^ at(1, k)) ^ i;
    expect(at(8, io) ^ at(9, jo)).toBe(A(inv256(x)));
  }
});

test('the core holds these tables and no others', () => {
  const { core, memory } = openCore();
  const constants = Buffer.from(memory.buffer, 0, core['firstRegion']!());
  expect(constants.indexOf(tables)).toBeGreaterThan(0);
});
