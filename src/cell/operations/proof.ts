/**
 * The proof of rewrapKeys: a compact JWS (RFC 7515) by ES256, whose `cnf.jkt` (RFC 7800, RFC 9449 §6.1) is the recipient's
 * thumbprint and whose `exp` has not passed. It is public; what matters is that it is checked here, beside the key.
 */
import { Refusal } from '../../errors.ts';
import type { Span } from '../../wire/batch.ts';
import { P256_POINT_SIZE } from '../../wire/encodings.ts';
import type { Call } from '../call.ts';
import { CURVE, HASH } from '../core.ts';

const PROOF_MAX = 16384;
const SIGNATURE_SIZE = 64;

const refuse = (reason: 'proofMissing' | 'proofMalformed' | 'proofForged' | 'proofExpired' | 'proofForeign') =>
  new Refusal('KEYCELL_PERMISSION_DENIED', reason);

/** Throws PERMISSION_DENIED unless the proof at `span` is the issuer's word for this recipient, now. */
export function checkProof(call: Call, span: Span, issuer: Uint8Array, recipient: string): void {
  if (span.length === 0) throw refuse('proofMissing');
  if (span.length > PROOF_MAX) throw refuse('proofMalformed');
  const { core, now } = call.bench;
  const text = Buffer.from(core.bytes.slice(span.offset, span.offset + span.length)).toString('latin1');
  const [header, payload, signature, ...more] = text.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw refuse('proofMalformed');
  }
  const { alg, crit, b64 } = parse(header);
  if (alg !== 'ES256' || crit !== undefined || b64 !== undefined) throw refuse('proofMalformed');
  if (!signedBy(call, span.offset, header.length + 1 + payload.length, decode(signature), issuer)) {
    throw refuse('proofForged');
  }
  const claims = parse(payload);
  const seconds = now / 1000;
  const { exp, nbf, cnf } = claims;
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

function signedBy(call: Call, input: number, length: number, signature: Uint8Array, issuer: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_SIZE) throw refuse('proofMalformed');
  const { core, work } = call.bench;
  const mark = work.mark();
  const job = work.take(16);
  const point = work.take(P256_POINT_SIZE);
  const digest = work.take(32);
  const raw = work.take(SIGNATURE_SIZE);
  const result = work.take(4);
  core.bytes.set(issuer, point);
  core.bytes.set(signature, raw);
  core.call.sha256(input, length, digest);
  [point, digest, raw, result].forEach((address, i) => {
    core.view.setUint32(job + 4 * i, address, true);
  });
  core.call.ecdsaVerify(CURVE['P-256'], HASH.sha256, job, 1);
  const valid = core.view.getUint32(result, true) === 1;
  work.release(mark);
  return valid;
}
