import { hkdfSync, randomBytes } from 'node:crypto';
import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js';
import { sha256 as nobleSha256, sha384 as nobleSha384, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { ALL_HASHES, HASHES, type Hash } from '../support/hashes.ts';
import { cavp, wycheproof } from '../support/vectors.ts';

const box = openCore();
const run = box.core['hkdf']!;
const NOBLE = { sha256: nobleSha256, sha384: nobleSha384, sha512: nobleSha512 } as const;
const NOTHING = new Uint8Array(0);

/** The derived bytes, or undefined if refused, when the output must be untouched. */
function hkdf(number: number, salt: Uint8Array, ikm: Uint8Array, info: Uint8Array, outLen: number, skew = 0) {
  box.reset();
  const inputs = [salt, ikm, info].map((bytes, i) => ({ bytes, ptr: box.place(bytes, (skew + 5 * i) & 15) }));
  const room = Math.min(outLen, 18000);
  const outPtr = box.reserve(room, (skew * 5) & 15);
  const args = inputs.flatMap(({ bytes, ptr }) => [ptr, bytes.length]);
  const bit = run(number, ...args, outPtr, outLen);
  for (const { bytes, ptr } of inputs) {
    expect(box.read(ptr, bytes.length)).toEqual(new Uint8Array(bytes));
    expect(box.guarded(ptr, bytes.length)).toBe(true);
  }
  expect(box.guarded(outPtr, room)).toBe(true);
  const out = box.read(outPtr, room);
  if (bit === 1) return out;
  expect(bit).toBe(0);
  expect(out.every((byte) => byte === 0xa5)).toBe(true);
  return undefined;
}

/** node:crypto gives up to 255 digests too. */
const byNode = (hash: Hash, salt: Uint8Array, ikm: Uint8Array, info: Uint8Array, outLen: number) =>
  new Uint8Array(hkdfSync(hash.name, ikm, salt, info, outLen));

test.each([
  ['rfc-5869-HKDF-SHA256.txt', 3],
  ['hkdf-generated.txt', 1],
])('RFC 5869 appendix A and one long output: %s', (file, count) => {
  // The first file has blank lines within a record.
  const text = cavp(`KDF/${file}`).replace(/\n\n(?=Hash|PRK)/g, '\n');
  const records = cavpRecords(text).filter((record) => record['Hash'] === 'SHA-256');
  expect(records.length).toBe(count);
  for (const { IKM, salt, info, L, OKM } of records) {
    expect(hkdf(1, hex(salt!), hex(IKM!), hex(info!), Number(L))).toEqual(hex(OKM!));
  }
});

test('Wycheproof hkdf_sha256_test', () => {
  const file = wycheproof('hkdf_sha256_test.json');
  const seen = { valid: 0, invalid: 0 };
  for (const { tests } of file.testGroups) {
    for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
      const out = hkdf(1, hex(salt), hex(ikm), hex(info), size, tcId & 15);
      expect(out, `tcId ${tcId}`).toEqual(result === 'valid' ? hex(okm) : undefined);
      seen[result as 'valid' | 'invalid']++;
    }
  }
  expect(file.numberOfTests).toBe(86);
  expect(seen).toEqual({ valid: 83, invalid: 3 });
});

describe.each(ALL_HASHES)('HKDF by $name', (hash) => {
  const { number, size } = hash;

  test('agrees with node:crypto and noble at every length', () => {
    const bytes = new Uint8Array(randomBytes(1200));
    for (let n = 0; n <= 257; n++) {
      const lengths = [
        [n, 32, 20, 48],
        [20, n, 20, 48],
        [20, 32, n, 48],
        [20, 32, 20, n + 1],
      ] as const;
      for (const [saltLen, ikmLen, infoLen, outLen] of lengths) {
        const salt = bytes.slice(1, 1 + saltLen);
        const ikm = bytes.slice(300, 300 + ikmLen);
        const info = bytes.slice(600, 600 + infoLen);
        const expected = byNode(hash, salt, ikm, info, outLen);
        expect(nobleHkdf(NOBLE[hash.name], ikm, salt, info, outLen)).toEqual(expected);
        const label = `${saltLen}, ${ikmLen}, ${infoLen} to ${outLen}`;
        expect(hkdf(number, salt, ikm, info, outLen, n & 15), label).toEqual(expected);
      }
    }
  });

  test('random inputs agree with node:crypto', () => {
    const bytes = fc.uint8Array({ maxLength: 400 });
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 2000 }), fc.nat(15), (salt, ikm, info, n, skew) => {
        expect(hkdf(number, salt, ikm, info, n, skew)).toEqual(byNode(hash, salt, ikm, info, n));
      }),
      { numRuns: 150 },
    );
  });

  test('gives 1 to 255 digests and nothing else', () => {
    const ikm = new Uint8Array(32).fill(1);
    const most = 255 * size;
    for (const allowed of [1, most - 1, most]) {
      expect(hkdf(number, NOTHING, ikm, NOTHING, allowed)).toEqual(byNode(hash, NOTHING, ikm, NOTHING, allowed));
    }
    for (const refused of [0, most + 1, 18000, 0x80000000, 0xffffffff]) {
      expect(hkdf(number, NOTHING, ikm, NOTHING, refused)).toBeUndefined();
    }
  });

  test('no salt is a salt of HashLen zeros, RFC 5869 §2.2', () => {
    const ikm = new Uint8Array(randomBytes(32));
    expect(hkdf(number, NOTHING, ikm, NOTHING, 64)).toEqual(hkdf(number, new Uint8Array(size), ikm, NOTHING, 64));
  });
});

test('a number that is no hash: 0, and nothing written', () => {
  for (const number of [0, HASHES.sha512.number + 1, 0xffffffff]) {
    expect(hkdf(number, NOTHING, new Uint8Array(32), NOTHING, 32)).toBeUndefined();
  }
});
