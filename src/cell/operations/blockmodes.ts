/** encrypt and decrypt by AES-CTR and AES-CBC (SP 800-38A): for peers that know nothing better. Neither is authenticated. */
import { Refusal } from '../../errors.ts';
import { checkUse } from '../../model/policy.ts';
import { MECHANISM, type Span } from '../../wire/batch.ts';
import type { Call, OpenKey } from '../call.ts';

const BLOCK = 16;

/**
 * The IV that the request gives, where the key says that callers choose, or one drawn here.
 *
 * CBC's must be unpredictable, so all of it is random. CTR's is the first counter block, random as a whole: of q messages of
 * at most 2^20 blocks, two overlap with a probability below q² · 2^21 / 2^129, for 2^32 of them 2^-44. A nonce half the
 * size with a counter from zero would meet after 2^32 messages.
 */
function ivOf(call: Call, key: OpenKey, given: Span): Span {
  if (key.attributes.callerIv !== given.length > 0) throw new Refusal('KEYCELL_INPUT_INVALID', 'callerIv');
  const { core, random } = call.bench;
  if (given.length > 0) checkIv(given);
  const iv = call.result(BLOCK);
  if (given.length > 0) core.bytes.copyWithin(iv.offset, given.offset, given.offset + BLOCK);
  else random.fill(iv.offset, BLOCK);
  return iv;
}

function checkIv({ length }: Span): void {
  if (length !== BLOCK) throw new Refusal('KEYCELL_INPUT_INVALID', 'ivSize');
}

function noAad({ length }: Span): void {
  if (length > 0) throw new Refusal('KEYCELL_INPUT_INVALID', 'noAad');
}

/** Parts: plaintext, nothing, iv or nothing. Results: iv, ciphertext. */
export function encryptBlocks(call: Call, key: OpenKey): Span[] {
  const plaintext = call.part(0);
  noAad(call.part(1));
  const { core } = call.bench;
  const ctx = call.aes(key);
  const iv = ivOf(call, key, call.part(2));
  if (call.request.mechanism === MECHANISM['AES-CTR']) return [iv, counterMode(call, ctx, iv, plaintext)];
  const ciphertext = call.result(plaintext.length + BLOCK - (plaintext.length % BLOCK));
  const length = core.call.cbcEncrypt(ctx, iv.offset, plaintext.offset, plaintext.length, ciphertext.offset);
  if (length !== ciphertext.length) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  return [iv, ciphertext];
}

/** Parts: ciphertext, nothing, iv. Result: the plaintext. */
export function decryptBlocks(call: Call, key: OpenKey): Span {
  const ciphertext = call.part(0);
  const iv = call.part(2);
  noAad(call.part(1));
  checkIv(iv);
  const { core } = call.bench;
  const ctx = call.aes(key);
  if (call.request.mechanism === MECHANISM['AES-CTR']) {
    // With an IV of the caller's choice this is the cipher itself on blocks of his choice: who has that encrypts, too,
    // in every mode that this key serves.
    checkUse(key.attributes, 'encrypt', call.bench.now);
    return counterMode(call, ctx, iv, ciphertext);
  }
  if (ciphertext.length === 0 || ciphertext.length % BLOCK !== 0) throw new Refusal('KEYCELL_DECRYPT_FAILED');
  const room = call.result(ciphertext.length);
  const length = core.call.cbcDecrypt(ctx, iv.offset, ciphertext.offset, ciphertext.length, room.offset);
  if (length < 0) throw new Refusal('KEYCELL_DECRYPT_FAILED');
  return { offset: room.offset, length };
}

function counterMode(call: Call, ctx: number, iv: Span, input: Span): Span {
  const output = call.result(input.length);
  const ok = call.bench.core.call.aesCtr(ctx, iv.offset, input.offset, input.length, output.offset);
  if (ok !== 1) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  return output;
}
