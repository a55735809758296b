/** The bounds of JSON texts, on the bytes: size, depth and members, with strings told from structure. */
import { expect, test } from 'vitest';
import { HEADER_BOUNDS, type JsonBounds } from '../../src/model/limits.ts';
import { jsonExcess } from '../../src/wire/json-bounds.ts';

const BOUNDS: JsonBounds = { bytes: 100, depth: 3, members: 4 };
const excess = (text: string, bounds = BOUNDS) => jsonExcess(new TextEncoder().encode(text), bounds);

test('each bound holds to the last that it allows', () => {
  const size = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;
  expect([excess(size(100)), excess(size(101))]).toEqual([undefined, 'bytes']);
  // Bytes, not characters.
  expect(excess(`"${'ä'.repeat(50)}"`)).toBe('bytes');
  expect([excess('[[[]]]'), excess('[[[[]]]]')]).toEqual([undefined, 'depth']);
  expect([excess('{"a":{"a":{}}}'), excess('{"a":{"a":{"a":{}}}}')]).toEqual([undefined, 'depth']);
  expect([excess('{"a":[{}]}'), excess('{"a":[{"a":[]}]}')]).toEqual([undefined, 'depth']);
  expect([excess('{"a":1,"b":2,"c":3,"d":4}'), excess('{"a":1,"b":2,"c":3,"d":4,"e":5}')]).toEqual([
    undefined,
    'members',
  ]);
  // Members count at all depths together; siblings do not add to the depth.
  expect(excess('{"a":{"b":1},"c":{"d":1,"e":1}}')).toBe('members');
  expect(excess('[[],[],[],[[]],[[]]]')).toBe(undefined);
});

test('what stands in a string is text, whatever it looks like', () => {
  expect(excess('{"[[[[":"{{{{:::::"}')).toBe(undefined);
  expect(excess(String.raw`{"a\"[[[[":"\\"}`)).toBe(undefined);
  expect(excess(String.raw`{"a":"\\","b":[[[]]]}`)).toBe('depth');
  expect(excess(String.raw`["\\\"[[[[","]]]]"]`)).toBe(undefined);
  expect(excess('{"\u00ab\u2028[[[[":"ä:ö:ü:ß:é"}')).toBe(undefined);
});

test('what is no JSON ends no scan; brackets that close nothing make room only in what no parser takes', () => {
  for (const text of ['', '"', '"\\', ']]]]', '}{]['] as const) expect([text, excess(text)]).toEqual([text, undefined]);
  expect(() => JSON.parse(']]]][[[[')).toThrow();
});

test('agrees with a count over the parsed value, on random values', () => {
  let seed = 13;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const names = ['a', '"', '\\', '[', '}', ':', 'ä', '\\"', '{"x":[1]}', '\u0000', ' '];
  const value = (depth: number): unknown => {
    const kind = random(depth > 5 ? 2 : 5);
    if (kind === 0) return random(1000) - 500;
    if (kind === 1) return names[random(names.length)];
    const items = Array.from({ length: random(4) }, () => value(depth + 1));
    if (kind < 4) return items;
    return Object.fromEntries(items.map((item, i) => [`${names[random(names.length)]}${i}`, item]));
  };
  const depthOf = (v: unknown): number =>
    typeof v === 'object' && v !== null ? 1 + Math.max(0, ...Object.values(v).map(depthOf)) : 0;
  const membersOf = (v: unknown): number =>
    typeof v === 'object' && v !== null
      ? (Array.isArray(v) ? 0 : Object.keys(v).length) +
        Object.values(v).reduce((n: number, each) => n + membersOf(each), 0)
      : 0;
  for (let i = 0; i < 2000; i++) {
    const made = { top: value(0) };
    const [depth, members] = [depthOf(made), membersOf(made)];
    for (const text of [JSON.stringify(made), JSON.stringify(made, null, 2)]) {
      const exact = { bytes: 1e6, depth, members };
      expect(excess(text, exact)).toBe(undefined);
      expect(excess(text, { ...exact, depth: depth - 1 })).toBe('depth');
      expect(excess(text, { ...exact, members: members - 1 })).toBe('members');
    }
  }
});

test('a header may have 8 KiB, 16 levels, 64 members', () => {
  const header = (members: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: members }, (_, i) => [`m${i}`, i])));
  expect([excess(header(64), HEADER_BOUNDS), excess(header(65), HEADER_BOUNDS)]).toEqual([undefined, 'members']);
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  expect([excess(nested(16), HEADER_BOUNDS), excess(nested(17), HEADER_BOUNDS)]).toEqual([undefined, 'depth']);
});
