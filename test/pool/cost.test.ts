/** What a request is taken to cost: by its operation, its bytes, and the curve that its record or template claims. */
import { expect, test } from 'vitest';
import { attributesOf } from '../../src/hsm/template.ts';
import type { Curve } from '../../src/model/key.ts';
import { BATCH_COST, costOf } from '../../src/pool/cost.ts';
import { encodeAttributes } from '../../src/wire/attributes.ts';
import { type CellRequest, FLAG, hashFlag, type MechanismName, OP, type OpName } from '../../src/wire/batch.ts';
import { FieldWriter } from '../../src/wire/fields.ts';
import { packList } from '../../src/wire/list.ts';
import { encodeRecordHeader } from '../../src/wire/record.ts';

const attributes = (curve: Curve | null): Uint8Array =>
  encodeAttributes({
    ...attributesOf(curve === null ? { type: 'AES', bits: 256, usage: [] } : { type: 'EC', curve, usage: [] }, true, 0),
    point: curve === null ? null : new Uint8Array(curve === 'P-384' ? 97 : 65),
  });

const id = 'ab'.repeat(16);
const keyOf = (own: Uint8Array) => ({
  id,
  record: encodeRecordHeader({
    kind: 1,
    hsmId: id,
    epoch: 1,
    id,
    revision: 1,
    owner: id,
    salt: new Uint8Array(32),
    attributes: own,
    secretLength: 0,
  }),
});
const key = (curve: Curve | null) => keyOf(attributes(curve));
const request = (op: OpName, more: Partial<CellRequest>): CellRequest => ({
  op,
  mechanism: 'none',
  flags: 0,
  ticket: new Uint8Array(0),
  keys: [],
  parts: [],
  ...more,
});

const nothing = new Uint8Array(0);

/** A request whose parts have these sizes. */
const ask = (op: OpName, mechanism: MechanismName, keys: CellRequest['keys'], sizes: number[]): CellRequest =>
  request(op, { mechanism, keys, parts: sizes.map((size) => new Uint8Array(size)) });

const POINT = new Uint8Array(65);
function rewrap(of: { blobs: Uint8Array; jwe?: true; headers?: Uint8Array; proof?: number }): CellRequest {
  const { blobs, jwe, headers = packList([]), proof = 0 } = of;
  const parts = [blobs, POINT, new Uint8Array(proof), headers];
  return request('rewrapKeys', { mechanism: 'AES-KW', flags: jwe ? FLAG.jwe : 0, keys: [key(null)], parts });
}

function derive({ info, bits, base = 256 }: { info: Uint8Array; bits: number; base?: number }): CellRequest {
  const parts = [nothing, template(bits), nothing, Uint8Array.of(3), info];
  return request('deriveKey', { mechanism: 'KDF', flags: hashFlag(1), keys: [symmetric(base)], parts });
}

test('P-384 costs at least 1.6 times what P-256 does, whatever names the curve', () => {
  const template = (curve: Curve) => [
    nothing,
    encodeAttributes(attributesOf({ type: 'EC', curve, usage: [] }, true, 0)),
  ];
  const costs = (curve: Curve) => ({
    sign: costOf(request('sign', { mechanism: 'ECDSA', keys: [key(curve)] })),
    verify: costOf(request('verify', { mechanism: 'ECDSA', keys: [key(curve)] })),
    derive: costOf(request('deriveKey', { mechanism: 'ECDH', keys: [key(curve)] })),
    generate: costOf(request('generateKey', { parts: template(curve) })),
    importPrivate: costOf(request('importKey', { parts: [...template(curve), new Uint8Array(138)] })),
    importPublic: costOf(request('importKey', { parts: [...template(curve), new Uint8Array(65)] })),
    unwrap: costOf(request('unwrapKey', { mechanism: 'AES-KWP', parts: [...template(curve), new Uint8Array(152)] })),
    toKey: costOf(request('rewrapKeys', { flags: FLAG.jwe, keys: [key(null), key(curve)] })),
    toPoint: costOf(
      request('rewrapKeys', { flags: FLAG.jwe, parts: [nothing, new Uint8Array(curve === 'P-384' ? 97 : 65)] }),
    ),
  });
  const [small, large] = [costs('P-256'), costs('P-384')];
  for (const [name, cost] of Object.entries(large)) {
    expect([name, cost / small[name as keyof typeof small] >= 1.6]).toEqual([name, true]);
  }
  // What the kernels' lanes and shared inversions want.
  expect(Math.floor(BATCH_COST / small.sign)).toBeGreaterThanOrEqual(32);
  // No batch is of one request where cells could share the work better.
  expect(large.verify).toBeLessThan(BATCH_COST / 2);
});

const KIB = 1024;
const MIB = 1024 * KIB;
const number = (value: number) => new FieldWriter(4).u32(value).bytes;
const texts = (count: number, bytes: number) => packList(Array.from({ length: count }, () => new Uint8Array(bytes)));
const template = (bits: number, label?: string) =>
  encodeAttributes(attributesOf({ type: 'HMAC', bits, usage: [], ...(label && { label }) }, true, 0));
const symmetric = (bits: number) => keyOf(template(bits));
const composite = (bits: 256 | 512) =>
  keyOf(encodeAttributes(attributesOf({ type: 'AES-CBC-HMAC', bits, usage: [] }, true, 0)));

/** Every parameter whose size a caller chooses: the request of so much, and the least charge a unit at its largest. */
const PARAMETERS: [name: string, of: (size: number) => CellRequest, most: number, leastMicros: number][] = [
  ['sign ECDSA: message', (n) => ask('sign', 'ECDSA', [key('P-256')], [n]), 16 * MIB, 50_000],
  ['sign ECDSA P-384: message', (n) => ask('sign', 'ECDSA', [key('P-384')], [n]), 16 * MIB, 35_000],
  ['verify ECDSA: message', (n) => ask('verify', 'ECDSA', [key('P-256')], [n, 64]), 16 * MIB, 50_000],
  ['sign HMAC: message', (n) => ask('sign', 'HMAC', [symmetric(256)], [n]), 16 * MIB, 50_000],
  ['sign HMAC: bits of the key', (n) => ask('sign', 'HMAC', [symmetric(n)], [32]), 4096, 3],
  ['verify HMAC: message', (n) => ask('verify', 'HMAC', [symmetric(256)], [n, 32]), 16 * MIB, 50_000],
  ['sign CMAC: message', (n) => ask('sign', 'AES-CMAC', [key(null)], [n]), 16 * MIB, 100_000],
  ['encrypt: plaintext', (n) => ask('encrypt', 'envelope', [key(null)], [n, 0]), 16 * MIB, 70_000],
  ['encrypt: aad', (n) => ask('encrypt', 'envelope', [key(null)], [0, n]), 16 * MIB, 25_000],
  ['encrypt GCM: plaintext', (n) => ask('encrypt', 'AES-GCM', [key(null)], [n, 0, 12]), 16 * MIB, 70_000],
  ['encrypt CTR: plaintext', (n) => ask('encrypt', 'AES-CTR', [key(null)], [n, 0, 16]), 16 * MIB, 50_000],
  [
    'encrypt CBC-HMAC: plaintext',
    (n) => ask('encrypt', 'AES-CBC-HMAC', [composite(512)], [n, 0, 0]),
    16 * MIB,
    130_000,
  ],
  ['encrypt CBC-HMAC: aad', (n) => ask('encrypt', 'AES-CBC-HMAC', [composite(256)], [0, n, 0]), 16 * MIB, 50_000],
  [
    'decrypt CBC-HMAC: ciphertext',
    (n) => ask('decrypt', 'AES-CBC-HMAC', [composite(256)], [n, 0, 16]),
    16 * MIB,
    110_000,
  ],
  ['encrypt CBC: plaintext', (n) => ask('encrypt', 'AES-CBC', [key(null)], [n, 0, 16]), 16 * MIB, 100_000],
  ['decrypt: ciphertext', (n) => ask('decrypt', 'envelope', [key(null)], [n, 0]), 16 * MIB, 70_000],
  ['decrypt: aad', (n) => ask('decrypt', 'AES-GCM', [key(null)], [16, n, 12]), 16 * MIB, 25_000],
  ['decrypt CBC: ciphertext', (n) => ask('decrypt', 'AES-CBC', [key(null)], [n, 0, 16]), 16 * MIB, 60_000],
  ['reencrypt: envelope', (n) => ask('reencrypt', 'envelope', [key(null), key(null)], [n, 0, 0]), 16 * MIB, 120_000],
  ['reencrypt: aad', (n) => ask('reencrypt', 'envelope', [key(null), key(null)], [64, n, 0]), 8 * MIB, 12_000],
  ['reencrypt: toAad', (n) => ask('reencrypt', 'envelope', [key(null), key(null)], [64, 0, n]), 8 * MIB, 12_000],
  ['encryptSegment: plaintext', (n) => ask('encryptSegment', 'none', [key(null)], [n, 47, 32, 32, 4]), 64 * KIB, 280],
  ['decryptSegment: ciphertext', (n) => ask('decryptSegment', 'none', [key(null)], [n, 47, 32, 4]), 64 * KIB, 280],
  ['wrapKey: bits of the key', (n) => ask('wrapKey', 'AES-KW', [key(null), symmetric(n)], [0]), 4096, 22],
  ['wrapKey: aad', (n) => ask('wrapKey', 'AES-GCM', [key(null), key(null)], [n]), 16 * MIB, 25_000],
  ['unwrapKey: blob', (n) => ask('unwrapKey', 'AES-KW', [key(null)], [0, 73, n, 0]), 520, 30],
  ['unwrapKey: aad', (n) => ask('unwrapKey', 'AES-GCM', [key(null)], [0, 73, 60, n]), 16 * MIB, 25_000],
  ['rewrapKeys: blobs', (n) => rewrap({ blobs: texts(n, 40) }), 4096, 10_000],
  ['rewrapKeys: bytes of blobs', (n) => rewrap({ blobs: texts(1, n) }), 512 * KIB, 46_000],
  ['rewrapKeys to JWE: blobs', (n) => rewrap({ blobs: texts(n, 40), jwe: true }), 4096, 20_000],
  [
    'rewrapKeys to JWE: one header',
    (n) => rewrap({ blobs: texts(250, 40), jwe: true, headers: texts(1, n) }),
    8 * KIB,
    6000,
  ],
  [
    'rewrapKeys to JWE: headers',
    (n) => rewrap({ blobs: texts(n, 40), jwe: true, headers: texts(n, 500) }),
    4096,
    45_000,
  ],
  ['rewrapKeys to JWE: proof', (n) => rewrap({ blobs: texts(1, 40), jwe: true, proof: n }), 16 * KIB, 300],
  [
    'deriveKey HKDF: info',
    (n) => derive({ info: packList([new Uint8Array(KIB), new Uint8Array(n)]), bits: 4096 }),
    KIB,
    85,
  ],
  [
    'deriveKey HKDF: salt',
    (n) => derive({ info: packList([new Uint8Array(n), new Uint8Array(KIB)]), bits: 4096 }),
    KIB,
    85,
  ],
  ['deriveKey: label and context', (n) => derive({ info: new Uint8Array(n), bits: 4096 }), 2 * KIB, 125],
  ['deriveKey: bits', (n) => derive({ info: new Uint8Array(2 * KIB), bits: n }), 4096, 125],
  ['deriveKey: bits of the base', (n) => derive({ info: new Uint8Array(2 * KIB), bits: 4096, base: n }), 4096, 145],
  ['generateKey: bits', (n) => request('generateKey', { parts: [nothing, template(n)] }), 4096, 12],
  ['importKey: bits', (n) => request('importKey', { parts: [nothing, template(n), new Uint8Array(n / 8)] }), 4096, 7],
  [
    'importKey: PEM',
    (n) => request('importKey', { parts: [nothing, template(256), new Uint8Array(n)] }),
    64 * KIB,
    650,
  ],
  ['random: bytes', (n) => request('random', { parts: [number(n)] }), 64 * KIB, 850],
  ['generateDataKey: bytes', (n) => request('generateDataKey', { parts: [number(n), nothing] }), 4096, 65],
  [
    'generateDataKey: aad',
    (n) => request('generateDataKey', { parts: [number(32), new Uint8Array(n)] }),
    16 * MIB,
    25_000,
  ],
];

test.each(PARAMETERS)(
  '%s: more is never cheaper, and the most is charged what it takes',
  (_, of, most, leastMicros) => {
    let before = 0;
    // Whole bytes, and whole bits of keys.
    for (const size of [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => 8 * Math.floor((i * most) / 64)).concat(most)) {
      const cost = costOf(of(Math.max(size, 8)));
      expect(cost).toBeGreaterThanOrEqual(before);
      before = cost;
    }
    expect(before).toBeGreaterThan(costOf(of(8)));
    // By what the kernels took when this was written: bench/declared.mjs.
    expect(before).toBeGreaterThanOrEqual(leastMicros);
  },
);

test('a label, another hash and an EC key count, too', () => {
  const made = (label?: string) => costOf(request('generateKey', { parts: [nothing, template(256, label)] }));
  expect(made('a label')).toBeGreaterThan(made());
  const signed = (flags: number, curve: Curve) => costOf({ ...ask('sign', 'ECDSA', [key(curve)], [16 * MIB]), flags });
  for (const curve of ['P-256', 'P-384'] as const) {
    expect(signed(hashFlag(1), curve)).toBeGreaterThan(1.3 * signed(hashFlag(3), curve));
  }
  expect(signed(0, 'P-256')).toBe(signed(hashFlag(1), 'P-256'));
  expect(signed(0, 'P-384')).toBe(signed(hashFlag(2), 'P-384'));
  const wrapped = (k: ReturnType<typeof key>) => costOf(ask('wrapKey', 'AES-KWP', [key(null), k], [0]));
  expect(wrapped(key('P-384'))).toBeGreaterThan(wrapped(key(null)));
});

test('numbers and counts that lie beyond all bounds cost no more than what is bounded', () => {
  const most = costOf(request('random', { parts: [number(64 * KIB)] }));
  expect(costOf(request('random', { parts: [number(0xffffffff)] }))).toBe(most);
  const dataKey = (bytes: number) => costOf(request('generateDataKey', { parts: [number(bytes), nothing] }));
  expect(dataKey(0xffffffff)).toBe(dataKey(4096));
  // A list cannot hold more items than there is room for.
  const claims = new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0]);
  expect(costOf(rewrap({ blobs: claims, jwe: true, headers: claims }))).toBeLessThan(1000);
});

test('any request has a finite cost, whatever it carries', () => {
  const records = [new Uint8Array(0), new Uint8Array(107), new Uint8Array(500).fill(255), key('P-384').record];
  for (const op of Object.keys(OP) as OpName[]) {
    for (const record of records) {
      for (const mechanism of ['none', 'ECDSA', 'ECDH'] as const) {
        for (const flags of [0, FLAG.jwe]) {
          for (const parts of [[], [record], [record, record]]) {
            const cost = costOf(request(op, { mechanism, flags, keys: [{ id, record }], parts }));
            expect([op, Number.isFinite(cost) && cost > 0]).toEqual([op, true]);
          }
        }
      }
    }
  }
});

test('a proof is charged by its curve, and less once its issuer has a table', () => {
  const verifying = (curve: Curve, tabled: boolean) =>
    costOf(request('verify', { mechanism: 'ECDSA', keys: [key(curve)] }), tabled);
  const proved = (signature: number, tabled: boolean) => {
    const proof = Buffer.from(`${'h'.repeat(60)}.${'p'.repeat(300)}.${'s'.repeat(signature)}`);
    const asked = rewrap({ blobs: packList([new Uint8Array(40)]), jwe: true });
    return costOf({ ...asked, parts: asked.parts.with(2, proof) }, tabled);
  };
  for (const tabled of [false, true]) {
    const more = verifying('P-384', tabled) - verifying('P-256', tabled);
    expect(Math.abs(proved(128, tabled) - proved(86, tabled) - more)).toBeLessThan(3);
  }
  for (const [signature, curve] of [
    [86, 'P-256'],
    [128, 'P-384'],
  ] as const) {
    expect(proved(signature, false) - proved(signature, true)).toBe(verifying(curve, false) - verifying(curve, true));
  }
});
