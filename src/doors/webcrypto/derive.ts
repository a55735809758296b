/** ECDH and HKDF. What ECDH agrees on stays in the cell and goes through HKDF before it is a key. */
import type { DeriveOptions } from '../../model/hsm.ts';
import type { EcKey } from '../../model/key.ts';
import { aesBits, coordinateSize, hmacBits, offeredHash, type SpecifiedHash } from './algorithms.ts';
import type { Parameters } from './dictionaries.ts';
import { failure } from './errors.ts';
import type { HandleKey } from './key.ts';

/** In bytes. */
const DIGESTS: Readonly<Record<SpecifiedHash, number>> = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 };

/** How many bits a derived key has: "get key length". Null is as many as there are. */
export function derivedBits(wanted: Parameters<'derivedKey'>): number | null {
  switch (wanted.name) {
    case 'HKDF':
      return null;
    case 'HMAC':
      // A TypeError, where generateKey has an OperationError.
      if (wanted.length === 0) throw new TypeError('a key has more than 0 bits');
      return hmacBits(wanted.length, wanted.hash);
    default:
      return aesBits(wanted.length);
  }
}

/** All that there is: a coordinate. */
export const agreedBits = (base: HandleKey): number => 8 * coordinateSize(base.algorithm.namedCurve ?? '');

/** Does the specification let so many bits be derived? */
export function checkDerivation(parameters: Parameters<'deriveBits'>, base: HandleKey, length: number | null): void {
  if (parameters.name === 'ECDH') {
    checkPeer(parameters.public, base);
    if ((length ?? 0) > agreedBits(base)) throw failure('OperationError', 'length is more than there is');
    return;
  }
  if (length === null || length % 8 !== 0)
    throw failure('OperationError', 'length is a number of whole bytes, in bits');
  // RFC 5869 §2.3.
  if (length > 8 * 255 * DIGESTS[parameters.hash]) throw failure('OperationError', 'length is more than HKDF gives');
}

function checkPeer(key: HandleKey, base: HandleKey): void {
  const { name, namedCurve } = key.algorithm;
  if (key.type !== 'public' || name !== 'ECDH' || namedCurve !== base.algorithm.namedCurve) {
    throw failure('InvalidAccessError', "public is a public ECDH key of the base key's curve");
  }
}

/** The same as the session is asked. */
export function derivation(parameters: Parameters<'deriveBits'>): DeriveOptions {
  if (parameters.name === 'ECDH') {
    const { publicKey } = parameters.public.handle as EcKey;
    return { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } };
  }
  const { hash, salt, info } = parameters;
  return { mechanism: 'KDF', kdf: { name: 'hkdf', hash: offeredHash(hash), salt, info } };
}

/** The first so many bits of bytes that nobody else has; the rest of the last byte is zero. All of it is wiped but what is kept. */
export function firstBits(all: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const size = Math.ceil(length / 8);
  const first = all.slice(0, size);
  all.fill(0);
  if (length % 8 !== 0) first[size - 1]! &= 0xff00 >> (length % 8);
  return first;
}
