/** Public keys from elsewhere, in every form in which their curve and point are unambiguous. Only a cell finds the point valid. */
import { CURVE, isCurve } from '../model/algorithms.ts';
import type { Curve, Jwk } from '../model/key.ts';
import { KEY_MATERIAL_MAX } from '../model/limits.ts';
import { contextTag, Der, TAG } from './der.ts';
import { readAlgorithm } from './encodings.ts';
import { FormatError, formatError } from './fields.ts';
import { type PemBlock, pemBlocks } from './pem.ts';

/** A public key as it came: its point, of full or compressed length, which may not be on the curve. */
export interface StatedPoint {
  /** Undefined for a bare point, which does not say. */
  readonly curve: Curve | undefined;
  readonly point: Uint8Array<ArrayBuffer>;
}

const CURVES = Object.keys(CURVE) as Curve[];

/**
 * SubjectPublicKeyInfo (RFC 5480), the one in an X.509 certificate (RFC 5280), either in DER or PEM; a point (SEC 1 §2.3.3), or
 * one in an OCTET STRING, as CKA_EC_POINT has it (PKCS#11). Of a certificate nothing else is read. Throws FormatError.
 */
export function readPublicKey(key: Uint8Array | string): StatedPoint {
  if (key.length > KEY_MATERIAL_MAX) throw formatError('materialLimit');
  if (typeof key === 'string') return readPem(new TextEncoder().encode(key));
  if (key[0] === TAG.sequence) return readDer(new Der(key));
  if (isPoint(key)) return { curve: undefined, point: new Uint8Array(key) };
  if (key[0] !== TAG.octetString) return readPem(key);
  const point = new Der(key).only(TAG.octetString).copy();
  if (!isPoint(point)) throw notPublicKey();
  return { curve: undefined, point };
}

const notPublicKey = (): FormatError =>
  new FormatError('not a public key: give SPKI or a certificate, in DER or PEM, a point, or a JWK');

function isPoint(bytes: Uint8Array, curves: readonly Curve[] = CURVES): boolean {
  const [form] = bytes;
  if (form === 4) return curves.some((curve) => CURVE[curve].pointSize === bytes.length);
  return (form === 2 || form === 3) && curves.some((curve) => 1 + CURVE[curve].size === bytes.length);
}

const PUBLIC_LABELS = ['PUBLIC KEY', 'CERTIFICATE', 'X509 CERTIFICATE'];

function readPem(text: Uint8Array): StatedPoint {
  const blocks = pemBlocks(text);
  const keys = blocks.filter(({ label }) => PUBLIC_LABELS.includes(label));
  if (blocks.some(({ label }) => label.endsWith('PRIVATE KEY'))) throw formatError('privateGiven');
  if (blocks.some(({ label }) => label === 'RSA PUBLIC KEY')) throw formatError('keyAlgorithm');
  const [key] = keys;
  if (key === undefined) throw notPublicKey();
  if (keys.length > 1) throw formatError('severalKeys');
  return readDer(new Der(decodeBase64(text, key)));
}

function decodeBase64(text: Uint8Array, { from, to }: PemBlock): Uint8Array {
  const digits = new TextDecoder('latin1').decode(text.subarray(from, to)).replaceAll(/[ \t\n\v\f\r]/g, '');
  const bytes = Buffer.from(digits, 'base64');
  // What node would not write itself is none.
  if (bytes.toString('base64') !== digits) throw new FormatError('the PEM is not base64');
  return bytes;
}

function readDer(der: Der): StatedPoint {
  const outer = der.only(TAG.sequence);
  // PKCS#8 and SEC 1 begin with a version; encrypted PKCS#8 has an OCTET STRING where the others have bits.
  if (outer.next === TAG.integer) throw formatError('privateGiven');
  const first = outer.take(TAG.sequence);
  if (outer.next === TAG.octetString) throw formatError('privateGiven');
  return first.next === TAG.objectIdentifier ? readSpki(first, outer) : readCertificate(first, outer);
}

/** An algorithm, and what follows it. */
function readSpki(algorithm: Der, rest: Der): StatedPoint {
  const curve = readAlgorithm(algorithm);
  const point = rest.only(TAG.bitString).wholeBytes();
  if (!isPoint(point, [curve])) throw formatError('point');
  return { curve, point };
}

/** RFC 5280 §4.1: what is signed, as far as the key, and what follows it. */
function readCertificate(signed: Der, rest: Der): StatedPoint {
  signed.optional(contextTag(0)); // version
  signed.take(TAG.integer); // serialNumber
  for (const _ of ['signature', 'issuer', 'validity', 'subject']) signed.take(TAG.sequence);
  const key = signed.take(TAG.sequence);
  rest.take(TAG.sequence); // signatureAlgorithm
  rest.only(TAG.bitString); // signature
  return readSpki(key.take(TAG.sequence), key);
}

/** RFC 7518 §6.2.1, RFC 8812 §3.1. Throws FormatError; for a private key, too. */
export function readJwk(jwk: Jwk & { readonly d?: unknown; readonly k?: unknown }): StatedPoint & {
  readonly curve: Curve;
} {
  if (typeof jwk !== 'object' || jwk === null) throw notPublicKey();
  const { kty, crv, x, y, d, k } = jwk;
  if (d !== undefined || k !== undefined) throw formatError('privateGiven');
  if (kty !== 'EC') throw formatError('keyAlgorithm');
  if (!isCurve(crv)) throw formatError('keyCurve');
  const { size, pointSize } = CURVE[crv];
  const point = new Uint8Array(pointSize);
  point[0] = 4;
  point.set(coordinate(x, size), 1);
  point.set(coordinate(y, size), 1 + size);
  return { curve: crv, point };
}

function coordinate(text: unknown, size: number): Uint8Array {
  if (typeof text === 'string' && text.length < 2 * size) {
    const decoded = Buffer.from(text, 'base64url');
    if (decoded.length === size && decoded.toString('base64url') === text) return decoded;
  }
  throw new FormatError(`a coordinate of the JWK is not ${size} bytes in base64url`);
}
