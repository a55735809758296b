/** The bounds of what parameters ask for: the facade refuses early and says the limit, and so does the cell, before any work. */
import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { AesKey, EcKey, GenericKey, Kdf } from '../../dist/index.js';
import { readHeaders } from '../../src/cell/operations/jwe.ts';
import { REASONS } from '../../src/errors.ts';
import { jweHeaders } from '../../src/hsm/jwe-headers.ts';
import * as LIMITS from '../../src/model/limits.ts';
import type { CellRequest } from '../../src/wire/batch.ts';
import { packList, readList } from '../../src/wire/list.ts';
import { bytes, ephemeral, refusal } from './support.ts';

const it = ephemeral();
const { KDF_FIELD_MAX, IV_MAX, BLOBS_MAX, BLOBS_SIZE_MAX, HEADERS_MAX, RANDOM_MAX, ATTRIBUTES_MAX } = LIMITS;

interface Engine {
  submit?: (request: CellRequest, ...rest: unknown[]) => Promise<unknown>;
}

/** What becomes of a call whose request is changed behind the facade's back. */
async function altered<T>(call: () => Promise<T>, change: (parts: Uint8Array[]) => void): Promise<T> {
  const engine = it.hsm as unknown as Engine;
  const submit = engine.submit!.bind(it.hsm);
  engine.submit = (request, ...rest) => {
    const parts = [...request.parts];
    change(parts);
    return submit({ ...request, parts }, ...rest);
  };
  try {
    return await call();
  } finally {
    delete engine.submit;
  }
}

/** The refusal of a call of which no cell heard. */
async function refusedEarly(call: () => Promise<unknown>): Promise<string> {
  const before = it.hsm.stats().operations;
  const { code, message } = await refusal(call);
  expect(it.hsm.stats().operations).toBe(before);
  return `${code} ${message}`;
}

/** The refusal of a call by the cell. */
async function refusedInside(call: () => Promise<unknown>, change: (parts: Uint8Array[]) => void): Promise<string> {
  const before = it.hsm.stats().operations;
  const { code, message } = await refusal(() => altered(call, change));
  expect(it.hsm.stats().operations).toBe(before + 1);
  return `${code} ${message}`;
}

/** A change of one part. */
const put =
  (n: number, bytes: Uint8Array) =>
  (parts: Uint8Array[]): void => {
    parts[n] = bytes;
  };

const limit = (reason: keyof typeof REASONS) => expect.stringContaining(`KEYCELL_LIMIT_EXCEEDED ${REASONS[reason][1]}`);
const transient = { persistent: false } as const;

describe('a KDF', () => {
  let base: GenericKey;
  let pair: EcKey;
  beforeAll(async () => {
    const deriveTemplate = { type: 'AES', usage: ['encrypt', 'decrypt'] } as const;
    base = await it.session.generateKey({
      type: 'GENERIC',
      bits: 256,
      usage: ['derive'],
      deriveTemplate,
      ...transient,
    });
    pair = await it.session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], ...transient });
  });

  const derive = (kdf: Kdf) =>
    kdf.name === 'concat'
      ? it.session.deriveKey(
          pair,
          { mechanism: 'ECDH', publicKey: pair.jwk, kdf },
          { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], ...transient },
        )
      : it.session.deriveKey(
          base,
          { mechanism: 'KDF', kdf: kdf as Exclude<Kdf, { name: 'none' }> },
          { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], ...transient },
        );
  const hash = 'SHA-256';
  const FIELDS: [string, number, (field: Uint8Array) => Kdf][] = [
    ['salt of hkdf', 0, (salt) => ({ name: 'hkdf', hash, salt })],
    ['info of hkdf', 1, (info) => ({ name: 'hkdf', hash, info })],
    ['label of sp800-108', 0, (label) => ({ name: 'sp800-108', hash, label })],
    ['context of sp800-108', 1, (context) => ({ name: 'sp800-108', hash, label: bytes(1), context })],
    ['apu of concat', 1, (apu) => ({ name: 'concat', hash, algorithm: 'A256GCM', apu })],
    ['apv of concat', 2, (apv) => ({ name: 'concat', hash, algorithm: 'A256GCM', apv })],
  ];

  test.each(FIELDS)('%s: 1 KiB, and no byte more', async (_, at, kdf) => {
    expect(KDF_FIELD_MAX).toBe(1024);
    expect((await derive(kdf(bytes(KDF_FIELD_MAX)))).bits).toBe(256);
    for (const size of [KDF_FIELD_MAX + 1, 16 * 2 ** 20]) {
      expect(await refusedEarly(() => derive(kdf(new Uint8Array(size))))).toEqual(limit('kdfField'));
      const inside = refusedInside(
        () => derive(kdf(bytes(1))),
        (parts) => {
          const fields = readList(parts[4]!).map(({ offset, length }) => parts[4]!.slice(offset, offset + length));
          fields[at] = new Uint8Array(Math.min(size, 15 * 2 ** 20));
          parts[4] = packList(fields);
        },
      );
      expect(await inside).toEqual(limit('kdfField'));
    }
  });

  test('the algorithm of concat has a bound of its own', async () => {
    const long = 'A'.repeat(LIMITS.KDF_ALGORITHM_MAX + 1);
    expect(await refusedEarly(() => derive({ name: 'concat', hash, algorithm: long }))).toEqual(limit('kdfField'));
  });
});

describe('headers of JWEs', () => {
  let kek: AesKey;
  let device: EcKey;
  let blob: Uint8Array;
  beforeAll(async () => {
    const { session } = it;
    const usage = ['wrap', 'unwrap'] as const;
    kek = await session.generateKey({ type: 'AES', bits: 256, usage, rewrapPolicy: 'any', ...transient });
    device = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], ...transient });
    const template = { type: 'AES', bits: 128, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' } as const;
    const content = await session.generateKey({ ...template, ...transient });
    blob = await session.wrapKey(kek, content, { mechanism: 'AES-KW' });
  });
  const rewrap = (count: number, header?: object) =>
    it.session.rewrapKeys(
      Array.from({ length: count }, () => blob),
      {
        from: kek,
        mechanism: 'AES-KW',
        to: { jwk: device.jwk },
        as: 'JWE',
        ...(header && { header: header as never }),
      },
    );
  const headerOf = (jwe: string) => JSON.parse(Buffer.from(jwe.split('.')[0]!, 'base64url').toString());

  /** A header whose JSON has exactly so many bytes. */
  const sized = (size: number) => ({ x: 'a'.repeat(size - '{"x":""}'.length) });
  const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
  const wide = (members: number) => Object.fromEntries(Array.from({ length: members }, (_, i) => [`m${i}`, i]));

  test.each([
    ['8 KiB', sized, 8192],
    ['16 levels', nested, 16],
    ['64 members', wide, 64],
  ] as const)('one of %s is the most', async (_, of, most) => {
    const [jwe] = await rewrap(1, of(most));
    expect(headerOf(jwe!)).toMatchObject(of(most));
    expect(await refusedEarly(() => rewrap(1, of(most + 1)))).toEqual(limit('headerLimit'));
    // One of several counts as much.
    expect(await refusedEarly(() => rewrap(2, [{}, of(most + 1)]))).toEqual(limit('headerLimit'));
    const text = new TextEncoder().encode(JSON.stringify(of(most + 1)));
    for (const texts of [[text], [new TextEncoder().encode('{}'), text]]) {
      const inside = refusedInside(() => rewrap(texts.length), put(3, packList(texts)));
      expect(await inside).toEqual(limit('headerLimit'));
    }
  });

  test('800 blobs and a header that nests 4070 deep: no cell hears of it, and a cell that does refuses it', async () => {
    let deep: unknown = 'x';
    for (let i = 0; i < 4070; i++) deep = [deep];
    expect(await refusedEarly(() => rewrap(800, { a: deep }))).toEqual(limit('headerLimit'));
    const text = new TextEncoder().encode(JSON.stringify({ a: deep }));
    const inside = refusedInside(() => rewrap(800), put(3, packList([text])));
    // Already the sum is too large: 800 times 8 KiB.
    expect(await inside).toEqual(limit('headersLimit'));
  });

  test('2 MiB together, one that is given once counted for each JWE', async () => {
    const count = HEADERS_MAX / 8192;
    const jwes = await rewrap(count, sized(8192));
    expect(jwes).toHaveLength(count);
    expect(headerOf(jwes.at(-1)!).x).toHaveLength(8192 - 8);
    expect(await refusedEarly(() => rewrap(count + 1, sized(8192)))).toEqual(limit('headersLimit'));
    const list = Array.from({ length: count + 1 }, () => sized(8192));
    expect(await refusedEarly(() => rewrap(count + 1, list))).toEqual(limit('headersLimit'));
    const text = new TextEncoder().encode(JSON.stringify(sized(8192)));
    for (const texts of [[text], Array.from({ length: count + 1 }, () => text)]) {
      const inside = refusedInside(() => rewrap(count + 1), put(3, packList(texts)));
      expect(await inside).toEqual(limit('headersLimit'));
    }
  });

  test('each of many that take turns goes with its own JWE', async () => {
    const [odd, even] = [{ kid: 'odd' }, { kid: 'even', typ: 'x' }];
    const headers = Array.from({ length: 9 }, (_, i) => (i % 2 === 1 ? odd : even));
    const kids = (await rewrap(9, headers)).map((jwe) => headerOf(jwe).kid);
    expect(kids).toEqual(headers.map(({ kid }) => kid));
  });

  test('a text that comes again is parsed once, and an object that comes again written once', () => {
    const texts = Array.from({ length: 4096 }, (_, i) => new TextEncoder().encode(`{"kid":"${i % 3}"}`));
    const memory = Buffer.from(packList(texts));
    const call = { list: () => readList(memory), bench: { core: { bytes: memory, text: memory } } };
    const parse = vi.spyOn(JSON, 'parse');
    const read = readHeaders(call as unknown as Parameters<typeof readHeaders>[0], 3, 4096);
    expect(parse).toHaveBeenCalledTimes(3);
    parse.mockRestore();
    expect(read.map(({ kid }) => kid)).toEqual(texts.map((_, i) => `${i % 3}`));
    expect(new Set(read).size).toBe(3);

    const objects = [{ kid: '0' }, { kid: '1' }, { kid: '2' }];
    const stringify = vi.spyOn(JSON, 'stringify');
    const written = jweHeaders(
      texts.map((_, i) => objects[i % 3]!),
      4096,
    );
    expect(stringify).toHaveBeenCalledTimes(3);
    stringify.mockRestore();
    expect(written).toEqual(texts);
  });

  test('4096 blobs, and 512 KiB of them', async () => {
    const many = (count: number, size: number) =>
      it.session.rewrapKeys(
        Array.from({ length: count }, () => new Uint8Array(size)),
        { from: kek, mechanism: 'AES-KW', to: kek, as: 'AES-KW' },
      );
    expect(await refusedEarly(() => many(BLOBS_MAX + 1, 24))).toMatch(/^KEYCELL_LIMIT_EXCEEDED at most 4096 blobs/);
    expect(await refusedEarly(() => many(1025, BLOBS_SIZE_MAX / 1024))).toEqual(limit('blobsLimit'));
    const inside = refusedInside(
      () => many(1, 24),
      put(0, packList(Array.from({ length: 1100 }, () => new Uint8Array(512)))),
    );
    expect(await inside).toEqual(limit('blobsLimit'));
  });
});

test('an IV of the caller’s', async () => {
  const template = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], callerIv: true } as const;
  const key = await it.session.generateKey({ ...template, ...transient });
  const gcm = (size: number) => ({ mechanism: 'AES-GCM', iv: bytes(size) }) as const;
  const { ciphertext } = await it.session.encrypt(key, bytes(5), gcm(IV_MAX));
  expect(await it.session.decrypt(key, ciphertext, gcm(IV_MAX))).toEqual(bytes(5));
  const [encrypt, decrypt] = [
    (size: number) => it.session.encrypt(key, bytes(5), gcm(size)),
    (size: number) => it.session.decrypt(key, ciphertext, gcm(size)),
  ];
  for (const call of [encrypt, decrypt]) {
    expect(await refusedEarly(() => call(IV_MAX + 1))).toEqual(limit('ivLimit'));
    const inside = refusedInside(() => call(12), put(2, new Uint8Array(IV_MAX + 1)));
    expect(await inside).toEqual(limit('ivLimit'));
  }
});

test('random bytes, and a template’s', async () => {
  expect(await refusedEarly(() => it.session.random(RANDOM_MAX + 1))).toMatch(
    /^KEYCELL_INPUT_INVALID bytes is 1 to 65536/,
  );
  const inside = refusedInside(() => it.session.random(1), put(0, Uint8Array.of(0, 1, 0, 1)));
  expect(await inside).toEqual(limit('randomLimit'));
  const generate = () => it.session.generateKey({ type: 'AES', bits: 128, usage: [], ...transient });
  const large = refusedInside(generate, put(1, new Uint8Array(ATTRIBUTES_MAX + 1)));
  expect(await large).toMatch(/^KEYCELL_INPUT_INVALID/);
});

test('the texts of the reasons say the limits that hold', () => {
  const { HEADER_BOUNDS } = LIMITS;
  const said: [keyof typeof REASONS, ...string[]][] = [
    ['kdfField', `${KDF_FIELD_MAX} bytes`, `${LIMITS.KDF_ALGORITHM_MAX}`],
    [
      'headerLimit',
      `${HEADER_BOUNDS.bytes / 1024} KiB`,
      `${HEADER_BOUNDS.depth} levels`,
      `${HEADER_BOUNDS.members} members`,
    ],
    ['headersLimit', `${HEADERS_MAX / 2 ** 20} MiB`],
    ['blobsLimit', `${BLOBS_SIZE_MAX / 1024} KiB`],
    ['ivLimit', `${IV_MAX / 1024} KiB`],
    ['randomLimit', `${RANDOM_MAX / 1024} KiB`],
  ];
  for (const [reason, ...texts] of said) for (const text of texts) expect(REASONS[reason][1]).toContain(text);
});
