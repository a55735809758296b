/** encryptStream and decryptStream against a second implementation, every kind of damage, and whoever reads, waits or leaves. */
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Lane } from '../../dist/hsm/lane.js';
import { decryptingStream, encryptingStream, type Send } from '../../dist/hsm/streams.js';
import { type AesKey, type Bytes, type Hsm, HsmError, openEphemeralHsm, type Session } from '../../dist/index.js';
import type { Engine } from '../../src/hsm/engine.ts';
import { FLAG, type OpName } from '../../src/wire/batch.ts';
import { fromHex } from '../../src/wire/fields.ts';
import { login, make } from '../hsm/support/hsm.ts';
import { liveBuffers } from '../support/collect.ts';
import { HEADER, OVERHEAD, openStream, SEGMENT, sealSegment, sealStream, streamHeader } from '../support/stream.ts';
import { atOddOffset, bytes, code, ephemeral, refusal } from './support.ts';

const it = ephemeral(2);
const raw = bytes(32, 1);
const SEALED = SEGMENT + OVERHEAD;
const NO_AAD = new Uint8Array(0);
let session: Session;
let key: AesKey;

beforeAll(async () => {
  session = it.session;
  key = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] }, raw);
});

/** Everything that comes out when the chunks go in; where it fails, the error is thrown with what came before it. */
class Failed extends Error {
  readonly error: unknown;
  readonly released: Buffer;
  constructor(error: unknown, released: Buffer) {
    super('failed');
    this.error = error;
    this.released = released;
  }
}
async function through(stream: TransformStream<Uint8Array, Bytes>, chunks: Iterable<Uint8Array>): Promise<Buffer> {
  const out: Uint8Array[] = [];
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  try {
    for await (const chunk of source.pipeThrough(stream)) out.push(chunk);
  } catch (error) {
    throw new Failed(error, Buffer.concat(out));
  }
  return Buffer.concat(out);
}

/** Cut into chunks of these sizes, over and over. */
function* cut(whole: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < whole.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield whole.subarray(at, at + size);
    at += size;
  }
}

const big = bytes(3 * SEGMENT + 1, 5);
const EDGES = [0, 1, 15, 16, 17, 65535, 65536, 65537, 131071, 131072, 131073, 196607, 196608, 196609];

describe('agrees with the second implementation', () => {
  test.each(EDGES)('%i bytes, both ways', async (length) => {
    const plaintext = atOddOffset(big.subarray(0, length));
    const aad = bytes(length % 50, 3);
    const sealed = await through(session.encryptStream(key, { aad }), [plaintext]);
    expect(sealed.length).toBe(HEADER + length + OVERHEAD * Math.max(1, Math.ceil(length / SEGMENT)));
    expect(openStream(raw, key.id, sealed, aad).equals(plaintext)).toBe(true);
    const theirs = sealStream(raw, { keyId: key.id, keyVersion: 1, salt: bytes(32, length), aad }, plaintext);
    expect((await through(session.decryptStream(key, { aad }), [theirs])).equals(plaintext)).toBe(true);
    expect(Buffer.from(plaintext).equals(big.subarray(0, length))).toBe(true);
  });

  test('whatever the chunks', async () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 41, max: 200_000 }));
    const sizes = fc.array(size, { minLength: 1, maxLength: 6 }).filter((list) => list.some((n) => n > 500));
    const length = fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 0, max: big.length }));
    await fc.assert(
      fc.asyncProperty(length, sizes, sizes, async (n, there, back) => {
        const plaintext = big.subarray(0, n);
        const sealed = await through(session.encryptStream(key), cut(plaintext, there));
        expect(openStream(raw, key.id, sealed, NO_AAD).equals(plaintext)).toBe(true);
        expect((await through(session.decryptStream(key), cut(sealed, back))).equals(plaintext)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('a byte at a time, and through node streams', async () => {
    const plaintext = big.subarray(0, 300);
    const sealed = await through(session.encryptStream(key), cut(plaintext, [1]));
    expect((await through(session.decryptStream(key), cut(sealed, [1]))).equals(plaintext)).toBe(true);
    const out: Uint8Array[] = [];
    const sink = new Writable({
      write(chunk: Uint8Array, _, done) {
        out.push(chunk);
        done();
      },
    });
    // @types/node 20 does not know that pipeline takes web streams.
    const transforms = [session.encryptStream(key), session.decryptStream(key)] as never[];
    await pipeline(Readable.from(cut(big, [50_000])), ...(transforms as [never, never]), sink);
    expect(Buffer.concat(out).equals(big)).toBe(true);
  });

  test('each stream has a salt of its own, each segment an IV, and a session key serves as well', async () => {
    const own = await session.importKey(
      { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], persistent: false },
      raw,
    );
    const a = await through(session.encryptStream(own), [big]);
    const b = await through(session.encryptStream(own), [big]);
    expect(a.subarray(28, HEADER).equals(b.subarray(28, HEADER))).toBe(false);
    const ivs = [a, b].flatMap((sealed) =>
      [...cut(sealed.subarray(HEADER), [SEALED])].map((one) => one.subarray(0, 12)),
    );
    expect(new Set(ivs.map((iv) => Buffer.from(iv).toString('hex'))).size).toBe(8);
    expect(openStream(raw, own.id, a, NO_AAD).equals(big)).toBe(true);
    expect((await through(session.decryptStream(own), [b])).equals(big)).toBe(true);
  });
});

describe('damage', () => {
  const aad = bytes(9, 2);
  let sealed: Buffer;
  let segments: Buffer[];
  const head = () => sealed.subarray(0, HEADER);

  beforeAll(async () => {
    sealed = await through(session.encryptStream(key, { aad }), [big]);
    segments = [...cut(sealed.subarray(HEADER), [SEALED])].map((segment) => Buffer.from(segment));
    expect(segments.map((segment) => segment.length)).toEqual([SEALED, SEALED, SEALED, 1 + OVERHEAD]);
  });

  /** The damaged stream is refused with the one code; whole segments of plaintext before it may have come out, and nothing else. */
  async function refused(damaged: Uint8Array, options: object = { aad }, by = key): Promise<number> {
    try {
      await through(session.decryptStream(by, options), cut(damaged, [50_001]));
    } catch (failed) {
      const { error, released } = failed as Failed;
      expect(error).toBeInstanceOf(HsmError);
      expect((error as HsmError).code).toBe('KEYCELL_DECRYPT_FAILED');
      expect(released.length % SEGMENT).toBe(0);
      expect(released.equals(big.subarray(0, released.length))).toBe(true);
      return released.length / SEGMENT;
    }
    throw new Error('a damaged stream was taken');
  }

  test('whole, it is taken', async () => {
    expect((await through(session.decryptStream(key, { aad }), [sealed])).equals(big)).toBe(true);
  });

  test('cut off anywhere near a boundary, it is refused, and what was whole before came out', async () => {
    for (const boundary of [0, HEADER, HEADER + SEALED, HEADER + 2 * SEALED, HEADER + 3 * SEALED]) {
      for (const shift of [-29, -28, -17, -16, -12, -1, 0, 1, 11, 12, 15, 16, 27, 28, 29]) {
        const at = boundary + shift;
        if (at < 0 || at >= sealed.length) continue;
        // The last full segment that is there was not made as the last.
        const whole = Math.max(0, Math.ceil((at - HEADER) / SEALED) - 1);
        expect([at, await refused(sealed.subarray(0, at))]).toEqual([at, whole]);
      }
    }
  });

  test('no byte may change: in the header, at each boundary, in each tag', async () => {
    const places = [...Array(HEADER).keys()];
    for (const start of [0, 1, 2, 3].map((i) => HEADER + i * SEALED))
      for (let i = 0; i < 14; i++) places.push(start + i);
    for (const end of [1, 2, 3].map((i) => HEADER + i * SEALED)) places.push(end - 17, end - 16, end - 1);
    places.push(sealed.length - 1);
    for (const place of places) {
      const damaged = Buffer.from(sealed);
      damaged[place]! ^= 1 << (place & 7);
      const before = place < HEADER ? 0 : Math.floor((place - HEADER) / SEALED);
      expect([place, await refused(damaged)]).toEqual([place, before]);
    }
  });

  test('segments in another order, twice, left out, or one more', async () => {
    const [a, b, c, d] = segments as [Buffer, Buffer, Buffer, Buffer];
    const orders: [Buffer[], number][] = [
      [[b, a, c, d], 0],
      [[a, c, b, d], 1],
      [[a, b, d, c], 2],
      [[a, a, b, c, d], 1],
      [[a, b, b, c, d], 2],
      [[a, b, c, c, d], 3],
      [[a, b, c, d, d], 3],
      [[b, c, d], 0],
      [[a, c, d], 1],
      [[a, b, d], 2],
      [[a, b, c], 2],
      [[d], 0],
      [[a], 0],
      [[a, b, c, d, Buffer.alloc(16)], 3],
      [[a, b, c, d, Buffer.alloc(OVERHEAD)], 3],
      [[a, b, c, d, Buffer.alloc(1)], 3],
      [[a, b, c, d, a], 3],
    ];
    for (const [order, before] of orders) expect(await refused(Buffer.concat([head(), ...order]))).toBe(before);
  });

  test('spliced with another stream of the same key, at each boundary', async () => {
    const other = await through(session.encryptStream(key, { aad }), [big]);
    for (const i of [0, 1, 2, 3]) {
      const at = HEADER + i * SEALED;
      expect(await refused(Buffer.concat([sealed.subarray(0, at), other.subarray(at)]))).toBe(i);
      expect(await refused(Buffer.concat([other.subarray(0, at), sealed.subarray(at)]))).toBe(i);
    }
  });

  test('other associated data, none, or another key', async () => {
    for (const options of [{}, { aad: bytes(8, 2) }, { aad: bytes(10, 2) }, { aad: bytes(9, 3) }]) {
      expect(await refused(sealed, options)).toBe(0);
    }
    const other = await session.generateKey({ type: 'AES', bits: 256, usage: ['decrypt'] });
    expect(await refused(sealed, { aad }, other)).toBe(0);
    // A key of the same id, even: what the header names is not what proves it.
    const same = await session.importKey(
      { type: 'AES', bits: 256, usage: ['decrypt'], persistent: false, id: key.id },
      bytes(32, 77),
    );
    expect(await refused(sealed, { aad }, same)).toBe(0);
  });

  test('a division that no writer makes: an empty last segment, a short one in the middle, a last flag too early', async () => {
    const stream = { keyId: key.id, keyVersion: 1, salt: bytes(32, 8), aad };
    const seal = (index: number, last: boolean, plaintext: Uint8Array) =>
      sealSegment(raw, stream, index, last, plaintext);
    const full = big.subarray(0, SEGMENT);
    const rest = big.subarray(SEGMENT, 2 * SEGMENT);
    const header = streamHeader(stream);
    expect(await refused(Buffer.concat([header, seal(0, false, full), seal(1, true, NO_AAD)]))).toBe(1);
    expect(await refused(Buffer.concat([header, seal(0, true, full), seal(1, true, rest)]))).toBe(0);
    expect(await refused(Buffer.concat([header, seal(0, false, full.subarray(0, 100)), seal(1, true, rest)]))).toBe(0);
    expect(await refused(Buffer.concat([header, seal(0, false, full)]))).toBe(0);
    // An envelope's or another suite's header.
    for (const [at, value] of [
      [3, 0x45],
      [4, 1],
      [4, 3],
      [5, 2],
      [7, 1],
      [27, 2],
    ] as const) {
      const foreign = { ...stream };
      const damaged = sealStream(raw, foreign, big.subarray(0, 10));
      damaged[at] = value;
      expect(await refused(damaged)).toBe(0);
    }
  });
});

describe('keys and sizes', () => {
  const fails = async (stream: TransformStream<Uint8Array, Bytes>, chunks: unknown[] = [bytes(3)]) => {
    try {
      await through(stream, chunks as Uint8Array[]);
    } catch (failed) {
      return ((failed as Failed).error as HsmError).code;
    }
    return 'done';
  };

  test('keys of every size with the usage, and none with callerIv', async () => {
    const make = (template: object) => session.generateKey({ type: 'AES', bits: 256, usage: [], ...template } as never);
    const caller = (await make({ callerIv: true, usage: ['encrypt', 'decrypt'] })) as AesKey;
    const reader = (await make({ usage: ['decrypt'] })) as AesKey;
    const writer = (await make({ usage: ['encrypt'] })) as AesKey;
    for (const bits of [128, 192, 256] as const) {
      const own = bytes(bits / 8, 3);
      const imported = { type: 'AES', bits, usage: ['encrypt', 'decrypt'] } as const;
      const any: AesKey = await session.importKey(imported, own);
      const ours = await through(session.encryptStream(any), [big]);
      expect(openStream(own, any.id, ours, NO_AAD).equals(big)).toBe(true);
      const theirs = sealStream(own, { keyId: any.id, keyVersion: 1, salt: bytes(32) }, big);
      expect((await through(session.decryptStream(any), [theirs])).equals(big)).toBe(true);
    }
    const sealed = sealStream(raw, { keyId: writer.id, keyVersion: 1, salt: bytes(32) }, bytes(5));
    expect(await fails(session.encryptStream(caller))).toBe('KEYCELL_INPUT_INVALID');
    expect(await fails(session.encryptStream(reader))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await fails(session.decryptStream(writer), [sealed])).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await fails(session.encryptStream(writer))).toBe('done');
    const soon = (await make({ usage: ['encrypt'], notBefore: Date.now() + 60_000 })) as AesKey;
    expect(await fails(session.encryptStream(soon))).toBe('KEYCELL_PERMISSION_DENIED');
    const pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
    expect(await fails(session.encryptStream(pair as never))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('what is no input is refused at once or as the stream’s error', async () => {
    expect(await code(() => session.encryptStream(key, { aad: 'x' as never }))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.encryptStream(key, { signal: 1 as never }))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.decryptStream(key, null as never))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => session.decryptStream({ ...key, id: `${'0'.repeat(31)}1` }))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await fails(session.encryptStream(key), ['text'])).toBe('KEYCELL_INPUT_INVALID');
    const detached = bytes(5);
    structuredClone(detached, { transfer: [detached.buffer] });
    expect(await fails(session.encryptStream(key), [detached])).toBe('KEYCELL_INPUT_INVALID');
    expect(await fails(session.decryptStream(key), [])).toBe('KEYCELL_DECRYPT_FAILED');
    expect(await fails(session.encryptStream(key), [])).toBe('done');
  });

  test('a key that is destroyed under way ends the stream', async () => {
    const own = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] });
    const { readable, writable } = session.encryptStream(own);
    const writer = writable.getWriter();
    const reader = readable.getReader();
    await writer.write(big.subarray(0, SEGMENT + 1));
    expect((await reader.read()).value).toHaveLength(HEADER);
    expect((await reader.read()).value).toHaveLength(SEALED);
    await session.destroyKey(own);
    expect(await code(() => writer.write(big.subarray(0, SEGMENT)).then(() => reader.read()))).toBe(
      'KEYCELL_KEY_NOT_FOUND',
    );
    expect(await code(() => writer.closed)).toBe('KEYCELL_KEY_NOT_FOUND');
  });

  test('the counter ends at 2^31 segments', async () => {
    const send = sender(key);
    const late = 0x7fff_fffe;
    const sealed = await through(encryptingStream(lane(), send, {}, late), [big.subarray(0, SEGMENT + 5)]);
    expect(openStream(raw, key.id, sealed, NO_AAD, late).equals(big.subarray(0, SEGMENT + 5))).toBe(true);
    const opened = await through(decryptingStream(lane(), send, {}, late), [sealed]);
    expect(opened.equals(big.subarray(0, SEGMENT + 5))).toBe(true);
    expect(await fails(encryptingStream(lane(), send, {}, late), [big.subarray(0, 2 * SEGMENT + 1)])).toBe(
      'KEYCELL_LIMIT_EXCEEDED',
    );
    expect(await fails(decryptingStream(lane(), send, {}, late + 1), [sealed])).toBe('KEYCELL_LIMIT_EXCEEDED');
  });
});

const engine = (hsm: Hsm) => hsm as unknown as Engine;

const lane = () => new Lane(() => 4);

/** A session's ticket, taken from a request on its way. */
async function ticketOf(of: Session, hsm = it.hsm): Promise<Uint8Array> {
  const open = hsm as unknown as { submit: Engine['submit'] };
  const submit = open.submit.bind(hsm);
  let ticket: Uint8Array | undefined;
  open.submit = (request, options, finish) => {
    ticket = request.ticket;
    return submit(request, options, finish);
  };
  await of.random(1);
  delete (open as { submit?: unknown }).submit;
  return ticket!;
}

/** What a session sends, by hand. */
function sender(key: AesKey, given?: Uint8Array, hsm = it.hsm): Send {
  return async (op, flags, parts, options) => {
    const ticket = given ?? (await ticketOf(session));
    const keys = [engine(hsm).keys.sealed(key)];
    return (await engine(hsm).submit({ op, mechanism: 'none', flags, ticket, keys, parts }, options)).parts;
  };
}

describe('a salt that no cell drew for this session', () => {
  const hash = createHash('sha256').digest();
  const number = (n: number) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
  let writer: AesKey;
  let ticket: Uint8Array;
  let header: Uint8Array;
  let grant: Uint8Array;

  beforeAll(async () => {
    writer = await session.importKey({ type: 'AES', bits: 256, usage: ['encrypt'] }, raw);
    ticket = await ticketOf(session);
    [header, grant] = (await sender(writer, ticket)('openStream', 0, [], {})) as [Bytes, Bytes];
  });

  const send = async (
    parts: Uint8Array[],
    changes: { flags?: number; ticket?: Uint8Array; key?: AesKey; op?: OpName } = {},
  ) => {
    const { flags = FLAG.last, op = 'encryptSegment' } = changes;
    return sender(changes.key ?? writer, changes.ticket ?? ticket)(op as 'encryptSegment', flags, parts, {});
  };
  const segment = (more: { header?: Uint8Array; grant?: Uint8Array; text?: Uint8Array; index?: number } = {}) => [
    more.text ?? new Uint8Array(10),
    more.header ?? header,
    more.grant ?? grant,
    hash,
    number(more.index ?? 0),
  ];

  test('with its own grant it encrypts', async () => {
    const [sealed] = await send(segment());
    const stream = { keyId: writer.id, keyVersion: 1, salt: header.subarray(28) };
    const expected = sealSegment(raw, stream, 0, true, new Uint8Array(10), sealed!.subarray(0, 12));
    expect(Buffer.from(sealed!)).toEqual(expected);
  });

  test('the same number twice: neither keystream nor H, and one as good as the other', async () => {
    const xor = (a: Uint8Array, b: Uint8Array) => Buffer.from(a.map((byte, i) => byte ^ b[i]!));
    const texts = [bytes(16, 1), bytes(16, 2), bytes(16, 1)];
    const sealed: Bytes[] = [];
    for (const text of texts) sealed.push((await send(segment({ text })))[0]!);
    const body = (i: number) => sealed[i]!.subarray(12, 28);
    const hex = (part: Uint8Array) => Buffer.from(part).toString('hex');
    expect(new Set(sealed.map((one) => hex(one.subarray(0, 12)))).size).toBe(3);
    for (const [i, j] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      expect(xor(body(i), body(j)).equals(xor(texts[i]!, texts[j]!))).toBe(false);
      // With one keystream, tags too would differ by a product with H alone, and equal texts have equal tags.
      expect(hex(sealed[i]!.subarray(28))).not.toBe(hex(sealed[j]!.subarray(28)));
    }
    const reader = await session.importKey(
      { type: 'AES', bits: 256, usage: ['decrypt'], id: writer.id, persistent: false },
      raw,
    );
    for (const [i, one] of sealed.entries()) {
      const [plaintext] = await send([one, header, hash, number(0)], { op: 'decryptSegment', key: reader });
      expect(plaintext).toEqual(texts[i]);
      for (const index of [1, 2]) {
        const elsewhere = [one, header, hash, number(index)];
        expect(await code(() => send(elsewhere, { op: 'decryptSegment', key: reader }))).toBe('KEYCELL_DECRYPT_FAILED');
      }
    }
  });

  test('a foreign header takes no segment of whoever may only encrypt', async () => {
    // Somebody else's stream under the same key: a segment of the caller's in the place of one of its own.
    const victim = streamHeader({ keyId: writer.id, keyVersion: 1, salt: bytes(32, 33) });
    expect(await code(() => send(segment({ header: victim })))).toBe('KEYCELL_PERMISSION_DENIED');
    expect((await refusal(() => send(segment({ header: victim })))).message).toContain('not opened');
    expect(await code(() => send(segment({ header: victim, grant: new Uint8Array(32) })))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    for (let i = 0; i < HEADER; i++) {
      const altered = new Uint8Array(header);
      altered[i]! ^= 0x80 >> (i & 7);
      expect(await code(() => send(segment({ header: altered })))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    for (let i = 0; i < 32; i++) {
      const altered = new Uint8Array(grant);
      altered[i]! ^= 1 << (i & 7);
      expect(await code(() => send(segment({ grant: altered })))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    for (const wrong of [NO_AAD, grant.slice(0, 16), bytes(33)]) {
      expect(await code(() => send(segment({ grant: wrong })))).toBe('KEYCELL_INPUT_INVALID');
    }
    expect(await code(() => send(segment({ header: header.slice(0, 59) })))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('the grant of one header does not serve for another of the same session, nor for another key', async () => {
    const [other] = await sender(writer, ticket)('openStream', 0, [], {});
    expect(await code(() => send(segment({ header: other! })))).toBe('KEYCELL_PERMISSION_DENIED');
    const second = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] });
    expect(await code(() => send(segment(), { key: second }))).toBe('KEYCELL_INPUT_INVALID');
    const reader = await session.generateKey({ type: 'AES', bits: 256, usage: ['decrypt'] });
    expect(await code(() => send([], { op: 'openStream', key: reader }))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('header and grant of one session are nothing in another of the same user', async () => {
    const { hsm, alice } = await make();
    const own = await alice.importKey({ type: 'AES', bits: 256, usage: ['encrypt'] }, raw);
    const again = await login(hsm);
    const parts = (opened: readonly Uint8Array[]) => segment({ header: opened[0]!, grant: opened[1]! });
    const mine = sender(own, await ticketOf(alice, hsm), hsm);
    const other = sender(own, await ticketOf(again, hsm), hsm);
    const opened = await mine('openStream', 0, [], {});
    expect(await code(() => other('encryptSegment', FLAG.last, parts(opened), {}))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await mine('encryptSegment', FLAG.last, parts(opened), {})).toHaveLength(1);
    // A renewed ticket is of the same session: a long stream outlives its first.
    await alice.renew();
    const renewed = sender(own, await ticketOf(alice, hsm), hsm);
    expect(await renewed('encryptSegment', FLAG.last, parts(opened), {})).toHaveLength(1);
  });

  test('segments that no stream has are refused', async () => {
    expect(await code(() => send(segment(), { flags: 0 }))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => send(segment({ text: bytes(SEGMENT + 1) })))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => send(segment({ text: NO_AAD, index: 1 })))).toBe('KEYCELL_INPUT_INVALID');
    const full = segment({ text: bytes(SEGMENT), index: 0x7fff_ffff });
    expect(await code(() => send(full, { flags: 0 }))).toBe('KEYCELL_INPUT_INVALID');
    for (const index of [0x8000_0000, 0xffff_ffff]) {
      expect(await code(() => send(segment({ index })))).toBe('KEYCELL_INPUT_INVALID');
    }
    expect(await code(() => send(segment().slice(0, 4)))).toBe('KEYCELL_INPUT_INVALID');
    expect(await code(() => send([bytes(10), header, grant, bytes(31), number(0)]))).toBe('KEYCELL_INPUT_INVALID');
  });
});

describe('who reads, waits or leaves', () => {
  test('64 MiB through both, with a reader that is slow at first: what is under way stays bounded', async () => {
    let pulled = 0;
    const chunk = bytes(1 << 20, 3);
    const before = liveBuffers();
    const source = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (pulled++ < 64) controller.enqueue(chunk);
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const reader = source.pipeThrough(session.encryptStream(key)).pipeThrough(session.decryptStream(key)).getReader();
    const first = await reader.read();
    await sleep(300);
    // One chunk in each writer's hand and queue at most, whatever the time: nothing runs ahead of the reader.
    expect(pulled).toBeLessThanOrEqual(3);
    const sums = { read: first.value!.length, peak: 0 };
    const hash = createHash('sha256').update(first.value!);
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      sums.read += next.value.length;
      hash.update(next.value);
      // Every seventeenth segment: each place in a chunk in its turn.
      if (sums.read % (17 * SEGMENT) === 0) sums.peak = Math.max(sums.peak, liveBuffers() - before);
    }
    const expected = createHash('sha256');
    for (let i = 0; i < 64; i++) expected.update(chunk);
    expect(sums.read).toBe(64 << 20);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    // Each stream gathers one segment and has four under way, at worst with what went in and what came out. One more is
    // between them, and one with the reader.
    expect(sums.peak).toBeLessThanOrEqual((2 * (1 + 4 * 2) + 2) * SEALED);
    expect(sums.peak).toBeGreaterThan(2 * SEGMENT);
  });

  test('one chunk of 32 MiB makes no more than a few segments at a time', async () => {
    const { readable, writable } = session.encryptStream(key);
    const writer = writable.getWriter();
    const sent = it.hsm.stats().operations;
    const writing = writer.write(new Uint8Array(32 << 20));
    await sleep(200);
    expect(it.hsm.stats().operations - sent).toBeLessThanOrEqual(1 + 4);
    const reader = readable.getReader();
    await reader.read();
    await sleep(50);
    expect(it.hsm.stats().operations - sent).toBeLessThanOrEqual(1 + 5);
    await reader.cancel(new Error('enough'));
    await expect(writing).rejects.toThrow();
    await expect(writer.closed).rejects.toThrow('enough');
  });

  test('however many the streams, no more than two segments a cell stand before a small request', async () => {
    const streams = Array.from({ length: 16 }, () =>
      through(
        session.encryptStream(key),
        Array.from({ length: 2 }, () => bytes(1 << 20)),
      ),
    );
    let busy = true;
    const all = Promise.all(streams).then(() => {
      busy = false;
    });
    let during = 0;
    let most = 0;
    while (busy) {
      const { queued, inFlight } = it.hsm.stats();
      most = Math.max(most, queued + inFlight);
      await session.random(16);
      if (busy) during++;
    }
    await all;
    expect(during).toBeGreaterThan(10);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
  });

  test('a cancelled reader and an aborted writer end the other side with their reason', async () => {
    const a = session.encryptStream(key);
    const writer = a.writable.getWriter();
    await writer.write(big);
    await a.readable.cancel(new Error('no more'));
    await expect(writer.write(big)).rejects.toThrow('no more');
    const b = session.decryptStream(key);
    const other = b.writable.getWriter();
    const reading = b.readable.getReader().read();
    await other.abort(new Error('gave up'));
    await expect(reading).rejects.toThrow('gave up');
    // Stuck in a write, because nobody reads.
    const c = session.encryptStream(key);
    const stuck = c.writable.getWriter();
    const writing = stuck.write(new Uint8Array(4 << 20));
    await sleep(50);
    await stuck.abort(new Error('stop'));
    await expect(writing).rejects.toThrow();
    await expect(c.readable.getReader().read()).rejects.toThrow('stop');
  });

  test('a signal ends it, before and under way', async () => {
    const early = session.encryptStream(key, { signal: AbortSignal.abort(new Error('early')) });
    const error = await refusal(() => early.readable.getReader().read());
    expect([error.code, (error.cause as Error).message]).toEqual(['KEYCELL_ABORTED', 'early']);
    expect(await code(() => early.writable.getWriter().write(big))).toBe('KEYCELL_ABORTED');
    const control = new AbortController();
    const { readable, writable } = session.encryptStream(key, { signal: control.signal });
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const writing = writer.write(new Uint8Array(4 << 20));
    await reader.read();
    control.abort();
    expect(await code(() => writing)).toBe('KEYCELL_ABORTED');
    expect(await code(() => reader.read())).toBe('KEYCELL_ABORTED');
    // Idle, with nobody in a call: the next one learns it.
    const later = new AbortController();
    const idle = session.decryptStream(key, { signal: later.signal });
    later.abort();
    expect(await code(() => idle.writable.getWriter().write(big))).toBe('KEYCELL_ABORTED');
  });

  test('a queue that is full, or has no room in time', async () => {
    const { hsm, session: own } = await openEphemeralHsm({ workers: 1, queueLimit: 1 });
    try {
      const small = await own.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
      const streams = Array.from({ length: 6 }, () => through(own.encryptStream(small), [big]));
      for (const sealed of await Promise.all(streams)) {
        expect((await through(own.decryptStream(small), [sealed])).equals(big)).toBe(true);
      }
      // Room enough for one small message in work, and none in the queue, until the time is out.
      const late = own.encryptStream(small, { timeout: 0.001 });
      expect(await code(() => through(late, [big]).catch((failed: Failed) => Promise.reject(failed.error)))).toBe(
        'KEYCELL_TIMEOUT',
      );
    } finally {
      await hsm.close();
    }
  });

  test('a session or an HSM that is closed', async () => {
    const { hsm, session: own } = await openEphemeralHsm({ workers: 1 });
    const k = await own.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] });
    const a = own.encryptStream(k).writable.getWriter();
    await a.write(bytes(3));
    const b = own.encryptStream(k);
    await own.close();
    expect(await code(() => a.close())).toBe('KEYCELL_SESSION_REVOKED');
    expect(await code(() => through(b, [big]).catch((failed: Failed) => Promise.reject(failed.error)))).toBe(
      'KEYCELL_SESSION_REVOKED',
    );
    expect(await code(() => own.encryptStream(k))).toBe('KEYCELL_SESSION_REVOKED');
    await hsm.close();
  });

  test('a cell that dies under way costs nothing', async () => {
    const { hsm, session: own } = await openEphemeralHsm({ workers: 2 });
    const k = await own.importKey({ type: 'AES', bits: 256, usage: ['encrypt'] }, raw);
    const plaintext = bytes(4 << 20, 4);
    const restarted = new Promise((resolve) => hsm.once('cell-restart', resolve));
    const sealing = through(own.encryptStream(k), cut(plaintext, [100_000]));
    await sleep(5);
    await hsm.killCell(0);
    expect(openStream(raw, k.id, await sealing, NO_AAD).equals(plaintext)).toBe(true);
    await restarted;
    await hsm.close();
  });

  test('what was gathered and what was not read is wiped', async () => {
    // The buffers that went to the cells, seen through the sender.
    const seen: Uint8Array[] = [];
    const results: Uint8Array[] = [];
    const send: Send = async (op, flags, parts, options) => {
      if (op !== 'openStream') seen.push(parts[0]!);
      const out = await sender(key)(op, flags, parts, options);
      if (op === 'decryptSegment') results[parts[3]![3]!] = out[0]!;
      return out;
    };
    const sealed = await through(encryptingStream(lane(), send, {}), [big]);
    expect(seen.map((part) => part.length)).toEqual([SEGMENT, SEGMENT, SEGMENT, 1]);
    expect(seen.every((part) => part.every((byte) => byte === 0))).toBe(true);
    const { readable, writable } = decryptingStream(lane(), send, {});
    const writer = writable.getWriter();
    await writer.write(sealed);
    await writer.close();
    const reader = readable.getReader();
    const { value } = await reader.read();
    expect(Buffer.from(value!).equals(big.subarray(0, SEGMENT))).toBe(true);
    await reader.cancel();
    await sleep(10);
    expect(results.map((part) => part.every((byte) => byte === 0))).toEqual([false, true, true, true]);
  });
});

test('the header is what the document says', () => {
  const stream = { keyId: '00112233445566778899aabbccddeeff', keyVersion: 1, salt: bytes(32) };
  expect(streamHeader(stream)).toHaveLength(HEADER);
  expect(Buffer.from(fromHex(stream.keyId, 16))).toEqual(streamHeader(stream).subarray(8, 24));
});
