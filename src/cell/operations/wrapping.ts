/** wrapKey, unwrapKey, rewrapKeys: AES-KW, AES-KWP and AES-GCM, and JWE for recipients outside. */
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
const GCM_IV_SIZE = 12;
const GCM_TAG_SIZE = 16;
/** A GCM blob is iv ‖ ciphertext ‖ tag. */
const GCM_OVERHEAD = GCM_IV_SIZE + GCM_TAG_SIZE;
/** KWP adds at most 15: it pads to 8 bytes, and adds its prefix. */
const OVERHEAD_MAX = GCM_OVERHEAD;
/** The largest key that a blob may hold. */
const PLAIN_MAX = 512;
const NO_AAD: Span = { offset: 0, length: 0 };

/** The associated data of a request that may leave it out. */
const aadOf = (call: Call, n: number): Span => (call.request.parts.length > n ? call.part(n) : NO_AAD);
/** On which ECDH-ES is registered (RFC 7518 §6.2.1.1); their points differ in length. */
const AGREEMENT_CURVES: readonly Curve[] = ['P-256', 'P-384'];

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');

/** How a key wraps or unwraps. */
interface Wrapping {
  readonly mechanism: number;
  readonly ctx: number;
  /** GCM only. */
  readonly aad: Span;
}

function wrappingBy(call: Call, key: OpenKey, mechanism: number, aad = NO_AAD): Wrapping {
  switch (mechanism) {
    case MECHANISM['AES-GCM']:
      // Whoever chooses IVs could encrypt zeros under a blob's own, and has its keystream: the key in it.
      if (key.attributes.callerIv) throw new Refusal('KEYCELL_INPUT_INVALID', 'callerIv');
      break;
    case MECHANISM['AES-KW']:
    case MECHANISM['AES-KWP']:
      if (aad.length > 0) throw new Refusal('KEYCELL_INPUT_INVALID');
      break;
    default:
      throw new Refusal('KEYCELL_MECHANISM_INVALID');
  }
  return { mechanism, ctx: call.aes(key), aad };
}

/** Wrap `length` bytes at `plain` to `output`; gives the blob's length. */
function wrap(call: Call, { mechanism, ctx, aad }: Wrapping, plain: number, length: number, output: number): number {
  const { core, random } = call.bench;
  if (mechanism === MECHANISM['AES-GCM']) {
    random.fill(output, GCM_IV_SIZE);
    const sealed = output + GCM_IV_SIZE;
    const ok = core.call.gcmSeal(ctx, output, GCM_IV_SIZE, aad.offset, aad.length, plain, length, sealed);
    return ok === 1 ? length + GCM_OVERHEAD : 0;
  }
  if (mechanism === MECHANISM['AES-KWP']) return core.call.kwpWrap(ctx, plain, length, output);
  if (length % 8 !== 0 || length < 16) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keySize');
  return core.call.kwWrap(ctx, plain, length, output) === 1 ? length + KW_OVERHEAD : 0;
}

/** Unwrap a blob into fresh working memory. Any failure is the one DECRYPT_FAILED. */
function unwrap(call: Call, { mechanism, ctx, aad }: Wrapping, blob: Span): Span {
  const { core, work } = call.bench;
  if (blob.length > PLAIN_MAX + OVERHEAD_MAX) throw failed();
  const plain = work.take(Math.max(blob.length, 16));
  if (mechanism === MECHANISM['AES-GCM']) {
    const length = blob.length - GCM_OVERHEAD;
    if (length < 1) throw failed();
    const sealed = blob.offset + GCM_IV_SIZE;
    const sealedLen = length + GCM_TAG_SIZE;
    const ok = core.call.gcmOpen(ctx, blob.offset, GCM_IV_SIZE, aad.offset, aad.length, sealed, sealedLen, plain);
    if (ok !== 1) throw failed();
    return { offset: plain, length };
  }
  if (mechanism === MECHANISM['AES-KWP']) {
    const length = core.call.kwpUnwrap(ctx, blob.offset, blob.length, plain);
    if (length === 0) throw failed();
    return { offset: plain, length };
  }
  if (core.call.kwUnwrap(ctx, blob.offset, blob.length, plain) !== 1) throw failed();
  return { offset: plain, length: blob.length - KW_OVERHEAD };
}

/** Keys: wrapping key, key. Part: aad (GCM only). Result: the blob. EC keys are wrapped as PKCS#8, which KW cannot carry. */
export const wrapKey: Operation = (call) => {
  const wrapping = call.key(0, 'wrap');
  const key = call.ownKey(1);
  checkWrap(wrapping.attributes, key.attributes);
  const by = wrappingBy(call, wrapping, call.request.mechanism, aadOf(call, 0));
  const size = plainSize(key);
  const plain = call.bench.work.take(size);
  writePlain(call, key, plain);
  const room = call.result(size + OVERHEAD_MAX);
  const length = wrap(call, by, plain, size, room.offset);
  if (length === 0) throw new IntegrityError('a key could not be wrapped');
  return [{ offset: room.offset, length }];
};

/** Keys: wrapping key, then the issuer of proofs if the new key names one. Parts: id, attributes, blob, aad (GCM only). Result: the record. */
export const unwrapKey: Operation = (call) => {
  const wrapping = call.key(0, 'unwrap');
  const wanted = asked(call, 1);
  checkUnwrap(wrapping.attributes, wanted);
  if (wanted.class === 'public') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  const plain = unwrap(call, wrappingBy(call, wrapping, call.request.mechanism, aadOf(call, 3)), call.part(2));
  const above = wrapping.attributes;
  const origin = { local: false, wrapWithTrusted: boundToTrusted(above), above };
  return [sealNew(call, wanted, read(call, wanted, plain), origin, 1)];
};

/**
 * Keys: from, then the recipient if he is a key of this HSM. Flags: jwe, wrapAsKwp, wrapAsGcm, or none for KW.
 * Parts: list of blobs, recipient's point or nothing, proof or nothing, list of headers (JSON; none, one, or one a blob).
 * Result: the list of blobs or compact JWEs. All or nothing: the first blob that fails refuses the request.
 */
export const rewrapKeys: Operation = (call) => {
  const from = call.key(0, 'unwrap');
  const by = wrappingBy(call, from, call.request.mechanism);
  const jwe = call.flag(FLAG.jwe);
  const recipient = jwe ? outsideRecipient(call, from) : undefined;
  const to = jwe ? undefined : insideRecipient(call, from);
  const keys = call.list(0).map((blob) => {
    const plain = unwrap(call, by, blob);
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
  const as = call.flag(FLAG.wrapAsGcm) ? 'AES-GCM' : call.flag(FLAG.wrapAsKwp) ? 'AES-KWP' : 'AES-KW';
  const by = wrappingBy(call, to, MECHANISM[as]);
  const blobs = keys.map((key) => {
    const mark = work.mark();
    const output = work.take(key.length + OVERHEAD_MAX);
    const length = wrap(call, by, key.offset, key.length, output);
    if (length === 0) throw new IntegrityError('a key could not be wrapped');
    const blob = core.bytes.slice(output, output + length);
    work.release(mark);
    return blob;
  });
  return call.publicResult(packList(blobs));
}
