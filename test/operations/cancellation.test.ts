/** What every call takes, `signal` and `timeout`, is taken by every call: checked, and honoured before and during. */
import { createContext, runInContext } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, CallOptions, EcKey, HmacKey, Session } from '../../dist/index.js';
import type { Engine } from '../../src/hsm/engine.ts';
import { bytes, code, refusal, stored } from './support.ts';

const it = stored();
const KW = { mechanism: 'AES-KW' } as const;
const AES = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' } as const;
const BOUND = { name: 'bound', hash: 'SHA-256', label: bytes(1) } as const;
const TO_KEK = { mechanism: 'AES-KW', as: 'AES-KW' } as const;

let aes: AesKey;
let kek: AesKey;
let pair: EcKey;
let hmac: HmacKey;
let partner: EcKey;
let envelope: Uint8Array;
let blob: Uint8Array;

beforeAll(async () => {
  const { alice } = it;
  aes = await alice.generateKey({ ...AES, label: 'taken' });
  kek = await alice.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' });
  pair = await alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  hmac = await alice.generateKey({ type: 'HMAC', bits: 256, usage: ['derive'] });
  partner = await alice.importKey(
    { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'], persistent: false },
    pair.publicKey,
  );
  envelope = await alice.encrypt(aes, bytes(3));
  blob = await alice.wrapKey(kek, aes, KW);
});

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield bytes(3);
}

async function through(stream: TransformStream<Uint8Array, Uint8Array>, input: Uint8Array): Promise<void> {
  const writer = stream.writable.getWriter();
  const written = writer.write(input).then(() => writer.close());
  written.catch(() => {});
  for await (const _ of stream.readable);
}

/** Each call that takes options, with what it asks for beside them. */
const CALLS: Record<string, (o: CallOptions) => unknown> = {
  'hsm.login': (o) => it.hsm.login({ user: 'alice', password: 'alice', ...o }),
  'hsm.unseal': (o) => it.hsm.unseal('p', o),
  'hsm.check': (o) => it.hsm.check(o),
  renew: (o) => it.alice.renew(o),
  generateKey: (o) => it.alice.generateKey(AES, o),
  'generateKey of a session': (o) => it.alice.generateKey({ ...AES, persistent: false }, o),
  'ensureKey that exists': (o) => it.alice.ensureKey({ ...AES, label: 'taken' }, o),
  ensureKey: (o) => it.alice.ensureKey({ ...AES, label: 'new' }, o),
  importKey: (o) => it.alice.importKey(AES, bytes(32), o),
  'importKey from a function': (o) => it.alice.importKey(AES, () => bytes(32), o),
  exportKey: (o) => it.alice.exportKey(pair, o),
  'exportKey of a public key': (o) => it.alice.exportKey(partner, o),
  getKey: (o) => it.alice.getKey({ label: 'taken' }, o),
  findKeys: async (o) => {
    for await (const _ of it.alice.findKeys({}, o));
  },
  'findKeys that finds none': async (o) => {
    for await (const _ of it.alice.findKeys({ label: 'none' }, o));
  },
  setAttributes: (o) => it.alice.setAttributes(aes, { label: 'taken' }, o),
  destroyKey: (o) => it.alice.destroyKey(aes, o),
  sign: (o) => it.alice.sign(pair, bytes(3), o),
  'sign in pieces': (o) => it.alice.sign(pair, pieces(), o),
  signMany: (o) => it.alice.signMany(pair, [bytes(3)], o),
  'signMany of none': (o) => it.alice.signMany(pair, [], o),
  verify: (o) => it.alice.verify(pair, bytes(64), bytes(3), o),
  'verify in pieces': (o) => it.alice.verify(pair, bytes(64), pieces(), o),
  encrypt: (o) => it.alice.encrypt(aes, bytes(3), o),
  decrypt: (o) => it.alice.decrypt(aes, envelope, o),
  reencrypt: (o) => it.alice.reencrypt(aes, envelope, { to: aes, ...o }),
  encryptStream: (o) => through(it.alice.encryptStream(aes, o), bytes(3)),
  generateDataKey: (o) => it.alice.generateDataKey(aes, { bytes: 32, ...o }),
  wrapKey: (o) => it.alice.wrapKey(kek, aes, { ...KW, ...o }),
  unwrapKey: (o) => it.alice.unwrapKey(kek, blob, AES, { ...KW, ...o }),
  rewrapKeys: (o) => it.alice.rewrapKeys([blob], { from: kek, to: kek, ...TO_KEK, ...o }),
  deriveKey: (o) => it.alice.deriveKey(hmac, { mechanism: 'KDF', kdf: BOUND, ...o }, { ...AES, extractable: false }),
  random: (o) => it.alice.random(4, o),
  createUser: (o) => it.admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' }, o),
  setPassword: (o) => it.admin.setPassword('alice', 'other', o),
  lockUser: (o) => it.admin.lockUser('alice', o),
  unlockUser: (o) => it.admin.unlockUser('alice', o),
  listUsers: (o) => it.admin.listUsers(o),
  removeUser: (o) => it.admin.removeUser('alice', o),
};

describe.each(Object.entries(CALLS))('%s', (name, call) => {
  test('refuses what is no signal and no time', async () => {
    for (const signal of [null, 5, {}, 'now', { aborted: false }, new AbortController()]) {
      const refused = await refusal(() => call({ signal } as never));
      expect([signal, refused.code, refused.message]).toEqual([
        signal,
        'KEYCELL_INPUT_INVALID',
        expect.stringContaining('signal is an AbortSignal'),
      ]);
    }
    for (const timeout of [Number.NaN, null, '5000', 10n, {}, [5], true, 1e300, Number.POSITIVE_INFINITY]) {
      const refused = await refusal(() => call({ timeout } as never));
      expect([timeout, refused.code, refused.message]).toEqual([
        timeout,
        'KEYCELL_INPUT_INVALID',
        expect.stringContaining('number of milliseconds'),
      ]);
    }
  });

  test('is over before it begins', async () => {
    const reason = new Error('enough');
    // A stream does not tell how far it came.
    const outcome = name === 'encryptStream' ? 'unknown' : 'not-executed';
    const aborted = await refusal(() => call({ signal: AbortSignal.abort(reason) }));
    expect(aborted).toMatchObject({ code: 'KEYCELL_ABORTED', outcome, cause: reason });
    for (const timeout of [0, -5]) {
      expect(await refusal(() => call({ timeout }))).toMatchObject({
        code: 'KEYCELL_TIMEOUT',
        outcome: 'not-executed',
      });
    }
  });
});

test('a call that ended before it began did nothing, and another one does', async () => {
  const users = await it.admin.listUsers({ timeout: 60_000, signal: new AbortController().signal });
  expect(users.map(({ name, locked }) => [name, locked])).toEqual([
    ['officer', false],
    ['alice', false],
  ]);
  expect(await it.alice.getKey({ label: 'taken' })).toEqual(aes);
  await it.hsm.check({ timeout: 2 ** 31 });
  expect(await it.alice.sign(pair, pieces(), { timeout: 2 ** 31 })).toHaveLength(64);
});

test('what was to be wiped is wiped, whatever the options are', async () => {
  const { hsm, alice, admin } = it;
  for (const o of [{ signal: AbortSignal.abort() }, { timeout: 0 }, { timeout: Number.NaN }]) {
    const calls: ((secret: Uint8Array) => Promise<unknown>)[] = [
      (password) => hsm.login({ user: 'alice', password, wipe: true, ...o }),
      (passphrase) => hsm.unseal(passphrase, { wipe: true, ...o }),
      (material) => alice.importKey(AES, material, { wipe: true, ...o }),
      (password) => admin.createUser({ name: 'bob', role: 'crypto-user', password, wipe: true }, o),
      (password) => admin.setPassword('alice', password, { wipe: true, ...o }),
    ];
    for (const [i, call] of calls.entries()) {
      const secret = bytes(32, 7);
      await refusal(() => call(secret));
      expect([i, o, secret]).toEqual([i, o, new Uint8Array(32)]);
    }
  }
});

test('a signal of another realm', async () => {
  class ForeignSignal extends EventTarget {
    aborted = false;
    reason: unknown;
    abort(reason: unknown): void {
      Object.assign(this, { aborted: true, reason });
      this.dispatchEvent(new Event('abort'));
    }
  }
  const context = createContext({ ForeignSignal });
  const signal = runInContext('new ForeignSignal()', context) as ForeignSignal & AbortSignal;
  expect(signal).not.toBeInstanceOf(AbortSignal);
  expect(await it.alice.random(4, { signal })).toHaveLength(4);
  const waiting = refusal(() => it.alice.importKey(AES, () => new Promise(() => {}), { signal }));
  signal.abort('enough');
  expect(await waiting).toMatchObject({ code: 'KEYCELL_ABORTED', cause: 'enough' });
  expect(await code(() => it.hsm.check({ signal }))).toBe('KEYCELL_ABORTED');
});

describe('over while it waits', () => {
  test('for a function of the caller’s, whose late result is wiped', async () => {
    const calls: Record<string, (given: () => Promise<Uint8Array>, o: CallOptions) => Promise<unknown>> = {
      login: (password, o) => it.hsm.login({ user: 'alice', password, ...o }),
      unseal: (passphrase, o) => it.hsm.unseal(passphrase, o),
      importKey: (material, o) => it.alice.importKey(AES, material, o),
      createUser: (password, o) => it.admin.createUser({ name: 'bob', role: 'crypto-user', password }, o),
      setPassword: (password, o) => it.admin.setPassword('alice', password, o),
    };
    for (const [name, call] of Object.entries(calls)) {
      let give = (_: Uint8Array): void => {};
      const secret = bytes(32, 9);
      const given = (): Promise<Uint8Array> =>
        new Promise((resolve) => {
          give = resolve;
        });
      const late = await refusal(() => call(given, { timeout: 5 }));
      expect([name, late.code, late.outcome]).toEqual([name, 'KEYCELL_TIMEOUT', 'not-executed']);
      give(secret);
      // What it gives is taken, wiped and let go in these very microtasks.
      await new Promise(setImmediate);
      expect([name, secret]).toEqual([name, new Uint8Array(32)]);
    }
    expect((await it.admin.listUsers()).map(({ name }) => name)).toEqual(['officer', 'alice']);
  });

  test('for the warden: the outcome is unknown, and a session that comes late is closed', async () => {
    const engine = it.hsm as unknown as Engine;
    const { askWithSecrets, ask } = engine;
    const loggedOut = new Promise<void>((resolve, reject) => {
      engine.ask = ((...asked: Parameters<Engine['ask']>) => {
        const answer = ask.apply(engine, asked);
        if (asked[0] === 'logout') answer.then(() => resolve(), reject);
        return answer;
      }) as never;
    });
    const controller = new AbortController();
    let answered: Promise<unknown> | undefined;
    engine.askWithSecrets = ((...args: Parameters<Engine['askWithSecrets']>) => {
      answered = askWithSecrets.apply(engine, args);
      // Its answer has come, and the call has not been told yet.
      return answered.then((answer) => {
        controller.abort();
        return answer;
      });
    }) as never;
    try {
      const { signal } = controller;
      const late = await refusal(() => it.hsm.login({ user: 'alice', password: 'alice', signal }));
      expect(late).toMatchObject({ code: 'KEYCELL_ABORTED', outcome: 'unknown' });
      await answered;
      await loggedOut;
    } finally {
      Object.assign(engine, { askWithSecrets, ask });
    }
    await it.alice.renew();
  });

  test('for the disk: what was begun ends unseen', async () => {
    const engine = it.hsm as unknown as Engine;
    const { commit } = engine;
    const each: Record<string, (session: Session, o: CallOptions) => Promise<unknown>> = {
      generateKey: (session, o) => session.generateKey({ ...AES, label: 'late' }, o),
      setAttributes: async (session, o) =>
        session.setAttributes(await session.getKey({ label: 'late' }), { label: 'later' }, o),
      destroyKey: async (session, o) => session.destroyKey(await session.getKey({ label: 'later' }), o),
    };
    for (const [name, call] of Object.entries(each)) {
      const controller = new AbortController();
      let committed: Promise<void> | undefined;
      engine.commit = (change) => {
        controller.abort();
        committed = commit.call(engine, change);
        return committed;
      };
      try {
        const late = await refusal(() => call(it.alice, { signal: controller.signal }));
        expect([name, late.code, late.outcome]).toEqual([name, 'KEYCELL_ABORTED', 'unknown']);
        await committed;
        await new Promise(setImmediate);
      } finally {
        engine.commit = commit;
      }
    }
    expect(await code(() => it.alice.getKey({ label: 'late' }))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await code(() => it.alice.getKey({ label: 'later' }))).toBe('KEYCELL_KEY_NOT_FOUND');
  });

  test('for another call that makes the same key', async () => {
    const engine = it.hsm as unknown as Engine;
    const { commit } = engine;
    let write = (): void => {};
    const held = new Promise<void>((resolve) => {
      write = resolve;
    });
    engine.commit = (change) => held.then(() => commit.call(engine, change));
    const template = { ...AES, label: 'shared' } as const;
    const first = it.alice.ensureKey(template);
    try {
      const late = await refusal(() => it.alice.ensureKey(template, { timeout: 5 }));
      expect(late).toMatchObject({ code: 'KEYCELL_TIMEOUT', outcome: 'not-executed' });
    } finally {
      engine.commit = commit;
      write();
    }
    expect(await it.alice.getKey({ id: (await first).id })).toEqual(await first);
  });
});

test('the time of signMany is that of the whole, not of each message', async () => {
  const many = Array.from({ length: 60_000 }, () => bytes(3));
  expect(await code(() => it.alice.signMany(pair, many, { timeout: 20 }))).toBe('KEYCELL_TIMEOUT');
});

test('findKeys: the signal ends it at any key', async () => {
  const controller = new AbortController();
  let seen = 0;
  const found = async () => {
    for await (const _ of it.alice.findKeys({}, { signal: controller.signal })) {
      seen++;
      controller.abort();
    }
  };
  expect(await code(found)).toBe('KEYCELL_ABORTED');
  expect(seen).toBe(1);
});
