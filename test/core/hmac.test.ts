import { createHmac, randomBytes } from 'node:crypto';
import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256, sha384 as nobleSha384, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { ALL_HASHES, HASHES, type Hash } from '../support/hashes.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const box = openCore();
const run = box.core['hmac']!;
const runVerify = box.core['hmacVerify']!;
const NOBLE = { sha256: nobleSha256, sha384: nobleSha384, sha512: nobleSha512 } as const;

/** The mac, with the inputs placed off alignment and checked to be left as they were. */
function hmac({ number, size }: Hash, key: Uint8Array, message: Uint8Array, skew = 0): Uint8Array<ArrayBuffer> {
  box.reset();
  const keyPtr = box.place(key, skew);
  const inPtr = box.place(message, 15 - skew);
  const outPtr = box.reserve(size, (skew * 7) & 15);
  expect(run(number, keyPtr, key.length, inPtr, message.length, outPtr)).toBe(1);
  expect(box.read(keyPtr, key.length)).toEqual(new Uint8Array(key));
  expect(box.read(inPtr, message.length)).toEqual(new Uint8Array(message));
  const guarded = [[keyPtr, key.length] as const, [inPtr, message.length] as const, [outPtr, size] as const];
  expect(guarded.every(([ptr, length]) => box.guarded(ptr, length))).toBe(true);
  return box.read(outPtr, size);
}

function verify(number: number, key: Uint8Array, message: Uint8Array, mac: Uint8Array, skew = 0): number {
  box.reset();
  const keyPtr = box.place(key, skew);
  const inPtr = box.place(message, 15 - skew);
  const macPtr = box.place(mac, skew);
  const bit = runVerify(number, keyPtr, key.length, inPtr, message.length, macPtr, mac.length);
  expect(box.read(macPtr, mac.length)).toEqual(new Uint8Array(mac));
  return bit;
}

const byNode = (hash: Hash, key: Uint8Array, message: Uint8Array) =>
  new Uint8Array(createHmac(hash.name, key).update(message).digest());

/** Test case 5, which the files leave out: the mac cut to 128 bits, §4.6. Half a digest is the least that is taken. */
const CASE_5 = {
  sha256: 'a3b6167473100ee06e0c796c2955552b',
  sha384: '3abf34c3503b2a23a46efc619baef897',
  sha512: '415fad6271580a531d4179bc891d87a6',
} as const;

test.each(ALL_HASHES)('RFC 4231: $name', (hash) => {
  const records = cavpRecords(cavp(`HMAC/rfc-4231-${hash.name}.txt`));
  expect(records.length).toBe(6);
  for (const { Key, Msg, MD } of records) {
    expect(hmac(hash, hex(Key!), hex(Msg!))).toEqual(hex(MD!));
    expect(verify(hash.number, hex(Key!), hex(Msg!), hex(MD!))).toBe(1);
  }
  const [key, message] = [hex('0c'.repeat(20)), Buffer.from('Test With Truncation')];
  const cut = hex(CASE_5[hash.name]);
  expect(hmac(hash, key, message).subarray(0, 16)).toEqual(cut);
  expect(verify(hash.number, key, message, cut)).toBe(hash.name === 'sha256' ? 1 : 0);
});

test('Wycheproof hmac_sha256_test', () => {
  const file = wycheproof('hmac_sha256_test.json');
  const seen = { valid: 0, invalid: 0 };
  for (const { tests, tagSize } of file.testGroups) {
    for (const { tcId, key, msg, tag, result } of tests) {
      const ok = verify(1, hex(key), hex(msg), hex(tag), tcId & 15);
      expect(ok, `tcId ${tcId}`).toBe(result === 'valid' ? 1 : 0);
      const cut = hmac(HASHES.sha256, hex(key), hex(msg)).subarray(0, tagSize / 8);
      expect(Buffer.compare(cut, hex(tag)) === 0, `tcId ${tcId}`).toBe(result === 'valid');
      seen[result as 'valid' | 'invalid']++;
    }
  }
  expect(file.numberOfTests).toBe(174);
  expect(seen).toEqual({ valid: 66, invalid: 108 });
});

describe.each(ALL_HASHES)('HMAC by $name', (hash) => {
  const { number, size, block } = hash;

  test('every key length 0-257 and every message length 0-257 agree with node:crypto and noble', () => {
    const bytes = new Uint8Array(randomBytes(600));
    const compare = (keyLength: number, length: number) => {
      const key = bytes.slice(0, keyLength);
      const message = bytes.slice(300, 300 + length);
      const expected = byNode(hash, key, message);
      expect(nobleHmac(NOBLE[hash.name], key, message)).toEqual(expected);
      expect(hmac(hash, key, message, length & 15), `key ${keyLength}, message ${length}`).toEqual(expected);
    };
    for (let n = 0; n <= 257; n++) {
      for (const other of [0, 1, size, block - 1, block, block + 1, 257]) {
        compare(n, other);
        compare(other, n);
      }
    }
  });

  test('random keys and messages agree with node:crypto', () => {
    const bytes = fc.uint8Array({ maxLength: 1000 });
    fc.assert(
      fc.property(bytes, bytes, fc.nat(15), (key, message, skew) => {
        expect(hmac(hash, key, message, skew)).toEqual(byNode(hash, key, message));
      }),
      { numRuns: 300 },
    );
  });

  test('the mac may be written over key or message', () => {
    for (const length of [20, block, block + 36]) {
      const key = new Uint8Array(randomBytes(length));
      const message = new Uint8Array(randomBytes(length));
      const expected = byNode(hash, key, message);
      for (let at = 1 - size; at < length; at++) {
        for (const over of ['key', 'message']) {
          box.reset();
          const keyPtr = box.place(key, 80);
          box.reserve(size + 64);
          const inPtr = box.place(message, 80);
          const outPtr = (over === 'key' ? keyPtr : inPtr) + at;
          run(number, keyPtr, length, inPtr, length, outPtr);
          expect(box.read(outPtr, size), `out at ${over} + ${at}`).toEqual(expected);
        }
      }
    }
  });

  test('a mac of half the digest or more is accepted; with any bit wrong, or of any other length, it is not', () => {
    const key = new Uint8Array(randomBytes(32));
    const message = new Uint8Array(randomBytes(77));
    const mac = byNode(hash, key, message);
    const padded = new Uint8Array([...mac, ...new Uint8Array(size)]);
    for (let length = 0; length <= 2 * size; length++) {
      const allowed = length >= size / 2 && length <= size;
      const label = `length ${length}`;
      expect(verify(number, key, message, padded.slice(0, length), length & 15), label).toBe(allowed ? 1 : 0);
      for (let bit = 0; allowed && bit < 8 * length; bit++) {
        const wrong = mac.slice(0, length);
        wrong[bit >> 3]! ^= 1 << (bit & 7);
        expect(verify(number, key, message, wrong), `${label}, bit ${bit}`).toBe(0);
      }
    }
  });

  test('verify depends on the hash and on every byte of key and message', () => {
    const length = block + 1;
    const key = new Uint8Array(randomBytes(length));
    const message = new Uint8Array(randomBytes(length));
    const mac = byNode(hash, key, message);
    for (let i = 0; i < length; i++) {
      const other = key.slice();
      other[i]! ^= 0x80;
      expect(verify(number, other, message, mac)).toBe(0);
      const another = message.slice();
      another[i]! ^= 1;
      expect(verify(number, key, another, mac)).toBe(0);
    }
    for (const each of [0, 1, 2, 3, 4]) expect(verify(each, key, message, mac)).toBe(each === number ? 1 : 0);
  });
});

test('a number that is no hash: 0, and nothing written', () => {
  for (const number of [0, 4, 0xffffffff]) {
    box.reset();
    const ptr = box.place(new Uint8Array(16));
    const outPtr = box.reserve(64);
    expect(run(number, ptr, 16, ptr, 16, outPtr)).toBe(0);
    expect(box.read(outPtr, 64).every((byte) => byte === 0xa5)).toBe(true);
  }
});
