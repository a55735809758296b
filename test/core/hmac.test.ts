import { createHmac, randomBytes } from 'node:crypto';
import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const box = openCore();
const run = box.core['hmacSha256']!;
const runVerify = box.core['hmacSha256Verify']!;

/** The mac, with the inputs placed off alignment and checked to be left as they were. */
function hmac(key: Uint8Array, message: Uint8Array, skew = 0): Uint8Array<ArrayBuffer> {
  box.reset();
  const keyPtr = box.place(key, skew);
  const inPtr = box.place(message, 15 - skew);
  const outPtr = box.reserve(32, (skew * 7) & 15);
  run(keyPtr, key.length, inPtr, message.length, outPtr);
  expect(box.read(keyPtr, key.length)).toEqual(new Uint8Array(key));
  expect(box.read(inPtr, message.length)).toEqual(new Uint8Array(message));
  const guarded = [[keyPtr, key.length] as const, [inPtr, message.length] as const, [outPtr, 32] as const];
  expect(guarded.every(([ptr, length]) => box.guarded(ptr, length))).toBe(true);
  return box.read(outPtr, 32);
}

function verify(key: Uint8Array, message: Uint8Array, mac: Uint8Array, skew = 0): number {
  box.reset();
  const keyPtr = box.place(key, skew);
  const inPtr = box.place(message, 15 - skew);
  const macPtr = box.place(mac, skew);
  const bit = runVerify(keyPtr, key.length, inPtr, message.length, macPtr, mac.length);
  expect(box.read(macPtr, mac.length)).toEqual(new Uint8Array(mac));
  return bit;
}

const byNode = (key: Uint8Array, message: Uint8Array) =>
  new Uint8Array(createHmac('sha256', key).update(message).digest());

test('RFC 4231', () => {
  const records = cavpRecords(cavp('HMAC/rfc-4231-sha256.txt'));
  expect(records.length).toBe(6);
  for (const { Key, Msg, MD } of records) {
    expect(hmac(hex(Key!), hex(Msg!))).toEqual(hex(MD!));
    expect(verify(hex(Key!), hex(Msg!), hex(MD!))).toBe(1);
  }
  // Test case 5, which the file leaves out: the mac cut to 128 bits, §4.6.
  const cut = hex('a3b6167473100ee06e0c796c2955552b');
  expect(verify(hex('0c'.repeat(20)), Buffer.from('Test With Truncation'), cut)).toBe(1);
});

test('Wycheproof hmac_sha256_test', () => {
  const file = wycheproof('hmac_sha256_test.json');
  const seen = { valid: 0, invalid: 0 };
  for (const { tests, tagSize } of file.testGroups) {
    for (const { tcId, key, msg, tag, result } of tests) {
      const ok = verify(hex(key), hex(msg), hex(tag), tcId & 15);
      expect(ok, `tcId ${tcId}`).toBe(result === 'valid' ? 1 : 0);
      const cut = hmac(hex(key), hex(msg)).subarray(0, tagSize / 8);
      expect(Buffer.compare(cut, hex(tag)) === 0, `tcId ${tcId}`).toBe(result === 'valid');
      seen[result as 'valid' | 'invalid']++;
    }
  }
  expect(file.numberOfTests).toBe(174);
  expect(seen).toEqual({ valid: 66, invalid: 108 });
});

test('every key length 0-257 and every message length 0-257 agree with node:crypto and noble', () => {
  const bytes = new Uint8Array(randomBytes(600));
  const compare = (keyLength: number, length: number) => {
    const key = bytes.slice(0, keyLength);
    const message = bytes.slice(300, 300 + length);
    const expected = byNode(key, message);
    expect(nobleHmac(nobleSha256, key, message)).toEqual(expected);
    expect(hmac(key, message, length & 15), `key ${keyLength}, message ${length}`).toEqual(expected);
  };
  for (let n = 0; n <= 257; n++) {
    for (const other of [0, 1, 32, 63, 64, 65, 257]) {
      compare(n, other);
      compare(other, n);
    }
  }
});

test('random keys and messages agree with node:crypto', () => {
  const bytes = fc.uint8Array({ maxLength: 1000 });
  fc.assert(
    fc.property(bytes, bytes, fc.nat(15), (key, message, skew) => {
      expect(hmac(key, message, skew)).toEqual(byNode(key, message));
    }),
    { numRuns: 300 },
  );
});

test('the mac may be written over key or message', () => {
  for (const length of [20, 64, 100]) {
    const key = new Uint8Array(randomBytes(length));
    const message = new Uint8Array(randomBytes(length));
    const expected = byNode(key, message);
    for (let at = -31; at < length; at++) {
      for (const over of ['key', 'message']) {
        box.reset();
        const keyPtr = box.place(key, 40);
        box.reserve(64);
        const inPtr = box.place(message, 40);
        const outPtr = (over === 'key' ? keyPtr : inPtr) + at;
        run(keyPtr, length, inPtr, length, outPtr);
        expect(box.read(outPtr, 32), `out at ${over} + ${at}`).toEqual(expected);
      }
    }
  }
});

test('a mac cut to 16-32 bytes is accepted; with any bit wrong, or of any other length, it is not', () => {
  const key = new Uint8Array(randomBytes(32));
  const message = new Uint8Array(randomBytes(77));
  const mac = byNode(key, message);
  const padded = new Uint8Array([...mac, ...new Uint8Array(32)]);
  for (let length = 0; length <= 64; length++) {
    const allowed = length >= 16 && length <= 32;
    expect(verify(key, message, padded.slice(0, length), length & 15), `length ${length}`).toBe(allowed ? 1 : 0);
    for (let bit = 0; allowed && bit < 8 * length; bit++) {
      const wrong = mac.slice(0, length);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(key, message, wrong), `length ${length}, bit ${bit}`).toBe(0);
    }
  }
});

test('verify depends on every byte of key and message', () => {
  const key = new Uint8Array(randomBytes(65));
  const message = new Uint8Array(randomBytes(65));
  const mac = byNode(key, message);
  for (let i = 0; i < 65; i++) {
    const other = key.slice();
    other[i]! ^= 0x80;
    expect(verify(other, message, mac)).toBe(0);
    const another = message.slice();
    another[i]! ^= 1;
    expect(verify(key, another, mac)).toBe(0);
  }
  expect(verify(key, message, mac)).toBe(1);
});
