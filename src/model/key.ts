/** Keys as a user sees them: types, usages, attributes, and the templates that ask for a key. */

/** What comes out: an array over an ArrayBuffer of its own, which the caller may transfer or wipe. */
export type Bytes = Uint8Array<ArrayBuffer>;

export type KeyType = 'AES' | 'EC' | 'HMAC' | 'GENERIC';
export type Curve = 'P-256' | 'P-384' | 'secp256k1';
export type HashName = 'SHA-256' | 'SHA-384' | 'SHA-512';
export type AesBits = 128 | 192 | 256;

/** PKCS#11's classes: a public key has no secret part, a private one has both. */
export type KeyClass = 'secret' | 'private' | 'public';

/** The usages that each type of key can have. */
export interface UsageOf {
  AES: 'encrypt' | 'decrypt' | 'wrap' | 'unwrap' | 'sign' | 'verify';
  EC: 'sign' | 'verify' | 'derive';
  HMAC: 'sign' | 'verify' | 'derive';
  GENERIC: 'derive';
}
/** Any usage. */
export type Usage = UsageOf[KeyType];

/**
 * How far a key may leave the cells: not at all, only wrapped under another key, or as plaintext.
 * False unless asked for; only ever tightened.
 */
export type Extractable = false | 'wrapped' | 'plaintext';

/**
 * To whom a wrapping key may re-wrap what it holds, besides keys that an admin marked trusted (the default, and always allowed):
 * anybody, or whoever shows a proof (a compact JWS) signed by `issuer` that names the recipient in `cnf.jkt`.
 */
export type RewrapPolicy = 'trusted' | 'any' | { readonly issuer: Key | { readonly id: string } };

/** The most that a key unwrapped by this key can be; fixed when the wrapping key is made. */
export interface UnwrapTemplate {
  readonly type?: KeyType;
  readonly bits?: number;
  readonly usage?: readonly Usage[];
  readonly extractable?: Extractable;
}

interface CommonTemplate {
  /** Unique for each owner; 1 to 128 characters. */
  readonly label?: string;
  /** 32 hex digits; random unless given. */
  readonly id?: string;
  /** True: sealed in the store. False: a session key, which lives in its handle and dies with the session. */
  readonly persistent?: boolean;
  readonly extractable?: Extractable;
  /** False: nobody can destroy the key. Default true. */
  readonly destroyable?: boolean;
  /** May be wrapped only by a key that an admin marked trusted. */
  readonly wrapWithTrusted?: boolean;
  /** The key works from this time (milliseconds since 1970, or a Date) … */
  readonly notBefore?: number | Date;
  /** … and until this one. */
  readonly notAfter?: number | Date;
  /** Later: refused until the warden grants budgets. */
  readonly maxUses?: number;
  /**
   * Allow usages that together can extract keys or forge: wrap or unwrap with decrypt, unwrap with encrypt, HMAC sign with
   * derive, AES sign or verify (CMAC) with any of encrypt, decrypt, wrap, unwrap.
   */
  readonly dualUse?: boolean;
}

/** An AES key: data (`encrypt`, `decrypt`) or keys (`wrap`, `unwrap`), not both without `dualUse`. */
export interface AesTemplate extends CommonTemplate {
  readonly type: 'AES';
  readonly bits: AesBits;
  readonly usage: readonly UsageOf['AES'][];
  /** The most that a key can be which comes in under this one. Default: anything but extractable as plaintext. */
  readonly unwrapTemplate?: UnwrapTemplate;
  /** To whom this key may re-wrap what it holds. Default `'trusted'`. */
  readonly rewrapPolicy?: RewrapPolicy;
  /**
   * The caller, and never the cell, chooses this key's IVs: he answers for their uniqueness. With an IV used before,
   * `encrypt` gives what decrypts the other message. Such a key makes no envelopes and streams, and wraps nothing by GCM.
   */
  readonly callerIv?: boolean;
}
/**
 * An EC key pair: signatures (ECDSA) or agreement (`derive`: ECDH). P-384 offers 192 bits of strength at about three times
 * the cost of P-256; secp256k1 is for those who must speak it.
 */
export interface EcTemplate extends CommonTemplate {
  readonly type: 'EC';
  readonly curve: Curve;
  readonly usage: readonly UsageOf['EC'][];
}
/** An HMAC key: MACs (`sign`, `verify`), or the base of others (`derive`), not both without `dualUse`. */
export interface HmacTemplate extends CommonTemplate {
  readonly type: 'HMAC';
  /** 112 to 4096, a multiple of 8. */
  readonly bits: number;
  readonly usage: readonly UsageOf['HMAC'][];
}
/** A secret that is no key yet, such as what an agreement gives: others are derived from it. */
export interface GenericTemplate extends CommonTemplate {
  readonly type: 'GENERIC';
  /** 8 to 4096, a multiple of 8. */
  readonly bits: number;
  readonly usage: readonly UsageOf['GENERIC'][];
}
/** What a key shall be; sealed in with it, and read by the cell at each use. */
export type KeyTemplate = AesTemplate | EcTemplate | HmacTemplate | GenericTemplate;

/** A public key as RFC 7518 §6.2.1 writes it; secp256k1 as RFC 8812 §3.1 does. */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: Curve;
  readonly x: string;
  readonly y: string;
  readonly kid?: string;
}

interface CommonKey {
  /** 32 hex digits. */
  readonly id: string;
  readonly version: number;
  readonly class: KeyClass;
  readonly label: string | undefined;
  readonly owner: string;
  readonly extractable: Extractable;
  /** True if the key was made in a cell and could never leave one. */
  readonly neverExtractable: boolean;
  /** True if the key was made in a cell. */
  readonly local: boolean;
  readonly trusted: boolean;
  readonly wrapWithTrusted: boolean;
  readonly destroyable: boolean;
  readonly persistent: boolean;
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  readonly createdAt: Date;
}
export interface AesKey extends CommonKey {
  readonly type: 'AES';
  readonly bits: AesBits;
  readonly usage: readonly UsageOf['AES'][];
  /** The first three bytes of the encryption of a zero block, in hex (PKCS#11 CKA_CHECK_VALUE). */
  readonly checkValue: string;
  readonly callerIv: boolean;
  readonly rewrapPolicy: 'trusted' | 'any' | 'issuer';
}
export interface EcKey extends CommonKey {
  readonly type: 'EC';
  readonly curve: Curve;
  readonly usage: readonly UsageOf['EC'][];
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Bytes;
  readonly jwk: PublicJwk;
  /** RFC 7638 thumbprint, base64url. */
  readonly kid: string;
}
export interface HmacKey extends CommonKey {
  readonly type: 'HMAC';
  readonly bits: number;
  readonly usage: readonly UsageOf['HMAC'][];
}
export interface GenericKey extends CommonKey {
  readonly type: 'GENERIC';
  readonly bits: number;
  readonly usage: readonly UsageOf['GENERIC'][];
}

/** A handle: names a sealed record and holds no secret. */
export type Key = AesKey | EcKey | HmacKey | GenericKey;

/** The handle that a template asks for. */
export type KeyOf<T extends { type: KeyType }> = Extract<Key, { type: T['type'] }>;
