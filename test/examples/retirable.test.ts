/** A key that is replaced under load is destroyed after its last use, not before. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Retirable } from '../../examples/licence-server/vault.ts';

test('retire waits for every user, those that fail too', async () => {
  const key = new Retirable('key');
  const events: string[] = [];
  const use = (name: string, ms: number, fails = false) =>
    key.use(async (value) => {
      await sleep(ms);
      events.push(`${name} used ${value}`);
      if (fails) throw new Error(name);
    });
  const first = use('first', 30);
  const second = use('second', 10, true).catch(() => {});
  const retired = key.retire().then((value) => events.push(`${value} retired`));
  await Promise.all([first, second, retired]);
  expect(events).toEqual(['second used key', 'first used key', 'key retired']);
});

test('a user is counted in the tick of his call', async () => {
  const key = new Retirable('key');
  let ended = false;
  const work = key.use(async () => {
    await sleep(5);
    ended = true;
  });
  await key.retire();
  expect(ended).toBe(true);
  await work;
});

test('what nobody uses retires at once', async () => {
  const key = new Retirable('key');
  await key.use(async () => {});
  expect(await key.retire()).toBe('key');
});
