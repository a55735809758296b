/** Authenticated encryption: the envelope, raw AES-GCM with every key size and with the caller's IVs, AES-CBC-HMAC. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesCbcHmacKey, AesKey, AesTemplate, Bytes, Session } from '../../dist/index.js';
import { ephemeral, nodeCbcHmac, nodeGcm, nodeGcmOpen } from '../operations/support.ts';
import { sealEnvelope } from '../support/reference.ts';
import {
  codesOf,
  damaged,
  mustOwnItsMemory,
  NOT_BYTES,
  pattern,
  throughTwoBlocks,
  untouched,
  upTo,
} from './support.ts';

const it = ephemeral();

/** What `seal` gives and `open` needs: the envelope alone, or ciphertext and IV. */
interface Sealed {
  readonly ciphertext: Bytes;
  readonly iv: Uint8Array;
}

interface Row<Key extends AesKey | AesCbcHmacKey = AesKey> {
  readonly name: string;
  readonly bits: number;
  /** The key's template, besides its usage. */
  readonly template: { readonly type: string; readonly bits: number; readonly callerIv?: boolean };
  /** The one length that an IV has, if it has one. */
  readonly ivSize?: number;
  /** Bytes that sealing adds. */
  overhead(length: number): number;
  seal(session: Session, key: Key, plaintext: Uint8Array, aad: Uint8Array): Promise<Sealed>;
  open(session: Session, key: Key, sealed: Sealed, aad: Uint8Array): Promise<Bytes>;
  /** The same by another implementation, from the nonce that was used. */
  again(key: Key, secret: Uint8Array, sealed: Sealed, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
}

const NO_IV = new Uint8Array(0);

const envelope = (bits: 128 | 192 | 256): Row => ({
  name: `envelope under ${bits} bits`,
  bits,
  template: { type: 'AES', bits },
  overhead: () => 68,
  seal: async (session, key, plaintext, aad) => ({
    ciphertext: await session.encrypt(key, plaintext, { aad }),
    iv: NO_IV,
  }),
  open: (session, key, { ciphertext }, aad) => session.decrypt(key, ciphertext, { aad }),
  again: (key, secret, { ciphertext }, plaintext, aad) =>
    sealEnvelope(secret, key.id, key.version, ciphertext.subarray(28, 52), aad, plaintext),
});

let drawn = 0;
const gcm = (bits: 128 | 192 | 256, callerIv: boolean, ivSize = 12): Row => ({
  name: `AES-${bits}-GCM${callerIv ? ` with the caller's IV of ${ivSize} bytes` : ''}`,
  bits,
  template: { type: 'AES', bits, callerIv },
  overhead: () => 16,
  seal: (session, key, plaintext, aad) => {
    const iv = pattern(ivSize, drawn++);
    return session.encrypt(key, plaintext, { mechanism: 'AES-GCM', aad, ...(callerIv && { iv }) });
  },
  open: (session, key, { ciphertext, iv }, aad) => session.decrypt(key, ciphertext, { mechanism: 'AES-GCM', iv, aad }),
  again: (_, secret, { iv }, plaintext, aad) => nodeGcm(secret, iv, aad, plaintext),
});

const cbcHmac = (bits: 256 | 384 | 512): Row<AesCbcHmacKey> => ({
  name: `A${bits / 2}CBC-HS${bits}`,
  bits,
  template: { type: 'AES-CBC-HMAC', bits },
  ivSize: 16,
  overhead: (length) => 16 - (length % 16) + bits / 16,
  seal: (session, key, plaintext, aad) => session.encrypt(key, plaintext, { mechanism: 'AES-CBC-HMAC', aad }),
  open: (session, key, { ciphertext, iv }, aad) =>
    session.decrypt(key, ciphertext, { mechanism: 'AES-CBC-HMAC', iv, aad }),
  again: (_, secret, { iv }, plaintext, aad) => nodeCbcHmac(secret, iv, aad, plaintext),
});

const ROWS = [
  envelope(128),
  envelope(192),
  envelope(256),
  gcm(128, false),
  gcm(192, false),
  gcm(256, false),
  gcm(128, true),
  gcm(256, true, 16),
  cbcHmac(256) as unknown as Row,
  cbcHmac(384) as unknown as Row,
  cbcHmac(512) as unknown as Row,
];

describe.each(ROWS)('$name', (row) => {
  const secret = pattern(row.bits / 8, 5);
  const make = (bytes: Uint8Array) =>
    it.session.importKey({ ...row.template, usage: ['encrypt', 'decrypt'], persistent: false } as AesTemplate, bytes);
  let session: Session;
  let key: AesKey;
  beforeAll(async () => {
    session = it.session;
    key = await make(secret);
  });

  test('every length of plaintext through two runs of eight blocks, against another implementation', async () => {
    await Promise.all(
      throughTwoBlocks(128).map(async (length) => {
        const [plaintext, aad] = [pattern(length), pattern(length % 19, 3)];
        const sealed = await row.seal(session, key, plaintext, aad);
        expect(sealed.ciphertext.length).toBe(length + row.overhead(length));
        expect(Buffer.compare(sealed.ciphertext, row.again(key, secret, sealed, plaintext, aad))).toBe(0);
        expect(Buffer.compare(await row.open(session, key, sealed, aad), plaintext)).toBe(0);
      }),
    );
  });

  test('every length of associated data through two blocks', async () => {
    await Promise.all(
      throughTwoBlocks(16).map(async (length) => {
        const aad = pattern(length, 9);
        const sealed = await row.seal(session, key, pattern(21), aad);
        expect(Buffer.compare(sealed.ciphertext, row.again(key, secret, sealed, pattern(21), aad))).toBe(0);
        expect(Buffer.compare(await row.open(session, key, sealed, aad), pattern(21))).toBe(0);
      }),
    );
  });

  test('inputs stay as they were, between their guards; results have memory of their own', async () => {
    const sealed = await untouched([pattern(45), pattern(13)], (plaintext, aad) =>
      row.seal(session, key, plaintext!, aad!),
    );
    const inputs = [sealed.ciphertext, sealed.iv, pattern(13)];
    const plaintext = await untouched(inputs, (ciphertext, iv, aad) =>
      row.open(session, key, { ciphertext: ciphertext!, iv: iv! }, aad!),
    );
    mustOwnItsMemory(sealed.ciphertext);
    mustOwnItsMemory(plaintext);
    expect(Buffer.compare(plaintext, pattern(45))).toBe(0);
  });

  test('plaintext and associated data may be the same memory', async () => {
    const both = pattern(70);
    const sealed = await row.seal(session, key, both, both.subarray(3));
    expect(Buffer.compare(await row.open(session, key, sealed, both.subarray(3)), both)).toBe(0);
  });

  test('wrong everything is the one DECRYPT_FAILED', async () => {
    const [plaintext, aad] = [pattern(33), pattern(9)];
    const sealed = await row.seal(session, key, plaintext, aad);
    const other = await make(pattern(row.bits / 8, 6));
    const ivs =
      sealed.iv.length === 0
        ? []
        : [...damaged(sealed.iv)].filter(({ length }) => length === (row.ivSize ?? (length || 1)));
    const codes = await codesOf([
      ...[...damaged(sealed.ciphertext)].map(
        (bad) => () => row.open(session, key, { ...sealed, ciphertext: bad }, aad),
      ),
      ...[...damaged(aad)].map((bad) => () => row.open(session, key, sealed, bad)),
      ...ivs.map((bad) => () => row.open(session, key, { ...sealed, iv: bad }, aad)),
      () => row.open(session, other, sealed, aad),
    ]);
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
  });

  test('what is not bytes is refused before anything is done', async () => {
    const sealed = await row.seal(session, key, pattern(3), NO_IV);
    const calls = NOT_BYTES.flatMap((bad) => [
      () => row.seal(session, key, bad, NO_IV),
      () => row.open(session, key, { ...sealed, ciphertext: bad as Bytes }, NO_IV),
      // No associated data is none, not wrong.
      ...(bad == null ? [] : [() => row.seal(session, key, pattern(3), bad)]),
    ]);
    expect(new Set(await codesOf(calls))).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('lanes with different keys, data and faults do not meet', async () => {
    const secrets = upTo(5).map((i) => pattern(row.bits / 8, 20 + i));
    const keys = await Promise.all(secrets.map(make));
    const lanes = upTo(40).map((i) => ({ i, key: keys[i % 5]!, plaintext: pattern(7 * i, i), aad: pattern(i, i) }));
    const sealed = await Promise.all(lanes.map((lane) => row.seal(session, lane.key, lane.plaintext, lane.aad)));
    const opened = await Promise.allSettled(
      lanes.map(({ i, key, aad }) => row.open(session, i % 3 === 1 ? keys[(i + 1) % 5]! : key, sealed[i]!, aad)),
    );
    lanes.forEach(({ i, key, plaintext, aad }) => {
      expect(Buffer.compare(sealed[i]!.ciphertext, row.again(key, secrets[i % 5]!, sealed[i]!, plaintext, aad))).toBe(
        0,
      );
      const one = opened[i]!;
      if (i % 3 === 1) expect(one.status).toBe('rejected');
      else expect(one.status === 'fulfilled' && Buffer.compare(one.value, plaintext)).toBe(0);
    });
  });
});

test('node opens what AES-GCM sealed here', async () => {
  const secret = pattern(32, 5);
  const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], persistent: false } as const;
  const key = await it.session.importKey(template, secret);
  const { iv, ciphertext } = await it.session.encrypt(key, pattern(99), { mechanism: 'AES-GCM', aad: pattern(5) });
  expect(Buffer.compare(nodeGcmOpen(secret, iv, pattern(5), ciphertext), pattern(99))).toBe(0);
});
