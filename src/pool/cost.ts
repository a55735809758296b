/**
 * What a request will cost its cell, in about a microsecond. Only proportions matter: a batch is cut where its sum passes
 * BATCH_COST, so that no cell is away for long and work spreads over cells. The numbers are first guesses; the issue
 * "speed" measures them again. The curve is what the key's record claims in the clear: nothing but a batch's length rests on it.
 */
import type { Curve } from '../model/key.ts';
import { peekCurve } from '../wire/attributes.ts';
import { type CellRequest, FLAG } from '../wire/batch.ts';
import { RECORD_FIXED_SIZE } from '../wire/record.ts';

/** Half a millisecond: long against the 20 µs that a trip costs, short against what a caller notices. */
export const BATCH_COST = 500;
/** Less than this is not worth a trip of its own, when the queue is split over free places. */
export const SPLIT_COST = 30;

const PER_KEY = 3;
const byBytes = (bytes: number): number => 3 + bytes / 100;

/**
 * One operation on each curve, as the kernels took on an x64 core of 2026. `make` is a key pair, or the point of a private
 * key; `agree` also makes a pair, as a JWE does.
 */
const EC: Readonly<Record<Curve, { sign: number; verify: number; agree: number; make: number }>> = {
  'P-256': { sign: 55, verify: 200, agree: 200, make: 55 },
  'P-384': { sign: 185, verify: 930, agree: 1000, make: 150 },
  secp256k1: { sign: 55, verify: 175, agree: 175, make: 55 },
};

/** What the nth key of a request claims to be; a key that is none of EC's costs as one of P-256 where it matters at all. */
function keyCurve(request: CellRequest, n: number): Curve {
  const record = request.keys[n]?.record;
  return (record && peekCurve(record, RECORD_FIXED_SIZE)) ?? 'P-256';
}

/** The curve of the key that a request would make. */
function wantedCurve({ parts: [, attributes] }: CellRequest): Curve {
  return (attributes && peekCurve(attributes)) ?? 'P-256';
}

/** The recipient of a JWE is a key, or a point whose length tells its curve. */
function recipientCurve(request: CellRequest): Curve {
  if (request.keys[1] !== undefined) return keyCurve(request, 1);
  return [49, 97].includes(request.parts[1]?.length ?? 0) ? 'P-384' : 'P-256';
}

export function costOf(request: CellRequest): number {
  let bytes = 0;
  for (const part of request.parts) bytes += part.length;
  return PER_KEY * request.keys.length + work(request, bytes);
}

function work(request: CellRequest, bytes: number): number {
  switch (request.op) {
    case 'sign':
      return request.mechanism === 'ECDSA' ? EC[keyCurve(request, 0)].sign + bytes / 150 : byBytes(bytes);
    case 'verify':
      return request.mechanism === 'ECDSA' ? EC[keyCurve(request, 0)].verify + bytes / 150 : byBytes(bytes);
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
      return ((request.flags & FLAG.jwe) === 0 ? 5 : EC[recipientCurve(request)].agree) + bytes / 4;
    case 'deriveKey':
      return request.mechanism === 'ECDH' ? EC[keyCurve(request, 0)].agree : byBytes(bytes);
    case 'generateKey':
    case 'importKey':
      return EC[wantedCurve(request)].make;
    case 'exportKey':
      return 10;
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
