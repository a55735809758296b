/** A public key as a file holds it. */
import type { PublicJwk } from '../model/key.ts';
import { fromPem } from './encode.ts';
import { UsageError } from './failure.ts';

const OPENING_BRACE = 0x7b;

/** A JWK, PEM, or what is bytes already: DER or a raw point. Whether it is one, the HSM says. */
export function publicKey(given: Uint8Array): Uint8Array | PublicJwk {
  if (given[0] !== OPENING_BRACE) return fromPem(given) ?? given;
  try {
    return JSON.parse(new TextDecoder().decode(given)) as PublicJwk;
  } catch {
    throw new UsageError('this public key begins as a JWK and is none');
  }
}
