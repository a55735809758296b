import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AES_KEY_LENGTHS, bytesOf, openAes, SP800_38A } from '../support/aes.ts';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const aes = openAes();
const { core } = aes;

/** out, after the checks of what else must and must not have changed. */
function ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array, place: { inPlace?: boolean; skew?: number } = {}) {
  aes.reset();
  const ctxPtr = aes.expand(key, place.skew);
  const ivPtr = aes.place(iv, place.skew);
  const { result, out, inputKept, guarded } = aes.run(data, data.length, place, (inPtr, outPtr) =>
    core['aesCtr']!(ctxPtr, ivPtr, inPtr, data.length, outPtr),
  );
  expect(result).toBe(1);
  expect(inputKept && guarded && aes.guarded(ctxPtr, aes.ctxSize) && aes.guarded(ivPtr, 16)).toBe(true);
  expect(aes.read(ivPtr, 16)).toEqual(iv);
  return out;
}

const byNode = (key: Uint8Array, iv: Uint8Array, data: Uint8Array) =>
  new Uint8Array(createCipheriv(`aes-${8 * key.length}-ctr`, key, iv).update(data));

test.each([
  [
    '128',
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee',
  ],
  [
    '192',
    '1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050',
  ],
  [
    '256',
    '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6',
  ],
] as const)('SP 800-38A F.5, AES-%s', (bits, ciphertext) => {
  const iv = hex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
  expect(ctr(SP800_38A.keys[bits], iv, SP800_38A.plaintext)).toEqual(hex(ciphertext));
  expect(ctr(SP800_38A.keys[bits], iv, hex(ciphertext))).toEqual(SP800_38A.plaintext);
});

test.each(['128', '192', '256'])('RFC 3686 §6, AES-%s', (bits) => {
  const records = cavpRecords(cavp(`ciphers/AES/CTR/aes-${bits}-ctr.txt`));
  expect(records.length).toBe(3);
  for (const { KEY, IV, PLAINTEXT, CIPHERTEXT } of records) {
    expect(ctr(hex(KEY!), hex(IV!), hex(PLAINTEXT!))).toEqual(hex(CIPHERTEXT!));
    expect(ctr(hex(KEY!), hex(IV!), hex(CIPHERTEXT!))).toEqual(hex(PLAINTEXT!));
  }
});

test.each(AES_KEY_LENGTHS)(
  'every length 0-257 agrees with node:crypto, disjoint and in place (key of %i)',
  (keyLen) => {
    const key = bytesOf('key', keyLen);
    const bytes = new Uint8Array(randomBytes(257));
    for (let length = 0; length <= 257; length++) {
      const iv = new Uint8Array(randomBytes(16));
      const data = bytes.slice(0, length);
      const expected = byNode(key, iv, data);
      for (const inPlace of [false, true]) {
        expect(ctr(key, iv, data, { inPlace, skew: length & 15 }), `length ${length}`).toEqual(expected);
      }
    }
  },
);

/** Counters that run over in their last 4, 8 or 16 bytes, or between: every distance to the wrap about the groups of four. */
test.each([
  ['2^32', 'c0ffee00c0ffee00c0ffee00', 4],
  ['2^32, carried into the byte above alone', 'ffffffffffffff00ffffff00', 4],
  ['2^64', 'c0ffee00c0ffee00', 8],
  ['2^96', 'c0ffee00', 12],
  ['2^128', '', 16],
])('the counter wraps at %s', (_, prefix, width) => {
  const key = bytesOf('wrap', 32);
  const data = new Uint8Array(randomBytes(257));
  for (let before = 0; before <= 17; before++) {
    // `before` blocks are left ahead of the wrap, 0 a counter whose low bytes are zero already.
    const low = ((1n << BigInt(8 * width)) - BigInt(before)) % (1n << BigInt(8 * width));
    const iv = hex(prefix + low.toString(16).padStart(2 * width, '0'));
    for (const length of [15, 16, 17, 63, 64, 65, 16 * before, 16 * before + 1, 128, 240, 257]) {
      if (length > 257) continue;
      const cut = data.slice(0, length);
      for (const inPlace of [false, true]) {
        expect(ctr(key, iv, cut, { inPlace }), `${before} before, length ${length}`).toEqual(byNode(key, iv, cut));
      }
    }
  }
});

/** 32 blocks have two rounds in common, and all up to where the last byte wraps some more: every way through both. */
test.each(AES_KEY_LENGTHS)('every last byte of the counter, and every number of blocks (key of %i)', (keyLen) => {
  const key = bytesOf('packs', keyLen);
  const data = new Uint8Array(randomBytes(16 * 110));
  for (let last = 0; last < 256; last++) {
    const iv = new Uint8Array(randomBytes(16));
    iv[15] = last;
    const whole = byNode(key, iv, data);
    expect(ctr(key, iv, data, { skew: last & 15 }), `last byte ${last}`).toEqual(whole);
    const length = 16 * 12 + 7 * last - (last & 3);
    const cut = data.slice(0, length);
    expect(ctr(key, iv, cut, { inPlace: true }), `last byte ${last}, length ${length}`).toEqual(whole.slice(0, length));
  }
  const iv = new Uint8Array(randomBytes(16));
  const whole = byNode(key, iv, data);
  for (let blocks = 12; blocks <= 109; blocks++) {
    for (const length of [16 * blocks - 1, 16 * blocks, 16 * blocks + 1]) {
      expect(ctr(key, iv, data.slice(0, length)), `length ${length}`).toEqual(whole.slice(0, length));
    }
  }
});

test('random counters near any wrap agree with node:crypto', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(16),
      fc.nat(40),
      fc.uint8Array({ maxLength: 700, size: 'max' }),
      fc.nat(15),
      (iv, ones, below, data, skew) => {
        iv.fill(0xff, 16 - ones);
        iv[15]! -= below;
        const key = bytesOf('random', 16);
        expect(ctr(key, iv, data, { skew })).toEqual(byNode(key, iv, data));
      },
    ),
    { numRuns: 300 },
  );
});

test('16 MiB and a byte, over a wrap in its middle', () => {
  const length = (1 << 24) + 1;
  const key = bytesOf('long', 32);
  const iv = hex('00000000ffffffffffffffffffff0000');
  aes.reset();
  const ctxPtr = core.SLOTS.value;
  const ivPtr = core.WORK.value;
  aes.memory.set(key, ivPtr);
  expect(core['aesExpandKey']!(ctxPtr, ivPtr, 32)).toBe(1);
  aes.memory.set(iv, ivPtr);
  const at = core.WINDOW.value;
  aes.memory.fill(0x61, at, at + length);
  expect(core['aesCtr']!(ctxPtr, ivPtr, at, length, at)).toBe(1);
  const expected = byNode(key, iv, new Uint8Array(length).fill(0x61));
  expect(Buffer.compare(aes.memory.subarray(at, at + length), expected)).toBe(0);
  core['wipeAll']!();
});

test('scratch holds nothing when a call is over', () => {
  for (const length of [0, 1, 15, 16, 17, 63, 100, 192, 700, 5000]) {
    ctr(bytesOf('key', 32), bytesOf('iv', 16), bytesOf('data', length));
    const below = aes.memory.subarray(core['firstRegion']!(), core.WINDOW.value);
    expect(below.every((byte) => byte === 0)).toBe(true);
  }
});

test('refused: no key in the context, a string longer than the window; nothing is written', () => {
  aes.reset();
  const ctxPtr = aes.expand(bytesOf('key', 16));
  const empty = aes.place(new Uint8Array(aes.ctxSize));
  const ivPtr = aes.reserve(16);
  const inPtr = aes.place(new Uint8Array(64));
  const outPtr = aes.reserve(64);
  expect(core['aesCtr']!(empty, ivPtr, inPtr, 64, outPtr)).toBe(0);
  for (const length of [core.WINDOW_SIZE.value + 1, 0x80000000, 0xffffffff]) {
    expect(core['aesCtr']!(ctxPtr, ivPtr, inPtr, length, outPtr)).toBe(0);
  }
  expect(aes.read(outPtr, 64).every((byte) => byte === 0xa5)).toBe(true);
});
