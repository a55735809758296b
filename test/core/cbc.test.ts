import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AES_KEY_LENGTHS, bytesOf, openAes, SP800_38A } from '../support/aes.ts';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const aes = openAes();
const { core } = aes;
type Place = { inPlace?: boolean; skew?: number };

/** All of out and the result, after the checks of what else must and must not have changed. */
function cbc(name: 'cbcEncrypt' | 'cbcDecrypt', key: Uint8Array, iv: Uint8Array, data: Uint8Array, place: Place = {}) {
  aes.reset();
  const ctxPtr = aes.expand(key, place.skew);
  const ivPtr = aes.place(iv, place.skew);
  const room = name === 'cbcEncrypt' ? (data.length & ~15) + 16 : data.length;
  const { result, out, inputKept, guarded } = aes.run(data, room, place, (inPtr, outPtr) =>
    core[name]!(ctxPtr, ivPtr, inPtr, data.length, outPtr),
  );
  expect(inputKept && guarded && aes.guarded(ctxPtr, aes.ctxSize) && aes.guarded(ivPtr, 16)).toBe(true);
  expect(aes.read(ivPtr, 16)).toEqual(iv);
  return { result, out };
}

function encrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array, place: Place = {}): Uint8Array {
  const { result, out } = cbc('cbcEncrypt', key, iv, data, place);
  expect(result).toBe(out.length);
  return out;
}

/** The plaintext, or undefined where the padding was refused, when out must be zero. */
function decrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array, place: Place = {}): Uint8Array | undefined {
  const { result, out } = cbc('cbcDecrypt', key, iv, data, place);
  if (result >= 0) {
    expect(data.length - result).toBe(out.at(-1));
    return out.slice(0, result);
  }
  expect(result).toBe(-1);
  expect(out.every((byte) => byte === 0)).toBe(true);
  return undefined;
}

function byNode(key: Uint8Array, iv: Uint8Array, data: Uint8Array, padding = true): Uint8Array {
  const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, iv).setAutoPadding(padding);
  return new Uint8Array(Buffer.concat([cipher.update(data), cipher.final()]));
}

function openedByNode(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv(`aes-${8 * key.length}-cbc`, key, iv);
  try {
    return new Uint8Array(Buffer.concat([decipher.update(data), decipher.final()]));
  } catch {
    return undefined;
  }
}

test.each([
  [
    '128',
    '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7',
  ],
  [
    '192',
    '4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd',
  ],
  [
    '256',
    'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b',
  ],
] as const)('SP 800-38A F.2, AES-%s: four blocks before the padding', (bits, ciphertext) => {
  const iv = hex('000102030405060708090a0b0c0d0e0f');
  const out = encrypt(SP800_38A.keys[bits], iv, SP800_38A.plaintext);
  expect(out.slice(0, 64)).toEqual(hex(ciphertext));
  expect(decrypt(SP800_38A.keys[bits], iv, out)).toEqual(SP800_38A.plaintext);
});

// The vectors are whole blocks without padding, which comes as one block more.
test.each([
  ['GFSbox', [14, 12, 10]],
  ['KeySbox', [42, 48, 32]],
  ['VarKey', [256, 384, 512]],
  ['VarTxt', [256, 256, 256]],
  ['MMT', [20, 20, 20]],
])('CAVP CBC%s', (name, counts) => {
  for (const [index, keyLen] of AES_KEY_LENGTHS.entries()) {
    const cases = cavpRecords(cavp(`ciphers/AES/CBC/CBC${name}${keyLen * 8}.rsp`));
    expect(cases.length).toBe(counts[index]);
    for (const { KEY, IV, PLAINTEXT, CIPHERTEXT } of cases) {
      const [key, iv, plaintext] = [hex(KEY!), hex(IV!), hex(PLAINTEXT!)];
      const out = encrypt(key, iv, plaintext);
      expect(out.slice(0, plaintext.length)).toEqual(hex(CIPHERTEXT!));
      // The published ciphertext, and a block of padding by node:crypto after it.
      const last = byNode(key, hex(CIPHERTEXT!).slice(-16), new Uint8Array(0));
      expect(decrypt(key, iv, new Uint8Array([...hex(CIPHERTEXT!), ...last]))).toEqual(plaintext);
    }
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
        const place = { inPlace, skew: length & 15 };
        expect(encrypt(key, iv, data, place), `length ${length}`).toEqual(expected);
        expect(decrypt(key, iv, expected, place), `length ${length}`).toEqual(data);
      }
    }
  },
);

/** Decrypts a plaintext that ends as given, under random keys: `ours` against node's verdict. */
function judge(plaintext: Uint8Array, inPlace = false) {
  const [key, iv] = [new Uint8Array(randomBytes(16)), new Uint8Array(randomBytes(16))];
  const sealed = byNode(key, iv, plaintext, false);
  const ours = decrypt(key, iv, sealed, { inPlace });
  expect(ours).toEqual(openedByNode(key, iv, sealed));
  return ours;
}

test('padding: every value of the last byte, over one block and over three', () => {
  for (const blocks of [1, 3]) {
    for (let pad = 0; pad < 256; pad++) {
      const plaintext = bytesOf(`padding ${pad}`, 16 * blocks).map((byte) => byte & 0x7f);
      plaintext.fill(pad, -Math.min(16, Math.max(1, pad)));
      const opened = judge(plaintext, (pad & 1) === 1);
      expect(opened?.length, `pad ${pad}`).toBe(pad >= 1 && pad <= 16 ? 16 * blocks - pad : undefined);
    }
  }
});

test('padding: any bit wrong in any byte of it', () => {
  for (let pad = 1; pad <= 16; pad++) {
    for (let at = 16; at < 32; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const plaintext = new Uint8Array(32).fill(0x77);
        plaintext.fill(pad, 32 - pad);
        plaintext[at]! ^= 1 << bit;
        const opened = judge(plaintext);
        // Before the padding a byte is free; the last byte says another length, which may fit.
        const expected = at < 32 - pad ? 32 - pad : at === 31 && (pad ^ (1 << bit)) === 1 ? 31 : undefined;
        expect(opened?.length, `pad ${pad}, byte ${at}, bit ${bit}`).toBe(expected);
      }
    }
  }
});

test('padding: random endings', () => {
  const near = fc.integer({ min: 0, max: 18 });
  fc.assert(
    fc.property(fc.array(near, { minLength: 16, maxLength: 16 }), fc.nat(17), near, (bytes, run, value) => {
      const plaintext = Uint8Array.from(bytes);
      plaintext.fill(value, 16 - Math.min(run, 16));
      judge(plaintext);
    }),
    { numRuns: 500 },
  );
});

test('random messages agree with node:crypto', () => {
  const bytes = fc.uint8Array({ maxLength: 2000, size: 'max' });
  fc.assert(
    fc.property(bytes, fc.nat(15), fc.boolean(), (data, skew, inPlace) => {
      const [key, iv] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(16))];
      const sealed = encrypt(key, iv, data, { skew, inPlace });
      expect(sealed).toEqual(byNode(key, iv, data));
      expect(decrypt(key, iv, sealed, { skew, inPlace })).toEqual(data);
    }),
    { numRuns: 200 },
  );
});

test('scratch holds nothing when a call is over', () => {
  for (const length of [0, 1, 15, 16, 17, 63, 100]) {
    decrypt(
      bytesOf('key', 32),
      bytesOf('iv', 16),
      encrypt(bytesOf('key', 32), bytesOf('iv', 16), bytesOf('data', length)),
    );
    const below = aes.memory.subarray(core['firstRegion']!(), core.WINDOW.value);
    expect(below.every((byte) => byte === 0)).toBe(true);
  }
});

test('refused: no key, no whole blocks, no blocks, more than the window holds; nothing is written', () => {
  aes.reset();
  const ctxPtr = aes.expand(bytesOf('key', 16));
  const empty = aes.place(new Uint8Array(aes.ctxSize));
  const ivPtr = aes.reserve(16);
  const inPtr = aes.place(new Uint8Array(64));
  const outPtr = aes.reserve(80);
  const { WINDOW_SIZE } = core;
  expect(core['cbcEncrypt']!(empty, ivPtr, inPtr, 64, outPtr)).toBe(0);
  expect(core['cbcDecrypt']!(empty, ivPtr, inPtr, 64, outPtr)).toBe(-1);
  for (const length of [WINDOW_SIZE.value - 15, WINDOW_SIZE.value, 0x80000000, 0xfffffff0]) {
    expect(core['cbcEncrypt']!(ctxPtr, ivPtr, inPtr, length, outPtr)).toBe(0);
  }
  for (const length of [0, 1, 15, 17, 31, 33, 63, WINDOW_SIZE.value + 16, 0x80000000, 0xfffffff0]) {
    expect(core['cbcDecrypt']!(ctxPtr, ivPtr, inPtr, length, outPtr)).toBe(-1);
  }
  expect(aes.read(outPtr, 80).every((byte) => byte === 0xa5)).toBe(true);
});
