/**
 * The shop, which knows who bought what: it signs entitlements, each a proof for the HSM (docs/formats.md §9). Its private
 * key is no business of the server. Which blobs are a title's it has from the catalogue as that was packaged, and after each
 * rotation anew, from whoever runs it; asked when somebody buys, a server in the wrong hands could name others.
 */
import { randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type DeviceJwk, ENTITLEMENT_SECONDS } from './vault.ts';

export interface Purchase {
  /** Of the vault where the keys are. */
  readonly audience: string;
  /** Digests of the wrapped content keys. */
  readonly blobs: readonly string[];
  /** The device's thumbprint (RFC 7638). */
  readonly jkt: string;
  /** Seconds since 1970. Default: now. */
  readonly issuedAt?: number;
}

export class Shop {
  readonly jwk: DeviceJwk;
  readonly #privateKey: CryptoKey;

  static async open(): Promise<Shop> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    return new Shop(await publicJwk(publicKey), privateKey);
  }

  private constructor(jwk: DeviceJwk, privateKey: CryptoKey) {
    this.jwk = jwk;
    this.#privateKey = privateKey;
  }

  /** The right to these keys for this device, once, for ten minutes. */
  entitle({ audience, blobs, jkt, issuedAt = Math.floor(Date.now() / 1000) }: Purchase): Promise<string> {
    return new SignJWT({ blobs, cnf: { jkt } })
      .setProtectedHeader({ alg: 'ES256', typ: 'keycell-rewrap+jwt' })
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ENTITLEMENT_SECONDS)
      .sign(this.#privateKey);
  }
}

export async function publicJwk(key: CryptoKey): Promise<DeviceJwk> {
  const { x, y } = await exportJWK(key);
  return { kty: 'EC', crv: 'P-256', x: x!, y: y! };
}
