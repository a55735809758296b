/** A misspelt member of any bag is named, with the one that was meant: ignored, it would leave less than was asked for. */
import { beforeAll, expect, test } from 'vitest';
import { type AesKey, type EcKey, type HmacKey, openEphemeralHsm, openHsm } from '../../dist/index.js';
import { bytes, refusal, stored } from './support.ts';

const it = stored();
const KW = { mechanism: 'AES-KW' } as const;
const AES = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' } as const;
const BOUND = { name: 'bound', hash: 'SHA-256', label: bytes(1) } as const;

let aes: AesKey;
let kek: AesKey;
let pair: EcKey;
let hmac: HmacKey;
beforeAll(async () => {
  const { alice } = it;
  aes = await alice.generateKey(AES);
  kek = await alice.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' });
  pair = await alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify', 'derive'] });
  hmac = await alice.generateKey({ type: 'HMAC', bits: 256, usage: ['derive'] });
});

// biome-ignore lint/suspicious/noExplicitAny: callers of JavaScript
type Loose = any;
type Call = (slip: Loose) => unknown;

/** A call with a slip, the slip, and the member that was meant. */
const SLIPS: Record<string, [Call, slip: object, meant: string]> = {
  encrypt: [(o) => it.alice.encrypt(aes, bytes(3), o), { AAD: bytes(1) }, 'aad'],
  'encrypt, a letter': [(o) => it.alice.encrypt(aes, bytes(3), o), { add: bytes(1) }, 'aad'],
  'encrypt by GCM': [(o) => it.alice.encrypt(aes, bytes(3), { mechanism: 'AES-GCM', ...o }), { IV: bytes(12) }, 'iv'],
  decrypt: [(o) => it.alice.decrypt(aes, bytes(80), o), { Aad: bytes(1) }, 'aad'],
  reencrypt: [(o) => it.alice.reencrypt(aes, bytes(80), { to: aes, ...o }), { toAAD: bytes(1) }, 'toAad'],
  encryptStream: [async (o) => it.alice.encryptStream(aes, o), { aadd: bytes(1) }, 'aad'],
  decryptStream: [async (o) => it.alice.decryptStream(aes, o), { AAD: bytes(1) }, 'aad'],
  generateDataKey: [(o) => it.alice.generateDataKey(aes, { bytes: 32, ...o }), { AAD: bytes(1) }, 'aad'],
  sign: [(o) => it.alice.sign(pair, bytes(3), o), { fromat: 'der' }, 'format'],
  verify: [(o) => it.alice.verify(pair, bytes(64), bytes(3), o), { Hash: 'SHA-384' }, 'hash'],
  signMany: [(o) => it.alice.signMany(pair, [], o), { prehash: true }, 'prehashed'],
  generateKey: [(t) => it.alice.generateKey({ ...AES, ...t }), { notafter: 1 }, 'notAfter'],
  'generateKey, its policy': [(t) => it.alice.generateKey({ ...AES, ...t }), { extractabel: false }, 'extractable'],
  ensureKey: [(t) => it.alice.ensureKey({ ...AES, label: 'l', ...t }), { wrapWithTrust: true }, 'wrapWithTrusted'],
  importKey: [(t) => it.alice.importKey({ ...AES, ...t }, bytes(32)), { presistent: false }, 'persistent'],
  unwrapKey: [(t) => it.alice.unwrapKey(kek, bytes(40), { ...AES, ...t }, KW), { usages: [] }, 'usage'],
  deriveKey: [
    (t) => it.alice.deriveKey(hmac, { mechanism: 'KDF', kdf: BOUND }, { ...AES, ...t }),
    { dualuse: false },
    'dualUse',
  ],
  unwrapTemplate: [
    (unwrapTemplate) => it.alice.generateKey({ ...AES, usage: ['unwrap'], unwrapTemplate }),
    { usages: [] },
    'usage',
  ],
  rewrapPolicy: [
    (p) => it.alice.generateKey({ ...AES, usage: ['unwrap'], rewrapPolicy: { issuer: pair, ...p } }),
    { blob: 'required' },
    'blobs',
  ],
  kdf: [
    (k) => it.alice.deriveKey(hmac, { mechanism: 'KDF', kdf: { ...BOUND, ...k } }, AES),
    { contxt: bytes(1) },
    'context',
  ],
  'options of deriveKey': [
    (o) => it.alice.deriveKey(hmac, { mechanism: 'KDF', kdf: BOUND, ...o }, AES),
    { timeOut: 5 },
    'timeout',
  ],
  wrapKey: [(o) => it.alice.wrapKey(kek, aes, { mechanism: 'AES-GCM', ...o }), { add: bytes(1) }, 'aad'],
  rewrapKeys: [
    (o) => it.alice.rewrapKeys([], { from: kek, to: pair, as: 'JWE', ...KW, ...o }),
    { headers: { kid: 'k' } },
    'header',
  ],
  recipient: [
    (to) => it.alice.rewrapKeys([], { from: kek, as: 'JWE', ...KW, to: { jwk: pair.jwk, ...to } }),
    { Proof: 'p' },
    'proof',
  ],
  random: [(o) => it.alice.random(4, o), { timout: 5 }, 'timeout'],
  getKey: [(f) => it.alice.getKey(f), { lable: 'l' }, 'label'],
  findKeys: [
    async (f) => {
      for await (const _ of it.alice.findKeys(f));
    },
    { lable: 'l' },
    'label',
  ],
  exportKey: [(o) => it.alice.exportKey(pair, o), { Signal: undefined }, 'signal'],
  destroyKey: [(o) => it.alice.destroyKey(aes, o), { Signal: undefined }, 'signal'],
  renew: [(o) => it.alice.renew(o), { timeOut: 5 }, 'timeout'],
  createUser: [
    (u) => it.admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b', ...u }),
    { wiped: true },
    'wipe',
  ],
  setPassword: [(o) => it.alice.setPassword('alice', 'x', o), { oldpassword: 'alice' }, 'oldPassword'],
  removeUser: [(o) => it.admin.removeUser('alice', o), { timeOut: 5 }, 'timeout'],
  login: [(o) => it.hsm.login({ user: 'alice', password: 'alice', ...o }), { passPhrase: 'p' }, 'passphrase'],
  unseal: [(o) => it.hsm.unseal('p', o), { Wipe: true }, 'wipe'],
  check: [(o) => it.hsm.check(o), { onprogress: () => {} }, 'onProgress'],
  close: [(o) => it.hsm.close(o), { timeOut: 5 }, 'timeout'],
  openHsm: [(o) => openHsm({ path: it.folder, ...o }), { unsael: () => bytes(1) }, 'unseal'],
  openEphemeralHsm: [(o) => openEphemeralHsm(o), { worker: 8 }, 'workers'],
  lockout: [(lockout) => openEphemeralHsm({ lockout }), { afer: 3 }, 'after'],
  quotas: [(quotas) => openEphemeralHsm({ quotas }), { session: 3 }, 'sessions'],
  initialize: [
    (o) => it.hsm.initialize({ passphrase: 'p', admin: { name: 'a', password: 'a' }, ...o }),
    { scryptLogN: 14 },
    'scryptLog2N',
  ],
};

test.each(Object.entries(SLIPS))('%s', async (_, [call, slip, meant]) => {
  const { code, message } = await refusal(() => call(slip));
  expect([code, message]).toEqual([
    'KEYCELL_INPUT_INVALID',
    expect.stringMatching(new RegExp(`^${Object.keys(slip)[0]} is no member of .*: did you mean ${meant}\\?`)),
  ]);
});

test('what is like none is told which there are; a long name is cut, and a strange one quoted', async () => {
  const message = async (name: string) => (await refusal(() => it.alice.random(4, { [name]: 1 } as Loose))).message;
  expect(await message('retries')).toContain('retries is no member of options: there are signal, timeout');
  expect(await message('x'.repeat(10_000))).toContain(`${'x'.repeat(40)}… is no member`);
  expect(await message('a\n\u202e')).toContain('"a\\n\\u202e" is no');
});

test('what a class gives counts, and what somebody hung on every object does not', async () => {
  class Options {
    readonly #aad = bytes(1);
    get aad() {
      return this.#aad;
    }
    help(): void {}
  }
  const envelope = await it.alice.encrypt(aes, bytes(3), new Options());
  expect(await it.alice.decrypt(aes, envelope, { aad: bytes(1) })).toEqual(bytes(3));
  Object.assign(Object.prototype, { everywhere: 1 });
  try {
    expect(await it.alice.random(4, {})).toHaveLength(4);
  } finally {
    Reflect.deleteProperty(Object.prototype, 'everywhere');
  }
});

test('a template like the last one is looked at all the same', async () => {
  const template = { type: 'AES', bits: 256, usage: ['encrypt'], persistent: false } as const;
  await it.alice.generateKey(template);
  const { message } = await refusal(() => it.alice.generateKey({ ...template, extractabel: false } as Loose));
  expect(message).toContain('did you mean extractable?');
});
