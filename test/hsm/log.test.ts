/** The log as evidence: complete, found out when it was altered, and a condition of serving. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openHsm, verifyAuditLog } from '../../dist/index.js';
import { formatLine } from '../../src/audit/line.ts';
import { type AuditHead, chainHash, EMPTY_HEAD } from '../../src/audit/log.ts';
import { runNode } from '../support/child.ts';
import { needs } from '../support/tools.ts';
import {
  bytes,
  CIPHER,
  codeOf,
  errorOf,
  login,
  make,
  OFFICER,
  open,
  PASSPHRASE,
  SIGNING,
  WRAPPING,
} from './support/hsm.ts';

const unseal = () => bytes(PASSPHRASE);

interface Use {
  readonly session: string;
  readonly user: string;
  readonly op: string;
  readonly keys?: readonly string[];
  readonly made?: readonly string[];
  readonly to?: string;
  readonly done: number;
  readonly refused?: Record<string, number>;
}
interface Body {
  readonly at: number;
  readonly by: string;
  readonly n: number;
  readonly event?: string;
  readonly uses?: readonly Use[];
  readonly [member: string]: unknown;
}

const logOf = (path: string): string => join(path, 'audit.log');
const bodiesOf = (path: string): Body[] =>
  readFileSync(logOf(path), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).body);

describe('what it holds', () => {
  test('every kind of operation, with session, user, key, counts and recipient; counters without gaps', async () => {
    const { hsm, path, admin, alice } = await make({ workers: 2 });
    const derived = { deriveTemplate: { type: 'GENERIC' } } as const;
    const signer = await alice.generateKey({ ...SIGNING, usage: ['sign', 'verify', 'derive'], ...derived });
    const aes = await alice.importKey({ ...CIPHER, extractable: 'plaintext' }, new Uint8Array(32).fill(3));
    const kek = await alice.generateKey(WRAPPING);
    const signature = await alice.sign(signer, bytes('m'));
    await alice.signMany(
      signer,
      Array.from({ length: 99 }, (_, i) => bytes(`${i}`)),
    );
    await alice.verify(signer, signature, bytes('m'));
    await alice.decrypt(aes, await alice.encrypt(aes, bytes('x')));
    await alice.generateDataKey(aes, { bytes: 16 });
    const blob = await alice.wrapKey(kek, aes, { mechanism: 'AES-KW' });
    const unwrapped = await alice.unwrapKey(
      kek,
      blob,
      { type: 'AES', bits: 256, usage: ['encrypt'] },
      { mechanism: 'AES-KW' },
    );
    const { kid, ...jwk } = signer.jwk;
    await alice.rewrapKeys([blob, blob], { from: kek, mechanism: 'AES-KW', to: { jwk }, as: 'JWE' });
    await alice.deriveKey(
      signer,
      { mechanism: 'ECDH', publicKey: jwk, kdf: { name: 'none' } },
      { type: 'GENERIC', bits: 256, usage: ['derive'] },
    );
    await alice.exportKey(aes);
    await alice.setAttributes(aes, { label: 'renamed' });
    await alice.destroyKey(aes);
    await alice.random(8);
    expect(await codeOf(alice.exportKey(signer))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await codeOf(alice.decrypt(kek, new Uint8Array(80)))).toBe('KEYCELL_PERMISSION_DENIED');
    expect(await codeOf(login(hsm, 'alice', 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
    expect(await codeOf(login(hsm, 'nobody', 'wrong'))).toBe('KEYCELL_LOGIN_FAILED');
    await alice.renew();
    await admin.setPassword('alice', 'new');
    await admin.removeUser('alice');
    await admin.close();
    const { logEntries } = await hsm.check();
    expect(hsm.stats().logEntries).toBe(logEntries);
    await hsm.seal();
    await hsm.unseal(PASSPHRASE);
    await hsm.close();

    const bodies = bodiesOf(path);
    const events = bodies.flatMap(({ event }) => event ?? []);
    for (const event of [
      'initialize',
      'login',
      'login-failed',
      'user-create',
      'user-remove',
      'password',
      'renew',
      'logout',
      'seal',
      'unseal',
    ]) {
      expect(events).toContain(event);
    }
    expect(events.filter((event) => event === 'login-failed')).toHaveLength(2);

    const uses = bodies.flatMap((body) => body.uses ?? []);
    for (const use of uses) expect([use.session, use.user]).toEqual([alice.id, alice.user.id]);
    const total = (op: string, key?: string) =>
      uses
        .filter((use) => use.op === op && (use.made ?? use.keys)?.[0] === key)
        .reduce((sum, use) => sum + use.done, 0);
    const id = (key: { readonly id: string }) => key.id;
    expect(total('sign', id(signer))).toBe(100);
    for (const [op, key] of [
      ['generateKey', signer],
      ['generateKey', kek],
      ['importKey', aes],
      ['verify', signer],
      ['encrypt', aes],
      ['decrypt', aes],
      ['generateDataKey', aes],
      ['wrapKey', kek],
      ['unwrapKey', unwrapped],
      ['rewrapKeys', kek],
      ['exportKey', aes],
      ['setAttributes', aes],
      ['destroyKey', aes],
    ] as const) {
      expect([op, total(op, id(key))]).toEqual([op, 1]);
    }
    expect(uses.filter(({ op }) => op === 'deriveKey')).toHaveLength(1);
    expect(total('random')).toBe(1);
    // Every key that a request used is named, not only its first: which key left, and under which.
    expect(uses.find(({ op }) => op === 'wrapKey')?.keys).toHaveLength(2);
    expect(uses.find(({ op }) => op === 'unwrapKey')?.keys).toEqual([id(kek)]);
    // The thumbprint of whom it went to.
    expect(uses.filter(({ op, to }) => op === 'rewrapKeys' && to === kid)).toHaveLength(1);
    expect(uses.find(({ op, refused }) => op === 'exportKey' && refused !== undefined)?.refused).toEqual({
      KEYCELL_PERMISSION_DENIED: 1,
    });

    const seen = new Map<string, number>();
    for (const { by, n } of bodies) {
      expect([by, n]).toEqual([by, (seen.get(by) ?? 0) + 1]);
      seen.set(by, n);
    }
    expect([...seen.keys()].filter((by) => by.startsWith('cell-')).length).toBeGreaterThanOrEqual(1);
    // No secret, no message, no password.
    const text = readFileSync(logOf(path), 'utf8');
    for (const word of [PASSPHRASE, OFFICER, '0303030303030303', 'AwMDAwMD']) expect(text).not.toContain(word);
    expect(await verifyAuditLog(logOf(path))).toMatchObject({ ok: true, entries: bodies.length });
  });

  test('check is right while work goes on', async () => {
    const { hsm, alice } = await make();
    const key = await alice.generateKey(SIGNING);
    let stop = false;
    const load = Array.from({ length: 40 }, async (_, i) => {
      while (!stop) {
        await alice.sign(key, bytes(`${i}`));
        if (i < 4) await alice.destroyKey(await alice.generateKey(CIPHER));
      }
    });
    for (let i = 0; i < 15; i++) await hsm.check();
    stop = true;
    await Promise.all(load);
    expect((await hsm.check()).logEntries).toBe(hsm.stats().logEntries);
  });
});

/** A closed HSM with a log of some length. */
async function closed(): Promise<{ path: string; lines: string[] }> {
  const { path, hsm, alice } = await make();
  for (let i = 0; i < 5; i++) await alice.random(8);
  await hsm.close();
  return { path, lines: readFileSync(logOf(path), 'utf8').trimEnd().split('\n') };
}

describe('what was altered', () => {
  test('a flipped byte, wherever it is: found at opening, by line', async () => {
    const { path, lines } = await closed();
    const sound = readFileSync(logOf(path));
    const line = 4;
    const start = lines.slice(0, line - 1).join('\n').length + 1;
    for (const at of [0, 8, 40, 95, 120, lines[line - 1]!.length - 1]) {
      const damaged = Buffer.from(sound);
      damaged[start + at]! ^= 1;
      writeFileSync(logOf(path), damaged);
      const error = await errorOf(openHsm({ path, workers: 1, unseal }));
      expect(error.code).toBe('KEYCELL_AUDIT_CORRUPT');
      expect(error.message).toContain(`line ${line}`);
      // The evidence is left as it was.
      expect(readFileSync(logOf(path))).toEqual(damaged);
    }
    writeFileSync(logOf(path), sound);
    expect((await open({ path, unseal })).state).toBe('ready');
  });

  test('a flipped byte under a running HSM: found by check', async () => {
    const { path, hsm } = await make();
    const sound = readFileSync(logOf(path));
    const damaged = Buffer.from(sound);
    damaged[sound.indexOf('\n') + 100]! ^= 1;
    writeFileSync(logOf(path), damaged);
    const error = await errorOf(hsm.check());
    expect([error.code, error.message.includes('line 2')]).toEqual(['KEYCELL_AUDIT_CORRUPT', true]);
    writeFileSync(logOf(path), sound);
    await hsm.check();
  });

  test('lines cut from the end, the file emptied, or gone: the control state remembers', async () => {
    const { path, lines } = await closed();
    const sound = readFileSync(logOf(path));
    // The last entry is the seal itself: it comes behind the last control record.
    for (const keep of [lines.length - 2, 3, 0]) {
      truncateSync(logOf(path), keep === 0 ? 0 : lines.slice(0, keep).join('\n').length + 1);
      const error = await errorOf(openHsm({ path, workers: 1, unseal }));
      expect(error.code).toBe('KEYCELL_AUDIT_CORRUPT');
      expect(error.message).toContain(`line ${keep + 1}`);
      writeFileSync(logOf(path), sound);
    }
    execFileSync('rm', [logOf(path)]);
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_AUDIT_MISSING');
  });

  test('an entry taken out or altered, and the chain computed anew: the remembered head is another', async () => {
    const { path, lines } = await closed();
    const bodies = lines.map((line) => line.slice(line.indexOf('"body":') + 7, -1));
    const without = bodies.filter((_, i) => i !== 3);
    writeFileSync(logOf(path), rechain([...without, bodies.at(-1)!]));
    expect((await errorOf(openHsm({ path, workers: 1, unseal }))).code).toBe('KEYCELL_AUDIT_CORRUPT');
  });

  test('forged behind the remembered head, with a right chain: found by check through its MAC', async () => {
    const { path, lines } = await closed();
    const bodies = lines.map((line) => line.slice(line.indexOf('"body":') + 7, -1));
    const forged = bodies.find((body) => body.includes('"op":"random"'))!.replace('"done":', '"done":1');
    expect(bodies).not.toContain(forged);
    writeFileSync(logOf(path), rechain([...bodies, forged]));
    // The chain is whole, and no passphrase is in it: opening cannot tell, the HSM can.
    expect(await verifyAuditLog(logOf(path))).toMatchObject({ ok: true });
    const hsm = await open({ path, unseal });
    const error = await errorOf(hsm.check());
    expect(error.code).toBe('KEYCELL_AUDIT_CORRUPT');
    expect(error.message).toContain('1 entries were not made by this HSM');
  });
});

function rechain(bodies: readonly string[]): string {
  let head: AuditHead = EMPTY_HEAD;
  let text = '';
  for (const body of bodies) {
    const seq = head.seq + 1;
    head = { seq, hash: chainHash(head.hash, seq, body) };
    text += formatLine(head, body);
  }
  return text;
}

describe('what cannot be written', () => {
  test(
    'a full disk: nothing is served, nothing is lost, and it goes on when there is room',
    needs('prlimit'),
    async () => {
      const { path, hsm } = await make();
      await hsm.close();
      const { stdout } = await runNode('hsm/support/log-full.mjs', path);
      const said = JSON.parse(stdout);
      expect(said.failed).toBe('KEYCELL_AUDIT_UNAVAILABLE');
      expect(said.events).toEqual(['KEYCELL_AUDIT_UNAVAILABLE', 'available, 0 waiting']);
      expect(said.backlog).toBeGreaterThan(0);
      expect(new Set(said.during)).toEqual(new Set(['KEYCELL_AUDIT_UNAVAILABLE']));
      // The warden posts no lease meanwhile: the cells themselves would refuse. The child ends when it serves again.
      expect(said.leases).toBe(0);
      expect(said.check.logEntries).toBe(said.logEntries);
      const back = await open({ path, unseal });
      await back.check();
      expect(statSync(logOf(path)).size).toBeGreaterThan(said.limit);
      const seen = new Map<string, number>();
      for (const { by, n } of bodiesOf(path)) {
        expect([by, n]).toEqual([by, (seen.get(by) ?? 0) + 1]);
        seen.set(by, n);
      }
    },
  );
});
