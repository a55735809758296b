/** docs/errors.md has each code and each reason of src/errors.ts, says of each what is so, and has no other. */
import { expect, test } from 'vitest';
import { codeOf, HsmError, type HsmErrorCode, REASONS } from '../../src/errors.ts';
import { readPage } from './pages.ts';

const { text } = readPage('docs/errors.md');
/** Numbers are small and without large gaps. */
const CODES = Array.from({ length: 256 }, (_, number) => codeOf(number)).filter((code) => code !== undefined);
const sections = new Map(
  text
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
);

test('each code has its section', () => {
  expect([...sections.keys()].sort()).toEqual([...CODES].sort());
});

test.each(CODES)('%s says whether it is retryable, and what became of the call', (code: HsmErrorCode) => {
  const { retryable } = new HsmError(code);
  const last = /^Retryable: (yes|no)\. Outcome: (not-executed|unknown|either)\.$/m.exec(sections.get(code)!);
  expect(last?.[1]).toBe(retryable ? 'yes' : 'no');
});

test('each reason has a number of its own, which crosses the boundary', () => {
  const numbers = Object.values(REASONS).map(([number]) => number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(Math.max(...numbers)).toBeLessThan(2 ** 16);
});

test('each reason has its row', () => {
  const table = text.slice(text.indexOf('## Reasons'));
  const rows = [...table.matchAll(/^\| (.*?) *\|/gm)].map((match) => match[1]!).slice(2);
  const reasons = Object.values(REASONS).map(([, reason]) => reason);
  expect(rows.sort()).toEqual(reasons.filter((reason) => reason !== '').sort());
});
