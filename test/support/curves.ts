import { createHash, createHmac } from 'node:crypto';
import { p256, p384 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { expect } from 'vitest';
import { openCore } from './core.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

/** A curve as the core numbers it, the standards, node and noble name it; numbers are from noble, sizes in bytes. */
export interface Curve {
  readonly name: 'P-256' | 'P-384' | 'secp256k1';
  readonly number: number;
  readonly size: number;
  /** Of the hash that goes with it. */
  readonly hash: string;
  readonly node: string;
  readonly noble: typeof p256;
  readonly p: bigint;
  readonly n: bigint;
  /** x^3 + ax + b */
  rightSide(x: bigint): bigint;
}

function curve(
  name: Curve['name'],
  number: number,
  size: number,
  hash: string,
  node: string,
  noble: typeof p256,
): Curve {
  const { p, n, a, b } = noble.Point.CURVE();
  return { name, number, size, hash, node, noble, p, n, rightSide: (x) => mod(x * x * x + a * x + b, p) };
}

export const CURVES: readonly Curve[] = [
  curve('P-256', 1, 32, 'sha256', 'prime256v1', p256),
  curve('P-384', 2, 48, 'sha384', 'secp384r1', p384),
  curve('secp256k1', 3, 32, 'sha256', 'secp256k1', secp256k1),
];

/** The core's number of the hash whose digests are this long. */
const hashOfSize: Record<number, number> = { 32: 1, 48: 2, 64: 3 };

export const toBytes = (value: bigint, length: number): Bytes =>
  new Uint8Array(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'));
export const toInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
export const concat = (...parts: Uint8Array[]): Bytes => new Uint8Array(Buffer.concat(parts));
export const digest = (hash: string, message: Uint8Array | string): Bytes =>
  new Uint8Array(createHash(hash).update(message).digest());
export const mod = (a: bigint, m: bigint): bigint => ((a % m) + m) % m;

export function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let result = 1n;
  for (let b = mod(base, m), e = exponent; e > 0n; e >>= 1n, b = (b * b) % m) if (e & 1n) result = (result * b) % m;
  return result;
}

/** FIPS 186-5 §6.4.1 step 2 for any hash: the leftmost 8·size bits of a digest as an integer. */
export const leftmost = ({ size }: Curve, hash: Uint8Array): bigint => toInt(hash.subarray(0, size));

/** Candidates for k, RFC 6979 §3.2, or with Z the draft's steps d and f; written anew from the text. */
export function* candidates(c: Curve, hash: string, x: bigint, h: Uint8Array, Z?: Uint8Array): Generator<Bytes> {
  const hashSize = digest(hash, '').length;
  const block = hash === 'sha384' || hash === 'sha512' ? 128 : 64;
  const hmac = (key: Uint8Array, ...parts: Uint8Array[]) =>
    new Uint8Array(
      createHmac(hash, key)
        .update(concat(...parts))
        .digest(),
    );
  const padded = (bytes: Uint8Array) => concat(bytes, new Uint8Array((block - (bytes.length % block)) % block));
  const octets = toBytes(x, c.size);
  const h1 = toBytes(leftmost(c, h) % c.n, c.size);
  const input = (V: Uint8Array, octet: number) =>
    Z
      ? concat(padded(concat(V, Uint8Array.of(octet), Z)), padded(octets), h1)
      : concat(V, Uint8Array.of(octet), octets, h1);
  let V: Bytes = new Uint8Array(hashSize).fill(1);
  let K: Bytes = new Uint8Array(hashSize);
  for (const octet of [0, 1]) {
    K = hmac(K, input(V, octet));
    V = hmac(K, V);
  }
  for (;;) {
    let T: Bytes = new Uint8Array(0);
    while (T.length < c.size) {
      V = hmac(K, V);
      T = concat(T, V);
    }
    yield T.slice(0, c.size);
    K = hmac(K, V, Uint8Array.of(0));
    V = hmac(K, V);
  }
}

/** The first candidate in range. */
export function nonce(c: Curve, hash: string, x: bigint, h: Uint8Array, Z?: Uint8Array): bigint {
  for (const bytes of candidates(c, hash, x, h, Z)) {
    const k = toInt(bytes);
    if (k > 0n && k < c.n) return k;
  }
  throw new Error('unreachable');
}

/** Scalars where recodings, carries and comparisons have their edges; all in range. */
export function edgeScalars({ n, size }: Curve): bigint[] {
  const bits = 8 * size;
  const repeat = (digits: string) => BigInt(`0x${digits.repeat(2 * size).slice(0, 2 * size)}`) % n;
  return [
    ...[1n, 2n, 3n, 15n, 16n, 17n, 31n, 32n, 33n, n - 1n, n - 2n, n - 3n, n - 16n, n - 17n, n >> 1n, (n >> 1n) + 1n],
    ...Array.from({ length: bits }, (_, i) => 1n << BigInt(i)).filter((_, i) => i % 5 === 0 || i > bits - 6),
    ...Array.from({ length: size }, (_, i) => (1n << BigInt(8 * i + 4)) - 1n),
    (1n << BigInt(bits - 1)) - 1n,
    ((1n << BigInt(bits / 2)) - 1n) << BigInt(bits / 4),
    n - (1n << BigInt(bits - 56)),
    n - (1n << BigInt(bits / 2)),
    // Digits of 5 bits that are all 16, all 15, all -16: the ends of Booth's range.
    ...['84210', '7bdef', 'f83e0', 'a', '5'].map(repeat),
  ];
}

/** The hash of a batch: that of its first digest. */
const hashOf = (list: readonly { digest: Uint8Array }[]): number => hashOfSize[list[0]?.digest.length ?? 32]!;

/**
 * One curve of the core as functions of bytes; the length of a digest names its hash. Every call checks guards, inputs
 * and that scratch is clean after it.
 */
export function openCurve({ number, size }: Curve) {
  const box = openCore();
  const { core, memory } = box;
  core['ecInit']!();
  const encoded = 2 * size + 1;
  const scratch = core.SLOTS.value + core.SLOT_SIZE.value * core.SLOT_COUNT.value;
  const used = memory.subarray(scratch, core.WINDOW.value);
  const zeros = new Uint8Array(used.length);

  let skew = 0;
  let placed: { ptr: number; bytes: Uint8Array }[] = [];
  let outputs: { ptr: number; length: number }[] = [];
  const begin = () => {
    box.reset();
    placed = [];
    outputs = [];
  };
  const place = (bytes: Uint8Array): number => {
    skew = (skew + 5) & 15;
    const ptr = box.place(bytes, skew);
    placed.push({ ptr, bytes: new Uint8Array(bytes) });
    return ptr;
  };
  const reserve = (length: number): number => {
    skew = (skew + 3) & 15;
    const ptr = box.reserve(length, skew);
    outputs.push({ ptr, length });
    return ptr;
  };
  const jobs = (list: number[][]): number => place(new Uint8Array(Uint32Array.from(list.flat()).buffer));
  const end = () => {
    for (const { ptr, bytes } of placed) {
      if (Buffer.compare(box.read(ptr, bytes.length), bytes) !== 0) expect.fail('an input was changed');
      if (!box.guarded(ptr, bytes.length)) expect.fail('written around an input');
    }
    for (const { ptr, length } of outputs) if (!box.guarded(ptr, length)) expect.fail('written around an output');
    if (Buffer.compare(used, zeros) !== 0) expect.fail('scratch holds something after the call');
  };
  const u32 = (ptr: number) => new DataView(memory.buffer).getUint32(ptr, true);

  return {
    publicKey(scalar: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(scalar), reserve(encoded)];
      const ok = core['ecPublicKey']!(number, inPtr, outPtr);
      end();
      return { ok, point: box.read(outPtr, encoded) };
    },
    keyGenerate(seed: Uint8Array) {
      begin();
      const [inPtr, scalarPtr, pointPtr] = [place(seed), reserve(size), reserve(encoded)];
      const ok = core['ecKeyGenerate']!(number, scalarPtr, pointPtr, inPtr);
      end();
      return { ok, scalar: box.read(scalarPtr, size), point: box.read(pointPtr, encoded) };
    },
    keyGenerateMany(seeds: readonly Uint8Array[]) {
      begin();
      const outs = seeds.map(() => ({ scalar: reserve(size), point: reserve(encoded), result: reserve(4) }));
      const batch = seeds.map((seed, i) => [outs[i]!.scalar, outs[i]!.point, place(seed), outs[i]!.result]);
      core['ecKeyGenerateMany']!(number, jobs(batch), seeds.length);
      end();
      return outs.map(({ scalar, point, result }) => ({
        ok: u32(result),
        scalar: box.read(scalar, size),
        point: box.read(point, encoded),
      }));
    },
    validate(point: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(point), reserve(encoded)];
      const ok = core['ecPointValidate']!(number, inPtr, point.length, outPtr);
      end();
      return { ok, point: box.read(outPtr, encoded) };
    },
    sign(list: { scalar: Uint8Array; digest: Uint8Array; noise?: Uint8Array | undefined }[]) {
      begin();
      const outs = list.map(() => reserve(2 * size));
      const batch = list.map((j, i) => [place(j.scalar), place(j.digest), j.noise ? place(j.noise) : 0, outs[i]!]);
      core['ecdsaSign']!(number, hashOf(list), jobs(batch), list.length);
      end();
      return outs.map((ptr) => box.read(ptr, 2 * size));
    },
    signRaw(scalar: Uint8Array, digest: Uint8Array, k: Uint8Array) {
      begin();
      const outPtr = reserve(2 * size);
      const ok = core['ecdsaSignRaw']!(
        number,
        hashOfSize[digest.length]!,
        place(scalar),
        place(digest),
        place(k),
        outPtr,
      );
      end();
      return { ok, signature: box.read(outPtr, 2 * size) };
    },
    verify(list: { point: Uint8Array; digest: Uint8Array; signature: Uint8Array }[]) {
      begin();
      const outs = list.map(() => reserve(4));
      const batch = list.map((j, i) => [place(j.point), place(j.digest), place(j.signature), outs[i]!]);
      core['ecdsaVerify']!(number, hashOf(list), jobs(batch), list.length);
      end();
      return outs.map(u32);
    },
    ecdh(list: { scalar: Uint8Array; point: Uint8Array }[]) {
      begin();
      const outs = list.map(() => ({ out: reserve(size), result: reserve(4) }));
      const batch = list.map((j, i) => [place(j.scalar), place(j.point), outs[i]!.out, outs[i]!.result]);
      core['ecdh']!(number, jobs(batch), list.length);
      end();
      return outs.map(({ out, result }) => ({ ok: u32(result), shared: box.read(out, size) }));
    },
    derEncode(signature: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(signature), reserve(2 * size + 8)];
      const length = core['derEncode']!(size, inPtr, outPtr);
      end();
      return box.read(outPtr, length);
    },
    derDecode(der: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(der), reserve(2 * size)];
      const ok = core['derDecode']!(size, inPtr, der.length, outPtr);
      end();
      return { ok, signature: box.read(outPtr, 2 * size) };
    },
  };
}
