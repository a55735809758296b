/** Threads that die under load: cells by killCell, the warden by the hand of the test. */
import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { EcKey, Hsm, Session } from '../../dist/index.js';
import { bytes, CIPHER, codeOf, login, make, OFFICER, open, PASSPHRASE, SIGNING, sleep, until } from './support/hsm.ts';
import { started, threadAfter } from './support/threads.ts';

const message = (i: number) => bytes(`message ${i}`);
const good = (key: EcKey, signature: Uint8Array, i: number): boolean => {
  const publicKey = createPublicKey({ key: Buffer.from(key.publicKey), format: 'der', type: 'spki' });
  return verify('sha256', message(i), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
};

/** Counts how often each promise settles, by value or error. */
function counted<T>(promises: readonly Promise<T>[]) {
  const settled = promises.map(() => 0);
  promises.forEach((promise, i) => {
    const count = () => {
      settled[i]!++;
    };
    promise.then(count, count);
  });
  return settled;
}

/** Resolves when the warden has posted so many leases more: with each their age falls. */
async function leases(hsm: Hsm, count: number): Promise<void> {
  let age = hsm.stats().leaseAge!;
  for (let posted = 0; posted < count; ) {
    await sleep(20);
    const now = hsm.stats().leaseAge!;
    if (now < age) posted++;
    age = now;
  }
}

describe.each([1, 2])('%i cells', (workers) => {
  test('a cell killed again and again under load: every call has one right answer', async () => {
    const { hsm, alice, path } = await make({ workers });
    const signer = await alice.generateKey({ ...SIGNING, label: 'signer' });
    const aes = await alice.generateKey({ ...CIPHER, label: 'aes', extractable: 'wrapped' });
    const kek = await alice.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], label: 'kek' });
    const expected = await alice.wrapKey(kek, aes, { mechanism: 'AES-KW' });
    const restarts: number[] = [];
    hsm.on('cell-restart', ({ cell }) => restarts.push(cell));

    const signatures = Array.from({ length: 900 }, (_, i) => alice.sign(signer, message(i)));
    const wraps = Array.from({ length: 300 }, () => alice.wrapKey(kek, aes, { mechanism: 'AES-KW' }));
    const keys = Array.from({ length: 60 }, (_, i) => alice.generateKey({ ...CIPHER, label: `made ${i}` }));
    const settled = counted<unknown>([...signatures, ...wraps, ...keys]);
    const kills: Promise<void>[] = [];
    for (let kill = 0; kill < 4; kill++) {
      await sleep(8);
      kills.push(hsm.killCell(kill % workers));
      await Promise.all(kills);
      await until(() => hsm.stats().cells === workers);
    }
    const outcome = <T>(promise: Promise<T>) =>
      promise.then(
        (value) => ({ value }),
        // A request that met two deaths is given up, and says so.
        (error: { code: string; outcome: string }) => ({ error: `${error.code} ${error.outcome}` }),
      );
    const signed = await Promise.all(signatures.map(outcome));
    const wrapped = await Promise.all(wraps.map(outcome));
    const made = await Promise.all(keys.map(outcome));
    const given = [...signed, ...wrapped, ...made].filter((each) => 'value' in each).length;
    for (const each of [...signed, ...wrapped, ...made]) {
      if ('error' in each) expect(each.error).toBe('KEYCELL_CELL_LOST unknown');
    }
    expect(given).toBeGreaterThan(1000);
    signed.forEach((each, i) => {
      if ('value' in each && !good(signer, each.value, i)) throw new Error(`signature ${i} is wrong`);
    });
    for (const each of wrapped) if ('value' in each) expect(each.value).toEqual(expected);
    const ids = made.flatMap((each) => ('value' in each ? [each.value.id] : []));
    expect(new Set(ids).size).toBe(ids.length);
    await sleep(20);
    expect(settled.every((times) => times === 1)).toBe(true);
    expect(restarts).toHaveLength(4);
    expect(hsm.stats()).toMatchObject({ state: 'ready', cells: workers, queued: 0, inFlight: 0, cellRestarts: 4 });

    // None doubled: what was answered is there, and nothing else.
    const labels: string[] = [];
    for await (const key of alice.findKeys({ type: 'AES' })) if (key.label?.startsWith('made')) labels.push(key.id);
    expect(labels.sort()).toEqual(ids.sort());
    await hsm.check();
    await hsm.close();
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    await back.check();
  });
});

test('killing a cell that is idle, or none, harms nothing', async () => {
  const { hsm, alice } = await make({ workers: 2 });
  await hsm.killCell(7);
  await Promise.all([hsm.killCell(0), hsm.killCell(1)]);
  await alice.random(8);
  await until(() => hsm.stats().cells === 2);
  // The dead cells' counters are settled with the warden, which looks two ticks back: leases go on.
  await leases(hsm, 3);
  await alice.random(8);
  await hsm.seal();
  await hsm.killCell(0);
  await hsm.unseal(PASSPHRASE);
  await (await login(hsm)).random(8);
});

/** An HSM, and a way to end its warden. */
async function withWarden(workers: number) {
  let next = started();
  const made = await make({ workers });
  const events: string[] = [];
  made.hsm.on('warden-restart', () => events.push('warden-restart'));
  made.hsm.on('state', (state) => events.push(state));
  const kill = async (): Promise<void> => {
    const warden = await threadAfter(next);
    next = started();
    await warden.terminate();
  };
  return { ...made, events, kill };
}

const uses = async (hsm: Hsm, session: Session): Promise<void> => {
  const key = await session.generateKey(SIGNING);
  expect(good(key, await session.sign(key, message(1)), 1)).toBe(true);
  await session.destroyKey(key);
  await session.renew();
  await (await login(hsm, 'officer', OFFICER)).listUsers();
};

describe('the warden', () => {
  test.each([1, 2])('dies and is replaced from one of %i cells: logins, leases and commits go on', async (workers) => {
    const { hsm, admin, alice, events, kill, path } = await withWarden(workers);
    const ended = await login(hsm);
    const before = await alice.generateKey({ ...SIGNING, label: 'before' });
    await admin.createUser({ name: 'bob', role: 'crypto-user', password: 'b' });
    const bob = await login(hsm, 'bob', 'b');
    await ended.close();
    await admin.removeUser('bob');
    for (let round = 0; round < 2; round++) {
      await kill();
      await until(() => events.length === round + 1);
      await uses(hsm, alice);
    }
    expect(events).toEqual(['warden-restart', 'warden-restart']);
    // Revocations survive, in the cell as in the warden.
    expect(await codeOf(bob.random(1))).toBe('KEYCELL_SESSION_REVOKED');
    expect(await codeOf(bob.renew())).toBe('KEYCELL_SESSION_REVOKED');
    // The new warden posts.
    await leases(hsm, 2);
    expect(good(before, await alice.sign(before, message(2)), 2)).toBe(true);
    await hsm.check();
    await hsm.close();
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    expect(await (await login(back)).getKey({ label: 'before' })).toMatchObject({ id: before.id });
    await back.check();
  });

  test('dies amid commits and logins: each has one outcome, and the store stays whole', async () => {
    const { hsm, alice, events, kill, path } = await withWarden(2);
    const kept: string[] = [];
    const codes = new Set<string>();
    let stop = false;
    const maker = async (name: string): Promise<void> => {
      for (let i = 0; !stop; i++) {
        const made = alice.generateKey({ ...CIPHER, label: `${name} ${i}` });
        codes.add(await codeOf(made));
        await made.then(
          (key) => kept.push(key.id),
          () => {},
        );
      }
    };
    const entrant = async (): Promise<void> => {
      while (!stop) codes.add(await codeOf(login(hsm)));
    };
    const running = [maker('a'), maker('b'), maker('c'), entrant()];
    for (let round = 0; round < 4; round++) {
      await sleep(150 + 37 * round);
      await kill();
      await until(() => events.length === round + 1);
    }
    await sleep(300);
    stop = true;
    await Promise.all(running);
    codes.delete('a result');
    // What was in the warden's hands is lost with it; what comes after waits for the next.
    expect([...codes].filter((code) => code !== 'KEYCELL_CELL_LOST')).toEqual([]);
    expect(events).toEqual(Array(4).fill('warden-restart'));
    await uses(hsm, alice);
    await hsm.check();
    await hsm.close();
    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    const session = await login(back);
    for (const id of kept) await session.getKey({ id });
    await back.check();
  });

  test('dies twice in a row, or with the only cell: never a half-open HSM', async () => {
    const { hsm, alice, kill } = await withWarden(1);
    await kill();
    await kill();
    await until(async () => (await codeOf(alice.random(1))) === 'a result' || hsm.state === 'sealed');
    if (hsm.state === 'sealed') await hsm.unseal(PASSPHRASE);
    await uses(hsm, await login(hsm));
    await Promise.all([kill(), hsm.killCell(0)]);
    // The cell may have handed the master key over before it died.
    await until(async () => (await codeOf(login(hsm))) === 'a result' || hsm.state === 'sealed');
    if (hsm.state === 'sealed') await hsm.unseal(PASSPHRASE);
    await uses(hsm, await login(hsm));
    await hsm.check();
  });

  test('dies while the HSM is sealed: the next one unseals', async () => {
    const { hsm, kill } = await withWarden(1);
    await hsm.seal();
    await kill();
    await hsm.unseal(PASSPHRASE);
    await uses(hsm, await login(hsm));
  });
});
