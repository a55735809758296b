/** Many base-point multiplications at once: every count, lane and order of scalars, and those that no tree can add. */
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { BUILD } from '../support/core.ts';
import {
  type Bytes,
  CURVES,
  concat,
  digest,
  edgeScalars,
  leftmost,
  mod,
  nonce,
  openCurve,
  power,
  toBytes,
  toInt,
} from '../support/curves.ts';

/** Bits of a digit, as the curves have it in assembly. */
const windowOf = (name: string) => (name === 'P-256' && BUILD === 'plain' ? 7 : 8);
const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64];

describe.each(CURVES)('$name', (curve) => {
  const { size, n, noble } = curve;
  const core = openCurve(curve);
  const bytes = (value: bigint) => toBytes(value, size);
  const WINDOW = windowOf(curve.name);
  const BASE = 1n << BigInt(WINDOW);
  const windows = Math.ceil((8 * size) / WINDOW);
  const seedOf = (d: bigint) => toBytes(d - 1n, size + 16);
  const pointOf = (d: bigint) => new Uint8Array(noble.getPublicKey(bytes(d), false));
  const expectKeys = (list: readonly bigint[]) => {
    const made = core.keyGenerateMany(list.map(seedOf));
    expect(made).toEqual(list.map((d) => ({ ok: 1, scalar: bytes(d), point: pointOf(d) })));
  };
  const random = () => (toInt(randomBytes(size + 8)) % (n - 1n)) + 1n;
  const signReference = (d: bigint, h: Uint8Array, Z?: Uint8Array) => signWith(d, h, nonce(curve, curve.hash, d, h, Z));
  /** r ‖ s by BigInt from noble's points. */
  const signWith = (d: bigint, h: Uint8Array, k: bigint): Bytes => {
    const r = noble.Point.BASE.multiply(k).toAffine().x % n;
    return concat(bytes(r), bytes(mod(power(k, n - 2n, n) * (leftmost(curve, h) + r * d), n)));
  };

  test.each(COUNTS)('%i signatures: each its own key, digest and noise, one of them plain', (count) => {
    const list = Array.from({ length: count }, (_, i) => {
      const message = randomBytes(i);
      const d = random();
      const noise = i % 5 === 2 ? undefined : new Uint8Array(randomBytes(size));
      return { d, message, scalar: bytes(d), digest: digest(curve.hash, message), noise };
    });
    const signatures = core.sign(list);
    list.forEach(({ d, digest: h, noise, message }, i) => {
      expect(signatures[i]).toEqual(signReference(d, h, noise));
      const point = Buffer.from(pointOf(d));
      const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)].map((v) => v.toString('base64url'));
      const jwk = { kty: 'EC', crv: curve.name, x: x!, y: y! };
      const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
      expect(verify(curve.hash, message, key, signatures[i]!)).toBe(true);
    });
  });

  test('a scalar out of range at any place leaves its neighbours alone', () => {
    const h = digest(curve.hash, 'neighbours');
    const good = Array.from({ length: 6 }, (_, i) => BigInt(i) + 11n);
    const expected = good.map((d) => signReference(d, h));
    for (let place = 0; place < good.length; place++) {
      for (const bad of [0n, n, n + 1n, (1n << BigInt(8 * size)) - 1n]) {
        const list = good.map((d, i) => ({ scalar: bytes(i === place ? bad : d), digest: h }));
        const wanted = expected.map((signature, i) => (i === place ? new Uint8Array(2 * size) : signature));
        expect(core.sign(list)).toEqual(wanted);
      }
    }
  });

  test.each(COUNTS)('%i keys', (count) => {
    expectKeys(Array.from({ length: count }, random));
  });

  test('edge scalars in every lane', () => {
    const edges = [...edgeScalars(curve), n - 4n, (n - 1n) / 2n, (n + 1n) / 2n];
    expectKeys(edges);
    expectKeys([1n, ...edges.toReversed()]);
  });

  /** Which windows the two points have that meet, level by level: the rule of affine_tree.ts. */
  function* meetings(): Generator<readonly [a: readonly number[], b: readonly number[]]> {
    let terms = Array.from({ length: windows }, (_, i) => [i]);
    while (terms.length > 1) {
      const half = (terms.length + 1) >> 1;
      for (let j = 0; j + half < terms.length; j++) yield [terms[j]!, terms[j + half]!];
      terms = terms.slice(0, half).map((list, j) => [...list, ...(terms[j + half] ?? [])]);
    }
  }

  /** All ways to write a number with odd digits within ±(2^w - 1) in these windows and 0 in the others. */
  function* expansions(rest: bigint, members: ReadonlySet<number>, i = 0): Generator<bigint[]> {
    if (i === windows) {
      if (rest === 0n) yield [];
      return;
    }
    const low = mod(rest, BASE);
    const choices = members.has(i) ? (low % 2n === 1n ? [low, low - BASE] : []) : low === 0n ? [0n] : [];
    for (const d of choices) {
      for (const others of expansions((rest - d) / BASE, members, i + 1)) yield [d, ...others];
    }
  }

  test('scalars for which two points of the tree are equal or opposite, alone and beside others', () => {
    const all = [...meetings()];
    const found: bigint[] = [];
    for (const [a, b] of all) {
      for (let multiple = n; multiple < BASE ** BigInt(windows); multiple += n) {
        for (const digits of expansions(multiple, new Set([...a, ...b]))) {
          // Of a - b = multiple, the scalar is a + b. Only the last pair, which has all windows, can meet like that.
          expect(a.length + b.length).toBe(windows);
          const signed = digits.map((d, i) => (b.includes(i) ? -d : d) * BASE ** BigInt(i));
          const scalar = signed.reduce((sum, d) => sum + d, 0n);
          found.push(scalar < 0n ? -scalar : scalar);
        }
      }
    }
    const scalars = found.filter((k) => k < n).flatMap((k) => [k, n - k]);
    expect(scalars.length).toBeGreaterThan(0);
    for (const d of scalars) {
      expect(core.publicKey(bytes(d))).toEqual({ ok: 1, point: pointOf(d) });
      for (const place of [0, 1, 4, 7, 31]) {
        const group = Array.from({ length: 32 }, random);
        group[place] = d;
        expectKeys(group);
      }
      const h = digest(curve.hash, 'k');
      expect(core.signRaw(bytes(5n), h, bytes(d))).toEqual({ ok: 1, signature: signWith(5n, h, d) });
    }
  });
});
