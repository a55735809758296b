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
  LABEL_MAX,
  REWRAPS,
  TYPES,
  type UnwrapLimit,
  USAGES,
} from '../model/attributes.ts';
import type { Curve } from '../model/key.ts';
import { asBytes, asInteger, asString, pack, unpack } from './codec.ts';
import { FieldReader, FieldWriter, FormatError, fromHex, ID_SIZE, toHex } from './fields.ts';

const VERSION = 1;
const POLICY_SIZE = 64;
const CURVE_OFFSET = 3;
export const CHECK_VALUE_OFFSET = 49;
export const CHECK_VALUE_SIZE = 3;
const REST_MEMBERS = 4;
const TEMPLATE_MEMBERS = 4;
/** An uncompressed point of the largest curve. */
const POINT_MAX = Math.max(...Object.values(CURVE).map(({ pointSize }) => pointSize));

const bitsOf = <T>(all: readonly T[], chosen: readonly T[]): number =>
  chosen.reduce((mask, one) => mask | (1 << all.indexOf(one)), 0);

const flagsOf = (a: KeyAttributes): number => FLAGS.reduce((mask, flag, i) => (a[flag] ? mask | (1 << i) : mask), 0);
const flagBit = (mask: number, flag: Flag): boolean => ((mask >>> FLAGS.indexOf(flag)) & 1) === 1;

function chosenOf<T>(all: readonly T[], mask: number): T[] {
  if (mask >>> all.length !== 0) throw new FormatError('an unknown bit is set');
  return all.filter((_, i) => (mask >>> i) & 1);
}

function oneOf<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new FormatError('an unknown value');
  return found;
}

/** What `pack` makes of a rest that has nothing in it, as most keys' have: spared both ways. */
const NO_REST = Uint8Array.of(0x90 | REST_MEMBERS, 0xc0, 0xc0, 0xc0, 0xc0);
const isNoRest = (bytes: Uint8Array): boolean =>
  bytes.length === NO_REST.length && NO_REST.every((byte, i) => bytes[i] === byte);

function encodeRest(a: KeyAttributes): Uint8Array {
  if (a.label === null && a.unwrapLimit === null && a.issuer === null) return NO_REST;
  return pack([
    a.label,
    a.unwrapLimit && [
      a.unwrapLimit.type === null ? null : TYPES.indexOf(a.unwrapLimit.type) + 1,
      a.unwrapLimit.bits,
      a.unwrapLimit.usage === null ? null : bitsOf(USAGES, a.unwrapLimit.usage),
      EXTRACTABLES.indexOf(a.unwrapLimit.extractable),
    ],
    a.issuer && fromHex(a.issuer.id, ID_SIZE),
    a.issuer?.point ?? null,
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
    .zero(8)
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
  reader.zero(8);
  const pointLength = reader.u16();
  if (pointLength > POINT_MAX) throw new FormatError('a point is too long');
  const point = pointLength === 0 ? null : reader.copy(pointLength);
  const rest = reader.view(reader.u16());
  const [label, limit, issuerId, issuerPoint] = isNoRest(rest) ? NOTHING : unpack(rest, REST_MEMBERS);
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
    local: flagBit(flags, 'local'),
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
    unwrapLimit: limit === null ? null : decodeLimit(limit),
    issuer: issuerId === null ? null : { id: toHex(asBytes(issuerId, ID_SIZE)), point: issuerPointOf(issuerPoint) },
  };
}

/** Of P-256 or P-384, which their lengths tell apart. */
function issuerPointOf(point: unknown): Uint8Array<ArrayBuffer> {
  const long = point instanceof Uint8Array && point.length === CURVE['P-384'].pointSize;
  return asBytes(point, CURVE[long ? 'P-384' : 'P-256'].pointSize);
}

/**
 * The curve that attributes at `at` claim, for those who only estimate: nothing is checked, and nothing may rest on it.
 */
export const peekCurve = (bytes: Uint8Array, at = 0): Curve | undefined => CURVES[(bytes[at + CURVE_OFFSET] ?? 0) - 1];

function decodeLimit(limit: unknown): UnwrapLimit {
  if (!Array.isArray(limit) || limit.length !== TEMPLATE_MEMBERS)
    throw new FormatError('a template has the wrong shape');
  const [type, bits, usage, extractable] = limit as unknown[];
  return {
    type: type === null ? null : oneOf(TYPES, asInteger(type) - 1),
    bits: bits === null ? null : asInteger(bits, 65535),
    usage: usage === null ? null : chosenOf(USAGES, asInteger(usage, 0xffffffff)),
    extractable: oneOf(EXTRACTABLES, asInteger(extractable)),
  };
}
