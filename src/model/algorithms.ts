/** Curves and hashes in numbers: the one table that sizes, encodings and the core's own numbering are read from. */
import type { Curve, HashName } from './key.ts';

export interface CurveFacts {
  /** In the record's attributes, and for the core. */
  readonly number: number;
  readonly bits: number;
  /** A coordinate and a scalar, in bytes. */
  readonly size: number;
  /** 04 ‖ x ‖ y. */
  readonly pointSize: number;
  /** What ECDSA hashes with unless told otherwise. */
  readonly hash: HashName;
  /** Its JWS algorithm with that hash (RFC 7518 §3.4, RFC 8812 §3.2). */
  readonly jws: 'ES256' | 'ES384' | 'ES256K';
}

const curve = (number: number, bits: number, hash: HashName, jws: CurveFacts['jws']): CurveFacts => ({
  number,
  bits,
  size: bits / 8,
  pointSize: 1 + bits / 4,
  hash,
  jws,
});

export const CURVE: Readonly<Record<Curve, CurveFacts>> = {
  'P-256': curve(1, 256, 'SHA-256', 'ES256'),
  'P-384': curve(2, 384, 'SHA-384', 'ES384'),
  secp256k1: curve(3, 256, 'SHA-256', 'ES256K'),
};

export const isCurve = (name: unknown): name is Curve => typeof name === 'string' && Object.hasOwn(CURVE, name);

export interface HashFacts {
  /** In a request's flags, and for the core. */
  readonly number: number;
  /** The digest, in bytes. */
  readonly size: number;
}

export const HASH: Readonly<Record<HashName, HashFacts>> = {
  'SHA-256': { number: 1, size: 32 },
  'SHA-384': { number: 2, size: 48 },
  'SHA-512': { number: 3, size: 64 },
};

export const isHash = (name: unknown): name is HashName => typeof name === 'string' && Object.hasOwn(HASH, name);
