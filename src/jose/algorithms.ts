/** Which algorithms a key can be used with: the key decides, and a token's header only says which of them was taken. */
import type { AesBits, AesCbcHmacBits, Curve, HashName, Key } from '../model/key.ts';
import { invalid } from './parts.ts';

export type JwsAlgorithm = 'ES256' | 'ES384' | 'ES256K' | 'HS256' | 'HS384' | 'HS512';

interface Signature {
  readonly curve: Curve | null;
  readonly hash: HashName;
  /** HMAC: a key is no shorter than the digest (RFC 7518 §3.2). */
  readonly bits: number;
}

/** RFC 7518 §3.1; ES256K from RFC 8812 §3.2. The first that suits a key is its default. */
export const SIGNATURES: Readonly<Record<JwsAlgorithm, Signature>> = {
  ES256: { curve: 'P-256', hash: 'SHA-256', bits: 256 },
  ES384: { curve: 'P-384', hash: 'SHA-384', bits: 384 },
  ES256K: { curve: 'secp256k1', hash: 'SHA-256', bits: 256 },
  HS256: { curve: null, hash: 'SHA-256', bits: 256 },
  HS384: { curve: null, hash: 'SHA-384', bits: 384 },
  HS512: { curve: null, hash: 'SHA-512', bits: 512 },
};

const NAMES = Object.keys(SIGNATURES) as JwsAlgorithm[];

export const isJwsAlgorithm = (name: unknown): name is JwsAlgorithm => NAMES.includes(name as JwsAlgorithm);

/** An HMAC key of so many bits, or an EC key of this curve. */
export type Shape = { readonly curve: Curve } | { readonly bits: number };

export function suits(alg: JwsAlgorithm, shape: Shape): boolean {
  const { curve, bits } = SIGNATURES[alg];
  return 'curve' in shape ? shape.curve === curve : curve === null && shape.bits >= bits;
}

/** The algorithm a key signs with unless told: its curve's own, HS256 for HMAC. Throws INPUT_INVALID. */
export function defaultAlgorithm(shape: Shape): JwsAlgorithm {
  const alg = NAMES.find((name) => suits(name, shape));
  if (alg === undefined) throw invalid('an HMAC key that signs tokens has 256 bits or more');
  return alg;
}

export function shapeOf(key: Key): Shape {
  if (key?.type === 'EC') return { curve: key.curve };
  if (key?.type === 'HMAC') return { bits: key.bits };
  throw invalid('only EC and HMAC keys sign tokens');
}

export type JweEncryption = 'A128GCM' | 'A192GCM' | 'A256GCM' | 'A128CBC-HS256' | 'A192CBC-HS384' | 'A256CBC-HS512';

/** What a content key is. */
export type ContentKind =
  | { readonly type: 'AES'; readonly bits: AesBits }
  | { readonly type: 'AES-CBC-HMAC'; readonly bits: AesCbcHmacBits };
/** … and how it encrypts; sizes in bytes. */
export interface Encryption {
  readonly kind: ContentKind;
  readonly ivSize: number;
  readonly tagSize: number;
}

const gcm = (bits: AesBits): Encryption => ({ kind: { type: 'AES', bits }, ivSize: 12, tagSize: 16 });
/** RFC 7518 §5.2.2.1: the tag is as long as each of the two keys. */
const cbcHmac = (bits: AesCbcHmacBits): Encryption => ({
  kind: { type: 'AES-CBC-HMAC', bits },
  ivSize: 16,
  tagSize: bits / 16,
});

/** RFC 7518 §5.1. */
export const ENCRYPTIONS: Readonly<Record<JweEncryption, Encryption>> = {
  A128GCM: gcm(128),
  A192GCM: gcm(192),
  A256GCM: gcm(256),
  'A128CBC-HS256': cbcHmac(256),
  'A192CBC-HS384': cbcHmac(384),
  'A256CBC-HS512': cbcHmac(512),
};

export type KeyWrap = 'A128KW' | 'A192KW' | 'A256KW';
export type JweAlgorithm = 'ECDH-ES' | `ECDH-ES+${KeyWrap}` | 'dir' | KeyWrap;

interface KeyManagement {
  /** The key is agreed on with the recipient's EC key. */
  readonly agreed: boolean;
  /** The content key is wrapped under a key of so many bits. */
  readonly wrap: AesBits | null;
}

/** RFC 7518 §4.1. */
export const MANAGEMENT: Readonly<Record<JweAlgorithm, KeyManagement>> = {
  'ECDH-ES': { agreed: true, wrap: null },
  'ECDH-ES+A128KW': { agreed: true, wrap: 128 },
  'ECDH-ES+A192KW': { agreed: true, wrap: 192 },
  'ECDH-ES+A256KW': { agreed: true, wrap: 256 },
  dir: { agreed: false, wrap: null },
  A128KW: { agreed: false, wrap: 128 },
  A192KW: { agreed: false, wrap: 192 },
  A256KW: { agreed: false, wrap: 256 },
};

const ENCRYPTION_NAMES = Object.keys(ENCRYPTIONS) as JweEncryption[];

/** Is the key one that this encryption takes? */
export const isFor = (enc: JweEncryption, { type, bits }: ContentKind): boolean =>
  ENCRYPTIONS[enc].kind.type === type && ENCRYPTIONS[enc].kind.bits === bits;

/** The one that this key is for. */
export const encryptionOf = (key: ContentKind): JweEncryption => ENCRYPTION_NAMES.find((enc) => isFor(enc, key))!;
