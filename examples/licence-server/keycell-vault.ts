/** The vault over Keycell: content keys, key-encryption key and licence key are used in its cells, and nowhere else. */
import type { AesKey, EcKey, Hsm, Session } from 'keycell';
import {
  type Delivery,
  ENTITLEMENT_SECONDS,
  Retirable,
  type Rotated,
  type StoredKeys,
  storedKeys,
  type Vault,
} from './vault.ts';

export interface KeycellVaultOptions {
  readonly hsm: Hsm;
  /** The service's own login: a crypto-user, who can neither make users nor mark keys as trusted. */
  readonly login: () => Promise<Session>;
  /** An officer's approval of a new key-encryption key: he marks it as trusted. */
  readonly approve: (kek: AesKey) => Promise<AesKey>;
  /** Who signs entitlements. */
  readonly shop: { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string };
}

export class KeycellVault implements Vault {
  readonly #options: KeycellVaultOptions;
  #session: Session;
  readonly #shop: EcKey;
  #kek: Retirable<AesKey>;
  #licenceKey: Retirable<EcKey>;
  #published: { jwk: object; until: number }[] = [];
  #renewal: NodeJS.Timeout | undefined;
  readonly #retirements = new Set<NodeJS.Timeout>();
  #closing = false;

  /** What a service does when it starts for the first time; later it finds its keys by label (`ensureKey`). */
  static async open(options: KeycellVaultOptions): Promise<KeycellVault> {
    const session = await options.login();
    const shop = await session.importKey(
      { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'], label: 'shop', persistent: true },
      options.shop,
    );
    const vault = new KeycellVault(options, session, shop, await makeKek(session, shop), await makeLicenceKey(session));
    vault.#renewInTime();
    return vault;
  }

  private constructor(options: KeycellVaultOptions, session: Session, shop: EcKey, kek: AesKey, licenceKey: EcKey) {
    this.#options = options;
    this.#session = session;
    this.#shop = shop;
    this.#kek = new Retirable(kek);
    this.#licenceKey = new Retirable(licenceKey);
    this.#publish(licenceKey);
  }

  get audience(): string {
    return `keycell:${this.#options.hsm.id}`;
  }

  /** The service's session, which the thief of this example steals. */
  get session(): Session {
    return this.#session;
  }

  async makeKeys(count: number): Promise<StoredKeys> {
    const session = this.#session;
    const kek = this.#kek;
    const blobs = await kek.use((kek) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          // A key for nothing but to leave wrapped: the handle is forgotten, the blob is the key's only home.
          const key = await session.generateKey({
            type: 'AES',
            bits: 128,
            usage: [],
            extractable: 'wrapped',
            persistent: false,
          });
          return session.wrapKey(kek, key, { mechanism: 'AES-KW' });
        }),
      ),
    );
    return storedKeys(blobs, kek);
  }

  async deliver({ stored, wanted, device, entitlement }: Delivery): Promise<string[]> {
    const blobs = wanted.map(({ index }) => stored.blobs[index]!);
    return (stored.kek as Retirable<AesKey>).use((kek) =>
      this.#session.rewrapKeys(blobs, {
        from: kek,
        mechanism: 'AES-KW',
        to: { jwk: device, proof: entitlement },
        as: 'JWE',
        header: wanted.map(({ kid }) => ({ kid })),
      }),
    );
  }

  async sign(signingInput: (kid: string) => string): Promise<{ input: string; signature: Uint8Array }> {
    return this.#licenceKey.use(async (key) => {
      const input = signingInput(key.kid);
      return { input, signature: await this.#session.sign(key, Buffer.from(input)) };
    });
  }

  jwks(): { keys: object[] } {
    this.#published = this.#published.filter(({ until }) => until > Date.now());
    return { keys: this.#published.map(({ jwk }) => jwk) };
  }

  async rotate(titles: readonly Rotated[], licenceSeconds: number): Promise<void> {
    const session = this.#session;

    // The new licence key is published before it signs anything, the old one until its last licence has expired.
    const oldLicenceKey = this.#licenceKey;
    const licenceKey = await makeLicenceKey(session);
    this.#publish(licenceKey);
    this.#licenceKey = new Retirable(licenceKey);
    const signedItsLast = await oldLicenceKey.retire();
    for (const entry of this.#published.slice(0, -1)) {
      entry.until = Math.min(entry.until, Date.now() + licenceSeconds * 1000);
    }
    await session.destroyKey(signedItsLast);

    // Re-wrapping is for keys that an officer marked as trusted: without him, nobody can move the catalogue to a new key.
    const oldKek = this.#kek;
    const kek = await this.#options.approve(await makeKek(session, this.#shop));
    this.#kek = new Retirable(kek);
    const rewrap = async (title: Rotated) => {
      const { blobs, kek: from } = title.stored as { blobs: readonly Uint8Array[]; kek: Retirable<AesKey> };
      const rewrapped = await from.use((from) =>
        session.rewrapKeys(blobs, { from, mechanism: 'AES-KW', to: kek, as: 'AES-KW' }),
      );
      title.former = [title.stored, ...title.former];
      title.stored = storedKeys(rewrapped, this.#kek);
    };
    // A few at a time: players wait in the same queue.
    for (let first = 0; first < titles.length; first += 16) {
      await Promise.all(titles.slice(first, first + 16).map(rewrap));
    }
    this.#retireLater(oldKek, titles);
  }

  /** Entitlements name blobs: those that were made out for the old ones are good until the last of them has expired. */
  #retireLater(kek: Retirable<AesKey>, titles: readonly Rotated[]): void {
    const timer = setTimeout(async () => {
      this.#retirements.delete(timer);
      for (const title of titles) title.former = title.former.filter((stored) => stored.kek !== kek);
      try {
        await this.#session.destroyKey(await kek.retire());
      } catch (error) {
        console.error(error); // a real service keeps a list of what is to be destroyed, and goes through it when it starts
      }
    }, 1000 * ENTITLEMENT_SECONDS).unref();
    this.#retirements.add(timer);
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#renewal);
    for (const timer of this.#retirements) clearTimeout(timer);
    await this.#session.close();
    await this.#options.hsm.close();
  }

  #publish(key: EcKey): void {
    const jwk = { ...key.jwk, kid: key.kid, use: 'sig', alg: 'ES256' };
    this.#published.push({ jwk, until: Number.POSITIVE_INFINITY });
  }

  /** A ticket lives minutes, a login hours: renew at half time, and log in again where that is refused. */
  #renewInTime(): void {
    const half = Math.max(1000, (this.#session.expiresAt.getTime() - Date.now()) / 2);
    this.#renewal = setTimeout(async () => {
      try {
        await this.#session.renew().catch(async () => {
          this.#session = await this.#options.login();
        });
      } catch (error) {
        console.error(error); // tried again at half of what is left
      }
      if (!this.#closing) this.#renewInTime();
    }, half).unref();
  }
}

/**
 * What it unwraps can be used for nothing, however often it is opened, and leaves only to devices that the shop vouches for,
 * blob by blob, or to a key with no wider template: `usage` and `extractable` hold for the content keys for good.
 */
const makeKek = (session: Session, shop: EcKey): Promise<AesKey> =>
  session.generateKey({
    type: 'AES',
    bits: 256,
    usage: ['wrap', 'unwrap'],
    unwrapTemplate: { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' },
    rewrapPolicy: { issuer: shop, proofMaxAge: ENTITLEMENT_SECONDS, blobs: 'required' },
    label: `content-keys ${new Date().toISOString()}`,
    persistent: true,
  });

const makeLicenceKey = (session: Session): Promise<EcKey> =>
  session.generateKey({
    type: 'EC',
    curve: 'P-256',
    usage: ['sign'],
    label: `licences ${new Date().toISOString()}`,
    persistent: true,
  });
