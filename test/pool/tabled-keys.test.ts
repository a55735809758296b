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
  for (let i = 0; i < EARNED; i++) expect([i, keys.use(a)]).toEqual([i, false]);
  expect(keys.use(a)).toBe(true);
  expect(keys.use(b)).toBe(false);
  expect(keys.use(a)).toBe(true);
});

test('uses spread over the cells: the more there are, the more uses a table takes', () => {
  for (const cells of [1, 2, 16]) {
    const keys = new TabledKeys(cells);
    const [key] = records(1) as [Uint8Array];
    let uses = 1;
    while (!keys.use(key)) uses++;
    expect(uses).toBe(8 * cells + 1);
  }
});

test('signatures and proofs count, a proof for its wrapping key; nothing else does', () => {
  const keys = new TabledKeys(1);
  const [record] = records(1) as [Uint8Array];
  const parts = (proof: string) => [0, 0].map(() => new Uint8Array(4)).concat(Buffer.from(proof));
  const ask = (op: 'verify' | 'rewrapKeys', mechanism: 'ECDSA' | 'HMAC' | 'AES-KW', proof = ''): CellRequest => ({
    ...{ op, mechanism, flags: FLAG.jwe, ticket: new Uint8Array(0), parts: parts(proof), keys: [{ id: '', record }] },
  });
  for (let i = 0; i < 20; i++) {
    expect(keys.useOf(ask('verify', 'HMAC'))).toBe(false);
    expect(keys.useOf(ask('rewrapKeys', 'AES-KW'))).toBe(false);
    expect(keys.useOf({ ...ask('verify', 'ECDSA'), keys: [] })).toBe(false);
  }
  for (let i = 0; i < 8; i++) expect(keys.useOf(ask(i % 2 ? 'verify' : 'rewrapKeys', 'ECDSA', 'a.b.c'))).toBe(false);
  expect(keys.useOf(ask('rewrapKeys', 'AES-KW', 'a.b.c'))).toBe(true);
});

test('as many as there are tables keep theirs, in whatever order they come; one more drives out the last used', () => {
  const keys = new TabledKeys(CELLS);
  const all = records(TABLES);
  for (const key of all) for (let i = 0; i < EARNED; i++) keys.use(key);
  for (const key of [...all, ...all.toReversed()]) expect(keys.use(key)).toBe(true);
  // The last of the list was used longest ago.
  const [another] = records(1) as [Uint8Array];
  for (let i = 0; i < EARNED; i++) keys.use(another);
  expect(keys.use(another)).toBe(true);
  expect(all.map((key, i) => (i === TABLES - 1 ? true : keys.use(key)))).toEqual(all.map(() => true));
  for (let i = 0; i < EARNED; i++) expect(keys.use(all[TABLES - 1]!)).toBe(false);
});

test('a stranger that is new each time drives nobody out', () => {
  const keys = new TabledKeys(CELLS);
  const [mine] = records(1) as [Uint8Array];
  for (let i = 0; i < EARNED; i++) keys.use(mine);
  for (const key of records(1000)) for (let i = 0; i < 8; i++) keys.use(key);
  expect(keys.use(mine)).toBe(true);
});

test('of four times as many keys as there are tables, in turn, at most a third is charged as having one', () => {
  const keys = new TabledKeys(CELLS);
  const all = records(4 * TABLES);
  let tabled = 0;
  for (let round = 0; round < 200; round++) for (const key of all) if (keys.use(key)) tabled++;
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
