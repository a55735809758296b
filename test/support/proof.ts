/** Proofs as an issuer makes them, over node:crypto alone, and with whatever one wants in them. */
import { createHash, type KeyObject, sign } from 'node:crypto';

export const TYPE = 'keycell-rewrap+jwt';
export const ES256 = { alg: 'ES256', typ: TYPE };
export const ES384 = { alg: 'ES384', typ: TYPE };

export const seconds = (): number => Math.floor(Date.now() / 1000);

/** The claims of a proof for five minutes. */
export const claimsFor = (hsmId: string, jkt: string) => ({
  aud: `keycell:${hsmId}`,
  iat: seconds(),
  exp: seconds() + 300,
  cnf: { jkt },
});

/** A string, or bytes, stands for itself: JSON that JSON.stringify would not write. */
export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value)).toString(
    'base64url',
  );

export function jws(payload: unknown, key: KeyObject, head: unknown = ES256, hash = 'sha256'): string {
  const input = `${encode(head)}.${encode(payload)}`;
  return `${input}.${sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

export const digestOf = (blob: Uint8Array): string => createHash('sha256').update(blob).digest('base64url');
