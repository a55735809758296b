/** AES-CTR and AES-CBC against node:crypto at every small length, whose IV it is, and who may decrypt. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Session } from '../../dist/index.js';
import { atOddOffset, bytes, code, ephemeral, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

type Mode = 'AES-CTR' | 'AES-CBC';
const MODES = ['AES-CTR', 'AES-CBC'] as const;
const BITS = [128, 192, 256] as const;
const LENGTHS = Array.from({ length: 258 }, (_, i) => i);

function node(mode: Mode, key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${8 * key.length}-${mode.slice(4).toLowerCase()}`, key, iv);
  return Buffer.concat([cipher.update(plaintext), cipher.final()]);
}
function nodeOpen(mode: Mode, key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Buffer {
  const decipher = createDecipheriv(`aes-${8 * key.length}-${mode.slice(4).toLowerCase()}`, key, iv);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}
const keyOf = (raw: Uint8Array, more: object = {}): Promise<AesKey> =>
  session.importKey(
    { type: 'AES', bits: (8 * raw.length) as 256, usage: ['encrypt', 'decrypt'], persistent: false, ...more },
    raw,
  );

describe.each(MODES)('%s', (mechanism) => {
  test.each(BITS)('with %i bits, at every length, both ways with node', async (bits) => {
    const raw = bytes(bits / 8, bits);
    const key = await keyOf(raw);
    const caller = await keyOf(raw, { callerIv: true });
    const seen = await Promise.all(
      LENGTHS.map(async (length) => {
        const plaintext = atOddOffset(bytes(length, length));
        const before = Buffer.from(plaintext);
        const { iv, ciphertext } = await session.encrypt(key, plaintext, { mechanism });
        expect(iv).toHaveLength(16);
        expect(node(mechanism, raw, iv, plaintext).equals(ciphertext)).toBe(true);
        expect(nodeOpen(mechanism, raw, iv, ciphertext).equals(plaintext)).toBe(true);
        const own = bytes(16, length);
        const chosen = await session.encrypt(caller, plaintext, { mechanism, iv: own });
        expect(Buffer.compare(chosen.iv, own)).toBe(0);
        const theirs = node(mechanism, raw, own, plaintext);
        expect(theirs.equals(chosen.ciphertext)).toBe(true);
        for (const which of [key, caller]) {
          const back = await session.decrypt(which, atOddOffset(theirs), { mechanism, iv: atOddOffset(own) });
          expect(Buffer.compare(back, plaintext)).toBe(0);
        }
        expect(before.equals(plaintext)).toBe(true);
        return Buffer.from(iv).toString('hex');
      }),
    );
    expect(new Set(seen).size).toBe(LENGTHS.length);
  });

  test('16 MiB there and back', async () => {
    const raw = bytes(16);
    const key = await keyOf(raw);
    const plaintext = new Uint8Array(16 << 20).fill(3);
    const { iv, ciphertext } = await session.encrypt(key, plaintext, { mechanism });
    expect(node(mechanism, raw, iv, plaintext).equals(ciphertext)).toBe(true);
    expect(Buffer.compare(await session.decrypt(key, ciphertext, { mechanism, iv }), plaintext)).toBe(0);
  });

  test('the IV is the cell’s, or the caller’s, as the key says; 16 bytes; and there is no associated data', async () => {
    const key = await keyOf(bytes(16));
    const caller = await keyOf(bytes(16), { callerIv: true });
    const iv = bytes(16);
    expect((await refusal(() => session.encrypt(key, bytes(3), { mechanism, iv }))).message).toContain('callerIv');
    expect((await refusal(() => session.encrypt(caller, bytes(3), { mechanism }))).message).toContain('callerIv');
    for (const length of [1, 12, 15, 17]) {
      const wrong = { mechanism, iv: bytes(length) };
      expect(await code(() => session.encrypt(caller, bytes(3), wrong))).toBe('KEYCELL_INPUT_INVALID');
      expect(await code(() => session.decrypt(key, bytes(16), wrong))).toBe('KEYCELL_INPUT_INVALID');
    }
    expect(await code(() => session.decrypt(key, bytes(16), { mechanism } as never))).toBe('KEYCELL_INPUT_INVALID');
    const aad = bytes(1);
    expect((await refusal(() => session.encrypt(key, bytes(3), { mechanism, aad } as never))).message).toContain(
      'associated data',
    );
    expect(await code(() => session.decrypt(key, bytes(16), { mechanism, iv, aad } as never))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
    const hmac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
    expect(await code(() => session.encrypt(hmac as never, bytes(3), { mechanism }))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

test('CTR counts the whole block, over every carry', async () => {
  const raw = bytes(32, 2);
  const caller = await keyOf(raw, { callerIv: true });
  const plaintext = bytes(100);
  for (const ones of [1, 4, 5, 8, 9, 12, 15, 16]) {
    const iv = bytes(16, 3).fill(0xff, 16 - ones);
    const { ciphertext } = await session.encrypt(caller, plaintext, { mechanism: 'AES-CTR', iv });
    expect(node('AES-CTR', raw, iv, plaintext).equals(ciphertext)).toBe(true);
  }
});

test('CBC: wrong padding and lengths are DECRYPT_FAILED, right padding of every size is none', async () => {
  const raw = bytes(16, 4);
  const key = await keyOf(raw);
  const iv = bytes(16);
  const ecb = (block: Uint8Array) => {
    const cipher = createCipheriv('aes-128-cbc', raw, iv).setAutoPadding(false);
    return Buffer.concat([cipher.update(block), cipher.final()]);
  };
  const open = (ciphertext: Uint8Array) => session.decrypt(key, ciphertext, { mechanism: 'AES-CBC', iv });
  for (let pad = 0; pad < 256; pad++) {
    const blocks = Buffer.concat([bytes(16, 5), bytes(16, 6).fill(pad, Math.max(0, 16 - pad))]);
    blocks[31] = pad;
    if (pad >= 1 && pad <= 16) expect(Buffer.compare(await open(ecb(blocks)), blocks.subarray(0, 32 - pad))).toBe(0);
    else expect(await code(() => open(ecb(blocks)))).toBe('KEYCELL_DECRYPT_FAILED');
    if (pad < 2 || pad > 16) continue;
    for (let at = 32 - pad; at < 31; at++) {
      const wrong = Buffer.from(blocks);
      wrong[at]! ^= 1;
      expect(await code(() => open(ecb(wrong)))).toBe('KEYCELL_DECRYPT_FAILED');
    }
  }
  for (const length of [0, 1, 15, 17, 31]) {
    expect(await code(() => open(bytes(length)))).toBe('KEYCELL_DECRYPT_FAILED');
  }
});

describe('who may', () => {
  test('usages hold; CTR gives blocks of one’s choice, so its decryption needs both', async () => {
    const raw = bytes(32, 7);
    const writer = await keyOf(raw, { usage: ['encrypt'] });
    const reader = await keyOf(raw, { usage: ['decrypt'] });
    const iv = bytes(16);
    for (const mechanism of MODES) {
      const sealed = await session.encrypt(writer, bytes(9), { mechanism });
      expect(await code(() => session.encrypt(reader, bytes(9), { mechanism }))).toBe('KEYCELL_PERMISSION_DENIED');
      expect(await code(() => session.decrypt(writer, bytes(16), { mechanism, iv }))).toBe('KEYCELL_PERMISSION_DENIED');
      const read = () => session.decrypt(reader, sealed.ciphertext, { mechanism, iv: sealed.iv });
      if (mechanism === 'AES-CBC') expect(Buffer.compare(await read(), bytes(9))).toBe(0);
      else expect(await code(read)).toBe('KEYCELL_PERMISSION_DENIED');
    }
  });

  test('a key that opens what others wrapped computes no blocks outside: it may not decrypt at all', async () => {
    const template = { type: 'AES', bits: 256, usage: ['unwrap', 'decrypt'] } as const;
    expect(await code(() => session.generateKey(template))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});
