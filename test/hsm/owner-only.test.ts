/** The files of the folder are for their owner alone, whatever the process or an older version would leave to others. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/child.ts';
import { initialize, make, open } from './support/hsm.ts';

/** The lock's names have the process and a random number in them. */
const modes = (path: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path).map((name) => [
      name.replace(/^lock-\d+-[0-9a-f]+/, 'lock'),
      (statSync(join(path, name)).mode & 0o777).toString(8),
    ]),
  );

const ALL = {
  'audit.log': '600',
  'keycell.mdb': '600',
  'keycell.mdb-lock': '600',
  lock: '600',
  'lock.held': '600',
};

test.each([0, 0o022, 0o277])('a folder made with umask %o', async (umask) => {
  const path = temporaryFolder();
  const before = process.umask(umask);
  onTestFinished(() => void process.umask(before));
  const hsm = await open({ path });
  await initialize(hsm);
  expect(modes(path)).toEqual(ALL);
});

test('files that an older version left to others, opened again with umask 0', async () => {
  const { path, hsm } = await make();
  await hsm.close();
  for (const name of ['keycell.mdb', 'keycell.mdb-lock', 'audit.log']) chmodSync(join(path, name), 0o644);
  const before = process.umask(0);
  onTestFinished(() => void process.umask(before));
  await open({ path });
  expect(modes(path)).toEqual(ALL);
});
