// Brings in a private key of known bytes as PEM, and stops at each step until it is told to go on. argv: folder.
import { setTimeout as sleep } from 'node:timers/promises';
import { openHsm } from '../../../dist/index.js';
import { endSteps, step } from './steps.mjs';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** SEC 1 without parameters: its scalar begins at byte 7, so that its third byte begins a group of base64. */
const HEAD = [0x30, 0x25, 2, 1, 1, 4, 32];

/** PEM, made digit by digit in place: the scalar stands nowhere else, be it for a moment. */
function make(seed) {
  const byte = (i) => {
    if (i < 7) return HEAD[i];
    const at = i - 7;
    return (seed * (at + 3) * 167 + 13 * at * at + 89) & 255;
  };
  const digit = (i) => {
    const at = (3 * i) >> 2;
    const pair = (byte(at) << 8) | byte(at + 1);
    return ALPHABET.charCodeAt((pair >> (10 - ((6 * i) & 7))) & 63);
  };
  const begin = '-----BEGIN EC PRIVATE KEY-----\n';
  const end = '\n-----END EC PRIVATE KEY-----\n';
  const digits = ((HEAD.length + 32) * 4) / 3;
  const pem = new Uint8Array(new ArrayBuffer(begin.length + digits + end.length));
  new TextEncoder().encodeInto(begin, pem);
  for (let i = 0; i < digits; i++) pem[begin.length + i] = digit(i);
  new TextEncoder().encodeInto(end, pem.subarray(begin.length + digits));
  return pem;
}

const hsm = await openHsm({ path: process.argv[2], workers: 1, create: true });
await hsm.initialize({ passphrase: 'p', admin: { name: 'officer', password: 'o' }, scryptLog2N: 14 });
const admin = await hsm.login({ user: 'officer', password: 'o' });
await admin.createUser({ name: 'alice', role: 'crypto-user', password: 'a' });
const session = await hsm.login({ user: 'alice', password: 'a' });

const secret = make(31);
const kept = make(57);
await step('before');
const template = { type: 'EC', curve: 'P-256', usage: ['sign'], extractable: 'wrapped' };
const key = await session.importKey(template, secret, { wipe: true });
for (let round = 0; round < 50; round++) await session.sign(key, new Uint8Array(round));
// Refused: for its curve, for what a session may not, for a second key in the text, for broken base64.
const refused = async (call) => {
  const error = await call().catch((error) => error);
  if (!(error instanceof Error)) throw new Error('it was not refused');
};
await refused(() => session.importKey({ ...template, curve: 'P-384' }, make(31), { wipe: true }));
await refused(() => admin.importKey(template, make(31), { wipe: true }));
await refused(() => {
  const [one, two] = [make(31), make(31)];
  const both = new Uint8Array(new ArrayBuffer(one.length + two.length));
  both.set(one);
  both.set(two, one.length);
  one.fill(0);
  two.fill(0);
  return session.importKey(template, both, { wipe: true });
});
await refused(() => {
  const broken = make(31);
  broken[broken.indexOf(10, 40) - 1] = 33;
  return session.importKey(template, () => broken);
});
await sleep(50);
await step('worked');
if (kept[40] !== make(57)[40]) throw new Error('the control is gone');
await hsm.close();
endSteps();
