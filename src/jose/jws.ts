/** JWS in its compact serialization (RFC 7515 §3.1), signed and verified in the cell. */
import type { CallOptions, Session } from '../model/hsm.ts';
import type { Bytes, EcKey, HmacKey } from '../model/key.ts';
import { HEADER_BOUNDS } from '../model/limits.ts';
import { defaultAlgorithm, isJwsAlgorithm, type JwsAlgorithm, SIGNATURES, shapeOf, suits } from './algorithms.ts';
import { candidatesFor, kidOf, type VerificationKey, type VerificationKeys } from './keys.ts';
import {
  bytesOf,
  callOptions,
  checkHeader,
  checkOptions,
  fromBase64url,
  invalid,
  type JsonObject,
  type ProtectedHeader,
  readHeader,
  refused,
  split,
  toBase64url,
  told,
  utf8,
  writeObject,
} from './parts.ts';

/** Members of the protected header. `alg` may be one that suits the key; `kid: undefined` leaves the kid out. */
export interface JwsHeader {
  readonly alg?: JwsAlgorithm;
  readonly kid?: string | undefined;
  readonly typ?: string;
  readonly cty?: string;
  readonly [name: string]: unknown;
}

export interface SignCompactOptions extends CallOptions {
  readonly header?: JwsHeader;
}

/**
 * Sign a payload as a compact JWS.
 * `alg` follows from the key: its curve's own, or HS256 for an HMAC key unless the header asks for HS384 or HS512. `kid` is the
 * key's thumbprint (RFC 7638), or the id of an HMAC key, unless the header says otherwise.
 * Throws INPUT_INVALID (a header that the key or the format does not allow), and what `session.sign` throws.
 */
export function signCompact(
  session: Session,
  key: EcKey | HmacKey,
  payload: Uint8Array,
  options: SignCompactOptions = {},
): Promise<string> {
  return told(() => sign(session, key, payload, options));
}

async function sign(
  session: Session,
  key: EcKey | HmacKey,
  payload: Uint8Array,
  options: SignCompactOptions,
): Promise<string> {
  const { header = {} } = checkOptions(options, ['header', 'signal', 'timeout']);
  const { alg, hash, members } = signing(key, header);
  const protectedPart = toBase64url(writeObject({ alg, ...members }, 'the header', HEADER_BOUNDS));
  const signed = `${protectedPart}.${toBase64url(bytesOf(payload, 'a payload'))}`;
  const signature = await session.sign(key, utf8(signed), { ...callOptions(options), hash });
  return `${signed}.${toBase64url(signature)}`;
}

function signing(key: EcKey | HmacKey, header: JwsHeader) {
  const shape = shapeOf(key);
  const { alg = defaultAlgorithm(shape), ...members } = checkHeader(header, []) as JwsHeader;
  if (!isJwsAlgorithm(alg) || !suits(alg, shape)) throw invalid(`the key cannot sign by ${String(alg)}`);
  return { alg, hash: SIGNATURES[alg].hash, members: { kid: kidOf(key), ...members } satisfies JsonObject };
}

export interface VerifyCompactOptions extends CallOptions {
  /** The algorithms to allow; without this, each key allows the one that it signs with by default. */
  readonly algorithms?: readonly JwsAlgorithm[];
  /** The type that the token must declare (RFC 8725 §3.11), case and a leading `application/` aside. */
  readonly typ?: string;
}

export interface VerifiedJws {
  readonly payload: Bytes;
  readonly header: ProtectedHeader;
  /** The key that verified it, as it was given. */
  readonly key: VerificationKey;
}

export const VERIFY_COMPACT = ['algorithms', 'typ', 'signal', 'timeout'] as const;

/**
 * Verify a compact JWS and give its payload.
 * One key is the key, whatever `kid` the token names; from several, the token's `kid` chooses, and only a token without one
 * is tried with each. Public keys from outside cost one more request each time: import those that verify often, and give
 * `{ kid, key }`. Throws TOKEN_INVALID, INPUT_INVALID (keys or options), and what `session.verify` throws.
 */
export function verifyCompact(
  session: Session,
  keys: VerificationKeys,
  token: string,
  options: VerifyCompactOptions = {},
): Promise<VerifiedJws> {
  return told(() => verify(session, keys, token, options));
}

async function verify(
  session: Session,
  keys: VerificationKeys,
  token: string,
  options: VerifyCompactOptions,
): Promise<VerifiedJws> {
  const { algorithms, typ } = checkOptions(options, VERIFY_COMPACT);
  if (algorithms !== undefined && !(Array.isArray(algorithms) && algorithms.every(isJwsAlgorithm))) {
    throw invalid('algorithms is a list of JWS algorithms');
  }
  if (typ !== undefined && typeof typ !== 'string') throw invalid('typ is a string');
  const [protectedPart, payloadPart, signaturePart] = split(token, ['header', 'payload', 'signature'], ['payload']);
  const header = readHeader(protectedPart!);
  const { alg } = header;
  if (!isJwsAlgorithm(alg)) throw refused(`the algorithm ${JSON.stringify(alg)} is not one of JWS here`);
  if (typ !== undefined && (header.typ === undefined || mediaType(header.typ) !== mediaType(typ))) {
    throw refused('the token has another typ');
  }
  const payload = fromBase64url(payloadPart, 'the payload');
  const signature = fromBase64url(signaturePart, 'the signature');
  const message = utf8(`${protectedPart}.${payloadPart}`);
  const call = callOptions(options);
  for (const { given, handle } of candidatesFor(keys, { ...header, alg }, algorithms)) {
    const key = await handle(session, call);
    if (await session.verify(key, signature, message, { ...call, hash: SIGNATURES[alg].hash })) {
      return { payload, header, key: given };
    }
  }
  throw refused('the signature is not valid');
}

/** RFC 7515 §4.1.9: a type without a slash stands for one below application/. */
const mediaType = (typ: string): string => typ.toLowerCase().replace(/^application\/(?=[^/]+$)/, '');
