import { createECDH } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
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
import { pointOfSpki } from '../support/spki.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const [P256] = CURVES as [Curve];

/**
 * What we do with vectors that a library may decide on, by flag: points in compressed form are read, keys
 * are accepted in DER with the named curve only.
 */
const ACCEPTABLE: Record<string, boolean> = { CompressedPublic: true, InvalidAsn: false, UnnamedCurve: false };

test('Wycheproof ecdh_secp256r1_test', () => {
  const core = openCurve(P256);
  const file = wycheproof('ecdh_secp256r1_test.json');
  const refused = { ok: 0, shared: new Uint8Array(32) };
  const counts: Record<string, number> = {};
  for (const { tests } of file.testGroups) {
    for (const { tcId, public: spki, private: d, shared, result, flags } of tests) {
      const point = pointOfSpki(hex(spki));
      const valid = point && core.validate(point);
      const job = valid?.ok ? { scalar: toBytes(BigInt(`0x${d}`), 32), point: valid.point } : undefined;
      const outcome = job ? core.ecdh([job])[0] : refused;
      const decided = (flags as string[]).filter((flag) => flag in ACCEPTABLE);
      if (result === 'acceptable') expect(decided.length, `tcId ${tcId}`).toBe(1);
      const accept = result === 'valid' || (result === 'acceptable' && ACCEPTABLE[decided[0]!]);
      expect(outcome, `tcId ${tcId}`).toEqual(accept ? { ok: 1, shared: hex(shared) } : refused);
      counts[result] = (counts[result] ?? 0) + 1;
    }
  }
  expect(file.numberOfTests).toBe(612);
  expect(counts).toEqual({ valid: 330, acceptable: 230, invalid: 52 });
});

/** In a KASValidityTest file, where the sections of a curve begin and end. */
describe.each([
  { name: 'P-256', from: '[EC - SHA256]', to: '[ED - SHA384]' },
  { name: 'P-384', from: '[ED - SHA384]', to: '[EE - SHA512]' },
])('CAVP KASValidityTest, ECC static unified, $name', ({ name, from, to }) => {
  const curve = CURVES.find((c) => c.name === name)!;
  const { size } = curve;
  const core = openCurve(curve);
  test.each(['init', 'resp'])('%s', (role) => {
    const text = cavp(`asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_${role}.fax`);
    const records = cavpRecords(text.slice(text.indexOf(from), text.indexOf(to)));
    const counts: Record<string, number> = {};
    for (const record of records) {
      const field = (label: string) => hex(record[label]!.padStart(2 * size, '0'));
      const code = /\((\d+) -/.exec(record['Result']!)![1]!;
      counts[code] = (counts[code] ?? 0) + 1;
      const theirs = concat(Uint8Array.of(4), field('QsCAVSx'), field('QsCAVSy'));
      const ours = concat(Uint8Array.of(4), field('QsIUTx'), field('QsIUTy'));
      const d = field('dsIUT');
      const checks = {
        theirs: core.validate(theirs).ok,
        ours: core.validate(ours).ok,
        pair: Number(Buffer.compare(core.publicKey(d).point, ours) === 0),
        Z: Number(Buffer.compare(core.ecdh([{ scalar: d, point: theirs }])[0]!.shared, field('Z')) === 0),
      };
      const wrong: Record<string, string[]> = {
        '0': [],
        '13': [],
        '1': ['theirs', 'Z'],
        '2': ['theirs', 'Z'],
        // Where our own public key is the changed one, the file's Z is of another exchange.
        '5': ['ours', 'pair', 'Z'],
        '6': ['ours', 'pair', 'Z'],
        '7': ['pair', 'Z'],
        '8': ['Z'],
      };
      const failed = Object.entries(checks).flatMap(([label, bit]) => (bit ? [] : [label]));
      expect(failed, `COUNT ${record['COUNT']}`).toEqual(wrong[code]);
    }
    expect(counts).toEqual({ '0': 16, '13': 2, '1': 2, '2': 2, '5': 2, '6': 2, '7': 2, '8': 2 });
  });
});

describe.each(CURVES)('$name', (curve) => {
  const { size, n, p, noble } = curve;
  const core = openCurve(curve);
  const refused = { ok: 0, shared: new Uint8Array(size) };
  const bytes = (value: bigint) => toBytes(value, size);
  const agree = (scalar: Uint8Array, point: Uint8Array) => core.ecdh([{ scalar, point }])[0]!;
  const G = noble.Point.BASE;
  const edges = edgeScalars(curve);

  test('equals node, and both sides agree', () => {
    for (let i = 0; i < 20; i++) {
      const theirs = createECDH(curve.node);
      const point = new Uint8Array(theirs.generateKeys());
      const seed = concat(digest('sha512', `${i}`), digest('sha512', 'more')).slice(0, size + 16);
      const { scalar, point: ours } = core.keyGenerate(seed);
      const { ok, shared } = agree(scalar, point);
      expect(ok).toBe(1);
      expect(shared).toEqual(new Uint8Array(theirs.computeSecret(ours)));
    }
  });

  test('equals noble for any scalar and point', () => {
    const scalar = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(...edges));
    fc.assert(
      fc.property(scalar, scalar, (d, e) => {
        const Q = G.multiply(e);
        const expected = bytes(Q.multiply(d).toAffine().x);
        expect(agree(bytes(d), new Uint8Array(Q.toBytes(false)))).toEqual({ ok: 1, shared: expected });
      }),
      { numRuns: 60 },
    );
  });

  test('every edge scalar, over edge points', () => {
    // The point of the smallest x that is on the curve: 0 on P-256 and P-384, and 1 on secp256k1.
    let x = 0n;
    const root = () => power(curve.rightSide(x), (p + 1n) / 4n, p);
    while ((root() * root() - curve.rightSide(x)) % p !== 0n) x++;
    const points = [G, G.negate(), G.multiply(n - 2n), noble.Point.fromAffine({ x, y: root() })];
    edges.forEach((d, i) => {
      const Q = points[i % points.length]!;
      const expected = bytes(Q.multiply(d).toAffine().x);
      expect(agree(bytes(d), new Uint8Array(Q.toBytes(false)))).toEqual({ ok: 1, shared: expected });
    });
  });

  test('edge scalars side by side, and those where a last digit adds a point to itself', () => {
    // k = n + 2d for an odd d in -31..31 with n + d divisible by 32, and its neighbours; n - k takes the same way.
    const special = Array.from({ length: 32 }, (_, i) => -31n + 2n * BigInt(i))
      .filter((d) => (n + d) % 32n === 0n)
      .flatMap((d) => [n + 2n * d, -2n * d, n + 2n * d - 2n, n + 2n * d + 1n])
      .filter((k) => k > 0n && k < n);
    expect(special.length).toBeGreaterThan(1);
    const all = [...special, ...edges];
    const jobs = all.map((d, i) => ({ d, Q: G.multiply(BigInt(i + 2)) }));
    const answers = core.ecdh(jobs.map(({ d, Q }) => ({ scalar: bytes(d), point: new Uint8Array(Q.toBytes(false)) })));
    jobs.forEach(({ d, Q }, i) => {
      expect(answers[i], `d = ${d}`).toEqual({ ok: 1, shared: bytes(Q.multiply(d).toAffine().x) });
    });
  });

  test('scalars out of range and bad points give zeros', () => {
    const point = new Uint8Array(G.toBytes(false));
    for (const d of [0n, n, n + 1n, (1n << BigInt(8 * size)) - 1n]) expect(agree(bytes(d), point)).toEqual(refused);
    const bad = [
      point.map((v, i) => (i === 2 * size ? v ^ 1 : v)),
      point.map((v, i) => (i === 0 ? 6 : v)),
      point.map((v, i) => (i === 0 ? 2 : v)),
      new Uint8Array(2 * size + 1),
      concat(Uint8Array.of(4), new Uint8Array(2 * size)),
      concat(Uint8Array.of(4), bytes(p), point.subarray(1 + size)),
      // On a curve with another b, where a point may have a small order.
      concat(Uint8Array.of(4), bytes(1n), bytes(1n)),
    ];
    for (const Q of bad) expect(agree(bytes(3n), Q)).toEqual(refused);
  });

  test.each([0, 1, 2, 3, 4, 5, 17, 32, 33, 64])('batches of %i jobs, each its own data, some bad', (count) => {
    const number = (text: string) => toInt(digest('sha512', text)) % n;
    const jobs = Array.from({ length: count }, (_, i) => ({
      scalar: i % 7 === 3 ? bytes(n) : bytes(number(`d ${i}`)),
      point: new Uint8Array(G.multiply(number(`Q ${i}`)).toBytes(false)).map((v, j) =>
        i % 5 === 2 && j === 40 ? v ^ 1 : v,
      ),
    }));
    const together = core.ecdh(jobs);
    jobs.forEach((job, i) => {
      const alone = agree(job.scalar, job.point);
      expect(together[i]).toEqual(alone);
      expect(alone.ok).toBe(i % 7 === 3 || i % 5 === 2 ? 0 : 1);
      if (alone.ok) {
        const x = noble.Point.fromBytes(job.point).multiply(toInt(job.scalar)).toAffine().x;
        expect(alone.shared).toEqual(bytes(x));
      }
    });
  });
});
