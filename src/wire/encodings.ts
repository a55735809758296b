/**
 * Encodings of EC keys: SubjectPublicKeyInfo (RFC 5480), PKCS#8 (RFC 5958) and SEC 1 (RFC 5915), JWK (RFC 7518, 8812, 7638).
 * All have a fixed length for each curve, so reading is a comparison with the few forms there are: no parser looks at a secret.
 */
import { hash } from 'node:crypto';
import { CURVE, isCurve } from '../model/algorithms.ts';
import type { Curve, PublicJwk } from '../model/key.ts';
import { FormatError } from './fields.ts';

const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, 'hex'));

/** The curves' names, DER, from RFC 5480 §2.1.1.1 and SEC 2 §A.2. */
const CURVE_OID: Readonly<Record<Curve, string>> = {
  'P-256': '06082a8648ce3d030107',
  'P-384': '06052b81040022',
  secp256k1: '06052b8104000a',
};
const EC_PUBLIC_KEY = '06072a8648ce3d0201';

const hexByte = (value: number): string => value.toString(16).padStart(2, '0');

/** Tag and length of an element whose content is `length` bytes, at most 255. */
const head = (tag: number, length: number): string =>
  length < 128 ? hexByte(tag) + hexByte(length) : `${hexByte(tag)}81${hexByte(length)}`;

/** An element whose content is `hex`, and `more` bytes that follow it elsewhere. */
const element = (tag: number, hex: string, more = 0): string => head(tag, hex.length / 2 + more) + hex;

const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;
const BIT_STRING = 0x03;
const VERSION_0 = '020100';
const VERSION_1 = '020101';

const algorithm = (curve: Curve): string => element(SEQUENCE, EC_PUBLIC_KEY + CURVE_OID[curve]);

/** A private key on the wire: prefix ‖ scalar ‖ middle ‖ point, the last of `pointSize` bytes, perhaps none. */
export interface PrivateForm {
  readonly prefix: Uint8Array;
  readonly middle: Uint8Array;
  readonly pointSize: number;
  readonly size: number;
}

/** What a PrivateKeyInfo or an ECPrivateKey looks like that names its curve in `parameters` or not, with a point of this size. */
function privateForm(curve: Curve, wrapped: boolean, parameters: boolean, pointSize: number): PrivateForm {
  const { size } = CURVE[curve];
  const bits = pointSize === 0 ? '' : element(BIT_STRING, '00', pointSize);
  const middle =
    (parameters ? element(0xa0, CURVE_OID[curve]) : '') + (pointSize === 0 ? '' : element(0xa1, bits, pointSize));
  const scalar = VERSION_1 + head(OCTET_STRING, size);
  const inner = element(SEQUENCE, scalar, size + middle.length / 2 + pointSize);
  const rest = size + middle.length / 2 + pointSize;
  const prefix = wrapped
    ? element(SEQUENCE, VERSION_0 + algorithm(curve) + element(OCTET_STRING, inner, rest), rest)
    : inner;
  return { prefix: bytes(prefix), middle: bytes(middle), pointSize, size: prefix.length / 2 + rest };
}

/**
 * The forms that are met: PKCS#8 with the public key (OpenSSL, Java, WebCrypto) and without it; SEC 1 as `openssl ecparam` and
 * `genpkey -outform DER` write it; either with its point compressed. The first is the one that we write.
 */
export const PRIVATE_FORMS: Readonly<Record<Curve, readonly [PrivateForm, ...PrivateForm[]]>> = {
  'P-256': privateForms('P-256'),
  'P-384': privateForms('P-384'),
  secp256k1: privateForms('secp256k1'),
};

function privateForms(curve: Curve): [PrivateForm, ...PrivateForm[]] {
  const { pointSize, size } = CURVE[curve];
  const points = [pointSize, 0, 1 + size];
  return [
    privateForm(curve, true, false, pointSize),
    ...points.slice(1).map((point) => privateForm(curve, true, false, point)),
    ...points.flatMap((point) => [true, false].map((wrapped) => privateForm(curve, wrapped, true, point))),
  ];
}

interface SpkiForm {
  readonly curve: Curve;
  readonly prefix: Uint8Array;
  readonly pointSize: number;
}

function spkiForm(curve: Curve, pointSize: number): SpkiForm {
  const key = element(BIT_STRING, '00', pointSize);
  return { curve, pointSize, prefix: bytes(element(SEQUENCE, algorithm(curve) + key, pointSize)) };
}

const CURVES = Object.keys(CURVE) as Curve[];
const SPKI_FORMS = CURVES.flatMap((curve) => {
  const { size, pointSize } = CURVE[curve];
  return [spkiForm(curve, pointSize), spkiForm(curve, 1 + size)];
});

const startsWith = (whole: Uint8Array, prefix: Uint8Array): boolean => prefix.every((byte, i) => whole[i] === byte);

export function encodeSpki(curve: Curve, point: Uint8Array): Uint8Array<ArrayBuffer> {
  const { prefix } = SPKI_FORMS.find((form) => form.curve === curve && form.pointSize === point.length)!;
  const spki = new Uint8Array(prefix.length + point.length);
  spki.set(prefix);
  spki.set(point, prefix.length);
  return spki;
}

/** A public key as it came: its point, of full or compressed length, which only a cell finds to be on the curve or not. */
export interface StatedPoint {
  /** Undefined for a bare point, which does not say. */
  readonly curve: Curve | undefined;
  readonly point: Uint8Array<ArrayBuffer>;
}

/** Read an SPKI or a bare point. Throws FormatError. */
export function readPublicKey(publicKey: Uint8Array): StatedPoint {
  const { length } = publicKey;
  const spki = SPKI_FORMS.find(
    ({ prefix, pointSize }) => length === prefix.length + pointSize && startsWith(publicKey, prefix),
  );
  if (spki !== undefined) {
    return { curve: spki.curve, point: new Uint8Array(publicKey.subarray(spki.prefix.length)) };
  }
  const full = publicKey[0] === 4 && CURVES.some((curve) => CURVE[curve].pointSize === length);
  const compressed = (publicKey[0] === 2 || publicKey[0] === 3) && CURVES.some((c) => 1 + CURVE[c].size === length);
  if (full || compressed) return { curve: undefined, point: new Uint8Array(publicKey) };
  throw new FormatError('not a public key of a known curve, in SPKI or as a point');
}

export function encodeJwk(curve: Curve, point: Uint8Array): PublicJwk {
  const { size } = CURVE[curve];
  const part = (from: number) => Buffer.from(point.buffer, point.byteOffset + from, size).toString('base64url');
  return { kty: 'EC', crv: curve, x: part(1), y: part(1 + size) };
}

/** Throws FormatError. */
export function readJwk(jwk: PublicJwk): StatedPoint & { readonly curve: Curve } {
  if (jwk?.kty !== 'EC' || !isCurve(jwk.crv)) throw new FormatError('not an EC JWK of a known curve');
  const { size, pointSize } = CURVE[jwk.crv];
  const point = new Uint8Array(pointSize);
  point[0] = 4;
  for (const [coordinate, at] of [
    [jwk.x, 1],
    [jwk.y, 1 + size],
  ] as const) {
    const short = typeof coordinate === 'string' && coordinate.length < 2 * size;
    const decoded = short ? Buffer.from(coordinate, 'base64url') : Buffer.alloc(0);
    if (decoded.length !== size || decoded.toString('base64url') !== coordinate) {
      throw new FormatError(`a coordinate of the JWK is not ${size} bytes in base64url`);
    }
    point.set(decoded, at);
  }
  return { curve: jwk.crv, point };
}

/** RFC 7638 thumbprint, base64url. */
export const thumbprint = (curve: Curve, point: Uint8Array): string => thumbprintOf(encodeJwk(curve, point));

/** The same of a JWK of ours: its members in the order of RFC 7638 §3.2, and nothing in them that JSON would escape. */
export const thumbprintOf = ({ crv, kty, x, y }: PublicJwk): string =>
  hash('sha256', `{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`, 'base64url');
