import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import {
  concat,
  digest,
  edgeScalars,
  leftmost,
  mod,
  n,
  nonce,
  openP256,
  p,
  power,
  toBytes,
  toInt,
} from '../support/p256.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const core = openP256();
const zeros = (length: number) => new Uint8Array(length);
const scalarBytes = fc.bigInt({ min: 1n, max: n - 1n }).map((v) => toBytes(v));
const anyDigest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const pointOf = (scalar: Uint8Array) => new Uint8Array(p256.getPublicKey(scalar, false));
const verifyOne = (point: Uint8Array, h: Uint8Array, signature: Uint8Array) =>
  core.verify([{ point, digest: h, signature }])[0];

/** The sections [P-256,SHA-x] of a CAVP file, with the digest as 32 bytes. */
function cavpEcdsa(path: string) {
  const records = cavpRecords(cavp(`asymmetric/ECDSA/FIPS_186-3/${path}`));
  return records
    .filter((v) => v['section']?.startsWith('P-256,'))
    .map((v) => {
      const hash = v['section']!.slice(6).replace('SHA-', 'sha');
      const int = (name: string) => (v[name] === undefined ? zeros(32) : toBytes(BigInt(`0x${v[name]}`)));
      const point = concat(Uint8Array.of(4), int('Qx'), int('Qy'));
      const h = leftmost(digest(hash, hex(v['Msg']!)));
      return { hash, h, d: int('d'), k: int('k'), point, signature: concat(int('R'), int('S')), result: v['Result'] };
    });
}

test('CAVP SigGen: known k', () => {
  const counts: Record<string, number> = {};
  for (const { hash, h, d, k, point, signature } of cavpEcdsa('SigGen.txt')) {
    counts[hash] = (counts[hash] ?? 0) + 1;
    expect(core.publicKey(d)).toEqual({ ok: 1, point });
    expect(core.signRaw(d, h, k)).toEqual({ ok: 1, signature });
    expect(verifyOne(point, h, signature)).toBe(1);
  }
  expect(counts).toEqual({ sha1: 15, sha224: 15, sha256: 15, sha384: 15, sha512: 15 });
});

test('CAVP SigVer', () => {
  const counts: Record<string, number> = {};
  for (const { hash, h, point, signature, result } of cavpEcdsa('SigVer.rsp')) {
    counts[`${hash} ${result![0]}`] = (counts[`${hash} ${result![0]}`] ?? 0) + 1;
    expect(verifyOne(point, h, signature)).toBe(result!.startsWith('P') ? 1 : 0);
  }
  for (const hash of ['sha1', 'sha224', 'sha256', 'sha384', 'sha512']) {
    expect([counts[`${hash} P`], counts[`${hash} F`]]).toEqual([3, 12]);
  }
});

test('Wycheproof ecdsa_secp256r1_sha256_test', () => {
  const file = wycheproof('ecdsa_secp256r1_sha256_test.json');
  const counts = { valid: 0, invalid: 0, undecodable: 0 };
  for (const group of file.testGroups) {
    const point = hex(group.publicKey.uncompressed);
    expect(core.validate(point).ok).toBe(1);
    for (const { tcId, msg, sig, result } of group.tests as { tcId: number; [k: string]: unknown }[]) {
      const { ok, signature } = core.derDecode(hex(sig as string));
      if (!ok) counts.undecodable++;
      const bit = ok ? verifyOne(point, digest('sha256', hex(msg as string)), signature) : 0;
      expect(bit, `tcId ${tcId}`).toBe(result === 'valid' ? 1 : 0);
      if (ok) expect(core.derEncode(signature), `tcId ${tcId}`).toEqual(hex(sig as string));
      counts[result as 'valid' | 'invalid']++;
    }
  }
  expect(file.numberOfTests).toBe(484);
  expect(counts).toEqual({ valid: 174, invalid: 310, undecodable: 251 });
});

const rfc6979Key = hex('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721');
// RFC 6979 A.2.5: hash, message, k, r, s.
const rfc6979: [string, string, string, string, string][] = [
  [
    'sha1',
    'sample',
    '882905f1227fd620fbf2abf21244f0ba83d0dc3a9103dbbee43a1fb858109db4',
    '61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32',
    '6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb',
  ],
  [
    'sha224',
    'sample',
    '103f90ee9dc52e5e7fb5132b7033c63066d194321491862059967c715985d473',
    '53b2fff5d1752b2c689df257c04c40a587fababb3f6fc2702f1343af7ca9aa3f',
    'b9afb64fdc03dc1a131c7d2386d11e349f070aa432a4acc918bea988bf75c74c',
  ],
  [
    'sha256',
    'sample',
    'a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60',
    'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716',
    'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
  ],
  [
    'sha384',
    'sample',
    '09f634b188cefd98e7ec88b1aa9852d734d0bc272f7d2a47decc6ebeb375aad4',
    '0eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719',
    '4861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954',
  ],
  [
    'sha512',
    'sample',
    '5fa81c63109badb88c1f367b47da606da28cad69aa22c4fe6ad7df73a7173aa5',
    '8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00',
    '2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe',
  ],
  [
    'sha1',
    'test',
    '8c9520267c55d6b980df741e56b4adee114d84fbfa2e62137954164028632a2e',
    '0cbcc86fd6abd1d99e703e1ec50069ee5c0b4ba4b9ac60e409e8ec5910d81a89',
    '01b9d7b73dfaa60d5651ec4591a0136f87653e0fd780c3b1bc872ffdeae479b1',
  ],
  [
    'sha256',
    'test',
    'd16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0',
    'f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367',
    '019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083',
  ],
  [
    'sha384',
    'test',
    '16aeffa357260b04b1dd199693960740066c1a8f3e8edd79070aa914d361b3b8',
    '83910e8b48bb0c74244ebdf7f07a1c5413d61472bd941ef3920e623fbccebeb6',
    '8ddbec54cf8cd5874883841d712142a56a8d0f218f5003cb0296b6b509619f2c',
  ],
  [
    'sha512',
    'test',
    '6915d11632aca3c40d5d51c08daf9c555933819548784480e93499000d9f0b7f',
    '461d93f31b6540894788fd206c07cfa0cc35f46fa3c91816fff1040ad1581a04',
    '39af9f15de0db8d97e72719c74820d304ce5226e32dedae67519e840d1194e55',
  ],
];

test.each(rfc6979)('RFC 6979 A.2.5, %s of "%s"', (hash, message, k, r, s) => {
  const h = digest(hash, message);
  const signature = hex(r + s);
  // The reference of the tests, then the curve with that k; with SHA-256 the core derives k itself.
  expect(nonce(hash, toInt(rfc6979Key), h)).toBe(BigInt(`0x${k}`));
  expect(core.signRaw(rfc6979Key, leftmost(h), hex(k))).toEqual({ ok: 1, signature });
  if (hash === 'sha256') expect(core.sign([{ scalar: rfc6979Key, digest: h }])).toEqual([signature]);
  expect(verifyOne(pointOf(rfc6979Key), leftmost(h), signature)).toBe(1);
});

/** r ‖ s by BigInt from noble's points. */
function signReference(d: bigint, h: Uint8Array, k: bigint) {
  const r = p256.Point.BASE.multiply(k).toAffine().x % n;
  const s = mod(power(k, n - 2n, n) * (toInt(h) + r * d), n);
  return concat(toBytes(r), toBytes(s));
}

test('hedged signatures follow the draft: k from x, digest and Z', () => {
  fc.assert(
    fc.property(scalarBytes, anyDigest, anyDigest, (scalar, h, Z) => {
      const d = toInt(scalar);
      const [hedged, plain] = core.sign([
        { scalar, digest: h, noise: Z },
        { scalar, digest: h },
      ]);
      expect(hedged).toEqual(signReference(d, h, nonce('sha256', d, h, Z)));
      expect(plain).toEqual(signReference(d, h, nonce('sha256', d, h)));
      expect(verifyOne(pointOf(scalar), h, hedged!)).toBe(1);
    }),
    {
      numRuns: 30,
      examples: [
        [toBytes(n - 1n), zeros(32), zeros(32)],
        [toBytes(1n), toBytes(n), toBytes(p)],
      ],
    },
  );
});

test('plain RFC 6979 equals noble', () => {
  fc.assert(
    fc.property(scalarBytes, anyDigest, (scalar, h) => {
      const expected = p256.sign(h, scalar, { prehash: false, lowS: false });
      expect(core.sign([{ scalar, digest: h }])).toEqual([new Uint8Array(expected)]);
    }),
    { numRuns: 40 },
  );
});

test('edge scalars as d and as k, edge digests', () => {
  const digests = [zeros(32), zeros(32).fill(255), toBytes(n), toBytes(n - 1n), toBytes(n + 1n), toBytes(1n)];
  edgeScalars.forEach((d, i) => {
    const k = edgeScalars[edgeScalars.length - 1 - i]!;
    const h = digests[i % digests.length]!;
    const { ok, signature } = core.signRaw(toBytes(d), h, toBytes(k));
    expect(ok).toBe(1);
    expect(signature).toEqual(signReference(d, h, k));
    expect(verifyOne(pointOf(toBytes(d)), h, signature)).toBe(1);
  });
});

test('what node signs verifies here, and the reverse', () => {
  for (let i = 0; i < 30; i++) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = privateKey.export({ format: 'jwk' });
    const part = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'));
    const point = concat(Uint8Array.of(4), part(jwk.x!), part(jwk.y!));
    const message = randomBytes(i * 7);
    const h = digest('sha256', message);
    const signature = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    expect(verifyOne(point, h, signature)).toBe(1);
    const [ours] = core.sign([{ scalar: part(jwk.d!), digest: h, noise: randomBytes(32) }]);
    expect(verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, ours!)).toBe(true);
    const der = core.derEncode(ours!);
    expect(verify('sha256', message, publicKey, der)).toBe(true);
    expect(core.derDecode(sign('sha256', message, privateKey)).ok).toBe(1);
  }
});

test('scalars and k out of range give zeros and leave neighbours alone', () => {
  const good = toBytes(5n);
  const h = digest('sha256', 'x');
  for (const value of [0n, n, n + 1n, 2n ** 256n - 1n]) {
    const bad = toBytes(value);
    for (const hash of [h, zeros(32)]) {
      const [first, second, third] = core.sign([
        { scalar: good, digest: hash },
        { scalar: bad, digest: hash },
        { scalar: good, digest: hash },
      ]);
      expect(second).toEqual(zeros(64));
      expect(first).toEqual(signReference(5n, hash, nonce('sha256', 5n, hash)));
      expect(third).toEqual(first);
      expect(core.signRaw(bad, hash, good)).toEqual({ ok: 0, signature: zeros(64) });
      expect(core.signRaw(good, hash, bad)).toEqual({ ok: 0, signature: zeros(64) });
    }
  }
});

test('s = 0 is not a signature', () => {
  const [d, k] = [77n, 99n];
  const r = p256.Point.BASE.multiply(k).toAffine().x % n;
  const h = toBytes(mod(-r * d, n));
  expect(core.signRaw(toBytes(d), h, toBytes(k))).toEqual({ ok: 0, signature: zeros(64) });
});

test('verify: one changed bit anywhere, r and s out of range, high and low s, other encodings of the key', () => {
  const scalar = toBytes(0x1234567890abcdefn);
  const point = pointOf(scalar);
  const h = digest('sha256', 'message');
  const signature = core.sign([{ scalar, digest: h }])[0]!;
  expect(verifyOne(point, h, signature)).toBe(1);
  const [r, s] = [toInt(signature.subarray(0, 32)), toInt(signature.subarray(32))];
  const withS = (r2: bigint, s2: bigint) => verifyOne(point, h, concat(toBytes(r2), toBytes(s2)));
  expect(withS(r, n - s)).toBe(1);
  for (const bad of [0n, n, n + 1n, 2n ** 256n - 1n]) {
    expect(withS(bad, s)).toBe(0);
    expect(withS(r, bad)).toBe(0);
    expect(withS(bad, bad)).toBe(0);
  }
  const flip = (bytes: Uint8Array, bit: number) => bytes.map((v, i) => (i === bit >> 3 ? v ^ (1 << (bit & 7)) : v));
  for (let bit = 0; bit < 512; bit += 3) expect(verifyOne(point, h, flip(signature, bit))).toBe(0);
  for (let bit = 0; bit < 256; bit += 5) expect(verifyOne(point, flip(h, bit), signature)).toBe(0);
  for (let bit = 0; bit < 520; bit += 7) expect(verifyOne(flip(point, bit), h, signature)).toBe(0);
  for (const form of [0, 2, 3, 5, 6, 7]) {
    expect(verifyOne(concat(Uint8Array.of(form), point.subarray(1)), h, signature)).toBe(0);
  }
});

test('verify: x of R between n and p, R = O, and both products equal or opposite', () => {
  // The smallest x >= n on the curve: r = x - n.
  let x = n;
  const onCurve = (v: bigint) => power(v ** 3n - 3n * v + p256.Point.CURVE().b, (p - 1n) / 2n, p) === 1n;
  while (!onCurve(x)) x++;
  expect(x < p).toBe(true);
  const R = p256.Point.fromHex(`02${x.toString(16)}`);
  const [r, s, e] = [x - n, 12345n, 67890n];
  const key = (Rk: typeof R) =>
    Rk.multiply(s)
      .subtract(p256.Point.BASE.multiply(e))
      .multiply(power(r, n - 2n, n))
      .toBytes(false);
  expect(verifyOne(key(R), toBytes(e), concat(toBytes(r), toBytes(s)))).toBe(1);
  expect(verifyOne(key(R), toBytes(e), concat(toBytes(r + 1n), toBytes(s)))).toBe(0);
  expect(verifyOne(key(R), toBytes(e), concat(toBytes(x), toBytes(s)))).toBe(0);
  // u1·G + u2·Q with Q = d·G: e = -r·d makes it O, e = r·d makes both products one point.
  const d = 424242n;
  const point = pointOf(toBytes(d));
  for (const r1 of [1n, 5n, n - 1n]) {
    for (const s1 of [1n, 7n, n - 1n]) {
      expect(verifyOne(point, toBytes(mod(-r1 * d, n)), concat(toBytes(r1), toBytes(s1)))).toBe(0);
    }
  }
  for (const k of [2n, 99n]) {
    const r1 = p256.Point.BASE.multiply(k).toAffine().x % n;
    const s1 = mod(2n * r1 * d * power(k, n - 2n, n), n);
    expect(verifyOne(point, toBytes(mod(r1 * d, n)), concat(toBytes(r1), toBytes(s1)))).toBe(1);
  }
});

test.each([0, 1, 2, 3, 17, 64])('batches of %i jobs, each with its own data', (count) => {
  const jobs = Array.from({ length: count }, (_, i) => ({
    scalar: toBytes(toInt(digest('sha256', `key ${i}`)) % n),
    digest: digest('sha256', `message ${i}`),
    noise: i % 3 ? digest('sha256', `noise ${i}`) : undefined,
  }));
  const signatures = core.sign(jobs);
  jobs.forEach((job, i) => {
    expect(signatures[i]).toEqual(core.sign([job])[0]);
  });
  expect(new Set(signatures.map((v) => Buffer.from(v).toString('hex'))).size).toBe(count);
  const checks = jobs.map((job, i) => ({ point: pointOf(job.scalar), digest: job.digest, signature: signatures[i]! }));
  expect(core.verify(checks)).toEqual(jobs.map(() => 1));
  // Every other job gets its neighbour's signature.
  const mixed = checks.map((job, i) => (i % 2 ? { ...job, signature: signatures[i - 1]! } : job));
  expect(core.verify(mixed)).toEqual(jobs.map((_, i) => (i % 2 ? 0 : 1)));
});

test('keys made here are keys to node', () => {
  const { ok, scalar, point } = core.keyGenerate(digest('sha384', 'seed'));
  expect(ok).toBe(1);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: text(point.subarray(1, 33)), y: text(point.subarray(33)) };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  const privateKey = createPrivateKey({ key: { ...jwk, d: text(scalar) }, format: 'jwk' });
  const message = Buffer.from('message');
  expect(verify('sha256', message, publicKey, sign('sha256', message, privateKey))).toBe(true);
});
