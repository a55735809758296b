/** A key's attributes as its record holds them: what is authenticated with the key and decides what may be done with it. */
import type { Curve, Extractable, KeyClass, KeyType, Origin, Usage } from './key.ts';

export const TYPES: readonly KeyType[] = ['AES', 'EC', 'HMAC', 'GENERIC', 'AES-CBC-HMAC'];
export const CLASSES: readonly KeyClass[] = ['secret', 'private', 'public'];
export const CURVES: readonly Curve[] = ['P-256', 'P-384', 'secp256k1'];
export const EXTRACTABLES: readonly Extractable[] = [false, 'wrapped', 'plaintext'];
export const REWRAPS = ['trusted', 'any', 'issuer'] as const;
export const USAGES: readonly Usage[] = ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'];
/** What a key is for where nobody says. */
export const DEFAULT_USAGE: Readonly<Record<KeyType, readonly Usage[]>> = {
  AES: ['encrypt', 'decrypt'],
  EC: ['sign', 'verify'],
  HMAC: ['sign', 'verify'],
  GENERIC: ['derive'],
  'AES-CBC-HMAC': ['encrypt', 'decrypt'],
};
export const FLAGS = [
  'neverExtractable',
  'trusted',
  'wrapWithTrusted',
  'destroyable',
  'dualUse',
  'callerIv',
  'persistent',
] as const;
export type Flag = (typeof FLAGS)[number];
/** How the key came to be; only what a cell generated has never been seen outside. */
export const ORIGINS: readonly Origin[] = ['generated', 'imported', 'derived', 'unwrapped'];
export const PROOF_MAX_AGE = { least: 1, most: 86400, default: 3600 } as const;

/** Who signs the proofs that a re-wrap needs, and what these must say. */
export interface Issuer {
  /** For people; the point is what counts. */
  readonly id: string;
  /** 04 ‖ x ‖ y on P-256 or P-384. */
  readonly point: Uint8Array;
  /** The longest life of a proof, in seconds. */
  readonly proofMaxAge: number;
  /** A proof must list the blobs that it is good for. */
  readonly blobs: boolean;
}

/** To whom a wrapping key may re-wrap what it holds. */
export interface Rewrap {
  readonly rewrap: (typeof REWRAPS)[number];
  /** Present exactly where `rewrap` is `issuer`. */
  readonly issuer: Issuer | null;
}

/**
 * The most that a key may be which is unwrapped by, or derived from, another. In canonical form: a member that cannot matter
 * for the type and the usages has its default, and an AES pattern that wraps or unwraps names the template below it.
 */
export interface Pattern extends Rewrap {
  readonly type: KeyType;
  /** Null leaves it open. */
  readonly bits: number | null;
  /** EC only; null leaves it open. */
  readonly curve: Curve | null;
  readonly usage: readonly Usage[];
  readonly callerIv: boolean;
  readonly extractable: Extractable;
  readonly wrapWithTrusted: boolean;
  /** Milliseconds since 1970; 0 for no end. */
  readonly notAfter: number;
  /** AES with wrap or unwrap: what comes back from under such a key. */
  readonly unwrapTemplate: Template | null;
  /** With the usage derive: what may be derived. */
  readonly deriveTemplate: Template | null;
}

/** What a key lets come of it: a pattern, or anything, which only a key with `dualUse` may say. */
export type Template = Pattern | 'any';

/** A key is a pattern that leaves nothing open, and more. */
export interface KeyAttributes extends Pattern, Readonly<Record<Flag, boolean>> {
  readonly class: KeyClass;
  readonly bits: number;
  readonly origin: Origin;
  /** Milliseconds since 1970; 0 for none. */
  readonly notBefore: number;
  readonly maxUses: number;
  readonly createdAt: number;
  /** Three bytes for AES, none for others. */
  readonly checkValue: Uint8Array;
  readonly version: number;
  /** EC: the point 04 ‖ x ‖ y. */
  readonly point: Uint8Array | null;
  readonly label: string | null;
}
