/** Where lines are broken, and where they are not. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wrap, wrapHelp } from '../../src/cli/wrap.ts';

test('a line is broken between words, under its indent', () => {
  expect(wrap('one two three', 9)).toBe('one two\nthree');
  expect(wrap('  one two three', 9)).toBe('  one two\n  three');
  expect(wrap('one\ntwo three four', 9)).toBe('one\ntwo three\nfour');
});

test('neither a command nor a word nor a row is broken, and without a width nothing is', () => {
  expect(wrap('see `keycell key list`, then go', 12)).toBe('see\n`keycell key list`,\nthen go');
  expect(wrap('a/very/long/path here', 8)).toBe('a/very/long/path\nhere');
  expect(wrap('name   role   locked', 8)).toBe('name   role   locked');
  expect(wrap('one two three', undefined)).toBe('one two three');
  expect(wrap('an odd ` stays', 8)).toBe('an odd `\nstays');
});

test('in help a command goes on behind a backslash, and a row under its last cell', () => {
  expect(wrapHelp('  $ keycell sign --key "a b" --out x y', 24)).toBe(
    '  $ keycell sign \\\n      --key "a b" \\\n      --out x y',
  );
  expect(wrapHelp('  1  one two three', 12)).toBe('  1  one two\n     three');
  expect(wrapHelp('one two three', 9)).toBe('one two\nthree');
  expect(wrapHelp('  $ keycell sign --key "a b"', undefined)).toBe('  $ keycell sign --key "a b"');
});

test('nothing is lost', () => {
  const words = fc.array(fc.constantFrom('a', 'word', '`a command`', '`', 'punctuation,', '🔑'), { minLength: 1 });
  fc.assert(
    fc.property(words, fc.integer({ min: 1, max: 40 }), (list, columns) => {
      const text = list.join(' ');
      expect(wrap(text, columns).replaceAll('\n', ' ')).toBe(text);
    }),
  );
});
