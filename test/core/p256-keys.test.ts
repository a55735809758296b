import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { concat, digest, edgeScalars, n, openP256, p, power, toBytes, toInt } from '../support/p256.ts';
import { cavp } from '../support/vectors.ts';

const core = openP256();
const refused = { ok: 0, point: new Uint8Array(65) };
const b = p256.Point.CURVE().b;
const G = p256.Point.BASE;
const encode = (x: bigint, y: bigint, form = 4) => concat(Uint8Array.of(form), toBytes(x), toBytes(y));

/** The records of one curve in a CAVP file whose headings are curves. */
function p256Section(path: string): Record<string, string>[] {
  const text = cavp(`asymmetric/ECDSA/FIPS_186-3/${path}`);
  return cavpRecords(text.slice(text.indexOf('[P-256]'), text.indexOf('[P-384]')));
}

test('CAVP KeyPair', () => {
  const records = p256Section('KeyPair.rsp').filter((v) => v['d']);
  expect(records.length).toBe(10);
  for (const { d, Qx, Qy } of records) expect(core.publicKey(hex(d!))).toEqual({ ok: 1, point: hex(`04${Qx}${Qy}`) });
});

test('CAVP PKV', () => {
  const records = p256Section('PKV.rsp');
  const counts = { P: 0, F: 0 };
  for (const { Qx, Qy, Result } of records) {
    const [x, y] = [BigInt(`0x${Qx}`), BigInt(`0x${Qy}`)];
    const kind = Result![0] as 'P' | 'F';
    counts[kind]++;
    // Some coordinates are longer than 32 bytes: such a point cannot even be written down.
    if (x >= 2n ** 256n || y >= 2n ** 256n) expect(kind).toBe('F');
    else expect(core.validate(encode(x, y))).toEqual(kind === 'P' ? { ok: 1, point: encode(x, y) } : refused);
  }
  expect(counts).toEqual({ P: 4, F: 8 });
});

test('public keys of edge scalars and of any scalar equal noble', () => {
  for (const d of edgeScalars) {
    expect(core.publicKey(toBytes(d))).toEqual({ ok: 1, point: new Uint8Array(p256.getPublicKey(toBytes(d), false)) });
  }
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: n - 1n }), (d) => {
      expect(core.publicKey(toBytes(d)).point).toEqual(new Uint8Array(p256.getPublicKey(toBytes(d), false)));
    }),
    { numRuns: 100 },
  );
});

test('every digit at every place of the base table', () => {
  for (let i = 0n; i < 51n; i++) {
    for (const digit of [1n, 7n, 15n, 16n, 17n, 24n, 31n]) {
      const d = digit << (5n * i);
      const point = G.multiply(d).toBytes(false);
      expect(core.publicKey(toBytes(d)).point).toEqual(new Uint8Array(point));
    }
  }
});

test('scalars out of range have no public key', () => {
  for (const d of [0n, n, n + 1n, n + (1n << 200n), p, 2n ** 256n - 1n]) {
    expect(core.publicKey(toBytes(d))).toEqual(refused);
  }
});

test('generation: FIPS 186-5 A.2.1 with 48 bytes of seed', () => {
  const check = (seed: Uint8Array) => {
    const d = (toInt(seed) % (n - 1n)) + 1n;
    const { ok, scalar, point } = core.keyGenerate(seed);
    expect(ok).toBe(1);
    expect(toInt(scalar)).toBe(d);
    expect(point).toEqual(new Uint8Array(p256.getPublicKey(toBytes(d), false)));
  };
  const most = (2n ** 384n - 1n) / (n - 1n);
  for (const seed of [
    0n,
    1n,
    n - 3n,
    n - 2n,
    n - 1n,
    n,
    n + 1n,
    (n - 1n) * most,
    (n - 1n) * most - 1n,
    2n ** 384n - 1n,
  ]) {
    check(toBytes(seed, 48));
  }
  fc.assert(fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), check), { numRuns: 50 });
});

test('init may be repeated', () => {
  const box = openCore();
  box.core['p256Init']!();
  const tables = () => digest('sha256', box.memory.slice(0x10000, 0x40000));
  const first = tables();
  box.core['p256Init']!();
  expect(tables()).toEqual(first);
});

test('validation: both forms of points, and their compressed form expands', () => {
  // x = 0 is on the curve, and the points nearest to the ends of the field.
  const root = (x: bigint) => power(x ** 3n - 3n * x + b, (p + 1n) / 4n, p);
  const isSquare = (x: bigint) => (root(x) * root(x) - (x ** 3n - 3n * x + b)) % p === 0n;
  const edge = [...Array(12).keys()].flatMap((i) => [
    BigInt(i),
    p - 1n - BigInt(i),
    n + BigInt(i),
    2n ** 255n + BigInt(i),
  ]);
  let onCurve = 0;
  for (const x of edge) {
    const y = root(x);
    const full = [y, p - y].map((v) => encode(x, v));
    if (isSquare(x)) onCurve++;
    for (const point of full) expect(core.validate(point)).toEqual(isSquare(x) ? { ok: 1, point } : refused);
    for (const form of [2, 3]) {
      const point = encode(x, (y & 1n) === BigInt(form & 1) ? y : p - y);
      const compressed = concat(Uint8Array.of(form), toBytes(x));
      expect(core.validate(compressed)).toEqual(isSquare(x) ? { ok: 1, point } : refused);
    }
  }
  expect(isSquare(0n)).toBe(true);
  expect(onCurve).toBeGreaterThan(10);
  expect(onCurve).toBeLessThan(edge.length);
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: n - 1n }), (d) => {
      const point = new Uint8Array(p256.getPublicKey(toBytes(d), false));
      expect(core.validate(point)).toEqual({ ok: 1, point });
      expect(core.validate(new Uint8Array(p256.getPublicKey(toBytes(d), true)))).toEqual({ ok: 1, point });
    }),
    { numRuns: 30 },
  );
});

test('validation refuses every other form, length, range and point', () => {
  const point = new Uint8Array(G.toBytes(false));
  const compressed = new Uint8Array(G.toBytes(true));
  const { x, y } = G.toAffine();
  for (let form = 0; form < 256; form++) {
    if (form !== 4) expect(core.validate(concat(Uint8Array.of(form), point.subarray(1)))).toEqual(refused);
    if (form !== 2 && form !== 3) {
      expect(core.validate(concat(Uint8Array.of(form), compressed.subarray(1)))).toEqual(refused);
    }
  }
  for (let length = 0; length <= 140; length++) {
    const cut = (of: Uint8Array) => concat(of, new Uint8Array(140)).slice(0, length);
    if (length !== 65) expect(core.validate(cut(point))).toEqual(refused);
    if (length !== 33) expect(core.validate(cut(compressed))).toEqual(refused);
  }
  const bad: [bigint, bigint][] = [
    [0n, 0n],
    [x, y + 1n],
    [x + 1n, y],
    [y, x],
    [p, y],
    [x, p],
    [2n ** 256n - 1n, 2n ** 256n - 1n],
    [x, 0n],
  ];
  for (const [u, v] of bad) expect(core.validate(encode(u, v))).toEqual(refused);
  // Points of the curve, but written with p added: x = 0..5 has room for it below 2^256.
  for (let small = 0n; small < 6n; small++) {
    const root = power(small ** 3n - 3n * small + b, (p + 1n) / 4n, p);
    expect(core.validate(encode(small + p, root))).toEqual(refused);
    for (const form of [2, 3]) expect(core.validate(concat(Uint8Array.of(form), toBytes(small + p)))).toEqual(refused);
  }
});

test('validation may write over its input', () => {
  const box = openCore();
  const ptr = box.reserve(65, 3);
  box.memory.set(G.toBytes(true), ptr);
  expect(box.core['p256PointValidate']!(ptr, 33, ptr)).toBe(1);
  expect(box.read(ptr, 65)).toEqual(new Uint8Array(G.toBytes(false)));
  expect(box.guarded(ptr, 65)).toBe(true);
});
