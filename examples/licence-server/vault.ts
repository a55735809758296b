/**
 * What a licence server needs of whatever keeps its keys: the seam between this example and its cryptography.
 * `keycell-vault.ts` is the one to learn from; `baseline.ts` is the same over plain node:crypto, to compare with.
 */

import { createHash } from 'node:crypto';

/** How long an entitlement may last, at most: both the shop and the vault go by it. */
export const ENTITLEMENT_SECONDS = 600;

/** A device's public key, as RFC 7518 §6.2.1 writes it. */
export interface DeviceJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

/** The wrapped content keys of one title, with the key-encryption key that opens them: replaced together, or not at all. */
export interface StoredKeys {
  readonly blobs: readonly Uint8Array[];
  /** By which entitlements name the blobs: SHA-256, base64url. */
  readonly digests: readonly string[];
  readonly kek: Retirable<unknown>;
}

export const storedKeys = (blobs: readonly Uint8Array[], kek: Retirable<unknown>): StoredKeys => {
  const digests = blobs.map((blob) => createHash('sha256').update(blob).digest('base64url'));
  return { blobs, digests, kek };
};

/** What a rotation replaces. */
export interface Rotated {
  /** Replaced as a whole when the key-encryption key is: a request that has read it holds a pair that fits together. */
  stored: StoredKeys;
  /** What was stored before, the newest first, while there may be entitlements that name it. */
  former: readonly StoredKeys[];
}

/** One licence's content keys on their way to a device. */
export interface Delivery {
  readonly stored: StoredKeys;
  /** Which of the blobs, and under which name each. */
  readonly wanted: readonly { readonly index: number; readonly kid: string }[];
  readonly device: DeviceJwk;
  readonly entitlement: string;
}

export interface Vault {
  /** The `aud` of entitlements that this vault takes. */
  readonly audience: string;
  /** New content keys of a title, wrapped. */
  makeKeys(count: number): Promise<StoredKeys>;
  /**
   * The wanted keys as compact JWEs (ECDH-ES, A256GCM) to the device. Rejects unless the entitlement is signed by the
   * issuer, for this vault, has not expired, and names this very device and each of the blobs.
   */
  deliver(delivery: Delivery): Promise<string[]>;
  /** ES256 with the current licence key; `signingInput` makes the text to sign of that key's kid. */
  sign(signingInput: (kid: string) => string): Promise<{ readonly input: string; readonly signature: Uint8Array }>;
  /** Public keys of all licences that are still in force. */
  jwks(): { readonly keys: readonly object[] };
  /**
   * New licence key and new key-encryption key, while requests go on; `titles` are re-wrapped one by one. What was stored
   * before serves until the last entitlement that names it has expired.
   */
  rotate(titles: readonly Rotated[], licenceSeconds: number): Promise<void>;
  close(): Promise<void>;
}

/** A key that will be replaced: it can be destroyed once nobody uses it any more. */
export class Retirable<K> {
  readonly #key: K;
  #users = 0;
  #idle: (() => void) | undefined;

  constructor(key: K) {
    this.#key = key;
  }

  /** The user is counted in the same tick: who took this key before it was replaced has it until his work ends. */
  async use<R>(work: (key: K) => Promise<R>): Promise<R> {
    this.#users++;
    try {
      return await work(this.#key);
    } finally {
      if (--this.#users === 0) this.#idle?.();
    }
  }

  /** Call when nobody can take this key any more: the key itself, once the last user has ended. */
  async retire(): Promise<K> {
    if (this.#users > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    return this.#key;
  }
}

/** A request that policy turns down: the caller's fault, told to him by status and reason. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
    this.reason = reason;
  }
}
