/** A caller's template as the attributes that he asks for; the cell decides what becomes of them. */
import { REASONS } from '../errors.ts';
import { CURVE, isCurve } from '../model/algorithms.ts';
import {
  DEFAULT_USAGE,
  EXTRACTABLES,
  type Issuer,
  type KeyAttributes,
  type Pattern,
  PROOF_MAX_AGE,
  type Rewrap,
  type Template,
  TYPES,
  USAGES,
} from '../model/attributes.ts';
import type {
  Extractable,
  Key,
  KeyClass,
  KeyPattern,
  KeyTemplate,
  KeyType,
  PartialTemplate,
  RewrapPolicy,
  Usage,
} from '../model/key.ts';
import { KEY_BITS_MAX } from '../model/limits.ts';
import { CONTENT_KEY, derives, NESTING_MAX, wraps } from '../model/pattern.ts';
import { isDate, timeOf } from '../model/values.ts';
import { encodeAttributes } from '../wire/attributes.ts';
import { FormatError, fromHex, ID_SIZE, ZERO_ID } from '../wire/fields.ts';
import { encodeTemplate } from '../wire/pattern.ts';
import { flag, invalid, labelOf, listOf, whole } from './inputs.ts';
import { bag, MEMBERS, templateBag } from './members.ts';

/** What a template asks for, and the same as a request carries it; both are shared, and not to be changed. */
export interface Wanted {
  readonly attributes: KeyAttributes;
  readonly bytes: Uint8Array;
  /** The issuer of proofs that the template names. */
  readonly issuer: Key | { readonly id: string } | undefined;
}

/** What a key may be at most that comes of another: members that a template leaves out are taken from here. */
export interface Above {
  readonly template: Template | null;
  /** Whether `extractable`, too, comes from there. */
  readonly unwrapping: boolean;
}

/** A template as it was when it was read: a getter, too, says a thing once. */
type Read = PartialTemplate & { readonly class?: KeyClass } & Readonly<Record<string, unknown>>;

function read(template: Read): Read {
  const { type, curve, bits, label, extractable, wrapWithTrusted, destroyable, dualUse, callerIv, persistent } =
    template;
  const { usage, rewrapPolicy, unwrapTemplate, deriveTemplate, notBefore, notAfter, maxUses } = template;
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
    ...{ persistent, rewrapPolicy, unwrapTemplate, deriveTemplate, notBefore, notAfter, maxUses },
    usage: Array.isArray(usage) ? listOf(usage, 'usages', USAGES_MAX) : usage,
  } as Read;
}

/** Of one list: some may be in it twice. */
const USAGES_MAX = 64;

/** Nothing in it can change but by being another value. */
const isPlain = (a: Read): boolean =>
  [a.rewrapPolicy, a.unwrapTemplate, a.deriveTemplate, a.notBefore, a.notAfter].every(
    (member) => typeof member !== 'object',
  );

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
  a.deriveTemplate === b.deriveTemplate &&
  a.notBefore === b.notBefore &&
  a.notAfter === b.notAfter &&
  a.maxUses === b.maxUses &&
  sameList(a.usage, b.usage);

function sameList(a: unknown, b: readonly unknown[] | undefined): boolean {
  if (b === undefined || a === undefined) return a === b;
  if (!Array.isArray(a) || a.length !== b.length) return false;
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

interface Last extends Wanted {
  readonly template: Read;
  readonly persistent: boolean;
  readonly most: Template | null;
  readonly unwrapping: boolean;
  readonly end: number;
}
/** Who makes many keys makes similar ones, and most of what that costs here is in reading what is asked for. */
let last: Last | undefined;

const NONE_ABOVE: Above = { template: null, unwrapping: false };

/** `persistent` where the template does not say. Throws INPUT_INVALID. */
export function wantedOf(
  template: KeyTemplate | PartialTemplate,
  persistent: boolean,
  { template: most, unwrapping }: Above = NONE_ABOVE,
): Wanted {
  templateBag(template);
  const known = last !== undefined && last.persistent === persistent && last.most === most;
  const now = Date.now();
  if (known && last!.unwrapping === unwrapping && last!.end > now && alike(template as Read, last!.template)) {
    return last!;
  }
  const own = read(template as Read);
  // Here, where a key is made: one that has another label from before is still found by it.
  if (own.label !== undefined) labelOf(own.label);
  const attributes = attributesOf(own, persistent, now, { template: most, unwrapping });
  const wanted = { attributes, bytes: encoded(attributes), issuer: issuerNamed(own as AnyPattern) };
  // The end that the template names, if any: a pattern's is in an object, and so in none that is kept.
  const end = own.notAfter === undefined ? Number.POSITIVE_INFINITY : attributes.notAfter;
  if (isPlain(own)) last = { ...wanted, template: own, persistent, most, unwrapping, end };
  return wanted;
}

/** The issuer that a template or its patterns name: one for all. Throws INPUT_INVALID. */
function issuerNamed({ rewrapPolicy, unwrapTemplate, deriveTemplate }: AnyPattern): Wanted['issuer'] {
  const below = [unwrapTemplate, deriveTemplate].map((each) =>
    typeof each === 'object' ? issuerNamed(each) : undefined,
  );
  const own = typeof rewrapPolicy === 'object' ? rewrapPolicy.issuer : undefined;
  const [first, ...more] = [own, ...below].filter((each) => each !== undefined);
  if (more.some(({ id }) => id !== first?.id)) {
    throw invalid('a template names one issuer of proofs, the same for all its patterns');
  }
  return first;
}

/** Attributes as a request carries them. Throws INPUT_INVALID. */
export function encoded(attributes: KeyAttributes): Uint8Array {
  try {
    return encodeAttributes(attributes);
  } catch (error) {
    throw invalid(error instanceof FormatError ? error.message : 'the template has a member of the wrong type');
  }
}

/**
 * `persistent` where the template does not say. Ends that are not after `now` are over: by the wall clock, of which the cells'
 * own may be ahead; then it is they that refuse the key. For one that exists already, 0. Throws INPUT_INVALID.
 */
export function attributesOf(
  template: (KeyTemplate | PartialTemplate) & { readonly class?: KeyClass },
  persistent: boolean,
  now: number,
  above: Above = NONE_ABOVE,
): KeyAttributes {
  if (typeof template !== 'object' || template === null) throw invalid('a template is an object');
  const { label } = template;
  // Nothing of it is meant for a key of another type, which the cell refuses.
  const most = above.template === 'any' || isOtherType(template, above.template) ? null : above.template;
  const type = template.type ?? most?.type;
  if (type === undefined || !TYPES.includes(type)) throw invalid(`type is ${TYPES.join(', ')}`);
  if (label !== undefined && typeof label !== 'string') throw invalid('a label is a string');
  const { curve, bits } = template as { readonly curve?: unknown; readonly bits?: unknown };
  const pattern = patternOf({ ...template, type }, most, above.unwrapping ? most?.extractable : false, now);
  return {
    ...pattern,
    curve: type === 'EC' ? curveOf(curve ?? most?.curve) : null,
    bits: type === 'EC' ? CURVE[curveOf(curve ?? most?.curve)].bits : bitsOf(bits ?? most?.bits, type),
    usage: usages(template.usage ?? most?.usage),
    // What the cell says, whatever is asked.
    neverExtractable: false,
    origin: 'imported',
    trusted: false,
    class: type === 'EC' ? (template.class ?? 'private') : 'secret',
    destroyable: flag(template.destroyable, 'destroyable', true),
    dualUse: flag(template.dualUse, 'dualUse', false),
    persistent: flag(template.persistent, 'persistent', persistent),
    notBefore: time(template.notBefore, 'notBefore', now),
    maxUses: integer(template.maxUses ?? 0, 'maxUses', USES_MAX),
    createdAt: 0,
    checkValue: new Uint8Array(0),
    version: 1,
    point: null,
    label: label ?? null,
  };
}

const isOtherType = ({ type }: { readonly type?: KeyType }, most: Pattern | null): boolean =>
  type !== undefined && type !== most?.type;

type AnyPattern = Omit<KeyPattern, 'unwrapTemplate' | 'deriveTemplate'> & {
  readonly unwrapTemplate?: KeyPattern | 'any';
  readonly deriveTemplate?: KeyPattern | 'any';
};

/** The members that keys and patterns have in common, in canonical form; what `most` says where `pattern` says nothing. */
function patternOf(
  pattern: AnyPattern,
  most: Pattern | null,
  extractable: Extractable | undefined,
  now: number,
  deep = 0,
): Pattern {
  const type = pattern.type ?? most?.type ?? 'AES';
  if (!TYPES.includes(type)) throw invalid(`type is ${TYPES.join(', ')}`);
  const used = { type, usage: usages(pattern.usage ?? most?.usage ?? DEFAULT_USAGE[type]) };
  const { bits, curve, unwrapTemplate, deriveTemplate } = pattern;
  return {
    ...used,
    bits: bits === undefined ? null : bitsOf(bits, type),
    curve: curve === undefined ? null : curveOf(curve),
    callerIv: flag(pattern.callerIv, 'callerIv', most?.callerIv ?? false),
    extractable: extractableOf(pattern.extractable ?? extractable ?? false),
    wrapWithTrusted: flag(pattern.wrapWithTrusted, 'wrapWithTrusted', most?.wrapWithTrusted ?? false),
    notAfter: pattern.notAfter === undefined ? (most?.notAfter ?? 0) : time(pattern.notAfter, 'notAfter', now),
    ...rewrapOf(pattern.rewrapPolicy, type === 'AES' ? most : null),
    unwrapTemplate:
      unwrapTemplate !== undefined
        ? templateOf(unwrapTemplate, 'wrapped', now, deep)
        : wraps(used)
          ? (most?.unwrapTemplate ?? CONTENT_KEY)
          : null,
    deriveTemplate:
      deriveTemplate !== undefined
        ? templateOf(deriveTemplate, false, now, deep)
        : derives(used)
          ? (most?.deriveTemplate ?? null)
          : null,
  };
}

/** A template below a key; `extractable` where it does not say. What is not known would not bind anything: it is refused. */
function templateOf(template: KeyPattern | 'any', extractable: Extractable, now: number, deep: number): Template {
  if (template === 'any') return 'any';
  // The deepest that the cell takes has the default below it; one that holds itself would have no end.
  if (deep > NESTING_MAX) throw invalid(REASONS.nesting[1]);
  if (typeof template !== 'object' || template === null) throw invalid("a template of a key is an object, or 'any'");
  bag(template, MEMBERS.pattern, 'an unwrapTemplate or deriveTemplate');
  return patternOf(template, null, extractable, now, deep + 1);
}

/** The cell fills in the issuer's public key from its record. */
const POINT_TO_COME = new Uint8Array(65);

function rewrapOf(policy: RewrapPolicy | undefined, most: Rewrap | null): Rewrap {
  if (policy === undefined) return { rewrap: most?.rewrap ?? 'trusted', issuer: most?.issuer ?? null };
  if (policy === 'trusted' || policy === 'any') return { rewrap: policy, issuer: null };
  if (typeof policy !== 'object' || policy === null) throw invalid("rewrapPolicy is 'trusted', 'any' or { issuer }");
  const { issuer, proofMaxAge = PROOF_MAX_AGE.default, blobs } = bag(policy, MEMBERS.rewrapPolicy, 'a rewrapPolicy');
  if (typeof issuer?.id !== 'string') throw invalid('an issuer is a key or its id');
  const { least, most: longest } = PROOF_MAX_AGE;
  whole(proofMaxAge, 'proofMaxAge, in seconds,', least, longest);
  if (blobs !== undefined && blobs !== 'required') throw invalid("blobs is 'required', or left out");
  return {
    rewrap: 'issuer',
    issuer: { id: issuer.id, point: POINT_TO_COME, proofMaxAge, blobs: blobs === 'required' } satisfies Issuer,
  };
}

function extractableOf(value: Extractable): Extractable {
  if (!EXTRACTABLES.includes(value)) throw invalid("extractable is false, 'wrapped' or 'plaintext'");
  return value;
}

function curveOf(curve: unknown) {
  if (!isCurve(curve)) throw invalid(`curve is ${Object.keys(CURVE).join(', ')}`);
  return curve;
}

/** In the order of the record, so that equal sets compare equal. */
function usages(list: readonly Usage[] | undefined): readonly Usage[] {
  if (!Array.isArray(list)) throw invalid('usage is a list of usages');
  const own = listOf<Usage>(list, 'usages', USAGES_MAX);
  if (!own.every((each) => USAGES.includes(each))) throw invalid(`a usage is one of ${USAGES.join(', ')}`);
  return USAGES.filter((each) => own.includes(each));
}

const AES_BITS_MAX = 256;
/** As the record has room for. */
const USES_MAX = 65535;

const bitsOf = (value: unknown, type: KeyType): number =>
  integer(value, 'bits', type === 'AES' ? AES_BITS_MAX : KEY_BITS_MAX);

function integer(value: unknown, name: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw invalid(`${name} is a whole number of at most ${max}`);
  }
  return value;
}

/** Seconds since 1970, of any time from 2001 to 2286. As milliseconds they are all in the first months of 1970. */
const SECONDS = { least: 1e9, most: 1e10 } as const;

function time(value: number | Date | undefined, name: 'notBefore' | 'notAfter', now: number): number {
  if (value === undefined) return 0;
  const ms = isDate(value) ? timeOf(value) : value;
  if (!Number.isSafeInteger(ms) || ms < 0) throw invalid(`${name} is a Date or milliseconds since 1970`);
  if (ms >= SECONDS.least && ms < SECONDS.most) throw invalid(`${name} is in milliseconds: this looks like seconds`);
  // What has no end has a zero there.
  if (ms <= now && name === 'notAfter')
    throw invalid('notAfter is over already: leave it out for a key without an end');
  return ms;
}

/** The id that a template asks for, as the cell takes it: 16 bytes. */
export function idOf(id: string): Uint8Array {
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id) || id === ZERO_ID) {
    throw invalid('an id is 32 hex digits, not all zero');
  }
  return fromHex(id, ID_SIZE);
}

/** Does a key that exists have the attributes that are asked for? What a caller cannot choose is not compared. */
export function sameAttributes(existing: KeyAttributes, wanted: KeyAttributes): boolean {
  const comparable = (a: KeyAttributes) =>
    JSON.stringify([
      [a.type, a.class, a.curve, a.bits, a.extractable, a.rewrap, a.usage, a.wrapWithTrusted, a.destroyable],
      [a.dualUse, a.callerIv, a.persistent, a.notBefore, a.notAfter, a.maxUses, a.label],
      issuersById(a),
    ]);
  return comparable(existing) === comparable(wanted);
}

/** The members about other keys as text, each issuer by its id: its point is the cell's to know. */
function issuersById({ issuer, unwrapTemplate, deriveTemplate }: Pattern): unknown {
  const below = (template: Template | null): unknown =>
    template === null || template === 'any'
      ? template
      : [issuersById(template), ...Array.from(encodeTemplate({ ...template, ...NO_BELOW }))];
  return [issuer && [issuer.id, issuer.proofMaxAge, issuer.blobs], below(unwrapTemplate), below(deriveTemplate)];
}
const NO_BELOW = { rewrap: 'trusted', issuer: null, unwrapTemplate: null, deriveTemplate: null } as const;
