/**
 * The parameters of an algorithm, read as the specification normalizes them (https://w3c.github.io/webcrypto/#algorithm-normalization).
 *
 * A member counts wherever `algorithm[member]` finds it: own, inherited or behind a getter. To copy own properties instead would
 * leave out the `additionalData` of a class without a word. Each is read once, so that what was checked is what is used: first
 * the name, then those of the table below, which are in the order of their names, as Web IDL reads them.
 */
import { hashNamed, type Name, type SpecifiedHash, upperCase } from './algorithms.ts';
import { bytesOf } from './data.ts';
import { notSupported } from './errors.ts';
import { cryptoKey } from './key.ts';
import {
  algorithmIdentifier,
  bufferSource,
  type Convert,
  domString,
  octet,
  unsignedLong,
  unsignedShort,
} from './webidl.ts';

/** Converts a member; what that returns is asked for its value once all members are converted. */
type Member<T> = Convert<() => T>;

const required =
  <T>(member: Member<T>): Member<T> =>
  (value, what) => {
    if (value === undefined) throw new TypeError(`${what} is missing`);
    return member(value, what);
  };
const optional =
  <T>(member: Member<T>): Member<T | undefined> =>
  (value, what) =>
    value === undefined ? () => undefined : member(value, what);
const plain =
  <T>(convert: Convert<T>): Member<T> =>
  (value, what) => {
    const converted = convert(value, what);
    return () => converted;
  };

/** A copy: a later member's getter may write over it. */
const bytes: Member<Uint8Array> = (value, what) => {
  const source = bufferSource(value, what);
  return () => bytesOf(source).slice();
};
const hash: Member<SpecifiedHash> = (value, what) => {
  const identifier = algorithmIdentifier(value, what);
  return () => hashNamed(nameIn(identifier, what));
};

const NONE = {};
const EC = { namedCurve: required(plain(domString)) };
const AES_LENGTH = { length: required(plain(unsignedShort)) };
const HMAC = { hash: required(hash), length: optional(plain(unsignedLong)) };

/** Which members an operation reads for which algorithm. An algorithm that is not in its row is not supported for it. */
const DICTIONARIES = {
  encrypt: {
    'AES-GCM': {
      additionalData: optional(bytes),
      iv: required(bytes),
      tagLength: optional(plain(octet)),
    },
    'AES-CTR': { counter: required(bytes), length: required(plain(octet)) },
    'AES-CBC': { iv: required(bytes) },
  },
  sign: { ECDSA: { hash: required(hash) }, HMAC: NONE },
  generateKey: {
    ...{ ECDSA: EC, ECDH: EC, HMAC },
    ...{ 'AES-GCM': AES_LENGTH, 'AES-CTR': AES_LENGTH, 'AES-CBC': AES_LENGTH, 'AES-KW': AES_LENGTH },
  },
  importKey: {
    ...{ ECDSA: EC, ECDH: EC, HMAC },
    ...{ 'AES-GCM': NONE, 'AES-CTR': NONE, 'AES-CBC': NONE, 'AES-KW': NONE, HKDF: NONE },
  },
  deriveBits: {
    ECDH: { public: required(plain(cryptoKey)) },
    HKDF: { hash: required(hash), info: required(bytes), salt: required(bytes) },
  },
  /** What a derived key is to be: "get key length" in the specification. */
  derivedKey: {
    ...{ HMAC, HKDF: NONE },
    ...{ 'AES-GCM': AES_LENGTH, 'AES-CTR': AES_LENGTH, 'AES-CBC': AES_LENGTH, 'AES-KW': AES_LENGTH },
  },
  wrapKey: { 'AES-KW': NONE },
  /** A key of the HSM that comes in. Not WebCrypto's: whether it is an HMAC key is asked before its hash is. */
  adopt: {
    ...{ ECDSA: NONE, ECDH: NONE, HMAC: { hash: optional(hash) }, HKDF: NONE },
    ...{ 'AES-GCM': NONE, 'AES-CTR': NONE, 'AES-CBC': NONE, 'AES-KW': NONE },
  },
} satisfies Record<string, { readonly [N in Name]?: Readonly<Record<string, Member<unknown>>> }>;

export type Operation = keyof typeof DICTIONARIES;

type Members<D> = { readonly [M in keyof D]: D[M] extends Member<infer T> ? T : never };

/** The parameters of any algorithm that the operation knows; the name tells which. */
export type Parameters<O extends Operation> = {
  [N in keyof (typeof DICTIONARIES)[O]]: { readonly name: N } & Members<(typeof DICTIONARIES)[O][N]>;
}[keyof (typeof DICTIONARIES)[O]];

/** Throws TypeError, and NotSupportedError for an algorithm or a hash that is not to be had for this. */
export function normalize<O extends Operation>(operation: O, algorithm: unknown): Parameters<O> {
  const given = algorithmIdentifier(algorithm, 'an algorithm');
  const asked = nameIn(given, 'an algorithm');
  const row: Readonly<Record<string, Readonly<Record<string, Member<unknown>>>>> = DICTIONARIES[operation];
  const name = upperCase(asked);
  if (!Object.hasOwn(row, name)) {
    throw notSupported(`the HSM has no ${asked} for ${operation}, only ${Object.keys(row).join(', ')}`);
  }
  const read = (member: string): unknown => (typeof given === 'string' ? undefined : Reflect.get(given, member));
  const converted = Object.entries(row[name]!).map(
    ([member, convert]) => [member, convert(read(member), `the ${member} of ${name}`)] as const,
  );
  const members = converted.map(([member, value]) => [member, value()] as const);
  return { name, ...Object.fromEntries(members) } as Parameters<O>;
}

function nameIn(identifier: object | string, what: string): string {
  if (typeof identifier === 'string') return identifier;
  const name: unknown = Reflect.get(identifier, 'name');
  if (name === undefined) throw new TypeError(`${what} is a name or an object with one`);
  return domString(name, `the name of ${what}`);
}
