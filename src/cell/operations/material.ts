/** The raw form of a key inside linear memory: how secrets of each type are drawn, read, checked and written. */
import { Refusal } from '../../errors.ts';
import { CURVE } from '../../model/algorithms.ts';
import type { KeyAttributes } from '../../model/attributes.ts';
import type { Curve } from '../../model/key.ts';
import type { Span } from '../../wire/batch.ts';
import { PRIVATE_FORMS } from '../../wire/encodings.ts';
import type { Call, OpenKey } from '../call.ts';
import { IntegrityError } from '../core.ts';

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

/** Read a key that came from outside, in the clear inside linear memory. Throws INPUT_INVALID. */
export function read(call: Call, attributes: KeyAttributes, input: Span): Material {
  const { type, class: keyClass, curve } = attributes;
  if (type !== 'EC' || curve === null) {
    if (input.length * 8 !== attributes.bits) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
    return { secret: input.offset, length: input.length, point: null };
  }
  if (keyClass !== 'public') return readScalar(call, curve, input);
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

/** A raw scalar, or one of the fixed DER forms: only the form's public bytes are looked at here. */
function readScalar(call: Call, curve: Curve, input: Span): Material {
  const { core, work } = call.bench;
  const { number, size, pointSize } = CURVE[curve];
  let secret = input.offset;
  let stated = new Uint8Array(0);
  if (input.length !== size) {
    const holds = (bytes: Uint8Array, at: number) => bytes.every((byte, i) => core.bytes[at + i] === byte);
    const form = PRIVATE_FORMS[curve].find(
      ({ prefix, middle, size: whole }) =>
        whole === input.length && holds(prefix, input.offset) && holds(middle, input.offset + prefix.length + size),
    );
    if (form === undefined) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
    secret = input.offset + form.prefix.length;
    const end = input.offset + input.length;
    stated = core.bytes.slice(end - form.pointSize, end);
  }
  const at = work.take(pointSize);
  if (core.call.ecPublicKey(number, secret, at) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'scalar');
  const point = core.bytes.slice(at, at + pointSize);
  if (!isSamePoint(stated, point)) throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
  return { secret, length: size, point };
}

/** Does what a private key says of its public half, full, compressed or nothing at all, fit the point? */
function isSamePoint(stated: Uint8Array, point: Uint8Array): boolean {
  if (stated.length === 0 || stated.length === point.length) return stated.every((byte, i) => byte === point[i]);
  const sign = 2 + (point.at(-1)! & 1);
  return stated[0] === sign && stated.every((byte, i) => i === 0 || byte === point[i]);
}

/** The form in which a key leaves: raw, or PKCS#8 for EC private keys. `at` must have room for `plainSize`. */
export function writePlain(call: Call, key: OpenKey, at: number): void {
  const { bytes } = call.bench.core;
  const { curve, point } = key.attributes;
  if (curve === null || point === null) {
    bytes.copyWithin(at, key.secret, key.secret + key.length);
    return;
  }
  const [{ prefix, middle }] = PRIVATE_FORMS[curve];
  const scalar = at + prefix.length;
  bytes.set(prefix, at);
  bytes.copyWithin(scalar, key.secret, key.secret + key.length);
  bytes.set(middle, scalar + key.length);
  bytes.set(point, scalar + key.length + middle.length);
}

export function plainSize(key: OpenKey): number {
  const { curve } = key.attributes;
  return curve === null ? key.length : PRIVATE_FORMS[curve][0].size;
}
