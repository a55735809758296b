import { createHash, randomBytes } from 'node:crypto';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const box = openCore();
const run = box.core['sha256']!;

/** The digest, with the input placed `skew` bytes off alignment and checked to be left as it was. */
function sha256(message: Uint8Array, skew = 0): Uint8Array<ArrayBuffer> {
  box.reset();
  const inPtr = box.place(message, skew);
  const outPtr = box.reserve(32, 15 - skew);
  run(inPtr, message.length, outPtr);
  expect(box.read(inPtr, message.length)).toEqual(new Uint8Array(message));
  expect(box.guarded(inPtr, message.length) && box.guarded(outPtr, 32)).toBe(true);
  return box.read(outPtr, 32);
}

test.each([
  ['SHA256ShortMsg.rsp', 65],
  ['SHA256LongMsg.rsp', 64],
])('CAVP %s', (file, count) => {
  const records = cavpRecords(cavp(`hashes/SHA2/${file}`));
  expect(records.length).toBe(count);
  for (const { Len, Msg, MD } of records) {
    expect(sha256(hex(Msg!).subarray(0, Number(Len) / 8)), `Len ${Len}`).toEqual(hex(MD!));
  }
});

test('CAVP SHA256Monte.rsp: 100 chains of 1000 digests, SHAVS §6.4', () => {
  const [seed, ...records] = cavpRecords(cavp('hashes/SHA2/SHA256Monte.rsp'));
  expect(records.length).toBe(100);
  box.reset();
  const m = box.reserve(96, 1);
  let md = hex(seed!['Seed']!);
  for (const { COUNT, MD } of records) {
    for (const at of [0, 32, 64]) box.memory.set(md, m + at);
    for (let i = 3; i < 1003; i++) {
      run(m, 96, m + 96);
      box.memory.copyWithin(m, m + 32, m + 128);
    }
    md = box.read(m + 64, 32);
    expect(md, `COUNT ${COUNT}`).toEqual(hex(MD!));
  }
});

test('every length 0-257 at every offset modulo 16 agrees with node:crypto and noble', () => {
  const bytes = new Uint8Array(randomBytes(257));
  for (let length = 0; length <= 257; length++) {
    const message = bytes.slice(0, length);
    const expected = new Uint8Array(createHash('sha256').update(message).digest());
    expect(nobleSha256(message)).toEqual(expected);
    for (let skew = 0; skew < 16; skew += length < 130 ? 1 : 5) {
      expect(sha256(message, skew), `length ${length}, offset ${skew}`).toEqual(expected);
    }
  }
});

test('a message of 16 MiB, whose length in bits needs more than 24', () => {
  const length = 1 << 24;
  const outPtr = box.core.REPLY.value;
  box.memory.fill(0x61, box.core.WINDOW.value, box.core.WINDOW.value + length);
  run(box.core.WINDOW.value, length, outPtr);
  const expected = createHash('sha256').update(Buffer.alloc(length, 0x61)).digest();
  expect(box.read(outPtr, 32)).toEqual(new Uint8Array(expected));
  box.memory.fill(0, box.core.WINDOW.value, box.core.WINDOW.value + length);
});

test('the digest may be written over its input, anywhere', () => {
  const message = new Uint8Array(randomBytes(150));
  const expected = new Uint8Array(createHash('sha256').update(message).digest());
  for (let at = -31; at < 150; at++) {
    box.reset();
    const inPtr = box.place(message, 40);
    run(inPtr, message.length, inPtr + at);
    expect(box.read(inPtr + at, 32), `out at in + ${at}`).toEqual(expected);
  }
});
