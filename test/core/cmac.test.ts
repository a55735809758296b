import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AES_KEY_LENGTHS, bytesOf, openAes } from '../support/aes.ts';
import { cavpRecords } from '../support/cavp.ts';
import { hex } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const aes = openAes();
const { core } = aes;

function cmac(key: Uint8Array, message: Uint8Array, skew = 0): Uint8Array<ArrayBuffer> {
  aes.reset();
  const ctxPtr = aes.expand(key, skew);
  const inPtr = aes.place(message, skew);
  const outPtr = aes.reserve(16, 15 - skew);
  expect(core['cmac']!(ctxPtr, inPtr, message.length, outPtr)).toBe(1);
  expect(aes.read(inPtr, message.length)).toEqual(new Uint8Array(message));
  expect(aes.guarded(inPtr, message.length) && aes.guarded(outPtr, 16)).toBe(true);
  return aes.read(outPtr, 16);
}

function verify(key: Uint8Array, message: Uint8Array, mac: Uint8Array, skew = 0): number {
  aes.reset();
  const ctxPtr = aes.expand(key, skew);
  const inPtr = aes.place(message, skew);
  const macPtr = aes.place(mac, 15 - skew);
  const bit = core['cmacVerify']!(ctxPtr, inPtr, message.length, macPtr, mac.length);
  expect(aes.read(macPtr, mac.length)).toEqual(new Uint8Array(mac));
  return bit;
}

const toNumber = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const toBlock = (n: bigint) => hex(n.toString(16).padStart(32, '0'));

/** SP 800-38B §6.2 over again, on node's CBC: the CBC-MAC of M with its last block masked. */
function byNode(key: Uint8Array, message: Uint8Array): Uint8Array {
  const bits = 8 * key.length;
  const L = toNumber(createCipheriv(`aes-${bits}-ecb`, key, null).setAutoPadding(false).update(new Uint8Array(16)));
  const double = (n: bigint) => ((n << 1n) ^ (n >> 127n ? 0x87n : 0n)) & ((1n << 128n) - 1n);
  const whole = message.length > 0 && message.length % 16 === 0;
  const padded = new Uint8Array(whole ? message.length : (message.length & ~15) + 16);
  padded.set(message);
  if (!whole) padded[message.length] = 0x80;
  padded.set(toBlock(toNumber(padded.slice(-16)) ^ double(whole ? L : double(L))), padded.length - 16);
  const cipher = createCipheriv(`aes-${bits}-cbc`, key, new Uint8Array(16)).setAutoPadding(false);
  return new Uint8Array(cipher.update(padded).subarray(-16));
}

test.each(['128', '192', '256'])('SP 800-38B examples, AES-%s', (bits) => {
  const records = cavpRecords(cavp(`CMAC/nist-800-38b-aes${bits}.txt`));
  expect(records.length).toBe(4);
  for (const { KEY, MESSAGE, OUTPUT } of records) {
    expect(byNode(hex(KEY!), hex(MESSAGE!))).toEqual(hex(OUTPUT!));
    expect(cmac(hex(KEY!), hex(MESSAGE!))).toEqual(hex(OUTPUT!));
    expect(verify(hex(KEY!), hex(MESSAGE!), hex(OUTPUT!))).toBe(1);
  }
});

test.each([
  ['128', 'CMAC_AES128'],
  ['192', 'CMAC_AES192'],
  ['256', 'CMAC_AES256'],
])('CAVP SP 800-108 counter mode over CMAC-AES-%s, a 32-bit counter before the fixed input', (_, prf) => {
  // No export derives with CMAC; its vectors test CMAC all the same.
  const records = cavpRecords(cavp('KDF/nist-800-108-KBKDF-CTR.txt')).filter(
    (r) => r['KI'] && r['PRF'] === prf && r['CTRLOCATION'] === 'BEFORE_FIXED' && r['RLEN'] === '32_BITS',
  );
  expect(records.length).toBe(40);
  for (const { L, KI, FixedInputData, KO } of records) {
    const blocks = Array.from({ length: Math.ceil(Number(L) / 128) }, (__, i) =>
      cmac(hex(KI!), new Uint8Array([0, 0, 0, i + 1, ...hex(FixedInputData!)])),
    );
    expect(new Uint8Array(Buffer.concat(blocks).subarray(0, Number(L) / 8))).toEqual(hex(KO!));
  }
});

test.each(AES_KEY_LENGTHS)('every length 0-257 agrees with node:crypto (key of %i)', (keyLen) => {
  const bytes = new Uint8Array(randomBytes(257));
  for (let length = 0; length <= 257; length++) {
    const key = new Uint8Array(randomBytes(keyLen));
    const message = bytes.slice(0, length);
    expect(cmac(key, message, length & 15), `length ${length}`).toEqual(byNode(key, message));
  }
});

test('random keys and messages agree with node:crypto', () => {
  const key = fc.constantFrom(...AES_KEY_LENGTHS).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
  fc.assert(
    fc.property(key, fc.uint8Array({ maxLength: 600, size: 'max' }), fc.nat(15), (k, message, skew) => {
      expect(cmac(k, message, skew)).toEqual(byNode(k, message));
    }),
    { numRuns: 300 },
  );
});

test('the mac may be written over its message, anywhere', () => {
  const key = bytesOf('key', 32);
  for (const length of [16, 17, 48, 50]) {
    const message = new Uint8Array(randomBytes(length));
    for (let at = -15; at < length; at++) {
      aes.reset();
      const ctxPtr = aes.expand(key);
      const inPtr = aes.place(message, 32);
      core['cmac']!(ctxPtr, inPtr, length, inPtr + at);
      expect(aes.read(inPtr + at, 16), `out at in + ${at}`).toEqual(byNode(key, message));
    }
  }
});

test('a mac cut to 8-16 bytes is accepted; with any bit wrong, or of any other length, it is not', () => {
  const key = bytesOf('key', 16);
  const message = new Uint8Array(randomBytes(77));
  const mac = byNode(key, message);
  const padded = new Uint8Array([...mac, ...new Uint8Array(16)]);
  for (let length = 0; length <= 32; length++) {
    const allowed = length >= 8 && length <= 16;
    expect(verify(key, message, padded.slice(0, length), length & 15), `length ${length}`).toBe(allowed ? 1 : 0);
    for (let bit = 0; allowed && bit < 8 * length; bit++) {
      const wrong = mac.slice(0, length);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(key, message, wrong), `length ${length}, bit ${bit}`).toBe(0);
    }
  }
});

test('scratch holds nothing when a call is over', () => {
  for (const length of [0, 1, 15, 16, 17, 63, 100]) {
    verify(bytesOf('key', 32), bytesOf('data', length), cmac(bytesOf('key', 32), bytesOf('data', length)));
    const below = aes.memory.subarray(core['firstRegion']!(), core.WINDOW.value);
    expect(below.every((byte) => byte === 0)).toBe(true);
  }
});

test('refused: no key, a message longer than the window; nothing is written', () => {
  aes.reset();
  const ctxPtr = aes.expand(bytesOf('key', 16));
  const empty = aes.place(new Uint8Array(aes.ctxSize));
  const inPtr = aes.place(new Uint8Array(64));
  const outPtr = aes.reserve(16);
  expect(core['cmac']!(empty, inPtr, 64, outPtr)).toBe(0);
  expect(core['cmacVerify']!(empty, inPtr, 64, inPtr, 16)).toBe(0);
  for (const length of [core.WINDOW_SIZE.value + 1, 0x80000000, 0xffffffff]) {
    expect(core['cmac']!(ctxPtr, inPtr, length, outPtr)).toBe(0);
    expect(core['cmacVerify']!(ctxPtr, inPtr, length, inPtr, 16)).toBe(0);
  }
  expect(aes.read(outPtr, 16).every((byte) => byte === 0xa5)).toBe(true);
});
