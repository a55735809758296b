/** Keys are made, brought in, given out, changed and ended: generateKey, importKey, exportKey, setAttributes, destroyKey. */
import { Refusal } from '../../errors.ts';
import type { Issuer, KeyAttributes, Pattern } from '../../model/attributes.ts';
import type { Origin } from '../../model/key.ts';
import { ATTRIBUTES_MAX, RANDOM_MAX } from '../../model/limits.ts';
import { earlierEnd, mapIssuers } from '../../model/pattern.ts';
import { checkChange, checkExport, checkTemplate, checkUse } from '../../model/policy.ts';
import { CHECK_VALUE_OFFSET, CHECK_VALUE_SIZE, decodeAttributes, encodeAttributes } from '../../wire/attributes.ts';
import { FLAG, type Span } from '../../wire/batch.ts';
import { FormatError, ID_SIZE, ZERO_ID } from '../../wire/fields.ts';
import { policyInfo } from '../../wire/policy-info.ts';
import { RECORD_FIXED_SIZE, RECORD_KIND } from '../../wire/record.ts';
import type { Call, Operation } from '../call.ts';
import { generate, type Material, plainSize, read, writePlain } from './material.ts';
import { ISSUER_CURVES } from './proof.ts';

/** How a key came to be, as far as its attributes tell. */
export interface Source {
  readonly origin: Origin;
  /** True for what came of a key that binds it, so that it goes where that key lets it go. */
  readonly wrapWithTrusted?: boolean;
  /** The wrapping key that it came under, or the base that it was derived from. */
  readonly parent?: KeyAttributes;
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

/**
 * The same with the issuers' real keys in place of what the request says of them: those of the parent's templates are taken
 * from there, a new one is the request's key `issuerKey`. So no later request can bring another.
 */
export function wantedFrom(call: Call, n: number, issuerKey: number, parent?: KeyAttributes): KeyAttributes {
  const wanted = asked(call, n);
  if (!namesIssuer(wanted)) return wanted;
  const known = parent === undefined ? [] : issuersIn(parent);
  let fresh: Pick<Issuer, 'id' | 'point'> | undefined;
  const resolve = ({ id, proofMaxAge, blobs }: Issuer): Issuer => {
    const point = known.find((each) => each.id === id)?.point;
    if (point !== undefined) return { id, point, proofMaxAge, blobs };
    fresh ??= issuer(call, issuerKey);
    if (fresh.id !== id) throw new Refusal('KEYCELL_INPUT_INVALID', 'oneIssuer');
    return { id, point: fresh.point, proofMaxAge, blobs };
  };
  return mapIssuers(wanted, resolve);
}

const templates = ({ unwrapTemplate, deriveTemplate }: Pattern): Pattern[] =>
  [unwrapTemplate, deriveTemplate].filter((template) => template !== null && template !== 'any');

const namesIssuer = (pattern: Pattern): boolean =>
  pattern.issuer !== null ||
  ((pattern.unwrapTemplate !== null || pattern.deriveTemplate !== null) && templates(pattern).some(namesIssuer));

const issuersIn = (pattern: Pattern): Issuer[] => [
  ...(pattern.issuer === null ? [] : [pattern.issuer]),
  ...templates(pattern).flatMap(issuersIn),
];

/** The attributes that part `n` states. Throws INPUT_INVALID. */
function attributesAt(call: Call, n: number): KeyAttributes {
  if (call.part(n).length > ATTRIBUTES_MAX) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
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

/** The attributes that the cell vouches for. Throws INPUT_INVALID where a parent's dates leave no time. */
function finish(call: Call, wanted: KeyAttributes, material: Material, source: Source): KeyAttributes {
  const { origin, parent } = source;
  const notBefore = Math.max(wanted.notBefore, parent?.notBefore ?? 0);
  const notAfter = earlierEnd(wanted.notAfter, parent?.notAfter ?? 0);
  if (notAfter !== 0 && notAfter <= notBefore) throw new Refusal('KEYCELL_INPUT_INVALID', 'dates');
  return {
    ...wanted,
    origin,
    neverExtractable: (origin === 'generated' || origin === 'imported') && wanted.extractable === false,
    trusted: false,
    wrapWithTrusted: wanted.wrapWithTrusted || (source.wrapWithTrusted ?? false),
    notBefore,
    notAfter,
    createdAt: call.bench.now,
    version: 1,
    point: material.point,
    checkValue: wanted.type === 'AES' ? CHECK_VALUE_TO_COME : NO_CHECK_VALUE,
  };
}

/** The public key of an issuer of proofs. */
function issuer(call: Call, n: number): Pick<Issuer, 'id' | 'point'> {
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
export function sealNew(call: Call, wanted: KeyAttributes, material: Material, source: Source): Span {
  const header = headerOf(call, wanted, material, source);
  const record = call.sealKey(header, material.secret, material.length, askedId(call, 0));
  if (wanted.type === 'AES') {
    const place = record.offset + RECORD_FIXED_SIZE + CHECK_VALUE_OFFSET;
    call.bench.jobs.checkValue().add(material.secret, material.length, place);
  }
  return record;
}

/** The header of the new key's record, but for its id and check value. */
function headerOf(call: Call, wanted: KeyAttributes, material: Material, source: Source): Uint8Array {
  const { origin, wrapWithTrusted = false, parent } = source;
  const make = (): Uint8Array => {
    const attributes = finish(call, wanted, material, source);
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
  // A point is the key's own.
  if (material.point !== null) return make();
  return call.bench.alike.header(
    { ticket: call.ticket, wanted, origin, wrapWithTrusted, parent, length: material.length },
    make,
  );
}

/** Parts: id, attributes. Keys: the issuer of proofs, if any. Result: the sealed record. */
export const generateKey: Operation = (call) => {
  const wanted = wantedFrom(call, 1, 0);
  const made = generate(call, wanted);
  return () => [sealNew(call, wanted, made(), { origin: 'generated' })];
};

/** Parts: id, attributes, material. Keys: the issuer of proofs, if any. Result: the sealed record. */
export const importKey: Operation = (call) => {
  const wanted = wantedFrom(call, 1, 0);
  return [sealNew(call, wanted, read(call, wanted, call.part(2)), { origin: 'imported' })];
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

/** Part: the attributes as they should be. Flag: acceptImported. Result: the record, sealed as the next revision. */
export const setAttributes: Operation = (call) => {
  const admin = call.ticket.role === 'admin';
  const key = admin ? call.anyKey(0) : call.ownKey(0);
  if (key.kind !== RECORD_KIND.key) throw new Refusal('KEYCELL_INPUT_INVALID');
  const to = attributesAt(call, 0);
  const acceptImported = call.flag(FLAG.acceptImported);
  checkChange(key.attributes, to, admin, acceptImported);
  if (to.trusted !== key.attributes.trusted) {
    const { origin } = key.attributes;
    const accepted = to.trusted && origin === 'imported' && key.attributes.class === 'secret';
    call.mark = { trusted: to.trusted, origin, ...(accepted && { acceptImported }), ...policyInfo(key.attributes) };
  }
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
  if (length > RANDOM_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'randomLimit');
  const bytes = call.result(length);
  call.bench.random.fill(bytes.offset, length);
  return [bytes];
};
