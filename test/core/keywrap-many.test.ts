import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AES_KEY_LENGTHS, bytesOf } from '../support/aes.ts';
import { hex, openCore } from '../support/core.ts';

type Name = 'KW' | 'KWP';
const NAMES = ['KW', 'KWP'] as const;

const pad8 = (length: number) => (length + 7) & ~7;

/** The blob that OpenSSL makes. */
function peerWrap(name: Name, key: Uint8Array, plain: Uint8Array): Buffer {
  const kwp = name === 'KWP';
  const iv = hex(kwp ? 'a65959a6' : 'a6a6a6a6a6a6a6a6');
  const cipher = createCipheriv(`id-aes${8 * key.length}-wrap${kwp ? '-pad' : ''}`, key, iv);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

/** A core that takes batches of jobs; keys are expanded once each. */
function openBatches() {
  const inputs = openCore();
  const { core, memory } = inputs;
  const view = new DataView(core.memory.buffer);
  const contexts = new Map<Uint8Array, number>();
  const call = core as unknown as Record<string, (...args: number[]) => number>;
  const context = (key: Uint8Array) => {
    const at = contexts.get(key) ?? core.SLOTS.value + core.SLOT_SIZE.value * contexts.size;
    if (!contexts.has(key)) {
      contexts.set(key, at);
      memory.set(key, at);
      expect(call['aesExpandKey']!(at + 512, at, key.length)).toBe(1);
    }
    return at + 512;
  };

  return {
    memory,
    core,
    /** Each job's result and output. Inputs of `inPlace` jobs are their outputs. */
    run(kernel: string, jobs: readonly { key: Uint8Array; input: Uint8Array; room: number; inPlace?: boolean }[]) {
      inputs.reset();
      const placed = jobs.map(({ key, input, room, inPlace }, i) => {
        const output = inputs.reserve(Math.max(room, input.length), i % 8);
        const at = inPlace ? output : inputs.place(input, (3 * i) % 8);
        memory.fill(0x5c, output, output + Math.max(room, input.length));
        memory.set(input, at);
        return {
          words: [context(key), at, input.length, output, inputs.reserve(4)],
          room: Math.max(room, input.length),
        };
      });
      const list = inputs.reserve(20 * jobs.length);
      placed.forEach(({ words }, i) => {
        words.forEach((word, j) => {
          view.setUint32(list + 20 * i + 4 * j, word, true);
        });
      });
      call[kernel]!(list, jobs.length);
      return placed.map(({ words: [, , , output, result], room }) => ({
        result: view.getUint32(result!, true),
        out: inputs.read(output!, room),
        guarded: inputs.guarded(output!, room),
      }));
    },
  };
}

const batches = openBatches();
const KEYS = AES_KEY_LENGTHS.flatMap((length) => [
  bytesOf(`key ${length} a`, length),
  bytesOf(`key ${length} b`, length),
]);

const wrapKernel = (name: Name) => (name === 'KW' ? 'kwWrapMany' : 'kwpWrapMany');
const unwrapKernel = (name: Name) => (name === 'KW' ? 'kwUnwrapMany' : 'kwpUnwrapMany');

interface Case {
  readonly key: Uint8Array;
  readonly plain: Uint8Array;
  readonly inPlace: boolean;
}

/** Wrap all, compare each blob with OpenSSL's; unwrap all, with those that `spoilt` says altered in one bit. */
function expectRoundTrip(name: Name, cases: readonly Case[], spoilt: ReadonlySet<number> = new Set()) {
  const blobs = cases.map(({ key, plain }) => peerWrap(name, key, plain));
  const wrapped = batches.run(
    wrapKernel(name),
    cases.map(({ key, plain, inPlace }, i) => ({ key, input: plain, room: blobs[i]!.length, inPlace })),
  );
  wrapped.forEach(({ result, out, guarded }, i) => {
    const right = name === 'KW' ? 1 : blobs[i]!.length;
    if (result !== right || !guarded || !blobs[i]!.equals(out))
      expect.fail(`${name} wrap, job ${i} of ${cases.length}`);
  });

  const altered = blobs.map((blob, i) => {
    const copy = new Uint8Array(blob);
    if (spoilt.has(i)) copy[(7 * i) % copy.length]! ^= 1 << (i % 8);
    return copy;
  });
  const unwrapped = batches.run(
    unwrapKernel(name),
    cases.map(({ key, inPlace }, i) => ({ key, input: altered[i]!, room: altered[i]!.length - 8, inPlace })),
  );
  unwrapped.forEach(({ result, out, guarded }, i) => {
    const { plain } = cases[i]!;
    const size = pad8(plain.length);
    const right = spoilt.has(i) ? 0 : name === 'KW' ? 1 : plain.length;
    const expected = new Uint8Array(size);
    if (!spoilt.has(i)) expected.set(plain);
    const ok = result === right && guarded && Buffer.compare(out.subarray(0, size), expected) === 0;
    if (!ok) expect.fail(`${name} unwrap, job ${i} of ${cases.length}${spoilt.has(i) ? ', a forgery' : ''}`);
  });
}

const legal = (name: Name, length: number) => (name === 'KW' ? Math.max(16, pad8(length)) : Math.max(1, length));

for (const name of NAMES) {
  test(`${name}: every count through the lanes' boundaries, one key and several`, () => {
    for (let count = 0; count <= 35; count++) {
      const plain = (i: number) => bytesOf(`${name} ${count} ${i}`, 32);
      const jobs = Array.from({ length: count }, (_, i) => i);
      expectRoundTrip(
        name,
        jobs.map((i) => ({ key: KEYS[5]!, plain: plain(i), inPlace: false })),
      );
      expectRoundTrip(
        name,
        jobs.map((i) => ({ key: KEYS[i % 6]!, plain: plain(i), inPlace: i % 2 === 1 })),
      );
    }
  });

  test(`${name}: every length through the boundary of what goes bitsliced, eight at a time`, () => {
    for (let length = 1; length <= 136; length++) {
      const size = legal(name, length);
      const cases = Array.from({ length: 9 }, (_, i) => ({
        key: KEYS[4]!,
        plain: bytesOf(`${name} of ${size}, ${i}`, size),
        inPlace: i % 3 === 0,
      }));
      expectRoundTrip(name, cases, new Set([length % 9]));
    }
  });

  test(`${name}: any mix of keys, lengths and forgeries: each job has its own answer`, () => {
    const job = fc.record({
      key: fc.integer({ min: 0, max: 5 }),
      length: fc.oneof(fc.constantFrom(16, 24, 32, 48), fc.integer({ min: 1, max: 200 })),
      inPlace: fc.boolean(),
      spoilt: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(job, { maxLength: 40 }), (jobs) => {
        const cases = jobs.map(({ key, length, inPlace }, i) => ({
          key: KEYS[key]!,
          plain: bytesOf(`any ${i}`, legal(name, length)),
          inPlace,
        }));
        expectRoundTrip(name, cases, new Set(jobs.flatMap(({ spoilt }, i) => (spoilt === 0 ? [i] : []))));
      }),
      { numRuns: 150 },
    );
  });

  test(`${name}: jobs of illegal lengths are refused, and touch nothing, among others that are served`, () => {
    const key = KEYS[0]!;
    const wrong = name === 'KW' ? [0, 8, 17, 20, 31] : [0];
    const good = bytesOf('good', 32);
    const inputs = [good, ...wrong.map((length) => bytesOf('wrong', length)), good, good, good, good];
    const wrapped = batches.run(
      wrapKernel(name),
      inputs.map((input) => ({ key, input, room: 48 })),
    );
    wrapped.forEach(({ result, out, guarded }, i) => {
      expect(guarded).toBe(true);
      if (inputs[i] === good) expect(Buffer.from(out.subarray(0, 40))).toEqual(peerWrap(name, key, good));
      else expect([result, out.every((byte) => byte === 0x5c)]).toEqual([0, true]);
    });
    const blob = new Uint8Array(peerWrap(name, key, good));
    const blobs = [blob, bytesOf('short', 8), blob, bytesOf('odd', 39), blob, blob, blob];
    const unwrapped = batches.run(
      unwrapKernel(name),
      blobs.map((input) => ({ key, input, room: 48 })),
    );
    unwrapped.forEach(({ result, out }, i) => {
      if (blobs[i] === blob) expect(out.subarray(0, 32)).toEqual(good);
      else expect([result, out.every((byte) => byte === 0x5c)]).toEqual([0, true]);
    });
  });
}

test('a context without a key refuses its job', () => {
  const inputs = openCore();
  const { core, memory } = inputs;
  const view = new DataView(core.memory.buffer);
  const plain = inputs.place(bytesOf('plain', 32));
  const [output, result] = [inputs.reserve(40), inputs.reserve(4)];
  const list = inputs.reserve(20);
  [core.SLOTS.value, plain, 32, output, result].forEach((word, i) => {
    view.setUint32(list + 4 * i, word, true);
  });
  memory.fill(0, core.SLOTS.value, core.SLOTS.value + core.SLOT_SIZE.value);
  core['kwWrapMany']!(list, 1);
  expect(view.getUint32(result, true)).toBe(0);
  expect(inputs.read(output, 40).every((byte) => byte === 0xa5)).toBe(true);
});
