/**
 * What one user can do to another: a user floods by one operation after the other, each at its extreme, while another signs
 * on P-256 one at a time. Two cells; 30 s a flood with --long, a look otherwise.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { percentile } from '../measure.mjs';
import { openBenchHsm } from './open.mjs';

const CELLS = 2;
const SECONDS = { long: 30, short: 3 };
const KIB = 1024;
const MIB = 1024 * KIB;
/** The largest that every operation takes: some add a nonce, a tag or padding. */
const LARGEST = 16 * MIB - KIB;
const MESSAGE = randomBytes(32);

export const starvation = [
  {
    name: 'starvation: signatures beside another user’s floods',
    async measure({ long }) {
      const seconds = long ? SECONDS.long : SECONDS.short;
      const { session: flooding, loginAs, login, close } = await openBenchHsm({ workers: CELLS });
      const floods = [];
      try {
        const victim = await loginAs('victim');
        const key = await victim.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
        const sign = () => victim.sign(key, MESSAGE);
        for (let i = 0; i < 2000; i++) await sign();
        for (const [name, inFlight, make] of FLOODS) {
          // A ticket lasts a quarter of an hour; all of them, with --long, take longer.
          await Promise.all([victim.renew(), flooding.renew()]);
          const operation = await make(flooding, login);
          floods.push({ name, ...(await beside(sign, operation, inFlight, seconds)) });
        }
      } finally {
        await close();
      }
      const worst = floods.reduce((a, b) => (b.p999 > a.p999 ? b : a));
      const all = floods.map(({ p999 }) => p999);
      const note = `${seconds} s a flood, ${CELLS} cells; milliseconds of a signature\n${table(floods)}`;
      return [{ id: 'starvation', value: worst.p999, low: Math.min(...all), high: worst.p999, note, floods }];
    },
  },
];

/** Milliseconds that `sign`, one at a time, takes while `operation` is in flight so many times. */
async function beside(sign, operation, inFlight, seconds) {
  const end = performance.now() + 1000 * seconds;
  const found = [];
  let [served, busy] = [0, 0];
  const lane = async () => {
    while (performance.now() < end) {
      try {
        await operation();
        served++;
      } catch (error) {
        if (error.code !== 'KEYCELL_BUSY') throw error;
        busy++;
        await turn();
      }
    }
  };
  const lanes = Array.from({ length: inFlight }, lane);
  const victim = async () => {
    while (performance.now() < end) {
      const began = performance.now();
      await sign();
      found.push(performance.now() - began);
    }
  };
  await Promise.all([victim(), ...lanes]);
  found.sort((a, b) => a - b);
  const at = (share) => percentile(found, share);
  return { signatures: found.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), worst: found.at(-1), served, busy };
}

function table(floods) {
  const heading = ['', 'p50', 'p99', 'p99.9', 'worst', 'signatures', 'of the flood', 'refused'];
  const rows = floods.map(({ name, p50, p99, p999, worst, signatures, served, busy }) => [
    name,
    ...[p50, p99, p999, worst].map((ms) => ms.toFixed(1)),
    ...[signatures, served, busy].map(String),
  ]);
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return all.map((row) => `    ${line(row)}`).join('\n');
}

// The floods: a name, how many in flight, and what makes the operation.

const made = (session, template) => session.generateKey({ persistent: false, ...template });
const ec = (session, curve, usage) => made(session, { type: 'EC', curve, usage });
const cipherKey = (session) => made(session, { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });

const signing = (curve, bytes) => async (session) => {
  const [key, message] = [await ec(session, curve, ['sign']), randomBytes(bytes)];
  return () => session.sign(key, message);
};

const encrypting = (bytes, options) => async (session) => {
  const [key, plaintext] = [await cipherKey(session), new Uint8Array(bytes)];
  return () => session.encrypt(key, plaintext, options);
};

const decrypting = (bytes) => async (session) => {
  const key = await cipherKey(session);
  const envelope = await session.encrypt(key, new Uint8Array(bytes));
  return () => session.decrypt(key, envelope);
};

const reencrypting = (bytes) => async (session) => {
  const [from, to] = [await cipherKey(session), await cipherKey(session)];
  const envelope = await session.encrypt(from, new Uint8Array(bytes));
  return () => session.reencrypt(from, envelope, { to });
};

const macs = (type, hash) => async (session) => {
  const [key, message] = [await made(session, { type, bits: 256, usage: ['sign'] }), new Uint8Array(LARGEST)];
  return () => session.sign(key, message, hash === undefined ? {} : { hash });
};

const verifying = (curve) => async (session) => {
  const signer = await ec(session, curve, ['sign']);
  const signature = await session.sign(signer, MESSAGE);
  // More keys than a cell remembers tables of.
  const keys = [];
  for (let i = 0; i < 512; i++) {
    const { publicKey } = await ec(session, curve, ['sign']);
    keys.push(
      await session.importKey({ type: 'EC', class: 'public', curve, usage: ['verify'], persistent: false }, publicKey),
    );
  }
  let next = 0;
  return () => session.verify(keys[next++ % keys.length], signature, MESSAGE);
};

/** A content key under a wrapping key that may re-wrap. */
const wrappedKey = async (session) => {
  const kek = await made(session, { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' });
  const content = await made(session, {
    type: 'AES',
    bits: 256,
    usage: ['encrypt', 'decrypt'],
    extractable: 'wrapped',
  });
  const blob = await session.wrapKey(kek, content, { mechanism: 'AES-KW' });
  return { kek, blob };
};

const rewrapping = (count, as, curve, header) => async (session) => {
  const { kek, blob } = await wrappedKey(session);
  const blobs = Array.from({ length: count }, () => blob);
  const to = as === 'JWE' ? { jwk: (await ec(session, curve, ['derive'])).jwk } : kek;
  const options = { from: kek, mechanism: 'AES-KW', to, as, ...(header !== undefined && { header }) };
  return () => session.rewrapKeys(blobs, options);
};

const deriving = (kdf) => async (session) => {
  const template = { type: 'GENERIC', bits: 4096, usage: ['derive'] };
  const base = await made(session, { ...template, deriveTemplate: 'any', dualUse: true }).catch(() =>
    made(session, template),
  );
  return () => session.deriveKey(base, { mechanism: 'KDF', kdf }, template);
};

const agreeing = (curve) => async (session) => {
  const kdf = { name: 'concat', hash: 'SHA-256', algorithm: 'A256GCM' };
  const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] };
  const key = await ec(session, curve, ['derive']);
  const { jwk } = await ec(session, curve, ['derive']);
  return () => session.deriveKey(key, { mechanism: 'ECDH', publicKey: jwk, kdf }, template);
};

const generating = (template) => async (session) => () => made(session, template);

const storing = (template) => async (session) => async () => {
  const key = await session.generateKey(template);
  await session.destroyKey(key);
};

const importing = (curve) => async (session) => {
  const key = await made(session, { type: 'EC', curve, usage: ['sign'], extractable: 'plaintext' });
  const scalar = await session.exportKey(key);
  return () => session.importKey({ type: 'EC', curve, usage: ['sign'], persistent: false }, scalar);
};

const unwrapping = () => async (session) => {
  const { kek, blob } = await wrappedKey(session);
  const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] };
  return () => session.unwrapKey(kek, blob, template, { mechanism: 'AES-KW' });
};

const changing = () => async (session) => {
  const label = randomBytes(8).toString('hex');
  const keys = [];
  for (let i = 0; i < 256; i++) keys.push(await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] }));
  let next = 0;
  return async () => {
    const i = next++ % keys.length;
    // Two changes of one key at once are a conflict.
    try {
      keys[i] = await session.setAttributes(keys[i], { label: `${label} ${next}` });
    } catch (error) {
      if (error.code !== 'KEYCELL_KEY_CONFLICT') throw error;
    }
  };
};

const streaming = () => async (session) => {
  const key = await cipherKey(session);
  const chunk = new Uint8Array(4 * MIB);
  return async () => {
    const stream = session.encryptStream(key);
    const writer = stream.writable.getWriter();
    const write = async () => {
      await writer.write(chunk);
      await writer.close();
    };
    await Promise.all([write(), stream.readable.pipeTo(new WritableStream())]);
  };
};

const mixed = async (session) => {
  const operations = await Promise.all(
    [
      signing('P-384', 32),
      encrypting(LARGEST),
      encrypting(MIB),
      rewrapping(4096, 'JWE', 'P-256'),
      macs('AES'),
      storing({ type: 'AES', bits: 256, usage: ['encrypt'] }),
      unwrapping(),
    ].map((make) => make(session)),
  );
  let next = 0;
  return () => operations[next++ % operations.length]();
};

/** One user, as many sessions as they like. */
const inSessions = (count, make) => async (_, login) => {
  const operations = [];
  for (let i = 0; i < count; i++) operations.push(await make(await login()));
  let next = 0;
  return () => operations[next++ % count]();
};

/** Whatever fits is served, the rest refused at once. */
const atOnce = (count, make) => async (session) => {
  const operation = await make(session);
  return () => Promise.allSettled(Array.from({ length: count }, operation));
};

const signingMany = () => async (session) => {
  const key = await ec(session, 'P-384', ['sign']);
  const messages = Array.from({ length: 65536 }, () => MESSAGE);
  return () => session.signMany(key, messages);
};

const longHeader = { note: 'a'.repeat(8000) };

/** @type {[name: string, inFlight: number, make: (session: object, login: () => Promise<object>) => Promise<() => Promise<unknown>>][]} */
const FLOODS = [
  ['nothing', 0, async () => () => {}],
  ['sign P-384', 4000, signing('P-384', 32)],
  ['sign P-384, 30 000 at once', 1, atOnce(30_000, signing('P-384', 32))],
  ['sign P-384, in 50 sessions', 4000, inSessions(50, signing('P-384', 32))],
  ['signMany P-384, 65 536', 4, signingMany()],
  ['sign P-384 of 16 MiB', 16, signing('P-384', LARGEST)],
  ['verify P-384, new keys', 4000, verifying('P-384')],
  ['HMAC-SHA-256 of 16 MiB', 16, macs('HMAC', 'SHA-256')],
  ['CMAC of 16 MiB', 16, macs('AES')],
  ['encrypt 16 MiB', 16, encrypting(LARGEST)],
  ['encrypt 16 MiB, 200 at once', 1, atOnce(200, encrypting(LARGEST))],
  ['encrypt 1 MiB', 64, encrypting(MIB)],
  ['encrypt 31 KiB', 2000, encrypting(31 * KIB)],
  ['encrypt 16 MiB, CBC', 16, encrypting(LARGEST, { mechanism: 'AES-CBC' })],
  ['decrypt 16 MiB', 16, decrypting(LARGEST)],
  ['reencrypt 16 MiB', 16, reencrypting(LARGEST)],
  ['rewrapKeys 4 096 as AES-KW', 64, rewrapping(4096, 'AES-KW')],
  ['rewrapKeys 4 096 as JWE, P-256', 64, rewrapping(4096, 'JWE', 'P-256')],
  ['rewrapKeys 4 096 as JWE, P-384', 64, rewrapping(4096, 'JWE', 'P-384')],
  ['rewrapKeys 250 as JWE, headers of 8 KiB', 64, rewrapping(250, 'JWE', 'P-256', longHeader)],
  ['rewrapKeys 4 as JWE, P-384', 2000, rewrapping(4, 'JWE', 'P-384')],
  ['HKDF-SHA-512, info of 1 KiB', 4000, deriving({ name: 'hkdf', hash: 'SHA-512', info: new Uint8Array(KIB) })],
  ['SP 800-108, label of 1 KiB', 4000, deriving({ name: 'sp800-108', hash: 'SHA-512', label: new Uint8Array(KIB) })],
  ['ECDH P-384', 4000, agreeing('P-384')],
  ['generateKey P-384', 4000, generating({ type: 'EC', curve: 'P-384', usage: ['sign'] })],
  ['generateKey and destroyKey, stored', 2000, storing({ type: 'EC', curve: 'P-384', usage: ['sign'] })],
  ['importKey P-384', 4000, importing('P-384')],
  ['unwrapKey', 4000, unwrapping()],
  ['setAttributes, stored', 256, changing()],
  ['random 64 KiB', 2000, async (session) => () => session.random(64 * KIB)],
  [
    'generateDataKey 4 KiB',
    2000,
    async (session) => {
      const key = await cipherKey(session);
      return () => session.generateDataKey(key, { bytes: 4096 });
    },
  ],
  ['encryptStream', 256, streaming()],
  ['renew', 4000, async (session) => () => session.renew()],
  ['mixed', 64, mixed],
];
