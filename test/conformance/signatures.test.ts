/** Signatures and MACs: ECDSA on every curve with every hash in both formats, HMAC with every hash, AES-CMAC with every key size. */
import { createCipheriv, createHmac, createPublicKey, verify as nodeVerify } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EcKey, Session, SigningKey, SignOptions } from '../../dist/index.js';
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

interface Row {
  readonly name: string;
  /** Of the hash or cipher, in bytes. */
  readonly block: number;
  readonly options: SignOptions;
  /** A hash that the mechanism has besides its own. */
  readonly otherHash?: SignOptions['hash'];
  make(session: Session): Promise<SigningKey>;
  /** Somebody else's verdict. */
  valid(key: SigningKey, secret: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean;
  /** MACs: the key's bytes, since the judge has to know them. */
  readonly secret: Uint8Array;
}

const HASHES = [
  { hash: 'SHA-256', node: 'sha256', block: 64 },
  { hash: 'SHA-384', node: 'sha384', block: 128 },
  { hash: 'SHA-512', node: 'sha512', block: 128 },
] as const;
const CURVES = ['P-256', 'P-384', 'secp256k1'] as const;
const FORMATS = [
  { format: 'p1363', dsaEncoding: 'ieee-p1363' },
  { format: 'der', dsaEncoding: 'der' },
] as const;

const ecdsa: Row[] = CURVES.flatMap((curve) =>
  HASHES.flatMap(({ hash, node, block }) =>
    FORMATS.map(({ format, dsaEncoding }) => ({
      name: `ECDSA ${curve} ${hash} ${format}`,
      block,
      options: { hash, format },
      otherHash: hash === 'SHA-256' ? 'SHA-384' : 'SHA-256',
      secret: new Uint8Array(0),
      make: (session) => session.generateKey({ type: 'EC', curve, usage: ['sign', 'verify'], persistent: false }),
      valid: (key, _, signature, message) => {
        const spki = { key: Buffer.from((key as EcKey).publicKey), format: 'der', type: 'spki' } as const;
        return nodeVerify(node, message, { key: createPublicKey(spki), dsaEncoding }, signature);
      },
    })),
  ),
);

const hmac: Row[] = HASHES.map(({ hash, node, block }, i) => ({
  name: `HMAC ${hash}`,
  block,
  options: { hash },
  otherHash: hash === 'SHA-256' ? 'SHA-384' : 'SHA-256',
  secret: pattern(40 + i),
  make(session) {
    const template = {
      type: 'HMAC',
      bits: 8 * this.secret.length,
      usage: ['sign', 'verify'],
      persistent: false,
    } as const;
    return session.importKey(template, this.secret);
  },
  valid: (_, secret, mac, message) => createHmac(node, secret).update(message).digest().equals(mac),
}));

const cmac: Row[] = [16, 24, 32].map((size) => ({
  name: `AES-CMAC ${8 * size}`,
  block: 16,
  options: {},
  secret: pattern(size),
  make(session) {
    const template = { type: 'AES', bits: (8 * size) as 128, usage: ['sign', 'verify'], persistent: false } as const;
    return session.importKey(template, this.secret);
  },
  valid: (_, secret, mac, message) => nodeCmac(secret, message).equals(mac),
}));

/** SP 800-38B §6.2: the last block of CBC, once the last block of the message has been masked with K1 or, padded, with K2. */
function nodeCmac(key: Uint8Array, message: Uint8Array): Buffer {
  const aes = (mode: 'cbc' | 'ecb', data: Uint8Array) => {
    const iv = mode === 'cbc' ? Buffer.alloc(16) : null;
    const cipher = createCipheriv(`aes-${8 * key.length}-${mode}`, key, iv).setAutoPadding(false);
    return Buffer.concat([cipher.update(data), cipher.final()]);
  };
  const double = (block: Buffer): Buffer => {
    const value = BigInt(`0x${block.toString('hex')}`) << 1n;
    const reduced = value >> 128n ? BigInt.asUintN(128, value) ^ 0x87n : value;
    return Buffer.from(reduced.toString(16).padStart(32, '0'), 'hex');
  };
  const k1 = double(aes('ecb', Buffer.alloc(16)));
  const whole = message.length > 0 && message.length % 16 === 0;
  const mask = whole ? k1 : double(k1);
  const zeros = (16 - ((message.length + 1) % 16)) % 16;
  const padded = whole ? Buffer.from(message) : Buffer.concat([message, Buffer.of(0x80), Buffer.alloc(zeros)]);
  for (let i = 0; i < 16; i++) padded[padded.length - 16 + i]! ^= mask[i]!;
  return aes('cbc', padded).subarray(-16);
}

describe.each([...ecdsa, ...hmac, ...cmac])('$name', (row) => {
  let session: Session;
  let key: SigningKey;
  beforeAll(async () => {
    session = it.session;
    key = await row.make(session);
  });
  const sign = (message: Uint8Array, by = key) => session.sign(by, message, row.options);
  const verify = (signature: Uint8Array, message: Uint8Array, by = key) =>
    session.verify(by, signature, message, row.options);

  test('every length through two blocks, in batches, against another implementation', async () => {
    const messages = throughTwoBlocks(row.block).map((length) => pattern(length, 1));
    const signatures = await session.signMany(key, messages, row.options);
    signatures.forEach((signature, i) => {
      expect([i, row.valid(key, row.secret, signature, messages[i]!)]).toEqual([i, true]);
    });
    const verdicts = await Promise.all(signatures.map((signature, i) => verify(signature, messages[i]!)));
    expect(verdicts.every(Boolean)).toBe(true);
    // Each lane judges its own message: with its neighbour's, none is valid.
    const shifted = await Promise.all(signatures.map((s, i) => verify(s, messages[(i + 1) % messages.length]!)));
    expect(shifted.some(Boolean)).toBe(false);
  });

  test('inputs stay as they were, between their guards; results have memory of their own', async () => {
    const signature = await untouched([pattern(77)], (message) => sign(message!));
    mustOwnItsMemory(signature);
    const verdict = await untouched([signature, pattern(77)], (sig, message) => verify(sig!, message!));
    expect(verdict).toBe(true);
  });

  test('inputs may overlap', async () => {
    const signature = await sign(pattern(50));
    const buffer = new Uint8Array(signature.length + 10);
    buffer.set(signature);
    const whole = await sign(buffer);
    expect(await verify(whole, buffer)).toBe(true);
    // The message begins inside the signature's own bytes.
    expect(await verify(buffer.subarray(0, signature.length), buffer.subarray(5))).toBe(false);
  });

  test('a caller may change his arrays as soon as the call has returned', async () => {
    const message = pattern(60);
    const signing = sign(message);
    message.fill(0);
    const signature = await signing;
    expect(row.valid(key, row.secret, signature, pattern(60))).toBe(true);
    const [given, about] = [new Uint8Array(signature), pattern(60)];
    const verifying = verify(given, about);
    given.fill(0);
    about.fill(0);
    expect(await verifying).toBe(true);
  });

  test('wrong everything: false for each, and never an error', async () => {
    const message = pattern(33);
    const signature = await sign(message);
    const other = await row.make(session);
    const wrongs = [
      ...[...damaged(signature)].map((bad) => verify(bad, message)),
      ...[...damaged(message)].map((bad) => verify(signature, bad)),
    ];
    expect((await Promise.all(wrongs)).filter(Boolean)).toEqual([]);
    if (row.secret.length === 0) expect(await verify(signature, message, other)).toBe(false);
    if (row.otherHash !== undefined) {
      const options = { ...row.options, hash: row.otherHash };
      expect(await session.verify(key, signature, message, options)).toBe(false);
    }
  });

  test('what is not bytes is refused before anything is done', async () => {
    const calls = NOT_BYTES.flatMap((bad) => [
      () => sign(bad),
      () => verify(bad, pattern(3)),
      () => verify(pattern(64), bad),
    ]);
    expect(new Set(await codesOf(calls))).toEqual(new Set(['KEYCELL_INPUT_INVALID']));
  });

  test('lanes with different keys, messages and faults do not meet', async () => {
    const keys = await Promise.all(upTo(5).map(() => row.make(session)));
    const jobs = upTo(40).map((i) => ({ by: keys[i % 5]!, message: pattern(3 * i, i) }));
    const signatures = await Promise.all(jobs.map(({ by, message }) => sign(message, by)));
    const verdicts = await Promise.all(
      jobs.map(({ by, message }, i) => {
        if (i % 4 === 1) return verify(pattern(signatures[i]!.length, i), message, by);
        if (i % 4 === 2) return verify(signatures[i]!, pattern(3 * i, i + 1), by);
        if (i % 4 === 3) return verify(signatures[i]!.subarray(1), message, by);
        return verify(signatures[i]!, message, by);
      }),
    );
    // An empty message has no other of its length: lane 2 is not empty.
    expect(verdicts).toEqual(jobs.map((_, i) => i % 4 === 0));
    jobs.forEach(({ by, message }, i) => {
      expect(row.valid(by, row.secret, signatures[i]!, message)).toBe(true);
    });
  });
});
