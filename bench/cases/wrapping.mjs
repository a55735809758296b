/** AES-256-KW of a 32-byte key. Node has an async form in WebCrypto alone. */
import assert from 'node:assert/strict';
import { createCipheriv, createSecretKey, randomBytes, webcrypto } from 'node:crypto';

const KW_IV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex'); // RFC 3394 §2.2.3.1

/** @param {import('keycell').Session} session */
export async function wrapping(session) {
  const { subtle } = webcrypto;
  const [kek, key] = [randomBytes(32), randomBytes(32)];
  const ourKek = await session.importKey({ type: 'AES', bits: 256, usage: ['wrap'] }, kek);
  const ourKey = await session.importKey({ type: 'AES', bits: 256, usage: [], extractable: 'wrapped' }, key);
  const secret = createSecretKey(kek);
  const webKek = await subtle.importKey('raw', kek, 'AES-KW', false, ['wrapKey']);
  const webKey = await subtle.importKey('raw', key, 'AES-GCM', true, ['encrypt']);

  const wrapSync = () => {
    const cipher = createCipheriv('id-aes256-wrap', secret, KW_IV);
    return Buffer.concat([cipher.update(key), cipher.final()]);
  };
  const wrapWeb = () => subtle.wrapKey('raw', webKey, webKek, 'AES-KW');
  return [
    {
      name: 'wrap AES-256-KW, 32 bytes',
      async check() {
        const blob = Buffer.from(await session.wrapKey(ourKek, ourKey, { mechanism: 'AES-KW' }));
        assert.deepEqual(blob, wrapSync());
        assert.deepEqual(blob, Buffer.from(await wrapWeb()));
      },
      rivals: {
        Keycell: () => session.wrapKey(ourKek, ourKey, { mechanism: 'AES-KW' }),
        'node:crypto sync': wrapSync,
        WebCrypto: wrapWeb,
      },
    },
  ];
}
