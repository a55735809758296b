/** AES-256-GCM with the key expanded beforehand (for node:crypto: a KeyObject), both ways; noble where it is installed. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';

const TAG = 16;
const MIB = 1 << 20;
const SIZES = [
  [16, '16'],
  [64, '64'],
  [256, '256'],
  [1024, '1024'],
  [MIB, 'bulk'],
];

/** @param {import('./core.mjs').Core} core */
export async function encryption(core) {
  const noble = await import('@noble/ciphers/aes.js').catch(() => undefined);
  return SIZES.map(([size, name]) => ({
    name: `encrypt AES-256-GCM ${name}`,
    make() {
      const [key, iv, plaintext] = [randomBytes(32), randomBytes(12), randomBytes(size)];
      const secret = createSecretKey(key);
      const ctx = core.aes(key);
      const [at, input] = [core.place(iv), core.place(plaintext)];
      const [output, opened] = [core.reserve(size + TAG), core.reserve(size)];
      const { gcmSeal, gcmOpen } = core.call;
      const sealNode = () => {
        const cipher = createCipheriv('aes-256-gcm', secret, iv);
        return [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
      };
      const [ciphertext, , tag] = sealNode();
      const openNode = () => {
        const decipher = createDecipheriv('aes-256-gcm', secret, iv).setAuthTag(tag);
        return [decipher.update(ciphertext), decipher.final()];
      };
      const seal = () => gcmSeal(ctx, at, iv.length, 0, 0, input, size, output);
      const open = () => gcmOpen(ctx, at, iv.length, 0, 0, output, size + TAG, opened);
      const rivals = {
        'Keycell, seal': { run: seal },
        'node:crypto, seal': { run: sealNode },
        'Keycell, open': { run: open },
        'node:crypto, open': { run: openNode },
      };
      const compare = [{ id: `gcm-${name}-open`, ours: 'Keycell, open', forward: 'Keycell, seal' }];
      if (size !== MIB) compare.unshift({ id: `gcm-${name}`, ours: 'Keycell, seal', theirs: ['node:crypto, seal'] });
      else {
        compare.unshift(
          { id: 'gcm-bulk', ours: 'Keycell, seal', bytes: size },
          { id: 'gcm-bulk-node', ours: 'Keycell, seal', theirs: ['node:crypto, seal'] },
        );
        if (noble !== undefined) {
          rivals['noble, seal'] = { run: () => noble.gcm(key, iv).encrypt(plaintext) };
          compare.push({ id: 'gcm-bulk-noble', ours: 'Keycell, seal', theirs: ['noble, seal'] });
        }
      }
      return {
        rivals,
        compare,
        check() {
          assert.equal(seal(), 1);
          assert(core.read(output, size + TAG).equals(Buffer.concat([ciphertext, tag])));
          assert.equal(open(), 1);
          assert(core.read(opened, size).equals(plaintext));
          assert(Buffer.concat(openNode()).equals(plaintext));
          if (noble !== undefined) {
            assert(Buffer.concat([ciphertext, tag]).equals(noble.gcm(key, iv).encrypt(plaintext)));
          }
        },
      };
    },
  }));
}
