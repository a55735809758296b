/** ECDH and HKDF. What ECDH agrees on stays in the cell and goes through HKDF before it is a key. */
import type { DeriveOptions } from '../../model/hsm.ts';
import type { EcKey, HashName } from '../../model/key.ts';
import { aesBits, coordinateSize, hmacBits } from './algorithms.ts';
import type { Parameters } from './dictionaries.ts';
import { failure } from './errors.ts';
import type { HandleKey } from './key.ts';

/** In bytes. */
const DIGESTS: Readonly<Record<HashName, number>> = { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 };

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

/** How to derive so many bits, if the specification lets them be derived. */
export function derivation(
  parameters: Parameters<'deriveBits'>,
  base: HandleKey,
  length: number | null,
): DeriveOptions {
  if (parameters.name === 'ECDH') {
    const publicKey = peer(parameters.public, base);
    if ((length ?? 0) > agreedBits(base)) throw failure('OperationError', 'length is more than there is');
    return { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } };
  }
  const { hash, salt, info } = parameters;
  if (length === null || length % 8 !== 0)
    throw failure('OperationError', 'length is a number of whole bytes, in bits');
  // RFC 5869 §2.3.
  if (length > 8 * 255 * DIGESTS[hash]) throw failure('OperationError', 'length is more than HKDF gives');
  return { mechanism: 'KDF', kdf: { name: 'hkdf', hash, salt, info } };
}

function peer(key: HandleKey, base: HandleKey): Uint8Array {
  const { name, namedCurve } = key.algorithm;
  if (key.type !== 'public' || name !== 'ECDH' || namedCurve !== base.algorithm.namedCurve) {
    throw failure('InvalidAccessError', "public is a public ECDH key of the base key's curve");
  }
  return (key.handle as EcKey).publicKey;
}

/** The first so many bits of bytes that nobody else has; the rest of the last byte is zero. All of it is wiped but what is kept. */
export function firstBits(all: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const size = Math.ceil(length / 8);
  const first = all.slice(0, size);
  all.fill(0);
  if (length % 8 !== 0) first[size - 1]! &= 0xff00 >> (length % 8);
  return first;
}
