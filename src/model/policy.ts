/**
 * What may be done with a key: pure functions over authenticated attributes, called in the cell for every request.
 * Each throws a Refusal or returns; nothing here touches a secret.
 */
import { Refusal } from '../errors.ts';
import { CURVE } from './algorithms.ts';
import { EXTRACTABLES, type KeyAttributes, LABEL_MAX, type UnwrapLimit } from './attributes.ts';
import type { Extractable, KeyType, Usage } from './key.ts';

const USAGES_OF: Readonly<Record<KeyType, readonly Usage[]>> = {
  AES: ['encrypt', 'decrypt', 'wrap', 'unwrap', 'sign', 'verify'],
  EC: ['sign', 'verify', 'derive'],
  HMAC: ['sign', 'verify', 'derive'],
  GENERIC: ['derive'],
};

const rank = (extractable: Extractable): number => EXTRACTABLES.indexOf(extractable);

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
  if (key.usage.some((usage) => !USAGES_OF[key.type].includes(usage))) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'usageOfType');
  }
  if (key.class === 'public' && key.usage.includes('sign')) throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  if (hasDualUse(key) && !key.dualUse) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'dualUse');
  if (key.trusted) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'trustedByAdmin');
  if (key.maxUses !== 0) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'later');
  if (key.notAfter !== 0 && key.notAfter <= key.notBefore) throw new Refusal('KEYCELL_INPUT_INVALID', 'dates');
  if (key.label !== null && (key.label.length === 0 || key.label.length > LABEL_MAX)) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
  }
  if (!sizeFits(key)) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
  const wrapping = key.type === 'AES' && key.class === 'secret';
  if (!wrapping && (key.unwrapLimit !== null || key.issuer !== null || key.rewrap !== 'trusted' || key.callerIv)) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'keyType');
  }
}

/**
 * Usages that undo one another. CMAC is the block cipher on chosen blocks, and so are the modes: CMAC of a block gives half of
 * the key that an XAES envelope is under, and CTR with a chosen IV gives what forges a CMAC.
 */
function hasDualUse({ type, usage }: KeyAttributes): boolean {
  const has = (...any: Usage[]): boolean => any.some((each) => usage.includes(each));
  return (
    // Raw GCM opens what GCM wrapped; CTR and CBC compute single blocks, and so whatever AES-KW does.
    (has('wrap', 'unwrap') && has('decrypt')) ||
    (has('unwrap') && has('encrypt')) ||
    (type === 'HMAC' && has('sign') && has('derive')) ||
    (type === 'AES' && has('sign', 'verify') && has('encrypt', 'decrypt', 'wrap', 'unwrap'))
  );
}

function sizeFits({ type, bits, curve, class: keyClass }: KeyAttributes): boolean {
  switch (type) {
    case 'AES':
      return keyClass === 'secret' && curve === null && [128, 192, 256].includes(bits);
    case 'EC':
      return keyClass !== 'secret' && curve !== null && bits === CURVE[curve].bits;
    case 'HMAC':
      return keyClass === 'secret' && curve === null && bits >= 112 && bits <= 4096 && bits % 8 === 0;
    case 'GENERIC':
      return keyClass === 'secret' && curve === null && bits >= 8 && bits <= 4096 && bits % 8 === 0;
  }
}

/** May `wrapping` carry `key` out? */
export function checkWrap(wrapping: KeyAttributes, key: KeyAttributes): void {
  if (key.class === 'public') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  if (key.extractable === false) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notExtractable');
  if (key.wrapWithTrusted && !wrapping.trusted) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'needsTrusted');
}

/** Without a template, an unwrapped key may be anything but extractable as plaintext. */
const OPEN_LIMIT: UnwrapLimit = { type: null, bits: null, usage: null, extractable: 'wrapped' };

/** May `wrapping` bring in a key with these attributes? */
export function checkUnwrap(wrapping: KeyAttributes, key: KeyAttributes): void {
  const limit = wrapping.unwrapLimit ?? OPEN_LIMIT;
  const within =
    (limit.type === null || limit.type === key.type) &&
    (limit.bits === null || limit.bits === key.bits) &&
    (limit.usage === null || key.usage.every((usage) => limit.usage?.includes(usage))) &&
    rank(key.extractable) <= rank(limit.extractable);
  if (!within) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'template');
}

/**
 * A key that came under a wrapping key leaves only to where that key's own policy would re-wrap it:
 * otherwise unwrap and wrap, to a key the caller knows, would be the way around `rewrapPolicy`. Where the template lets
 * nothing leave, nothing is re-wrapped to anybody, and the policy `any` frees nothing.
 */
export const boundToTrusted = ({ rewrap, unwrapLimit }: KeyAttributes): boolean =>
  rewrap !== 'any' || unwrapLimit?.extractable === false;

/**
 * A wrapping key that came under a key which binds opens what lies below it no wider than `above` itself would: otherwise
 * whoever may unwrap it would choose its template and policy anew, and take out every key that it holds. `key` is as the
 * cell finished it, with the issuer's real point; a derived key has no wrapping key above it, and gets the narrowest rules.
 * A blob does not tell what its key is for: that it is not opened a second time as a cipher, which reads the same blobs,
 * is for the usages of `above`'s template to say.
 */
export function checkBelow(key: KeyAttributes, above?: KeyAttributes): void {
  if (!key.usage.includes('unwrap')) return;
  const most = (above?.unwrapLimit ?? OPEN_LIMIT).extractable;
  if (rank((key.unwrapLimit ?? OPEN_LIMIT).extractable) > rank(most)) {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'template');
  }
  if (key.rewrap === 'trusted') return;
  const theirs = above?.issuer?.point;
  const ours = key.issuer?.point;
  const same = theirs !== undefined && ours?.length === theirs.length && ours.every((byte, i) => byte === theirs[i]);
  if (key.rewrap === 'any' || !same) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'recipient');
}

/** HKDF gives less where less is asked for, so short keys derived one by one would tell a long one byte by byte. */
const HKDF_MIN_BITS = 128;

/** May HKDF make a key of this size? */
export function checkHkdf(key: KeyAttributes): void {
  if (key.bits < HKDF_MIN_BITS) throw new Refusal('KEYCELL_INPUT_INVALID', 'prefix');
}

/** May what `from` holds be re-wrapped at all, as keys of this many bits? */
export function checkRewrapSize(from: KeyAttributes, bits: number): void {
  const limit = from.unwrapLimit ?? OPEN_LIMIT;
  if (limit.extractable === false) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notExtractable');
  if (limit.bits !== null && limit.bits !== bits) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'template');
}

/** May `from` re-wrap to this recipient, a key of this HSM? A trusted key is one that every policy allows. */
export function checkRecipientKey(from: KeyAttributes, to: KeyAttributes): void {
  if (!to.trusted && from.rewrap !== 'any') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'recipient');
}

export function checkExport(key: KeyAttributes): void {
  if (key.extractable !== 'plaintext') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notExtractable');
}

/**
 * May this key be derived from that base? The same secret can be derived again with other attributes, so those of one
 * derived key pin nothing: a derived key that unwraps does so within the limits that need no pinning.
 */
export function checkDerived(base: KeyAttributes, key: KeyAttributes): void {
  checkBelow(key);
  if (rank(key.extractable) > rank(base.extractable)) {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'moreExtractable');
  }
}

/**
 * Would this key hand its owner, in the clear, what others wrap to it? An officer sees a name and a type; that such a key
 * undoes the policy of every key that trusts it must not depend on his knowing it.
 */
function givesInClear(key: KeyAttributes): boolean {
  if (key.class === 'public') return false;
  // Its owner takes the key itself out, or wraps it under one that he knows, and opens the rest at home.
  if (key.extractable === 'plaintext' || (key.extractable === 'wrapped' && !key.wrapWithTrusted)) return true;
  if (key.class === 'private') return key.usage.includes('derive');
  const opened = key.unwrapLimit ?? OPEN_LIMIT;
  const wide = opened.extractable === 'plaintext' || key.rewrap === 'any';
  return key.usage.includes('decrypt') || (key.usage.includes('unwrap') && wide);
}

/** The owner's changes tighten; an admin's concern trust alone. Throws where `to` asks for anything else. */
export function checkChange(from: KeyAttributes, to: KeyAttributes, admin: boolean): void {
  if (admin) {
    const same = from.extractable === to.extractable && from.destroyable === to.destroyable;
    if (!same || from.label !== to.label || from.wrapWithTrusted !== to.wrapWithTrusted) {
      throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    }
    if (to.trusted && givesInClear(from)) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'readable');
    return;
  }
  if (to.trusted !== from.trusted) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'trustedByAdmin');
  const looser =
    rank(to.extractable) > rank(from.extractable) ||
    (to.destroyable && !from.destroyable) ||
    (!to.wrapWithTrusted && from.wrapWithTrusted);
  if (looser) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'tightenOnly');
}
