/** The algorithms of WebCrypto that the cells have, in one table. dictionaries.ts reads their parameters. */
import type { AesBits, Usage as CellUsage, Curve, HashName, KeyType } from '../../model/key.ts';
import { failure, notSupported } from './errors.ts';
import { oneOf, sequence } from './webidl.ts';

export type Usage = 'encrypt' | 'decrypt' | 'sign' | 'verify' | 'deriveKey' | 'deriveBits' | 'wrapKey' | 'unwrapKey';

export type Name = 'ECDSA' | 'ECDH' | 'HMAC' | 'AES-GCM' | 'AES-CTR' | 'AES-CBC' | 'AES-KW' | 'HKDF';

interface Row {
  readonly type: KeyType;
  /** Usages of a private or secret key … */
  readonly usages: readonly Usage[];
  /** … and of a public one. */
  readonly publicUsages: readonly Usage[];
  /** The caller gives the IV, as WebCrypto has it. */
  readonly callerIv?: true;
}

export const ALGORITHMS: Readonly<Record<Name, Row>> = {
  ECDSA: { type: 'EC', usages: ['sign'], publicUsages: ['verify'] },
  ECDH: { type: 'EC', usages: ['deriveKey', 'deriveBits'], publicUsages: [] },
  HMAC: { type: 'HMAC', usages: ['sign', 'verify'], publicUsages: [] },
  'AES-GCM': { type: 'AES', usages: ['encrypt', 'decrypt'], publicUsages: [], callerIv: true },
  'AES-CTR': { type: 'AES', usages: ['encrypt', 'decrypt'], publicUsages: [], callerIv: true },
  'AES-CBC': { type: 'AES', usages: ['encrypt', 'decrypt'], publicUsages: [], callerIv: true },
  'AES-KW': { type: 'AES', usages: ['wrapKey', 'unwrapKey'], publicUsages: [] },
  HKDF: { type: 'GENERIC', usages: ['deriveKey', 'deriveBits'], publicUsages: [] },
};

const USAGES: Readonly<Record<Usage, CellUsage>> = {
  encrypt: 'encrypt',
  decrypt: 'decrypt',
  sign: 'sign',
  verify: 'verify',
  deriveKey: 'derive',
  deriveBits: 'derive',
  wrapKey: 'wrap',
  unwrapKey: 'unwrap',
};

export const cellUsages = (usages: readonly Usage[]): CellUsage[] => [...new Set(usages.map((each) => USAGES[each]))];

/** The WebCrypto usages, among those that its algorithm knows, that a handle's own allow. */
export const usagesOf = (known: readonly Usage[], held: readonly CellUsage[]): Usage[] =>
  known.filter((usage) => held.includes(USAGES[usage]));

/** ASCII letters alone: `ſ` is no S. */
export const upperCase = (name: string): string => name.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

/** The specification's, of which the HSM has all but the first. */
export type SpecifiedHash = HashName | 'SHA-1';
const HASHES: readonly SpecifiedHash[] = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];

/** A hash of the specification: whether it is offered is asked last, by `offeredHash`. Throws NotSupportedError. */
export function hashNamed(asked: string): SpecifiedHash {
  const name = HASHES.find((each) => each === upperCase(asked));
  if (name === undefined) throw notSupported(`the HSM has no ${asked}: SHA-256, SHA-384, SHA-512`);
  return name;
}

export function offeredHash(hash: SpecifiedHash): HashName {
  if (hash === 'SHA-1') throw notSupported('the HSM has no SHA-1: SHA-256, SHA-384, SHA-512');
  return hash;
}

/** The specification's curves, and the size of a coordinate in bytes. It has no name for secp256k1. */
const CURVES = { 'P-256': 32, 'P-384': 48, 'P-521': 66 } as const;
export type SpecifiedCurve = keyof typeof CURVES;

/** A curve of the specification: whether it is offered is asked last, by `offeredCurve`. Throws NotSupportedError. */
export function curveNamed(namedCurve: string): SpecifiedCurve {
  if (!Object.hasOwn(CURVES, namedCurve)) throw notSupported("the HSM's curves are P-256 and P-384");
  return namedCurve as SpecifiedCurve;
}

export function offeredCurve(curve: SpecifiedCurve): Curve {
  if (curve === 'P-521') throw notSupported("the HSM's curves are P-256 and P-384");
  return curve;
}

/** In bytes. */
export const coordinateSize = (curve: string): number => CURVES[curve as SpecifiedCurve] ?? 0;

export function aesBits(length: number): AesBits {
  if (length !== 128 && length !== 192 && length !== 256) {
    throw failure('OperationError', 'an AES key has 128, 192 or 256 bits');
  }
  return length;
}

/** WebCrypto's default for a new HMAC key: the hash's block. */
const BLOCK_BITS: Readonly<Record<SpecifiedHash, number>> = {
  ...{ 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 },
};

export function hmacBits(length: number | undefined, hash: SpecifiedHash): number {
  if (length === 0) throw failure('OperationError', 'a key has more than 0 bits');
  return length ?? BLOCK_BITS[hash];
}

const ALL_USAGES = Object.keys(USAGES) as Usage[];
const usageList = sequence(oneOf(ALL_USAGES));

/** The usages asked for, in the order of WebCrypto's list and without repetition. */
export function readUsages(usages: unknown): Usage[] {
  const asked = usageList(usages, 'usages');
  return ALL_USAGES.filter((each) => asked.includes(each));
}

/** WebCrypto lets any AES key wrap. Here a key that encrypts does not: it could then decrypt what it wrapped. */
const onlyElsewhere = (name: Name, usage: Usage): boolean =>
  name.startsWith('AES-') && (usage === 'wrapKey' || usage === 'unwrapKey') && !ALGORITHMS[name].usages.includes(usage);

/** What the specification refuses: usages that are none of `allowed`. */
export function checkUsages(name: Name, usages: readonly Usage[], allowed: readonly Usage[]): void {
  const bad = usages.find((each) => !allowed.includes(each) && !onlyElsewhere(name, each));
  if (bad !== undefined) throw failure('SyntaxError', `a key for ${name} cannot have the usage ${bad}`);
}

/** The last that the specification asks of a private or secret key; after it comes what is not offered here. */
export function mustHaveUsages(name: Name, usages: readonly Usage[]): void {
  if (usages.length === 0) throw failure('SyntaxError', 'a private or secret key has a usage');
  if (usages.some((each) => onlyElsewhere(name, each))) {
    throw notSupported('a key that encrypts does not wrap: AES-KW does');
  }
}
