/** Compact JWEs (RFC 7516) by ECDH-ES and A256GCM (RFC 7518 §4.6, §5.3) for what rewrapKeys gives outside recipients. */
import { Refusal } from '../../errors.ts';
import { HASH } from '../../model/algorithms.ts';
import type { PublicJwk } from '../../model/key.ts';
import type { Span } from '../../wire/batch.ts';
import type { Call } from '../call.ts';
import { IntegrityError } from '../core.ts';

/** Also bounds how deep a header can nest: writing it again as JSON is recursive, and must not end the cell. */
const HEADER_MAX = 8192;
const IV_SIZE = 12;
const TAG_SIZE = 16;
/** Members that say how the JWE is made, or that change what it means: the cell's alone. */
const RESERVED = ['alg', 'enc', 'epk', 'apu', 'apv', 'zip', 'crit', 'b64'];

const ascii = (text: string): Uint8Array => Buffer.from(text);
const base64url = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('base64url');

/** RFC 7518 §4.6.2: AlgorithmID ‖ PartyUInfo ‖ PartyVInfo ‖ SuppPubInfo, each of the first three with its length. */
function otherInfo(algorithm: string, bits: number): Uint8Array {
  const name = ascii(algorithm);
  const info = new Uint8Array(4 + name.length + 12);
  const view = new DataView(info.buffer);
  view.setUint32(0, name.length);
  info.set(name, 4);
  view.setUint32(4 + name.length + 8, bits);
  return info;
}

/** The caller's members of the protected header. Throws INPUT_INVALID. */
function members(call: Call, header: Span | undefined): Record<string, unknown> {
  if (header === undefined) return {};
  if (header.length > HEADER_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
  const text = Buffer.from(call.bench.core.bytes.slice(header.offset, header.offset + header.length)).toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  }
  if (RESERVED.some((name) => Object.hasOwn(parsed, name))) throw new Refusal('KEYCELL_INPUT_INVALID', 'header');
  return parsed as Record<string, unknown>;
}

/**
 * Seal each key to the recipient of one agreement: `z` is the shared secret, `ephemeral` our public half.
 * All share the content key that the agreement gives, each with an IV of its own, so at most 4096 of 2^32 IVs are used.
 */
export function sealJwes(
  call: Call,
  ephemeral: PublicJwk,
  z: Span,
  keys: readonly Span[],
  headers: readonly Span[],
): Uint8Array[] {
  const { core, work, random } = call.bench;
  const info = otherInfo('A256GCM', 256);
  const infoAt = work.take(info.length);
  core.bytes.set(info, infoAt);
  const cek = work.take(32);
  // SHA-256 whatever the curve: RFC 7518 §4.6.2.
  const hash = HASH['SHA-256'].number;
  if (core.call.concatKdf(hash, z.offset, z.length, infoAt, info.length, cek, 32) !== 1)
    throw new IntegrityError('a KDF failed');
  const ctx = work.take(core.call.AES_CTX_SIZE.value);
  if (core.call.aesExpandKey(ctx, cek, 32) !== 1) throw new IntegrityError('a key schedule failed');
  const fixed = { alg: 'ECDH-ES', enc: 'A256GCM', epk: ephemeral };

  return keys.map((key, i) => {
    const own = members(call, headers.length === 1 ? headers[0] : headers[i]);
    const header = base64url(ascii(JSON.stringify({ ...fixed, ...own })));
    const mark = work.mark();
    const aad = work.take(header.length);
    core.bytes.set(ascii(header), aad);
    const iv = work.take(IV_SIZE);
    random.fill(iv, IV_SIZE);
    const sealed = work.take(key.length + TAG_SIZE);
    if (core.call.gcmSeal(ctx, iv, IV_SIZE, aad, header.length, key.offset, key.length, sealed) !== 1) {
      throw new IntegrityError('a key could not be sealed');
    }
    const slice = (at: number, length: number) => base64url(core.bytes.subarray(at, at + length));
    const tagAt = sealed + key.length;
    const compact = `${header}..${slice(iv, IV_SIZE)}.${slice(sealed, key.length)}.${slice(tagAt, TAG_SIZE)}`;
    work.release(mark);
    return ascii(compact);
  });
}
