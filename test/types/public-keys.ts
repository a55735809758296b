/**
 * Public keys as others type them: npm jose's JWK, node's JsonWebKey, and the DOM's. Checked by the compiler, never run; what is
 * no EC public key is refused at run time.
 */
import { createPublicKey, type JsonWebKey as NodeJsonWebKey } from 'node:crypto';
import type { JWK as JoseJwk, JSONWebKeySet as JoseKeySet } from 'jose';
import type { AesKey, EcKey, Jwk, PublicJwk, PublicKeyInput, Session } from '../../src/index.ts';
import { encryptJwe, jwks, type VerificationKeys, verifyJwt } from '../../src/jose/index.ts';

declare const session: Session;
declare const kek: AesKey;
declare const base: EcKey;
declare const token: string;

/** What lib.dom has; where it is loaded, the same name is this and more. */
interface DomJsonWebKey {
  alg?: string;
  crv?: string;
  d?: string;
  dp?: string;
  dq?: string;
  e?: string;
  ext?: boolean;
  k?: string;
  key_ops?: string[];
  kty?: string;
  n?: string;
  oth?: { d?: string; r?: string; t?: string }[];
  p?: string;
  q?: string;
  qi?: string;
  use?: string;
  x?: string;
  y?: string;
}

export async function everywhere(key: PublicKeyInput): Promise<void> {
  await session.importKey({ type: 'EC', class: 'public', curve: 'P-256', usage: ['verify'] }, key);
  await session.deriveKey(base, { mechanism: 'ECDH', publicKey: key, kdf: { name: 'none' } }, {});
  await verifyJwt(session, key, token);
  await verifyJwt(session, [key, { kid: 'one', key }], token);
  await encryptJwe(session, key, new Uint8Array(1));
}

export async function given(
  jose: JoseJwk,
  node: NodeJsonWebKey,
  dom: DomJsonWebKey,
  ours: PublicJwk,
  set: JoseKeySet,
): Promise<void> {
  for (const jwk of [jose, node, dom, ours, createPublicKey('…').export({ format: 'jwk' })] satisfies Jwk[]) {
    await everywhere(jwk);
    await session.rewrapKeys([], { from: kek, mechanism: 'AES-KW', as: 'JWE', to: { jwk } });
  }
  await everywhere(jose);
  await everywhere('-----BEGIN PUBLIC KEY-----');
  await everywhere(createPublicKey('…').export({ format: 'der', type: 'spki' }));
  await everywhere({ kty: 'EC', crv: 'P-256', x: '…', y: '…', kid: 'one', use: 'sig', alg: 'ES256' });
  await verifyJwt(session, set, token);
  set satisfies VerificationKeys;
  // And the other way: what we publish is theirs.
  (await jwks(session)) satisfies { keys: JoseJwk[] };
  ours satisfies JoseJwk;
}

export async function wrong(session: Session, key: EcKey, secret: AesKey): Promise<void> {
  const template = { type: 'EC', class: 'public', curve: 'P-256', usage: ['verify'] } as const;
  // @ts-expect-error: a handle is no material
  await session.importKey(template, key);
  // @ts-expect-error: nor one without a public half
  await session.importKey(template, secret);
  // @ts-expect-error: a private key is no string
  await session.importKey({ type: 'EC', curve: 'P-256', usage: ['sign'] }, '-----BEGIN PRIVATE KEY-----');
  // @ts-expect-error: nor a JWK
  await session.importKey({ type: 'EC', curve: 'P-256', usage: ['sign'] }, { kty: 'EC', d: '…' });
  // @ts-expect-error: a symmetric key verifies as a handle alone, and AES keys verify no tokens
  await verifyJwt(session, secret, 'a.b.c');
}
