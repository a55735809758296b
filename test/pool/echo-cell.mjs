/**
 * A cell without crypto: it speaks the protocol, echoes each request's parts, and obeys a command in the first part.
 * `core` bends its life: [0] 1: never starts; 2: its first start fails; 3: dies when provisioned; 4: the first
 * provisioning has no answer. [1] counts starts, [2] those that hung once. It is shared memory, so that later incarnations
 * know of earlier ones.
 */
import { batchLength, PlaceView, readBatch, replyBytesOffset, writeReply } from '../../dist/wire/batch.js';

const COMMAND = /^(sleep|throw|exit|hang|hang once|malformed|foreign|big|status|quiet|peek|broken|bell)(?::(.*))?$/;

const partsOf = (request) => Array.from({ length: request.partCount }, (_, p) => request.part(p));

export default function serve({ cell, core, port, places, counter, bell }) {
  const earlier = Atomics.add(core, 1, 1);
  if (core[0] === 1 || (core[0] === 2 && earlier === 0)) throw new Error('too many open files');
  const made = new BigUint64Array(counter);
  let warden = null;

  const answer = (index) => {
    const place = places[index];
    const copy = place.slice(0, batchLength(new PlaceView(place)));
    place.fill(0, 0, copy.length);
    const batch = readBatch({ view: new DataView(copy.buffer), text: Buffer.from(copy.buffer) }, 0, copy.length);
    let at = replyBytesOffset(batch.requests.length);
    let quiet = false;
    const put = (bytes) => {
      place.set(bytes, at);
      const span = { offset: at, length: bytes.length };
      at += bytes.length;
      return span;
    };
    const results = batch.requests.map((request) => {
      const parts = partsOf(request).map((p) => copy.subarray(p.offset, p.offset + p.length));
      const head = parts[0] === undefined || parts[0].length > 64 ? '' : Buffer.from(parts[0]).toString();
      const [, command, argument] = COMMAND.exec(head) ?? [];
      if (command === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(argument));
      if (command === 'broken') {
        port.postMessage({ type: 'broken', reason: 'a counter ran backwards' });
        throw new Error('broken');
      }
      if (command === 'throw') throw new Error('the cell throws');
      if (command === 'exit') process.exit(7);
      if (command === 'hang' || (command === 'hang once' && Atomics.add(core, 2, 1) === 0)) for (;;);
      if (command === 'quiet') quiet = true;
      if (command === 'big') return { status: 0, reason: 0, parts: [put(new Uint8Array(Number(argument)).fill(7))] };
      if (command === 'peek') {
        const clean = places.every((one) => one.every((byte) => byte === 0));
        return { status: clean ? 0 : 1, reason: 0, parts: [] };
      }
      if (command === 'bell') return { status: Atomics.load(new Int32Array(bell), 0), reason: 0, parts: [] };
      if (command === 'status') return { status: Number(argument), reason: 3, parts: [] };
      return { status: 0, reason: 0, parts: parts.slice(0, 3).map(put) };
    });
    const first = batch.requests[0].part(0);
    const head =
      first === undefined ? '' : Buffer.from(copy.subarray(first.offset, first.offset + first.length)).toString();
    if (head === 'foreign') results.pop();
    // The entry tells the test what the batch was.
    const entry = {
      cell,
      place: index,
      requests: batch.requests.length,
      keys: batch.keys.length,
      lease: batch.lease.length,
    };
    const audit = quiet ? { offset: 0, length: 0 } : put(Buffer.from(JSON.stringify(entry)));
    if (!quiet) Atomics.add(made, 0, 1n);
    writeReply(
      { view: new DataView(place.buffer, place.byteOffset, place.length) },
      0,
      head === 'malformed' ? 0x7fffffff : at,
      results,
      audit,
    );
    port.postMessage(index);
  };

  return new Promise((resolve, reject) => {
    port.on('message', (message) => {
      if (typeof message === 'number') {
        try {
          answer(message);
        } catch (error) {
          reject(error);
        }
      } else if (message.type === 'provision') {
        warden = message.port;
        if (core[0] === 3) reject(new Error('no master key'));
        else if (core[0] !== 4 || earlier > 0) port.postMessage({ type: 'provisioned' });
      } else if (message.type === 'seal') {
        warden?.close();
        warden = null;
        port.postMessage({ type: 'sealed' });
      } else if (message.type === 'drain') {
        port.postMessage({ type: 'drained' });
        warden?.close();
        port.close();
        resolve();
      }
    });
    port.postMessage({ type: 'ready' });
  });
}
