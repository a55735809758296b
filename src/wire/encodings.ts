/**
 * Encodings of EC keys as we write them: SubjectPublicKeyInfo (RFC 5480), PKCS#8 (RFC 5958), JWK (RFC 7518, 8812, 7638); and
 * how others name a key's curve. All that is written has a fixed length for each curve.
 */
import { hash } from 'node:crypto';
import { CURVE } from '../model/algorithms.ts';
import type { Curve, PublicJwk } from '../model/key.ts';
import { type Der, TAG } from './der.ts';
import { formatError } from './fields.ts';

const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, 'hex'));

/** The curves' names, from RFC 5480 §2.1.1.1 and SEC 2 §A.2. */
const CURVE_OID: Readonly<Record<Curve, string>> = {
  'P-256': '2a8648ce3d030107',
  'P-384': '2b81040022',
  secp256k1: '2b8104000a',
};
const EC_PUBLIC_KEY = '2a8648ce3d0201';

const hexByte = (value: number): string => value.toString(16).padStart(2, '0');

/** Tag and length of an element whose content is `length` bytes, at most 255. */
const head = (tag: number, length: number): string =>
  length < 128 ? hexByte(tag) + hexByte(length) : `${hexByte(tag)}81${hexByte(length)}`;

/** An element whose content is `hex`, and `more` bytes that follow it elsewhere. */
const element = (tag: number, hex: string, more = 0): string => head(tag, hex.length / 2 + more) + hex;

const VERSION_0 = '020100';
const VERSION_1 = '020101';

const algorithm = (curve: Curve): string =>
  element(TAG.sequence, element(TAG.objectIdentifier, EC_PUBLIC_KEY) + element(TAG.objectIdentifier, CURVE_OID[curve]));

/** A private key as we write it: prefix ‖ scalar ‖ middle ‖ point. */
export interface PrivateForm {
  readonly prefix: Uint8Array;
  readonly middle: Uint8Array;
  readonly size: number;
}

/** PKCS#8 with the public key and without parameters in it, as OpenSSL, Java and WebCrypto write it. */
function privateForm(curve: Curve): PrivateForm {
  const { size, pointSize } = CURVE[curve];
  const middle = element(0xa1, element(TAG.bitString, '00', pointSize), pointSize);
  const rest = size + middle.length / 2 + pointSize;
  const inner = element(TAG.sequence, VERSION_1 + head(TAG.octetString, size), rest);
  const prefix = element(TAG.sequence, VERSION_0 + algorithm(curve) + element(TAG.octetString, inner, rest), rest);
  return { prefix: bytes(prefix), middle: bytes(middle), size: prefix.length / 2 + rest };
}

function spkiPrefix(curve: Curve): Uint8Array {
  const { pointSize } = CURVE[curve];
  return bytes(element(TAG.sequence, algorithm(curve) + element(TAG.bitString, '00', pointSize), pointSize));
}

const forEachCurve = <T>(make: (curve: Curve) => T): Readonly<Record<Curve, T>> => ({
  'P-256': make('P-256'),
  'P-384': make('P-384'),
  secp256k1: make('secp256k1'),
});

export const PRIVATE_FORM = forEachCurve(privateForm);
const SPKI_PREFIX = forEachCurve(spkiPrefix);

export function encodeSpki(curve: Curve, point: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix = SPKI_PREFIX[curve];
  const spki = new Uint8Array(prefix.length + point.length);
  spki.set(prefix);
  spki.set(point, prefix.length);
  return spki;
}

const CURVES = Object.keys(CURVE) as Curve[];
const OID_BYTES = forEachCurve((curve) => bytes(CURVE_OID[curve]));
const EC_PUBLIC_KEY_BYTES = bytes(EC_PUBLIC_KEY);

/** The curve of an AlgorithmIdentifier's content (RFC 5480 §2.1.1). Throws FormatError with what it is instead. */
export function readAlgorithm(identifier: Der): Curve {
  if (!identifier.take(TAG.objectIdentifier).is(EC_PUBLIC_KEY_BYTES)) throw formatError('keyAlgorithm');
  return readCurve(identifier);
}

/** The curve that ECParameters name (RFC 5480 §2.1.1), the last of these elements. Throws FormatError. */
export function readCurve(parameters: Der): Curve {
  if (parameters.next === TAG.sequence) throw formatError('explicitCurve');
  const name = parameters.only(TAG.objectIdentifier);
  const curve = CURVES.find((each) => name.is(OID_BYTES[each]));
  if (curve === undefined) throw formatError('keyCurve');
  return curve;
}

export function encodeJwk(curve: Curve, point: Uint8Array): PublicJwk {
  const { size } = CURVE[curve];
  const part = (from: number) => Buffer.from(point.buffer, point.byteOffset + from, size).toString('base64url');
  return { kty: 'EC', crv: curve, x: part(1), y: part(1 + size) };
}

/** RFC 7638 thumbprint, base64url. */
export const thumbprint = (curve: Curve, point: Uint8Array): string => thumbprintOf(encodeJwk(curve, point));

/** The same of a JWK of ours: its members in the order of RFC 7638 §3.2, and nothing in them that JSON would escape. */
export const thumbprintOf = ({ crv, kty, x, y }: PublicJwk): string =>
  hash('sha256', `{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`, 'base64url');
