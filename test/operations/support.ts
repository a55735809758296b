/** An HSM in memory for a test file, and the counterparts that its results are compared with. */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Hsm, HsmError, type HsmErrorCode, openEphemeralHsm, openHsm, type Session } from '../../dist/index.js';

export interface Opened {
  hsm: Hsm;
  session: Session;
}

export function ephemeral(workers = 1): Opened {
  const opened = {} as Opened;
  beforeAll(async () => {
    Object.assign(opened, await openEphemeralHsm({ workers }));
  });
  afterAll(() => opened.hsm?.close());
  return opened;
}

export interface Stored {
  folder: string;
  hsm: Hsm;
  admin: Session;
  alice: Session;
}

/** An HSM in a folder for a test file, with an admin and the crypto-user alice, who are logged in. */
export function stored(): Stored {
  const it = { folder: mkdtempSync(join(tmpdir(), 'keycell-test-')) } as Stored;
  beforeAll(async () => {
    it.hsm = await openHsm({ path: it.folder, create: true, workers: 1 });
    await it.hsm.initialize({ passphrase: 'p', admin: { name: 'officer', password: 'a' }, scryptLog2N: 14 });
    it.admin = await it.hsm.login({ user: 'officer', password: 'a' });
    await it.admin.createUser({ name: 'alice', role: 'crypto-user', password: 'alice' });
    it.alice = await it.hsm.login({ user: 'alice', password: 'alice' });
  });
  afterAll(async () => {
    await it.hsm?.close();
    rmSync(it.folder, { recursive: true, force: true });
  });
  return it;
}

/** Deterministic bytes that differ with `seed` and position. */
export const bytes = (length: number, seed = 0): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (i * 73 + seed * 151 + (i >> 8) * 29 + 17) & 255);

/** The same bytes at an odd offset of a larger buffer. */
export function atOddOffset(source: Uint8Array): Uint8Array<ArrayBuffer> {
  const room = new Uint8Array(source.length + 9).fill(0xa5);
  room.set(source, 3);
  return room.subarray(3, 3 + source.length);
}

export async function refusal(call: () => unknown): Promise<HsmError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(HsmError);
    return error as HsmError;
  }
  throw new Error('the call was not refused');
}

/** How a call is refused that is taken until the time of something is over. */
export async function refusedAtLast(call: () => Promise<unknown>): Promise<HsmError> {
  for (;;) {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    expect(error).toBeInstanceOf(HsmError);
    return error as HsmError;
  }
}

export const code = async (call: () => unknown): Promise<HsmErrorCode> => (await refusal(call)).code;

const DEFAULT_ICV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex');
const KWP_ICV = Buffer.from('a65959a6', 'hex');

export function nodeWrap(mechanism: 'AES-KW' | 'AES-KWP', kek: Uint8Array, key: Uint8Array): Buffer {
  const [name, iv] = mechanism === 'AES-KW' ? ['wrap', DEFAULT_ICV] : ['wrap-pad', KWP_ICV];
  const cipher = createCipheriv(`id-aes${8 * kek.length}-${name}`, kek, iv as Buffer);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

export function nodeUnwrap(mechanism: 'AES-KW' | 'AES-KWP', kek: Uint8Array, blob: Uint8Array): Buffer {
  const [name, iv] = mechanism === 'AES-KW' ? ['wrap', DEFAULT_ICV] : ['wrap-pad', KWP_ICV];
  const decipher = createDecipheriv(`id-aes${8 * kek.length}-${name}`, kek, iv as Buffer);
  return Buffer.concat([decipher.update(blob), decipher.final()]);
}

export function nodeGcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${8 * key.length}-gcm` as 'aes-256-gcm', key, iv).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

export function nodeGcmOpen(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv(`aes-${8 * key.length}-gcm` as 'aes-256-gcm', key, iv).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]);
}

/** The tag of AES_CBC_HMAC_SHA2, RFC 7518 §5.2.2.1. */
export const cbcHmacTag = (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, text: Uint8Array): Buffer => {
  const half = key.length / 2;
  const al = Buffer.alloc(8);
  al.writeBigUInt64BE(BigInt(8 * aad.length));
  const mac = createHmac(`sha${8 * key.length}`, key.subarray(0, half))
    .update(aad)
    .update(iv)
    .update(text)
    .update(al);
  return mac.digest().subarray(0, half);
};
/** The cipher's half of a composite key, as node names it. */
export const cbcCipher = (key: Uint8Array) => [`aes-${4 * key.length}-cbc`, key.subarray(key.length / 2)] as const;

export function nodeCbcHmac(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(...cbcCipher(key), iv);
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([text, cbcHmacTag(key, iv, aad, text)]);
}

export function nodeCbcHmacOpen(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const text = sealed.subarray(0, sealed.length - key.length / 2);
  expect(cbcHmacTag(key, iv, aad, text).equals(sealed.subarray(text.length))).toBe(true);
  const decipher = createDecipheriv(...cbcCipher(key), iv);
  return Buffer.concat([decipher.update(text), decipher.final()]);
}
