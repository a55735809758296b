/** Policy between users, sessions and the admin's mark of trust, in a folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Hsm, openHsm, type Session } from '../../dist/index.js';
import type { Engine } from '../../src/hsm/engine.ts';
import type { CellRequest } from '../../src/wire/batch.ts';
import { bytes, code, nodeUnwrap, nodeWrap, refusal } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'keycell-test-'));
let hsm: Hsm;
let admin: Session;
let alice: Session;
let mallory: Session;
const KW = { mechanism: 'AES-KW' } as const;

beforeAll(async () => {
  hsm = await openHsm({ path: folder, create: true, workers: 1 });
  await hsm.initialize({ passphrase: 'p', admin: { name: 'officer', password: 'a' }, scryptLog2N: 14 });
  admin = await hsm.login({ user: 'officer', password: 'a' });
  for (const name of ['alice', 'mallory']) await admin.createUser({ name, role: 'crypto-user', password: name });
  alice = await hsm.login({ user: 'alice', password: 'alice' });
  mallory = await hsm.login({ user: 'mallory', password: 'mallory' });
});
afterAll(async () => {
  await hsm?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('another user’s keys', () => {
  test('are neither found nor used, changed or destroyed, by handle or by record', async () => {
    const key = await alice.generateKey({
      type: 'AES',
      bits: 256,
      label: 'hers',
      usage: ['encrypt'],
      extractable: 'plaintext',
    });
    const own = await mallory.generateKey({ type: 'AES', bits: 256, label: 'hers', usage: ['wrap'] });
    expect(own.id).not.toBe(key.id);
    expect(await code(() => mallory.getKey({ id: key.id }))).toBe('KEYCELL_KEY_NOT_FOUND');
    for (const call of [
      () => mallory.encrypt(key, bytes(1)),
      () => mallory.exportKey(key),
      () => mallory.wrapKey(own, key, KW),
      () => mallory.setAttributes(key, { label: 'mine' }),
      () => mallory.destroyKey(key),
      () =>
        mallory.generateKey({ type: 'AES', bits: 128, usage: ['unwrap'], rewrapPolicy: { issuer: { id: key.id } } }),
    ]) {
      expect(await code(call)).toBe('KEYCELL_KEY_NOT_FOUND');
    }
    expect(await code(() => mallory.generateKey({ type: 'AES', bits: 128, usage: [], id: key.id }))).toBe(
      'KEYCELL_KEY_CONFLICT',
    );
    expect(await alice.exportKey(key)).toHaveLength(32);
  });

  test('a ticket of one user does not carry the records of another', async () => {
    const key = await alice.generateKey({ type: 'GENERIC', bits: 128, usage: [], extractable: 'plaintext' });
    const engine = hsm as unknown as Engine;
    const record = engine.keys.sealed(key);
    const asked: CellRequest[] = [];
    const submit = engine.submit.bind(hsm);
    engine.submit = (request, options, finish) => {
      asked.push(request);
      return submit(request, options, finish);
    };
    await alice.random(1);
    await mallory.random(1);
    await admin.random(1);
    delete (engine as unknown as { submit?: unknown }).submit;
    const exported = (n: number) => engine.submit({ ...asked[n]!, op: 'exportKey', keys: [record], parts: [] }, {});
    expect((await exported(0)).parts[0]).toHaveLength(16);
    expect(await code(() => exported(1))).toBe('KEYCELL_KEY_NOT_FOUND');
    expect(await code(() => exported(2))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

test('a session key is of use in its own session alone', async () => {
  const other = await hsm.login({ user: 'alice', password: 'alice' });
  const key = await alice.generateKey({ type: 'HMAC', bits: 256, usage: ['sign'], persistent: false });
  expect((await refusal(() => other.sign(key, bytes(1)))).message).toContain('another session');
  expect(await alice.sign(key, bytes(1))).toHaveLength(32);
  expect(await code(() => alice.setAttributes(key, { extractable: false }))).toBe('KEYCELL_KEY_NOT_FOUND');
  await other.close();
  expect(await code(() => other.random(4))).toBe('KEYCELL_SESSION_REVOKED');
});

describe('the admin’s mark', () => {
  test('he uses no keys, and changes nothing but trust', async () => {
    const key = await alice.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'] });
    expect(await code(() => admin.encrypt(key, bytes(1)))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => admin.exportKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => admin.destroyKey(key))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => admin.generateKey({ type: 'AES', bits: 256, usage: [] }))).toBe(
      'KEYCELL_PERMISSION_DENIED',
    );
    expect(await code(() => admin.setAttributes(key, { destroyable: false }))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => alice.setAttributes(key, { trusted: true }))).toBe('KEYCELL_PERMISSION_DENIED');
    expect((await admin.setAttributes(key, { trusted: true })).trusted).toBe(true);
    const renamed = await alice.setAttributes(key, { label: 'renamed' });
    expect(renamed.trusted).toBe(true);
    expect((await admin.setAttributes(key, { trusted: false })).trusted).toBe(false);
  });

  test('opens the way for bound keys and for re-wrapping, and its end closes it', async () => {
    const [kekRaw, nextRaw] = [bytes(32, 1), bytes(32, 2)];
    const kek = await alice.importKey({ type: 'AES', bits: 256, usage: ['unwrap'] }, kekRaw);
    const content = { unwrapTemplate: { bits: 128, usage: [] } } as const;
    const next = await alice.importKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], ...content }, nextRaw);
    const blob = nodeWrap('AES-KW', kekRaw, bytes(16));
    const cek = await alice.unwrapKey(kek, blob, { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' }, KW);
    const rewrap = () => alice.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', to: next, as: 'AES-KW' });
    expect(await code(() => alice.wrapKey(next, cek, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(rewrap)).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(() => admin.setAttributes(next, { trusted: true }))).toBe('KEYCELL_PERMISSION_DENIED');
    await admin.setAttributes(next, { trusted: true, acceptImported: true });
    expect(Buffer.compare(nodeUnwrap('AES-KW', nextRaw, await alice.wrapKey(next, cek, KW)), bytes(16))).toBe(0);
    expect(Buffer.compare(nodeUnwrap('AES-KW', nextRaw, (await rewrap())[0]!), bytes(16))).toBe(0);
    await admin.setAttributes(next, { trusted: false });
    expect(await code(() => alice.wrapKey(next, cek, KW))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await code(rewrap)).toBe('KEYCELL_PERMISSION_DENIED');
  });

  test('is not given to a key that hands its owner what is wrapped to it', async () => {
    const aes = { type: 'AES', bits: 256 } as const;
    for (const template of [
      { ...aes, usage: ['wrap', 'decrypt'], dualUse: true },
      { ...aes, usage: ['wrap', 'unwrap'], unwrapTemplate: { extractable: 'plaintext' } },
      { ...aes, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' },
      // They could take the key itself out, at once or under one that they know.
      { ...aes, usage: ['wrap'], extractable: 'plaintext' },
      { ...aes, usage: ['wrap'], extractable: 'wrapped' },
      { type: 'EC', curve: 'P-256', usage: ['sign'], extractable: 'plaintext' },
      // They could agree on the content key of a JWE, and decrypt it.
      { type: 'EC', curve: 'P-256', usage: ['derive'] },
    ] as const) {
      const key = await mallory.generateKey(template);
      expect((await refusal(() => admin.setAttributes(key, { trusted: true }))).code).toBe('KEYCELL_PERMISSION_DENIED');
    }
    const partner = await mallory.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false });
    const trusted = await mallory.importKey(
      { type: 'EC', curve: 'P-256', class: 'public', usage: ['derive'] },
      partner.jwk,
    );
    expect((await admin.setAttributes(trusted, { trusted: true })).trusted).toBe(true);
    // Not even under trusted keys alone: what comes back from there is for that key's template to say.
    const kept = { ...aes, usage: ['wrap', 'unwrap'], extractable: 'wrapped', wrapWithTrusted: true } as const;
    const backedUp = await mallory.generateKey(kept);
    expect(await code(() => admin.setAttributes(backedUp, { trusted: true }))).toBe('KEYCELL_PERMISSION_DENIED');
  });
});

test('a mark is for the key that the officer looked at, not for another of its id', async () => {
  const aes = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], id: 'c'.repeat(32) } as const;
  const seen = await alice.generateKey(aes);
  await alice.destroyKey(seen);
  await alice.generateKey({ ...aes, unwrapTemplate: { usage: [] } });
  expect(await code(() => admin.setAttributes(seen, { trusted: true }))).toBe('KEYCELL_KEY_CONFLICT');
  const now = await admin.getKey({ id: aes.id });
  for (const createdAt of [
    undefined,
    null,
    now.createdAt.getTime(),
    now.createdAt.toJSON(),
    {},
    new Date(Number.NaN),
  ]) {
    const made = { ...now, createdAt } as never;
    expect(await code(() => admin.setAttributes(made, { trusted: true }))).toBe('KEYCELL_KEY_CONFLICT');
  }
  const point = await alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'] });
  for (const publicKey of [undefined, null, 5, 'text', {}, new ArrayBuffer(91)]) {
    const made = { ...point, publicKey } as never;
    expect(await code(() => admin.setAttributes(made, { trusted: true }))).toBe('KEYCELL_KEY_CONFLICT');
  }
  expect((await admin.setAttributes(now, { trusted: true })).trusted).toBe(true);
});
