/** sign and verify: ECDSA over P-256 with SHA-256, and HMAC-SHA-256. */
import { Refusal } from '../../errors.ts';
import { FLAG, MECHANISM, type Span } from '../../wire/batch.ts';
import { P256_SCALAR_SIZE } from '../../wire/encodings.ts';
import type { Call, Operation, Outcome } from '../call.ts';
import { HASH } from '../core.ts';

const DIGEST_SIZE = 32;
const SIGNATURE_SIZE = 64;
/** SEQUENCE of two INTEGERs of at most 33 bytes. */
const DER_MAX = 72;

/** The digest of the message: part 0, or what it hashes to. */
function digest(call: Call): number {
  const message = call.part(0);
  if (call.flag(FLAG.prehashed)) {
    if (message.length !== DIGEST_SIZE) throw new Refusal('KEYCELL_INPUT_INVALID', 'digestSize');
    return message.offset;
  }
  const { core, work } = call.bench;
  const at = work.take(DIGEST_SIZE);
  core.call.sha256(message.offset, message.length, at);
  return at;
}

/** Parts: message. Result: the signature, p1363 or DER. */
export const sign: Operation = (call) => {
  const key = call.key(0, 'sign');
  const { type, class: keyClass } = key.attributes;
  if (type === 'EC' && call.request.mechanism === MECHANISM.ECDSA) {
    if (keyClass !== 'private') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'noPrivate');
    return signEcdsa(call, key.secret);
  }
  if (type === 'HMAC' && call.request.mechanism === MECHANISM.HMAC) {
    const message = call.part(0);
    const mac = call.result(DIGEST_SIZE);
    call.bench.core.call.hmac(HASH.sha256, key.secret, key.length, message.offset, message.length, mac.offset);
    return [mac];
  }
  throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
};

function signEcdsa(call: Call, scalar: number): Outcome {
  const { core, work, sign, random } = call.bench;
  let noise = 0;
  if (!call.flag(FLAG.rfc6979)) {
    noise = work.take(DIGEST_SIZE);
    random.fill(noise, DIGEST_SIZE);
  }
  const hashed = digest(call);
  if (!call.flag(FLAG.der)) {
    const signature = call.result(SIGNATURE_SIZE);
    sign.add(scalar, hashed, noise, signature.offset);
    return () => [signature];
  }
  const raw = work.take(SIGNATURE_SIZE);
  sign.add(scalar, hashed, noise, raw);
  return () => {
    const room = call.result(DER_MAX);
    return [{ offset: room.offset, length: core.call.derEncode(P256_SCALAR_SIZE, raw, room.offset) }];
  };
}

/** Parts: message, signature. Result: one byte, 1 where the signature is valid. */
export const verify: Operation = (call) => {
  const key = call.key(0, 'verify');
  const { type, point } = key.attributes;
  if (type === 'EC' && call.request.mechanism === MECHANISM.ECDSA && point !== null) return verifyEcdsa(call, point);
  if (type === 'HMAC' && call.request.mechanism === MECHANISM.HMAC) {
    const message = call.part(0);
    const mac = call.part(1);
    const { call: core } = call.bench.core;
    const valid =
      mac.length === DIGEST_SIZE &&
      core.hmacVerify(HASH.sha256, key.secret, key.length, message.offset, message.length, mac.offset, mac.length) ===
        1;
    return verdict(call, valid);
  }
  throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
};

const verdict = (call: Call, valid: boolean): Span[] => [call.publicResult(Uint8Array.of(valid ? 1 : 0))];

function verifyEcdsa(call: Call, point: Uint8Array): Outcome {
  const { core, work, verify } = call.bench;
  const signature = call.part(1);
  let raw = signature.offset;
  if (call.flag(FLAG.der)) {
    raw = work.take(SIGNATURE_SIZE);
    if (core.call.derDecode(P256_SCALAR_SIZE, signature.offset, signature.length, raw) !== 1)
      return verdict(call, false);
  } else if (signature.length !== SIGNATURE_SIZE) return verdict(call, false);
  const at = work.take(point.length);
  core.bytes.set(point, at);
  const result = work.take(4);
  verify.add(at, digest(call), raw, result);
  return () => verdict(call, core.view.getUint32(result, true) === 1);
}
