/** JSON of one meaning: its bounds, its encoding, and no name twice, however it is written. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FormatError } from '../../src/wire/fields.ts';
import { readJson } from '../../src/wire/json.ts';

const BOUNDS = { bytes: 200, depth: 4, members: 8 };
const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string | Uint8Array, bounds = BOUNDS) =>
  readJson(Buffer.from(typeof text === 'string' ? bytes(text) : text), bounds);

test('reads what JSON.parse reads', () => {
  for (const text of [
    '{}',
    '{"a":1,"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    ' "x" ',
    '{"a:":":","b":"\\":"}',
    '1.5e3',
    'null',
  ]) {
    expect(read(text)).toEqual(JSON.parse(text));
  }
});

test.each([
  ['two equal members', '{"a":1,"a":1}'],
  ['two of one name', '{"a":1,"b":2,"a":3}'],
  ['one of them escaped', '{"exp":1,"\\u0065xp":2}'],
  ['both escaped', '{"\\u0065xp":1,"e\\u0078p":2}'],
  ['inside another', '{"cnf":{"jkt":"a","jkt":"b"}}'],
  ['inside what nobody reads', '{"x":[1,{"y":{"a":1,"a":2}}]}'],
  ['the empty name', '{"":1,"":2}'],
  ['__proto__', '{"__proto__":1,"__proto__":2}'],
  ['a name with a colon', '{"a:b":1,"a:b":2}'],
  ['a name with a quote', '{"a\\"":1,"a\\u0022":2}'],
])('refuses %s', (_, text) => {
  expect(() => JSON.parse(text)).not.toThrow();
  expect(() => read(text)).toThrow(new FormatError('two members of one name'));
});

test('refuses what is no UTF-8, and a byte order mark', () => {
  const quoted = (...inner: number[]) => Uint8Array.of(0x22, ...inner, 0x22);
  expect(read(quoted(0xc3, 0xa4))).toBe('ä');
  for (const wrong of [
    quoted(0xe4),
    quoted(0xc0, 0xaf),
    quoted(0xed, 0xa0, 0x80),
    quoted(0xf5, 0x80, 0x80, 0x80),
    quoted(0xe2, 0x82),
    Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d),
    Uint8Array.of(0xfe, 0xff, 0, 0x7b, 0, 0x7d),
    Uint8Array.of(0x7b, 0, 0x7d, 0),
  ]) {
    expect(() => read(wrong)).toThrow(FormatError);
  }
});

test('refuses what is no JSON, and what passes a bound', () => {
  for (const text of [
    '',
    '{',
    '{}{}',
    "{'a':1}",
    '{"a":1,}',
    '{"a":01}',
    '{"a":NaN}',
    '\u00a0{}',
    '{"a":"\t"}',
    '{a:1}',
  ]) {
    expect(() => read(text)).toThrow(new FormatError('not JSON in UTF-8'));
  }
  expect(read('[[[[]]]]')).toEqual([[[[]]]]);
  for (const text of [
    '[[[[[]]]]]',
    '{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}',
    `"${'x'.repeat(199)}"`,
  ]) {
    expect(() => read(text)).toThrow(new FormatError('JSON beyond its bounds'));
  }
});

test('gives back any value, and none with a member written twice', () => {
  const wide = { bytes: 1e6, depth: 100, members: 1e6 };
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, maxKeys: 5 }), fc.nat(), (value, n) => {
      const text = JSON.stringify(value);
      expect(read(text, wide)).toEqual(JSON.parse(text));
      const names = Object.keys(value);
      const twice = `${text.slice(0, -1)},${JSON.stringify(names[n % names.length])}:0}`;
      expect(() => read(twice, wide)).toThrow(FormatError);
    }),
    { seed: 13, numRuns: 500 },
  );
});
