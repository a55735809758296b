/** Log or store deleted, renamed, replaced, cut or overwritten while the HSM has them open; and the way back from a lost log. */
import { once } from 'node:events';
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Hsm, HsmError } from '../../dist/index.js';
import { temporaryFolder } from '../support/child.ts';
import { bytes, codeOf, errorOf, type Made, make, open, PASSPHRASE } from './support/hsm.ts';

const unseal = () => bytes(PASSPHRASE);
const AES = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] } as const;
const logOf = (path: string) => join(path, 'audit.log');
const storeOf = (path: string) => join(path, 'keycell.mdb');

const told = async (hsm: Hsm, event: 'audit-unavailable' | 'store-unavailable'): Promise<HsmError> => {
  const [{ error }] = (await once(hsm as never, event)) as [{ error: HsmError }];
  return error;
};

/** An HSM, an older copy of the named file aside, and some entries and keys that the copy lacks. */
async function withOlder(fileOf: (path: string) => string): Promise<Made & { readonly older: string }> {
  const made = await make();
  const older = join(temporaryFolder(), 'older');
  copyFileSync(fileOf(made.path), older);
  await made.alice.generateKey({ ...AES, label: 'newer' });
  await made.alice.random(8);
  return { ...made, older };
}

type Deed = (file: string, older: string) => void;

const DEEDS: readonly (readonly [string, Deed, 'MISSING' | 'CORRUPT'])[] = [
  ['deleted', (file) => rmSync(file), 'MISSING'],
  ['renamed', (file) => renameSync(file, `${file}.1`), 'MISSING'],
  ['replaced by an older copy', (file, older) => renameSync(older, file), 'CORRUPT'],
  ['overwritten by an older copy', (file, older) => writeFileSync(file, readFileSync(older)), 'CORRUPT'],
  ['cut to nothing', (file) => truncateSync(file, 0), 'CORRUPT'],
];

/** Once the deed is noticed, every call is refused with the code, the last one too. Returns the folder. */
async function noticedAs(code: string, fileOf: typeof logOf, deed: Deed): Promise<string> {
  const { path, hsm, alice, older } = await withOlder(fileOf);
  const noticed = told(hsm, fileOf === logOf ? 'audit-unavailable' : 'store-unavailable');
  deed(fileOf(path), older);
  expect((await noticed).code).toBe(code);
  const calls = [alice.random(8), alice.generateKey(AES), hsm.check()];
  expect(await Promise.all(calls.map(codeOf))).toEqual([code, code, code]);
  expect(await codeOf(hsm.close())).toBe(code);
  return path;
}

describe('a log', () => {
  test.each([
    ...DEEDS,
    [
      'cut by its last line',
      (file: string) => {
        const text = readFileSync(file, 'utf8');
        truncateSync(file, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1)));
      },
      'CORRUPT',
    ],
  ] as typeof DEEDS)(
    '%s: noticed, nothing is served, the next opening knows, and goes on once it is given up',
    async (_, deed, how) => {
      const code = `KEYCELL_AUDIT_${how}`;
      const path = await noticedAs(code, logOf, deed);

      const refused = await errorOf(open({ path, unseal }));
      expect(refused).toMatchObject({ code, retryable: false, lossId: expect.stringMatching(/^\d+-[0-9a-f]{64}$/) });
      const { lossId } = refused as { lossId: string };
      const another = `${lossId.slice(0, -1)}${lossId.endsWith('0') ? '1' : '0'}`;
      expect(await codeOf(open({ path, unseal, acceptLogLoss: another }))).toBe(code);
      const before = readdirSync(path).sort();
      const wrong = open({ path, acceptLogLoss: lossId, unseal: () => bytes('wrong') });
      expect(await codeOf(wrong)).toBe('KEYCELL_PASSPHRASE_WRONG');
      expect(readdirSync(path).sort()).toEqual(before);

      const again = await open({ path, unseal, acceptLogLoss: lossId });
      expect(again.state).toBe('ready');
      await again.check();
      await again.close();
      const [first] = readFileSync(logOf(path), 'utf8').split('\n');
      const [entries, head] = lossId.split('-');
      expect(JSON.parse(first!)).toMatchObject({
        seq: 1,
        body: { event: 'log-given-up', entries: Number(entries), head },
      });
      if (how === 'CORRUPT') expect(readdirSync(path)).toContain(`audit.log.lost-${entries}`);
      // Good once: there is nothing more to accept, and another loss has another name.
      await (await open({ path, unseal, acceptLogLoss: lossId })).close();
      rmSync(logOf(path));
      expect(await errorOf(open({ path, unseal, acceptLogLoss: lossId }))).toMatchObject({
        code: 'KEYCELL_AUDIT_MISSING',
        lossId: expect.not.stringMatching(lossId),
      });
    },
  );

  test('cut and written to again before anybody looked', async () => {
    const { path, hsm, alice } = await make();
    const noticed = told(hsm, 'audit-unavailable');
    truncateSync(logOf(path), 100);
    await alice.random(8);
    expect((await noticed).code).toBe('KEYCELL_AUDIT_CORRUPT');
  });

  test('deleted: no change is acknowledged, whenever it comes', async () => {
    const { path, alice } = await make();
    rmSync(logOf(path));
    expect(await codeOf(alice.generateKey(AES))).toBe('KEYCELL_AUDIT_MISSING');
  });

  test('moved away and back: served again, and whole', async () => {
    const { path, hsm, alice } = await make();
    const noticed = told(hsm, 'audit-unavailable');
    renameSync(logOf(path), `${logOf(path)}.1`);
    await noticed;
    const back = once(hsm as never, 'audit-available');
    renameSync(`${logOf(path)}.1`, logOf(path));
    await back;
    await alice.generateKey(AES);
    await hsm.check();
    await hsm.close();
    expect((await open({ path, unseal })).state).toBe('ready');
  });

  test('with an acceptance that nobody unseals, everything stays as it was', async () => {
    const { path, hsm } = await make();
    await hsm.close();
    truncateSync(logOf(path), 10);
    const before = readdirSync(path).sort();
    const { lossId } = (await errorOf(open({ path, unseal }))) as { lossId: string };
    await (await open({ path, acceptLogLoss: lossId })).close();
    expect(readdirSync(path).sort()).toEqual(before);
    expect((await errorOf(open({ path, unseal }))).lossId).toBe(lossId);
  });

  test.each(['', 'x', '5', 5, null, `5-${'F'.repeat(64)}`])('acceptLogLoss: %j is refused', async (acceptLogLoss) => {
    const opening = open({ path: temporaryFolder(), acceptLogLoss: acceptLogLoss as never });
    expect(await codeOf(opening)).toBe('KEYCELL_INPUT_INVALID');
  });
});

describe('a store', () => {
  test.each(DEEDS)('%s: noticed, and nothing is served', async (_, deed, how) => {
    await noticedAs(`KEYCELL_STORE_${how}`, storeOf, deed);
  });

  test.each(DEEDS)('%s: no change is acknowledged, whenever it comes', async (_, deed, how) => {
    const { path, hsm, alice, older } = await withOlder(storeOf);
    const key = await alice.ensureKey({ ...AES, label: 'newer' });
    deed(storeOf(path), older);
    expect(await errorOf(alice.destroyKey(key))).toMatchObject({
      code: `KEYCELL_STORE_${how}`,
      outcome: 'not-executed',
    });
    await hsm.close().catch(() => {});
  });

  test('moved away and back: served again, and whole', async () => {
    const { path, hsm, alice } = await make();
    const noticed = told(hsm, 'store-unavailable');
    renameSync(path, `${path}.1`);
    await noticed;
    const back = once(hsm as never, 'store-available');
    renameSync(`${path}.1`, path);
    await back;
    if (hsm.stats().logBacklog > 0) await once(hsm as never, 'audit-available');
    await alice.generateKey(AES).catch(async (error: HsmError) => {
      // The log was away as well, and is looked for by itself.
      expect(error.code).toBe('KEYCELL_AUDIT_MISSING');
      await once(hsm as never, 'audit-available');
      await alice.generateKey(AES);
    });
    await hsm.check();
  });

  test('gone with its folder', async () => {
    const { path, hsm, alice } = await make();
    const noticed = told(hsm, 'store-unavailable');
    rmSync(path, { recursive: true });
    expect((await noticed).code).toBe('KEYCELL_STORE_MISSING');
    expect(await codeOf(alice.generateKey(AES))).toMatch(/^KEYCELL_(STORE|AUDIT)_MISSING$/);
    expect(await codeOf(hsm.close())).toMatch(/^KEYCELL_(STORE|AUDIT)_MISSING$/);
  });
});
