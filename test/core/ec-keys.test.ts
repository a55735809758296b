import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import {
  CURVES,
  type Curve,
  concat,
  digest,
  edgeScalars,
  openCurve,
  power,
  toBytes,
  toInt,
} from '../support/curves.ts';
import { cavp } from '../support/vectors.ts';

const encode = ({ size }: Curve, x: bigint, y: bigint) => concat(Uint8Array.of(4), toBytes(x, size), toBytes(y, size));

describe.each([
  { name: 'P-256', next: '[P-384]' },
  { name: 'P-384', next: '[P-521]' },
])('CAVP, $name', ({ name, next }) => {
  const curve = CURVES.find((c) => c.name === name)!;
  const core = openCurve(curve);

  /** The records of this curve in a file whose headings are curves. */
  function section(path: string): Record<string, string>[] {
    const text = cavp(`asymmetric/ECDSA/FIPS_186-3/${path}`);
    return cavpRecords(text.slice(text.indexOf(`[${name}]`), text.indexOf(next)));
  }

  test('KeyPair', () => {
    const records = section('KeyPair.rsp').filter((v) => v['d']);
    expect(records.length).toBe(10);
    for (const { d, Qx, Qy } of records) {
      expect(core.publicKey(hex(d!))).toEqual({ ok: 1, point: hex(`04${Qx}${Qy}`) });
    }
  });

  test('PKV', () => {
    const counts = { P: 0, F: 0 };
    const limit = 1n << BigInt(8 * curve.size);
    for (const { Qx, Qy, Result } of section('PKV.rsp')) {
      const [x, y] = [BigInt(`0x${Qx}`), BigInt(`0x${Qy}`)];
      const kind = Result![0] as 'P' | 'F';
      counts[kind]++;
      // Some coordinates are too long: such a point cannot even be written down.
      if (x >= limit || y >= limit) expect(kind).toBe('F');
      else {
        const point = encode(curve, x, y);
        expect(core.validate(point)).toEqual(
          kind === 'P' ? { ok: 1, point } : { ok: 0, point: new Uint8Array(point.length) },
        );
      }
    }
    expect(counts).toEqual({ P: 4, F: 8 });
  });
});

describe.each(CURVES)('$name', (curve) => {
  const { number, size, n, p, noble } = curve;
  const core = openCurve(curve);
  const encoded = 2 * size + 1;
  const refused = { ok: 0, point: new Uint8Array(encoded) };
  const G = noble.Point.BASE;
  const bytes = (value: bigint) => toBytes(value, size);
  const pointOf = (d: bigint) => new Uint8Array(noble.getPublicKey(bytes(d), false));
  const most = (1n << BigInt(8 * size)) - 1n;
  const root = (x: bigint) => power(curve.rightSide(x), (p + 1n) / 4n, p);
  const isSquare = (x: bigint) => (root(x) * root(x) - curve.rightSide(x)) % p === 0n;

  test('public keys of edge scalars and of any scalar equal noble', () => {
    for (const d of edgeScalars(curve)) expect(core.publicKey(bytes(d))).toEqual({ ok: 1, point: pointOf(d) });
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: n - 1n }), (d) => {
        expect(core.publicKey(bytes(d)).point).toEqual(pointOf(d));
      }),
      { numRuns: 100 },
    );
  });

  test('every digit at every place of the base table', () => {
    for (const window of [7n, 8n]) {
      for (let at = 0n; at < 8n * BigInt(size); at += window) {
        for (const digit of [1n, 2n, 31n, 32n, 63n, 64n, 65n, 96n, 126n, 127n, 128n, 193n, 254n, 255n]) {
          const d = digit << at;
          if (d < n) expect(core.publicKey(bytes(d)).point).toEqual(pointOf(d));
        }
      }
    }
  });

  test('scalars out of range have no public key', () => {
    for (const d of [0n, n, n + 1n, n + (1n << 40n), p, most]) expect(core.publicKey(bytes(d))).toEqual(refused);
  });

  test('generation: FIPS 186-5 A.2.1 with 16 bytes of seed more than n has', () => {
    const check = (seed: Uint8Array) => {
      const d = (toInt(seed) % (n - 1n)) + 1n;
      const { ok, scalar, point } = core.keyGenerate(seed);
      expect(ok).toBe(1);
      expect(toInt(scalar)).toBe(d);
      expect(point).toEqual(pointOf(d));
    };
    const largest = (1n << BigInt(8 * size + 128)) - 1n;
    const multiple = (n - 1n) * (largest / (n - 1n));
    for (const seed of [0n, 1n, n - 3n, n - 2n, n - 1n, n, n + 1n, multiple, multiple - 1n, largest]) {
      check(toBytes(seed, size + 16));
    }
    fc.assert(fc.property(fc.uint8Array({ minLength: size + 16, maxLength: size + 16 }), check), { numRuns: 50 });
  });

  test('validation: both forms of points, and their compressed form expands', () => {
    // x = 0, and the x nearest to the ends of the field and to n.
    const edge = [...Array(12).keys()].flatMap((i) => [
      BigInt(i),
      p - 1n - BigInt(i),
      n + BigInt(i),
      2n ** BigInt(8 * size - 1) + BigInt(i),
    ]);
    let onCurve = 0;
    for (const x of edge) {
      const y = root(x);
      const full = [y, p - y].map((v) => encode(curve, x, v));
      if (isSquare(x)) onCurve++;
      for (const point of full) expect(core.validate(point)).toEqual(isSquare(x) ? { ok: 1, point } : refused);
      for (const form of [2, 3]) {
        const point = encode(curve, x, (y & 1n) === BigInt(form & 1) ? y : p - y);
        const compressed = concat(Uint8Array.of(form), bytes(x));
        expect(core.validate(compressed)).toEqual(isSquare(x) ? { ok: 1, point } : refused);
      }
    }
    expect(onCurve).toBeGreaterThan(10);
    expect(onCurve).toBeLessThan(edge.length);
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: n - 1n }), (d) => {
        const point = pointOf(d);
        expect(core.validate(point)).toEqual({ ok: 1, point });
        expect(core.validate(new Uint8Array(noble.getPublicKey(bytes(d), true)))).toEqual({ ok: 1, point });
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
    for (let length = 0; length <= 210; length++) {
      const cut = (of: Uint8Array) => concat(of, new Uint8Array(210)).slice(0, length);
      if (length !== encoded) expect(core.validate(cut(point))).toEqual(refused);
      if (length !== 1 + size) expect(core.validate(cut(compressed))).toEqual(refused);
    }
    const bad: [bigint, bigint][] = [
      [0n, 0n],
      [x, y + 1n],
      [x + 1n, y],
      [y, x],
      [p, y],
      [x, p],
      [most, most],
      [x, 0n],
    ];
    for (const [u, v] of bad) expect(core.validate(encode(curve, u, v))).toEqual(refused);
    // Points of the curve, but written with p added: the smallest x have room for it.
    let tried = 0;
    for (let small = 0n; small < 8n; small++) {
      if (!isSquare(small)) continue;
      tried++;
      expect(core.validate(encode(curve, small + p, root(small)))).toEqual(refused);
      for (const form of [2, 3]) {
        expect(core.validate(concat(Uint8Array.of(form), bytes(small + p)))).toEqual(refused);
      }
    }
    expect(tried).toBeGreaterThan(2);
  });

  test('validation may write over its input', () => {
    const box = openCore();
    const ptr = box.reserve(encoded, 3);
    box.memory.set(G.toBytes(true), ptr);
    expect(box.core['ecPointValidate']!(number, ptr, 1 + size, ptr)).toBe(1);
    expect(box.read(ptr, encoded)).toEqual(new Uint8Array(G.toBytes(false)));
    expect(box.guarded(ptr, encoded)).toBe(true);
  });
});

test('init may be repeated', () => {
  const box = openCore();
  box.core['ecInit']!();
  const tables = () => digest('sha256', box.memory.slice(0x10000, box.core.VAULT.value));
  const first = tables();
  box.core['ecInit']!();
  expect(tables()).toEqual(first);
});

test('numbers that name no curve or hash end the instance', () => {
  const { core } = openCore();
  for (const number of [0, 4, -1]) {
    expect(() => core['ecPublicKey']!(number, 0, 0)).toThrow(/unreachable/);
    expect(() => core['ecKeyGenerate']!(number, 0, 0, 0)).toThrow(/unreachable/);
    expect(() => core['ecPointValidate']!(number, 0, 0, 0)).toThrow(/unreachable/);
    expect(() => core['ecdh']!(number, 0, 1)).toThrow(/unreachable/);
    for (const [curve, hash] of [
      [number, 1],
      [1, number],
    ]) {
      expect(() => core['ecdsaSign']!(curve!, hash!, 0, 1)).toThrow(/unreachable/);
      expect(() => core['ecdsaSignRaw']!(curve!, hash!, 0, 0, 0, 0)).toThrow(/unreachable/);
      expect(() => core['ecdsaVerify']!(curve!, hash!, 0, 1)).toThrow(/unreachable/);
    }
  }
});
