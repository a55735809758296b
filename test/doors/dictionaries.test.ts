/** Parameters as Web IDL reads them: from wherever an object has its members, once each, in order. */
import { webcrypto as node } from 'node:crypto';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { webcrypto } from '../../dist/doors/webcrypto/index.js';
import { bytes, ephemeral } from '../operations/support.ts';

const hsm = ephemeral();
const theirs = node.subtle;
const ours = () => webcrypto(hsm.session).subtle;
type Subtle = ReturnType<typeof ours>;

const raw = (buffer: ArrayBuffer): string => Buffer.from(buffer).toString('hex');
const nameOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'no error',
    (error) => (error as Error).name,
  );

class Gcm {
  name = 'AES-GCM';
  iv = bytes(12);
  get additionalData(): Uint8Array {
    return bytes(5);
  }
}
class Hash {
  get name(): string {
    return 'sha-384';
  }
}
class Hmac {
  name = 'HMAC';
  get hash(): Hash {
    return new Hash();
  }
  get length(): number {
    return 256;
  }
}

const aes = (s: Subtle) => s.importKey('raw', bytes(16), 'AES-GCM', false, ['encrypt', 'decrypt']);
const hkdf = (s: Subtle) => s.importKey('raw', bytes(32), 'HKDF', false, ['deriveKey']);

test('associated data that a class has', async () => {
  const key = await aes(ours());
  const sealed = await ours().encrypt(new Gcm(), key, bytes(9));
  expect(raw(sealed)).toBe(raw(await theirs.encrypt(new Gcm(), (await aes(theirs as Subtle)) as never, bytes(9))));
  const without = { name: 'AES-GCM', iv: bytes(12) };
  expect(await nameOf(ours().decrypt(without, key, sealed))).toBe('OperationError');
  expect(raw(await ours().decrypt({ ...without, additionalData: bytes(5) }, key, sealed))).toBe(raw(bytes(9).buffer));
});

test('a hash and a length that a class has, and a dictionary that is a prototype', async () => {
  const key = await ours().generateKey(new Hmac(), false, ['sign']);
  expect(key).toMatchObject({ algorithm: { name: 'HMAC', hash: { name: 'SHA-384' }, length: 256 } });
  const pair = await ours().generateKey(Object.create({ name: 'ECDSA', namedCurve: 'P-256' }), false, ['sign']);
  expect(pair).toMatchObject({ privateKey: { algorithm: { name: 'ECDSA', namedCurve: 'P-256' } } });
});

test('a function is an object, too', async () => {
  const algorithm = Object.defineProperties(() => undefined, { name: { value: 'AES-GCM' }, length: { value: 256 } });
  const key = await ours().generateKey(algorithm as never, false, ['encrypt']);
  expect(key).toMatchObject({ algorithm: { name: 'AES-GCM', length: 256 } });
});

test('buffers of another realm are taken, and letters that are only like those of a name are not', async () => {
  // Node 20 has both the other way.
  const key = await aes(ours());
  const elsewhere = runInNewContext(
    '({ name: "AES-GCM", iv: new Uint8Array(12), additionalData: new ArrayBuffer(2) })',
  );
  const here = { name: 'AES-GCM', iv: new Uint8Array(12), additionalData: new ArrayBuffer(2) };
  expect(raw(await ours().encrypt(elsewhere, key, bytes(3)))).toBe(raw(await ours().encrypt(here, key, bytes(3))));
  expect(await nameOf(ours().encrypt({ ...here, name: 'AEſ-GCM' }, key, bytes(3)))).toBe('NotSupportedError');
});

test('each member is read once: the name first, then the others in the order of their names', async () => {
  const reads: string[] = [];
  const members: Record<string, unknown> = { name: 'AES-GCM', iv: bytes(12), additionalData: bytes(1), tagLength: 128 };
  const algorithm = new Proxy(members, {
    get(target, member) {
      reads.push(String(member));
      return target[String(member)];
    },
  });
  await ours().encrypt(algorithm as never, await aes(ours()), bytes(1));
  expect(reads).toEqual(['name', 'additionalData', 'iv', 'tagLength']);
});

test('bytes are those of the reading, whatever a later member does to them', async () => {
  const iv = bytes(12);
  const key = await aes(ours());
  const plain = { name: 'AES-GCM', iv: bytes(12), additionalData: bytes(3) };
  const expected = await ours().encrypt(plain, key, bytes(4));
  const sealing = ours().encrypt({ ...plain, iv }, key, bytes(4));
  iv.fill(0);
  expect(raw(await sealing)).toBe(raw(expected));
});

test('members are converted before any of them is looked up', async () => {
  const key = await hkdf(ours());
  const derive = (params: object) =>
    nameOf(ours().deriveKey(params as never, key, { name: 'AES-GCM', length: 128 }, false, ['encrypt']));
  expect(await derive({ name: 'HKDF', hash: 'MD5', info: bytes(0) })).toBe('TypeError');
  expect(await derive({ name: 'HKDF', hash: 'MD5', info: bytes(0), salt: bytes(0) })).toBe('NotSupportedError');
  const thrown = new RangeError('from the getter');
  const get = () => {
    throw thrown;
  };
  await expect(ours().generateKey(Object.defineProperty({ name: 'HMAC' }, 'hash', { get }), false, [])).rejects.toBe(
    thrown,
  );
});

const shared = new Uint8Array(new SharedArrayBuffer(12));
const gcm = { name: 'AES-GCM', iv: bytes(12) };

test.each<[string, object]>([
  ['all there', gcm],
  ['undefined, which is not there', { ...gcm, additionalData: undefined, tagLength: undefined }],
  ['null, which is', { ...gcm, additionalData: null }],
  ['no iv', { name: 'AES-GCM' }],
  ['an iv of text', { ...gcm, iv: 'text' }],
  ['an iv that is a list', { ...gcm, iv: [1, 2, 3] }],
  ['an iv in shared memory', { ...gcm, iv: shared }],
  ['an iv of words', { ...gcm, iv: new Uint16Array(6) }],
  ['an iv in a DataView', { ...gcm, iv: new DataView(new ArrayBuffer(16), 1, 12) }],
  ['a tag length that is text', { ...gcm, tagLength: '128' }],
  ['a tag length with a fraction', { ...gcm, tagLength: 128.9 }],
  ['a tag length that is an object', { ...gcm, tagLength: { valueOf: () => 128 } }],
  ['a tag length that is no octet', { ...gcm, tagLength: 256 }],
  ['a tag length below all', { ...gcm, tagLength: -1 }],
  ['a tag length that is no number', { ...gcm, tagLength: 'x' }],
  ['a tag length that is a bigint', { ...gcm, tagLength: 128n }],
  ['a tag length that is a symbol', { ...gcm, tagLength: Symbol('x') }],
  ['a name that is an object', { ...gcm, name: { toString: () => 'aes-gcm' } }],
  ['a name that is a symbol', { ...gcm, name: Symbol('AES-GCM') }],
  ['no name', { iv: bytes(12) }],
  ['an algorithm of another use', { name: 'HMAC' }],
])('%s: as Node', async (_, algorithm) => {
  const outcome = async (s: Subtle) => {
    const key = await aes(s);
    return s.encrypt(algorithm as never, key, bytes(7)).then(raw, (error) => (error as Error).name);
  };
  expect(await outcome(ours())).toBe(await outcome(theirs as Subtle));
});

test('memory whose length may change is refused, and memory that is gone has no bytes', async () => {
  // Node 20 takes the first.
  const growing = Reflect.construct(ArrayBuffer, [12, { maxByteLength: 32 }]) as ArrayBuffer;
  expect(await nameOf(ours().encrypt({ ...gcm, iv: growing }, await aes(ours()), bytes(1)))).toBe('TypeError');
  const key = (s: Subtle) => s.importKey('raw', bytes(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = raw(await ours().sign('HMAC', await key(ours()), bytes(0)));
  for (const view of [
    (b: ArrayBuffer) => b,
    (b: ArrayBuffer) => new Uint8Array(b),
    (b: ArrayBuffer) => new DataView(b),
  ]) {
    const gone = view(new ArrayBuffer(4));
    structuredClone(0, { transfer: [ArrayBuffer.isView(gone) ? gone.buffer : gone] });
    expect(raw(await ours().sign('HMAC', await key(ours()), gone))).toBe(mac);
  }
});

test('a key is one that this module made, not one that borrows its prototype', async () => {
  const key = await aes(ours());
  for (const fake of [Object.create(key), Object.create(Object.getPrototypeOf(key)), { ...key }, new Proxy(key, {})]) {
    expect(await nameOf(ours().encrypt(gcm, fake, bytes(1)))).toBe('TypeError');
  }
});
