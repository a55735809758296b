/** Threads that hash: how many there are, and what becomes of a call whose thread dies. */
import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import type { Arena } from '../../src/cell/arena.ts';
import type { Core } from '../../src/cell/core.ts';
import { Passwords } from '../../src/cell/warden/passwords.ts';
import { HashingThreads } from '../../src/pool/hashing-threads.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Threads that answer everything with the number of their own life, and end when told. */
function start(most: number): { threads: HashingThreads; ports: MessagePort[] } {
  const ports: MessagePort[] = [];
  const module = new URL('./short-hasher.mjs', import.meta.url);
  const threads = new HashingThreads(most, module, new SharedArrayBuffer(64), (port) => ports.push(port));
  ends.push(() => threads.end());
  return { threads, ports };
}

test('threads come with the calls, and never more than were allowed', () => {
  const { threads, ports } = start(3);
  expect(ports).toHaveLength(0);
  threads.want(1);
  threads.want(1);
  expect(ports).toHaveLength(1);
  threads.want(2);
  expect(ports).toHaveLength(2);
  threads.want(100);
  expect(ports).toHaveLength(3);
});

test('a thread that died is replaced when the next call comes, and none comes after the end', async () => {
  const { threads, ports } = start(1);
  threads.want(1);
  ports[0]!.postMessage('end');
  await once(ports[0]!, 'close');
  // The port may close a moment before its thread is known to be gone.
  while (ports.length === 1) {
    threads.want(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  ports[1]!.postMessage('hello');
  expect(await once(ports[1]!, 'message')).toEqual(['alive']);
  await threads.end();
  threads.want(1);
  expect(ports).toHaveLength(2);
});

/** Passwords whose results nobody reads: what is asked of core and memory does not matter. */
const passwords = () => new Passwords({} as Core, {} as Arena, new SharedArrayBuffer(64));
const JOB = [{ offset: 0, length: 1 }, new Uint8Array(16), { log2N: 14, r: 8 }, () => 'used'] as const;

test('a call whose thread dies is lost, and may be made again', async () => {
  const warden = passwords();
  const { port1, port2 } = new MessageChannel();
  warden.attach(port1);
  const [first, second] = [warden.derive(...JOB), warden.derive(...JOB)];
  await once(port2, 'message');
  port2.close();
  for (const call of [first, second]) await expect(call).rejects.toMatchObject({ code: 'KEYCELL_CELL_LOST' });
  await expect(warden.derive(...JOB)).rejects.toMatchObject({ code: 'KEYCELL_CELL_LOST' });
});

test('a thread without memory for it fails the call alone', async () => {
  const warden = passwords();
  const { port1, port2 } = new MessageChannel();
  ends.push(() => port2.close());
  port2.on('message', () => port2.postMessage('failed'));
  warden.attach(port1);
  for (let i = 0; i < 2; i++) {
    await expect(warden.derive(...JOB)).rejects.toMatchObject({ code: 'KEYCELL_CELL_LOST' });
  }
});
