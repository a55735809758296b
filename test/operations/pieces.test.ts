/** sign and verify over messages that come in pieces. */
import { createHmac, createPublicKey, createVerify, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { type EcKey, type HmacKey, openEphemeralHsm, type Session } from '../../dist/index.js';
import { bytes, code, ephemeral, refusal } from './support.ts';

const it = ephemeral();
const raw = bytes(32, 1);
let session: Session;
let pair: EcKey;
let hmac: HmacKey;

beforeAll(async () => {
  session = it.session;
  pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  hmac = await session.importKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] }, raw);
});

async function* inTurn(list: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const piece of list) yield piece;
}

test('however it is cut, the signature is the message’s', async () => {
  const lists = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(lists, async (list) => {
      const whole = Buffer.concat(list);
      const nonce = 'rfc6979' as const;
      const signature = await session.sign(pair, inTurn(list), { nonce });
      expect(signature).toEqual(await session.sign(pair, whole, { nonce }));
      expect(await session.verify(pair, signature, inTurn(list))).toBe(true);
      expect(await session.verify(pair, signature, inTurn([...list, bytes(1)]))).toBe(false);
      const mac = await session.sign(hmac, inTurn(list));
      expect(Buffer.from(mac)).toEqual(createHmac('sha256', raw).update(whole).digest());
      expect(await session.verify(hmac, mac, inTurn(list))).toBe(true);
      expect(await session.verify(hmac, mac, inTurn([...list, bytes(1)]))).toBe(false);
    }),
    { numRuns: 40 },
  );
});

test('every curve with its own hash or another, HMAC with each, and CMAC', async () => {
  const list = [bytes(70), bytes(0), bytes(200, 3)];
  const whole = Buffer.concat(list);
  for (const curve of ['P-256', 'P-384', 'secp256k1'] as const) {
    const key = await session.generateKey({ type: 'EC', curve, usage: ['sign', 'verify'] });
    for (const options of [{}, { hash: 'SHA-256' }, { hash: 'SHA-384' }, { hash: 'SHA-512' }] as const) {
      const signature = await session.sign(key, inTurn(list), options);
      expect(await session.verify(key, signature, whole, options)).toBe(true);
      expect(await session.verify(key, await session.sign(key, whole, options), inTurn(list), options)).toBe(true);
    }
    const own = await session.sign(key, inTurn(list));
    expect(await session.verify(key, own, whole, { hash: curve === 'P-384' ? 'SHA-256' : 'SHA-384' })).toBe(false);
  }
  for (const hash of ['SHA-256', 'SHA-384', 'SHA-512'] as const) {
    const mac = createHmac(hash.replace('-', '').toLowerCase(), raw).update(whole).digest();
    expect(Buffer.from(await session.sign(hmac, inTurn(list), { hash }))).toEqual(mac);
  }
  const cmac = await session.generateKey({ type: 'AES', bits: 128, usage: ['sign', 'verify'] });
  expect(await session.sign(cmac, inTurn(list))).toEqual(await session.sign(cmac, whole));
  expect(await session.verify(cmac, await session.sign(cmac, whole), inTurn(list))).toBe(true);
});

test('40 MiB from node’s streams and web streams: node verifies', async () => {
  const chunk = randomBytes(1 << 20);
  const chunks = () => Array.from({ length: 40 }, () => chunk);
  const der = await session.sign(pair, Readable.from(chunks()), { format: 'der' });
  const check = createVerify('sha256');
  for (const each of chunks()) check.update(each);
  expect(check.verify(createPublicKey({ key: Buffer.from(pair.publicKey), format: 'der', type: 'spki' }), der)).toBe(
    true,
  );
  const web = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const each of chunks()) controller.enqueue(each);
      controller.close();
    },
  });
  expect(await session.verify(pair, der, web as unknown as AsyncIterable<Uint8Array>, { format: 'der' })).toBe(true);
});

test('a MAC takes 16 MiB and no more, and lets the source go', async () => {
  const chunk = bytes(1 << 20);
  const exact = await session.sign(hmac, inTurn(Array.from({ length: 16 }, () => chunk)));
  const expected = createHmac('sha256', raw);
  for (let i = 0; i < 16; i++) expected.update(chunk);
  expect(Buffer.from(exact)).toEqual(expected.digest());
  let given = 0;
  let released = false;
  async function* endless() {
    try {
      for (;;) {
        given++;
        yield chunk;
      }
    } finally {
      released = true;
    }
  }
  expect(await code(() => session.sign(hmac, endless()))).toBe('KEYCELL_LIMIT_EXCEEDED');
  await sleep(1);
  expect([given, released]).toEqual([17, true]);
});

test('a source that uses its buffer again', async () => {
  async function* same() {
    const buffer = new Uint8Array(4);
    for (let i = 0; i < 3; i++) yield buffer.fill(i);
  }
  const whole = Buffer.from('000000000101010102020202', 'hex');
  expect(Buffer.from(await session.sign(hmac, same()))).toEqual(createHmac('sha256', raw).update(whole).digest());
});

test('what goes wrong with the pieces', async () => {
  const broken = new Error('the disk');
  async function* failing() {
    yield bytes(3);
    throw broken;
  }
  expect(await refusal(() => session.sign(pair, failing()))).toMatchObject({
    code: 'KEYCELL_INPUT_INVALID',
    cause: broken,
    outcome: 'not-executed',
  });
  expect(await code(() => session.sign(pair, inTurn(['text' as never])))).toBe('KEYCELL_INPUT_INVALID');
  expect(await code(() => session.sign(pair, inTurn([bytes(32)]), { prehashed: true }))).toBe('KEYCELL_INPUT_INVALID');
  expect(await code(() => session.sign(pair, 'text' as never))).toBe('KEYCELL_INPUT_INVALID');
  expect(await code(() => session.sign(pair, [bytes(3)] as never))).toBe('KEYCELL_INPUT_INVALID');
  const aes = await session.generateKey({ type: 'AES', bits: 128, usage: ['encrypt'] });
  let asked = false;
  async function* watched() {
    asked = true;
    yield bytes(1);
  }
  await refusal(() => session.sign(aes, watched(), { format: 'nonsense' as never }));
  expect(asked).toBe(false);
});

test('its signal and its time hold for the pieces', async () => {
  const hangs = (): AsyncIterable<Uint8Array> => ({
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: () => new Promise(() => {}) }),
  });
  expect(await code(() => session.sign(pair, hangs(), { timeout: 20 }))).toBe('KEYCELL_TIMEOUT');
  const control = new AbortController();
  const call = session.sign(hmac, hangs(), { signal: control.signal });
  control.abort(new Error('enough'));
  const error = await refusal(() => call);
  expect([error.code, (error.cause as Error).message]).toEqual(['KEYCELL_ABORTED', 'enough']);
  expect(await code(() => session.verify(pair, bytes(64), hangs(), { signal: AbortSignal.abort() }))).toBe(
    'KEYCELL_ABORTED',
  );
  async function* slow() {
    await sleep(30);
    yield bytes(1);
  }
  expect(await code(() => session.sign(pair, slow(), { timeout: 10 }))).toBe('KEYCELL_TIMEOUT');
  expect(await session.sign(pair, slow(), { timeout: 5000 })).toHaveLength(64);
});

test('a session that is closed does not begin to read', async () => {
  const { hsm, session: own } = await openEphemeralHsm({ workers: 1 });
  const key = await own.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
  await own.close();
  let asked = false;
  async function* watched() {
    asked = true;
    yield bytes(1);
  }
  expect(await code(() => own.sign(key, watched()))).toBe('KEYCELL_SESSION_REVOKED');
  expect(asked).toBe(false);
  await hsm.close();
});
