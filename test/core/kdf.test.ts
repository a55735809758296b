import { createHash, createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { ALL_HASHES, HASHES, type Hash } from '../support/hashes.ts';
import { cavp } from '../support/vectors.ts';

const box = openCore();
type Kdf = 'kdf108' | 'concatKdf';

/** The derived bytes, or undefined if refused, when the output must be untouched. */
function derive(kdf: Kdf, number: number, secret: Uint8Array, info: Uint8Array, outLen: number, skew = 0) {
  box.reset();
  const secretPtr = box.place(secret, skew);
  const infoPtr = box.place(info, 15 - skew);
  const room = Math.min(outLen, 18000);
  const outPtr = box.reserve(room, (skew * 5) & 15);
  const bit = box.core[kdf]!(number, secretPtr, secret.length, infoPtr, info.length, outPtr, outLen);
  expect(box.read(secretPtr, secret.length)).toEqual(new Uint8Array(secret));
  expect(box.read(infoPtr, info.length)).toEqual(new Uint8Array(info));
  expect(box.guarded(outPtr, room)).toBe(true);
  const out = box.read(outPtr, room);
  if (bit === 1) return out;
  expect(bit).toBe(0);
  expect(out.every((byte) => byte === 0xa5)).toBe(true);
  return undefined;
}

const counter = (i: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(i);
  return bytes;
};

/** The two functions over again, written on node:crypto. */
const byNode: Record<Kdf, (hash: Hash, secret: Uint8Array, info: Uint8Array, outLen: number) => Uint8Array> = {
  kdf108: ({ name, size }, secret, info, outLen) =>
    cut((i) => createHmac(name, secret).update(counter(i)).update(info).digest(), size, outLen),
  concatKdf: ({ name, size }, secret, info, outLen) =>
    cut((i) => createHash(name).update(counter(i)).update(secret).update(info).digest(), size, outLen),
};

const cut = (block: (i: number) => Buffer, size: number, outLen: number) => {
  const blocks = Array.from({ length: Math.ceil(outLen / size) }, (_, i) => block(i + 1));
  return new Uint8Array(Buffer.concat(blocks).subarray(0, outLen));
};

test.each(ALL_HASHES)(
  'CAVP SP 800-108 counter mode: HMAC by $name, a 32-bit counter before the fixed input',
  (hash) => {
    // What the other records ask for is refused by design, by having no argument for it: another PRF
    // (CMAC, SHA-1, SHA-224), a counter of 8, 16 or 24 bits, a counter after or amid the fixed input.
    const all = cavpRecords(cavp('KDF/nist-800-108-KBKDF-CTR.txt')).filter((record) => record['KI']);
    const prf = `HMAC_${hash.name.toUpperCase()}`;
    const ours = all.filter((r) => r['PRF'] === prf && r['CTRLOCATION'] === 'BEFORE_FIXED' && r['RLEN'] === '32_BITS');
    expect([all.length, ours.length]).toEqual([4800, 40]);
    for (const { COUNT, L, KI, FixedInputData, KO } of ours) {
      const out = derive('kdf108', hash.number, hex(KI!), hex(FixedInputData!), Number(L) / 8);
      expect(out, `COUNT ${COUNT}`).toEqual(hex(KO!));
    }
  },
);

test.each([
  [HASHES.sha256, { match: 104, tampered: 16 }],
  [HASHES.sha384, { match: 156, tampered: 24 }],
  [HASHES.sha512, { match: 208, tampered: 32 }],
] as const)('CAVP ECC CDH with KDFConcat: the derivations by $name', (hash, expected) => {
  const seen = { match: 0, tampered: 0 };
  for (const role of ['init', 'resp']) {
    const file = `asymmetric/ECDH/KASValidityTest_ECCStaticUnified_KDFConcat_NOKC_${role}.fax`;
    for (const { section, Z, OI, DKM, Result } of cavpRecords(cavp(file))) {
      if (!section?.endsWith(`- ${hash.name.toUpperCase()}`) || !Z) continue;
      const derived = derive('concatKdf', hash.number, hex(Z), hex(OI!), DKM!.length / 2);
      if (/OI changed|DKM changed/.test(Result!)) {
        expect(derived).not.toEqual(hex(DKM!));
        seen.tampered++;
      } else {
        expect(derived, Result).toEqual(hex(DKM!));
        seen.match++;
      }
    }
  }
  expect(seen).toEqual(expected);
});

test('RFC 7518 Appendix C', () => {
  const z = hex('9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4');
  const field = (text: string) => Buffer.concat([counter(text.length), Buffer.from(text)]);
  const otherInfo = Buffer.concat([field('A128GCM'), field('Alice'), field('Bob'), counter(128)]);
  const key = Buffer.from('VqqN6vgjbSBcIijNcacQGg', 'base64url');
  expect(derive('concatKdf', 1, z, otherInfo, 16)).toEqual(new Uint8Array(key));
});

describe.each(
  ALL_HASHES.flatMap((hash) => (['kdf108', 'concatKdf'] as const).map((kdf) => ({ kdf, hash, name: hash.name }))),
)('$kdf by $name', ({ kdf, hash }) => {
  test('agrees with node:crypto at every length', () => {
    const bytes = new Uint8Array(randomBytes(1000));
    for (let n = 0; n <= 257; n++) {
      const lengths = [
        [n, 60, 48],
        [32, n, 48],
        [32, 60, n + 1],
      ] as const;
      for (const [secretLen, infoLen, outLen] of lengths) {
        const secret = bytes.subarray(1, 1 + secretLen);
        const info = bytes.subarray(400, 400 + infoLen);
        const out = derive(kdf, hash.number, secret, info, outLen, n & 15);
        expect(out, `${secretLen}, ${infoLen} to ${outLen}`).toEqual(byNode[kdf](hash, secret, info, outLen));
      }
    }
  });

  test('gives 1 to 255 digests and nothing else', () => {
    const secret = new Uint8Array(32).fill(1);
    const info = new Uint8Array(9).fill(2);
    const most = 255 * hash.size;
    for (const allowed of [1, most - 1, most]) {
      expect(derive(kdf, hash.number, secret, info, allowed)).toEqual(byNode[kdf](hash, secret, info, allowed));
    }
    for (const refused of [0, most + 1, 18000, 0x80000000, 0xffffffff]) {
      expect(derive(kdf, hash.number, secret, info, refused)).toBeUndefined();
    }
  });
});

test.each<Kdf>(['kdf108', 'concatKdf'])('%s by a number that is no hash: 0, and nothing written', (kdf) => {
  for (const number of [0, 4, 0xffffffff]) {
    expect(derive(kdf, number, new Uint8Array(32), new Uint8Array(9), 32)).toBeUndefined();
  }
});

/**
 * Concat KDF hashes three pieces, counter, Z and info, whose lengths a test may choose: its first
 * block is the one-shot digest of the three joined, however they are split.
 */
describe.each(ALL_HASHES)('$name in pieces is $name in one', ({ number, name, size, block }) => {
  test('split anywhere, over two block boundaries', () => {
    const message = new Uint8Array(randomBytes(3 * block));
    for (let length = 0; length <= 2.5 * block; length += block === 64 ? 1 : 3) {
      const whole = createHash(name).update(counter(1)).update(message.subarray(0, length)).digest();
      for (let split = 0; split <= length; split += block === 64 ? 1 : 5) {
        const [a, b] = [message.subarray(0, split), message.subarray(split, length)];
        const got = derive('concatKdf', number, a, b, size, split & 15);
        if (Buffer.compare(got!, whole) !== 0) expect.fail(`wrong at ${split} of ${length}`);
      }
    }
  });

  test('long random pieces', () => {
    const piece = fc.uint8Array({ maxLength: 5000, size: 'max' });
    fc.assert(
      fc.property(piece, piece, fc.nat(15), (a, b, skew) => {
        const oneShot = createHash(name)
          .update(Buffer.concat([counter(1), a, b]))
          .digest();
        expect(derive('concatKdf', number, a, b, size, skew)).toEqual(new Uint8Array(oneShot));
      }),
      { numRuns: 200 },
    );
  });
});
