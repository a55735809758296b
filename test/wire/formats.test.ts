import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeyAttributes } from '../../src/model/attributes.ts';
import { CONTENT_KEY } from '../../src/model/pattern.ts';
import { decodeAttributes, encodeAttributes } from '../../src/wire/attributes.ts';
import { decodeControl, decodeUser, encodeControl, encodeUser } from '../../src/wire/control.ts';
import { encodeEnvelopeHeader } from '../../src/wire/envelope.ts';
import { FormatError, toHex } from '../../src/wire/fields.ts';
import { decodeKeyslotHeader, encodeKeyslotHeader } from '../../src/wire/keyslot.ts';
import { decodeLease, encodeLeaseBody, type Lease, leaseTimes } from '../../src/wire/lease.ts';
import { statedKey } from '../../src/wire/plain.ts';
import { decodeRecordHeader, encodeRecordHeader } from '../../src/wire/record.ts';
import { decodeStreamHeader, encodeStreamHeader } from '../../src/wire/stream.ts';
import { decodeTicket, encodeTicketBody, type Ticket } from '../../src/wire/ticket.ts';
import {
  checkValue,
  envelopeKey,
  gcm,
  hmac,
  purposeKey,
  sealEnvelope,
  sealKeyslot,
  sealRecord,
} from '../support/reference.ts';
import { sealStream, streamHeader } from '../support/stream.ts';

const GOLDEN = new URL('../golden/formats.json', import.meta.url);
const golden: Record<string, string> = JSON.parse(readFileSync(GOLDEN, 'utf8'));

const run = (from: number, length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (from + i) & 255);
const id = (from: number): string => toHex(run(from, 16));

const master = run(0, 32);
const hsmId = id(0x10);
const epoch = 1;

const attributes: KeyAttributes = {
  type: 'AES',
  class: 'secret',
  curve: null,
  bits: 256,
  extractable: 'wrapped',
  rewrap: 'issuer',
  usage: ['wrap', 'unwrap'],
  neverExtractable: false,
  origin: 'generated',
  trusted: true,
  wrapWithTrusted: false,
  destroyable: true,
  dualUse: false,
  callerIv: false,
  persistent: true,
  notBefore: 0,
  notAfter: 4102444800000,
  maxUses: 0,
  createdAt: 1795000000000,
  checkValue: run(0xc0, 3),
  version: 1,
  point: null,
  label: 'content kek ✓',
  unwrapTemplate: { ...CONTENT_KEY, bits: 128, usage: [] },
  deriveTemplate: null,
  issuer: { id: id(0x50), point: run(4, 65), proofMaxAge: 3600, blobs: false },
};
const ecAttributes: KeyAttributes = {
  ...attributes,
  type: 'EC',
  class: 'private',
  curve: 'P-256',
  extractable: false,
  rewrap: 'trusted',
  usage: ['sign', 'verify'],
  checkValue: new Uint8Array(0),
  point: run(4, 65),
  label: null,
  unwrapTemplate: null,
  issuer: null,
};
/** The larger curves: a longer point, and a wrapping key whose issuer is on P-384. */
const ec384Attributes: KeyAttributes = { ...ecAttributes, curve: 'P-384', bits: 384, point: run(4, 97) };
const ec256k1Attributes: KeyAttributes = { ...ecAttributes, curve: 'secp256k1' };
const issuer384 = { id: id(0x51), point: run(4, 97), proofMaxAge: 60, blobs: true };
const issuer384Attributes: KeyAttributes = {
  ...attributes,
  issuer: issuer384,
  // Three deep, with every member that a pattern has.
  unwrapTemplate: {
    ...{ ...CONTENT_KEY, bits: 256, usage: ['wrap', 'unwrap'], extractable: false, wrapWithTrusted: true },
    ...{ notAfter: 4102444800000, rewrap: 'issuer', issuer: issuer384 },
    unwrapTemplate: {
      ...{ ...CONTENT_KEY, type: 'EC', curve: 'P-384', usage: ['derive'], extractable: 'plaintext' },
      deriveTemplate: { ...CONTENT_KEY, callerIv: true, extractable: false },
    },
  },
};
/** A base that anything may be derived from. */
const baseAttributes: KeyAttributes = {
  ...ecAttributes,
  ...{ type: 'GENERIC', class: 'secret', curve: null, bits: 512, point: null, usage: ['derive'], dualUse: true },
  ...{ origin: 'derived', deriveTemplate: 'any' },
};
/** A composite content key, and a wrapping key under which nothing but such keys comes back. */
const cbcHmacAttributes: KeyAttributes = {
  ...baseAttributes,
  ...{ type: 'AES-CBC-HMAC', usage: ['encrypt', 'decrypt'], dualUse: false, deriveTemplate: null },
};
const cbcHmacKekAttributes: KeyAttributes = {
  ...attributes,
  unwrapTemplate: { ...CONTENT_KEY, type: 'AES-CBC-HMAC', bits: 512, usage: ['decrypt'], extractable: false },
};
const control = {
  incarnation: 1,
  sequence: 7,
  revokedAt: 5,
  records: 3,
  logSequence: 9,
  logHash: run(0xa0, 32),
  createdAt: 1795000000000,
  admins: 2,
};
const user = {
  name: 'licences',
  role: 'crypto-user',
  epoch: 2,
  createdAt: 1795000000000,
  scrypt: { log2N: 15, r: 8 },
  locked: false,
} as const;
const ticket: Ticket = {
  role: 'crypto-user',
  hsmId,
  incarnation: 1,
  session: id(0x60),
  user: id(0x70),
  userEpoch: 2,
  ticketEpoch: 1,
  expiresAt: 1795000900000,
  loggedInAt: 1795000000000,
};
const lease: Lease = {
  hsmId,
  incarnation: 1,
  boot: id(0x30),
  number: 12,
  controlSequence: 7,
  time: 1795000001000,
  goodUntil: 86405000,
  ticketEpoch: 1,
  users: [{ user: id(0x71), epoch: 3, before: 1795000000500 }],
  sessions: [id(0x61), id(0x62)],
};

const stream = { keyId: id(0x20), keyVersion: 1, salt: run(0xb0, 32), aad: Buffer.from('aad') };
const common = { hsmId, epoch, revision: 1, owner: id(0x70), fresh: run(0x90, 32) };
const withMac = (purpose: string, body: Uint8Array) =>
  Buffer.concat([body, hmac(purposeKey(master, purpose, hsmId, epoch), body)]);

/** Everything in the golden file, made anew: headers by the codecs, cryptography by the reference. */
const made: Record<string, Buffer> = {
  key: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x20),
    attributes: encodeAttributes(attributes),
    secret: run(1, 32),
  }),
  ecKey: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x21),
    attributes: encodeAttributes(ecAttributes),
    secret: run(2, 32),
  }),
  sessionKey: sealRecord(master, {
    ...common,
    kind: 4,
    id: id(0x22),
    attributes: encodeAttributes({ ...attributes, persistent: false }),
    secret: run(3, 32),
    session: ticket.session,
  }),
  user: sealRecord(master, { ...common, kind: 2, id: id(0x70), attributes: encodeUser(user), secret: run(4, 48) }),
  control: sealRecord(master, {
    ...common,
    kind: 3,
    id: '0'.repeat(32),
    owner: '0'.repeat(32),
    attributes: encodeControl(control),
    secret: run(0x80, 32),
  }),
  ticket: withMac('ticket', encodeTicketBody(ticket)),
  lease: withMac('lease', encodeLeaseBody(lease)),
  envelope: sealEnvelope(run(1, 32), id(0x20), 1, run(0xb0, 24), Buffer.from('aad'), Buffer.from('plaintext')),
  envelopeOf128: sealEnvelope(run(1, 16), id(0x20), 1, run(0xb0, 24), Buffer.alloc(0), Buffer.alloc(0)),
  envelopeKey: envelopeKey(run(1, 32)),
  checkValues: Buffer.concat([16, 24, 32].map((length) => checkValue(run(1, length)))),
  keyslot: sealKeyslot(master, Buffer.from('correct horse'), hsmId, epoch, 14, run(0xd0, 32)),
  stream: sealStream(run(1, 32), stream, Buffer.from('plaintext')),
  emptyStream: sealStream(run(1, 32), { ...stream, aad: Buffer.alloc(0) }, Buffer.alloc(0)),
  // Two segments would be 64 KiB of hex: their digest tells as much.
  streamOfTwo: createHash('sha256')
    .update(sealStream(run(1, 32), stream, run(0, 65537)))
    .digest(),
  streamGrant: hmac(
    purposeKey(master, 'stream', hsmId, epoch),
    Buffer.from(ticket.session, 'hex'),
    streamHeader(stream),
  ),
  gcmWrapped: Buffer.concat([run(0xe0, 12), gcm(run(1, 32), run(0xe0, 12), Buffer.from('aad'), run(0x40, 16))]),
  ec384Key: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x23),
    attributes: encodeAttributes(ec384Attributes),
    secret: run(5, 48),
  }),
  ec256k1Key: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x24),
    attributes: encodeAttributes(ec256k1Attributes),
    secret: run(6, 32),
  }),
  issuer384Key: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x25),
    attributes: encodeAttributes(issuer384Attributes),
    secret: run(7, 32),
  }),
  baseKey: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x27),
    attributes: encodeAttributes(baseAttributes),
    secret: run(8, 64),
  }),
  cbcHmacKey: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x28),
    attributes: encodeAttributes(cbcHmacAttributes),
    secret: run(9, 64),
  }),
  cbcHmacKek: sealRecord(master, {
    ...common,
    kind: 1,
    id: id(0x29),
    attributes: encodeAttributes(cbcHmacKekAttributes),
    secret: run(10, 32),
  }),
};

if (process.env['KEYCELL_WRITE_GOLDEN']) {
  const text = Object.fromEntries(Object.entries(made).map(([name, bytes]) => [name, bytes.toString('hex')]));
  writeFileSync(GOLDEN, `${JSON.stringify(text, null, 2)}\n`);
}

const bytesOf = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(golden[name]!, 'hex'));

test.each(Object.keys(made))('the golden %s is what the document says', (name) => {
  expect(made[name]!.toString('hex')).toBe(golden[name]);
});

test('the vectors in the document are these', () => {
  const text = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');
  expect(text).toContain(`For K = 0102…20, K_e is ${golden['envelopeKey']}.`);
  const [a, b, c] = golden['checkValues']!.match(/.{6}/g)!;
  expect(text).toContain(`it is ${a}, ${b} and ${c}.`);
});

test('the golden file holds nothing else', () => {
  expect(Object.keys(golden)).toEqual(Object.keys(made));
});

describe('decoders give back what was encoded', () => {
  test.each<[string, KeyAttributes, number?]>([
    ['key', attributes],
    ['ecKey', ecAttributes],
    ['sessionKey', { ...attributes, persistent: false }],
    ['ec384Key', ec384Attributes, 48],
    ['ec256k1Key', ec256k1Attributes],
    ['issuer384Key', issuer384Attributes],
    ['cbcHmacKey', cbcHmacAttributes, 64],
    ['cbcHmacKek', cbcHmacKekAttributes],
  ])('%s', (name, expected, secretLength = 32) => {
    const header = decodeRecordHeader(bytesOf(name));
    expect(header).toMatchObject({ hsmId, epoch, revision: 1, owner: id(0x70), secretLength });
    expect(decodeAttributes(header.attributes)).toEqual(expected);
    expect(encodeRecordHeader(header)).toEqual(bytesOf(name).subarray(0, 104 + header.attributes.length));
  });

  test('user, control, ticket, lease, envelope, keyslot, stream', () => {
    expect(decodeUser(decodeRecordHeader(bytesOf('user')).attributes)).toEqual(user);
    expect(decodeControl(decodeRecordHeader(bytesOf('control')).attributes)).toEqual(control);
    expect(decodeTicket(bytesOf('ticket'))).toEqual(ticket);
    expect(decodeLease(bytesOf('lease'))).toEqual(lease);
    expect(leaseTimes(bytesOf('lease'))).toEqual({ time: lease.time, goodUntil: lease.goodUntil });
    expect(encodeEnvelopeHeader({ keyId: id(0x20), keyVersion: 1 })).toEqual(bytesOf('envelope').subarray(0, 28));
    const head = { keyId: id(0x20), keyVersion: 1, salt: run(0xb0, 32) };
    expect(decodeStreamHeader(bytesOf('stream').subarray(0, 60))).toEqual(head);
    expect(encodeStreamHeader(head)).toEqual(bytesOf('stream').subarray(0, 60));
    const slot = decodeKeyslotHeader(bytesOf('keyslot'));
    expect(slot).toMatchObject({ hsmId, epoch, scrypt: { log2N: 14, r: 8 } });
    expect(encodeKeyslotHeader(slot)).toEqual(bytesOf('keyslot').subarray(0, 60));
  });
});

describe('the short way to what a record says', () => {
  const plain: KeyAttributes = {
    ...attributes,
    ...{ rewrap: 'trusted', persistent: false, notAfter: 0, label: null, unwrapTemplate: null, issuer: null },
  };
  const recordOf = (a: KeyAttributes, more: Partial<Parameters<typeof sealRecord>[1]> = {}) => {
    const session = { kind: 4, id: id(0x26), session: ticket.session } as const;
    const sealed = { ...common, ...session, attributes: encodeAttributes(a), secret: run(1, 32), ...more };
    return new Uint8Array(sealRecord(master, sealed));
  };
  function pointOf(length: number): Partial<KeyAttributes> {
    return { checkValue: new Uint8Array(0), point: run(4, length) };
  }
  const longWay = (record: Uint8Array) => {
    const header = decodeRecordHeader(record);
    const a = decodeAttributes(header.attributes);
    return { id: header.id, owner: header.owner, stated: { ...a, checkValue: toHex(a.checkValue) } };
  };

  test.each<[string, Partial<KeyAttributes>]>([
    ['AES', {}],
    ['HMAC', { type: 'HMAC', bits: 4096, usage: ['sign', 'verify'], checkValue: new Uint8Array(0) }],
    [
      'GENERIC',
      { type: 'GENERIC', bits: 8, usage: ['derive'], extractable: 'plaintext', checkValue: new Uint8Array(0) },
    ],
    ['AES-CBC-HMAC', { type: 'AES-CBC-HMAC', bits: 512, usage: ['encrypt'], checkValue: new Uint8Array(0) }],
    ['EC', { type: 'EC', class: 'private', curve: 'P-256', usage: ['sign'], ...pointOf(65) }],
    ['EC on P-384', { type: 'EC', class: 'private', curve: 'P-384', bits: 384, usage: ['derive'], ...pointOf(97) }],
    ['a public key', { type: 'EC', class: 'public', curve: 'secp256k1', usage: ['verify'], ...pointOf(65) }],
    [
      'nothing allowed',
      { usage: [], extractable: false, rewrap: 'any', version: 7, origin: 'unwrapped', trusted: false },
    ],
    ['all flags', { neverExtractable: true, wrapWithTrusted: true, destroyable: false, dualUse: true, callerIv: true }],
    ['an early hour', { createdAt: 1 }],
  ])('%s: the same as the long way', (_, changes) => {
    for (const owner of [id(0x70), id(0x71), id(0x71)]) {
      const record = recordOf({ ...plain, ...changes }, { owner });
      expect(statedKey(record)).toEqual(longWay(record));
      // Records come as views of larger arrays.
      const framed = new Uint8Array(Buffer.concat([run(9, 3), record, run(9, 3)]));
      expect(statedKey(framed.subarray(3, 3 + record.length))).toEqual(longWay(record));
    }
  });

  test('what is not plain, or no session key, is left to the long way', () => {
    const others: Partial<KeyAttributes>[] = [
      ...[{ label: 'a' }, { notBefore: 1 }, { notAfter: 1 }, { maxUses: 1 }, { issuer: attributes.issuer }],
      ...[{ unwrapTemplate: attributes.unwrapTemplate }, { checkValue: run(1, 2) }, { point: run(4, 65) }],
      { curve: 'P-384', checkValue: new Uint8Array(0), point: run(4, 65) },
      { deriveTemplate: 'any' },
    ];
    for (const other of others) expect(statedKey(recordOf({ ...plain, ...other }))).toBeUndefined();
    for (const name of ['key', 'ecKey', 'sessionKey', 'user', 'control'])
      expect(statedKey(bytesOf(name))).toBeUndefined();
    expect(statedKey(recordOf(plain, { kind: 1 }))).toBeUndefined();
    expect(statedKey(new Uint8Array(0))).toBeUndefined();
  });

  test.each<[string, Partial<KeyAttributes>]>([
    ['AES', {}],
    ['EC', { type: 'EC', class: 'private', curve: 'P-256', ...pointOf(65) }],
  ])('%s: a changed byte is read as the long way reads it, or left to that', (_, changes) => {
    const record = recordOf({ ...plain, ...changes });
    for (let at = 0; at < record.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = record.slice();
        changed[at]! ^= 1 << bit;
        const found = statedKey(changed);
        if (found !== undefined) expect(found).toEqual(longWay(changed));
      }
    }
    for (let length = 0; length < record.length; length++)
      expect(statedKey(record.subarray(0, length))).toBeUndefined();
    expect(statedKey(Buffer.concat([record, Buffer.of(0)]))).toBeUndefined();
  });
});

const decoders: Record<string, (bytes: Uint8Array) => unknown> = {
  key: (bytes) => decodeAttributes(decodeRecordHeader(bytes).attributes),
  ecKey: (bytes) => decodeAttributes(decodeRecordHeader(bytes).attributes),
  ec384Key: (bytes) => decodeAttributes(decodeRecordHeader(bytes).attributes),
  issuer384Key: (bytes) => decodeAttributes(decodeRecordHeader(bytes).attributes),
  cbcHmacKek: (bytes) => decodeAttributes(decodeRecordHeader(bytes).attributes),
  user: (bytes) => decodeUser(decodeRecordHeader(bytes).attributes),
  control: (bytes) => decodeControl(decodeRecordHeader(bytes).attributes),
  ticket: decodeTicket,
  lease: decodeLease,
  keyslot: decodeKeyslotHeader,
};

describe.each(Object.keys(decoders))('a damaged %s', (name) => {
  const decode = decoders[name]!;
  const whole = bytesOf(name);

  test('is refused at every length but its own', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(() => decode(whole.subarray(0, length)), `${length}`).toThrow(FormatError);
    }
    expect(() => decode(Buffer.concat([whole, Buffer.of(0)]))).toThrow(FormatError);
  });

  test('never makes its decoder throw anything but FormatError', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = whole.slice();
        damaged[at]! ^= flip;
        try {
          decode(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('the header of a stream is refused at every length but its own, and with any other magic, format or suite', () => {
  const whole = bytesOf('stream');
  for (let length = 0; length < 70; length++) {
    if (length !== 60) expect(() => decodeStreamHeader(whole.subarray(0, length))).toThrow(FormatError);
  }
  for (let at = 0; at < 8; at++) {
    const damaged = whole.slice(0, 60);
    damaged[at]! ^= 1;
    expect(() => decodeStreamHeader(damaged)).toThrow(FormatError);
  }
});
