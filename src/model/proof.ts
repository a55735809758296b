/**
 * What a proof says, docs/formats.md §9: an issuer's word that keys may be re-wrapped to one public key, for a while, at one
 * HSM. Pure functions over what was read; that the issuer signed it, the cell sees to. All of it is public.
 */
import { type Reason, Refusal } from '../errors.ts';
import type { Issuer } from './attributes.ts';

/** Its own type (RFC 8725 §3.11): an issuer's key may sign other tokens, and an access token has `cnf` and `exp`, too. */
export const PROOF_TYPE = 'keycell-rewrap+jwt';
/** Seconds by which the issuer's clock may be ahead. */
const CLOCK_AHEAD_MAX = 60;

const HEADER: readonly string[] = ['alg', 'typ', 'kid'];
/** SHA-256 in base64url: the four last bits of its last digit stand for nothing, and are zero. */
const DIGEST = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** What a wrapping key asks of proofs, fixed when it was made. */
export type ProofPolicy = Pick<Issuer, 'proofMaxAge' | 'blobs'>;

/** The one request that a proof is shown for. */
export interface ProofOccasion {
  readonly hsmId: string;
  /** RFC 7638 thumbprint of who is to receive. */
  readonly recipient: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

type Members = Readonly<Record<string, unknown>>;

const refused = (reason: Reason): Refusal => new Refusal('KEYCELL_PERMISSION_DENIED', reason);

/** The `aud` of proofs for this HSM. */
export const audienceOf = (hsmId: string): string => `keycell:${hsmId}`;

/** No other members: those that say how to verify (`crit`, `b64`, `jwk`, `x5c`, `jku`) are refused, not ignored. */
export function checkProofHeader(header: unknown, algorithm: string): void {
  const { alg, typ, kid } = members(header);
  if (typ !== PROOF_TYPE) throw refused('proofType');
  if (Object.keys(header as Members).some((name) => !HEADER.includes(name))) throw refused('proofMalformed');
  if (alg !== algorithm || (kid !== undefined && typeof kid !== 'string')) throw refused('proofMalformed');
}

/**
 * Returns the digests of the blobs that the proof names, or undefined where it has no list and the policy asks for none.
 * Members that are not named here are ignored (RFC 7519 §4): they are for the issuer's own service.
 */
export function checkProofClaims(
  claims: unknown,
  policy: ProofPolicy,
  { hsmId, recipient, now }: ProofOccasion,
): ReadonlySet<string> | undefined {
  const { aud, iat, exp, nbf, cnf, blobs } = members(claims);
  if (typeof aud !== 'string' || !isTime(iat) || !isTime(exp) || exp <= iat) throw refused('proofMalformed');
  if (nbf !== undefined && !isTime(nbf)) throw refused('proofMalformed');
  const { jkt, ...others } = members(cnf);
  // Another way to confirm a key beside this one would be one that nobody checked (RFC 7800 §3.1).
  if (typeof jkt !== 'string' || Object.keys(others).length > 0) throw refused('proofMalformed');
  if (blobs !== undefined && !isDigests(blobs)) throw refused('proofMalformed');

  if (aud !== audienceOf(hsmId)) throw refused('proofElsewhere');
  if (exp - iat > policy.proofMaxAge) throw refused('proofTooLong');
  if (now < 1000 * (iat - CLOCK_AHEAD_MAX) || now >= 1000 * exp) throw refused('proofExpired');
  // No tolerance: an issuer that sets it means the time, of a release at midnight, say.
  if (nbf !== undefined && now < 1000 * nbf) throw refused('proofExpired');
  if (jkt !== recipient) throw refused('proofForeign');
  if (blobs === undefined && policy.blobs) throw refused('proofUnlimited');
  return blobs === undefined ? undefined : new Set(blobs);
}

function members(value: unknown): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('proofMalformed');
  return value as Members;
}

/** NumericDate (RFC 7519 §2), whole seconds. */
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isDigests = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && DIGEST.test(each));
