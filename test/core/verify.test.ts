/** Verification in groups: keys with and without a table of their own, and the same verdicts by both ways. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex } from '../support/core.ts';
import { CURVES, type Curve, concat, digest, mod, openCurve, power, toBytes, toInt } from '../support/curves.ts';
import { wycheproof } from '../support/vectors.ts';

const FILES: Record<string, string> = {
  'P-256': 'ecdsa_secp256r1_sha256_test',
  'P-384': 'ecdsa_secp384r1_sha384_p1363_test',
  secp256k1: 'ecdsa_secp256k1_sha256_p1363_test',
};

interface Check {
  readonly point: Uint8Array;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
  readonly valid: number;
  readonly name: string;
}

/** Signatures that can be read at all: those of P-256 are in DER. */
function vectors(curve: Curve, core: ReturnType<typeof openCurve>): Check[] {
  return wycheproof(`${FILES[curve.name]}.json`).testGroups.flatMap(
    (group: { publicKey: { uncompressed: string }; tests: unknown }) =>
      (group.tests as Record<string, string>[])
        .map(({ tcId, msg, sig, result }) => ({
          point: hex(group.publicKey.uncompressed),
          digest: digest(curve.hash, hex(msg!)),
          signature: signatureOf(curve, core, hex(sig!)),
          valid: result === 'valid' ? 1 : 0,
          name: `tcId ${tcId}`,
        }))
        .filter(({ signature }) => signature.length === 2 * curve.size),
  );
}

function signatureOf({ name }: Curve, core: ReturnType<typeof openCurve>, sig: Uint8Array): Uint8Array {
  if (name !== 'P-256') return sig;
  const { ok, signature } = core.derDecode(sig);
  return ok ? signature : new Uint8Array();
}

/** A walk through a list that puts far apart what was together. */
const shuffled = <T>(list: readonly T[], step: number): T[] => list.map((_, i) => list[(i * step) % list.length]!);

describe.each(CURVES)('$name', (curve) => {
  const { size, n, noble } = curve;
  const bytes = (value: bigint) => toBytes(value, size);
  const G = noble.Point.BASE;
  const pointOf = (d: bigint) => new Uint8Array(G.multiply(d).toBytes(false));
  /** A signature by d under nonce k. */
  const sign = (d: bigint, k: bigint, e: Uint8Array) => {
    const r = G.multiply(k).toAffine().x % n;
    const h = toInt(e.subarray(0, size)) % n;
    return concat(bytes(r), bytes(mod((h + r * d) * power(k, n - 2n, n), n)));
  };
  const check = (core: ReturnType<typeof openCurve>, list: readonly Check[]) => {
    const verdicts = core.verify(list as Check[]);
    list.forEach(({ valid, name }, i) => {
      expect(verdicts[i], name).toBe(valid);
    });
  };

  test('Wycheproof in groups of every size, until all keys that come up again have tables', () => {
    const core = openCurve(curve);
    const all = vectors(curve, core);
    expect(all.length).toBeGreaterThan(200);
    for (const [round, size] of [1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 100].entries()) {
      const list = shuffled(all, 2 * round + 1);
      for (let i = 0; i < list.length; i += size) check(core, list.slice(i, i + size));
    }
  });

  test('more keys than tables, in turn, each used often', () => {
    const core = openCurve(curve);
    const keys = Array.from({ length: 24 }, (_, i) => BigInt(1000 + i));
    for (let round = 0; round < 12; round++) {
      const list = keys.map((d, i) => {
        const e = digest(curve.hash, `${round} ${i}`);
        const valid = (i + round) % 3 === 0 ? 0 : 1;
        const signature = sign(d, BigInt(7 + round * 100 + i), e);
        if (!valid) signature[(i * 5) % (2 * size)]! ^= 1;
        return { point: pointOf(d), digest: e, signature, valid, name: `key ${i}, round ${round}` };
      });
      check(core, list);
    }
  });

  test('points that meet in the tree or the ladder: the group is right all the same', () => {
    const core = openCurve(curve);
    const e = digest(curve.hash, 'fellow');
    const fellow = (i: number) => ({
      point: pointOf(99n),
      digest: e,
      signature: sign(99n, BigInt(5 + i), e),
      valid: 1,
      name: `fellow ${i}`,
    });
    // With Q = ±G, and u1 = ±u2 or 0 or 1, sums of both products double or vanish, at every level.
    for (const d of [1n, n - 1n, 2n, 3n, n - 2n]) {
      const point = pointOf(d);
      for (let turn = 0; turn < 10; turn++) {
        const list: Check[] = [fellow(turn), fellow(turn + 1)];
        for (const [u1, u2] of [
          [1n, 1n],
          [1n, n - 1n],
          [7n, 7n],
          [7n, n - 7n],
          [0n, 5n],
          [5n, 1n],
          [n - 1n, 1n],
          [1n << 200n, 1n << 200n],
        ] as const) {
          // R = u1·G + u2·Q; r = x of R, s = r/u2, e = u1·s. R may be O: then nothing is valid.
          const k = mod(u1 + u2 * d, n);
          const r = k === 0n ? 12345n : G.multiply(k).toAffine().x % n;
          const s = mod(r * power(u2, n - 2n, n), n);
          const h = bytes(mod(u1 * s, n));
          // The digest is as long as the scalar here: leftmost bits are all bits.
          list.push({
            point,
            digest: h,
            signature: concat(bytes(r), bytes(s)),
            valid: k === 0n ? 0 : 1,
            name: `d = ${d}, u1 = ${u1}, u2 = ${u2}, turn ${turn}`,
          });
        }
        list.push(fellow(turn + 2));
        check(core, list);
      }
    }
  });

  test('any signature, of any key, valid or not, in any place', () => {
    const core = openCurve(curve);
    const one = fc.record({
      d: fc.integer({ min: 1, max: 12 }),
      k: fc.bigInt({ min: 1n, max: n - 1n }),
      text: fc.string(),
      flip: fc.option(fc.integer({ min: 0, max: 16 * size - 1 })),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), (list) => {
        const checks = list.map(({ d, k, text, flip }, i) => {
          const e = digest(curve.hash, text);
          const signature = sign(BigInt(d), k, e);
          if (flip !== null) signature[flip >> 3]! ^= 1 << (flip & 7);
          return { point: pointOf(BigInt(d)), digest: e, signature, valid: flip === null ? 1 : 0, name: `${i}` };
        });
        check(core, checks);
      }),
      { numRuns: 25 },
    );
  });
});
