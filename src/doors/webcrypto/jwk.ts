/** A JWK as WebCrypto reads it: the dictionary JsonWebKey, as far as elliptic curves need it. */
import type { Curve, PublicJwk } from '../../model/key.ts';
import type { Usage } from './algorithms.ts';
import { failure } from './errors.ts';
import { domString, isObject, sequence } from './webidl.ts';

export interface Jwk {
  readonly alg?: string;
  readonly crv?: string;
  /** Whether there is a `d`: a secret is not put into a string, so it is not read. */
  readonly d?: boolean;
  readonly ext?: boolean;
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
  readonly name: 'ECDSA' | 'ECDH';
  readonly curve: Curve;
  readonly usages: readonly Usage[];
  readonly extractable: boolean;
}

/** RFC 7518 §3.4. ECDH has no such names: a JWK says how its agreement is used (`ECDH-ES+A256KW`), if anything. */
const SIGNS_BY: Readonly<Partial<Record<Curve, string>>> = { 'P-256': 'ES256', 'P-384': 'ES384' };

/** The public key in a JWK that may be used as is asked; of one with a `d`, the public half. Throws DataError. */
export function publicJwk(jwk: Jwk, { name, curve, usages, extractable }: Asked): PublicJwk {
  const { kty, crv, x, y, alg, use, key_ops: operations, ext } = jwk;
  if (kty !== 'EC' || crv !== curve) throw data(`not a JWK of an EC key on ${curve}`);
  // A key for nothing may be for anything: a public one for ECDH has no usages.
  if (usages.length > 0 && use !== undefined && use !== (name === 'ECDSA' ? 'sig' : 'enc')) {
    throw data("the JWK's use is another");
  }
  if (operations !== undefined) {
    // RFC 7517 §4.3.
    if (new Set(operations).size !== operations.length) throw data("the JWK's key_ops name one twice");
    if (!usages.every((usage) => operations.includes(usage))) throw data("the JWK's key_ops are others");
  }
  if (ext === false && extractable) throw data('the JWK is not extractable');
  if (name === 'ECDSA' && alg !== undefined && alg !== SIGNS_BY[curve]) throw data("the JWK's alg is another");
  if (x === undefined || y === undefined) throw data('the JWK has no point');
  return { kty, crv: curve, x, y };
}
