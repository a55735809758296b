/**
 * What a request may cost its cell at most, in about a microsecond: what each operation declares for each of its parameters.
 * A batch is cut where its sum passes BATCH_COST, so that no cell is away for long and work spreads over cells, and users
 * are charged by it. The numbers are those of the kernels on an x64 core of 2026, with the cell's share of parsing and policy;
 * `node bench/declared.mjs` puts them beside what is measured. Curves and sizes are what records, templates and lists claim in
 * the clear: the cell bounds what they may ask for (model/limits.ts), and nothing else rests on them.
 */
import type { Curve } from '../model/key.ts';
import { DATA_KEY_MAX, RANDOM_MAX } from '../model/limits.ts';
import { PLAIN_ATTRIBUTES_SIZE, peekBits, peekCurve } from '../wire/attributes.ts';
import { type CellRequest, FLAG, flaggedHash, type OpName } from '../wire/batch.ts';
import { peekCount } from '../wire/list.ts';
import { RECORD_FIXED_SIZE } from '../wire/record.ts';

/**
 * About two milliseconds: long against the 50 µs that a trip costs both its ends, short against what a caller notices. On P-256
 * it is 128 signatures, on P-384 64: whole groups of the kernel that makes 32 together.
 */
export const BATCH_COST = 2048;
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
export const LANES_COST = 1.3 * BATCH_COST;
const IN_LANES: ReadonlySet<OpName> = new Set<OpName>(['sign', 'verify', 'deriveKey', 'generateKey', 'rewrapKeys']);

/** Is this among the operations of which a batch of LANES takes little longer than one? */
export const goesInLanes = ({ op, mechanism }: CellRequest): boolean =>
  IN_LANES.has(op) && mechanism !== 'HMAC' && mechanism !== 'AES-CMAC';

/** Has this a signature to verify: its own, or a proof's? */
export const verifies = (request: CellRequest): boolean =>
  request.op === 'verify'
    ? request.mechanism === 'ECDSA'
    : request.op === 'rewrapKeys' && (request.flags & FLAG.jwe) !== 0 && sizeOf(request, 2) > 0;

/** One operation on a curve. */
interface CurveCosts {
  readonly sign: number;
  /** By a key that has no table yet; the lanes beside it may be empty. */
  readonly verify: number;
  /** An eighth of a table, which eight uses earn. */
  readonly tableShare: number;
  /** By a key that has its table: tabled-keys.ts. */
  readonly verifyTabled: number;
  /** A point read, and multiplied. */
  readonly agree: number;
  /** A key pair, in lanes. */
  readonly make: number;
  /** The point of a private key, alone. */
  readonly derive: number;
  /** A point that comes in, validated. */
  readonly read: number;
}
const EC: Readonly<Record<Curve, CurveCosts>> = {
  'P-256': { sign: 15, verify: 165, tableShare: 110, verifyTabled: 20, agree: 60, make: 16, derive: 42, read: 22 },
  'P-384': { sign: 31, verify: 640, tableShare: 320, verifyTabled: 60, agree: 215, make: 33, derive: 80, read: 47 },
  secp256k1: { sign: 15, verify: 165, tableShare: 310, verifyTabled: 22, agree: 75, make: 16, derive: 45, read: 28 },
};

/** What a request costs whatever it asks for: parsing, policy, the reply. */
const PER_REQUEST = 0.5;
/** A record that a batch opens: charged to whoever brings it first, as all that use it share it. */
export const OPENING = 6;
const SMALL = 2;
/** A new key's record: its template read, which is another than the one before, its header written, sealed. */
const RECORD = 9;
/** The same with a label, a template or dates, which are read the long way. */
const RARE_RECORD = 60;

// Bytes that a microsecond takes.
const SHA256_BYTES = 280;
const SHA512_BYTES = 400;
const GCM_BYTES = 180;
const AAD_BYTES = 500;
const CTR_BYTES = 250;
/** Each block waits for the one before: CBC's encryption, and CMAC. */
const CHAINED_BYTES = 130;
const CBC_DECRYPT_BYTES = 220;
/** AES key wrap goes over its input six times, a block after the other. */
const KEY_WRAP_BYTES = 22;
const KEY_UNWRAP_BYTES = 17;
const RANDOM_BYTES = 70;
/** PEM: its armour looked for, its base64 decoded. */
const MATERIAL_BYTES = 100;
/** A JOSE header that is parsed, written and encoded; and one that is as the one before: authenticated and copied. */
const HEADER_BYTES = 55;
const SAME_HEADER_BYTES = 350;

/** A JWE with no members of its caller's; what those of one request cost together beside the agreement; a text that is parsed. */
const JWE = 3.5;
const JWES = 35;
const HEADER = 5;
/** The claims of a proof, beside its bytes and its signature; it may name the blobs by their hashes. */
const CLAIMS = 8;
/** A signature on P-384 in base64url. */
const P384_SIGNATURE = 128;

/** More than any request that a cell takes: one that claims more is refused there, and its sum stays a small integer. */
const MOST = 2 ** 24;

/** Whole numbers, which add up to the same sum in any order. `tabled`: the key that verifies has its table. */
export const costOf = (request: CellRequest, tabled = false): number =>
  Math.ceil(Math.min(MOST, PER_REQUEST + work(request, tabled))) | 0;

/**
 * What the request's verification costs whoever brings it, beside its batch: a share of the table that its key is about to
 * earn. In a batch's own sum it would be missing from most and too little for one, so it only counts in turns.
 */
export function tableShareOf(request: CellRequest): number {
  if (request.op === 'verify') return onCurve(request).tableShare;
  return EC[isLongProof(request.parts[2]!) ? 'P-384' : 'P-256'].tableShare;
}

function work(request: CellRequest, tabled: boolean): number {
  switch (request.op) {
    case 'sign':
      return signature(request, 'sign');
    case 'verify':
      return signature(request, tabled ? 'verifyTabled' : 'verify');
    case 'encrypt':
    case 'decrypt':
    case 'encryptSegment':
    case 'decryptSegment':
      return cipher(request);
    case 'reencrypt':
      return 2 * cipher(request) + sizeOf(request, 2) / AAD_BYTES;
    case 'wrapKey':
      return wrapping(isGcm(request), 1, keyBytes(request, 1), KEY_WRAP_BYTES) + sizeOf(request, 0) / AAD_BYTES;
    case 'unwrapKey':
      return (
        wrapping(isGcm(request), 1, sizeOf(request, 2), KEY_UNWRAP_BYTES) +
        record(request, 'derive', sizeOf(request, 2)) +
        sizeOf(request, 3) / AAD_BYTES
      );
    case 'rewrapKeys':
      return rewrapping(request, tabled);
    case 'deriveKey':
      return (
        record(request, 'read') + derivation(request) + (request.mechanism === 'ECDH' ? onCurve(request).agree : 0)
      );
    case 'generateKey':
      return record(request, 'make') + askedBytes(request) / RANDOM_BYTES;
    case 'importKey':
      return (
        record(request, isPoint(sizeOf(request, 2)) ? 'read' : 'derive', sizeOf(request, 2)) +
        sizeOf(request, 2) / MATERIAL_BYTES
      );
    case 'exportKey':
      return 5;
    case 'random':
      return SMALL + Math.min(numberAt(request, 0), RANDOM_MAX) / RANDOM_BYTES;
    case 'generateDataKey':
      return 2 * SMALL + dataKey(numberAt(request, 0)) + sizeOf(request, 1) / AAD_BYTES;
    case 'openStream':
    case 'destroyKey':
      return 15;
    case 'setAttributes':
      return 1.5 * RARE_RECORD;
  }
}

const sizeOf = (request: CellRequest, n: number): number => request.parts[n]?.length ?? 0;
const isGcm = ({ mechanism }: CellRequest): boolean => mechanism === 'AES-GCM';
/** Compressed or not, of any curve: no private key has such a length. */
const isPoint = (size: number): boolean => [33, 49, 65, 97].includes(size);

/** A number that part `n` holds. */
function numberAt({ parts }: CellRequest, n: number): number {
  const part = parts[n];
  if (part?.length !== 4) return 0;
  return ((part[0]! << 24) | (part[1]! << 16) | (part[2]! << 8) | part[3]!) >>> 0;
}

/** The curve that the nth key of a request claims. */
function keyCurve(request: CellRequest, n: number): Curve | undefined {
  const sealed = request.keys[n]?.record;
  return sealed && peekCurve(sealed, RECORD_FIXED_SIZE);
}

/** What is done on the curve of the first key; one that is none of EC's costs as one of P-256. */
const onCurve = (request: CellRequest): CurveCosts => EC[keyCurve(request, 0) ?? 'P-256'];

/** Bytes of the nth key as it leaves: raw, or PKCS#8, which adds a point and its frame to a scalar. */
function keyBytes(request: CellRequest, n: number): number {
  const sealed = request.keys[n]?.record;
  if (sealed === undefined) return 0;
  const bytes = peekBits(sealed, RECORD_FIXED_SIZE) / 8;
  return keyCurve(request, n) === undefined ? bytes : 4 * bytes;
}

/** Bytes of the key that a template asks for. */
const askedBytes = ({ parts: [, template] }: CellRequest): number =>
  template === undefined ? 0 : peekBits(template) / 8;

const SHA256 = 1;
const hashBytes = (hash: number): number => (hash === SHA256 ? SHA256_BYTES : SHA512_BYTES);

function signature(request: CellRequest, way: 'sign' | 'verify' | 'verifyTabled'): number {
  const bytes = sizeOf(request, 0);
  const named = flaggedHash(request.flags);
  if (request.mechanism === 'ECDSA') {
    // The curve's own hash unless another is named; short messages are hashed side by side, in no time that would count.
    const curve = keyCurve(request, 0) ?? 'P-256';
    return EC[curve][way] + Math.floor(bytes / hashBytes(named !== 0 || curve === 'P-384' ? named : SHA256));
  }
  if (request.mechanism === 'AES-CMAC') return SMALL + bytes / CHAINED_BYTES;
  // A key that is longer than the hash's block is hashed first.
  return SMALL + (bytes + keyBytes(request, 0)) / hashBytes(named || SHA256);
}

/** Encryption one way or the other, with the associated data of part 1. */
function cipher(request: CellRequest): number {
  const bytes = sizeOf(request, 0);
  switch (request.mechanism) {
    case 'AES-CTR':
      return SMALL + bytes / CTR_BYTES;
    case 'AES-CBC':
      return SMALL + bytes / (request.op === 'encrypt' ? CHAINED_BYTES : CBC_DECRYPT_BYTES);
    case 'AES-CBC-HMAC':
      return SMALL + bytes / (request.op === 'encrypt' ? CHAINED_BYTES : CBC_DECRYPT_BYTES) + authenticated(request);
    default:
      return SMALL + bytes / GCM_BYTES + sizeOf(request, 1) / AAD_BYTES;
  }
}

/** The HMAC over associated data and ciphertext, by the hash that the key's size names. */
const authenticated = (request: CellRequest): number =>
  SMALL + (sizeOf(request, 0) + sizeOf(request, 1)) / (keyBytes(request, 0) <= 32 ? SHA256_BYTES : SHA512_BYTES);

/** So many keys, of so many bytes together, wrapped or unwrapped; key wrap works at this rate. */
const wrapping = (byGcm: boolean, keys: number, bytes: number, rate: number): number =>
  byGcm ? 1.5 * keys + bytes / GCM_BYTES : keys + bytes / rate;

/** The record of the key that the template of part 1 asks for, sealed over so many bytes; an EC key is made, derived or read. */
function record({ parts: [, template] }: CellRequest, ec: 'make' | 'derive' | 'read', bytes = 0): number {
  const curve = template && peekCurve(template);
  const sealed = ((template?.length ?? 0) > PLAIN_ATTRIBUTES_SIZE ? RARE_RECORD : RECORD) + bytes / GCM_BYTES;
  return curve === undefined ? sealed : sealed + EC[curve][ec];
}

/** Drawn, and sealed. */
const dataKey = (bytes: number): number => Math.min(bytes, DATA_KEY_MAX) * (1 / RANDOM_BYTES + 1 / GCM_BYTES);

/** A KDF: each block that is derived takes the info of part 4, and two ends of an HMAC or the secret once more. */
function derivation(request: CellRequest): number {
  const hash = flaggedHash(request.flags) || SHA256;
  const blocks = Math.ceil(askedBytes(request) / (hash === SHA256 ? 32 : 48));
  return (blocks * (sizeOf(request, 4) + keyBytes(request, 0) + 256)) / hashBytes(hash);
}

/** To keys of this HSM, or to JWEs: these are on the curve of a key, or of a point whose length tells it. */
function rewrapping(request: CellRequest, tabled: boolean): number {
  const { parts, flags, keys } = request;
  const count = parts[0] === undefined ? 0 : peekCount(parts[0]);
  const bytes = sizeOf(request, 0);
  const unwrapped = SMALL + wrapping(isGcm(request), count, bytes, KEY_UNWRAP_BYTES);
  if ((flags & FLAG.jwe) === 0) {
    return unwrapped + wrapping((flags & FLAG.wrapAsGcm) !== 0, count, bytes, KEY_WRAP_BYTES);
  }
  const isLong = keys[1] === undefined ? [49, 97].includes(sizeOf(request, 1)) : keyCurve(request, 1) === 'P-384';
  const { agree, make } = EC[isLong ? 'P-384' : 'P-256'];
  const proof = verifies(request) ? proofOf(parts[2]!, tabled) + count + bytes / SHA256_BYTES : 0;
  return unwrapped + JWES + agree + make + proof + JWE * count + bytes / GCM_BYTES + headers(parts[3], count);
}

/** A proof: its length tells of which curve its signature is, and one of a wrong length is not verified. */
function proofOf(jws: Uint8Array, tabled: boolean): number {
  const { verify, verifyTabled } = EC[isLongProof(jws) ? 'P-384' : 'P-256'];
  return CLAIMS + jws.length / HEADER_BYTES + (tabled ? verifyTabled : verify);
}
const isLongProof = (jws: Uint8Array): boolean => jws[jws.length - P384_SIGNATURE - 1] === DOT;
const DOT = 0x2e;

/** The headers that this list gives to so many JWEs: each its own, or all the same. */
function headers(list: Uint8Array | undefined, count: number): number {
  if (list === undefined) return 0;
  const texts = peekCount(list);
  const read = HEADER * texts + list.length / HEADER_BYTES;
  return texts === 1 ? read + (count * list.length) / SAME_HEADER_BYTES : read;
}
