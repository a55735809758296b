/**
 * SubtleCrypto's methods over a session. They decide how to ask; whether a key may do it is the cell's to say.
 *
 * Each goes by the steps of the specification in their order, since the first that fails names the error: the arguments are
 * converted (TypeError), the algorithms normalized (NotSupportedError), the key's algorithm and usage compared
 * (InvalidAccessError), and then what the operation itself checks. What it allows and is not offered here comes last.
 */
import { webcrypto } from 'node:crypto';
import type { GcmDecryptOptions, Session } from '../../model/hsm.ts';
import type { AesKey, EcKey, GenericKey, HmacKey } from '../../model/key.ts';
import {
  ALGORITHMS,
  aesBits,
  cellUsages,
  checkUsages,
  curveNamed,
  hmacBits,
  mustHaveUsages,
  offeredCurve,
  offeredHash,
  readUsages,
} from './algorithms.ts';
import { cipherOptions } from './ciphers.ts';
import { bufferOf, bytesOf } from './data.ts';
import { agreedBits, checkDerivation, derivation, derivedBits, firstBits } from './derive.ts';
import { normalize } from './dictionaries.ts';
import { failure, notSupported, translated } from './errors.ts';
import {
  checkSecret,
  exportFrom,
  importInto,
  keyData,
  keyFormat,
  notExported,
  templateFor,
  transient,
  unbound,
} from './formats.ts';
import { checkKey, cryptoKey, type HandleKey, offered, pairOf, secretKey } from './key.ts';
import { bufferSource } from './webidl.ts';

type SymmetricKey = AesKey | HmacKey | GenericKey;

export class SessionSubtle {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async generateKey(algorithm: unknown, extractable: unknown, keyUsages: unknown): Promise<object> {
    const usages = readUsages(keyUsages);
    const parameters = normalize('generateKey', algorithm);
    const { name } = parameters;
    const { usages: own, publicUsages } = ALGORITHMS[name];
    checkUsages(name, usages, [...own, ...publicUsages]);
    if ('namedCurve' in parameters) {
      const curve = curveNamed(parameters.namedCurve);
      mustHaveUsages(
        name,
        usages.filter((usage) => own.includes(usage)),
      );
      const usage = cellUsages(usages) as ('sign' | 'verify' | 'derive')[];
      const template = {
        ...{ type: 'EC' as const, curve: offeredCurve(curve), usage, ...transient(Boolean(extractable)) },
        ...(name === 'ECDH' && unbound.deriving),
      } as const;
      return pairOf(await translated(() => this.#session.generateKey(template)), parameters.name, usages);
    }
    const bits = parameters.name === 'HMAC' ? hmacBits(parameters.length, parameters.hash) : aesBits(parameters.length);
    mustHaveUsages(name, usages);
    const kept = offered(parameters);
    const template = templateFor(name, bits, usages, Boolean(extractable));
    const handle = await translated(() => this.#session.generateKey(template), 'NotSupportedError');
    return secretKey(handle as SymmetricKey, kept, usages);
  }

  async importKey(
    format: unknown,
    key: unknown,
    algorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<HandleKey> {
    const given = keyData(keyFormat(format, 'a format'), key);
    const usages = readUsages(keyUsages);
    const parameters = normalize('importKey', algorithm);
    return importInto(this.#session, parameters, given, { extractable: Boolean(extractable), usages });
  }

  async exportKey(format: unknown, key: unknown): Promise<object> {
    return exportFrom(this.#session, keyFormat(format, 'a format'), cryptoKey(key, 'the key'));
  }

  async sign(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    const message = bufferSource(data, 'the data');
    const { handle, hash } = signer(algorithm, key, 'sign');
    return bufferOf(await translated(() => this.#session.sign(handle, bytesOf(message), { hash })));
  }

  async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<boolean> {
    const claimed = bufferSource(signature, 'the signature');
    const message = bufferSource(data, 'the data');
    const { handle, hash } = signer(algorithm, key, 'verify');
    return translated(() => this.#session.verify(handle, bytesOf(claimed), bytesOf(message), { hash }));
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

  async deriveBits(algorithm: unknown, baseKey: unknown, wanted: unknown = null): Promise<ArrayBuffer> {
    const base = cryptoKey(baseKey, 'the base key');
    // `unsigned long?` without [EnforceRange]: modulo 2^32.
    const length = wanted === null ? null : +(wanted as number) >>> 0;
    const parameters = normalize('deriveBits', algorithm);
    checkKey(base, parameters.name, 'deriveBits');
    checkDerivation(parameters, base, length);
    if (length === 0) return new ArrayBuffer(0);
    const options = derivation(parameters);
    const whole = parameters.name === 'ECDH' ? agreedBits(base) : length!;
    const template = { type: 'GENERIC', bits: whole, usage: [], ...transient(true) } as const;
    const all = await translated(async () => {
      const key = await this.#session.deriveKey(base.handle as EcKey | GenericKey, options, template);
      return this.#session.exportKey(key);
    }, 'NotSupportedError');
    return length === null || length === whole ? bufferOf(all) : bufferOf(firstBits(all, length));
  }

  async deriveKey(
    algorithm: unknown,
    baseKey: unknown,
    derivedKeyType: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<HandleKey> {
    const base = cryptoKey(baseKey, 'the base key');
    const usages = readUsages(keyUsages);
    const parameters = normalize('deriveBits', algorithm);
    const wanted = normalize('derivedKey', derivedKeyType);
    checkKey(base, parameters.name, 'deriveKey');
    const length = derivedBits(wanted);
    checkDerivation(parameters, base, length);
    const bits = length ?? agreedBits(base);
    checkSecret(wanted, bits, usages, Boolean(extractable));
    if (parameters.name === 'ECDH' && wanted.name !== 'HKDF') {
      // The cell makes no key of a bare coordinate, which is not uniform (SP 800-56C).
      throw notSupported(`ECDH derives a key for HKDF, and that one the key for ${wanted.name}`);
    }
    const [options, kept] = [derivation(parameters), offered(wanted)];
    const handle = base.handle as EcKey | GenericKey;
    const template = templateFor(wanted.name, bits, usages, Boolean(extractable), handle.deriveTemplate);
    const key = await translated(() => this.#session.deriveKey(handle, options, template), 'NotSupportedError');
    return secretKey(key as SymmetricKey, kept, usages);
  }

  async wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown): Promise<ArrayBuffer> {
    const form = keyFormat(format, 'a format');
    const { handle, type, extractable, algorithm } = cryptoKey(key, 'the key');
    const wrapping = cryptoKey(wrappingKey, 'the wrapping key');
    // The one argument that would become a name, were it not there.
    if (wrapAlgorithm === undefined) throw new TypeError('wrapKey has four arguments');
    checkKey(wrapping, normalize('wrapKey', wrapAlgorithm).name, 'wrapKey');
    if (algorithm.name === 'HKDF') throw notExported();
    // A key that goes out wrapped and no other way is more than WebCrypto knows of.
    if (!extractable && handle.extractable !== 'wrapped')
      throw failure('InvalidAccessError', 'the key is not extractable');
    if (form !== 'raw' || type !== 'secret') throw onlyRaw();
    const options = { mechanism: 'AES-KW' } as const;
    return bufferOf(await translated(() => this.#session.wrapKey(wrapping.handle as AesKey, handle, options)));
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
    const form = keyFormat(format, 'a format');
    const source = bufferSource(wrappedKey, 'the wrapped key');
    const key = cryptoKey(unwrappingKey, 'the unwrapping key');
    const usages = readUsages(keyUsages);
    const { name } = normalize('wrapKey', unwrapAlgorithm);
    const parameters = normalize('importKey', unwrappedKeyAlgorithm);
    checkKey(key, name, 'unwrapKey');
    if (form !== 'raw' || 'namedCurve' in parameters) throw onlyRaw();
    const blob = bytesOf(source);
    // RFC 3394 §2.2.1: two semiblocks or more, and one that the key grows by.
    if (blob.length < 24 || blob.length % 8 !== 0) throw failure('OperationError', 'this is no wrapped key');
    const bits = 8 * (blob.length - 8);
    checkSecret(parameters, bits, usages, Boolean(extractable));
    const kept = offered(parameters);
    const wrapping = key.handle as AesKey;
    const template = templateFor(parameters.name, bits, usages, Boolean(extractable), wrapping.unwrapTemplate);
    const options = { mechanism: 'AES-KW' } as const;
    const handle = await translated(
      () => this.#session.unwrapKey(wrapping, blob, template, options),
      'NotSupportedError',
    );
    return secretKey(handle as SymmetricKey, kept, usages);
  }
}

/** The one format whose length AES-KW can carry. */
const onlyRaw = () => notSupported('AES-KW wraps secret keys in the format raw');

function signer(algorithm: unknown, key: unknown, usage: 'sign' | 'verify') {
  const own = cryptoKey(key, 'the key');
  const parameters = normalize('sign', algorithm);
  checkKey(own, parameters.name, usage);
  const hash = parameters.name === 'ECDSA' ? offeredHash(parameters.hash) : own.algorithm.hash!.name;
  return { handle: own.handle as EcKey | HmacKey, hash };
}

function cipher(algorithm: unknown, key: unknown, usage: 'encrypt' | 'decrypt', data: unknown) {
  const own = cryptoKey(key, 'the key');
  const source = bufferSource(data, 'the data');
  const parameters = normalize('encrypt', algorithm);
  checkKey(own, parameters.name, usage);
  const bytes = bytesOf(source);
  // The block modes' options have the same members, and their results too.
  const options = cipherOptions(parameters, bytes.length) as GcmDecryptOptions;
  return { handle: own.handle as AesKey, bytes, options };
}
