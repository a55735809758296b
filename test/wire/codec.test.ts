import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { pack, unpack } from '../../src/wire/codec.ts';
import { FormatError } from '../../src/wire/fields.ts';

test('what is packed comes back', () => {
  const leaf = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.nat(2 ** 48),
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
  );
  fc.assert(
    fc.property(leaf, leaf, fc.array(leaf, { maxLength: 10 }), (a, b, list) => {
      expect(unpack(pack([a, b, list]), 3)).toEqual([a, b, list]);
    }),
  );
});

test('records, dates, maps and negative numbers never reach the library', () => {
  const packr = new Packr({ useRecords: true });
  for (const value of [{ a: 1 }, new Date(), new Map([[1, 2]]), -1]) {
    const bytes = new Uint8Array(packr.pack([value]));
    expect(() => unpack(bytes, 1), String(value)).toThrow(FormatError);
  }
});

test('bytes of any kind give a value or a FormatError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        unpack(bytes, 1);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { numRuns: 2000 },
  );
});
