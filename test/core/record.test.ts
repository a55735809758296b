/** Records against node:crypto, which computes the same from docs/formats.md: alone, side by side, and of any lengths. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOf } from '../support/aes.ts';
import { openCore } from '../support/core.ts';
import { checkValue, gcm, hmac, kdf108, u32 } from '../support/reference.ts';

const box = openCore();
const { core, memory } = box;
const view = new DataView(core.memory.buffer);

const KIND = 6;
const ID = 28;
const SALT = 64;
const FIXED_SIZE = 104;

const HEDGE = bytesOf('hedge', 32);
const BASES = [bytesOf('base a', 32), bytesOf('base b', 32)] as const;

interface Case {
  readonly attributes: number;
  readonly secret: number;
  /** Which base key; the second comes with a context. */
  readonly base: 0 | 1;
}

interface Made {
  readonly header: Uint8Array;
  readonly secret: Uint8Array;
  readonly seed: Uint8Array;
  readonly base: 0 | 1;
  readonly context: Uint8Array;
}

const made = ({ attributes, secret, base }: Case, i: number): Made => ({
  header: bytesOf(`header ${i} ${attributes}`, FIXED_SIZE + attributes),
  secret: bytesOf(`secret ${i} ${secret}`, secret),
  seed: bytesOf(`seed ${i}`, 32),
  base,
  context: base === 1 ? bytesOf(`context ${i}`, 16) : new Uint8Array(16),
});

/** The key that a record with this header is under. */
function keyOf(header: Uint8Array, { base, context }: Made): Buffer {
  const label = Buffer.from('keycell/v1/record\0');
  const fields = [header.subarray(8, 24), header.subarray(KIND, KIND + 1), header.subarray(ID, ID + 16)];
  const salt = header.subarray(SALT, SALT + 32);
  return kdf108(BASES[base], Buffer.concat([label, ...fields, salt, context, u32(256)]));
}

function expectedRecord(record: Made): { bytes: Buffer; key: Buffer } {
  const header = Buffer.from(record.header);
  header.fill(0, SALT, SALT + 32);
  const digest = createHash('sha256').update(header).update(record.secret).digest();
  hmac(HEDGE, record.seed, digest).copy(header, SALT);
  const key = keyOf(header, record);
  return { bytes: Buffer.concat([header, gcm(key, Buffer.alloc(12), header, record.secret)]), key };
}

function midstates(key: Uint8Array): number {
  const at = box.reserve(64);
  core['hmac256Key']!(box.place(key), key.length, at);
  return at;
}

function layJobs(jobs: readonly (readonly number[])[]): number {
  const list = box.reserve(28 * jobs.length);
  jobs.flat().forEach((word, i) => {
    view.setUint32(list + 4 * i, word, true);
  });
  return list;
}

/** Seal all in one call, then open all in one call; each is compared, and nothing else is written. */
function expectBothWays(cases: readonly Case[]) {
  box.reset();
  const hedge = midstates(HEDGE);
  const bases = BASES.map(midstates);
  const records = cases.map(made);
  const placed = records.map((record, i) => {
    const at = box.reserve(record.header.length + record.secret.length + 16, i % 7);
    memory.set(record.header, at);
    return {
      at,
      secret: box.place(record.secret, (3 * i) % 8),
      seed: box.place(record.seed, i % 5),
      context: record.base === 1 ? box.place(record.context, i % 3) : 0,
    };
  });
  const jobs = records.map(({ header, secret, base }, i) => {
    const { at, secret: from, seed, context } = placed[i]!;
    return [at, header.length, from, secret.length, seed, bases[base]!, context];
  });
  core['recordSeal']!(hedge, layJobs(jobs), jobs.length);
  records.forEach((record, i) => {
    const { at, secret } = placed[i]!;
    const { bytes } = expectedRecord(record);
    const ok =
      bytes.equals(box.read(at, bytes.length)) &&
      box.guarded(at, bytes.length) &&
      Buffer.compare(box.read(secret, record.secret.length), record.secret) === 0;
    if (!ok) expect.fail(`sealing ${i} of ${JSON.stringify(cases)}`);
  });

  const outputs = records.map(({ secret }) => [box.reserve(secret.length), box.reserve(4)] as const);
  const opening = records.map(({ header, secret, base }, i) => {
    const { at, context } = placed[i]!;
    return [at, header.length, secret.length, bases[base]!, context, ...outputs[i]!];
  });
  core['recordOpen']!(layJobs(opening), opening.length);
  records.forEach(({ secret }, i) => {
    const [output, result] = outputs[i]!;
    const ok =
      view.getUint32(result, true) === 1 &&
      Buffer.compare(box.read(output, secret.length), secret) === 0 &&
      box.guarded(output, secret.length);
    if (!ok) expect.fail(`opening ${i} of ${JSON.stringify(cases)}`);
  });
}

test('every length through the blocks of the hash, alone and in the lanes', () => {
  for (let attributes = 0; attributes <= 140; attributes++) {
    const one: Case = { attributes, secret: attributes % 50, base: 0 };
    expectBothWays([one]);
    expectBothWays([one, one, one, one]);
  }
  for (let secret = 0; secret <= 140; secret++) {
    const one: Case = { attributes: 73, secret, base: 1 };
    expectBothWays([one]);
    expectBothWays([one, one, one, one]);
  }
});

test('lanes of different lengths: the longest in each, and any that ends in the same block as another', () => {
  for (let other = 0; other <= 200; other += 3) {
    for (let lane = 0; lane < 4; lane++) {
      const cases = [0, 1, 2, 3].map(
        (i): Case => ({ attributes: i === lane ? other : 40 + 31 * i, secret: 32, base: 0 }),
      );
      expectBothWays(cases);
    }
  }
});

test('every count, with both bases', () => {
  for (let count = 0; count <= 13; count++) {
    expectBothWays(
      Array.from({ length: count }, (_, i) => ({
        attributes: 73,
        secret: 16 + (i % 3) * 8,
        base: i % 2 === 0 ? 0 : 1,
      })),
    );
  }
});

test('any mix, up to the longest record', () => {
  const one = fc.record({
    attributes: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constant(8192)),
    secret: fc.oneof(fc.integer({ min: 0, max: 64 }), fc.constant(512)),
    base: fc.constantFrom(0 as const, 1 as const),
  });
  fc.assert(fc.property(fc.array(one, { maxLength: 12 }), expectBothWays), { numRuns: 60 });
});

test('a record altered in one bit is refused among others that open, and gives no byte of its secret', () => {
  const records = [0, 1, 2, 3, 4].map((i) => made({ attributes: 20, secret: 32, base: 1 }, i));
  const length = expectedRecord(records[0]!).bytes.length;
  for (let byte = 0; byte < length; byte++) {
    box.reset();
    const bases = BASES.map(midstates);
    const jobs = records.map((record, i) => {
      const { bytes } = expectedRecord(record);
      if (i === byte % 5) bytes[byte]! ^= 1 << (byte % 8);
      const output = box.reserve(32);
      const context = box.place(record.context);
      return [box.place(bytes), record.header.length, 32, bases[1]!, context, output, box.reserve(4)];
    });
    core['recordOpen']!(layJobs(jobs), jobs.length);
    jobs.forEach(([, , , , , output, result], i) => {
      // Format, epoch, revision, owner and lengths are under the tag, and the rest decides the key as well.
      const forged = i === byte % 5;
      expect([byte, i, view.getUint32(result!, true)]).toEqual([byte, i, forged ? 0 : 1]);
      const out = box.read(output!, 32);
      if (forged) expect(out.every((each) => each === 0xa5)).toBe(true);
      else expect(out).toEqual(records[i]!.secret);
    });
  }
});

test('another base key, and another context or none, open nothing', () => {
  const record = made({ attributes: 20, secret: 32, base: 1 }, 0);
  const { bytes } = expectedRecord(record);
  box.reset();
  const [a, b] = BASES.map(midstates);
  const at = box.place(bytes);
  const context = box.place(record.context);
  const wrong = [
    [a, context],
    [b, 0],
    [b, box.place(bytesOf('other', 16))],
  ] as const;
  const jobs = wrong.map(([base, with_]) => [
    at,
    record.header.length,
    32,
    base!,
    with_,
    box.reserve(32),
    box.reserve(4),
  ]);
  core['recordOpen']!(layJobs(jobs), jobs.length);
  for (const [, , , , , output, result] of jobs) {
    expect(view.getUint32(result!, true)).toBe(0);
    expect(box.read(output!, 32).every((each) => each === 0xa5)).toBe(true);
  }
});

test('nothing of keys and secrets stays in the core', () => {
  for (const count of [1, 4]) {
    const cases = Array.from({ length: count }, (): Case => ({ attributes: 73, secret: 32, base: 1 }));
    expectBothWays(cases);
    const left = Buffer.from(memory.subarray(0, core.WINDOW.value));
    for (const record of cases.map(made)) {
      const { key, bytes } = expectedRecord(record);
      const stream = bytes.subarray(record.header.length, -16).map((byte, i) => byte ^ record.secret[i]!);
      for (const secret of [key, record.secret, record.seed, stream, HEDGE, BASES[1]]) {
        for (let at = 0; at + 16 <= secret.length; at += 8) {
          const piece = Buffer.from(secret.subarray(at, at + 16));
          expect(left.includes(piece)).toBe(false);
          expect(left.includes(Buffer.from(piece).swap32())).toBe(false);
        }
      }
    }
  }
});

function expectCheckValues(lengths: readonly number[]) {
  box.reset();
  const keys = lengths.map((length, i) => bytesOf(`key ${i}`, length));
  const jobs = keys.map((key, i) => [box.place(key, i % 8), key.length, box.reserve(3, i % 5)]);
  core['aesCheckValues']!(layJobs(jobs), jobs.length);
  jobs.forEach(([, , out], i) => {
    expect([lengths, i, box.read(out!, 3)]).toEqual([lengths, i, new Uint8Array(checkValue(keys[i]!))]);
    expect(box.guarded(out!, 3)).toBe(true);
  });
  const left = Buffer.from(memory.subarray(0, core.WINDOW.value));
  for (const key of keys) expect(left.includes(Buffer.from(key.subarray(0, 16)))).toBe(false);
}

test('check values: what another CMAC gives, twice, for every count, length and mix', () => {
  for (let count = 0; count <= 9; count++) {
    for (const length of [16, 24, 32]) expectCheckValues(Array.from({ length: count }, () => length));
    expectCheckValues(Array.from({ length: count }, (_, i) => [32, 16, 24][i % 3]!));
  }
  // Four alike begin and end anywhere.
  for (let odd = 0; odd < 9; odd++) expectCheckValues(Array.from({ length: 9 }, (_, i) => (i === odd ? 24 : 32)));
  box.reset();
  for (const [count, wrong] of [
    [1, 0],
    [4, 0],
    [4, 3],
  ] as const) {
    const length = (i: number) => (i === wrong ? 15 : 32);
    const jobs = Array.from({ length: count }, (_, i) => [
      box.place(bytesOf('key', length(i))),
      length(i),
      box.reserve(3),
    ]);
    expect(() => core['aesCheckValues']!(layJobs(jobs), count)).toThrow();
  }
});
