import { createHash, createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cavpRecords } from '../support/cavp.ts';
import { hex, openCore } from '../support/core.ts';
import { cavp } from '../support/vectors.ts';

const box = openCore();
type Kdf = 'kdf108' | 'concatKdf';
const MAX_OUT = 8160;

/** The derived bytes, or undefined if refused, when the output must be untouched. */
function derive(kdf: Kdf, secret: Uint8Array, info: Uint8Array, outLen: number, skew = 0) {
  box.reset();
  const secretPtr = box.place(secret, skew);
  const infoPtr = box.place(info, 15 - skew);
  const room = Math.min(outLen, 9000);
  const outPtr = box.reserve(room, (skew * 5) & 15);
  const bit = box.core[kdf]!(secretPtr, secret.length, infoPtr, info.length, outPtr, outLen);
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
const byNode: Record<Kdf, (secret: Uint8Array, info: Uint8Array, outLen: number) => Uint8Array> = {
  kdf108: (secret, info, outLen) => {
    const block = (i: number) => createHmac('sha256', secret).update(counter(i)).update(info).digest();
    return cut(block, outLen);
  },
  concatKdf: (secret, info, outLen) => {
    const block = (i: number) => createHash('sha256').update(counter(i)).update(secret).update(info).digest();
    return cut(block, outLen);
  },
};

const cut = (block: (i: number) => Buffer, outLen: number) => {
  const blocks = Array.from({ length: Math.ceil(outLen / 32) }, (_, i) => block(i + 1));
  return new Uint8Array(Buffer.concat(blocks).subarray(0, outLen));
};

test('CAVP SP 800-108 counter mode: HMAC-SHA-256, a 32-bit counter before the fixed input', () => {
  // What the other records ask for is refused by design, by having no argument for it: another PRF
  // (CMAC and the other hashes), a counter of 8, 16 or 24 bits, a counter after or amid the fixed input.
  const all = cavpRecords(cavp('KDF/nist-800-108-KBKDF-CTR.txt')).filter((record) => record['KI']);
  const ours = all.filter(
    (r) => r['PRF'] === 'HMAC_SHA256' && r['CTRLOCATION'] === 'BEFORE_FIXED' && r['RLEN'] === '32_BITS',
  );
  expect([all.length, ours.length]).toEqual([4800, 40]);
  for (const { COUNT, L, KI, FixedInputData, KO } of ours) {
    expect(derive('kdf108', hex(KI!), hex(FixedInputData!), Number(L) / 8), `COUNT ${COUNT}`).toEqual(hex(KO!));
  }
});

test('CAVP ECC CDH with KDFConcat: the derivations by SHA-256', () => {
  const seen = { match: 0, tampered: 0 };
  for (const role of ['init', 'resp']) {
    const file = `asymmetric/ECDH/KASValidityTest_ECCStaticUnified_KDFConcat_NOKC_${role}.fax`;
    for (const { section, Z, OI, DKM, Result } of cavpRecords(cavp(file))) {
      if (!section?.endsWith('- SHA256') || !Z) continue;
      const derived = derive('concatKdf', hex(Z), hex(OI!), DKM!.length / 2);
      if (/OI changed|DKM changed/.test(Result!)) {
        expect(derived).not.toEqual(hex(DKM!));
        seen.tampered++;
      } else {
        expect(derived, Result).toEqual(hex(DKM!));
        seen.match++;
      }
    }
  }
  expect(seen).toEqual({ match: 104, tampered: 16 });
});

test('RFC 7518 Appendix C', () => {
  const z = hex('9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4');
  const field = (text: string) => Buffer.concat([counter(text.length), Buffer.from(text)]);
  const otherInfo = Buffer.concat([field('A128GCM'), field('Alice'), field('Bob'), counter(128)]);
  const key = Buffer.from('VqqN6vgjbSBcIijNcacQGg', 'base64url');
  expect(derive('concatKdf', z, otherInfo, 16)).toEqual(new Uint8Array(key));
});

test.each<Kdf>(['kdf108', 'concatKdf'])('%s agrees with node:crypto at every length', (kdf) => {
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
      const out = derive(kdf, secret, info, outLen, n & 15);
      expect(out, `${secretLen}, ${infoLen} to ${outLen}`).toEqual(byNode[kdf](secret, info, outLen));
    }
  }
});

test.each<Kdf>(['kdf108', 'concatKdf'])('%s gives 1 to 8160 bytes and nothing else', (kdf) => {
  const secret = new Uint8Array(32).fill(1);
  const info = new Uint8Array(9).fill(2);
  for (const allowed of [1, 8159, MAX_OUT]) {
    expect(derive(kdf, secret, info, allowed)).toEqual(byNode[kdf](secret, info, allowed));
  }
  for (const refused of [0, MAX_OUT + 1, 9000, 0x80000000, 0xffffffff]) {
    expect(derive(kdf, secret, info, refused)).toBeUndefined();
  }
});

/**
 * Concat KDF hashes three pieces, counter, Z and info, whose lengths a test may choose: its first
 * block is the one-shot digest of the three joined, however they are split.
 */
test('SHA-256 in pieces is SHA-256 in one: every split about the block boundaries', () => {
  const message = new Uint8Array(randomBytes(200));
  for (let length = 0; length <= 200; length += length < 140 ? 1 : 7) {
    const whole = createHash('sha256').update(counter(1)).update(message.subarray(0, length)).digest();
    for (let split = 0; split <= length; split++) {
      const [a, b] = [message.subarray(0, split), message.subarray(split, length)];
      const got = derive('concatKdf', a, b, 32, split & 15);
      if (Buffer.compare(got!, whole) !== 0) expect.fail(`wrong at ${split} of ${length}`);
    }
  }
});

test('SHA-256 in pieces is SHA-256 in one: long random pieces', () => {
  const piece = fc.uint8Array({ maxLength: 5000, size: 'max' });
  fc.assert(
    fc.property(piece, piece, fc.nat(15), (a, b, skew) => {
      const oneShot = createHash('sha256')
        .update(Buffer.concat([counter(1), a, b]))
        .digest();
      expect(derive('concatKdf', a, b, 32, skew)).toEqual(new Uint8Array(oneShot));
    }),
    { numRuns: 200 },
  );
});
