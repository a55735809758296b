/**
 * A crypto-user's session in the wrong hands: all public methods, keys of his own, chosen blobs and templates, and requests
 * that the facade would never make. No way may lead from a wrapped content key, or a key that is not extractable, to its bytes.
 */
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AesKey, EcKey, GenericKey, Session } from '../../dist/index.js';
import type { Engine } from '../../src/hsm/engine.ts';
import type { KeyAttributes } from '../../src/model/attributes.ts';
import { CONTENT_KEY } from '../../src/model/pattern.ts';
import { encodeAttributes } from '../../src/wire/attributes.ts';
import { type CellRequest, FLAG, hashFlag, KDF } from '../../src/wire/batch.ts';
import { packList } from '../../src/wire/list.ts';
import { claimsFor, ES256 } from '../support/proof.ts';
import { bytes, code, ephemeral, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
const kekBytes = bytes(32, 1);
const content = bytes(16, 2);
const blob = nodeWrap('AES-KW', kekBytes, content);
const attackersKek = bytes(32, 3);
let session: Session;
/** The licence KEK: only AES-128 keys without usages, and only to whom the shop's proof names. */
let kek: AesKey;
/** The same policy, without a template: AES keys that encrypt and decrypt. */
let open: AesKey;
/** The same policy, for wrapping keys that have it as well. */
let above: AesKey;
let own: AesKey;
let shop: EcKey;
let device: EcKey;

const shopKeys = crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const foreignKeys = crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);

async function proof(jkt: string, by = shopKeys): Promise<string> {
  const jwt = new SignJWT(claimsFor(it.hsm.id, jkt)).setProtectedHeader(ES256);
  return jwt.sign((await by).privateKey);
}

beforeAll(async () => {
  session = it.session;
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', (await shopKeys).publicKey));
  shop = await session.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] }, spki);
  kek = await session.importKey(
    {
      type: 'AES',
      bits: 256,
      usage: ['unwrap'],
      unwrapTemplate: { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' },
      rewrapPolicy: { issuer: shop },
    },
    kekBytes,
  );
  open = await session.importKey(
    { type: 'AES', bits: 256, usage: ['unwrap'], rewrapPolicy: { issuer: shop } },
    kekBytes,
  );
  above = await session.importKey(
    {
      type: 'AES',
      bits: 256,
      usage: ['unwrap'],
      rewrapPolicy: { issuer: shop },
      unwrapTemplate: { usage: ['unwrap'], extractable: 'wrapped', rewrapPolicy: { issuer: shop } },
    },
    kekBytes,
  );
  own = await session.importKey({ type: 'AES', bits: 256, usage: ['wrap'], rewrapPolicy: 'any' }, attackersKek);
  device = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
});

const asWrapped = { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' } as const;
const KW = { mechanism: 'AES-KW' } as const;

describe('a wrapped content key', () => {
  test('opened as wrapped, it is bound to trusted keys, and not to one of the attacker', async () => {
    const key = await session.unwrapKey(kek, blob, asWrapped, KW);
    expect(key.wrapWithTrusted).toBe(true);
    expect((await refusal(() => session.wrapKey(own, key, KW))).message).toContain('trusted');
    expect(await code(() => session.exportKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.wrapKey(own, key, { mechanism: 'AES-KWP' }))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test.each([
    ['plaintext', { extractable: 'plaintext' }],
    ['another size', { bits: 256 }],
    ['a usage', { usage: ['decrypt'] }],
    ['another type', { type: 'GENERIC', usage: ['derive'] }],
    ['HMAC', { type: 'HMAC', usage: ['sign'] }],
  ])('the template refuses it as %s', async (_, changes) => {
    const template = { ...asWrapped, ...changes } as unknown as typeof asWrapped;
    expect(await code(() => session.unwrapKey(kek, blob, template, KW))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('without a template it is a content key, and still never extractable as plaintext', async () => {
    for (const other of [
      { type: 'GENERIC', bits: 128, usage: ['derive'] },
      { type: 'HMAC', bits: 128, usage: ['sign'] },
      { type: 'AES', bits: 128, usage: ['wrap'] },
      { type: 'AES', bits: 128, usage: ['sign'] },
      { type: 'AES', bits: 128, usage: ['encrypt'], callerIv: true },
      { type: 'AES', bits: 128, usage: ['encrypt'], dualUse: true },
    ] as const) {
      expect(await code(() => session.unwrapKey(open, blob, other, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    for (const template of [
      { type: 'AES', bits: 128, usage: ['decrypt'] },
      { type: 'AES', bits: 128, usage: [] },
      { type: 'AES', bits: 128, usage: ['encrypt', 'decrypt'] },
    ] as const) {
      const plain = { ...template, extractable: 'plaintext' } as const;
      expect(await code(() => session.unwrapKey(open, blob, plain, KW))).toBe('KEYCELL_PERMISSION_DENIED');
      const key = await session.unwrapKey(open, blob, { ...template, extractable: 'wrapped' }, KW);
      expect(await code(() => session.wrapKey(own, key, KW))).toBe('KEYCELL_PERMISSION_DENIED');
      expect(await code(() => session.exportKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    }
  });

  test('what is derived from it is no more extractable, and bound as well', async () => {
    const holder = await session.importKey(
      {
        type: 'AES',
        bits: 256,
        usage: ['unwrap'],
        rewrapPolicy: { issuer: shop },
        unwrapTemplate: { type: 'GENERIC', extractable: 'wrapped' },
      },
      kekBytes,
    );
    const base = await session.unwrapKey(
      holder,
      blob,
      { type: 'GENERIC', bits: 128, usage: ['derive'], extractable: 'wrapped' },
      KW,
    );
    const how = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label: bytes(3) } } as const;
    const standard = { mechanism: 'KDF', kdf: { name: 'sp800-108', hash: 'SHA-256', label: bytes(3) } } as const;
    const plain = { type: 'GENERIC', bits: 128, usage: ['derive'], extractable: 'plaintext' } as const;
    expect(await code(() => session.deriveKey(base, how, plain))).toBe('KEYCELL_PERMISSION_DENIED');
    const key = await session.deriveKey(base, how, { ...plain, extractable: 'wrapped' });
    expect(key.wrapWithTrusted).toBe(true);
    expect(await code(() => session.wrapKey(own, key, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.deriveKey(base, standard, { ...plain, extractable: 'wrapped' }))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    // The same input for two purposes gives two keys.
    const [cipher, wrapping] = await Promise.all(
      [['encrypt', 'decrypt'] as const, ['wrap', 'unwrap'] as const].map((usage) =>
        session.deriveKey(base, how, { type: 'AES', bits: 128, usage }),
      ),
    );
    expect(cipher!.checkValue).not.toBe(wrapping!.checkValue);
  });

  test('a slice of it, or its blob under another mechanism, does not open', async () => {
    const long = nodeWrap('AES-KW', kekBytes, bytes(32, 9));
    expect(await code(() => session.unwrapKey(open, long, asWrapped, KW))).toBe('KEYCELL_INPUT_INVALID');
    for (const part of [long.subarray(0, 24), long.subarray(16), long.subarray(8, 32)]) {
      expect(await code(() => session.unwrapKey(open, part, asWrapped, KW))).toBe('KEYCELL_DECRYPT_FAILED');
    }
    const kwp = { mechanism: 'AES-KWP' } as const;
    expect(await code(() => session.unwrapKey(kek, blob, asWrapped, kwp))).toBe('KEYCELL_DECRYPT_FAILED');
    const padded = nodeWrap('AES-KWP', kekBytes, content);
    expect(await code(() => session.unwrapKey(kek, padded, asWrapped, KW))).toBe('KEYCELL_DECRYPT_FAILED');
  });

  test('re-wrapping goes to nobody without the issuer’s word for exactly him', async () => {
    const common = { from: kek, mechanism: 'AES-KW', as: 'JWE' } as const;
    const refuse = async (to: unknown) =>
      expect(await code(() => session.rewrapKeys([blob], { ...common, to: to as EcKey }))).toBe(
        'KEYCELL_PERMISSION_DENIED',
      );
    await refuse({ jwk: device.jwk });
    await refuse({ spki: device.publicKey });
    await refuse(device);
    await refuse({ jwk: device.jwk, proof: await proof(device.kid, foreignKeys) });
    await refuse({ jwk: device.jwk, proof: await proof(shop.kid) });
    const signer = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'derive'] });
    await refuse({ jwk: signer.jwk, proof: await proof(device.kid) });
    expect(
      await code(() => session.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', to: own, as: 'AES-KW' })),
    ).toBe('KEYCELL_PERMISSION_DENIED');
    const good = { jwk: device.jwk, proof: await proof(device.kid) };
    expect(await session.rewrapKeys([blob], { ...common, to: good })).toHaveLength(1);
  });

  test('an AES key is not opened as an elliptic one to be used against itself', async () => {
    const secret = nodeWrap('AES-KW', kekBytes, bytes(32, 5));
    const template = { type: 'EC', curve: 'P-256', usage: ['derive'], extractable: 'plaintext' } as const;
    expect(await code(() => session.unwrapKey(open, secret, template, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => session.unwrapKey(kek, secret, { ...template, extractable: 'wrapped' }, KW))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
  });
});

describe('a wrapping key below another', () => {
  const second = bytes(32, 7);
  const below = nodeWrap('AES-KW', kekBytes, second);
  const template = { type: 'AES', bits: 256, usage: ['unwrap'] } as const;

  test('it cannot be given a wider template or policy than the key it came under', async () => {
    const attempt = (more: object) => code(() => session.unwrapKey(above, below, { ...template, ...more }, KW));
    await session.unwrapKey(above, below, template, KW);
    expect(await attempt({ unwrapTemplate: { extractable: 'plaintext' } })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await attempt({ unwrapTemplate: { type: 'HMAC' } })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await attempt({ rewrapPolicy: 'any' })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await attempt({ rewrapPolicy: { issuer: shop, proofMaxAge: 86_400 } })).toBe('KEYCELL_PERMISSION_DENIED');
    const pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
    // An issuer whose private half lies here could be made to sign anybody's proof.
    expect(await attempt({ rewrapPolicy: { issuer: pair } })).toBe('KEYCELL_INPUT_INVALID');
    const outside = { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] } as const;
    const other = await session.importKey(outside, pair.publicKey);
    expect(await attempt({ rewrapPolicy: { issuer: other } })).toBe('KEYCELL_PERMISSION_DENIED');
    const narrow = await session.importKey(
      {
        type: 'AES',
        bits: 256,
        usage: ['unwrap'],
        unwrapTemplate: { usage: ['unwrap'], unwrapTemplate: { extractable: false } },
      },
      kekBytes,
    );
    const wide = { ...template, unwrapTemplate: { extractable: 'wrapped' } } as const;
    expect(await code(() => session.unwrapKey(narrow, below, wide, KW))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('where nothing may leave, not even the policy any lets what lies below out', async () => {
    const closed = await session.importKey(
      {
        type: 'AES',
        bits: 256,
        usage: ['unwrap'],
        rewrapPolicy: 'any',
        unwrapTemplate: { usage: ['unwrap'], extractable: false, unwrapTemplate: { extractable: false } },
      },
      kekBytes,
    );
    const attempt = (more: object) => code(() => session.unwrapKey(closed, below, { ...template, ...more }, KW));
    expect(await attempt({ unwrapTemplate: { extractable: 'plaintext' } })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await attempt({ unwrapTemplate: { extractable: false }, rewrapPolicy: 'any' })).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    expect((await session.unwrapKey(closed, below, template, KW)).wrapWithTrusted).toBe(true);
  });

  test('it is not opened as a cipher, to read what it wraps, where the template names no such usage', async () => {
    const wrappers = await session.importKey(
      { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { usage: ['unwrap'] } },
      kekBytes,
    );
    for (const usage of [['decrypt'], ['encrypt'], ['sign']] as const) {
      const cipher = { type: 'AES', bits: 256, usage } as const;
      expect(await code(() => session.unwrapKey(wrappers, below, cipher, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    expect((await session.unwrapKey(wrappers, below, template, KW)).usage).toEqual(['unwrap']);
  });

  test('with the same issuer or none it works, and binds what it opens', async () => {
    for (const more of [{}, { rewrapPolicy: { issuer: shop } }] as const) {
      const key = await session.unwrapKey(above, below, { ...template, ...more }, KW);
      const opened = await session.unwrapKey(key, nodeWrap('AES-KW', second, content), asWrapped, KW);
      expect(opened.wrapWithTrusted).toBe(true);
      expect(await code(() => session.wrapKey(own, opened, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    }
  });

  test('an issuer’s id claimed for another key is no way around: his point decides', async () => {
    const pair = await session.importKey(
      { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'], persistent: false },
      device.publicKey,
    );
    const wanted = attributes({
      usage: ['unwrap'],
      rewrap: 'issuer',
      issuer: { id: shop.id, point: new Uint8Array(65), proofMaxAge: 3600, blobs: false },
      unwrapTemplate: CONTENT_KEY,
    });
    const parts = [new Uint8Array(0), wanted, below];
    // The template's own point is taken, whatever key comes with the request.
    for (const keys of [[sealed(above), sealed(pair)], [sealed(above)]]) {
      const { parts: made } = await engine().submit(request({ op: 'unwrapKey', mechanism: 'AES-KW', keys, parts }), {});
      expect((engine().keys.sessionKey(made[0]!) as AesKey).issuer?.kid).toBe(shop.kid);
    }
    const free = [new Uint8Array(0), wanted];
    expect(await raw({ op: 'generateKey', keys: [sealed(pair)], parts: free })).toBe('KEYCELL_INPUT_INVALID');
    expect(await raw({ op: 'generateKey', keys: [sealed(shop)], parts: free })).toBe('done');
  });
});

describe('attributes', () => {
  test('nobody loosens, and a user marks nothing as trusted', async () => {
    const key = await session.generateKey({
      type: 'AES',
      bits: 128,
      usage: ['wrap'],
      destroyable: false,
      wrapWithTrusted: true,
    });
    for (const change of [
      { extractable: 'wrapped' },
      { extractable: 'plaintext' },
      { destroyable: true },
      { wrapWithTrusted: false },
      { trusted: true },
    ]) {
      expect(await code(() => session.setAttributes(key, change as { trusted: true }))).toBe(
        'KEYCELL_PERMISSION_DENIED',
      );
    }
    expect(await code(() => session.destroyKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    expect((await session.getKey({ id: key.id })).extractable).toBe(false);
  });

  test('what a template claims about origin and trust is not believed', async () => {
    const claims = { trusted: true, local: true, origin: 'generated', neverExtractable: true };
    const key = await session.importKey({ type: 'AES', bits: 128, usage: ['wrap'], ...claims } as never, bytes(16));
    expect(key).toMatchObject({ trusted: false, local: false, origin: 'imported', neverExtractable: false });
  });

  test('a key that is not extractable leaves by no door', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 128, usage: ['encrypt'] });
    const pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'derive'] });
    for (const secret of [key, pair]) {
      expect(await code(() => session.exportKey(secret))).toBe('KEYCELL_PERMISSION_DENIED');
      expect(await code(() => session.wrapKey(own, secret, { mechanism: 'AES-KWP' }))).toBe(
        'KEYCELL_PERMISSION_DENIED',
      );
    }
    // What an agreement is for follows from the algorithm that it names: no way out for what comes under it.
    const wrapping = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'] } as const;
    const derived = {
      mechanism: 'ECDH',
      publicKey: pair.publicKey,
      kdf: { name: 'concat', hash: 'SHA-256', algorithm: 'A256KW' },
    } as const;
    for (const way of [
      { unwrapTemplate: { extractable: 'plaintext' } },
      { rewrapPolicy: 'any' },
      { usage: ['encrypt', 'decrypt'] },
      { usage: ['decrypt'], callerIv: true },
      { bits: 128 },
    ] as const) {
      expect(await code(() => session.deriveKey(pair, derived, { ...wrapping, ...way }))).toBe(
        'KEYCELL_PERMISSION_DENIED',
      );
    }
    await session.deriveKey(pair, derived, wrapping);
    const other = { ...derived, kdf: { ...derived.kdf, algorithm: 'x' } } as const;
    expect(await code(() => session.deriveKey(pair, other, wrapping))).toBe('KEYCELL_PERMISSION_DENIED');
    // ECDH is no oracle for its result: what is derived from a key that stays here stays here.
    const how = { mechanism: 'ECDH', publicKey: device.publicKey, kdf: { name: 'none' } } as const;
    for (const extractable of ['wrapped', 'plaintext'] as const) {
      const template = { type: 'GENERIC', bits: 256, usage: ['derive'], extractable } as const;
      expect(await code(() => session.deriveKey(pair, how, template))).toBe('KEYCELL_PERMISSION_DENIED');
    }
    const deriveTemplate = { usage: ['decrypt'] } as const;
    const box = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], deriveTemplate });
    const z = await session.deriveKey(box, how, { type: 'GENERIC', bits: 256, usage: ['derive'] });
    expect(await code(() => session.wrapKey(own, z, KW))).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('usages that open what they carry need dualUse', async () => {
    for (const usage of [
      ['wrap', 'decrypt'],
      ['unwrap', 'encrypt'],
    ] as const) {
      expect(await code(() => session.generateKey({ type: 'AES', bits: 128, usage }))).toBe(
        'KEYCELL_PERMISSION_DENIED',
      );
      await session.generateKey({ type: 'AES', bits: 128, usage, dualUse: true, persistent: false });
    }
    const hmac = { type: 'HMAC', bits: 256, usage: ['sign', 'derive'] } as const;
    expect(await code(() => session.generateKey(hmac))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

// Requests that the facade would not make.

const engine = () => it.hsm as unknown as Engine;
const sealed = (key: AesKey | EcKey | GenericKey) => engine().keys.sealed(key as never);
let ticket: Uint8Array;

const attributes = (changes: Partial<KeyAttributes>): Uint8Array =>
  encodeAttributes({
    type: 'AES',
    class: 'secret',
    curve: null,
    bits: 256,
    extractable: false,
    rewrap: 'trusted',
    usage: [],
    neverExtractable: false,
    origin: 'imported',
    trusted: false,
    wrapWithTrusted: false,
    destroyable: true,
    dualUse: false,
    callerIv: false,
    persistent: false,
    notBefore: 0,
    notAfter: 0,
    maxUses: 0,
    createdAt: 0,
    checkValue: new Uint8Array(0),
    version: 1,
    point: null,
    label: null,
    unwrapTemplate: null,
    deriveTemplate: null,
    issuer: null,
    ...changes,
  });

const request = (changes: Partial<CellRequest>): CellRequest => ({
  op: 'random',
  mechanism: 'none',
  flags: 0,
  ticket,
  keys: [],
  parts: [],
  ...changes,
});

/** The code of the refusal, or `done`. */
async function raw(changes: Partial<CellRequest>): Promise<string> {
  try {
    await engine().submit(request(changes), {});
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

beforeAll(async () => {
  // The ticket is what the attacker holds: take it from a request on its way.
  const submit = engine().submit.bind(it.hsm);
  (it.hsm as unknown as Engine).submit = (each, options, finish) => {
    ticket = each.ticket;
    return submit(each, options, finish);
  };
  await session.random(1);
  delete (it.hsm as unknown as { submit?: unknown }).submit;
});

describe('requests made by hand', () => {
  const four = Uint8Array.of(0, 0, 0, 4);

  test('the ticket works, and no altered bit of it does', async () => {
    expect(await raw({ parts: [four] })).toBe('done');
    const codes = await Promise.all(
      Array.from({ length: 8 * ticket.length }, (_, bit) => {
        const altered = new Uint8Array(ticket);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        return raw({ ticket: altered, parts: [four] });
      }),
    );
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_SESSION_REVOKED']));
    for (const length of [0, 1, 79, 80, 111]) {
      expect(await raw({ ticket: ticket.slice(0, length), parts: [four] })).toBe('KEYCELL_SESSION_REVOKED');
    }
  });

  test('no altered bit of a record is accepted, nor the record under another name', async () => {
    const { id, record } = sealed(own);
    const signing = { op: 'destroyKey' } as const;
    expect(await raw({ ...signing, keys: [{ id, record }] })).toBe('done');
    const codes = await Promise.all(
      Array.from({ length: record.length }, (_, i) => {
        const altered = new Uint8Array(record);
        altered[i]! ^= 1 << (i & 7);
        return raw({ ...signing, keys: [{ id, record: altered }] });
      }),
    );
    expect(new Set(codes)).toEqual(new Set(['KEYCELL_RECORD_CORRUPT']));
    expect(await raw({ ...signing, keys: [{ id: kek.id, record }] })).toBe('KEYCELL_RECORD_CORRUPT');
    expect(await raw({ ...signing, keys: [{ id, record: record.slice(0, -1) }] })).toBe('KEYCELL_RECORD_CORRUPT');
    // What is no id at all refuses its own request, and no neighbour's.
    const bad = ['', 'zz', id.slice(1), `${id}0`, id.toUpperCase().replace(/\d/g, 'A'), '0'.repeat(32)];
    const codesOfBad = await Promise.all([
      ...bad.map((name) => raw({ ...signing, keys: [{ id: name, record }] })),
      raw({ ...signing, keys: [{ id, record: new Uint8Array(record) }] }),
    ]);
    expect(codesOfBad).toEqual([...bad.map(() => 'KEYCELL_RECORD_CORRUPT'), 'done']);
  });

  test('attributes that claim trust, age or more are refused or not believed', async () => {
    const make = (changes: Partial<KeyAttributes>) =>
      raw({ op: 'generateKey', parts: [new Uint8Array(0), attributes(changes)] });
    expect(await make({})).toBe('done');
    expect(await make({ trusted: true })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await make({ usage: ['wrap', 'decrypt'] })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await make({ usage: ['derive'] })).toBe('KEYCELL_INPUT_INVALID');
    expect(await make({ maxUses: 5 })).toBe('KEYCELL_MECHANISM_INVALID');
    expect(await make({ bits: 257 })).toBe('KEYCELL_INPUT_INVALID');
    expect(await make({ class: 'private' })).toBe('KEYCELL_INPUT_INVALID');
    const issuer = { id: shop.id, point: bytes(65), proofMaxAge: 3600, blobs: false };
    expect(await make({ rewrap: 'issuer', issuer })).toBe('KEYCELL_INPUT_INVALID');
    // A key that wraps names what comes back, one that does not names nothing, and `any` is for dual use.
    expect(await make({ usage: ['wrap'] })).toBe('KEYCELL_INPUT_INVALID');
    expect(await make({ usage: ['encrypt'], unwrapTemplate: CONTENT_KEY })).toBe('KEYCELL_INPUT_INVALID');
    expect(await make({ usage: ['wrap'], unwrapTemplate: 'any' })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await make({ usage: ['wrap'], unwrapTemplate: 'any', dualUse: true })).toBe('done');
    const nested = { ...CONTENT_KEY, usage: ['unwrap', 'decrypt'] as const, unwrapTemplate: CONTENT_KEY };
    expect(await make({ usage: ['wrap'], unwrapTemplate: nested })).toBe('KEYCELL_PERMISSION_DENIED');
    const result = await engine().submit(
      request({
        op: 'importKey',
        parts: [
          new Uint8Array(0),
          attributes({ origin: 'generated', neverExtractable: true, createdAt: 5, version: 9 }),
          bytes(32),
        ],
      }),
      {},
    );
    const key = engine().keys.sessionKey(result.parts[0]!);
    expect(key).toMatchObject({ origin: 'imported', neverExtractable: false, trusted: false, version: 1 });
    expect(key.createdAt.getTime()).toBeGreaterThan(5);
  });

  test('a key is of one curve: not of another’s size, and no point of another gets past the cell', async () => {
    const make = (changes: Partial<KeyAttributes>) =>
      raw({
        op: 'generateKey',
        parts: [new Uint8Array(0), attributes({ type: 'EC', class: 'private', ...changes })],
      });
    expect(await make({ curve: 'P-384', bits: 384, usage: ['derive'] })).toBe('done');
    for (const wrong of [
      { curve: 'P-384', bits: 256 },
      { curve: 'P-256', bits: 384 },
      { curve: 'secp256k1', bits: 384 },
      { curve: null, bits: 256 },
      { type: 'AES', class: 'secret', curve: 'P-256', bits: 256 },
      { curve: 'P-384', bits: 384, class: 'secret' },
      { curve: 'P-384', bits: 384, class: 'public' },
    ] as const) {
      expect([wrong, await make(wrong)]).toEqual([wrong, 'KEYCELL_INPUT_INVALID']);
    }
    const curves = ['P-256', 'P-384', 'secp256k1'] as const;
    const pairs = await Promise.all(
      curves.map((curve) =>
        session.generateKey({
          ...{ type: 'EC', curve, usage: ['derive', 'sign', 'verify'] },
          deriveTemplate: { type: 'GENERIC' },
        }),
      ),
    );
    const pointOf = (key: EcKey) => key.publicKey.slice(-(key.curve === 'P-384' ? 97 : 65));
    const size = (key: EcKey) => (key.curve === 'P-384' ? 384 : 256);
    const none = Uint8Array.of(0);
    const below = { ...CONTENT_KEY, type: 'GENERIC', usage: ['derive'], extractable: false } as const;
    for (const base of pairs) {
      for (const peer of pairs) {
        for (const bits of [256, 384]) {
          const wanted = attributes({ type: 'GENERIC', bits, usage: ['derive'], deriveTemplate: below });
          const parts = [new Uint8Array(0), wanted, pointOf(peer), none, new Uint8Array(0)];
          const found = await raw({ op: 'deriveKey', mechanism: 'ECDH', keys: [sealed(base)], parts });
          expect([base.curve, peer.curve, bits, found]).toEqual([
            base.curve,
            peer.curve,
            bits,
            base === peer && bits === size(base) ? 'done' : 'KEYCELL_INPUT_INVALID',
          ]);
        }
      }
    }
    // The mechanism must be the key's own, and a hash that is named must fit the digest.
    for (const mechanism of ['HMAC', 'AES-CMAC', 'none', 'AES-GCM'] as const) {
      const asked = { op: 'sign', mechanism, keys: [sealed(pairs[1]!)], parts: [bytes(48)] } as const;
      expect(await raw(asked)).toBe('KEYCELL_MECHANISM_INVALID');
    }
    for (const [hash, length] of [32, 48, 64].entries()) {
      const ask = (size: number) => {
        const flags = FLAG.prehashed | hashFlag(hash + 1);
        return raw({ op: 'sign', mechanism: 'ECDSA', flags, keys: [sealed(pairs[1]!)], parts: [bytes(size)] });
      };
      expect(await ask(length)).toBe('done');
      expect(await ask(length + 1)).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('a MAC key is no cipher and a cipher’s key makes no MAC: no two of a key’s results are of one cipher', async () => {
    const macKey = await session.generateKey({ type: 'AES', bits: 256, usage: ['sign', 'verify'] });
    const cipherKey = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt'] });
    const parts = [bytes(16), new Uint8Array(0)];
    expect(await raw({ op: 'encrypt', mechanism: 'envelope', keys: [sealed(macKey)], parts })).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    expect(await raw({ op: 'sign', mechanism: 'AES-CMAC', keys: [sealed(cipherKey)], parts })).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    for (const mechanism of ['HMAC', 'ECDSA', 'envelope'] as const) {
      expect(await raw({ op: 'sign', mechanism, keys: [sealed(macKey)], parts })).toBe('KEYCELL_MECHANISM_INVALID');
    }
    const both = attributes({ usage: ['encrypt', 'sign'] });
    expect(await raw({ op: 'generateKey', parts: [new Uint8Array(0), both] })).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('derivation by hand: no hash, no list, short keys by HKDF', async () => {
    const deriveTemplate = { type: 'GENERIC' } as const;
    const base = await session.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'], deriveTemplate });
    const ask = (kdf: number, flags: number, info: Uint8Array, bits: number) => {
      const wanted = attributes({ type: 'GENERIC', bits, usage: ['derive'] });
      const parts = [new Uint8Array(0), wanted, new Uint8Array(0), Uint8Array.of(kdf), info];
      return raw({ op: 'deriveKey', mechanism: 'KDF', flags, keys: [sealed(base)], parts });
    };
    const salted = packList([bytes(3), bytes(4)]);
    expect(await ask(KDF.hkdf, hashFlag(2), salted, 128)).toBe('done');
    expect(await ask(KDF.hkdf, hashFlag(2), salted, 8)).toBe('KEYCELL_INPUT_INVALID');
    expect(await ask(KDF.hkdf, hashFlag(2), packList([bytes(3)]), 128)).toBe('KEYCELL_INPUT_INVALID');
    expect(await ask(KDF.hkdf, hashFlag(2), bytes(5), 128)).toBe('KEYCELL_INPUT_INVALID');
    expect(await ask(KDF.concat, hashFlag(2), salted, 128)).toBe('KEYCELL_INPUT_INVALID');
    expect(await ask(KDF.bound, hashFlag(2), salted, 128)).toBe('KEYCELL_PERMISSION_DENIED');
    const long = packList([bytes(1025), bytes(4)]);
    for (const kdf of [KDF.hkdf, KDF['sp800-108'], KDF.bound]) {
      expect(await ask(kdf, hashFlag(2), long, 128)).toBe('KEYCELL_LIMIT_EXCEEDED');
    }
    for (const kdf of [KDF.hkdf, KDF['sp800-108']]) {
      expect(await ask(kdf, 0, salted, 128)).toBe('KEYCELL_MECHANISM_INVALID');
    }
    expect(await ask(9, hashFlag(1), salted, 128)).toBe('KEYCELL_MECHANISM_INVALID');
    expect(await ask(KDF.none, hashFlag(1), salted, 256)).toBe('KEYCELL_MECHANISM_INVALID');
  });

  test('setAttributes by hand neither loosens, nor changes what is fixed', async () => {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['wrap'] });
    const change = (changes: Partial<KeyAttributes>) =>
      raw({
        op: 'setAttributes',
        keys: [sealed(key)],
        parts: [attributes({ usage: ['wrap'], origin: 'generated', ...changes })],
      });
    expect(await change({ extractable: 'plaintext' })).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await change({ trusted: true })).toBe('KEYCELL_PERMISSION_DENIED');
    const { parts } = await engine().submit(
      request({
        op: 'setAttributes',
        keys: [sealed(key)],
        parts: [attributes({ usage: ['unwrap', 'decrypt'], rewrap: 'any', dualUse: true, notAfter: 9 })],
      }),
      {},
    );
    engine().keys.sessionKey(parts[0]!);
    const after = engine().keys.sessionKey(parts[0]!) as AesKey;
    expect(after).toMatchObject({ usage: ['wrap'], rewrapPolicy: 'trusted', notAfter: undefined });
  });

  test('missing parts, keys and unknown flags are refused, and the HSM goes on', async () => {
    const ops = ['sign', 'verify', 'encrypt', 'decrypt', 'wrapKey', 'unwrapKey', 'rewrapKeys', 'deriveKey'] as const;
    const rest = [
      'generateKey',
      'importKey',
      'exportKey',
      'random',
      'generateDataKey',
      'setAttributes',
      'destroyKey',
    ] as const;
    for (const op of [...ops, ...rest]) {
      expect(await raw({ op })).toMatch(/INPUT_INVALID/);
      const named = [sealed(device), sealed(device)];
      for (const keys of [named.slice(0, 1), named]) {
        if (op !== 'destroyKey') expect(await raw({ op, keys, mechanism: 'ECDH' })).not.toBe('done');
      }
    }
    expect(await raw({ parts: [four], flags: 0xffff })).toBe('done');
    expect(await raw({ parts: [four, four, four, four, four, four] })).toBe('KEYCELL_INPUT_INVALID');
    expect(await raw({ keys: Array.from({ length: 4 }, () => sealed(own)), parts: [four] })).toBe(
      'KEYCELL_INPUT_INVALID',
    );
    expect(await raw({ parts: [Uint8Array.of(255, 255, 255, 255)] })).toBe('KEYCELL_LIMIT_EXCEEDED');
    expect(it.hsm.stats().cellRestarts).toBe(0);
  });

  test('flags and keys in odd combinations do not turn one kind of re-wrapping into another', async () => {
    const list = packList([blob]);
    const none = new Uint8Array(0);
    const ask = (flags: number, keys: CellRequest['keys'], parts: CellRequest['parts']) =>
      raw({ op: 'rewrapKeys', mechanism: 'AES-KW', flags, keys, parts });
    const point = device.publicKey.slice(-65);
    const word = new TextEncoder().encode(await proof(device.kid));
    expect(await ask(FLAG.jwe, [sealed(kek)], [list, point, word, none])).toBe('KEYCELL_INPUT_INVALID');
    const headers = packList([]);
    expect(await ask(FLAG.jwe, [sealed(kek)], [list, point, word, headers])).toBe('done');
    for (const flags of [0, FLAG.wrapAsKwp, FLAG.der]) {
      expect(await ask(flags, [sealed(kek), sealed(own)], [list, point, word, headers])).toBe(
        'KEYCELL_PERMISSION_DENIED',
      );
    }
    // A proof for the point beside an own key of this HSM: the key is what counts.
    expect(await ask(FLAG.jwe, [sealed(kek), sealed(shop)], [list, point, word, headers])).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    expect(await ask(FLAG.jwe | FLAG.wrapAsKwp, [sealed(kek), sealed(own)], [list, point, word, headers])).toBe(
      'KEYCELL_MECHANISM_INVALID',
    );
    expect(await ask(FLAG.jwe, [sealed(kek)], [list, bytes(65), word, headers])).toBe('KEYCELL_INPUT_INVALID');
    for (const part of [packList([blob]).slice(0, -1), Uint8Array.of(255, 255, 255, 255), none]) {
      expect(await ask(FLAG.jwe, [sealed(kek)], [part, point, word, headers])).toBe('KEYCELL_INPUT_INVALID');
    }
  });

  test('a header that nests deep ends no cell', async () => {
    const deep = new TextEncoder().encode(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`);
    const word = new TextEncoder().encode(await proof(device.kid));
    const parts = [packList([blob]), device.publicKey.slice(-65), word, packList([deep])];
    const ask = raw({ op: 'rewrapKeys', mechanism: 'AES-KW', flags: FLAG.jwe, keys: [sealed(kek)], parts });
    expect(await ask).toBe('KEYCELL_LIMIT_EXCEEDED');
    expect(it.hsm.stats().cellRestarts).toBe(0);
  });
});
