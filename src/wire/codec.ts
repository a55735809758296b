/** The only importer of msgpackr: for what is rare and rich, of fixed shape, and never a secret. */
import { Packr } from 'msgpackr';
import { FormatError } from './fields.ts';

// No records and no shared structures: the same value always gives the same bytes, whatever was packed before.
const packr = new Packr({ useRecords: false, variableMapSize: true, copyBuffers: true, int64AsType: 'number' });

export type Packed = null | boolean | number | string | Uint8Array | readonly Packed[];

/** Encode an array of fixed shape. `pack` returns a view of a pool, so this copies. */
export function pack(value: readonly Packed[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(value));
}

/** Decode an array of exactly `length` members; what they are is for the caller to check. Throws FormatError. */
export function unpack(bytes: Uint8Array, length: number): readonly unknown[] {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch {
    throw new FormatError('not well-formed MessagePack');
  }
  if (!Array.isArray(value) || value.length !== length) throw new FormatError('a structure has the wrong shape');
  return value;
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
  if (!(value instanceof Uint8Array) || value.length !== length) throw new FormatError(`expected ${length} bytes`);
  return new Uint8Array(value);
}
