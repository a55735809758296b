/** The raw form of a key inside linear memory: how secrets of each type are drawn, read, checked and written. */
import { Refusal } from '../../errors.ts';
import { CURVE } from '../../model/algorithms.ts';
import type { KeyAttributes } from '../../model/attributes.ts';
import type { Curve } from '../../model/key.ts';
import type { Span } from '../../wire/batch.ts';
import { PRIVATE_FORM } from '../../wire/encodings.ts';
import type { Call, OpenKey } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { readPrivateKey } from './private-key.ts';

/** More than a scalar: FIPS 186-5 A.2.1 wants 64 bits, the core 128. */
const SEED_EXTRA = 16;

/** A key that is about to be sealed: its secret in linear memory, which stays there, and the public key that follows from it. */
export interface Material {
  readonly secret: number;
  readonly length: number;
  readonly point: Uint8Array | null;
}

/** Draw a new key of this type and size; a pair is there after the batch's kernels ran. */
export function generate(call: Call, attributes: KeyAttributes): () => Material {
  const { work, random } = call.bench;
  const { type, class: keyClass, curve } = attributes;
  if (type !== 'EC' || curve === null) {
    const material = { secret: random.draw(attributes.bits / 8), length: attributes.bits / 8, point: null };
    return () => material;
  }
  if (keyClass !== 'private') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  const length = CURVE[curve].size;
  const secret = work.take(length);
  const point = generatePair(call, curve, secret);
  return () => ({ secret, length, point: point() });
}

/** A key pair, after the batch's kernels ran: the scalar at `scalar`, the point as bytes. */
export function generatePair(call: Call, curve: Curve, scalar: number): () => Uint8Array<ArrayBuffer> {
  const { core, work, random, jobs } = call.bench;
  const { size, pointSize } = CURVE[curve];
  const point = work.take(pointSize);
  const seed = work.take(size + SEED_EXTRA);
  random.fill(seed, size + SEED_EXTRA);
  const made = work.take(4);
  jobs.generate(curve).add(scalar, point, seed, made);
  return () => {
    if (core.view.getUint32(made, true) !== 1) throw new IntegrityError('key generation failed');
    return core.bytes.slice(point, point + pointSize);
  };
}

/**
 * Read a key that came from outside, in the clear inside linear memory. `mustNameCurve`: a scalar that may be of another curve
 * is refused. Throws INPUT_INVALID.
 */
export function read(call: Call, attributes: KeyAttributes, input: Span, mustNameCurve = false): Material {
  const { type, class: keyClass, curve } = attributes;
  if (type !== 'EC' || curve === null) {
    if (input.length * 8 !== attributes.bits) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
    return { secret: input.offset, length: input.length, point: null };
  }
  if (keyClass !== 'public') return readScalar(call, curve, input, mustNameCurve);
  return { secret: input.offset, length: 0, point: validPoint(call, curve, input) };
}

/** Full public-key validation of a point, compressed or not; gives the uncompressed form. Throws INPUT_INVALID. */
export function validPoint(call: Call, curve: Curve, input: Span): Uint8Array<ArrayBuffer> {
  const { core, work } = call.bench;
  const { number, pointSize } = CURVE[curve];
  const point = work.take(pointSize);
  if (core.call.ecPointValidate(number, input.offset, input.length, point) !== 1) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
  }
  return core.bytes.slice(point, point + pointSize);
}

/** An EC private key, in range, and with no public key beside it that is not its own. */
function readScalar(call: Call, curve: Curve, input: Span, mustNameCurve: boolean): Material {
  const { core, work } = call.bench;
  const { number, size, pointSize } = CURVE[curve];
  const { scalar, named, points } = readPrivateKey(call, curve, input);
  if (mustNameCurve && !named && points.length === 0) throw new Refusal('KEYCELL_INPUT_INVALID', 'bareScalar');
  const at = work.take(pointSize);
  if (core.call.ecPublicKey(number, scalar, at) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'scalar');
  const point = core.bytes.slice(at, at + pointSize);
  if (!points.every((stated) => isSamePoint(stated, point))) throw new Refusal('KEYCELL_INPUT_INVALID', 'otherPair');
  return { secret: scalar, length: size, point };
}

/** Is this the point, in full or compressed? */
function isSamePoint(stated: Uint8Array, point: Uint8Array): boolean {
  if (stated.length === point.length) return stated.every((byte, i) => byte === point[i]);
  const sign = 2 + (point.at(-1)! & 1);
  const isCompressed = 2 * stated.length - 1 === point.length && stated[0] === sign;
  return isCompressed && stated.every((byte, i) => i === 0 || byte === point[i]);
}

/** The form in which a key leaves: raw, or PKCS#8 for EC private keys. `at` must have room for `plainSize`. */
export function writePlain(call: Call, key: OpenKey, at: number): void {
  const { bytes } = call.bench.core;
  const { curve, point } = key.attributes;
  if (curve === null || point === null) {
    bytes.copyWithin(at, key.secret, key.secret + key.length);
    return;
  }
  const { prefix, middle } = PRIVATE_FORM[curve];
  const scalar = at + prefix.length;
  bytes.set(prefix, at);
  bytes.copyWithin(scalar, key.secret, key.secret + key.length);
  bytes.set(middle, scalar + key.length);
  bytes.set(point, scalar + key.length + middle.length);
}

export function plainSize(key: OpenKey): number {
  const { curve } = key.attributes;
  return curve === null ? key.length : PRIVATE_FORM[curve].size;
}
