/** The raw form of a key inside linear memory: how secrets of each type are drawn, read, checked and written. */
import { Refusal } from '../../errors.ts';
import type { KeyAttributes } from '../../model/attributes.ts';
import type { Span } from '../../wire/batch.ts';
import { P256_POINT_SIZE, P256_SCALAR_SIZE, PKCS8_FORMS } from '../../wire/encodings.ts';
import type { Call, OpenKey } from '../call.ts';
import { CURVE, IntegrityError } from '../core.ts';

const SEED_SIZE = 48;
const CHECK_VALUE_SIZE = 3;

/** A key that is about to be sealed: its secret in linear memory, and the attributes that follow from it. */
export interface Material {
  readonly secret: number;
  readonly length: number;
  readonly point: Uint8Array | null;
  readonly checkValue: Uint8Array;
}

/** Draw a new key of this type and size. */
export function generate(call: Call, attributes: KeyAttributes): Material {
  const { work, random } = call.bench;
  if (attributes.type !== 'EC') {
    const length = attributes.bits / 8;
    const secret = work.take(length);
    random.fill(secret, length);
    return symmetric(call, attributes, secret, length);
  }
  if (attributes.class !== 'private') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  const secret = work.take(P256_SCALAR_SIZE);
  return { secret, length: P256_SCALAR_SIZE, point: generateP256(call, secret), checkValue: new Uint8Array(0) };
}

/** A key pair: the scalar to `scalar`, the point as bytes. */
export function generateP256(call: Call, scalar: number): Uint8Array<ArrayBuffer> {
  const { core, work, random } = call.bench;
  const point = work.take(P256_POINT_SIZE);
  const seed = work.take(SEED_SIZE);
  random.fill(seed, SEED_SIZE);
  if (core.call.ecKeyGenerate(CURVE['P-256'], scalar, point, seed) !== 1)
    throw new IntegrityError('key generation failed');
  return core.bytes.slice(point, point + P256_POINT_SIZE);
}

/** Read a key that came from outside, in the clear inside linear memory. Throws INPUT_INVALID. */
export function read(call: Call, attributes: KeyAttributes, input: Span): Material {
  if (attributes.type !== 'EC') {
    if (input.length * 8 !== attributes.bits) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
    return symmetric(call, attributes, input.offset, input.length);
  }
  if (attributes.class === 'public') return readPoint(call, input);
  return readScalar(call, input);
}

function readPoint(call: Call, input: Span): Material {
  const point = validPoint(call, input);
  return { secret: input.offset, length: 0, point, checkValue: new Uint8Array(0) };
}

/** Full public-key validation of a point of 65 or 33 bytes; gives the uncompressed form. Throws INPUT_INVALID. */
export function validPoint(call: Call, input: Span): Uint8Array<ArrayBuffer> {
  const { core, work } = call.bench;
  const point = work.take(P256_POINT_SIZE);
  if (core.call.ecPointValidate(CURVE['P-256'], input.offset, input.length, point) !== 1) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
  }
  return core.bytes.slice(point, point + P256_POINT_SIZE);
}

/** A raw scalar, or PKCS#8 in one of its fixed forms: only the form's public bytes are looked at here. */
function readScalar(call: Call, input: Span): Material {
  const { core, work } = call.bench;
  const point = work.take(P256_POINT_SIZE);
  let scalar = input.offset;
  let stated: number | undefined;
  if (input.length !== P256_SCALAR_SIZE) {
    const holds = (bytes: Uint8Array, at: number) => bytes.every((byte, i) => core.bytes[at + i] === byte);
    const form = PKCS8_FORMS.find((each) => each.size === input.length && holds(each.prefix, input.offset));
    if (form === undefined) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
    scalar = input.offset + form.prefix.length;
    if (form.middle !== null) {
      const middle = scalar + P256_SCALAR_SIZE;
      if (!holds(form.middle, middle)) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
      stated = middle + form.middle.length;
    }
  }
  if (core.call.ecPublicKey(CURVE['P-256'], scalar, point) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'scalar');
  const computed = core.bytes.slice(point, point + P256_POINT_SIZE);
  if (stated !== undefined && !computed.every((byte, i) => core.bytes[stated + i] === byte)) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
  }
  return { secret: scalar, length: P256_SCALAR_SIZE, point: computed, checkValue: new Uint8Array(0) };
}

function symmetric(call: Call, attributes: KeyAttributes, secret: number, length: number): Material {
  if (attributes.type !== 'AES') return { secret, length, point: null, checkValue: new Uint8Array(0) };
  const { core, work } = call.bench;
  const mark = work.mark();
  const ctx = work.take(core.call.AES_CTX_SIZE.value);
  const block = work.take(16);
  core.bytes.fill(0, block, block + 16);
  if (core.call.aesExpandKey(ctx, secret, length) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
  core.call.aesEncryptBlock(ctx, block, block);
  const checkValue = core.bytes.slice(block, block + CHECK_VALUE_SIZE);
  work.release(mark);
  return { secret, length, point: null, checkValue };
}

/** The form in which a key leaves: raw, or PKCS#8 for EC private keys. `at` must have room for `plainSize`. */
export function writePlain(call: Call, key: OpenKey, at: number): void {
  const { bytes } = call.bench.core;
  const { point } = key.attributes;
  if (key.attributes.type !== 'EC' || point === null) {
    bytes.copyWithin(at, key.secret, key.secret + key.length);
    return;
  }
  const { prefix, middle } = PKCS8_FORMS[0];
  bytes.set(prefix, at);
  bytes.copyWithin(at + prefix.length, key.secret, key.secret + key.length);
  bytes.set(middle, at + prefix.length + key.length);
  bytes.set(point, at + prefix.length + key.length + middle.length);
}

export const plainSize = (key: OpenKey): number => (key.attributes.type === 'EC' ? PKCS8_FORMS[0].size : key.length);
