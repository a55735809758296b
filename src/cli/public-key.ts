/** A public key as a file holds it. */
import type { Jwk } from '../model/key.ts';
import { UsageError } from './failure.ts';

const OPENING_BRACE = 0x7b;

/** A JWK, or what the HSM reads itself: PEM, DER or a point. */
export function publicKey(given: Uint8Array): Uint8Array | Jwk {
  if (given[0] !== OPENING_BRACE) return given;
  try {
    return JSON.parse(new TextDecoder().decode(given)) as Jwk;
  } catch {
    throw new UsageError('this public key begins as a JWK and is none');
  }
}
