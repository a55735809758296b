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
import { CHECK_VALUE_OFFSET, CHECK_VALUE_SIZE, decodeAttributes, encodeAttributes } from '../../wire/attributes.ts';
import { KDF, MECHANISM, type Span } from '../../wire/batch.ts';
import { FormatError, ID_SIZE, ZERO_ID } from '../../wire/fields.ts';
import { RECORD_FIXED_SIZE, RECORD_KIND } from '../../wire/record.ts';
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
  return call.bench.alike.template(call.part(n), () => {
    const attributes = attributesAt(call, n);
    checkTemplate(attributes);
    return attributes;
  });
}

/** The attributes that part `n` states. Throws INPUT_INVALID. */
function attributesAt(call: Call, n: number): KeyAttributes {
  try {
    return decodeAttributes(call.publicPart(n));
  } catch (error) {
    if (error instanceof FormatError) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
    throw error;
  }
}

/** A check value has its place before the batch's kernels computed it. */
const CHECK_VALUE_TO_COME = new Uint8Array(CHECK_VALUE_SIZE);
const NO_CHECK_VALUE = new Uint8Array(0);

/** The attributes that the cell vouches for. `issuerKey` is the index of the request's key that issues proofs. */
function finish(
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
    checkValue: wanted.type === 'AES' ? CHECK_VALUE_TO_COME : NO_CHECK_VALUE,
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

/** The address of the id that a request asks for: part `n`, 16 bytes, or nothing for one that the cell draws. */
function askedId(call: Call, n: number): number {
  const { offset, length } = call.part(n);
  const { view } = call.bench.core;
  const isZero = (at: number): boolean =>
    (view.getUint32(at) | view.getUint32(at + 4) | view.getUint32(at + 8) | view.getUint32(at + 12)) === 0;
  if (length === 0) {
    let id = call.bench.random.draw(ID_SIZE);
    while (isZero(id)) id = call.bench.random.draw(ID_SIZE);
    return id;
  }
  if (length !== ID_SIZE || isZero(offset)) throw new Refusal('KEYCELL_INPUT_INVALID');
  return offset;
}

/** Seal new material under the attributes asked for: the one way by which any key comes to be. */
export function sealNew(
  call: Call,
  wanted: KeyAttributes,
  material: Material,
  origin: Origin,
  issuerKey: number,
): Span {
  const header = headerOf(call, wanted, material, origin, issuerKey);
  const record = call.sealKey(header, material.secret, material.length, askedId(call, 0));
  if (wanted.type === 'AES') {
    const place = record.offset + RECORD_FIXED_SIZE + CHECK_VALUE_OFFSET;
    call.bench.jobs.checkValue().add(material.secret, material.length, place);
  }
  return record;
}

/** The header of the new key's record, but for its id and check value. */
function headerOf(
  call: Call,
  wanted: KeyAttributes,
  material: Material,
  origin: Origin,
  issuerKey: number,
): Uint8Array {
  const { local, wrapWithTrusted = false, above } = origin;
  const make = (): Uint8Array => {
    const attributes = finish(call, wanted, material, origin, issuerKey);
    if (wrapWithTrusted) checkBelow(attributes, above);
    return call.bench.records.header(
      {
        kind: attributes.persistent ? RECORD_KIND.key : RECORD_KIND.sessionKey,
        id: ZERO_ID,
        revision: 1,
        owner: call.ticket.user,
        attributes: encodeAttributes(attributes),
      },
      material.length,
    );
  };
  // A point is the key's own, and an issuer's key is opened, and logged, for each request that names him.
  if (material.point !== null || wanted.rewrap === 'issuer') return make();
  return call.bench.alike.header(
    { ticket: call.ticket, wanted, local, wrapWithTrusted, above, length: material.length },
    make,
  );
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
  const to = attributesAt(call, 0);
  checkChange(key.attributes, to, admin);
  const changed: KeyAttributes = {
    ...key.attributes,
    label: to.label,
    extractable: to.extractable,
    destroyable: to.destroyable,
    wrapWithTrusted: to.wrapWithTrusted,
    trusted: to.trusted,
  };
  const header = call.bench.records.header(
    {
      kind: RECORD_KIND.key,
      id: key.id,
      revision: key.revision + 1,
      owner: key.owner,
      attributes: encodeAttributes(changed),
    },
    key.length,
  );
  return [call.sealKey(header, key.secret, key.length)];
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
