/**
 * P-256's products by fused multiply-add, and the floats around them. A model runs the generated source with exact
 * arithmetic and sees every number on the way, at the edges of what factors may be: each is an integer, so that none is
 * subnormal, and what the core makes of the same factors is the same to the bit.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUILD, openCore } from '../support/core.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCE = 'assembly/ec/p256/quad_f48_products.ts';
const WASM = 'build/ec-fma.wasm';
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const R = 2n ** 288n;
const LIMB = 2 ** 48;
const LANES = [0, 1, 2, 3];
const LIMBS = [0, 1, 2, 3, 4, 5];
type Number6 = readonly number[];

const mod = (x: bigint) => ((x % P) + P) % P;
const numberOf = (limbs: Number6) => limbs.reduce((sum, limb, i) => sum + BigInt(limb) * 2n ** BigInt(48 * i), 0n);

/** The steps of a function of the source, and what its floats are called. */
const text = readFileSync(`${ROOT}${SOURCE}`, 'utf8');
const constants = [...text.matchAll(/^ {2}0x(\w+), 0x\1, \/\//gm)].map(
  ([, bits]) => new Float64Array(BigUint64Array.of(BigInt(`0x${bits}`)).buffer)[0]!,
);
const stepsOf = (name: string) =>
  text
    .slice(text.indexOf(`function ${name}(`))
    .split('\n}')[0]!
    .split('\n')
    .slice(1)
    .map((line) => line.trim().replace(/^const /, ''))
    .filter((line) => !line.startsWith('let '));

/** Run them: a sum is rounded once, as a processor's would be. `seen` gets every result. */
function model(
  name: 'product' | 'square',
  a: Number6,
  b: Number6,
  seen: (value: number, step: string) => void,
): number[] {
  const locals: Record<string, number> = {};
  const result: number[] = [];
  const memory: Record<string, readonly number[]> = { a, b };
  for (const step of stepsOf(name)) {
    const tokens = step.match(/[\w.]+/g)!;
    let next = 1;
    const offset = () => (/^\d+$/.test(tokens[next] ?? '') ? Number(tokens[next++]) : 0);
    const expression = (): number => {
      const token = tokens[next++]!;
      if (token === 'v128.load') {
        const array = tokens[next++]!;
        return array === 'CONSTANTS' ? constants[offset() / 16]! : memory[array]![offset() / 32]!;
      }
      if (!token.startsWith('f64x2.')) return locals[token]!;
      const x = expression();
      const y = expression();
      const value = OPERATIONS[token]!(x, y, token === 'f64x2.relaxed_madd' ? expression() : 0);
      seen(value, step);
      return value;
    };
    if (tokens[0] === 'v128.store') {
      next++;
      const value = expression();
      result[offset() / 32] = value;
    } else locals[tokens[0]!] = expression();
  }
  return result;
}

/** x·y + z of integers, or times 2^-48 of its multiples. */
function fused(x: number, y: number, z: number): number {
  if (y !== 1 / LIMB) return Number(BigInt(x) * BigInt(y) + BigInt(z));
  expect(Number.isInteger(x * y)).toBe(true);
  return Number(BigInt(x * y) + BigInt(z));
}

const OPERATIONS: Record<string, (x: number, y: number, z: number) => number> = {
  'f64x2.add': (x, y) => x + y,
  'f64x2.sub': (x, y) => x - y,
  'f64x2.mul': (x, y) => x * y,
  'f64x2.relaxed_madd': fused,
};

describe('P-256 by fused multiply-add', () => {
  mkdirSync(`${ROOT}build`, { recursive: true });
  execFileSync(
    process.execPath,
    [
      `${ROOT}node_modules/assemblyscript/bin/asc.js`,
      ...['assembly/test-entry.ts', '--config', 'asconfig.json', '--target', BUILD, '--outFile', WASM],
    ],
    { cwd: ROOT, stdio: 'ignore' },
  );
  const box = openCore(new URL(`../../${WASM}`, import.meta.url));
  const exported = box.core as unknown as Record<string, { value: number }> & typeof box.core;
  const run = (name: string, r: number, a: number, b: number) =>
    box.core['runQuad']!(1, exported[`QuadOp.${name}`]!.value, r, a, b);
  const bytes = box.core['quadBytes']!(1);
  const [a, b, r, element, packed] = [bytes, bytes, bytes, 64, 128].map((size) => box.reserve(size)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const floats = new Float64Array(box.memory.buffer);
  const words = new Uint32Array(box.memory.buffer);
  const put = (at: number, lanes: readonly Number6[]) => {
    for (const lane of LANES) for (const i of LIMBS) floats[at / 8 + 4 * i + lane] = lanes[lane]![i]!;
  };
  const get = (at: number): number[][] => LANES.map((lane) => LIMBS.map((i) => floats[at / 8 + 4 * i + lane]!));

  const edge = (most: number) => {
    const around = [most, most - 1, most / 2, most / 2 - 1, 2 ** 24, 1, 0].filter((value) => value <= most);
    return fc.oneof(
      fc.constantFrom(...around.flatMap((value) => [value, value === 0 ? 0 : -value])),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 }).map((value) => Math.floor((value / 2 ** 31) * most)),
    );
  };
  const number = (limb: number, top: number) =>
    fc.tuple(edge(limb), edge(limb), edge(limb), edge(limb), edge(limb), edge(top));
  const four = (limb: number, top: number) => {
    const one = number(limb, top);
    return fc.tuple(one, one, one, one);
  };
  const FACTOR = LIMB + 128;
  const SETTLED = LIMB / 2 + 64;

  /** Largest magnitudes and all their signs, too. */
  const signs = (most: number, top: number) =>
    Array.from({ length: 64 }, (_, s) => LIMBS.map((i) => (s & (1 << i) ? -1 : 1) * (i === 5 ? top : most)));

  const check = (name: 'product' | 'square', op: 'mul' | 'square', x: readonly Number6[], y: readonly Number6[]) => {
    put(a, x);
    put(b, y);
    run(op, r, a, b);
    get(r).forEach((limbs, lane) => {
      const expected = model(name, x[lane]!, y[lane]!, (value, step) => {
        // An integer is 0 or at least 1: not subnormal. One beyond 2^53 stands on a constant.
        if (!Number.isInteger(value)) throw new Error(`${value} in ${step}`);
      });
      expect(limbs.map((limb) => limb + 0)).toEqual(expected.map((limb) => limb + 0));
      expect(mod(numberOf(limbs) * R)).toBe(mod(numberOf(x[lane]!) * numberOf(y[lane]!)));
      limbs.forEach((limb, i) => {
        expect(Math.abs(limb)).toBeLessThanOrEqual(i === 5 ? 2 ** 22 : SETTLED);
      });
    });
  };

  test('products', () => {
    fc.assert(
      fc.property(four(FACTOR, 2 ** 28), four(FACTOR, 2 ** 22), (x, y) => {
        check('product', 'mul', x, y);
      }),
      { numRuns: 200 },
    );
  });

  test('products of the largest factors with all signs', () => {
    const all = signs(FACTOR, 2 ** 28),
      others = signs(FACTOR, 2 ** 22);
    for (let i = 0; i < 64; i += 4) {
      for (const j of [0, 21, 42, 60]) check('product', 'mul', all.slice(i, i + 4), others.slice(j, j + 4));
    }
  });

  test('squares', () => {
    fc.assert(
      fc.property(four(FACTOR, 2 ** 25), (x) => {
        check('square', 'square', x, x);
      }),
      { numRuns: 200 },
    );
    const all = signs(FACTOR, 2 ** 25);
    for (let i = 0; i < 64; i += 4) check('square', 'square', all.slice(i, i + 4), all.slice(i, i + 4));
  });

  test.each([
    ['add', SETTLED, (x: bigint, y: bigint) => x + y],
    ['sub', FACTOR, (x: bigint, y: bigint) => x - y],
    ['tripleSub', SETTLED, (x: bigint, y: bigint) => 3n * (x - y)],
    ['subTwice', FACTOR, (x: bigint, y: bigint) => x - 2n * y],
  ] as const)('%s settles', (name, wide, expected) => {
    fc.assert(
      fc.property(four(wide, 2 ** 27), four(SETTLED, 2 ** 27), (x, y) => {
        put(a, x);
        put(b, y);
        run(name, r, a, b);
        get(r).forEach((limbs, lane) => {
          expect(numberOf(limbs)).toBe(expected(numberOf(x[lane]!), numberOf(y[lane]!)));
          for (const limb of limbs.slice(0, 5)) expect(Math.abs(limb)).toBeLessThanOrEqual(SETTLED);
        });
      }),
    );
  });

  test('the largest values are read as elements', () => {
    fc.assert(
      fc.property(four(SETTLED, 2 ** 28), (x) => {
        put(a, x);
        for (const lane of LANES) {
          run('get', element, a, lane);
          const limbs = [...words.subarray(element / 4, element / 4 + 9)];
          const value = limbs.reduce((sum, limb, i) => sum + (BigInt(limb) << BigInt(29 * i)), 0n);
          expect(value).toBeLessThan(2n ** 256n + 2n ** 252n);
          expect(Math.max(...limbs.slice(0, 8))).toBeLessThan(2 ** 29);
          expect(mod(value << 27n)).toBe(mod(numberOf(x[lane]!)));
        }
      }),
    );
  });

  test('a packed number is that of the limbs and half a limb each', () => {
    const added = LIMBS.reduce((sum, i) => sum + (1n << BigInt(i === 5 ? 255 : 48 * i + 47)), 0n);
    const numbers = fc.tuple(
      ...LANES.map(() => fc.oneof(fc.constantFrom(0n, P - 1n), fc.bigInt({ min: 0n, max: P - 1n }))),
    );
    fc.assert(
      fc.property(numbers, (values) => {
        values.forEach((value, lane) => {
          for (let i = 0; i < 8; i++)
            words[packed / 4 + 8 * lane + i] = Number((value >> BigInt(32 * i)) & 0xffffffffn);
        });
        run('unpack', r, packed, 0);
        get(r).forEach((limbs, lane) => {
          expect(numberOf(limbs)).toBe(values[lane]! - added);
          for (const limb of limbs.slice(0, 5)) expect(Math.abs(limb)).toBeLessThanOrEqual(LIMB / 2);
        });
      }),
    );
  });
});
