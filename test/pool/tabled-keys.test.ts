/** Which keys are taken to have tables in the cells: those that came up often, and not long ago. */
import { expect, test } from 'vitest';
import { costOf } from '../../src/pool/cost.ts';
import { TabledKeys } from '../../src/pool/tabled-keys.ts';
import { type CellRequest, FLAG } from '../../src/wire/batch.ts';

const CELLS = 4;
const EARNED = 8 * CELLS;
const TABLES = 16;
const records = (count: number) => Array.from({ length: count }, () => new Uint8Array(120));

test('a key has its table after so many uses, and each key for itself', () => {
  const keys = new TabledKeys(CELLS);
  const [a, b] = records(2) as [Uint8Array, Uint8Array];
  for (let i = 0; i < EARNED; i++) {
    expect([i, keys.has(a)]).toEqual([i, false]);
    keys.use(a);
  }
  expect(keys.has(a)).toBe(true);
  keys.use(b);
  expect([keys.has(a), keys.has(b)]).toEqual([true, false]);
});

test('uses spread over the cells: the more there are, the more uses a table takes', () => {
  for (const cells of [1, 2, 16]) {
    const keys = new TabledKeys(cells);
    const [key] = records(1) as [Uint8Array];
    let uses = 0;
    for (; !keys.has(key); uses++) keys.use(key);
    expect(uses).toBe(8 * cells);
  }
});

test('signatures and proofs count, a proof for its wrapping key; nothing else does', () => {
  const keys = new TabledKeys(1);
  const [record] = records(1) as [Uint8Array];
  const parts = (proof: string) => [0, 0].map(() => new Uint8Array(4)).concat(Buffer.from(proof));
  const ask = (op: 'verify' | 'rewrapKeys', mechanism: 'ECDSA' | 'HMAC' | 'AES-KW', proof = ''): CellRequest => ({
    ...{ op, mechanism, flags: FLAG.jwe, ticket: new Uint8Array(0), parts: parts(proof), keys: [{ id: '', record }] },
  });
  const others = [ask('verify', 'HMAC'), ask('rewrapKeys', 'AES-KW'), { ...ask('verify', 'ECDSA'), keys: [] }];
  for (let i = 0; i < 20; i++)
    for (const other of others) keys.served(other, { status: 0, reason: 0, parts: [Uint8Array.of(1)] });
  for (let i = 0; i < 8; i++) {
    const verifying = ask(i % 2 ? 'verify' : 'rewrapKeys', 'ECDSA', 'a.b.c');
    expect(keys.lacks(verifying)).toBe(true);
    keys.served(verifying, { status: 0, reason: 0, parts: [Uint8Array.of(1)] });
  }
  expect(keys.lacks(ask('rewrapKeys', 'AES-KW', 'a.b.c'))).toBe(false);
  for (const other of others) expect(keys.lacks(other)).toBe(false);
});

test('as many as there are tables keep theirs, in whatever order they come; one more drives out the last used', () => {
  const keys = new TabledKeys(CELLS);
  const all = records(TABLES);
  for (const key of all) for (let i = 0; i < EARNED; i++) keys.use(key);
  for (const key of [...all, ...all.toReversed()]) {
    expect(keys.has(key)).toBe(true);
    keys.use(key);
  }
  // The last of the list was used longest ago.
  const [another] = records(1) as [Uint8Array];
  for (let i = 0; i < EARNED; i++) keys.use(another);
  expect(keys.has(another)).toBe(true);
  expect(all.map((key) => keys.has(key))).toEqual(all.map((_, i) => i < TABLES - 1));
});

test('a stranger that is new each time drives nobody out', () => {
  const keys = new TabledKeys(CELLS);
  const [mine] = records(1) as [Uint8Array];
  for (let i = 0; i < EARNED; i++) keys.use(mine);
  for (const key of records(1000)) for (let i = 0; i < 8; i++) keys.use(key);
  expect(keys.has(mine)).toBe(true);
});

test('of four times as many keys as there are tables, in turn, at most a third is charged as having one', () => {
  const keys = new TabledKeys(CELLS);
  const all = records(4 * TABLES);
  let tabled = 0;
  for (let round = 0; round < 200; round++) {
    for (const key of all) {
      if (keys.has(key)) tabled++;
      keys.use(key);
    }
  }
  expect(tabled / (200 * all.length)).toBeLessThan(1 / 3);
});

test('a table makes a verification cheaper, and nothing else', () => {
  const request = (op: 'sign' | 'verify', mechanism: 'ECDSA' | 'HMAC'): CellRequest => ({
    ...{ op, mechanism, flags: 0, ticket: new Uint8Array(0), parts: [new Uint8Array(32), new Uint8Array(64)] },
    keys: [{ id: '', record: new Uint8Array(120) }],
  });
  const both = (of: CellRequest) => [costOf(of), costOf(of, true)] as const;
  const [without, having] = both(request('verify', 'ECDSA'));
  expect(having).toBeLessThan(without / 4);
  for (const other of [request('sign', 'ECDSA'), request('verify', 'HMAC')]) {
    const [a, b] = both(other);
    expect(a).toBe(b);
  }
});
