import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { hex, openCore } from '../support/core.ts';
import { type Bytes, candidates, digest, mod, n, p, power, toBytes, toInt } from '../support/p256.ts';

/** The arithmetic below the core's exports, built from the same sources with the same options. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MASK = (1n << 29n) - 1n;
const R = 1n << 261n;

let box: ReturnType<typeof openCore>;
let f: Record<string, (...args: number[]) => number>;
let [a, b, r, bytes] = [0, 0, 0, 0];

beforeAll(async () => {
  mkdirSync(`${ROOT}build`, { recursive: true });
  const flags = '-O3 --noAssert --runtime stub --enable simd --disable mutable-globals';
  const memory = '--initialMemory 576 --maximumMemory 576';
  // As a program: the package's types would declare AssemblyScript's globals for the whole project.
  execFileSync(process.execPath, [
    `${ROOT}node_modules/assemblyscript/bin/asc.js`,
    'assembly/test-entry.ts',
    '--baseDir',
    ROOT,
    '--outFile',
    'build/ec-arith.wasm',
    ...`${flags} ${memory}`.split(' '),
  ]);
  box = openCore(new URL('../../build/ec-arith.wasm', import.meta.url));
  f = box.core as unknown as typeof f;
  [a, b, r, bytes] = [box.reserve(120), box.reserve(120), box.reserve(120), box.reserve(64)];
});

/** Limbs as they stand, reduced or not. */
function put(ptr: number, limbs: readonly bigint[]): void {
  const view = new DataView(box.memory.buffer);
  for (let i = 0; i < 10; i++) view.setUint32(ptr + 4 * i, Number(limbs[i] ?? 0n), true);
}
const limbsOf = (value: bigint) =>
  Array.from({ length: 9 }, (_, i) => (i < 8 ? (value >> BigInt(29 * i)) & MASK : value >> 232n));
const joined = (limbs: readonly bigint[]) => limbs.reduce((sum, limb, i) => sum + (limb << BigInt(29 * i)), 0n);
function get(ptr: number): bigint[] {
  const view = new DataView(box.memory.buffer);
  return Array.from({ length: 9 }, (_, i) => BigInt(view.getUint32(ptr + 4 * i, true)));
}

/** The invariant of field.ts; every element that a test reads back must keep it. */
function element(ptr: number): bigint {
  const limbs = get(ptr);
  for (const limb of limbs.slice(0, 8)) expect(limb <= MASK).toBe(true);
  const value = joined(limbs);
  expect(value < (1n << 256n) + (1n << 252n)).toBe(true);
  return value;
}

const TOP = (1n << 256n) + (1n << 252n) - 1n;
const edges = [
  ...[0n, 1n, 2n, p - 2n, p - 1n, p, p + 1n, 2n ** 256n - 1n, 2n ** 256n, TOP, R % p, (R * R) % p],
  ...[n - 1n, n, n + 1n, 2n ** 224n, 2n ** 192n - 1n, 2n ** 96n, 2n ** 96n - 1n, 2n ** 29n - 1n, 2n ** 232n - 1n],
  ...Array.from({ length: 9 }, (_, i) => MASK << BigInt(29 * i)).map((v) => (v > TOP ? v & TOP : v)),
].filter((v) => v <= TOP);
const limit = (max: bigint) =>
  fc.oneof({ weight: 3, arbitrary: fc.bigInt({ min: 0n, max }) }, fc.constantFrom(...edges.filter((v) => v <= max)));
const loose = limit(TOP);

const inverseOfR = power(R, p - 2n, p);

test('field: sums, products and their bounds over every pair of edges', () => {
  for (const x of edges) {
    for (const y of edges) pair(x, y);
  }
});

test('field: sums, products and their bounds', () => {
  fc.assert(fc.property(loose, loose, pair), { numRuns: 3000 });
});

function pair(x: bigint, y: bigint): void {
  put(a, limbsOf(x));
  put(b, limbsOf(y));
  f['fieldMul']!(r, a, b);
  expect(element(r) % p).toBe((x * y * inverseOfR) % p);
  f['fieldAdd']!(r, a, b);
  expect(element(r) % p).toBe((x + y) % p);
  f['fieldSub']!(r, a, b);
  expect(element(r) % p).toBe(mod(x - y, p));
  f['fieldTriple']!(r, a);
  expect(element(r) % p).toBe((3n * x) % p);
  expect([joined(get(a)), joined(get(b))]).toEqual([x, y]);
  // Results may overlie operands.
  f['fieldMul']!(a, a, a);
  expect(element(a) % p).toBe((x * x * inverseOfR) % p);
  f['fieldSub']!(b, a, b);
  expect(element(b) % p).toBe(mod(x * x * inverseOfR - y, p));
}

test('field: long chains keep the invariant', () => {
  const step = fc.tuple(fc.constantFrom('fieldMul', 'fieldAdd', 'fieldSub', 'fieldTriple'), fc.boolean());
  fc.assert(
    fc.property(loose, loose, fc.array(step, { maxLength: 60 }), (x, y, steps) => {
      put(a, limbsOf(x));
      put(b, limbsOf(y));
      let [u, v] = [x, y];
      for (const [name, swap] of steps) {
        if (swap) f[name]!(a, b, a);
        else f[name]!(a, a, b);
        const [s, t] = swap ? [v, u] : [u, v];
        if (name === 'fieldMul') u = (s * t * inverseOfR) % p;
        if (name === 'fieldAdd') u = (s + t) % p;
        if (name === 'fieldSub') u = mod(s - t, p);
        if (name === 'fieldTriple') u = (3n * s) % p;
        expect(element(a) % p).toBe(mod(u, p));
      }
      v = mod(v, p);
    }),
    { numRuns: 300 },
  );
});

test('field: inverse, root, reduction, negation, zero, and the forms outside', () => {
  fc.assert(
    fc.property(loose, (x) => {
      put(a, limbsOf(x));
      const plain = (x * inverseOfR) % p;
      f['fieldToBe']!(bytes, a);
      expect(toInt(box.read(bytes, 32))).toBe(plain);
      f['fieldInvert']!(r, a);
      f['fieldToBe']!(bytes, r);
      expect(toInt(box.read(bytes, 32))).toBe(power(plain, p - 2n, p));
      f['fieldSqrt']!(r, a);
      f['fieldToBe']!(bytes, r);
      expect(toInt(box.read(bytes, 32))).toBe(power(plain, (p + 1n) / 4n, p));
      f['fieldReduce']!(r, a);
      expect(joined(get(r))).toBe(x % p);
      expect(f['fieldIsZero']!(a)).toBe(x % p === 0n ? 1 : 0);
    }),
    { numRuns: 200, examples: edges.map((v) => [v] as [bigint]) },
  );
});

test('field: numbers of 32 bytes come in with their range', () => {
  fc.assert(
    fc.property(limit(2n ** 256n - 1n), (x) => {
      box.memory.set(toBytes(x), bytes);
      expect(f['fieldFromBe']!(r, bytes)).toBe(x < p ? 1 : 0);
      expect(element(r) % p).toBe((x * R) % p);
      f['fromBe']!(r, bytes);
      expect(joined(get(r))).toBe(x);
      f['toBe']!(bytes, r);
      expect(toInt(box.read(bytes, 32))).toBe(x);
    }),
    { numRuns: 500, examples: edges.filter((v) => v < 2n ** 256n).map((v) => [v] as [bigint]) },
  );
});

const scalarEdges = [0n, 1n, 2n, n - 2n, n - 1n, 2n ** 255n, 2n ** 224n - 1n, n >> 1n, ...edges.filter((v) => v < n)];
const scalar = fc.oneof({ weight: 3, arbitrary: fc.bigInt({ min: 0n, max: n - 1n }) }, fc.constantFrom(...scalarEdges));

function scalarPair(x: bigint, y: bigint): void {
  put(a, limbsOf(x));
  put(b, limbsOf(y));
  f['scalarMul']!(r, a, b);
  expect(joined(get(r))).toBe((x * y) % n);
  f['scalarAdd']!(r, a, b);
  expect(joined(get(r))).toBe((x + y) % n);
  f['scalarMul']!(b, a, b);
  expect(joined(get(b))).toBe((x * y) % n);
}

test('scalars: sums, products, inverses', () => {
  for (const x of scalarEdges) for (const y of scalarEdges) scalarPair(x, y);
  fc.assert(fc.property(scalar, scalar, scalarPair), { numRuns: 2000 });
  fc.assert(
    fc.property(scalar, (x) => {
      put(a, limbsOf(x));
      f['scalarInvert']!(r, a);
      expect(joined(get(r))).toBe(power(x, n - 2n, n));
    }),
    { numRuns: 100, examples: scalarEdges.map((v) => [v] as [bigint]) },
  );
});

test('the general Montgomery product holds its bound for operands up to 2^257 - 1', () => {
  const record = f['modulusN']!();
  const inverse = power(R, n - 2n, n);
  const most = 2n ** 257n - 1n;
  const wide = fc.oneof(fc.bigInt({ min: 0n, max: most }), fc.constantFrom(...edges, most));
  const check = (x: bigint, y: bigint) => {
    put(a, limbsOf(x));
    put(b, limbsOf(y));
    f['montMul']!(r, a, b, record);
    const limbs = get(r);
    for (const limb of limbs.slice(0, 8)) expect(limb <= MASK).toBe(true);
    expect(joined(limbs) <= most).toBe(true);
    expect(joined(limbs) % n).toBe((x * y * inverse) % n);
    f['toMont']!(r, a, record);
    expect(joined(get(r)) % n).toBe((x * R) % n);
    f['fromMont']!(r, a, record);
    expect(joined(get(r))).toBe((x * inverse) % n);
  };
  check(most, most);
  fc.assert(fc.property(wide, wide, check), { numRuns: 1000 });
});

test('comparison, one subtraction, scalars and digests of 32 bytes', () => {
  fc.assert(
    fc.property(limit(2n ** 256n - 1n), (x) => {
      put(a, limbsOf(x));
      expect(f['isBelow']!(a, f['modulusN']!())).toBe(x < n ? 1 : 0);
      expect(f['isBelow']!(a, f['modulusP']!())).toBe(x < p ? 1 : 0);
      f['reduceOnce']!(r, a, f['modulusN']!());
      expect(joined(get(r))).toBe(x % n);
      box.memory.set(toBytes(x), bytes);
      expect(f['scalarFromBe']!(r, bytes)).toBe(x > 0n && x < n ? 1 : 0);
      f['scalarFromDigest']!(r, bytes);
      expect(joined(get(r))).toBe(x % n);
    }),
    { numRuns: 1000, examples: edges.filter((v) => v < 2n ** 256n).map((v) => [v] as [bigint]) },
  );
});

test('long numbers modulo n - 1', () => {
  const long = fc.uint8Array({ minLength: 0, maxLength: 64 });
  fc.assert(
    fc.property(long, (x) => {
      const ptr = box.place(x, x.length & 15);
      f['reduceWide']!(r, ptr, x.length, f['modulusNMinus1']!());
      expect(joined(get(r))).toBe(toInt(x) % (n - 1n));
    }),
    { numRuns: 200, examples: [[new Uint8Array(48).fill(255)], [toBytes(n - 1n)], [toBytes(n - 2n)], [toBytes(n)]] },
  );
});

test('points: the complete formulas over every pair of special points', () => {
  const G = p256.Point.BASE;
  const zero = p256.Point.ZERO;
  const points = [zero, G, G.negate(), G.double(), G.double().negate(), G.multiply(5n), G.multiply(n - 5n)];
  type Point = typeof G;
  const write = (ptr: number, point: Point, z: bigint) => {
    if (point.is0()) {
      f['pointSetInfinity']!(ptr);
    } else {
      const at = box.place(point.toBytes(false));
      expect(f['affineFromBytes']!(b, at, 65)).toBe(1);
      f['pointFromAffine']!(ptr, b);
    }
    // Another representative of the same point.
    put(b, limbsOf((z * R) % p));
    for (const offset of [0, 40, 80]) f['fieldMul']!(ptr + offset, ptr + offset, b);
  };
  const expectPoint = (ptr: number, point: Point) => {
    for (const offset of [0, 40, 80]) element(ptr + offset);
    expect(f['pointIsInfinity']!(ptr)).toBe(point.is0() ? 1 : 0);
    if (point.is0()) return;
    f['pointToAffine']!(ptr, ptr);
    const out = box.reserve(65);
    f['affineToBytes']!(out, ptr);
    expect(box.read(out, 65)).toEqual(point.toBytes(false) as Bytes);
  };
  const [u, v, w] = [box.reserve(120), box.reserve(120), box.reserve(120)];
  for (const x of points) {
    write(u, x, 7n);
    f['pointDouble']!(w, u);
    expectPoint(w, x.double());
    for (const y of points) {
      write(v, y, p - 3n);
      f['pointAdd']!(w, u, v);
      expectPoint(w, x.add(y));
      if (y.is0()) continue;
      expect(f['affineFromBytes']!(v, box.place(y.toBytes(false)), 65)).toBe(1);
      f['pointAddAffine']!(w, u, v);
      expectPoint(w, x.add(y));
    }
  }
});

test('candidates for k, also after rejections, with and without noise', () => {
  const x = 0x1234n;
  const h1 = digest('sha256', 'sample');
  for (const Z of [undefined, hex('5a'.repeat(32))]) {
    f['nonceInit']!(box.place(toBytes(x)), box.place(toBytes(toInt(h1) % n)), Z ? box.place(Z) : 0);
    const expected = candidates('sha256', x, h1, Z);
    for (let i = 0; i < 4; i++) {
      f['nonceNext']!(bytes);
      expect(box.read(bytes, 32)).toEqual(expected.next().value);
      f['nonceReject']!();
    }
  }
});
