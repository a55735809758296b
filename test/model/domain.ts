/** A small domain of canonical patterns, and what each of them allows, said without the order that it is there to check. */
import type { Issuer, KeyAttributes, Pattern, Template } from '../../src/model/attributes.ts';
import type { Usage } from '../../src/model/key.ts';
import { CONTENT_KEY, checkPattern, derives, wraps } from '../../src/model/pattern.ts';

/** Two instants, and the end that lies between them. */
export const [BEFORE, END, AFTER] = [50, 100, 150];

const issuer = (point: number, proofMaxAge: number, blobs: boolean): Issuer => ({
  id: point.toString(16).padStart(32, '0'),
  point: new Uint8Array(65).fill(point),
  proofMaxAge,
  blobs,
});
const ISSUERS = [issuer(1, 60, true), issuer(1, 60, false), issuer(1, 3600, false), issuer(2, 60, true)];

const LEAF: Pattern = { ...CONTENT_KEY, usage: [] };

type Axes = { readonly [Member in keyof Pattern]?: readonly Pattern[Member][] };

/** Every choice of a value for each of these members. */
function product(axes: Axes): Pattern[] {
  let all: Pattern[] = [LEAF];
  for (const [member, values] of Object.entries(axes)) {
    all = all.flatMap((pattern) => values.map((value) => ({ ...pattern, [member]: value }) as Pattern));
  }
  return all;
}

const AES_USAGES: readonly (readonly Usage[])[] = [
  [],
  ['encrypt'],
  ['decrypt'],
  ['encrypt', 'decrypt'],
  ['sign'],
  ['sign', 'verify'],
];
const MORE = { extractable: [false, 'wrapped', 'plaintext'], wrapWithTrusted: [false, true] } as const;

/** Patterns with none below them. */
const leaves: Pattern[] = [
  ...product({ usage: AES_USAGES, callerIv: [false, true], bits: [null, 128], notAfter: [0, END], ...MORE }),
  ...product({ type: ['HMAC'], usage: [[], ['sign'], ['sign', 'verify'], ['verify', 'derive'], ['derive']], ...MORE }),
  ...product({ type: ['EC'], curve: [null, 'P-256', 'secp256k1'], usage: [['sign'], ['sign', 'derive']], ...MORE }),
  ...product({ type: ['GENERIC'], usage: [['derive']], bits: [null, 128, 256], ...MORE }),
  ...product({ type: ['AES-CBC-HMAC'], usage: AES_USAGES.slice(0, 4), bits: [null, 256], notAfter: [0, END], ...MORE }),
];

const POLICIES = [
  { rewrap: 'trusted', issuer: null },
  { rewrap: 'any', issuer: null },
  ...ISSUERS.map((each) => ({ rewrap: 'issuer', issuer: each }) as const),
] as const;
const WRAP_USAGES: readonly (readonly Usage[])[] = [['wrap'], ['unwrap'], ['wrap', 'unwrap'], ['encrypt', 'wrap']];

/** Patterns that wrap or derive and have one of these below. */
const above = (below: readonly Pattern[], policies: readonly (typeof POLICIES)[number][] = POLICIES): Pattern[] => [
  ...product({ usage: WRAP_USAGES, unwrapTemplate: below, extractable: MORE.extractable }).flatMap((each) =>
    policies.map((policy) => ({ ...each, ...policy })),
  ),
  ...product({ type: ['GENERIC', 'HMAC'], usage: [['derive']], deriveTemplate: below }),
  ...product({ type: ['EC'], curve: ['P-256'], usage: [['sign', 'derive']], deriveTemplate: below }),
];

/** Every nth: enough to stand for the rest, one level further down. */
const thinned = (patterns: readonly Pattern[], most: number): Pattern[] => {
  const step = Math.max(1, Math.floor(patterns.length / most));
  return patterns.filter((_, i) => i % step === 0);
};

export const accepted = (pattern: Pattern): boolean => {
  try {
    checkPattern(pattern, 0);
    return true;
  } catch {
    return false;
  }
};

const one = above(thinned(leaves, 24));
const two = above(thinned(one.filter(accepted), 20), POLICIES.slice(0, 3));
const three = above(thinned(two.filter(accepted), 8), POLICIES.slice(0, 1));

/** Those that a key may have as its template, and how many were looked at. */
export const looked = [...leaves, ...one, ...two, ...three];
export const patterns: readonly Pattern[] = looked.filter(accepted);

/** A key that has all that the pattern allows; open members get `bits`, or P-256. A composite key has no fewer than 256. */
export function keyOf(pattern: Pattern, bits = 128): KeyAttributes {
  const isEc = pattern.type === 'EC';
  const curve = isEc ? (pattern.curve ?? 'P-256') : null;
  return {
    ...pattern,
    curve,
    bits: isEc || pattern.type === 'AES-CBC-HMAC' ? 256 : (pattern.bits ?? bits),
    class: isEc ? 'private' : 'secret',
    origin: 'generated',
    notBefore: 0,
    maxUses: 0,
    createdAt: 0,
    checkValue: new Uint8Array(0),
    version: 1,
    point: null,
    label: null,
    neverExtractable: pattern.extractable === false,
    trusted: false,
    destroyable: true,
    dualUse: false,
    persistent: true,
  };
}

/** A trusted wrapping key with this template. */
export const wrappingKey = (unwrapTemplate: Template, more: Partial<KeyAttributes> = {}): KeyAttributes => ({
  ...keyOf({ ...LEAF, usage: ['wrap', 'unwrap'], extractable: false, unwrapTemplate }, 256),
  trusted: true,
  ...more,
});

/**
 * All that somebody may do with what has these attributes, as a set of words: at which instants it is used for what, how it
 * leaves, and the same of what comes of it. Nothing here compares two patterns.
 */
export function rightsOf(pattern: Template | null, path = ''): Set<string> {
  const all = new Set<string>();
  if (pattern === null) return all;
  if (pattern === 'any') return all.add(`${path}anything`);
  const { type, callerIv, usage, extractable, wrapWithTrusted, notAfter, rewrap, issuer: by } = pattern;
  const bits = pattern.bits === null ? (type === 'EC' ? [256] : [128, 256]) : [pattern.bits];
  const curves = pattern.curve === null && type === 'EC' ? ['P-256', 'secp256k1', 'open'] : [pattern.curve ?? ''];
  // What is an AES key may be taken for a composite one of the same size, but not the other way.
  const types = type === 'AES' ? ['AES', 'AES-CBC-HMAC'] : [type];
  const kinds = types.flatMap((each) =>
    bits.flatMap((size) => curves.map((curve) => `${each} ${size} ${curve} ${callerIv ? 'caller' : 'cell'}`)),
  );
  for (const kind of kinds) {
    for (const at of [BEFORE, AFTER]) {
      if (notAfter !== 0 && at >= notAfter) continue;
      for (const each of usage) all.add(`${path}${kind}: ${each} at ${at}`);
    }
    if (extractable !== false) all.add(`${path}${kind}: leaves wrapped`);
    if (extractable !== false && !wrapWithTrusted) all.add(`${path}${kind}: leaves under any key`);
    if (extractable === 'plaintext') all.add(`${path}${kind}: leaves`);
  }
  if (rewrap === 'any') all.add(`${path}hands on to anybody`);
  if (by !== null) {
    for (const age of [60, 3600]) {
      if (age > by.proofMaxAge) continue;
      all.add(`${path}hands on, ${by.point[0]} with a list, ${age}`);
      if (!by.blobs) all.add(`${path}hands on, ${by.point[0]} without a list, ${age}`);
    }
  }
  if (wraps(pattern)) for (const right of rightsOf(pattern.unwrapTemplate, `${path}unwraps > `)) all.add(right);
  if (derives(pattern) && pattern.deriveTemplate === null) all.add(`${path}derives by purpose`);
  if (derives(pattern)) for (const right of rightsOf(pattern.deriveTemplate, `${path}derives > `)) all.add(right);
  return all;
}

const numbers = new Map<string, bigint>();
/** The set as bits of a number: subsets by one operation. */
export const asBits = (rights: Set<string>): bigint => {
  let bits = 0n;
  for (const right of rights) {
    let number = numbers.get(right);
    if (number === undefined) {
      number = 1n << BigInt(numbers.size);
      numbers.set(right, number);
    }
    bits |= number;
  }
  return bits;
};
export const isSubset = (a: bigint, b: bigint): boolean => (a & ~b) === 0n;
