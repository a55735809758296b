/** AES-CBC-HMAC (RFC 7518 §5.2) against the RFC's vectors and node:crypto, every byte changed, and what its keys never do. */
import { createCipheriv, createHmac } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesCbcHmacKey, AesKey, Session } from '../../dist/index.js';
import vectors from '../jose/vectors.json' with { type: 'json' };
import {
  atOddOffset,
  bytes,
  cbcCipher,
  cbcHmacTag,
  code,
  ephemeral,
  nodeCbcHmac,
  nodeCbcHmacOpen,
  nodeWrap,
  refusal,
} from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const mechanism = 'AES-CBC-HMAC';
const BITS = [256, 384, 512] as const;
const LENGTHS = Array.from({ length: 133 }, (_, i) => i);

const keyOf = (raw: Uint8Array, more: object = {}): Promise<AesCbcHmacKey> =>
  session.importKey(
    {
      ...{ type: 'AES-CBC-HMAC', bits: (8 * raw.length) as 256, usage: ['encrypt', 'decrypt'], persistent: false },
      ...more,
    },
    raw,
  );

test.each(vectors.cbcHmac.cases)('$name', async ({ bits, ciphertext, tag }) => {
  const { aad, iv, plaintext } = vectors.cbcHmac;
  const key = await keyOf(Uint8Array.from({ length: bits / 8 }, (_, i) => i));
  const sealed = Buffer.from(ciphertext + tag, 'hex');
  const options = { mechanism, iv: Buffer.from(iv, 'hex'), aad: Buffer.from(aad) } as const;
  expect(Buffer.from(await session.decrypt(key, sealed, options)).toString()).toBe(plaintext);
});

describe.each(BITS)('%i bits', (bits) => {
  const raw = bytes(bits / 8, bits);

  test('every length over the blocks’ boundaries, with associated data or none, both ways with node', async () => {
    const key = await keyOf(raw);
    const seen = await Promise.all(
      LENGTHS.map(async (length) => {
        const plaintext = atOddOffset(bytes(length, length));
        const before = Buffer.from(plaintext);
        const aad = atOddOffset(bytes(length % 37, 5));
        const { iv, ciphertext } = await session.encrypt(key, plaintext, { mechanism, aad });
        expect(iv).toHaveLength(16);
        expect(nodeCbcHmac(raw, iv, aad, plaintext).equals(ciphertext)).toBe(true);
        expect(nodeCbcHmacOpen(raw, iv, aad, ciphertext).equals(plaintext)).toBe(true);
        const own = bytes(16, length);
        const theirs = atOddOffset(nodeCbcHmac(raw, own, aad, plaintext));
        const back = await session.decrypt(key, theirs, { mechanism, iv: atOddOffset(own), aad });
        expect(Buffer.compare(back, plaintext)).toBe(0);
        expect(before.equals(plaintext)).toBe(true);
        return Buffer.from(iv).toString('hex');
      }),
    );
    expect(new Set(seen).size).toBe(LENGTHS.length);
  });

  test('16 MiB there and back, and as much associated data as there is room for', async () => {
    const key = await keyOf(raw);
    const plaintext = new Uint8Array(16 << 20).fill(3);
    const { iv, ciphertext } = await session.encrypt(key, plaintext, { mechanism });
    expect(nodeCbcHmac(raw, iv, new Uint8Array(0), plaintext).equals(ciphertext)).toBe(true);
    expect(Buffer.compare(await session.decrypt(key, ciphertext, { mechanism, iv }), plaintext)).toBe(0);
    const sealed = await session.encrypt(key, bytes(9), { mechanism, aad: plaintext });
    expect(nodeCbcHmac(raw, sealed.iv, plaintext, bytes(9)).equals(sealed.ciphertext)).toBe(true);
    const half = plaintext.subarray(0, 12 << 20);
    expect(await code(() => session.encrypt(key, half, { mechanism, aad: half }))).toBe('KEYCELL_LIMIT_EXCEEDED');
  });

  test('any byte changed, moved between the parts, or cut off: one error, the same as for wrong padding', async () => {
    const key = await keyOf(raw);
    const [iv, aad] = [bytes(16, 1), bytes(21, 2)];
    const sealed = nodeCbcHmac(raw, iv, aad, bytes(40));
    const open = (text: Uint8Array, options: { iv?: Uint8Array; aad?: Uint8Array } = {}) =>
      refusal(() => session.decrypt(key, text, { mechanism, iv, aad, ...options }));
    const flipped = (of: Uint8Array, at: number, bit: number) => {
      const changed = Uint8Array.from(of);
      changed[at]! ^= 1 << bit;
      return changed;
    };
    const said: string[] = [];
    const refused = async (attempt: ReturnType<typeof open>) => {
      const { code: name, message } = await attempt;
      said.push(`${name} ${message}`);
    };
    for (let at = 0; at < sealed.length; at++) await refused(open(flipped(sealed, at, at % 8)));
    for (let at = 0; at < iv.length; at++) await refused(open(sealed, { iv: flipped(iv, at, at % 8) }));
    for (let at = 0; at < aad.length; at++) await refused(open(sealed, { aad: flipped(aad, at, at % 8) }));
    for (let length = 0; length < sealed.length; length++) await refused(open(sealed.subarray(0, length)));
    await refused(open(Buffer.concat([sealed, Buffer.of(0)])));
    // AL says where the associated data ends: none of it goes over into the IV, nor the other way.
    await refused(open(sealed, { aad: Buffer.concat([aad, iv.subarray(0, 1)]) }));
    await refused(open(Buffer.concat([iv, sealed]), { iv: aad.subarray(5), aad: aad.subarray(0, 5) }));
    // With a true tag, which only who has the key can make.
    for (const pad of [0, 17, 255]) {
      const cipher = createCipheriv(...cbcCipher(raw), iv).setAutoPadding(false);
      const text = Buffer.concat([cipher.update(new Uint8Array(32).fill(pad)), cipher.final()]);
      await refused(open(Buffer.concat([text, cbcHmacTag(raw, iv, aad, text)])));
    }
    // A tag over no block at all.
    await refused(open(cbcHmacTag(raw, iv, aad, new Uint8Array(0))));
    expect(new Set(said).size).toBe(1);
    expect(said[0]).toMatch(/^KEYCELL_DECRYPT_FAILED/);
  });

  test('a tag is compared as a whole: one of another length of the same MAC is none', async () => {
    const key = await keyOf(raw);
    const iv = bytes(16, 1);
    const cipher = createCipheriv(...cbcCipher(raw), iv);
    const text = Buffer.concat([cipher.update(bytes(20)), cipher.final()]);
    const al = Buffer.alloc(8);
    const whole = createHmac(`sha${bits}`, raw.subarray(0, bits / 16))
      .update(iv)
      .update(text)
      .update(al)
      .digest();
    for (let length = 0; length <= whole.length; length++) {
      const sealed = Buffer.concat([text, whole.subarray(0, length)]);
      const open = () => session.decrypt(key, sealed, { mechanism, iv });
      if (8 * length === bits / 2) expect(Buffer.compare(await open(), bytes(20))).toBe(0);
      else expect(await code(open)).toBe('KEYCELL_DECRYPT_FAILED');
    }
  });

  test('generated, wrapped and stored: the sizes of the three, and no others', async () => {
    const usage = ['encrypt', 'decrypt'] as const;
    const key = await session.generateKey({
      type: 'AES-CBC-HMAC',
      bits,
      usage,
      extractable: 'wrapped',
      label: `${bits}`,
    });
    expect(key).toMatchObject({ type: 'AES-CBC-HMAC', bits, usage, class: 'secret' });
    expect(Object.keys(key)).not.toContain('checkValue');
    const sealed = await session.encrypt(key, bytes(5), { mechanism });
    const unwrapTemplate = { type: 'AES-CBC-HMAC' } as const;
    const kek = await session.generateKey({ ...WRAP, unwrapTemplate });
    for (const by of ['AES-KW', 'AES-KWP', 'AES-GCM'] as const) {
      const blob = await session.wrapKey(kek, key, { mechanism: by });
      expect(blob).toHaveLength(bits / 8 + (by === 'AES-GCM' ? 28 : 8));
      const back = await session.unwrapKey(kek, blob, { type: 'AES-CBC-HMAC', bits }, { mechanism: by });
      expect(back).toMatchObject({ type: 'AES-CBC-HMAC', bits });
      expect(await session.decrypt(back, sealed.ciphertext, { mechanism, iv: sealed.iv })).toEqual(bytes(5));
    }
    const found = (await session.getKey({ type: 'AES-CBC-HMAC', label: `${bits}` })) as AesCbcHmacKey;
    expect(await session.decrypt(found, sealed.ciphertext, { mechanism, iv: sealed.iv })).toEqual(bytes(5));
  });
});

const WRAP = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], persistent: false } as const;

describe('one purpose', () => {
  test('sizes, usages and members of other types are refused', async () => {
    const make = (more: object) => code(() => session.generateKey({ ...TEMPLATE, ...more } as never));
    for (const bits of [0, 128, 192, 255, 320, 768]) expect(await make({ bits })).toBe('KEYCELL_INPUT_INVALID');
    for (const usage of ['sign', 'verify', 'wrap', 'unwrap', 'derive']) {
      expect(await make({ usage: ['encrypt', usage] })).toBe('KEYCELL_INPUT_INVALID');
    }
    for (const more of [{ callerIv: true }, { rewrapPolicy: 'any' }, { unwrapTemplate: {} }, { deriveTemplate: {} }]) {
      expect(await make(more)).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('no half of it works alone, and nothing else works with it', async () => {
    const key = await keyOf(bytes(32, 8));
    const as = key as unknown as AesKey;
    const iv = bytes(16);
    const calls = {
      envelope: () => session.encrypt(as, bytes(9)),
      'AES-GCM': () => session.encrypt(as, bytes(9), { mechanism: 'AES-GCM' }),
      'AES-CBC': () => session.encrypt(as, bytes(9), { mechanism: 'AES-CBC' }),
      'AES-CTR': () => session.encrypt(as, bytes(9), { mechanism: 'AES-CTR' }),
      'open GCM': () => session.decrypt(as, bytes(32), { mechanism: 'AES-GCM', iv }),
      'open CBC': () => session.decrypt(as, bytes(32), { mechanism: 'AES-CBC', iv }),
      'open CTR': () => session.decrypt(as, bytes(32), { mechanism: 'AES-CTR', iv }),
      'open envelope': () => session.decrypt(as, bytes(100)),
      'data key': () => session.generateDataKey(as, { bytes: 32 }),
    };
    for (const [name, call] of Object.entries(calls)) {
      expect([name, await code(call)]).toEqual([name, 'KEYCELL_MECHANISM_INVALID']);
    }
    for (const type of ['HMAC', 'AES', 'AES-CBC-HMAC']) {
      const sign = await code(() => session.sign({ ...as, type } as never, bytes(9)));
      expect(['KEYCELL_KEY_NOT_FOUND', 'KEYCELL_MECHANISM_INVALID']).toContain(sign);
    }
    expect(await code(() => session.sign(key as never, bytes(9)))).toBe('KEYCELL_MECHANISM_INVALID');
    const kdf = { name: 'bound', hash: 'SHA-256', label: bytes(1) } as const;
    const derived = { type: 'AES', bits: 256, usage: ['encrypt'] } as const;
    expect(await code(() => session.deriveKey(key as never, { mechanism: 'KDF', kdf }, derived))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    const content = await session.generateKey({ ...TEMPLATE, extractable: 'wrapped' });
    expect(await code(() => session.wrapKey(as, content, { mechanism: 'AES-KW' }))).toBe('KEYCELL_PERMISSION_DENIED');
    const writer = session.encryptStream(as).writable.getWriter();
    expect(await code(() => writer.write(bytes(9)).then(() => writer.close()))).toBe('KEYCELL_MECHANISM_INVALID');
  });

  test('and it is for no key of another type', async () => {
    const aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], persistent: false });
    const hmac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
    const both = { mechanism, iv: bytes(16) } as const;
    expect(await code(() => session.encrypt(aes as never, bytes(9), { mechanism }))).toBe('KEYCELL_MECHANISM_INVALID');
    expect(await code(() => session.decrypt(aes as never, bytes(48), both))).toBe('KEYCELL_MECHANISM_INVALID');
    expect(await code(() => session.encrypt(hmac as never, bytes(9), { mechanism }))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('usages hold, and the IV is the cell’s', async () => {
    const raw = bytes(32, 9);
    const writer = await keyOf(raw, { usage: ['encrypt'] });
    const reader = await keyOf(raw, { usage: ['decrypt'] });
    const { iv, ciphertext } = await session.encrypt(writer, bytes(9), { mechanism });
    expect(await session.decrypt(reader, ciphertext, { mechanism, iv })).toEqual(bytes(9));
    expect(await code(() => session.encrypt(reader, bytes(9), { mechanism }))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.decrypt(writer, ciphertext, { mechanism, iv }))).toBe('KEYCELL_PERMISSION_DENIED');
    const chosen = { mechanism, iv: bytes(16) } as never;
    expect((await refusal(() => session.encrypt(writer, bytes(9), chosen))).message).toContain('callerIv');
    for (const length of [0, 1, 12, 15, 17]) {
      const wrong = { mechanism, iv: bytes(length) } as const;
      expect(await code(() => session.decrypt(reader, ciphertext, wrong))).toBe('KEYCELL_INPUT_INVALID');
    }
  });
});

const TEMPLATE = { type: 'AES-CBC-HMAC', bits: 256, usage: ['encrypt', 'decrypt'], persistent: false } as const;

describe('what a template lets come', () => {
  const blobOf = async (unwrapTemplate?: object, more: object = {}) => {
    const kekBytes = bytes(32, 3);
    const kek = await session.importKey({ ...WRAP, ...(unwrapTemplate && { unwrapTemplate }), ...more }, kekBytes);
    const unwrap = (size: number, template: object) =>
      session.unwrapKey(kek, nodeWrap('AES-KW', kekBytes, bytes(size, 4)), template, { mechanism: 'AES-KW' });
    return { kek, unwrap };
  };

  test('under AES a wrapped content key may be either; under AES-CBC-HMAC it is that, and nothing else', async () => {
    const { unwrap } = await blobOf();
    for (const bits of BITS) expect(await unwrap(bits / 8, { ...TEMPLATE, bits })).toMatchObject({ bits });
    expect(await unwrap(32, { type: 'AES', bits: 256 })).toMatchObject({ type: 'AES' });
    const named = await blobOf({ type: 'AES-CBC-HMAC', bits: 256 });
    expect(await named.unwrap(32, {})).toMatchObject({ type: 'AES-CBC-HMAC', bits: 256, extractable: 'wrapped' });
    for (const type of ['AES', 'HMAC', 'GENERIC']) {
      const usage = type === 'AES' ? ['decrypt'] : [];
      expect(await code(() => named.unwrap(32, { type, bits: 256, usage }))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    expect(await code(() => named.unwrap(48, { bits: 384 }))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('its other members hold for both', async () => {
    const reading = await blobOf({ bits: 256, usage: ['decrypt'], extractable: false });
    const template = { ...TEMPLATE, usage: ['decrypt'] } as const;
    expect(await reading.unwrap(32, template)).toMatchObject({ type: 'AES-CBC-HMAC', extractable: false });
    for (const more of [{ usage: ['encrypt'] }, { extractable: 'wrapped' }, { bits: 384 }]) {
      const size = 'bits' in more ? 48 : 32;
      expect(await code(() => reading.unwrap(size, { ...template, ...more }))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    for (const other of [{ callerIv: true }, { usage: ['wrap'] }, { usage: ['sign'] }]) {
      const { unwrap } = await blobOf(other);
      expect(await code(() => unwrap(32, TEMPLATE))).toBe('KEYCELL_PERMISSION_DENIED');
    }
  });

  test('one that is bound to trusted keys goes under no key whose template is AES: it would come back as that', async () => {
    const it = await session.generateKey({ ...TEMPLATE, extractable: 'wrapped', wrapWithTrusted: true });
    const { kek } = await blobOf();
    expect(await code(() => session.wrapKey(kek, it, { mechanism: 'AES-KW' }))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('what is derived is of the type that its base or the algorithm names', async () => {
    const base = await session.generateKey({
      ...{ type: 'GENERIC', bits: 256, usage: ['derive'], deriveTemplate: { type: 'AES' }, persistent: false },
    });
    const kdf = { name: 'hkdf', hash: 'SHA-256' } as const;
    const derive = (from: typeof base, template: object) =>
      session.deriveKey(from, { mechanism: 'KDF', kdf }, template as typeof TEMPLATE);
    expect(await derive(base, { type: 'AES', bits: 256, usage: ['decrypt'] })).toMatchObject({ type: 'AES' });
    expect(await code(() => derive(base, TEMPLATE))).toBe('KEYCELL_PERMISSION_DENIED');
    const named = await session.generateKey({
      ...{ type: 'GENERIC', bits: 256, usage: ['derive'], deriveTemplate: { type: 'AES-CBC-HMAC' }, persistent: false },
    });
    for (const bits of BITS) expect(await derive(named, { ...TEMPLATE, bits })).toMatchObject({ bits });
    expect(await code(() => derive(named, { type: 'AES', bits: 256, usage: ['decrypt'] }))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    const agreeing = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false });
    const agree = (algorithm: string, template: object) =>
      session.deriveKey(
        agreeing,
        { mechanism: 'ECDH', publicKey: agreeing.publicKey, kdf: { name: 'concat', hash: 'SHA-256', algorithm } },
        { ...TEMPLATE, ...template } as typeof TEMPLATE,
      );
    for (const bits of BITS) {
      const algorithm = `A${bits / 2}CBC-HS${bits}`;
      expect(await agree(algorithm, { bits })).toMatchObject({ type: 'AES-CBC-HMAC', bits, extractable: false });
      const others = BITS.filter((each) => each !== bits).map((other) => ({ bits: other }));
      for (const wrong of [...others, { type: 'AES', bits: 256 }, { type: 'HMAC', usage: ['sign'], bits }]) {
        expect(await code(() => agree(algorithm, wrong))).toBe('KEYCELL_PERMISSION_DENIED');
      }
    }
    expect(await code(() => agree('A256GCM', { bits: 256 }))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});
