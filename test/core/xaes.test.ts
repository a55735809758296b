import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { bytesOf, openAes } from '../support/aes.ts';
import { hex } from '../support/core.ts';

const aes = openAes();
const text = (value: string) => new Uint8Array(Buffer.from(value));
const nonce = text('ABCDEFGHIJKLMNOPQRSTUVWX');

// In the first MSB₁(L) = 0, in the second 1.
test.each([
  [0x01, '', 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271'],
  [0x03, 'c2sp.org/XAES-256-GCM', '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d'],
])('the vectors of c2sp.org/XAES-256-GCM: key of %i', (byte, aad, expected) => {
  const key = new Uint8Array(32).fill(byte);
  const sealed = aes.xaesSeal(key, nonce, text(aad), text('XAES-256-GCM'));
  expect(sealed.result).toBe(1);
  expect(sealed.out).toEqual(hex(expected));
  const opened = aes.xaesOpen(key, nonce, text(aad), hex(expected));
  expect(opened.result).toBe(1);
  expect(opened.out).toEqual(text('XAES-256-GCM'));
});

test('the accumulated vectors of c2sp.org/XAES-256-GCM: 10 000 messages', () => {
  const stream = createHash('shake128', { outputLength: 10_000 * (32 + 24 + 256 + 256) }).digest();
  expect(stream.subarray(0, 16).toString('hex')).toBe('7f9c2ba4e88f827d616045507605853e');
  let at = 0;
  const next = (length: number) => {
    at += length;
    return new Uint8Array(stream.subarray(at - length, at));
  };
  const hash = createHash('shake128', { outputLength: 32 });
  for (let n = 0; n < 10_000; n++) {
    const key = next(32);
    const iv = next(24);
    const plaintext = next(next(1)[0]!);
    const aad = next(next(1)[0]!);
    const sealed = aes.xaesSeal(key, iv, aad, plaintext);
    hash.update(sealed.out);
    const opened = aes.xaesOpen(key, iv, aad, sealed.out, { inPlace: true });
    if (opened.result !== 1 || Buffer.compare(opened.out, plaintext) !== 0) expect.fail(`message ${n}`);
  }
  expect(hash.digest('hex')).toBe('e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939');
});

test('a key that derives takes the room of one that encrypts blocks alone, in a slot behind a whole context', () => {
  const { core } = aes;
  const value = (name: string) => (core[name] as unknown as { value: number }).value;
  const room = value('AES_ENC_CTX_SIZE');
  expect(512 + value('AES_CTX_SIZE') + room).toBeLessThanOrEqual(value('SLOT_SIZE'));
  aes.reset();
  const ctxPtr = aes.reserve(room);
  const subPtr = aes.reserve(value('AES_CTX_SIZE'));
  const keyPtr = aes.place(new Uint8Array(32).fill(3));
  const [noncePtr, inPtr, outPtr] = [aes.place(nonce), aes.place(text('XAES-256-GCM')), aes.reserve(28)];
  expect(core['aesExpandKey']!(ctxPtr, keyPtr, 32)).toBe(1);
  expect(core['xaesSeal']!(ctxPtr, noncePtr, 0, 0, inPtr, 12, outPtr, subPtr)).toBe(1);
  expect(aes.guarded(ctxPtr, room)).toBe(true);
  const whole = aes.read(outPtr, 28);
  expect(whole).toEqual(aes.xaesSeal(new Uint8Array(32).fill(3), nonce, text(''), text('XAES-256-GCM')).out);
});

test('only a 256-bit key derives', () => {
  for (const keyLen of [16, 24]) {
    const key = bytesOf('key', keyLen);
    const sealed = aes.xaesSeal(key, nonce, text(''), text('message'));
    expect(sealed.result).toBe(0);
    expect(sealed.out.every((b) => b === 0x5c)).toBe(true);
    expect(aes.xaesOpen(key, nonce, text(''), bytesOf('sealed', 30)).result).toBe(0);
  }
});

test('the derived key is gone after the call, whatever its outcome', () => {
  const key = bytesOf('key', 32);
  const sealed = aes.xaesSeal(key, nonce, text('aad'), bytesOf('plaintext', 100), { skew: 5 });
  expect(sealed.guarded).toBe(true);
  expect(sealed.subContext.every((b) => b === 0)).toBe(true);
  for (const flip of [0, 99, 115]) {
    const forged = sealed.out.slice();
    forged[flip]! ^= 0x10;
    const opened = aes.xaesOpen(key, nonce, text('aad'), forged, { skew: 5 });
    expect(opened.result).toBe(0);
    expect(opened.out.every((b) => b === 0x5c)).toBe(true);
    expect(opened.subContext.every((b) => b === 0)).toBe(true);
  }
  const scratch = aes.memory.subarray(aes.core['firstRegion']!(), aes.core.WINDOW.value);
  expect(scratch.every((b) => b === 0)).toBe(true);
});

test('every bit of the nonce counts, in the half that derives and in the half that counts', () => {
  const key = bytesOf('key', 32);
  const sealed = aes.xaesSeal(key, nonce, text(''), bytesOf('plaintext', 20)).out;
  for (let bit = 0; bit < 192; bit++) {
    const other = nonce.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    expect(aes.xaesOpen(key, other, text(''), sealed).result).toBe(0);
  }
});
