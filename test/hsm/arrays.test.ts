/** Arrays that are not what they look like: detached, out of bounds, shared, or with members of their own that lie. */
import { beforeAll, describe, expect, test } from 'vitest';
import { webcrypto } from '../../dist/doors/webcrypto/index.js';
import { type AesKey, type EcKey, type HmacKey, HsmError, type Session } from '../../dist/index.js';
import { decryptJwe, encryptJwe, signCompact, verifyCompact } from '../../dist/jose/index.js';
import { bytes, ephemeral, nodeGcmOpen } from '../operations/support.ts';

const it = ephemeral();
let session: Session;
let mac: HmacKey;
let pair: EcKey;
let agree: EcKey;
let aes: AesKey;
let kek: AesKey;

beforeAll(async () => {
  session = it.session;
  mac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] });
  pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  agree = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
  aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' });
  kek = await session.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'] });
});

/** Every call that takes bytes, each place where it takes them. */
const CALLS: Record<string, (given: Uint8Array) => Promise<unknown>> = {
  sign: (given) => session.sign(mac, given),
  'sign by ECDSA': (given) => session.sign(pair, given),
  'sign pieces': (given) => session.sign(pair, pieces(given)),
  'sign pieces by HMAC': (given) => session.sign(mac, pieces(given)),
  signMany: (given) => session.signMany(mac, [given]),
  'verify a message': (given) => session.verify(mac, bytes(32), given),
  'verify a signature': (given) => session.verify(mac, given, bytes(3)),
  encrypt: (given) => session.encrypt(aes, given),
  'encrypt with aad': (given) => session.encrypt(aes, bytes(3), { aad: given }),
  decrypt: (given) => session.decrypt(aes, given),
  'decrypt with iv': (given) => session.decrypt(aes, bytes(40), { mechanism: 'AES-GCM', iv: given }),
  reencrypt: (given) => session.reencrypt(aes, given, { to: aes }),
  generateDataKey: (given) => session.generateDataKey(aes, { bytes: 32, aad: given }),
  unwrapKey: (given) => session.unwrapKey(kek, given, { type: 'AES', bits: 128 }, { mechanism: 'AES-KW' }),
  rewrapKeys: (given) => session.rewrapKeys([given], { from: kek, to: kek, mechanism: 'AES-KW', as: 'AES-KW' }),
  importKey: (given) => session.importKey({ type: 'AES', bits: 128, usage: [], persistent: false }, given),
  'import a public key': (given) =>
    session.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'], persistent: false }, given),
  'a KDF': (given) =>
    session.deriveKey(mac, { mechanism: 'KDF', kdf: { name: 'hkdf', hash: 'SHA-256', info: given } }, {}),
  'a peer': (given) =>
    session.deriveKey(agree, { mechanism: 'ECDH', publicKey: given, kdf: { name: 'none' } }, { type: 'AES' }),
  encryptStream: (given) => stream(session.encryptStream(aes), given),
  decryptStream: (given) => stream(session.decryptStream(aes), given),
  'aad of a stream': async (given) => session.encryptStream(aes, { aad: given }),
  signCompact: (given) => signCompact(session, pair, given),
  encryptJwe: (given) => encryptJwe(session, agree, given),
  'encryptJwe for SPKI': (given) => encryptJwe(session, given, bytes(3)),
  'encryptJwe with apu': (given) => encryptJwe(session, agree, bytes(3), { apu: given }),
  'verifyCompact with SPKI': async (given) => verifyCompact(session, given, await signCompact(session, pair, bytes(3))),
};

async function* pieces(...all: Uint8Array[]) {
  yield* all;
}

const stream = (through: TransformStream<Uint8Array, Uint8Array>, ...all: Uint8Array[]) =>
  contents(from(all).pipeThrough(through));
const contents = async (readable: ReadableStream<Uint8Array>) =>
  new Uint8Array(await new Response(readable).arrayBuffer());
const from = (all: Uint8Array[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const each of all) controller.enqueue(each);
      controller.close();
    },
  });

function detached(length: number): Uint8Array {
  const view = bytes(length);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

// biome-ignore lint/suspicious/noExplicitAny: @types/node 20 does not know resizable buffers
const Resizable = ArrayBuffer as any;

/** A view that its buffer no longer reaches to. */
function outOfBounds(): Uint8Array {
  const buffer = new Resizable(16, { maxByteLength: 16 });
  const view = new Uint8Array(buffer, 4, 8);
  buffer.resize(0);
  return view;
}

const outcome = (call: () => Promise<unknown>): Promise<unknown> =>
  call().then(
    () => 'took it',
    (error: unknown) => (error instanceof HsmError ? error.code : error),
  );

describe('bytes that are not there are INPUT_INVALID, wherever they are handed in', () => {
  const check = async () => {
    for (const [name, call] of Object.entries(CALLS)) {
      for (const given of [detached(0), detached(31), detached(65), detached(5000), outOfBounds()]) {
        expect([name, await outcome(() => call(given))]).toEqual([name, 'KEYCELL_INPUT_INVALID']);
      }
    }
  };

  test('in code that is cold', check);

  test('in code that was optimised for arrays of every kind', async () => {
    const kinds = [
      () => new Uint8Array(20),
      () => new Uint8Array(new Resizable(40, { maxByteLength: 60 }), 1, 20),
      () => Buffer.alloc(20),
      () => new Uint8Array(new SharedArrayBuffer(9)),
      () => detached(31),
    ];
    for (let round = 0; round < 30; round++) {
      await Promise.allSettled(Array.from({ length: 400 }, (_, i) => session.sign(mac, kinds[i % kinds.length]!())));
    }
    await check();
    expect(await session.verify(mac, await session.sign(mac, bytes(3)), bytes(3))).toBe(true);
  });

  test('nor where they go while a stream waits for its reader', async () => {
    const { readable, writable } = session.encryptStream(aes);
    const writer = writable.getWriter();
    const chunk = bytes(10 * 64 * 1024);
    const writing = writer.write(chunk);
    // More than the stream takes before somebody reads: it waits with half of it.
    await new Promise((resolve) => setImmediate(resolve));
    structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
    const reading = contents(readable);
    writer.close().catch(() => {});
    expect(await outcome(() => writing)).toBe('KEYCELL_INPUT_INVALID');
    expect(await outcome(() => reading)).toBe('KEYCELL_INPUT_INVALID');
  });

  test('a secret that is detached is refused, also where it is to be wiped', async () => {
    const template = { type: 'AES', bits: 128, usage: ['encrypt'], persistent: false } as const;
    for (const given of [detached(16), outOfBounds()]) {
      for (const secret of [given, () => given]) {
        expect(await outcome(() => session.importKey(template, secret, { wipe: true }))).toBe('KEYCELL_INPUT_INVALID');
      }
    }
  });
});

/** A subclass whose members say what they like. */
function liar(contents: Uint8Array, lies: Record<string, unknown>): Uint8Array {
  const array = new (class Lying extends Uint8Array {
    static get [Symbol.species](): Uint8ArrayConstructor {
      throw new Error('species');
    }
  })(contents);
  for (const [name, value] of Object.entries(lies)) Object.defineProperty(array, name, { value });
  return array;
}

const boom = () => {
  throw new Error('called');
};
const METHODS = ['subarray', 'slice', 'set', 'fill', 'map', 'at', 'copyWithin', 'values', 'toString', 'indexOf'];
const LIES: Record<string, unknown>[] = [
  ...[0, -64, 1, 3000, 5000, 2 ** 32, Number.NaN, '7', undefined].map((length) => ({ length })),
  ...[0, 1, 2 ** 32, -1].map((byteLength) => ({ byteLength })),
  ...[1, -1, 2 ** 32].map((byteOffset) => ({ byteOffset })),
  { buffer: new ArrayBuffer(0) },
  { buffer: null },
  { length: 2, byteLength: 2, byteOffset: 1, buffer: bytes(500).buffer, constructor: Array },
  Object.fromEntries(METHODS.map((name) => [name, boom])),
  { [Symbol.iterator as never]: boom },
];

test('what an array says of itself is not asked: its bytes are signed, encrypted, imported, wiped', async () => {
  const contents = bytes(40, 7);
  const tag = await session.sign(mac, contents);
  const raw = bytes(32, 3);
  for (const lies of LIES) {
    const given = liar(contents, lies);
    expect(await session.sign(mac, given)).toEqual(tag);
    expect(await session.verify(mac, liar(tag, lies), given)).toBe(true);
    expect(await session.signMany(mac, [given])).toEqual([tag]);
    expect(await session.verify(pair, await session.sign(pair, pieces(given)), contents)).toBe(true);
    const envelope = await session.encrypt(aes, given, { aad: given });
    expect(await session.decrypt(aes, liar(envelope, lies), { aad: contents })).toEqual(contents);
    const sealed = await stream(session.encryptStream(aes), given, given);
    expect(await stream(session.decryptStream(aes), liar(sealed, lies))).toEqual(
      new Uint8Array([...contents, ...contents]),
    );
    const token = await signCompact(session, pair, given);
    expect((await verifyCompact(session, liar(pair.publicKey, lies), token)).payload).toEqual(contents);
    const jwe = await encryptJwe(session, liar(agree.publicKey, lies), given, { apu: given });
    expect((await decryptJwe(session, agree, jwe)).plaintext).toEqual(contents);
    const secret = liar(raw, lies);
    const template = { type: 'AES', bits: 256, usage: ['encrypt'], persistent: false } as const;
    const imported = await session.importKey(template, secret, { wipe: true });
    expect(Array.from({ length: 32 }, (_, i) => secret[i])).toEqual(Array(32).fill(0));
    const { iv, ciphertext } = await session.encrypt(imported, given, { mechanism: 'AES-GCM' });
    expect(new Uint8Array(nodeGcmOpen(raw, iv, new Uint8Array(0), ciphertext))).toEqual(contents);
  }
});

test('WebCrypto reads its BufferSources as the engine has them, too', async () => {
  const { subtle } = webcrypto(session);
  const data = bytes(40, 7);
  const key = await subtle.importKey('raw', bytes(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const tag = await subtle.sign('HMAC', key, data);
  for (const lies of LIES) expect(await subtle.sign('HMAC', key, liar(data, lies))).toEqual(tag);
  // Web IDL: a buffer that is detached has no bytes.
  const empty = await subtle.sign('HMAC', key, new Uint8Array(0));
  const view = new DataView(new ArrayBuffer(31), 4);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  for (const given of [detached(31), view]) {
    expect(await subtle.sign('HMAC', key, given)).toEqual(empty);
  }
});

test('another caller’s message stays what it was, whatever lies beside it', async () => {
  const expected = await session.sign(mac, bytes(100, 1));
  for (const lies of LIES) {
    // Side by side in one tick: in the same slab.
    const before = session.sign(mac, bytes(100, 1));
    const lying = session.sign(mac, liar(bytes(30, 2), lies));
    const after = session.sign(mac, bytes(100, 1));
    expect(await before).toEqual(expected);
    expect(await after).toEqual(expected);
    expect(await lying).toEqual(await session.sign(mac, bytes(30, 2)));
  }
});

test('shared memory is copied once, before it is looked at', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(300));
  shared.set(bytes(300, 5));
  const tag = await session.sign(mac, bytes(300, 5));
  const signing = session.sign(mac, shared);
  const sealing = session.encrypt(aes, shared);
  shared.fill(0);
  expect(await signing).toEqual(tag);
  expect(await session.decrypt(aes, await sealing)).toEqual(bytes(300, 5));
});

describe('lists', () => {
  test('are read once: what they say later nobody asks', async () => {
    const [first, second] = [bytes(8, 1), bytes(8, 2)];
    let reads = 0;
    const list = new Proxy([first, second], {
      get(target, name, receiver) {
        if (name === '0' && ++reads > 1) return second;
        return Reflect.get(target, name, receiver);
      },
    });
    expect(await session.signMany(mac, list)).toEqual([
      await session.sign(mac, first),
      await session.sign(mac, second),
    ]);
    expect(reads).toBe(1);
  });

  test('with methods of their own are their items', async () => {
    const list = Object.assign([bytes(3)], { map: boom, slice: boom, reduce: boom, [Symbol.iterator]: boom });
    expect(await session.signMany(mac, list)).toEqual([await session.sign(mac, bytes(3))]);
    const usage = Object.assign(['encrypt'], { some: boom, includes: boom, map: boom, [Symbol.iterator]: boom });
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: usage as never, persistent: false });
    expect(key.usage).toEqual(['encrypt']);
  });

  test('whose length is no length are refused', async () => {
    for (const length of [-1, 0.5, Number.NaN, '2', null, 2 ** 40]) {
      const list = new Proxy([bytes(3)], {
        get: (target, name) => (name === 'length' ? length : Reflect.get(target, name)),
      });
      expect(await outcome(() => session.signMany(mac, list))).toMatch(/INPUT_INVALID|LIMIT_EXCEEDED/);
    }
  });

  test('that change meanwhile are signed as they were', async () => {
    const list = Array.from({ length: 3000 }, (_, i) => bytes(8, i));
    const expected = await session.signMany(mac, list.slice());
    const signing = session.signMany(mac, list);
    list.length = 0;
    expect(await signing).toEqual(expected);
  });
});
