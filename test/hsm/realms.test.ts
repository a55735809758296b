/** Values of another realm, as vm and jsdom have: their classes are not ours, and their timers may be numbers. */
import { pathToFileURL } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AesKey, type EcKey, type HmacKey, openEphemeralHsm, type Session } from '../../dist/index.js';
import { decryptJwe, encryptJwe, signCompact, signJwt, verifyCompact, verifyJwt } from '../../dist/jose/index.js';
import { bytes, ephemeral, refusal } from '../operations/support.ts';

const it = ephemeral();
const realm = createContext({});
/** A value of the other realm. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the code gives
const there = (code: string): any => runInContext(`(${code})`, realm);
const foreign = (contents: Uint8Array): Uint8Array => there('(list) => Uint8Array.from(list)')([...contents]);
let session: Session;
let mac: HmacKey;
let pair: EcKey;
let agree: EcKey;
let aes: AesKey;

beforeAll(async () => {
  session = it.session;
  mac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] });
  pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  agree = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
  aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
});

test('they are of other classes', () => {
  expect(foreign(bytes(3))).not.toBeInstanceOf(Uint8Array);
  expect(there('new Date()')).not.toBeInstanceOf(Date);
  expect(there('{}')).not.toBeInstanceOf(Object);
});

describe('bytes', () => {
  test('are signed, encrypted, streamed, imported and wiped', async () => {
    const message = bytes(70, 4);
    const tag = await session.sign(mac, foreign(message));
    expect(await session.verify(mac, foreign(tag), message)).toBe(true);
    expect(await session.signMany(mac, there('(...all) => all')(foreign(message)))).toEqual([tag]);
    const envelope = await session.encrypt(aes, foreign(message), { aad: foreign(bytes(3)) });
    expect(await session.decrypt(aes, foreign(envelope), there('(aad) => ({ aad })')(bytes(3)))).toEqual(message);
    const chunks = there('(chunk) => (async function* () { yield chunk; yield chunk })()')(foreign(message));
    expect(await session.verify(pair, await session.sign(pair, chunks), new Uint8Array([...message, ...message]))).toBe(
      true,
    );
    const sealing = ReadableStream.from([foreign(message)]).pipeThrough(session.encryptStream(aes));
    const opened = await new Response(sealing.pipeThrough(session.decryptStream(aes))).arrayBuffer();
    expect(new Uint8Array(opened)).toEqual(message);
    const secret = foreign(bytes(32));
    const template = { type: 'AES', bits: 256, usage: ['encrypt'], persistent: false } as const;
    await session.importKey(template, secret, { wipe: true });
    expect([...secret]).toEqual(Array(32).fill(0));
    await session.importKey(template, () => foreign(bytes(32)));
    expect((await session.importKey({ ...template, usage: there("['encrypt']") }, bytes(32))).usage).toEqual([
      'encrypt',
    ]);
  });

  test('and go through JOSE', async () => {
    const token = await signCompact(session, pair, foreign(bytes(9)), there("{ header: { typ: 'x' } }"));
    expect((await verifyCompact(session, foreign(pair.publicKey), token)).payload).toEqual(bytes(9));
    const jwe = await encryptJwe(session, foreign(agree.publicKey), foreign(bytes(9)), { apu: foreign(bytes(2)) });
    expect((await decryptJwe(session, agree, jwe)).plaintext).toEqual(bytes(9));
  });
});

test('dates end and begin keys, and are the time of a token', async () => {
  const at = Date.now() + 60_000;
  const date = there('(at) => new Date(at)')(at);
  const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'], notBefore: date });
  expect(key.notBefore?.getTime()).toBe(at);
  const jwt = await signJwt(session, pair, there("{ sub: 'a' }"), { expiresIn: 5, now: date });
  expect((await verifyJwt(session, pair, jwt, { now: date })).claims.exp).toBe(Math.floor(at / 1000) + 5);
  for (const wrong of [there('new Date(NaN)'), new Proxy(date, {}), there('Object.create(Date.prototype)')]) {
    const making = () => session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'], notBefore: wrong });
    expect((await refusal(making)).code).toBe('KEYCELL_INPUT_INVALID');
  }
});

test('signals abort calls, before and while they run, with their reason', async () => {
  // As jsdom's: of no class that is known here.
  const Controller = there(`class {
    aborted = false; reason = undefined; listeners = new Set();
    addEventListener(type, listener) { this.listeners.add(listener) }
    removeEventListener(type, listener) { this.listeners.delete(listener) }
    abort(reason) { this.aborted = true; this.reason = reason; for (const each of [...this.listeners]) each() }
  }`);
  const reason = there("new Error('enough')");
  const over = new Controller();
  over.abort(reason);
  expect(await refusal(() => session.sign(mac, bytes(3), { signal: over }))).toMatchObject({
    code: 'KEYCELL_ABORTED',
    cause: reason,
  });
  for (const call of [
    (signal: AbortSignal) => session.sign(mac, bytes(3), { signal }),
    (signal: AbortSignal) =>
      session.sign(mac, there('(async function* () { await new Promise(() => {}) })()'), { signal }),
    (signal: AbortSignal) => session.encrypt(aes, bytes(1 << 20), { signal }),
  ]) {
    const signal = new Controller();
    const calling = refusal(() => call(signal as AbortSignal));
    signal.abort(reason);
    expect(await calling).toMatchObject({ code: 'KEYCELL_ABORTED', cause: reason });
    expect(signal.listeners.size).toBe(0);
  }
});

test('what a function of theirs throws is the cause, and is told', async () => {
  const failing = there("() => { throw new TypeError('the vault is shut') }");
  const error = await refusal(() =>
    session.importKey({ type: 'AES', bits: 256, usage: ['encrypt'], persistent: false }, failing),
  );
  expect(error.message).toContain('the vault is shut');
  expect((error.cause as Error).name).toBe('TypeError');
});

test('a URL names the assets', async () => {
  const { href, protocol, pathname, hostname } = pathToFileURL('/nowhere/at all');
  const assets = there('(members) => Object.assign({}, members)')({ href, protocol, pathname, hostname });
  const error = await refusal(() => openEphemeralHsm({ assets }));
  expect([error.code, error.message]).toEqual([
    'KEYCELL_INPUT_INVALID',
    expect.stringMatching(/nowhere.* is missing: is "assets" right/),
  ]);
  for (const wrong of [5, {}, null, new URL('https://example.com/')] as never[]) {
    expect((await refusal(() => openEphemeralHsm({ assets: wrong }))).code).toBe('KEYCELL_INPUT_INVALID');
  }
});

test('timers that are numbers', async () => {
  const { setTimeout: real, setInterval: realInterval } = globalThis;
  const timers = new Map<number, NodeJS.Timeout>();
  const numbered = (start: typeof setTimeout) =>
    ((...args: Parameters<typeof setTimeout>) => {
      timers.set(timers.size + 1, start(...args));
      return timers.size;
    }) as unknown as typeof setTimeout;
  const { clearTimeout: clear, clearInterval: clearInterval_ } = globalThis;
  const clearing = (timer: unknown) => clear(timers.get(timer as number) ?? (timer as NodeJS.Timeout));
  Object.assign(globalThis, { setTimeout: numbered(real), setInterval: numbered(realInterval as never) });
  Object.assign(globalThis, { clearTimeout: clearing, clearInterval: clearing });
  try {
    const opened = await openEphemeralHsm({ workers: 1 });
    const key = await opened.session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
    expect(await opened.session.sign(key, bytes(3), { timeout: 60_000 })).toHaveLength(64);
    async function* slow() {
      yield bytes(3);
      await new Promise(() => {});
    }
    const late = await refusal(() => opened.session.sign(key, slow(), { timeout: 5 }));
    expect(late.code).toBe('KEYCELL_TIMEOUT');
    await opened.hsm.close();
    expect(timers.size).toBeGreaterThan(2);
  } finally {
    Object.assign(globalThis, { setTimeout: real, setInterval: realInterval });
    Object.assign(globalThis, { clearTimeout: clear, clearInterval: clearInterval_ });
  }
});
