/**
 * What a batch's wipe leaves to the primitives: from the curves' scratch on, each area is zero when a call is over, whatever
 * the number of jobs, and whether they were good ones.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openCore } from '../support/core.ts';

const box = openCore();
const { core, memory } = box;
const view = new DataView(memory.buffer);
const EC_SCRATCH = core.SLOTS.value + core.SLOT_SIZE.value * core.SLOT_COUNT.value + 0x4000;
const own = memory.subarray(EC_SCRATCH, core.WORK.value);
const zeros = new Uint8Array(own.length);

const bytes = (length: number) => box.place(new Uint8Array(randomBytes(length)));
const words = (rows: readonly (readonly number[])[]) => box.place(new Uint8Array(Uint32Array.from(rows.flat()).buffer));
const clean = (what: string) => expect([what, Buffer.compare(own, zeros)]).toEqual([what, 0]);
const run = (name: string, ...ask: number[]) => {
  core[name]!(...ask);
  clean(`${name} ${ask.join(' ')}`);
};

core['ecInit']!();
const COUNTS = [1, 2, 3, 4, 5, 8, 16, 17, 31, 32, 33, 65];
const CURVES = [
  ['P-256', 1, 32, 1],
  ['P-384', 2, 48, 2],
  ['secp256k1', 3, 32, 1],
] as const;

test.each(CURVES)('%s: key pairs, signatures, verification, agreement', (_, curve, size, hash) => {
  for (const n of COUNTS) {
    box.reset();
    const each = <T>(make: (i: number) => T) => Array.from({ length: n }, (_, i) => make(i));
    const pairs = each(() => [box.reserve(size), box.reserve(2 * size + 1), bytes(size + 16), box.reserve(4)] as const);
    run('ecKeyGenerateMany', curve, words(pairs), n);
    const signing = each((i) => [pairs[i]![0], bytes(size), i % 3 ? bytes(size) : 0, box.reserve(2 * size)] as const);
    run('ecdsaSign', curve, hash, words(signing), n);
    const verifying = each((i) => [pairs[i]![1], signing[i]![1], signing[i]![3], box.reserve(4)] as const);
    run('ecdsaVerify', curve, hash, words(verifying), n);
    for (const [, , , result] of verifying) expect(view.getUint32(result, true)).toBe(1);
    const agreeing = each((i) => [pairs[i]![0], pairs[(i + 1) % n]![1], box.reserve(size), box.reserve(4)] as const);
    run('ecdh', curve, words(agreeing), n);

    // The same with points and scalars that are none.
    run('ecdsaSign', curve, hash, words(signing.map(([, ...rest]) => [box.place(new Uint8Array(size)), ...rest])), n);
    const point = () => bytes(2 * size + 1);
    run('ecdsaVerify', curve, hash, words(verifying.map(([q, ...rest], i) => [i % 2 ? q : point(), ...rest])), n);
    run('ecdh', curve, words(agreeing.map(([d, q, ...rest], i) => [d, i % 2 ? q : point(), ...rest])), n);
    run('ecPublicKey', curve, pairs[0]![0], box.reserve(97));
    run('ecPointValidate', curve, pairs[0]![1], 2 * size + 1, box.reserve(97));
    run('ecPointValidate', curve, bytes(size + 1), size + 1, box.reserve(97));
  }
});

test('digests, check values, records', () => {
  for (const n of COUNTS) {
    box.reset();
    const each = <T>(make: (i: number) => T) => Array.from({ length: n }, (_, i) => make(i));
    for (const hash of [1, 2, 3]) {
      run('hashMany', hash, words(each((i) => [bytes(200 + (i % 60)), 200 + (i % 60), box.reserve(64)])), n);
    }
    run('aesCheckValues', words(each((i) => [bytes(32), i % 5 ? 32 : 16, box.reserve(4)])), n);
    const [base, hedge] = [box.reserve(64), box.reserve(64)];
    for (const key of [base, hedge]) run('hmac256Key', bytes(32), 32, key);
    const sealing = each(() => [box.reserve(177 + 48), 177, bytes(32), 32, bytes(32), base, 0] as const);
    run('recordSeal', hedge, words(sealing), n);
    const opening = sealing.map(([at], i) => {
      if (i % 3 === 0) memory[at + 180]! ^= 1;
      return [at, 177, 32, base, 0, box.reserve(32), box.reserve(4)];
    });
    run('recordOpen', words(opening), n);
    opening.forEach((job, i) => {
      expect(view.getUint32(job[6]!, true)).toBe(i % 3 === 0 ? 0 : 1);
    });
  }
});
