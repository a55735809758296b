import { createHash } from 'node:crypto';
import { hex, openCore } from './core.ts';

export const AES_KEY_LENGTHS = [16, 24, 32] as const;

/** `length` bytes that are the same in every run. */
export const bytesOf = (label: string, length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createHash('shake128', { outputLength: length }).update(label).digest());

/** The keys and the four blocks of the examples in SP 800-38A appendix F. */
export const SP800_38A = {
  keys: {
    128: hex('2b7e151628aed2a6abf7158809cf4f3c'),
    192: hex('8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b'),
    256: hex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'),
  },
  plaintext: hex(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  ),
} as const;

/** The core, with the AES family called on byte arrays. Every call resets the window, so that inputs never run out of room. */
export function openAes() {
  const frame = openCore();
  const { core } = frame;
  const ctxSize = (core['AES_CTX_SIZE'] as unknown as { value: number }).value;

  /** Where each thing lies, for tests that look at memory after the call. */
  function expand(key: Uint8Array, skew = 0): number {
    const ctxPtr = frame.reserve(ctxSize, skew);
    if (core['aesExpandKey']!(ctxPtr, frame.place(key, skew), key.length) !== 1) throw new Error('key refused');
    return ctxPtr;
  }

  /** Runs an operation of one input and one output, in place or not, and reports everything a caller could observe. */
  function run(
    inBytes: Uint8Array,
    outLength: number,
    { inPlace = false, skew = 0 },
    call: (inPtr: number, outPtr: number) => number,
  ) {
    const room = Math.max(inBytes.length, outLength);
    const inPtr = frame.reserve(inPlace ? room : inBytes.length, skew);
    const outPtr = inPlace ? inPtr : frame.reserve(outLength, skew);
    if (!inPlace) frame.memory.fill(0x5c, outPtr, outPtr + outLength);
    frame.memory.set(inBytes, inPtr);
    const result = call(inPtr, outPtr);
    return {
      result,
      out: frame.read(outPtr, outLength),
      inputKept: inPlace || Buffer.compare(frame.read(inPtr, inBytes.length), inBytes) === 0,
      guarded:
        frame.guarded(inPtr, inPlace ? room : inBytes.length) && frame.guarded(outPtr, inPlace ? room : outLength),
    };
  }

  type Place = { inPlace?: boolean; skew?: number };
  const aead =
    (name: 'gcmSeal' | 'gcmOpen', overhead: number) =>
    (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, data: Uint8Array, place: Place = {}) => {
      frame.reset();
      const ctxPtr = expand(key, place.skew);
      const ivPtr = frame.place(iv, place.skew);
      const aadPtr = frame.place(aad, place.skew);
      const seen = run(data, Math.max(0, data.length + overhead), place, (inPtr, outPtr) =>
        core[name]!(ctxPtr, ivPtr, iv.length, aadPtr, aad.length, inPtr, data.length, outPtr),
      );
      const kept =
        Buffer.compare(frame.read(ivPtr, iv.length), iv) === 0 &&
        Buffer.compare(frame.read(aadPtr, aad.length), aad) === 0;
      return { ...seen, inputKept: seen.inputKept && kept, guarded: seen.guarded && frame.guarded(ctxPtr, ctxSize) };
    };

  const xaes =
    (name: 'xaesSeal' | 'xaesOpen', overhead: number) =>
    (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array, place: Place = {}) => {
      frame.reset();
      const ctxPtr = expand(key, place.skew);
      const subPtr = frame.reserve(ctxSize, place.skew);
      const noncePtr = frame.place(nonce, place.skew);
      const aadPtr = frame.place(aad, place.skew);
      const seen = run(data, Math.max(0, data.length + overhead), place, (inPtr, outPtr) =>
        core[name]!(ctxPtr, noncePtr, aadPtr, aad.length, inPtr, data.length, outPtr, subPtr),
      );
      return {
        ...seen,
        subContext: frame.read(subPtr, ctxSize),
        guarded: seen.guarded && frame.guarded(subPtr, ctxSize),
      };
    };

  const wrap =
    (name: 'kwWrap' | 'kwUnwrap' | 'kwpWrap' | 'kwpUnwrap', outLength: (length: number) => number) =>
    (key: Uint8Array, data: Uint8Array, place: Place = {}) => {
      frame.reset();
      const ctxPtr = expand(key, place.skew);
      return run(data, Math.max(0, outLength(data.length)), place, (inPtr, outPtr) =>
        core[name]!(ctxPtr, inPtr, data.length, outPtr),
      );
    };

  return {
    ...frame,
    ctxSize,
    expand,
    run,
    gcmSeal: aead('gcmSeal', 16),
    gcmOpen: aead('gcmOpen', -16),
    xaesSeal: xaes('xaesSeal', 16),
    xaesOpen: xaes('xaesOpen', -16),
    kwWrap: wrap('kwWrap', (n) => n + 8),
    kwUnwrap: wrap('kwUnwrap', (n) => n - 8),
    kwpWrap: wrap('kwpWrap', (n) => Math.ceil(n / 8) * 8 + 8),
    kwpUnwrap: wrap('kwpUnwrap', (n) => n - 8),
  };
}
