/** What a cell reads of a batch is what was written, and nothing outside of it, whatever the batch says. */
import { expect, test } from 'vitest';
import {
  type CellRequest,
  FLAG,
  MAX_KEYS,
  MAX_PARTS,
  MECHANISM,
  OP,
  readBatch,
  readReply,
  replyBytesOffset,
  type Span,
  writeBatch,
  writeReply,
} from '../../src/wire/batch.ts';
import { FormatError } from '../../src/wire/fields.ts';

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (seed + 7 * i) & 255);
const key = (seed: number) => ({ id: seed.toString(16).padStart(32, '0'), record: bytes(100 + seed, seed) });
const [keyA, keyB, keyC] = [key(1), key(2), key(3)] as const;
const [ticketA, ticketB] = [bytes(80, 5), bytes(90, 6)] as const;
const request = (given: Partial<CellRequest>): CellRequest => ({
  op: 'sign',
  mechanism: 'ECDSA',
  flags: 0,
  ticket: ticketA,
  keys: [],
  parts: [],
  ...given,
});
const REQUESTS = [
  request({ keys: [keyA], parts: [bytes(32, 9)] }),
  request({ op: 'random', mechanism: 'none', ticket: ticketB }),
  request({
    op: 'unwrapKey',
    mechanism: 'AES-KWP',
    flags: FLAG.wrapAsKwp,
    keys: [keyB, keyA, keyC],
    parts: [bytes(0, 0), bytes(1, 1), bytes(8, 2), bytes(9, 3), bytes(1000, 4)],
  }),
  request({ keys: [keyB], parts: [bytes(5, 5), bytes(6, 6)], ticket: ticketB }),
];

function written(): { batch: Uint8Array; data: DataView } {
  const place = new Uint8Array(16_384);
  const batch = place.slice(0, writeBatch(place, bytes(70, 8), REQUESTS));
  return { batch, data: new DataView(batch.buffer) };
}
/** As a cell would read it that has its copy at `base`. */
function read(batch: Uint8Array, base = 0) {
  const memory = new Uint8Array(base + batch.length);
  memory.set(batch, base);
  const view = new DataView(memory.buffer);
  return { memory, view, ...readBatch({ view, text: Buffer.from(memory.buffer) }, base, batch.length) };
}
const requestsAt = (data: DataView) => 32 + 8 * data.getUint32(16, true) + 24 * data.getUint32(20, true);
const cut = (batch: Uint8Array, { offset, length }: Span) => batch.subarray(offset, offset + length);

test('every request comes out as it went in; keys and tickets are written once', () => {
  const { batch } = written();
  for (const base of [0, 4096]) {
    const { memory, lease, tickets, keys, requests } = read(batch, base);
    expect(cut(memory, lease)).toEqual(bytes(70, 8));
    expect(tickets.map((span) => cut(memory, span))).toEqual([ticketA, ticketB]);
    expect(keys.map(({ id }) => id)).toEqual([keyA.id, keyB.id, keyC.id]);
    expect(keys.map(({ record }) => cut(memory, record))).toEqual([keyA.record, keyB.record, keyC.record]);
    REQUESTS.forEach((asked, i) => {
      const found = requests[i]!;
      expect([found.op, found.mechanism, found.flags]).toEqual([OP[asked.op], MECHANISM[asked.mechanism], asked.flags]);
      expect(cut(memory, tickets[found.ticket]!)).toEqual(asked.ticket);
      expect([found.keyCount, found.partCount]).toEqual([asked.keys.length, asked.parts.length]);
      for (let k = 0; k <= MAX_KEYS; k++) expect(keys[found.key(k) ?? -1]?.id).toBe(asked.keys[k]?.id);
      for (let p = 0; p <= MAX_PARTS; p++) {
        const span = found.part(p);
        expect(span && cut(memory, span)).toEqual(asked.parts[p]);
      }
    });
  }
});

test('a number or range that the batch does not have is refused', () => {
  const broken = (change: (data: DataView, entry: number) => void) => () => {
    const { batch, data } = written();
    // The third request: it has all keys and parts.
    change(data, requestsAt(data) + 2 * 56);
    read(batch);
  };
  expect(broken(() => {})).not.toThrow();
  const { length } = written().batch;
  const changes: ((data: DataView, entry: number) => void)[] = [
    (data) => data.setUint32(0, 0, true),
    (data) => data.setUint32(16, 1025, true),
    (data) => data.setUint32(20, 241, true),
    (data) => data.setUint32(24, 1025, true),
    (data) => data.setUint32(24, 1000, true),
    (data) => data.setUint32(8, length, true),
    (data) => data.setUint32(12, 0xffffffff, true),
    (data) => data.setUint32(32, length, true),
    (data) => data.setUint32(32 + 8 * 2, length, true),
    (data, entry) => data.setUint16(entry + 4, 2, true),
    (data, entry) => data.setUint16(entry + 10, 3, true),
    (data, entry) => data.setUint32(entry + 12, MAX_PARTS + 1, true),
    (data, entry) => data.setUint32(entry + 16, length + 1, true),
    (data, entry) => data.setUint32(entry + 16 + 8 * 4, length - 999, true),
    (data, entry) => data.setUint32(entry + 20 + 8 * 4, 0xffffffff, true),
  ];
  for (const change of changes) expect(broken(change), String(change)).toThrow(FormatError);
  for (let cutAt = 0; cutAt < 600; cutAt++) {
    expect(() => read(written().batch.subarray(0, cutAt))).toThrow(FormatError);
  }
});

test('a part that came to point elsewhere since is refused when it is read', () => {
  const { batch, data } = written();
  const { view, requests } = read(batch);
  const found = requests[2]!;
  view.setUint32(requestsAt(data) + 2 * 56 + 16 + 8 * 4, batch.length - 999, true);
  expect(() => found.part(4)).toThrow(FormatError);
  expect(found.part(3)?.length).toBe(9);
});

test('a reply, its parts counted from where it lies or from a base', () => {
  const texts = [bytes(3, 1), bytes(70, 2), bytes(0, 3)];
  for (const base of [0, 4096]) {
    const memory = new Uint8Array(base + 1024);
    const place = memory.subarray(base);
    let at = replyBytesOffset(3);
    const put = (part: Uint8Array): Span => {
      place.set(part, at);
      at += part.length;
      return { offset: base + at - part.length, length: part.length };
    };
    const results = [
      { status: 0, reason: 0, parts: [put(texts[0]!)] },
      { status: 513, reason: 7, parts: [] },
      { status: 0, reason: 0, parts: [put(texts[1]!), put(texts[2]!)] },
    ];
    writeReply({ view: new DataView(memory.buffer) }, base, at, results, { offset: 0, length: 0 });
    const read = readReply(place, [{ op: 'sign' }, { op: 'sign' }, { op: 'decrypt' }]);
    expect(read.results.map(({ status, reason }) => [status, reason])).toEqual([
      [0, 0],
      [513, 7],
      [0, 0],
    ]);
    expect(read.results.map(({ parts }) => parts)).toEqual([[texts[0]], [], [texts[1], texts[2]]]);
    expect(read.length).toBe(at);
  }
});
