import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openCore } from '../support/core.ts';

const box = openCore();
const NOTHING = new Uint8Array(0);

/** What the text stands for, or nothing where it is refused; then, as behind the bytes, there must be zeros. */
function decode(text: Uint8Array | string, skew = 0): Uint8Array {
  box.reset();
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  const from = box.place(bytes, skew);
  const to = box.reserve(bytes.length, 15 - skew);
  const size = box.core['base64Decode']!(from, bytes.length, to);
  expect(box.read(from, bytes.length)).toEqual(new Uint8Array(bytes));
  expect(box.guarded(to, bytes.length)).toBe(true);
  expect(box.read(to + size, bytes.length - size).every((byte) => byte === 0)).toBe(true);
  return box.read(to, size);
}

/** RFC 4648 §4 by node, which passes over what does not belong: what it would write itself is what it may read. */
function reference(text: string): Uint8Array {
  const bare = text.replaceAll(/[ \t\n\v\f\r]/g, '');
  const bytes = Buffer.from(bare, 'base64');
  return bytes.toString('base64') === bare ? new Uint8Array(bytes) : NOTHING;
}

test('whatever node writes, in lines or not', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 80 }),
      fc.nat(15),
      (bytes, width, skew) => {
        const text = Buffer.from(bytes).toString('base64');
        expect(decode(text, skew)).toEqual(bytes);
        for (const end of ['\n', '\r\n', ' \t', '\v\f']) {
          expect(decode(end + text.replaceAll(new RegExp(`.{${width}}`, 'g'), `$&${end}`) + end, skew)).toEqual(bytes);
        }
      },
    ),
  );
});

test('every byte in every place of a group, and what may follow padding', () => {
  for (const text of ['QUJD', 'QUI=', 'QQ==', 'QUJDQUJD', 'QUJDQQ==', '\nQUI=\n']) {
    for (let at = 0; at < text.length; at++) {
      for (let value = 0; value < 256; value++) {
        const altered = text.slice(0, at) + String.fromCharCode(value) + text.slice(at + 1);
        expect([altered, decode(altered)]).toEqual([altered, reference(altered)]);
      }
    }
  }
});

test('text of the alphabet, padding and white space at random', () => {
  let taken = 0;
  const char = fc.constantFrom(...'AQgw/+9Zz==\n ');
  fc.assert(
    fc.property(fc.string({ unit: char, maxLength: 13 }), (text) => {
      const expected = reference(text);
      if (expected.length > 0) taken++;
      expect(decode(text)).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
  expect(taken).toBeGreaterThan(100);
});
