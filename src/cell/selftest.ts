/**
 * Known-answer tests of every mechanism, run before a cell or warden serves. A core that fails one is not used.
 * Answers are published ones; each names its source.
 */
import { CURVE, HASH } from '../model/algorithms.ts';
import type { Curve } from '../model/key.ts';
import type { Arena } from './arena.ts';
import { type Core, IntegrityError, SHA256 } from './core.ts';

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');
const ascii = (text: string): Uint8Array => Buffer.from(text, 'ascii');

/** What one curve must answer: a key, its signature after plain RFC 6979 with the curve's own hash, and an agreement. */
interface KnownCurve {
  readonly name: Curve;
  readonly message: string;
  readonly scalar: Uint8Array;
  readonly point: Uint8Array;
  readonly signature: Uint8Array;
  readonly own: Uint8Array;
  readonly peer: Uint8Array;
  readonly shared: Uint8Array;
}

const KNOWN_CURVES: readonly KnownCurve[] = [
  {
    // RFC 6979 A.2.5; CAVP ECC CDH, P-256, COUNT 0.
    name: 'P-256',
    message: 'sample',
    scalar: hex('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721'),
    point: hex(
      '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
    ),
    signature: hex(
      'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
    ),
    own: hex('7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534'),
    peer: hex(
      '04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac',
    ),
    shared: hex('46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b'),
  },
  {
    // RFC 6979 A.2.6; CAVP ECC CDH, P-384, COUNT 0.
    name: 'P-384',
    message: 'sample',
    scalar: hex('6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5'),
    point: hex(
      '04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc138015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720',
    ),
    signature: hex(
      '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe4699ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8',
    ),
    own: hex('3cc3122a68f0d95027ad38c067916ba0eb8c38894d22e1b15618b6818a661774ad463b205da88cf699ab4d43c9cf98a1'),
    peer: hex(
      '04a7c76b970c3b5fe8b05d2838ae04ab47697b9eaf52e764592efda27fe7513272734466b400091adbf2d68c58e0c50066ac68f19f2e1cb879aed43a9969b91a0839c4c38a49749b661efedf243451915ed0905a32b060992b468c64766fc8437a',
    ),
    shared: hex('5f9d29dc5e31a163060356213669c8ce132e22f57c9a04f40ba7fcead493b457e5621e766c40a2e3d4d6a04b25e533f1'),
  },
  {
    // The RFC 6979 vectors of Bitcoin's libraries, "Alan Turing", with s as it is made; Wycheproof ecdh_secp256k1 tcId 1.
    name: 'secp256k1',
    message: 'Alan Turing',
    scalar: hex('f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181'),
    point: hex(
      '0492df7b245b81aa637ab4e867c8d511008f79161a97d64f2ac709600352f7acbce9bfdf1b13fa0cb1de4521e5386cde3a1cd26c5ab584989d07bbed58a5419f62',
    ),
    signature: hex(
      '7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15ca72033e1ff5ca1ea8d0c99001cb45f0272d3be7525d3049c0d9e98dc7582b857',
    ),
    own: hex('f4b7ff7cccc98813a69fae3df222bfe3f4e28f764bf91b4a10d8096ce446b254'),
    peer: hex(
      '04d8096af8a11e0b80037e1ee68246b5dcbb0aeb1cf1244fd767db80f3fa27da2b396812ea1686e7472e9692eaf3e958e50e9500d3b4c77243db1f2acd67ba9cc4',
    ),
    shared: hex('544dfae22af6af939042b1d85b71a1e49e9a5614123c4d6ad0c8af65baf87d65'),
  },
];

/** Places inputs in working memory, calls, compares, and leaves the rest to the caller's wipe. */
class Bench {
  readonly core: Core;
  readonly work: Arena;

  constructor(core: Core, work: Arena) {
    this.core = core;
    this.work = work;
  }

  put(bytes: Uint8Array): number {
    const at = this.work.take(bytes.length);
    this.core.bytes.set(bytes, at);
    return at;
  }

  context(key: Uint8Array): number {
    const ctx = this.work.take(this.core.call.AES_CTX_SIZE.value);
    this.expect('AES key schedule', this.core.call.aesExpandKey(ctx, this.put(key), key.length) === 1);
    return ctx;
  }

  expect(name: string, ok: boolean): void {
    if (!ok) throw new IntegrityError(`known-answer test failed: ${name}`);
  }

  compare(name: string, at: number, expected: Uint8Array): void {
    this.expect(
      name,
      expected.every((byte, i) => this.core.bytes[at + i] === byte),
    );
  }
}

type Test = (bench: Bench) => void;

/** For each hash: the digest of "abc" (the example of FIPS 180-4), and the MAC of RFC 4231 case 1. */
const HASH_ANSWERS = [
  {
    hash: HASH['SHA-256'].number,
    digest: hex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
    mac: hex('b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'),
  },
  {
    hash: HASH['SHA-384'].number,
    digest: hex('cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'),
    mac: hex('afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6'),
  },
  {
    hash: HASH['SHA-512'].number,
    digest: hex(
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    ),
    mac: hex(
      '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
    ),
  },
];

const hashes: Test = (b) => {
  const { call } = b.core;
  const abc = b.put(ascii('abc'));
  const out = b.work.take(64);
  const key = b.put(new Uint8Array(20).fill(0x0b));
  const message = b.put(ascii('Hi There'));
  for (const { hash, digest, mac } of HASH_ANSWERS) {
    b.expect('SHA-2', call.hash(hash, abc, 3, out) === 1);
    b.compare('SHA-2', out, digest);
    b.expect('HMAC', call.hmac(hash, key, 20, message, 8, out) === 1);
    b.compare('HMAC', out, mac);
    b.expect('HMAC verify', call.hmacVerify(hash, key, 20, message, 8, out, mac.length) === 1);
    b.core.bytes[out + mac.length - 1]! ^= 1;
    b.expect('HMAC refuse', call.hmacVerify(hash, key, 20, message, 8, out, mac.length) === 0);
  }
  call.sha256(abc, 3, out);
  b.compare('SHA-256', out, HASH_ANSWERS[0]!.digest);
};

/** RFC 7518 appendix C; SP 800-108 against the HMAC that was tested above; RFC 5869 A.1. */
const kdfs: Test = (b) => {
  const z = hex('9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4');
  const info = Buffer.concat([
    hex('00000007'),
    ascii('A128GCM'),
    hex('00000005'),
    ascii('Alice'),
    hex('00000003'),
    ascii('Bob'),
    hex('00000080'),
  ]);
  const out = b.work.take(32);
  b.expect('concat KDF', b.core.call.concatKdf(SHA256, b.put(z), 32, b.put(info), info.length, out, 16) === 1);
  b.compare('concat KDF', out, Buffer.from('VqqN6vgjbSBcIijNcacQGg', 'base64url'));

  const fixed = Buffer.concat([ascii('label'), hex('00'), ascii('context'), hex('00000100')]);
  const block = Buffer.concat([hex('00000001'), fixed]);
  const expected = b.work.take(32);
  const key = b.put(z);
  b.core.call.hmac(SHA256, key, 32, b.put(block), block.length, expected);
  b.expect('SP 800-108', b.core.call.kdf108(SHA256, key, 32, b.put(fixed), fixed.length, out, 32) === 1);
  b.compare('SP 800-108', out, b.core.bytes.slice(expected, expected + 32));

  const ikm = b.put(new Uint8Array(22).fill(0x0b));
  const salt = b.put(hex('000102030405060708090a0b0c'));
  const hkdfInfo = b.put(hex('f0f1f2f3f4f5f6f7f8f9'));
  const okm = b.work.take(42);
  b.expect('HKDF', b.core.call.hkdf(SHA256, salt, 13, ikm, 22, hkdfInfo, 10, okm, 42) === 1);
  b.compare('HKDF', okm, hex('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'));
};

/** CAVP HMAC_DRBG, SHA-256, no prediction resistance, no personalisation, COUNT 0: the second of two requests. */
const generator: Test = (b) => {
  const seed = hex('ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488659ba96c601dc69fc902940805ec0ca8');
  const out = b.work.take(128);
  b.expect('DRBG', b.core.call.drbgInstantiate(b.put(seed), seed.length, 0, 0) === 1);
  b.expect('DRBG', b.core.call.drbgGenerate(out, 128, 0, 0) === 1);
  b.expect('DRBG', b.core.call.drbgGenerate(out, 128, 0, 0) === 1);
  b.compare(
    'DRBG',
    out,
    hex(
      'e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba6e624abf07745bc107694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8',
    ),
  );
};

/** The GCM submission's test case 16; C2SP XAES-256-GCM's second vector. */
const authenticatedEncryption: Test = (b) => {
  const plaintext = hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  );
  const sealed = hex(
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
  );
  const key = 'feffe9928665731c6d6a8f9467308308';
  const ctx = b.context(hex(key + key));
  const iv = b.put(hex('cafebabefacedbaddecaf888'));
  const aad = b.put(hex('feedfacedeadbeeffeedfacedeadbeefabaddad2'));
  const out = b.work.take(sealed.length);
  const { gcmSeal, gcmOpen, xaesSeal, xaesOpen } = b.core.call;
  b.expect('GCM', gcmSeal(ctx, iv, 12, aad, 20, b.put(plaintext), plaintext.length, out) === 1);
  b.compare('GCM', out, sealed);
  const opened = b.work.take(plaintext.length);
  b.expect('GCM open', gcmOpen(ctx, iv, 12, aad, 20, out, sealed.length, opened) === 1);
  b.compare('GCM open', opened, plaintext);
  b.core.bytes[out]! ^= 1;
  b.expect('GCM refuse', gcmOpen(ctx, iv, 12, aad, 20, out, sealed.length, opened) === 0);

  const xaes = b.context(new Uint8Array(32).fill(3));
  const sub = b.work.take(b.core.call.AES_CTX_SIZE.value);
  const nonce = b.put(ascii('ABCDEFGHIJKLMNOPQRSTUVWX'));
  const aad2 = ascii('c2sp.org/XAES-256-GCM');
  const aad2Ptr = b.put(aad2);
  b.expect('XAES', xaesSeal(xaes, nonce, aad2Ptr, aad2.length, b.put(ascii('XAES-256-GCM')), 12, out, sub) === 1);
  b.compare('XAES', out, hex('986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d'));
  b.expect('XAES open', xaesOpen(xaes, nonce, aad2Ptr, aad2.length, out, 28, opened, sub) === 1);
  b.compare('XAES open', opened, ascii('XAES-256-GCM'));
};

const PATTERN = Uint8Array.from({ length: 256 }, (_, i) => i);

/** A header and a secret that count up, sealed alone and beside three others: what node:crypto made of docs/formats.md §2. */
const records: Test = (b) => {
  const { call, bytes, view } = b.core;
  const salt = hex('5df7c820cc47022228e63c0eb48e41c390c28687137a2df9ee5b24eca021023c');
  const sealed = hex(
    '4225c81c82782f44b16b37e5258a8acd1b9db4466a8cca795985f228bf36bdca9eaf536947642c1ba43f6fad474094a2',
  );
  const midstates = (fill: number): number => {
    const at = b.work.take(64);
    call.hmac256Key(b.put(new Uint8Array(32).fill(fill)), 32, at);
    return at;
  };
  const [hedge, base] = [midstates(1), midstates(2)];
  const secret = b.put(PATTERN.subarray(128, 160));
  const seed = b.put(PATTERN.subarray(64, 96));
  const context = b.put(PATTERN.subarray(192, 208));
  const jobs = b.work.take(28 * 4);
  for (const count of [1, 4]) {
    const places = Array.from({ length: count }, () => ({
      record: b.work.take(104 + sealed.length),
      opened: b.work.take(32),
      result: b.work.take(4),
    }));
    const lay = (job: (place: (typeof places)[number]) => readonly number[]) =>
      places.flatMap(job).forEach((word, i) => {
        view.setUint32(jobs + 4 * i, word, true);
      });
    for (const { record } of places) bytes.set(PATTERN.subarray(0, 104), record);
    lay(({ record }) => [record, 104, secret, 32, seed, base, context]);
    call.recordSeal(hedge, jobs, count);
    lay(({ record, opened, result }) => [record, 104, 32, base, context, opened, result]);
    call.recordOpen(jobs, count);
    for (const { record, opened, result } of places) {
      b.compare('record', record + 64, salt);
      b.compare('record', record + 104, sealed);
      b.expect('record open', view.getUint32(result, true) === 1);
      b.compare('record open', opened, PATTERN.subarray(128, 160));
      bytes[record + 40]! ^= 1;
    }
    call.recordOpen(jobs, count);
    for (const { result } of places) b.expect('record refuse', view.getUint32(result, true) === 0);
  }
};

/** A key of each size and four of one side by side: CMAC, which is tested above, twice over one constant. */
const checkValues: Test = (b) => {
  const { aesCheckValues, cmac } = b.core.call;
  const message = ascii('keycell/v1/check');
  const at = b.put(message);
  const derived = b.work.take(16);
  for (const lengths of [[16], [24], [32, 32, 32, 32]]) {
    const jobs = b.work.take(12 * lengths.length);
    const keys = lengths.map((length, i) => ({ bytes: PATTERN.subarray(i, i + length), out: b.work.take(16) }));
    keys.forEach(({ bytes, out }, i) => {
      [b.put(bytes), bytes.length, out].forEach((word, j) => {
        b.core.view.setUint32(jobs + 12 * i + 4 * j, word, true);
      });
    });
    aesCheckValues(jobs, lengths.length);
    for (const { bytes, out } of keys) {
      cmac(b.context(bytes), at, message.length, derived);
      const value = b.work.take(16);
      cmac(b.context(b.core.bytes.slice(derived, derived + 16)), at, message.length, value);
      b.compare('check value', out, b.core.bytes.slice(value, value + 3));
    }
  }
};

/** SP 800-38A F.5.5 and F.2.5, as far as three blocks; SP 800-38B, AES-256, 40 bytes. */
const modes: Test = (b) => {
  const { aesCtr, cbcEncrypt, cbcDecrypt, cmac, cmacVerify } = b.core.call;
  const ctx = b.context(hex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'));
  const data = hex('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef');
  const input = b.put(data);
  const out = b.work.take(64);
  const counter = b.put(hex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'));
  b.expect('CTR', aesCtr(ctx, counter, input, 34, out) === 1);
  b.compare('CTR', out, hex('601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b09'));

  const iv = b.put(hex('000102030405060708090a0b0c0d0e0f'));
  b.expect('CBC', cbcEncrypt(ctx, iv, input, 48, out) === 64);
  b.compare(
    'CBC',
    out,
    hex('f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461'),
  );
  const back = b.work.take(64);
  b.expect('CBC decrypt', cbcDecrypt(ctx, iv, out, 64, back) === 48);
  b.compare('CBC decrypt', back, data);
  b.expect('CBC refuse', cbcDecrypt(ctx, iv, out, 48, back) === -1);

  b.expect('CMAC', cmac(ctx, input, 40, out) === 1);
  b.compare('CMAC', out, hex('aaf3d8f1de5640c232f5b169b9c911e6'));
  b.expect('CMAC verify', cmacVerify(ctx, input, 40, out, 16) === 1);
  b.core.bytes[out]! ^= 1;
  b.expect('CMAC refuse', cmacVerify(ctx, input, 40, out, 16) === 0);
};

/** RFC 3394 §4.6; RFC 5649 §6. */
const keyWrap: Test = (b) => {
  const { kwWrap, kwUnwrap, kwWrapMany, kwUnwrapMany, kwpWrap, kwpUnwrap } = b.core.call;
  const ctx = b.context(hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'));
  const data = hex('00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f');
  const wrapped = hex('28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21');
  const out = b.work.take(48);
  const back = b.work.take(48);
  b.expect('KW', kwWrap(ctx, b.put(data), 32, out) === 1);
  b.compare('KW', out, wrapped);
  b.expect('KW unwrap', kwUnwrap(ctx, out, 40, back) === 1);
  b.compare('KW unwrap', back, data);
  b.core.bytes[out + 39]! ^= 1;
  b.expect('KW refuse', kwUnwrap(ctx, out, 40, back) === 0);

  // Ten under one key: eight go through the bitsliced AES, two side by side through the other.
  const plain = b.put(data);
  const each = Array.from({ length: 10 }, () => ({ blob: b.work.take(40), back: b.work.take(32), ok: b.work.take(4) }));
  const run = (kernel: (jobs: number, count: number) => void, jobs: number[][]) => {
    const at = b.work.take(20 * jobs.length);
    jobs.flat().forEach((word, i) => {
      b.core.view.setUint32(at + 4 * i, word, true);
    });
    kernel(at, jobs.length);
    for (const { ok } of each) b.expect('KW of many', b.core.view.getUint32(ok, true) === 1);
  };
  run(
    kwWrapMany,
    each.map(({ blob, ok }) => [ctx, plain, 32, blob, ok]),
  );
  for (const { blob } of each) b.compare('KW of many', blob, wrapped);
  run(
    kwUnwrapMany,
    each.map((job) => [ctx, job.blob, 40, job.back, job.ok]),
  );
  for (const job of each) b.compare('KW unwrap of many', job.back, data);

  const ctx192 = b.context(hex('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8'));
  const key = hex('c37b7e6492584340bed12207808941155068f738');
  b.expect('KWP', kwpWrap(ctx192, b.put(key), 20, out) === 32);
  b.compare('KWP', out, hex('138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a'));
  b.expect('KWP unwrap', kwpUnwrap(ctx192, out, 32, back) === 20);
  b.compare('KWP unwrap', back, key);
};

const curves: Test = (b) => {
  for (const known of KNOWN_CURVES) {
    const mark = b.work.mark();
    curve(b, known);
    b.work.release(mark);
  }
};

function curve(b: Bench, known: KnownCurve): void {
  const { call } = b.core;
  const { name } = known;
  const { number, size } = CURVE[name];
  const hash = HASH[CURVE[name].hash].number;
  const job = (...addresses: number[]): number => {
    const at = b.work.take(16);
    addresses.forEach((address, i) => {
      b.core.view.setUint32(at + 4 * i, address, true);
    });
    return at;
  };
  const out = b.work.take(2 * size + 1);
  const result = b.work.take(4);
  const valid = () => b.core.view.getUint32(result, true) === 1;
  const scalar = b.put(known.scalar);
  b.expect(`${name} public key`, call.ecPublicKey(number, scalar, out) === 1);
  b.compare(`${name} public key`, out, known.point);
  const digest = b.work.take(64);
  call.hash(hash, b.put(ascii(known.message)), known.message.length, digest);
  call.ecdsaSign(number, hash, job(scalar, digest, 0, out), 1);
  b.compare(`${name} sign`, out, known.signature);
  const check = job(b.put(known.point), digest, out, result);
  call.ecdsaVerify(number, hash, check, 1);
  b.expect(`${name} verify`, valid());
  const der = b.work.take(2 * size + 16);
  const raw = b.work.take(2 * size);
  const derLen = call.derEncode(size, out, der);
  b.expect(`${name} DER`, call.derDecode(size, der, derLen, raw) === 1);
  b.compare(`${name} DER`, raw, known.signature);
  b.core.bytes[out + 2 * size - 1]! ^= 1;
  call.ecdsaVerify(number, hash, check, 1);
  b.expect(`${name} refuse`, !valid());
  // Hedged signatures differ with their noise and verify all the same.
  call.ecdsaSign(number, hash, job(scalar, digest, b.put(new Uint8Array(size).fill(1)), out), 1);
  call.ecdsaVerify(number, hash, check, 1);
  b.expect(`${name} hedged`, valid() && !known.signature.every((byte, i) => b.core.bytes[out + i] === byte));

  call.ecdh(number, job(b.put(known.own), b.put(known.peer), out, result), 1);
  b.expect(`${name} ECDH`, valid());
  b.compare(`${name} ECDH`, out, known.shared);
}

const TESTS: readonly Test[] = [
  hashes,
  kdfs,
  generator,
  authenticatedEncryption,
  records,
  modes,
  checkValues,
  keyWrap,
  curves,
];

/** Run every test, then wipe; the generator is left without a state. Throws IntegrityError. */
export function selfTest(core: Core, work: Arena): void {
  core.call.ecInit();
  const bench = new Bench(core, work);
  try {
    for (const test of TESTS) {
      const mark = work.mark();
      test(bench);
      work.release(mark);
    }
  } finally {
    core.call.wipeAll();
    work.reset();
  }
}
