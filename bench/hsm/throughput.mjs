/** Operations a second, 512 in flight, against node:crypto: asynchronous where it has that form, else on this thread. */
import assert from 'node:assert/strict';
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';
import { keepInFlight, race, ratioRow } from '../measure.mjs';

export const IN_FLIGHT = 512;
export const MESSAGE = 256;
const MANY = 1000;
const KW_IV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex'); // RFC 3394 §2.2.3.1
const signAsync = promisify(sign);

export const p1363 = (key) => ({ key, dsaEncoding: 'ieee-p1363' });
export const publicOf = (key) => createPublicKey({ key: Buffer.from(key.publicKey), format: 'der', type: 'spki' });

/** A rival that always has 512 operations in flight, `total` of them a call. */
export const flying = (operation, total = 2048) => ({
  run: () => keepInFlight(operation, IN_FLIGHT, total),
  operations: total,
});

/** One after the other on this thread: what has no asynchronous form. */
const inTurn = (operation, total = 512) => ({
  run: () => {
    for (let i = 0; i < total; i++) operation();
  },
  operations: total,
});

const NODE = ['node:crypto, r ‖ s', 'node:crypto, DER'];

/** @param {string} namedCurve @param {string} hash */
function nodeSigning(namedCurve, hash, message, total) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  const rs = p1363(privateKey);
  return {
    [NODE[0]]: flying(() => signAsync(hash, message, rs), total),
    [NODE[1]]: flying(() => signAsync(hash, message, privateKey), total),
  };
}

export const throughput = [
  {
    name: 'sign P-256, one call each and signMany',
    async measure({ session, pace, peer }) {
      const message = randomBytes(MESSAGE);
      const key = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
      const spki = p1363(publicOf(key));
      const messages = Array.from({ length: MANY }, () => message);
      const many = await session.signMany(key, messages);
      assert.equal(many.length, MANY);
      for (const made of [await session.sign(key, message), ...many]) assert(verify('sha256', message, spki, made));
      const rivals = {
        'session.sign': flying(() => session.sign(key, message)),
        signMany: { run: () => session.signMany(key, messages), operations: MANY },
        ...nodeSigning('P-256', 'sha256', message),
      };
      const softhsm = await peer();
      // It takes its name from the form that turns out faster.
      const theirs = await softhsm?.signing(message);
      if (softhsm !== undefined) rivals[softhsm.name] = theirs;
      const times = await race(rivals, pace);
      const rows = [
        ratioRow(times, { id: 'sign', ours: 'session.sign', theirs: NODE }),
        ratioRow(times, { id: 'sign-many', ours: 'signMany', theirs: NODE }),
      ];
      if (softhsm !== undefined)
        rows.push(ratioRow(times, { id: 'sign-softhsm', ours: 'session.sign', theirs: [softhsm.name] }));
      return rows;
    },
  },
  {
    name: 'sign P-384',
    async measure({ session, pace }) {
      const message = randomBytes(MESSAGE);
      const key = await session.generateKey({ type: 'EC', curve: 'P-384', usage: ['sign', 'verify'] });
      assert(verify('sha384', message, p1363(publicOf(key)), await session.sign(key, message)));
      const rivals = {
        'session.sign': flying(() => session.sign(key, message), 1024),
        ...nodeSigning('P-384', 'sha384', message, 512),
      };
      return [ratioRow(await race(rivals, pace), { id: 'sign-p384', ours: 'session.sign', theirs: NODE })];
    },
  },
  {
    name: 'wrap and unwrap 32 bytes',
    async measure({ session, pace }) {
      const [kek, key] = [randomBytes(32), randomBytes(32)];
      const ourKek = await session.importKey(
        { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' },
        kek,
      );
      const ourKey = await session.importKey({ type: 'AES', bits: 256, usage: [], extractable: 'wrapped' }, key);
      const secret = createSecretKey(kek);
      const run = (cipher, input) => Buffer.concat([cipher.update(input), cipher.final()]);
      const wrapNode = () => run(createCipheriv('id-aes256-wrap', secret, KW_IV), key);
      const unwrapNode = () => run(createDecipheriv('id-aes256-wrap', secret, KW_IV), blob);
      const kw = { mechanism: 'AES-KW' };
      const template = { type: 'AES', bits: 256, usage: [], extractable: 'wrapped' };
      const wrap = () => session.wrapKey(ourKek, ourKey, kw);
      const blob = Buffer.from(await wrap());
      const unwrap = () => session.unwrapKey(ourKek, blob, template, kw);
      assert.deepEqual(blob, wrapNode());
      assert.deepEqual(unwrapNode(), key);
      assert.deepEqual(Buffer.from(await session.wrapKey(ourKek, await unwrap(), kw)), blob);
      const times = await race(
        {
          wrapKey: flying(wrap),
          'node:crypto, wrap': inTurn(wrapNode),
          unwrapKey: flying(unwrap),
          'node:crypto, unwrap': inTurn(unwrapNode),
        },
        pace,
      );
      return [
        ratioRow(times, { id: 'wrap', ours: 'wrapKey', theirs: ['node:crypto, wrap'] }),
        ratioRow(times, { id: 'unwrap', ours: 'unwrapKey', theirs: ['node:crypto, unwrap'] }),
      ];
    },
  },
  {
    name: 'encrypt 64 bytes',
    async measure({ session, pace }) {
      const [key, plaintext] = [randomBytes(32), randomBytes(64)];
      const ours = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] }, key);
      const secret = createSecretKey(key);
      const gcm = { mechanism: 'AES-GCM' };
      const sealNode = () => {
        const iv = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', secret, iv);
        return { iv, ciphertext: Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]) };
      };
      const { iv, ciphertext } = await session.encrypt(ours, plaintext, gcm);
      const decipher = createDecipheriv('aes-256-gcm', secret, iv).setAuthTag(ciphertext.subarray(-16));
      assert.deepEqual(Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]), plaintext);
      const theirs = sealNode();
      const opened = await session.decrypt(ours, theirs.ciphertext, { ...gcm, iv: theirs.iv });
      assert.deepEqual(Buffer.from(opened), plaintext);
      const envelope = await session.encrypt(ours, plaintext);
      assert.deepEqual(Buffer.from(await session.decrypt(ours, envelope)), plaintext);
      // What a batch derives once for one key, it derives for each of these.
      const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] };
      const keys = await Promise.all(Array.from({ length: MANY }, () => session.generateKey(template)));
      let turn = 0;
      const times = await race(
        {
          'encrypt, AES-GCM': flying(() => session.encrypt(ours, plaintext, gcm), 8192),
          'node:crypto': inTurn(sealNode, 2048),
          'encrypt, envelope': flying(() => session.encrypt(ours, plaintext), 8192),
          'encrypt, many keys': flying(() => session.encrypt(keys[turn++ % MANY], plaintext), 8192),
        },
        pace,
      );
      return [
        ratioRow(times, { id: 'encrypt-64', ours: 'encrypt, AES-GCM', theirs: ['node:crypto'] }),
        ratioRow(times, { id: 'encrypt-64-envelope', ours: 'encrypt, envelope', theirs: ['node:crypto'] }),
        ratioRow(times, { id: 'encrypt-64-keys', ours: 'encrypt, many keys', theirs: ['node:crypto'] }),
      ];
    },
  },
];
