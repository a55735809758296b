/**
 * What each operation is charged beside what it takes, at the extremes of its parameters: `node bench/declared.mjs [WORD …]`
 * after `npm run build`. A charge unit is about a microsecond of a cell on an x64 core of 2026. Where a row's share is above
 * one, the scheduler believes the request cheaper than it is: src/pool/cost.ts is to be mended, or the bound lowered.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { calculateJwkThumbprint } from 'jose';
import { openEphemeralHsm } from '../dist/index.js';
import { Batcher } from '../dist/pool/batcher.js';
import { costOf, tableShareOf, verifies } from '../dist/pool/cost.js';
import { TabledKeys } from '../dist/pool/tabled-keys.js';
import { requestSize } from '../dist/wire/batch.js';

/** The charge of the last request, and its size. */
let charged = 0;
let size = 0;
const tabled = new TabledKeys(1);
const { submit } = Batcher.prototype;
Batcher.prototype.submit = function (request, ...rest) {
  const lacks = tabled.lacks(request);
  charged = costOf(request, !lacks) + (lacks && verifies(request) ? tableShareOf(request) : 0);
  tabled.served(request, { status: 0, parts: [Uint8Array.of(1)] });
  size = requestSize(request);
  return submit.call(this, request, ...rest);
};

const MIB = 2 ** 20;
const BIG = 16 * MIB;
const CURVES = ['P-256', 'P-384', 'secp256k1'];
const HASHES = ['SHA-256', 'SHA-384', 'SHA-512'];
const KDF_MAX = 1024;
const { hsm, session } = await openEphemeralHsm({ workers: 1, queueLimit: 16384 });
const transient = { persistent: false };
const key = (template) => session.generateKey({ ...transient, ...template });
/** What comes of these keys may be anything: policy is not what is measured. */
const KEK = { usage: ['wrap', 'unwrap'], dualUse: true, unwrapTemplate: 'any', rewrapPolicy: 'any' };
const BASE = { usage: ['derive'], dualUse: true, deriveTemplate: 'any' };
const repeat = (n, item) => Array.from({ length: n }, (_, i) => (typeof item === 'function' ? item(i) : item));
const big = new Uint8Array(BIG);
const half = new Uint8Array(8 * MIB);
const few = new Uint8Array(32);
const kdfs = [
  ['hkdf', { salt: new Uint8Array(KDF_MAX), info: new Uint8Array(KDF_MAX) }],
  ['sp800-108', { label: new Uint8Array(KDF_MAX), context: new Uint8Array(KDF_MAX) }],
  ['concat', { algorithm: 'A256GCM', apu: new Uint8Array(KDF_MAX), apv: new Uint8Array(KDF_MAX) }],
];

/** Name, and what makes the call that is measured. */
const CASES = [];
const add = (name, prepare) => CASES.push({ name, prepare });

for (const curve of CURVES) {
  const usage = ['sign', 'verify'];
  add(`sign ${curve}`, async () => {
    const k = await key({ type: 'EC', curve, usage });
    return () => session.sign(k, few);
  });
  add(`sign ${curve}, rfc6979, der`, async () => {
    const k = await key({ type: 'EC', curve, usage });
    return () => session.sign(k, few, { nonce: 'rfc6979', format: 'der' });
  });
  for (const hash of HASHES)
    add(`sign ${curve}, ${hash}, 16 MiB`, async () => {
      const k = await key({ type: 'EC', curve, usage });
      return () => session.sign(k, big, { hash });
    });
  add(`verify ${curve}, one key`, async () => {
    const k = await key({ type: 'EC', curve, usage });
    const signature = await session.sign(k, few);
    return () => session.verify(k, signature, few);
  });
  add(`verify ${curve}, a key seen once`, async () => {
    const own = await key({ type: 'EC', curve, usage });
    const signature = await session.sign(own, few);
    const list = await Promise.all(repeat(192, () => key({ type: 'EC', curve, usage })));
    let i = 0;
    return () => session.verify(list[i++ % 192], signature, few);
  });
  add(`verify ${curve}, a key that earns a table`, async () => {
    // Each key comes eight times: the eighth makes its table.
    const list = await Promise.all(repeat(64, () => key({ type: 'EC', curve, usage })));
    const signature = await session.sign(list[0], few);
    let i = 0;
    return () => session.verify(list[(i++ >> 3) % 64], signature, few);
  });
  add(`generateKey ${curve}`, async () => () => key({ type: 'EC', curve, usage }));
  add(`importKey ${curve}, PKCS#8`, async () => {
    const k = await key({ type: 'EC', curve, usage, extractable: 'plaintext' });
    const der = await session.exportKey(k);
    return () => session.importKey({ type: 'EC', curve, usage, ...transient }, der);
  });
  add(`importKey ${curve}, PEM with 60 KiB around it`, async () => {
    const k = await key({ type: 'EC', curve, usage, extractable: 'plaintext' });
    const der = Buffer.from(await session.exportKey(k)).toString('base64');
    const pem = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
    const around = Buffer.from('- '.repeat(30 * 1024) + pem);
    return () => session.importKey({ type: 'EC', curve, usage, ...transient }, around);
  });
  add(`importKey ${curve}, compressed point`, async () => {
    const k = await key({ type: 'EC', curve, usage });
    const y = Buffer.from(k.jwk.y, 'base64url');
    const point = Buffer.concat([Buffer.of(2 + (y.at(-1) & 1)), Buffer.from(k.jwk.x, 'base64url')]);
    return () => session.importKey({ type: 'EC', class: 'public', curve, usage: ['verify'], ...transient }, point);
  });
  add(`unwrapKey ${curve}, KWP`, async () => {
    const kek = await key({ type: 'AES', bits: 256, ...KEK });
    const k = await key({ type: 'EC', curve, usage, extractable: 'wrapped' });
    const blob = await session.wrapKey(kek, k, { mechanism: 'AES-KWP' });
    return () => session.unwrapKey(kek, blob, { type: 'EC', curve, usage }, { mechanism: 'AES-KWP' });
  });
  for (const [name, members] of kdfs) {
    for (const hash of HASHES)
      add(`deriveKey ECDH ${curve}, ${name} ${hash}, most, 4096 bits`, async () => {
        const a = await key({ type: 'EC', curve, ...BASE });
        const b = await key({ type: 'EC', curve, ...BASE });
        const kdf = { name, hash, ...members };
        const template = { type: 'HMAC', bits: 4096, usage: ['sign'] };
        return () => session.deriveKey(a, { mechanism: 'ECDH', publicKey: b.jwk, kdf }, template);
      });
  }
}
for (const [name, members] of kdfs) {
  for (const hash of HASHES)
    add(`deriveKey ${name} ${hash}, most, 4096 bits`, async () => {
      const base = await key({ type: 'HMAC', bits: 4096, ...BASE });
      const kdf = { name, hash, ...members };
      return () => session.deriveKey(base, { mechanism: 'KDF', kdf }, { type: 'GENERIC', bits: 4096, ...BASE });
    });
}
for (const hash of HASHES) {
  add(`sign HMAC ${hash}`, async () => {
    const k = await key({ type: 'HMAC', bits: 4096, usage: ['sign', 'verify'] });
    return () => session.sign(k, few, { hash });
  });
  add(`sign HMAC ${hash}, 16 MiB`, async () => {
    const k = await key({ type: 'HMAC', bits: 4096, usage: ['sign', 'verify'] });
    return () => session.sign(k, big, { hash });
  });
  add(`verify HMAC ${hash}, 16 MiB`, async () => {
    const k = await key({ type: 'HMAC', bits: 4096, usage: ['sign', 'verify'] });
    const mac = await session.sign(k, big, { hash });
    return () => session.verify(k, mac, big, { hash });
  });
}
add('sign CMAC', async () => {
  const k = await key({ type: 'AES', bits: 256, usage: ['sign', 'verify'] });
  return () => session.sign(k, few);
});
add('sign CMAC, 16 MiB', async () => {
  const k = await key({ type: 'AES', bits: 256, usage: ['sign', 'verify'] });
  return () => session.sign(k, big);
});
const cipherKey = (more) => key({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], ...more });
const COMPOSITE = (bits) => ({ type: 'AES-CBC-HMAC', bits });
const ciphers = [
  ['envelope', {}],
  ['GCM', { mechanism: 'AES-GCM' }],
  ['CTR', { mechanism: 'AES-CTR' }],
  ['CBC', { mechanism: 'AES-CBC' }],
  ['CBC-HMAC-256', { mechanism: 'AES-CBC-HMAC' }, COMPOSITE(256)],
  ['CBC-HMAC-512', { mechanism: 'AES-CBC-HMAC' }, COMPOSITE(512)],
];
for (const [name, options, template] of ciphers) {
  add(`encrypt ${name}, 32 bytes`, async () => {
    const k = await cipherKey(template);
    return () => session.encrypt(k, few, options);
  });
  add(`encrypt ${name}, 16 MiB`, async () => {
    const k = await cipherKey(template);
    return () => session.encrypt(k, big, options);
  });
  add(`decrypt ${name}, 16 MiB`, async () => {
    const k = await cipherKey(template);
    const out = await session.encrypt(k, big, options);
    if (name === 'envelope') return () => session.decrypt(k, out);
    return () => session.decrypt(k, out.ciphertext, { ...options, iv: out.iv });
  });
}
add('encrypt envelope, aad 16 MiB', async () => {
  const k = await cipherKey();
  return () => session.encrypt(k, few, { aad: big });
});
add('encrypt CBC-HMAC, aad 16 MiB', async () => {
  const k = await cipherKey(COMPOSITE(256));
  return () => session.encrypt(k, few, { mechanism: 'AES-CBC-HMAC', aad: big });
});
add('encrypt GCM, iv 1 KiB', async () => {
  const k = await cipherKey({ callerIv: true });
  return () => session.encrypt(k, few, { mechanism: 'AES-GCM', iv: new Uint8Array(1024) });
});
add('reencrypt 16 MiB', async () => {
  const [a, b] = [await cipherKey(), await cipherKey()];
  const envelope = await session.encrypt(a, big);
  return () => session.reencrypt(a, envelope, { to: b });
});
add('reencrypt 32 bytes, aad 8 MiB twice', async () => {
  const [a, b] = [await cipherKey(), await cipherKey()];
  const envelope = await session.encrypt(a, few, { aad: half });
  return () => session.reencrypt(a, envelope, { to: b, aad: half });
});
add('generateDataKey 4096 bytes', async () => {
  const k = await cipherKey();
  return () => session.generateDataKey(k, { bytes: 4096 });
});
add('generateDataKey 32 bytes', async () => {
  const k = await cipherKey();
  return () => session.generateDataKey(k, { bytes: 32 });
});
for (const bytes of [32, 65536]) add(`random ${bytes} bytes`, async () => () => session.random(bytes));
add('generateKey AES', async () => () => key({ type: 'AES', bits: 256, usage: ['encrypt'] }));
/** By turns, so that nothing is as it was for the request before. */
const byTurns = (...items) => {
  let turn = 0;
  return () => items[turn++ % items.length];
};
const wanted = () =>
  byTurns({ type: 'AES', bits: 256, usage: ['encrypt'] }, { type: 'AES', bits: 256, usage: ['decrypt'] });
add('generateKey AES, two templates', async () => {
  const template = wanted();
  return () => key(template());
});
for (const [name, keys] of [
  ['one key, two templates', 1],
  ['two keys and templates', 2],
]) {
  add(`unwrapKey AES-KWP, ${name}`, async () => {
    const template = wanted();
    const content = await key({ type: 'AES', bits: 256, usage: [], extractable: 'wrapped' });
    const wrapped = async () => {
      const kek = await key({ type: 'AES', bits: 256, ...KEK });
      return { kek, blob: await session.wrapKey(kek, content, { mechanism: 'AES-KWP' }) };
    };
    const next = byTurns(...(await Promise.all(repeat(keys, wrapped))));
    return () => {
      const { kek, blob } = next();
      return session.unwrapKey(kek, blob, template(), { mechanism: 'AES-KWP' });
    };
  });
  add(`deriveKey hkdf, ${name}`, async () => {
    const template = wanted();
    const base = byTurns(...(await Promise.all(repeat(keys, () => key({ type: 'HMAC', bits: 256, ...BASE })))));
    const kdf = { name: 'hkdf', hash: 'SHA-256', info: few };
    return () => session.deriveKey(base(), { mechanism: 'KDF', kdf }, template());
  });
}
add('importKey AES, two templates', async () => {
  const template = wanted();
  return () => session.importKey({ ...template(), ...transient }, few);
});
add('wrapKey AES-KWP, two keys', async () => {
  const kek = byTurns(...(await Promise.all(repeat(2, () => key({ type: 'AES', bits: 256, ...KEK })))));
  const content = await key({ type: 'AES', bits: 256, usage: [], extractable: 'wrapped' });
  return () => session.wrapKey(kek(), content, { mechanism: 'AES-KWP' });
});
add('generateKey HMAC 4096 bits, label', async () => () => {
  const label = randomBytes(64).toString('hex');
  return session.generateKey({ type: 'HMAC', bits: 4096, usage: ['sign'], label, ...transient });
});
add('importKey HMAC 4096 bits', async () => {
  const material = randomBytes(512);
  return () => session.importKey({ type: 'HMAC', bits: 4096, usage: ['sign'], ...transient }, material);
});
add('exportKey P-384', async () => {
  const k = await key({ type: 'EC', curve: 'P-384', usage: ['sign'], extractable: 'plaintext' });
  return () => session.exportKey(k);
});
add('setAttributes', async () => {
  const list = await Promise.all(
    repeat(300, (i) => session.generateKey({ type: 'HMAC', bits: 4096, usage: ['sign'], label: `${i}` })),
  );
  let n = 0;
  return async () => {
    const i = n++ % 300;
    list[i] = await session.setAttributes(list[i], { label: `another ${n}` });
  };
});
add('destroyKey, which is refused', async () => {
  const k = await key({ type: 'HMAC', bits: 4096, usage: ['sign'], destroyable: false });
  return () => session.destroyKey(k).catch(() => {});
});
for (const mechanism of ['AES-KW', 'AES-KWP', 'AES-GCM']) {
  add(`wrapKey ${mechanism}, 32 bytes`, async () => {
    const kek = await key({ type: 'AES', bits: 256, ...KEK });
    const content = await key({ type: 'AES', bits: 256, usage: [], extractable: 'wrapped' });
    return () => session.wrapKey(kek, content, { mechanism });
  });
  add(`unwrapKey ${mechanism}, 32 bytes`, async () => {
    const kek = await key({ type: 'AES', bits: 256, ...KEK });
    const content = await key({ type: 'AES', bits: 256, usage: [], extractable: 'wrapped' });
    const blob = await session.wrapKey(kek, content, { mechanism });
    return () => session.unwrapKey(kek, blob, { type: 'AES', bits: 256, usage: ['encrypt'] }, { mechanism });
  });
}
for (const [name, mechanism] of [
  ['KW', 'AES-KW'],
  ['KWP', 'AES-KWP'],
  ['GCM', 'AES-GCM'],
]) {
  const wrapping = async () => {
    const kek = await key({ type: 'AES', bits: 256, ...KEK });
    const content = await key({ type: 'HMAC', bits: 4096, usage: ['sign'], extractable: 'wrapped' });
    return { kek, content };
  };
  add(`wrapKey ${name}, 512 bytes`, async () => {
    const { kek, content } = await wrapping();
    return () => session.wrapKey(kek, content, { mechanism });
  });
  add(`unwrapKey ${name}, 512 bytes`, async () => {
    const { kek, content } = await wrapping();
    const blob = await session.wrapKey(kek, content, { mechanism });
    return () => session.unwrapKey(kek, blob, { type: 'HMAC', bits: 4096, usage: ['sign'] }, { mechanism });
  });
}
add('unwrapKey GCM, aad 16 MiB', async () => {
  const kek = await key({ type: 'AES', bits: 256, ...KEK });
  const content = await key({ type: 'HMAC', bits: 4096, usage: ['sign'], extractable: 'wrapped' });
  const by = { mechanism: 'AES-GCM', aad: big };
  const blob = await session.wrapKey(kek, content, by);
  return () => session.unwrapKey(kek, blob, { type: 'HMAC', bits: 4096, usage: ['sign'] }, by);
});
const rewrap = (name, { blobs, bits, mechanism = 'AES-KWP', as, curve = 'P-256', header }) =>
  add(`rewrapKeys ${name}`, async () => {
    const kek = await key({ type: 'AES', bits: 256, ...KEK });
    const content = await key({ type: 'HMAC', bits, usage: ['sign'], extractable: 'wrapped' });
    const blob = await session.wrapKey(kek, content, { mechanism });
    const device = await key({ type: 'EC', curve, ...BASE });
    const list = repeat(blobs, blob);
    const to = as === 'JWE' ? { jwk: device.jwk } : kek;
    return () => session.rewrapKeys(list, { from: kek, mechanism, to, as, ...(header && { header }) });
  });
const fat = (i = 0) => ({ kid: `${i}`.padStart(5, '0'), x: 'a'.repeat(8100) });
const nested = () => JSON.parse(`${'{"a":'.repeat(14)}"${'x'.repeat(8000)}"${'}'.repeat(14)}`);
for (const mechanism of ['AES-KW', 'AES-KWP', 'AES-GCM'])
  for (const as of ['AES-KW', 'AES-KWP', 'AES-GCM', 'JWE'])
    rewrap(`950 × 512 bytes, ${mechanism} to ${as}`, { blobs: 950, bits: 4096, mechanism, as });
for (const mechanism of ['AES-KW', 'AES-KWP', 'AES-GCM'])
  for (const as of ['AES-KW', 'AES-KWP', 'AES-GCM', 'JWE'])
    rewrap(`4096 × 32 bytes, ${mechanism} to ${as}`, { blobs: 4096, bits: 256, mechanism, as });
for (const bits of [128, 4096])
  rewrap(`950 × ${bits} bits as JWE, P-384`, { blobs: 950, bits, as: 'JWE', curve: 'P-384' });
rewrap('1 blob as JWE, P-256', { blobs: 1, bits: 256, as: 'JWE' });
rewrap('1 blob as JWE, P-384', { blobs: 1, bits: 256, as: 'JWE', curve: 'P-384' });
rewrap('16 blobs as JWE, P-256', { blobs: 16, bits: 256, as: 'JWE' });
for (const curve of ['P-256', 'P-384'])
  for (const issuers of [1, 192])
    add(`rewrapKeys 4 blobs as JWE, proofs of ${issuers} on ${curve}`, () => proved(curve, issuers));
for (const n of [100, 250])
  rewrap(`${n} blobs as JWE, a header of 8 KiB`, { blobs: n, bits: 128, as: 'JWE', header: fat() });
for (const n of [100, 250])
  rewrap(`${n} blobs as JWE, a header of 8 KiB each`, { blobs: n, bits: 128, as: 'JWE', header: repeat(n, fat) });
rewrap('250 blobs as JWE, a nested header of 8 KiB', { blobs: 250, bits: 128, as: 'JWE', header: nested() });
rewrap('4096 blobs as JWE, a kid each', {
  blobs: 4096,
  bits: 128,
  as: 'JWE',
  header: repeat(4096, (i) => ({ kid: `content-${i}` })),
});

/** As a licence server's: each key-encryption key has its issuer, who names the blobs. */
async function proved(curve, issuers) {
  const device = await key({ type: 'EC', curve: 'P-256', ...BASE });
  const kid = await calculateJwkThumbprint(device.jwk);
  const calls = await Promise.all(
    repeat(issuers, async () => {
      const issuer = await key({ type: 'EC', curve, usage: ['sign', 'verify'] });
      const point = await session.importKey(
        { type: 'EC', class: 'public', curve, usage: ['verify'], ...transient },
        Buffer.from(issuer.publicKey),
      );
      const rewrapPolicy = { issuer: point };
      const kek = await key({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy });
      const content = await key({ type: 'AES', bits: 128, usage: [], extractable: 'wrapped' });
      const blobs = await Promise.all(repeat(4, () => session.wrapKey(kek, content, { mechanism: 'AES-KW' })));
      const now = Math.floor(Date.now() / 1000);
      const times = { iat: now, exp: now + 3600, jti: 'a'.repeat(22) };
      const digests = blobs.map((blob) => createHash('sha256').update(blob).digest('base64url'));
      const claims = { aud: `keycell:${hsm.id}`, ...times, cnf: { jkt: kid }, blobs: digests };
      const header = { alg: curve === 'P-256' ? 'ES256' : 'ES384', typ: 'keycell-rewrap+jwt' };
      const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
      const signature = await session.sign(issuer, Buffer.from(input));
      const proof = `${input}.${Buffer.from(signature).toString('base64url')}`;
      const list = repeat(4, (i) => ({ kid: `content-${i}` }));
      const options = { from: kek, mechanism: 'AES-KW', to: { jwk: device.jwk, proof }, as: 'JWE', header: list };
      return () => session.rewrapKeys(blobs, options);
    }),
  );
  let turn = 0;
  return () => calls[turn++ % issuers]();
}

async function streamOf(k) {
  const { readable, writable } = session.encryptStream(k);
  const writer = writable.getWriter();
  writer.write(new Uint8Array(65536)).catch(() => {});
  writer.close().catch(() => {});
  for await (const _ of readable);
}
add('encryptStream, one segment of 64 KiB', async () => {
  const k = await cipherKey();
  return () => streamOf(k);
});

const words = process.argv.slice(2);
const row = (name, ...rest) => console.log(name.padEnd(62), ...rest.map((text) => String(text).padStart(10)));

/**
 * Microseconds of the cell's processor that a call takes: of one alone where it is dear, of one among many where the trip, and
 * the cell's look-out for the next, would be what is measured. Processor time, so that a busy machine says the same.
 */
async function measure(call) {
  await call();
  const count = charged < 100 ? 256 : charged < 1000 ? 32 : 1;
  const all = () => Promise.all(repeat(count, () => call()));
  // V8 compiles for good what it has met some thousand times, on threads that are counted here.
  const warm = performance.now();
  while (count > 1 && performance.now() - warm < 400) await all();
  const times = [];
  const began = performance.now();
  while (times.length < 7 || (performance.now() - began < 250 && times.length < 60)) {
    const before = othersMicros();
    await all();
    times.push((othersMicros() - before) / count);
  }
  times.sort((a, b) => a - b);
  return { least: times[0], median: times[times.length >> 1] };
}

/** Processor time of all threads but this one: the cell's, since nobody else works. */
function othersMicros() {
  let nanoseconds = 0;
  for (const thread of readdirSync('/proc/self/task')) {
    if (Number(thread) === process.pid) continue;
    nanoseconds += Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return nanoseconds / 1000;
}

row('operation', 'bytes', 'charge', 'least µs', 'median', 'share');
for (const { name, prepare } of CASES) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  try {
    const { least, median } = await measure(await prepare());
    const share = median / charged;
    row(name, size, charged, least.toFixed(1), median.toFixed(1), `${share.toFixed(2)}${share > 1 ? ' *' : '  '}`);
  } catch (error) {
    row(name, size, charged, error.code ?? error);
  }
}
await hsm.close();
