/** EC keys of every curve: made, brought in and given out in every form that node, OpenSSL and WebCrypto write. */
import { execFileSync } from 'node:child_process';
import { calculateJwkThumbprint } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Key, Session } from '../../dist/index.js';
import { needs } from '../support/tools.ts';
import { CURVES, nodePair, nodePrivate, nodePublic } from './curves.ts';
import { atOddOffset, bytes, code, ephemeral, nodeUnwrap, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
let session: Session;
beforeAll(() => {
  session = it.session;
});

const openssl = (input: Uint8Array, ...args: string[]): Buffer =>
  execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'ignore'] });

describe.each(CURVES)('$curve', (c) => {
  const pair = nodePair(c);
  const template = {
    type: 'EC',
    curve: c.curve,
    usage: ['sign'],
    extractable: 'plaintext',
    persistent: false,
  } as const;
  const publicTemplate = { type: 'EC', curve: c.curve, class: 'public', usage: ['verify'], persistent: false } as const;
  const others = CURVES.filter(({ curve }) => curve !== c.curve).map(nodePair);

  test('a private key in every form, and out again as node writes it', needs('openssl'), async () => {
    const as = (form: string, outform: string, ...more: string[]) =>
      openssl(pair.pkcs8, 'ec', '-inform', 'DER', '-conv_form', form, '-outform', outform, ...more);
    const toPkcs8 = (sec1: Buffer) => openssl(sec1, 'pkcs8', '-inform', 'PEM', '-topk8', '-nocrypt', '-outform', 'DER');
    const forms: Record<string, Uint8Array> = {
      scalar: pair.scalar,
      pkcs8: pair.pkcs8,
      'SEC 1': pair.sec1,
      'SEC 1 by OpenSSL': as('uncompressed', 'DER'),
      'SEC 1, compressed': as('compressed', 'DER'),
      'SEC 1 without the public key': as('uncompressed', 'DER', '-no_public'),
      'PKCS#8, compressed': toPkcs8(as('compressed', 'PEM')),
      'PKCS#8 without the public key': toPkcs8(as('uncompressed', 'PEM', '-no_public')),
    };
    if (c.curve !== 'secp256k1') {
      const web = await crypto.subtle.importKey('pkcs8', pair.pkcs8, { name: 'ECDSA', namedCurve: c.curve }, true, [
        'sign',
      ]);
      forms['WebCrypto'] = new Uint8Array(await crypto.subtle.exportKey('pkcs8', web));
    }
    expect(new Set(Object.values(forms).map((form) => Buffer.from(form).toString('hex'))).size).toBeGreaterThan(6);
    for (const [name, form] of Object.entries(forms)) {
      const key = await session.importKey(template, atOddOffset(form));
      expect([name, Buffer.from(key.publicKey)]).toEqual([name, pair.spki]);
      expect([name, Buffer.from(await session.exportKey(key))]).toEqual([name, pair.pkcs8]);
    }
  });

  test('a public key in every form, and the handle’s own forms', needs('openssl'), async () => {
    const compressedSpki = openssl(
      pair.spki,
      'ec',
      '-pubin',
      '-inform',
      'DER',
      '-conv_form',
      'compressed',
      '-outform',
      'DER',
    );
    expect(compressedSpki.length).toBe(pair.spki.length - c.size);
    for (const form of [pair.spki, compressedSpki, pair.point, pair.compressed, pair.jwk]) {
      const key = await session.importKey(publicTemplate, form instanceof Uint8Array ? atOddOffset(form) : form);
      expect(Buffer.from(await session.exportKey(key))).toEqual(pair.spki);
      expect(key).toMatchObject({ class: 'public', curve: c.curve, local: false });
      const { kid, ...jwk } = key.jwk;
      expect(jwk).toEqual(pair.jwk);
      expect(kid).toBe(await calculateJwkThumbprint(pair.jwk));
      expect(key.kid).toBe(kid);
    }
  });

  test('what it generates node reads, and the scalar is below the order', async () => {
    for (let i = 0; i < 8; i++) {
      const key = await session.generateKey(template);
      const theirs = nodePrivate(await session.exportKey(key));
      expect(theirs.asymmetricKeyDetails?.namedCurve).toBe(c.openssl);
      const d = BigInt(`0x${Buffer.from(theirs.export({ format: 'jwk' }).d!, 'base64url').toString('hex')}`);
      expect(d > 0n && d < c.noble.Point.Fn.ORDER).toBe(true);
      expect(Buffer.from(key.publicKey)).toEqual(nodePublic(key.publicKey).export({ format: 'der', type: 'spki' }));
    }
  });

  test('wrapped as PKCS#8 by KWP, and back', async () => {
    const raw = bytes(32, 8);
    const kek = await session.importKey(
      {
        ...{ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'] },
        unwrapTemplate: { type: 'EC', usage: template.usage, extractable: 'plaintext' },
      },
      raw,
    );
    const key = await session.importKey({ ...template, extractable: 'wrapped' }, pair.scalar);
    const blob = await session.wrapKey(kek, key, { mechanism: 'AES-KWP' });
    expect(nodeUnwrap('AES-KWP', raw, blob)).toEqual(pair.pkcs8);
    for (const form of [pair.pkcs8, pair.scalar, pair.sec1]) {
      const again = await session.unwrapKey(kek, nodeWrap('AES-KWP', raw, form), template, { mechanism: 'AES-KWP' });
      expect(again.kid).toBe(key.kid);
    }
    expect(await code(() => session.wrapKey(kek, key, { mechanism: 'AES-KW' }))).toBe('KEYCELL_MECHANISM_INVALID');
    const foreign = nodeWrap('AES-KWP', raw, others[1]!.pkcs8);
    expect(await code(() => session.unwrapKey(kek, foreign, template, { mechanism: 'AES-KWP' }))).toBe(
      'KEYCELL_INPUT_INVALID',
    );
  });

  test('private keys of other curves, out of range, or damaged', async () => {
    const order = Buffer.from(c.noble.Point.Fn.ORDER.toString(16).padStart(2 * c.size, '0'), 'hex');
    const above = Buffer.from((c.noble.Point.Fn.ORDER + 1n).toString(16).padStart(2 * c.size, '0'), 'hex');
    const wrong: Uint8Array[] = [
      Buffer.alloc(c.size),
      Buffer.alloc(c.size, 255),
      order,
      above,
      pair.scalar.subarray(1),
      Buffer.alloc(0),
      ...others.flatMap((other) => [other.pkcs8, other.sec1]),
      ...others.map(({ scalar }) => scalar).filter(({ length }) => length !== c.size),
      pair.spki,
      pair.pkcs8.subarray(1),
      Buffer.concat([pair.pkcs8, Buffer.of(0)]),
      pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as unknown as Uint8Array,
    ];
    const scalarAt = pair.pkcs8.indexOf(pair.scalar);
    for (let at = 0; at < pair.pkcs8.length; at++) {
      const altered = Buffer.from(pair.pkcs8);
      altered[at]! ^= 1;
      // A scalar that differs does not fit the point that stands beside it, so every byte counts.
      if (at < scalarAt || at % 3 === 0) wrong.push(altered);
    }
    for (const bad of wrong) expect(await code(() => session.importKey(template, bad))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('public keys of other curves, or damaged', async () => {
    const altered = (source: Buffer, at: number) => {
      const other = Buffer.from(source);
      other[at < 0 ? source.length + at : at]! ^= 1;
      return other;
    };
    const wrong: unknown[] = [
      ...others.flatMap(({ spki, point, jwk }) => [spki, point, jwk]),
      altered(pair.spki, -1),
      ...Array.from({ length: pair.spki.length - pair.point.length }, (_, at) => altered(pair.spki, at)),
      bytes(pair.point.length),
      pair.point.subarray(1),
      { ...pair.jwk, x: pair.jwk.y },
      { ...pair.jwk, y: '' },
      { ...pair.jwk, kty: 'OKP' },
      { ...pair.jwk, crv: 'toString' },
      { ...pair.jwk, crv: undefined },
      {},
      null,
      'x',
    ];
    for (const bad of wrong) {
      expect([bad, await code(() => session.importKey(publicTemplate, bad as Uint8Array))]).toEqual([
        bad,
        'KEYCELL_INPUT_INVALID',
      ]);
    }
    // A private JWK is no material: its d would be a string that nothing can wipe.
    const secretJwk = { ...pair.jwk, d: pair.scalar.toString('base64url') };
    expect(await code(() => session.importKey(template, secretJwk as never))).toBe('KEYCELL_INPUT_INVALID');
  });

  test('ensured once, found by its curve', async () => {
    const label = `ensured ${c.curve}`;
    const wanted = { type: 'EC', curve: c.curve, label, usage: ['sign', 'verify'] } as const;
    const keys = await Promise.all(Array.from({ length: 5 }, () => session.ensureKey(wanted)));
    expect(new Set(keys.map((key) => key.kid)).size).toBe(1);
    for (const { curve } of others.map(({ jwk }) => ({ curve: jwk.crv }))) {
      expect(await code(() => session.ensureKey({ ...wanted, curve }))).toBe('KEYCELL_KEY_CONFLICT');
    }
    const found: Key[] = [];
    for await (const each of session.findKeys({ curve: c.curve })) found.push(each);
    expect(found.map(({ id }) => id)).toContain(keys[0]!.id);
    expect(found.every((each) => each.type === 'EC' && each.curve === c.curve)).toBe(true);
    expect((await session.getKey({ label, curve: c.curve })).id).toBe(keys[0]!.id);
  });
});

test('a curve that there is not', async () => {
  for (const curve of ['P-521', 'p-256', 'secp256r1', '', 1, null, undefined, 'constructor']) {
    const error = await refusal(() => session.generateKey({ type: 'EC', curve: curve as 'P-256', usage: ['sign'] }));
    expect(error.code).toBe('KEYCELL_INPUT_INVALID');
    expect(error.message).toContain('secp256k1');
  }
});
