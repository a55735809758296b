/** SHA-256 and HMAC-SHA-256. Node's one-shot hash is newer than Node 20; the faster form is the peer. */
import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';

const SHA256 = 1;
const SIZE = 32;
const MIB = 1 << 20;

/** @param {import('./core.mjs').Core} core */
export function hashes(core) {
  const digests = [
    [32, '32'],
    [1024, '1024'],
    [MIB, 'bulk'],
  ].map(([size, name]) => ({
    name: `hash SHA-256 ${name}`,
    make() {
      const message = crypto.randomBytes(size);
      const [input, output] = [core.place(message), core.reserve(SIZE)];
      const { hash } = core.call;
      const classic = () => crypto.createHash('sha256').update(message).digest();
      const rivals = {
        Keycell: { run: () => hash(SHA256, input, size, output) },
        'node:crypto, createHash': { run: classic },
      };
      if (crypto.hash !== undefined) {
        rivals['node:crypto, hash'] = { run: () => crypto.hash('sha256', message, 'buffer') };
      }
      const [, ...theirs] = Object.keys(rivals);
      return {
        rivals,
        compare: [{ id: `sha256-${name}`, ours: 'Keycell', theirs }],
        check() {
          rivals.Keycell.run();
          for (const peer of theirs) assert.deepEqual(core.read(output, SIZE), rivals[peer].run());
        },
      };
    },
  }));
  const macs = [64, 1024].map((size) => ({
    name: `hash HMAC-SHA-256 ${size}`,
    make() {
      const [key, message] = [crypto.randomBytes(32), crypto.randomBytes(size)];
      const secret = crypto.createSecretKey(key);
      const [at, input, output] = [core.place(key), core.place(message), core.reserve(SIZE)];
      const { hmac } = core.call;
      const ours = () => hmac(SHA256, at, key.length, input, size, output);
      const theirs = () => crypto.createHmac('sha256', secret).update(message).digest();
      return {
        rivals: { Keycell: { run: ours }, 'node:crypto': { run: theirs } },
        compare: [{ id: `hmac-${size}`, ours: 'Keycell', theirs: ['node:crypto'] }],
        check() {
          ours();
          assert.deepEqual(core.read(output, SIZE), theirs());
        },
      };
    },
  }));
  return [...digests, ...macs];
}
