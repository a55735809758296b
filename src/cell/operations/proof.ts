/**
 * The proof of rewrapKeys, docs/formats.md §9: a compact JWS (RFC 7515) by ES256 or ES384, as the issuer's curve says. It is
 * public; what matters is that it is checked here, beside the key.
 */
import { type Reason, Refusal } from '../../errors.ts';
import { CURVE, HASH } from '../../model/algorithms.ts';
import type { Issuer } from '../../model/attributes.ts';
import type { Curve } from '../../model/key.ts';
import { PROOF_BOUNDS } from '../../model/limits.ts';
import { checkProofClaims, checkProofHeader } from '../../model/proof.ts';
import type { Span } from '../../wire/batch.ts';
import { FormatError } from '../../wire/fields.ts';
import { readJson } from '../../wire/json.ts';
import type { Call } from '../call.ts';
import { IntegrityError } from '../core.ts';

/** The curves that an issuer may have; what a wrapping key keeps of the issuer is a point, whose length tells which. */
export const ISSUER_CURVES: readonly Curve[] = ['P-256', 'P-384'];

const BLOB_HASH = 'SHA-256';

const refused = (reason: Reason): Refusal => new Refusal('KEYCELL_PERMISSION_DENIED', reason);

/**
 * Throws PERMISSION_DENIED, now or in the step, unless the proof at `span` is the issuer's word, now, that these blobs may go
 * to this recipient. Its claims are checked first, so that a proof that cannot pass costs no verification.
 */
export function checkProof(
  call: Call,
  span: Span,
  issuer: Issuer,
  recipient: string,
  blobs: readonly Span[],
): () => void {
  if (span.length === 0) throw refused('proofMissing');
  if (span.length > PROOF_BOUNDS.bytes) throw refused('proofMalformed');
  const { core, now } = call.bench;
  const text = core.text.toString('latin1', span.offset, span.offset + span.length);
  const [header, payload, signature, ...more] = text.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw refused('proofMalformed');
  }
  const curve = ISSUER_CURVES.find((each) => CURVE[each].pointSize === issuer.point.length);
  if (curve === undefined) throw new IntegrityError('an issuer of no curve');
  call.bench.alike.proofHeader.mustPass(header, CURVE[curve].jws, checkHeader);
  const occasion = { hsmId: call.ticket.hsmId, recipient, now };
  const named = checkProofClaims(parse(payload), issuer, occasion);

  const input = { offset: span.offset, length: header.length + 1 + payload.length };
  const signed = signedBy(call, curve, input, decode(signature), issuer.point);
  const digests = named === undefined ? undefined : digestsOf(call, blobs);
  return () => {
    if (!signed()) throw refused('proofForged');
    if (named !== undefined && !digests?.().every((digest) => named.has(digest))) throw refused('proofBlob');
  };
}

const checkHeader = (header: string, algorithm: string): void => checkProofHeader(parse(header), algorithm);

function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  // Node's decoder skips what it does not know; only what encodes back to the same text is accepted.
  if (bytes.toString('base64url') !== part) throw refused('proofMalformed');
  return bytes;
}

function parse(part: string): unknown {
  try {
    return readJson(decode(part), PROOF_BOUNDS);
  } catch (error) {
    if (error instanceof FormatError) throw refused('proofMalformed');
    throw error;
  }
}

function signedBy(call: Call, curve: Curve, input: Span, signature: Uint8Array, point: Uint8Array): () => boolean {
  const { size, hash } = CURVE[curve];
  if (signature.length !== 2 * size) throw refused('proofMalformed');
  const { core, work, jobs } = call.bench;
  const issuer = work.take(point.length);
  const digest = work.take(HASH[hash].size);
  const raw = work.take(signature.length);
  const result = work.take(4);
  core.bytes.set(point, issuer);
  core.bytes.set(signature, raw);
  jobs.digest(hash).add(input.offset, input.length, digest);
  jobs.verify(curve, hash).add(issuer, digest, raw, result);
  return () => core.view.getUint32(result, true) === 1;
}

/** Each blob's digest as a proof writes it, once the kernels have run: blobs are public. */
function digestsOf(call: Call, blobs: readonly Span[]): () => string[] {
  const { core, work, jobs } = call.bench;
  const { size } = HASH[BLOB_HASH];
  const at = work.take(size * blobs.length);
  const list = jobs.digest(BLOB_HASH);
  blobs.forEach(({ offset, length }, i) => {
    list.add(offset, length, at + size * i);
  });
  return () => blobs.map((_, i) => core.text.toString('base64url', at + size * i, at + size * (i + 1)));
}
