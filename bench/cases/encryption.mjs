/** AES-256-GCM with a fresh random IV for each message. Node has an async form in WebCrypto alone. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, webcrypto } from 'node:crypto';

/** @param {import('keycell').Session} session */
export async function encryption(session) {
  const { subtle } = webcrypto;
  const key = randomBytes(32);
  const ours = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] }, key);
  const secret = createSecretKey(key);
  const web = await subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);

  const open = (iv, sealed) => {
    const decipher = createDecipheriv('aes-256-gcm', secret, iv).setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  };
  return [64, 1024].map((size) => {
    const plaintext = randomBytes(size);
    const sealSync = () => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', secret, iv);
      return { iv, ciphertext: Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]) };
    };
    return {
      name: `encrypt AES-256-GCM, ${size} bytes`,
      async check() {
        const sealed = await session.encrypt(ours, plaintext, { mechanism: 'AES-GCM' });
        assert.deepEqual(open(sealed.iv, sealed.ciphertext), plaintext);
        const { iv, ciphertext } = sealSync();
        assert.deepEqual(Buffer.from(await session.decrypt(ours, ciphertext, { mechanism: 'AES-GCM', iv })), plaintext);
      },
      rivals: {
        Keycell: () => session.encrypt(ours, plaintext, { mechanism: 'AES-GCM' }),
        'node:crypto sync': sealSync,
        WebCrypto: () => subtle.encrypt({ name: 'AES-GCM', iv: randomBytes(12) }, web, plaintext),
      },
    };
  });
}
