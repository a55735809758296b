/** A caller's template as the attributes that he asks for; the cell decides what becomes of them. */
import { HsmError } from '../errors.ts';
import { CURVE, isCurve } from '../model/algorithms.ts';
import { type KeyAttributes, TYPES, type UnwrapLimit, USAGES } from '../model/attributes.ts';
import type { KeyClass, KeyTemplate, UnwrapTemplate, Usage } from '../model/key.ts';
import { encodeAttributes } from '../wire/attributes.ts';
import { FormatError, fromHex, ID_SIZE, ZERO_ID } from '../wire/fields.ts';
import { NOTHING } from './inputs.ts';

const invalid = (detail: string) => new HsmError('KEYCELL_INPUT_INVALID', detail);

/** What a template asks for, and the same as a request carries it; both are shared, and not to be changed. */
export interface Wanted {
  readonly attributes: KeyAttributes;
  readonly bytes: Uint8Array;
}

/** A template as it was when it was read: a getter, too, says a thing once. */
type Read = KeyTemplate & { readonly class?: KeyClass } & Readonly<Record<string, unknown>>;

function read(template: Read): Read {
  const { type, curve, bits, label, extractable, wrapWithTrusted, destroyable, dualUse, callerIv, persistent } =
    template;
  const { usage, rewrapPolicy, unwrapTemplate, notBefore, notAfter, maxUses } = template;
  return {
    ...{
      type,
      class: template.class,
      curve,
      bits,
      label,
      extractable,
      wrapWithTrusted,
      destroyable,
      dualUse,
      callerIv,
    },
    ...{ persistent, rewrapPolicy, unwrapTemplate, notBefore, notAfter, maxUses },
    usage: Array.isArray(usage) ? [...usage] : usage,
  } as Read;
}

/** Nothing in it can change but by being another value. */
const isPlain = (a: Read): boolean =>
  [a.rewrapPolicy, a.unwrapTemplate, a.notBefore, a.notAfter].every((member) => typeof member !== 'object');

const alike = (a: Read, b: Read): boolean =>
  a.type === b.type &&
  a.class === b.class &&
  a.curve === b.curve &&
  a.bits === b.bits &&
  a.label === b.label &&
  a.extractable === b.extractable &&
  a.wrapWithTrusted === b.wrapWithTrusted &&
  a.destroyable === b.destroyable &&
  a.dualUse === b.dualUse &&
  a.callerIv === b.callerIv &&
  a.persistent === b.persistent &&
  a.rewrapPolicy === b.rewrapPolicy &&
  a.unwrapTemplate === b.unwrapTemplate &&
  a.notBefore === b.notBefore &&
  a.notAfter === b.notAfter &&
  a.maxUses === b.maxUses &&
  sameList(a.usage, b.usage);

function sameList(a: unknown, b: readonly unknown[]): boolean {
  if (!Array.isArray(a) || a.length !== b.length) return false;
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

interface Last extends Wanted {
  readonly template: Read;
  readonly persistent: boolean;
}
/** Who makes many keys makes them alike, and most of what that costs here is in reading what he asks for. */
let last: Last | undefined;

/** `persistent` where the template does not say. Throws INPUT_INVALID. */
export function wantedOf(template: KeyTemplate, persistent: boolean): Wanted {
  if (typeof template !== 'object' || template === null) throw invalid('a template is an object');
  if (last !== undefined && last.persistent === persistent && alike(template as Read, last.template)) return last;
  const own = read(template as Read);
  const attributes = attributesOf(own, persistent, 0);
  const wanted = { attributes, bytes: encoded(attributes) };
  if (isPlain(own)) last = { ...wanted, template: own, persistent };
  return wanted;
}

/** Attributes as a request carries them. Throws INPUT_INVALID. */
export function encoded(attributes: KeyAttributes): Uint8Array {
  try {
    return encodeAttributes(attributes);
  } catch (error) {
    throw invalid(error instanceof FormatError ? error.message : 'the template has a member of the wrong type');
  }
}

/** `persistent` where the template does not say. Throws INPUT_INVALID. */
export function attributesOf(
  template: KeyTemplate & { readonly class?: KeyClass },
  persistent: boolean,
  now: number,
): KeyAttributes {
  if (typeof template !== 'object' || template === null) throw invalid('a template is an object');
  const { type, usage, label } = template;
  if (!TYPES.includes(type)) throw invalid(`type is ${TYPES.join(', ')}`);
  if (label !== undefined && typeof label !== 'string') throw invalid('a label is a string');
  const aes = type === 'AES' ? template : undefined;
  const policy = aes?.rewrapPolicy ?? 'trusted';
  if (typeof policy !== 'string' && typeof policy.issuer?.id !== 'string')
    throw invalid('an issuer is a key or its id');
  return {
    // What the cell says, whatever is asked.
    neverExtractable: false,
    local: false,
    trusted: false,
    type,
    class: type === 'EC' ? (template.class ?? 'private') : 'secret',
    curve: type === 'EC' ? template.curve : null,
    bits: type === 'EC' ? bitsOf(template.curve) : integer(template.bits, 'bits'),
    extractable: template.extractable ?? false,
    rewrap: typeof policy === 'string' ? policy : 'issuer',
    usage: usages(usage),
    wrapWithTrusted: template.wrapWithTrusted ?? false,
    destroyable: template.destroyable ?? true,
    dualUse: template.dualUse ?? false,
    callerIv: aes?.callerIv ?? false,
    persistent: template.persistent ?? persistent,
    notBefore: time(template.notBefore),
    notAfter: time(template.notAfter),
    maxUses: integer(template.maxUses ?? 0, 'maxUses'),
    createdAt: now,
    checkValue: new Uint8Array(0),
    version: 1,
    point: null,
    label: label ?? null,
    unwrapLimit: aes?.unwrapTemplate === undefined ? null : limitOf(aes.unwrapTemplate),
    // The cell fills in the issuer's public key from his record.
    issuer: typeof policy === 'string' ? null : { id: policy.issuer.id, point: new Uint8Array(65) },
  };
}

function bitsOf(curve: unknown): number {
  if (!isCurve(curve)) throw invalid(`curve is ${Object.keys(CURVE).join(', ')}`);
  return CURVE[curve].bits;
}

/** In the order of the record, so that equal sets compare equal. */
function usages(list: readonly Usage[]): readonly Usage[] {
  if (!Array.isArray(list) || list.some((each) => !USAGES.includes(each))) throw invalid('usage is a list of usages');
  return USAGES.filter((each) => list.includes(each));
}

function limitOf(template: UnwrapTemplate): UnwrapLimit {
  if (typeof template !== 'object' || template === null) throw invalid('an unwrapTemplate is an object');
  return {
    type: template.type ?? null,
    bits: template.bits ?? null,
    usage: template.usage === undefined ? null : usages(template.usage),
    extractable: template.extractable ?? 'wrapped',
  };
}

function integer(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > 65535) {
    throw invalid(`${name} is a whole number`);
  }
  return value;
}

function time(value: number | Date | undefined): number {
  if (value === undefined) return 0;
  const ms = value instanceof Date ? value.getTime() : value;
  if (!Number.isSafeInteger(ms) || ms < 0) throw invalid('a time is a Date or milliseconds since 1970');
  return ms;
}

/** The id that a template asks for, as the cell takes it: 16 bytes, or nothing. */
export function idOf(template: { readonly id?: string }): Uint8Array {
  if (template.id === undefined) return NOTHING;
  if (typeof template.id !== 'string' || !/^[0-9a-f]{32}$/.test(template.id) || template.id === ZERO_ID) {
    throw invalid('an id is 32 hex digits, not all zero');
  }
  return fromHex(template.id, ID_SIZE);
}

/** Does a key that exists have the attributes that are asked for? What a caller cannot choose is not compared. */
export function sameAttributes(existing: KeyAttributes, wanted: KeyAttributes): boolean {
  const comparable = (a: KeyAttributes) =>
    JSON.stringify([
      [a.type, a.class, a.curve, a.bits, a.extractable, a.rewrap, a.usage, a.wrapWithTrusted, a.destroyable],
      [a.dualUse, a.callerIv, a.persistent, a.notBefore, a.notAfter, a.maxUses, a.label, a.issuer?.id],
      a.unwrapLimit,
    ]);
  return comparable(existing) === comparable(wanted);
}
