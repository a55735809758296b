/** wrapKey, unwrapKey, rewrapKeys: AES-KW, AES-KWP and AES-GCM, and JWE for recipients outside. */
import { eachOf, Refusal } from '../../errors.ts';
import { CURVE } from '../../model/algorithms.ts';
import type { Curve } from '../../model/key.ts';
import { BLOBS_MAX, BLOBS_SIZE_MAX } from '../../model/limits.ts';
import {
  boundToTrusted,
  checkDates,
  checkRecipientKey,
  checkRecipientWrapping,
  checkRewrapSize,
  checkUnwrap,
  checkWrap,
  isBound,
  mustNameCurve,
} from '../../model/policy.ts';
import { FLAG, MECHANISM, type Span } from '../../wire/batch.ts';
import { encodeJwk, thumbprint } from '../../wire/encodings.ts';
import { layList, listSize } from '../../wire/list.ts';
import type { Call, OpenKey, Operation, Outcome } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { type Members, readHeaders, sealJwes } from './jwe.ts';
import { sealNew, wantedFrom } from './keys.ts';
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
const aadOf = (call: Call, n: number): Span => (call.request.partCount > n ? call.part(n) : NO_AAD);
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

/** The size of the blob of a key so long. Throws MECHANISM_INVALID for one that KW cannot carry. */
function blobSize({ mechanism }: Wrapping, length: number): number {
  if (mechanism === MECHANISM['AES-GCM']) return length + GCM_OVERHEAD;
  if (mechanism === MECHANISM['AES-KWP']) return ((length + 7) & ~7) + KW_OVERHEAD;
  if (length % 8 !== 0 || length < 16) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keySize');
  return length + KW_OVERHEAD;
}

/** Wrap a key to where there is room for its `blobSize`: done once the step has come. */
function wrapOne(call: Call, { mechanism, ctx, aad }: Wrapping, { offset, length }: Span, blob: number): () => void {
  const { core, work, jobs, random } = call.bench;
  if (mechanism === MECHANISM['AES-GCM']) {
    random.fill(blob, GCM_IV_SIZE);
    const sealed = blob + GCM_IV_SIZE;
    mustBeWrapped(core.call.gcmSeal(ctx, blob, GCM_IV_SIZE, aad.offset, aad.length, offset, length, sealed));
    return nothingToDo;
  }
  const result = work.take(4);
  const kernel = mechanism === MECHANISM['AES-KWP'] ? 'kwpWrapMany' : 'kwWrapMany';
  jobs.keyWrap(kernel).add(ctx, offset, length, blob, result);
  return () => mustBeWrapped(core.view.getUint32(result, true));
}

const nothingToDo = (): void => {};

function mustBeWrapped(result: number): void {
  if (result === 0) throw new IntegrityError('a key could not be wrapped');
}

/** Unwrap a blob into fresh working memory, where the step finds the key. Any failure is the one DECRYPT_FAILED. */
function unwrapOne(call: Call, { mechanism, ctx, aad }: Wrapping, { offset, length }: Span): () => Span {
  const { core, work, jobs } = call.bench;
  if (length > PLAIN_MAX + OVERHEAD_MAX) throw failed();
  const plain = work.take(Math.max(length, 16));
  if (mechanism === MECHANISM['AES-GCM']) {
    const key = { offset: plain, length: length - GCM_OVERHEAD };
    const sealed = offset + GCM_IV_SIZE;
    // In the step, as the kernels of the others: nothing is said of a blob before a proof holds.
    return () => {
      if (key.length < 1) throw failed();
      const sealedLen = key.length + GCM_TAG_SIZE;
      const ok = core.call.gcmOpen(ctx, offset, GCM_IV_SIZE, aad.offset, aad.length, sealed, sealedLen, plain);
      if (ok !== 1) throw failed();
      return key;
    };
  }
  const kwp = mechanism === MECHANISM['AES-KWP'];
  const result = work.take(4);
  jobs.keyWrap(kwp ? 'kwpUnwrapMany' : 'kwUnwrapMany').add(ctx, offset, length, plain, result);
  return () => {
    const unwrapped = core.view.getUint32(result, true);
    if (unwrapped === 0) throw failed();
    return { offset: plain, length: kwp ? unwrapped : length - KW_OVERHEAD };
  };
}

/** Keys: wrapping key, key. Part: aad (GCM only). Result: the blob. EC keys are wrapped as PKCS#8, which KW cannot carry. */
export const wrapKey: Operation = (call) => {
  const wrapping = call.key(0, 'wrap');
  const key = call.ownKey(1);
  checkWrap(wrapping.attributes, key.attributes, call.bench.now);
  if (isItself(call, wrapping, key)) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'ownCopy');
  const by = wrappingBy(call, wrapping, call.request.mechanism, aadOf(call, 0));
  const plain = plainOf(call, key);
  const blob = call.result(blobSize(by, plain.length));
  const done = wrapOne(call, by, plain, blob.offset);
  return () => {
    done();
    return [blob];
  };
};

/** The key in the form in which it leaves: where it lies, or PKCS#8 in working memory. */
function plainOf(call: Call, key: OpenKey): Span {
  if (key.attributes.curve === null) return { offset: key.secret, length: key.length };
  const length = plainSize(key);
  const offset = call.bench.work.take(length);
  writePlain(call, key, offset);
  return { offset, length };
}

/** The secret of a bound key may be that of the wrapping key under another id: in constant time, by what the bytes are. */
function isItself(call: Call, wrapping: OpenKey, key: OpenKey): boolean {
  if (wrapping.id === key.id) return true;
  if (!isBound(key.attributes) || wrapping.length !== key.length) return false;
  return call.bench.core.call.equalBit(wrapping.secret, key.secret, key.length) === 1;
}

/** Keys: wrapping key, then the issuer of proofs if the new key names one. Parts: id, attributes, blob, aad (GCM only). Result: the record. */
export const unwrapKey: Operation = (call) => {
  const wrapping = call.key(0, 'unwrap');
  const wanted = wantedFrom(call, 1, 1, wrapping.attributes);
  call.bench.alike.unwrapping.mustPass(wrapping.attributes, wanted, checkUnwrap);
  if (wanted.class === 'public') throw new Refusal('KEYCELL_INPUT_INVALID', 'noPrivate');
  const by = wrappingBy(call, wrapping, call.request.mechanism, aadOf(call, 3));
  const parent = wrapping.attributes;
  const source = { origin: 'unwrapped', wrapWithTrusted: boundToTrusted(parent), parent } as const;
  const unwrapped = unwrapOne(call, by, call.part(2));
  return () => {
    const plain = unwrapped();
    return [sealNew(call, wanted, read(call, wanted, plain, mustNameCurve(parent)), source)];
  };
};

/**
 * Keys: from, then the recipient if he is a key of this HSM. Flags: jwe, wrapAsKwp, wrapAsGcm, or none for KW.
 * Parts: list of blobs, recipient's point or nothing, proof or nothing, list of headers (JSON; none, one, or one a blob).
 * Result: the list of blobs or compact JWEs. All or nothing: the first blob that fails refuses the request, and the refusal says which it was.
 */
export const rewrapKeys: Operation = (call) => {
  const from = call.key(0, 'unwrap');
  const by = wrappingBy(call, from, call.request.mechanism);
  if (call.part(0).length > BLOBS_SIZE_MAX + 4 * (BLOBS_MAX + 1))
    throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'blobsLimit');
  const blobs = call.list(0);
  const recipient = call.flag(FLAG.jwe) ? outside(call, from, blobs) : inside(call, from);
  const unwrapped = eachOf(blobs, (blob) => unwrapOne(call, by, blob));
  return () => {
    recipient.prove();
    const keys = eachOf(unwrapped, (each) => each());
    eachOf(keys, ({ length }) => checkRewrapSize(from.attributes, 8 * length));
    return recipient.seal(keys);
  };
};

/** Who gets the keys, once policy allows it as far as can be told before the batch's kernels ran. */
interface Recipient {
  /** Throws where the proof does not hold; nothing may be said of the blobs before. */
  prove(): void;
  seal(keys: readonly Span[]): Outcome;
}

/** A key of this HSM: its blobs are written where the reply's list has their places. */
function inside(call: Call, from: OpenKey): Recipient {
  const to = call.key(1, 'wrap');
  checkRecipientWrapping(from.attributes, to.attributes);
  const as = call.flag(FLAG.wrapAsGcm) ? 'AES-GCM' : call.flag(FLAG.wrapAsKwp) ? 'AES-KWP' : 'AES-KW';
  const by = wrappingBy(call, to, MECHANISM[as]);
  const seal = (keys: readonly Span[]) => {
    const { bytes } = call.bench.core;
    const sizes = eachOf(keys, ({ length }) => blobSize(by, length));
    const list = call.result(listSize(sizes));
    const places = layList(bytes.subarray(list.offset, list.offset + list.length), sizes);
    const wrapped = eachOf(keys, (key, i) => wrapOne(call, by, key, list.offset + places[i]!));
    return () => {
      for (const done of wrapped) done();
      return [list];
    };
  };
  return { prove: nothingToDo, seal };
}

/** Someone outside, known by his point; what the log keeps of it is its thumbprint. */
function outside(call: Call, from: OpenKey, blobs: readonly Span[]): Recipient {
  const at = (curve: Curve, point: Uint8Array, prove: () => void): Recipient => {
    const headers = readHeaders(call, 3, blobs.length);
    return { prove, seal: (keys) => agree(call, curve, point, keys, headers) };
  };
  if (call.has(1)) {
    const to = call.ownKey(1);
    const { curve, point } = to.attributes;
    if (curve === null || point === null) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
    if (!AGREEMENT_CURVES.includes(curve)) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'curve');
    checkDates(to.attributes, call.bench.now);
    checkRecipientKey(from.attributes, to.attributes);
    call.recipient = thumbprint(curve, point);
    return at(curve, point, nothingToDo);
  }
  const stated = call.part(1);
  const curve = AGREEMENT_CURVES.find((each) => [CURVE[each].pointSize, 1 + CURVE[each].size].includes(stated.length));
  if (curve === undefined) throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
  const point = validPoint(call, curve, stated);
  call.recipient = thumbprint(curve, point);
  const { rewrap, issuer } = from.attributes;
  if (rewrap === 'any') return at(curve, point, nothingToDo);
  if (rewrap === 'trusted' || issuer === null) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'recipient');
  return at(curve, point, checkProof(call, call.part(2), issuer, call.recipient, blobs));
}

/** One ephemeral key pair for the whole request; its private half lies in working memory and goes with the batch. */
function agree(
  call: Call,
  curve: Curve,
  point: Uint8Array,
  keys: readonly Span[],
  headers: readonly Members[],
): Outcome {
  const { core, work, jobs } = call.bench;
  const { size } = CURVE[curve];
  const scalar = work.take(size);
  const peer = work.take(point.length);
  core.bytes.set(point, peer);
  const z = { offset: work.take(size), length: size };
  const ok = work.take(4);
  const ephemeral = generatePair(call, curve, scalar);
  return () => {
    const epk = encodeJwk(curve, ephemeral());
    jobs.ecdh(curve).add(scalar, peer, z.offset, ok);
    return () => {
      if (core.view.getUint32(ok, true) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
      return [sealJwes(call, epk, z, keys, headers)];
    };
  };
}
