/**
 * What a request will cost its cell, in about a microsecond. Only proportions matter: a batch is cut where its sum passes
 * BATCH_COST, so that no cell is away for long and work spreads over cells. The numbers are those of the kernels on an x64
 * core of 2026, with the cell's share of parsing and policy. The curve is what the key's record claims in the clear: nothing but a batch's length rests on it.
 */
import type { Curve } from '../model/key.ts';
import { peekCurve } from '../wire/attributes.ts';
import { type CellRequest, FLAG, type OpName } from '../wire/batch.ts';
import { RECORD_FIXED_SIZE } from '../wire/record.ts';

/**
 * About a millisecond: long against the 50 µs that a trip costs both its ends, short against what a caller notices. On P-256
 * it is 64 signatures, on P-384 32: whole groups of the kernel that makes 32 together.
 */
export const BATCH_COST = 1024;
/** Less than this is not worth a trip of its own, when the queue is split over idle cells: eight signatures on P-256. */
export const SPLIT_COST = 128;
/** Less than this waits while all cells are at work: sixteen of them. Few in flight then make few batches, one a cell. */
export const DOOR_COST = 256;

/**
 * On a curve, so many operations go through one kernel side by side, and fewer take as long: nine take the time of twelve.
 * Batches are cut at multiples.
 */
export const LANES = 4;
/** A batch whose lanes are being filled ends here at the latest. */
export const LANES_COST = 1.25 * BATCH_COST;
const IN_LANES: ReadonlySet<OpName> = new Set<OpName>(['sign', 'verify', 'deriveKey', 'generateKey', 'rewrapKeys']);

/** One operation on each curve. `make` is a key pair, or the point of a private key; `agree` also makes a pair, as a JWE does. */
const EC: Readonly<Record<Curve, { sign: number; verify: number; agree: number; make: number }>> = {
  'P-256': { sign: 15, verify: 40, agree: 50, make: 15 },
  'P-384': { sign: 31, verify: 130, agree: 150, make: 35 },
  secp256k1: { sign: 15, verify: 45, agree: 50, make: 15 },
};
/** What a request costs whatever it asks for: parsing, policy, the reply. Opening a key is shared by all that use it. */
const PER_REQUEST = 0.5;
const SMALL = 2;
const CIPHER_BYTES = 150;
const HASH_BYTES = 512;

const hashed = (bytes: number): number => bytes / HASH_BYTES;
const ciphered = (bytes: number): number => SMALL + bytes / CIPHER_BYTES;

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

/** A JWE costs 8, and the content key that goes into it came in about 32 bytes. A proof is a signature to verify. */
function jweCost(request: CellRequest): number {
  const [blobs, , proof] = request.parts;
  const proved = (proof?.length ?? 0) > 0 ? 15 : 0;
  return EC[recipientCurve(request)].agree + (blobs?.length ?? 0) / 4 + proved;
}

/** Is this among the operations of which a batch of LANES takes little longer than one? */
export const goesInLanes = ({ op, mechanism }: CellRequest): boolean =>
  IN_LANES.has(op) && mechanism !== 'HMAC' && mechanism !== 'AES-CMAC';

export function costOf(request: CellRequest): number {
  let bytes = 0;
  for (const part of request.parts) bytes += part.length;
  // Whole numbers add up to the same sum in any order.
  return Math.ceil(PER_REQUEST + work(request, bytes));
}

function work(request: CellRequest, bytes: number): number {
  switch (request.op) {
    case 'sign':
      return request.mechanism === 'ECDSA' ? EC[keyCurve(request, 0)].sign + hashed(bytes) : ciphered(bytes);
    case 'verify':
      return request.mechanism === 'ECDSA' ? EC[keyCurve(request, 0)].verify + hashed(bytes) : ciphered(bytes);
    case 'encrypt':
    case 'decrypt':
    case 'wrapKey':
    case 'unwrapKey':
    case 'generateDataKey':
    case 'encryptSegment':
    case 'decryptSegment':
      return ciphered(bytes);
    case 'rewrapKeys':
      return (request.flags & FLAG.jwe) === 0 ? SMALL + bytes / 20 : jweCost(request);
    case 'deriveKey':
      return request.mechanism === 'ECDH' ? EC[keyCurve(request, 0)].agree : ciphered(bytes);
    case 'generateKey':
    case 'importKey':
      return EC[wantedCurve(request)].make;
    case 'exportKey':
      return 10;
    case 'random':
      // The answer's size is not seen here: 16 of them in a batch at most.
      return 31;
    case 'reencrypt':
      return 2 * ciphered(bytes);
    case 'openStream':
    case 'setAttributes':
    case 'destroyKey':
      return 10;
  }
}
