/** Wycheproof through the whole public interface. */
import { describe, expect, test } from 'vitest';
import { HsmError } from '../../dist/index.js';
import { wycheproof } from '../support/vectors.ts';
import { ephemeral } from './support.ts';

const it = ephemeral();
const hex = (text: string) => Buffer.from(text, 'hex');

interface Vector {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly flags: readonly string[];
  readonly [name: string]: unknown;
}
type Verdict = 'accepted' | 'rejected' | 'refused';

/** Run all vectors of a file; a refusal by design has a reason, everything else must agree with the file. */
async function run(
  file: string,
  verdict: (vector: Vector & Record<string, string>, group: Record<string, never>) => Promise<Verdict>,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = { accepted: 0, rejected: 0, refused: 0, acceptable: 0 };
  for (const group of wycheproof(file).testGroups) {
    for (const vector of group.tests) {
      const found = await verdict(vector, group);
      if (found !== 'refused' && vector.result !== 'acceptable') {
        expect([file, vector.tcId, found]).toEqual([
          file,
          vector.tcId,
          vector.result === 'valid' ? 'accepted' : 'rejected',
        ]);
      }
      counts[found]!++;
      if (vector.result === 'acceptable') counts['acceptable']!++;
    }
  }
  return counts;
}

async function accepts(call: () => Promise<unknown>): Promise<Verdict> {
  try {
    await call();
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(HsmError);
    return 'rejected';
  }
}

describe('Wycheproof', () => {
  test('ecdsa_secp256r1_sha256: verify with DER', async () => {
    const counts = await run('ecdsa_secp256r1_sha256_test.json', async ({ msg, sig }, group) => {
      const template = { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] } as const;
      const key = await it.session.importKey(
        { ...template, persistent: false } as typeof template,
        hex(group['publicKeyDer']!),
      );
      return (await it.session.verify(key, hex(sig!), hex(msg!), { format: 'der' })) ? 'accepted' : 'rejected';
    });
    expect(counts).toEqual({
      acceptable: 0,
      accepted: 174,
      refused: 0,
      rejected: 310,
    });
  });

  test('ecdh_secp256r1: import, derive without KDF, export', async () => {
    // Public keys come as SPKI; those that are not on P-256, or in another encoding, must not pass.
    const counts = await run('ecdh_secp256r1_test.json', async ({ private: d, public: spki, shared, result }) => {
      const scalar = Buffer.concat([Buffer.alloc(32), hex(d!)]).subarray(-32);
      const base = await it.session.importKey(
        { type: 'EC', curve: 'P-256', usage: ['derive'], extractable: 'plaintext', persistent: false },
        scalar,
      );
      let z: Buffer | undefined;
      const found = await accepts(async () => {
        const how = { mechanism: 'ECDH', publicKey: hex(spki!), kdf: { name: 'none' } } as const;
        const template = { type: 'GENERIC', bits: 256, usage: ['derive'], extractable: 'plaintext' } as const;
        z = Buffer.from(await it.session.exportKey(await it.session.deriveKey(base, how, template)));
      });
      if (z !== undefined && result !== 'invalid') expect(z.toString('hex')).toBe(shared);
      return found;
    });
    expect(counts).toEqual({
      acceptable: 230,
      accepted: 331,
      refused: 0,
      rejected: 281,
    });
  });

  test.each([
    ['aes_wrap_test.json', 'AES-KW', { accepted: 36, rejected: 129, refused: 0, acceptable: 3 }],
    ['aes_kwp_test.json', 'AES-KWP', { accepted: 77, rejected: 177, refused: 0, acceptable: 0 }],
  ] as const)('%s: unwrap, export, wrap', async (file, mechanism, expected) => {
    const counts = await run(file, async ({ key, msg, ct, result }) => {
      const bits = (8 * hex(key!).length) as 128;
      const kek = await it.session.importKey(
        {
          type: 'AES',
          bits,
          usage: ['wrap', 'unwrap'],
          unwrapTemplate: { extractable: 'plaintext' },
          rewrapPolicy: 'any',
          persistent: false,
        },
        hex(key!),
      );
      // By design: keys of 8 to 4096 bits.
      const size = 8 * hex(msg!).length;
      if (result !== 'invalid' && (size < 8 || size > 4096)) return 'refused';
      const sizes = result === 'invalid' ? [128, Math.min(4096, Math.max(8, size))] : [size];
      let verdict: Verdict = 'rejected';
      for (const each of sizes) {
        const template = { type: 'GENERIC', bits: each, usage: [], extractable: 'plaintext' } as const;
        verdict = await accepts(async () => {
          const opened = await it.session.unwrapKey(kek, hex(ct!), template, { mechanism });
          expect(Buffer.from(await it.session.exportKey(opened)).toString('hex')).toBe(msg);
          expect(Buffer.from(await it.session.wrapKey(kek, opened, { mechanism })).toString('hex')).toBe(ct);
        });
        if (verdict === 'accepted') break;
      }
      return verdict;
    });
    expect(counts).toEqual(expected);
  });

  test('hmac_sha256: verify', async () => {
    // By design: whole tags alone, and keys of at least 112 bits.
    const counts = await run('hmac_sha256_test.json', async ({ key, msg, tag }, group) => {
      const bits = 8 * hex(key!).length;
      if ((group['tagSize'] as unknown as number) !== 256 || bits < 112) return 'refused';
      const handle = await it.session.importKey(
        { type: 'HMAC', bits, usage: ['verify'], persistent: false },
        hex(key!),
      );
      return (await it.session.verify(handle, hex(tag!), hex(msg!))) ? 'accepted' : 'rejected';
    });
    expect(counts).toEqual({
      acceptable: 0,
      accepted: 33,
      refused: 87,
      rejected: 54,
    });
  });

  test.each([
    ['ecdsa_secp384r1_sha384_p1363_test.json', 'P-384', { accepted: 193, rejected: 87, refused: 0, acceptable: 0 }],
    ['ecdsa_secp256k1_sha256_p1363_test.json', 'secp256k1', { accepted: 167, rejected: 85, refused: 0, acceptable: 0 }],
  ] as const)('%s: verify', async (file, curve, expected) => {
    const counts = await run(file, async ({ msg, sig }, group) => {
      const template = { type: 'EC', curve, class: 'public', usage: ['verify'], persistent: false } as const;
      const key = await it.session.importKey(template, hex(group['publicKeyDer']!));
      return (await it.session.verify(key, hex(sig!), hex(msg!))) ? 'accepted' : 'rejected';
    });
    expect(counts).toEqual(expected);
  });

  test('hkdf_sha256_test.json: import, derive, export', async () => {
    // By design: what comes out has 128 to 4096 bits, and what goes in at least 8.
    const counts = await run('hkdf_sha256_test.json', async (vector) => {
      const { ikm, salt, info, okm } = vector;
      const size = Number(vector['size']);
      if (vector.result !== 'invalid' && (size < 16 || size > 512)) return 'refused';
      const base = await it.session.importKey(
        { type: 'GENERIC', bits: 4 * ikm!.length, usage: ['derive'], extractable: 'plaintext', persistent: false },
        hex(ikm!),
      );
      return accepts(async () => {
        const kdf = { name: 'hkdf', hash: 'SHA-256', salt: hex(salt!), info: hex(info!) } as const;
        const template = { type: 'GENERIC', bits: 8 * size, usage: [], extractable: 'plaintext' } as const;
        const key = await it.session.deriveKey(base, { mechanism: 'KDF', kdf }, template);
        expect(Buffer.from(await it.session.exportKey(key)).toString('hex')).toBe(okm);
      });
    });
    expect(counts).toEqual({ accepted: 80, rejected: 3, refused: 3, acceptable: 0 });
  });
});
