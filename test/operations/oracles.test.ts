/**
 * Whoever has a key's block cipher on blocks of their choice, as by CTR, CBC or CMAC, has none of the keys that its envelopes
 * and streams are under: what was open in format 1, tried against format 2.
 */
import { createCipheriv } from 'node:crypto';
import { cmac } from '@noble/ciphers/aes.js';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Session } from '../../dist/index.js';
import { envelopeKey, gcm, sealXaes, xaesKey } from '../support/reference.ts';
import { bytes, code, ephemeral, nodeGcmOpen } from './support.ts';

const it = ephemeral();
const raw = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const NONCE = bytes(24, 7);
const HEADER_SIZE = 28;
let session: Session;
let key: AesKey;

beforeAll(async () => {
  session = it.session;
  // The key of test/golden/formats.json.
  const id = '202122232425262728292a2b2c2d2e2f';
  key = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], id }, raw);
});

/** E_K by CTR: the keystream's first block is the encrypted IV. */
const byCtr = (block: Uint8Array) =>
  session.decrypt(key, new Uint8Array(16), { mechanism: 'AES-CTR', iv: block }) as Promise<Uint8Array>;

/** E_K by CBC: IV ⊕ plaintext is encrypted, and the padding is cut off. */
async function byCbc(of: AesKey, block: Uint8Array): Promise<Uint8Array> {
  const { ciphertext } = await session.encrypt(of, block, { mechanism: 'AES-CBC', iv: new Uint8Array(16) });
  return ciphertext.subarray(0, 16);
}

/** The key that XAES-256-GCM derives of K for this nonce, from encrypted blocks alone: C2SP's text. */
async function xaesKeyBy(encrypt: (block: Uint8Array) => Promise<Uint8Array>, nonce: Uint8Array): Promise<Uint8Array> {
  const l = BigInt(`0x${Buffer.from(await encrypt(new Uint8Array(16))).toString('hex')}`);
  const k1 = BigInt.asUintN(128, l << 1n) ^ (l >> 127n ? 0x87n : 0n);
  const mask = Buffer.from(k1.toString(16).padStart(32, '0'), 'hex');
  const halves = [1, 2].map((i) => {
    const block = Buffer.concat([Buffer.of(0, i, 0x58, 0), nonce.subarray(0, 12)]);
    return encrypt(new Uint8Array(block.map((byte, at) => byte ^ mask[at]!)));
  });
  return Buffer.concat(await Promise.all(halves));
}

function opens(by: Uint8Array, envelope: Uint8Array): string {
  const [header, nonce] = [envelope.subarray(0, HEADER_SIZE), envelope.subarray(HEADER_SIZE, HEADER_SIZE + 24)];
  try {
    return nodeGcmOpen(by, nonce.subarray(12), header, envelope.subarray(HEADER_SIZE + 24)).toString();
  } catch {
    return 'no';
  }
}

test('an envelope opens under the key that HMAC derives, and not under what CTR, CBC or CMAC tell', async () => {
  const envelope = await session.encrypt(key, Buffer.from('sealed'));
  const nonce = envelope.subarray(HEADER_SIZE, HEADER_SIZE + 24);
  expect(opens(xaesKey(envelopeKey(raw), nonce), envelope)).toBe('sealed');

  const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], callerIv: true } as const;
  const caller = await session.importKey(template, raw);
  const macKey = await session.importKey({ type: 'AES', bits: 256, usage: ['sign'] }, raw);
  const byCmac = [1, 2].map((i) =>
    session.sign(macKey, Buffer.concat([Buffer.of(0, i, 0x58, 0), nonce.subarray(0, 12)])),
  );
  const told = [
    await xaesKeyBy(byCtr, nonce),
    await xaesKeyBy((block) => byCbc(caller, block), nonce),
    Buffer.concat(await Promise.all(byCmac)),
  ];
  for (const found of told) {
    // The oracle works, and would have opened what is sealed under K itself.
    expect(Buffer.from(found)).toEqual(xaesKey(raw, nonce));
    expect(opens(found, envelope)).toBe('no');
  }
});

test('an envelope that is forged with them is refused', async () => {
  const envelope = await session.encrypt(key, Buffer.from('sealed'));
  const header = Buffer.from(envelope.subarray(0, HEADER_SIZE));
  const forge = (by: Uint8Array) => Buffer.concat([header, NONCE, gcm(by, NONCE.subarray(12), header, bytes(9))]);
  const right = forge(xaesKey(envelopeKey(raw), NONCE));
  expect(await session.decrypt(key, right)).toEqual(bytes(9));
  for (const by of [await xaesKeyBy(byCtr, NONCE), raw, envelopeKey(raw)]) {
    expect(await code(() => session.decrypt(key, forge(by)))).toBe('KEYCELL_DECRYPT_FAILED');
  }
});

test('no key of a stream serves an envelope, nor one of an envelope a stream', async () => {
  const sealed = new Uint8Array(
    await new Response(new Blob([bytes(40)]).stream().pipeThrough(session.encryptStream(key))).arrayBuffer(),
  );
  const [header, segment] = [sealed.subarray(0, 60), sealed.subarray(60)];
  const place = Buffer.of(0, 0, 0, 0, 1);
  for (const by of [raw, envelopeKey(raw), xaesKey(envelopeKey(raw), header.subarray(28))]) {
    expect(() => nodeGcmOpen(by, segment.subarray(0, 12), place, segment.subarray(12))).toThrow();
  }
});

test('the check value is no part of GCM’s H', async () => {
  const h = createCipheriv('aes-256-ecb', raw, null).update(new Uint8Array(16));
  expect(Buffer.from(await byCtr(new Uint8Array(16)))).toEqual(h);
  for (let at = 0; at + 3 <= 16; at++) expect(h.toString('hex', at, at + 3)).not.toBe(key.checkValue);
  const message = Buffer.from('keycell/v1/check');
  const value = cmac(message, cmac(message, raw));
  expect(Buffer.from(value).toString('hex', 0, 3)).toBe(key.checkValue);
});

describe('format 1', () => {
  // What 0.1.0 made of this key, and test/golden/formats.json held then.
  const envelope = Buffer.from(
    '4b43455601010000202122232425262728292a2b2c2d2e2f00000001b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c78cf79deab80a28395b5f8082a3744ef170b53248b9505ec2c7',
    'hex',
  );
  const stream = Buffer.from(
    '4b43535401010000202122232425262728292a2b2c2d2e2f00000001b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c22d932bc43f1dded38f2618d860fa1aa31384c2147f17829871',
    'hex',
  );
  const aad = Buffer.from('aad');
  const asFormat2 = (of: Buffer) => Buffer.concat([of.subarray(0, 4), Buffer.of(2), of.subarray(5)]);

  test('of an envelope is refused, and with the new number on it, too', async () => {
    const [header, nonce] = [envelope.subarray(0, HEADER_SIZE), envelope.subarray(HEADER_SIZE, HEADER_SIZE + 24)];
    const made = sealXaes(raw, nonce, Buffer.concat([header, aad]), Buffer.from('plaintext'));
    expect(envelope.subarray(HEADER_SIZE + 24).equals(made)).toBe(true);
    for (const each of [envelope, asFormat2(envelope)]) {
      expect(await code(() => session.decrypt(key, each, { aad }))).toBe('KEYCELL_DECRYPT_FAILED');
      expect(await code(() => session.reencrypt(key, each, { to: key, aad }))).toBe('KEYCELL_DECRYPT_FAILED');
    }
    // Made anew over a header of format 2, but under K.
    const renamed = asFormat2(header);
    const forged = Buffer.concat([renamed, nonce, sealXaes(raw, nonce, renamed, bytes(5))]);
    expect(await code(() => session.decrypt(key, forged))).toBe('KEYCELL_DECRYPT_FAILED');
  });

  test('of a stream is refused, and with the new number on it, too', async () => {
    for (const each of [stream, asFormat2(stream), Buffer.concat([asFormat2(stream), bytes(13)])]) {
      const out = new Blob([each]).stream().pipeThrough(session.decryptStream(key, { aad }));
      expect(await code(() => new Response(out).arrayBuffer())).toBe('KEYCELL_DECRYPT_FAILED');
    }
  });
});
