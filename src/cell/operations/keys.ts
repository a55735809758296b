/** Keys are made, brought in, given out, changed and ended: generateKey, importKey, exportKey, deriveKey, setAttributes, destroyKey. */
import { Refusal } from '../../errors.ts';
import { CURVE, HASH } from '../../model/algorithms.ts';
import type { KeyAttributes } from '../../model/attributes.ts';
import {
  checkBelow,
  checkChange,
  checkDerived,
  checkExport,
  checkHkdf,
  checkTemplate,
  checkUse,
} from '../../model/policy.ts';
import { decodeAttributes, encodeAttributes } from '../../wire/attributes.ts';
import { KDF, MECHANISM, type Span } from '../../wire/batch.ts';
import { FormatError, toHex } from '../../wire/fields.ts';
import { RECORD_KIND } from '../../wire/record.ts';
import type { Call, Operation } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { generate, type Material, plainSize, read, validPoint, writePlain } from './material.ts';
import { ISSUER_CURVES } from './proof.ts';

/** How a key came to be, as far as its attributes tell. */
interface Origin {
  readonly local: boolean;
  /** True for what came under a key that binds it, so that it goes where that key lets it go. */
  readonly wrapWithTrusted?: boolean;
  /** The wrapping key that it came under. */
  readonly above?: KeyAttributes;
}

/**
 * The attributes that a request asks for, part `n`, as far as a caller may choose them: what he may not is set by `finish`.
 * Throws INPUT_INVALID or what policy says.
 */
export function asked(call: Call, n: number): KeyAttributes {
  if (call.ticket.role !== 'crypto-user') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
  let attributes: KeyAttributes;
  try {
    attributes = decodeAttributes(call.publicPart(n));
  } catch (error) {
    if (error instanceof FormatError) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
    throw error;
  }
  checkTemplate(attributes);
  return attributes;
}

/** The attributes that the cell vouches for. `issuerKey` is the index of the request's key that issues proofs. */
export function finish(
  call: Call,
  wanted: KeyAttributes,
  material: Material,
  origin: Origin,
  issuerKey: number,
): KeyAttributes {
  return {
    ...wanted,
    local: origin.local,
    neverExtractable: origin.local && wanted.extractable === false,
    trusted: false,
    wrapWithTrusted: wanted.wrapWithTrusted || (origin.wrapWithTrusted ?? false),
    createdAt: call.bench.now,
    version: 1,
    point: material.point,
    checkValue: material.checkValue,
    issuer: wanted.rewrap === 'issuer' ? issuer(call, issuerKey) : null,
  };
}

/** The issuer's public key is copied into the wrapping key's own attributes, so that no later request can bring another. */
function issuer(call: Call, n: number): NonNullable<KeyAttributes['issuer']> {
  const key = call.ownKey(n);
  checkUse(key.attributes, 'verify', call.bench.now);
  const { type, class: keyClass, curve, point } = key.attributes;
  if (type !== 'EC' || curve === null || point === null) throw new Refusal('KEYCELL_INPUT_INVALID', 'keyType');
  if (!ISSUER_CURVES.includes(curve)) throw new Refusal('KEYCELL_INPUT_INVALID', 'curve');
  if (keyClass !== 'public') throw new Refusal('KEYCELL_INPUT_INVALID', 'issuerPrivate');
  return { id: key.id, point };
}

/** The id that a request asks for: part `n`, 16 bytes, or nothing for one that the cell draws. */
function askedId(call: Call, n: number): string {
  const id = call.publicPart(n);
  if (id.length === 0) return call.bench.random.id();
  if (id.length !== 16 || id.every((byte) => byte === 0)) throw new Refusal('KEYCELL_INPUT_INVALID');
  return toHex(id);
}

/** Seal new material under the attributes asked for: the one way by which any key comes to be. */
export function sealNew(call: Call, wanted: KeyAttributes, material: Material, origin: Origin, issuerKey: number) {
  const attributes = finish(call, wanted, material, origin, issuerKey);
  if (origin.wrapWithTrusted) checkBelow(attributes, origin.above);
  return call.sealKey(attributes, material.secret, material.length, askedId(call, 0));
}

/** Parts: id, attributes. Keys: the issuer of proofs, if any. Result: the sealed record. */
export const generateKey: Operation = (call) => {
  const wanted = asked(call, 1);
  const made = generate(call, wanted);
  return () => [sealNew(call, wanted, made(), { local: true }, 0)];
};

/** Parts: id, attributes, material. Keys: the issuer of proofs, if any. Result: the sealed record. */
export const importKey: Operation = (call) => {
  const wanted = asked(call, 1);
  return [sealNew(call, wanted, read(call, wanted, call.part(2)), { local: false }, 0)];
};

/** Result: the raw key, or PKCS#8. */
export const exportKey: Operation = (call) => {
  const key = call.ownKey(0);
  if (key.attributes.class === 'public') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'noPrivate');
  checkExport(key.attributes);
  const plain = call.result(plainSize(key));
  writePlain(call, key, plain.offset);
  return [plain];
};

/**
 * Parts: id, attributes, peer's point (ECDH) or nothing, kdf (one byte), the kdf's info. Result: the sealed record.
 * The flags name the kdf's hash.
 */
export const deriveKey: Operation = (call) => {
  const base = call.key(0, 'derive');
  const wanted = asked(call, 1);
  if (wanted.type === 'EC') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  checkDerived(base.attributes, wanted);
  const kdf = call.publicPart(3)[0];
  const seal = (secret: Span) => {
    const material = read(call, wanted, stretch(call, kdf, secret, wanted));
    const origin = { local: false, wrapWithTrusted: base.attributes.wrapWithTrusted };
    return [sealNew(call, wanted, material, origin, 1)];
  };
  if (call.request.mechanism === MECHANISM.KDF) {
    if (base.attributes.type === 'EC' || kdf === KDF.none) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
    return seal({ offset: base.secret, length: base.length });
  }
  const { class: keyClass, curve } = base.attributes;
  if (call.request.mechanism !== MECHANISM.ECDH || keyClass !== 'private' || curve === null) {
    throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  }
  if (kdf === KDF.none && wanted.type !== 'GENERIC') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  const { core, work, jobs } = call.bench;
  const point = validPoint(call, curve, call.part(2));
  const peer = work.take(point.length);
  core.bytes.set(point, peer);
  const z = { offset: work.take(CURVE[curve].size), length: CURVE[curve].size };
  const ok = work.take(4);
  jobs.ecdh(curve).add(base.secret, peer, z.offset, ok);
  return () => {
    if (core.view.getUint32(ok, true) !== 1) throw new Refusal('KEYCELL_INPUT_INVALID', 'point');
    return seal(z);
  };
};

/** The derived key of `wanted.bits`. */
function stretch(call: Call, kdf: number | undefined, secret: Span, wanted: KeyAttributes): Span {
  const size = wanted.bits / 8;
  if (kdf === KDF.none) {
    if (size !== secret.length) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
    return secret;
  }
  const hash = call.hash();
  if (hash === undefined) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'hash');
  const output = { offset: call.bench.work.take(size), length: size };
  if (expand(call, kdf, HASH[hash].number, secret, output, wanted) !== 1) throw new IntegrityError('a KDF failed');
  return output;
}

/**
 * To concat and SP 800-108 the cell itself appends the length of what is derived, so that the same secret gives no prefix of
 * a longer key. RFC 5869 has no place for it: there the policy refuses keys that are short enough to be searched.
 */
function expand(
  call: Call,
  kdf: number | undefined,
  hash: number,
  secret: Span,
  output: Span,
  wanted: KeyAttributes,
): number {
  const { core, work } = call.bench;
  if (kdf === KDF.hkdf) {
    checkHkdf(wanted);
    const [salt, info] = call.list(4);
    if (salt === undefined || info === undefined) throw new Refusal('KEYCELL_INPUT_INVALID');
    return core.call.hkdf(
      hash,
      salt.offset,
      salt.length,
      secret.offset,
      secret.length,
      info.offset,
      info.length,
      output.offset,
      output.length,
    );
  }
  const kernel = kdf === KDF.concat ? core.call.concatKdf : kdf === KDF['sp800-108'] ? core.call.kdf108 : undefined;
  if (kernel === undefined) throw new Refusal('KEYCELL_MECHANISM_INVALID');
  const given = call.part(4);
  const info = work.take(given.length + 4);
  core.bytes.copyWithin(info, given.offset, given.offset + given.length);
  core.view.setUint32(info + given.length, wanted.bits);
  return kernel(hash, secret.offset, secret.length, info, given.length + 4, output.offset, output.length);
}

/** Part: the attributes as they should be. Result: the record, sealed anew as the next revision. */
export const setAttributes: Operation = (call) => {
  const admin = call.ticket.role === 'admin';
  const key = admin ? call.anyKey(0) : call.ownKey(0);
  if (key.kind !== RECORD_KIND.key) throw new Refusal('KEYCELL_INPUT_INVALID');
  let to: KeyAttributes;
  try {
    to = decodeAttributes(call.publicPart(0));
  } catch (error) {
    if (error instanceof FormatError) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
    throw error;
  }
  checkChange(key.attributes, to, admin);
  const changed: KeyAttributes = {
    ...key.attributes,
    label: to.label,
    extractable: to.extractable,
    destroyable: to.destroyable,
    wrapWithTrusted: to.wrapWithTrusted,
    trusted: to.trusted,
  };
  call.madeKey = key.id;
  return [
    call.bench.records.seal(
      {
        kind: RECORD_KIND.key,
        id: key.id,
        revision: key.revision + 1,
        owner: key.owner,
        attributes: encodeAttributes(changed),
      },
      key.secret,
      key.length,
      call.bench.reply,
    ),
  ];
};

/** The cell says whether it may be; who keeps the store then removes it. */
export const destroyKey: Operation = (call) => {
  const key = call.ownKey(0);
  if (!key.attributes.destroyable) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'notDestroyable');
  return [];
};

/** Part: length (4). Result: that many random bytes. */
export const random: Operation = (call) => {
  const length = call.number(0);
  const bytes = call.result(length);
  call.bench.random.fill(bytes.offset, length);
  return [bytes];
};
