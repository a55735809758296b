/** What a request is taken to cost: by its operation, its bytes, and the curve that its record or template claims. */
import { expect, test } from 'vitest';
import type { KeyAttributes } from '../../src/model/attributes.ts';
import type { Curve } from '../../src/model/key.ts';
import { BATCH_COST, costOf } from '../../src/pool/cost.ts';
import { encodeAttributes } from '../../src/wire/attributes.ts';
import { type CellRequest, FLAG, OP, type OpName } from '../../src/wire/batch.ts';
import { encodeRecordHeader } from '../../src/wire/record.ts';

const attributes = (curve: Curve | null): Uint8Array =>
  encodeAttributes({
    type: curve === null ? 'AES' : 'EC',
    class: curve === null ? 'secret' : 'private',
    curve,
    bits: 256,
    extractable: false,
    rewrap: 'trusted',
    usage: [],
    notBefore: 0,
    notAfter: 0,
    maxUses: 0,
    createdAt: 0,
    checkValue: new Uint8Array(0),
    version: 1,
    point: curve === null ? null : new Uint8Array(curve === 'P-384' ? 97 : 65),
    label: null,
    unwrapLimit: null,
    issuer: null,
  } as unknown as KeyAttributes);

const id = 'ab'.repeat(16);
const key = (curve: Curve | null) => ({
  id,
  record: encodeRecordHeader({
    kind: 1,
    hsmId: id,
    epoch: 1,
    id,
    revision: 1,
    owner: id,
    salt: new Uint8Array(32),
    attributes: attributes(curve),
    secretLength: 0,
  }),
});
const request = (op: OpName, more: Partial<CellRequest>): CellRequest => ({
  op,
  mechanism: 'none',
  flags: 0,
  ticket: new Uint8Array(0),
  keys: [],
  parts: [],
  ...more,
});

test('P-384 costs at least twice what P-256 does, whatever names the curve', () => {
  const nothing = new Uint8Array(0);
  const costs = (curve: Curve) => ({
    sign: costOf(request('sign', { mechanism: 'ECDSA', keys: [key(curve)] })),
    verify: costOf(request('verify', { mechanism: 'ECDSA', keys: [key(curve)] })),
    derive: costOf(request('deriveKey', { mechanism: 'ECDH', keys: [key(curve)] })),
    generate: costOf(request('generateKey', { parts: [nothing, attributes(curve)] })),
    import: costOf(request('importKey', { parts: [nothing, attributes(curve)] })),
    toKey: costOf(request('rewrapKeys', { flags: FLAG.jwe, keys: [key(null), key(curve)] })),
    toPoint: costOf(
      request('rewrapKeys', { flags: FLAG.jwe, parts: [nothing, new Uint8Array(curve === 'P-384' ? 97 : 65)] }),
    ),
  });
  const [small, large] = [costs('P-256'), costs('P-384')];
  for (const [name, cost] of Object.entries(large)) {
    expect([name, cost / small[name as keyof typeof small] >= 2]).toEqual([name, true]);
  }
  // What the kernels' lanes and shared inversions want.
  expect(Math.floor(BATCH_COST / small.sign)).toBeGreaterThanOrEqual(32);
  // No batch is of one request where cells could share the work better.
  expect(large.verify).toBeLessThan(BATCH_COST / 2);
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
