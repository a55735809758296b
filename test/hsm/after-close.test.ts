/** What is left of an HSM when it is closed: nothing that leads to it. */
import { expect, test } from 'vitest';
import { openEphemeralHsm, openHsm } from '../../dist/index.js';
import { makeBoard, WardenThread } from '../../dist/pool/warden-thread.js';
import { temporaryFolder } from '../support/child.ts';
import { isForgotten } from '../support/collect.ts';
import { codeOf, initialize, login, OFFICER } from './support/hsm.ts';

/** Not the tests' `open`, which remembers what it opened. */
async function ended(path: string): Promise<WeakRef<object>> {
  const hsm = await openHsm({ path, create: true, workers: 1 });
  await initialize(hsm);
  await login(hsm, 'officer', OFFICER);
  await hsm.close();
  return new WeakRef(hsm);
}

async function endedEphemeral(): Promise<WeakRef<object>> {
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  await session.random(16);
  await hsm.close();
  return new WeakRef(hsm);
}

test('no timer or port keeps a closed HSM, with all that it holds, in memory', async () => {
  expect(await isForgotten(await ended(temporaryFolder()))).toBe(true);
  expect(await isForgotten(await endedEphemeral())).toBe(true);
});

test('who waits for a warden that is ended before it started is told, and not by a timer', async () => {
  const warden = new WardenThread(
    {
      core: new Uint8Array(8),
      digest: '',
      board: makeBoard().shared,
      hashingThreads: 1,
      lockout: { after: 10, delay: 60_000, longest: 900_000 },
      sessionQuota: 1,
    },
    () => expect.unreachable('a death that was ordered'),
  );
  const started = codeOf(warden.ready());
  await warden.end();
  expect(await started).toBe('KEYCELL_CLOSING');
});
