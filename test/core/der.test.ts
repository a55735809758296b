import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CURVES, concat, openCurve, toBytes, toInt } from '../support/curves.ts';

/** X.690 by way of text: the one encoding of an integer is that of its shortest hexadecimal form. */
function encodeReference(r: bigint, s: bigint): Uint8Array {
  const integer = (v: bigint) => {
    let text = v.toString(16);
    if (text.length % 2) text = `0${text}`;
    if (text[0]! >= '8') text = `00${text}`;
    const content = new Uint8Array(Buffer.from(text, 'hex'));
    return concat(Uint8Array.of(2, content.length), content);
  };
  const body = concat(integer(r), integer(s));
  return concat(Uint8Array.of(0x30, body.length), body);
}

describe.each(CURVES.filter(({ name }) => name !== 'secp256k1'))('r and s of $size bytes', (curve) => {
  const { size } = curve;
  const core = openCurve(curve);
  const refused = { ok: 0, signature: new Uint8Array(2 * size) };
  const limit = 1n << BigInt(8 * size);

  /** Bytes are valid if reading them leniently and writing what was read gives the same bytes. */
  function decodeReference(der: Uint8Array): { r: bigint; s: bigint } | undefined {
    const rLength = der[3] ?? 0;
    const r = toInt(der.subarray(4, 4 + rLength));
    const s = toInt(der.subarray(6 + rLength));
    if (r <= 0n || s <= 0n || r >= limit || s >= limit) return undefined;
    return Buffer.compare(encodeReference(r, s), der) === 0 ? { r, s } : undefined;
  }

  const value = fc
    .tuple(fc.bigInt({ min: 1n, max: limit - 1n }), fc.integer({ min: 0, max: 8 * size - 1 }))
    .map(([v, shift]) => v >> BigInt(shift) || 1n);
  const edges = [
    ...[1n, 2n, 0x7fn, 0x80n, 0xffn, 0x100n, 0x7fffn, 0x8000n, (limit >> 1n) - 1n, limit >> 1n, limit - 1n],
    ...[(limit >> 8n) - 1n, limit >> 8n, (limit >> 9n) - 1n, limit >> 9n],
  ];

  function roundTrip(r: bigint, s: bigint): void {
    const signature = concat(toBytes(r, size), toBytes(s, size));
    const der = core.derEncode(signature);
    expect(der).toEqual(encodeReference(r, s));
    expect(core.derDecode(der)).toEqual({ ok: 1, signature });
  }

  function agrees(der: Uint8Array): boolean {
    const expected = decodeReference(der);
    expect(core.derDecode(der)).toEqual(
      expected ? { ok: 1, signature: concat(toBytes(expected.r, size), toBytes(expected.s, size)) } : refused,
    );
    return expected !== undefined;
  }

  test('round trip', () => {
    for (const r of edges) for (const s of edges) roundTrip(r, s);
    fc.assert(fc.property(value, value, roundTrip), { numRuns: 500 });
  });

  test('every single change of a byte, every cut and insertion', () => {
    const seeds = [
      encodeReference(1n, 1n),
      encodeReference(0x80n, 0x7fn),
      encodeReference(limit - 1n, (limit >> 1n) - 1n),
      encodeReference((limit >> 6n) - 3n, (limit >> 1n) + 7n),
    ];
    let accepted = 0;
    for (const der of seeds) {
      for (let at = 0; at <= der.length; at++) {
        agrees(der.slice(0, at));
        if (at < der.length) agrees(concat(der.subarray(0, at), der.subarray(at + 1)));
        for (const v of [0, 1, 2, 3, 0x30, 0x7f, 0x80, 0x81, 0xff]) {
          agrees(concat(der.subarray(0, at), Uint8Array.of(v), der.subarray(at)));
        }
        if (at === der.length) continue;
        // Heads are tried with every value, contents with enough to meet both signs and zero.
        const values = at < 6 || der[at] === 2 ? [...Array(256).keys()] : [0, 1, 0x7f, 0x80, 0xff];
        for (const v of values) if (agrees(der.map((w, i) => (i === at ? v : w)))) accepted++;
      }
    }
    expect(accepted).toBeGreaterThan(100); // the reference does not refuse all
  });

  test('forms of BER that are not DER', () => {
    const forms = [
      '308106020101020101', // long form of a length
      '30800201010201010000', // indefinite length
      '300702020001020101', // a superfluous leading 0 in r
      '300702010102020001', // and in s
      '3006020100020101', // r = 0
      '3006020101020100', // s = 0
      '3006020181020101', // r negative
      '3006020101020181', // s negative
      '300602010102010100', // trailing byte after
      '3007020101020101ff', // trailing byte inside
      '3005020002020101', // empty r
      '3003020101', // s missing
      '3009020101020101020101', // three integers
      '3106020101020101', // SET
      '3000',
      '30',
      '',
    ];
    for (const form of forms) expect(core.derDecode(new Uint8Array(Buffer.from(form, 'hex'))), form).toEqual(refused);
    const long = (length: number) => concat(Uint8Array.of(2, length), new Uint8Array(length).fill(1));
    const wide = concat(Uint8Array.of(0x30, size + 3 + 3), long(size + 1), Uint8Array.of(2, 1, 1));
    expect(core.derDecode(wide)).toEqual(refused); // r of 33 bytes that is not below 2^256
  });

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * size + 16 }), (der) => void agrees(der)),
      { numRuns: 1000 },
    );
  });
});
