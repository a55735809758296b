/** The purpose of bound keys: docs/formats.md §10 has its formula and vectors, which another implementation computes, too. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EXTRACTABLES, type KeyAttributes, type Pattern, USAGES } from '../../src/model/attributes.ts';
import type { KeyType, Usage } from '../../src/model/key.ts';
import { CONTENT_KEY, derives, hasDualUse, isSame, usagesFit, wraps } from '../../src/model/pattern.ts';
import { purposeOf } from '../../src/wire/purpose.ts';
import { boundKey, purpose, type Shape } from '../support/purpose.ts';

const document = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');

const NOTHING: KeyAttributes = {
  ...CONTENT_KEY,
  ...{ bits: 256, class: 'secret', origin: 'derived', extractable: false },
  ...{ neverExtractable: false, trusted: false, destroyable: true, dualUse: false, persistent: false },
  ...{ notBefore: 0, maxUses: 0, createdAt: 0, checkValue: new Uint8Array(0), version: 1, point: null, label: null },
};
const POINT = Uint8Array.from({ length: 65 }, (_, i) => (i === 0 ? 4 : i));
const ISSUER = { id: '20'.repeat(16), point: POINT, proofMaxAge: 600, blobs: true };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const TITLE: Pattern = { ...CONTENT_KEY, bits: 128, usage: [] };
const title: Shape = { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' };

/** One key a row: as the cell has it, and as the document's reader writes it. */
const KEYS: [name: string, KeyAttributes, Parameters<typeof purpose>[0]][] = [
  ['a cipher', NOTHING, { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: false }],
  [
    'half of it',
    { ...NOTHING, usage: ['decrypt'] },
    { type: 'AES', bits: 256, usage: ['decrypt'], extractable: false },
  ],
  [
    'a key-encryption key',
    { ...NOTHING, usage: ['wrap', 'unwrap'], unwrapTemplate: TITLE },
    { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], extractable: false, unwrapTemplate: title },
  ],
  [
    'one that re-wraps with proof',
    { ...NOTHING, usage: ['unwrap'], unwrapTemplate: TITLE, rewrap: 'issuer', issuer: ISSUER },
    {
      ...{ type: 'AES', bits: 256, usage: ['unwrap'], extractable: false, unwrapTemplate: title },
      policy: { point: POINT, proofMaxAge: 600, blobs: true },
    },
  ],
  [
    'one with everything',
    {
      ...NOTHING,
      usage: ['encrypt', 'sign', 'unwrap'],
      ...{ callerIv: true, wrapWithTrusted: true, dualUse: true, extractable: 'plaintext', rewrap: 'any' },
      unwrapTemplate: 'any',
    },
    {
      ...{ type: 'AES', bits: 256, usage: ['encrypt', 'sign', 'unwrap'], extractable: 'plaintext', policy: 'any' },
      ...{ callerIv: true, wrapWithTrusted: true, dualUse: true, unwrapTemplate: 'any' },
    },
  ],
  [
    'a base of others',
    {
      ...NOTHING,
      ...{ type: 'HMAC', bits: 384, usage: ['derive'] },
      deriveTemplate: {
        ...CONTENT_KEY,
        ...{ type: 'EC', curve: 'P-384', usage: ['sign'], notAfter: 2 ** 41, wrapWithTrusted: true },
      },
    },
    {
      ...{ type: 'HMAC', bits: 384, usage: ['derive'], extractable: false },
      deriveTemplate: {
        ...{ type: 'EC', curve: 'P-384', usage: ['sign'], extractable: 'wrapped' },
        ...{ notAfter: 2 ** 41, wrapWithTrusted: true },
      },
    },
  ],
];

describe.each(KEYS)('%s', (_name, attributes, shape) => {
  test('has the purpose that the document says', () => {
    expect(hex(purposeOf(attributes))).toBe(purpose(shape).toString('hex'));
  });

  test('whatever its dates, names, owner, persistence and issuer is called', () => {
    const other: KeyAttributes = {
      ...attributes,
      ...{ notBefore: 1, notAfter: 2, createdAt: 3, label: 'x', persistent: true, destroyable: false, version: 2 },
      issuer: attributes.issuer && { ...attributes.issuer, id: '21'.repeat(16) },
    };
    expect(hex(purposeOf(other))).toBe(hex(purposeOf(attributes)));
  });
});

test("the document's vectors", () => {
  const base = Uint8Array.from({ length: 32 }, (_, i) => i);
  const [cipher, , kek] = KEYS;
  for (const [, , shape] of [cipher!, kek!]) {
    expect(document).toContain(purpose(shape).toString('hex'));
    expect(document).toContain(boundKey(base, 'sha256', { label: 'rows', context: '1' }, shape).toString('hex'));
  }
});

const extractable = fc.constantFrom(...EXTRACTABLES);
const policies: fc.Arbitrary<Pick<Pattern, 'rewrap' | 'issuer'>> = fc.constantFrom(
  { rewrap: 'trusted', issuer: null },
  { rewrap: 'any', issuer: null },
  { rewrap: 'issuer', issuer: ISSUER },
  { rewrap: 'issuer', issuer: { ...ISSUER, blobs: false } },
  { rewrap: 'issuer', issuer: { ...ISSUER, proofMaxAge: 601 } },
  { rewrap: 'issuer', issuer: { ...ISSUER, point: POINT.map((byte, i) => (i === 64 ? byte ^ 1 : byte)) } },
);
const usages = (type: KeyType): fc.Arbitrary<Usage[]> =>
  fc.subarray(USAGES.filter((each) => usagesFit({ type, usage: [each] })));
const patterns: fc.Arbitrary<Pattern> = fc.letrec<{ pattern: Pattern }>((tie) => ({
  pattern: fc
    .constantFrom<KeyType>('AES', 'EC', 'HMAC', 'GENERIC', 'AES-CBC-HMAC')
    .chain((type) => fc.tuple(fc.constant(type), usages(type)))
    .chain(([type, usage]) =>
      fc.record({
        ...{ type: fc.constant(type), usage: fc.constant(usage), extractable },
        bits: type === 'EC' ? fc.constant(null) : fc.constantFrom(null, 128, 256),
        curve: type === 'EC' ? fc.constantFrom(null, 'P-256' as const, 'P-384' as const) : fc.constant(null),
        ...{ callerIv: type === 'AES' ? fc.boolean() : fc.constant(false), wrapWithTrusted: fc.boolean() },
        notAfter: fc.constantFrom(0, 1),
        policy: type === 'AES' ? policies : fc.constant({ rewrap: 'trusted' as const, issuer: null }),
        unwrapTemplate: wraps({ type, usage })
          ? fc.oneof({ maxDepth: 2 }, fc.constant(CONTENT_KEY), tie('pattern'))
          : fc.constant(null),
        deriveTemplate: usage.includes('derive') ? fc.option(tie('pattern'), { maxDepth: 2 }) : fc.constant(null),
      }),
    )
    .map(({ policy, ...rest }) => ({ ...rest, ...policy })),
})).pattern;

/** In the form that every key has: templates where they matter, and nowhere else. */
const canonical = (key: KeyAttributes): KeyAttributes => ({
  ...key,
  ...(key.type !== 'AES' && { callerIv: false, rewrap: 'trusted', issuer: null }),
  unwrapTemplate: wraps(key) ? (key.unwrapTemplate ?? CONTENT_KEY) : null,
  deriveTemplate: derives(key) ? key.deriveTemplate : null,
});

/** The members of a key that make its purpose: two halves of one usage are one purpose. */
const samePurpose = (a: KeyAttributes, b: KeyAttributes): boolean => {
  const whole = (key: KeyAttributes): KeyAttributes => ({
    ...key,
    usage: wholeUsage(key.usage),
    notAfter: 0,
    curve: null,
  });
  return a.dualUse === b.dualUse && a.wrapWithTrusted === b.wrapWithTrusted && isSame(whole(a), whole(b));
};
const PAIRS: readonly Usage[][] = [
  ['encrypt', 'decrypt'],
  ['sign', 'verify'],
  ['wrap', 'unwrap'],
];
function wholeUsage(usage: readonly Usage[]): readonly Usage[] {
  return PAIRS.find((pair) => usage.length > 0 && usage.every((each) => pair.includes(each))) ?? usage;
}

test('two keys have one purpose exactly where they are for the same; one purpose never has dual use', () => {
  const keys = fc
    .tuple(patterns, fc.constantFrom(128, 256), fc.boolean())
    .map(([pattern, bits, dualUse]): KeyAttributes => ({ ...NOTHING, ...pattern, bits, curve: null, dualUse }));
  /** A change of one member, or of none: unrelated keys would hardly ever be near one another. */
  const changes = fc.oneof(
    fc.constant({}),
    patterns.map(({ rewrap, issuer }) => ({ rewrap, issuer })),
    fc.constantFrom<KeyType>('AES', 'HMAC').chain((type) => fc.record({ usage: usages(type) })),
    fc.record({ extractable }),
    fc.constantFrom<Partial<KeyAttributes>>(
      { wrapWithTrusted: true },
      { dualUse: true },
      { callerIv: true },
      { bits: 128 },
    ),
    patterns.map((unwrapTemplate) => ({ unwrapTemplate })),
    patterns.map((deriveTemplate) => ({ deriveTemplate })),
  );
  let same = 0;
  fc.assert(
    fc.property(keys, changes, (a, change) => {
      const b = canonical({ ...a, ...change });
      const equal = hex(purposeOf(a)) === hex(purposeOf(b));
      expect(equal).toBe(samePurpose(a, b));
      if (!equal) return;
      same++;
      const union = { ...a, usage: USAGES.filter((each) => a.usage.includes(each) || b.usage.includes(each)) };
      if (!a.dualUse && !hasDualUse(a) && !hasDualUse(b)) expect(hasDualUse(union)).toBe(false);
    }),
    { numRuns: 3000 },
  );
  expect(same).toBeGreaterThan(100);
});
