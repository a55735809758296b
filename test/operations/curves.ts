/** The three curves as node, OpenSSL and noble know them, and keys of each, for the tests of operations. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { ecdsa } from '@noble/curves/abstract/weierstrass.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import type { Curve, HashName, PublicJwk } from '../../dist/index.js';

export const CURVES = [
  { curve: 'P-256', openssl: 'prime256v1', size: 32, own: 'SHA-256', noble: p256 },
  { curve: 'P-384', openssl: 'secp384r1', size: 48, own: 'SHA-384', noble: p384 },
  { curve: 'secp256k1', openssl: 'secp256k1', size: 32, own: 'SHA-256', noble: secp256k1 },
] as const satisfies readonly { curve: Curve; own: HashName; [name: string]: unknown }[];
export type TestCurve = (typeof CURVES)[number];

export const HASHES = [
  { hash: 'SHA-256', node: 'sha256', size: 32, noble: sha256 },
  { hash: 'SHA-384', node: 'sha384', size: 48, noble: sha384 },
  { hash: 'SHA-512', node: 'sha512', size: 64, noble: sha512 },
] as const satisfies readonly { hash: HashName; [name: string]: unknown }[];
export type TestHash = (typeof HASHES)[number];

export const hashNamed = (name: HashName): TestHash => HASHES.find(({ hash }) => hash === name)!;

/** RFC 6979 by noble, without its own low-s rule. */
export const nobleSign = (curve: TestCurve, hash: TestHash, message: Uint8Array, scalar: Uint8Array): Buffer =>
  Buffer.from(ecdsa(curve.noble.Point as never, hash.noble, { lowS: false } as never).sign(message, scalar));

export interface NodePair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly pkcs8: Buffer;
  readonly sec1: Buffer;
  readonly spki: Buffer;
  readonly jwk: PublicJwk;
  readonly scalar: Buffer;
  readonly point: Buffer;
  readonly compressed: Buffer;
}

export function nodePair({ curve, size }: Pick<TestCurve, 'curve' | 'size'>): NodePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const { kty, crv, x, y, d } = privateKey.export({ format: 'jwk' }) as unknown as PublicJwk & { d: string };
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const point = spki.subarray(-(2 * size + 1));
  return {
    privateKey,
    publicKey,
    pkcs8: privateKey.export({ format: 'der', type: 'pkcs8' }),
    sec1: privateKey.export({ format: 'der', type: 'sec1' }),
    spki,
    jwk: { kty, crv, x, y },
    scalar: Buffer.from(d, 'base64url'),
    point,
    compressed: Buffer.concat([Buffer.of(2 + (point.at(-1)! & 1)), point.subarray(1, 1 + size)]),
  };
}

export const nodePublic = (spki: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
export const nodePrivate = (pkcs8: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });

/** Bytes taken out and put in at a place. */
export interface Alteration {
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

/** The form after each of these in turn. */
export function altered(form: Buffer, changes: readonly Alteration[]): Buffer {
  return changes.reduce((before, { at, remove, insert }) => {
    const from = at % before.length;
    return Buffer.concat([before.subarray(0, from), insert, before.subarray(from + remove)]);
  }, form);
}
