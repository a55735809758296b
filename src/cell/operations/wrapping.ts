/** wrapKey, unwrapKey, rewrapKeys: AES-KW and AES-KWP, and JWE for recipients outside. */
import { Refusal } from '../../errors.ts';
import { CURVE } from '../../model/algorithms.ts';
import type { Curve } from '../../model/key.ts';
import {
  boundToTrusted,
  checkDates,
  checkRecipientKey,
  checkRewrapSize,
  checkUnwrap,
  checkWrap,
} from '../../model/policy.ts';
import { FLAG, MECHANISM, type Span } from '../../wire/batch.ts';
import { encodeJwk, thumbprint } from '../../wire/encodings.ts';
import { packList } from '../../wire/list.ts';
import type { Call, OpenKey, Operation, Outcome } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { sealJwes } from './jwe.ts';
import { asked, sealNew } from './keys.ts';
import { generatePair, plainSize, read, validPoint, writePlain } from './material.ts';
import { checkProof } from './proof.ts';

const KW_OVERHEAD = 8;
/** KWP pads to 8 bytes, and adds its prefix. */
const KWP_OVERHEAD = 15;
/** The largest key that a blob may hold. */
const PLAIN_MAX = 512;
/** On which ECDH-ES is registered (RFC 7518 §6.2.1.1); their points differ in length. */
const AGREEMENT_CURVES: readonly Curve[] = ['P-256', 'P-384'];

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');

/** Wrap `length` bytes at `plain` to `output`; gives the blob's length. */
function wrap(call: Call, mechanism: number, ctx: number, plain: number, length: number, output: number): number {
  const core = call.bench.core.call;
  if (mechanism === MECHANISM['AES-KWP']) return core.kwpWrap(ctx, plain, length, output);
  if (length % 8 !== 0 || length < 16) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keySize');
  return core.kwWrap(ctx, plain, length, output) === 1 ? length + KW_OVERHEAD : 0;
}

/** Unwrap a blob into fresh working memory. Any failure is the one DECRYPT_FAILED. */
function unwrap(call: Call, mechanism: number, ctx: number, blob: Span): Span {
  const { core, work } = call.bench;
  if (blob.length > PLAIN_MAX + KWP_OVERHEAD) throw failed();
  const plain = work.take(Math.max(blob.length, 16));
  if (mechanism === MECHANISM['AES-KWP']) {
    const length = core.call.kwpUnwrap(ctx, blob.offset, blob.length, plain);
    if (length === 0) throw failed();
    return { offset: plain, length };
  }
  if (core.call.kwUnwrap(ctx, blob.offset, blob.length, plain) !== 1) throw failed();
  return { offset: plain, length: blob.length - KW_OVERHEAD };
}

function wrapMechanism(mechanism: number): number {
  if (mechanism !== MECHANISM['AES-KW'] && mechanism !== MECHANISM['AES-KWP']) {
    throw new Refusal('KEYCELL_MECHANISM_INVALID', 'later');
  }
  return mechanism;
}

/** Keys: wrapping key, key. Result: the blob. EC keys are wrapped as PKCS#8, which only KWP can carry. */
export const wrapKey: Operation = (call) => {
  const wrapping = call.key(0, 'wrap');
  const key = call.ownKey(1);
  checkWrap(wrapping.attributes, key.attributes);
  const mechanism = wrapMechanism(call.request.mechanism);
  const ctx = call.aes(wrapping);
  const size = plainSize(key);
  const plain = call.bench.work.take(size);
  writePlain(call, key, plain);
  const room = call.result(size + KWP_OVERHEAD);
  const length = wrap(call, mechanism, ctx, plain, size, room.offset);
  if (length === 0) throw new IntegrityError('a key could not be wrapped');
  return [{ offset: room.offset, length }];
};

/** Keys: wrapping key, then the issuer of proofs if the new key names one. Parts: id, attributes, blob. Result: the record. */
export const unwrapKey: Operation = (call) => {
  const wrapping = call.key(0, 'unwrap');
  const wanted = asked(call, 1);
  checkUnwrap(wrapping.attributes, wanted);
  if (wanted.class === 'public') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  const plain = unwrap(call, wrapMechanism(call.request.mechanism), call.aes(wrapping), call.part(2));
  const above = wrapping.attributes;
  const origin = { local: false, wrapWithTrusted: boundToTrusted(above), above };
  return [sealNew(call, wanted, read(call, wanted, plain), origin, 1)];
};

/**
 * Keys: from, then the recipient if he is a key of this HSM. Flags: jwe, or wrapAsKwp.
 * Parts: list of blobs, recipient's point or nothing, proof or nothing, list of headers (JSON; none, one, or one a blob).
 * Result: the list of blobs or compact JWEs. All or nothing: the first blob that fails refuses the request.
 */
export const rewrapKeys: Operation = (call) => {
  const from = call.key(0, 'unwrap');
  const mechanism = wrapMechanism(call.request.mechanism);
  const jwe = call.flag(FLAG.jwe);
  const recipient = jwe ? outsideRecipient(call, from) : undefined;
  const to = jwe ? undefined : insideRecipient(call, from);
  const ctx = call.aes(from);
  const keys = call.list(0).map((blob) => {
    const plain = unwrap(call, mechanism, ctx, blob);
    checkRewrapSize(from.attributes, 8 * plain.length);
    return plain;
  });
  if (recipient !== undefined) return agree(call, recipient, keys);
  return [wrapAll(call, to!, keys)];
};

function insideRecipient(call: Call, from: OpenKey): OpenKey {
  const to = call.key(1, 'wrap');
  checkRecipientKey(from.attributes, to.attributes);
  return to;
}

interface Recipient {
  readonly curve: Curve;
  readonly point: Uint8Array;
}

/** The recipient's point, once policy allows it; what the log keeps of it is its thumbprint. */
function outsideRecipient(call: Call, from: OpenKey): Recipient {
  if (call.has(1)) {
    const to = call.ownKey(1);
    const { curve, point } = to.attributes;
    if (curve === null || point === null) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
    if (!AGREEMENT_CURVES.includes(curve)) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'curve');
    checkDates(to.attributes, call.bench.now);
    checkRecipientKey(from.attributes, to.attributes);
    call.recipient = thumbprint(curve, point);
    return { curve, point };
  }
  const stated = call.part(1);
  const curve = AGREEMENT_CURVES.find((each) => [CURVE[each].pointSize, 1 + CURVE[each].size].includes(stated.length));
  if (curve === undefined) throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
  const point = validPoint(call, curve, stated);
  call.recipient = thumbprint(curve, point);
  if (from.attributes.rewrap === 'any') return { curve, point };
  if (from.attributes.rewrap === 'trusted' || from.attributes.issuer === null) {
    throw new Refusal('KEYCELL_PERMISSION_DENIED', 'recipient');
  }
  checkProof(call, call.part(2), from.attributes.issuer.point, call.recipient);
  return { curve, point };
}

/** One ephemeral key pair for the whole request; its private half lies in working memory and goes with the batch. */
function agree(call: Call, { curve, point }: Recipient, keys: readonly Span[]): Outcome {
  const { core, work, jobs } = call.bench;
  const { size } = CURVE[curve];
  const headers = call.list(3);
  if (headers.length > 1 && headers.length !== keys.length) throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  const scalar = work.take(size);
  const ephemeral = encodeJwk(curve, generatePair(call, curve, scalar));
  const peer = work.take(point.length);
  core.bytes.set(point, peer);
  const z = { offset: work.take(size), length: size };
  const ok = work.take(4);
  jobs.ecdh(curve).add(scalar, peer, z.offset, ok);
  return () => {
    if (core.view.getUint32(ok, true) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
    return [call.publicResult(packList(sealJwes(call, ephemeral, z, keys, headers)))];
  };
}

function wrapAll(call: Call, to: OpenKey, keys: readonly Span[]): Span {
  const { core, work } = call.bench;
  const mechanism = call.flag(FLAG.wrapAsKwp) ? MECHANISM['AES-KWP'] : MECHANISM['AES-KW'];
  const ctx = call.aes(to);
  const blobs = keys.map((key) => {
    const mark = work.mark();
    const output = work.take(key.length + KWP_OVERHEAD);
    const length = wrap(call, mechanism, ctx, key.offset, key.length, output);
    if (length === 0) throw new IntegrityError('a key could not be wrapped');
    const blob = core.bytes.slice(output, output + length);
    work.release(mark);
    return blob;
  });
  return call.publicResult(packList(blobs));
}
