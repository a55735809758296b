/** Compact JWEs (RFC 7516) by ECDH-ES and A256GCM (RFC 7518 §4.6, §5.3) for what rewrapKeys gives outside recipients. */
import { eachOf, Refusal } from '../../errors.ts';
import { HASH } from '../../model/algorithms.ts';
import type { PublicJwk } from '../../model/key.ts';
import { HEADER_BOUNDS, HEADERS_MAX } from '../../model/limits.ts';
import type { Span } from '../../wire/batch.ts';
import { jsonExcess } from '../../wire/json-bounds.ts';
import { layList, listSize } from '../../wire/list.ts';
import type { Call } from '../call.ts';
import { IntegrityError } from '../core.ts';
import { concatKdf } from './concat-kdf.ts';

const IV_SIZE = 12;
const TAG_SIZE = 16;
/** Members that say how the JWE is made, or that change what it means: the cell's alone. */
const RESERVED = ['alg', 'enc', 'epk', 'apu', 'apv', 'zip', 'crit', 'b64'];

/** The members of a protected header that the caller sets. */
export type Members = Readonly<Record<string, unknown>>;
const NO_MEMBERS: Members = {};

/**
 * The caller's members of each of `count` headers, from the list of texts that part `n` holds: none, one for all, or one each.
 * A text that comes again is parsed once, and gives the same object. Throws INPUT_INVALID, LIMIT_EXCEEDED.
 */
export function readHeaders(call: Call, n: number, count: number): readonly Members[] {
  const texts = call.list(n);
  if (texts.length === 0) return new Array<Members>(count).fill(NO_MEMBERS);
  if (texts.length > 1 && texts.length !== count) throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  const bytes = texts.reduce((sum, { length }) => sum + length, 0);
  if ((texts.length === 1 ? count : 1) * bytes > HEADERS_MAX)
    throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'headersLimit');
  const known = new Map<string, Members>();
  const read = (text: Span): Members => {
    const { bytes: memory, text: buffer } = call.bench.core;
    const [from, to] = [text.offset, text.offset + text.length];
    if (jsonExcess(memory.subarray(from, to), HEADER_BOUNDS) !== undefined) {
      throw new Refusal('KEYCELL_LIMIT_EXCEEDED', 'headerLimit');
    }
    const json = buffer.toString('utf8', from, to);
    const members = known.get(json) ?? parse(json);
    known.set(json, members);
    return members;
  };
  const all = texts.length === 1 ? texts.map(read) : eachOf(texts, read);
  return texts.length === 1 ? new Array<Members>(count).fill(all[0]!) : all;
}

function parse(json: string): Members {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  }
  if (RESERVED.some((name) => Object.hasOwn(parsed, name))) throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  return parsed as Members;
}

const ALGORITHM = Buffer.from('A256GCM');
const NONE = new Uint8Array(0);

/** The context of the content key that the agreement gives: `z` is its shared secret. */
function contentKey(call: Call, z: Span): number {
  const { core, work } = call.bench;
  const cek = { offset: work.take(32), length: 32 };
  // SHA-256 whatever the curve: RFC 7518 §4.6.2.
  const { number } = HASH['SHA-256'];
  if (concatKdf(call, number, z, [ALGORITHM, NONE, NONE], cek) !== 1) throw new IntegrityError('a KDF failed');
  const ctx = work.take(core.call.AES_CTX_SIZE.value);
  if (core.call.aesExpandKey(ctx, cek.offset, cek.length) !== 1) throw new IntegrityError('a key schedule failed');
  return ctx;
}

/** The length of this many bytes in base64url. */
const encodedSize = (bytes: number): number => Math.ceil((4 * bytes) / 3);
const [IV_TEXT, TAG_TEXT] = [encodedSize(IV_SIZE), encodedSize(TAG_SIZE)];

/**
 * Seal each key to the recipient of one agreement: `z` is the shared secret, `ephemeral` our public half. The JWEs are written
 * where the reply's list has their places, which is returned.
 * All share the content key that the agreement gives, each with an IV of its own, so at most 4096 of 2^32 IVs are used.
 */
export function sealJwes(
  call: Call,
  ephemeral: PublicJwk,
  z: Span,
  keys: readonly Span[],
  headers: readonly Members[],
): Span {
  const { core, work, random } = call.bench;
  const fixed = { alg: 'ECDH-ES', enc: 'A256GCM', epk: ephemeral };
  const encoded = new Map<Members, string>();
  const textOf = (own: Members): string => {
    const known = encoded.get(own);
    if (known !== undefined) return known;
    const text = Buffer.from(JSON.stringify({ ...fixed, ...own })).toString('base64url');
    encoded.set(own, text);
    return text;
  };
  const texts = headers.map(textOf);
  const sizes = keys.map(({ length }, i) => texts[i]!.length + 4 + IV_TEXT + encodedSize(length) + TAG_TEXT);
  const list = call.result(listSize(sizes));
  const places = layList(core.bytes.subarray(list.offset, list.offset + list.length), sizes);
  const ctx = contentKey(call, z);
  const iv = work.take(IV_SIZE);

  const write = (text: string, at: number): number => at + core.text.write(text, at, 'latin1');
  const base64url = (from: number, length: number): string => core.text.toString('base64url', from, from + length);
  /** The header that lies in `work` as associated data: mostly the next one's, too. */
  let laid: string | undefined;
  let aad = 0;
  const mark = work.mark();
  keys.forEach((key, i) => {
    const header = texts[i]!;
    if (header !== laid) {
      work.release(mark);
      aad = work.take(header.length);
      write(header, aad);
      laid = header;
    }
    random.fill(iv, IV_SIZE);
    const inner = work.mark();
    const sealed = work.take(key.length + TAG_SIZE);
    if (core.call.gcmSeal(ctx, iv, IV_SIZE, aad, header.length, key.offset, key.length, sealed) !== 1) {
      throw new IntegrityError('a key could not be sealed');
    }
    const at = list.offset + places[i]!;
    core.bytes.copyWithin(at, aad, aad + header.length);
    const tag = base64url(sealed + key.length, TAG_SIZE);
    write(`..${base64url(iv, IV_SIZE)}.${base64url(sealed, key.length)}.${tag}`, at + header.length);
    work.release(inner);
  });
  return list;
}
