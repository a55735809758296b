/** What signing, encryption, wrapping and derivation are asked for, as a request says it. */
import { HsmError, REASONS } from '../errors.ts';
import { HASH, isHash } from '../model/algorithms.ts';
import type { Kdf, Recipient, SigningKey, SignOptions, WrapOptions } from '../model/hsm.ts';
import type { Curve, Jwk, Key } from '../model/key.ts';
import { KDF_ALGORITHM_MAX, KDF_FIELD_MAX, PROOF_BOUNDS } from '../model/limits.ts';
import { isWellFormed } from '../model/text.ts';
import { isBytes } from '../model/values.ts';
import { FLAG, hashFlag, KDF, type MechanismName } from '../wire/batch.ts';
import { FormatError } from '../wire/fields.ts';
import { packList } from '../wire/list.ts';
import { readJwk, readPublicKey, type StatedPoint } from '../wire/public-key.ts';
import { boundedCopy, copy, flag, invalid, limitExceeded, NOTHING, object, viewOf } from './inputs.ts';

/** What nearly every signature asks for. */
const PLAIN_ECDSA = { mechanism: 'ECDSA', flags: 0 } as const;

/** Mechanism and flags of a sign or verify by this key. */
export function signing(key: SigningKey, options: SignOptions): { mechanism: MechanismName; flags: number } {
  const { hash, format, prehashed, nonce } = object(options, 'options');
  if (prehashed !== undefined) flag(prehashed, 'prehashed', false);
  const hashed = hash === undefined ? 0 : hashFlags(hash);
  if (key?.type === 'EC') {
    if (format !== undefined && format !== 'p1363' && format !== 'der') throw invalid('format is p1363 or der');
    if (nonce !== undefined && nonce !== 'hedged' && nonce !== 'rfc6979') throw invalid('nonce is hedged or rfc6979');
    const chosen =
      (format === 'der' ? FLAG.der : 0) | (prehashed ? FLAG.prehashed : 0) | (nonce === 'rfc6979' ? FLAG.rfc6979 : 0);
    return (chosen | hashed) === 0 ? PLAIN_ECDSA : { mechanism: 'ECDSA', flags: chosen | hashed };
  }
  // Ignored, they would leave a caller with something else than he asked for.
  if (format !== undefined || nonce !== undefined || prehashed)
    throw invalid('format, nonce and prehashed are for ECDSA');
  if (key?.type === 'HMAC') return { mechanism: 'HMAC', flags: hashed };
  if (key?.type !== 'AES') throw new HsmError('KEYCELL_MECHANISM_INVALID', REASONS.keyType[1]);
  if (hash !== undefined) throw invalid('AES keys sign by CMAC, which has no hash');
  return { mechanism: 'AES-CMAC', flags: 0 };
}

/** The flags that ask for a hash. */
function hashFlags(name: unknown): number {
  if (!isHash(name)) throw new HsmError('KEYCELL_MECHANISM_INVALID', REASONS.hash[1]);
  return hashFlag(HASH[name].number);
}

const CIPHERS = ['AES-GCM', 'AES-CTR', 'AES-CBC', 'AES-CBC-HMAC'] as const;

export function cipher(mechanism: string | undefined): 'envelope' | (typeof CIPHERS)[number] {
  if (mechanism === undefined) return 'envelope';
  const found = CIPHERS.find((each) => each === mechanism);
  if (found === undefined) throw new HsmError('KEYCELL_MECHANISM_INVALID');
  return found;
}

const WRAP_AS = { JWE: FLAG.jwe, 'AES-KW': 0, 'AES-KWP': FLAG.wrapAsKwp, 'AES-GCM': FLAG.wrapAsGcm } as const;

/** The flags that say how rewrapKeys wraps. */
export function wrapAs(as: keyof typeof WRAP_AS): number {
  if (Object.hasOwn(WRAP_AS, as)) return WRAP_AS[as];
  throw new HsmError('KEYCELL_MECHANISM_INVALID', 'as is AES-KW, AES-KWP, AES-GCM or JWE');
}

/** AES-KW and AES-KWP have no associated data. */
export function wrapAad(options: WrapOptions): Uint8Array {
  if (options.mechanism === 'AES-GCM') return copy(options.aad ?? NOTHING);
  if ('aad' in options && options.aad !== undefined) throw invalid(`${options.mechanism} takes no aad`);
  return NOTHING;
}

function publicKeyOf(key: unknown): StatedPoint {
  try {
    if (typeof key === 'string') return readPublicKey(key);
    return isBytes(key) ? readPublicKey(copy(key)) : readJwk(key as Jwk);
  } catch (error) {
    if (error instanceof HsmError) throw error;
    if (!(error instanceof FormatError)) throw invalid('not a public key');
    if (error.reason === 'materialLimit') throw limitExceeded('materialLimit');
    throw invalid(error.message);
  }
}

/** The point of a public key that must be of this curve, if it says of which it is. */
export function pointOn(curve: Curve | undefined, key: unknown): Uint8Array<ArrayBuffer> {
  const stated = publicKeyOf(key);
  if (curve !== undefined && stated.curve !== undefined && stated.curve !== curve) {
    throw invalid(`the public key is of ${stated.curve}, not ${String(curve)}`);
  }
  return stated.point;
}

/** A recipient's point tells its curve by its length: ECDH-ES is registered for P-256 and P-384 alone (RFC 7518 §6.2.1.1). */
function recipientPoint(key: unknown): Uint8Array<ArrayBuffer> {
  const { curve, point } = publicKeyOf(key);
  if (curve === 'secp256k1') throw new HsmError('KEYCELL_MECHANISM_INVALID', REASONS.curve[1]);
  return point;
}

export function recipient(to: Recipient): { key?: Key; point: Uint8Array; proof: Uint8Array } {
  if (to !== null && typeof to === 'object') {
    if ('type' in to) return { key: to, point: NOTHING, proof: NOTHING };
    const { proof: word = '' } = to;
    if (typeof word !== 'string') throw invalid('a proof is a compact JWS');
    // The cell says the same of what is longer; nothing so long is copied to hear it.
    if (word.length > PROOF_BOUNDS.bytes) throw new HsmError('KEYCELL_PERMISSION_DENIED', REASONS.proofMalformed[1]);
    const proof = new TextEncoder().encode(word);
    if ('jwk' in to) return { point: recipientPoint(to.jwk), proof };
    if ('spki' in to) return { point: recipientPoint(to.spki), proof };
  }
  throw invalid('to is a key, { jwk } or { spki }');
}

/** A copy of one of a KDF's fields. */
const kdfField = (bytes: Uint8Array | undefined): Uint8Array => boundedCopy(bytes, KDF_FIELD_MAX, 'kdfField');

/** The KDF as a request names it, and the list of its fields; the cell lays them out and appends the length. */
export function kdfOf(kdf: Kdf): { readonly name: number; readonly fields: Uint8Array; readonly flags: number } {
  object(kdf, 'a kdf');
  switch (kdf.name) {
    case 'none':
      return { name: KDF.none, fields: NOTHING, flags: 0 };
    case 'concat': {
      if (typeof kdf.algorithm !== 'string' || !isWellFormed(kdf.algorithm)) throw invalid('algorithm is a string');
      if (kdf.algorithm.length > KDF_ALGORITHM_MAX) throw limitExceeded('kdfField');
      const fields = [new TextEncoder().encode(kdf.algorithm), kdfField(kdf.apu), kdfField(kdf.apv)];
      return { name: KDF.concat, fields: packList(fields), flags: hashFlags(kdf.hash) };
    }
    case 'sp800-108':
    case 'bound': {
      viewOf(kdf.label);
      const fields = [kdfField(kdf.label), kdfField(kdf.context)];
      return { name: KDF[kdf.name], fields: packList(fields), flags: hashFlags(kdf.hash) };
    }
    case 'hkdf': {
      const fields = [kdfField(kdf.salt), kdfField(kdf.info)];
      return { name: KDF.hkdf, fields: packList(fields), flags: hashFlags(kdf.hash) };
    }
    default:
      throw new HsmError('KEYCELL_MECHANISM_INVALID', 'a KDF is none, concat, sp800-108, hkdf or bound');
  }
}
