/**
 * `keycell/webcrypto`: an object in the shape of Node's `crypto` whose keys are handles to keys of the HSM.
 * For libraries that take a Crypto to work with (@peculiar/x509, pkijs); built on the public Session interface alone.
 */
import { webcrypto as nodeCrypto } from 'node:crypto';
import type { Session } from '../../model/hsm.ts';
import type { AesKey, EcKey, GenericKey, HmacKey, Key } from '../../model/key.ts';
import { normalize } from './dictionaries.ts';
import { adopted, HandleKey, pairOf } from './key.ts';
import { SessionSubtle } from './subtle.ts';

/** The caller's own `crypto`: of lib.dom where that is loaded, of @types/node otherwise. */
type GlobalCrypto = typeof globalThis.crypto;

/** A key in WebCrypto's shape. */
export type CryptoKey = Parameters<GlobalCrypto['subtle']['sign']>[1];
export interface CryptoKeyPair {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** What a key of the HSM is used for. An HMAC key names its hash. */
export type AdoptAlgorithm =
  | 'ECDSA'
  | 'ECDH'
  | 'AES-GCM'
  | 'AES-CTR'
  | 'AES-CBC'
  | 'AES-KW'
  | 'HKDF'
  | { readonly name: 'HMAC'; readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512' };

export interface SessionCrypto extends Pick<GlobalCrypto, 'subtle' | 'getRandomValues' | 'randomUUID'> {
  /** A private EC key of the HSM and its public half, with the usages that it has. Throws InvalidAccessError. */
  keyPair(key: EcKey, algorithm: 'ECDSA' | 'ECDH'): CryptoKeyPair;
  /** Any key of the HSM, with the usages that it has. AES keys that encrypt need `callerIv`. Throws InvalidAccessError. */
  key(key: EcKey | AesKey | HmacKey | GenericKey, algorithm: AdoptAlgorithm): CryptoKey;
  /** The handle behind a key that this module made. Throws TypeError for others. */
  handleOf(key: CryptoKey): Key;
}

/**
 * A Crypto whose `subtle` works in the cells, for this session's user and as long as the session lasts.
 * Keys that `subtle` makes, imports, derives and unwraps are session keys; lasting ones are made by `session.ensureKey` and
 * come in by `keyPair` and `key`. `getRandomValues` and `randomUUID` have to answer at once, which no message to a cell can,
 * so they are Node's own: for serial numbers and IVs, never for keys, which the cell draws itself. `digest` is Node's too.
 * Failures are DOMExceptions by WebCrypto's names, with the HsmError as `cause`.
 */
export function webcrypto(session: Session): SessionCrypto {
  return {
    subtle: new SessionSubtle(session) as unknown as GlobalCrypto['subtle'],
    getRandomValues: (array) => nodeCrypto.getRandomValues(array as never),
    randomUUID: () => nodeCrypto.randomUUID(),
    keyPair(key, algorithm) {
      const { usages } = adopted(key, normalize('adopt', algorithm));
      const verifies = algorithm === 'ECDSA' && key.usage.includes('verify');
      return pairOf(key, algorithm, verifies ? [...usages, 'verify'] : usages) as unknown as CryptoKeyPair;
    },
    key: (key, algorithm) => adopted(key, normalize('adopt', algorithm)) as unknown as CryptoKey,
    handleOf(key) {
      const own: unknown = key;
      if (!HandleKey.isOne(own)) throw new TypeError('the key is not one of an HSM');
      return own.handle;
    },
  };
}
