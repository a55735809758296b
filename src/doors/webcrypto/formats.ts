/** Keys on their way in and out: raw, spki, pkcs8, jwk. A secret is never put into a string, so no private or secret JWK. */
import { types } from 'node:util';
import type { Session } from '../../model/hsm.ts';
import type {
  AesBits,
  AesKey,
  AesTemplate,
  GenericKey,
  GenericTemplate,
  HmacKey,
  HmacTemplate,
  PatternInfo,
  PublicJwk,
} from '../../model/key.ts';
import {
  ALGORITHMS,
  cellUsages,
  checkUsages,
  coordinateSize,
  curveNamed,
  mustHaveUsages,
  type Name,
  offeredCurve,
  type Usage,
} from './algorithms.ts';
import { bufferOf, bytesOf } from './data.ts';
import type { Parameters } from './dictionaries.ts';
import { failure, notSupported, translated } from './errors.ts';
import { checkSecretJwk, type Jwk, publicJwk, readJwk } from './jwk.ts';
import { ecKey, type HandleKey, offered, secretKey } from './key.ts';
import { bufferSource, oneOf } from './webidl.ts';

const AES_BITS: readonly number[] = [128, 192, 256];

const data = (message: string) => failure('DataError', message);

export const keyFormat = oneOf(['raw', 'spki', 'pkcs8', 'jwk']);
export type KeyFormat = ReturnType<typeof keyFormat>;

/** A key in one of the formats, not looked into yet. */
export type KeyData =
  | { readonly format: 'jwk'; readonly jwk: Jwk }
  | { readonly format: Exclude<KeyFormat, 'jwk'>; readonly source: ReturnType<typeof bufferSource> };

/** Throws TypeError: bytes are no JWK, and a JWK no bytes. */
export function keyData(format: KeyFormat, value: unknown): KeyData {
  if (format !== 'jwk') return { format, source: bufferSource(value, `a key in the format ${format}`) };
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) throw new TypeError('a JWK is an object');
  return { format, jwk: readJwk(value) };
}

interface Asked {
  readonly extractable: boolean;
  readonly usages: readonly Usage[];
}

/** Bring a key into the session. */
export function importInto(
  session: Session,
  parameters: Parameters<'importKey'>,
  key: KeyData,
  asked: Asked,
): Promise<HandleKey> {
  return 'namedCurve' in parameters
    ? importEc(session, parameters, key, asked)
    : importSecret(session, parameters, key, asked);
}

type EcParameters = Extract<Parameters<'importKey'>, { readonly namedCurve: string }>;
type SecretParameters = Exclude<Parameters<'importKey'>, EcParameters>;

async function importEc(
  session: Session,
  { name, namedCurve }: EcParameters,
  key: KeyData,
  { extractable, usages }: Asked,
): Promise<HandleKey> {
  const { usages: privateUsages, publicUsages } = ALGORITHMS[name];
  const isPrivate = key.format === 'jwk' ? key.jwk.d === true : key.format === 'pkcs8';
  checkUsages(name, usages, isPrivate ? privateUsages : publicUsages);
  const specified = curveNamed(namedCurve);
  const given =
    key.format === 'jwk'
      ? publicJwk(key.jwk, { name, curve: specified, usages, extractable })
      : formatted(key.source, key.format);
  if (isPrivate) mustHaveUsages(name, usages);
  const curve = offeredCurve(specified);
  if (!isPrivate) {
    const material = given instanceof Uint8Array ? given : { ...given, crv: curve };
    const usage = name === 'ECDH' ? (['derive'] as const) : (['verify'] as const);
    const template = { type: 'EC', class: 'public', curve, usage, persistent: false } as const;
    const handle = await translated(() => session.importKey(template, material), 'DataError');
    return ecKey(handle, name, 'public', extractable, usages);
  }
  if (!(given instanceof Uint8Array)) throw noSecretJwk('pkcs8');
  const template = {
    ...{ type: 'EC' as const, curve, usage: cellUsages(usages) as ('sign' | 'derive')[], ...transient(extractable) },
    ...(name === 'ECDH' && unbound.deriving),
  };
  const handle = await translated(() => session.importKey(template, given), 'DataError');
  return ecKey(handle, name, 'private', handle.extractable === 'plaintext', usages);
}

const noSecretJwk = (instead: string) => notSupported(`the key comes as ${instead}: a secret is not put into a string`);

function formatted(source: unknown, format: KeyFormat): Uint8Array {
  const bytes = bytesOf(source);
  if (formatOf(bytes) !== format) throw data(`the key is not in the format ${format}`);
  return bytes;
}

/**
 * Which format this can be, if any. The session reads all of them, and SEC 1, certificates, PEM and PKCS#11's points besides:
 * here a key is in the one that was said. The tags tell: SPKI and PKCS#8 begin with an AlgorithmIdentifier, the latter after its
 * version, where SEC 1 has an OCTET STRING; a certificate has no OBJECT IDENTIFIER there. A point has a length of its own.
 */
function formatOf(bytes: Uint8Array): KeyFormat | undefined {
  const [SEQUENCE, INTEGER, OBJECT_IDENTIFIER] = [0x30, 0x02, 0x06];
  if (bytes[0] !== SEQUENCE) return POINT_SIZES[bytes[0] ?? 0]?.includes(bytes.length) ? 'raw' : undefined;
  const contentOf = (at: number): number => at + 2 + ((bytes[at + 1] ?? 0) < 0x80 ? 0 : bytes[at + 1]! & 0x7f);
  const first = contentOf(0);
  if (bytes[first] === SEQUENCE) return bytes[contentOf(first)] === OBJECT_IDENTIFIER ? 'spki' : undefined;
  return bytes[first] === INTEGER && bytes[first + 3] === SEQUENCE ? 'pkcs8' : undefined;
}

/** SEC 1 §2.3.3, by the first byte; also of P-521, which is refused by its name. */
const POINT_SIZES: Readonly<Record<number, readonly number[]>> = { 2: [33, 49, 67], 3: [33, 49, 67], 4: [65, 97, 133] };

async function importSecret(
  session: Session,
  parameters: SecretParameters,
  key: KeyData,
  { extractable, usages }: Asked,
): Promise<HandleKey> {
  const { name } = parameters;
  // The specification has the formats of HKDF first, those of the others after their usages.
  if (name !== 'HKDF') checkUsages(name, usages, ALGORITHMS[name].usages);
  if (key.format === 'jwk' && name !== 'HKDF') {
    checkSecretJwk(key.jwk, { name, hash: 'hash' in parameters ? parameters.hash : undefined, usages, extractable });
    mustHaveUsages(name, usages);
    throw noSecretJwk('raw');
  }
  if (key.format !== 'raw') throw notSupported(`a key for ${name} has no format ${key.format}`);
  const bytes = bytesOf(key.source);
  const bits = 8 * bytes.length;
  checkSecret(parameters, bits, usages, extractable);
  const kept = offered(parameters);
  const template = templateFor(name, bits, usages, extractable);
  // All that is wrong with it is said: what is left are sizes that the HSM does not have.
  const handle = await translated(() => session.importKey(template, bytes), 'NotSupportedError');
  return secretKey(handle as AesKey | HmacKey | GenericKey, kept, usages);
}

/** A secret key of so many bits, as the specification would have it imported, derived or unwrapped. */
export function checkSecret(
  { name, length }: { readonly name: Name; readonly length?: number | undefined },
  bits: number,
  usages: readonly Usage[],
  extractable: boolean,
): void {
  checkUsages(name, usages, ALGORITHMS[name].usages);
  if (name === 'HKDF' && extractable) throw failure('SyntaxError', `a key for ${name} is not extractable`);
  if (name.startsWith('AES-') && !AES_BITS.includes(bits)) throw data('an AES key has 128, 192 or 256 bits');
  if (name === 'HMAC') {
    if (bits === 0) throw data('the key is empty');
    if (length !== undefined && (length > bits || length <= bits - 8)) {
      throw data('the key does not have the length that was given');
    }
  }
  mustHaveUsages(name, usages);
  if (name === 'HMAC' && (length ?? bits) !== bits) throw notSupported('keys are whole bytes');
}

/** Session keys: they last as long as the session, unlike those that `ensureKey` makes. */
export const transient = (extractable: boolean) =>
  ({ persistent: false, extractable: extractable ? 'plaintext' : false }) as const;

/**
 * What WebCrypto's calls ask of keys that make others: its interface binds no purpose, so whatever the caller names later may
 * come of them. docs/webcrypto.md says what that gives up.
 */
export const unbound = {
  deriving: { dualUse: true, deriveTemplate: 'any' },
  wrapping: { dualUse: true, unwrapTemplate: 'any' },
} as const;

/**
 * The template of a symmetric key of this algorithm and size. `within`, the template of the key that it comes of, binds what
 * comes of it in turn, too.
 */
export function templateFor(
  name: Name,
  bits: number,
  usages: readonly Usage[],
  extractable: boolean,
  within: PatternInfo | 'any' = 'any',
): AesTemplate | HmacTemplate | GenericTemplate {
  const { type, callerIv } = ALGORITHMS[name];
  // With an IV of one's choice, CTR is one operation both ways, and the cell asks for both usages.
  const both: readonly Usage[] = name === 'AES-CTR' ? ['encrypt', 'decrypt'] : usages;
  const common = { bits, usage: cellUsages(both) as never[], ...transient(extractable) };
  switch (type) {
    case 'AES':
      return {
        ...{ ...common, type, bits: bits as AesBits },
        ...(callerIv && { callerIv }),
        ...(name === 'AES-KW' && within === 'any' && unbound.wrapping),
      };
    case 'HMAC':
      return { ...common, type };
    case 'GENERIC':
      return { ...common, type, ...(within === 'any' && unbound.deriving) };
    default:
      throw notSupported(`${name} has no secret keys`);
  }
}

export const notExported = () => notSupported('a key for HKDF is not exported');

/** A key on its way out. Public keys always; a private or secret one only if it is extractable as plaintext. */
export async function exportFrom(session: Session, format: KeyFormat, key: HandleKey): Promise<object> {
  const { handle, type, algorithm } = key;
  if (algorithm.name === 'HKDF') throw notExported();
  if (!key.extractable) throw failure('InvalidAccessError', 'the key is not extractable');
  if (type === 'public' && handle.type === 'EC') {
    const { kty, crv, x, y } = handle.jwk;
    if (format === 'jwk') return { kty, crv, x, y, key_ops: [...key.usages], ext: true };
    if (format === 'spki') return bufferOf(new Uint8Array(handle.publicKey));
    if (format === 'raw') return bufferOf(pointOf(handle.jwk));
  }
  const own = type === 'private' ? 'pkcs8' : 'raw';
  if (format === 'jwk') throw notSupported(`a ${type} key goes out as ${own}: a secret is not put into a string`);
  if (type === 'secret' && format !== own) throw notSupported(`a key for ${algorithm.name} has no format ${format}`);
  if (type === 'public' || format !== own) {
    throw failure('InvalidAccessError', `the format ${format} is not one of ${type} keys`);
  }
  return bufferOf(await translated(() => session.exportKey(handle)));
}

/** SEC 1 §2.3.3, uncompressed. */
function pointOf({ crv, x, y }: PublicJwk): Uint8Array<ArrayBuffer> {
  const size = coordinateSize(crv);
  const point = new Uint8Array(1 + 2 * size);
  point[0] = 4;
  point.set(Buffer.from(x, 'base64url'), 1);
  point.set(Buffer.from(y, 'base64url'), 1 + size);
  return point;
}
