/**
 * One secret, one purpose: the ways around policy that were found, each as whoever holds a session would go. A refusal counts
 * from the first step on; where no step is refused, what comes out is not the secret.
 */
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AesKey, HsmError, type Session } from '../../dist/index.js';
import { attributesOf } from '../../src/hsm/template.ts';
import type { PartialTemplate } from '../../src/model/key.ts';
import { purposeOf } from '../../src/wire/purpose.ts';
import { bytes, nodeGcmOpen, nodeWrap, stored } from './support.ts';

const it = stored();
let admin: Session;
let alice: Session;
beforeAll(() => {
  ({ admin, alice } = it);
});

const KW = { mechanism: 'AES-KW' } as const;
const GCM = { mechanism: 'AES-GCM' } as const;
const WRAP = ['wrap', 'unwrap'] as const;
const CIPHER = ['encrypt', 'decrypt'] as const;
const FUTURE = Date.UTC(2100, 0, 1);

/** 'done', or what the refusal says: its code, and the reason that the message begins with. */
async function outcome(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'done';
  } catch (error) {
    expect(error).toBeInstanceOf(HsmError);
    return `${(error as HsmError).code}: ${(error as HsmError).message}`;
  }
}
const denied = (reason: RegExp) => new RegExp(`^KEYCELL_PERMISSION_DENIED: .*${reason.source}`);
const invalid = (reason: RegExp) => new RegExp(`^KEYCELL_INPUT_INVALID: .*${reason.source}`);

async function partner(curve = 'P-256') {
  const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: curve }, true, ['deriveBits']);
  return new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
}
/** The admin marks the key of this handle. */
const mark = (key: { readonly id: string }, more: { readonly acceptImported?: true } = {}) =>
  admin.getKey({ id: key.id }).then((found) => admin.setAttributes(found, { trusted: true, ...more }));
const trusted = async (template: Partial<Parameters<Session['generateKey']>[0]> = {}) => {
  const key = await alice.generateKey({ type: 'AES', bits: 256, usage: WRAP, ...template } as {
    type: 'AES';
  } & Parameters<Session['generateKey']>[0]);
  await mark(key);
  return alice.getKey({ id: key.id }) as Promise<AesKey>;
};
/** A content key that leaves only under trusted keys. */
const bound = (template: object = {}) =>
  alice.generateKey({
    ...{ type: 'AES', bits: 128, usage: CIPHER, extractable: 'wrapped', wrapWithTrusted: true, ...template },
  } as Parameters<Session['generateKey']>[0]) as Promise<AesKey>;

describe('A1: one input, derived twice', () => {
  const concat = (publicKey: Uint8Array, algorithm = 'A256KW') =>
    ({ mechanism: 'ECDH', publicKey, kdf: { name: 'concat', hash: 'SHA-256', algorithm } }) as const;

  test('(a, b) what the algorithm names is all that an agreement gives', async () => {
    const agree = await alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
    const how = concat(await partner());
    const kek = await alice.deriveKey(agree, how, { type: 'AES', bits: 256, usage: WRAP });
    expect(kek).toMatchObject({ extractable: false, unwrapTemplate: { usage: CIPHER, extractable: 'wrapped' } });
    for (const template of [
      { usage: CIPHER },
      { usage: ['encrypt'] },
      { usage: ['decrypt'] },
      { usage: ['sign'] },
      { usage: [], callerIv: true },
      { usage: ['encrypt'], callerIv: true },
      { usage: WRAP, callerIv: true },
      { usage: ['wrap', 'decrypt'], dualUse: true },
      { usage: WRAP, dualUse: true },
      { usage: WRAP, rewrapPolicy: 'any' },
      { usage: WRAP, unwrapTemplate: { extractable: 'plaintext' } },
      { usage: WRAP, unwrapTemplate: { usage: WRAP } },
      { usage: WRAP, unwrapTemplate: { type: 'HMAC', usage: ['sign'] } },
    ] as const) {
      const again = () => alice.deriveKey(agree, how, { bits: 256, ...template, type: 'AES' } as PartialTemplate);
      expect(await outcome(again), JSON.stringify(template)).toMatch(denied(/does not allow such a key/));
    }
    for (const template of [
      { type: 'HMAC', bits: 256, usage: ['sign'] },
      { type: 'GENERIC', bits: 256, usage: ['derive'] },
    ] as const) {
      expect(await outcome(() => alice.deriveKey(agree, how, template))).toMatch(denied(/does not allow such a key/));
    }
    const longer = () => alice.deriveKey(agree, how, { type: 'AES', bits: 128, usage: WRAP });
    expect(await outcome(longer)).toMatch(denied(/does not allow such a key/));
  });

  test('an algorithm for content gives no key that wraps, and one of no name gives none', async () => {
    const agree = await alice.generateKey({ type: 'EC', curve: 'P-384', usage: ['derive'] });
    const publicKey = await partner('P-384');
    const as = (algorithm: string, usage: readonly string[]) => () =>
      alice.deriveKey(agree, concat(publicKey, algorithm), { type: 'AES', bits: 256, usage } as { type: 'AES' });
    expect(await outcome(as('A256GCM', CIPHER))).toBe('done');
    expect(await outcome(as('A256GCM', WRAP))).toMatch(denied(/does not allow such a key/));
    expect(await outcome(as('A256GCM', ['sign']))).toMatch(denied(/does not allow such a key/));
    for (const algorithm of ['', 'a256kw', 'A256KW\0', 'A256KW ', 'constructor', '__proto__', 'A512KW']) {
      expect(await outcome(as(algorithm, CIPHER)), algorithm).toMatch(denied(/name what may be derived/));
    }
    for (const kdf of [
      { name: 'none' },
      { name: 'hkdf', hash: 'SHA-256' },
      { name: 'sp800-108', hash: 'SHA-256', label: bytes(3) },
      { name: 'bound', hash: 'SHA-256', label: bytes(3) },
    ] as const) {
      const template =
        kdf.name === 'none'
          ? { type: 'GENERIC', bits: 384, usage: ['derive'] }
          : { type: 'AES', bits: 256, usage: CIPHER };
      const call = () => alice.deriveKey(agree, { mechanism: 'ECDH', publicKey, kdf }, template as { type: 'AES' });
      expect(await outcome(call), kdf.name).toMatch(denied(/name what may be derived/));
    }
  });

  test('a base with a deriveTemplate gives that, by every KDF and whatever it names', async () => {
    const agree = await alice.generateKey({
      ...{ type: 'EC', curve: 'P-256', usage: ['derive'] },
      deriveTemplate: { type: 'AES', bits: 256, usage: CIPHER },
    } as const);
    const publicKey = await partner();
    for (const kdf of [
      { name: 'concat', hash: 'SHA-256', algorithm: 'A256KW' },
      { name: 'hkdf', hash: 'SHA-256' },
      { name: 'sp800-108', hash: 'SHA-256', label: bytes(3) },
    ] as const) {
      const derive = (template: object) => () =>
        alice.deriveKey(agree, { mechanism: 'ECDH', publicKey, kdf }, template as { type: 'AES' });
      expect(await outcome(derive({ type: 'AES', bits: 256 }))).toBe('done');
      for (const template of [
        { usage: WRAP },
        { usage: ['sign'] },
        { callerIv: true },
        { bits: 128 },
        { dualUse: true },
        { extractable: 'wrapped' },
      ]) {
        const refused = await outcome(derive({ type: 'AES', bits: 256, ...template }));
        expect(refused, JSON.stringify(template)).toMatch(/^KEYCELL_PERMISSION_DENIED/);
      }
    }
    const z = await alice.deriveKey(
      agree,
      { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } },
      { type: 'GENERIC', bits: 256, usage: ['derive'] },
    );
    expect(z.deriveTemplate).toEqual(agree.deriveTemplate);
    // The agreement as it is does what the EC key does: no template of another kind, and not without one.
    for (const deriveTemplate of [{ type: 'AES', bits: 256, usage: WRAP }, { type: 'HMAC' }] as const) {
      const other = () =>
        alice.deriveKey(
          agree,
          { mechanism: 'ECDH', publicKey, kdf: { name: 'none' } },
          { type: 'GENERIC', bits: 256, usage: ['derive'], deriveTemplate },
        );
      expect(await outcome(other)).toMatch(denied(/does not allow such a key/));
    }
    const named = { name: 'bound', hash: 'SHA-256', label: bytes(3) } as const;
    for (const base of [z, agree]) {
      const how = base === z ? { mechanism: 'KDF', kdf: named } : { mechanism: 'ECDH', publicKey, kdf: named };
      const call = () =>
        alice.deriveKey(base, how as { mechanism: 'KDF'; kdf: typeof named }, {
          type: 'AES',
          bits: 256,
          usage: CIPHER,
        });
      expect(await outcome(call)).toMatch(denied(/name a standard KDF/));
    }
  });

  test('(c) no MAC key is the base that gives a leaf', async () => {
    const root = await alice.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'] });
    const label = Buffer.from('title-7');
    const plain = { mechanism: 'KDF', kdf: { name: 'sp800-108', hash: 'SHA-256', label } } as const;
    for (const template of [
      { type: 'HMAC', bits: 256, usage: ['derive'] },
      { type: 'HMAC', bits: 256, usage: ['sign'] },
    ] as const) {
      expect(await outcome(() => alice.deriveKey(root, plain, template))).toMatch(denied(/'bound'/));
    }
    const step = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label } } as const;
    const mid = await alice.deriveKey(root, step, { type: 'HMAC', bits: 256, usage: ['derive'] });
    const signer = await alice.deriveKey(root, step, { type: 'HMAC', bits: 256, usage: ['sign'] });
    const leafLabel = Buffer.from('content');
    const leafStep = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label: leafLabel } } as const;
    const leaf = await alice.deriveKey(mid, leafStep, { type: 'AES', bits: 256, usage: ['encrypt'] });
    const { iv, ciphertext } = await alice.encrypt(leaf, Buffer.from('licensed content'), GCM);
    // All but the key is public, the purpose too: the MAC of it under `signer` would be the leaf.
    const leafTemplate = { type: 'AES', bits: 256, usage: ['encrypt'] } as const;
    const purposes = [new Uint8Array(0), purposeOf(attributesOf(leafTemplate, false, 0))];
    for (const purpose of purposes) {
      const fixed = [Buffer.of(0, 0, 0, 1), leafLabel, Buffer.of(0), purpose, Buffer.of(0, 0, 1, 0)];
      const guess = await alice.sign(signer, Buffer.concat(fixed));
      expect(() => nodeGcmOpen(guess, iv, new Uint8Array(0), ciphertext)).toThrow();
    }
  });

  test('what bound derives is what docs/formats.md says: an outside party computes it', async () => {
    const secret = bytes(32, 4);
    const root = await alice.importKey(
      { type: 'GENERIC', bits: 256, usage: ['derive'], extractable: 'plaintext', persistent: false },
      secret,
    );
    const [label, context] = [Buffer.from('label'), Buffer.from('context')];
    const how = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label, context } } as const;
    const template = { type: 'HMAC', bits: 512, usage: ['sign'], extractable: 'plaintext', persistent: false } as const;
    const key = await alice.deriveKey(root, how, template);
    const zeros = (length: number) => Buffer.alloc(length);
    // type HMAC, 512 bits, the group of sign and verify, 'plaintext', no flags, no usages, policy trusted, no templates.
    const fields = [Buffer.from('keycell/v1/purpose'), Buffer.of(0, 3, 2, 0, 2, 2, 0), zeros(4), Buffer.of(0, 0, 0)];
    const purpose = createHash('sha256').update(Buffer.concat(fields)).digest();
    const fixed = Buffer.concat([label, Buffer.of(0), context, purpose, Buffer.of(0, 0, 2, 0)]);
    const block = (i: number) =>
      createHmac('sha256', secret)
        .update(Buffer.of(0, 0, 0, i))
        .update(fixed)
        .digest();
    expect(Buffer.from(await alice.exportKey(key))).toEqual(Buffer.concat([block(1), block(2)]));
  });

  test('(d) CMAC and cipher of one input are different keys, and so is every other purpose', async () => {
    const root = await alice.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'] });
    const label = Buffer.from('env');
    const how = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label } } as const;
    const derive = (template: object) =>
      alice.deriveKey(root, how, { type: 'AES', bits: 256, ...template } as { type: 'AES' });
    const alike = await Promise.all([CIPHER, ['encrypt'], ['decrypt']].map((usage) => derive({ usage })));
    expect(new Set(alike.map(({ checkValue }) => checkValue)).size).toBe(1);
    const others = await Promise.all(
      [
        { usage: ['sign'] },
        { usage: [] },
        { usage: ['encrypt'], callerIv: true },
        { usage: WRAP },
        { usage: WRAP, rewrapPolicy: 'any' },
        { usage: WRAP, unwrapTemplate: { extractable: false } },
        { usage: CIPHER, wrapWithTrusted: true },
        { usage: CIPHER, dualUse: true },
        { usage: ['encrypt', 'wrap'] },
        { usage: ['encrypt', 'wrap', 'unwrap'], dualUse: true },
      ].map(derive),
    );
    const values = [alike[0]!, ...others].map(({ checkValue }) => checkValue);
    expect(new Set(values).size).toBe(values.length);

    const [env, mac] = [alike[1]!, others[0]!];
    const text = Buffer.from('sealed in an envelope');
    const envelope = Buffer.from(await alice.encrypt(env, text));
    await opensNot(envelope, text, (block) => alice.sign(mac, block));
  });
});

/** No key that the envelope's nonce gives under CMAC, as XAES-256-GCM derives, opens it. `cmac` is what the attacker has of it. */
async function opensNot(envelope: Buffer, text: Buffer, cmac: (message: Buffer) => Promise<Uint8Array>): Promise<void> {
  const head = envelope.length - text.length - 24 - 16;
  const nonce = envelope.subarray(head, head + 24);
  const input = (i: number) => Buffer.concat([Buffer.of(0, i, 0x58, 0), nonce.subarray(0, 12)]);
  const key = Buffer.concat([await cmac(input(1)), await cmac(input(2))]);
  const open = () => nodeGcmOpen(key, nonce.subarray(12), envelope.subarray(0, head), envelope.subarray(head + 24));
  expect(open).toThrow();
}

describe('A2: marks of trust', () => {
  const refused = async (template: object, reason: RegExp, more = {}) => {
    const key = await alice.generateKey({ type: 'AES', bits: 256, usage: WRAP, ...template } as {
      type: 'AES';
    } & Parameters<Session['generateKey']>[0]);
    expect(await outcome(() => mark(key, more)), JSON.stringify(template)).toMatch(denied(reason));
  };

  test('(a) a key that leaves at all is not marked, and no key wraps its own copy', async () => {
    await refused({ extractable: 'wrapped', wrapWithTrusted: true }, /may be outside already/);
    await refused({ extractable: 'wrapped' }, /may be outside already/);
    await refused({ extractable: 'plaintext' }, /may be outside already/);
    const self = await alice.generateKey({ type: 'AES', bits: 256, usage: WRAP, extractable: 'wrapped' });
    for (const how of [KW, GCM, { mechanism: 'AES-KWP' } as const]) {
      expect(await outcome(() => alice.wrapKey(self, self, how))).toMatch(denied(/never wraps itself/));
    }
    // The same bytes in another record, even as another type; of a key that is not bound to trusted ones nothing is kept.
    const unwrapTemplate = { type: 'HMAC', usage: [] } as const;
    const a = await alice.importKey({ type: 'AES', bits: 256, usage: WRAP, unwrapTemplate }, bytes(32, 8));
    await mark(a, { acceptImported: true });
    const T = (await alice.getKey({ id: a.id })) as AesKey;
    const bound = { type: 'HMAC', bits: 256, usage: [], extractable: 'wrapped', wrapWithTrusted: true } as const;
    const [same, other] = await Promise.all([8, 9].map((seed) => alice.importKey(bound, bytes(32, seed))));
    expect(await outcome(() => alice.wrapKey(T, same!, KW))).toMatch(denied(/never wraps itself/));
    expect(await outcome(() => alice.wrapKey(T, other!, KW))).toBe('done');
  });

  test('(b) an imported key is marked only by who vouches for it, and never if it could leave', async () => {
    const known = { type: 'AES', bits: 256, usage: ['wrap'] } as const;
    const key = await alice.importKey(known, bytes(32, 1));
    expect(await outcome(() => mark(key))).toMatch(denied(/whoever imported the key may know it/));
    expect((await mark(key, { acceptImported: true })).trusted).toBe(true);
    for (const extractable of ['wrapped', 'plaintext'] as const) {
      const leaves = await alice.importKey({ ...known, extractable }, bytes(32, 2));
      expect(await outcome(() => mark(leaves, { acceptImported: true }))).toMatch(denied(/may be outside already/));
    }
  });

  test('(c) what was derived or unwrapped is not marked', async () => {
    const root = await alice.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'] });
    const how = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label: bytes(2) } } as const;
    const derived = await alice.deriveKey(root, how, { type: 'AES', bits: 256, usage: WRAP, persistent: true });
    for (const more of [{}, { acceptImported: true } as const]) {
      expect(await outcome(() => mark(derived, more))).toMatch(denied(/only a key generated here/));
    }
    const kek = await alice.importKey(
      { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { usage: WRAP, extractable: false } },
      bytes(32, 3),
    );
    const unwrapped = await alice.unwrapKey(
      kek,
      nodeWrap('AES-KW', bytes(32, 3), bytes(32, 5)),
      { bits: 256, persistent: true },
      KW,
    );
    for (const more of [{}, { acceptImported: true } as const]) {
      expect(await outcome(() => mark(unwrapped, more))).toMatch(denied(/only a key generated here/));
    }
  });

  test('nor a key of another use, policy or template', async () => {
    for (const usage of [['encrypt'], ['wrap', 'encrypt'], [], ['sign']]) await refused({ usage }, /does nothing else/);
    await refused({ usage: ['wrap', 'unwrap', 'decrypt'], dualUse: true }, /does nothing else/);
    await refused({ dualUse: true }, /does nothing else/);
    await refused({ rewrapPolicy: 'any' }, /'any'/);
    await refused({ unwrapTemplate: { extractable: 'plaintext' } }, /in the clear/);
    const ec = await alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
    expect(await outcome(() => mark(ec))).toMatch(denied(/does nothing else/));
  });

  test('P1: exported, tightened, marked', async () => {
    const key = await alice.generateKey({ type: 'AES', bits: 256, usage: WRAP, extractable: 'plaintext' });
    await alice.exportKey(key);
    const tightened = await alice.setAttributes(key, { extractable: false });
    for (const more of [{}, { acceptImported: true } as const]) {
      expect(await outcome(() => mark(tightened, more))).toMatch(denied(/may be outside already/));
    }
  });

  test('P1 for an imported key: whoever vouches for the importer knows of no export', async () => {
    for (const extractable of ['plaintext', 'wrapped'] as const) {
      const key = await alice.importKey({ type: 'AES', bits: 256, usage: WRAP, extractable }, bytes(32, 6));
      const tightened = await alice.setAttributes(key, { extractable: false });
      expect(tightened.neverExtractable).toBe(false);
      expect(await outcome(() => mark(tightened, { acceptImported: true }))).toMatch(denied(/may be outside already/));
    }
  });

  test('P2: a content key without usages does not come back as a cipher', async () => {
    const kek = await alice.importKey(
      { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { bits: 128, usage: [], extractable: 'wrapped' } },
      bytes(32, 1),
    );
    const blob = nodeWrap('AES-KW', bytes(32, 1), bytes(16, 2));
    const wide = await trusted();
    const rewrap = (to: AesKey) => alice.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', to, as: 'AES-KW' });
    expect(await outcome(() => rewrap(wide))).toMatch(denied(/could do more than what goes/));
    const cek = await alice.unwrapKey(kek, blob, {}, KW);
    expect(cek.wrapWithTrusted).toBe(true);
    expect(await outcome(() => alice.wrapKey(wide, cek, KW))).toMatch(denied(/could do more than what goes/));
    for (const unwrapTemplate of [
      { bits: 256, usage: [] },
      { bits: 128, usage: ['sign'] },
      { type: 'HMAC', bits: 128, usage: [] },
      { bits: 128, usage: [], callerIv: true },
    ] as const) {
      const to = await trusted({ unwrapTemplate } as object);
      expect(await outcome(() => rewrap(to))).toMatch(denied(/could do more than what goes/));
      expect(await outcome(() => alice.wrapKey(to, cek, KW))).toMatch(denied(/could do more than what goes/));
    }
    const narrow = await trusted({ unwrapTemplate: { bits: 128, usage: [] } } as object);
    const [moved] = await rewrap(narrow);
    const back = await alice.unwrapKey(narrow, moved!, {}, KW);
    expect(back).toMatchObject({ usage: [], extractable: 'wrapped', wrapWithTrusted: true });
  });

  test('P3: a wrapping key does not come back as a cipher, nor with a wider template', async () => {
    const inner = await bound({ bits: 256, usage: WRAP, unwrapTemplate: { usage: [], extractable: false } });
    for (const unwrapTemplate of [
      undefined,
      { usage: CIPHER },
      { usage: ['decrypt'] },
      { usage: WRAP },
      { usage: WRAP, unwrapTemplate: { usage: [], extractable: 'wrapped' } },
      { usage: WRAP, unwrapTemplate: { usage: ['encrypt'], extractable: false } },
      { usage: WRAP, unwrapTemplate: { usage: [], extractable: false }, rewrapPolicy: 'any' },
      { usage: WRAP, unwrapTemplate: { usage: [], extractable: false }, extractable: 'plaintext' },
    ] as const) {
      const outer = await alice.generateKey({
        type: 'AES',
        bits: 256,
        usage: WRAP,
        ...(unwrapTemplate && { unwrapTemplate }),
      });
      const marked = await outcome(() => mark(outer));
      if (marked !== 'done') continue;
      const to = (await alice.getKey({ id: outer.id })) as AesKey;
      expect(await outcome(() => alice.wrapKey(to, inner, KW)), JSON.stringify(unwrapTemplate)).toMatch(
        denied(/could do more than what goes/),
      );
    }
    const unwrapTemplate = { usage: WRAP, unwrapTemplate: { usage: [], extractable: false } } as const;
    const to = await trusted({ unwrapTemplate } as object);
    const back = await alice.unwrapKey(to, await alice.wrapKey(to, inner, KW), { bits: 256 }, KW);
    expect(back).toMatchObject({
      usage: WRAP,
      unwrapTemplate: { usage: [], extractable: false },
      wrapWithTrusted: true,
    });
    for (const usage of [CIPHER, ['decrypt'], ['encrypt'], ['sign']] as const) {
      const call = async () => alice.unwrapKey(to, await alice.wrapKey(to, inner, KW), { bits: 256, usage }, KW);
      expect(await outcome(call)).toMatch(denied(/unwrapTemplate does not allow/));
    }
  });

  test('P4: CTR, which is the cipher on chosen blocks, gives nothing of an envelope', async () => {
    const key = await alice.generateKey({ type: 'AES', bits: 256, usage: CIPHER });
    const text = Buffer.from('row 7');
    const envelope = Buffer.from(await alice.encrypt(key, text));
    const zeros = Buffer.alloc(16);
    const E = (block: Buffer) => alice.decrypt(key, zeros, { mechanism: 'AES-CTR', iv: block });
    const double = (block: Uint8Array) => {
      const shifted = Buffer.from(block.map((byte, i) => ((byte << 1) | ((block[i + 1] ?? 0) >>> 7)) & 255));
      if (block[0]! & 0x80) shifted[15]! ^= 0x87;
      return shifted;
    };
    const k1 = double(await E(zeros));
    // CMAC of one whole block, with what CTR gives: true of any AES key that is a cipher.
    await opensNot(envelope, text, (block) => E(Buffer.from(block.map((byte, i) => byte ^ k1[i]!))));
  });
});

describe('A3, A4: what a template does not name is not granted', () => {
  const kekBytes = bytes(32, 1);
  const blob = nodeWrap('AES-KW', kekBytes, bytes(16, 2));

  test('A3: every attribute is within the template', async () => {
    const kek = await alice.importKey(
      {
        ...{ type: 'AES', bits: 256, usage: ['unwrap'] },
        unwrapTemplate: { bits: 128, usage: ['encrypt'], extractable: false, notAfter: FUTURE },
      } as const,
      kekBytes,
    );
    for (const asked of [
      { callerIv: true },
      { usage: CIPHER },
      { usage: WRAP },
      { usage: ['sign'] },
      { extractable: 'wrapped' },
      { extractable: 'plaintext' },
      { dualUse: true },
      { notAfter: FUTURE + 1 },
      { type: 'HMAC', usage: [] },
      { type: 'GENERIC', usage: ['derive'] },
    ]) {
      const call = () => alice.unwrapKey(kek, blob, { bits: 128, ...asked } as PartialTemplate, KW);
      expect(await outcome(call), JSON.stringify(asked)).toMatch(denied(/unwrapTemplate does not allow/));
    }
    const key = await alice.unwrapKey(kek, blob, {}, KW);
    expect(key).toMatchObject({ callerIv: false, usage: ['encrypt'], extractable: false });
    expect(key.notAfter).toEqual(new Date(FUTURE));
  });

  test('A3: encrypt with callerIv counts as decrypt', async () => {
    const make = (template: object) => () =>
      alice.generateKey({ type: 'AES', bits: 256, persistent: false, ...template } as Parameters<
        Session['generateKey']
      >[0]);
    expect(await outcome(make({ usage: ['wrap', 'encrypt'], callerIv: true }))).toMatch(denied(/dualUse/));
    const inTemplate = { usage: ['wrap', 'encrypt'], callerIv: true };
    expect(await outcome(make({ usage: WRAP, unwrapTemplate: inTemplate }))).toMatch(denied(/usages of a template/));
  });

  test('A4: the union of what a template allows needs no dualUse, at any depth, in either kind', async () => {
    const bad = [
      { usage: ['unwrap', 'decrypt'] },
      { usage: ['unwrap', 'encrypt'] },
      { usage: ['wrap', 'decrypt'] },
      { usage: ['sign', 'encrypt'] },
      { usage: ['verify', 'decrypt'] },
      { usage: ['sign', 'wrap'] },
      { type: 'HMAC', usage: ['sign', 'derive'] },
    ];
    for (const pattern of bad) {
      for (const template of [
        { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: pattern },
        { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { usage: WRAP, unwrapTemplate: pattern } },
        { type: 'AES', bits: 256, usage: ['unwrap', 'decrypt'], dualUse: true, unwrapTemplate: pattern },
        { type: 'EC', curve: 'P-256', usage: ['derive'], deriveTemplate: pattern },
        { type: 'GENERIC', bits: 256, usage: ['derive'], deriveTemplate: { type: 'GENERIC', deriveTemplate: pattern } },
      ]) {
        const call = () =>
          alice.generateKey({ persistent: false, ...template } as Parameters<Session['generateKey']>[0]);
        expect(await outcome(call), JSON.stringify(template)).toMatch(denied(/usages of a template/));
      }
    }
  });

  test("A4: without a template a blob is a content key, and 'any' is for dualUse", async () => {
    const kek = await alice.importKey({ type: 'AES', bits: 256, usage: ['unwrap'] }, kekBytes);
    for (const template of [
      { type: 'HMAC', bits: 128, usage: ['sign'] },
      { type: 'HMAC', bits: 128, usage: ['derive'] },
      { type: 'GENERIC', bits: 128, usage: ['derive'] },
      { bits: 128, usage: WRAP },
      { bits: 128, usage: ['sign'] },
      { bits: 128, usage: ['encrypt', 'decrypt', 'wrap', 'unwrap'], dualUse: true },
      { bits: 128, extractable: 'plaintext' },
      { bits: 128, callerIv: true },
    ]) {
      const call = () => alice.unwrapKey(kek, blob, template as { type: 'AES' }, KW);
      expect(await outcome(call), JSON.stringify(template)).toMatch(denied(/unwrapTemplate does not allow/));
    }
    const any = { type: 'AES', bits: 256, usage: WRAP, unwrapTemplate: 'any', persistent: false } as const;
    expect(await outcome(() => alice.generateKey(any))).toMatch(denied(/dualUse: true/));
    const below = {
      ...any,
      unwrapTemplate: { usage: WRAP, unwrapTemplate: 'any' },
      dualUse: true,
    } as unknown as typeof any;
    expect(await outcome(() => alice.generateKey(below))).toMatch(denied(/dualUse: true/));
    expect(await outcome(() => alice.generateKey({ ...any, dualUse: true }))).toBe('done');
  });

  test('a template has no members that bind nothing, and an end to its nesting', async () => {
    const make = (unwrapTemplate: object) => () =>
      alice.generateKey({ type: 'AES', bits: 256, usage: WRAP, persistent: false, unwrapTemplate });
    for (const member of ['usages', 'dualUse', 'persistent', 'trusted', 'label', 'notBefore', 'maxUses']) {
      expect(await outcome(make({ [member]: true })), member).toMatch(invalid(new RegExp(`${member} is no member`)));
    }
    const nested = (deep: number): object =>
      deep === 0 ? { usage: CIPHER } : { usage: WRAP, unwrapTemplate: nested(deep - 1) };
    expect(await outcome(make(nested(2)))).toBe('done');
    expect(await outcome(make(nested(3)))).toBe('done');
    expect(await outcome(make(nested(4)))).toMatch(invalid(/three deep/));
    const endless: { usage: typeof WRAP; unwrapTemplate?: object } = { usage: WRAP };
    endless.unwrapTemplate = endless;
    expect(await outcome(make(endless))).toMatch(invalid(/three deep/));
  });
});

describe('A7: the earliest end, the latest beginning', () => {
  const kekBytes = bytes(32, 1);
  const ends = { notAfter: FUTURE };

  test('are inherited by what is unwrapped and derived, however it is derived', async () => {
    const kek = await alice.importKey(
      { type: 'AES', bits: 256, usage: ['unwrap'], ...ends, notBefore: 1000 },
      kekBytes,
    );
    const blob = nodeWrap('AES-KW', kekBytes, bytes(16, 2));
    for (const asked of [{}, { notAfter: FUTURE + 1 }]) {
      const key = await alice.unwrapKey(kek, blob, { bits: 128, ...asked }, KW);
      expect([key.notBefore, key.notAfter]).toEqual([new Date(1000), new Date(FUTURE)]);
    }
    const earlier = await alice.unwrapKey(kek, blob, { bits: 128, notBefore: 2000, notAfter: FUTURE - 1 }, KW);
    expect([earlier.notBefore, earlier.notAfter]).toEqual([new Date(2000), new Date(FUTURE - 1)]);

    const root = await alice.generateKey({ type: 'GENERIC', bits: 256, usage: ['derive'], ...ends });
    const named = { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label: bytes(2) } } as const;
    const mid = await alice.deriveKey(root, named, { type: 'GENERIC', bits: 256, usage: ['derive'] });
    const leaf = await alice.deriveKey(mid, named, { type: 'AES', bits: 256, usage: CIPHER });
    const agree = await alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], ...ends });
    const kdf = { name: 'concat', hash: 'SHA-256', algorithm: 'A256KW' } as const;
    const agreed = await alice.deriveKey(
      agree,
      { mechanism: 'ECDH', publicKey: await partner(), kdf },
      { type: 'AES', bits: 256 },
    );
    const content = await alice.unwrapKey(agreed, await wrappedUnder(agreed), { bits: 128 }, KW);
    for (const key of [mid, leaf, agreed, content]) expect(key.notAfter).toEqual(new Date(FUTURE));
  });

  /** A content key under a key of which only the cell knows the bytes. */
  const wrappedUnder = async (kek: AesKey) =>
    alice.wrapKey(
      kek,
      await alice.generateKey({ type: 'AES', bits: 128, usage: CIPHER, extractable: 'wrapped', persistent: false }),
      KW,
    );

  test('an end is not lost by wrapping, whether the key has it, the wrapping key or its template', async () => {
    const ending = await bound(ends);
    const open = await trusted();
    expect(await outcome(() => alice.wrapKey(open, ending, KW))).toMatch(denied(/could do more/));
    for (const template of [
      ends,
      { unwrapTemplate: { ...ends } },
      { ...ends, unwrapTemplate: { notAfter: FUTURE + 5 } },
    ]) {
      const to = await trusted(template as object);
      const back = await alice.unwrapKey(to, await alice.wrapKey(to, ending, KW), { bits: 128 }, KW);
      expect(back.notAfter).toEqual(new Date(FUTURE));
    }
    const later = await trusted({ notAfter: FUTURE + 1 });
    expect(await outcome(() => alice.wrapKey(later, ending, KW))).toMatch(denied(/could do more/));
  });

  test('nor by re-wrapping: what one key would open with an end, no other opens without', async () => {
    const blob = nodeWrap('AES-KW', kekBytes, bytes(16, 2));
    const from = await alice.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], ...ends }, kekBytes);
    const rewrap = (to: AesKey) => alice.rewrapKeys([blob], { from, mechanism: 'AES-KW', to, as: 'AES-KW' });
    for (const template of [{}, { notAfter: FUTURE + 1 }, { unwrapTemplate: { notAfter: FUTURE + 1 } }]) {
      const to = await trusted(template as object);
      expect(await outcome(() => rewrap(to)), JSON.stringify(template)).toMatch(denied(/could do more/));
    }
    for (const template of [ends, { unwrapTemplate: ends }]) {
      const to = await trusted(template as object);
      const back = await alice.unwrapKey(to, (await rewrap(to))[0]!, { bits: 128 }, KW);
      expect(back.notAfter).toEqual(new Date(FUTURE));
    }
  });

  test('a key that is not valid yet does not come back as one that is', async () => {
    const early = await bound({ notBefore: FUTURE });
    const to = await trusted();
    expect(await outcome(() => alice.wrapKey(to, early, KW))).toMatch(denied(/could do more/));
    expect(await outcome(async () => alice.wrapKey(to, await bound({ notBefore: 1000 }), KW))).toBe('done');
  });
});

describe('A8: an officer sees what they vouch for', () => {
  test('handles show templates, policy, issuer and origin, and the entry of a mark shows the same', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
    const shop = await alice.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] }, spki);
    const unwrapTemplate = {
      type: 'AES',
      bits: 128,
      usage: ['encrypt'],
      extractable: false,
      notAfter: FUTURE,
    } as const;
    const made = await alice.generateKey({
      ...{ type: 'AES', bits: 256, usage: WRAP, unwrapTemplate },
      rewrapPolicy: { issuer: shop, proofMaxAge: 60, blobs: 'required' },
    });
    const shown = {
      rewrapPolicy: 'issuer',
      issuer: { id: shop.id, kid: shop.kid, proofMaxAge: 60, blobs: 'required' },
      unwrapTemplate: { ...unwrapTemplate, notAfter: new Date(FUTURE), callerIv: false, wrapWithTrusted: false },
    };
    expect(made).toMatchObject({ ...shown, origin: 'generated', trusted: false });
    const seen = await admin.getKey({ id: made.id });
    expect(seen).toMatchObject(shown);
    const before = readFileSync(join(it.folder, 'audit.log'), 'utf8').length;
    await admin.setAttributes(seen, { trusted: true });
    const entries = readFileSync(join(it.folder, 'audit.log'), 'utf8').slice(before);
    const found = marks(entries);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ trusted: true, origin: 'generated', ...JSON.parse(JSON.stringify(shown)) });

    const base = await alice.generateKey({
      type: 'GENERIC',
      bits: 256,
      usage: ['derive'],
      deriveTemplate: { bits: 128 },
    });
    expect(base.deriveTemplate).toMatchObject({ type: 'AES', bits: 128, usage: CIPHER, extractable: false });
  });

  test('the entry says that an imported key was vouched for, and that a mark was taken back', async () => {
    const key = await alice.importKey({ type: 'AES', bits: 256, usage: ['wrap'] }, bytes(32, 7));
    const before = readFileSync(join(it.folder, 'audit.log'), 'utf8').length;
    await mark(key, { acceptImported: true });
    await admin.setAttributes(await admin.getKey({ id: key.id }), { trusted: false });
    const found = marks(readFileSync(join(it.folder, 'audit.log'), 'utf8').slice(before));
    expect(found).toMatchObject([
      { trusted: true, origin: 'imported', acceptImported: true },
      { trusted: false, origin: 'imported' },
    ]);
  });

  /** Every `mark` in these lines, wherever it stands in them. */
  const marks = (lines: string): object[] => {
    const found: object[] = [];
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('mark' in value) found.push(value.mark as object);
      for (const each of Object.values(value)) walk(each);
    };
    for (const line of lines.split('\n').filter((each) => each !== '')) walk(JSON.parse(line));
    return found;
  };
});

describe('a scalar is of one curve', () => {
  const scalar = Buffer.from('7f5c3e1d9b8a796857463524130211f0efdecdbcab9a8978675645342312010f', 'hex');
  const kekBytes = bytes(32, 1);
  const blob = nodeWrap('AES-KW', kekBytes, scalar);
  const CURVES = ['P-256', 'secp256k1'] as const;

  test('why: the same digest signed on two curves with the same nonce gives the scalar away', async () => {
    const template = { type: 'EC', usage: ['sign'], persistent: false } as const;
    const keys = await Promise.all(
      CURVES.map((curve) => alice.importKey({ ...template, curve }, new Uint8Array(scalar))),
    );
    const message = Buffer.from('one message');
    const signatures = await Promise.all(keys.map((key) => alice.sign(key, message, { nonce: 'rfc6979' })));
    expect(scalarOf(createHash('sha256').update(message).digest(), signatures)).toContain(scalar.toString('hex'));
  });

  test('so a bare scalar does not come in under a template that leaves the curve open', async () => {
    const ec = { type: 'EC', usage: ['sign'], extractable: false } as const;
    const importing = (unwrapTemplate: object) =>
      alice.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate }, kekBytes);
    const open = await importing(ec);
    for (const curve of CURVES) {
      expect(await outcome(() => alice.unwrapKey(open, blob, { type: 'EC', curve }, KW))).toMatch(
        invalid(/name the curve/),
      );
    }
    const named = await importing({ ...ec, curve: 'P-256' });
    expect(await outcome(() => alice.unwrapKey(named, blob, { type: 'EC', curve: 'P-256' }, KW))).toBe('done');
    const other = () => alice.unwrapKey(named, blob, { type: 'EC', curve: 'secp256k1' }, KW);
    expect(await outcome(other)).toMatch(denied(/unwrapTemplate does not allow/));
    // An encoding that names the curve may come in: of one curve it is, whoever opens it.
    const kwp = { mechanism: 'AES-KWP' } as const;
    const transport = await alice.importKey(
      { type: 'AES', bits: 256, usage: WRAP, unwrapTemplate: ec, persistent: false },
      kekBytes,
    );
    const pair = await alice.generateKey({
      type: 'EC',
      curve: 'P-256',
      usage: ['sign'],
      extractable: 'wrapped',
      persistent: false,
    });
    const whole = await alice.wrapKey(transport, pair, kwp);
    expect(await outcome(() => alice.unwrapKey(open, whole, { type: 'EC', curve: 'P-256' }, kwp))).toBe('done');
    expect(await outcome(() => alice.unwrapKey(open, whole, { type: 'EC', curve: 'secp256k1' }, kwp))).toMatch(
      /^KEYCELL_INPUT_INVALID/,
    );
  });

  test('nor is an open curve closed to two, one level further down', async () => {
    const ec = { type: 'EC', usage: ['sign'], extractable: false } as const;
    const unwrapTemplate = { usage: WRAP, extractable: false, unwrapTemplate: ec } as const;
    const kek = await alice.importKey({ type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate }, kekBytes);
    const inner = nodeWrap('AES-KW', kekBytes, bytes(32, 9));
    for (const curve of CURVES) {
      const call = () => alice.unwrapKey(kek, inner, { bits: 256, unwrapTemplate: { ...ec, curve } }, KW);
      expect(await outcome(call)).toMatch(denied(/unwrapTemplate does not allow/));
    }
    const from = await alice.importKey(
      { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { ...ec, extractable: 'wrapped' } },
      kekBytes,
    );
    for (const curve of CURVES) {
      const to = await trusted({ unwrapTemplate: { ...ec, curve } } as object);
      const call = () => alice.rewrapKeys([blob], { from, mechanism: 'AES-KW', to, as: 'AES-KW' });
      expect(await outcome(call)).toMatch(denied(/could do more/));
    }
  });
});

/**
 * Both signatures say k·s = h + r·d, each modulo its order; k and d are the same numbers. By CRT one such equation modulo the
 * product, in two unknowns of half its size: a short vector of a lattice of two dimensions.
 */
function scalarOf(digest: Uint8Array, signatures: readonly Uint8Array[]): string[] {
  const ORDERS = [
    0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
  ] as const;
  const [p, q] = ORDERS;
  const big = (part: Uint8Array) => BigInt(`0x${Buffer.from(part).toString('hex')}`);
  const mod = (x: bigint, m: bigint) => ((x % m) + m) % m;
  const inverse = (x: bigint, m: bigint) => {
    let [a, b, u, v] = [mod(x, m), m, 1n, 0n];
    while (b !== 0n) [a, b, u, v] = [b, a % b, v, u - (a / b) * v];
    return mod(u, m);
  };
  const nearest = (x: bigint, y: bigint) => {
    const [n, d] = y < 0n ? [-x, -y] : [x, y];
    return (2n * n + d - mod(2n * n + d, 2n * d)) / (2n * d);
  };
  const both = (x: bigint, y: bigint) => mod(x * q * inverse(q, p) + y * p * inverse(p, q), p * q);
  const candidates: string[] = [];
  // A low s may be the negative of what was computed.
  for (const signs of [
    [1n, 1n],
    [1n, -1n],
    [-1n, 1n],
    [-1n, -1n],
  ] as const) {
    const [[a0, b0], [a1, b1]] = ORDERS.map((n, i) => {
      const s = inverse(signs[i]! * big(signatures[i]!.subarray(32)), n);
      return [mod(s * big(signatures[i]!.subarray(0, 32)), n), mod(s * big(digest), n)] as const;
    }) as [readonly [bigint, bigint], readonly [bigint, bigint]];
    const [a, b] = [both(a0, a1), both(b0, b1)];
    // k = a·d + b: reduce the lattice of (1, a) and (0, pq), and look around the point nearest to the middle of the box.
    let u: [bigint, bigint] = [1n, a];
    let v: [bigint, bigint] = [0n, p * q];
    const dot = (x: [bigint, bigint], y: [bigint, bigint]) => x[0] * y[0] + x[1] * y[1];
    for (;;) {
      if (dot(u, u) < dot(v, v)) [u, v] = [v, u];
      const times = nearest(dot(u, v), dot(v, v));
      if (times === 0n) break;
      u = [u[0] - times * v[0], u[1] - times * v[1]];
    }
    const [t0, t1] = [1n << 255n, (1n << 255n) - b];
    const det = u[0] * v[1] - u[1] * v[0];
    const [x, y] = [nearest(t0 * v[1] - t1 * v[0], det), nearest(u[0] * t1 - u[1] * t0, det)];
    for (let i = -3n; i <= 3n; i++) {
      for (let j = -3n; j <= 3n; j++) {
        const d = (x + i) * u[0] + (y + j) * v[0];
        if (d > 0n && d < p) candidates.push(d.toString(16).padStart(64, '0'));
      }
    }
  }
  return candidates;
}
