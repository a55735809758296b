/** The algorithms of WebCrypto that the cells have, in one table, and how their parameters are read. */
import type { AesBits, Usage as CellUsage, Curve, HashName, KeyType } from '../../model/key.ts';
import { failure, notSupported } from './errors.ts';

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

/** A dictionary with a name, as every algorithm parameter is. */
export interface Parameters {
  readonly name: Name;
  readonly [member: string]: unknown;
}

/** `AlgorithmIdentifier`: a name in any case, or an object that has one. */
export function parametersOf(algorithm: unknown): Parameters {
  const given = typeof algorithm === 'string' ? { name: algorithm } : algorithm;
  if (typeof given !== 'object' || given === null || !('name' in given)) {
    throw new TypeError('an algorithm is a name or an object with one');
  }
  const wanted = String(given.name).toUpperCase();
  const name = (Object.keys(ALGORITHMS) as Name[]).find((each) => each === wanted);
  if (name === undefined)
    throw notSupported(`the HSM has no ${String(given.name)}: ${Object.keys(ALGORITHMS).join(', ')}`);
  return { ...given, name };
}

const HASHES: readonly HashName[] = ['SHA-256', 'SHA-384', 'SHA-512'];

export function hashOf(hash: unknown): HashName {
  const named = typeof hash === 'object' && hash !== null ? (hash as { readonly name?: unknown }).name : hash;
  if (named === undefined) throw new TypeError('the algorithm needs a hash');
  const name = HASHES.find((each) => each === String(named).toUpperCase());
  if (name === undefined) throw notSupported(`the HSM has no ${String(named)}: ${HASHES.join(', ')}`);
  return name;
}

/** The size of a coordinate in bytes. WebCrypto has no name for secp256k1. */
const CURVES: Readonly<Partial<Record<Curve, number>>> = { 'P-256': 32, 'P-384': 48 };

export function curveOf(namedCurve: unknown): Curve {
  if (namedCurve === undefined) throw new TypeError('the algorithm needs a namedCurve');
  if (!Object.hasOwn(CURVES, namedCurve as string)) throw notSupported(`the HSM's curves are P-256 and P-384`);
  return namedCurve as Curve;
}

/** In bytes. */
export const coordinateSize = (curve: string): number => CURVES[curve as Curve] ?? 0;

export function aesBits(length: unknown): AesBits {
  if (length !== 128 && length !== 192 && length !== 256) {
    throw failure('OperationError', 'an AES key has 128, 192 or 256 bits');
  }
  return length;
}

/** WebCrypto's default for a new HMAC key: the hash's block. */
const BLOCK_BITS: Readonly<Record<HashName, number>> = { 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 };

export function hmacBits({ length }: Parameters, hash: HashName): number {
  const bits = length ?? BLOCK_BITS[hash];
  if (!Number.isInteger(bits) || (bits as number) <= 0) throw failure('OperationError', 'length is a number of bits');
  if ((bits as number) % 8 !== 0) throw notSupported('keys are whole bytes');
  return bits as number;
}

const ALL_USAGES = Object.keys(USAGES) as Usage[];

/** The usages asked for, in the order of WebCrypto's list and without repetition; each must be one of `allowed`. */
export function checkUsages(name: Name, usages: unknown, allowed: readonly Usage[]): Usage[] {
  if (!Array.isArray(usages) || usages.some((each) => !ALL_USAGES.includes(each))) {
    throw new TypeError('usages is a list of key usages');
  }
  const wraps = name.startsWith('AES-') && name !== 'AES-KW';
  if (wraps && usages.some((each) => each === 'wrapKey' || each === 'unwrapKey')) {
    // The same key could then decrypt what it wrapped.
    throw notSupported('a key that encrypts does not wrap: AES-KW does');
  }
  const bad = usages.find((each) => !allowed.includes(each));
  if (bad !== undefined) throw failure('SyntaxError', `a key for ${name} cannot have the usage ${bad}`);
  return ALL_USAGES.filter((each) => usages.includes(each));
}

export function mustHaveUsages(usages: readonly Usage[]): void {
  if (usages.length === 0) throw failure('SyntaxError', 'a private or secret key has a usage');
}
