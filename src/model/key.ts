/** Keys as a user sees them: types, usages, attributes, and the templates that ask for a key. */

/** What comes out: an array over an ArrayBuffer of its own, which the caller may transfer or wipe. */
export type Bytes = Uint8Array<ArrayBuffer>;

export type KeyType = 'AES' | 'EC' | 'HMAC' | 'GENERIC' | 'AES-CBC-HMAC';
export type Curve = 'P-256' | 'P-384' | 'secp256k1';
export type HashName = 'SHA-256' | 'SHA-384' | 'SHA-512';
export type AesBits = 128 | 192 | 256;
/** Of A128CBC-HS256, A192CBC-HS384 and A256CBC-HS512: the key of the MAC, then the cipher's, each half of it. */
export type AesCbcHmacBits = 256 | 384 | 512;

/** PKCS#11's classes: a public key has no secret part, a private one has both. */
export type KeyClass = 'secret' | 'private' | 'public';

/** The usages that each type of key can have. */
export interface UsageOf {
  AES: 'encrypt' | 'decrypt' | 'wrap' | 'unwrap' | 'sign' | 'verify';
  EC: 'sign' | 'verify' | 'derive';
  HMAC: 'sign' | 'verify' | 'derive';
  GENERIC: 'derive';
  'AES-CBC-HMAC': 'encrypt' | 'decrypt';
}
/** Any usage. */
export type Usage = UsageOf[KeyType];

/**
 * How far a key may leave the cells: not at all, only wrapped under another key, or as plaintext.
 * False unless asked for; only ever tightened.
 */
export type Extractable = false | 'wrapped' | 'plaintext';

/** How a key came to be: made in a cell, brought in from outside, derived from another key, unwrapped under one. */
export type Origin = 'generated' | 'imported' | 'derived' | 'unwrapped';

/**
 * To whom a wrapping key may re-wrap what it holds, besides keys that an admin marked trusted (the default, and always allowed):
 * anybody, or whoever shows a proof (a compact JWS, docs/formats.md §9) signed by `issuer` that names the recipient.
 */
export type RewrapPolicy = 'trusted' | 'any' | IssuerPolicy;
export interface IssuerPolicy {
  /** A public key (EC, P-256 or P-384) with the usage `verify`. */
  readonly issuer: Key | { readonly id: string };
  /** The longest life of a proof, in seconds: 1 to 86 400. Default 3 600. */
  readonly proofMaxAge?: number;
  /** A proof must list the blobs that it is good for. Default: it may. */
  readonly blobs?: 'required';
}

/**
 * The most that a key may be which is unwrapped by, or derived from, the key that has this as its template; fixed when that
 * key is made. Members that are left out have the defaults given here.
 */
export interface KeyPattern {
  /** Default AES. An unwrap template of AES lets keys of AES-CBC-HMAC come back, too: a wrapped content key does not say which. */
  readonly type?: KeyType;
  /** Default: any size. */
  readonly bits?: number;
  /** EC. Default: any curve. */
  readonly curve?: Curve;
  /** Default: encrypt and decrypt (AES, AES-CBC-HMAC), sign and verify (EC, HMAC), derive (GENERIC). */
  readonly usage?: readonly Usage[];
  /** Default false. */
  readonly callerIv?: boolean;
  /** Default `'wrapped'` for what is unwrapped, false for what is derived. */
  readonly extractable?: Extractable;
  /** Default false. */
  readonly wrapWithTrusted?: boolean;
  /** The key ends at this time at the latest. */
  readonly notAfter?: number | Date;
  /** Default `'trusted'`. */
  readonly rewrapPolicy?: RewrapPolicy;
  /** For keys that wrap or unwrap themselves; patterns nest three deep. */
  readonly unwrapTemplate?: KeyPattern;
  /** For keys that derive. */
  readonly deriveTemplate?: KeyPattern;
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
  /**
   * For keys that wrap or unwrap: the most that a key can be which is unwrapped by this one. Default: an AES key that encrypts
   * and decrypts, extractable `'wrapped'`. `'any'` only with `dualUse`.
   */
  readonly unwrapTemplate?: KeyPattern | 'any';
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
  /**
   * With the usage `derive`: the most that a key can be which is derived from this one. Without it, see `Kdf`. `'any'` only with
   * `dualUse`.
   */
  readonly deriveTemplate?: KeyPattern | 'any';
}
/** An HMAC key: MACs (`sign`, `verify`), or the base of others (`derive`), not both without `dualUse`. */
export interface HmacTemplate extends CommonTemplate {
  readonly type: 'HMAC';
  /** 112 to 4096, a multiple of 8. */
  readonly bits: number;
  readonly usage: readonly UsageOf['HMAC'][];
  /**
   * With the usage `derive`: the most that a key can be which is derived from this one. Without it, see `Kdf`. `'any'` only with
   * `dualUse`.
   */
  readonly deriveTemplate?: KeyPattern | 'any';
}
/** A secret that is no key yet, such as what an agreement gives: others are derived from it. */
export interface GenericTemplate extends CommonTemplate {
  readonly type: 'GENERIC';
  /** 8 to 4096, a multiple of 8. */
  readonly bits: number;
  readonly usage: readonly UsageOf['GENERIC'][];
  /**
   * With the usage `derive`: the most that a key can be which is derived from this one. Without it, see `Kdf`. `'any'` only with
   * `dualUse`.
   */
  readonly deriveTemplate?: KeyPattern | 'any';
}
/**
 * The composite content key of RFC 7518 §5.2: A128CBC-HS256, A192CBC-HS384 or A256CBC-HS512, as its size says. It serves that
 * authenticated encryption as a whole; neither half can be used alone.
 */
export interface AesCbcHmacTemplate extends CommonTemplate {
  readonly type: 'AES-CBC-HMAC';
  readonly bits: AesCbcHmacBits;
  readonly usage: readonly UsageOf['AES-CBC-HMAC'][];
}
/** What a key shall be; sealed in with it, and read by the cell at each use. */
export type KeyTemplate = AesTemplate | EcTemplate | HmacTemplate | GenericTemplate | AesCbcHmacTemplate;

/** A public key as RFC 7518 §6.2.1 writes it; secp256k1 as RFC 8812 §3.1 does. */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: Curve;
  readonly x: string;
  readonly y: string;
  readonly kid?: string;
}

/**
 * A JWK from elsewhere, as jose, node and the DOM type theirs: they leave open what it is. What is not an EC public key is
 * refused where it is given, a private one, too.
 */
export interface Jwk {
  readonly kty?: string | undefined;
  readonly crv?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly kid?: string | undefined;
  readonly alg?: string | undefined;
  readonly use?: string | undefined;
  readonly key_ops?: readonly string[] | undefined;
  /** No handle is one. */
  readonly type?: undefined;
}

/**
 * A public key from elsewhere: SubjectPublicKeyInfo or an X.509 certificate, in DER, or in PEM as bytes or string; a point,
 * compressed or not, bare or in an OCTET STRING (PKCS#11's CKA_EC_POINT); or a JWK. Of a certificate the key alone is
 * read: neither its dates nor who issued it are checked.
 */
export type PublicKeyInput = Uint8Array | string | Jwk;

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
  readonly origin: Origin;
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
  /** Three bytes of a CMAC in hex, docs/formats.md §2.1: equal for equal keys. Not PKCS#11's CKA_CHECK_VALUE. */
  readonly checkValue: string;
  readonly callerIv: boolean;
  readonly rewrapPolicy: 'trusted' | 'any' | 'issuer';
  /** Of the proofs that `rewrapPolicy` asks for. */
  readonly issuer: IssuerInfo | undefined;
  /** For keys that wrap or unwrap. */
  readonly unwrapTemplate: PatternInfo | 'any' | undefined;
}

/** An issuer of proofs, as a wrapping key keeps it. */
export interface IssuerInfo {
  /** The public key's id when the wrapping key was made. */
  readonly id: string;
  /** Its RFC 7638 thumbprint, base64url: this is what counts. */
  readonly kid: string;
  /** Seconds. */
  readonly proofMaxAge: number;
  readonly blobs: 'required' | undefined;
}

/** A template as a key has it: every default filled in, undefined where something is open. */
export interface PatternInfo {
  readonly type: KeyType;
  readonly bits: number | undefined;
  readonly curve: Curve | undefined;
  readonly usage: readonly Usage[];
  readonly callerIv: boolean;
  readonly extractable: Extractable;
  readonly wrapWithTrusted: boolean;
  readonly notAfter: Date | undefined;
  readonly rewrapPolicy: 'trusted' | 'any' | 'issuer';
  readonly issuer: IssuerInfo | undefined;
  readonly unwrapTemplate: PatternInfo | 'any' | undefined;
  readonly deriveTemplate: PatternInfo | 'any' | undefined;
}
export interface EcKey extends CommonKey {
  readonly type: 'EC';
  readonly curve: Curve;
  readonly usage: readonly UsageOf['EC'][];
  readonly deriveTemplate: PatternInfo | 'any' | undefined;
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
  readonly deriveTemplate: PatternInfo | 'any' | undefined;
}
export interface GenericKey extends CommonKey {
  readonly type: 'GENERIC';
  readonly bits: number;
  readonly usage: readonly UsageOf['GENERIC'][];
  readonly deriveTemplate: PatternInfo | 'any' | undefined;
}

export interface AesCbcHmacKey extends CommonKey {
  readonly type: 'AES-CBC-HMAC';
  readonly bits: AesCbcHmacBits;
  readonly usage: readonly UsageOf['AES-CBC-HMAC'][];
}

/** A handle: names a sealed record and holds no secret. */
export type Key = AesKey | EcKey | HmacKey | GenericKey | AesCbcHmacKey;

/** What `unwrapKey` and `deriveKey` take: members that are left out come from the template of the other key. */
export type PartialTemplate =
  | (Partial<Omit<AesTemplate, 'type'>> & { readonly type?: 'AES' })
  | (Partial<Omit<EcTemplate, 'type'>> & { readonly type: 'EC' })
  | (Partial<Omit<HmacTemplate, 'type'>> & { readonly type: 'HMAC' })
  | (Partial<Omit<GenericTemplate, 'type'>> & { readonly type: 'GENERIC' })
  | (Partial<Omit<AesCbcHmacTemplate, 'type'>> & { readonly type: 'AES-CBC-HMAC' });

/** The handle that a template asks for. */
export type KeyOf<T> = T extends { readonly type: infer Type extends KeyType } ? Extract<Key, { type: Type }> : Key;
