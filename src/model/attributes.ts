/** A key's attributes as its record holds them: what is authenticated with the key and decides what may be done with it. */
import type { Curve, Extractable, KeyClass, KeyType, Usage } from './key.ts';

export const LABEL_MAX = 128;

export const TYPES: readonly KeyType[] = ['AES', 'EC', 'HMAC', 'GENERIC'];
export const CLASSES: readonly KeyClass[] = ['secret', 'private', 'public'];
export const CURVES: readonly Curve[] = ['P-256', 'P-384', 'secp256k1'];
export const EXTRACTABLES: readonly Extractable[] = [false, 'wrapped', 'plaintext'];
export const REWRAPS = ['trusted', 'any', 'issuer'] as const;
export const USAGES: readonly Usage[] = ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'];
export const FLAGS = [
  'neverExtractable',
  'local',
  'trusted',
  'wrapWithTrusted',
  'destroyable',
  'dualUse',
  'callerIv',
  'persistent',
] as const;
export type Flag = (typeof FLAGS)[number];

/** The most that a key unwrapped by a key can be; null leaves a member open. */
export interface UnwrapLimit {
  readonly type: KeyType | null;
  readonly bits: number | null;
  readonly usage: readonly Usage[] | null;
  readonly extractable: Extractable;
}

export interface KeyAttributes extends Readonly<Record<Flag, boolean>> {
  readonly type: KeyType;
  readonly class: KeyClass;
  /** EC only. */
  readonly curve: Curve | null;
  readonly bits: number;
  readonly extractable: Extractable;
  readonly rewrap: (typeof REWRAPS)[number];
  readonly usage: readonly Usage[];
  /** Milliseconds since 1970; 0 for none. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly maxUses: number;
  readonly createdAt: number;
  /** Three bytes for AES, none for others. */
  readonly checkValue: Uint8Array;
  readonly version: number;
  /** EC: the point 04 ‖ x ‖ y. */
  readonly point: Uint8Array | null;
  readonly label: string | null;
  readonly unwrapLimit: UnwrapLimit | null;
  /** The issuer of proofs, where `rewrap` says so: its id for people, its point for the cell. */
  readonly issuer: { readonly id: string; readonly point: Uint8Array } | null;
}
