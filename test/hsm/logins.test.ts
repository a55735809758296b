/** Floods of logins, locks, and the ways in that remain. Order is told by events: who was answered before whom. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Hsm, openEphemeralHsm, openHsm } from '../../dist/index.js';
import type { Engine } from '../../src/hsm/engine.ts';
import { temporaryFolder } from '../support/child.ts';
import { bytes, codeOf, errorOf, login, make, OFFICER, open, PASSPHRASE, SIGNING, USER, until } from './support/hsm.ts';

const HASHING_THREADS = Math.max(1, Math.min(availableParallelism() - 1, 4));
const isZero = (array: Uint8Array) => array.every((byte) => byte === 0);

/** The first failure locks the name, for longer than a test takes. */
const LOCKOUT = { after: 1, delay: 3_600_000, longest: 3_600_000 };

/** Wrong logins, all at once; how many were hashed so far, and what all came to. */
function flood(hsm: Hsm, count: number, nameOf: (i: number) => string) {
  const seen = { hashed: 0, codes: Promise.resolve([] as string[]) };
  const calls = Array.from({ length: count }, async (_, i) => {
    const code = await codeOf(hsm.login({ user: nameOf(i), password: 'wrong' }));
    if (code === 'KEYCELL_LOGIN_FAILED') seen.hashed++;
    return code;
  });
  seen.codes = Promise.all(calls);
  return seen;
}

const FLOODS: [string, (i: number) => string][] = [
  ['an unknown name', () => 'nobody'],
  ['unknown names', (i) => `nobody ${i}`],
  ['a user’s name', () => 'bob'],
  ['all names', (i) => ['bob', 'carol', `nobody ${i}`][i % 3]!],
];

describe.each(FLOODS)('a flood of wrong logins under %s', (_, nameOf) => {
  test('is bounded, and holds up nobody else', async () => {
    const { hsm, admin } = await make();
    for (const name of ['bob', 'carol']) await admin.createUser({ name, role: 'crypto-user', password: 'right' });
    const wrong = flood(hsm, 2000, nameOf);
    const before: Record<string, number> = {};
    const others = {
      officer: login(hsm, 'officer', OFFICER),
      alice: login(hsm),
      create: admin.createUser({ name: 'dave', role: 'crypto-user', password: 'd' }),
      password: admin.setPassword('carol', 'other'),
      unseal: hsm.unseal(PASSPHRASE),
    };
    for (const [name, call] of Object.entries(others)) call.then(() => (before[name] = wrong.hashed));
    await Promise.all(Object.values(others));
    // What is hashed already ends first; then the flood takes turns with five calls, and never has more than they.
    for (const hashed of Object.values(before)) expect(hashed).toBeLessThanOrEqual(HASHING_THREADS + 6);
    const codes = await wrong.codes;
    const busy = codes.filter((code) => code === 'KEYCELL_BUSY').length;
    expect(busy).toBeGreaterThan(1600);
    expect(codes).not.toContain('a result');
    await hsm.check();
  });

  test('does not keep the HSM from being sealed and closed, and who waits is told', async () => {
    const { hsm } = await make();
    const wrong = flood(hsm, 200, nameOf);
    await hsm.seal();
    expect(wrong.hashed).toBeLessThanOrEqual(4);
    for (const code of await wrong.codes) {
      expect(['KEYCELL_BUSY', 'KEYCELL_SEALED', 'KEYCELL_LOGIN_FAILED']).toContain(code);
    }
    await hsm.unseal(PASSPHRASE);
    const again = flood(hsm, 200, nameOf);
    await hsm.close();
    for (const code of await again.codes) {
      expect(['KEYCELL_BUSY', 'KEYCELL_CLOSING', 'KEYCELL_SEALED', 'KEYCELL_LOGIN_FAILED']).toContain(code);
    }
  });
});

test('what is refused for want of room is refused at once, retryable, and its password is wiped', async () => {
  const { hsm } = await make();
  const passwords = Array.from({ length: 2000 }, () => bytes('wrong'));
  let asked = 0;
  const calls = passwords.map((password) => errorOf(hsm.login({ user: 'nobody', password, wipe: true })));
  const functions = Array.from({ length: 100 }, () => {
    const password = () => {
      asked++;
      return bytes('wrong');
    };
    return errorOf(hsm.login({ user: 'nobody', password }));
  });
  // In the tick of the call: nothing waits anywhere with a secret in hand.
  expect(passwords.every(isZero)).toBe(true);
  expect(asked).toBe(0);
  for (const error of await Promise.all(functions)) {
    expect(error).toMatchObject({ code: 'KEYCELL_BUSY', retryable: true, outcome: 'not-executed' });
  }
  const codes = (await Promise.all(calls)).map(({ code }) => code);
  expect(codes.filter((code) => code === 'KEYCELL_BUSY').length).toBeGreaterThan(1900);
  expect(hsm.stats().failuresByCode.KEYCELL_BUSY).toBeGreaterThan(2000);
});

test('calls with a passphrase are bounded, too', async () => {
  const { hsm } = await make();
  const passphrases = Array.from({ length: 100 }, () => bytes('wrong'));
  const codes = await Promise.all(passphrases.map((one) => codeOf(hsm.unseal(one, { wipe: true }))));
  expect(passphrases.every(isZero)).toBe(true);
  expect(codes.filter((code) => code === 'KEYCELL_BUSY')).toHaveLength(92);
  expect(codes.filter((code) => code === 'KEYCELL_PASSPHRASE_WRONG')).toHaveLength(8);
  await hsm.unseal(PASSPHRASE);
});

test('wrong passphrases of logins keep nobody from unsealing, nor another admin out', async () => {
  const { hsm, admin } = await make();
  await admin.createUser({ name: 'second', role: 'admin', password: 's' });
  const guess = (user: string) => hsm.login({ user, password: 'x', passphrase: 'wrong' });
  const codes = Array.from({ length: 300 }, (_, i) => codeOf(guess(['officer', 'alice', `nobody ${i}`][i % 3]!)));
  await Promise.all([
    hsm.unseal(PASSPHRASE),
    hsm.unseal(PASSPHRASE),
    hsm.login({ user: 'second', password: 's', passphrase: PASSPHRASE }),
  ]);
  // Those of names that are no admin's wait for each other, like wrong passwords: few are hashed.
  const hashed = (await Promise.all(codes)).filter((code) => code === 'KEYCELL_LOGIN_FAILED');
  expect(hashed.length).toBeLessThan(20);
  await hsm.unseal(PASSPHRASE);
});

test('who guesses both password and passphrase keeps no admin out, and learns nothing of either', async () => {
  const { hsm, path } = await make({ lockout: LOCKOUT });
  const attempt = (password: string, passphrase: string) =>
    errorOf(hsm.login({ user: 'officer', password, passphrase })).catch(() => undefined);
  // Locked by the first.
  const failures = [await attempt(OFFICER, 'wrong')];
  expect(await codeOf(login(hsm, 'officer', OFFICER))).toBe('KEYCELL_LOGIN_LOCKED');
  failures.push(await attempt(OFFICER, 'wrong'), await attempt('x', PASSPHRASE));
  for (let i = 0; i < 20; i++) failures.push(await attempt('x', 'wrong'));
  expect(new Set(failures.map((error) => `${error?.code} ${error?.message} ${error?.retryable}`)).size).toBe(1);
  expect(failures[0]).toMatchObject({ code: 'KEYCELL_LOGIN_FAILED' });
  await hsm.login({ user: 'officer', password: OFFICER, passphrase: PASSPHRASE });
  // It ends the lock, too.
  await login(hsm, 'officer', OFFICER);
  await hsm.check();
  // What failed during the lock is written down as a number, by the login that ended it.
  const log = readFileSync(join(path, 'audit.log'), 'utf8');
  expect(log.match(/"login-failed"/g)).toHaveLength(1);
  expect(log.match(/"missed":\d+/g)).toEqual(['"missed":23']);
  expect(log.match(/"passphrase":"wrong"/g)).toHaveLength(1);
});

test('who has an admin’s password and guesses the passphrase has to wait, and is not told so', async () => {
  const { hsm, admin } = await make({ lockout: { after: 100 } });
  await admin.createUser({ name: 'second', role: 'admin', password: 's' });
  const attempt = (user: string, password: string, passphrase: string) =>
    codeOf(hsm.login({ user, password, passphrase }));
  /** Whether the right pair is refused after so many wrong ones; one that is not ends their count. */
  const refusedAfter = async (wrong: number): Promise<boolean> => {
    for (let i = 0; i < wrong; i++) expect(await attempt('officer', OFFICER, 'wrong')).toBe('KEYCELL_LOGIN_FAILED');
    return (await attempt('officer', OFFICER, PASSPHRASE)) === 'KEYCELL_LOGIN_FAILED';
  };
  // Those that come during a wait count for nothing: how many it takes is a matter of how long a hash takes here.
  let wrong = 4;
  while (!(await refusedAfter(wrong))) wrong++;
  // Neither for long, nor for other admins, nor where it is left out.
  expect(await attempt('second', 's', PASSPHRASE)).toBe('a result');
  await until(async () => (await attempt('officer', OFFICER, PASSPHRASE)) === 'a result');
  await login(hsm, 'officer', OFFICER);
  // It ends the count.
  expect(await attempt('officer', OFFICER, 'wrong')).toBe('KEYCELL_LOGIN_FAILED');
  expect(await attempt('officer', OFFICER, PASSPHRASE)).toBe('a result');
});

test('wrong passphrases under names that are no admin’s make those wait that come after them', async () => {
  const { hsm } = await make({ lockout: { after: 100 } });
  const attempt = (user: string, password = 'x', passphrase = 'wrong') =>
    codeOf(hsm.login({ user, password, passphrase }));
  const codes = [await attempt('alice')];
  const hashed = () => codes.filter((code) => code === 'KEYCELL_LOGIN_FAILED').length;
  for (let i = 0; hashed() < 4; i++) codes.push(await attempt(`nobody ${i}`));
  expect(new Set(codes)).toEqual(new Set(['KEYCELL_LOGIN_FAILED', 'KEYCELL_LOGIN_LOCKED']));
  // For a second now; and the right one, too.
  expect(await attempt('alice', USER, PASSPHRASE)).toBe('KEYCELL_LOGIN_LOCKED');
  // No admin waits for them, nor who leaves the passphrase out.
  expect(await attempt('officer', OFFICER, PASSPHRASE)).toBe('a result');
  await login(hsm);
});

async function lockOut(hsm: Hsm, user: string): Promise<void> {
  expect(await codeOf(login(hsm, user, 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
}

describe('failed logins', () => {
  test('lock a name, known or not, and say the same of both', async () => {
    const { hsm, admin } = await make({ lockout: LOCKOUT });
    for (const name of ['alice', 'nobody']) await lockOut(hsm, name);
    const known = await errorOf(login(hsm));
    const unknown = await errorOf(login(hsm, 'nobody', 'x'));
    expect(known).toMatchObject({ code: 'KEYCELL_LOGIN_LOCKED', retryable: true });
    expect([unknown.code, unknown.message]).toEqual([known.code, known.message]);
    // Others are none of it.
    await (await login(hsm, 'officer', OFFICER)).close();
    await admin.unlockUser('alice');
    await login(hsm);
  });

  test('a right one ends the count', async () => {
    const { hsm } = await make({ lockout: { ...LOCKOUT, after: 3 } });
    const codes = [];
    for (const password of ['wrong', USER, 'wrong', USER, 'wrong', USER]) {
      codes.push(await codeOf(login(hsm, 'alice', password)));
    }
    const pair = ['KEYCELL_LOGIN_FAILED', 'a result'];
    expect(codes).toEqual([...pair, ...pair, ...pair]);
  });

  test('a new password by an admin ends the lock', async () => {
    const { hsm, admin } = await make({ lockout: LOCKOUT });
    await lockOut(hsm, 'alice');
    expect(await codeOf(login(hsm))).toBe('KEYCELL_LOGIN_LOCKED');
    await admin.setPassword('alice', 'new');
    await login(hsm, 'alice', 'new');
  });

  test('keep no admin out who has the passphrase', async () => {
    const { hsm } = await make({ lockout: LOCKOUT });
    await lockOut(hsm, 'officer');
    const officer = (password: string, passphrase: string) =>
      hsm.login({ user: 'officer', password, passphrase: bytes(passphrase), wipe: true });
    expect(await codeOf(login(hsm, 'officer', OFFICER))).toBe('KEYCELL_LOGIN_LOCKED');
    expect(await codeOf(officer(OFFICER, 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
    expect(await codeOf(officer('wrong', PASSPHRASE))).toBe('KEYCELL_LOGIN_FAILED');
    const flooded = flood(hsm, 500, () => 'officer');
    const admin = await officer(OFFICER, PASSPHRASE);
    await flooded.codes;
    await admin.unlockUser('officer');
    await login(hsm, 'officer', OFFICER);
  });

  test('are not forgotten by a seal', async () => {
    const { hsm } = await make({ lockout: LOCKOUT });
    await lockOut(hsm, 'alice');
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    expect(await codeOf(login(hsm))).toBe('KEYCELL_LOGIN_LOCKED');
  });

  test('have a policy that is checked', async () => {
    const bad = [{ after: 0 }, { after: 101 }, { after: 1.5 }, { delay: 999 }, { delay: 5000, longest: 4999 }];
    for (const lockout of bad) {
      expect(await codeOf(openHsm({ path: temporaryFolder(), workers: 1, lockout }))).toBe('KEYCELL_INPUT_INVALID');
    }
  });
});

describe('a user whom an admin locks', () => {
  test('is out at once and for good, whatever password they give, and learns nothing of it', async () => {
    const { hsm, admin, alice, path } = await make();
    const key = await alice.generateKey({ ...SIGNING, label: 'k' });
    await admin.lockUser('alice');
    expect(await codeOf(alice.renew())).toBe('KEYCELL_SESSION_REVOKED');
    const [right, wrong, unknown] = [
      await errorOf(login(hsm)),
      await errorOf(login(hsm, 'alice', 'wrong')),
      await errorOf(login(hsm, 'nobody', 'wrong')),
    ];
    expect(new Set([right.message, wrong.message, unknown.message]).size).toBe(1);
    expect(right.code).toBe('KEYCELL_LOGIN_FAILED');
    // Not with the passphrase either: it is past failed logins, not past an admin.
    const past = hsm.login({ user: 'alice', password: USER, passphrase: PASSPHRASE });
    expect(await codeOf(past)).toBe('KEYCELL_LOGIN_FAILED');
    expect((await admin.listUsers()).find(({ name }) => name === 'alice')).toMatchObject({ locked: true });
    // A new password does not let them in.
    await admin.setPassword('alice', 'new');
    expect(await codeOf(login(hsm, 'alice', 'new'))).toBe('KEYCELL_LOGIN_FAILED');
    await hsm.check();

    await hsm.close();
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    expect(await codeOf(login(back, 'alice', 'new'))).toBe('KEYCELL_LOGIN_FAILED');
    await (await login(back, 'officer', OFFICER)).unlockUser('alice');
    const again = await login(back, 'alice', 'new');
    expect(again.user.locked).toBe(false);
    await again.sign(key, bytes('m'));
    await back.check();
  });

  test('only admins lock and unlock', async () => {
    const { admin, alice } = await make();
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    for (const call of [alice.lockUser('bob'), alice.unlockUser('bob'), alice.lockUser('officer')]) {
      expect(await codeOf(call)).toBe('KEYCELL_PERMISSION_DENIED');
    }
    expect(await codeOf(admin.lockUser('nobody'))).toBe('KEYCELL_USER_NOT_FOUND');
    await admin.lockUser('bob');
    await admin.lockUser('bob');
    await admin.unlockUser('bob');
    await admin.unlockUser('bob');
  });
});

describe('an admin who can log in remains', () => {
  test('the last one is neither removed nor locked, not by themselves either', async () => {
    const { hsm, admin } = await make();
    for (const call of [admin.removeUser('officer'), admin.lockUser('officer')]) {
      const error = await errorOf(call);
      expect(error.code).toBe('KEYCELL_PERMISSION_DENIED');
      expect(error.message).toContain('no other admin');
    }
    await login(hsm, 'officer', OFFICER);
    await admin.createUser({ name: 'second', role: 'admin', password: 's' });
    await admin.lockUser('second');
    // A locked one does not count.
    expect(await codeOf(admin.removeUser('officer'))).toBe('KEYCELL_PERMISSION_DENIED');
    await admin.unlockUser('second');
    await admin.removeUser('officer');
    const second = await login(hsm, 'second', 's');
    expect(await codeOf(second.removeUser('second'))).toBe('KEYCELL_PERMISSION_DENIED');
    await hsm.check();
  });

  test.each([
    ['remove', 'remove'],
    ['lock', 'lock'],
    ['remove', 'lock'],
  ] as const)('two who %s and %s each other at once: one stays', async (first, second) => {
    const { hsm, admin, path } = await make();
    await admin.createUser({ name: 'second', role: 'admin', password: 's' });
    const other = await login(hsm, 'second', 's');
    const end = (session: typeof admin, how: 'remove' | 'lock', name: string) =>
      codeOf(how === 'remove' ? session.removeUser(name) : session.lockUser(name));
    const codes = await Promise.all([end(admin, first, 'second'), end(other, second, 'officer')]);
    expect(codes.filter((code) => code === 'a result')).toHaveLength(1);
    const ins = await Promise.all([codeOf(login(hsm, 'officer', OFFICER)), codeOf(login(hsm, 'second', 's'))]);
    expect(ins.filter((code) => code === 'a result')).toHaveLength(1);
    await hsm.check();
    await hsm.close();
    await (await open({ path, unseal: () => bytes(PASSPHRASE) })).check();
  });

  test('whatever the facade asks to be written', async () => {
    const { hsm, admin } = await make();
    const engine = hsm as unknown as Engine;
    const { id, record } = engine.users.get('officer')!;
    const removal = { key: `user/${id}`, record: null, before: record };
    expect(await codeOf(engine.commit(removal))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await codeOf(admin.removeUser('officer'))).toBe('KEYCELL_PERMISSION_DENIED');
    await hsm.check();
  });
});

describe('a user’s own new password', () => {
  test('asks for the old one, of admins, too', async () => {
    const { hsm, admin, alice } = await make();
    const attempts = [
      () => alice.setPassword('alice', 'new'),
      () => admin.setPassword('officer', 'new'),
      () => alice.setPassword('alice', 'new', { oldPassword: 'wrong' }),
      () => admin.setPassword('officer', 'new', { oldPassword: 'wrong' }),
    ];
    const codes = [];
    for (const attempt of attempts) codes.push(await codeOf(attempt()));
    expect(codes).toEqual([
      'KEYCELL_PERMISSION_DENIED',
      'KEYCELL_PERMISSION_DENIED',
      'KEYCELL_LOGIN_FAILED',
      'KEYCELL_LOGIN_FAILED',
    ]);
    await alice.setPassword('alice', 'new', { oldPassword: USER });
    await admin.setPassword('officer', 'newer', { oldPassword: OFFICER });
    await login(hsm, 'alice', 'new');
    await login(hsm, 'officer', 'newer');
  });

  test('whoever has a session guesses no faster than whoever logs in', async () => {
    const { hsm, alice } = await make({ lockout: LOCKOUT });
    const guess = (oldPassword: string) => codeOf(alice.setPassword('alice', 'mine', { oldPassword }));
    expect(await guess('wrong')).toBe('KEYCELL_LOGIN_FAILED');
    expect(await guess(USER)).toBe('KEYCELL_LOGIN_LOCKED');
    expect(await codeOf(login(hsm))).toBe('KEYCELL_LOGIN_LOCKED');
  });

  test('both passwords are wiped where that was asked', async () => {
    const { alice } = await make();
    const [password, oldPassword] = [bytes('new'), bytes('wrong')];
    expect(await codeOf(alice.setPassword('alice', password, { oldPassword, wipe: true }))).toBe(
      'KEYCELL_LOGIN_FAILED',
    );
    expect(isZero(password) && isZero(oldPassword)).toBe(true);
  });
});

describe('the passphrase of a ready HSM', () => {
  test('is checked, and what is wrong changes nothing', async () => {
    const { hsm, alice } = await make();
    const key = await alice.generateKey(SIGNING);
    const wrong = bytes('anything');
    expect(await codeOf(hsm.unseal(wrong, { wipe: true }))).toBe('KEYCELL_PASSPHRASE_WRONG');
    expect(isZero(wrong)).toBe(true);
    expect(hsm.state).toBe('ready');
    await hsm.unseal(PASSPHRASE);
    await alice.sign(key, bytes('m'));
    await hsm.check();
  });

  test('of two that unseal at once, the wrong one is told', async () => {
    const { hsm } = await make();
    await hsm.seal();
    const codes = await Promise.all([codeOf(hsm.unseal(PASSPHRASE)), codeOf(hsm.unseal('wrong'))]);
    expect(codes).toEqual(['a result', 'KEYCELL_PASSPHRASE_WRONG']);
    expect(hsm.state).toBe('ready');
  });
});

test('the log tells who locked whom, which failure began a lock, and that a passphrase was refused', async () => {
  const { hsm, admin, alice, path } = await make({ lockout: LOCKOUT });
  await lockOut(hsm, 'alice');
  await admin.lockUser('alice');
  await admin.unlockUser('alice');
  await admin.lockUser('alice');
  await lockOut(hsm, 'alice');
  expect(await codeOf(hsm.unseal('wrong'))).toBe('KEYCELL_PASSPHRASE_WRONG');
  await hsm.check();
  const user = alice.user.id;
  const caller = admin.user.id;
  const lines = readFileSync(join(path, 'audit.log'), 'utf8').trim().split('\n');
  const seen = ['login-failed', 'user-lock', 'user-unlock', 'passphrase-refused'];
  const entries = lines
    .map((line) => JSON.parse(line).body ?? JSON.parse(line))
    .filter(({ event }) => seen.includes(event));
  expect(entries).toMatchObject([
    { event: 'login-failed', user, wait: LOCKOUT.delay },
    { event: 'user-lock', user, caller, name: 'alice' },
    { event: 'user-unlock', user, caller, name: 'alice' },
    { event: 'user-lock', user, caller, name: 'alice' },
    { event: 'login-failed', user, locked: true },
    { event: 'passphrase-refused' },
  ]);
});

test('initialize wipes both secrets where one of them is refused', async () => {
  const hsm = await open({ path: temporaryFolder() });
  const passphrase = bytes('passphrase');
  const empty = { name: 'officer', password: new Uint8Array(0) };
  expect(await codeOf(hsm.initialize({ passphrase, admin: empty, wipe: true }))).toBe('KEYCELL_INPUT_INVALID');
  expect(isZero(passphrase)).toBe(true);
  const password = bytes('password');
  const given = { passphrase: new Uint8Array(0), admin: { name: 'officer', password }, wipe: true };
  expect(await codeOf(hsm.initialize(given))).toBe('KEYCELL_INPUT_INVALID');
  expect(isZero(password)).toBe(true);
});

test('an ephemeral HSM has no passphrase: who gives one is told so, and it serves on', async () => {
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  onTestFinished(() => hsm.close());
  expect(await codeOf(hsm.login({ user: 'x', password: 'y', passphrase: 'z' }))).toBe('KEYCELL_INPUT_INVALID');
  expect(await codeOf(hsm.unseal('z'))).toBe('KEYCELL_INPUT_INVALID');
  expect((await session.random(16)).length).toBe(16);
});
