/**
 * The same vault over plain node:crypto, as a competent engineer writes it: to compare with, not to copy.
 * Keys are KeyObjects made once; what Node can do off the main thread, it does there. The keys are in the heap of the
 * server, though, and policy is whatever this file does not forget.
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
  sign,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';
import {
  type Delivery,
  type DeviceJwk,
  ENTITLEMENT_SECONDS,
  Refusal,
  Retirable,
  type Rotated,
  type StoredKeys,
  storedKeys,
  type Vault,
} from './vault.ts';

const signAsync = promisify(sign);
const verifyAsync = promisify(verify);
const KW_IV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex'); // RFC 3394 §2.2.3.1

interface LicenceKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export class NodeVault implements Vault {
  readonly audience = `node:${randomUUID()}`;
  readonly #shop: KeyObject;
  #kek = new Retirable(createSecretKey(randomBytes(32)));
  #licenceKey: Retirable<LicenceKey>;
  #published: { jwk: object; until: number }[] = [];
  readonly #retirements = new Set<NodeJS.Timeout>();

  constructor(shop: DeviceJwk) {
    this.#shop = publicKeyOf(shop);
    this.#licenceKey = this.#makeLicenceKey();
  }

  async makeKeys(count: number): Promise<StoredKeys> {
    const kek = this.#kek;
    const blobs = await kek.use(async (kek) =>
      Array.from({ length: count }, () => {
        const key = randomBytes(16);
        const blob = wrap(kek, key);
        key.fill(0);
        return blob;
      }),
    );
    return storedKeys(blobs, kek);
  }

  async deliver({ stored, wanted, device, entitlement }: Delivery): Promise<string[]> {
    const digests = wanted.map(({ index }) => stored.digests[index]!);
    await this.#checkEntitlement(entitlement, device, digests);
    const point = Buffer.concat([Buffer.of(4), Buffer.from(device.x, 'base64url'), Buffer.from(device.y, 'base64url')]);
    const ephemeral = createECDH('prime256v1');
    const epk = jwkOf(ephemeral.generateKeys());
    const z = agree(ephemeral, point);
    const cek = concatKdf(z);
    z.fill(0);
    const jwes = await (stored.kek as Retirable<KeyObject>).use(async (kek) =>
      wanted.map(({ kid, index }) => {
        const key = unwrap(kek, stored.blobs[index]!);
        const jwe = sealJwe(cek, { alg: 'ECDH-ES', enc: 'A256GCM', epk, kid }, key);
        key.fill(0);
        return jwe;
      }),
    );
    cek.fill(0);
    return jwes;
  }

  async sign(signingInput: (kid: string) => string): Promise<{ input: string; signature: Uint8Array }> {
    return this.#licenceKey.use(async ({ kid, privateKey }) => {
      const input = signingInput(kid);
      const signature = await signAsync('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return { input, signature };
    });
  }

  jwks(): { keys: object[] } {
    this.#published = this.#published.filter(({ until }) => until > Date.now());
    return { keys: this.#published.map(({ jwk }) => jwk) };
  }

  async rotate(titles: readonly Rotated[], licenceSeconds: number): Promise<void> {
    this.#licenceKey = this.#makeLicenceKey();
    for (const entry of this.#published.slice(0, -1)) {
      entry.until = Math.min(entry.until, Date.now() + licenceSeconds * 1000);
    }
    const kek = createSecretKey(randomBytes(32));
    const oldKek = this.#kek;
    this.#kek = new Retirable(kek);
    for (const title of titles) {
      const blobs = await (title.stored.kek as Retirable<KeyObject>).use(async (from) =>
        title.stored.blobs.map((blob) => {
          const key = unwrap(from, blob);
          const rewrapped = wrap(kek, key);
          key.fill(0);
          return rewrapped;
        }),
      );
      title.former = [title.stored, ...title.former];
      title.stored = storedKeys(blobs, this.#kek);
    }
    const timer = setTimeout(() => {
      this.#retirements.delete(timer);
      for (const title of titles) title.former = title.former.filter((stored) => stored.kek !== oldKek);
    }, 1000 * ENTITLEMENT_SECONDS).unref();
    this.#retirements.add(timer);
  }

  async close(): Promise<void> {
    for (const timer of this.#retirements) clearTimeout(timer);
  }

  /** Signature by the shop, this device, these keys, in time: here some lines of which anybody may forget one. */
  async #checkEntitlement(entitlement: string, device: DeviceJwk, digests: readonly string[]): Promise<void> {
    const [header, payload, signature] = entitlement.split('.');
    const refused = new Refusal(403, 'entitlement refused');
    if (!header || !payload || !signature) throw refused;
    const { alg, typ } = readPart(header);
    if (alg !== 'ES256' || typ !== 'keycell-rewrap+jwt') throw refused;
    const valid = await verifyAsync(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      { key: this.#shop, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    if (!valid) throw refused;
    const { aud, iat, exp, cnf, blobs } = readPart(payload);
    const now = Date.now() / 1000;
    if (aud !== this.audience || typeof iat !== 'number' || typeof exp !== 'number') throw refused;
    if (iat > now + 60 || exp <= now || exp - iat > ENTITLEMENT_SECONDS) throw refused;
    if ((cnf as { jkt?: unknown } | null | undefined)?.jkt !== thumbprint(device)) throw refused;
    if (!Array.isArray(blobs) || !digests.every((digest) => blobs.includes(digest))) throw refused;
  }

  #makeLicenceKey(): Retirable<LicenceKey> {
    // By way of SPKI and a new KeyObject: JWK straight out of generateKeyPairSync hangs on Node 20.20.
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
    const jwk = jwkOf(spki.subarray(-65));
    const kid = thumbprint(jwk);
    this.#published.push({ jwk: { ...jwk, kid, use: 'sig', alg: 'ES256' }, until: Number.POSITIVE_INFINITY });
    return new Retirable({ kid, privateKey: pair.privateKey });
  }
}

type Part = { readonly [name in 'alg' | 'typ' | 'aud' | 'iat' | 'exp' | 'cnf' | 'blobs']?: unknown };

function readPart(part: string): Part {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) ?? {};
  } catch {
    return {};
  }
}

function wrap(kek: KeyObject, key: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', kek, KW_IV);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

function unwrap(kek: KeyObject, blob: Uint8Array): Buffer {
  const decipher = createDecipheriv('id-aes256-wrap', kek, KW_IV);
  return Buffer.concat([decipher.update(blob), decipher.final()]);
}

/** Refuses points that are not on the curve. */
function agree(ephemeral: ReturnType<typeof createECDH>, point: Buffer): Buffer {
  try {
    return ephemeral.computeSecret(point);
  } catch {
    throw new Refusal(400, 'device');
  }
}

/** RFC 7518 §4.6.2 for A256GCM, without apu and apv: one round of SP 800-56C's one-step KDF. */
function concatKdf(z: Buffer): Buffer {
  const enc = Buffer.from('A256GCM');
  const empty = Buffer.alloc(4);
  return createHash('sha256')
    .update(u32(1))
    .update(z)
    .update(u32(enc.length))
    .update(enc)
    .update(empty)
    .update(empty)
    .update(u32(256))
    .digest();
}

/** RFC 7516 §7.1: the second part, the encrypted key, is empty for direct agreement. */
function sealJwe(cek: Buffer, header: object, plaintext: Uint8Array): string {
  const aad = Buffer.from(JSON.stringify(header)).toString('base64url');
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', cek, iv).setAAD(Buffer.from(aad));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const parts = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  return `${aad}..${parts.join('.')}`;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const jwkOf = (point: Buffer): DeviceJwk => ({
  kty: 'EC',
  crv: 'P-256',
  x: point.subarray(1, 33).toString('base64url'),
  y: point.subarray(33).toString('base64url'),
});

/** RFC 7638: the required members in the order of their names. */
const thumbprint = ({ crv, kty, x, y }: DeviceJwk): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');

const publicKeyOf = (jwk: DeviceJwk): KeyObject => createPublicKey({ key: { ...jwk }, format: 'jwk' });
