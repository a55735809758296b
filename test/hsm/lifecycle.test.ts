import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type HsmState, openEphemeralHsm, openHsm } from '../../dist/index.js';
import { runNode, startNode, temporaryFolder } from '../support/child.ts';
import { bytes, codeOf, errorOf, initialize, login, make, OFFICER, open, PASSPHRASE, SIGNING } from './support/hsm.ts';

describe('from folder to ready and back', () => {
  test('every state in its order, and keys that outlive them', async () => {
    const path = join(temporaryFolder(), 'deep', 'er');
    const hsm = await open({ path });
    const states: HsmState[] = [];
    hsm.on('state', (state) => states.push(state));
    expect([hsm.state, hsm.id]).toEqual(['uninitialized', '']);
    expect(await codeOf(hsm.unseal(PASSPHRASE))).toBe('KEYCELL_NOT_INITIALIZED');
    expect(await codeOf(login(hsm))).toBe('KEYCELL_NOT_INITIALIZED');
    expect(await codeOf(hsm.check())).toBe('KEYCELL_NOT_INITIALIZED');
    await hsm.seal();
    expect(hsm.state).toBe('uninitialized');

    await initialize(hsm);
    expect(hsm.state).toBe('ready');
    expect(hsm.id).toMatch(/^[0-9a-f]{32}$/);
    expect(await codeOf(initialize(hsm))).toBe('KEYCELL_ALREADY_INITIALIZED');
    const admin = await login(hsm, 'officer', OFFICER);
    await admin.createUser({ name: 'alice', role: 'crypto-user', password: 'p' });
    const alice = await login(hsm, 'alice', 'p');
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    const signature = await alice.sign(key, bytes('m'));

    await hsm.seal();
    await hsm.seal();
    expect(hsm.state).toBe('sealed');
    expect(await codeOf(login(hsm, 'alice', 'p'))).toBe('KEYCELL_SEALED');
    expect(await codeOf(hsm.check())).toBe('KEYCELL_SEALED');
    expect(await codeOf(alice.random(16))).toBe('KEYCELL_SEALED');
    expect(await codeOf(alice.sign(key, bytes('m')))).toBe('KEYCELL_SEALED');
    expect(await codeOf(alice.getKey({ id: key.id }))).toBe('KEYCELL_SEALED');
    expect(await codeOf(admin.listUsers())).toBe('KEYCELL_SEALED');
    expect(await codeOf(initialize(hsm))).toBe('KEYCELL_ALREADY_INITIALIZED');

    expect(await codeOf(hsm.unseal('wrong'))).toBe('KEYCELL_PASSPHRASE_WRONG');
    expect(hsm.state).toBe('sealed');
    await hsm.unseal(PASSPHRASE);
    expect(hsm.state).toBe('ready');
    const again = await login(hsm, 'alice', 'p');
    expect(await again.verify(key, signature, bytes('m'))).toBe(true);
    expect((await again.getKey({ label: 'k' })).id).toBe(key.id);

    const closing = hsm.close();
    expect(await codeOf(again.random(16))).toBe('KEYCELL_CLOSING');
    expect(await codeOf(again.sign(key, bytes('m')))).toBe('KEYCELL_CLOSING');
    expect(await codeOf(login(hsm, 'alice', 'p'))).toBe('KEYCELL_CLOSING');
    expect(await codeOf(hsm.unseal(PASSPHRASE))).toBe('KEYCELL_CLOSING');
    expect(await codeOf(hsm.seal())).toBe('KEYCELL_CLOSING');
    expect(await codeOf(initialize(hsm))).toBe('KEYCELL_CLOSING');
    await Promise.all([closing, hsm.close()]);
    await hsm.close();
    expect(await codeOf(again.random(16))).toBe('KEYCELL_CLOSING');
    await again.close();
    expect(states).toEqual(['ready', 'sealed', 'ready', 'sealed']);
  });

  test('the unseal hook is asked once, its array wiped, and only of an HSM that is initialised', async () => {
    const path = temporaryFolder();
    let asked = 0;
    const given = bytes(PASSPHRASE);
    const unseal = () => {
      asked++;
      return given;
    };
    const first = await open({ path, unseal });
    expect([first.state, asked]).toEqual(['uninitialized', 0]);
    await initialize(first);
    const { id } = first;
    await first.close();

    const second = await open({ path, unseal });
    expect([second.state, second.id, asked]).toEqual(['ready', id, 1]);
    expect(given.every((byte) => byte === 0)).toBe(true);
    await second.close();

    expect(await codeOf(openHsm({ path, workers: 1, unseal: async () => bytes('wrong') }))).toBe(
      'KEYCELL_PASSPHRASE_WRONG',
    );
    const hook = openHsm({
      path,
      workers: 1,
      unseal: () => {
        throw new RangeError('the vault of passphrases is shut');
      },
    });
    await expect(hook).rejects.toThrow('the vault of passphrases is shut');
    // Neither left the folder locked.
    const third = await open({ path });
    expect([third.state, third.id]).toEqual(['sealed', id]);
  });

  test('another process opens what this one made, and ends by itself after its close', async () => {
    const { path, hsm, alice } = await make();
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    await hsm.close();
    const { stdout } = await runNode('hsm/support/reopen.mjs', path);
    const said = JSON.parse(stdout);
    expect(said).toMatchObject({ id: hsm.id, key: key.id, states: ['sealed', 'ready'] });
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    const session = await login(back);
    expect(await session.verify(key, Buffer.from(said.signature, 'hex'), bytes('from there'))).toBe(true);
    expect(existsSync(join(path, 'audit.log'))).toBe(true);
  });

  test('initialize refuses what it cannot use, wipes what it is told to, and can be called again', async () => {
    const hsm = await open({ path: temporaryFolder() });
    const admin = { name: 'officer', password: OFFICER };
    for (const scryptLog2N of [13, 21, 14.5]) {
      const refused = hsm.initialize({ passphrase: PASSPHRASE, admin, scryptLog2N });
      expect(await codeOf(refused)).toBe('KEYCELL_INPUT_INVALID');
    }
    const initialized = (options: object) =>
      codeOf(hsm.initialize({ passphrase: PASSPHRASE, admin, scryptLog2N: 14, ...options }));
    expect(await initialized({ passphrase: '' })).toBe('KEYCELL_INPUT_INVALID');
    expect(await initialized({ passphrase: new Uint8Array(4097) })).toBe('KEYCELL_INPUT_INVALID');
    expect(await initialized({ admin: { name: '', password: 'p' } })).toBe('KEYCELL_INPUT_INVALID');
    expect(await initialized({ admin: { name: 'n'.repeat(65), password: 'p' } })).toBe('KEYCELL_INPUT_INVALID');
    expect(hsm.state).toBe('uninitialized');
    const passphrase = bytes(PASSPHRASE);
    const password = bytes(OFFICER);
    await hsm.initialize({ passphrase, admin: { name: 'officer', password }, scryptLog2N: 14, wipe: true });
    expect([...passphrase, ...password].every((byte) => byte === 0)).toBe(true);
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    await login(hsm, 'officer', OFFICER);
    expect((await hsm.check()).records).toBe(1);
  });

  test('two initialisations at once: one HSM', async () => {
    const hsm = await open({ path: temporaryFolder() });
    const codes = await Promise.all([codeOf(initialize(hsm)), codeOf(initialize(hsm))]);
    expect(codes).toEqual(['a result', 'KEYCELL_ALREADY_INITIALIZED']);
    await login(hsm, 'officer', OFFICER);
  });

  test('calls in hand when the HSM seals or closes settle', async () => {
    const { hsm, alice, path } = await make();
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    const many = () => Array.from({ length: 300 }, (_, i) => codeOf(alice.sign(key, bytes(`${i}`))));
    const sealed = many();
    await hsm.seal();
    for (const code of await Promise.all(sealed)) expect(['a result', 'KEYCELL_SEALED']).toContain(code);
    await hsm.unseal(PASSPHRASE);
    // A seal that overtakes logins and checks is a refusal for them, and nothing worse.
    const overtaken = [login(hsm), hsm.check(), login(hsm, 'alice', 'wrong')].map(codeOf);
    await hsm.seal();
    for (const code of await Promise.all(overtaken)) {
      expect(['a result', 'KEYCELL_LOGIN_FAILED', 'KEYCELL_SEALED']).toContain(code);
    }
    expect(hsm.state).toBe('sealed');
    await hsm.unseal(PASSPHRASE);
    const session = await login(hsm);
    const closed = Array.from({ length: 300 }, (_, i) => codeOf(session.sign(key, bytes(`${i}`))));
    const made = codeOf(session.generateKey({ ...SIGNING, label: 'last' }));
    const logins = [login(hsm), login(hsm, 'alice', 'wrong'), login(hsm)].map(codeOf);
    await hsm.close();
    for (const code of await Promise.all(logins)) {
      expect(['a result', 'KEYCELL_LOGIN_FAILED', 'KEYCELL_SEALED', 'KEYCELL_CLOSING']).toContain(code);
    }
    // What was taken before the close is done.
    expect(new Set(await Promise.all(closed))).toEqual(new Set(['a result']));
    expect(await made).toBe('a result');
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    await (await login(back)).getKey({ label: 'last' });
    await back.check();
  });
});

describe('one folder, one HSM', () => {
  test('a second opening is STORE_LOCKED, naming the process; lockTimeout waits', async () => {
    const path = temporaryFolder();
    const hsm = await open({ path });
    const error = await errorOf(openHsm({ path, workers: 1 }));
    expect([error.code, error.retryable]).toEqual(['KEYCELL_STORE_LOCKED', true]);
    expect(error.message).toContain(`${process.pid}`);
    const late = errorOf(openHsm({ path, workers: 1, lockTimeout: 300 }));
    expect((await late).code).toBe('KEYCELL_STORE_LOCKED');
    const waiting = open({ path, lockTimeout: 10_000 });
    setTimeout(() => void hsm.close(), 200);
    expect((await waiting).state).toBe('uninitialized');
  });

  test('a folder that another process holds names that one', async () => {
    const path = temporaryFolder();
    const holder = startNode('hsm/support/hold.mjs', path);
    await holder.said('open');
    const error = await errorOf(openHsm({ path, workers: 1 }));
    expect(error.code).toBe('KEYCELL_STORE_LOCKED');
    expect(error.message).toContain(`process ${holder.child.pid}`);
    holder.child.kill('SIGKILL');
    await holder.ended;
    expect((await open({ path })).state).toBe('uninitialized');
  });

  test('what is no path is refused', async () => {
    for (const path of [undefined, null, '', 7]) {
      const opening = openHsm({ path } as { path: string });
      await expect(opening).rejects.toMatchObject({ code: 'KEYCELL_INPUT_INVALID' });
    }
  });

  test('what cannot be opened with leaves the folder free', async () => {
    const path = temporaryFolder();
    for (const options of [{ workers: 0 }, { workers: 1.5 }, { queueLimit: 0 }]) {
      expect(await codeOf(openHsm({ path, workers: 1, ...options }))).toBe('KEYCELL_INPUT_INVALID');
    }
    expect((await open({ path })).state).toBe('uninitialized');
  });
});

describe('in memory', () => {
  test('one call, a session, and nothing afterwards', async () => {
    const { hsm, session } = await openEphemeralHsm({ workers: 2 });
    try {
      expect(hsm.state).toBe('ready');
      expect(hsm.id).toMatch(/^[0-9a-f]{32}$/);
      const key = await session.generateKey(SIGNING);
      expect(await session.verify(key, await session.sign(key, bytes('m')), bytes('m'))).toBe(true);
      expect(await codeOf(initialize(hsm))).toBe('KEYCELL_ALREADY_INITIALIZED');
      expect((await hsm.check()).records).toBe(1);
      expect(hsm.stats()).toMatchObject({ state: 'ready', cells: 2, queued: 0, inFlight: 0 });
    } finally {
      await hsm[Symbol.asyncDispose]();
    }
    expect(await codeOf(session.random(1))).toBe('KEYCELL_CLOSING');
  });

  test('Symbol.asyncDispose closes an HSM and a session', async () => {
    const { hsm, alice, path } = await make();
    await alice[Symbol.asyncDispose]();
    expect(await codeOf(alice.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    await hsm[Symbol.asyncDispose]();
    expect((await open({ path })).state).toBe('sealed');
  });
});
