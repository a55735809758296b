/** SIGKILL while keys are made: what was acknowledged is there, and the store and the log are whole. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verifyAuditLog } from '../../dist/index.js';
import { startNode } from '../support/child.ts';
import { bytes, login, make, open, PASSPHRASE } from './support/hsm.ts';

const ALL = 10_000;
const WAVE = 200;

test(`of ${ALL} keys and more, none that was acknowledged is lost`, async () => {
  const { path, hsm } = await make();
  await hsm.close();
  const acknowledged = new Set<string>();
  let made = 0;
  let killed = 0;
  for (let round = 0; made < ALL || killed < 3; round++) {
    const child = startNode('hsm/support/create-keys.mjs', path, `${10 * ALL}`, `${WAVE}`);
    // Sooner or later in a wave: the rest of it is under way.
    const ids = 600 + Math.floor(Math.random() * 1800);
    await child.said(new RegExp(`^(?:[0-9a-f]{32}\n){${ids}}`, 'm'));
    child.child.kill('SIGKILL');
    const { signal, stdout, stderr } = await child.ended;
    expect([signal, stderr]).toEqual(['SIGKILL', '']);
    killed++;
    const said = stdout.split('\n').filter((line) => /^[0-9a-f]{32}$/.test(line));
    for (const id of said) acknowledged.add(id);

    const back = await open({ path, unseal: () => bytes(PASSPHRASE) });
    const session = await login(back);
    const found = new Map<string, Parameters<typeof session.sign>[0]>();
    for await (const key of session.findKeys({ type: 'EC' })) found.set(key.id, key as never);
    const lost = [...acknowledged].filter((id) => !found.has(id));
    expect(lost).toEqual([]);
    made = found.size;
    // A wave at most was made and not yet said.
    expect(found.size - acknowledged.size).toBeLessThanOrEqual(WAVE * (round + 1));
    const sample = [...acknowledged].filter((_, i) => i % 97 === 0 || i > acknowledged.size - 20);
    const valid = await Promise.all(
      sample.map(async (id) => {
        const key = found.get(id)!;
        return session.verify(key, await session.sign(key, bytes(id)), bytes(id));
      }),
    );
    expect(valid.every(Boolean)).toBe(true);
    const { records } = await back.check();
    expect(records).toBe(found.size + 2);
    await back.close();
    expect(await verifyAuditLog(join(path, 'audit.log'))).toMatchObject({ ok: true });
  }
  expect(made).toBeGreaterThanOrEqual(ALL);
  expect(killed).toBeGreaterThanOrEqual(3);
}, 120_000);
