/**
 * Patterns, exhaustively over a small domain (domain.ts): what `isWithin` says is an order, and is true of what the patterns
 * allow; no way from a secret back to it gives it more rights; and a secret's purpose follows from how it came to be.
 */
import { expect, test } from 'vitest';
import type { KeyAttributes, Pattern } from '../../src/model/attributes.ts';
import type { KeyType, Usage } from '../../src/model/key.ts';
import { CONTENT_KEY, earlierEnd, hasDualUse, isWithin } from '../../src/model/pattern.ts';
import {
  boundToTrusted,
  checkDerived,
  checkRecipientWrapping,
  checkUnwrap,
  checkWrap,
  type Derivation,
  derivedBy,
} from '../../src/model/policy.ts';
import { FormatError } from '../../src/wire/fields.ts';
import { decodeTemplate, encodeTemplate } from '../../src/wire/pattern.ts';
import { purposeOf } from '../../src/wire/purpose.ts';
import { accepted, asBits, END, isSubset, keyOf, looked, patterns, rightsOf, wrappingKey } from './domain.ts';

const NOW = 1;
// Refusals by the million: a stack is most of what each costs.
Error.stackTraceLimit = 0;
const allows = (check: () => unknown): boolean => {
  try {
    check();
    return true;
  } catch {
    return false;
  }
};
const report = (what: string, counts: Record<string, number>) =>
  console.info(
    `${what}: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
  );

const rights = patterns.map((pattern) => asBits(rightsOf(pattern)));

test('isWithin is a partial order, and holds only where the one allows no more than the other', () => {
  const n = patterns.length;
  const words = Math.ceil(n / 32);
  /** Row i: the patterns that i is within. */
  const within = patterns.map(() => new Uint32Array(words));
  let pairs = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (!isWithin(patterns[i]!, patterns[j]!)) continue;
      within[i]![j >>> 5]! |= 1 << (j & 31);
      pairs++;
      if (!isSubset(rights[i]!, rights[j]!)) throw new Error(JSON.stringify([patterns[i], patterns[j]]));
    }
  }
  const holds = (i: number, j: number) => (within[i]![j >>> 5]! >>> (j & 31)) & 1;
  for (let i = 0; i < n; i++) {
    if (!holds(i, i)) throw new Error(`not reflexive: ${JSON.stringify(patterns[i])}`);
    for (let j = 0; j < n; j++) {
      if (i === j || !holds(i, j)) continue;
      if (holds(j, i)) throw new Error(`not antisymmetric: ${JSON.stringify([patterns[i], patterns[j]])}`);
      // Transitive: what j is within, i is within.
      for (let w = 0; w < words; w++) {
        if ((within[j]![w]! & ~within[i]![w]!) !== 0)
          throw new Error(`not transitive: ${JSON.stringify([patterns[i], patterns[j]])}`);
      }
    }
  }
  report('order', {
    'patterns looked at': looked.length,
    'that a key may have': n,
    'pairs one within the other': pairs,
  });
  expect(n).toBeGreaterThan(2000);
  expect(pairs).toBeGreaterThan(2 * n);
});

/** The usages of all that is within a template, by type and callerIv. */
const comeOf = (template: Pattern) => patterns.filter((each) => isWithin(each, template));

/** Of one type; what may be an AES key may be a composite content key, which is within its rights. */
const isOneType = (type: KeyType, of: KeyType): boolean => type === of || (type === 'AES-CBC-HMAC' && of === 'AES');

test('the union of what a template lets come needs no dualUse, and is of one type and callerIv', () => {
  let come = 0;
  for (const template of patterns) {
    const keys = comeOf(template);
    const usage = [...new Set(keys.flatMap((each) => each.usage))];
    come += keys.length;
    expect(hasDualUse({ type: template.type, callerIv: template.callerIv, usage })).toBe(false);
    expect(keys.every((each) => isOneType(each.type, template.type) && each.callerIv === template.callerIv)).toBe(true);
    if (template.type !== 'AES') expect(keys.every((each) => each.type === template.type)).toBe(true);
  }
  report('unions', { templates: patterns.length, 'patterns within them': come });
});

test('usages that undo one another are known whatever else stands beside them', () => {
  const all: Usage[] = ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'];
  const sets = Array.from({ length: 128 }, (_, mask) => all.filter((_, i) => (mask >>> i) & 1));
  for (const type of ['AES', 'HMAC', 'EC', 'GENERIC', 'AES-CBC-HMAC'] as const) {
    for (const callerIv of [false, true]) {
      for (const usage of sets.filter((set) => hasDualUse({ type, usage: set, callerIv }))) {
        for (const more of sets) {
          expect(hasDualUse({ type, usage: [...new Set([...usage, ...more])], callerIv })).toBe(true);
        }
      }
    }
  }
});

/** What becomes of a key that is unwrapped, as `finish` in cell/operations/keys.ts does it. */
const unwrapped = (key: Pattern, by: KeyAttributes): Pattern => ({
  ...key,
  notAfter: earlierEnd(key.notAfter, by.notAfter),
  wrapWithTrusted: key.wrapWithTrusted || boundToTrusted(by),
});

/** One in so many, so that the products below stay small; each has its share of depths, since the domain lists them in turn. */
const every = (n: number) => patterns.filter((_, i) => i % n === 0);
const wrappingKeys = (templates: readonly Pattern[]): KeyAttributes[] =>
  templates.flatMap((template) => [wrappingKey(template), wrappingKey(template, { notAfter: END })]);

test('wrap, then unwrap: nothing that comes back can do more than what went', () => {
  const went = patterns.map((each) => keyOf({ ...each, extractable: 'wrapped', wrapWithTrusted: true }));
  const keys = went.map((key) => ({ key, rights: asBits(rightsOf(key)) }));
  const counts = { 'keys × wrapping keys': 0, 'that may be wrapped': 0, 'keys that come back': 0 };
  for (const wrapping of wrappingKeys(every(11))) {
    const carried = keys.filter(({ key }) => allows(() => checkWrap(wrapping, key, NOW)));
    counts['keys × wrapping keys'] += keys.length;
    counts['that may be wrapped'] += carried.length;
    if (carried.length === 0) continue;
    const template = wrapping.unwrapTemplate as Pattern;
    // Of any size and curve: what the blob does not fit is refused later.
    const backs = comeOf(template)
      .flatMap((each) => [keyOf(each, 128), keyOf(each, 256)])
      .filter((back) => allows(() => checkUnwrap(wrapping, back)))
      .map((key) => ({ key, rights: asBits(rightsOf(unwrapped(key, wrapping))) }));
    for (const { key, rights: most } of carried) {
      for (const back of backs) {
        if (back.key.bits !== key.bits || back.key.curve !== key.curve) continue;
        counts['keys that come back']++;
        if (!isSubset(back.rights, most)) throw new Error(JSON.stringify([wrapping, key, back.key]));
      }
    }
  }
  report('wrap, unwrap', counts);
  expect(counts['keys that come back']).toBeGreaterThan(10_000);
});

test('re-wrap, then unwrap: the other key opens nothing that the first would not have opened', () => {
  const counts = { 'pairs of wrapping keys': 0, 'that may re-wrap': 0, 'keys that come back': 0 };
  const tos = wrappingKeys(every(17)).map((to) => ({
    to,
    backs: comeOf(to.unwrapTemplate as Pattern)
      .map((each) => keyOf(each))
      .filter((back) => allows(() => checkUnwrap(to, back)))
      .map((back) => asBits(rightsOf(unwrapped(back, to)))),
  }));
  for (const from of wrappingKeys(every(3))) {
    const most = asBits(rightsOf(unwrapped(from.unwrapTemplate as Pattern, from)));
    for (const { to, backs } of tos) {
      counts['pairs of wrapping keys']++;
      if (!allows(() => checkRecipientWrapping(from, to))) continue;
      counts['that may re-wrap']++;
      counts['keys that come back'] += backs.length;
      for (const back of backs) if (!isSubset(back, most)) throw new Error(JSON.stringify([from, to]));
    }
  }
  report('re-wrap, unwrap', counts);
  expect(counts['keys that come back']).toBeGreaterThan(1000);
});

const DERIVATIONS: readonly Derivation[] = [
  ...(['none', 'sp800-108', 'hkdf', 'bound'] as const).map((kdf) => ({ kdf, algorithm: '' })),
  ...['', 'x', 'A128GCM', 'A256GCM', 'A128KW', 'A256KW', 'ECDH-ES+A256KW', 'A128CBC-HS256', 'A256CBC-HS512'].map(
    (algorithm) => ({ kdf: 'concat', algorithm }) as const,
  ),
];

test('a purpose is a function of the base and of what is public: two keys of one input go together, or differ', () => {
  const bases = every(3)
    .filter(({ usage }) => usage.includes('derive'))
    .flatMap((each) => [keyOf(each), { ...keyOf(each), dualUse: true, deriveTemplate: 'any' } as const]);
  const asked = every(7).flatMap((each) => [keyOf(each, 128), keyOf(each, 256)]);
  const purposes = new Map(asked.map((key) => [key, Buffer.from(purposeOf(key)).toString('hex')]));
  const counts = {
    bases: bases.length,
    'base × derivation': 0,
    refused: 0,
    'by template': 0,
    'by purpose': 0,
    'keys derived': 0,
  };
  for (const base of bases) {
    for (const by of DERIVATIONS) {
      counts['base × derivation']++;
      let most: ReturnType<typeof derivedBy>;
      try {
        most = derivedBy(base, by);
      } catch {
        counts.refused++;
        continue;
      }
      if (most === 'any') {
        expect(base.dualUse).toBe(true);
        continue;
      }
      counts[most === null ? 'by purpose' : 'by template']++;
      // Without a template only what appends the purpose, or names an algorithm, derives at all.
      if (base.deriveTemplate === null) expect(most === null).toBe(by.kdf === 'bound');
      const derived = asked.filter((key) => allows(() => checkDerived(base, key, most)));
      counts['keys derived'] += derived.length;
      const groups = new Map<string, KeyAttributes[]>();
      for (const key of derived) {
        const purpose = most === null ? purposes.get(key)! : '';
        const known = groups.get(purpose);
        if (known === undefined) groups.set(purpose, [key]);
        else known.push(key);
      }
      for (const keys of groups.values()) {
        const usage = [...new Set(keys.flatMap((key) => key.usage))];
        const [{ type, callerIv }] = keys as [KeyAttributes];
        expect(hasDualUse({ type, callerIv, usage })).toBe(false);
        for (const key of keys) {
          expect([key.type, key.callerIv, key.dualUse]).toEqual([type, callerIv, false]);
          if (most !== null) expect(isSubset(asBits(rightsOf(key)), asBits(rightsOf(most)))).toBe(true);
        }
        if (most !== null) continue;
        // By purpose: all members are the same but those that two halves of one use may differ in, and dates.
        const same = keys.map(
          ({ bits, extractable, wrapWithTrusted, rewrap, issuer, unwrapTemplate, deriveTemplate }) =>
            JSON.stringify([bits, extractable, wrapWithTrusted, rewrap, issuer, unwrapTemplate, deriveTemplate]),
        );
        expect(new Set(same).size).toBe(1);
      }
    }
  }
  report('derivations', counts);
  expect(counts['by purpose']).toBeGreaterThan(0);
  expect(counts['by template']).toBeGreaterThan(0);
});

test('a pattern has one encoding, and an encoding one pattern', () => {
  const seen = new Map<string, Pattern>();
  for (const pattern of patterns) {
    const bytes = encodeTemplate(pattern);
    const hex = Buffer.from(bytes).toString('hex');
    expect(seen.has(hex)).toBe(false);
    seen.set(hex, pattern);
    expect(decodeTemplate(bytes)).toEqual(pattern);
  }
  expect(decodeTemplate(encodeTemplate(CONTENT_KEY))).toBe(CONTENT_KEY);
  expect(decodeTemplate(encodeTemplate('any'))).toBe('any');
  report('encodings', { patterns: seen.size });
});

test('bytes that were changed are no pattern, one that no key may have, or the encoding of what they say', () => {
  const counts = { changed: 0, 'no encoding': 0, 'of no key': 0, 'another pattern': 0 };
  for (const pattern of every(97)) {
    const bytes = encodeTemplate(pattern);
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 2, 3, 4, 0x80, 0xff]) {
        if (bytes[at] === value) continue;
        const changed = bytes.slice();
        changed[at] = value;
        counts.changed++;
        try {
          const read = decodeTemplate(changed);
          if (read === 'any' || !accepted(read)) {
            counts['of no key']++;
            continue;
          }
          counts['another pattern']++;
          expect(Buffer.from(encodeTemplate(read))).toEqual(Buffer.from(changed));
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          counts['no encoding']++;
        }
      }
    }
    for (const cut of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.of(0)])]) {
      expect(() => decodeTemplate(cut)).toThrow(FormatError);
    }
  }
  report('changed encodings', counts);
  expect(counts['another pattern']).toBeGreaterThan(0);
});
