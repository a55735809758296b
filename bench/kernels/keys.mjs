/** P-256 key pairs, their randomness drawn within, and ECDH. */
import assert from 'node:assert/strict';
import { createECDH, diffieHellman, generateKeyPairSync } from 'node:crypto';

const P256 = 1;
const SIZE = 32;
const POINT = 65;
const SEED = 48;
const BATCH = 32;

/** @param {import('./core.mjs').Core} core */
export function keyGeneration(core) {
  return [
    {
      name: 'generate key P-256',
      make() {
        const { drbgGenerate, ecKeyGenerate, ecKeyGenerateMany } = core.call;
        const lanes = Array.from({ length: BATCH }, () => [SIZE, POINT, SEED, 4].map((size) => core.reserve(size)));
        const [scalar, point, seed] = lanes[0];
        const generate = () => {
          drbgGenerate(seed, SEED, 0, 0);
          ecKeyGenerate(P256, scalar, point, seed);
        };
        const jobs = core.jobs(lanes);
        const seeds = core.reserve(BATCH * SEED);
        const generateAll = () => {
          drbgGenerate(seeds, BATCH * SEED, 0, 0);
          lanes.forEach(([, , at], i) => {
            core.bytes.copyWithin(at, seeds + i * SEED, seeds + (i + 1) * SEED);
          });
          ecKeyGenerateMany(P256, jobs, BATCH);
        };
        const ecdh = createECDH('prime256v1');
        return {
          rivals: {
            Keycell: { run: generateAll, operations: BATCH },
            'Keycell, one': { run: generate },
            'node:crypto, key pair': { run: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
            'node:crypto, ECDH': { run: () => ecdh.generateKeys() },
          },
          compare: [
            { id: 'keygen-p256', ours: 'Keycell', theirs: ['node:crypto, key pair'] },
            { id: 'keygen-p256-1', ours: 'Keycell, one', theirs: ['node:crypto, key pair'] },
            { id: 'keygen-p256-ecdh', ours: 'Keycell', theirs: ['node:crypto, ECDH'] },
          ],
          check() {
            const points = new Set();
            const check = ([scalar, point]) => {
              ecdh.setPrivateKey(core.read(scalar, SIZE));
              assert.deepEqual(core.read(point, POINT), ecdh.getPublicKey());
              points.add(core.read(point, POINT).toString('hex'));
            };
            generate();
            check(lanes[0]);
            generateAll();
            lanes.forEach(check);
            assert.equal(points.size, BATCH + 1);
          },
        };
      },
    },
  ];
}

/** @param {import('./core.mjs').Core} core */
export function agreement(core) {
  return [
    {
      name: 'ECDH P-256',
      make() {
        const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        const peers = Array.from({ length: BATCH }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
        const points = peers.map(({ publicKey }) => publicKey.export({ format: 'der', type: 'spki' }).subarray(-POINT));
        const d = Buffer.from(own.privateKey.export({ format: 'jwk' }).d, 'base64url');
        const scalar = core.place(d);
        const lanes = points.map((point) => [scalar, core.place(point), core.reserve(SIZE), core.reserve(4)]);
        const jobs = core.jobs(lanes);
        const { ecdh } = core.call;
        const agree = () => ecdh(P256, jobs, BATCH);
        const theirs = createECDH('prime256v1');
        theirs.setPrivateKey(d);
        const { privateKey } = own;
        const { publicKey } = peers[0];
        return {
          rivals: {
            Keycell: { run: agree, operations: BATCH },
            'node:crypto, keys': { run: () => diffieHellman({ privateKey, publicKey }) },
            'node:crypto, ECDH': { run: () => theirs.computeSecret(points[0]) },
          },
          compare: [{ id: 'ecdh-p256', ours: 'Keycell', theirs: ['node:crypto, keys', 'node:crypto, ECDH'] }],
          check() {
            agree();
            lanes.forEach(([, , secret, result], i) => {
              assert.equal(core.view.getUint32(result, true), 1);
              const expected = diffieHellman({ privateKey, publicKey: peers[i].publicKey });
              assert.deepEqual(core.read(secret, SIZE), expected);
            });
          },
        };
      },
    },
  ];
}
