/** Key wrapping: AES-KW, AES-KWP and AES-GCM under every size of wrapping key. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Key, KeyPattern, KeyTemplate, Session } from '../../dist/index.js';
import { ephemeral, nodeGcm, nodeUnwrap, nodeWrap } from '../operations/support.ts';
import { codesOf, damaged, mustOwnItsMemory, NOT_BYTES, pattern, untouched, upTo } from './support.ts';

const it = ephemeral();

const ROWS = (['AES-KW', 'AES-KWP', 'AES-GCM'] as const).flatMap((mechanism) =>
  ([128, 192, 256] as const).map((bits) => ({ name: `${mechanism} ${bits}`, mechanism, bits })),
);
/** IV in front, tag behind. */
const GCM_IV = 12;
const GCM_TAG = 16;

describe.each(ROWS)('$name', ({ mechanism, bits }) => {
  const secret = pattern(bits / 8, 5);
  let session: Session;
  let kek: AesKey;
  const make = (
    bytes: Uint8Array,
    unwrapTemplate: KeyPattern = { type: 'GENERIC', usage: [], extractable: 'plaintext' },
  ) =>
    it.session.importKey(
      {
        type: 'AES',
        bits,
        usage: ['wrap', 'unwrap'],
        unwrapTemplate,
        rewrapPolicy: 'any',
        persistent: false,
      },
      bytes,
    );
  beforeAll(async () => {
    session = it.session;
    kek = await make(secret);
  });
  const generic = (length: number) =>
    ({ type: 'GENERIC', bits: 8 * length, usage: [], extractable: 'plaintext', persistent: false }) as const;
  const wrap = (key: Key, by = kek) => session.wrapKey(by, key, { mechanism });
  const unwrap = <const T extends KeyTemplate>(blob: Uint8Array, template: T, by = kek) =>
    session.unwrapKey(by, blob, template, { mechanism });
  /** The same by node: deterministic for KW and KWP; for GCM from the blob's own IV. */
  const again = (by: Uint8Array, blob: Uint8Array, plain: Uint8Array): Buffer =>
    mechanism === 'AES-GCM'
      ? Buffer.concat([blob.subarray(0, GCM_IV), nodeGcm(by, blob.subarray(0, GCM_IV), Buffer.alloc(0), plain)])
      : nodeWrap(mechanism, by, plain);
  /** AES-KW takes semiblocks, two or more. */
  const fits = (length: number) => mechanism !== 'AES-KW' || (length >= 16 && length % 8 === 0);

  test('every length of key through two blocks, both ways with another implementation', async () => {
    await Promise.all(
      upTo(33).map(async (i) => {
        const plain = pattern(i + 1);
        const key = await session.importKey(generic(plain.length), plain);
        if (!fits(plain.length)) {
          expect(await codesOf([() => wrap(key)])).toEqual(['KEYCELL_MECHANISM_INVALID']);
          return;
        }
        const blob = await wrap(key);
        expect(Buffer.compare(blob, again(secret, blob, plain))).toBe(0);
        const opened = await unwrap(blob, generic(plain.length));
        expect(Buffer.compare(await session.exportKey(opened), plain)).toBe(0);
        if (mechanism !== 'AES-GCM') expect(nodeUnwrap(mechanism, secret, blob).equals(plain)).toBe(true);
      }),
    );
  });

  test('keys of every type go and come back as what they were', async () => {
    const common = { extractable: 'plaintext', persistent: false } as const;
    const templates: KeyTemplate[] = [
      ...([128, 192, 256] as const).map(
        (size) => ({ type: 'AES', bits: size, usage: ['encrypt'], ...common }) as const,
      ),
      { type: 'HMAC', bits: 4096, usage: ['sign'], ...common },
      ...(mechanism === 'AES-KW'
        ? []
        : (['P-256', 'P-384', 'secp256k1'] as const).map(
            (curve) => ({ type: 'EC', curve, usage: ['sign', 'verify'], ...common }) as const,
          )),
    ];
    await Promise.all(
      templates.map(async (template) => {
        const key: Key = await session.generateKey(template);
        // The same wrapping key, once for each type that comes back.
        const { type, usage } = template;
        const by = await make(secret, { type, usage, extractable: 'plaintext' });
        const opened: Key = await unwrap(await wrap(key, by), template, by);
        expect(Buffer.compare(await session.exportKey(opened), await session.exportKey(key))).toBe(0);
        if (key.type === 'EC' && opened.type === 'EC') expect(opened.kid).toBe(key.kid);
      }),
    );
  });

  test('inputs stay as they were, between their guards; results have memory of their own', async () => {
    const blob = await wrap(await session.importKey(generic(24), pattern(24)));
    mustOwnItsMemory(blob);
    const opened = await untouched([blob], (given) => unwrap(given!, generic(24)));
    expect(Buffer.compare(await session.exportKey(opened), pattern(24))).toBe(0);
  });

  test('wrong everything is the one DECRYPT_FAILED', async () => {
    const blob = await wrap(await session.importKey(generic(24), pattern(24)));
    const other = await make(pattern(bits / 8, 6));
    const codes = await codesOf([
      ...[...damaged(blob)].map((bad) => () => unwrap(bad, generic(24))),
      () => unwrap(blob, generic(24), other),
      () => unwrap(new Uint8Array(blob.length), generic(24)),
      () => unwrap(pattern(GCM_IV + GCM_TAG), generic(24)),
    ]);
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_DECRYPT_FAILED']));
  });

  test('a key of another size than the template says is refused', async () => {
    const blob = await wrap(await session.importKey(generic(24), pattern(24)));
    const codes = await codesOf([16, 23, 25, 32].map((length) => () => unwrap(blob, generic(length))));
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('what is not bytes is refused before anything is done', async () => {
    const calls = NOT_BYTES.map((bad) => () => unwrap(bad, generic(24)));
    expect(new Set(await codesOf(calls))).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('lanes with different keys and faults do not meet', async () => {
    const secrets = upTo(5).map((i) => pattern(bits / 8, 20 + i));
    const keks = await Promise.all(secrets.map((each) => make(each)));
    const plain = upTo(40).map((i) => pattern(16 + 8 * (i % 4), i));
    const keys = await Promise.all(plain.map((each) => session.importKey(generic(each.length), each)));
    const blobs = await Promise.all(keys.map((key, i) => wrap(key, keks[i % 5])));
    blobs.forEach((blob, i) => {
      expect(Buffer.compare(blob, again(secrets[i % 5]!, blob, plain[i]!))).toBe(0);
    });
    const opened = await Promise.allSettled(
      blobs.map((blob, i) => unwrap(blob, generic(plain[i]!.length), keks[(i + (i % 3 === 1 ? 1 : 0)) % 5])),
    );
    await Promise.all(
      opened.map(async (one, i) => {
        if (i % 3 === 1) expect(one.status).toBe('rejected');
        else if (one.status === 'rejected') throw one.reason;
        else expect(Buffer.compare(await session.exportKey(one.value), plain[i]!)).toBe(0);
      }),
    );
  });
});
