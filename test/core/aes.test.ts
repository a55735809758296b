import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AES_KEY_LENGTHS, bytesOf, openAes } from '../support/aes.ts';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const aes = openAes();
const { core, memory } = aes;

function block(name: 'aesEncryptBlock' | 'aesDecryptBlock', key: Uint8Array, input: Uint8Array, skew = 0): Uint8Array {
  aes.reset();
  const ctxPtr = aes.expand(key, skew);
  const inPtr = aes.place(input, skew);
  const outPtr = aes.reserve(16, skew);
  core[name]!(ctxPtr, inPtr, outPtr);
  expect(aes.guarded(outPtr, 16) && aes.guarded(inPtr, 16) && aes.guarded(ctxPtr, aes.ctxSize)).toBe(true);
  expect(aes.read(inPtr, 16)).toEqual(input);
  return aes.read(outPtr, 16);
}

test.each([
  ['000102030405060708090a0b0c0d0e0f', '69c4e0d86a7b0430d8cdb78070b4c55a'],
  ['000102030405060708090a0b0c0d0e0f1011121314151617', 'dda97ca4864cdfe06eaf70a0ec0d7191'],
  ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '8ea2b7ca516745bfeafc49904b496089'],
])('FIPS 197 appendix C: %s', (key, ciphertext) => {
  const plaintext = hex('00112233445566778899aabbccddeeff');
  expect(block('aesEncryptBlock', hex(key), plaintext)).toEqual(hex(ciphertext));
  expect(block('aesDecryptBlock', hex(key), hex(ciphertext))).toEqual(plaintext);
});

// The known-answer files pass every byte value through the S-box, of the state and of the key schedule, both ways.
test.each([
  ['GFSbox', [14, 12, 10]],
  ['KeySbox', [42, 48, 32]],
  ['VarKey', [256, 384, 512]],
  ['VarTxt', [256, 256, 256]],
  ['MMT', [20, 20, 20]],
])('CAVP ECB%s', (name, counts) => {
  for (const [index, keyLen] of AES_KEY_LENGTHS.entries()) {
    const cases = cavpRecords(cavp(`ciphers/AES/ECB/ECB${name}${keyLen * 8}.rsp`));
    for (const vector of cases) {
      const [key, plaintext, ciphertext] = [hex(vector['KEY']!), hex(vector['PLAINTEXT']!), hex(vector['CIPHERTEXT']!)];
      expect(plaintext.length % 16).toBe(0);
      for (let at = 0; at < plaintext.length; at += 16) {
        const [p, c] = [plaintext.slice(at, at + 16), ciphertext.slice(at, at + 16)];
        expect(block('aesEncryptBlock', key, p)).toEqual(c);
        expect(block('aesDecryptBlock', key, c)).toEqual(p);
      }
    }
    expect(cases.length).toBe(counts[index]);
  }
});

test('random keys and blocks agree with node:crypto, at odd addresses', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...AES_KEY_LENGTHS).chain((n) => fc.uint8Array({ minLength: n, maxLength: n })),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(15),
      (key, plaintext, skew) => {
        const peer = createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
          .setAutoPadding(false)
          .update(plaintext);
        const ciphertext = block('aesEncryptBlock', key, plaintext, skew);
        expect(ciphertext).toEqual(new Uint8Array(peer));
        expect(block('aesDecryptBlock', key, ciphertext, skew)).toEqual(plaintext);
      },
    ),
    { numRuns: 500 },
  );
});

test('a block in place', () => {
  aes.reset();
  const ctxPtr = aes.expand(bytesOf('key', 32));
  const plaintext = bytesOf('block', 16);
  const ptr = aes.place(plaintext);
  core['aesEncryptBlock']!(ctxPtr, ptr, ptr);
  expect(aes.read(ptr, 16)).not.toEqual(plaintext);
  core['aesDecryptBlock']!(ctxPtr, ptr, ptr);
  expect(aes.read(ptr, 16)).toEqual(plaintext);
});

test('a key of any other length is refused and leaves the context alone', () => {
  aes.reset();
  const keyPtr = aes.place(bytesOf('key', 64));
  const ctxPtr = aes.reserve(aes.ctxSize);
  for (let length = 0; length <= 64; length++) {
    if (AES_KEY_LENGTHS.some((n) => n === length)) continue;
    expect(core['aesExpandKey']!(ctxPtr, keyPtr, length)).toBe(0);
  }
  expect(aes.read(ctxPtr, aes.ctxSize).every((b) => b === 0xa5)).toBe(true);
});

test('expansion leaves the key as it was and nothing of it in scratch', () => {
  for (const keyLen of AES_KEY_LENGTHS) {
    aes.reset();
    const key = bytesOf(`key ${keyLen}`, keyLen);
    const keyPtr = aes.place(key, 3);
    const ctxPtr = aes.reserve(aes.ctxSize);
    core['aesExpandKey']!(ctxPtr, keyPtr, keyLen);
    expect(aes.read(keyPtr, keyLen)).toEqual(key);
    // Everything below the window but the constants, the scratch among it.
    const below = memory.subarray(core['firstRegion']!(), core.WINDOW.value);
    expect(below.every((b) => b === 0)).toBe(true);
  }
});

test('a wiped context is no cipher: blocks trap, all else is refused', () => {
  aes.reset();
  const ctxPtr = aes.reserve(aes.ctxSize);
  memory.fill(0, ctxPtr, ctxPtr + aes.ctxSize);
  const dataPtr = aes.reserve(64);
  const outPtr = aes.reserve(128);
  expect(() => core['aesEncryptBlock']!(ctxPtr, dataPtr, outPtr)).toThrow('unreachable');
  expect(() => core['aesDecryptBlock']!(ctxPtr, dataPtr, outPtr)).toThrow('unreachable');
  expect(core['gcmSeal']!(ctxPtr, dataPtr, 12, dataPtr, 0, dataPtr, 16, outPtr)).toBe(0);
  expect(core['gcmOpen']!(ctxPtr, dataPtr, 12, dataPtr, 0, dataPtr, 32, outPtr)).toBe(0);
  expect(core['kwWrap']!(ctxPtr, dataPtr, 16, outPtr)).toBe(0);
  expect(core['kwUnwrap']!(ctxPtr, dataPtr, 24, outPtr)).toBe(0);
  expect(core['kwpWrap']!(ctxPtr, dataPtr, 16, outPtr)).toBe(0);
  expect(core['kwpUnwrap']!(ctxPtr, dataPtr, 24, outPtr)).toBe(0);
  expect(core['xaesSeal']!(ctxPtr, dataPtr, dataPtr, 0, dataPtr, 16, outPtr, ctxPtr)).toBe(0);
  expect(core['aesCtr']!(ctxPtr, dataPtr, dataPtr, 16, outPtr)).toBe(0);
  expect(core['cbcEncrypt']!(ctxPtr, dataPtr, dataPtr, 16, outPtr)).toBe(0);
  expect(core['cbcDecrypt']!(ctxPtr, dataPtr, dataPtr, 16, outPtr)).toBe(-1);
  expect(core['cmac']!(ctxPtr, dataPtr, 16, outPtr)).toBe(0);
  expect(core['cmacVerify']!(ctxPtr, dataPtr, 16, dataPtr, 16)).toBe(0);
  expect(aes.read(outPtr, 128).every((b) => b === 0xa5)).toBe(true);
});
