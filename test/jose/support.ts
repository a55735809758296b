/** Keys that both sides have, and tokens that a well-behaved library would not write. */
import {
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import type { JWK } from 'jose';
import type { Curve, EcKey, HmacKey, Session } from '../../dist/index.js';
import type { JwsAlgorithm } from '../../dist/jose/index.js';

/** npm jose 6 has all of them but ES256K; node:crypto has that too. */
export const JOSE_ALGORITHMS: readonly JwsAlgorithm[] = ['ES256', 'ES384', 'HS256', 'HS384', 'HS512'];
export const ALGORITHMS: readonly JwsAlgorithm[] = ['ES256', 'ES384', 'ES256K', 'HS256', 'HS384', 'HS512'];

const CURVES: Partial<Record<JwsAlgorithm, { curve: Curve; node: string }>> = {
  ES256: { curve: 'P-256', node: 'prime256v1' },
  ES384: { curve: 'P-384', node: 'secp384r1' },
  ES256K: { curve: 'secp256k1', node: 'secp256k1' },
};

export const utf8 = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const b64 = (value: Uint8Array | string): string => Buffer.from(value as string).toString('base64url');
export const header = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString());

export interface Shared {
  readonly key: EcKey | HmacKey;
  /** What a peer signs with … */
  readonly theirs: KeyObject | Uint8Array;
  /** … and verifies with. */
  readonly peer: KeyObject | Uint8Array;
}

/** A key made outside and imported, so that either side can sign. */
export async function keyFor(session: Session, alg: JwsAlgorithm): Promise<Shared> {
  const named = CURVES[alg];
  const usage = ['sign', 'verify'] as const;
  if (named === undefined) {
    const secret = randomBytes(64);
    const key = await session.importKey({ type: 'HMAC', bits: 512, usage, persistent: false }, secret);
    return { key, theirs: secret, peer: secret };
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: named.node });
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const key = await session.importKey({ type: 'EC', curve: named.curve, usage, persistent: false }, pkcs8);
  return { key, theirs: privateKey, peer: publicKey };
}

/** The private key of a JWK, as the examples of the RFCs give it. */
export async function importPrivate<U extends string>(session: Session, jwk: JWK, usage: readonly U[]) {
  const common = { usage: usage as never, persistent: false } as const;
  if (jwk.kty === 'oct') {
    const secret = Buffer.from(jwk.k!, 'base64url');
    return session.importKey({ ...common, type: 'HMAC', bits: 8 * secret.length }, secret);
  }
  const pkcs8 = createPrivateKey({ key: jwk as never, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' });
  return session.importKey({ ...common, type: 'EC', curve: jwk.crv as Curve }, pkcs8);
}

/** The same token under another header: nobody signed that. */
export const reheaded = (token: string, members: object): string =>
  [b64(JSON.stringify(members)), ...token.split('.').slice(1)].join('.');

/** A token with any header at all, truly signed. */
export async function strangers(key: KeyObject | Uint8Array, alg: JwsAlgorithm, members: object, payload: Uint8Array) {
  const signed = `${b64(JSON.stringify(members))}.${b64(payload)}`;
  const signature =
    key instanceof Uint8Array
      ? createHmac(hashOf(alg), key).update(signed).digest()
      : sign(hashOf(alg), Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${b64(signature)}`;
}

const hashOf = (alg: JwsAlgorithm): string => (alg === 'ES256K' ? 'sha256' : `sha${alg.slice(2)}`);

/** Does node:crypto find the signature right? */
export function nodeVerifies(key: KeyObject | Uint8Array, alg: JwsAlgorithm, token: string): boolean {
  const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')));
  const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
  if (key instanceof Uint8Array) return createHmac(hashOf(alg), key).update(signed).digest().equals(signature);
  return verify(hashOf(alg), signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
}
