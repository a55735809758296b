/**
 * The proof of rewrapKeys: a compact JWS (RFC 7515) by ES256 or ES384, as the issuer's curve says, whose `cnf.jkt` (RFC 7800, RFC 9449 §6.1) is the recipient's
 * thumbprint and whose `exp` has not passed. It is public; what matters is that it is checked here, beside the key.
 */
import { Refusal } from '../../errors.ts';
import { CURVE, HASH } from '../../model/algorithms.ts';
import type { Curve } from '../../model/key.ts';
import type { Span } from '../../wire/batch.ts';
import type { Call } from '../call.ts';
import { IntegrityError } from '../core.ts';

const PROOF_MAX = 16384;
/** The curves that an issuer may have; what a wrapping key keeps of him is his point, whose length tells which. */
export const ISSUER_CURVES: readonly Curve[] = ['P-256', 'P-384'];

const refuse = (reason: 'proofMissing' | 'proofMalformed' | 'proofForged' | 'proofExpired' | 'proofForeign') =>
  new Refusal('KEYCELL_PERMISSION_DENIED', reason);

/** Throws PERMISSION_DENIED, now or in the step, unless the proof at `span` is the issuer's word for this recipient, now. */
export function checkProof(call: Call, span: Span, issuer: Uint8Array, recipient: string): () => void {
  if (span.length === 0) throw refuse('proofMissing');
  if (span.length > PROOF_MAX) throw refuse('proofMalformed');
  const { core, now } = call.bench;
  const text = Buffer.from(core.bytes.slice(span.offset, span.offset + span.length)).toString('latin1');
  const [header, payload, signature, ...more] = text.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw refuse('proofMalformed');
  }
  const curve = ISSUER_CURVES.find((each) => CURVE[each].pointSize === issuer.length);
  if (curve === undefined) throw new IntegrityError('an issuer of no curve');
  const { alg, crit, b64 } = parse(header);
  if (alg !== CURVE[curve].jws || crit !== undefined || b64 !== undefined) throw refuse('proofMalformed');
  const input = { offset: span.offset, length: header.length + 1 + payload.length };
  const signed = signedBy(call, curve, input, decode(signature), issuer);
  return () => {
    if (!signed()) throw refuse('proofForged');
    checkClaims(parse(payload), now / 1000, recipient);
  };
}

function checkClaims({ exp, nbf, cnf }: Members, seconds: number, recipient: string): void {
  if (typeof exp !== 'number' || (nbf !== undefined && typeof nbf !== 'number')) throw refuse('proofMalformed');
  if (!(seconds < exp) || (nbf !== undefined && seconds < nbf)) throw refuse('proofExpired');
  const jkt = typeof cnf === 'object' && cnf !== null ? (cnf as Record<string, unknown>)['jkt'] : undefined;
  if (typeof jkt !== 'string') throw refuse('proofMalformed');
  if (jkt !== recipient) throw refuse('proofForeign');
}

function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  // Node's decoder skips what it does not know; only what encodes back to the same text is accepted.
  if (bytes.toString('base64url') !== part) throw refuse('proofMalformed');
  return bytes;
}

interface Members {
  readonly alg?: unknown;
  readonly crit?: unknown;
  readonly b64?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
  readonly cnf?: unknown;
}

function parse(part: string): Members {
  let value: unknown;
  try {
    value = JSON.parse(decode(part).toString('utf8'));
  } catch {
    throw refuse('proofMalformed');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('proofMalformed');
  return value;
}

function signedBy(call: Call, curve: Curve, input: Span, signature: Uint8Array, issuer: Uint8Array): () => boolean {
  const { size, hash } = CURVE[curve];
  if (signature.length !== 2 * size) throw refuse('proofMalformed');
  const { core, work, jobs } = call.bench;
  const point = work.take(issuer.length);
  const digest = work.take(HASH[hash].size);
  const raw = work.take(signature.length);
  const result = work.take(4);
  core.bytes.set(issuer, point);
  core.bytes.set(signature, raw);
  core.call.hash(HASH[hash].number, input.offset, input.length, digest);
  jobs.verify(curve, hash).add(point, digest, raw, result);
  return () => core.view.getUint32(result, true) === 1;
}
