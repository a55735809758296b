import { createHash, randomBytes } from 'node:crypto';
import { sha384 as nobleSha384, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { HASHES } from '../support/hashes.ts';
import { cavp } from '../support/vectors.ts';

const box = openCore();
const run = box.core['hash']!;
const NOBLE = { sha384: nobleSha384, sha512: nobleSha512 } as const;

/** The digest, with the input placed `skew` bytes off alignment and checked to be left as it was. */
function digest(number: number, size: number, message: Uint8Array, skew = 0): Uint8Array<ArrayBuffer> {
  box.reset();
  const inPtr = box.place(message, skew);
  const outPtr = box.reserve(size, 15 - skew);
  expect(run(number, inPtr, message.length, outPtr)).toBe(1);
  expect(box.read(inPtr, message.length)).toEqual(new Uint8Array(message));
  expect(box.guarded(inPtr, message.length) && box.guarded(outPtr, size)).toBe(true);
  return box.read(outPtr, size);
}

describe.each([
  [HASHES.sha384, 'SHA384'],
  [HASHES.sha512, 'SHA512'],
] as const)('$name', ({ number, name, size }, cavpName) => {
  const byNode = (message: Uint8Array) => new Uint8Array(createHash(name).update(message).digest());

  test.each([
    ['ShortMsg', 129],
    ['LongMsg', 128],
  ])('CAVP %s', (kind, count) => {
    const records = cavpRecords(cavp(`hashes/SHA2/${cavpName}${kind}.rsp`));
    expect(records.length).toBe(count);
    for (const { Len, Msg, MD } of records) {
      expect(digest(number, size, hex(Msg!).subarray(0, Number(Len) / 8)), `Len ${Len}`).toEqual(hex(MD!));
    }
  });

  test('CAVP Monte: 100 chains of 1000 digests, SHAVS §6.4', () => {
    const [seed, ...records] = cavpRecords(cavp(`hashes/SHA2/${cavpName}Monte.rsp`));
    expect(records.length).toBe(100);
    box.reset();
    const m = box.reserve(4 * size, 1);
    let md = hex(seed!['Seed']!);
    for (const { COUNT, MD } of records) {
      for (const at of [0, size, 2 * size]) box.memory.set(md, m + at);
      for (let i = 3; i < 1003; i++) {
        run(number, m, 3 * size, m + 3 * size);
        box.memory.copyWithin(m, m + size, m + 4 * size);
      }
      md = box.read(m + 2 * size, size);
      expect(md, `COUNT ${COUNT}`).toEqual(hex(MD!));
    }
  });

  test('every length 0-257 at every offset modulo 16 agrees with node:crypto and noble', () => {
    const bytes = new Uint8Array(randomBytes(257));
    for (let length = 0; length <= 257; length++) {
      const message = bytes.slice(0, length);
      const expected = byNode(message);
      expect(NOBLE[name](message)).toEqual(expected);
      for (let skew = 0; skew < 16; skew += length < 130 ? 1 : 5) {
        expect(digest(number, size, message, skew), `length ${length}, offset ${skew}`).toEqual(expected);
      }
    }
  });

  test('a message of 16 MiB', () => {
    const length = 1 << 24;
    const outPtr = box.core.REPLY.value;
    box.memory.fill(0x61, box.core.WINDOW.value, box.core.WINDOW.value + length);
    run(number, box.core.WINDOW.value, length, outPtr);
    expect(box.read(outPtr, size)).toEqual(byNode(Buffer.alloc(length, 0x61)));
    box.memory.fill(0, box.core.WINDOW.value, box.core.WINDOW.value + length);
  });

  test('the digest may be written over its input, anywhere', () => {
    const message = new Uint8Array(randomBytes(270));
    const expected = byNode(message);
    for (let at = 1 - size; at < message.length; at++) {
      box.reset();
      const inPtr = box.place(message, 80);
      run(number, inPtr, message.length, inPtr + at);
      expect(box.read(inPtr + at, size), `out at in + ${at}`).toEqual(expected);
    }
  });
});

test('number 1 is SHA-256, and no other number is a hash', () => {
  const message = new Uint8Array(randomBytes(100));
  expect(digest(1, 32, message)).toEqual(new Uint8Array(createHash('sha256').update(message).digest()));
  box.reset();
  const inPtr = box.place(message);
  const outPtr = box.reserve(64);
  for (const number of [0, 4, 5, 256, 0xffffffff]) {
    expect(run(number, inPtr, message.length, outPtr)).toBe(0);
    expect(box.read(outPtr, 64).every((byte) => byte === 0xa5)).toBe(true);
  }
});
