/** What travels: the request as a browser's EME makes it, and the licence that answers it. */
import { type DeviceJwk, Refusal } from './vault.ts';

/** The body of POST /licence. */
export interface LicenceRequest {
  /** The message of a ClearKey MediaKeySession (W3C EME §9.1.3): base64url kids, and how long the session lives. */
  readonly challenge: { readonly kids: readonly string[]; readonly type: 'temporary' };
  readonly device: DeviceJwk;
  /** A proof (JWS by ES256) of the shop: these content keys, this device, this server, until then, once. */
  readonly entitlement: string;
}

/** What the server itself reads in an entitlement. All of it but `jti` is judged where the keys are. */
export interface Claims {
  readonly jti: string;
  readonly exp: number;
  /** SHA-256 of the wrapped content keys that were paid for, base64url. */
  readonly blobs: readonly string[];
}

const KID = /^[A-Za-z0-9_-]{22}$/; // 16 bytes
const COORDINATE = /^[A-Za-z0-9_-]{43}$/; // 32 bytes
const DIGEST = COORDINATE;
const MAX_KEYS = 16;

/** Parse, don't validate: what comes back has only the members that are checked here. */
export function parseRequest(body: string): LicenceRequest {
  const { challenge, device, entitlement } = record(parseJson(body));
  const { kids, type } = record(challenge);
  const { kty, crv, x, y } = record(device);
  if (!isListOf(kids, KID)) throw new Refusal(400, 'kids');
  if (type !== 'temporary') throw new Refusal(400, 'type');
  if (kty !== 'EC' || crv !== 'P-256' || !isText(x, COORDINATE) || !isText(y, COORDINATE)) {
    throw new Refusal(400, 'device');
  }
  if (typeof entitlement !== 'string') throw new Refusal(400, 'entitlement');
  return { challenge: { kids, type }, device: { kty, crv, x, y }, entitlement };
}

/** The claims of an entitlement that nobody has verified yet. */
export function readClaims(entitlement: string): Claims {
  const payload = Buffer.from(entitlement.split('.')[1] ?? '', 'base64url').toString();
  const { jti, exp, blobs } = record(parseJson(payload));
  if (!isText(jti, /^.{1,64}$/) || !Number.isSafeInteger(exp) || !isListOf(blobs, DIGEST)) {
    throw new Refusal(400, 'entitlement');
  }
  return { jti, exp: exp as number, blobs };
}

/** JWS signing input (RFC 7515 §5.1) of a licence: who it is for, until when, under which policy, and the keys. */
export function licenceInput(
  licenceKid: string,
  licence: {
    readonly issuer: string;
    readonly id: string;
    readonly title: string;
    readonly issuedAt: number;
    readonly seconds: number;
    readonly keys: readonly { readonly kid: string; readonly jwe: string }[];
  },
): string {
  const header = { alg: 'ES256', typ: 'licence+jwt', kid: licenceKid };
  const payload = {
    iss: licence.issuer,
    jti: licence.id,
    iat: licence.issuedAt,
    exp: licence.issuedAt + licence.seconds,
    title: licence.title,
    policy: { type: 'temporary', renewable: false, output: 'hdcp-2.2' },
    keys: licence.keys,
  };
  return `${encode(header)}.${encode(payload)}`;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const isText = (value: unknown, form: RegExp): value is string => typeof value === 'string' && form.test(value);
const isListOf = (value: unknown, form: RegExp): value is string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= MAX_KEYS &&
  value.every((each) => isText(each, form)) &&
  new Set(value).size === value.length;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'json');
  }
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Refusal(400, 'json');
  return value as Record<string, unknown>;
}
