/** The headers of a rewrapKeys to JWEs, as its request carries them. */
import { eachOf, HsmError } from '../errors.ts';
import type { RewrapToJweOptions } from '../model/hsm.ts';
import { BLOBS_MAX, HEADER_BOUNDS, HEADERS_MAX } from '../model/limits.ts';
import { jsonExcess } from '../wire/json-bounds.ts';
import { invalid, limitExceeded, listOf } from './inputs.ts';

/**
 * Their JSON: none, one for all of `blobs` JWEs, or one each; an object that comes again is written once.
 * Throws INPUT_INVALID, LIMIT_EXCEEDED.
 */
export function jweHeaders(header: RewrapToJweOptions['header'], blobs: number): readonly Uint8Array[] {
  if (header === undefined) return [];
  const list: readonly unknown[] = Array.isArray(header) ? listOf<unknown>(header, 'headers', BLOBS_MAX) : [header];
  if (list.length > 1 && list.length !== blobs) throw invalid('header is one object, or a list of one for each blob');
  const written = new Map<unknown, Uint8Array>();
  let total = 0;
  const write = (each: unknown): Uint8Array => {
    const text = written.get(each) ?? json(each);
    written.set(each, text);
    total += list.length === 1 ? blobs * text.length : text.length;
    if (total > HEADERS_MAX) throw limitExceeded('headersLimit');
    return text;
  };
  return Array.isArray(header) ? eachOf(list, write) : list.map(write);
}

function json(header: unknown): Uint8Array {
  const text = new TextEncoder().encode(textOf(header) ?? '');
  if (jsonExcess(text, HEADER_BOUNDS) !== undefined) throw limitExceeded('headerLimit');
  return text;
}

function textOf(header: unknown): string | undefined {
  try {
    return JSON.stringify(header);
  } catch (error) {
    throw new HsmError('KEYCELL_INPUT_INVALID', 'a header is an object that JSON can carry', { cause: error });
  }
}
