import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import {
  type Bytes,
  CURVES,
  type Curve,
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
import { BITCOIN, RFC6979 } from '../support/rfc6979.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const HASHES = ['sha256', 'sha384', 'sha512'];
const OTHERS = ['sha1', 'sha224'];
const zeros = (length: number) => new Uint8Array(length);
const cores = new Map(CURVES.map((curve) => [curve.name, openCurve(curve)]));
const named = (name: Curve['name']) => ({ curve: CURVES.find((c) => c.name === name)!, core: cores.get(name)! });

/** What the core takes for a digest of any hash: the shorter ones of SHA-1 and SHA-224 are the same integer in 32 bytes. */
function asDigest(hash: string, message: Uint8Array | string): Bytes {
  const h = digest(hash, message);
  return h.length < 32 ? concat(zeros(32 - h.length), h) : h;
}

/** The sections of one curve in a CAVP file, by the curve's name there. */
function cavpEcdsa(path: string, section: string, { size }: Curve) {
  return cavpRecords(cavp(`asymmetric/ECDSA/${path}`))
    .filter((v) => v['section']?.startsWith(`${section},`))
    .map((v) => {
      const hash = v['section']!.split(',')[1]!.replace('SHA-', 'sha');
      const int = (name: string) => toBytes(BigInt(`0x${v[name] ?? '0'}`), size);
      return {
        hash,
        h: asDigest(hash, hex(v['Msg']!)),
        d: int('d'),
        k: int('k'),
        point: concat(Uint8Array.of(4), int('Qx'), int('Qy')),
        signature: concat(int('R'), int('S')),
        result: v['Result'],
      };
    });
}

describe.each(['P-256', 'P-384'] as const)('CAVP, %s', (name) => {
  const { curve, core } = named(name);
  const all = [...OTHERS, ...HASHES];

  test('SigGen: known k', () => {
    const counts: Record<string, number> = {};
    for (const { hash, h, d, k, point, signature } of cavpEcdsa('FIPS_186-3/SigGen.txt', name, curve)) {
      counts[hash] = (counts[hash] ?? 0) + 1;
      expect(core.publicKey(d)).toEqual({ ok: 1, point });
      expect(core.signRaw(d, h, k)).toEqual({ ok: 1, signature });
      expect(core.verify([{ point, digest: h, signature }])).toEqual([1]);
    }
    expect(counts).toEqual(Object.fromEntries(all.map((hash) => [hash, 15])));
  });

  test('SigVer', () => {
    const counts: Record<string, number> = {};
    for (const { hash, h, point, signature, result } of cavpEcdsa('FIPS_186-3/SigVer.rsp', name, curve)) {
      counts[`${hash} ${result![0]}`] = (counts[`${hash} ${result![0]}`] ?? 0) + 1;
      expect(core.verify([{ point, digest: h, signature }])).toEqual([result!.startsWith('P') ? 1 : 0]);
    }
    for (const hash of all) expect([counts[`${hash} P`], counts[`${hash} F`]]).toEqual([3, 12]);
  });
});

test('SigGen of secp256k1, in the form of CAVP: keys and signatures', () => {
  const { curve, core } = named('secp256k1');
  const counts: Record<string, number> = {};
  for (const { hash, h, d, point, signature } of cavpEcdsa('SECP256K1/SigGen.txt', 'K-256', curve)) {
    counts[hash] = (counts[hash] ?? 0) + 1;
    expect(core.publicKey(d)).toEqual({ ok: 1, point });
    expect(core.verify([{ point, digest: h, signature }])).toEqual([1]);
  }
  expect(counts).toEqual({ sha1: 225, sha224: 225, sha256: 225, sha384: 225, sha512: 225 });
});

test('Wycheproof ecdsa_secp256r1_sha256_test', () => {
  const { core } = named('P-256');
  const file = wycheproof('ecdsa_secp256r1_sha256_test.json');
  const counts = { valid: 0, invalid: 0, undecodable: 0 };
  for (const group of file.testGroups) {
    const point = hex(group.publicKey.uncompressed);
    expect(core.validate(point).ok).toBe(1);
    for (const { tcId, msg, sig, result } of group.tests as { tcId: number; [k: string]: unknown }[]) {
      const { ok, signature } = core.derDecode(hex(sig as string));
      if (!ok) counts.undecodable++;
      const h = digest('sha256', hex(msg as string));
      const bit = ok ? core.verify([{ point, digest: h, signature }])[0] : 0;
      expect(bit, `tcId ${tcId}`).toBe(result === 'valid' ? 1 : 0);
      if (ok) expect(core.derEncode(signature), `tcId ${tcId}`).toEqual(hex(sig as string));
      counts[result as 'valid' | 'invalid']++;
    }
  }
  expect(file.numberOfTests).toBe(484);
  expect(counts).toEqual({ valid: 174, invalid: 310, undecodable: 251 });
});

test.each([
  ['P-384', 'ecdsa_secp384r1_sha384_p1363_test', { valid: 193, invalid: 87, wrongLength: 19 }],
  ['secp256k1', 'ecdsa_secp256k1_sha256_p1363_test', { valid: 167, invalid: 85, wrongLength: 18 }],
] as const)('Wycheproof, %s, %s', (name, path, expected) => {
  const { curve, core } = named(name);
  const file = wycheproof(`${path}.json`);
  const counts = { valid: 0, invalid: 0, wrongLength: 0 };
  for (const group of file.testGroups) {
    const point = hex(group.publicKey.uncompressed);
    expect(core.validate(point).ok).toBe(1);
    for (const { tcId, msg, sig, result } of group.tests as { tcId: number; [k: string]: unknown }[]) {
      counts[result as 'valid' | 'invalid']++;
      const signature = hex(sig as string);
      // Lengths are for the caller: the core reads 2·size bytes.
      if (signature.length !== 2 * curve.size) {
        counts.wrongLength++;
        expect(result, `tcId ${tcId}`).toBe('invalid');
        continue;
      }
      const h = digest(curve.hash, hex(msg as string));
      expect(core.verify([{ point, digest: h, signature }]), `tcId ${tcId}`).toEqual([result === 'valid' ? 1 : 0]);
    }
  }
  expect(file.numberOfTests).toBe(expected.valid + expected.invalid);
  expect(counts).toEqual(expected);
});

describe.each(['P-256', 'P-384'] as const)('RFC 6979, %s', (name) => {
  const { curve, core } = named(name);
  const scalar = hex(RFC6979[name].x);
  test.each(RFC6979[name].signatures)('$hash of "$message"', ({ hash, message, k, r, s }) => {
    const signature = hex(r + s);
    const h = digest(hash, message);
    // The reference of the tests, then the curve with that k; with the hashes of the core it derives k itself.
    expect(nonce(curve, hash, toInt(scalar), h)).toBe(BigInt(`0x${k}`));
    expect(core.signRaw(scalar, asDigest(hash, message), hex(k))).toEqual({ ok: 1, signature });
    if (HASHES.includes(hash)) expect(core.sign([{ scalar, digest: h }])).toEqual([signature]);
    const point = new Uint8Array(curve.noble.getPublicKey(scalar, false));
    expect(core.verify([{ point, digest: asDigest(hash, message), signature }])).toEqual([1]);
  });
});

test.each(BITCOIN)('RFC 6979, secp256k1, "$message"', ({ x, message, r, s }) => {
  const { core } = named('secp256k1');
  expect(core.sign([{ scalar: hex(x), digest: digest('sha256', message) }])).toEqual([hex(r + s)]);
});

describe.each(CURVES)('$name', (curve) => {
  const { name, size, n, p, noble } = curve;
  const core = cores.get(name)!;
  const bytes = (value: bigint) => toBytes(value, size);
  const scalarBytes = fc.bigInt({ min: 1n, max: n - 1n }).map((v) => bytes(v));
  const noises = fc.uint8Array({ minLength: size, maxLength: size });
  const pointOf = (scalar: Uint8Array) => new Uint8Array(noble.getPublicKey(scalar, false));
  const verifyOne = (point: Uint8Array, h: Uint8Array, signature: Uint8Array) =>
    core.verify([{ point, digest: h, signature }])[0];
  const hashSize = digest(curve.hash, '').length;
  const message = (text: string) => digest(curve.hash, text);

  /** r ‖ s by BigInt from noble's points. */
  function signReference(d: bigint, h: Uint8Array, k: bigint): Bytes {
    const r = noble.Point.BASE.multiply(k).toAffine().x % n;
    const s = mod(power(k, n - 2n, n) * (leftmost(curve, h) + r * d), n);
    return concat(bytes(r), bytes(s));
  }

  test.each(HASHES)('hedged signatures follow the draft: k from x, digest and Z, with %s', (hash) => {
    const length = digest(hash, '').length;
    const digests = fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(scalarBytes, digests, noises, (scalar, h, Z) => {
        const d = toInt(scalar);
        const [hedged, plain] = core.sign([
          { scalar, digest: h, noise: Z },
          { scalar, digest: h },
        ]);
        expect(hedged).toEqual(signReference(d, h, nonce(curve, hash, d, h, Z)));
        expect(plain).toEqual(signReference(d, h, nonce(curve, hash, d, h)));
        expect(verifyOne(pointOf(scalar), h, hedged!)).toBe(1);
      }),
      {
        numRuns: 15,
        examples: [
          [bytes(n - 1n), zeros(length), zeros(size)],
          [bytes(1n), zeros(length).fill(255), bytes(p)],
        ],
      },
    );
  });

  test('plain RFC 6979 equals noble', () => {
    const digests = fc.uint8Array({ minLength: hashSize, maxLength: hashSize });
    fc.assert(
      fc.property(scalarBytes, digests, (scalar, h) => {
        const expected = noble.sign(h, scalar, { prehash: false, lowS: false });
        expect(core.sign([{ scalar, digest: h }])).toEqual([new Uint8Array(expected)]);
      }),
      { numRuns: 30 },
    );
  });

  test('edge scalars as d and as k, edge digests of every length', () => {
    const values = [0n, 1n, n - 1n, n, n + 1n, (1n << BigInt(8 * size)) - 1n];
    const digests = [32, 48, 64].flatMap((length) =>
      values.map((v) =>
        length < size ? bytes(v).slice(size - length) : concat(bytes(v), zeros(length - size).fill(3)),
      ),
    );
    const edges = edgeScalars(curve);
    edges.forEach((d, i) => {
      const k = edges[edges.length - 1 - i]!;
      const h = digests[i % digests.length]!;
      const { ok, signature } = core.signRaw(bytes(d), h, bytes(k));
      expect(ok).toBe(1);
      expect(signature).toEqual(signReference(d, h, k));
      expect(verifyOne(pointOf(bytes(d)), h, signature)).toBe(1);
    });
  });

  test.each(HASHES)('what node and noble sign with %s verifies here, and the reverse', (hash) => {
    for (let i = 0; i < 12; i++) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve.node });
      const jwk = privateKey.export({ format: 'jwk' });
      const part = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'));
      const point = concat(Uint8Array.of(4), part(jwk.x!), part(jwk.y!));
      const scalar = part(jwk.d!);
      const text = randomBytes(i * 7);
      const h = digest(hash, text);
      expect(verifyOne(point, h, sign(hash, text, { key: privateKey, dsaEncoding: 'ieee-p1363' }))).toBe(1);
      expect(verifyOne(point, h, noble.sign(h, scalar, { prehash: false }))).toBe(1);
      const [ours] = core.sign([{ scalar, digest: h, noise: randomBytes(size) }]);
      expect(verify(hash, text, { key: publicKey, dsaEncoding: 'ieee-p1363' }, ours!)).toBe(true);
      expect(noble.verify(ours!, h, point, { prehash: false, lowS: false })).toBe(true);
      const der = core.derEncode(ours!);
      expect(verify(hash, text, publicKey, der)).toBe(true);
      const decoded = core.derDecode(sign(hash, text, privateKey));
      expect(decoded.ok).toBe(1);
      expect(verifyOne(point, h, decoded.signature)).toBe(1);
    }
  });

  test('scalars and k out of range give zeros and leave neighbours alone', () => {
    const good = bytes(5n);
    const h = message('x');
    for (const value of [0n, n, n + 1n, (1n << BigInt(8 * size)) - 1n]) {
      const bad = bytes(value);
      for (const hashed of [h, zeros(hashSize)]) {
        const [first, second, third] = core.sign([
          { scalar: good, digest: hashed },
          { scalar: bad, digest: hashed },
          { scalar: good, digest: hashed },
        ]);
        expect(second).toEqual(zeros(2 * size));
        expect(first).toEqual(signReference(5n, hashed, nonce(curve, curve.hash, 5n, hashed)));
        expect(third).toEqual(first);
        expect(core.signRaw(bad, hashed, good)).toEqual({ ok: 0, signature: zeros(2 * size) });
        expect(core.signRaw(good, hashed, bad)).toEqual({ ok: 0, signature: zeros(2 * size) });
      }
    }
  });

  test('s = 0 is not a signature', () => {
    const [d, k] = [77n, 99n];
    const r = noble.Point.BASE.multiply(k).toAffine().x % n;
    const h = bytes(mod(-r * d, n));
    expect(core.signRaw(bytes(d), h, bytes(k))).toEqual({ ok: 0, signature: zeros(2 * size) });
  });

  test('verify: one changed bit anywhere, r and s out of range, high and low s, other encodings of the key', () => {
    const scalar = bytes(0x1234567890abcdefn);
    const point = pointOf(scalar);
    const h = message('message');
    const signature = core.sign([{ scalar, digest: h }])[0]!;
    expect(verifyOne(point, h, signature)).toBe(1);
    const [r, s] = [toInt(signature.subarray(0, size)), toInt(signature.subarray(size))];
    const withS = (r2: bigint, s2: bigint) => verifyOne(point, h, concat(bytes(r2), bytes(s2)));
    expect(withS(r, n - s)).toBe(1);
    for (const bad of [0n, n, n + 1n, (1n << BigInt(8 * size)) - 1n]) {
      expect(withS(bad, s)).toBe(0);
      expect(withS(r, bad)).toBe(0);
      expect(withS(bad, bad)).toBe(0);
    }
    const flip = (of: Uint8Array, bit: number) => of.map((v, i) => (i === bit >> 3 ? v ^ (1 << (bit & 7)) : v));
    for (let bit = 0; bit < 16 * size; bit += 5) expect(verifyOne(point, h, flip(signature, bit))).toBe(0);
    for (let bit = 0; bit < 8 * hashSize; bit += 5) expect(verifyOne(point, flip(h, bit), signature)).toBe(0);
    for (let bit = 0; bit < 8 * point.length; bit += 7) expect(verifyOne(flip(point, bit), h, signature)).toBe(0);
    for (const form of [0, 2, 3, 5, 6, 7]) {
      expect(verifyOne(concat(Uint8Array.of(form), point.subarray(1)), h, signature)).toBe(0);
    }
  });

  test('verify: x of R between n and p, R = O, and both products equal or opposite', () => {
    // The smallest x > n on the curve: r = x - n.
    let x = n + 1n;
    while (power(curve.rightSide(x), (p - 1n) / 2n, p) !== 1n) x++;
    expect(x < p).toBe(true);
    const R = noble.Point.fromHex(`02${Buffer.from(bytes(x)).toString('hex')}`);
    const [r, s, e] = [x - n, 12345n, 67890n];
    const key = new Uint8Array(
      R.multiply(s)
        .subtract(noble.Point.BASE.multiply(e))
        .multiply(power(r, n - 2n, n))
        .toBytes(false),
    );
    expect(verifyOne(key, bytes(e), concat(bytes(r), bytes(s)))).toBe(1);
    expect(verifyOne(key, bytes(e), concat(bytes(r + 1n), bytes(s)))).toBe(0);
    expect(verifyOne(key, bytes(e), concat(bytes(x), bytes(s)))).toBe(0);
    // u1·G + u2·Q with Q = d·G: e = -r·d makes it O, e = r·d makes both products one point.
    const d = 424242n;
    const point = pointOf(bytes(d));
    for (const r1 of [1n, 5n, n - 1n]) {
      for (const s1 of [1n, 7n, n - 1n]) {
        expect(verifyOne(point, bytes(mod(-r1 * d, n)), concat(bytes(r1), bytes(s1)))).toBe(0);
      }
    }
    for (const k of [2n, 99n]) {
      const r1 = noble.Point.BASE.multiply(k).toAffine().x % n;
      const s1 = mod(2n * r1 * d * power(k, n - 2n, n), n);
      expect(verifyOne(point, bytes(mod(r1 * d, n)), concat(bytes(r1), bytes(s1)))).toBe(1);
    }
  });

  const sizes = [0, 1, 2, 3, 4, 5, 8, 17, 64];
  // Nonces go side by side where four in a row have noise, or none.
  const forms = [
    ['hedged', () => true],
    ['plain', () => false],
    ['now hedged, now plain', (i: number) => i % 3 > 0],
    ['four plain, then hedged', (i: number) => i > 3],
  ] as const;
  const batches = sizes.flatMap((count) => forms.map(([form, hedged]) => [count, form, hedged] as const));
  test.each(batches)('batches of %i jobs, each with its own data, %s', (count, _, hedged) => {
    const jobs = Array.from({ length: count }, (_, i) => ({
      scalar: bytes(toInt(digest('sha512', `key ${i}`)) % n),
      digest: message(`message ${i}`),
      noise: hedged(i) ? digest('sha512', `noise ${i}`).slice(0, size) : undefined,
    }));
    const signatures = core.sign(jobs);
    jobs.forEach((job, i) => {
      expect(signatures[i]).toEqual(core.sign([job])[0]);
    });
    expect(new Set(signatures.map((v) => Buffer.from(v).toString('hex'))).size).toBe(count);
    const checks = jobs.map((job, i) => ({
      point: pointOf(job.scalar),
      digest: job.digest,
      signature: signatures[i]!,
    }));
    expect(core.verify(checks)).toEqual(jobs.map(() => 1));
    // Every other job gets its neighbour's signature.
    const mixed = checks.map((job, i) => (i % 2 ? { ...job, signature: signatures[i - 1]! } : job));
    expect(core.verify(mixed)).toEqual(jobs.map((_, i) => (i % 2 ? 0 : 1)));
  });

  test('keys made here are keys to node', () => {
    const { ok, scalar, point } = core.keyGenerate(digest('sha512', 'seed').slice(0, size + 16));
    expect(ok).toBe(1);
    const text = (of: Uint8Array) => Buffer.from(of).toString('base64url');
    const jwk = { kty: 'EC', crv: name, x: text(point.subarray(1, 1 + size)), y: text(point.subarray(1 + size)) };
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    const privateKey = createPrivateKey({ key: { ...jwk, d: text(scalar) }, format: 'jwk' });
    const data = Buffer.from('message');
    expect(verify('sha256', data, publicKey, sign('sha256', data, privateKey))).toBe(true);
  });
});
