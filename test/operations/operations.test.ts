/** Every operation through the public interface, against node:crypto and noble, at every small length and with odd offsets. */
import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Bytes, EcKey, HmacKey, Session } from '../../dist/index.js';
import { kdf108, sealEnvelope, u32 } from '../support/reference.ts';
import { atOddOffset, bytes, code, ephemeral, nodeGcm, nodeGcmOpen, nodeUnwrap, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const LENGTHS = Array.from({ length: 258 }, (_, i) => i);
const messages = LENGTHS.map((length) => atOddOffset(bytes(length, length)));
const before = messages.map((message) => Buffer.from(message));
const unchanged = () =>
  messages.forEach((message, i) => {
    expect(Buffer.compare(message, before[i]!)).toBe(0);
  });
const spki = (key: EcKey) => createPublicKey({ key: Buffer.from(key.publicKey), format: 'der', type: 'spki' });
const all = <T>(call: (message: Uint8Array, i: number) => Promise<T>): Promise<T[]> => Promise.all(messages.map(call));

describe('ECDSA', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pkcs8 = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
  const scalar = Buffer.from(pair.privateKey.export({ format: 'jwk' }).d!, 'base64url');
  let key: EcKey;
  beforeAll(async () => {
    key = await session.importKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] }, pkcs8);
  });

  test.each([
    ['p1363', 'ieee-p1363'],
    ['der', 'der'],
  ] as const)('%s, both ways with node at every length', async (format, dsaEncoding) => {
    const mine = await session.signMany(key, messages, { format });
    mine.forEach((signature, i) => {
      expect(nodeVerify('sha256', messages[i]!, { key: spki(key), dsaEncoding }, signature)).toBe(true);
    });
    const theirs = messages.map((m) => atOddOffset(nodeSign('sha256', m, { key: pair.privateKey, dsaEncoding })));
    expect(await all((m, i) => session.verify(key, theirs[i]!, m, { format }))).toEqual(LENGTHS.map(() => true));
    expect(await all((m, i) => session.verify(key, theirs[(i + 1) % 258]!, m, { format }))).toEqual(
      LENGTHS.map(() => false),
    );
    unchanged();
  });

  test('rfc6979 gives the signatures of noble, hedged ones differ, prehashed ones agree', async () => {
    const deterministic = await all((m) => session.sign(key, m, { nonce: 'rfc6979' }));
    deterministic.forEach((signature, i) => {
      expect(Buffer.from(signature)).toEqual(Buffer.from(p256.sign(messages[i]!, scalar, { lowS: false })));
    });
    const digests = messages.map((m) => createHash('sha256').update(m).digest());
    expect(await all((_, i) => session.sign(key, digests[i]!, { nonce: 'rfc6979', prehashed: true }))).toEqual(
      deterministic,
    );
    const [a, b] = await Promise.all([session.sign(key, messages[5]!), session.sign(key, messages[5]!)]);
    expect(a).not.toEqual(b);
    expect(await session.verify(key, a!, digests[5]!, { prehashed: true })).toBe(true);
    expect(await code(() => session.sign(key, bytes(31), { prehashed: true }))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('no single bit of a signature may change; malformed ones are false, not errors', async () => {
    const message = bytes(20);
    for (const format of ['p1363', 'der'] as const) {
      const signature = await session.sign(key, message, { format });
      const flipped = Array.from({ length: 8 * signature.length }, (_, bit) => {
        const other = new Uint8Array(signature);
        other[bit >> 3]! ^= 1 << (bit & 7);
        return session.verify(key, other, message, { format });
      });
      expect(new Set(await Promise.all(flipped))).toEqual(new Set([false]));
      for (let length = 0; length < signature.length; length++) {
        expect(await session.verify(key, signature.subarray(0, length), message, { format })).toBe(false);
      }
    }
  });
});

describe('HMAC', () => {
  test('both ways with node, keys of several sizes, every length', async () => {
    for (const bits of [112, 256, 512, 520, 4096]) {
      const raw = bytes(bits / 8, bits);
      const key: HmacKey = await session.importKey(
        { type: 'HMAC', bits, usage: ['sign', 'verify'], persistent: false },
        raw,
      );
      const macs = await all((m) => session.sign(key, m));
      macs.forEach((mac, i) => {
        expect(Buffer.from(mac)).toEqual(createHmac('sha256', raw).update(messages[i]!).digest());
      });
      expect(new Set(await all((m, i) => session.verify(key, macs[i]!, m)))).toEqual(new Set([true]));
      expect(new Set(await all((m, i) => session.verify(key, macs[i]!.subarray(0, 31), m)))).toEqual(new Set([false]));
    }
    unchanged();
  });
});

describe('encryption', () => {
  test('envelopes are those of docs/formats.md at every length', async () => {
    const raw = bytes(32, 1);
    const key = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] }, raw);
    const aads = LENGTHS.map((i) => atOddOffset(bytes(257 - i, 3)));
    const envelopes = await all((m, i) => session.encrypt(key, m, { aad: aads[i]! }));
    envelopes.forEach((envelope, i) => {
      const nonce = envelope.subarray(28, 52);
      const expected = sealEnvelope(raw, key.id, 1, nonce, aads[i]!, messages[i]!);
      expect(Buffer.compare(envelope, expected)).toBe(0);
    });
    expect(new Set(envelopes.map((e) => Buffer.from(e.subarray(28, 52)).toString('hex'))).size).toBe(258);
    const opened = await all((_, i) => session.decrypt(key, atOddOffset(envelopes[i]!), { aad: aads[i]! }));
    opened.forEach((m, i) => {
      expect(Buffer.compare(m, messages[i]!)).toBe(0);
    });
    unchanged();
  });

  test.each([128, 192, 256] as const)('AES-%i-GCM both ways with node, IVs from the cell', async (bits) => {
    const raw = bytes(bits / 8, bits);
    const key = await session.importKey({ type: 'AES', bits, usage: ['encrypt', 'decrypt'] }, raw);
    const aad = bytes(21);
    const sealed = await all((m) => session.encrypt(key, m, { mechanism: 'AES-GCM', aad }));
    sealed.forEach(({ iv, ciphertext }, i) => {
      expect(iv).toHaveLength(12);
      expect(Buffer.compare(nodeGcmOpen(raw, iv, aad, ciphertext), messages[i]!)).toBe(0);
    });
    const theirs = messages.map((m, i) => nodeGcm(raw, bytes(12, i), aad, m));
    const opened = await all((_, i) =>
      session.decrypt(key, theirs[i]!, { mechanism: 'AES-GCM', iv: bytes(12, i), aad }),
    );
    opened.forEach((m, i) => {
      expect(Buffer.compare(m, messages[i]!)).toBe(0);
    });
    const call = () => session.encrypt(key, bytes(1), { mechanism: 'AES-GCM', iv: bytes(12) });
    expect(await code(call)).toBe('KEYCELL_INPUT_INVALID');
  });

  test('callerIv: the caller’s IV of any length and never the cell’s, nor an envelope', async () => {
    const raw = bytes(32, 4);
    const key = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], callerIv: true }, raw);
    for (const length of [1, 8, 12, 16, 60]) {
      const iv = bytes(length, length);
      const { ciphertext } = await session.encrypt(key, bytes(40), { mechanism: 'AES-GCM', iv });
      expect(Buffer.compare(ciphertext, nodeGcm(raw, iv, new Uint8Array(0), bytes(40)))).toBe(0);
    }
    expect(await code(() => session.encrypt(key, bytes(4), { mechanism: 'AES-GCM' }))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.encrypt(key, bytes(4)))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.generateDataKey(key, { bytes: 16 }))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('data keys reopen', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    for (const size of [1, 16, 32, 4096]) {
      const { plaintext, ciphertext } = await session.generateDataKey(key, { bytes: size, aad: bytes(5) });
      expect(plaintext).toHaveLength(size);
      expect(await session.decrypt(key, ciphertext, { aad: bytes(5) })).toEqual(plaintext);
    }
    for (const size of [0, 4097, 1.5, Number.NaN]) {
      expect(await code(() => session.generateDataKey(key, { bytes: size }))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('every truncation and every flipped bit is DECRYPT_FAILED without detail', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    const envelope = await session.encrypt(key, bytes(9), { aad: bytes(2) });
    const { iv, ciphertext } = await session.encrypt(key, bytes(9), { mechanism: 'AES-GCM' });
    const everyFault = (whole: Uint8Array) => [
      ...Array.from({ length: 8 * whole.length }, (_, bit) => {
        const altered = new Uint8Array(whole);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        return altered;
      }),
      ...Array.from({ length: whole.length }, (_, length) => whole.slice(0, length)),
      new Uint8Array([...whole, 0]),
    ];
    const failures = await Promise.all([
      ...everyFault(envelope).map((bad) => refusal(() => session.decrypt(key, bad, { aad: bytes(2) }))),
      ...everyFault(ciphertext).map((bad) => refusal(() => session.decrypt(key, bad, { mechanism: 'AES-GCM', iv }))),
      refusal(() => session.decrypt(key, envelope, { aad: bytes(3) })),
      refusal(() => session.decrypt(key, envelope)),
    ]);
    expect(new Set(failures.map((each) => each.code))).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
    expect(new Set(failures.map((each) => each.message)).size).toBe(1);
    expect(await session.decrypt(key, envelope, { aad: bytes(2) })).toEqual(bytes(9));
  });
});

describe('wrapping', () => {
  const raw = bytes(24, 8);
  let kek: AesKey;
  beforeAll(async () => {
    kek = await session.importKey(
      {
        type: 'AES',
        bits: 192,
        usage: ['wrap', 'unwrap'],
        rewrapPolicy: 'any',
        unwrapTemplate: { extractable: 'plaintext' },
      },
      raw,
    );
  });

  test('keys of every type and many lengths go out and in as node wraps them', async () => {
    const templates = [
      ...([128, 192, 256] as const).map((bits) => ({ type: 'AES', bits, usage: ['encrypt'] }) as const),
      ...Array.from({ length: 40 }, (_, i) => ({ type: 'GENERIC', bits: 8 * (i + 1), usage: ['derive'] }) as const),
      ...[112, 256, 4096].map((bits) => ({ type: 'HMAC', bits, usage: ['sign'] }) as const),
    ];
    for (const template of templates) {
      const material = bytes(template.bits / 8, template.bits);
      const key = await session.importKey({ ...template, extractable: 'plaintext', persistent: false }, material);
      for (const mechanism of ['AES-KW', 'AES-KWP'] as const) {
        if (mechanism === 'AES-KW' && (template.bits % 64 !== 0 || template.bits < 128)) {
          expect(await code(() => session.wrapKey(kek, key, { mechanism }))).toBe('KEYCELL_MECHANISM_INVALID');
          continue;
        }
        const blob = await session.wrapKey(kek, key, { mechanism });
        expect(Buffer.compare(blob, nodeWrap(mechanism, raw, material))).toBe(0);
        const again = await session.unwrapKey(
          kek,
          atOddOffset(blob),
          { ...template, extractable: 'plaintext' },
          { mechanism },
        );
        expect(again.persistent).toBe(false);
        expect(await session.exportKey(again)).toEqual(material);
      }
    }
  });

  test('an EC private key goes out as PKCS#8 that node reads', async () => {
    const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'], extractable: 'wrapped' });
    const blob = await session.wrapKey(kek, key, { mechanism: 'AES-KWP' });
    const der = nodeUnwrap('AES-KWP', raw, blob);
    const theirs = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    expect(createPublicKey(theirs).export({ format: 'der', type: 'spki' })).toEqual(Buffer.from(key.publicKey));
    const again = await session.unwrapKey(
      kek,
      blob,
      { type: 'EC', curve: 'P-256', usage: ['sign'] },
      { mechanism: 'AES-KWP' },
    );
    expect(again.kid).toBe(key.kid);
    expect(await code(() => session.wrapKey(kek, key, { mechanism: 'AES-KW' }))).toBe('KEYCELL_MECHANISM_INVALID');
  });

  test('every flipped bit and truncation of a blob is DECRYPT_FAILED', async () => {
    for (const mechanism of ['AES-KW', 'AES-KWP'] as const) {
      const blob = nodeWrap(mechanism, raw, bytes(16));
      const faults = [
        ...Array.from({ length: 8 * blob.length }, (_, bit) => {
          const altered = new Uint8Array(blob);
          altered[bit >> 3]! ^= 1 << (bit & 7);
          return altered;
        }),
        ...Array.from({ length: blob.length }, (_, length) => blob.subarray(0, length)),
        new Uint8Array(600),
      ];
      const template = { type: 'AES', bits: 128, usage: [] } as const;
      const codes = await Promise.all(
        faults.map((bad) => code(() => session.unwrapKey(kek, bad, template, { mechanism }))),
      );
      expect(new Set(codes)).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
      expect((await session.unwrapKey(kek, blob, template, { mechanism })).bits).toBe(128);
    }
  });
});

describe('derivation', () => {
  const ours = createECDH('prime256v1');
  const theirs = createECDH('prime256v1');
  ours.generateKeys();
  theirs.generateKeys();
  const z = ours.computeSecret(theirs.getPublicKey());
  const plain = { extractable: 'plaintext', persistent: false } as const;
  let base: EcKey;
  beforeAll(async () => {
    const scalar = Buffer.concat([Buffer.alloc(32), ours.getPrivateKey()]).subarray(-32);
    base = await session.importKey({ type: 'EC', curve: 'P-256', usage: ['derive'], extractable: 'plaintext' }, scalar);
  });
  const lengthed = (...fields: Uint8Array[]) => Buffer.concat(fields.flatMap((field) => [u32(field.length), field]));
  const concat = (secret: Uint8Array, info: Uint8Array, bits: number): Buffer => {
    const blocks = Array.from({ length: Math.ceil(bits / 256) }, (_, i) =>
      createHash('sha256')
        .update(u32(i + 1))
        .update(secret)
        .update(info)
        .update(u32(bits))
        .digest(),
    );
    return Buffer.concat(blocks).subarray(0, bits / 8);
  };

  test('ECDH raw, from a point, a compressed point, SPKI and JWK', async () => {
    const point = theirs.getPublicKey();
    const compressed = theirs.getPublicKey(null, 'compressed');
    const partner = await session.importKey(
      { type: 'EC', curve: 'P-256', class: 'public', usage: ['derive'] },
      compressed as Buffer,
    );
    expect(
      diffieHellman({
        privateKey: createPrivateKey({ key: Buffer.from(await session.exportKey(base)), format: 'der', type: 'pkcs8' }),
        publicKey: spki(partner),
      }),
    ).toEqual(z);
    for (const publicKey of [point, compressed as Buffer, partner.publicKey, partner.jwk]) {
      const how = { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } } as const;
      const key = await session.deriveKey(base, how, { type: 'GENERIC', bits: 256, usage: ['derive'], ...plain });
      expect(Buffer.from(await session.exportKey(key))).toEqual(z);
      const aes = { type: 'AES', bits: 256, usage: ['encrypt'], ...plain } as const;
      expect(await code(() => session.deriveKey(base, how, aes))).toBe('KEYCELL_MECHANISM_INVALID');
    }
    for (const bad of [
      bytes(65),
      bytes(33),
      bytes(64),
      new Uint8Array(0),
      Buffer.concat([Buffer.of(4), Buffer.alloc(64)]),
    ]) {
      const how = { mechanism: 'ECDH', publicKey: bad, kdf: { name: 'none' } } as const;
      const template = { type: 'GENERIC', bits: 256, usage: ['derive'] } as const;
      expect(await code(() => session.deriveKey(base, how, template))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('concat and SP 800-108, many lengths, from ECDH and from secrets', async () => {
    const publicKey = theirs.getPublicKey();
    const secret = await session.importKey({ type: 'GENERIC', bits: 256, usage: ['derive'], ...plain }, z);
    const hmacKey = await session.importKey({ type: 'HMAC', bits: 256, usage: ['derive'], ...plain }, z);
    for (const bits of [8, 128, 256, 264, 512, 4096]) {
      const template = { type: 'GENERIC', bits, usage: ['derive'], ...plain } as const;
      const apu = bytes(bits % 7);
      const jose = { name: 'concat', hash: 'SHA-256', algorithm: 'A128GCM', apu, apv: bytes(3) } as const;
      const info = lengthed(Buffer.from('A128GCM'), apu, bytes(3));
      const counter = { name: 'sp800-108', hash: 'SHA-256', label: bytes(9), context: apu } as const;
      const fixed = Buffer.concat([bytes(9), Buffer.of(0), apu, u32(bits)]);
      const expected = { concat: concat(z, info, bits), counter: hmacCounter(z, fixed, bits) };
      const derived = await Promise.all([
        session.deriveKey(base, { mechanism: 'ECDH', publicKey, kdf: jose }, template),
        session.deriveKey(secret, { mechanism: 'KDF', kdf: jose }, template),
        session.deriveKey(base, { mechanism: 'ECDH', publicKey, kdf: counter }, template),
        session.deriveKey(secret, { mechanism: 'KDF', kdf: counter }, template),
        session.deriveKey(hmacKey, { mechanism: 'KDF', kdf: counter }, template),
      ]);
      const raw = await Promise.all(derived.map((key) => session.exportKey(key)));
      raw.forEach((found, i) => {
        expect(Buffer.from(found)).toEqual(i < 2 ? expected.concat : expected.counter);
      });
    }
  });

  function hmacCounter(key: Uint8Array, fixed: Uint8Array, bits: number): Buffer {
    const blocks = Array.from({ length: Math.ceil(bits / 256) }, (_, i) =>
      createHmac('sha256', key)
        .update(u32(i + 1))
        .update(fixed)
        .digest(),
    );
    if (bits === 256) expect(kdf108(key, fixed)).toEqual(blocks[0]);
    return Buffer.concat(blocks).subarray(0, bits / 8);
  }

  test('what comes later is refused as such', async () => {
    const key = await session.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'] });
    const template = { type: 'AES', bits: 256, usage: ['encrypt'] } as const;
    const hkdf = { mechanism: 'KDF', kdf: { name: 'hkdf', hash: 'SHA-256' } } as const;
    const aes = await session.generateKey({ type: 'AES', bits: 128, usage: ['encrypt', 'sign', 'verify'] });
    const pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
    for (const call of [
      () => session.deriveKey(key, hkdf, template),
      () => session.generateKey({ type: 'EC', curve: 'P-384', usage: ['sign'] }),
      () => session.generateKey({ type: 'EC', curve: 'secp256k1', usage: ['sign'] }),
      () => session.generateKey({ ...template, maxUses: 3 }),
      () => session.sign(aes, bytes(3)),
      () => session.sign(pair, bytes(3), { hash: 'SHA-384' }),
    ]) {
      const error = await refusal(call);
      expect(error.code).toBe('KEYCELL_MECHANISM_INVALID');
      expect(error.message).toContain('later');
    }
  });
});

describe('import, export and the life of keys', () => {
  test('EC keys in every form that node, OpenSSL and WebCrypto write', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = pair.privateKey.export({ format: 'jwk' });
    const scalar = Buffer.from(jwk.d!, 'base64url');
    const web = await crypto.subtle.importKey(
      'jwk',
      jwk as Parameters<typeof crypto.subtle.importKey>[1] & object as never,
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['sign'],
    );
    const full = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
    const short = Buffer.concat([
      Buffer.from('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420', 'hex'),
      scalar,
    ]);
    expect(createPrivateKey({ key: short, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })).toEqual(jwk);
    const template = { type: 'EC', curve: 'P-256', usage: ['sign'], extractable: 'plaintext' } as const;
    const publicSpki = pair.publicKey.export({ format: 'der', type: 'spki' });
    for (const form of [scalar, full, short, new Uint8Array(await crypto.subtle.exportKey('pkcs8', web))]) {
      const key = await session.importKey(template, atOddOffset(form));
      expect(Buffer.from(key.publicKey)).toEqual(publicSpki);
      expect(Buffer.from(await session.exportKey(key))).toEqual(full);
    }
    const publicTemplate = { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] } as const;
    const point = publicSpki.subarray(-65);
    const compressed = Buffer.concat([Buffer.of(2 + (point[64]! & 1)), point.subarray(1, 33)]);
    const given = { kty: 'EC', crv: 'P-256', x: jwk.x!, y: jwk.y! } as const;
    for (const form of [publicSpki, point, compressed, given]) {
      const key = await session.importKey(publicTemplate, form);
      expect(Buffer.from(await session.exportKey(key))).toEqual(publicSpki);
      expect(key.class).toBe('public');
    }
    const altered = (at: number, source = full) => {
      const other = Buffer.from(source);
      other[at]! ^= 1;
      return other;
    };
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'der', type: 'pkcs8' });
    const wrong = [
      Buffer.alloc(32),
      order,
      bytes(31),
      bytes(33),
      Buffer.alloc(0),
      p384,
      full.subarray(1),
      altered(5),
      altered(137),
      altered(72),
    ];
    for (const bad of wrong) expect(await code(() => session.importKey(template, bad))).toBe('KEYCELL_INPUT_INVALID');
    for (const bad of [
      altered(60, publicSpki),
      altered(3, publicSpki),
      bytes(65),
      { ...given, x: given.y },
      { ...given, y: '' },
      {},
      null,
      'x',
    ]) {
      expect(await code(() => session.importKey(publicTemplate, bad as Uint8Array))).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('secrets: wiped where asked, a function’s always, and left alone otherwise', async () => {
    const template = { type: 'AES', bits: 128, usage: [], extractable: 'plaintext', persistent: false } as const;
    const kept = bytes(16);
    const wiped = bytes(16);
    const given = bytes(16);
    const keys = [
      await session.importKey(template, kept),
      await session.importKey(template, wiped, { wipe: true }),
      await session.importKey(template, async () => given),
    ];
    for (const key of keys) expect(await session.exportKey(key)).toEqual(bytes(16));
    expect([kept, wiped, given]).toEqual([bytes(16), new Uint8Array(16), new Uint8Array(16)]);
    expect(await code(() => session.importKey(template, bytes(15)))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('an input changed right after the call does not matter', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
    const pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
    const changed = <T>(call: (input: Bytes) => Promise<T>): Promise<T> => {
      const input = bytes(50);
      const result = call(input);
      input.fill(0);
      return result;
    };
    expect(await session.decrypt(key, await changed((m) => session.encrypt(key, m)))).toEqual(bytes(50));
    expect(await session.verify(pair, await changed((m) => session.sign(pair, m)), bytes(50))).toBe(true);
    const envelope = await session.encrypt(key, bytes(7), { aad: bytes(50) });
    expect(await changed((aad) => session.decrypt(key, envelope, { aad }))).toEqual(bytes(7));
    const made = await changed((m) =>
      session.importKey({ type: 'GENERIC', bits: 400, usage: [], extractable: 'plaintext' }, m),
    );
    expect(await session.exportKey(made)).toEqual(bytes(50));
  });

  test('ensureKey makes one key, whoever asks and how often', async () => {
    const template = {
      type: 'AES',
      bits: 256,
      label: 'one',
      usage: ['unwrap', 'wrap'],
      unwrapTemplate: { usage: ['decrypt', 'encrypt'] },
    } as const;
    const keys = await Promise.all(Array.from({ length: 20 }, () => session.ensureKey(template)));
    expect(new Set(keys.map((key) => key.id)).size).toBe(1);
    expect((await session.ensureKey(template)).id).toBe(keys[0]!.id);
    expect(await code(() => session.ensureKey({ ...template, bits: 128 }))).toBe('KEYCELL_KEY_CONFLICT');
    expect(await code(() => session.generateKey(template))).toBe('KEYCELL_KEY_CONFLICT');
    const mixed = await Promise.allSettled(
      [128, 256].map((bits) => session.ensureKey({ type: 'AES', bits: bits as 128, label: 'two', usage: [] })),
    );
    expect(mixed.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((mixed.find((each) => each.status === 'rejected') as PromiseRejectedResult).reason.code).toBe(
      'KEYCELL_KEY_CONFLICT',
    );
  });

  test('found, changed, destroyed; stale handles name nothing', async () => {
    const key = await session.generateKey({
      type: 'HMAC',
      bits: 256,
      label: 'mac',
      usage: ['sign'],
      extractable: 'plaintext',
      id: 'ab'.repeat(16),
    });
    expect(key).toMatchObject({ id: 'ab'.repeat(16), local: true, neverExtractable: false });
    expect((await session.getKey({ label: 'mac', type: 'HMAC' })).id).toBe(key.id);
    expect(await code(() => session.getKey({ label: 'mac', type: 'AES' }))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await code(() => session.getKey({}))).toBe('KEYCELL_KEY_AMBIGUOUS');
    const changed = await session.setAttributes(key, { label: 'mac2', extractable: 'wrapped' });
    expect(changed).toMatchObject({ label: 'mac2', extractable: 'wrapped' });
    // The old handle names the same key, and the key's record decides.
    expect(await code(() => session.exportKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    const found = [];
    for await (const each of session.findKeys({ type: 'HMAC' })) found.push(each.label);
    expect(found).toEqual(['mac2']);
    await session.destroyKey(changed);
    for (const stale of [key, changed])
      expect(await code(() => session.sign(stale, bytes(1)))).toBe('KEYCELL_KEY_NOT_FOUND');
    const short = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
    await session.destroyKey(short);
    expect(await code(() => session.sign(short, bytes(1)))).toBe('KEYCELL_KEY_NOT_FOUND');
  });

  test('random bytes', async () => {
    expect(await session.random(65536)).toHaveLength(65536);
    expect(Buffer.compare(await session.random(32), await session.random(32))).not.toBe(0);
    for (const bad of [0, 65537, -1, 1.5, '4' as never])
      expect(await code(() => session.random(bad))).toBe('KEYCELL_INPUT_INVALID');
  });
});
