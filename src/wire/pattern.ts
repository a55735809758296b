/**
 * Patterns, issuers and templates in canonical binary form, docs/formats.md §2.1: one pattern has one encoding, which also
 * goes into the purpose of what is derived (§10).
 */
import { CURVE } from '../model/algorithms.ts';
import {
  CURVES,
  EXTRACTABLES,
  type Issuer,
  type Pattern,
  REWRAPS,
  type Rewrap,
  type Template,
  TYPES,
  USAGES,
} from '../model/attributes.ts';
import { CONTENT_KEY, isSame, NESTING_MAX } from '../model/pattern.ts';
import { FieldReader, FieldWriter, FormatError } from './fields.ts';

const FIXED_SIZE = 1 + 2 + 1 + 4 + 1 + 1 + 8;
const ISSUER_FIXED_SIZE = 1 + 16 + 4 + 1;
const [CALLER_IV, WRAP_WITH_TRUSTED] = [1, 2];
/** What stands before a template. */
const [NO_TEMPLATE, PATTERN, ANY] = [0, 1, 2];

export const bitsOf = <T>(all: readonly T[], chosen: readonly T[]): number =>
  chosen.reduce((mask, one) => mask | (1 << all.indexOf(one)), 0);

export function chosenOf<T>(all: readonly T[], mask: number): T[] {
  if (mask >>> all.length !== 0) throw new FormatError('an unknown bit is set');
  return all.filter((_, i) => (mask >>> i) & 1);
}

export function oneOf<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new FormatError('an unknown value');
  return found;
}

const issuerSize = (issuer: Issuer | null): number => (issuer === null ? 0 : ISSUER_FIXED_SIZE + issuer.point.length);
export const templateSize = (template: Template | null): number =>
  1 + (template === null || template === 'any' ? 0 : patternSize(template));
export const rewrapSize = ({ issuer }: Rewrap): number => 1 + issuerSize(issuer);
const patternSize = (p: Pattern): number =>
  FIXED_SIZE + rewrapSize(p) + templateSize(p.unwrapTemplate) + templateSize(p.deriveTemplate);

export function writeTemplate(writer: FieldWriter, template: Template | null): void {
  if (template === null || template === 'any') writer.u8(template === null ? NO_TEMPLATE : ANY);
  else writePattern(writer.u8(PATTERN), template);
}

function writePattern(writer: FieldWriter, p: Pattern): void {
  writer
    .u8(TYPES.indexOf(p.type) + 1)
    .u16(p.bits ?? 0)
    .u8(p.curve === null ? 0 : CURVES.indexOf(p.curve) + 1)
    .u32(bitsOf(USAGES, p.usage))
    .u8((p.callerIv ? CALLER_IV : 0) | (p.wrapWithTrusted ? WRAP_WITH_TRUSTED : 0))
    .u8(EXTRACTABLES.indexOf(p.extractable))
    .u64(p.notAfter);
  writeRewrap(writer, p);
  writeTemplate(writer, p.unwrapTemplate);
  writeTemplate(writer, p.deriveTemplate);
}

export function writeRewrap(writer: FieldWriter, { rewrap, issuer }: Rewrap): void {
  writer.u8(REWRAPS.indexOf(rewrap));
  if (issuer === null) return;
  writer
    .u8(issuer.point.length)
    .raw(issuer.point)
    .id(issuer.id)
    .u32(issuer.proofMaxAge)
    .u8(issuer.blobs ? 1 : 0);
}

export function encodeTemplate(template: Template): Uint8Array<ArrayBuffer> {
  const writer = new FieldWriter(templateSize(template));
  writeTemplate(writer, template);
  return writer.bytes;
}

/** Throws FormatError. */
export function decodeTemplate(bytes: Uint8Array): Template {
  const reader = new FieldReader(bytes);
  const template = readTemplate(reader, 0);
  reader.end();
  if (template === null) throw new FormatError('a template is empty');
  return template;
}

function readTemplate(reader: FieldReader, deep: number): Template | null {
  const kind = reader.u8();
  if (kind === NO_TEMPLATE) return null;
  if (kind === ANY) return 'any';
  if (kind !== PATTERN) throw new FormatError('an unknown value');
  // The deepest pattern that wraps has the default below it.
  if (deep > NESTING_MAX) throw new FormatError('templates are nested too deep');
  const pattern = readPattern(reader, deep + 1);
  return isSame(pattern, CONTENT_KEY) ? CONTENT_KEY : pattern;
}

function readPattern(reader: FieldReader, deep: number): Pattern {
  const type = oneOf(TYPES, reader.u8() - 1);
  const bits = reader.u16();
  const curve = reader.u8();
  const usage = chosenOf(USAGES, reader.u32());
  const flags = reader.u8();
  if (flags > (CALLER_IV | WRAP_WITH_TRUSTED)) throw new FormatError('an unknown bit is set');
  return {
    type,
    bits: bits === 0 ? null : bits,
    curve: curve === 0 ? null : oneOf(CURVES, curve - 1),
    usage,
    callerIv: (flags & CALLER_IV) !== 0,
    wrapWithTrusted: (flags & WRAP_WITH_TRUSTED) !== 0,
    extractable: oneOf(EXTRACTABLES, reader.u8()),
    notAfter: reader.u64(),
    ...readRewrap(reader),
    unwrapTemplate: readTemplate(reader, deep),
    deriveTemplate: readTemplate(reader, deep),
  };
}

function readRewrap(reader: FieldReader): Rewrap {
  const rewrap = oneOf(REWRAPS, reader.u8());
  return { rewrap, issuer: rewrap === 'issuer' ? readIssuer(reader) : null };
}

function readIssuer(reader: FieldReader): Issuer {
  const length = reader.u8();
  // P-256 or P-384, which their lengths tell apart.
  if (length !== CURVE['P-256'].pointSize && length !== CURVE['P-384'].pointSize) {
    throw new FormatError("an issuer's point has the wrong length");
  }
  const point = reader.copy(length);
  const id = reader.id();
  const proofMaxAge = reader.u32();
  return { point, id, proofMaxAge, blobs: oneOf([false, true], reader.u8()) };
}

export function encodeIssuer(issuer: Issuer): Uint8Array<ArrayBuffer> {
  const writer = new FieldWriter(rewrapSize({ rewrap: 'issuer', issuer }));
  writeRewrap(writer, { rewrap: 'issuer', issuer });
  return writer.bytes;
}

/** Throws FormatError. */
export function decodeIssuer(bytes: Uint8Array): Issuer {
  const reader = new FieldReader(bytes);
  const { issuer } = readRewrap(reader);
  reader.end();
  if (issuer === null) throw new FormatError('an issuer is missing');
  return issuer;
}
