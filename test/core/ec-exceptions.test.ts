/**
 * Points and scalars of an outsider's choice, for which formulas of sums have exceptions: small multiples of the base point
 * and their negatives, scalars around half of n, signatures whose two products are alike, opposite, or one of them nothing.
 * No batch traps, and each result is right.
 */
import { createECDH, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openCore } from '../support/core.ts';

const box = openCore();
const { core, memory } = box;
const view = new DataView(memory.buffer);
core['ecInit']!();

const CURVES = [
  ['prime256v1', 1, 32, 1, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
  [
    'secp384r1',
    2,
    48,
    2,
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ],
  ['secp256k1', 3, 32, 1, 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n],
] as const;
const GROUPS = [1, 2, 3, 4, 5, 8, 32, 33];

const toBytes = (x: bigint, size: number) => new Uint8Array(Buffer.from(x.toString(16).padStart(2 * size, '0'), 'hex'));
const toBig = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const words = (rows: readonly (readonly number[])[]) => box.place(new Uint8Array(Uint32Array.from(rows.flat()).buffer));

function inverse(a: bigint, n: bigint): bigint {
  let [r0, r1, s0, s1] = [n, a % n, 0n, 1n];
  while (r1 !== 0n) {
    const q = r0 / r1;
    [r0, r1, s0, s1] = [r1, r0 - q * r1, s1, s0 - q * s1];
  }
  return ((s0 % n) + n) % n;
}

/** Cut into groups of every size, each in a core whose window is empty. */
function inGroups<T>(all: readonly T[], use: (group: readonly T[]) => void): void {
  for (let at = 0, turn = 0; at < all.length; turn++) {
    const size = GROUPS[turn % GROUPS.length]!;
    box.reset();
    use(all.slice(at, at + size));
    at += size;
  }
}

test.each(CURVES)('%s', (name, curve, size, hash, n) => {
  const points = new Map<bigint, Uint8Array>();
  const point = (d: bigint): Uint8Array => {
    let known = points.get(d);
    if (known === undefined) {
      const ecdh = createECDH(name);
      ecdh.setPrivateKey(toBytes(d, size));
      known = new Uint8Array(ecdh.getPublicKey());
      points.set(d, known);
    }
    return known;
  };
  const any = () => (toBig(randomBytes(size)) % (n - 1n)) + 1n;
  const small = Array.from({ length: 34 }, (_, i) => BigInt(i + 1));
  const special = [
    ...small,
    ...small.map((i) => n - i),
    ...[1n, -1n, 31n, -31n].map((i) => (n + i) / 2n),
    ...[3n, 16n, 31n].map((i) => inverse(i, n)),
    1n << 128n,
    n - (1n << 128n),
    any(),
  ];
  const pick = () => special[Math.floor(Math.random() * special.length)]!;

  const pairs = special.flatMap((d, i) => [0, 1, 2].map((k) => [d, special[(i + 29 * k) % special.length]!] as const));
  inGroups(pairs, (group) => {
    const jobs = group.map(
      ([d, q]) => [box.place(toBytes(d, size)), box.place(point(q)), box.reserve(size), box.reserve(4)] as const,
    );
    core['ecdh']!(curve, words(jobs), jobs.length);
    group.forEach(([d, q], i) => {
      const expected = point((d * q) % n).slice(1, 1 + size);
      expect([d, q, view.getUint32(jobs[i]![3], true), box.read(jobs[i]![2], size)]).toEqual([d, q, 1, expected]);
    });
  });

  // u1·G + u2·Q with Q = d·G: signatures are made from the two factors.
  const signatures = Array.from({ length: 700 }, (_, i) => {
    const [d, u2] = [i % 3 ? pick() : any(), i % 2 ? pick() : any()];
    const same = (u2 * d) % n;
    const u1 = [same, n - same, 0n, (2n * same) % n, pick(), (n - same + pick()) % n, any()][i % 7]!;
    const k = (u1 + same) % n;
    const r = k === 0n ? any() : toBig(point(k).subarray(1, 1 + size)) % n;
    const s = (r * inverse(u2, n)) % n;
    const e = ((u1 % n) * s) % n;
    const wrong = i % 11 === 0;
    return { d, r, s, e: wrong ? (e + 1n) % n : e, valid: k !== 0n && !wrong };
  });
  inGroups(signatures, (group) => {
    const jobs = group.map(({ d, r, s, e }) => {
      const signature = new Uint8Array([...toBytes(r, size), ...toBytes(s, size)]);
      return [box.place(point(d)), box.place(toBytes(e, size)), box.place(signature), box.reserve(4)] as const;
    });
    core['ecdsaVerify']!(curve, hash, words(jobs), jobs.length);
    group.forEach((signature, i) => {
      expect([signature, view.getUint32(jobs[i]![3], true)]).toEqual([signature, signature.valid ? 1 : 0]);
    });
  });
});
