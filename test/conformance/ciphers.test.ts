/** Ciphers without authentication: AES-CTR and AES-CBC with every key size, with the cell's IVs and with the caller's. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, Session } from '../../dist/index.js';
import { ephemeral } from '../operations/support.ts';
import {
  codesOf,
  damaged,
  mustOwnItsMemory,
  NOT_BYTES,
  pattern,
  throughTwoBlocks,
  untouched,
  upTo,
} from './support.ts';

const it = ephemeral();
let drawn = 0;

const ROWS = (['AES-CTR', 'AES-CBC'] as const).flatMap((mechanism) =>
  ([128, 192, 256] as const).flatMap((bits) =>
    [false, true].map((callerIv) => ({
      name: `${mechanism} ${bits}${callerIv ? " with the caller's IV" : ''}`,
      mechanism,
      bits,
      callerIv,
      node: `aes-${bits}-${mechanism === 'AES-CTR' ? 'ctr' : 'cbc'}`,
    })),
  ),
);

describe.each(ROWS)('$name', ({ mechanism, bits, callerIv, node }) => {
  const secret = pattern(bits / 8, 5);
  let session: Session;
  let key: AesKey;
  const make = (bytes: Uint8Array) =>
    it.session.importKey({ type: 'AES', bits, usage: ['encrypt', 'decrypt'], callerIv, persistent: false }, bytes);
  beforeAll(async () => {
    session = it.session;
    key = await make(secret);
  });
  const encrypt = (plaintext: Uint8Array, by = key) =>
    session.encrypt(by, plaintext, { mechanism, ...(callerIv && { iv: pattern(16, drawn++) }) });
  const decrypt = (ciphertext: Uint8Array, iv: Uint8Array, by = key) =>
    session.decrypt(by, ciphertext, { mechanism, iv });
  const nodeEncrypt = (by: Uint8Array, iv: Uint8Array, plaintext: Uint8Array) => {
    const cipher = createCipheriv(node, by, iv);
    return Buffer.concat([cipher.update(plaintext), cipher.final()]);
  };
  const nodeDecrypt = (by: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array) => {
    const decipher = createDecipheriv(node, by, iv);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  };

  test('every length through two runs of eight blocks, both ways with another implementation', async () => {
    await Promise.all(
      throughTwoBlocks(128).map(async (length) => {
        const plaintext = pattern(length);
        const { iv, ciphertext } = await encrypt(plaintext);
        expect(nodeDecrypt(secret, iv, ciphertext).equals(plaintext)).toBe(true);
        const theirs = nodeEncrypt(secret, pattern(16, length), plaintext);
        expect(Buffer.compare(await decrypt(theirs, pattern(16, length)), plaintext)).toBe(0);
      }),
    );
  });

  test('inputs stay as they were, between their guards; results have memory of their own', async () => {
    const { iv, ciphertext } = await untouched([pattern(45)], (plaintext) => encrypt(plaintext!));
    const plaintext = await untouched([ciphertext, iv], (sealed, given) => decrypt(sealed!, given!));
    mustOwnItsMemory(ciphertext);
    mustOwnItsMemory(plaintext);
    expect(Buffer.compare(plaintext, pattern(45))).toBe(0);
  });

  test('IV and ciphertext may be the same memory', async () => {
    const both = nodeEncrypt(secret, pattern(16), pattern(64)).subarray(0, 64);
    const iv = both.subarray(5, 21);
    const opened = await decrypt(nodeEncrypt(secret, iv, pattern(40)), iv);
    expect(Buffer.compare(opened, pattern(40))).toBe(0);
    // The same array as both: what comes out is node's, or node too refuses the padding.
    const theirs = (() => {
      try {
        return nodeDecrypt(secret, iv, both);
      } catch {
        return undefined;
      }
    })();
    if (theirs === undefined) expect(await codesOf([() => decrypt(both, iv)])).toEqual(['KEYCELL_DECRYPT_FAILED']);
    else expect(Buffer.compare(await decrypt(both, iv), theirs)).toBe(0);
  });

  test('an IV of another length is refused; so is one given for a key that draws its own', async () => {
    const sizes = [0, 1, 8, 12, 15, 17, 32];
    const calls = sizes.map((size) => () => decrypt(pattern(32), pattern(size)));
    if (callerIv) {
      const given = sizes.map((size) => () => session.encrypt(key, pattern(3), { mechanism, iv: pattern(size) }));
      calls.push(...(given as unknown as typeof calls), (() =>
        session.encrypt(key, pattern(3), { mechanism })) as never);
    } else calls.push((() => session.encrypt(key, pattern(3), { mechanism, iv: pattern(16) })) as never);
    expect(new Set(await codesOf(calls))).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('what is not bytes is refused before anything is done', async () => {
    const calls = NOT_BYTES.flatMap((bad) => [() => encrypt(bad), () => decrypt(bad, pattern(16))]);
    expect(new Set(await codesOf(calls))).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('IVs that the cell draws do not repeat', async () => {
    if (callerIv) return;
    const ivs = await Promise.all(
      upTo(200).map(async () => Buffer.from((await encrypt(pattern(1))).iv).toString('hex')),
    );
    expect(new Set(ivs).size).toBe(200);
  });

  test('lanes with different keys and data do not meet', async () => {
    const secrets = upTo(5).map((i) => pattern(bits / 8, 20 + i));
    const keys = await Promise.all(secrets.map(make));
    const sealed = await Promise.all(upTo(40).map((i) => encrypt(pattern(7 * i, i), keys[i % 5])));
    const opened = await Promise.all(sealed.map(({ ciphertext, iv }, i) => decrypt(ciphertext, iv, keys[i % 5])));
    sealed.forEach(({ ciphertext, iv }, i) => {
      expect(nodeDecrypt(secrets[i % 5]!, iv, ciphertext).equals(pattern(7 * i, i))).toBe(true);
      expect(Buffer.compare(opened[i]!, pattern(7 * i, i))).toBe(0);
    });
  });
});

describe('AES-CBC: bad padding', () => {
  test('every last byte, and every damage to a ciphertext, fails exactly where another implementation fails', async () => {
    const secret = pattern(32, 5);
    const template = { type: 'AES', bits: 256, usage: ['decrypt'], persistent: false } as const;
    const key = await it.session.importKey(template, secret);
    const raw = (plaintext: Uint8Array) => {
      const cipher = createCipheriv('aes-256-cbc', secret, pattern(16)).setAutoPadding(false);
      return Buffer.concat([cipher.update(plaintext), cipher.final()]);
    };
    const lastBytes = upTo(256).flatMap((last) =>
      [0, last].map((fill) => raw(Buffer.concat([pattern(16), Buffer.alloc(15, fill), Buffer.of(last)]))),
    );
    const cipher = createCipheriv('aes-256-cbc', secret, pattern(16));
    const good = Buffer.concat([cipher.update(pattern(33)), cipher.final()]);
    await Promise.all(
      [...lastBytes, ...damaged(good)].map(async (ciphertext) => {
        let theirs: Buffer | undefined;
        try {
          const decipher = createDecipheriv('aes-256-cbc', secret, pattern(16));
          theirs = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
        } catch {
          theirs = undefined;
        }
        const call = () => it.session.decrypt(key, ciphertext, { mechanism: 'AES-CBC', iv: pattern(16) });
        if (theirs === undefined) expect(await codesOf([call])).toEqual(['KEYCELL_DECRYPT_FAILED']);
        else expect(Buffer.compare(await call(), theirs)).toBe(0);
      }),
    );
  });
});
