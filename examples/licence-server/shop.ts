/** The shop, which knows who bought what: it signs entitlements (JWT, ES256). Its private key is no business of the server. */
import { randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { DeviceJwk } from './vault.ts';

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

  /** The right to these keys for the device of this thumbprint (RFC 7638), once, for so long. */
  entitle(kids: readonly string[], jkt: string, seconds = 600): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ kids, cnf: { jkt } })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + seconds)
      .sign(this.#privateKey);
  }
}

export async function publicJwk(key: CryptoKey): Promise<DeviceJwk> {
  const { x, y } = await exportJWK(key);
  return { kty: 'EC', crv: 'P-256', x: x!, y: y! };
}
