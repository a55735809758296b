/**
 * `keycell/jose`: JWS, JWT and JWE (RFC 7515 to 7519) over a session.
 * Functions over the public Session interface alone: nothing here holds a key, and nothing loads the HSM.
 */
export type { JweAlgorithm, JweEncryption, JwsAlgorithm, KeyWrap } from './algorithms.ts';
export { type DecryptJweOptions, decryptJwe, type EncryptJweOptions, encryptJwe, type JweRecipient } from './jwe.ts';
export {
  type JwsHeader,
  type SignCompactOptions,
  signCompact,
  type VerifiedJws,
  type VerifyCompactOptions,
  verifyCompact,
} from './jws.ts';
export {
  type JwtClaims,
  type SignJwtOptions,
  signJwt,
  type VerifiedJwt,
  type VerifyJwtOptions,
  verifyJwt,
} from './jwt.ts';
export { type JsonWebKeySet, jwks, type PublishedJwk, type VerificationKey, type VerificationKeys } from './keys.ts';
export type { ProtectedHeader } from './parts.ts';
