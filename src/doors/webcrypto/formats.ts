/** Keys on their way in and out: raw, spki, pkcs8, jwk. A secret is never put into a string, so no private or secret JWK. */
import type { Session } from '../../model/hsm.ts';
import type {
  AesBits,
  AesKey,
  AesTemplate,
  Curve,
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
  curveOf,
  mustHaveUsages,
  type Name,
  type Usage,
} from './algorithms.ts';
import { bufferOf, bytesOf } from './data.ts';
import type { Parameters } from './dictionaries.ts';
import { failure, notSupported } from './errors.ts';
import { ecKey, type HandleKey, secretKey } from './key.ts';

const data = (message: string) => failure('DataError', message);

interface Import {
  readonly format: unknown;
  readonly keyData: unknown;
  readonly parameters: Parameters<'importKey'>;
  readonly extractable: boolean;
  readonly usages: unknown;
}

const FORMATS = ['raw', 'spki', 'pkcs8', 'jwk'];

function checkFormat(format: unknown): void {
  if (!FORMATS.includes(format as string)) throw new TypeError(`a format is one of ${FORMATS.join(', ')}`);
}

/** Bring a key into the session; what the HSM finds wrong with it is a DataError. */
export async function importInto(session: Session, asked: Import): Promise<HandleKey> {
  checkFormat(asked.format);
  const { parameters } = asked;
  return 'namedCurve' in parameters ? importEc(session, parameters, asked) : importSecret(session, asked);
}

type EcParameters = Extract<Parameters<'importKey'>, { readonly namedCurve: string }>;

async function importEc(session: Session, { name, namedCurve }: EcParameters, asked: Import): Promise<HandleKey> {
  const { format, keyData, extractable } = asked;
  const curve = curveOf(namedCurve);
  const row = ALGORITHMS[name];
  if (format === 'pkcs8') {
    const usages = checkUsages(name, asked.usages, row.usages);
    mustHaveUsages(usages);
    const template = { type: 'EC', curve, usage: cellUsages(usages) as ('sign' | 'derive')[] } as const;
    const handle = await session.importKey(
      { ...template, ...transient(extractable), ...(name === 'ECDH' && unbound.deriving) },
      bytesOf(keyData),
    );
    return ecKey(handle, name, 'private', handle.extractable === 'plaintext', usages);
  }
  const usages = checkUsages(name, asked.usages, row.publicUsages);
  const material = publicMaterial(asked, curve, usages);
  const usage = name === 'ECDH' ? (['derive'] as const) : (['verify'] as const);
  const handle = await session.importKey({ type: 'EC', class: 'public', curve, usage, persistent: false }, material);
  return ecKey(handle, name, 'public', extractable, usages);
}

function publicMaterial(asked: Import, curve: Curve, usages: readonly Usage[]): Uint8Array | PublicJwk {
  const { format, keyData } = asked;
  if (format === 'jwk') return publicJwk(keyData, curve, asked, usages);
  const bytes = bytesOf(keyData);
  // The session reads either: here it is one or the other, a SEQUENCE or a point.
  if ((bytes[0] === 0x30) !== (format === 'spki')) throw data(`the key is not in the format ${format}`);
  return bytes;
}

function publicJwk(
  value: unknown,
  curve: Curve,
  { parameters, extractable }: Import,
  usages: readonly Usage[],
): PublicJwk {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value))
    throw new TypeError('a JWK is an object');
  const jwk = value as Readonly<Record<string, unknown>>;
  if ('d' in jwk) throw notSupported('a private key comes as pkcs8: a secret is not put into a string');
  const {
    kty,
    crv,
    x,
    y,
    use,
    key_ops: operations,
    ext,
  } = jwk as Readonly<Record<string, unknown>> &
    PublicJwk & {
      readonly use?: unknown;
      readonly key_ops?: unknown;
      readonly ext?: unknown;
    };
  if (kty !== 'EC' || crv !== curve) throw data(`not a JWK of an EC key on ${curve}`);
  if (use !== undefined && use !== (parameters.name === 'ECDSA' ? 'sig' : 'enc'))
    throw data("the JWK's use is another");
  const fits = Array.isArray(operations) && usages.every((usage) => operations.includes(usage));
  if (operations !== undefined && !fits) throw data("the JWK's key_ops are others");
  if (ext === false && extractable) throw data('the JWK is not extractable');
  return { kty, crv, x, y };
}

async function importSecret(session: Session, asked: Import): Promise<HandleKey> {
  const { format, parameters, extractable } = asked;
  const { name } = parameters;
  if (format !== 'raw') throw notSupported(`a key for ${name} comes raw: a secret is not put into a string`);
  const usages = checkUsages(name, asked.usages, ALGORITHMS[name].usages);
  mustHaveUsages(usages);
  const material = bytesOf(asked.keyData);
  const bits = 8 * material.length;
  const handle = await session.importKey(templateFor(parameters, bits, usages, extractable), material);
  return secretKey(handle as AesKey | HmacKey | GenericKey, parameters, usages);
}

/** Session keys: they last as long as the session, unlike those that `ensureKey` makes. */
export const transient = (extractable: unknown) =>
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
  parameters: { readonly name: Name; readonly length?: number | undefined },
  bits: number,
  usages: readonly Usage[],
  extractable: unknown,
  within: PatternInfo | 'any' = 'any',
): AesTemplate | HmacTemplate | GenericTemplate {
  const { name } = parameters;
  const { type, callerIv } = ALGORITHMS[name];
  // With an IV of one's choice, CTR is one operation both ways, and the cell asks for both usages.
  const both: readonly Usage[] = name === 'AES-CTR' ? ['encrypt', 'decrypt'] : usages;
  const common = { bits, usage: cellUsages(both) as never[], ...transient(extractable) };
  switch (type) {
    case 'AES':
      if (![128, 192, 256].includes(bits)) throw data('an AES key has 128, 192 or 256 bits');
      return {
        ...{ ...common, type, bits: bits as AesBits },
        ...(callerIv && { callerIv }),
        ...(name === 'AES-KW' && within === 'any' && unbound.wrapping),
      };
    case 'HMAC':
      if ((parameters.length ?? bits) !== bits) throw data('the key does not have the length that was given');
      return { ...common, type };
    case 'GENERIC':
      if (extractable) throw failure('SyntaxError', `a key for ${name} is not extractable`);
      return { ...common, type, ...(common.usage.length > 0 && within === 'any' && unbound.deriving) };
    default:
      throw notSupported(`${name} has no secret keys`);
  }
}

/** A key on its way out. Public keys always; a private or secret one only if it is extractable as plaintext. */
export async function exportFrom(session: Session, format: unknown, key: HandleKey): Promise<object> {
  checkFormat(format);
  if (!key.extractable) throw failure('InvalidAccessError', 'the key is not extractable');
  const { handle } = key;
  if (key.type === 'public' && handle.type === 'EC') {
    const { kty, crv, x, y } = handle.jwk;
    if (format === 'jwk') return { kty, crv, x, y, key_ops: [...key.usages], ext: true };
    if (format === 'spki') return bufferOf(new Uint8Array(handle.publicKey));
    if (format === 'raw') return bufferOf(pointOf(handle.jwk));
  }
  const own = key.type === 'private' ? 'pkcs8' : 'raw';
  if (format === 'jwk') throw notSupported(`a ${key.type} key goes out as ${own}: a secret is not put into a string`);
  if (key.type === 'public' || format !== own) throw notSupported(`a ${key.type} key has no format ${format}`);
  return bufferOf(await session.exportKey(handle));
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
