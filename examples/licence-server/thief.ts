/** Somebody has the service's own session, by a hole in the service, and the database: what can he carry away? */
import { calculateJwkThumbprint, generateKeyPair } from 'jose';
import { HsmError, type Session } from 'keycell';
import { publicJwk, Shop } from './shop.ts';

export interface Attempt {
  readonly attempt: string;
  /** The code of the refusal; undefined if he got away with it. */
  readonly refused: string | undefined;
}

export async function steal(session: Session, blob: Uint8Array): Promise<Attempt[]> {
  const kek = await session.getKey({ type: 'AES' });
  if (kek.type !== 'AES') throw new Error('the thief found no key-encryption key');
  const { publicKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256' });
  const jwk = await publicJwk(publicKey);
  // Well made out, to his own key, but by a shop of his own.
  const proof = await (await Shop.open()).entitle(['anything'], await calculateJwkThumbprint(jwk));

  return [
    await attempt('export the key-encryption key', () => session.exportKey(kek)),
    await attempt('re-wrap a content key to his own key', () =>
      session.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', to: { jwk, proof }, as: 'JWE' }),
    ),
    await attempt('unwrap a content key as plaintext', () =>
      session.unwrapKey(
        kek,
        blob,
        { type: 'AES', bits: 128, usage: [], extractable: 'plaintext' },
        { mechanism: 'AES-KW' },
      ),
    ),
  ];
}

async function attempt(name: string, work: () => Promise<unknown>): Promise<Attempt> {
  try {
    await work();
    return { attempt: name, refused: undefined };
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    return { attempt: name, refused: error.code };
  }
}
