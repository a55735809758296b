/** The code of cell and warden in this process, over a core of its own: frozen formats, leases, and what a batch leaves behind. */
import { createCipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Arena } from '../../dist/cell/arena.js';
import { Authority } from '../../dist/cell/authority.js';
import { BatchServer } from '../../dist/cell/batch.js';
import { chooseBuild } from '../../dist/cell/builds.js';
import { type Core, openCore } from '../../dist/cell/core.js';
import { Random } from '../../dist/cell/random.js';
import { Records } from '../../dist/cell/records.js';
import { selfTest } from '../../dist/cell/selftest.js';
import { Vault } from '../../dist/cell/vault.js';
import { WardenClock } from '../../dist/cell/warden/clock.js';
import { Control } from '../../dist/cell/warden/control.js';
import { EntryCount } from '../../dist/cell/warden/count.js';
import { Custody } from '../../dist/cell/warden/custody.js';
import { Passwords } from '../../dist/cell/warden/passwords.js';
import { Sessions } from '../../dist/cell/warden/sessions.js';
import { Users } from '../../dist/cell/warden/users.js';
import { codeOf as codeOfStatus } from '../../dist/errors.js';
import { HashingThreads } from '../../dist/pool/hashing-threads.js';
import { decodeAttributes, encodeAttributes } from '../../dist/wire/attributes.js';
import { type CellRequest, FLAG, readReply, writeBatch } from '../../dist/wire/batch.js';
import { BOARD_SIZE, Board } from '../../dist/wire/board.js';
import { monotonic } from '../../dist/wire/clock.js';
import { decodeLease, encodeLeaseBody, LEASE_LIFETIME_MS, LEASE_MAX_SIZE, type Lease } from '../../dist/wire/lease.js';
import { packList } from '../../dist/wire/list.js';
import { encodeTicketBody, type Ticket } from '../../dist/wire/ticket.js';
import type { KeyAttributes } from '../../src/model/attributes.ts';
import { CONTENT_KEY } from '../../src/model/pattern.ts';
import { cbcCipher, cbcHmacTag, nodeCbcHmac } from '../operations/support.ts';
import {
  checkValue,
  hmac,
  openRecord,
  purposeKey,
  sealEnvelope,
  sealKeyslot,
  sealRecord,
} from '../support/reference.ts';
import { sealSegment, streamHeader } from '../support/stream.ts';

const HASHER = new URL('../../dist/cell/warden/hasher.js', import.meta.url);
const dist = (name: string) => readFileSync(new URL(`../../dist/cell/${name}`, import.meta.url));
const golden: Record<string, string> = JSON.parse(
  readFileSync(new URL('../golden/formats.json', import.meta.url), 'utf8'),
);
const frozen = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(golden[name]!, 'hex'));
const run = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => (from + i) & 255);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const id = (from: number) => hex(run(from, 16));

const MASTER = run(0, 32);
const HSM = id(0x10);
const BOOT = id(0x30);
const ALICE = id(0x70);
const SESSION = id(0x60);

let core: Core;
let work: Arena;
let vault: Vault;
let random: Random;

beforeAll(() => {
  const build = chooseBuild(dist, process.env['KEYCELL_SIMD']);
  core = openCore(build.core, build.digest);
  work = new Arena(core.call.WORK.value, core.call.WORK_SIZE.value);
});

beforeEach(() => {
  selfTest(core, work);
  vault = new Vault(core, work);
  random = new Random(core, work, 'test');
  core.bytes.set(MASTER, vault.master);
  vault.unlock({ hsmId: HSM, epoch: 1, incarnation: 1, boot: BOOT });
});

const withMac = (purpose: string, body: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([body, hmac(purposeKey(MASTER, purpose, HSM, 1), body)]));
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return 'a result';
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${error}`;
  }
};

describe('the frozen formats are read by the code that serves', () => {
  test.each([
    ['key', 1, undefined],
    ['ecKey', 2, undefined],
    ['sessionKey', 3, SESSION],
  ] as const)('the record of a %s', (name, secret, session) => {
    const records = new Records(core, work, vault, random);
    const record = frozen(name);
    const at = core.call.WINDOW.value;
    const output = core.call.SLOTS.value;
    const attempt = (bytes: Uint8Array, with_ = session) => {
      core.bytes.set(bytes, at);
      core.bytes.fill(0, output, output + 512);
      return codeOf(() => records.open(at, bytes.length, output, with_));
    };
    expect(attempt(record)).toBe('a result');
    expect(core.bytes.slice(output, output + 32)).toEqual(run(secret, 32));
    if (session !== undefined) expect(attempt(record, id(0x62))).toBe('KEYCELL_RECORD_CORRUPT');
    for (let i = 0; i < record.length; i++) {
      const damaged = record.slice();
      damaged[i]! ^= 0x80;
      expect(attempt(damaged), `byte ${i}`).toBe('KEYCELL_RECORD_CORRUPT');
      expect(core.bytes.subarray(output, output + 64).every((byte) => byte === 0)).toBe(true);
    }
  });

  test('user and control state', () => {
    const records = new Records(core, work, vault, random);
    const passwords = new Passwords(core, work, new SharedArrayBuffer(64));
    expect(new Users(core, work, random, records, passwords).read(frozen('user'))).toMatchObject({
      id: ALICE,
      name: 'licences',
      role: 'crypto-user',
      epoch: 2,
    });
    const control = new Control(core, work, vault, records);
    expect(control.read(frozen('control'))).toMatchObject({ incarnation: 1, sequence: 7, records: 3, logSequence: 9 });
    const forged = frozen('control');
    forged[120]! ^= 1;
    expect(codeOf(() => control.read(forged))).toBe('KEYCELL_STORE_CORRUPT');
    expect(codeOf(() => control.read(frozen('key')))).toBe('KEYCELL_STORE_CORRUPT');
  });

  test('the key slot, and with it the master key', async () => {
    const secrets = new SharedArrayBuffer(64);
    const hand = (text: string) => {
      new Uint8Array(secrets).set(Buffer.from(text));
      return { offset: 0, length: text.length };
    };
    const passwords = new Passwords(core, work, secrets);
    const threads = new HashingThreads(1, HASHER, secrets, (port) => passwords.attach(port));
    onTestFinished(() => threads.end());
    threads.want(1);
    const custody = new Custody(core, work, vault, random, passwords);
    vault.lock();
    await expect(custody.openSlot(hand('wrong horse'), frozen('keyslot'))).rejects.toMatchObject({
      code: 'KEYCELL_PASSPHRASE_WRONG',
    });
    expect(core.bytes.slice(vault.master, vault.master + 32)).toEqual(new Uint8Array(32));
    const header = await custody.openSlot(hand('correct horse'), frozen('keyslot'));
    expect(header).toMatchObject({ hsmId: HSM, epoch: 1 });
    expect(core.bytes.slice(vault.master, vault.master + 32)).toEqual(MASTER);
    expect(new Uint8Array(secrets).every((byte) => byte === 0)).toBe(true);
    random.restart();
    vault.unlock({ hsmId: HSM, epoch: 1, incarnation: 1, boot: BOOT });
    // And what it writes is read by the reference: the same header, key and salt give the same slot.
    const slot = await custody.sealSlot(hand('correct horse'), HSM, 1, 14);
    const salt = slot.slice(28, 60);
    expect(hex(slot)).toBe(hex(sealKeyslot(MASTER, Buffer.from('correct horse'), HSM, 1, 14, salt)));
  });

  test('ticket and lease', () => {
    // The golden lease was issued at 86400000 of the monotonic clock.
    let now = 86400000;
    const authority = new Authority(core, vault, () => now);
    const at = core.call.WINDOW.value;
    const put = (bytes: Uint8Array) => {
      core.bytes.set(bytes, at);
      return bytes.length;
    };
    expect(authority.takeLease(at, put(frozen('lease')))).toBe(1795000001000);
    expect(authority.readTicket(at, put(frozen('ticket')))).toMatchObject({ user: ALICE, session: SESSION });
    const ticket = frozen('ticket');
    for (let i = 0; i < ticket.length; i++) {
      const forged = ticket.slice();
      forged[i]! ^= 1;
      expect(codeOf(() => authority.readTicket(at, put(forged)))).toBe('KEYCELL_SESSION_REVOKED');
    }
    // The next lease comes just before the ticket ends.
    now += 898000;
    const later = lease({ number: 13, time: 1795000899000, goodUntil: now + LEASE_LIFETIME_MS });
    expect(authority.takeLease(at, put(later))).toBe(1795000899000);
    expect(codeOf(() => authority.readTicket(at, put(ticket)))).toBe('a result');
    now += 1000;
    expect(authority.takeLease(at, put(later))).toBe(1795000900000);
    expect(codeOf(() => authority.readTicket(at, put(ticket)))).toBe('KEYCELL_SESSION_EXPIRED');
  });

  test('records, tickets and leases that it writes are the reference’s', () => {
    const sessions = new Sessions(core, work, vault, random);
    const lease = sessions.lease(7);
    const mac = hmac(purposeKey(MASTER, 'lease', HSM, 1), lease.subarray(0, -32));
    expect(hex(lease.subarray(-32))).toBe(hex(mac));
    const ticket = sessions.open(ALICE, 2, 'crypto-user');
    expect(hex(ticket.subarray(-32))).toBe(hex(hmac(purposeKey(MASTER, 'ticket', HSM, 1), ticket.subarray(0, 84))));
  });
});

const lease = (more: Partial<Lease> = {}): Uint8Array =>
  withMac(
    'lease',
    encodeLeaseBody({
      hsmId: HSM,
      incarnation: 1,
      boot: BOOT,
      number: 5,
      controlSequence: 1,
      time: Date.now(),
      goodUntil: monotonic() + LEASE_LIFETIME_MS,
      ticketEpoch: 1,
      users: [],
      sessions: [],
      ...more,
    }),
  );
const ticketOf = (more: Partial<Ticket> = {}): Uint8Array =>
  withMac(
    'ticket',
    encodeTicketBody({
      role: 'crypto-user',
      hsmId: HSM,
      incarnation: 1,
      session: SESSION,
      user: ALICE,
      userEpoch: 2,
      ticketEpoch: 1,
      expiresAt: Date.now() + 60_000,
      loggedInAt: Date.now(),
      ...more,
    }),
  );

const ATTRIBUTES: KeyAttributes = {
  type: 'AES',
  class: 'secret',
  curve: null,
  bits: 256,
  extractable: 'plaintext',
  rewrap: 'trusted',
  usage: ['encrypt', 'decrypt'],
  neverExtractable: false,
  origin: 'imported',
  trusted: false,
  wrapWithTrusted: false,
  destroyable: true,
  dualUse: false,
  callerIv: false,
  persistent: true,
  notBefore: 0,
  notAfter: 0,
  maxUses: 0,
  createdAt: 1,
  checkValue: run(0, 3),
  version: 1,
  point: null,
  label: null,
  unwrapTemplate: null,
  deriveTemplate: null,
  issuer: null,
};
const SECRET = run(0x40, 32);
const record = (keyId: string, attributes: Partial<KeyAttributes> = {}, secret = SECRET) => ({
  id: keyId,
  record: new Uint8Array(
    sealRecord(MASTER, {
      hsmId: HSM,
      epoch: 1,
      revision: 1,
      owner: ALICE,
      fresh: run(9, 32),
      kind: 1,
      id: keyId,
      attributes: encodeAttributes({ ...ATTRIBUTES, ...attributes }),
      secret,
    }),
  ),
});
const AES = record(id(1));
const AES128 = record(id(4), { bits: 128 }, SECRET.subarray(0, 16));
const KEK = record(id(2), { usage: ['wrap', 'unwrap'], unwrapTemplate: CONTENT_KEY });
const CBC_HMAC = record(id(5), { type: 'AES-CBC-HMAC', checkValue: new Uint8Array(0) });
const EC = record(id(3), {
  type: 'EC',
  class: 'private',
  curve: 'P-256',
  usage: ['sign', 'verify', 'derive'],
  checkValue: new Uint8Array(0),
  point: new Uint8Array(65).fill(4, 0, 1),
});

/** A stream under AES that SESSION may write. */
const STREAM = { keyId: AES.id, keyVersion: 1, salt: run(0x33, 32) };
const STREAM_HEADER = streamHeader(STREAM);
const EMPTY_HASH = new Uint8Array(createHash('sha256').digest());
const grantOf = (session: string) =>
  hmac(purposeKey(MASTER, 'stream', HSM, 1), Buffer.from(session, 'hex'), STREAM_HEADER);
const segmentOf = (plaintext: Uint8Array): Partial<CellRequest> => ({
  flags: FLAG.last,
  keys: [AES],
  parts: [plaintext, STREAM_HEADER, grantOf(SESSION), run(0, 32), new Uint8Array(4)],
});

const request = (op: CellRequest['op'], more: Partial<CellRequest> = {}): CellRequest => ({
  op,
  mechanism: 'none',
  flags: 0,
  ticket,
  keys: [],
  parts: [],
  ...more,
});
let ticket: Uint8Array;
let server: BatchServer;
beforeEach(() => {
  ticket = ticketOf();
  server = new BatchServer(core, vault, random, work, 'cell-test');
});

/** One batch as the cell's thread does it: `during` sees the reply before the wipe. */
function serve(requests: readonly CellRequest[], with_: Uint8Array = lease()) {
  const place = new Uint8Array(1 << 20);
  const length = writeBatch(place, with_, requests);
  const window = core.call.WINDOW.value;
  try {
    core.bytes.set(place.subarray(0, length), window);
    place.fill(0);
    place.set(server.serve(length));
  } finally {
    server.wipe(length);
  }
  const { results, audit } = readReply(place, requests);
  return { codes: results.map(({ status }) => (status === 0 ? 'done' : codeOfStatus(status))), results, audit };
}

test('the frozen stream is opened, and made again from its header and grant', () => {
  const key = record(id(0x20), {}, run(1, 32));
  const stream = frozen('stream');
  const [header, segment] = [stream.slice(0, 60), stream.slice(60)];
  const aad = createHash('sha256').update('aad').digest();
  const first = new Uint8Array(4);
  const plaintext = new TextEncoder().encode('plaintext');
  const write = (grant: Uint8Array, changes: Partial<CellRequest> = {}) =>
    request('encryptSegment', {
      flags: FLAG.last,
      keys: [key],
      parts: [plaintext, header, grant, aad, first],
      ...changes,
    });
  const grant = frozen('streamGrant');
  const { codes, results } = serve([
    request('decryptSegment', { flags: FLAG.last, keys: [key], parts: [segment, header, aad, first] }),
    write(grant),
    write(grant, { ticket: ticketOf({ session: id(0x61) }) }),
    write(frozen('streamOfTwo')),
  ]);
  expect(codes).toEqual(['done', 'done', 'KEYCELL_PERMISSION_DENIED', 'KEYCELL_PERMISSION_DENIED']);
  expect(results[0]!.parts[0]).toEqual(plaintext);
  const again = results[1]!.parts[0]!;
  const made = { keyId: key.id, keyVersion: 1, salt: run(0xb0, 32), aad: Buffer.from('aad') };
  expect(Buffer.from(again)).toEqual(sealSegment(run(1, 32), made, 0, true, plaintext, again.subarray(0, 12)));
  expect(again.subarray(0, 12)).not.toEqual(segment.subarray(0, 12));
  const wrapping = record(id(4), { usage: ['unwrap'], unwrapTemplate: CONTENT_KEY, rewrap: 'any' }, run(1, 32));
  const template = encodeAttributes({ ...ATTRIBUTES, bits: 128, extractable: 'wrapped', usage: [] });
  const blob = request('unwrapKey', {
    mechanism: 'AES-GCM',
    keys: [wrapping],
    parts: [new Uint8Array(0), template, frozen('gcmWrapped'), new TextEncoder().encode('aad')],
  });
  expect(serve([blob]).codes).toEqual(['done']);
});

describe('leases', () => {
  const codes = (with_: Uint8Array) =>
    serve([request('random', { parts: [new Uint8Array([0, 0, 0, 8])] })], with_).codes;

  test('a fresh one serves, the same one again, and a later one', () => {
    const first = lease();
    expect(codes(first)).toEqual(['done']);
    expect(codes(first)).toEqual(['done']);
    expect(codes(lease({ number: 6 }))).toEqual(['done']);
    expect(codes(lease({ number: 6, controlSequence: 2 }))).toEqual(['done']);
  });

  test('stale, early, older, forged, cut, foreign: refused, and no entry is made', () => {
    expect(codes(lease())).toEqual(['done']);
    const forged = lease({ number: 9 });
    forged[80]! ^= 1;
    const goodUntil = (ms: number) => ({ goodUntil: monotonic() + LEASE_LIFETIME_MS + ms });
    const bad: Record<string, Uint8Array> = {
      stale: lease({ number: 6, ...goodUntil(-5100) }),
      early: lease({ number: 6, ...goodUntil(6000) }),
      older: lease({ number: 4 }),
      'of an older time': lease({ number: 6, time: Date.now() - 60_000 }),
      forged,
      cut: lease({ number: 9 }).slice(0, -1),
      empty: new Uint8Array(0),
      'of another HSM': lease({ number: 9, hsmId: id(0x11) }),
      'of another incarnation': lease({ number: 9, incarnation: 2 }),
      'of another boot': lease({ number: 9, boot: id(0x31) }),
    };
    for (const [name, each] of Object.entries(bad)) {
      expect([name, codes(each)]).toEqual([name, ['KEYCELL_LEASE_EXPIRED']]);
      expect(server.entered).toBe(false);
    }
    // One that was good grows stale in the cell's hands, by the clock that it shares with the warden.
    let now = monotonic();
    const authority = new Authority(core, vault, () => now);
    const good = lease({ goodUntil: now + LEASE_LIFETIME_MS });
    const at = core.call.WINDOW.value;
    core.bytes.set(good, at);
    const take = (ms: number) => {
      now += ms;
      return codeOf(() => authority.takeLease(at, good.length));
    };
    expect([take(0), take(4999), take(1), take(1), take(-10_002)]).toEqual([
      'a result',
      'a result',
      'a result',
      'KEYCELL_LEASE_EXPIRED',
      'KEYCELL_LEASE_EXPIRED',
    ]);
    core.bytes.fill(0, at, at + good.length);
  });

  test('the time of a batch is that of its lease, carried on, whatever the wall clock says', () => {
    const start = 1_900_000_000_000;
    const dated = record(id(0x41), { notBefore: start + 1000, notAfter: start + 3000 });
    const use = (time: number) => {
      const long = ticketOf({ expiresAt: start + 10_000_000, loggedInAt: start });
      const asked = request('encrypt', {
        mechanism: 'envelope',
        ticket: long,
        keys: [dated],
        parts: [run(0, 4), run(0, 0)],
      });
      const { codes, results, audit } = serve([asked], lease({ number: 6, time }));
      return { codes, reason: results[0]!.reason, at: Number(/"at":(\d+)/.exec(audit)?.[1]) };
    };
    vi.setSystemTime(0);
    try {
      expect(use(start).codes).toEqual(['KEYCELL_PERMISSION_DENIED']);
      vi.setSystemTime(start + 10_000_000);
      const served = use(start + 1500);
      expect(served.codes).toEqual(['done']);
      expect(served.at - start).toBeGreaterThanOrEqual(1500);
      expect(served.at - start).toBeLessThan(1500 + LEASE_LIFETIME_MS);
      vi.setSystemTime(start + 1500);
      expect(use(start + 3001).codes).toEqual(['KEYCELL_PERMISSION_DENIED']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('revocations in it end sessions and users', () => {
    const revoked = ['KEYCELL_SESSION_REVOKED'];
    const user = (epoch: number, before = 0) => ({ users: [{ user: ALICE, epoch, before }] });
    const now = Date.now();
    ticket = ticketOf({ loggedInAt: now });
    expect(codes(lease({ number: 6, sessions: [SESSION] }))).toEqual(revoked);
    expect(codes(lease({ number: 7, sessions: [id(0x61)] }))).toEqual(['done']);
    expect(codes(lease({ number: 8, ...user(3) }))).toEqual(revoked);
    expect(codes(lease({ number: 9, ...user(2) }))).toEqual(['done']);
    expect(codes(lease({ number: 10, ...user(0, now + 1) }))).toEqual(revoked);
    expect(codes(lease({ number: 11, ...user(0, now) }))).toEqual(['done']);
    expect(codes(lease({ number: 12, ticketEpoch: 2 }))).toEqual(revoked);
    ticket = ticketOf({ ticketEpoch: 2 });
    expect(codes(lease({ number: 13, ticketEpoch: 2 }))).toEqual(['done']);
    const many = Array.from({ length: 2048 }, (_, n) => n.toString(16).padStart(32, 'f'));
    const users = many.map((user) => ({ user, epoch: 9, before: 9 }));
    const full = lease({ number: 14, ticketEpoch: 2, users, sessions: many });
    expect(full).toHaveLength(LEASE_MAX_SIZE);
    expect(codes(full)).toEqual(['done']);
    expect(codes(lease({ number: 15, users, sessions: [...many.slice(1), SESSION] }))).toEqual(revoked);
  });

  test('a warden that takes over goes on from the last one: time, numbers, epoch and revocations', () => {
    const clocks = { wall: 1_900_000_000_000, monotonic: 7_000_000 };
    const make = () =>
      new Sessions(
        core,
        work,
        vault,
        random,
        new WardenClock(
          () => clocks.wall,
          () => clocks.monotonic,
        ),
      );
    const pass = (ms: number) => {
      clocks.wall += ms;
      clocks.monotonic += ms;
    };
    const first = make();
    first.begin();
    clocks.wall += 600_000;
    const [ended, removed, good] = [ALICE, id(0x71), id(0x72)].map((user) => first.open(user, 2, 'crypto-user'));
    first.end(first.check(ended!));
    first.endUsers([{ user: id(0x71), epoch: 3, before: 0 }]);
    for (let i = 0; i < 4; i++) first.lease(7);
    const last = first.lease(7);
    const known = decodeLease(last);
    // Somebody sets the clock right just then.
    clocks.wall -= 600_000;
    pass(300);
    const second = make();
    second.resume(last);
    const { number, time, users, sessions, ticketEpoch } = decodeLease(second.lease(7));
    expect({ number, time, users, sessions, ticketEpoch }).toEqual({
      number: known.number + 1,
      time: known.time + 300,
      users: [{ user: id(0x71), epoch: 3, before: 0 }],
      sessions: [expect.any(String)],
      ticketEpoch: 1,
    });
    for (const ticket of [ended!, removed!]) expect(codeOf(() => second.check(ticket))).toBe('KEYCELL_SESSION_REVOKED');
    expect(codeOf(() => second.check(good!))).toBe('a result');
    pass(15 * 60_000 - 301);
    expect(codeOf(() => second.check(good!))).toBe('a result');
    pass(1);
    for (const ticket of [ended!, removed!]) expect(codeOf(() => second.check(ticket))).toBe('KEYCELL_SESSION_REVOKED');
    expect(codeOf(() => second.check(good!))).toBe('KEYCELL_SESSION_EXPIRED');
    second.endAll();
    const third = make();
    third.resume(second.lease(7));
    expect(decodeLease(third.lease(7)).ticketEpoch).toBe(2);
    expect(codeOf(() => third.check(third.open(ALICE, 2, 'admin')))).toBe('a result');
  });

  test('a ticket that was good stays so only for this incarnation, and while it is as it was', () => {
    const drawn = (with_: Uint8Array, of = ticket) =>
      serve([request('random', { ticket: of, parts: [new Uint8Array([0, 0, 0, 8])] })], with_).codes;
    expect(drawn(lease())).toEqual(['done']);
    for (const i of [0, 5, 50, 80, 111]) {
      const forged = ticket.slice();
      forged[i]! ^= 1;
      expect(drawn(lease(), forged)).toEqual(['KEYCELL_SESSION_REVOKED']);
    }
    expect(drawn(lease(), ticket.slice(0, -1))).toEqual(['KEYCELL_SESSION_REVOKED']);
    // More sessions than are remembered, each twice.
    const many = Array.from({ length: 20 }, (_, i) => ticketOf({ session: id(0x80 + i) }));
    for (const each of [...many, ...many, ticket]) expect(drawn(lease(), each)).toEqual(['done']);
    vault.lock();
    random.restart();
    core.bytes.set(MASTER, vault.master);
    vault.unlock({ hsmId: HSM, epoch: 1, incarnation: 2, boot: id(0x31) });
    const next = lease({ incarnation: 2, boot: id(0x31) });
    expect(drawn(next)).toEqual(['KEYCELL_SESSION_REVOKED']);
    expect(drawn(next, ticketOf({ incarnation: 2 }))).toEqual(['done']);
  });

  test('a sealed cell serves nothing', () => {
    vault.lock();
    random.restart();
    expect(codes(lease())).toEqual(['KEYCELL_SEALED']);
  });
});

test('a batch that fills working memory still finds its seed', () => {
  let reseeds = 0;
  const counted = { ...core, call: { ...core.call } } as Core;
  (counted.call as { drbgReseed: unknown }).drbgReseed = (...ask: [number, number, number, number]) => {
    reseeds++;
    return core.call.drbgReseed(...ask);
  };
  const drawing = new Random(counted, work, 'test');
  drawing.beginBatch(1);
  const full = work.mark();
  work.take(core.call.WORK_SIZE.value - (full - core.call.WORK.value) - 32);
  expect(codeOf(() => drawing.draw(200))).toBe('KEYCELL_LIMIT_EXCEEDED');
  expect(reseeds).toBe(0);
  drawing.draw(16);
  expect(reseeds).toBe(1);
  drawing.endBatch();
  drawing.close();
  core.call.wipeAll();
  work.reset();
});

test('a stored key that many sessions use is opened once', () => {
  const sessions = Array.from({ length: 20 }, (_, i) => ticketOf({ session: id(0x80 + i) }));
  let opened = 0;
  const counted = { ...core, call: { ...core.call } } as unknown as Core;
  (counted.call as unknown as { recordOpen: unknown }).recordOpen = (jobs: number, count: number) => {
    opened += count;
    core.call.recordOpen(jobs, count);
  };
  server = new BatchServer(counted, vault, random, work, 'cell-test');
  const requests = sessions.map((each) => request('wrapKey', { mechanism: 'AES-KW', ticket: each, keys: [KEK, AES] }));
  expect(serve(requests).codes).toEqual(requests.map(() => 'done'));
  expect(opened).toBe(2);
});

describe('the keys that a batch makes', () => {
  const OWN = run(0x90, 16);
  const template = (more: Partial<KeyAttributes> = {}) =>
    encodeAttributes({ ...ATTRIBUTES, checkValue: new Uint8Array(0), extractable: 'wrapped', ...more });
  const SESSION_KEY = template({ persistent: false });
  const blobOf = (secret: Uint8Array) => {
    const cipher = createCipheriv('id-aes256-wrap', SECRET, Buffer.from('a6a6a6a6a6a6a6a6', 'hex'));
    return new Uint8Array(Buffer.concat([cipher.update(secret), cipher.final()]));
  };
  const unwrapping = (attributes: Uint8Array, secret: Uint8Array, keyId = new Uint8Array(0)) =>
    request('unwrapKey', { mechanism: 'AES-KW', keys: [KEK], parts: [keyId, attributes, blobOf(secret)] });
  const making = (op: 'generateKey' | 'importKey', attributes: Uint8Array, ...more: Uint8Array[]) =>
    request(op, { parts: [new Uint8Array(0), attributes, ...more] });
  test('are sealed as the reference would, whatever stands between them', () => {
    const signing = { usage: ['sign'], rewrap: 'trusted' } as const;
    const hmacKey = template({ type: 'HMAC', bits: 320, ...signing });
    const requests = [
      unwrapping(SESSION_KEY, run(1, 32)),
      unwrapping(SESSION_KEY, run(2, 32)),
      unwrapping(template({ label: 'other' }), run(3, 32), OWN),
      unwrapping(SESSION_KEY, run(4, 24)),
      unwrapping(SESSION_KEY, run(5, 32)),
      making('importKey', template({ persistent: true, bits: 128 }), run(6, 16)),
      making('importKey', hmacKey, run(7, 40)),
      unwrapping(template({ bits: 192 }), run(8, 24)),
      request('generateKey', { parts: [OWN.subarray(1), SESSION_KEY] }),
      making('generateKey', template({ bits: 128 })),
      making('generateKey', template({ type: 'EC', class: 'private', curve: 'P-256', ...signing })),
      request('setAttributes', { keys: [AES], parts: [encodeAttributes({ ...ATTRIBUTES, label: 'renamed' })] }),
      unwrapping(SESSION_KEY, run(9, 32)),
    ];
    const { codes, results, audit } = serve(requests);
    const refused = [3, 8];
    const wrong = codes.flatMap((code, i) => (code === 'done' ? [] : [i]));
    expect(wrong).toEqual(refused);

    const opened = results.map(({ parts: [sealed] }) => sealed && openRecord(MASTER, sealed, SESSION));
    const secrets = [1, 2, 3, 0, 5, 6, 7, 8, 0, 0, 0, 0x40, 9].map((from, i) => from && ([i, run(from, 512)] as const));
    for (const [i, secret] of secrets.filter((each) => each !== 0)) {
      const key = opened[i]!;
      expect([i, hex(key.secret)]).toEqual([i, hex(secret.subarray(0, key.secret.length))]);
    }
    opened.forEach((key, i) => {
      if (key === undefined) return;
      const { type, bits, checkValue: found, persistent, label } = decodeAttributes(key.attributes);
      expect([i, key.owner, key.kind]).toEqual([i, ALICE, persistent ? 1 : 4]);
      expect([i, key.secret.length]).toEqual([i, bits / 8]);
      // What only gets other attributes keeps the check value that it came with.
      const right = i === 11 ? '000102' : type === 'AES' ? hex(checkValue(key.secret)) : '';
      expect([i, hex(found)]).toEqual([i, right]);
      expect([i, label]).toEqual([i, { 2: 'other', 11: 'renamed' }[i] ?? null]);
    });
    expect(opened[2]!.id).toBe(hex(OWN));
    expect(opened[11]!.id).toBe(AES.id);
    const ids = opened.flatMap((key) => key?.id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const salts = results.flatMap(({ parts: [sealed] }) => (sealed ? [hex(sealed.subarray(64, 96))] : []));
    expect(new Set(salts).size).toBe(salts.length);

    // The log names each, in the order of the requests.
    const uses = JSON.parse(audit).uses as { op: string; made: string[]; done: number }[];
    const idsOf = (op: CellRequest['op']) => requests.flatMap((each, i) => (each.op === op && opened[i]?.id) || []);
    expect(uses.map(({ op }) => op)).toEqual(['unwrapKey', 'importKey', 'generateKey', 'setAttributes']);
    for (const { op, made, done } of uses) {
      expect([op, made]).toEqual([op, idsOf(op as CellRequest['op'])]);
      expect(done).toBe(made.length);
    }
    expect(left()).toEqual({});
  });

  test('do not lie in the reply before they are sealed', () => {
    const secrets = Array.from({ length: 6 }, (_, i) => run(7 * i, 32));
    const broken = { ...core, call: { ...core.call } } as unknown as Core;
    let looked = 0;
    (broken.call as { recordSeal: unknown }).recordSeal = (hedge: number, jobs: number, count: number) => {
      const { REPLY, WINDOW_SIZE } = core.call;
      const reply = Buffer.from(core.bytes.buffer, REPLY.value, WINDOW_SIZE.value);
      for (const secret of secrets) expect(reply.includes(Buffer.from(secret))).toBe(false);
      expect(reply.includes('KCRD')).toBe(true);
      looked += count;
      core.call.recordSeal(hedge, jobs, count);
    };
    server = new BatchServer(broken, vault, random, work, 'cell-test');
    const { codes } = serve(secrets.map((secret, i) => (i % 2 ? unwrapping : importing)(SESSION_KEY, secret)));
    expect(codes).toEqual(secrets.map(() => 'done'));
    expect(looked).toBe(secrets.length);
    expect(left()).toEqual({});

    function importing(attributes: Uint8Array, secret: Uint8Array) {
      return making('importKey', attributes, secret);
    }
  });
});

test('the generator has a new seed in each batch that draws from it, and in no other', () => {
  let reseeds = 0;
  const counted = { ...core, call: { ...core.call } } as Core;
  (counted.call as { drbgReseed: unknown }).drbgReseed = (...ask: [number, number, number, number]) => {
    reseeds++;
    return core.call.drbgReseed(...ask);
  };
  const drawing = new Random(counted, work, 'test');
  server = new BatchServer(counted, vault, drawing, work, 'cell-test');
  const draw = request('random', { parts: [new Uint8Array([0, 0, 0, 8])] });
  for (let i = 1; i <= 3; i++) {
    expect(serve([draw, draw, draw]).codes).toEqual(['done', 'done', 'done']);
    expect(reseeds).toBe(i);
  }
  expect(serve([request('wrapKey', { mechanism: 'AES-KW', keys: [KEK, AES] })]).codes).toEqual(['done']);
  expect(reseeds).toBe(3);
  drawing.close();
});

test('a batch draws its noise once, and besides it what the last batch leads to expect', () => {
  const drawn: number[] = [];
  const counted = { ...core, call: { ...core.call } } as Core;
  (counted.call as { drbgGenerate: unknown }).drbgGenerate = (...ask: [number, number, number, number]) => {
    drawn.push(ask[1]);
    return core.call.drbgGenerate(...ask);
  };
  const drawing = new Random(counted, work, 'test');
  server = new BatchServer(counted, vault, drawing, work, 'cell-test');
  const lengths = (count: number, each: CellRequest) => {
    drawn.length = 0;
    const { codes, results } = serve(Array.from({ length: count }, () => each));
    expect(new Set(codes)).toEqual(new Set(['done']));
    // Signatures, IVs and envelopes: none comes twice.
    expect(new Set(results.map(({ parts }) => Buffer.from(parts[0]!).toString('hex'))).size).toBe(count);
    return [...drawn];
  };
  const sign = request('sign', { mechanism: 'ECDSA', keys: [EC], parts: [run(1, 20)] });
  const none = new Uint8Array(0);
  const gcm = request('encrypt', { mechanism: 'AES-GCM', keys: [AES], parts: [run(2, 64), none, none] });
  const envelope = request('encrypt', { mechanism: 'envelope', keys: [AES], parts: [run(2, 64), none] });
  expect(lengths(9, sign)).toEqual([48]);
  expect(lengths(4, gcm)).toEqual([4 * 48]);
  expect(lengths(1, sign)).toEqual([48]);
  expect(lengths(100, gcm)).toEqual([1024, 100 * 12 - 1024]);
  expect(lengths(2, envelope)).toEqual([24, 128]);
  expect(lengths(2, envelope)).toEqual([48]);
  drawing.close();
});

/** Regions that a batch may have touched, and must have left zero. */
function left(): Record<string, number> {
  const { SLOTS, SLOT_SIZE, SLOT_COUNT, WORK, WORK_SIZE, WINDOW, REPLY, WINDOW_SIZE } = core.call;
  const slotsEnd = SLOTS.value + SLOT_SIZE.value * SLOT_COUNT.value;
  const regions: Record<string, [number, number]> = {
    slots: [SLOTS.value, slotsEnd],
    scratch: [slotsEnd, WORK.value],
    work: [WORK.value, WORK.value + WORK_SIZE.value],
    window: [WINDOW.value, WINDOW.value + WINDOW_SIZE.value],
    reply: [REPLY.value, REPLY.value + WINDOW_SIZE.value],
  };
  const found: Record<string, number> = {};
  for (const [name, [from, to]] of Object.entries(regions)) {
    const words = new BigUint64Array(core.bytes.buffer, from, (to - from) / 8);
    const count = words.reduce((sum, word) => (word === 0n ? sum : sum + 1), 0);
    if (count > 0) found[name] = count;
  }
  return found;
}

describe('a batch leaves nothing in linear memory', () => {
  const plaintext = run(0x55, 1000);
  const busy = (): CellRequest[] => [
    request('encrypt', { mechanism: 'envelope', keys: [AES], parts: [plaintext, new Uint8Array(0)] }),
    request('encrypt', { mechanism: 'envelope', keys: [AES128], parts: [plaintext, new Uint8Array(0)] }),
    request('exportKey', { keys: [AES] }),
    request('generateKey', { parts: [new Uint8Array(0), encodeAttributes(ATTRIBUTES)] }),
    request('importKey', { parts: [new Uint8Array(0), encodeAttributes(ATTRIBUTES), SECRET] }),
    request('wrapKey', { mechanism: 'AES-KW', keys: [KEK, AES] }),
    request('sign', { mechanism: 'ECDSA', keys: [EC], parts: [plaintext] }),
    request('generateDataKey', { mechanism: 'envelope', keys: [AES], parts: [Uint8Array.of(0, 0, 0, 32), run(0, 3)] }),
    request('random', { parts: [Uint8Array.of(0, 0, 1, 0)] }),
    request('openStream', { keys: [AES] }),
    request('encrypt', { mechanism: 'AES-CBC', keys: [AES], parts: [plaintext, run(0, 0), run(0, 0)] }),
    request('decrypt', { mechanism: 'AES-CTR', keys: [AES], parts: [plaintext, run(0, 0), run(0, 16)] }),
    request('encryptSegment', segmentOf(plaintext)),
    request('decryptSegment', {
      flags: FLAG.last,
      keys: [AES],
      parts: [sealSegment(SECRET, STREAM, 0, true, plaintext), STREAM_HEADER, EMPTY_HASH, new Uint8Array(4)],
    }),
    request('reencrypt', {
      mechanism: 'envelope',
      keys: [AES, AES],
      parts: [sealEnvelope(SECRET, AES.id, 1, run(7, 24), run(0, 3), plaintext), run(0, 3), run(0, 4)],
    }),
    request('wrapKey', { mechanism: 'AES-GCM', keys: [KEK, AES], parts: [run(0, 5)] }),
    request('encrypt', { mechanism: 'AES-CBC-HMAC', keys: [CBC_HMAC], parts: [plaintext, run(0, 7), run(0, 0)] }),
    cbcHmac(nodeCbcHmac(SECRET, run(0, 16), run(0, 7), plaintext)),
  ];
  const cbcHmac = (sealed: Uint8Array) =>
    request('decrypt', { mechanism: 'AES-CBC-HMAC', keys: [CBC_HMAC], parts: [sealed, run(0, 7), run(0, 16)] });
  /** A true tag over blocks that end in no padding: of these, plaintext was there before they were refused. */
  const unpadded = (): CellRequest => {
    const [iv, aad] = [run(0, 16), run(0, 7)];
    const cipher = createCipheriv(...cbcCipher(SECRET), iv).setAutoPadding(false);
    const text = Buffer.concat([cipher.update(new Uint8Array(64).fill(0x77)), cipher.final()]);
    return cbcHmac(Buffer.concat([text, cbcHmacTag(SECRET, iv, aad, text)]));
  };
  const BUSY = busy().length;

  test('after the self-test; and the search finds what is there', () => {
    selfTest(core, work);
    expect(left()).toEqual({});
    core.bytes[core.call.WORK.value + core.call.WORK_SIZE.value - 1] = 1;
    expect(left()).toEqual({ work: 1 });
    core.call.wipeAll();
    expect(left()).toEqual({});
  });

  test('while it runs there is plenty; after the wipe there is none', () => {
    const place = new Uint8Array(1 << 20);
    const length = writeBatch(place, lease(), busy());
    core.bytes.set(place.subarray(0, length), core.call.WINDOW.value);
    server.serve(length);
    expect(Object.keys(left()).sort()).toEqual(['reply', 'scratch', 'slots', 'window', 'work']);
    server.wipe(length);
    expect(left()).toEqual({});
  });

  test('when all succeed, and the results are right', () => {
    const { codes, results, audit } = serve(busy());
    expect(codes).toEqual(busy().map(() => 'done'));
    expect(results[2]!.parts[0]).toEqual(SECRET);
    // Two wraps of the same keys are one line, two encryptions under one key another.
    expect(JSON.parse(audit).uses).toHaveLength(BUSY - 2);
    expect(left()).toEqual({});
  });

  test('when some or all are refused', () => {
    const foreign = { ...record(id(1)), id: id(8) };
    const corrupt = { id: id(1), record: AES.record.slice() };
    corrupt.record[corrupt.record.length - 1]! ^= 1;
    const { codes } = serve([
      ...busy(),
      request('exportKey', { keys: [foreign] }),
      request('decrypt', { mechanism: 'envelope', keys: [corrupt], parts: [plaintext, new Uint8Array(0)] }),
      request('decrypt', { mechanism: 'envelope', keys: [AES], parts: [plaintext, new Uint8Array(0)] }),
      request('unwrapKey', {
        mechanism: 'AES-KW',
        keys: [KEK],
        parts: [new Uint8Array(0), encodeAttributes(ATTRIBUTES), run(0, 40)],
      }),
      request('encryptSegment', { ...segmentOf(plaintext), flags: 0 }),
      request('decryptSegment', { ...segmentOf(plaintext), parts: [plaintext, STREAM_HEADER, run(0, 32), run(0, 4)] }),
      request('reencrypt', {
        mechanism: 'envelope',
        keys: [AES, AES],
        parts: [sealEnvelope(SECRET, AES.id, 1, run(7, 24), run(0, 3), plaintext), run(0, 4), run(0, 4)],
      }),
      request('decrypt', { mechanism: 'AES-CBC', keys: [AES], parts: [run(0, 64), run(0, 0), run(0, 16)] }),
      cbcHmac(run(0, 80)),
      unpadded(),
      request('sign', { mechanism: 'ECDSA', keys: [AES], parts: [plaintext] }),
      request('random', { parts: [Uint8Array.of(0xff, 0, 0, 0)] }),
      request('random', { ticket: ticketOf({ expiresAt: Date.now() - 1 }), parts: [Uint8Array.of(0, 0, 0, 1)] }),
      request('rewrapKeys', {
        mechanism: 'AES-KW',
        flags: FLAG.wrapAsKwp,
        keys: [KEK, KEK],
        parts: [packList([run(0, 24)]), new Uint8Array(0), new Uint8Array(0), new Uint8Array(0)],
      }),
    ]);
    expect(codes.slice(0, BUSY)).toEqual(busy().map(() => 'done'));
    for (const code of codes.slice(BUSY)) expect(code).not.toBe('done');
    expect(codes.slice(BUSY, BUSY + 3)).toEqual([
      'KEYCELL_RECORD_CORRUPT',
      'KEYCELL_RECORD_CORRUPT',
      'KEYCELL_DECRYPT_FAILED',
    ]);
    expect(left()).toEqual({});
    serve(busy(), lease({ number: 1, time: 0 }));
    expect(left()).toEqual({});
  });

  test('nor a refused decryption in the reply, even before the wipe', () => {
    const place = new Uint8Array(1 << 20);
    const good = cbcHmac(nodeCbcHmac(SECRET, run(0, 16), run(0, 7), new Uint8Array(40).fill(0x66)));
    const length = writeBatch(place, lease(), [unpadded(), good]);
    core.bytes.set(place.subarray(0, length), core.call.WINDOW.value);
    const reply = Buffer.from(server.serve(length));
    const { REPLY, WINDOW_SIZE } = core.call;
    const region = Buffer.from(core.bytes.buffer, REPLY.value, WINDOW_SIZE.value);
    for (const bytes of [reply, region]) {
      expect(bytes.includes(Buffer.alloc(8, 0x77))).toBe(false);
      expect(bytes.includes(Buffer.alloc(40, 0x66))).toBe(true);
    }
    server.wipe(length);
    expect(left()).toEqual({});
  });

  test('when the kernel traps in the middle of it, or the batch is malformed', () => {
    const broken = { ...core, call: { ...core.call } } as unknown as Core;
    (broken.call as { ecdsaSign: unknown }).ecdsaSign = (curve: number, hash: number, jobs: number, count: number) => {
      core.call.ecdsaSign(curve, hash, jobs, count);
      // A load beyond the end of memory: a trap as the engine throws it.
      core.call.sha256(0x7fff_fff0, 64, jobs);
    };
    server = new BatchServer(broken, vault, random, work, 'cell-test');
    expect(() => serve(busy())).toThrow(/out of bounds/);
    expect(left()).toEqual({});

    server = new BatchServer(core, vault, random, work, 'cell-test');
    const place = new Uint8Array(1 << 20);
    const length = writeBatch(place, lease(), busy());
    new DataView(place.buffer).setUint32(8, 0xffff_ffff, true);
    core.bytes.set(place.subarray(0, length), core.call.WINDOW.value);
    expect(() => server.serve(length)).toThrow();
    server.wipe(length);
    expect(left()).toEqual({});
    expect(serve(busy()).codes).toEqual(busy().map(() => 'done'));
  });
});

describe('the warden’s count of the log', () => {
  test('what was counted two ticks ago must be logged', () => {
    const count = new EntryCount();
    const cell = new SharedArrayBuffer(8);
    count.watch(cell);
    Atomics.add(new BigUint64Array(cell), 0, 40n);
    count.begin(100);
    expect([count.tick(100), count.tick(100)]).toEqual([true, true]);
    Atomics.add(new BigUint64Array(cell), 0, 1n);
    count.add(1);
    // Seen now, asked for from the second tick after.
    expect([count.tick(100), count.tick(100), count.tick(100)]).toEqual([true, true, false]);
    expect([count.tick(101), count.tick(102)]).toEqual([false, true]);
    // An entry that died with its cell is never waited for.
    Atomics.add(new BigUint64Array(cell), 0, 1n);
    expect([count.tick(102), count.tick(102), count.tick(102)]).toEqual([true, true, false]);
    count.add(-1);
    count.tick(102);
    count.tick(102);
    expect(count.tick(102)).toBe(true);
  });
});

test('a lease is read whole, even after a warden that died while it wrote one', () => {
  const shared = new SharedArrayBuffer(65536);
  const board = new Board(shared);
  expect(board.lease()).toHaveLength(0);
  board.postLease(run(1, 100));
  expect(board.lease()).toEqual(run(1, 100));
  // Half of a post: the version is odd, and the bytes are torn.
  Atomics.add(new Int32Array(shared, 8, 1), 0, 1);
  new Uint8Array(shared).fill(0xee, 16, 50);
  expect(board.lease()).toEqual(run(1, 100));
  const next = new Board(shared);
  next.postLease(run(2, 120));
  expect(board.lease()).toEqual(run(2, 120));
  next.postLease(run(3, 90));
  expect(board.lease()).toEqual(run(3, 90));
  // Torn again, and read by one who had not looked since the first: the last whole one, not the first.
  const late = new Board(shared);
  Atomics.add(new Int32Array(shared, 8, 1), 0, 1);
  expect(late.lease()).toEqual(run(3, 90));
  // The largest fits, in both slots.
  const whole = new Board(new SharedArrayBuffer(BOARD_SIZE));
  for (const seed of [4, 5, 6]) {
    whole.postLease(run(seed, LEASE_MAX_SIZE));
    expect(hex(whole.lease())).toBe(hex(run(seed, LEASE_MAX_SIZE)));
  }
});
