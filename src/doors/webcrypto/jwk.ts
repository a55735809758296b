/** A JWK as WebCrypto reads it: the dictionary JsonWebKey, as far as it can be looked at without its secret. */
import type { PublicJwk } from '../../model/key.ts';
import { coordinateSize, type Name, type SpecifiedCurve, type SpecifiedHash, type Usage } from './algorithms.ts';
import { failure } from './errors.ts';
import { domString, isObject, sequence } from './webidl.ts';

export interface Jwk {
  readonly alg?: string;
  readonly crv?: string;
  /** Whether there is a `d`: a secret is not put into a string, so it is not read. */
  readonly d?: boolean;
  readonly ext?: boolean;
  /** The same of a `k`. */
  readonly k?: boolean;
  readonly key_ops?: readonly string[];
  readonly kty?: string;
  readonly use?: string;
  readonly x?: string;
  readonly y?: string;
}

/** In the order of their names, as Web IDL reads them. */
const MEMBERS = {
  alg: domString,
  crv: domString,
  d: () => true,
  ext: Boolean,
  k: () => true,
  key_ops: sequence(domString),
  kty: domString,
  use: domString,
  x: domString,
  y: domString,
};

/** No object but null or undefined is one without members. Throws TypeError. */
export function readJwk(value: unknown): Jwk {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new TypeError('a JWK is an object');
  const members = Object.entries(MEMBERS).flatMap(([name, convert]) => {
    const member: unknown = Reflect.get(value, name);
    return member === undefined ? [] : [[name, convert(member, `${name} of the JWK`)]];
  });
  return Object.fromEntries(members);
}

const data = (message: string) => failure('DataError', message);

interface Asked {
  readonly name: Name;
  readonly usages: readonly Usage[];
  readonly extractable: boolean;
}

/** May the JWK be used as is asked, `use` being its use then? Throws DataError. */
function checkUse({ use: stated, key_ops: operations, ext }: Jwk, use: 'sig' | 'enc', asked: Asked): void {
  const { usages, extractable } = asked;
  // A key for nothing may be for anything: a public one for ECDH has no usages.
  if (usages.length > 0 && stated !== undefined && stated !== use) throw data("the JWK's use is another");
  if (operations !== undefined) {
    // RFC 7517 §4.3.
    if (new Set(operations).size !== operations.length) throw data("the JWK's key_ops name one twice");
    if (!usages.every((usage) => operations.includes(usage))) throw data("the JWK's key_ops are others");
  }
  if (ext === false && extractable) throw data('the JWK is not extractable');
}

/** RFC 7518 §3.4. ECDH has no such names: a JWK says how its agreement is used (`ECDH-ES+A256KW`), if anything. */
const SIGNS_BY: Readonly<Record<SpecifiedCurve, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };

interface AskedEc extends Asked {
  readonly name: 'ECDSA' | 'ECDH';
  readonly curve: SpecifiedCurve;
}

/** The public key in a JWK that may be used as is asked; of one with a `d`, the public half. Throws DataError. */
export function publicJwk(jwk: Jwk, asked: AskedEc): Omit<PublicJwk, 'crv'> {
  const { name, curve } = asked;
  const { kty, crv, x, y, alg } = jwk;
  if (kty !== 'EC' || crv !== curve) throw data(`not a JWK of an EC key on ${curve}`);
  checkUse(jwk, name === 'ECDSA' ? 'sig' : 'enc', asked);
  if (name === 'ECDSA' && alg !== undefined && alg !== SIGNS_BY[curve]) throw data("the JWK's alg is another");
  if (x === undefined || y === undefined) throw data('the JWK has no point');
  const size = coordinateSize(curve);
  if ([x, y].some((text) => Buffer.from(text, 'base64url').length !== size)) {
    throw data(`a coordinate of the JWK is not ${size} bytes in base64url`);
  }
  return { kty, x, y };
}

/** RFC 7518 §3.2, §4.4, §5.3: `HS256`, `A128KW`. Of AES all three, as the key's size is not looked at. */
const algorithmsOf = (name: Name, hash: SpecifiedHash | undefined): string[] =>
  hash === undefined ? [128, 192, 256].map((bits) => `A${bits}${name.slice(4)}`) : [`HS${hash.slice(4)}`];

interface AskedSecret extends Asked {
  readonly hash: SpecifiedHash | undefined;
}

/** All but its secret: a JWK of a secret key that may be used as is asked. Throws DataError. */
export function checkSecretJwk(jwk: Jwk, asked: AskedSecret): void {
  const { name, hash } = asked;
  if (jwk.kty !== 'oct' || jwk.k === undefined) throw data('not a JWK of a secret key');
  checkUse(jwk, name === 'HMAC' ? 'sig' : 'enc', asked);
  if (jwk.alg !== undefined && !algorithmsOf(name, hash).includes(jwk.alg)) throw data("the JWK's alg is another");
}
