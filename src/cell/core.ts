/** The crypto core: one instance of the WASM module, its memory, and what it exports. */
import { createHash } from 'node:crypto';
import { HASH } from '../model/algorithms.ts';

declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Global: new (...args: never[]) => object;
};

interface Global {
  readonly value: number;
}

/** The hash of everything that nobody chooses: the HSM's own MACs and derivations. */
export const SHA256 = HASH['SHA-256'].number;

/** assembly/index.ts as seen from here. Pointers are addresses in its memory; a result of 1 is success. */
export interface CoreExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly WINDOW: Global;
  readonly WINDOW_SIZE: Global;
  readonly REPLY: Global;
  readonly SLOTS: Global;
  readonly SLOT_SIZE: Global;
  readonly SLOT_COUNT: Global;
  readonly VAULT: Global;
  readonly WORK: Global;
  readonly WORK_SIZE: Global;
  readonly AES_CTX_SIZE: Global;
  wipeBatch(slotsUsed: number, workLen: number, requestLen: number, replyLen: number): void;
  wipeAll(): void;

  /** 1 if the bytes are equal; the time depends on their number alone. */
  equalBit(a: number, b: number, length: number): number;
  /** The number of bytes, or 0; output has room for as many as the input has, and holds zeros behind them. */
  base64Decode(input: number, inputLen: number, output: number): number;
  aesExpandKey(ctx: number, key: number, keyLen: number): number;
  aesCheckValues(jobs: number, count: number): void;
  aesEncryptBlock(ctx: number, input: number, output: number): void;
  gcmSeal(
    ctx: number,
    iv: number,
    ivLen: number,
    aad: number,
    aadLen: number,
    input: number,
    inputLen: number,
    output: number,
  ): number;
  gcmOpen(
    ctx: number,
    iv: number,
    ivLen: number,
    aad: number,
    aadLen: number,
    input: number,
    inputLen: number,
    output: number,
  ): number;
  xaesSeal(
    ctx: number,
    nonce: number,
    aad: number,
    aadLen: number,
    input: number,
    inputLen: number,
    output: number,
    subCtx: number,
  ): number;
  xaesOpen(
    ctx: number,
    nonce: number,
    aad: number,
    aadLen: number,
    input: number,
    inputLen: number,
    output: number,
    subCtx: number,
  ): number;
  kwWrap(ctx: number, input: number, inputLen: number, output: number): number;
  kwUnwrap(ctx: number, input: number, inputLen: number, output: number): number;
  kwpWrap(ctx: number, input: number, inputLen: number, output: number): number;
  kwpUnwrap(ctx: number, input: number, inputLen: number, output: number): number;
  kwWrapMany(jobs: number, count: number): void;
  kwUnwrapMany(jobs: number, count: number): void;
  kwpWrapMany(jobs: number, count: number): void;
  kwpUnwrapMany(jobs: number, count: number): void;

  aesCtr(ctx: number, iv: number, input: number, inputLen: number, output: number): number;
  /** The length with padding. */
  cbcEncrypt(ctx: number, iv: number, input: number, inputLen: number, output: number): number;
  /** The length without padding, or -1. */
  cbcDecrypt(ctx: number, iv: number, input: number, inputLen: number, output: number): number;
  cmac(ctx: number, input: number, inputLen: number, output: number): number;
  cmacVerify(ctx: number, input: number, inputLen: number, mac: number, macLen: number): number;

  sha256(input: number, inputLen: number, output: number): void;
  hash(hash: number, input: number, inputLen: number, output: number): number;
  hashMany(hash: number, jobs: number, count: number): void;
  hmac(hash: number, key: number, keyLen: number, input: number, inputLen: number, output: number): number;
  hmacVerify(
    hash: number,
    key: number,
    keyLen: number,
    input: number,
    inputLen: number,
    mac: number,
    macLen: number,
  ): number;
  /** What is kept of a key for `recordSeal` and `recordOpen`, 64 bytes. */
  hmac256Key(key: number, keyLen: number, midstates: number): void;
  hmac256(midstates: number, input: number, inputLen: number, output: number): void;
  recordSeal(hedge: number, jobs: number, count: number): void;
  recordOpen(jobs: number, count: number): void;
  kdf108(
    hash: number,
    key: number,
    keyLen: number,
    fixed: number,
    fixedLen: number,
    output: number,
    outputLen: number,
  ): number;
  concatKdf(
    hash: number,
    z: number,
    zLen: number,
    info: number,
    infoLen: number,
    output: number,
    outputLen: number,
  ): number;
  hkdf(
    hash: number,
    salt: number,
    saltLen: number,
    ikm: number,
    ikmLen: number,
    info: number,
    infoLen: number,
    output: number,
    outputLen: number,
  ): number;
  drbgInstantiate(entropy: number, entropyLen: number, personal: number, personalLen: number): number;
  drbgReseed(entropy: number, entropyLen: number, additional: number, additionalLen: number): number;
  drbgGenerate(output: number, outputLen: number, additional: number, additionalLen: number): number;

  ecInit(): void;
  ecPublicKey(curve: number, scalar: number, point: number): number;
  ecKeyGenerate(curve: number, scalar: number, point: number, seed: number): number;
  ecKeyGenerateMany(curve: number, jobs: number, count: number): void;
  ecPointValidate(curve: number, point: number, pointLen: number, output: number): number;
  ecdsaSign(curve: number, hash: number, jobs: number, count: number): void;
  ecdsaSignRaw(curve: number, hash: number, scalar: number, digest: number, k: number, output: number): number;
  ecdsaVerify(curve: number, hash: number, jobs: number, count: number): void;
  ecdh(curve: number, jobs: number, count: number): void;
  derEncode(size: number, signature: number, output: number): number;
  derDecode(size: number, input: number, inputLen: number, output: number): number;
}

/** What the module's own checks throw: the HSM must wipe itself and serve nothing. */
export class IntegrityError extends Error {
  override readonly name = 'IntegrityError';
}

export interface Core {
  readonly call: CoreExports;
  /** All of linear memory. Secrets in it are never copied out of it but into a reply or a fresh ArrayBuffer. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  /** The same memory, for public text that is written there or read from there without an array in between. */
  readonly text: Buffer<ArrayBuffer>;
}

/** Check the module against its digest and start it. Throws IntegrityError. */
export function openCore(binary: Uint8Array, digest: string): Core {
  if (createHash('sha256').update(binary).digest('hex') !== digest) {
    throw new IntegrityError('the crypto core is not the one that was built');
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), {});
  const call = constantGlobals(exports as Readonly<Record<string, unknown>>) as unknown as CoreExports;
  const { buffer } = call.memory;
  return { call, bytes: new Uint8Array(buffer), view: new DataView(buffer), text: Buffer.from(buffer) };
}

/** The exports, their globals as plain objects: all are constants, and reading one through V8's API costs 0.1 µs each time. */
function constantGlobals(exports: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const known = { ...exports };
  for (const [name, value] of Object.entries(known)) {
    if (value instanceof WebAssembly.Global) known[name] = { value: (value as Global).value };
  }
  return known;
}
