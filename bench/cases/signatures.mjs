/** P-256 with SHA-256, a message of 256 bytes: what a licence's signature costs. */
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';

const signAsync = promisify(sign);
const verifyAsync = promisify(verify);

/** @param {import('keycell').Session} session */
export async function signatures(session) {
  const message = randomBytes(256);
  const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  const dsaEncoding = 'ieee-p1363';
  const ours = { key: createPublicKey({ key: Buffer.from(key.publicKey), format: 'der', type: 'spki' }), dsaEncoding };
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const theirs = { key: createPrivateKey(pair.privateKey), dsaEncoding };
  const signature = await session.sign(key, message);

  return [
    {
      name: 'sign P-256',
      async check() {
        assert(verify('sha256', message, ours, await session.sign(key, message)));
      },
      rivals: {
        Keycell: () => session.sign(key, message),
        'node:crypto sync': () => sign('sha256', message, theirs),
        'node:crypto async': () => signAsync('sha256', message, theirs),
      },
    },
    {
      name: 'verify P-256',
      async check() {
        assert.equal(await session.verify(key, signature, message), true);
        const forged = signature.slice();
        forged[40] ^= 1;
        assert.equal(await session.verify(key, forged, message), false);
        assert(verify('sha256', message, ours, signature));
      },
      rivals: {
        Keycell: () => session.verify(key, signature, message),
        'node:crypto sync': () => verify('sha256', message, ours, signature),
        'node:crypto async': () => verifyAsync('sha256', message, ours, signature),
      },
    },
  ];
}
