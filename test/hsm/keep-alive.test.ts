/** A session that is kept: renewed, and logged in again, by a clock that the test moves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { secretFile } from '../../dist/index.js';
import { HsmError, type HsmErrorCode } from '../../src/errors.ts';
import { KeepAlive } from '../../src/hsm/keep-alive.ts';
import { temporaryFolder } from '../support/child.ts';
import { bytes, CIPHER, codeOf, make, PASSPHRASE, USER } from './support/hsm.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const MINUTE = 60_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));
async function until(ready: () => boolean): Promise<void> {
  while (!ready()) await turn();
}

async function kept() {
  const made = await make({ create: true });
  const path = join(temporaryFolder(), 'password');
  writeFileSync(path, USER);
  const session = await made.hsm.login({ user: 'alice', password: secretFile(path), keepAlive: true });
  return { ...made, path, session };
}

test('only with functions, so that no secret is kept', async () => {
  const { hsm } = await make({ create: true });
  for (const password of [USER, bytes(USER)])
    expect(await codeOf(hsm.login({ user: 'alice', password, keepAlive: true }))).toBe('KEYCELL_INPUT_INVALID');
  const mixed = { password: () => bytes(USER), passphrase: PASSPHRASE };
  expect(await codeOf(hsm.login({ user: 'alice', ...mixed, keepAlive: true }))).toBe('KEYCELL_INPUT_INVALID');
  expect(await codeOf(hsm.login({ user: 'alice', password: USER, keepAlive: false }))).toBe('a result');
});

test('it is renewed after ten minutes, and again; it keeps its id and its keys', async () => {
  const { session } = await kept();
  const { id } = session;
  const key = await session.generateKey({ ...CIPHER, persistent: false });
  for (let i = 0; i < 3; i++) {
    const before = session.expiresAt.getTime();
    vi.advanceTimersByTime(10 * MINUTE);
    await until(() => session.expiresAt.getTime() > before);
  }
  expect(session.id).toBe(id);
  await session.encrypt(key, bytes('m'));
});

test('sealed and unsealed, it goes on by a new login; stored keys serve, session keys are of a session that ended', async () => {
  const { hsm, session } = await kept();
  const { id } = session;
  const stored = await session.generateKey({ ...CIPHER, label: 'stored' });
  const passing = await session.generateKey({ ...CIPHER, persistent: false });
  await hsm.seal();
  vi.advanceTimersByTime(20 * MINUTE);
  expect(await codeOf(session.encrypt(stored, bytes('m')))).toBe('KEYCELL_SEALED');
  await hsm.unseal(PASSPHRASE);
  vi.advanceTimersByTime(0);
  await until(() => session.id !== id);
  await session.encrypt(stored, bytes('m'));
  expect(await codeOf(session.encrypt(passing, bytes('m')))).toBe('KEYCELL_SESSION_EXPIRED');
  await session.encrypt(await session.generateKey({ ...CIPHER, persistent: false }), bytes('m'));
});

test('one that was revoked logs in again, and one whose password is wrong by now does not', async () => {
  const { hsm, admin, path, session } = await kept();
  const { id } = session;
  await admin.setPassword('alice', 'another');
  expect(await codeOf(session.random(1))).toBe('KEYCELL_SESSION_REVOKED');
  writeFileSync(path, 'another\n');
  vi.advanceTimersByTime(10 * MINUTE);
  await until(() => session.id !== id);
  await session.random(1);
  await admin.setPassword('alice', 'a third');
  const refused = () => hsm.stats().failuresByCode['KEYCELL_LOGIN_FAILED'] ?? 0;
  expect(refused()).toBe(0);
  vi.advanceTimersByTime(10 * MINUTE);
  await until(() => refused() === 1);
  // The right one comes too late: nobody asks for it.
  writeFileSync(path, 'a third');
  await turn();
  vi.advanceTimersByTime(20 * MINUTE);
  await admin.listUsers();
  expect(await codeOf(session.random(1))).toBe('KEYCELL_SESSION_REVOKED');
});

test('closed, it is closed for good', async () => {
  const { hsm, session } = await kept();
  const { logins } = hsm.stats();
  const timers = vi.getTimerCount();
  await session.close();
  expect(vi.getTimerCount()).toBe(timers - 1);
  await hsm.seal();
  await hsm.unseal(PASSPHRASE);
  vi.advanceTimersByTime(20 * MINUTE);
  // One login after the other: what had begun before this one would be counted.
  await hsm.login({ user: 'alice', password: USER });
  expect(hsm.stats().logins).toBe(logins + 1);
  expect(await codeOf(session.random(1))).toBe('KEYCELL_SESSION_REVOKED');
});

/** What a session is asked for, and answers it with. */
function scripted(...answers: (boolean | HsmErrorCode)[]) {
  const asked: string[] = [];
  const next = async (what: string): Promise<boolean> => {
    asked.push(what);
    const answer = answers.shift() ?? true;
    if (typeof answer === 'string') throw new HsmError(answer);
    return answer;
  };
  let ended = false;
  const session = { renew: () => next('renew'), login: async () => void (await next('login')) };
  new KeepAlive(session, () => {
    ended = true;
  });
  const after = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms);
    return asked.splice(0);
  };
  return { after, ended: () => ended };
}

test('a renewal that the twelfth hour cuts is followed by a login', async () => {
  const { after } = scripted(true, false, true, true);
  expect(await after(10 * MINUTE - 1)).toEqual([]);
  expect(await after(1)).toEqual(['renew']);
  expect(await after(10 * MINUTE)).toEqual(['renew', 'login']);
  expect(await after(10 * MINUTE)).toEqual(['renew']);
});

test('what fails is tried again with growing pauses, and a session that ended meanwhile is logged in again', async () => {
  const busy = Array.from({ length: 8 }, () => 'KEYCELL_BUSY' as const);
  const { after, ended } = scripted(
    ...busy,
    'KEYCELL_SESSION_EXPIRED',
    'KEYCELL_STORE_UNAVAILABLE',
    'KEYCELL_SESSION_EXPIRED',
  );
  expect(await after(10 * MINUTE)).toEqual(['renew']);
  for (const pause of [1, 2, 4, 8, 16, 32, 60]) {
    expect(await after(1000 * pause - 1)).toEqual([]);
    expect(await after(1)).toEqual(['renew']);
  }
  expect(await after(MINUTE)).toEqual(['renew', 'login']);
  expect(await after(MINUTE)).toEqual(['renew', 'login']);
  expect(await after(10 * MINUTE)).toEqual(['renew']);
  expect(ended()).toBe(false);
});

test.each(['KEYCELL_LOGIN_FAILED', 'KEYCELL_CLOSING', 'KEYCELL_TAMPERED'] as const)('%s ends it', async (code) => {
  const { after, ended } = scripted(false, code);
  expect(await after(10 * MINUTE)).toEqual(['renew', 'login']);
  expect(ended()).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});
