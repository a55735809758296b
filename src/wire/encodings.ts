/** Encodings of P-256 keys: SubjectPublicKeyInfo (RFC 5480), PKCS#8 (RFC 5958, 5915), JWK (RFC 7518, 7638). Public parts only. */
import { createHash } from 'node:crypto';
import type { PublicJwk } from '../model/key.ts';
import { FormatError } from './fields.ts';

export const P256_POINT_SIZE = 65;
export const P256_SCALAR_SIZE = 32;

const ALGORITHM = '301306072a8648ce3d020106082a8648ce3d030107';
const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, 'hex'));

const SPKI_UNCOMPRESSED = bytes(`3059${ALGORITHM}034200`);
const SPKI_COMPRESSED = bytes(`3039${ALGORITHM}032200`);

/**
 * The two forms of PKCS#8 that are met in practice, DER with all lengths fixed: with the public key (OpenSSL, Java, WebCrypto)
 * and without it. The scalar stands behind `prefix`, the point behind `middle`.
 */
export const PKCS8_FORMS = [
  { prefix: bytes(`308187020100${ALGORITHM}046d306b0201010420`), middle: bytes('a144034200'), size: 138 },
  { prefix: bytes(`3041020100${ALGORITHM}042730250201010420`), middle: null, size: 67 },
] as const;

const startsWith = (whole: Uint8Array, prefix: Uint8Array): boolean => prefix.every((byte, i) => whole[i] === byte);

export function encodeSpki(point: Uint8Array): Uint8Array<ArrayBuffer> {
  const spki = new Uint8Array(SPKI_UNCOMPRESSED.length + point.length);
  spki.set(SPKI_UNCOMPRESSED);
  spki.set(point, SPKI_UNCOMPRESSED.length);
  return spki;
}

/** The point in an SPKI or a bare one, as it stands: 65 or 33 bytes. The cell checks that it is on the curve. Throws FormatError. */
export function pointOf(publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = publicKey;
  if ((length === 65 && publicKey[0] === 4) || length === 33) return new Uint8Array(publicKey);
  for (const [prefix, size] of [
    [SPKI_UNCOMPRESSED, 65],
    [SPKI_COMPRESSED, 33],
  ] as const) {
    if (length === prefix.length + size && startsWith(publicKey, prefix)) {
      return new Uint8Array(publicKey.subarray(prefix.length));
    }
  }
  throw new FormatError('not a P-256 public key in SPKI or as a point');
}

export function encodeJwk(point: Uint8Array): PublicJwk {
  const part = (from: number) => Buffer.from(point.subarray(from, from + 32)).toString('base64url');
  return { kty: 'EC', crv: 'P-256', x: part(1), y: part(33) };
}

/** Throws FormatError. */
export function pointOfJwk(jwk: PublicJwk): Uint8Array<ArrayBuffer> {
  if (jwk?.kty !== 'EC' || jwk.crv !== 'P-256') throw new FormatError('not a P-256 JWK');
  const point = new Uint8Array(P256_POINT_SIZE);
  point[0] = 4;
  for (const [coordinate, at] of [
    [jwk.x, 1],
    [jwk.y, 33],
  ] as const) {
    const decoded = typeof coordinate === 'string' ? Buffer.from(coordinate, 'base64url') : Buffer.alloc(0);
    if (decoded.length !== 32 || decoded.toString('base64url') !== coordinate) {
      throw new FormatError('a coordinate of the JWK is not 32 bytes in base64url');
    }
    point.set(decoded, at);
  }
  return point;
}

/** RFC 7638 thumbprint of a P-256 key, base64url. */
export function thumbprint(point: Uint8Array): string {
  const { x, y } = encodeJwk(point);
  return createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url');
}
