/** Faults: what a wrong product gives is done again, and a signature made with a wrong table does not come out. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { BUILD, openCore } from '../support/core.ts';
import { CURVES, type Curve, digest, toBytes } from '../support/curves.ts';

/** assembly/layout.ts: where the tables of the base points lie. */
const TABLES: Record<string, number> = { 'P-256': 0x10000, secp256k1: 0x50000, 'P-384': 0x90000 };
const ENTRIES = 128;
/** A constant that only products of quads use, in bits: p256/quad_f48_products.ts, else the bias of quad_products.ts. */
const constantOf = ({ name, size }: Curve) =>
  name === 'P-256' && BUILD === 'relaxed'
    ? 0xc1f0000000000000n
    : size === 48
      ? 0x7ffffff800000000n
      : 0x7ffffffc00000000n;

describe.each(CURVES)('$name', (curve) => {
  const { size, number, hash } = curve;
  const hashNumber = size === 48 ? 2 : 1;
  const scalar = toBytes(7n, size);

  const open = () => {
    const box = openCore();
    const { core, memory } = box;
    core['ecInit']!();
    const table = (rows: (readonly number[])[]) => box.place(new Uint8Array(Uint32Array.from(rows.flat()).buffer));
    const words = new Uint32Array(memory.buffer);
    return {
      memory,
      damageConstant() {
        const bits = new BigUint64Array(memory.buffer, 0, TABLES['P-256']! / 8);
        const wanted = constantOf(curve);
        const found = [...bits.keys()].filter((i) => bits[i] === wanted && bits[i ^ 1] === wanted);
        expect(found.length).toBeGreaterThan(0);
        for (const i of found) bits[i] = wanted ^ (1n << 52n);
      },
      /** Signatures over these digests, or the guard bytes of where they would be. */
      sign(digests: readonly Uint8Array[]) {
        box.reset();
        const outs = digests.map(() => box.reserve(2 * size));
        const jobs = table(digests.map((each, i) => [box.place(scalar), box.place(each), 0, outs[i]!]));
        const read = () => outs.map((out) => box.read(out, 2 * size));
        return { run: () => core['ecdsaSign']!(number, hashNumber, jobs, digests.length), read };
      },
      publicKey() {
        box.reset();
        const out = box.reserve(2 * size + 1);
        core['ecPublicKey']!(number, box.place(scalar), out);
        return box.read(out, 2 * size + 1);
      },
      verify(point: Uint8Array, digests: readonly Uint8Array[], signatures: readonly Uint8Array[]) {
        box.reset();
        const results = digests.map(() => box.reserve(4));
        const jobs = table(
          digests.map((each, i) => [box.place(point), box.place(each), box.place(signatures[i]!), results[i]!]),
        );
        core['ecdsaVerify']!(number, hashNumber, jobs, digests.length);
        return results.map((result) => words[result / 4]);
      },
    };
  };
  const digests = (count: number) => Array.from({ length: count }, () => digest(hash, randomBytes(20)));
  const sound = open();
  const point = sound.publicKey();

  test.each([1, 2, 5, 32])('%i signatures with products that come out wrong are made by other formulas', (count) => {
    const list = digests(count);
    const wanted = sound.sign(list);
    wanted.run();
    const expected = wanted.read();
    const damaged = open();
    damaged.damageConstant();
    const made = damaged.sign(list);
    made.run();
    expect(made.read()).toEqual(expected);
    expect(damaged.publicKey()).toEqual(point);
    // The damage was one: what is not checked, as nothing secret depends on it, comes out wrong.
    if (count > 1) expect(damaged.verify(point, list, expected)).toContain(0);
  });

  test.each([1, 2, 5, 32])('%i signatures from a wrong table end the instance, and none is seen', (count) => {
    const damaged = open();
    for (let i = 0; i < ENTRIES; i++) damaged.memory[TABLES[curve.name]! + i]! ^= 1;
    const { run, read } = damaged.sign(digests(count));
    expect(run).toThrow('unreachable');
    for (const out of read()) expect([...new Set(out)]).toEqual([0xa5]);
    expect(damaged.publicKey).toThrow('unreachable');
  });

  test('one wrong entry of the table: a group has it in no lane, or nothing of it is seen', () => {
    const damaged = open();
    damaged.memory[TABLES[curve.name]! + 5]! ^= 0x10;
    for (let tries = 0; ; tries++) {
      const list = digests(8);
      const { run, read } = damaged.sign(list);
      try {
        run();
      } catch {
        for (const out of read()) expect([...new Set(out)]).toEqual([0xa5]);
        return;
      }
      expect(sound.verify(point, list, read())).toEqual(list.map(() => 1));
      expect(tries).toBeLessThan(200);
    }
  });
});
