/**
 * An HSM of symbols: secrets are terms, blobs are pairs of terms, and every decision is the real one of src/model. What a
 * coalition can compute is a closure over what it reached, and so is `Known` of SECURITY.md; the two are written apart.
 */
import { attributesOf } from '../../src/hsm/template.ts';
import type { KeyAttributes, Pattern, Template } from '../../src/model/attributes.ts';
import type { KeyTemplate, PartialTemplate } from '../../src/model/key.ts';
import { earlierEnd, hasDualUse } from '../../src/model/pattern.ts';
import {
  boundToTrusted,
  checkChange,
  checkDerived,
  checkRecipientWrapping,
  checkRewrapSize,
  checkTemplate,
  checkUnwrap,
  checkWrap,
  type Derivation,
  derivedBy,
  isBound,
} from '../../src/model/policy.ts';
import { purposeOf } from '../../src/wire/purpose.ts';
import { asBits, isSubset, rightsOf } from './domain.ts';

const NOW = 1;

/** A key's record: its secret is a term. */
export interface SymbolicKey {
  readonly owner: number;
  readonly secret: string;
  readonly attributes: KeyAttributes;
  /** How it came to be extractable and bound, which tightening does not change. */
  readonly born: KeyAttributes;
  /** For an EC key: the scalar's term is the secret. */
  readonly name: string;
}

export interface SymbolicBlob {
  readonly under: string;
  readonly secret: string;
  /** All that what went could do; null where an honest partner outside made the blob. */
  readonly went: bigint | null;
  readonly trusted: boolean;
  readonly name: string;
}

export interface State {
  readonly keys: readonly SymbolicKey[];
  readonly blobs: readonly SymbolicBlob[];
  readonly name: string;
  /** Was nothing done so far but to make keys? */
  readonly making: boolean;
}

// Attributes are interned, so that decisions can be remembered by the pair.
const interned = new Map<string, KeyAttributes>();
const numbers = new Map<KeyAttributes, number>();
function intern(attributes: KeyAttributes): KeyAttributes {
  const text = JSON.stringify(attributes);
  const known = interned.get(text);
  if (known !== undefined) return known;
  interned.set(text, attributes);
  numbers.set(attributes, numbers.size);
  return attributes;
}
const numberOf = (attributes: KeyAttributes): number => numbers.get(attributes)!;
const rightBits = new Map<KeyAttributes, bigint>();
function bitsOf(attributes: KeyAttributes): bigint {
  let bits = rightBits.get(attributes);
  if (bits === undefined) {
    bits = asBits(rightsOf(attributes));
    rightBits.set(attributes, bits);
  }
  return bits;
}

const remembered = new Map<string, unknown>();
function remember<T>(name: string, make: () => T): T | null {
  if (!remembered.has(name)) {
    let made: T | null = null;
    try {
      made = make();
    } catch (error) {
      if ((error as Error).name !== 'Refusal') throw error;
    }
    remembered.set(name, made);
  }
  return remembered.get(name) as T | null;
}
const may = (name: string, check: () => void): boolean => {
  const allowed = remember(name, () => {
    check();
    return true;
  });
  return allowed === true;
};

const ordered = <T extends { name: string }>(list: readonly T[], added: T): readonly T[] =>
  [...list, added].sort((a, b) => (a.name < b.name ? -1 : 1));
export const stateOf = (keys: readonly SymbolicKey[], blobs: readonly SymbolicBlob[], making = false): State => ({
  keys,
  blobs,
  making,
  name: `${keys.map(({ name }) => name).join()};${blobs.map(({ name }) => name).join()}`,
});
const has = (list: readonly { name: string }[], { name }: { name: string }) => list.some((each) => each.name === name);

export function symbolicKey(owner: number, secret: string, attributes: KeyAttributes, born = attributes): SymbolicKey {
  const name = `${owner}/${secret}/${numberOf(attributes)}/${numberOf(born)}`;
  return { owner, secret, attributes, born, name };
}
export function symbolicBlob(under: string, secret: string, went: bigint | null, trusted: boolean): SymbolicBlob {
  return { under, secret, went, trusted, name: `${under}(${secret})${went ?? ''}${trusted}` };
}

/** What the cell vouches for: `finish` of cell/operations/keys.ts. */
function finished(wanted: KeyAttributes, origin: KeyAttributes['origin'], bound: boolean, by?: KeyAttributes) {
  return intern({
    ...wanted,
    origin,
    neverExtractable: (origin === 'generated' || origin === 'imported') && wanted.extractable === false,
    wrapWithTrusted: wanted.wrapWithTrusted || bound,
    notAfter: earlierEnd(wanted.notAfter, by?.notAfter ?? 0),
  });
}

/** A template as the facade asks for it and the cell takes it; null where it is refused. */
function wantedOf(
  name: string,
  template: KeyTemplate | PartialTemplate,
  above?: { template: Template | null; unwrapping: boolean },
) {
  return remember(name, () => {
    let wanted: KeyAttributes;
    try {
      wanted = attributesOf(template, true, 0, above);
    } catch {
      return null;
    }
    checkTemplate(wanted);
    return intern(wanted);
  });
}

const WRAP = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'] } as const;
const CIPHER = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] } as const;
const BOUND = { extractable: 'wrapped', wrapWithTrusted: true } as const;
const CBC_HMAC = { type: 'AES-CBC-HMAC', bits: 256, usage: ['encrypt', 'decrypt'] } as const;
const DERIVE = { bits: 256, usage: ['derive'] } as const;
const EC = { type: 'EC', curve: 'P-256', usage: ['derive'] } as const;

/** What users ask `generateKey` for. */
export const GENERATED: readonly KeyTemplate[] = [
  WRAP,
  { ...WRAP, unwrapTemplate: { usage: [] } },
  { ...WRAP, unwrapTemplate: { usage: ['wrap', 'unwrap'] } },
  { ...WRAP, ...BOUND },
  { ...WRAP, extractable: 'plaintext' },
  { ...WRAP, rewrapPolicy: 'any' },
  { ...WRAP, unwrapTemplate: { type: 'HMAC', usage: ['derive'] } },
  { ...CIPHER, ...BOUND },
  { type: 'AES', bits: 256, usage: ['unwrap', 'decrypt'], dualUse: true },
  { type: 'HMAC', ...DERIVE, ...BOUND },
  { ...EC, deriveTemplate: CIPHER },
  { ...WRAP, unwrapTemplate: CBC_HMAC },
  { ...CBC_HMAC, ...BOUND },
];
/** … and `importKey`, of bytes that the coalition knows. */
export const IMPORTED: readonly KeyTemplate[] = [WRAP, CIPHER];
/** What they ask `deriveKey` for. */
export const DERIVED: readonly PartialTemplate[] = [
  WRAP,
  { ...WRAP, unwrapTemplate: { usage: [] } },
  CIPHER,
  { ...CIPHER, usage: ['encrypt'], callerIv: true },
  { ...CIPHER, usage: ['sign'] },
  { ...CIPHER, extractable: 'wrapped' },
  { type: 'HMAC', bits: 256, usage: ['sign'] },
  { type: 'HMAC', ...DERIVE },
  { type: 'GENERIC', ...DERIVE },
  CBC_HMAC,
];
export const DERIVATIONS: readonly Derivation[] = [
  { kdf: 'none', algorithm: '' },
  { kdf: 'bound', algorithm: '' },
  { kdf: 'sp800-108', algorithm: '' },
  { kdf: 'concat', algorithm: 'A256KW' },
  { kdf: 'concat', algorithm: 'A256GCM' },
  { kdf: 'concat', algorithm: 'A128CBC-HS256' },
];
/** … and `unwrapKey`. */
export const UNWRAPPED: readonly PartialTemplate[] = [
  { bits: 256 },
  { bits: 256, extractable: false },
  { bits: 256, usage: ['encrypt', 'decrypt'] },
  { bits: 256, usage: ['encrypt'], callerIv: true },
  { bits: 256, usage: ['wrap', 'unwrap'] },
  { type: 'HMAC', bits: 256, usage: ['sign'] },
  { type: 'HMAC', bits: 256, usage: ['derive'] },
  CBC_HMAC,
];

/** Keys that are there at first: those that wrap are marked, and have a blob that an honest partner made under them. */
export const ROOTS: Readonly<Record<string, KeyTemplate>> = {
  generic: { type: 'GENERIC', ...DERIVE },
  'hmac for wrapping': { type: 'HMAC', ...DERIVE, deriveTemplate: WRAP },
  'generic for bases': { type: 'GENERIC', ...DERIVE, ...BOUND, deriveTemplate: { type: 'HMAC', ...DERIVE } },
  agreement: EC,
  'agreement for ciphers': { ...EC, deriveTemplate: CIPHER },
  'licence KEK': { ...WRAP, unwrapTemplate: { usage: [] } },
  'transport KEK': { ...WRAP, unwrapTemplate: { usage: ['wrap', 'unwrap'], unwrapTemplate: { usage: ['encrypt'] } } },
};

// What each call makes, or null where it is refused.

export function generated(i: number): KeyAttributes | null {
  const wanted = wantedOf(`g${i}`, GENERATED[i]!);
  return wanted && finished(wanted, 'generated', false);
}

export function imported(i: number): KeyAttributes | null {
  const wanted = wantedOf(`i${i}`, IMPORTED[i]!);
  return wanted && finished(wanted, 'imported', false);
}

/** The same as `generated`, of bytes that an honest partner has, too. */
export function partners(i: number): KeyAttributes | null {
  const wanted = wantedOf(`g${i}`, GENERATED[i]!);
  return wanted && finished(wanted, 'imported', false);
}

/** With the purpose that goes into the input, where one does. */
export function derivedKey(base: KeyAttributes, by: Derivation, i: number) {
  const name = `d${numberOf(base)},${by.kdf}${by.algorithm},${i}`;
  return remember(name, () => {
    if (!base.usage.includes('derive') || (by.kdf === 'none' && base.type !== 'EC')) return null;
    const most = derivedBy(base, by);
    const asked = wantedOf(`${name}?`, DERIVED[i]!, { template: most, unwrapping: false });
    if (asked === null || (by.kdf === 'none' && asked.type !== 'GENERIC')) return null;
    const wanted = intern({ ...asked, wrapWithTrusted: asked.wrapWithTrusted || base.wrapWithTrusted });
    checkDerived(base, wanted, most);
    const purpose = most === null ? Buffer.from(purposeOf(wanted)).toString('hex').slice(0, 16) : '';
    return { purpose, attributes: finished(wanted, 'derived', false, base) };
  });
}
export const derivedSecret = (by: Derivation, purpose: string, input: string): string =>
  by.kdf === 'none' ? input : `${by.kdf}${by.algorithm}${purpose}{${input}}`;

export function unwrappedKey(wrapping: KeyAttributes, i: number): KeyAttributes | null {
  const name = `u${numberOf(wrapping)},${i}`;
  return remember(name, () => {
    if (!wrapping.usage.includes('unwrap')) return null;
    const wanted = wantedOf(`${name}?`, UNWRAPPED[i]!, { template: wrapping.unwrapTemplate, unwrapping: true });
    if (wanted === null) return null;
    checkUnwrap(wrapping, wanted);
    return finished(wanted, 'unwrapped', boundToTrusted(wrapping), wrapping);
  });
}

/** No key wraps itself, nor a bound one its secret in another record. */
export const isItself = (
  wrapping: Pick<SymbolicKey, 'secret' | 'attributes'>,
  key: Pick<SymbolicKey, 'secret' | 'attributes'>,
): boolean => wrapping === key || (wrapping.secret === key.secret && isBound(key.attributes));

export const mayWrap = (wrapping: KeyAttributes, key: KeyAttributes): boolean =>
  wrapping.usage.includes('wrap') &&
  may(`w${numberOf(wrapping)},${numberOf(key)}`, () => checkWrap(wrapping, key, NOW));

export const mayRewrap = (from: KeyAttributes, to: KeyAttributes): boolean =>
  from.usage.includes('unwrap') &&
  to.usage.includes('wrap') &&
  may(`r${numberOf(from)},${numberOf(to)}`, () => {
    checkRecipientWrapping(from, to);
    checkRewrapSize(from, 256);
  });

/** What a key becomes by this change. */
export function changed(key: KeyAttributes, change: Partial<KeyAttributes>, admin: boolean): KeyAttributes | null {
  const to = intern({ ...key, ...change });
  return may(`c${numberOf(key)},${numberOf(to)},${admin}`, () => checkChange(key, to, admin, false)) ? to : null;
}

/** Public keys that agreements are asked for with: of an honest partner, and one whose scalar the coalition has. */
export const PARTNER = 'partner';
export const OWN = 'known/scalar';
export const agreementOf = (a: string, b: string) => `Z[${[a, b].sort().join('*')}]`;

export function start(roots: readonly { readonly root: string; readonly owner: number }[]): State {
  const keys = roots.map(({ root, owner }, i) => {
    const made = finished(wantedOf(`root ${root}`, ROOTS[root]!)!, 'generated', false);
    const marked = intern({ ...made, trusted: true });
    const isMarked = made.usage.includes('wrap') && may(`mark ${root}`, () => checkChange(made, marked, true, false));
    return symbolicKey(owner, `root${i}`, isMarked ? marked : made, made);
  });
  const blobs = keys
    .filter(({ attributes }) => attributes.usage.includes('unwrap'))
    .map(({ secret }) => symbolicBlob(secret, `content/${secret}`, null, true));
  return stateOf(keys, blobs, true);
}

/**
 * Every state that one call leads to. Calls that change nothing (export, decrypt, the oracles of CTR and CMAC) are made by
 * the closures, after every call.
 */
export function* calls(state: State, mayMake = state.making): Generator<State> {
  const { keys, blobs } = state;
  const withKey = (key: SymbolicKey, making = false) =>
    has(keys, key) ? null : stateOf(ordered(keys, key), blobs, making);
  const withBlob = (blob: SymbolicBlob) => (has(blobs, blob) ? null : stateOf(keys, ordered(blobs, blob)));
  const users = [...new Set(keys.map(({ owner }) => owner))];
  for (const next of made()) if (next !== null) yield next;

  function* made(): Generator<State | null> {
    // Making a key needs nothing of the calls before it, so of all orders those do that make keys first.
    for (const owner of mayMake ? users : []) {
      for (const i of GENERATED.keys()) {
        const made = generated(i);
        if (made === null) continue;
        // Two of a kind are told apart by their number: which of them came first is no difference.
        const alike = keys.filter(({ secret }) => secret.startsWith(`fresh${i}.${owner}`)).length;
        yield withKey(symbolicKey(owner, `fresh${i}.${owner}.${alike}`, made), true);
      }
      for (const i of IMPORTED.keys()) {
        const made = imported(i);
        if (made !== null) yield withKey(symbolicKey(owner, 'known/bytes', made), true);
      }
    }
    for (const key of keys) {
      yield* changedTo(key);
      if (key.attributes.usage.includes('derive')) yield* derived(key);
      for (const other of keys) if (other.owner === key.owner) yield wrapped(key, other);
      for (const blob of blobs) {
        if (blob.under !== key.secret || !key.attributes.usage.includes('unwrap')) continue;
        yield* unwrapped(key, blob);
        for (const to of keys) if (to.owner === key.owner) yield rewrapped(key, blob, to);
      }
    }
  }

  function* changedTo(key: SymbolicKey): Generator<State | null> {
    const { attributes } = key;
    const changes: [Partial<KeyAttributes>, boolean][] = [[{ trusted: true }, true]];
    if (attributes.extractable === 'plaintext') changes.push([{ extractable: 'wrapped' }, false]);
    if (attributes.extractable !== false) changes.push([{ extractable: false }, false]);
    // Of a key that does not leave it says nothing.
    if (!attributes.wrapWithTrusted && attributes.extractable !== false)
      changes.push([{ wrapWithTrusted: true }, false]);
    for (const [change, admin] of changes) {
      const to = changed(attributes, change, admin);
      if (to === null || to === attributes) continue;
      const rest = keys.filter((each) => each !== key);
      const after = symbolicKey(key.owner, key.secret, to, key.born);
      yield has(rest, after) ? null : stateOf(ordered(rest, after), blobs);
    }
  }

  function* derived(base: SymbolicKey): Generator<State | null> {
    const { attributes } = base;
    const inputs =
      attributes.type === 'EC'
        ? [PARTNER, OWN, ...keys.filter(({ attributes: { type } }) => type === 'EC').map(({ secret }) => secret)].map(
            (peer) => agreementOf(base.secret, peer),
          )
        : [base.secret];
    for (const by of DERIVATIONS) {
      for (const i of DERIVED.keys()) {
        const key = derivedKey(attributes, by, i);
        if (key === null) continue;
        for (const input of inputs) {
          yield withKey(symbolicKey(base.owner, derivedSecret(by, key.purpose, input), key.attributes));
        }
      }
    }
  }

  function wrapped(wrapping: SymbolicKey, key: SymbolicKey): State | null {
    const [a, b] = [wrapping.attributes, key.attributes];
    if (isItself(wrapping, key) || !mayWrap(a, b)) return null;
    return withBlob(symbolicBlob(wrapping.secret, key.secret, bitsOf(b), a.trusted));
  }

  function* unwrapped(wrapping: SymbolicKey, blob: SymbolicBlob): Generator<State | null> {
    for (const i of UNWRAPPED.keys()) {
      const key = unwrappedKey(wrapping.attributes, i);
      if (key === null) continue;
      const back = symbolicKey(wrapping.owner, blob.secret, key);
      if (blob.went !== null && !isSubset(bitsOf(key), blob.went)) returned.set(back.name, blob.name);
      yield withKey(back);
    }
  }

  function rewrapped(from: SymbolicKey, blob: SymbolicBlob, to: SymbolicKey): State | null {
    const [a, b] = [from.attributes, to.attributes];
    if (!mayRewrap(a, b)) return null;
    const template = a.unwrapTemplate;
    const most = template === null || template === 'any' ? null : mostOf(a, template);
    return withBlob(symbolicBlob(to.secret, blob.secret, most, b.trusted));
  }
}

/** All that could have come back where the blob lay before. */
function mostOf(from: KeyAttributes, template: Pattern): bigint {
  const wrapWithTrusted = template.wrapWithTrusted || boundToTrusted(from);
  const key = { ...template, bits: 256, wrapWithTrusted, notAfter: earlierEnd(from.notAfter, template.notAfter) };
  return bitsOf(intern(key as KeyAttributes));
}

/** Keys that came back with more rights than what went, by name: a breach of T3 if the secret is protected. */
export const returned = new Map<string, string>();

const inputOf = (secret: string): string | undefined => /^[^{[]*\{(.*)\}$/.exec(secret)?.[1];
const scalarsOf = (secret: string): string[] | undefined => /^Z\[(.*)\*(.*)\]$/.exec(secret)?.slice(1);

/** Add to `set` what `rule` says, until nothing is new. */
function close(
  state: Pick<State, 'keys' | 'blobs'>,
  set: Set<string>,
  rule: (secret: string, set: Set<string>) => boolean,
): Set<string> {
  const secrets = new Set([...state.keys.map(({ secret }) => secret), ...state.blobs.map(({ secret }) => secret)]);
  for (const secret of [...secrets]) {
    for (let input = inputOf(secret); input !== undefined; input = inputOf(input)) secrets.add(input);
  }
  for (let size = -1; size !== set.size; ) {
    size = set.size;
    for (const secret of secrets) if (!set.has(secret) && rule(secret, set)) set.add(secret);
  }
  return set;
}

const GIVEN = ['known/bytes', OWN];

/** Known(C), as SECURITY.md defines it, of all users together. */
export function known({ keys, blobs }: State): Set<string> {
  const own = new Set(keys.filter(({ attributes }) => attributes.type === 'EC').map(({ secret }) => secret));
  return close({ keys, blobs }, new Set(GIVEN), (secret, set) => {
    const records = keys.filter((each) => each.secret === secret);
    if (records.some(({ born }) => born.extractable === 'plaintext' || born.dualUse)) return true;
    if (records.some(({ born }) => born.extractable === 'wrapped' && !born.wrapWithTrusted)) return true;
    const scalars = scalarsOf(secret);
    if (scalars?.some((each) => set.has(each)) || scalars?.every((each) => own.has(each))) return true;
    const input = inputOf(secret);
    if (input !== undefined && (set.has(input) || keys.some((each) => each.secret === input && each.born.dualUse)))
      return true;
    // What an honest partner sent. A protected key that goes out is not known by that: this is what T3 is about.
    return blobs.some(
      (blob) =>
        blob.secret === secret &&
        blob.went === null &&
        (set.has(blob.under) ||
          keys.some(({ secret: under, born }) => under === blob.under && (born.dualUse || handsOn(born)))),
    );
  });
}

/** Whoever asks gets what lies under such a key. */
const handsOn = ({ rewrap, unwrapTemplate }: KeyAttributes): boolean =>
  rewrap === 'any' && (unwrapTemplate === 'any' || (unwrapTemplate !== null && unwrapTemplate.extractable !== false));

/** What the coalition can compute, by its calls and by itself: the bytes of these secrets. */
export function computable({ keys, blobs }: State): Set<string> {
  return close({ keys, blobs }, new Set(GIVEN), (secret, set) => {
    const records = keys.filter((each) => each.secret === secret);
    // exportKey, before it was tightened.
    if (records.some(({ born }) => born.extractable === 'plaintext')) return true;
    if (scalarsOf(secret)?.some((each) => set.has(each))) return true;
    const input = inputOf(secret);
    if (input !== undefined) {
      if (set.has(input)) return true;
      // HMAC is what SP 800-108 and bound are made of, and the first half of HKDF.
      const macs = keys.some(
        ({ secret: base, attributes: { type, usage } }) => base === input && type === 'HMAC' && usage.includes('sign'),
      );
      if (macs && !secret.startsWith('concat')) return true;
    }
    return blobs.some((blob) => {
      if (blob.secret !== secret) return false;
      if (set.has(blob.under)) return true;
      return keys.some(({ secret: under, attributes }) => {
        if (under !== blob.under || attributes.type !== 'AES') return false;
        const { usage, callerIv } = attributes;
        // GCM, or CBC for the block cipher's inverse; with an IV of one's choice, the keystream of a blob; CMAC, its blocks.
        const opens = usage.includes('decrypt') || usage.includes('sign') || (callerIv && usage.includes('encrypt'));
        return opens || (usage.includes('unwrap') && handsOn(attributes));
      });
    });
  });
}

/** An AES key for encryption and a composite content key count as one: a wrapped content key does not say which it is. */
function isOneType(of: readonly KeyAttributes[]): boolean {
  const types = new Set(of.map(({ type }) => type));
  return types.size === 1 || (types.size === 2 && types.has('AES') && types.has('AES-CBC-HMAC'));
}

/** What is wrong in this state, if anything. */
export function breach(state: State): string | undefined {
  const knows = known(state);
  for (const secret of computable(state)) if (!knows.has(secret)) return `T2: ${secret} is computable`;
  const { keys, blobs } = state;
  for (const key of keys) {
    if (knows.has(key.secret)) continue;
    const of = keys.filter(({ secret }) => secret === key.secret).map(({ attributes }) => attributes);
    const [{ type, callerIv, curve }] = of as [KeyAttributes];
    const usage = [...new Set(of.flatMap((each) => each.usage))];
    const alike = of.every((each) => each.callerIv === callerIv && each.curve === curve) && isOneType(of);
    if (!alike || hasDualUse({ type: of.some((each) => each.type === 'AES') ? 'AES' : type, callerIv, usage }))
      return `T1: ${key.secret} is ${type} ${usage}`;
    if (returned.has(key.name)) return `T3: ${key.name} came back from ${returned.get(key.name)}`;
  }
  for (const { secret, trusted, name } of blobs) {
    if (!trusted && !knows.has(secret)) return `T3: ${name} left under a key that is not trusted`;
  }
  return undefined;
}
