// Brings in a key of known bytes, works with it, and stops at each step until it is told to go on. argv: folder.
import { setTimeout as sleep } from 'node:timers/promises';
import { openHsm } from '../../../dist/index.js';
import { endSteps, step } from './steps.mjs';

const make = (seed) => {
  const bytes = new Uint8Array(new ArrayBuffer(32));
  for (let i = 0; i < 32; i++) bytes[i] = (seed * (i + 3) * 167 + 13 * i * i + 89) & 255;
  return bytes;
};
const text = (s) => new TextEncoder().encode(s);

const hsm = await openHsm({ path: process.argv[2], create: true, workers: 1 });
await hsm.initialize({ passphrase: 'p', admin: { name: 'officer', password: 'o' }, scryptLog2N: 14 });
const admin = await hsm.login({ user: 'officer', password: 'o' });
await admin.createUser({ name: 'alice', role: 'crypto-user', password: 'a' });
const session = await hsm.login({ user: 'alice', password: 'a' });

const secret = make(31);
const kept = make(57);
await step('before');
const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' };
const key = await session.importKey(template, secret, { wipe: true });
const kek = await session.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' });
const ec = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
for (let round = 0; round < 50; round++) {
  const envelope = await session.encrypt(key, text(`message ${round}`), { aad: text('aad') });
  await session.decrypt(key, envelope, { aad: text('aad') });
  await session.decrypt(key, envelope).catch(() => {});
  const blob = await session.wrapKey(kek, key, { mechanism: 'AES-KW' });
  await session.unwrapKey(kek, blob, { ...template, persistent: false }, { mechanism: 'AES-KW' });
  await session.rewrapKeys([blob, blob], { from: kek, mechanism: 'AES-KW', to: { spki: ec.publicKey }, as: 'JWE' });
}
await session.importKey({ ...template, bits: 128 }, make(31), { wipe: true }).catch(() => {});
const ephemeral = make(31);
await session.importKey({ ...template, persistent: false }, () => ephemeral);
await sleep(50);
await step('worked');
await hsm.seal();
await step('sealed');
if (kept[0] !== make(57)[0]) throw new Error('the control is gone');
await hsm.close();
endSteps();
