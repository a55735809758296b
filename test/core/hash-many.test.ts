/** Digests of a batch: whatever goes side by side, each is what node:crypto gives for its message alone. */
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openCore } from '../support/core.ts';

const box = openCore();
const HASHES = [
  ['sha256', 1, 32],
  ['sha384', 2, 48],
  ['sha512', 3, 64],
] as const;

function digests([name, number, size]: (typeof HASHES)[number], messages: readonly Uint8Array[]): void {
  box.reset();
  const placed = messages.map((message, i) => ({
    at: box.place(message, i % 16),
    out: box.reserve(size, (7 * i) % 16),
  }));
  const jobs = box.place(
    new Uint8Array(
      Uint32Array.from(messages.flatMap(({ length }, i) => [placed[i]!.at, length, placed[i]!.out])).buffer,
    ),
    0,
  );
  box.core['hashMany']!(number, jobs, messages.length);
  messages.forEach((message, i) => {
    const { at, out } = placed[i]!;
    const expected = new Uint8Array(createHash(name).update(message).digest());
    expect([name, i, message.length, box.read(out, size)]).toEqual([name, i, message.length, expected]);
    expect(box.read(at, message.length)).toEqual(new Uint8Array(message));
    expect(box.guarded(at, message.length) && box.guarded(out, size)).toBe(true);
  });
}

test('every count up to nine, messages of one length, each with its own bytes', () => {
  for (const hash of HASHES) {
    for (let count = 0; count <= 9; count++) {
      digests(
        hash,
        Array.from({ length: count }, () => randomBytes(100)),
      );
    }
  }
});

test('every length through two blocks, beside lengths around it', () => {
  for (const hash of HASHES) {
    for (let length = 0; length <= 260; length++) {
      digests(
        hash,
        [0, 1, 9, 63].map((more) => randomBytes(length + more)),
      );
    }
  }
});

test('a long message among short ones, in every place', () => {
  for (const hash of HASHES) {
    for (let place = 0; place < 8; place++) {
      digests(
        hash,
        Array.from({ length: 8 }, (_, i) => randomBytes(i === place ? 20_000 : 10 * i)),
      );
    }
  }
});

test('of any lengths', () => {
  for (let run = 0; run < 300; run++) {
    const count = 1 + (run % 37);
    digests(
      HASHES[0],
      Array.from({ length: count }, () => randomBytes(Math.floor(Math.random() ** 3 * 2000))),
    );
  }
});
