/** The only importer of msgpackr: for what is rare and rich, of fixed shape, and never a secret. */
// Without its native addon, which our short values don't need and which takes longest of all to load.
import { Packr } from 'msgpackr/pack';
import { isBytes } from '../model/values.ts';
import { FormatError } from './fields.ts';

// No records and no shared structures: the same value always gives the same bytes, whatever was packed before.
const packr = new Packr({ useRecords: false, variableMapSize: true, copyBuffers: true, int64AsType: 'number' });

export type Packed = null | boolean | number | string | Uint8Array | readonly Packed[];

/** Encode an array of fixed shape. `pack` returns a view of a pool, so this copies. */
export function pack(value: readonly Packed[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(value));
}

/**
 * Decode an array of exactly `length` members; what they are is for the caller to check. Throws FormatError.
 * Extensions (records, sets, dates) are refused before the library sees them: it would build objects, and code, from them.
 */
export function unpack(bytes: Uint8Array, length: number): readonly unknown[] {
  if (skip(bytes, 0, 0) !== bytes.length) throw new FormatError('not the MessagePack that we write');
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch {
    throw new FormatError('not well-formed MessagePack');
  }
  if (!Array.isArray(value) || value.length !== length) throw new FormatError('a structure has the wrong shape');
  return value;
}

const NESTING_MAX = 4;

/** Where the value at `at` ends. Only what `pack` writes: nil, booleans, unsigned numbers, strings, bytes, arrays. */
function skip(bytes: Uint8Array, at: number, depth: number): number {
  const need = (end: number): number => {
    if (end > bytes.length) throw new FormatError('cut short');
    return end;
  };
  need(at + 1);
  const type = bytes[at]!;
  if (type <= 0x7f || type === 0xc0 || type === 0xc2 || type === 0xc3) return at + 1;
  if (type >= 0xa0 && type <= 0xbf) return need(at + 1 + (type & 31));
  if (type >= 0x90 && type <= 0x9f && depth < NESTING_MAX) {
    let end = at + 1;
    for (let i = 0; i < (type & 15); i++) end = skip(bytes, end, depth + 1);
    return end;
  }
  switch (type) {
    case 0xcb: // a double: whole numbers beyond 32 bits
    case 0xcf:
      return need(at + 9);
    case 0xcc:
      return need(at + 2);
    case 0xcd:
      return need(at + 3);
    case 0xce:
      return need(at + 5);
    case 0xc4:
    case 0xd9:
      return need(need(at + 2) + bytes[at + 1]!);
    case 0xc5:
    case 0xda:
      return need(need(at + 3) + (bytes[at + 1]! << 8) + bytes[at + 2]!);
    default:
      throw new FormatError('not the MessagePack that we write');
  }
}

export function asString(value: unknown, maxLength: number): string {
  if (typeof value !== 'string' || value.length > maxLength) throw new FormatError('expected a short string');
  return value;
}

export function asInteger(value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new FormatError('expected a number in range');
  }
  return value;
}

export function asBytes(value: unknown, length: number): Uint8Array<ArrayBuffer> {
  if (!isBytes(value) || value.length !== length) throw new FormatError(`expected ${length} bytes`);
  return new Uint8Array(value);
}

export function asBytesUpTo(value: unknown, maxLength: number): Uint8Array {
  if (!isBytes(value) || value.length > maxLength) throw new FormatError('expected a few bytes');
  return value;
}
