/**
 * Patterns: the most that a key may be which is unwrapped by, or derived from, another. `isWithin` orders them, keys
 * included: what wrapping, unwrapping, re-wrapping and derivation allow is said by this one relation, so that no way from a
 * secret back to it gives more rights than it had (SECURITY.md, "What policy guarantees").
 */
import { Refusal } from '../errors.ts';
import { CURVE } from './algorithms.ts';
import { EXTRACTABLES, type Issuer, type Pattern, PROOF_MAX_AGE, type Rewrap, type Template } from './attributes.ts';
import type { Extractable, KeyType, Usage } from './key.ts';
import { KEY_BITS_MAX } from './limits.ts';

const USAGES_OF: Readonly<Record<KeyType, readonly Usage[]>> = {
  AES: ['encrypt', 'decrypt', 'wrap', 'unwrap', 'sign', 'verify'],
  EC: ['sign', 'verify', 'derive'],
  HMAC: ['sign', 'verify', 'derive'],
  GENERIC: ['derive'],
  'AES-CBC-HMAC': ['encrypt', 'decrypt'],
};
/** Patterns inside of a key's template, that template included. */
export const NESTING_MAX = 3;

export const rank = (extractable: Extractable): number => EXTRACTABLES.indexOf(extractable);

type Used = Pick<Pattern, 'type' | 'usage'>;
export const wraps = ({ type, usage }: Used): boolean =>
  type === 'AES' && (usage.includes('wrap') || usage.includes('unwrap'));
export const derives = ({ usage }: Used): boolean => usage.includes('derive');

/** What comes back from under an AES key that names no template: a content key. */
export const CONTENT_KEY: Pattern = Object.freeze({
  type: 'AES',
  bits: null,
  curve: null,
  usage: Object.freeze(['encrypt', 'decrypt'] as const),
  callerIv: false,
  extractable: 'wrapped',
  wrapWithTrusted: false,
  notAfter: 0,
  rewrap: 'trusted',
  issuer: null,
  unwrapTemplate: null,
  deriveTemplate: null,
});

/**
 * Usages that undo one another. CMAC is the block cipher on chosen blocks, and so are the modes: CMAC of a block gives half of
 * a derived key, and CTR with a chosen IV gives what forges a CMAC. Who chooses the IV decrypts by encrypting.
 */
export function hasDualUse({ type, usage, callerIv }: Pick<Pattern, 'type' | 'usage' | 'callerIv'>): boolean {
  const has = (...any: Usage[]): boolean => any.some((each) => usage.includes(each));
  const decrypts = has('decrypt') || (callerIv && has('encrypt'));
  return (
    // Raw GCM opens what GCM wrapped; CTR and CBC compute single blocks, and so whatever AES-KW does.
    (has('wrap', 'unwrap') && decrypts) ||
    (has('unwrap') && has('encrypt')) ||
    (type === 'HMAC' && has('sign') && has('derive')) ||
    (type === 'AES' && has('sign', 'verify') && has('encrypt', 'decrypt', 'wrap', 'unwrap'))
  );
}

/** Do type and usages go together? */
export const usagesFit = ({ type, usage }: Used): boolean => usage.every((each) => USAGES_OF[type].includes(each));

/** Is this a size that a secret of the type can have? EC: see the curve. */
export function bitsFit(type: KeyType, bits: number): boolean {
  switch (type) {
    case 'AES':
      return bits === 128 || bits === 192 || bits === 256;
    case 'EC':
      return false;
    case 'HMAC':
      return bits >= 112 && bits <= KEY_BITS_MAX && bits % 8 === 0;
    case 'GENERIC':
      return bits >= 8 && bits <= KEY_BITS_MAX && bits % 8 === 0;
    case 'AES-CBC-HMAC':
      return bits === 256 || bits === 384 || bits === 512;
  }
}

/** The same pattern, or key, with other issuers, those of its templates included. */
export function mapIssuers<P extends Pattern>(pattern: P, to: (issuer: Issuer) => Issuer): P {
  const below = (template: Template | null): Template | null =>
    template === null || template === 'any' ? template : mapIssuers(template, to);
  return {
    ...pattern,
    issuer: pattern.issuer && to(pattern.issuer),
    unwrapTemplate: below(pattern.unwrapTemplate),
    deriveTemplate: below(pattern.deriveTemplate),
  };
}

/** May a key have this template? `deep` counts the patterns above it. Throws a Refusal. */
export function checkPattern(pattern: Pattern, deep: number): void {
  if (deep >= NESTING_MAX && pattern !== CONTENT_KEY && !isSame(pattern, CONTENT_KEY)) refuse('nesting');
  if (!usagesFit(pattern)) refuse('usageOfType');
  if (hasDualUse(pattern)) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'templateDualUse');
  const { type, bits, curve } = pattern;
  const sized =
    type === 'EC' ? bits === null || bits === (curve && CURVE[curve].bits) : bits === null || bitsFit(type, bits);
  if (!sized || (curve !== null && type !== 'EC')) refuse('keySize');
  checkBelow(pattern, deep + 1, false);
}

/**
 * The members of a key or pattern that speak of other keys: there where they matter, nowhere else, and well-formed. `any`
 * is for keys with `dualUse` alone.
 */
export function checkBelow(pattern: Pattern, deep: number, dualUse: boolean): void {
  const { type, unwrapTemplate, deriveTemplate, callerIv, rewrap, issuer } = pattern;
  if (type !== 'AES' && (callerIv || rewrap !== 'trusted')) refuse('keyType');
  if ((rewrap === 'issuer') !== (issuer !== null)) refuse('encoding');
  if (issuer !== null && !(issuer.proofMaxAge >= PROOF_MAX_AGE.least && issuer.proofMaxAge <= PROOF_MAX_AGE.most)) {
    refuse('encoding');
  }
  if (wraps(pattern) !== (unwrapTemplate !== null)) refuse('templateMisplaced');
  if (deriveTemplate !== null && !derives(pattern)) refuse('templateMisplaced');
  for (const template of [unwrapTemplate, deriveTemplate]) {
    if (template === 'any' && !dualUse) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'templateAny');
    if (template !== null && template !== 'any') checkPattern(template, deep);
  }
  if (deriveTemplate !== null && deriveTemplate !== 'any' && deriveTemplate.type === 'EC') refuse('keyType');
}

function refuse(reason: 'nesting' | 'usageOfType' | 'keySize' | 'keyType' | 'encoding' | 'templateMisplaced'): never {
  throw new Refusal('KEYCELL_INPUT_INVALID', reason);
}

/**
 * a ⊑ b: whatever is within `a` is within `b`. A partial order on canonical patterns. An open curve stays open: were it
 * closed to one here and to another there, a bare scalar would be taken for a key of both (`mustNameCurve`).
 */
export const isWithin = (a: Pattern, b: Pattern): boolean => a.curve === b.curve && isKeyWithin(a, b);

/** The same for a key, which is of one curve where the pattern may leave that open. */
export function isKeyWithin(key: Pattern, b: Pattern): boolean {
  return (
    (b.bits === null || key.bits === b.bits) &&
    (b.curve === null || key.curve === b.curve) &&
    (!b.wrapWithTrusted || key.wrapWithTrusted) &&
    hasNoMoreRights(key, b)
  );
}

/** Of keys of one size: may the one do nothing that the other may not? */
export function hasNoMoreRights(a: Pattern, b: Pattern): boolean {
  return (
    typeIsWithin(a.type, b.type) &&
    a.callerIv === b.callerIv &&
    a.usage.every((usage) => b.usage.includes(usage)) &&
    rank(a.extractable) <= rank(b.extractable) &&
    endsBy(a.notAfter, b.notAfter) &&
    rewrapIsWithin(a, b) &&
    (a.unwrapTemplate === null || isTemplateWithin(a.unwrapTemplate, b.unwrapTemplate)) &&
    (!derives(a) || derivesWithin(a.deriveTemplate, b.deriveTemplate))
  );
}

/**
 * A wrapped content key does not say for which encryption it is: of 256 bits it may be AES-256's or that of A128CBC-HS256, and
 * only the message's own header tells (RFC 7516 §4.1.2). So what may come as an AES key may come as a composite one, which
 * does less: it gives no plaintext but an authentic one. The other way it never goes.
 */
const typeIsWithin = (a: KeyType, b: KeyType): boolean => a === b || (a === 'AES-CBC-HMAC' && b === 'AES');

/** Does what ends at `end` end no later than `limit`? 0 is no end. */
export const endsBy = (end: number, limit: number): boolean => limit === 0 || (end !== 0 && end <= limit);
/** The earlier of two ends. */
export const earlierEnd = (a: number, b: number): number => (endsBy(a, b) ? a : b);

/** The same for templates; one that is missing allows nothing. */
export function isTemplateWithin(a: Template, b: Template | null): boolean {
  if (b === 'any') return true;
  return b !== null && a !== 'any' && isWithin(a, b);
}

/** With and without a template the same base gives different keys of the same input: neither is within the other. */
function derivesWithin(a: Template | null, b: Template | null): boolean {
  if (a === null || b === null) return a === b;
  return isTemplateWithin(a, b) && isOfType(a, b);
}

/** Is what comes of the one of the very type of what comes of the other? What is derived, unlike what is unwrapped, says it. */
export const isOfType = (a: Pick<Pattern, 'type'> | 'any', b: Template): boolean =>
  b === 'any' || (a !== 'any' && a.type === b.type);

function rewrapIsWithin(a: Rewrap, b: Rewrap): boolean {
  if (a.rewrap === 'trusted') return true;
  if (a.rewrap !== b.rewrap) return false;
  if (a.issuer === null || b.issuer === null) return a.issuer === b.issuer;
  const { point } = a.issuer;
  const same = point.length === b.issuer.point.length && point.every((byte, i) => byte === b.issuer?.point[i]);
  return same && a.issuer.proofMaxAge <= b.issuer.proofMaxAge && (a.issuer.blobs || !b.issuer.blobs);
}

export const isSame = (a: Pattern, b: Pattern): boolean => isWithin(a, b) && isWithin(b, a);
export const isSameTemplate = (a: Template, b: Template): boolean => isTemplateWithin(a, b) && isTemplateWithin(b, a);
