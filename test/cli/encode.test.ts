/** Text as bytes, for keys that come as one of its forms. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decode, encode, isPrintable, textForm } from '../../src/cli/encode.ts';

const text = (string: string) => new TextEncoder().encode(string);

test('what is encoded is decoded, whatever stands between the digits', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decode(encode(bytes, 'hex'), 'hex')).toEqual(new Uint8Array(bytes));
      for (const form of ['base64', 'base64url'] as const) {
        expect(decode(encode(bytes, form), 'base64')).toEqual(new Uint8Array(bytes));
      }
    }),
  );
  expect(decode(text(' 0A\t0b\r\n0C'), 'hex')).toEqual(new Uint8Array([10, 11, 12]));
});

test('what is neither is not decoded', () => {
  for (const odd of ['0', '0g', '0x00', '@A', '\u0010\u0011', '00='])
    expect(decode(text(odd), 'hex'), odd).toBeUndefined();
  for (const odd of ['A', 'AB==A', 'AAAA====', 'AAA==', 'AB', 'AA=', '*AAA', 'AAAAA']) {
    expect(decode(text(odd), 'base64'), odd).toBeUndefined();
  }
});

test('text is what a terminal shows and does not obey', () => {
  for (const shown of ['', 'plain\n', 'tab\tand\r\n', 'Füße', '漢字', '🔑', 'a\u00a0b']) {
    expect(isPrintable(text(shown)), shown).toBe(true);
  }
  for (const obeyed of ['\u001b[2J', '\u0000', '\u007f', '\u009b2J', 'bell\u0007']) {
    expect(isPrintable(text(obeyed)), obeyed).toBe(false);
  }
  for (const bytes of [
    [0xff, 65],
    [65, 0xc3, 65],
    [65, 0xed, 0xa0, 0x80, 65],
    [0x80, 0x80, 0x80, 0x80],
  ]) {
    expect(isPrintable(new Uint8Array(bytes)), String(bytes)).toBe(false);
  }
  // However a stream is cut.
  const all = text('ä漢🔑z');
  for (let at = 0; at <= all.length; at++) {
    expect([isPrintable(all.subarray(0, at)), isPrintable(all.subarray(at))], String(at)).toEqual([true, true]);
  }
});

test('a form is seen where the length is one that keys have', () => {
  expect(textForm(text('0'.repeat(32)))).toBe('hex');
  expect(textForm(text(`${'0'.repeat(64)}\n`))).toBe('hex');
  expect(textForm(text('Z'.repeat(32)))).toBe('base64');
  expect(textForm(text('a passphrase of its own, 32 chars'))).toBeUndefined();
  expect(textForm(text('ab'))).toBeUndefined();
  expect(textForm(new Uint8Array(32))).toBeUndefined();
});
