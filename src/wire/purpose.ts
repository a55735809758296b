/**
 * The purpose of a derived key, docs/formats.md §10: what it is for, as bytes that go into its derivation. Two keys that are
 * for different purposes come out different, whatever the base and the input. All of it is public.
 */
import { hash } from 'node:crypto';
import { EXTRACTABLES, type KeyAttributes, TYPES, USAGES } from '../model/attributes.ts';
import type { Usage } from '../model/key.ts';
import { mapIssuers } from '../model/pattern.ts';
import { FieldWriter, ZERO_ID } from './fields.ts';
import { bitsOf, rewrapSize, templateSize, writeRewrap, writeTemplate } from './pattern.ts';

const LABEL = 'keycell/v1/purpose';
/** Usages that go together: two halves of one purpose, which may be on two keys of one secret. */
const GROUPS: readonly (readonly Usage[])[] = [
  [],
  ['encrypt', 'decrypt'],
  ['sign', 'verify'],
  ['wrap', 'unwrap'],
  ['derive'],
];
const SEVERAL = 0xff;
const [CALLER_IV, WRAP_WITH_TRUSTED, DUAL_USE] = [1, 2, 4];
const FIXED_SIZE = LABEL.length + 1 + 1 + 2 + 1 + 1 + 1 + 4;

/**
 * SHA-256(label ‖ 00 ‖ type ‖ bits (2) ‖ group ‖ extractable ‖ flags ‖ usage (4; zero unless of several groups) ‖ re-wrap
 * policy with its issuer ‖ unwrapTemplate ‖ deriveTemplate). Dates, label, id, owner and persistence are no part of it, nor
 * is an issuer's id: the same public key, imported again, is the same issuer.
 */
export function purposeOf(named: KeyAttributes): Uint8Array {
  const key = mapIssuers(named, (issuer) => ({ ...issuer, id: ZERO_ID }));
  const found = GROUPS.findIndex((group) => key.usage.every((usage) => group.includes(usage)));
  const group = found === -1 ? SEVERAL : found;
  const size = FIXED_SIZE + rewrapSize(key) + templateSize(key.unwrapTemplate) + templateSize(key.deriveTemplate);
  const writer = new FieldWriter(size);
  for (const char of LABEL) writer.u8(char.charCodeAt(0));
  writer
    .u8(0)
    .u8(TYPES.indexOf(key.type) + 1)
    .u16(key.bits)
    .u8(group)
    .u8(EXTRACTABLES.indexOf(key.extractable))
    .u8((key.callerIv ? CALLER_IV : 0) | (key.wrapWithTrusted ? WRAP_WITH_TRUSTED : 0) | (key.dualUse ? DUAL_USE : 0))
    .u32(group === SEVERAL ? bitsOf(USAGES, key.usage) : 0);
  writeRewrap(writer, key);
  writeTemplate(writer, key.unwrapTemplate);
  writeTemplate(writer, key.deriveTemplate);
  return new Uint8Array(Buffer.from(hash('sha256', writer.bytes, 'hex'), 'hex'));
}
