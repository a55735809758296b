import { type CipherGCMTypes, createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AES_KEY_LENGTHS, bytesOf, openAes } from '../support/aes.ts';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const aes = openAes();
const { core } = aes;

/** Ciphertext ‖ tag by node:crypto. */
function peerSeal(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-gcm` as CipherGCMTypes, key, iv);
  cipher.setAAD(aad);
  return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
}

// Buffer.compare: a deep comparison of long arrays is too slow to be made often.
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
const untouched = (out: Uint8Array) => out.every((b) => b === 0x5c);

function expectBothWays(
  key: Uint8Array,
  iv: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  place: { inPlace?: boolean; skew?: number },
) {
  const sealed = peerSeal(key, iv, aad, plaintext);
  const ours = aes.gcmSeal(key, iv, aad, plaintext, place);
  const opened = aes.gcmOpen(key, iv, aad, sealed, place);
  const ok =
    ours.result === 1 &&
    same(ours.out, sealed) &&
    ours.inputKept &&
    ours.guarded &&
    opened.result === 1 &&
    same(opened.out, plaintext) &&
    opened.inputKept &&
    opened.guarded;
  if (!ok) expect.fail(`key ${key.length}, iv ${iv.length}, aad ${aad.length}, plaintext ${plaintext.length}`);
}

/** GF(2^128) as SP 800-38D §6.3 writes it, slowly. */
function multiply(x: bigint, y: bigint): bigint {
  let z = 0n;
  for (let bit = 127n, v = y; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) z ^= v;
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
  }
  return z;
}

const toNumber = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

function hashKey(key: Uint8Array): bigint {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
  return toNumber(cipher.update(new Uint8Array(16)));
}

/** The IV of 16 bytes that leads to J0: since J0 = (IV·H ⊕ 128)·H, it is (J0·H⁻¹ ⊕ 128)·H⁻¹. */
function ivFor(H: bigint, J0: bigint): Uint8Array {
  let inverse = 1n << 127n; // H^(2^128 - 2)
  for (let bit = 1, square = H; bit < 128; bit++) {
    square = multiply(square, square);
    inverse = multiply(inverse, square);
  }
  expect(multiply(inverse, H)).toBe(1n << 127n);
  return hex(
    multiply(multiply(J0, inverse) ^ 128n, inverse)
      .toString(16)
      .padStart(32, '0'),
  );
}

test('CAVP gcmEncryptExtIV: every ciphertext, and every tag as far as the file gives it', () => {
  const counts = { passed: 0, wholeTag: 0 };
  for (const bits of [128, 192, 256]) {
    for (const vector of cavpRecords(cavp(`ciphers/AES/GCM/gcmEncryptExtIV${bits}.rsp`))) {
      const [key, iv, aad, pt] = ['Key', 'IV', 'AAD', 'PT'].map((name) => hex(vector[name]!)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      const expected = hex(vector['CT']! + vector['Tag']!);
      const { result, out } = aes.gcmSeal(key, iv, aad, pt);
      if (result !== 1 || !same(out.subarray(0, expected.length), expected)) expect.fail(JSON.stringify(vector));
      counts.passed++;
      if (vector['Taglen'] === '128') counts.wholeTag++;
    }
  }
  expect(counts).toEqual({ passed: 23625, wholeTag: 3375 });
});

test('CAVP gcmDecrypt: tags of 16 bytes verify or fail as they should; shorter ones are never taken', () => {
  const counts = { passed: 0, refusedForged: 0, refusedShortTag: 0 };
  for (const bits of [128, 192, 256]) {
    for (const vector of cavpRecords(cavp(`ciphers/AES/GCM/gcmDecrypt${bits}.rsp`))) {
      const [key, iv, aad, sealed] = [
        vector['Key']!,
        vector['IV']!,
        vector['AAD']!,
        vector['CT']! + vector['Tag']!,
      ].map(hex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      const { result, out } = aes.gcmOpen(key, iv, aad, sealed);
      if (vector['Taglen'] !== '128') {
        // The kernel has no tag length to ask for: authentic or not, a short tag is a wrong one.
        if (result !== 0 || !untouched(out)) expect.fail(JSON.stringify(vector));
        counts.refusedShortTag++;
      } else if ('FAIL' in vector) {
        if (result !== 0 || !untouched(out)) expect.fail(JSON.stringify(vector));
        counts.refusedForged++;
      } else {
        if (result !== 1 || !same(out, hex(vector['PT']!))) expect.fail(JSON.stringify(vector));
        counts.passed++;
      }
    }
  }
  expect(counts).toEqual({ passed: 1651, refusedForged: 1724, refusedShortTag: 20250 });
});

test('every length from 0 to 257, both ways, at odd addresses, agrees with node:crypto', () => {
  for (const keyLen of AES_KEY_LENGTHS) {
    for (let length = 0; length <= 257; length++) {
      const key = bytesOf(`key ${keyLen} ${length}`, keyLen);
      const aad = bytesOf(`aad ${length}`, (length * 7) % 61);
      expectBothWays(key, bytesOf(`iv ${length}`, 12), aad, bytesOf(`plaintext ${length}`, length), {
        skew: length % 16,
        inPlace: length % 2 === 1,
      });
    }
  }
});

test('every length of associated data and of IV', () => {
  const key = bytesOf('key', 32);
  for (let length = 0; length <= 257; length++) {
    expectBothWays(key, bytesOf('iv', 12), bytesOf(`aad ${length}`, length), bytesOf('p', 33), { skew: length % 16 });
    if (length === 0 || length > 128) continue; // node:crypto takes IVs up to 128 bytes
    expectBothWays(key, bytesOf(`iv ${length}`, length), bytesOf('aad', 5), bytesOf('p', 70), { skew: length % 16 });
  }
});

test('a J0 that was hashed, whatever its last byte, with long messages', () => {
  const key = bytesOf('key', 32);
  for (let length = 112; length <= 1400; length += 23) {
    expectBothWays(key, bytesOf(`iv ${length}`, 16), bytesOf('aad', 5), bytesOf('p', length), { skew: length % 16 });
  }
});

test('longer IVs agree with the IV of 16 bytes that has the same J0', () => {
  const key = bytesOf('key', 32);
  const [aad, plaintext] = [bytesOf('aad', 5), bytesOf('p', 70)];
  const H = hashKey(key);
  for (let length = 129; length <= 1100; length += length < 257 ? 1 : 53) {
    const iv = bytesOf(`iv ${length}`, length);
    const padded = new Uint8Array(Math.ceil(length / 16) * 16 + 16);
    padded.set(iv);
    new DataView(padded.buffer).setUint32(padded.length - 4, length * 8);
    let J0 = 0n;
    for (let at = 0; at < padded.length; at += 16) J0 = multiply(J0 ^ toNumber(padded.subarray(at, at + 16)), H);
    const expected = peerSeal(key, ivFor(H, J0), aad, plaintext);
    expect(same(aes.gcmSeal(key, iv, aad, plaintext, { skew: length % 16 }).out, expected)).toBe(true);
  }
});

test('a counter that wraps mod 2^32 inside a message leaves the upper 96 bits alone', () => {
  const key = bytesOf('wrap', 16);
  const high = toNumber(bytesOf('J0', 12)) << 32n;
  for (const counter of [0xffffffffn, 0xfffffffen, 0xfffffffdn, 0xfffffffbn, 0xfffffff0n]) {
    expectBothWays(key, ivFor(hashKey(key), high | counter), new Uint8Array(0), bytesOf('p', 700), {});
  }
});

// 48 blocks together is where further powers of H are made: lengths on both sides, and every remainder by 64.
test('lengths around the step to four powers of H', () => {
  const key = bytesOf('key', 16);
  for (let length = 700; length <= 840; length++) {
    expectBothWays(key, bytesOf('iv', 12), bytesOf('a', 3), bytesOf(`p ${length}`, length), {
      inPlace: length % 3 === 0,
    });
    expectBothWays(key, bytesOf('iv', 12), bytesOf(`a ${length}`, length), bytesOf('p', 3), {});
  }
});

test('a context that has made its tables gives the same as a fresh one', () => {
  aes.reset();
  const key = bytesOf('key', 24);
  const iv = bytesOf('iv', 12);
  const ctxPtr = aes.expand(key);
  const ivPtr = aes.place(iv);
  const inPtr = aes.reserve(5000);
  const outPtr = aes.reserve(5016);
  for (const length of [0, 20, 5000, 20, 64, 65, 0, 1000]) {
    const plaintext = bytesOf(`p ${length}`, length);
    aes.memory.set(plaintext, inPtr);
    expect(core['gcmSeal']!(ctxPtr, ivPtr, 12, ivPtr, 12, inPtr, length, outPtr)).toBe(1);
    expect(same(aes.read(outPtr, length + 16), peerSeal(key, iv, iv, plaintext))).toBe(true);
  }
});

test.each([false, true])('1 MiB and a bit, in place %s', (inPlace) => {
  for (const keyLen of AES_KEY_LENGTHS) {
    const plaintext = bytesOf(`large ${keyLen}`, 1048576 + 37);
    expectBothWays(bytesOf('key', keyLen), bytesOf('iv', 12), bytesOf('aad', 1001), plaintext, { inPlace, skew: 1 });
  }
});

test('one flipped bit anywhere is refused and nothing is written', () => {
  const key = bytesOf('key', 32);
  const parts = { iv: bytesOf('iv', 12), aad: bytesOf('aad', 21), sealed: new Uint8Array(0) };
  const plaintext = bytesOf('plaintext', 37);
  parts.sealed = new Uint8Array(peerSeal(key, parts.iv, parts.aad, plaintext));
  let refused = 0;
  for (const name of ['iv', 'aad', 'sealed'] as const) {
    for (let bit = 0; bit < parts[name].length * 8; bit++) {
      const forged = { ...parts, [name]: parts[name].slice() };
      forged[name]![bit >> 3]! ^= 1 << (bit & 7);
      const apart = aes.gcmOpen(key, forged.iv, forged.aad, forged.sealed);
      expect(apart.result === 0 && untouched(apart.out) && apart.inputKept && apart.guarded).toBe(true);
      const inPlace = aes.gcmOpen(key, forged.iv, forged.aad, forged.sealed, { inPlace: true });
      expect(inPlace.result === 0 && same(inPlace.out, forged.sealed.subarray(0, 37))).toBe(true);
      refused++;
    }
  }
  expect(refused).toBe((12 + 21 + 53) * 8);
});

test('truncated, extended and moved boundaries are refused', () => {
  const [key, iv, aad] = [bytesOf('key', 16), bytesOf('iv', 12), bytesOf('aad', 16)];
  const sealed = peerSeal(key, iv, aad, bytesOf('p', 32));
  for (let length = 0; length < sealed.length; length++) {
    expect(aes.gcmOpen(key, iv, aad, sealed.slice(0, length)).result).toBe(0);
  }
  expect(aes.gcmOpen(key, iv, aad, Uint8Array.from([...sealed, 0])).result).toBe(0);
  expect(aes.gcmOpen(key, iv, aad.slice(0, 15), sealed).result).toBe(0);
  expect(aes.gcmOpen(key, iv, Uint8Array.from([...aad, 0]), sealed).result).toBe(0);
  expect(aes.gcmOpen(key, iv, new Uint8Array(0), Uint8Array.from([...aad, ...sealed])).result).toBe(0);
});

test('lengths out of range are refused and nothing is written', () => {
  aes.reset();
  const ctxPtr = aes.expand(bytesOf('key', 32));
  const ptr = aes.place(bytesOf('data', 64));
  const outPtr = aes.reserve(128);
  const room = core.WINDOW_SIZE.value;
  for (const [ivLen, aadLen, inLen] of [
    [0, 0, 16],
    [room + 1, 0, 16],
    [12, room + 1, 16],
    [12, 0, room - 15],
    [12, 0, -1],
    [-1, 0, 16],
    [12, -1, 16],
  ] as const) {
    expect(core['gcmSeal']!(ctxPtr, ptr, ivLen, ptr, aadLen, ptr, inLen, outPtr)).toBe(0);
  }
  for (const [ivLen, aadLen, inLen] of [
    [0, 0, 32],
    [12, 0, 15],
    [12, 0, 0],
    [12, 0, room + 1],
    [12, 0, -1],
    [room + 1, 0, 32],
    [12, room + 1, 32],
  ] as const) {
    expect(core['gcmOpen']!(ctxPtr, ptr, ivLen, ptr, aadLen, ptr, inLen, outPtr)).toBe(0);
  }
  expect(aes.read(outPtr, 128).every((b) => b === 0xa5)).toBe(true);
});

test('scratch holds nothing when a call is over', () => {
  const clean = () => aes.memory.subarray(core['firstRegion']!(), core.WINDOW.value).every((b) => b === 0);
  const [key, iv, aad] = [bytesOf('key', 32), bytesOf('iv', 33), bytesOf('aad', 7)];
  for (const length of [0, 5, 17, 63, 900]) {
    const sealed = aes.gcmSeal(key, iv, aad, bytesOf('p', length)).out;
    expect(clean()).toBe(true);
    expect(aes.gcmOpen(key, iv, aad, sealed).result).toBe(1);
    expect(clean()).toBe(true);
    sealed[0]! ^= 1;
    expect(aes.gcmOpen(key, iv, aad, sealed).result).toBe(0);
    expect(clean()).toBe(true);
  }
});

test('anything agrees with node:crypto', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...AES_KEY_LENGTHS).chain((n) => fc.uint8Array({ minLength: n, maxLength: n })),
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 2000, size: 'max' }),
      fc.nat(15),
      fc.boolean(),
      (key, iv, aad, plaintext, skew, inPlace) => expectBothWays(key, iv, aad, plaintext, { skew, inPlace }),
    ),
    { numRuns: 300, endOnFailure: true },
  );
});
