/**
 * The short way to what a record says, for keys that come by the thousand: unwrapped, derived or made for a moment, without
 * a label, dates or any other of what is rare. Every byte that could say something else is looked at; where one does, the long way reads the
 * record (record.ts, attributes.ts), or says what is wrong with it. test/wire/formats.test.ts compares the two.
 */
import { CURVE } from '../model/algorithms.ts';
import {
  CLASSES,
  CURVES,
  EXTRACTABLES,
  FLAGS,
  type KeyAttributes,
  ORIGINS,
  REWRAPS,
  TYPES,
  USAGES,
} from '../model/attributes.ts';
import type { Usage } from '../model/key.ts';
import { ID_SIZE } from './fields.ts';
import {
  RECORD_FIXED_SIZE,
  RECORD_ID_OFFSET,
  RECORD_KIND,
  RECORD_LENGTHS_OFFSET,
  RECORD_OWNER_OFFSET,
  RECORD_TAG_SIZE,
} from './record.ts';

/** A key's attributes, the check value as people read it. */
export interface Stated extends Omit<KeyAttributes, 'checkValue'> {
  readonly checkValue: string;
}

export interface StatedKey {
  readonly id: string;
  readonly owner: string;
  readonly stated: Stated;
}

/** `KCRD`, format 2, suite 1, a session key, reserved. */
const RECORD_START = [0x4b, 0x43, 0x52, 0x44, 2, 1, RECORD_KIND.sessionKey, 0];
const SECRET_MAX = 0xff;

// Within the attributes: attributes.ts.
const DATES_AT = 16;
const CREATED_AT = 40;
const CHECK_AT = 48;
const VERSION_AT = 52;
const ORIGIN_AT = 56;
const RESERVED_AT = 57;
const POINT_AT = 66;
/** A rest that has nothing in it, and its length. */
const NO_REST = [0, 5, 0x94, 0xc0, 0xc0, 0xc0, 0xc0];

const [NEVER_EXTRACTABLE, TRUSTED, WRAP_WITH_TRUSTED, DESTROYABLE, DUAL_USE, CALLER_IV, PERSISTENT] = FLAGS.map(
  (_, i) => 1 << i,
) as [number, number, number, number, number, number, number];

/** One list for each set of usages, frozen, for all the handles that have it. */
const usageLists: (readonly Usage[] | undefined)[] = [];
const usagesOf = (mask: number): readonly Usage[] => {
  usageLists[mask] ??= Object.freeze(USAGES.filter((_, i) => (mask >>> i) & 1));
  return usageLists[mask];
};

/** What the record of a plain session key says; undefined for any other. */
export function statedKey(record: Uint8Array): StatedKey | undefined {
  const secretLength = u32(record, RECORD_LENGTHS_OFFSET + 4);
  const pointLength = u32(record, RECORD_FIXED_SIZE + POINT_AT - 4) & 0xffff;
  const attributesSize = POINT_AT + pointLength + NO_REST.length;
  const size = RECORD_FIXED_SIZE + attributesSize + secretLength + RECORD_TAG_SIZE;
  if (record.length !== size || secretLength > SECRET_MAX || u32(record, RECORD_LENGTHS_OFFSET) !== attributesSize)
    return undefined;
  const restAt = RECORD_FIXED_SIZE + POINT_AT + pointLength;
  if (!holds(record, 0, RECORD_START) || !holds(record, restAt, NO_REST)) return undefined;
  const stated = attributes(record, RECORD_FIXED_SIZE, pointLength);
  return stated && { id: hexOf(record, RECORD_ID_OFFSET), owner: ownerOf(record), stated };
}

function attributes(b: Uint8Array, at: number, pointLength: number): Stated | undefined {
  const type = TYPES[b[at + 1]! - 1];
  const keyClass = CLASSES[b[at + 2]! - 1];
  // An array's element -1 would be looked up as a name is.
  const curve = b[at + 3] === 0 ? undefined : CURVES[b[at + 3]! - 1];
  const extractable = EXTRACTABLES[b[at + 6]!];
  const rewrap = REWRAPS[b[at + 7]!];
  const usage = u32(b, at + 8);
  const flags = u32(b, at + 12);
  const origin = ORIGINS[b[at + ORIGIN_AT]!];
  const high = u32(b, at + CREATED_AT);
  const checkLength = b[at + CHECK_AT]!;
  const known =
    b[at] === 2 &&
    (curve !== undefined || b[at + 3] === 0) &&
    usage >>> USAGES.length === 0 &&
    flags >>> FLAGS.length === 0 &&
    high < 2 ** 21;
  if (!known || type === undefined || keyClass === undefined || extractable === undefined || rewrap === undefined)
    return undefined;
  if (origin === undefined) return undefined;
  if (pointLength !== (curve === undefined ? 0 : CURVE[curve].pointSize)) return undefined;
  if (!zero(b, at + DATES_AT, at + CREATED_AT) || !zero(b, at + RESERVED_AT, at + RESERVED_AT + 7)) return undefined;
  if (checkLength !== (type === 'AES' ? 3 : 0) || (checkLength === 0 && u32(b, at + CHECK_AT) !== 0)) return undefined;
  return {
    type,
    class: keyClass,
    curve: curve ?? null,
    bits: (b[at + 4]! << 8) | b[at + 5]!,
    extractable,
    rewrap,
    usage: usagesOf(usage),
    neverExtractable: (flags & NEVER_EXTRACTABLE) !== 0,
    origin,
    trusted: (flags & TRUSTED) !== 0,
    wrapWithTrusted: (flags & WRAP_WITH_TRUSTED) !== 0,
    destroyable: (flags & DESTROYABLE) !== 0,
    dualUse: (flags & DUAL_USE) !== 0,
    callerIv: (flags & CALLER_IV) !== 0,
    persistent: (flags & PERSISTENT) !== 0,
    notBefore: 0,
    notAfter: 0,
    maxUses: 0,
    createdAt: high * 2 ** 32 + u32(b, at + CREATED_AT + 4),
    checkValue: checkLength === 0 ? '' : checkHex(b, at + CHECK_AT + 1),
    version: u32(b, at + VERSION_AT),
    point: curve === undefined ? null : b.subarray(at + POINT_AT, at + POINT_AT + pointLength),
    label: null,
    unwrapTemplate: null,
    deriveTemplate: null,
    issuer: null,
  };
}

function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}

function zero(b: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (b[at] !== 0) return false;
  return true;
}

function holds(b: Uint8Array, at: number, bytes: readonly number[]): boolean {
  for (let i = 0; i < bytes.length; i++) if (b[at + i] !== bytes[i]) return false;
  return true;
}

/** The owner of one key mostly is the next one's, too. */
const lastOwner = new Uint8Array(ID_SIZE);
let lastOwnerHex = '0'.repeat(2 * ID_SIZE);
function ownerOf(record: Uint8Array): string {
  for (let i = 0; i < ID_SIZE; i++) {
    if (record[RECORD_OWNER_OFFSET + i] === lastOwner[i]) continue;
    lastOwner.set(record.subarray(RECORD_OWNER_OFFSET, RECORD_OWNER_OFFSET + ID_SIZE));
    lastOwnerHex = hexOf(record, RECORD_OWNER_OFFSET);
    break;
  }
  return lastOwnerHex;
}

/** The ASCII of a byte's two digits. */
const HEX = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const high = (byte: number | undefined): number => HEX[byte! >>> 4]!;
const low = (byte: number | undefined): number => HEX[byte! & 15]!;

/** An id in hex: one call with all its characters is half of what `Buffer` takes for sixteen bytes. */
// biome-ignore format: a table
const hexOf = (b: Uint8Array, at: number): string =>
  String.fromCharCode(
    high(b[at]), low(b[at]), high(b[at + 1]), low(b[at + 1]), high(b[at + 2]), low(b[at + 2]), high(b[at + 3]), low(b[at + 3]),
    high(b[at + 4]), low(b[at + 4]), high(b[at + 5]), low(b[at + 5]), high(b[at + 6]), low(b[at + 6]), high(b[at + 7]), low(b[at + 7]),
    high(b[at + 8]), low(b[at + 8]), high(b[at + 9]), low(b[at + 9]), high(b[at + 10]), low(b[at + 10]), high(b[at + 11]), low(b[at + 11]),
    high(b[at + 12]), low(b[at + 12]), high(b[at + 13]), low(b[at + 13]), high(b[at + 14]), low(b[at + 14]), high(b[at + 15]), low(b[at + 15]),
  );

const checkHex = (b: Uint8Array, at: number): string =>
  String.fromCharCode(high(b[at]), low(b[at]), high(b[at + 1]), low(b[at + 1]), high(b[at + 2]), low(b[at + 2]));
