/**
 * What a request will cost its cell, in about a microsecond. Only proportions matter: a batch is cut where its sum passes
 * BATCH_COST, so that no cell is away for long and work spreads over cells. The numbers are first guesses; the issue
 * "speed" measures them again. What only the record knows (the curve) is not seen here.
 */
import { type CellRequest, FLAG } from '../wire/batch.ts';

/** Half a millisecond: long against the 20 µs that a trip costs, short against what a caller notices. */
export const BATCH_COST = 500;
/** Less than this is not worth a trip of its own, when the queue is split over free places. */
export const SPLIT_COST = 30;

const PER_KEY = 3;
const byBytes = (bytes: number): number => 3 + bytes / 100;

export function costOf(request: CellRequest): number {
  let bytes = 0;
  for (const part of request.parts) bytes += part.length;
  return PER_KEY * request.keys.length + work(request, bytes);
}

function work(request: CellRequest, bytes: number): number {
  switch (request.op) {
    case 'sign':
      return request.mechanism === 'ECDSA' ? 57 + bytes / 150 : byBytes(bytes);
    case 'verify':
      return request.mechanism === 'ECDSA' ? 147 + bytes / 150 : byBytes(bytes);
    case 'encrypt':
    case 'decrypt':
    case 'wrapKey':
    case 'unwrapKey':
    case 'generateDataKey':
    case 'encryptSegment':
    case 'decryptSegment':
      return byBytes(bytes);
    case 'rewrapKeys':
      // 10 a blob, and a wrapped content key takes about 40 bytes of the request.
      return ((request.flags & FLAG.jwe) === 0 ? 5 : 250) + bytes / 4;
    case 'deriveKey':
      return request.mechanism === 'ECDH' ? 250 : byBytes(bytes);
    case 'generateKey':
    case 'importKey':
    case 'exportKey':
      return 60;
    case 'random':
      // The answer's size is not seen here: 16 of them in a batch at most.
      return 31;
    case 'reencrypt':
      return 2 * byBytes(bytes);
    case 'openStream':
    case 'setAttributes':
    case 'destroyKey':
      return 10;
  }
}
