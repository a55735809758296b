/** Handles and the templates that ask for them: what a caller may do with either. */
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { openEphemeralHsm } from '../../dist/index.js';
import type { Key } from '../../src/model/key.ts';
import { bytes, code } from './support.ts';

const { hsm, session } = await openEphemeralHsm({ workers: 1 });
afterAll(() => hsm.close());

const MEMBERS = [
  ...['type', 'id', 'version', 'class', 'label', 'owner', 'extractable', 'neverExtractable', 'local'],
  ...['origin', 'trusted'],
  ...['wrapWithTrusted', 'destroyable', 'persistent', 'notBefore', 'notAfter', 'createdAt', 'usage', 'bits'],
  ...['checkValue', 'callerIv', 'rewrapPolicy', 'issuer', 'unwrapTemplate'],
];
const AES = { type: 'AES', bits: 256, usage: ['decrypt', 'encrypt'] } as const;

describe.each([true, false])('a handle, persistent: %s', (persistent) => {
  test('is a plain frozen object: its members are all there is to see', async () => {
    const key = await session.generateKey({ ...AES, persistent });
    expect(Object.keys(key)).toEqual(MEMBERS);
    expect(Reflect.ownKeys(key)).toEqual(MEMBERS);
    expect(Object.getPrototypeOf(key)).toBe(Object.prototype);
    expect(Object.isFrozen(key) && Object.isFrozen(key.usage)).toBe(true);
    expect(key).toMatchObject({ usage: ['encrypt', 'decrypt'], persistent, owner: session.user.id, version: 1 });
    expect(Math.abs(key.createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(JSON.parse(JSON.stringify(key))).toMatchObject({ id: key.id, checkValue: key.checkValue });
    expect(inspect(key)).toMatch(/^\{\n {2}type: 'AES',/);
    expect({ ...key }).toEqual(key);
    expect(structuredClone(key)).toEqual(key);
  });

  test('two keys differ, and the same check value is the same key material', async () => {
    const secret = bytes(32);
    const [one, two] = [
      await session.importKey({ ...AES, persistent }, secret),
      await session.importKey({ ...AES, persistent }, secret),
    ];
    expect(one).not.toEqual(two);
    expect(one.checkValue).toBe(two.checkValue);
  });
});

test('what only looks like the handle of a session key names nothing', async () => {
  const key = await session.generateKey({ ...AES, persistent: false });
  const forged: unknown[] = [{ ...key }, structuredClone(key), Object.create(key), new Proxy(key, {})];
  for (const each of forged)
    expect(await code(() => session.encrypt(each as Key as never, bytes(1)))).toBe('KEYCELL_KEY_NOT_FOUND');
  expect(await session.encrypt(key, bytes(1))).toBeInstanceOf(Uint8Array);
  const other = await openEphemeralHsm({ workers: 1 });
  expect(await code(() => other.session.encrypt(key, bytes(1)))).toBe('KEYCELL_KEY_NOT_FOUND');
  await other.hsm.close();
});

describe('templates', () => {
  test('each call asks for what its template says then', async () => {
    const template: { type: 'AES'; bits: 128 | 256; usage: ('encrypt' | 'decrypt' | 'wrap')[]; persistent: boolean } = {
      type: 'AES',
      bits: 128,
      usage: ['encrypt'],
      persistent: false,
    };
    const first = session.generateKey(template);
    template.bits = 256;
    const second = session.generateKey(template);
    template.usage.push('decrypt');
    const third = session.generateKey(template);
    template.usage[0] = 'wrap';
    template.usage.length = 1;
    const fourth = session.generateKey({ ...template });
    const fifth = session.generateKey({ ...template, extractable: 'wrapped', notAfter: new Date(4102444800000) });
    const keys = await Promise.all([first, second, third, fourth, fifth]);
    expect(keys.map(({ bits, usage }) => [bits, ...usage])).toEqual([
      [128, 'encrypt'],
      [256, 'encrypt'],
      [256, 'encrypt', 'decrypt'],
      [256, 'wrap'],
      [256, 'wrap'],
    ]);
    expect(keys.map(({ extractable }) => extractable)).toEqual([false, false, false, false, 'wrapped']);
    expect(keys[4]!.notAfter).toEqual(new Date(4102444800000));
  });

  test('a date that is moved between two calls', async () => {
    const notAfter = new Date(4102444800000);
    const template = { ...AES, persistent: false, notAfter };
    const before = await session.generateKey(template);
    notAfter.setTime(4102444800001);
    const after = await session.generateKey(template);
    expect([before, after].map((key) => key.notAfter!.getTime())).toEqual([4102444800000, 4102444800001]);
  });

  test('a template that says something else each time it is asked is taken at its first word', async () => {
    let asked = 0;
    const moody = {
      ...AES,
      persistent: false,
      get bits() {
        return asked++ % 2 === 0 ? 128 : 256;
      },
    } as unknown as typeof AES;
    const made = [await session.generateKey(moody), await session.generateKey({ ...AES, persistent: false })];
    expect(made[1]!.bits).toBe(256);
    expect(asked).toBeGreaterThan(0);
  });

  test('what an import wipes is its own', async () => {
    const template = { type: 'HMAC', bits: 256, usage: ['sign'], persistent: false } as const;
    for (let i = 0; i < 3; i++)
      expect(await session.importKey(template, bytes(32))).toMatchObject({ bits: 256, usage: ['sign'] });
    expect(await session.generateKey(template)).toMatchObject({ bits: 256, usage: ['sign'] });
  });

  test.each([null, undefined, 5, 'AES', [], { type: 'AES' }, { ...AES, usage: 'encrypt' }, { ...AES, label: 5 }])(
    '%j is none',
    async (bad) => {
      await session.generateKey({ ...AES, persistent: false });
      expect(await code(() => session.generateKey(bad as never))).toBe('KEYCELL_INPUT_INVALID');
    },
  );
});
