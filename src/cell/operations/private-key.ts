/**
 * EC private keys from elsewhere, where they lie in linear memory: PKCS#8 (RFC 5958, with attributes and in its version 2), SEC 1
 * (RFC 5915), either in DER or PEM, and the raw scalar. What is read here is their frame, which is public; the scalar stays
 * where it is, and base64 is decoded by the core.
 */
import { Refusal } from '../../errors.ts';
import { CURVE } from '../../model/algorithms.ts';
import type { Curve } from '../../model/key.ts';
import { KEY_MATERIAL_MAX } from '../../model/limits.ts';
import type { Span } from '../../wire/batch.ts';
import { contextTag, Der, TAG } from '../../wire/der.ts';
import { readAlgorithm, readCurve } from '../../wire/encodings.ts';
import { formatError } from '../../wire/fields.ts';
import { pemBlocks } from '../../wire/pem.ts';
import type { Call } from '../call.ts';

/** A private key of the curve that was asked for, and what its encoding says besides. */
export interface StatedPrivateKey {
  /** The address of the scalar, of the curve's full length. Whether it is in range, the core says. */
  readonly scalar: number;
  /** Does the encoding name the curve? */
  readonly named: boolean;
  /** The public keys beside it, compressed or not: each must be its own. */
  readonly points: readonly Uint8Array[];
}

/** The same, with the scalar as it stands. */
interface Found extends Omit<StatedPrivateKey, 'scalar'> {
  readonly scalar: Der;
}

/** Throws INPUT_INVALID, LIMIT_EXCEEDED, and FormatError, which is the former. */
export function readPrivateKey(call: Call, curve: Curve, input: Span): StatedPrivateKey {
  const { bytes } = call.bench.core;
  const { offset, length } = input;
  const { size } = CURVE[curve];
  if (length > KEY_MATERIAL_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'materialLimit');
  // A raw scalar is told by its length: what it begins with is nobody's to look at.
  const raw = length === size || (length === size + 1 && bytes[offset] === 0);
  if (raw) {
    for (const { prefix, reason } of NO_SCALARS) {
      if (length === NO_SCALARS_LENGTH && beginsWith(call, offset, prefix)) throw formatError(reason);
    }
    return inFull(call, size, { scalar: new Der(bytes, offset, offset + length), named: false, points: [] });
  }
  const der = bytes[offset] === TAG.sequence ? new Der(bytes, offset, offset + length) : derOfPem(call, curve, input);
  return inFull(call, size, readDer(der, curve));
}

/**
 * What is as long as a scalar of P-384: PKCS#8 of Ed25519 and X25519 (RFC 8410 §7), and SEC 1 with a curve's name and without
 * its public key, of secp256k1 (scalars of 32 bytes) and brainpoolP224r1 (28).
 */
const NO_SCALARS_LENGTH = 48;
const NO_SCALARS = (
  [
    ['302e020100300506032b65', 'keyAlgorithm'],
    ['302e0201010420', 'curveMismatch'],
    ['302e020101041c', 'curveMismatch'],
  ] as const
).map(([prefix, reason]) => ({ prefix: Uint8Array.from(Buffer.from(prefix, 'hex')), reason }));

/** Not one scalar in 2^55 begins with one of them. Compared in constant time, since it may be one. */
function beginsWith(call: Call, at: number, prefix: Uint8Array): boolean {
  const { core, work } = call.bench;
  const expected = work.take(prefix.length);
  core.bytes.set(prefix, expected);
  return core.call.equalBit(at, expected, prefix.length) === 1;
}

/**
 * The scalar in its full length. Java's BigInteger writes a 00 before one whose top bit is set; others leave leading zeros
 * away, which tells a shorter scalar from one of a smaller curve only where something else says the curve.
 */
function inFull(call: Call, size: number, { scalar, named, points }: Found): StatedPrivateKey {
  const { core, work } = call.bench;
  const { at, length } = scalar;
  if (length === size) return { scalar: at, named, points };
  if (length === size + 1) {
    if (core.bytes[at] !== 0) throw formatError('scalar');
    return { scalar: at + 1, named, points };
  }
  if (length === 0 || length > size) throw formatError('scalar');
  if (!named && points.length === 0) throw formatError('bareShort');
  const padded = work.take(size);
  core.bytes.fill(0, padded, padded + size - length);
  core.bytes.copyWithin(padded + size - length, at, at + length);
  return { scalar: padded, named, points };
}

function readDer(der: Der, curve: Curve): Found {
  const key = der.only(TAG.sequence);
  // SPKI and certificates begin with a SEQUENCE, and so does encrypted PKCS#8, which an OCTET STRING follows.
  if (key.optional(TAG.sequence)) throw formatError(key.next === TAG.octetString ? 'encryptedKey' : 'publicGiven');
  const version = readVersion(key);
  switch (key.next) {
    case TAG.octetString:
      return readSec1(key, version, curve, false);
    case TAG.sequence:
      return readPkcs8(key, version, curve);
    case TAG.integer: // PKCS#1
      throw formatError('keyAlgorithm');
    default:
      throw formatError('encoding');
  }
}

function readVersion(key: Der): number {
  const version = key.take(TAG.integer);
  for (const number of [0, 1]) if (version.is(Uint8Array.of(number))) return number;
  throw formatError('encoding');
}

/** OneAsymmetricKey, RFC 5958 §2, after its version: 1 exactly where there is a public key. Attributes are passed over. */
function readPkcs8(key: Der, version: number, curve: Curve): Found {
  mustBe(curve, readAlgorithm(key.take(TAG.sequence)));
  const inner = key.take(TAG.octetString).only(TAG.sequence);
  const found = readSec1(inner, readVersion(inner), curve, true);
  key.optional(contextTag(0));
  const point = key.optional(contextTag(1, false));
  key.done();
  if ((version === 1) !== (point !== undefined)) throw formatError('encoding');
  return point === undefined ? found : { ...found, points: [...found.points, point.wholeBytes()] };
}

/** ECPrivateKey, RFC 5915 §3, after its version. `named`: what it lies in names the curve. */
function readSec1(key: Der, version: number, curve: Curve, named: boolean): Found {
  if (version !== 1) throw formatError('encoding');
  const scalar = key.take(TAG.octetString);
  const parameters = key.optional(contextTag(0));
  if (parameters !== undefined) mustBe(curve, readCurve(parameters));
  const point = key.optional(contextTag(1))?.only(TAG.bitString).wholeBytes();
  key.done();
  return {
    scalar,
    named: named || parameters !== undefined,
    points: point === undefined ? [] : [point],
  };
}

function mustBe(wanted: Curve, named: Curve): void {
  if (named !== wanted) throw formatError('curveMismatch');
}

/** The DER of the one private key that a text has, in working memory. */
function derOfPem(call: Call, curve: Curve, { offset, length }: Span): Der {
  const { core, work } = call.bench;
  const decode = ({ from, to }: { readonly from: number; readonly to: number }): Der => {
    const at = work.take(to - from);
    const size = core.call.base64Decode(offset + from, to - from, at);
    if (size === 0) throw formatError('encoding');
    return new Der(core.bytes, at, at + size);
  };
  const blocks = pemBlocks(core.bytes.subarray(offset, offset + length));
  const of = (...labels: readonly string[]) => blocks.filter(({ label }) => labels.includes(label));
  // `openssl ecparam -genkey` writes the curve first.
  for (const parameters of of('EC PARAMETERS')) mustBe(curve, readCurve(decode(parameters)));
  if (of('ENCRYPTED PRIVATE KEY').length > 0) throw formatError('encryptedKey');
  if (of('RSA PRIVATE KEY', 'DSA PRIVATE KEY').length > 0) throw formatError('keyAlgorithm');
  const [key, ...more] = of('PRIVATE KEY', 'EC PRIVATE KEY');
  if (key === undefined) throw formatError(of('PUBLIC KEY', 'CERTIFICATE').length > 0 ? 'publicGiven' : 'encoding');
  if (more.length > 0) throw formatError('severalKeys');
  return decode(key);
}
