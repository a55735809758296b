/** deriveKey: a key from an agreement (ECDH), or from a secret by a KDF. What it may be for follows from the base (policy.ts). */
import { Refusal } from '../../errors.ts';
import { CURVE, HASH } from '../../model/algorithms.ts';
import type { KeyAttributes } from '../../model/attributes.ts';
import type { Curve, HashName } from '../../model/key.ts';
import { KDF_ALGORITHM_MAX, KDF_FIELD_MAX } from '../../model/limits.ts';
import { checkDerived, checkHkdf, type Derivation, derivedBy } from '../../model/policy.ts';
import { KDF, MECHANISM, type Span } from '../../wire/batch.ts';
import { purposeOf } from '../../wire/purpose.ts';
import type { Call, Operation } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { concatKdf, laidOut, u32 } from './concat-kdf.ts';
import { sealNew, wantedFrom } from './keys.ts';
import { read, validPoint } from './material.ts';

const KDF_NAMES = Object.keys(KDF) as Derivation['kdf'][];

/** How the request derives; `fields` are what the KDF takes besides the secret. */
interface Asked extends Derivation {
  readonly fields: readonly Span[];
}

/**
 * Parts: id, attributes, peer's point (ECDH) or nothing, kdf (one byte), the list of the KDF's fields: algorithm, apu, apv
 * (concat), label, context (sp800-108, bound), salt, info (hkdf). Keys: base, then the issuer of proofs if the new key names
 * another than the base does. The flags name the KDF's hash. Result: the sealed record.
 */
export const deriveKey: Operation = (call) => {
  const base = call.key(0, 'derive');
  const wanted = inherited(wantedFrom(call, 1, 1, base.attributes), base.attributes);
  if (wanted.type === 'EC') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  const by = askedOf(call);
  checkShape(call, base.attributes, wanted, by);
  checkDerived(base.attributes, wanted, derivedBy(base.attributes, by));
  const seal = (secret: Span) => {
    const material = read(call, wanted, stretch(call, by, secret, wanted));
    return [sealNew(call, wanted, material, { origin: 'derived', parent: base.attributes })];
  };
  if (call.request.mechanism === MECHANISM.KDF) return seal({ offset: base.secret, length: base.length });
  const curve = base.attributes.curve as Curve;
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

/** Do mechanism, KDF, base and result go together at all? */
function checkShape(call: Call, base: KeyAttributes, wanted: KeyAttributes, { kdf }: Asked): void {
  const { mechanism } = call.request;
  const agrees = mechanism === MECHANISM.ECDH && base.class === 'private';
  const stretches = mechanism === MECHANISM.KDF && base.class === 'secret' && kdf !== 'none';
  if (!agrees && !stretches) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  if (kdf === 'none') {
    if (wanted.type !== 'GENERIC') throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  } else if (call.hash() === undefined) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'hash');
  if (kdf === 'hkdf') checkHkdf(wanted);
}

/** What is derived from a key that leaves only under trusted ones leaves only so, too: part of its purpose. */
const inherited = (wanted: KeyAttributes, { wrapWithTrusted }: KeyAttributes): KeyAttributes =>
  wrapWithTrusted && !wanted.wrapWithTrusted ? { ...wanted, wrapWithTrusted } : wanted;

function askedOf(call: Call): Asked {
  const number = call.publicPart(3)[0];
  const kdf = KDF_NAMES.find((name) => KDF[name] === number);
  if (kdf === undefined) throw new Refusal('KEYCELL_MECHANISM_INVALID');
  const fields = kdf === 'none' ? [] : call.list(4);
  if (fields.some(({ length }) => length > KDF_FIELD_MAX)) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'kdfField');
  if (fields.length !== FIELDS[kdf]) throw new Refusal('KEYCELL_INPUT_INVALID', 'encoding');
  if (kdf !== 'concat') return { kdf, algorithm: '', fields };
  const { offset, length } = fields[0]!;
  if (length > KDF_ALGORITHM_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'kdfField');
  return {
    kdf,
    algorithm: Buffer.from(call.bench.core.bytes.slice(offset, offset + length)).toString('latin1'),
    fields,
  };
}

const FIELDS: Readonly<Record<Derivation['kdf'], number>> = { none: 0, concat: 3, 'sp800-108': 2, hkdf: 2, bound: 2 };

/** The derived key of `wanted.bits`. */
function stretch(call: Call, by: Asked, secret: Span, wanted: KeyAttributes): Span {
  const size = wanted.bits / 8;
  if (by.kdf === 'none') {
    if (size !== secret.length) throw new Refusal('KEYCELL_INPUT_INVALID', 'keySize');
    return secret;
  }
  const hash = call.hash() as HashName;
  const output = { offset: call.bench.work.take(size), length: size };
  if (expand(call, by, HASH[hash].number, secret, output, wanted) !== 1) throw new IntegrityError('a KDF failed');
  return output;
}

/**
 * The cell itself lays out what concat and SP 800-108 take, and ends it with the length of what is derived, so that the same
 * secret gives no prefix of a longer key. RFC 5869 has no place for it: there the policy refuses keys that are short enough
 * to be searched.
 */
function expand(call: Call, by: Asked, hash: number, secret: Span, output: Span, wanted: KeyAttributes): number {
  const { call: kernels } = call.bench.core;
  const [first, second, third] = by.fields as [Span, Span, Span];
  const { offset, length } = secret;
  if (by.kdf === 'hkdf') {
    const [salt, info] = [first, second];
    return kernels.hkdf(
      hash,
      salt.offset,
      salt.length,
      offset,
      length,
      info.offset,
      info.length,
      output.offset,
      output.length,
    );
  }
  if (by.kdf === 'concat') return concatKdf(call, hash, secret, [first, second, third], output);
  // SP 800-108r1 §4.1.
  const purpose = by.kdf === 'bound' ? [purposeOf(wanted)] : [];
  const info = laidOut(call, [first, ZERO, second, ...purpose, u32(wanted.bits)]);
  return kernels.kdf108(hash, offset, length, info.offset, info.length, output.offset, output.length);
}

const ZERO = Uint8Array.of(0);
