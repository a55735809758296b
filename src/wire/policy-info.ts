/** What people see of a key's policy: on its handle, in the command line, in the log's entry of a mark of trust. */
import { CURVE } from '../model/algorithms.ts';
import type { Issuer, Pattern, Template } from '../model/attributes.ts';
import type { IssuerInfo, PatternInfo } from '../model/key.ts';
import { thumbprint } from './encodings.ts';

type PolicyInfo = Pick<PatternInfo, 'rewrapPolicy' | 'issuer' | 'unwrapTemplate' | 'deriveTemplate'>;

/** Members that a pattern does not have are undefined, and so no part of its JSON. */
export const policyInfo = (
  pattern: Pick<Pattern, 'rewrap' | 'issuer' | 'unwrapTemplate' | 'deriveTemplate'>,
): PolicyInfo => ({
  rewrapPolicy: pattern.rewrap,
  issuer: issuerInfo(pattern.issuer),
  unwrapTemplate: templateInfo(pattern.unwrapTemplate),
  deriveTemplate: templateInfo(pattern.deriveTemplate),
});

export function issuerInfo(issuer: Issuer | null): IssuerInfo | undefined {
  if (issuer === null) return undefined;
  const { id, point, proofMaxAge, blobs } = issuer;
  const curve = point.length === CURVE['P-256'].pointSize ? 'P-256' : 'P-384';
  return Object.freeze({ id, kid: thumbprint(curve, point), proofMaxAge, blobs: blobs ? 'required' : undefined });
}

export function templateInfo(template: Template | null): PatternInfo | 'any' | undefined {
  if (template === null || template === 'any') return template ?? undefined;
  return Object.freeze({
    type: template.type,
    bits: template.bits ?? undefined,
    curve: template.curve ?? undefined,
    usage: Object.freeze([...template.usage]),
    callerIv: template.callerIv,
    extractable: template.extractable,
    wrapWithTrusted: template.wrapWithTrusted,
    notAfter: template.notAfter === 0 ? undefined : new Date(template.notAfter),
    ...policyInfo(template),
  });
}
