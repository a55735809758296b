import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUILD, openCore } from '../support/core.ts';
import {
  type Bytes,
  CURVES,
  candidates,
  digest,
  edgeScalars,
  leftmost,
  mod,
  power,
  toBytes,
  toInt,
} from '../support/curves.ts';
import { ALL_HASHES } from '../support/hashes.ts';

/** The arithmetic below the core's exports, built from the same sources with the same options. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

mkdirSync(`${ROOT}build`, { recursive: true });
// As a program: the package's types would declare AssemblyScript's globals for the whole project.
execFileSync(
  process.execPath,
  [
    `${ROOT}node_modules/assemblyscript/bin/asc.js`,
    ...['assembly/test-entry.ts', '--config', 'asconfig.json', '--target', BUILD],
    ...['--outFile', `build/ec-arith-${BUILD}.wasm`],
  ],
  { cwd: ROOT, stdio: 'ignore' },
);
const box = openCore(new URL(`../../build/ec-arith-${BUILD}.wasm`, import.meta.url));
const exported = box.core as unknown as Record<string, { value: number }> & typeof box.core;
const [a, b, r, bytes, packed] = [192, 192, 192, 128, 192].map((length) => box.reserve(length)) as [
  number,
  number,
  number,
  number,
  number,
];
const u32s = () => new Uint32Array(box.memory.buffer);

describe.each(CURVES)('$name', (curve) => {
  const { size, p, n } = curve;
  const bits = BigInt(8 * size);
  const [limbs, limbBits] = size === 32 ? [9, 29n] : [14, 28n];
  const MASK = (1n << limbBits) - 1n;
  const R = 1n << (BigInt(limbs) * limbBits);
  /** Values and moduli go up to these: see the invariant of the fields, and the bound of montMul. */
  const TOP = (1n << bits) + (1n << (bits - 4n)) - 1n;
  const MONT_TOP = (1n << (bits + 1n)) - 1n;

  const run = (op: string, to: number, x = 0, y = 0): number =>
    box.core['run']!(curve.number, exported[`Op.${op}`]!.value, to, x, y);

  /** Limbs as they stand, reduced or not. */
  function put(ptr: number, value: bigint): void {
    const words = u32s();
    for (let i = 0; i < 16; i++) {
      const limb = i < limbs - 1 ? (value >> (limbBits * BigInt(i))) & MASK : value >> (limbBits * BigInt(limbs - 1));
      words[ptr / 4 + i] = i < limbs ? Number(limb) : 0;
    }
  }
  function get(ptr: number): bigint {
    const words = u32s();
    const list = Array.from({ length: limbs }, (_, i) => BigInt(words[ptr / 4 + i]!));
    for (const limb of list.slice(0, -1)) if (limb > MASK) expect.fail('a limb is too long');
    return list.reduce((sum, limb, i) => sum + (limb << (limbBits * BigInt(i))), 0n);
  }
  /** The invariant of the fields; every element that a test reads back must keep it. */
  function element(ptr: number): bigint {
    const value = get(ptr);
    if (value > TOP) expect.fail('an element is too large');
    return value;
  }

  const edges = [
    ...[0n, 1n, 2n, p - 2n, p - 1n, p, p + 1n, (1n << bits) - 1n, 1n << bits, TOP, R % p, (R * R) % p],
    ...[n - 1n, n, n + 1n, 1n << (bits - 32n), 1n << 192n, (1n << 128n) - 1n, 1n << 96n, (1n << 32n) - 1n, 977n],
    ...Array.from({ length: limbs }, (_, i) => MASK << (limbBits * BigInt(i))).map((v) => v & ((1n << bits) - 1n)),
  ];
  const limit = (max: bigint) =>
    fc.oneof({ weight: 3, arbitrary: fc.bigInt({ min: 0n, max }) }, fc.constantFrom(...edges.filter((v) => v <= max)));
  const loose = limit(TOP);
  const inverseOfR = power(R, p - 2n, p);

  function pair(x: bigint, y: bigint): void {
    put(a, x);
    put(b, y);
    run('fieldMul', r, a, b);
    expect(element(r) % p).toBe((x * y * inverseOfR) % p);
    run('fieldAdd', r, a, b);
    expect(element(r) % p).toBe((x + y) % p);
    run('fieldSub', r, a, b);
    expect(element(r) % p).toBe(mod(x - y, p));
    run('fieldTriple', r, a);
    expect(element(r) % p).toBe((3n * x) % p);
    if (curve.name === 'secp256k1') {
      box.core['times3b']!(r, a);
      expect(element(r) % p).toBe((21n * x) % p);
    }
    expect([get(a), get(b)]).toEqual([x, y]);
    // Results may overlie operands.
    run('fieldMul', a, a, a);
    expect(element(a) % p).toBe((x * x * inverseOfR) % p);
    run('fieldSub', b, a, b);
    expect(element(b) % p).toBe(mod(x * x * inverseOfR - y, p));
    run('fieldNegate', b);
    expect(element(b) % p).toBe(mod(y - x * x * inverseOfR, p));
  }

  test('field: sums, products and their bounds over every pair of edges', () => {
    for (const x of edges) for (const y of edges) pair(x, y);
  });

  test('field: sums, products and their bounds', () => {
    fc.assert(fc.property(loose, loose, pair), { numRuns: 1500 });
  });

  test('field: long chains keep the invariant', () => {
    const step = fc.tuple(fc.constantFrom('fieldMul', 'fieldAdd', 'fieldSub', 'fieldTriple'), fc.boolean());
    fc.assert(
      fc.property(loose, loose, fc.array(step, { maxLength: 60 }), (x, y, steps) => {
        put(a, x);
        put(b, y);
        let u = x;
        for (const [name, swap] of steps) {
          if (swap) run(name, a, b, a);
          else run(name, a, a, b);
          const [s, t] = swap ? [y, u] : [u, y];
          if (name === 'fieldMul') u = (s * t * inverseOfR) % p;
          if (name === 'fieldAdd') u = (s + t) % p;
          if (name === 'fieldSub') u = mod(s - t, p);
          if (name === 'fieldTriple') u = (3n * s) % p;
          expect(element(a) % p).toBe(mod(u, p));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('field: inverse, root, reduction, zero, and the forms outside', () => {
    fc.assert(
      fc.property(loose, (x) => {
        put(a, x);
        const plain = (x * inverseOfR) % p;
        run('fieldToBe', bytes, a);
        expect(toInt(box.read(bytes, size))).toBe(plain);
        run('fieldInvert', r, a);
        element(r);
        run('fieldToBe', bytes, r);
        expect(toInt(box.read(bytes, size))).toBe(power(plain, p - 2n, p));
        run('fieldSqrt', r, a);
        element(r);
        run('fieldToBe', bytes, r);
        expect(toInt(box.read(bytes, size))).toBe(power(plain, (p + 1n) / 4n, p));
        run('fieldReduce', r, a);
        expect(get(r)).toBe(x % p);
        expect(run('fieldIsZero', 0, a)).toBe(x % p === 0n ? 1 : 0);
      }),
      { numRuns: 60, examples: edges.map((v) => [v] as [bigint]) },
    );
  });

  const below = (1n << bits) - 1n;
  const fitting = edges.filter((v) => v <= below).map((v) => [v] as [bigint]);

  test('numbers come in with their range, go out, and are packed', () => {
    fc.assert(
      fc.property(limit(below), (x) => {
        box.memory.set(toBytes(x, size), bytes);
        expect(run('fieldFromBe', r, bytes)).toBe(x < p ? 1 : 0);
        expect(element(r) % p).toBe((x * R) % p);
        run('fromBe', r, bytes);
        expect(get(r)).toBe(x);
        run('toBe', bytes, r);
        expect(toInt(box.read(bytes, size))).toBe(x);
        run('packed', a, r, packed);
        expect(get(a)).toBe(x);
        expect(toInt(box.read(packed, size).reverse())).toBe(x);
      }),
      { numRuns: 500, examples: fitting },
    );
  });

  const scalarEdges = [0n, 1n, 2n, n - 2n, n - 1n, n >> 1n, ...edges.filter((v) => v < n)];
  const scalar = fc.oneof(
    { weight: 3, arbitrary: fc.bigInt({ min: 0n, max: n - 1n }) },
    fc.constantFrom(...scalarEdges),
  );

  function scalarPair(x: bigint, y: bigint): void {
    put(a, x);
    put(b, y);
    run('scalarMul', r, a, b);
    expect(get(r)).toBe((x * y) % n);
    run('addMod', r, a, b);
    expect(get(r)).toBe((x + y) % n);
    run('scalarMul', b, a, b);
    expect(get(b)).toBe((x * y) % n);
  }

  test('scalars: sums, products, inverses', () => {
    for (const x of scalarEdges) for (const y of scalarEdges) scalarPair(x, y);
    fc.assert(fc.property(scalar, scalar, scalarPair), { numRuns: 1000 });
    fc.assert(
      fc.property(scalar, (x) => {
        put(a, x);
        run('scalarInvert', r, a);
        expect(get(r)).toBe(power(x, n - 2n, n));
      }),
      { numRuns: 50, examples: scalarEdges.map((v) => [v] as [bigint]) },
    );
  });

  /** The form of invert.ts: size/4 + 1 limbs of 30 bits. */
  const inverseLimbs = size / 4 + 1;
  const limbs30 = (value: bigint) =>
    Array.from({ length: inverseLimbs }, (_, i) => Number((value >> BigInt(30 * i)) & 0x3fffffffn));
  const moduli = [
    { M: p, start: (R * R) % p, record: 'pInvert' },
    { M: n, start: 1n, record: 'nInvert' },
  ];
  /** Values below M at which carries, signs and swaps of the division steps have their extremes. */
  const inverseEdges = (M: bigint) =>
    [
      ...[1n, 2n, 3n, M - 1n, M - 2n, M - 3n, (M - 1n) / 2n, (M + 1n) / 2n, M / 3n, R % M, (R * R) % M],
      ...Array.from({ length: 8 * size }, (_, i) => 1n << BigInt(i)),
      ...Array.from({ length: 8 * size }, (_, i) => (1n << BigInt(i)) - 1n),
      ...Array.from({ length: inverseLimbs }, (_, i) => 0x3fffffffn << BigInt(30 * i)),
      ...Array.from({ length: inverseLimbs }, (_, i) => M - (1n << BigInt(30 * i))),
      ...Array.from({ length: inverseLimbs }, (_, i) => M ^ (0x3fffffffn << BigInt(30 * i))),
      ...Array.from({ length: 30 }, (_, i) => M >> BigInt(i)),
    ].filter((v) => v > 0n && v < M);

  test('inverses: the moduli in limbs of 30 bits, what they begin with, and 1/M mod 2^30', () => {
    for (const { M, start, record } of moduli) {
      const words = [
        ...u32s()
          .slice(run(record, 0) / 4)
          .slice(0, 2 * inverseLimbs + 1),
      ];
      expect(words).toEqual([...limbs30(M), ...limbs30(start), words.at(-1)]);
      expect((BigInt(words.at(-1)!) * M) % (1n << 30n)).toBe(1n);
      expect(words.at(-1)).toBeLessThan(2 ** 30);
    }
  });

  test('inverses: a times its inverse is 1, for edges and many others', () => {
    const scalarInverse = (x: bigint) => {
      put(a, x);
      run('scalarInvert', r, a);
      const inverse = get(r);
      if (inverse >= n || (x * inverse) % n !== 1n) expect.fail(`1/${x} mod n`);
      run('scalarInvert', a, a);
      if (get(a) !== inverse) expect.fail('in place');
    };
    // Here a and its inverse stand times R: their plain product is R^2.
    const fieldInverse = (x: bigint) => {
      put(a, x);
      run('fieldInvert', r, a);
      const inverse = get(r);
      if (inverse >= p || (x * inverse) % p !== (R * R) % p) expect.fail(`R^2/${x} mod p`);
      run('fieldInvert', a, a);
      if (get(a) !== inverse) expect.fail('in place');
    };
    inverseEdges(n).forEach(scalarInverse);
    inverseEdges(p).forEach(fieldInverse);
    for (let x = p + 1n; x <= TOP; x += (TOP - p) / 50n) fieldInverse(x);
    fieldInverse(TOP);
    fc.assert(fc.property(fc.bigInt({ min: 1n, max: n - 1n }), scalarInverse), { numRuns: 2000 });
    fc.assert(fc.property(fc.bigInt({ min: 1n, max: p - 1n }), fieldInverse), { numRuns: 2000 });
    for (const x of [0n, p]) {
      put(a, x);
      run('fieldInvert', r, a);
      expect(get(r)).toBe(0n);
    }
    put(a, 0n);
    run('scalarInvert', r, a);
    expect(get(r)).toBe(0n);
  });

  test('inverses: division steps come to g = 0 within the bound', () => {
    const made = size === 32 ? 600 : 900;
    const bound = (45907 * 8 * size + 26313) / 19929;
    expect(bound).toBeLessThan(made);
    const steps = (M: bigint, x: bigint): number => {
      let [zeta, f, g, count] = [-1, M, x, 0];
      for (; g !== 0n; count++) {
        if (zeta < 0 && g & 1n) [zeta, f, g] = [-zeta - 2, g, (g - f) >> 1n];
        else [zeta, g] = [zeta - 1, (g + (g & 1n) * f) >> 1n];
      }
      expect(f === 1n || f === -1n).toBe(true);
      return count;
    };
    for (const { M } of moduli) {
      let most = 0;
      for (const x of inverseEdges(M)) most = Math.max(most, steps(M, x));
      const any = fc.bigInt({ min: 1n, max: M - 1n });
      for (const x of fc.sample(any, 300)) most = Math.max(most, steps(M, x));
      expect(most).toBeLessThanOrEqual(bound);
      // Random numbers take about 2.02 steps a bit: a count far below would mean that this counts something else.
      expect(most).toBeGreaterThan(2 * 8 * size);
    }
  });

  test('inverses: many scalars by one', () => {
    const nonzero = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(...inverseEdges(n)));
    const [list, products] = [box.reserve(40 * 128), box.reserve(40 * 64)] as [number, number];
    const invertMany = (values: bigint[]): bigint[] => {
      box.memory.fill(0xa5, list, list + 40 * 128);
      box.memory.fill(0xa5, products, products + 40 * 64);
      for (const [i, value] of values.entries()) put(list + 128 * i, value);
      run('scalarInvertMany', list, products, values.length);
      expect(box.memory.subarray(products + 64 * values.length, products + 40 * 64).every((v) => v === 0xa5)).toBe(
        true,
      );
      return values.map((_, i) => {
        expect(box.memory.subarray(list + 128 * i + 64, list + 128 * i + 128).every((v) => v === 0xa5)).toBe(true);
        return get(list + 128 * i);
      });
    };
    fc.assert(
      fc.property(fc.array(nonzero, { minLength: 1, maxLength: 40 }), (values) => {
        const inverses = invertMany(values);
        expect(inverses.every((inverse) => inverse < n)).toBe(true);
        expect(inverses.map((inverse, i) => (inverse * values[i]!) % n)).toEqual(values.map(() => 1n));
      }),
      { numRuns: 100, examples: [1, 2, 3, 40].map((length) => [Array<bigint>(length).fill(n - 1n)] as [bigint[]]) },
    );
    expect(invertMany([5n, 0n, 7n])).toEqual([0n, 0n, 0n]);
  });

  test('the general Montgomery product holds its bound', () => {
    const inverse = power(R, n - 2n, n);
    const wide = fc.oneof(fc.bigInt({ min: 0n, max: MONT_TOP }), fc.constantFrom(...edges, MONT_TOP));
    const check = (x: bigint, y: bigint) => {
      put(a, x);
      put(b, y);
      run('montMul', r, a, b);
      const product = get(r);
      expect(product <= MONT_TOP).toBe(true);
      expect(product % n).toBe((x * y * inverse) % n);
      run('toMont', r, a);
      expect(get(r) % n).toBe((x * R) % n);
      run('fromMont', r, a);
      expect(get(r)).toBe((x * inverse) % n);
    };
    check(MONT_TOP, MONT_TOP);
    fc.assert(fc.property(wide, wide, check), { numRuns: 500 });
  });

  test('comparison, one subtraction, scalars from bytes', () => {
    fc.assert(
      fc.property(limit(below), (x) => {
        put(a, x);
        expect(run('isBelowN', 0, a)).toBe(x < n ? 1 : 0);
        expect(run('isBelowP', 0, a)).toBe(x < p ? 1 : 0);
        run('reduceOnce', r, a);
        expect(get(r)).toBe(x % n);
        box.memory.set(toBytes(x, size), bytes);
        expect(run('scalarFromBe', r, bytes)).toBe(x > 0n && x < n ? 1 : 0);
        expect(get(r)).toBe(x);
      }),
      { numRuns: 500, examples: fitting },
    );
  });

  test('digests: the leftmost bits of long ones, the whole of short ones', () => {
    const any = fc
      .constantFrom(...ALL_HASHES)
      .chain(({ size: length }) => fc.uint8Array({ minLength: length, maxLength: length }));
    fc.assert(
      fc.property(any, (h) => {
        box.memory.set(h, bytes);
        run('scalarFromDigest', r, bytes, h.length);
        expect(get(r)).toBe(leftmost(curve, h) % n);
      }),
      { numRuns: 300, examples: ALL_HASHES.map(({ size: length }) => [new Uint8Array(length).fill(255)]) },
    );
  });

  test('long numbers modulo n - 1', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: size + 32 }), (x) => {
        box.memory.set(x, bytes);
        run('reduceWide', r, bytes, x.length);
        expect(get(r)).toBe(toInt(x) % (n - 1n));
      }),
      {
        numRuns: 150,
        examples: [[new Uint8Array(size + 16).fill(255)], ...[n - 2n, n - 1n, n].map((v) => [toBytes(v, size)])] as [
          Bytes,
        ][],
      },
    );
  });

  test('points: the complete formulas over every pair of special points', () => {
    type Point = typeof G;
    const G = curve.noble.Point.BASE;
    const zero = curve.noble.Point.ZERO;
    const points = [zero, G, G.negate(), G.double(), G.double().negate(), G.multiply(5n), G.multiply(n - 5n)];
    const encoded = 2 * size + 1;
    const [u, v, w, at] = [192, 192, 192, encoded].map((length) => box.reserve(length)) as [
      number,
      number,
      number,
      number,
    ];
    const affine = (ptr: number, point: Point) => {
      box.memory.set(point.toBytes(false), at);
      expect(run('affineFromBytes', ptr, at, encoded)).toBe(1);
    };
    /** The point with this z. */
    const write = (ptr: number, point: Point, z: bigint) => {
      if (point.is0()) run('setInfinity', ptr);
      else {
        affine(b, point);
        run('fromAffine', ptr, b);
      }
      put(b, (z * R) % p);
      for (const offset of [0, 64, 128]) run('fieldMul', ptr + offset, ptr + offset, b);
    };
    const expectPoint = (ptr: number, point: Point) => {
      for (const offset of [0, 64, 128]) element(ptr + offset);
      expect(run('isInfinity', 0, ptr)).toBe(point.is0() ? 1 : 0);
      if (point.is0()) return;
      run('toAffine', ptr, ptr);
      run('affinePacked', ptr, ptr, packed);
      run('affineToBytes', at, ptr);
      expect(box.read(at, encoded)).toEqual(point.toBytes(false) as Bytes);
    };
    for (const x of points) {
      write(u, x, 7n);
      run('doublePoint', w, u);
      expectPoint(w, x.double());
      for (const y of points) {
        write(v, y, p - 3n);
        run('addPoints', w, u, v);
        expectPoint(w, x.add(y));
        // A result may overlie either operand.
        write(w, x, 11n);
        run('addPoints', w, w, v);
        expectPoint(w, x.add(y));
        run('addPoints', v, u, v);
        expectPoint(v, x.add(y));
        if (y.is0()) continue;
        affine(v, y);
        run('addAffine', w, u, v);
        expectPoint(w, x.add(y));
      }
      run('doublePoint', u, u);
      expectPoint(u, x.double());
    }
  });

  test.each(ALL_HASHES)(
    'candidates for k with $name, also after rejections, with and without noise',
    ({ name, number }) => {
      const scalars = edgeScalars(curve);
      for (const [i, x] of [scalars[5]!, n - 1n, 0x1234n].entries()) {
        const h = digest(name, `sample ${i}`);
        for (const Z of [undefined, new Uint8Array(size).fill(0x5a + i)]) {
          const [xPtr, h1Ptr] = [toBytes(x, size), toBytes(leftmost(curve, h) % n, size)].map((v) => box.place(v)) as [
            number,
            number,
          ];
          box.core['nonceInit']!(number, size, xPtr, h1Ptr, Z ? box.place(Z) : 0);
          const expected = candidates(curve, name, x, h, Z);
          const out = box.reserve(size);
          for (let j = 0; j < 4; j++) {
            box.core['nonceNext']!(number, size, out);
            expect(box.read(out, size)).toEqual(expected.next().value);
            expect(box.guarded(out, size)).toBe(true);
            box.core['nonceReject']!(number);
          }
        }
      }
    },
  );
});
