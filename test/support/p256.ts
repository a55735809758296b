import { createHash, createHmac } from 'node:crypto';
import { expect } from 'vitest';
import { openCore } from './core.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

export const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
export const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export const toBytes = (value: bigint, length = 32): Bytes =>
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

/** FIPS 186-5 §6.4.1 step 2 for any hash: the leftmost 32 bytes, or the integer itself if shorter. */
export function leftmost(hash: Uint8Array): Bytes {
  const out = new Uint8Array(32);
  out.set(hash.subarray(0, 32), Math.max(0, 32 - hash.length));
  return out;
}

/** Candidates for k, RFC 6979 §3.2, or with Z the draft's steps d and f; written anew from the text. */
export function* candidates(hash: string, x: bigint, h: Uint8Array, Z?: Uint8Array): Generator<Bytes> {
  const size = digest(hash, '').length;
  const block = hash === 'sha384' || hash === 'sha512' ? 128 : 64;
  const hmac = (key: Uint8Array, ...parts: Uint8Array[]) =>
    new Uint8Array(
      createHmac(hash, key)
        .update(concat(...parts))
        .digest(),
    );
  const padded = (bytes: Uint8Array) => concat(bytes, new Uint8Array((block - (bytes.length % block)) % block));
  const h1 = toBytes(toInt(leftmost(h)) % n);
  const input = (V: Uint8Array, octet: number) =>
    Z
      ? concat(padded(concat(V, Uint8Array.of(octet), Z)), padded(toBytes(x)), h1)
      : concat(V, Uint8Array.of(octet), toBytes(x), h1);
  let V: Bytes = new Uint8Array(size).fill(1);
  let K: Bytes = new Uint8Array(size);
  for (const octet of [0, 1]) {
    K = hmac(K, input(V, octet));
    V = hmac(K, V);
  }
  for (;;) {
    let T: Bytes = new Uint8Array(0);
    while (T.length < 32) {
      V = hmac(K, V);
      T = concat(T, V);
    }
    yield T.slice(0, 32);
    K = hmac(K, V, Uint8Array.of(0));
    V = hmac(K, V);
  }
}

/** The first candidate in range. */
export function nonce(hash: string, x: bigint, h: Uint8Array, Z?: Uint8Array): bigint {
  for (const bytes of candidates(hash, x, h, Z)) {
    const k = toInt(bytes);
    if (k > 0n && k < n) return k;
  }
  throw new Error('unreachable');
}

/** Scalars where recodings, carries and comparisons have their edges; all in range. */
export const edgeScalars: bigint[] = [
  ...[1n, 2n, 3n, 15n, 16n, 17n, 31n, 32n, 33n, n - 1n, n - 2n, n - 3n, n - 16n, n - 17n, n >> 1n, (n >> 1n) + 1n],
  ...Array.from({ length: 256 }, (_, i) => 1n << BigInt(i)).filter((v, i) => i % 5 === 0 || i > 250 || v === 1n),
  ...Array.from({ length: 32 }, (_, i) => (1n << BigInt(8 * i + 4)) - 1n),
  (1n << 255n) - 1n,
  ((1n << 128n) - 1n) << 64n,
  n - (1n << 200n),
  n - (1n << 128n),
  // Digits of 5 bits that are all 16, all 15, all -16: the ends of Booth's range.
  0x8421084210842108421084210842108421084210842108421084210842108421n % n,
  0x7bdef7bdef7bdef7bdef7bdef7bdef7bdef7bdef7bdef7bdef7bdef7bdef7bden % n,
  0xf83e0f83e0f83e0f83e0f83e0f83e0f83e0f83e0f83e0f83e0f83e0f83e0f83en % n,
  0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaan,
  0x5555555555555555555555555555555555555555555555555555555555555555n,
];

/** The core's P-256 as functions of bytes. Every call checks guards, inputs and that scratch is clean after it. */
export function openP256() {
  const box = openCore();
  const { core, memory } = box;
  core['p256Init']!();
  const scratch = core.SLOTS.value + core.SLOT_SIZE.value * core.SLOT_COUNT.value;
  const words = new BigUint64Array(memory.buffer, scratch, (core.WINDOW.value - scratch) / 8);

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
    if (!words.every((word) => word === 0n)) expect.fail('scratch holds something after the call');
  };
  const u32 = (ptr: number) => new DataView(memory.buffer).getUint32(ptr, true);

  return {
    publicKey(scalar: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(scalar), reserve(65)];
      const ok = core['p256PublicKey']!(inPtr, outPtr);
      end();
      return { ok, point: box.read(outPtr, 65) };
    },
    keyGenerate(seed: Uint8Array) {
      begin();
      const [inPtr, scalarPtr, pointPtr] = [place(seed), reserve(32), reserve(65)];
      const ok = core['p256KeyGenerate']!(scalarPtr, pointPtr, inPtr);
      end();
      return { ok, scalar: box.read(scalarPtr, 32), point: box.read(pointPtr, 65) };
    },
    validate(point: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(point), reserve(65)];
      const ok = core['p256PointValidate']!(inPtr, point.length, outPtr);
      end();
      return { ok, point: box.read(outPtr, 65) };
    },
    sign(list: { scalar: Uint8Array; digest: Uint8Array; noise?: Uint8Array | undefined }[]) {
      begin();
      const outs = list.map(() => reserve(64));
      const batch = list.map((j, i) => [place(j.scalar), place(j.digest), j.noise ? place(j.noise) : 0, outs[i]!]);
      core['p256Sign']!(jobs(batch), list.length);
      end();
      return outs.map((ptr) => box.read(ptr, 64));
    },
    signRaw(scalar: Uint8Array, digest: Uint8Array, k: Uint8Array) {
      begin();
      const outPtr = reserve(64);
      const ok = core['p256SignRaw']!(place(scalar), place(digest), place(k), outPtr);
      end();
      return { ok, signature: box.read(outPtr, 64) };
    },
    verify(list: { point: Uint8Array; digest: Uint8Array; signature: Uint8Array }[]) {
      begin();
      const outs = list.map(() => reserve(4));
      const batch = list.map((j, i) => [place(j.point), place(j.digest), place(j.signature), outs[i]!]);
      core['p256Verify']!(jobs(batch), list.length);
      end();
      return outs.map(u32);
    },
    ecdh(list: { scalar: Uint8Array; point: Uint8Array }[]) {
      begin();
      const outs = list.map(() => ({ out: reserve(32), result: reserve(4) }));
      const batch = list.map((j, i) => [place(j.scalar), place(j.point), outs[i]!.out, outs[i]!.result]);
      core['p256Ecdh']!(jobs(batch), list.length);
      end();
      return outs.map(({ out, result }) => ({ ok: u32(result), shared: box.read(out, 32) }));
    },
    derEncode(signature: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(signature), reserve(72)];
      const length = core['derEncode']!(inPtr, outPtr);
      end();
      return box.read(outPtr, length);
    },
    derDecode(der: Uint8Array) {
      begin();
      const [inPtr, outPtr] = [place(der), reserve(64)];
      const ok = core['derDecode']!(inPtr, der.length, outPtr);
      end();
      return { ok, signature: box.read(outPtr, 64) };
    },
  };
}
