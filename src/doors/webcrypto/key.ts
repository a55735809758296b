/** A key in the shape of a CryptoKey: it holds a handle, which names a sealed record, and no secret. */
import type { AesKey, EcKey, GenericKey, HashName, HmacKey, Key } from '../../model/key.ts';
import { ALGORITHMS, type Name, offeredHash, type SpecifiedHash, type Usage, usagesOf } from './algorithms.ts';
import { failure } from './errors.ts';
import type { Convert } from './webidl.ts';

export interface KeyAlgorithm {
  readonly name: Name;
  readonly namedCurve?: string;
  readonly length?: number;
  readonly hash?: { readonly name: HashName };
}

export type KeyClass = 'secret' | 'private' | 'public';

export class HandleKey<K extends Key = Key> {
  readonly #handle: K;
  readonly type: KeyClass;
  readonly extractable: boolean;
  readonly algorithm: KeyAlgorithm;
  readonly usages: readonly Usage[];

  constructor(handle: K, type: KeyClass, extractable: boolean, algorithm: KeyAlgorithm, usages: readonly Usage[]) {
    this.#handle = handle;
    this.type = type;
    this.extractable = extractable;
    this.algorithm = Object.freeze(algorithm);
    this.usages = Object.freeze([...usages]);
    Object.freeze(this);
  }

  /** Whether this module made it: a prototype can be borrowed. */
  static isOne(value: unknown): value is HandleKey {
    return typeof value === 'object' && value !== null && #handle in value;
  }

  get handle(): K {
    return this.#handle;
  }

  get [Symbol.toStringTag](): 'CryptoKey' {
    return 'CryptoKey';
  }
}

/** The halves of an EC key, over one handle. */
export function pairOf(handle: EcKey, name: 'ECDSA' | 'ECDH', usages: readonly Usage[]) {
  return {
    privateKey: ecKey(handle, name, 'private', handle.extractable === 'plaintext', usages),
    publicKey: ecKey(handle, name, 'public', true, usages),
  };
}

/** One half, with those of `usages` that it can have. */
export function ecKey(
  handle: EcKey,
  name: Name,
  half: 'private' | 'public',
  extractable: boolean,
  usages: readonly Usage[],
): HandleKey<EcKey> {
  const known = half === 'private' ? ALGORITHMS[name].usages : ALGORITHMS[name].publicUsages;
  const held = usages.filter((usage) => known.includes(usage));
  return new HandleKey(handle, half, extractable, { name, namedCurve: handle.curve }, held);
}

/** As much of an algorithm's parameters as a key remembers … */
interface Named<H = HashName> {
  readonly name: Name;
  readonly hash?: H | undefined;
}

/** … once the HSM has them. Throws NotSupportedError. */
export const offered = ({ name, hash }: Named<SpecifiedHash>): Named => ({
  name,
  hash: hash && offeredHash(hash),
});

export function secretKey(
  handle: AesKey | HmacKey | GenericKey,
  { name, hash }: Named,
  usages: readonly Usage[],
): HandleKey {
  if (handle.type === 'HMAC' && hash === undefined) throw new TypeError('a key for HMAC names its hash');
  const hashed = hash === undefined ? {} : { hash: Object.freeze({ name: hash }) };
  const sized = handle.type === 'GENERIC' ? {} : { length: handle.bits };
  return new HandleKey(handle, 'secret', handle.extractable === 'plaintext', { name, ...hashed, ...sized }, usages);
}

/** A key of the HSM as a CryptoKey for this algorithm, with all usages that it has. Throws InvalidAccessError. */
export function adopted(handle: Key, parameters: Named<SpecifiedHash>): HandleKey {
  const { name } = parameters;
  const { type, usages, publicUsages, callerIv = false } = ALGORITHMS[name];
  if (handle?.type !== type || handle.type === 'AES-CBC-HMAC')
    throw failure('InvalidAccessError', `the key is not for ${name}`);
  if (handle.type === 'EC') {
    const half = handle.class === 'public' ? 'public' : 'private';
    const known = half === 'public' ? publicUsages : usages;
    return ecKey(
      handle,
      name,
      half,
      half === 'public' || handle.extractable === 'plaintext',
      usagesOf(known, handle.usage),
    );
  }
  if (handle.type === 'AES' && handle.callerIv !== callerIv) {
    throw failure('InvalidAccessError', 'WebCrypto has the caller choose the IV, which only keys with callerIv allow');
  }
  return secretKey(handle, offered(parameters), usagesOf(usages, handle.usage));
}

/** A key of this module's as an argument. */
export const cryptoKey: Convert<HandleKey> = (value, what) => {
  if (!HandleKey.isOne(value)) throw new TypeError(`${what} is a key of this HSM: import it`);
  return value;
};

/** The key that an operation is asked of must be for this algorithm and have this usage. */
export function checkKey(key: HandleKey, name: Name, usage: Usage): void {
  if (key.algorithm.name !== name) {
    throw failure('InvalidAccessError', `the key is for ${key.algorithm.name}, not ${name}`);
  }
  if (!key.usages.includes(usage)) throw failure('InvalidAccessError', `the key does not have the usage ${usage}`);
}
