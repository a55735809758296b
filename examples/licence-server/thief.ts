/** Somebody has the service's own session, by a hole in the service, and the database: what can they carry away? */
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, generateKeyPair } from 'jose';
import { type AesKey, HsmError, type Session } from 'keycell';
import { publicJwk, Shop } from './shop.ts';
import type { DeviceJwk } from './vault.ts';

export interface Attempt {
  readonly attempt: string;
  /** The code of the refusal; undefined if they got away with it. */
  readonly refused: string | undefined;
}

/** What the thief came by honestly: one title, for a device of their own. */
export interface Bought {
  readonly device: DeviceJwk;
  readonly entitlement: string;
  /** The content key that was paid for, and one that was not, as the database has them. */
  readonly paid: Uint8Array;
  readonly unpaid: Uint8Array;
}

export async function steal(session: Session, audience: string, bought: Bought): Promise<Attempt[]> {
  const { device, entitlement, paid, unpaid } = bought;
  const kek = await newestKek(session);
  const deliver = (blobs: readonly Uint8Array[], jwk: DeviceJwk, proof: string) =>
    session.rewrapKeys(blobs, { from: kek, mechanism: 'AES-KW', to: { jwk, proof }, as: 'JWE' });

  // What was paid for, the session delivers: so it is for the right reason that the rest is refused.
  await deliver([paid], device, entitlement);

  const { publicKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256' });
  const own = await publicJwk(publicKey);
  // Well made out, to a key of their own, but by a shop of their own.
  const jkt = await calculateJwkThumbprint(own);
  const forged = await (await Shop.open()).entitle({ audience, blobs: [digestOf(unpaid)], jkt });

  return [
    await attempt('export the key-encryption key', () => session.exportKey(kek)),
    await attempt('re-wrap a content key to a key of their own', () => deliver([unpaid], own, forged)),
    await attempt('re-wrap one title on the proof of another', () => deliver([unpaid], device, entitlement)),
    await attempt('slip one in among those paid for', () => deliver([paid, unpaid], device, entitlement)),
    await attempt('unwrap a content key as plaintext', () =>
      session.unwrapKey(
        kek,
        unpaid,
        { type: 'AES', bits: 128, usage: [], extractable: 'plaintext' },
        { mechanism: 'AES-KW' },
      ),
    ),
  ];
}

const digestOf = (blob: Uint8Array): string => createHash('sha256').update(blob).digest('base64url');

async function newestKek(session: Session): Promise<AesKey> {
  let newest: AesKey | undefined;
  for await (const key of session.findKeys({ type: 'AES' })) {
    if (key.type === 'AES' && (newest === undefined || key.createdAt > newest.createdAt)) newest = key;
  }
  if (newest === undefined) throw new Error('the thief found no key-encryption key');
  return newest;
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
