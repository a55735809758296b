/** Four field elements side by side: the same sums and products as one, in every lane, at the edges of the invariant. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUILD, openCore } from '../support/core.ts';
import { CURVES } from '../support/curves.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WASM = `build/ec-quads-${BUILD}.wasm`;
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
const op = (name: string) => exported[`QuadOp.${name}`]!.value;
const words = () => new Uint32Array(box.memory.buffer);
const LANES = [0, 1, 2, 3];

describe.each(CURVES)('$name', (curve) => {
  const { size, p, number } = curve;
  const [limbs, limbBits] = size === 32 ? [9, 29n] : [14, 28n];
  const R = 1n << (BigInt(limbs) * limbBits);
  const MASK = (1n << limbBits) - 1n;
  const mod = (x: bigint) => ((x % p) + p) % p;
  const top = 1n << BigInt(8 * size);
  const bytes = box.core['quadBytes']!(number);
  const [a, b, r, element, packed] = [bytes, bytes, bytes, 64, 4 * size].map((length) => box.reserve(length)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const run = (name: string, to: number, x: number, y: number) => box.core['runQuad']!(number, op(name), to, x, y);

  const putElement = (at: number, value: bigint) => {
    for (let i = 0; i < limbs; i++) words()[at / 4 + i] = Number((value >> (BigInt(i) * limbBits)) & MASK);
    words()[at / 4 + limbs - 1] = Number(value >> (BigInt(limbs - 1) * limbBits));
  };
  const getElement = (at: number) => {
    let value = 0n;
    for (let i = 0; i < limbs; i++) {
      const limb = BigInt(words()[at / 4 + i]!);
      if (i < limbs - 1) expect(limb).toBeLessThanOrEqual(MASK);
      value += limb << (BigInt(i) * limbBits);
    }
    // The invariant of single elements: field.ts.
    expect(value).toBeLessThan(top + (top >> 4n));
    return value;
  };
  const put = (at: number, values: readonly bigint[]) => {
    for (const lane of LANES) {
      putElement(element, values[lane]!);
      run('set', at, element, lane);
    }
  };
  const get = (at: number) =>
    LANES.map((lane) => {
      run('get', element, at, lane);
      return getElement(element);
    });
  const residues = (values: readonly bigint[]) => values.map(mod);

  const edges = [
    0n,
    1n,
    2n,
    p - 1n,
    p,
    p + 1n,
    2n * p - top > 0n ? top - 1n : p,
    top - 1n,
    top,
    top + (top >> 4n) - 1n,
  ];
  const anyElement = fc.oneof(
    fc.constantFrom(...edges),
    fc.bigInt({ min: 0n, max: top + (top >> 4n) - 1n }),
    // Limbs that are all ones or all zeros.
    fc
      .array(fc.boolean(), { minLength: limbs - 1, maxLength: limbs - 1 })
      .map((ones) => ones.reduce((value, one, i) => value + (one ? MASK << (BigInt(i) * limbBits) : 0n), 0n)),
  );
  const quad = fc.tuple(anyElement, anyElement, anyElement, anyElement);

  test('lanes are set and read one by one', () => {
    fc.assert(
      fc.property(quad, (values) => {
        put(a, values);
        expect(residues(get(a))).toEqual(residues(values));
      }),
    );
  });

  test.each([
    ['mul', (x: bigint, y: bigint) => x * y, true],
    ['square', (x: bigint) => x * x, true],
    ['add', (x: bigint, y: bigint) => x + y, false],
    ['sub', (x: bigint, y: bigint) => x - y, false],
    ['tripleSub', (x: bigint, y: bigint) => 3n * (x - y), false],
    ['subTwice', (x: bigint, y: bigint) => x - 2n * y, false],
  ] as const)('%s, also onto its own operands', (name, expected, isProduct) => {
    fc.assert(
      fc.property(quad, quad, fc.constantFrom('apart', 'a', 'b'), (x, y, place) => {
        put(a, x);
        put(b, y);
        const to = place === 'a' ? a : place === 'b' && name !== 'square' ? b : r;
        run(name, to, a, b);
        const found = get(to).map((value) => mod(isProduct ? value * R : value));
        expect(found).toEqual(LANES.map((lane) => mod(expected(x[lane]!, y[lane]!))));
      }),
      { numRuns: 400 },
    );
  });

  test('chains of sums keep the invariant, below zero too', () => {
    fc.assert(
      fc.property(
        quad,
        quad,
        fc.array(fc.constantFrom('add', 'sub'), { minLength: 1, maxLength: 12 }),
        (x, y, steps) => {
          put(a, x);
          put(b, y);
          let expected = [...x];
          for (const step of steps) {
            run(step, a, a, b);
            expected = expected.map((value, lane) => (step === 'add' ? value + y[lane]! : value - y[lane]!));
          }
          expect(residues(get(a))).toEqual(residues(expected));
          run('mul', r, a, a);
          expect(get(r).map((value) => mod(value * R))).toEqual(expected.map((value) => mod(value * value)));
        },
      ),
    );
  });

  test('wide sums and differences are factors, and minuends of subTwice', () => {
    fc.assert(
      fc.property(quad, quad, quad, (x, y, z) => {
        const lanes = (f: (lane: number) => bigint) => LANES.map((lane) => mod(f(lane)));
        put(a, x);
        put(b, y);
        run('subWide', r, a, b);
        run('addWide', a, a, b);
        run('mul', a, a, r);
        expect(get(a).map((value) => mod(value * R))).toEqual(lanes((i) => x[i]! ** 2n - y[i]! ** 2n));
        run('square', a, r, 0);
        expect(get(a).map((value) => mod(value * R))).toEqual(lanes((i) => (x[i]! - y[i]!) ** 2n));
        put(b, z);
        run('subTwice', b, r, b);
        expect(residues(get(b))).toEqual(lanes((i) => x[i]! - y[i]! - 2n * z[i]!));
      }),
      { numRuns: 300 },
    );
  });

  test('differences of equal elements, and their products, are zero', () => {
    put(a, [p - 1n, 0n, top - 1n, 1n]);
    run('sub', b, a, a);
    run('mul', r, b, a);
    expect(residues(get(b))).toEqual([0n, 0n, 0n, 0n]);
    expect(residues(get(r))).toEqual([0n, 0n, 0n, 0n]);
  });

  test('packed elements come back, side by side or with their words transposed', () => {
    fc.assert(
      fc.property(quad, (values) => {
        put(a, values);
        for (const lane of LANES) {
          run('get', element, a, lane);
          run('pack', packed + lane * size, element, 0);
        }
        run('unpack', r, packed, 0);
        expect(residues(get(r))).toEqual(residues(values));
        const transposed = words().slice(packed / 4, packed / 4 + size);
        for (let i = 0; i < size; i++) words()[packed / 4 + i] = transposed[(i & 3) * (size / 4) + (i >> 2)]!;
        run('fromWords', r, packed, 0);
        expect(residues(get(r))).toEqual(residues(values));
      }),
    );
  });

  test('lanes are negated where the mask is set', () => {
    fc.assert(
      fc.property(quad, fc.tuple(...LANES.map(() => fc.boolean())), (values, negative) => {
        put(a, values);
        for (const lane of LANES) words()[packed / 4 + lane] = negative[lane] ? 0xffffffff : 0;
        run('negateIf', a, packed, 0);
        expect(residues(get(a))).toEqual(values.map((value, lane) => mod(negative[lane] ? -value : value)));
      }),
    );
  });

  test('unpack reads four numbers of native words', () => {
    const number4 = fc.tuple(...LANES.map(() => fc.bigInt({ min: 0n, max: p - 1n })));
    fc.assert(
      fc.property(number4, (values) => {
        values.forEach((value, lane) => {
          for (let i = 0; i < size / 4; i++) {
            words()[(packed + lane * size) / 4 + i] = Number((value >> BigInt(32 * i)) & 0xffffffffn);
          }
        });
        run('unpack', r, packed, 0);
        // In the plain build the form is that of single elements; elsewhere a test of its own says what it is.
        if (BUILD === 'plain') expect(residues(get(r))).toEqual(residues(values));
      }),
    );
  });
});
