/** JWT over compact JWS (RFC 7519), by the rules of RFC 8725. Times in options are seconds, as they are in claims. */
import type { Session } from '../model/hsm.ts';
import type { EcKey, HmacKey } from '../model/key.ts';
import { CLAIMS_BOUNDS } from '../model/limits.ts';
import { isDate, timeOf } from '../model/values.ts';
import {
  type SignCompactOptions,
  signCompact,
  VERIFY_COMPACT,
  type VerifyCompactOptions,
  verifyCompact,
} from './jws.ts';
import type { VerificationKey, VerificationKeys } from './keys.ts';
import {
  checkHeader,
  checkOptions,
  invalid,
  type JsonObject,
  type ProtectedHeader,
  plainObject,
  readObject,
  refused,
  told,
  writeObject,
} from './parts.ts';

/** RFC 7519 §4.1; dates are seconds since 1970. */
export interface JwtClaims {
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: string | readonly string[];
  readonly exp?: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly jti?: string;
  readonly [name: string]: unknown;
}

export interface SignJwtOptions extends SignCompactOptions {
  /** Seconds from now until `exp`. */
  readonly expiresIn?: number;
  /** The time to go by. Default: the clock. */
  readonly now?: Date;
}

/**
 * Sign claims as a JWT.
 * `iat` is now unless the claims have one; the header's `typ` is `JWT` unless it says more (`at+jwt`, say: RFC 8725 §3.11).
 * Throws INPUT_INVALID (claims that are no plain object or of the wrong type, a header that the key
 * does not allow), and what `session.sign` throws.
 */
export function signJwt(
  session: Session,
  key: EcKey | HmacKey,
  claims: JwtClaims,
  options: SignJwtOptions = {},
): Promise<string> {
  return told(() => sign(session, key, claims, options));
}

async function sign(
  session: Session,
  key: EcKey | HmacKey,
  claims: JwtClaims,
  options: SignJwtOptions,
): Promise<string> {
  const {
    expiresIn,
    now,
    header = {},
    ...call
  } = checkOptions(options, ['expiresIn', 'now', 'header', 'signal', 'timeout']);
  const own = plainObject(claims, 'claims');
  const wrong = wrongClaim(own);
  if (wrong !== undefined) throw invalid(wrong);
  const all: Record<string, unknown> = { iat: Math.floor(secondsOf(now)), ...own };
  if (expiresIn !== undefined) {
    if (own['exp'] !== undefined) throw invalid('exp is given twice, as a claim and by expiresIn');
    all['exp'] = Math.floor(secondsOf(now)) + seconds(expiresIn, 'expiresIn');
  }
  // A list can have a toJSON as well: what counts is what the verifier will read.
  const faultIn = (written: JsonObject) => lostClaim(all, written) ?? wrongClaim(written);
  return signCompact(session, key, writeObject(all, 'claims', CLAIMS_BOUNDS, faultIn), {
    ...call,
    header: { typ: 'JWT', ...checkHeader(header, []) },
  });
}

export interface VerifyJwtOptions extends VerifyCompactOptions {
  /** The `iss` that the token must have, or those of which it must have one. */
  readonly issuer?: string | readonly string[];
  /** The names of this service, of which `aud` must have one. A token with `aud` is refused without this. */
  readonly audience?: string | readonly string[];
  readonly subject?: string;
  /** Claims that must be there, whatever they say: `exp`, for one, which RFC 7519 leaves open. */
  readonly required?: readonly string[];
  /** Seconds by which clocks may differ. Default 0. */
  readonly clockTolerance?: number;
  /** Seconds since `iat`, which must then be there. */
  readonly maxAge?: number;
  /** The time to go by. Default: the clock. */
  readonly now?: Date;
}

export interface VerifiedJwt {
  readonly claims: JwtClaims;
  readonly header: ProtectedHeader;
  /** The key that verified it, as it was given. */
  readonly key: VerificationKey;
}

/**
 * Verify a JWT: the signature first (as `verifyCompact` does), then `exp`, `nbf`, and what the options ask for.
 * Throws TOKEN_INVALID with the reason in its message, INPUT_INVALID (keys or options), and what `session.verify` throws.
 */
export function verifyJwt(
  session: Session,
  keys: VerificationKeys,
  token: string,
  options: VerifyJwtOptions = {},
): Promise<VerifiedJwt> {
  return told(() => verify(session, keys, token, options));
}

async function verify(
  session: Session,
  keys: VerificationKeys,
  token: string,
  options: VerifyJwtOptions,
): Promise<VerifiedJwt> {
  const { issuer, audience, subject, required, clockTolerance, maxAge, now, ...compact } = checkOptions(options, [
    ...(['issuer', 'audience', 'subject', 'required', 'clockTolerance', 'maxAge', 'now'] as const),
    ...VERIFY_COMPACT,
  ]);
  const rules: Rules = {
    issuers: names(issuer, 'issuer'),
    audiences: names(audience, 'audience'),
    subjects: names(subject, 'subject'),
    required: names(required, 'required') ?? [],
    tolerance: seconds(clockTolerance ?? 0, 'clockTolerance'),
    maxAge: maxAge === undefined ? undefined : seconds(maxAge, 'maxAge'),
    now: secondsOf(now),
  };
  const { payload, header, key } = await verifyCompact(session, keys, token, compact);
  const claims = readObject(payload, 'the payload', CLAIMS_BOUNDS);
  const fault = wrongClaim(claims) ?? faultOf(claims, rules);
  if (fault !== undefined) throw refused(fault);
  return { claims, header, key };
}

interface Rules {
  readonly issuers: readonly string[] | undefined;
  readonly audiences: readonly string[] | undefined;
  readonly subjects: readonly string[] | undefined;
  readonly required: readonly string[];
  readonly tolerance: number;
  readonly maxAge: number | undefined;
  readonly now: number;
}

/** Why these claims are not acceptable by these rules. */
function faultOf(claims: JwtClaims, rules: Rules): string | undefined {
  const { iss, aud, sub, exp, nbf, iat } = claims;
  const { issuers, audiences, subjects, tolerance, maxAge, now } = rules;
  const missing = rules.required.find((name) => !Object.hasOwn(claims, name));
  if (missing !== undefined) return `the token has no ${missing}`;
  if (exp !== undefined && now >= exp + tolerance) return 'the token has expired';
  if (nbf !== undefined && now < nbf - tolerance) return 'the token is not valid yet';
  if (issuers !== undefined && (iss === undefined || !issuers.includes(iss))) return 'the token has another issuer';
  if (subjects !== undefined && (sub === undefined || !subjects.includes(sub))) return 'the token has another subject';
  const meant = typeof aud === 'string' ? [aud] : aud;
  // RFC 7519 §4.1.3: whoever is not identified by a claim that is there must reject the token.
  if (meant !== undefined && audiences === undefined)
    return 'the token names an audience, and no audience was asked for';
  if (audiences !== undefined && !meant?.some((each) => audiences.includes(each)))
    return 'the token has another audience';
  if (maxAge === undefined) return undefined;
  if (iat === undefined) return 'the token has no iat';
  if (iat > now + tolerance) return "the token's iat lies in the future";
  return now - iat > maxAge + tolerance ? 'the token is too old' : undefined;
}

const isString = (value: unknown): value is string => typeof value === 'string';

const NUMBERS = ['exp', 'nbf', 'iat'];
const STRINGS = ['iss', 'sub', 'jti'];

/** A registered claim that JSON did not write down, in words. */
function lostClaim(claims: JsonObject, written: JsonObject): string | undefined {
  const lost = [...NUMBERS, ...STRINGS, 'aud'].find(
    (name) => claims[name] !== undefined && !Object.hasOwn(written, name),
  );
  return lost === undefined ? undefined : `${lost} is nothing that JSON can carry`;
}

/** A registered claim of the wrong type, in words. */
function wrongClaim(claims: JsonObject): string | undefined {
  for (const name of NUMBERS) {
    if (claims[name] !== undefined && !Number.isFinite(claims[name])) return `${name} is not a number`;
  }
  for (const name of STRINGS) {
    if (claims[name] !== undefined && !isString(claims[name])) return `${name} is not a string`;
  }
  const { aud } = claims as { readonly aud?: unknown };
  if (aud === undefined) return undefined;
  const list = Array.isArray(aud) ? aud : [aud];
  if (!list.every(isString)) return 'aud is not a string or a list of strings';
  // A setting that was missing when it was signed, and would meet one that is missing here.
  return list.includes('') ? 'aud names nobody' : undefined;
}

function names(value: string | readonly string[] | undefined, option: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const list: unknown[] = Array.isArray(value) ? [...value] : [value];
  // An empty one is a setting that is missing: it would let in whoever leaves it empty too.
  if (list.length === 0 || !list.every((each) => isString(each) && each !== '')) {
    throw invalid(`${option} is a string or a list of strings, none of them empty`);
  }
  return list as string[];
}

function seconds(value: number, option: string): number {
  if (!Number.isFinite(value) || value < 0) throw invalid(`${option} is a number of seconds, not negative`);
  return value;
}

function secondsOf(now: Date = new Date()): number {
  const ms = isDate(now) ? timeOf(now) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid('now is a Date');
  return ms / 1000;
}
