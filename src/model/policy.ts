/**
 * What may be done with a key: pure functions over authenticated attributes, called in the cell for every request.
 * Each throws a Refusal or returns; nothing here touches a secret.
 */
import { Refusal } from '../errors.ts';
import { CURVE } from './algorithms.ts';
import type { KeyAttributes, Pattern, Template } from './attributes.ts';
import type { Usage } from './key.ts';
import { LABEL_MAX } from './limits.ts';
import {
  bitsFit,
  CONTENT_KEY,
  checkBelow,
  earlierEnd,
  hasDualUse,
  hasNoMoreRights,
  isKeyWithin,
  isOfType,
  isTemplateWithin,
  rank,
  usagesFit,
} from './pattern.ts';

/** May the key be put to this use now? `now` is milliseconds since 1970. */
export function checkUse(key: KeyAttributes, usage: Usage, now: number): void {
  if (!key.usage.includes(usage)) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'usage');
  checkDates(key, now);
}

/** Is the key valid now? */
export function checkDates(key: KeyAttributes, now: number): void {
  if (now < key.notBefore) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notYet');
  if (key.notAfter !== 0 && now >= key.notAfter) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'expired');
}

/** May a key be made with these attributes, by whatever way? */
export function checkTemplate(key: KeyAttributes): void {
  if (!usagesFit(key)) throw new Refusal('KEYCELL_INPUT_INVALID', 'usageOfType');
  if (key.class === 'public' && key.usage.includes('sign')) throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  if (hasDualUse(key) && !key.dualUse) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'dualUse');
  if (key.trusted) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'trustedByAdmin');
  if (key.maxUses !== 0) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'later');
  if (key.notAfter !== 0 && key.notAfter <= key.notBefore) throw new Refusal('KEYCELL_INPUT_INVALID', 'dates');
  if (key.label !== null && (key.label.length === 0 || key.label.length > LABEL_MAX)) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
  }
  if (!sizeFits(key)) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
  checkBelow(key, 0, key.dualUse);
}

function sizeFits({ type, bits, curve, class: keyClass }: KeyAttributes): boolean {
  if (type === 'EC') return keyClass !== 'secret' && curve !== null && bits === CURVE[curve].bits;
  return keyClass === 'secret' && curve === null && bitsFit(type, bits);
}

/**
 * May `wrapping` carry `key` out at `now`? A secret whose records all say `wrapWithTrusted` comes back, whoever unwraps it,
 * with no more rights than it has now. Another key's owner can take it anywhere, so nothing is won by binding it.
 */
export function checkWrap(wrapping: KeyAttributes, key: KeyAttributes, now: number): void {
  if (key.class === 'public') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  if (key.extractable === false) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notExtractable');
  if (key.wrapWithTrusted && !wrapping.trusted) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'needsTrusted');
  // A blob tells no dates: what has not begun must not come back as what has.
  const early = key.notBefore > now && wrapping.notBefore < key.notBefore;
  if (isBound(key) && (early || !comesBackAsLess(wrapping, key)))
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'comesBack');
}

/** Does the key leave under trusted keys alone? */
export const isBound = (key: KeyAttributes): boolean => key.extractable === 'wrapped' && key.wrapWithTrusted;

function comesBackAsLess(wrapping: KeyAttributes, key: KeyAttributes): boolean {
  const back = comesBackAs(wrapping);
  if (back === 'any') return false;
  const sized = (back.bits ?? key.bits) === key.bits && (back.curve ?? key.curve) === key.curve;
  return sized && back.wrapWithTrusted && hasNoMoreRights(back, key);
}

/** The most that unwrapping by this key may ask for. One that only wraps, elsewhere, has a template all the same. */
const templateOf = ({ unwrapTemplate }: KeyAttributes): Template => unwrapTemplate ?? CONTENT_KEY;

/** The most that comes of it: the wrapping key's own end and policy count, too. */
function comesBackAs(wrapping: KeyAttributes): Template {
  const template = templateOf(wrapping);
  if (template === 'any') return template;
  return {
    ...template,
    notAfter: earlierEnd(wrapping.notAfter, template.notAfter),
    wrapWithTrusted: template.wrapWithTrusted || boundToTrusted(wrapping),
  };
}

/** May `wrapping` bring in a key with these attributes? */
export function checkUnwrap(wrapping: KeyAttributes, key: KeyAttributes): void {
  checkWithin(key, templateOf(wrapping), 'template');
}

/**
 * Must an EC key from under `wrapping` name its curve? A bare scalar does not. Taken for a key of P-256 and for one of secp256k1,
 * which have orders of one size, it would sign one digest on both with one deterministic nonce: two equations in two unknowns.
 * So its curve is the template's. One that may come out in the clear has nothing to lose.
 */
export function mustNameCurve(wrapping: KeyAttributes): boolean {
  const template = templateOf(wrapping);
  return template !== 'any' && template.curve === null && template.extractable !== 'plaintext';
}

function checkWithin(key: KeyAttributes, template: Template, reason: 'template' | 'deriveTemplate'): void {
  if (template === 'any' || (!key.dualUse && isKeyWithin(key, template))) return;
  throw new Refusal('KEYCELL_PERMISSION_DENIED', reason);
}

/**
 * A key that came under a wrapping key leaves only to where that key's own policy would re-wrap it:
 * otherwise unwrap and wrap, to a key the caller knows, would be the way around `rewrapPolicy`. Where the template lets
 * nothing leave, nothing is re-wrapped to anybody, and the policy `any` frees nothing.
 */
export function boundToTrusted(wrapping: KeyAttributes): boolean {
  const template = templateOf(wrapping);
  return wrapping.rewrap !== 'any' || (template !== 'any' && template.extractable === false);
}

/** HKDF gives less where less is asked for, so short keys derived one by one would tell a long one byte by byte. */
const HKDF_MIN_BITS = 128;

/** May HKDF make a key of this size? */
export function checkHkdf(key: Pick<KeyAttributes, 'bits'>): void {
  if (key.bits < HKDF_MIN_BITS) throw new Refusal('KEYCELL_INPUT_INVALID', 'prefix');
}

/** May what `from` holds be re-wrapped at all, as keys of this many bits? */
export function checkRewrapSize(from: KeyAttributes, bits: number): void {
  const template = templateOf(from);
  if (template === 'any') return;
  if (template.extractable === false) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notExtractable');
  if (template.bits !== null && template.bits !== bits) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'template');
}

/** May `from` re-wrap to this public key of this HSM? A trusted key is one that every policy allows. */
export function checkRecipientKey(from: KeyAttributes, to: KeyAttributes): void {
  if (!to.trusted && from.rewrap !== 'any') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'recipient');
}

/** May `from` re-wrap to this wrapping key? What `to` opens later has no more rights than what `from` would have opened. */
export function checkRecipientWrapping(from: KeyAttributes, to: KeyAttributes): void {
  checkRecipientKey(from, to);
  if (from.rewrap !== 'any' && !isTemplateWithin(comesBackAs(to), comesBackAs(from))) {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'comesBack');
  }
}

export function checkExport(key: KeyAttributes): void {
  if (key.extractable !== 'plaintext') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notExtractable');
}

/** JOSE's algorithms for which an agreement makes a key (RFC 7518 §4.6.2, §5): what the key is for, and its size. */
const AGREED: Readonly<Record<string, Pattern>> = Object.fromEntries(
  [128, 192, 256].flatMap((bits) => {
    const content: Pattern = { ...CONTENT_KEY, bits, extractable: false };
    const wrapping: Pattern = { ...content, usage: ['wrap', 'unwrap'], unwrapTemplate: CONTENT_KEY };
    return [
      [`A${bits}GCM`, content],
      [`A${bits}KW`, wrapping],
      [`ECDH-ES+A${bits}KW`, wrapping],
      [`A${bits}CBC-HS${2 * bits}`, { ...content, type: 'AES-CBC-HMAC', bits: 2 * bits }],
    ];
  }),
);

/** How a derivation is named in a call; `algorithm` is that of `concat`. */
export interface Derivation {
  readonly kdf: 'none' | 'concat' | 'sp800-108' | 'hkdf' | 'bound';
  readonly algorithm: string;
}

/**
 * The most that this derivation may give, or null where the purpose goes into the input and keeps the keys apart. It follows
 * from the base's attributes and what is public, never from the template that the call asks for: so the same secret is never
 * derived for two purposes.
 */
export function derivedBy(base: KeyAttributes, { kdf, algorithm }: Derivation): Template | null {
  const { deriveTemplate, type } = base;
  const refuse = (reason: 'deriveTemplate' | 'deriveMissing' | 'deriveBound' | 'deriveNamed'): never => {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', reason);
  };
  if (deriveTemplate !== null) {
    return kdf === 'bound' ? refuse('deriveNamed') : kdf === 'none' ? sameSecret(base) : deriveTemplate;
  }
  if (kdf === 'concat' && Object.hasOwn(AGREED, algorithm)) return AGREED[algorithm]!;
  if (type === 'EC') return refuse('deriveMissing');
  return kdf === 'bound' ? null : refuse('deriveBound');
}

/** An agreement as it is: no key of its own, but a base that lets come of it what the EC key does, neither less nor more. */
function sameSecret({ deriveTemplate }: KeyAttributes): Template {
  if (deriveTemplate === 'any') return 'any';
  return {
    ...CONTENT_KEY,
    type: 'GENERIC',
    usage: ['derive'],
    extractable: 'plaintext',
    unwrapTemplate: null,
    deriveTemplate,
  };
}

/** May this key be derived from that base, where `most` is what `derivedBy` says? */
export function checkDerived(base: KeyAttributes, key: KeyAttributes, most: Template | null): void {
  if (rank(key.extractable) > rank(base.extractable)) {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'moreExtractable');
  }
  if (most === null) return;
  if (!isOfType(key, most)) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'deriveTemplate');
  checkWithin(key, most, 'deriveTemplate');
}

/** The owner's changes tighten; an admin's concern trust alone. Throws where `to` asks for anything else. */
export function checkChange(from: KeyAttributes, to: KeyAttributes, admin: boolean, acceptImported: boolean): void {
  if (admin) {
    const same = from.extractable === to.extractable && from.destroyable === to.destroyable;
    if (!same || from.label !== to.label || from.wrapWithTrusted !== to.wrapWithTrusted) {
      throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    }
    if (to.trusted) checkTrust(from, acceptImported);
    return;
  }
  if (to.trusted !== from.trusted) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'trustedByAdmin');
  const looser =
    rank(to.extractable) > rank(from.extractable) ||
    (to.destroyable && !from.destroyable) ||
    (!to.wrapWithTrusted && from.wrapWithTrusted);
  if (looser) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'tightenOnly');
}

/**
 * May an admin mark this key as trusted? An officer sees a name and a type; that such a key gives its owner in the clear what
 * others wrap to it must not depend on the officer's knowing so. A public key means "whoever holds the other half".
 */
function checkTrust(key: KeyAttributes, acceptImported: boolean): void {
  const refuse = (reason: TrustReason): never => {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', reason);
  };
  if (key.class === 'public') return;
  const wrapOnly = key.usage.length > 0 && key.usage.every((usage) => usage === 'wrap' || usage === 'unwrap');
  const template = templateOf(key);
  if (key.type !== 'AES' || !wrapOnly || key.dualUse) refuse('trustUsage');
  if (key.rewrap === 'any') refuse('trustPolicy');
  if (template === 'any' || template.extractable === 'plaintext') refuse('trustTemplate');
  if (key.origin !== 'generated' && key.origin !== 'imported') refuse('trustOrigin');
  if (key.origin === 'imported' && !acceptImported) refuse('trustImported');
  // Born so: what was extractable once may be outside, whatever the key says now. Who vouches for an importer knows no more.
  if (!key.neverExtractable) refuse('trustExtractable');
}

type TrustReason =
  | 'trustUsage'
  | 'trustPolicy'
  | 'trustTemplate'
  | 'trustExtractable'
  | 'trustOrigin'
  | 'trustImported';
