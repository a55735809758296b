/**
 * encrypt and decrypt by AES_CBC_HMAC_SHA2 (RFC 7518 §5.2): A128CBC-HS256, A192CBC-HS384 or A256CBC-HS512, by the key's size.
 *
 * CBC alone is an oracle for its padding; here the MAC is compared first, in constant time, and no block is decrypted where it
 * fails. So wrong padding only comes from whoever has the key, and gives the one DECRYPT_FAILED all the same.
 */
import { Refusal } from '../../errors.ts';
import { HASH } from '../../model/algorithms.ts';
import type { HashName } from '../../model/key.ts';
import type { Span } from '../../wire/batch.ts';
import { type Call, type OpenKey, SLOT_CONTEXT } from '../call.ts';
import { IntegrityError } from '../core.ts';

const BLOCK = 16;
/** AL: the length of the associated data in bits, which is below 2^32. */
const AL_SIZE = 8;

const HASHES: Readonly<Record<number, HashName>> = { 256: 'SHA-256', 384: 'SHA-384', 512: 'SHA-512' };

const failed = () => new Refusal('KEYCELL_DECRYPT_FAILED');

/** The two keys, K = MAC_KEY ‖ ENC_KEY, each as long as the tag. */
interface Halves {
  readonly hash: number;
  readonly macKey: number;
  readonly length: number;
  /** The AES context of ENC_KEY. */
  readonly ctx: number;
}

function halvesOf(call: Call, key: OpenKey): Halves {
  const { type, bits } = key.attributes;
  const hash = HASHES[bits];
  if (type !== 'AES-CBC-HMAC' || hash === undefined) throw new Refusal('KEYCELL_MECHANISM_INVALID', 'keyType');
  const length = key.length / 2;
  if (key.context === 0) {
    const at = key.secret + SLOT_CONTEXT;
    if (call.bench.core.call.aesExpandKey(at, key.secret + length, length) !== 1) {
      throw new Refusal('KEYCELL_RECORD_CORRUPT');
    }
    key.context = at;
  }
  return { hash: HASH[hash].number, macKey: key.secret, length, ctx: key.context };
}

/** What the MAC is over, in a row in the reply: A ‖ IV ‖ E ‖ AL, and room behind E for the tag that takes AL's place. */
interface Row {
  readonly whole: Span;
  readonly iv: Span;
  readonly text: Span;
  readonly tag: Span;
}

function rowOf(call: Call, aad: Span, textLength: number, tagLength: number): Row {
  const { core, reply } = call.bench;
  const before = aad.length + BLOCK + textLength;
  const offset = reply.take(before + Math.max(AL_SIZE, tagLength));
  core.bytes.copyWithin(offset, aad.offset, aad.offset + aad.length);
  core.view.setUint32(offset + before, 0);
  core.view.setUint32(offset + before + 4, 8 * aad.length);
  return {
    whole: { offset, length: before + AL_SIZE },
    iv: { offset: offset + aad.length, length: BLOCK },
    text: { offset: offset + aad.length + BLOCK, length: textLength },
    tag: { offset: offset + before, length: tagLength },
  };
}

/** Parts: plaintext, aad, nothing. Results: iv, ciphertext with the tag at its end. */
export function encryptCbcHmac(call: Call, key: OpenKey): Span[] {
  const { core, random, work } = call.bench;
  const plaintext = call.part(0);
  if (call.part(2).length > 0) throw new Refusal('KEYCELL_INPUT_INVALID', 'callerIv');
  const { hash, macKey, length, ctx } = halvesOf(call, key);
  const textLength = plaintext.length + BLOCK - (plaintext.length % BLOCK);
  const { whole, iv, text, tag } = rowOf(call, call.part(1), textLength, length);
  random.fill(iv.offset, BLOCK);
  const written = core.call.cbcEncrypt(ctx, iv.offset, plaintext.offset, plaintext.length, text.offset);
  if (written !== textLength) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  // All of it is the MAC, and half of that the tag: the rest stays here.
  const mark = work.mark();
  const mac = work.take(2 * length);
  if (core.call.hmac(hash, macKey, length, whole.offset, whole.length, mac) !== 1)
    throw new IntegrityError('a MAC failed');
  core.bytes.copyWithin(tag.offset, mac, mac + length);
  work.release(mark);
  return [iv, { offset: text.offset, length: textLength + length }];
}

/** Parts: ciphertext with tag, aad, iv. Result: the plaintext. */
export function decryptCbcHmac(call: Call, key: OpenKey): Span {
  const { core } = call.bench;
  const sealed = call.part(0);
  const given = call.part(2);
  if (given.length !== BLOCK) throw new Refusal('KEYCELL_INPUT_INVALID', 'ivSize');
  const { hash, macKey, length, ctx } = halvesOf(call, key);
  const textLength = sealed.length - length;
  if (textLength < BLOCK || textLength % BLOCK !== 0) throw failed();
  const { whole, iv, text } = rowOf(call, call.part(1), textLength, length);
  core.bytes.copyWithin(iv.offset, given.offset, given.offset + BLOCK);
  core.bytes.copyWithin(text.offset, sealed.offset, sealed.offset + textLength);
  const tagAt = sealed.offset + textLength;
  if (core.call.hmacVerify(hash, macKey, length, whole.offset, whole.length, tagAt, length) !== 1) throw failed();
  const plain = core.call.cbcDecrypt(ctx, iv.offset, text.offset, textLength, text.offset);
  if (plain < 0) throw failed();
  return { offset: text.offset, length: plain };
}
