/** SubtleCrypto's methods over a session. They decide how to ask; whether a key may do it is the cell's to say. */
import { webcrypto } from 'node:crypto';
import type { GcmDecryptOptions, Session } from '../../model/hsm.ts';
import type { AesKey, EcKey, GenericKey, HmacKey } from '../../model/key.ts';
import { ALGORITHMS, aesBits, cellUsages, checkUsages, curveOf, hmacBits, mustHaveUsages } from './algorithms.ts';
import { cipherOptions } from './ciphers.ts';
import { bufferOf, bytesOf } from './data.ts';
import { agreedBits, derive, derivedBits } from './derive.ts';
import { normalize } from './dictionaries.ts';
import { failure, notSupported, translated } from './errors.ts';
import { exportFrom, importInto, templateFor, transient, unbound } from './formats.ts';
import { HandleKey, keyFor, pairOf, secretKey } from './key.ts';

type SymmetricKey = AesKey | HmacKey | GenericKey;

export class SessionSubtle {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async generateKey(algorithm: unknown, extractable: unknown, keyUsages: unknown): Promise<object> {
    const parameters = normalize('generateKey', algorithm);
    const { name } = parameters;
    const { usages: own, publicUsages } = ALGORITHMS[name];
    const usages = checkUsages(name, keyUsages, [...own, ...publicUsages]);
    mustHaveUsages(usages.filter((usage) => own.includes(usage)));
    if ('namedCurve' in parameters) {
      const usage = cellUsages(usages) as ('sign' | 'verify' | 'derive')[];
      const template = {
        ...{ type: 'EC' as const, curve: curveOf(parameters.namedCurve), usage, ...transient(extractable) },
        ...(name === 'ECDH' && unbound.deriving),
      } as const;
      return pairOf(await translated(() => this.#session.generateKey(template)), parameters.name, usages);
    }
    const bits = parameters.name === 'HMAC' ? hmacBits(parameters.length, parameters.hash) : aesBits(parameters.length);
    const template = templateFor(parameters, bits, usages, extractable);
    const handle = await translated(() => this.#session.generateKey(template));
    return secretKey(handle as SymmetricKey, parameters, usages);
  }

  async importKey(
    format: unknown,
    keyData: unknown,
    algorithm: unknown,
    extractable: unknown,
    usages: unknown,
  ): Promise<HandleKey> {
    const parameters = normalize('importKey', algorithm);
    const asked = { format, keyData, parameters, extractable: Boolean(extractable), usages };
    return translated(() => importInto(this.#session, asked), 'DataError');
  }

  async exportKey(format: unknown, key: unknown): Promise<object> {
    const own = ours(key);
    return translated(() => exportFrom(this.#session, format, own));
  }

  async sign(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    const { handle, hash } = signer(algorithm, key, 'sign');
    return bufferOf(await translated(() => this.#session.sign(handle, bytesOf(data), { hash })));
  }

  async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<boolean> {
    const { handle, hash } = signer(algorithm, key, 'verify');
    return translated(() => this.#session.verify(handle, bytesOf(signature), bytesOf(data), { hash }));
  }

  async encrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    const { handle, bytes, options } = cipher(algorithm, key, 'encrypt', data);
    return bufferOf((await translated(() => this.#session.encrypt(handle, bytes, options))).ciphertext);
  }

  async decrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    const { handle, bytes, options } = cipher(algorithm, key, 'decrypt', data);
    return bufferOf(await translated(() => this.#session.decrypt(handle, bytes, options)));
  }

  /** Of data alone, and so Node's own: no key is in it. */
  async digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
    return webcrypto.subtle.digest(algorithm as string, data as ArrayBuffer);
  }

  async deriveBits(algorithm: unknown, baseKey: unknown, length: number | null = null): Promise<ArrayBuffer> {
    const parameters = normalize('deriveBits', algorithm);
    const base = keyFor(baseKey, parameters.name, 'deriveBits');
    const whole = parameters.name === 'ECDH' ? agreedBits(base) : length;
    const bits = length ?? whole;
    if (whole === null || bits === null || !Number.isInteger(bits) || bits <= 0 || bits % 8 !== 0 || bits > whole) {
      throw failure('OperationError', 'length is a number of whole bytes, in bits, and no more than there are');
    }
    const all = await translated(async () => {
      const template = { type: 'GENERIC', bits: whole, usage: [], ...transient(true) } as const;
      return this.#session.exportKey(await derive(this.#session, parameters, base, template));
    });
    const wanted = bufferOf(all.subarray(0, bits / 8));
    if (wanted !== all.buffer) all.fill(0);
    return wanted;
  }

  async deriveKey(
    algorithm: unknown,
    baseKey: unknown,
    derivedKeyType: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<HandleKey> {
    const parameters = normalize('deriveBits', algorithm);
    const wanted = normalize('derivedKey', derivedKeyType);
    const base = keyFor(baseKey, parameters.name, 'deriveKey');
    const usages = checkUsages(wanted.name, keyUsages, ALGORITHMS[wanted.name].usages);
    mustHaveUsages(usages);
    const { deriveTemplate } = base.handle as EcKey | GenericKey;
    const template = templateFor(wanted, derivedBits(base, wanted), usages, extractable, deriveTemplate);
    const handle = await translated(() => derive(this.#session, parameters, base, template));
    return secretKey(handle as SymmetricKey, wanted, usages);
  }

  async wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown): Promise<ArrayBuffer> {
    const { handle, type } = ours(key);
    const wrapping = wrapper(wrapAlgorithm, wrappingKey, 'wrapKey', format, type === 'secret');
    return bufferOf(await translated(() => this.#session.wrapKey(wrapping, handle, { mechanism: 'AES-KW' })));
  }

  async unwrapKey(
    format: unknown,
    wrappedKey: unknown,
    unwrappingKey: unknown,
    unwrapAlgorithm: unknown,
    unwrappedKeyAlgorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<HandleKey> {
    const wanted = normalize('importKey', unwrappedKeyAlgorithm);
    const { type, usages: own } = ALGORITHMS[wanted.name];
    const wrapping = wrapper(unwrapAlgorithm, unwrappingKey, 'unwrapKey', format, type !== 'EC');
    const usages = checkUsages(wanted.name, keyUsages, own);
    mustHaveUsages(usages);
    const blob = bytesOf(wrappedKey);
    // RFC 3394 §2.2.1: a key grows by 8 bytes.
    const bits = 8 * (blob.length - 8);
    const template = templateFor(wanted, bits, usages, extractable, wrapping.unwrapTemplate);
    const handle = await translated(() => this.#session.unwrapKey(wrapping, blob, template, { mechanism: 'AES-KW' }));
    return secretKey(handle as SymmetricKey, wanted, usages);
  }
}

function ours(key: unknown): HandleKey {
  if (!HandleKey.isOne(key)) throw new TypeError('the key is not one of this HSM');
  return key;
}

function signer(algorithm: unknown, key: unknown, usage: 'sign' | 'verify') {
  const parameters = normalize('sign', algorithm);
  const { handle, algorithm: own } = keyFor(key, parameters.name, usage);
  const hash = parameters.name === 'ECDSA' ? parameters.hash : own.hash!.name;
  return { handle: handle as EcKey | HmacKey, hash };
}

function cipher(algorithm: unknown, key: unknown, usage: 'encrypt' | 'decrypt', data: unknown) {
  const parameters = normalize('encrypt', algorithm);
  const bytes = bytesOf(data);
  // The block modes' options have the same members, and their results too.
  const options = cipherOptions(parameters, bytes.length) as GcmDecryptOptions;
  return { handle: keyFor(key, parameters.name, usage).handle as AesKey, bytes, options };
}

/** The wrapping key; what it wraps is a raw secret key, the one format whose length AES-KW can carry. */
function wrapper(
  algorithm: unknown,
  key: unknown,
  usage: 'wrapKey' | 'unwrapKey',
  format: unknown,
  secret: boolean,
): AesKey {
  const { name } = normalize('wrapKey', algorithm);
  const { handle } = keyFor(key, name, usage);
  if (format !== 'raw' || !secret) throw notSupported('AES-KW wraps secret keys in the format raw');
  return handle as AesKey;
}
