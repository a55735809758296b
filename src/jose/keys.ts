/** The keys a token is checked with, and those a service publishes. */
import { eachOf } from '../errors.ts';
import type { CallOptions, KeyFilter, Session } from '../model/hsm.ts';
import type { Curve, EcKey, HmacKey, Jwk, PublicJwk, PublicKeyInput } from '../model/key.ts';
import { isBytes } from '../model/values.ts';
import { FormatError } from '../wire/fields.ts';
import { readPublicKey, type StatedPoint } from '../wire/public-key.ts';
import { defaultAlgorithm, type JwsAlgorithm, type Shape, shapeOf, suits } from './algorithms.ts';
import { bytesOf, invalid, isObject, type ProtectedHeader, refused, told } from './parts.ts';

/** A public key as `jwks` publishes it: RFC 7517 §4. */
export interface PublishedJwk extends PublicJwk {
  readonly alg?: string;
  readonly use?: string;
}
/** RFC 7517 §5. */
export interface JsonWebKeySet {
  readonly keys: readonly Jwk[];
}

/** A handle, a public key that names its curve (a JWK, or SPKI or a certificate in DER or PEM), or either under the `kid` that its tokens have. */
export type VerificationKey =
  | EcKey
  | HmacKey
  | PublicKeyInput
  | { readonly kid: string; readonly key: EcKey | HmacKey | PublicKeyInput };
/** One key, which is then the key whatever `kid` the token names; or those among which the token's `kid` chooses. */
export type VerificationKeys = VerificationKey | readonly VerificationKey[] | JsonWebKeySet;

/** A key that a token may be checked with. */
interface Candidate {
  readonly given: VerificationKey;
  readonly kid: string | undefined;
  readonly shape: Shape;
  /** What its JWK pins. */
  readonly alg: string | undefined;
  readonly handle: (session: Session, options: CallOptions) => Promise<EcKey | HmacKey>;
}

const CURVES: readonly Curve[] = ['P-256', 'P-384', 'secp256k1'];
const isCurve = (name: unknown): name is Curve => CURVES.includes(name as Curve);

/** Of a public key that names its curve. Throws INPUT_INVALID. */
export function curveOfPublicKey(publicKey: Uint8Array | string): Curve {
  const { curve } = readable(publicKey);
  if (curve === undefined) throw invalid('a bare point does not say its curve: give SPKI, a certificate or a JWK');
  return curve;
}

function readable(publicKey: Uint8Array | string): StatedPoint {
  try {
    return readPublicKey(publicKey);
  } catch (error) {
    throw invalid(error instanceof FormatError ? error.message : 'not a public key');
  }
}

export const isJwk = (value: unknown): value is Jwk & { readonly kty: unknown } => isObject(value) && 'kty' in value;

/**
 * What a public key does in a token's life, in the words of RFC 7517 §4.3. An EC key that is encrypted to does nothing by
 * WebCrypto's list, which exports it with none: what is derived is the private key's. Others name the derivation all the same.
 */
const OPERATIONS = {
  sig: (operations: readonly string[]) => operations.includes('verify'),
  enc: (operations: readonly string[]) =>
    operations.length === 0 || operations.includes('deriveKey') || operations.includes('deriveBits'),
};

/** Whether a JWK's `use` and `key_ops` allow it (RFC 7517 §4.2, §4.3). A list that names an operation twice is none. */
export function mayBeFor(use: 'sig' | 'enc', { use: only, key_ops: operations }: Jwk): boolean {
  if (only !== undefined && only !== use) return false;
  if (operations === undefined) return true;
  const list = Array.isArray(operations) && new Set(operations).size === operations.length;
  return list && OPERATIONS[use](operations);
}

/** Throws INPUT_INVALID. */
export function curveOfJwk(jwk: Jwk): Curve {
  const { kty, crv } = jwk;
  if (kty !== 'EC' || !isCurve(crv)) throw invalid('not a public EC key of a known curve as a JWK');
  return crv;
}

/** The `kid` that a handle's tokens get: an EC key's thumbprint (RFC 7638), an HMAC key's id. */
export const kidOf = (key: EcKey | HmacKey): string => (key.type === 'EC' ? key.kid : key.id);

function candidate(given: VerificationKey): Candidate {
  if (isBytes(given)) {
    const publicKey = bytesOf(given, 'a public key');
    return { ...publicCandidate(publicKey, curveOfPublicKey(publicKey), {}), given };
  }
  if (typeof given === 'string') return publicCandidate(given, curveOfPublicKey(given), {});
  if (!isObject(given)) throw invalid('a key is a handle, a JWK, SPKI, a certificate, or { kid, key }');
  if (isJwk(given)) {
    if (!mayBeFor('sig', given)) throw invalid('the JWK is not for signatures (use, key_ops)');
    return publicCandidate(given, curveOfJwk(given), given);
  }
  if ('key' in given) {
    if (typeof given.kid !== 'string') throw invalid('a kid is a string');
    return { ...candidate(given.key), given, kid: given.kid };
  }
  return { given, kid: kidOf(given), shape: shapeOf(given), alg: undefined, handle: async () => given };
}

/** A public key from outside becomes a session key, and so is checked before it is used. */
function publicCandidate(given: PublicKeyInput, curve: Curve, { kid, alg }: Pick<Jwk, 'kid' | 'alg'>): Candidate {
  const template = { type: 'EC', class: 'public', curve, usage: ['verify'], persistent: false } as const;
  const handle: Candidate['handle'] = (session, options) => session.importKey(template, given, options);
  return { given, kid, shape: { curve }, alg, handle };
}

const isSet = (keys: VerificationKeys): keys is JsonWebKeySet => isObject(keys) && Object.hasOwn(keys, 'keys');

/** A set that others publish may hold keys that are not for us: they are passed over, as RFC 7517 §5 says. */
const forSignatures = (jwk: Jwk): boolean => isJwk(jwk) && jwk.kty === 'EC' && isCurve(jwk.crv) && mayBeFor('sig', jwk);

/**
 * The keys to try for a token with this header. From a list, a token's `kid` chooses; only without one are all tried.
 * `algorithms` is what the caller allows; without it, each key allows the one that it signs with by default.
 */
export function candidatesFor(
  keys: VerificationKeys,
  header: ProtectedHeader & { readonly alg: JwsAlgorithm },
  algorithms: readonly JwsAlgorithm[] | undefined,
): Candidate[] {
  const { alg, kid } = header;
  const set = isSet(keys) ? keys.keys : undefined;
  if (set !== undefined && !Array.isArray(set)) throw invalid("a JWK set's keys are an array");
  const list = set?.filter(forSignatures) ?? (Array.isArray(keys) ? (keys as readonly VerificationKey[]) : undefined);
  const all = list === undefined ? [candidate(keys as VerificationKey)] : eachOf(list, (each) => candidate(each));
  const named = list === undefined || kid === undefined ? all : all.filter((each) => each.kid === kid);
  if (named.length === 0) throw refused(kid === undefined ? 'there is no key' : "no key has the token's kid");
  const fitting = named.filter(
    ({ shape, alg: pinned }) =>
      suits(alg, shape) &&
      (pinned === undefined || pinned === alg) &&
      (algorithms === undefined ? defaultAlgorithm(shape) === alg : algorithms.includes(alg)),
  );
  if (fitting.length === 0) throw refused(`the key does not allow the algorithm ${alg}`);
  return fitting;
}

/**
 * The public halves of the session's EC keys as a JWK set (RFC 7517 §5), to be served at a `jwks_uri`.
 * Keys that sign have `use: 'sig'` and their `alg`, keys that derive `use: 'enc'`. `filter` narrows it, by label say; keys of
 * others that were imported as public keys are in it only with `class: 'public'`.
 */
export function jwks(
  session: Session,
  filter: Omit<KeyFilter, 'type'> = {},
  options: CallOptions = {},
): Promise<{ keys: PublishedJwk[] }> {
  return told(() => publish(session, filter, options));
}

async function publish(
  session: Session,
  filter: Omit<KeyFilter, 'type'>,
  options: CallOptions,
): Promise<{ keys: PublishedJwk[] }> {
  const keys: PublishedJwk[] = [];
  for await (const key of session.findKeys({ class: 'private', ...filter, type: 'EC' }, options)) {
    if (key.type !== 'EC') continue;
    const signs = key.usage.includes('sign') || key.usage.includes('verify');
    const derives = key.usage.includes('derive');
    const { kty, crv, x, y } = key.jwk;
    keys.push({
      ...{ kty, crv, x, y, kid: key.kid },
      ...(signs && !derives && { use: 'sig', alg: defaultAlgorithm(shapeOf(key)) }),
      ...(derives && !signs && { use: 'enc' }),
    });
  }
  return { keys };
}
