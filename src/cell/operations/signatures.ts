/** sign and verify: ECDSA on every curve with every hash, HMAC, and AES-CMAC. */
import { Refusal } from '../../errors.ts';
import { CURVE, HASH } from '../../model/algorithms.ts';
import type { Curve, HashName } from '../../model/key.ts';
import { FLAG, MECHANISM, type Span } from '../../wire/batch.ts';
import type { Call, OpenKey, Operation, Outcome } from '../call.ts';

const CMAC_SIZE = 16;
/** A SEQUENCE of two INTEGERs, each at most a byte longer than a scalar; all lengths are below 128. */
const derMax = (size: number): number => 2 + 2 * (3 + size);

/** How the request's key signs, by its type and the mechanism named. */
function mechanism(call: Call, key: OpenKey): 'ECDSA' | 'HMAC' | 'CMAC' {
  const { mechanism: asked } = call.request;
  const { type } = key.attributes;
  if (type === 'EC' && asked === MECHANISM.ECDSA) return 'ECDSA';
  if (type === 'HMAC' && asked === MECHANISM.HMAC) return 'HMAC';
  if (type === 'AES' && asked === MECHANISM['AES-CMAC']) return 'CMAC';
  throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
}

/** Parts: message. Result: the signature (p1363 or DER), or the MAC. */
export const sign: Operation = (call) => {
  const key = call.key(0, 'sign');
  const how = mechanism(call, key);
  if (how === 'ECDSA') return signEcdsa(call, key);
  const message = call.part(0);
  const { core } = call.bench;
  if (how === 'CMAC') {
    const ctx = call.aes(key);
    const mac = call.result(CMAC_SIZE);
    core.call.cmac(ctx, message.offset, message.length, mac.offset);
    return [mac];
  }
  const { number, size } = HASH[call.hash() ?? 'SHA-256'];
  const mac = call.result(size);
  core.call.hmac(number, key.secret, key.length, message.offset, message.length, mac.offset);
  return [mac];
};

/** Parts: message, signature. Result: one byte, 1 where the signature is valid. */
export const verify: Operation = (call) => {
  const key = call.key(0, 'verify');
  const how = mechanism(call, key);
  if (how === 'ECDSA') return verifyEcdsa(call, key);
  const message = call.part(0);
  const mac = call.part(1);
  const { core } = call.bench;
  if (how === 'CMAC') {
    const ctx = call.aes(key);
    return verdict(
      call,
      mac.length === CMAC_SIZE &&
        core.call.cmacVerify(ctx, message.offset, message.length, mac.offset, mac.length) === 1,
    );
  }
  const { number, size } = HASH[call.hash() ?? 'SHA-256'];
  // The core would take a truncated MAC; here nobody asked for one.
  const { hmacVerify } = core.call;
  return verdict(
    call,
    mac.length === size &&
      hmacVerify(number, key.secret, key.length, message.offset, message.length, mac.offset, mac.length) === 1,
  );
};

const verdict = (call: Call, valid: boolean): Span[] => [call.publicResult(Uint8Array.of(valid ? 1 : 0))];

/** Where the message's digest lies, or will when curves' kernels run: part 0, or what it hashes to. */
function digest(call: Call, hash: HashName): number {
  const message = call.part(0);
  const { size } = HASH[hash];
  if (call.flag(FLAG.prehashed)) {
    if (message.length !== size) throw new Refusal('KEYCELL_INPUT_INVALID', 'digestSize');
    return message.offset;
  }
  const { work, jobs } = call.bench;
  const at = work.take(size);
  jobs.digest(hash).add(message.offset, message.length, at);
  return at;
}

/** A key's curve, and the hash that the request names or the curve brings. */
function parameters(call: Call, key: OpenKey): { curve: Curve; hash: HashName; size: number } {
  const { curve } = key.attributes;
  if (curve === null) throw new Refusal('KEYCELL_RECORD_CORRUPT');
  return { curve, hash: call.hash() ?? CURVE[curve].hash, size: CURVE[curve].size };
}

function signEcdsa(call: Call, key: OpenKey): Outcome {
  if (key.attributes.class !== 'private') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'noPrivate');
  const { curve, hash, size } = parameters(call, key);
  const { core, work, jobs, random } = call.bench;
  const noise = call.flag(FLAG.rfc6979) ? 0 : random.noise(size);
  const hashed = digest(call, hash);
  const list = jobs.sign(curve, hash);
  if (!call.flag(FLAG.der)) {
    const signature = call.result(2 * size);
    list.add(key.secret, hashed, noise, signature.offset);
    return () => [signature];
  }
  const raw = work.take(2 * size);
  list.add(key.secret, hashed, noise, raw);
  return () => {
    const room = call.result(derMax(size));
    return [{ offset: room.offset, length: core.call.derEncode(size, raw, room.offset) }];
  };
}

function verifyEcdsa(call: Call, key: OpenKey): Outcome {
  const { point } = key.attributes;
  if (point === null) throw new Refusal('KEYCELL_RECORD_CORRUPT');
  const { curve, hash, size } = parameters(call, key);
  const { core, work, jobs } = call.bench;
  const signature = call.part(1);
  let raw = signature.offset;
  if (call.flag(FLAG.der)) {
    raw = work.take(2 * size);
    if (core.call.derDecode(size, signature.offset, signature.length, raw) !== 1) return verdict(call, false);
  } else if (signature.length !== 2 * size) return verdict(call, false);
  const at = work.take(point.length);
  core.bytes.set(point, at);
  const result = work.take(4);
  jobs.verify(curve, hash).add(at, digest(call, hash), raw, result);
  return () => verdict(call, core.view.getUint32(result, true) === 1);
}
