/** What AES is asked for: the IV is the caller's, as WebCrypto has it, so these keys are made with `callerIv`. */
import type { BlockModeDecryptOptions, GcmDecryptOptions } from '../../model/hsm.ts';
import type { Parameters } from './dictionaries.ts';
import { failure, notSupported } from './errors.ts';

const BLOCK = 16;
/** In bits. Those below 128 are forged too easily: the HSM neither makes nor takes them. */
const TAG_LENGTHS = [32, 64, 96, 104, 112, 120, 128];

type Cipher = Parameters<'encrypt'>;
type Of<N extends Cipher['name']> = Extract<Cipher, { readonly name: N }>;

/** `length` is the data's, in bytes. */
export function cipherOptions(parameters: Cipher, length: number): GcmDecryptOptions | BlockModeDecryptOptions {
  switch (parameters.name) {
    case 'AES-GCM':
      return gcm(parameters);
    case 'AES-CBC':
      return { mechanism: 'AES-CBC', iv: block(parameters.iv, 'iv') };
    case 'AES-CTR':
      return { mechanism: 'AES-CTR', iv: counter(parameters, length) };
  }
}

function gcm({ iv, additionalData: aad, tagLength = 128 }: Of<'AES-GCM'>): GcmDecryptOptions {
  if (!TAG_LENGTHS.includes(tagLength)) throw failure('OperationError', `a tag has ${TAG_LENGTHS.join(', ')} bits`);
  if (tagLength !== 128) throw notSupported('tags have 128 bits here');
  if (iv.length === 0) throw failure('OperationError', 'an iv is not empty');
  return { mechanism: 'AES-GCM', iv, ...(aad && { aad }) };
}

function block(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length !== BLOCK) throw failure('OperationError', `the ${what} has 16 bytes`);
  return bytes;
}

/**
 * WebCrypto counts in the last `length` bits of the block, the cell in all 128: the two are the same unless the count runs
 * over, which is refused.
 */
function counter({ counter: start, length: bits }: Of<'AES-CTR'>, length: number): Uint8Array {
  const iv = block(start, 'counter');
  if (bits < 1 || bits > 128) throw failure('OperationError', 'length is 1 to 128 bits');
  const limit = 1n << BigInt(bits);
  const blocks = BigInt(Math.ceil(length / BLOCK));
  if (blocks > limit) throw failure('OperationError', 'the data is longer than the counter can count');
  const first = BigInt(`0x${Buffer.from(iv).toString('hex')}`) % limit;
  if (bits !== 128 && first + blocks > limit) throw notSupported('the counter would run over: start it lower');
  return iv;
}
