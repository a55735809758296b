/** ECDSA through the public interface: every curve, hash, format, nonce and form of the message, both ways with node:crypto. */
import { createHash, sign as nodeSign, verify as nodeVerify } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EcKey, Session } from '../../dist/index.js';
import { CURVES, HASHES, hashNamed, nobleSign, nodePair, nodePublic } from './curves.ts';
import { atOddOffset, bytes, code, ephemeral, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const FORMATS = [
  ['p1363', 'ieee-p1363'],
  ['der', 'der'],
] as const;
const NONCES = ['hedged', 'rfc6979'] as const;
/** Around the blocks of both families of hashes. */
const messages = [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 300].map((n) => atOddOffset(bytes(n, n)));

describe.each(CURVES)('$curve', (c) => {
  const pair = nodePair(c);
  let key: EcKey;
  let publicKey: EcKey;
  beforeAll(async () => {
    const template = { type: 'EC', curve: c.curve } as const;
    key = await session.importKey({ ...template, usage: ['sign', 'verify'] }, pair.pkcs8);
    publicKey = await session.importKey({ ...template, class: 'public', usage: ['verify'] }, pair.spki);
  });

  for (const h of HASHES) {
    for (const [format, dsaEncoding] of FORMATS) {
      test(`${h.hash}, ${format}: node accepts ours and we accept node's, hashed here or there, by either nonce`, async () => {
        const digests = messages.map((m) => createHash(h.node).update(m).digest());
        for (const nonce of NONCES) {
          for (const prehashed of [false, true]) {
            const inputs = prehashed ? digests : messages;
            const options = { hash: h.hash, format, nonce, prehashed };
            const mine = await session.signMany(key, inputs, options);
            mine.forEach((signature, i) => {
              expect(nodeVerify(h.node, messages[i]!, { key: nodePublic(key.publicKey), dsaEncoding }, signature)).toBe(
                true,
              );
            });
            if (nonce === 'rfc6979' && format === 'p1363') {
              mine.forEach((signature, i) => {
                expect(Buffer.from(signature)).toEqual(nobleSign(c, h, messages[i]!, pair.scalar));
              });
            }
          }
        }
        const theirs = messages.map((m) => atOddOffset(nodeSign(h.node, m, { key: pair.privateKey, dsaEncoding })));
        const judge = (more: object, shift = 0) =>
          Promise.all(
            messages.map((m, i) =>
              session.verify(publicKey, theirs[(i + shift) % messages.length]!, m, { hash: h.hash, format, ...more }),
            ),
          );
        expect(new Set(await judge({}))).toEqual(new Set([true]));
        expect(new Set(await judge({}, 1))).toEqual(new Set([false]));
        for (const other of HASHES) {
          if (other !== h) expect(new Set(await judge({ hash: other.hash }))).toEqual(new Set([false]));
        }
        const prehashed = { hash: h.hash, format, prehashed: true };
        const valid = await Promise.all(digests.map((d, i) => session.verify(key, theirs[i]!, d, prehashed)));
        expect(new Set(valid)).toEqual(new Set([true]));
      });
    }
  }

  test('the curve’s own hash is the default, hedged signatures differ, a digest has its hash’s length', async () => {
    const own = hashNamed(c.own);
    for (const m of messages) {
      const signature = await session.sign(key, m, { nonce: 'rfc6979' });
      expect(signature).toHaveLength(2 * c.size);
      expect(Buffer.from(signature)).toEqual(nobleSign(c, own, m, pair.scalar));
      expect(await session.verify(publicKey, signature, m)).toBe(true);
    }
    const [a, b] = await Promise.all([session.sign(key, messages[5]!), session.sign(key, messages[5]!)]);
    expect(a).not.toEqual(b);
    for (const hash of [undefined, ...HASHES.map((h) => h.hash)]) {
      const size = hashNamed(hash ?? c.own).size;
      for (const length of [0, size - 1, size + 1, size === 32 ? 48 : 32]) {
        const options = { prehashed: true, ...(hash && { hash }) };
        expect(await code(() => session.sign(key, bytes(length), options))).toBe('KEYCELL_INPUT_INVALID');
        expect(await code(() => session.verify(key, bytes(2 * c.size), bytes(length), options))).toBe(
          'KEYCELL_INPUT_INVALID',
        );
      }
    }
  });

  test('no single bit of a signature may change; malformed ones are false, not errors', async () => {
    const message = bytes(20);
    for (const [format] of FORMATS) {
      const signature = await session.sign(key, message, { format });
      const flipped = Array.from({ length: signature.length }, (_, at) => {
        const other = new Uint8Array(signature);
        other[at]! ^= 1 << (at & 7);
        return session.verify(key, other, message, { format });
      });
      expect(new Set(await Promise.all(flipped))).toEqual(new Set([false]));
      for (let length = 0; length < signature.length; length++) {
        expect(await session.verify(key, signature.subarray(0, length), message, { format })).toBe(false);
      }
      for (const longer of [97, 98, 200]) {
        expect(await session.verify(key, new Uint8Array(longer), message, { format })).toBe(false);
      }
    }
    // s and n − s both hold: nobody asked for low s.
    const { noble } = c;
    const raw = await session.sign(key, message);
    const order = noble.Point.Fn.ORDER;
    const s = BigInt(`0x${Buffer.from(raw.subarray(c.size)).toString('hex')}`);
    const negated = Buffer.from((order - s).toString(16).padStart(2 * c.size, '0'), 'hex');
    expect(await session.verify(key, Buffer.concat([raw.subarray(0, c.size), negated]), message)).toBe(true);
  });

  test('a public key signs nothing, and a signature of one curve is none of another', async () => {
    expect(await code(() => session.sign(publicKey, bytes(3)))).toBe('KEYCELL_PERMISSION_DENIED');
    const signature = await session.sign(key, bytes(3), { hash: 'SHA-256' });
    for (const other of CURVES) {
      if (other.curve === c.curve) continue;
      const key2 = await session.generateKey({ type: 'EC', curve: other.curve, usage: ['verify'], persistent: false });
      expect(await session.verify(key2, signature, bytes(3), { hash: 'SHA-256' })).toBe(false);
    }
  });
});

test('one batch of every curve and hash at once gives each its own', async () => {
  const keys = await Promise.all(
    CURVES.map(({ curve }) => session.generateKey({ type: 'EC', curve, usage: ['sign', 'verify'], persistent: false })),
  );
  const all = CURVES.flatMap((c, k) =>
    HASHES.flatMap((h) => messages.map((message) => ({ c, h, key: keys[k]!, message }))),
  );
  // Neighbours in the batch differ in curve and hash.
  const mixed = all.map((_, i) => all[(i * 40) % all.length]!);
  const signatures = await Promise.all(
    mixed.map(({ key, h, message }) => session.sign(key, message, { hash: h.hash })),
  );
  mixed.forEach(({ key, h, message }, i) => {
    const how = { key: nodePublic(key.publicKey), dsaEncoding: 'ieee-p1363' } as const;
    expect(nodeVerify(h.node, message, how, signatures[i]!)).toBe(true);
  });
  const verdicts = await Promise.all(
    mixed.map(({ key, h, message }, i) =>
      session.verify(key, signatures[(i + (i % 2)) % signatures.length]!, message, { hash: h.hash }),
    ),
  );
  expect(verdicts).toEqual(mixed.map((_, i) => i % 2 === 0));
});

test('options that are not for ECDSA, or do not exist, are refused', async () => {
  const key = await session.generateKey({ type: 'EC', curve: 'P-384', usage: ['sign'] });
  for (const hash of ['SHA-1', 'sha256', 'SHA-512/256', '', 1, null, 'toString']) {
    const error = await refusal(() => session.sign(key, bytes(3), { hash: hash as 'SHA-256' }));
    expect(error.code).toBe('KEYCELL_MECHANISM_INVALID');
    expect(error.message).toContain('SHA-384');
  }
  for (const wrong of [{ format: 'raw' }, { nonce: 'random' }, { format: 'toString' }]) {
    expect(await code(() => session.sign(key, bytes(3), wrong as never))).toBe('KEYCELL_INPUT_INVALID');
  }
});
