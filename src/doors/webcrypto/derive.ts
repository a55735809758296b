/** ECDH and HKDF. What ECDH agrees on stays in the cell and goes through HKDF before it is a key. */
import type { DeriveOptions, Session } from '../../model/hsm.ts';
import type { EcKey, GenericKey, KeyOf, KeyTemplate } from '../../model/key.ts';
import { ALGORITHMS, aesBits, coordinateSize, hashOf, hmacBits, type Parameters } from './algorithms.ts';
import { bytesOf } from './data.ts';
import { failure, notSupported } from './errors.ts';
import { HandleKey } from './key.ts';

/** How many bits a derived key of this kind has. */
export function derivedBits(base: HandleKey, wanted: Parameters): number {
  const { type } = ALGORITHMS[wanted.name];
  if (base.algorithm.name === 'ECDH') {
    if (wanted.name === 'HKDF') return agreedBits(base);
    // The cell makes no key of a bare coordinate, which is not uniform (SP 800-56C).
    throw notSupported(`ECDH derives a key for HKDF, and that one the key for ${wanted.name}`);
  }
  if (type === 'AES') return aesBits(wanted['length']);
  if (type === 'HMAC') return hmacBits(wanted, hashOf(wanted['hash']));
  throw failure('OperationError', `HKDF derives no key for ${wanted.name}`);
}

/** All that there is: a coordinate. */
export const agreedBits = (base: HandleKey): number => 8 * coordinateSize(base.algorithm.namedCurve ?? '');

export function derive<const T extends KeyTemplate>(
  session: Session,
  parameters: Parameters,
  base: HandleKey,
  template: T,
): Promise<KeyOf<T>> {
  return session.deriveKey(base.handle as EcKey | GenericKey, derivation(parameters, base), template);
}

function derivation(parameters: Parameters, base: HandleKey): DeriveOptions {
  if (parameters.name === 'ECDH') {
    return { mechanism: 'ECDH', publicKey: peer(parameters, base), kdf: { name: 'none' } };
  }
  const { hash, salt, info } = parameters;
  const kdf = { name: 'hkdf', hash: hashOf(hash), salt: bytesOf(salt), info: bytesOf(info) } as const;
  return { mechanism: 'KDF', kdf };
}

function peer({ public: key }: Parameters, base: HandleKey): Uint8Array {
  if (!(key instanceof HandleKey)) throw new TypeError('public is a key of this HSM: import it');
  const { name, namedCurve } = key.algorithm;
  if (key.type !== 'public' || name !== 'ECDH' || namedCurve !== base.algorithm.namedCurve) {
    throw failure('InvalidAccessError', "public is a public ECDH key of the base key's curve");
  }
  return (key.handle as EcKey).publicKey;
}
