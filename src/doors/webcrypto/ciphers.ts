/** What AES is asked for: the IV is the caller's, as WebCrypto has it, so these keys are made with `callerIv`. */
import type { BlockModeDecryptOptions, GcmDecryptOptions } from '../../model/hsm.ts';
import type { Parameters } from './algorithms.ts';
import { bytesOf } from './data.ts';
import { failure, notSupported } from './errors.ts';

const BLOCK = 16;

/** `length` is the data's, in bytes. */
export function cipherOptions(parameters: Parameters, length: number): GcmDecryptOptions | BlockModeDecryptOptions {
  const { name } = parameters;
  switch (name) {
    case 'AES-GCM':
      return gcm(parameters);
    case 'AES-CBC':
      return { mechanism: name, iv: block(parameters['iv'], 'iv') };
    case 'AES-CTR':
      return { mechanism: name, iv: counter(parameters, length) };
    default:
      throw notSupported(`${name} does not encrypt`);
  }
}

function gcm({ iv, additionalData, tagLength = 128 }: Parameters): GcmDecryptOptions {
  if (tagLength !== 128) throw notSupported('tags have 128 bits');
  const aad = additionalData === undefined ? {} : { aad: bytesOf(additionalData) };
  const nonce = bytesOf(iv);
  if (nonce.length === 0) throw failure('OperationError', 'an iv is not empty');
  return { mechanism: 'AES-GCM', iv: nonce, ...aad };
}

function block(value: unknown, what: string): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes.length !== BLOCK) throw failure('OperationError', `the ${what} has 16 bytes`);
  return bytes;
}

/**
 * WebCrypto counts in the last `length` bits of the block, the cell in all 128: the two are the same unless the count runs
 * over, which is refused.
 */
function counter({ counter: start, length: bits }: Parameters, length: number): Uint8Array {
  const iv = block(start, 'counter');
  if (!Number.isInteger(bits) || (bits as number) < 1 || (bits as number) > 128) {
    throw failure('OperationError', 'length is 1 to 128 bits');
  }
  const limit = 1n << BigInt(bits as number);
  const blocks = BigInt(Math.ceil(length / BLOCK));
  if (blocks > limit) throw failure('OperationError', 'the data is longer than the counter can count');
  const first = BigInt(`0x${Buffer.from(iv).toString('hex')}`) % limit;
  if (bits !== 128 && first + blocks > limit) throw notSupported('the counter would run over: start it lower');
  return iv;
}
