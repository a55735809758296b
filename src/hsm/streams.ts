/** encryptStream and decryptStream: what goes to the cells for each segment, docs/formats.md §7. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HsmError } from '../errors.ts';
import type { AadOption, CallOptions } from '../model/hsm.ts';
import type { Bytes } from '../model/key.ts';
import { FLAG, type OpName } from '../wire/batch.ts';
import { FieldWriter } from '../wire/fields.ts';
import { SEGMENT_OVERHEAD, SEGMENT_SIZE, STREAM_HEADER_SIZE } from '../wire/stream.ts';
import { callOf, NOTHING, viewOf } from './inputs.ts';
import type { Lane } from './lane.ts';
import { type Coder, SegmentStream } from './segments.ts';

/** The session's way to a cell, with the stream's key. */
export type Send = (
  op: Extract<OpName, 'openStream' | 'encryptSegment' | 'decryptSegment'>,
  flags: number,
  parts: readonly Uint8Array[],
  options: CallOptions,
) => Promise<readonly Bytes[]>;
export type StreamOptions = CallOptions & AadOption;

/** `firstIndex` is for the test of the counter's limit. */
export function encryptingStream(lane: Lane, send: Send, options: StreamOptions, firstIndex?: number): SegmentStream {
  const { signal, timeout } = callOf(options);
  const aad = hashOf(options);
  const call = patient(lane, send, timeout);
  let opened: Promise<readonly Bytes[]>;
  const coder: Coder = {
    headerSize: 0,
    segmentSize: SEGMENT_SIZE,
    begin(_, signal) {
      opened = call('openStream', 0, [], signal);
      return opened.then(([header]) => new Uint8Array(header!));
    },
    async segment(bytes, index, last, signal) {
      const [header, grant] = await opened;
      const parts = [bytes, header!, grant!, aad, number(index)];
      const [sealed] = await call('encryptSegment', last ? FLAG.last : 0, parts, signal);
      return sealed!;
    },
    cutShort: () => new HsmError('KEYCELL_INPUT_INVALID'),
  };
  return new SegmentStream(coder, signal, firstIndex);
}

export function decryptingStream(lane: Lane, send: Send, options: StreamOptions, firstIndex?: number): SegmentStream {
  const { signal, timeout } = callOf(options);
  const aad = hashOf(options);
  const call = patient(lane, send, timeout);
  let header: Uint8Array;
  const coder: Coder = {
    headerSize: STREAM_HEADER_SIZE,
    segmentSize: SEGMENT_SIZE + SEGMENT_OVERHEAD,
    begin(given) {
      header = given;
      return undefined;
    },
    async segment(bytes, index, last, signal) {
      const parts = [bytes, header, aad, number(index)];
      const [plaintext] = await call('decryptSegment', last ? FLAG.last : 0, parts, signal);
      return plaintext!;
    },
    cutShort: () => new HsmError('KEYCELL_DECRYPT_FAILED'),
  };
  return new SegmentStream(coder, signal, firstIndex);
}

/**
 * Associated data goes with every segment as its hash, so that megabytes of it cost no more than none. It is public, and
 * hashing needs no key: this may be done outside the cells. Throws INPUT_INVALID.
 */
function hashOf({ aad = NOTHING }: StreamOptions): Uint8Array {
  return createHash('sha256').update(viewOf(aad)).digest();
}

const number = (index: number): Uint8Array => new FieldWriter(4).u32(index).bytes;

const PAUSE_MAX = 50;

/**
 * A full queue ends no stream: a segment waits and comes again, until its time is out. `timeout` counts for each segment,
 * since how long the whole takes is its writer's and reader's affair.
 */
function patient(lane: Lane, send: Send, timeout: number | undefined) {
  return async (op: Parameters<Send>[0], flags: number, parts: readonly Uint8Array[], signal: AbortSignal) => {
    const deadline = timeout === undefined ? undefined : performance.now() + timeout;
    for (let pause = 1; ; pause = Math.min(2 * pause, PAUSE_MAX)) {
      try {
        return await lane.run(() => {
          const left = deadline === undefined ? {} : { timeout: Math.max(0, deadline - performance.now()) };
          return send(op, flags, parts, { signal, ...left });
        });
      } catch (error) {
        if (!(error instanceof HsmError) || error.code !== 'KEYCELL_BUSY') throw error;
      }
      await sleep(pause);
    }
  };
}
