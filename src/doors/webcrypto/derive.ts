/** ECDH and HKDF. What ECDH agrees on stays in the cell and goes through HKDF before it is a key. */
import type { DeriveOptions, Session } from '../../model/hsm.ts';
import type { EcKey, GenericKey, KeyOf, KeyTemplate } from '../../model/key.ts';
import { aesBits, coordinateSize, hmacBits } from './algorithms.ts';
import type { Parameters } from './dictionaries.ts';
import { failure, notSupported } from './errors.ts';
import type { HandleKey } from './key.ts';

type Derivation = Parameters<'deriveBits'>;

/** How many bits a derived key of this kind has. */
export function derivedBits(base: HandleKey, wanted: Parameters<'derivedKey'>): number {
  if (base.algorithm.name === 'ECDH') {
    if (wanted.name === 'HKDF') return agreedBits(base);
    // The cell makes no key of a bare coordinate, which is not uniform (SP 800-56C).
    throw notSupported(`ECDH derives a key for HKDF, and that one the key for ${wanted.name}`);
  }
  if (wanted.name === 'HKDF') throw failure('OperationError', 'HKDF derives no key for HKDF');
  return wanted.name === 'HMAC' ? hmacBits(wanted.length, wanted.hash) : aesBits(wanted.length);
}

/** All that there is: a coordinate. */
export const agreedBits = (base: HandleKey): number => 8 * coordinateSize(base.algorithm.namedCurve ?? '');

export function derive<const T extends KeyTemplate>(
  session: Session,
  parameters: Derivation,
  base: HandleKey,
  template: T,
): Promise<KeyOf<T>> {
  return session.deriveKey(base.handle as EcKey | GenericKey, derivation(parameters, base), template);
}

function derivation(parameters: Derivation, base: HandleKey): DeriveOptions {
  if (parameters.name === 'ECDH') {
    return { mechanism: 'ECDH', publicKey: peer(parameters.public, base), kdf: { name: 'none' } };
  }
  const { hash, salt, info } = parameters;
  return { mechanism: 'KDF', kdf: { name: 'hkdf', hash, salt, info } };
}

function peer(key: HandleKey, base: HandleKey): Uint8Array {
  const { name, namedCurve } = key.algorithm;
  if (key.type !== 'public' || name !== 'ECDH' || namedCurve !== base.algorithm.namedCurve) {
    throw failure('InvalidAccessError', "public is a public ECDH key of the base key's curve");
  }
  return (key.handle as EcKey).publicKey;
}
