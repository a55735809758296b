/**
 * A key's attributes as its record holds them, docs/formats.md §2.1: a policy block of fixed layout, which the cell
 * reads for every use; the public key; and the rarer rest in MessagePack.
 */
import { CURVE } from '../model/algorithms.ts';
import {
  CLASSES,
  CURVES,
  EXTRACTABLES,
  FLAGS,
  type Flag,
  type KeyAttributes,
  ORIGINS,
  REWRAPS,
  TYPES,
  USAGES,
} from '../model/attributes.ts';
import type { Curve } from '../model/key.ts';
import { LABEL_MAX } from '../model/limits.ts';
import { asBytesUpTo, asString, pack, unpack } from './codec.ts';
import { FieldReader, FieldWriter, FormatError } from './fields.ts';
import { bitsOf, chosenOf, decodeIssuer, decodeTemplate, encodeIssuer, encodeTemplate, oneOf } from './pattern.ts';

const VERSION = 2;
const POLICY_SIZE = 64;
const CURVE_OFFSET = 3;
const BITS_OFFSET = 4;
export const CHECK_VALUE_OFFSET = 49;
export const CHECK_VALUE_SIZE = 3;
const REST_MEMBERS = 4;
/** More than three patterns with issuers of P-384 take. */
const TEMPLATE_SIZE_MAX = 2048;
/** An uncompressed point of the largest curve. */
const POINT_MAX = Math.max(...Object.values(CURVE).map(({ pointSize }) => pointSize));

const flagsOf = (a: KeyAttributes): number => FLAGS.reduce((mask, flag, i) => (a[flag] ? mask | (1 << i) : mask), 0);
const flagBit = (mask: number, flag: Flag): boolean => ((mask >>> FLAGS.indexOf(flag)) & 1) === 1;

/** What `pack` makes of a rest that has nothing in it, as most keys' have: spared both ways. */
const NO_REST = Uint8Array.of(0x90 | REST_MEMBERS, 0xc0, 0xc0, 0xc0, 0xc0);
/** The size of attributes that have no point and nothing rare. */
export const PLAIN_ATTRIBUTES_SIZE = POLICY_SIZE + 4 + NO_REST.length;
const isNoRest = (bytes: Uint8Array): boolean =>
  bytes.length === NO_REST.length && NO_REST.every((byte, i) => bytes[i] === byte);

function encodeRest({ label, unwrapTemplate, deriveTemplate, issuer }: KeyAttributes): Uint8Array {
  if (label === null && unwrapTemplate === null && deriveTemplate === null && issuer === null) return NO_REST;
  return pack([
    label,
    unwrapTemplate && encodeTemplate(unwrapTemplate),
    deriveTemplate && encodeTemplate(deriveTemplate),
    issuer && encodeIssuer(issuer),
  ]);
}

export function encodeAttributes(a: KeyAttributes): Uint8Array<ArrayBuffer> {
  const rest = encodeRest(a);
  const point = a.point ?? new Uint8Array(0);
  return new FieldWriter(POLICY_SIZE + 2 + point.length + 2 + rest.length)
    .u8(VERSION)
    .u8(TYPES.indexOf(a.type) + 1)
    .u8(CLASSES.indexOf(a.class) + 1)
    .u8(a.curve === null ? 0 : CURVES.indexOf(a.curve) + 1)
    .u16(a.bits)
    .u8(EXTRACTABLES.indexOf(a.extractable))
    .u8(REWRAPS.indexOf(a.rewrap))
    .u32(bitsOf(USAGES, a.usage))
    .u32(flagsOf(a))
    .u64(a.notBefore)
    .u64(a.notAfter)
    .u64(a.maxUses)
    .u64(a.createdAt)
    .u8(a.checkValue.length)
    .raw(a.checkValue)
    .zero(CHECK_VALUE_SIZE - a.checkValue.length)
    .u32(a.version)
    .u8(ORIGINS.indexOf(a.origin))
    .zero(7)
    .u16(point.length)
    .raw(point)
    .u16(rest.length)
    .raw(rest).bytes;
}

const NOTHING = [null, null, null, null] as const;

/** Read a record's attributes; `point` and `checkValue` are copies. Throws FormatError. */
export function decodeAttributes(bytes: Uint8Array): KeyAttributes {
  const reader = new FieldReader(bytes);
  if (reader.u8() !== VERSION) throw new FormatError('unknown version of attributes');
  const type = oneOf(TYPES, reader.u8() - 1);
  const keyClass = oneOf(CLASSES, reader.u8() - 1);
  const curve = reader.u8();
  const bits = reader.u16();
  const extractable = oneOf(EXTRACTABLES, reader.u8());
  const rewrap = oneOf(REWRAPS, reader.u8());
  const usage = chosenOf(USAGES, reader.u32());
  const flags = reader.u32();
  if (flags >>> FLAGS.length !== 0) throw new FormatError('an unknown bit is set');
  const notBefore = reader.u64();
  const notAfter = reader.u64();
  const maxUses = reader.u64();
  const createdAt = reader.u64();
  const checkLength = reader.u8();
  if (checkLength > CHECK_VALUE_SIZE) throw new FormatError('a check value is too long');
  const checkValue = reader.copy(checkLength);
  reader.zero(CHECK_VALUE_SIZE - checkLength);
  const version = reader.u32();
  const origin = oneOf(ORIGINS, reader.u8());
  reader.zero(7);
  const pointLength = reader.u16();
  if (pointLength > POINT_MAX) throw new FormatError('a point is too long');
  const point = pointLength === 0 ? null : reader.copy(pointLength);
  const rest = reader.view(reader.u16());
  const [label, unwrapTemplate, deriveTemplate, issuer] = isNoRest(rest) ? NOTHING : unpack(rest, REST_MEMBERS);
  reader.end();
  return {
    type,
    class: keyClass,
    curve: curve === 0 ? null : oneOf(CURVES, curve - 1),
    bits,
    extractable,
    rewrap,
    usage,
    neverExtractable: flagBit(flags, 'neverExtractable'),
    origin,
    trusted: flagBit(flags, 'trusted'),
    wrapWithTrusted: flagBit(flags, 'wrapWithTrusted'),
    destroyable: flagBit(flags, 'destroyable'),
    dualUse: flagBit(flags, 'dualUse'),
    callerIv: flagBit(flags, 'callerIv'),
    persistent: flagBit(flags, 'persistent'),
    notBefore,
    notAfter,
    maxUses,
    createdAt,
    checkValue,
    version,
    point,
    label: label === null ? null : asString(label, LABEL_MAX),
    unwrapTemplate: unwrapTemplate === null ? null : decodeTemplate(asBytesUpTo(unwrapTemplate, TEMPLATE_SIZE_MAX)),
    deriveTemplate: deriveTemplate === null ? null : decodeTemplate(asBytesUpTo(deriveTemplate, TEMPLATE_SIZE_MAX)),
    issuer: issuer === null ? null : decodeIssuer(asBytesUpTo(issuer, TEMPLATE_SIZE_MAX)),
  };
}

/**
 * The curve that attributes at `at` claim, for those who only estimate: nothing is checked, and nothing may rest on it.
 */
export function peekCurve(bytes: Uint8Array, at = 0): Curve | undefined {
  const curve = bytes[at + CURVE_OFFSET];
  // Most keys have none, and an array's element -1 is looked up as a name is: each request would pay 0.1 µs for it.
  return curve ? CURVES[curve - 1] : undefined;
}

/** The bits that they claim, for the same. */
export const peekBits = (bytes: Uint8Array, at = 0): number =>
  ((bytes[at + BITS_OFFSET] ?? 0) << 8) | (bytes[at + BITS_OFFSET + 1] ?? 0);
