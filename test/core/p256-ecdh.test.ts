import { createECDH } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import { concat, digest, edgeScalars, n, openP256, p, power, toBytes, toInt } from '../support/p256.ts';
import { pointOfSpki } from '../support/spki.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const core = openP256();
const refused = { ok: 0, shared: new Uint8Array(32) };
const agree = (scalar: Uint8Array, point: Uint8Array) => core.ecdh([{ scalar, point }])[0]!;
const G = p256.Point.BASE;

/**
 * What we do with vectors that a library may decide on, by flag: points in compressed form are read, keys
 * are accepted in DER with the named curve only.
 */
const ACCEPTABLE: Record<string, boolean> = { CompressedPublic: true, InvalidAsn: false, UnnamedCurve: false };

test('Wycheproof ecdh_secp256r1_test', () => {
  const file = wycheproof('ecdh_secp256r1_test.json');
  const counts: Record<string, number> = {};
  for (const { tests } of file.testGroups) {
    for (const { tcId, public: spki, private: d, shared, result, flags } of tests) {
      const point = pointOfSpki(hex(spki));
      const valid = point && core.validate(point);
      const outcome = valid?.ok ? agree(toBytes(BigInt(`0x${d}`)), valid.point) : refused;
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

test.each(['init', 'resp'])('CAVP KASValidityTest, ECC static unified, curve P-256, %s', (role) => {
  const text = cavp(`asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_${role}.fax`);
  const records = cavpRecords(text.slice(text.indexOf('[EC - SHA256]'), text.indexOf('[ED - SHA384]')));
  const counts: Record<string, number> = {};
  for (const record of records) {
    const field = (name: string) => hex(record[name]!.padStart(64, '0'));
    const code = /\((\d+) -/.exec(record['Result']!)![1]!;
    counts[code] = (counts[code] ?? 0) + 1;
    const theirs = concat(Uint8Array.of(4), field('QsCAVSx'), field('QsCAVSy'));
    const ours = concat(Uint8Array.of(4), field('QsIUTx'), field('QsIUTy'));
    const d = field('dsIUT');
    const checks = {
      theirs: core.validate(theirs).ok,
      ours: core.validate(ours).ok,
      pair: Number(Buffer.compare(core.publicKey(d).point, ours) === 0),
      Z: Number(Buffer.compare(agree(d, theirs).shared, field('Z')) === 0),
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
    const failed = Object.entries(checks).flatMap(([name, bit]) => (bit ? [] : [name]));
    expect(failed, `COUNT ${record['COUNT']}`).toEqual(wrong[code]);
  }
  expect(counts).toEqual({ '0': 16, '13': 2, '1': 2, '2': 2, '5': 2, '6': 2, '7': 2, '8': 2 });
});

test('equals node, and both sides agree', () => {
  for (let i = 0; i < 20; i++) {
    const theirs = createECDH('prime256v1');
    const point = new Uint8Array(theirs.generateKeys());
    const { scalar, point: ours } = core.keyGenerate(concat(digest('sha256', `${i}`), new Uint8Array(16).fill(i)));
    const { ok, shared } = agree(scalar, point);
    expect(ok).toBe(1);
    expect(shared).toEqual(new Uint8Array(theirs.computeSecret(ours)));
  }
});

test('equals noble for any scalar and point', () => {
  const scalar = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(...edgeScalars));
  fc.assert(
    fc.property(scalar, scalar, (d, e) => {
      const Q = G.multiply(e);
      const expected = toBytes(Q.multiply(d).toAffine().x);
      expect(agree(toBytes(d), new Uint8Array(Q.toBytes(false)))).toEqual({ ok: 1, shared: expected });
    }),
    { numRuns: 100 },
  );
});

test('every edge scalar, over edge points', () => {
  const b = p256.Point.CURVE().b;
  const root = power(b, (p + 1n) / 4n, p);
  const points = [G, G.negate(), G.multiply(n - 2n), p256.Point.fromAffine({ x: 0n, y: root })];
  edgeScalars.forEach((d, i) => {
    const Q = points[i % points.length]!;
    const expected = toBytes(Q.multiply(d).toAffine().x);
    expect(agree(toBytes(d), new Uint8Array(Q.toBytes(false)))).toEqual({ ok: 1, shared: expected });
  });
});

test('scalars out of range and bad points give zeros', () => {
  const point = new Uint8Array(G.toBytes(false));
  for (const d of [0n, n, n + 1n, 2n ** 256n - 1n]) expect(agree(toBytes(d), point)).toEqual(refused);
  const bad = [
    point.map((v, i) => (i === 64 ? v ^ 1 : v)),
    point.map((v, i) => (i === 0 ? 6 : v)),
    point.map((v, i) => (i === 0 ? 2 : v)),
    new Uint8Array(65),
    concat(Uint8Array.of(4), new Uint8Array(64)),
    concat(Uint8Array.of(4), toBytes(p), point.subarray(33)),
    // On the curve with another b, where a point has a small order.
    concat(Uint8Array.of(4), toBytes(1n), toBytes(1n)),
  ];
  for (const Q of bad) expect(agree(toBytes(3n), Q)).toEqual(refused);
});

test.each([0, 1, 2, 3, 17, 64])('batches of %i jobs, each with its own data, some of them bad', (count) => {
  const jobs = Array.from({ length: count }, (_, i) => ({
    scalar: i % 7 === 3 ? toBytes(n) : toBytes(toInt(digest('sha256', `d ${i}`)) % n),
    point: new Uint8Array(G.multiply(toInt(digest('sha256', `Q ${i}`)) % n).toBytes(false)).map((v, j) =>
      i % 5 === 2 && j === 40 ? v ^ 1 : v,
    ),
  }));
  const together = core.ecdh(jobs);
  jobs.forEach((job, i) => {
    const alone = agree(job.scalar, job.point);
    expect(together[i]).toEqual(alone);
    expect(alone.ok).toBe(i % 7 === 3 || i % 5 === 2 ? 0 : 1);
    if (alone.ok) {
      const x = p256.Point.fromBytes(job.point).multiply(toInt(job.scalar)).toAffine().x;
      expect(alone.shared).toEqual(toBytes(x));
    }
  });
});
