/**
 * ECDSA, its message of 256 bytes hashed within. Nonces are hedged, with noise that lies there; node:crypto draws its own.
 * Since Node 24 signatures as r ‖ s cost it more than as DER: both forms run, and the faster is the peer.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';

const CURVES = {
  'P-256': { id: 'p256', number: 1, size: 32, hash: 'sha256', hashNumber: 1, batches: [1, 16, 32] },
  'P-384': { id: 'p384', number: 2, size: 48, hash: 'sha384', hashNumber: 2, batches: [32] },
  secp256k1: { id: 'secp256k1', number: 3, size: 32, hash: 'sha256', hashNumber: 1, batches: [32] },
};
const BATCH = 32;
const MESSAGE = 256;
/** More than any cache of keys holds. */
const NEW_KEYS = 1024;
const p1363 = (key) => ({ key, dsaEncoding: 'ieee-p1363' });

/** @param {import('./core.mjs').Core} core */
export function signing(core) {
  return Object.entries(CURVES).map(([curve, { id, number, size, hash, hashNumber, batches }]) => ({
    name: `sign ${curve}`,
    make() {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const scalar = core.place(Buffer.from(privateKey.export({ format: 'jwk' }).d, 'base64url'));
      const messages = Array.from({ length: BATCH }, () => randomBytes(MESSAGE));
      const lanes = messages.map((message) => ({
        message: core.place(message),
        digest: core.reserve(size),
        noise: core.place(randomBytes(size)),
        signature: core.reserve(2 * size),
      }));
      const jobs = core.jobs(lanes.map(({ digest, noise, signature }) => [scalar, digest, noise, signature]));
      const messagesToHash = core.jobs(lanes.map(({ message, digest }) => [message, MESSAGE, digest]));
      const { hashMany, ecdsaSign } = core.call;
      const batch = (count) => () => {
        hashMany(hashNumber, messagesToHash, count);
        ecdsaSign(number, hashNumber, jobs, count);
      };
      const rivals = Object.fromEntries(
        batches.map((count) => [`Keycell, ${count}`, { run: batch(count), operations: count }]),
      );
      const rs = p1363(privateKey);
      return {
        rivals: {
          ...rivals,
          'node:crypto, r ‖ s': { run: () => sign(hash, messages[0], rs) },
          'node:crypto, DER': { run: () => sign(hash, messages[0], privateKey) },
        },
        compare: batches.map((count) => ({
          id: id === 'p256' ? `sign-p256-${count}` : `sign-${id}`,
          ours: `Keycell, ${count}`,
          theirs: ['node:crypto, r ‖ s', 'node:crypto, DER'],
        })),
        check() {
          for (const count of batches) {
            for (const { signature } of lanes) core.bytes.fill(0, signature, signature + 2 * size);
            batch(count)();
            for (let i = 0; i < count; i++) {
              const made = core.read(lanes[i].signature, 2 * size);
              assert(verify(hash, messages[i], p1363(publicKey), made), `${curve}, ${i + 1} of ${count}`);
            }
          }
        },
      };
    },
  }));
}

/** @param {import('./core.mjs').Core} core */
export function verifying(core) {
  return Object.entries(CURVES).map(([curve, facts]) => ({
    name: `verify ${curve}`,
    make() {
      const seen = signatures(core, curve, facts, BATCH, 1);
      const fresh = curve === 'P-256' ? signatures(core, curve, facts, NEW_KEYS, NEW_KEYS) : undefined;
      const rivals = {
        'Keycell, key seen before': { run: seen.batch, operations: BATCH },
        'node:crypto, r ‖ s': { run: seen.node((made) => made.rs) },
        'node:crypto, DER': { run: seen.node((made) => made.der) },
      };
      const theirs = ['node:crypto, r ‖ s', 'node:crypto, DER'];
      const compare = [
        {
          id: curve === 'P-256' ? 'verify-p256-seen' : `verify-${facts.id}`,
          ours: 'Keycell, key seen before',
          theirs,
        },
      ];
      if (fresh !== undefined) {
        rivals['Keycell, a new key'] = { run: fresh.batch, operations: BATCH };
        rivals['node:crypto, a new key'] = { run: fresh.node((made) => made.der) };
        compare.push({ id: 'verify-p256-new', ours: 'Keycell, a new key', theirs: ['node:crypto, a new key'] });
      }
      return {
        rivals,
        compare,
        check() {
          seen.check();
          fresh?.check();
        },
      };
    },
  }));
}

/** `count` signatures under `keys` keys, and both sides' ways to go through them in turn. */
function signatures(core, curve, { number, size, hash, hashNumber }, count, keys) {
  const pairs = Array.from({ length: keys }, () => generateKeyPairSync('ec', { namedCurve: curve }));
  const made = Array.from({ length: count }, (_, i) => {
    const { privateKey, publicKey } = pairs[i % keys];
    const message = randomBytes(MESSAGE);
    const der = sign(hash, message, privateKey);
    const rs = sign(hash, message, p1363(privateKey));
    const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-(1 + 2 * size));
    return {
      message,
      der: { key: publicKey, signature: der },
      rs: { key: p1363(publicKey), signature: rs },
      at: { message: core.place(message), digest: core.reserve(size), result: core.reserve(4) },
      place: { point: core.place(point), signature: core.place(rs) },
    };
  });
  const jobs = core.jobs(made.map(({ at, place }) => [place.point, at.digest, place.signature, at.result]));
  const { hash: digest, ecdsaVerify } = core.call;
  let from = 0;
  const batch = () => {
    for (let i = from; i < from + BATCH; i++) digest(hashNumber, made[i].at.message, MESSAGE, made[i].at.digest);
    ecdsaVerify(number, hashNumber, jobs + 16 * from, BATCH);
    from = (from + BATCH) % count;
  };
  const node = (form) => {
    let next = 0;
    return () => {
      const one = made[next];
      next = (next + 1) % count;
      const { key, signature } = form(one);
      return verify(hash, one.message, key, signature);
    };
  };
  const valid = () => made.map(({ at }) => core.view.getUint32(at.result, true));
  return {
    batch,
    node,
    check() {
      for (let i = 0; i < count; i += BATCH) batch();
      assert(valid().every((result) => result === 1));
      assert(node((one) => one.rs)() && node((one) => one.der)());
      // The same with a bit of each signature changed must all be refused.
      for (const { place } of made) core.bytes[place.signature + size + 3] ^= 4;
      for (let i = 0; i < count; i += BATCH) batch();
      for (const { place } of made) core.bytes[place.signature + size + 3] ^= 4;
      assert(valid().every((result) => result === 0));
    },
  };
}
