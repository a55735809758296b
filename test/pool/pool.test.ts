import { getEventListeners } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { HsmError } from '../../src/errors.ts';
import { MESSAGE_MAX } from '../../src/model/limits.ts';
import { Callers } from '../../src/pool/callers.ts';
import { CellLink } from '../../src/pool/cell-link.ts';
import { type CellPoolOptions, createCellPool } from '../../src/pool/cell-pool.ts';
import { BATCH_COST, costOf, LANES } from '../../src/pool/cost.ts';
import type { Caller, CellPool, PoolRequest, SubmitOptions } from '../../src/pool/pool.ts';
import { type CellRequest, FLAG, PLACE_SIZE } from '../../src/wire/batch.ts';
import { runNode } from '../support/child.ts';
import { pendingOf } from '../support/pending.ts';

const WORKER = new URL('./echo-cell.mjs', import.meta.url);
const ticket = new Uint8Array(40).fill(1);
/** Each byte also is the number of a curve where the pool looks for one: 1 is P-256. */
const record = new Uint8Array(120).fill(1);
const id = '0'.repeat(32);

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const text = (part: Uint8Array | undefined): string => new TextDecoder().decode(part);
const request = (payload: string | Uint8Array, more: Partial<PoolRequest> = {}): PoolRequest => ({
  op: 'sign',
  mechanism: 'ECDSA',
  flags: 0,
  ticket,
  keys: [{ id, record }],
  parts: [typeof payload === 'string' ? bytes(payload) : payload],
  ...more,
});
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** The code and outcome of a rejection; a result makes the test fail. */
const refused = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'a result',
    (error: unknown) => (error instanceof HsmError ? `${error.code} ${error.outcome}` : String(error)),
  );

interface Entry {
  cell: number;
  place: number;
  requests: number;
  keys: number;
  lease: number;
}

let opened: CellPool[] = [];
afterEach(async () => {
  await Promise.all(opened.map((pool) => pool.close(0)));
  opened = [];
});

function make(options: Partial<CellPoolOptions> & { mode?: number } = {}) {
  const entries: Entry[] = [];
  const restarts: [number, string, number][] = [];
  const fatal: Error[] = [];
  const core = new Uint8Array(new SharedArrayBuffer(3));
  core[0] = options.mode ?? 0;
  const pool = createCellPool({
    workers: 1,
    core,
    digest: '',
    worker: WORKER,
    lease: () => new Uint8Array(0),
    sink: {
      written: async (body) => void entries.push(JSON.parse(body)),
      synced: async () => {},
    },
    events: {
      onCellStart: () => {},
      onCellRestart: (cell, error, retried) => restarts.push([cell, error.message, retried]),
      onFatal: (error) => fatal.push(error),
    },
    ...options,
  });
  opened.push(pool);
  return { pool, entries, restarts, fatal, core };
}
const connect = () => {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  return port2;
};
/** Resolves when a cell has come to a request that hangs once. */
async function hanging(core: Uint8Array) {
  while (Atomics.load(core, 2) === 0) await sleep(5);
}
async function open(options: Parameters<typeof make>[0] = {}) {
  const made = make(options);
  await made.pool.start();
  await made.pool.unseal(connect);
  return made;
}
/** Costly enough to go to the door of a busy cell. */
const atTheDoor = (payload: string): CellRequest =>
  request(payload, {
    op: 'rewrapKeys',
    flags: FLAG.jwe,
    parts: [bytes(payload), new Uint8Array(97), new Uint8Array(1000)],
  });
/** Fill both places of one cell; what is submitted next waits in the queue. */
async function fill(pool: CellPool) {
  const busy: Promise<unknown>[] = [];
  for (const each of [request('sleep:150'), atTheDoor('sleep:1')]) {
    busy.push(pool.submit(each));
    await Promise.resolve();
  }
  expect(pool.stats()).toMatchObject({ queued: 0, inFlight: 2 });
  return { done: Promise.all(busy) };
}

/** How many of these a batch has at most. */
const mostOf = (request: CellRequest) => Math.floor(BATCH_COST / costOf(request));

describe('batches', () => {
  test('results answer their requests, in order', async () => {
    const { pool } = await open({ workers: 2 });
    const sent = Array.from({ length: 500 }, (_, i) => `m${i}`);
    const done: string[] = [];
    await Promise.all(sent.map((m) => pool.submit(request(m)).then((r) => done.push(text(r.parts[0])))));
    expect([...done].sort()).toEqual([...sent].sort());
    const results = await Promise.all(sent.map((m) => pool.submit(request(m))));
    expect(results.map((r) => text(r.parts[0]))).toEqual(sent);
    expect(results.every((r) => r.parts[0]!.buffer.byteLength === r.parts[0]!.length)).toBe(true);
  });

  test('one request is one batch; few are one for each cell; more are spread over all places', async () => {
    const { pool, entries } = await open();
    await pool.submit(request('one'));
    expect(entries.map((e) => e.requests)).toEqual([1]);
    await Promise.all(Array.from({ length: 16 }, () => pool.submit(request('m'))));
    expect(entries.slice(1).map((e) => [e.requests, e.keys])).toEqual([[16, 1]]);
    const two = await open({ workers: 2 });
    const sent = async (count: number) => {
      two.entries.length = 0;
      await Promise.all(Array.from({ length: count }, () => two.pool.submit(request('m'))));
      return two.entries.map((e) => e.requests);
    };
    expect(await sent(16)).toEqual([8, 8]);
    expect(new Set(two.entries.map((e) => e.cell)).size).toBe(2);
    // An idle cell gets no less than eight.
    expect((await sent(9)).sort()).toEqual([1, 8]);
    expect(await sent(80)).toEqual([20, 20, 20, 20]);
    expect(new Set(two.entries.map((e) => `${e.cell}${e.place}`)).size).toBe(4);
  });

  test('a batch is capped by work, by bytes, by keys and by requests', async () => {
    const { pool, entries } = await open();
    const gathered = async (requests: CellRequest[]) => {
      entries.length = 0;
      const { done } = await fill(pool);
      await Promise.all([done, ...requests.map((r) => pool.submit(r))]);
      return entries.slice(2).map((e) => e.requests);
    };
    expect(Math.max(...(await gathered(Array.from({ length: 300 }, () => request('m')))))).toBe(mostOf(request('m')));
    const p384 = { keys: [{ id, record: new Uint8Array(120).fill(2) }] };
    expect(Math.max(...(await gathered(Array.from({ length: 150 }, () => request('m', p384)))))).toBe(
      mostOf(request('m', p384)),
    );
    const small = { op: 'setAttributes', mechanism: 'none', keys: [], parts: [] } as const;
    expect(Math.max(...(await gathered(Array.from({ length: 300 }, () => request('', small)))))).toBe(
      mostOf(request('', small)),
    );
    const keyed = Array.from({ length: 600 }, () =>
      request('k', { mechanism: 'HMAC', keys: [{ id, record: new Uint8Array(8) }] }),
    );
    expect(Math.max(...(await gathered(keyed)))).toBeLessThanOrEqual(240);
    const large = request(new Uint8Array(1 << 20), { op: 'encrypt', mechanism: 'AES-GCM' });
    // The small ones go together, and do not wait for the large one.
    expect(await gathered([request('a'), large, request('b')])).toEqual([2, 1]);
  });

  test('only a verification that a cell has done counts towards the table of its key', async () => {
    const { pool, entries } = await open({ queueLimit: 200 });
    const verify = (payload: string) => request('', { op: 'verify', parts: [bytes(payload), new Uint8Array(64)] });
    /** As a cell says it of a signature that it found right. */
    const right = '\x01';
    const many = (count: number, options?: SubmitOptions, payload = right) =>
      Array.from({ length: count }, () => refused(pool.submit(verify(payload), options)));
    const { done } = await fill(pool);
    const abort = new AbortController();
    const signal = AbortSignal.abort();
    const gone = [...many(50, { signal: abort.signal }), ...many(50, { timeout: 1 }), ...many(50, { timeout: -1 })];
    gone.push(...many(50, { signal }));
    abort.abort();
    const signed = Array.from({ length: 150 }, () => pool.submit(request('m')));
    gone.push(...many(50));
    const codes = ['KEYCELL_ABORTED', 'KEYCELL_TIMEOUT', 'KEYCELL_BUSY'].map((code) => `${code} not-executed`);
    expect(new Set(await Promise.all(gone))).toEqual(new Set(codes));
    await Promise.all([done, ...signed]);
    /** How many go together. */
    const together = async (payload: string) => {
      entries.length = 0;
      await Promise.all(many(60, {}, payload));
      return Math.max(...entries.map((e) => e.requests));
    };
    const most = mostOf(verify(right));
    // A cell refused these, or found them wrong, and may not have come to their signature.
    expect(await together('status:4')).toBe(most);
    expect(await together('\x00')).toBe(most);
    // Of those that are right, the first earn what the others find.
    expect(await together(right)).toBeGreaterThan(most);
    expect(entries[0]!.requests).toBe(most);
    entries.length = 0;
    await Promise.all(many(60));
    expect(entries[0]!.requests).toBeGreaterThan(2 * most);
  });

  test('small requests do not wait for large ones, and large ones come back whole', async () => {
    const { pool } = await open();
    const payload = new Uint8Array(MESSAGE_MAX).fill(9);
    const order: string[] = [];
    const { done } = await fill(pool);
    const rest = ['a', payload, 'b', 'c'].map((p, i) => pool.submit(request(p)).finally(() => order.push(String(i))));
    await done;
    const results = await Promise.all(rest);
    expect(order).toEqual(['0', '2', '3', '1']);
    expect(Buffer.compare(results[1]!.parts[0]!, payload)).toBe(0);
  });

  test('small and large share the cells, whichever comes more often', async () => {
    const { pool } = await open();
    const payload = new Uint8Array(1 << 20);
    let stop = false;
    const done = { small: 0, large: 0 };
    const more = async (kind: 'small' | 'large', ask: CellRequest) => {
      while (!stop) {
        await pool.submit(ask);
        done[kind]++;
      }
    };
    const cipher = { op: 'encrypt', mechanism: 'AES-GCM' } as const;
    const lanes = [
      ...Array.from({ length: 16 }, () => more('small', request('m'))),
      ...Array.from({ length: 4 }, () => more('large', request(payload, cipher))),
    ];
    while (done.large < 20) await sleep(5);
    stop = true;
    await Promise.all(lanes);
    // By what they are taken to cost, a large one is worth 260 small ones.
    expect(done.small / done.large).toBeGreaterThan(200);
    // Alone, large ones go without a pause.
    const alone = await Promise.all(Array.from({ length: 8 }, () => pool.submit(request(payload, cipher))));
    expect(alone.every((result) => result.status === 0)).toBe(true);
  });

  test('the lease travels along, and a status is a result', async () => {
    const { pool, entries } = await open({ lease: () => new Uint8Array(77) });
    expect(await pool.submit(request('status:16'))).toEqual({ status: 16, reason: 3, parts: [] });
    expect(entries[0]!.lease).toBe(77);
  });

  test('a cell’s bell has rung for each batch that was sent', async () => {
    const { pool } = await open({ workers: 1 });
    for (let sent = 1; sent <= 3; sent++) {
      const { status } = await pool.submit(request('bell'));
      // It rings behind the message, so the cell may be earlier.
      expect([sent - 1, sent]).toContain(status);
    }
  });

  test('places are clean after every answer', async () => {
    const { pool } = await open();
    await Promise.all(Array.from({ length: 40 }, () => pool.submit(request('a secret'))));
    await pool.submit(request('big:3000000'));
    await pool.submit(request(new Uint8Array(2_000_000).fill(5)));
    expect((await pool.submit(request('peek'))).status).toBe(0);
  });
});

describe('users', () => {
  const p384 = { keys: [{ id, record: new Uint8Array(120).fill(2) }] };
  /** Many at once of this caller; counts those that were answered, and keeps how the rest ended. */
  function flood(pool: CellPool, count: number, asked: () => PoolRequest) {
    const told = { answered: 0, codes: new Map<string, number>() };
    const all = Array.from({ length: count }, () =>
      pool.submit(asked()).then(
        () => void told.answered++,
        (error: HsmError) => void told.codes.set(error.code, (told.codes.get(error.code) ?? 0) + 1),
      ),
    );
    return { told, done: Promise.all(all) };
  }

  test('one session’s 30 000 signatures at once let another user’s pass', async () => {
    const { pool } = await open({ queueLimit: 4096, userQueueLimit: 3072 });
    const [greedy, lone] = [pool.caller('greedy'), pool.caller('lone')];
    const most = mostOf(request('m', p384)) + LANES;
    const { told, done } = flood(pool, 30_000, () => request('m', { ...p384, caller: greedy }));
    for (let i = 0; i < 8; i++) {
      const before = told.answered;
      await pool.submit(request('mine', { caller: lone }));
      // What was in the cell, what was at its door, and the batch that it goes in.
      expect(told.answered - before).toBeLessThanOrEqual(3 * most);
    }
    expect(told.answered).toBeLessThan(8 * 3 * most);
    await done;
    expect([...told.codes.keys()]).toEqual(['KEYCELL_BUSY']);
    expect(pool.stats()).toMatchObject({ queued: 0, inFlight: 0 });
  });

  test('a user’s second session waits no longer for the first than its share', async () => {
    const { pool } = await open();
    const caller = pool.caller('a user');
    const { told, done } = flood(pool, 3000, () => request('m', { ...p384, caller }));
    await pool.submit(request('mine', { caller: pool.caller('a user') }));
    expect(told.answered).toBeLessThan(4 * mostOf(request('m', p384)));
    await done;
  });

  test('large requests of one user let those of another pass', async () => {
    const { pool } = await open();
    const payload = new Uint8Array(1 << 20);
    const large = (user: string) => {
      const caller = pool.caller(user);
      return () => request(payload, { op: 'encrypt', mechanism: 'AES-GCM', caller });
    };
    const { told, done } = flood(pool, 40, large('greedy'));
    await pool.submit(large('lone')());
    expect(told.answered).toBeLessThan(6);
    await done;
  });

  test('a user who has taken all that a user may is told so, and others find room', async () => {
    const { pool } = await open({ queueLimit: 20, userQueueLimit: 12 });
    const busy = await fill(pool);
    const [first, second, other] = [pool.caller('one'), pool.caller('one'), pool.caller('other')];
    const taken = Array.from({ length: 12 }, (_, i) => pool.submit(request('q', { caller: i % 2 ? first : second })));
    const error = await pool.submit(request('q', { caller: second })).catch((each: HsmError) => each);
    expect(error).toMatchObject({ code: 'KEYCELL_BUSY', retryable: true, outcome: 'not-executed' });
    expect((error as HsmError).message).toContain('quotas.waitingRequests');
    const others = Array.from({ length: 8 }, () => pool.submit(request('q', { caller: other })));
    const full = await pool.submit(request('q', { caller: other })).catch((each: HsmError) => each);
    expect((full as HsmError).message).not.toContain('quotas');
    await Promise.all([busy.done, ...taken, ...others]);
    // All have been given back.
    await Promise.all(Array.from({ length: 12 }, () => pool.submit(request('q', { caller: first }))));
  });

  test('whatever becomes of requests, their user may have as many again', async () => {
    const { pool } = await open({ workers: 1, queueLimit: 20, userQueueLimit: 6 });
    const caller = pool.caller('a user');
    const asked = (payload: string) => request(payload, { caller });
    const room = () => Promise.all(Array.from({ length: 6 }, () => refused(pool.submit(asked('m')))));
    const six = Array(6).fill('a result');
    const busy = await fill(pool);
    const aborting = new AbortController();
    const ends = [
      ...Array.from({ length: 3 }, () => refused(pool.submit(asked('m'), { signal: aborting.signal }))),
      ...Array.from({ length: 3 }, () => refused(pool.submit(asked('m'), { timeout: 5 }))),
    ];
    aborting.abort();
    await Promise.all([busy.done, ...ends]);
    expect(await room()).toEqual(six);
    await Promise.all(['throw', 'a', 'b'].map((payload) => refused(pool.submit(asked(payload)))));
    expect(await room()).toEqual(six);
    const again = await fill(pool);
    const queued = Array.from({ length: 6 }, () => refused(pool.submit(asked('m'))));
    await pool.seal();
    await Promise.all([again.done, ...queued]);
    await pool.unseal(connect);
    expect(await room()).toEqual(six);
  });

  test('what waits for the log counts as waiting, so that one user cannot stop the others there', async () => {
    let write = (): void => {};
    const slow = new Promise<void>((resolve) => {
      write = resolve;
    });
    const { pool } = await open({
      queueLimit: 40,
      userQueueLimit: 30,
      // On the disk one day; what is only written is written at once.
      sink: { written: () => undefined, synced: () => slow },
    });
    const [greedy, lone] = [pool.caller('greedy'), pool.caller('lone')];
    const kept: Promise<string>[] = [];
    // More than the log has room for; after each few, the other user's still come through.
    for (let i = 0; i < 20; i++) {
      for (let k = 0; k < 5; k++) kept.push(refused(pool.submit(request('m', { caller: greedy }), { durable: true })));
      expect((await pool.submit(request('mine', { caller: lone }))).status).toBe(0);
    }
    write();
    expect(new Set(await Promise.all(kept))).toEqual(new Set(['a result', 'KEYCELL_BUSY not-executed']));
    const room = Array.from({ length: 30 }, () => pool.submit(request('m', { caller: greedy })));
    expect((await Promise.all(room)).length).toBe(30);
  });

  test('while users share the cells, nothing is sent behind long work; one who is alone is spared the wait', async () => {
    const { pool } = await open({ workers: 1 });
    const [one, two] = [pool.caller('one'), pool.caller('two')];
    const round = async (caller: Caller) => {
      // The cell echoes it sooner than it was taken to cost.
      const parts = [bytes('sleep:100'), new Uint8Array(4 << 20)];
      const long = pool.submit(request('', { op: 'encrypt', parts, caller: one }));
      await Promise.resolve();
      const short = Array.from({ length: 64 }, () => pool.submit(request('m', { caller })));
      await Promise.resolve();
      const { queued } = pool.stats();
      await Promise.all([long, ...short]);
      return queued;
    };
    expect(await round(one)).toBe(0);
    expect(await round(two)).toBe(64);
  });

  test('who asks before copying hears what the queue would say', async () => {
    const { pool } = await open({ queueLimit: 20, userQueueLimit: 2 });
    const caller = pool.caller('a user');
    const busy = await fill(pool);
    pool.mustHaveRoom(caller, 1 << 20);
    const taken = [1, 2].map(() => pool.submit(request('q', { caller })));
    expect(() => pool.mustHaveRoom(caller, 1 << 20)).toThrow(/quotas.waitingRequests/);
    pool.mustHaveRoom(pool.caller('another'), 1 << 20);
    expect(() => pool.mustHaveRoom(caller, 1 << 30)).toThrow(/16 MiB/);
    expect(pool.stats().failuresByCode).toEqual({ KEYCELL_BUSY: 1, KEYCELL_LIMIT_EXCEEDED: 1 });
    await Promise.all([busy.done, ...taken]);
  });
});

describe('bounds and ends', () => {
  test('too large, too many parts, too many keys', async () => {
    const { pool } = await open();
    expect(await refused(pool.submit(request(new Uint8Array(MESSAGE_MAX + 1))))).toBe(
      'KEYCELL_LIMIT_EXCEEDED not-executed',
    );
    const two = [new Uint8Array(MESSAGE_MAX), new Uint8Array(MESSAGE_MAX)];
    expect(await refused(pool.submit(request('', { parts: two })))).toBe('KEYCELL_LIMIT_EXCEEDED not-executed');
    const key = { id, record };
    expect(await refused(pool.submit(request('', { keys: [key, key, key, key] })))).toBe(
      'KEYCELL_INPUT_INVALID not-executed',
    );
  });

  test('a full queue says busy, by count and by bytes, and serves what it took', async () => {
    const { pool } = await open({ queueLimit: 5 });
    const busy = await fill(pool);
    const taken = Array.from({ length: 5 }, (_, i) => pool.submit(request(`q${i}`)));
    expect(await refused(pool.submit(request('one too many')))).toBe('KEYCELL_BUSY not-executed');
    await Promise.all([busy.done, ...taken]);
    const again = await fill(pool);
    // One user's bytes are bounded, and so are all together.
    const heavy = (caller: Caller) => pool.submit(request(new Uint8Array(15 << 20), { caller }));
    const [one, two] = [pool.caller('one'), pool.caller('two')];
    const heavy3 = [heavy(one), heavy(one), heavy(one)];
    expect(await refused(heavy(one))).toBe('KEYCELL_BUSY not-executed');
    const fourth = heavy(two);
    expect(await refused(heavy(two))).toBe('KEYCELL_BUSY not-executed');
    await Promise.all([again.done, ...heavy3, fourth]);
  });

  test('a burst in one tick larger than the queue uses the free places before it is refused', async () => {
    const { pool } = await open({ queueLimit: 4 });
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => pool.submit(request('m'))));
    expect(results.filter((r) => r.status === 'fulfilled').length).toBe(6);
  });

  test('abort and deadline act in the queue and in the cell', async () => {
    const { pool } = await open();
    const controller = new AbortController();
    const inCell = pool.submit(request('hang'), { signal: controller.signal });
    await Promise.resolve();
    const late = refused(pool.submit(atTheDoor('sleep:1'), { timeout: 30 }));
    await Promise.resolve();
    expect(pool.stats()).toMatchObject({ queued: 0, inFlight: 2 });
    const queued = pool.submit(request('q'), { signal: controller.signal });
    const queuedLate = refused(pool.submit(request('q'), { timeout: 20 }));
    const fine = pool.submit(request('fine'), { timeout: 60_000 });
    // The cell answers nobody: whoever hears hears it of the pool.
    expect(await queuedLate).toBe('KEYCELL_TIMEOUT not-executed');
    expect(await late).toBe('KEYCELL_TIMEOUT unknown');
    controller.abort(new Error('why'));
    expect(await refused(inCell)).toBe('KEYCELL_ABORTED unknown');
    expect(await refused(queued)).toBe('KEYCELL_ABORTED not-executed');
    await pool.kill(0);
    expect(await refused(pool.submit(request('x'), { signal: controller.signal }))).toBe(
      'KEYCELL_ABORTED not-executed',
    );
    expect(await refused(pool.submit(request('x'), { timeout: 0 }))).toBe('KEYCELL_TIMEOUT not-executed');
    expect(text((await fine).parts[0])).toBe('fine');
    expect(pool.stats()).toMatchObject({ queued: 0, inFlight: 0 });
  });

  test('many requests on one signal leave no listener', async () => {
    const { pool } = await open();
    const { signal } = new AbortController();
    const all = Array.from({ length: 1000 }, (_, i) => pool.submit(request(`m${i}`), { signal }));
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    await Promise.all(all);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });

  test('an array that its owner detached fails alone', async () => {
    const { pool } = await open();
    const gone = bytes('gone');
    const all = ['a', gone, 'b'].map((p) => refused(pool.submit(request(p))));
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(await Promise.all(all)).toEqual(['a result', 'KEYCELL_INPUT_INVALID not-executed', 'a result']);
  });

  test('parts are wiped on every path, and only where asked', async () => {
    const { pool } = await open({ queueLimit: 2 });
    const secrets: Uint8Array[] = [];
    const wiped = (payload: string, options: SubmitOptions = {}) => {
      const part = bytes(payload);
      secrets.push(part);
      return pool.submit(request(part), { wipe: true, ...options }).catch(() => {});
    };
    const kept = bytes('kept');
    await pool.submit(request(kept));
    expect(text(kept)).toBe('kept');
    await wiped('result');
    await wiped('aborted', { signal: AbortSignal.abort() });
    const busy = await fill(pool);
    const late = [wiped('late', { timeout: 10 }), wiped('queued'), wiped('busy')];
    await Promise.all([busy.done, ...late]);
    await wiped('throw');
    await pool.submit(request('the next cell is up'));
    const sealed = await fill(pool);
    const fails = wiped('queued at seal');
    await pool.seal();
    await Promise.all([sealed.done, fails]);
    await wiped('sealed');
    await pool.close(10);
    await wiped('closed');
    expect(secrets.length).toBe(9);
    for (const secret of secrets) expect(secret.every((b) => b === 0)).toBe(true);
  });
});

describe('the log', () => {
  /** A promise, and what ends it. */
  const deferred = () => {
    let [resolve, reject] = [() => {}, (_: Error) => {}];
    const promise = new Promise<void>((...ends) => {
      [resolve, reject] = ends;
    });
    return { promise, resolve, reject };
  };

  test('a result waits for its entry', async () => {
    const write = deferred();
    const { pool } = await open({ sink: { written: () => write.promise, synced: async () => {} } });
    let done = false;
    const slow = pool.submit(request('m')).then(() => (done = true));
    await sleep(60);
    expect(done).toBe(false);
    expect(pool.stats().inFlight).toBe(1);
    write.resolve();
    await slow;
  });

  test.each(['answered', 'withheld'])(
    'what asked for the disk waits for it, and its neighbours do not: %s',
    async (end) => {
      const disk = deferred();
      const { pool, entries } = await open({
        sink: { written: (body) => void entries.push(JSON.parse(body)), synced: () => disk.promise },
      });
      const settled: string[] = [];
      const submit = (payload: string, durable: boolean) => {
        const result = pool.submit(request(payload), { durable });
        result.catch(() => {}).finally(() => settled.push(payload));
        return result;
      };
      const [first, kept, last] = [submit('a', false), submit('kept', true), submit('b', false)];
      const results = await Promise.all([first, last]);
      expect(entries.map((entry) => entry.requests)).toEqual([3]);
      expect(settled).toEqual(['a', 'b']);
      expect(pool.stats()).toMatchObject({ inFlight: 3, operations: 2 });
      if (end === 'answered') disk.resolve();
      else disk.reject(new Error('no disk'));
      const outcome = await refused(kept);
      expect(outcome).toBe(end === 'answered' ? 'a result' : 'KEYCELL_AUDIT_UNAVAILABLE unknown');
      // They have what they had.
      expect(results.map(({ parts }) => text(parts[0]))).toEqual(['a', 'b']);
      expect(pool.stats()).toMatchObject({ inFlight: 0, operations: end === 'answered' ? 3 : 2 });
    },
  );

  test('without a log there is no result', async () => {
    const fail = () => Promise.reject(new Error('disk full'));
    const { pool } = await open({ sink: { written: fail, synced: fail } });
    const error = await pool.submit(request('m')).catch((e: HsmError) => e);
    expect(error).toMatchObject({
      code: 'KEYCELL_AUDIT_UNAVAILABLE',
      outcome: 'unknown',
      cause: { message: 'disk full' },
    });
    // Nothing was used, so there is nothing to log.
    expect((await pool.submit(request('quiet'))).status).toBe(0);
  });

  test('a log that stands still fills the queue, not the memory', async () => {
    const { pool } = await open({
      queueLimit: 10,
      sink: { written: () => new Promise(() => {}), synced: async () => {} },
    });
    const outcomes: Promise<string>[] = [];
    for (let i = 0; i < 200; i++) {
      outcomes.push(refused(pool.submit(request('m'))));
      if (i % 5 === 0) await sleep(2);
    }
    expect(pool.stats().inFlight).toBeLessThan(60);
    await pool.close(20);
    const seen = new Set(await Promise.all(outcomes));
    // Some may be in the queue yet: it depends on how fast the cell was before the room was full.
    seen.delete('KEYCELL_CLOSING not-executed');
    expect(seen).toEqual(new Set(['KEYCELL_BUSY not-executed', 'KEYCELL_CLOSING unknown']));
  });

  test('entries are counted over all incarnations', async () => {
    const { pool, entries } = await open();
    for (let i = 0; i < 5; i++) await pool.submit(request('m'));
    await pool.kill(0);
    await pool.submit(request('m'));
    expect(pool.entries()).toBe(6n);
    expect(pool.entries() - pool.missingEntries()).toBe(BigInt(entries.length));
    await pool.close(100);
    expect(pool.entries()).toBe(6n);
  });
});

describe('death', () => {
  test('a killed cell loses nothing', async () => {
    const { pool, restarts, core } = await open({ workers: 2 });
    const all = Array.from({ length: 60 }, (_, i) => pool.submit(request(i === 0 ? 'hang once' : `m${i}`)));
    await hanging(core);
    // The first of a pool that stood still goes to cell 0: killed once, it is asked again.
    await pool.kill(1);
    await pool.kill(0);
    await Promise.all(all);
    expect(restarts.map((r) => r[0]).sort()).toEqual([0, 1]);
    expect(restarts.reduce((sum, r) => sum + r[2], 0)).toBeGreaterThan(0);
    expect(pool.stats()).toMatchObject({ cellRestarts: 2, operations: 60, failures: 0 });
  });

  test.each(['throw', 'exit', 'malformed', 'foreign'])(
    '%s: retried once, then given up; neighbours live',
    async (poison) => {
      const { pool, restarts } = await open();
      const all = ['a', poison, 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((m) => refused(pool.submit(request(m))));
      const outcomes = await Promise.all(all);
      expect(outcomes[1]).toBe(
        poison === 'malformed' || poison === 'foreign' ? outcomes[1] : 'KEYCELL_CELL_LOST unknown',
      );
      expect(outcomes.filter((_, i) => i !== 1)).toEqual(Array(9).fill('a result'));
      expect(await refused(pool.submit(request(poison)))).toBe('KEYCELL_CELL_LOST unknown');
      expect(restarts.length).toBeGreaterThanOrEqual(2);
      expect((await pool.submit(request('well'))).status).toBe(0);
    },
  );

  test('a large secret is whole for the retry, and detached in the end, whatever that is', async () => {
    const { pool, restarts, core } = await open({ workers: 1 });
    const LARGE = 100_000;
    const secrets: Uint8Array[] = [];
    const submit = (payload: string, options: SubmitOptions = {}) => {
      const secret = new Uint8Array(LARGE).fill(7);
      secrets.push(secret);
      return pool.submit(request(payload, { parts: [bytes(payload), secret] }), { wipe: true, ...options });
    };
    const slow = submit('hang once');
    await hanging(core);
    await pool.kill(0);
    expect((await slow).parts[1]).toEqual(new Uint8Array(LARGE).fill(7));
    expect(restarts.map(([, , retried]) => retried)).toEqual([1]);
    expect(await refused(submit('throw'))).toBe('KEYCELL_CELL_LOST unknown');
    expect(await refused(submit('late', { signal: AbortSignal.abort() }))).toBe('KEYCELL_ABORTED not-executed');
    await pool.submit(request('the next cell is up'));
    const inside = refused(submit('sleep:100', { timeout: 20 }));
    const queued = Array.from({ length: 3 }, (_, i) => refused(submit(`queued ${i}`, { timeout: 20 })));
    expect(await inside).toBe('KEYCELL_TIMEOUT unknown');
    for (const end of await Promise.all(queued)) expect(end).toContain('KEYCELL_TIMEOUT');
    const last = refused(submit('sleep:100'));
    await pool.close(0);
    await last;
    await refused(submit('closed'));
    expect(secrets.map(({ length }) => length)).toEqual(Array(9).fill(0));
  });

  test('a hanging cell ends by kill, and its thread with it', async () => {
    const { pool } = await open();
    const hung = refused(pool.submit(request('hang'), { timeout: 100 }));
    expect(await hung).toBe('KEYCELL_TIMEOUT unknown');
    const waits = pool.submit(request('waits'));
    await pool.kill(0);
    expect(text((await waits).parts[0])).toBe('waits');
  });

  test('places are zeroed when a cell is buried', async () => {
    const link = new CellLink(
      0,
      () => {},
      () => {},
    );
    const start = link.startMessage(new Uint8Array(1), '');
    link.state = 'open';
    const caller = new Callers().of('a user');
    const batches = ['a secret', 'another'].map((m) => [pendingOf(request(m), caller)]);
    for (const batch of batches) link.send(new Uint8Array(3), batch);
    expect(link.free).toBe(0);
    const { places } = start;
    // A reply that was never finished.
    places[0]!.fill(0xee, 1_000_000, 1_000_100);
    expect(places.every((place) => place.some((b) => b !== 0))).toBe(true);
    link.fail(new Error('gone'));
    expect(link.bury()).toEqual(batches);
    for (const place of start.places) expect(place.every((byte) => byte === 0)).toBe(true);
  });

  test('a cell takes over the memory of one that ended', async () => {
    const { pool } = await open();
    await pool.submit(request('m'));
    await pool.kill(0);
    await pool.submit(request('m'));
    // Nothing is collected in between: each would come with 34 MiB of its own.
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 10; i++) {
      await pool.kill(0);
      await pool.submit(request('m'));
      expect((await pool.submit(request('peek'))).status).toBe(0);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * PLACE_SIZE);
    const link = new CellLink(
      0,
      () => {},
      () => {},
    );
    const [place] = link.startMessage(new Uint8Array(1), '').places;
    link.fail(new Error('gone'));
    link.bury();
    const next = new CellLink(
      0,
      () => {},
      () => {},
    );
    expect(next.startMessage(new Uint8Array(1), '').places[0]!.buffer).toBe(place!.buffer);
    next.fail(new Error('gone'));
    next.bury();
  });

  test('100 000 requests under random kills: one right outcome each', async () => {
    const { pool } = await open({ workers: 2 });
    let seed = 20240607;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    const total = 100_000;
    const outcomes = new Uint8Array(total);
    const codes = new Map<string, number>();
    let next = 0;
    let wrong = 0;
    let stop = false;
    const killer = (async () => {
      while (!stop) {
        await sleep(20 + random() * 150);
        await pool.kill(random() < 0.5 ? 0 : 1);
      }
    })();
    const client = async () => {
      while (next < total) {
        const mine = next++;
        const dice = random();
        const options: SubmitOptions =
          dice < 0.02 ? { timeout: random() * 3 } : dice < 0.03 ? { signal: AbortSignal.timeout(1) } : {};
        await pool.submit(request(`m${mine}`, { mechanism: 'HMAC' }), options).then(
          (result) => {
            outcomes[mine]!++;
            if (text(result.parts[0]) !== `m${mine}`) wrong++;
          },
          (error: HsmError) => {
            outcomes[mine]!++;
            codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
          },
        );
      }
    };
    await Promise.all(Array.from({ length: 300 }, client));
    stop = true;
    await killer;
    expect(wrong).toBe(0);
    expect(outcomes.every((n) => n === 1)).toBe(true);
    for (const code of codes.keys())
      expect(['KEYCELL_TIMEOUT', 'KEYCELL_ABORTED', 'KEYCELL_CELL_LOST']).toContain(code);
    expect(codes.get('KEYCELL_CELL_LOST') ?? 0).toBeLessThan(total / 100);
    expect(pool.stats()).toMatchObject({ queued: 0, inFlight: 0 });
    expect(pool.stats().cellRestarts).toBeGreaterThan(3);
  });
});

describe('life', () => {
  test('a cell that fails to start once is replaced; twice, and whoever waits for it is told', async () => {
    const once = make({ mode: 2 });
    await once.pool.start();
    expect(once.restarts).toEqual([[0, 'too many open files', 0]]);
    const never = make({ mode: 1, workers: 2 });
    expect(await refused(never.pool.start())).toBe('KEYCELL_CELL_LOST not-executed');
    expect(await refused(never.pool.unseal(connect))).toBe('KEYCELL_CELL_LOST not-executed');
    // It is tried again, and serves when there is what it wants.
    never.core[0] = 0;
    while ((await refused(never.pool.unseal(connect))) !== 'a result');
    expect((await never.pool.submit(request('m'))).status).toBe(0);
    expect(never.fatal).toEqual([]);
  });

  test('cells that cannot be replaced: the others serve, and without any the calls are refused until one starts', async () => {
    const { pool, core, fatal } = await open({ workers: 2 });
    core[0] = 1;
    await pool.kill(0);
    for (let i = 0; i < 50; i++) expect((await pool.submit(request('m'))).status).toBe(0);
    await pool.kill(1);
    // It waits for a cell; then nothing is expected any more.
    expect(await refused(pool.submit(request('m')))).toBe('KEYCELL_CELL_LOST not-executed');
    expect(await refused(pool.submit(request('m')))).toBe('KEYCELL_CELL_LOST not-executed');
    core[0] = 0;
    while ((await refused(pool.submit(request('m')))) !== 'a result') await sleep(5);
    expect(fatal).toEqual([]);
  });

  test('a cell that finds itself broken ends the service at once', async () => {
    const { pool, fatal } = await open({ workers: 2 });
    expect(await refused(pool.submit(request('broken')))).toBe('KEYCELL_TAMPERED unknown');
    expect(await refused(pool.submit(request('m')))).toBe('KEYCELL_TAMPERED not-executed');
    expect(fatal).toMatchObject([{ code: 'KEYCELL_TAMPERED', cause: { message: 'a counter ran backwards' } }]);
  });

  test('a core that is not the one that was built ends the service', async () => {
    const { pool, fatal } = make({ worker: new URL('../../dist/cell/worker.js', import.meta.url), digest: 'another' });
    expect(await refused(pool.start())).toBe('KEYCELL_TAMPERED not-executed');
    expect(fatal).toMatchObject([{ code: 'KEYCELL_TAMPERED', cause: { message: expect.stringContaining('core') } }]);
  });

  test('a module that does not load is no start either', async () => {
    const { pool, fatal } = make({ worker: new URL('./no-such-cell.mjs', import.meta.url) });
    expect(await refused(pool.start())).toBe('KEYCELL_CELL_LOST not-executed');
    expect(fatal).toEqual([]);
  });

  test('sealed, open, sealed, open', async () => {
    const { pool } = make({ workers: 2 });
    await pool.start();
    expect(await refused(pool.submit(request('m')))).toBe('KEYCELL_SEALED not-executed');
    await Promise.all([pool.unseal(connect), pool.unseal(connect)]);
    const inCells = Array.from({ length: 4 }, () => pool.submit(request('sleep:60')));
    await Promise.resolve();
    expect(pool.stats()).toMatchObject({ queued: 0, inFlight: 4 });
    const queued = Array.from({ length: 20 }, () => refused(pool.submit(request('q'))));
    const sealing = pool.seal();
    expect(await refused(pool.submit(request('m')))).toBe('KEYCELL_SEALED not-executed');
    await sealing;
    expect((await Promise.all(inCells)).length).toBe(4);
    expect(new Set(await Promise.all(queued))).toEqual(new Set(['KEYCELL_SEALED not-executed']));
    await pool.unseal(connect);
    expect((await pool.submit(request('m'))).status).toBe(0);
  });

  test('a hanging batch does not hold up a seal for ever', async () => {
    const { pool, restarts } = await open({ answerTimeout: 200 });
    const hung = refused(pool.submit(request('hang')));
    await sleep(20);
    await pool.seal();
    expect(await hung).toBe('KEYCELL_SEALED unknown');
    expect(restarts.length).toBe(1);
    await pool.unseal(connect);
    expect((await pool.submit(request('m'))).status).toBe(0);
  });

  test('a cell that does not take the master key is replaced once; then unsealing fails, and all is sealed', async () => {
    const late = make({ mode: 4, answerTimeout: 100 });
    await late.pool.start();
    await late.pool.unseal(connect);
    expect(late.restarts.length).toBe(1);
    expect((await late.pool.submit(request('m'))).status).toBe(0);
    const never = make({ mode: 3 });
    await never.pool.start();
    expect(await refused(never.pool.unseal(connect))).toBe('KEYCELL_CELL_LOST not-executed');
    expect(await refused(never.pool.submit(request('m')))).toBe('KEYCELL_SEALED not-executed');
  });

  test('close lets work end, fails what does not, and may be called twice', async () => {
    const { pool } = await open();
    const fine = Array.from({ length: 50 }, () => pool.submit(request('m')));
    const closing = pool.close(2000);
    expect(pool.close(0)).toBe(closing);
    expect(await refused(pool.submit(request('m')))).toBe('KEYCELL_CLOSING not-executed');
    expect((await Promise.all(fine)).length).toBe(50);
    await closing;

    const stuck = await open();
    const hung = refused(stuck.pool.submit(request('hang')));
    await sleep(20);
    const second = refused(stuck.pool.submit(atTheDoor('m')));
    await sleep(5);
    const waits = refused(stuck.pool.submit(request('m')));
    await stuck.pool.close(50);
    expect(await Promise.all([hung, second, waits])).toEqual([
      'KEYCELL_CLOSING unknown',
      'KEYCELL_CLOSING unknown',
      'KEYCELL_CLOSING not-executed',
    ]);
  });

  test('close before and during start', async () => {
    const { pool } = make();
    await pool.close(10);
    expect(await refused(pool.start())).toBe('KEYCELL_CLOSING not-executed');
    const other = make();
    const starting = refused(other.pool.start());
    await other.pool.close(10);
    expect(await starting).toBe('KEYCELL_CLOSING not-executed');
    expect(other.restarts).toEqual([]);
  });

  test('an idle pool burns nothing and keeps no process; what is under way keeps it until it is answered', async () => {
    const { stdout } = await runNode('pool/life.mjs');
    const [cpu, ...said] = stdout.trim().split('\n');
    // Milliseconds of CPU in half a second of idleness, all threads.
    expect(Number(cpu)).toBeLessThan(50);
    expect(said.sort()).toEqual(['again', 'answered', 'over']);
  });

  test('threads that are ended at any moment of their start leave the process alone', async () => {
    // With a `require` of an ES module in the thread, Node 20 aborted about once in 150 starts.
    const { stdout } = await runNode('pool/early-end.mjs', '5000');
    expect(Number(stdout)).toBeGreaterThan(20);
  });
});
